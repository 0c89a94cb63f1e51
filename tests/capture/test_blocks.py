"""Section headers and interface descriptions, byte by byte."""

from __future__ import annotations

import pytest
from capture.craft import interface, option, section
from hypothesis import given
from hypothesis import strategies as st

from sniffer.capture import walk
from sniffer.capture.blocks import BYTE_ORDERS, options, read_interface, section_order, time_unit
from sniffer.capture.faults import Fault


@pytest.mark.parametrize("order", sorted(BYTE_ORDERS.values()))
def test_section_order(order: str) -> None:
    """The byte-order magic tells; versions 1.0 and 1.2 are read."""
    assert section_order(section(order)) == order
    assert section_order(section(order, (1, 2))) == order


@pytest.mark.parametrize("order", sorted(BYTE_ORDERS.values()))
def test_interface_without_options(order: str) -> None:
    """No options: microseconds, no offset, no name."""
    found = read_interface(interface(order, 113, 96), order)
    assert found == (113, "", (113, 96, 1_000, 1, 0, 0))


def test_options_behind_the_end_mark_do_not_count() -> None:
    """opt_endofopt ends the options; a repeated one counts as written last; odd sizes are passed over."""
    read = (
        option(2, b"a\0b")
        + option(2, b"eth1")
        + option(9, b"\x09\x09")
        + option(14, b"\x01")
        + option(0, b"")
    )
    found = read_interface(interface(options=read + option(2, b"late") + option(9, b"\x00")), "<")
    assert (found.name, found.row) == ("eth1", (1, 0, 1_000, 1, 0, 0))


def test_a_name_is_short_and_printable() -> None:
    """What a file calls its interface reaches terminals and events."""
    name = read_interface(interface(options=option(2, b"\xff\x1b[2J" + b"n" * 500)), "<").name
    assert name.isascii()
    assert name.isprintable()
    assert len(name) == 64


@pytest.mark.parametrize("resolution", range(256))
def test_every_resolution_byte_is_a_unit_or_a_fault(resolution: int) -> None:
    """What 64 bits can count is a unit the walk can work with; the rest is refused."""
    power = resolution & 0x7F
    if power > (63 if resolution & 0x80 else 19):
        with pytest.raises(Fault, match="time_resolution"):
            time_unit(resolution)
        return
    multiply, divide, shift = time_unit(resolution)
    assert 1 <= multiply <= walk.SECOND
    assert 1 <= divide <= 10**10
    assert 0 <= shift <= 63
    if not shift:
        base = 2 if resolution & 0x80 else 10
        assert multiply * base**power == walk.SECOND * divide


@given(data=st.binary(max_size=200), order=st.sampled_from(["<", ">"]))
def test_options_of_any_bytes(data: bytes, order: str) -> None:
    """Any bytes are options inside their block, or one fault."""
    found: list[tuple[int, bytes]] = []
    code = ""
    try:
        found.extend(options(data, order))
    except Fault as fault:
        code = fault.code
    assert code in ("", "option_length")
    assert sum(4 + len(value) for _, value in found) <= len(data)
    assert all(number != 0 for number, _ in found)
