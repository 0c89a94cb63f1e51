"""The table of offending addresses."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from sizerun import START, work

from sniffer.control.table import HostTable, Line, make_table, some
from sniffer.model import Confidence, Severity
from sniffer.sinks.hosts import HostBook
from sniffer.sinks.networks import HostNames
from sniffer.size.figures import Texts
from sniffer.size.hosts import SizeBook
from sniffer.size.sessions import SECOND


def book(*hosts: int) -> HostBook:
    """A book with two hits of each host."""
    out = HostBook()
    for host in hosts:
        add(out, host)
    return out


def add(out: HostBook, host: int, tenant: str = "") -> None:
    """Two hits of a host."""
    out.hit(
        bytes([10, 0, 0, host]),
        "stratum-v1-submit",
        Severity.HIGH,
        Confidence.CONFIRMED,
        2,
        1_700_000_000 * 10**9,
        1.0,
        tenant,
    )


def no_sizes() -> SizeBook:
    """Nothing is known of how big anybody is."""
    return SizeBook(HostNames())


def test_elsewhere_than_on_a_terminal() -> None:
    """A line for each new address, once; the table at the end."""
    stream = io.StringIO()
    hosts = book(7)
    table = HostTable(hosts, no_sizes(), title="Offending addresses", stream=stream)
    table.start()
    table.refresh("watching")
    add(hosts, 8)
    table.refresh("watching")
    table.refresh("ended: 9 packets")
    table.stop()
    text = stream.getvalue()
    assert text.count("new: 10.0.0.7  confirmed  stratum-v1-submit\n") == 1
    assert text.count("new: 10.0.0.8") == 1
    assert "2023-11-14" in text
    assert "ended: 9 packets" in text
    assert text.index("new: 10.0.0.8") < text.index("confidence")


def test_no_text_is_taken_for_markup() -> None:
    """Brackets in a tenant's name are shown, not interpreted."""
    stream = io.StringIO()
    hosts = HostBook()
    add(hosts, 7, tenant="[red]a[/red]")
    table = HostTable(hosts, no_sizes(), title="t", stream=stream)
    table.stop()
    assert "[red]a[/red]" in "".join(stream.getvalue().split())


def test_sizes_of_hosts() -> None:
    """Hashrate, power and machines of those that mine, once one is known."""
    stream, sizes = io.StringIO(), no_sizes()
    table = HostTable(book(7, 8), sizes, title="t", stream=stream)
    table.stop()
    assert "hashrate" not in stream.getvalue()
    sizes.turn(START)
    for at in range(5, 3_600, 10):
        sizes.add(work(at, 1, host=bytes((10, 0, 0, 7))))
    sizes.turn(START + 3_600 * SECOND, everything=True)
    table.stop()
    text = stream.getvalue()
    assert re.search(r"^10\.0\.0\.7 .* 440 GH/s sha256d +43\.5 W +1 ", text, re.MULTILINE)
    assert re.search(r"^10\.0\.0\.8 .* high +- +- +- ", text, re.MULTILINE)


def test_a_narrow_terminal_keeps_addresses_readable() -> None:
    """On 80 characters rules are cut first; an address stands in one line."""
    line = Line(
        "10.20.1.111", "", 116, "confirmed", "high", Texts("-", "-", "-"), "2026-11-23 08:00:00", ["a" * 60]
    )
    screen = Console(width=80)
    with screen.capture() as shown:
        screen.print(make_table([line], title="", caption="", last="last hit (UTC)", width=80))
    (_, row) = shown.get().splitlines()
    assert row.split()[:4] == ["10.20.1.111", "116", "confirmed", "high"]
    assert "2026-11-23 08:00:00" in row


@pytest.mark.parametrize(
    ("rules", "text"),
    [((), ""), (("a",), "a"), (("a", "b", "c"), "a, b, c"), (("a", "b", "c", "d", "e"), "a, b, c +2")],
)
def test_long_lists_of_rules_are_cut(rules: tuple[str, ...], text: str) -> None:
    """Three rules are named, the others counted."""
    assert some(rules) == text
