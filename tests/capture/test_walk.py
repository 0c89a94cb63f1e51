"""The compiled walks, as far as files do not show them: times to the nanosecond, and why a walk stops."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from capture import craft
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.batch import FRAME
from sniffer.capture import walk
from sniffer.capture.blocks import time_unit

RESOLUTIONS = [*range(20), *range(0x80, 0xC0)]


@settings(deadline=None)  # the first example compiles
@given(
    stamp=st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 2**32), st.integers(2**62, 2**63)),
    resolution=st.sampled_from(RESOLUTIONS),
    seconds=st.integers(-(2**33), 2**33),
)
def test_block_time_agrees_with_exact_arithmetic(stamp: int, resolution: int, seconds: int) -> None:
    """Every time stamp in every unit is right to the nanosecond, cut to the range of times."""
    power = resolution & 0x7F
    unit = Fraction(1, (2 if resolution & 0x80 else 10) ** power)
    offset = max(-(walk.LATEST // walk.SECOND), min(seconds, walk.LATEST // walk.SECOND)) * walk.SECOND
    row = np.array([1, 0, *time_unit(resolution), offset], dtype=np.int64)
    exact = min(int(stamp * unit * walk.SECOND), walk.LATEST) + offset
    found = int(walk.block_time(np.uint64(stamp), row))
    clamped = max(0, min(exact, walk.LATEST))
    assert abs(found - clamped) <= (resolution > 0x80 + 34)  # bits below a third of a nanosecond are dropped


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_walk_asks_for_the_bytes_it_needs(order: str) -> None:
    """With each prefix of a file, a walk stops before the first record that is not whole and asks for more of it."""
    records = [craft.pcap_record(bytes(10), order=order), craft.pcap_record(b"", order=order)]
    blocks = [craft.enhanced(bytes(10), order=order), craft.simple(b"abc", order=order)]
    state = np.zeros(walk.WORDS, dtype=np.int64)
    frames = np.zeros(8, dtype=FRAME)
    table = np.zeros((1, walk.COLUMNS), dtype=np.int64)
    table[0] = (1, 0, 1, 1, 0, 0)
    for pieces in (records, blocks):
        data = np.frombuffer(bytearray(b"".join(pieces)), dtype=np.uint8)
        for end in range(len(data) + 1):
            state[:] = 0
            if pieces is records:
                why = walk.walk_pcap(data, end, frames, state, order == ">", 1, 16, 1)
            else:
                why = walk.walk_pcapng(data, end, frames, state, order == ">", table, 0, 1)
            whole = (end >= len(pieces[0])) + (end == len(data))
            assert why == walk.MORE
            assert state[walk.FILLED] == whole
            assert state[walk.AT] == sum(map(len, pieces[:whole]))
            assert state[walk.AT] + state[walk.NEED] > end


def test_a_walk_stops_when_rows_run_out() -> None:
    """A full batch ends the walk where the next one begins."""
    data = np.frombuffer(bytearray(craft.pcap_record(b"abc") * 5), dtype=np.uint8)
    state = np.zeros(walk.WORDS, dtype=np.int64)
    frames = np.zeros(2, dtype=FRAME)
    counts = [
        (walk.walk_pcap(data, len(data), frames, state, False, 1, 16, 1), int(state[walk.FILLED]))
        for _ in range(3)
    ]
    assert counts == [(walk.FULL, 2), (walk.FULL, 2), (walk.MORE, 1)]


def test_each_walk_is_compiled_once() -> None:
    """The ways files are read need one machine code each: nothing is left to compile when capture has begun."""
    walk.warm_up()
    assert [len(kernel.signatures) for kernel in (walk.walk_pcap, walk.walk_pcapng)] == [1, 1]
