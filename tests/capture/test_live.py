"""Several rings as one source: the order of their frames.  What a kernel does with them is tested on one (tests/live)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.batch import FRAME
from sniffer.capture import ring

TIMES = st.lists(st.integers(0, 50), max_size=30).map(sorted)


def rows(times: list[int], number: int = 0) -> np.ndarray:
    """Frames of one ring, each with its index as its length."""
    out = np.zeros(len(times), dtype=FRAME)
    out["time"], out["interface"], out["length"] = times, number, range(len(times))
    return out


@settings(deadline=None)  # the first call compiles
@given(TIMES, TIMES)
def test_merged_frames_are_in_order_and_complete(one: list[int], other: list[int]) -> None:
    """The older comes first, of two of the same age the first ring's; each ring's own order stays; none is lost."""
    out = np.zeros(len(one) + len(other), dtype=FRAME)
    ring.merge_frames(rows(one), rows(other, 1), out)
    assert out["time"].tolist() == sorted(one + other)
    for number, times in enumerate((one, other)):
        mine = out[out["interface"] == number]
        assert mine["time"].tolist() == times
        assert mine["length"].tolist() == list(range(len(times)))
    for before, after in pairwise(out):
        assert before["time"] < after["time"] or before["interface"] <= after["interface"]


@pytest.mark.parametrize("room", [0, 1, 5])
def test_no_row_is_written_beyond_the_list(room: int) -> None:
    """Less room than rows: the first ones, and nothing behind them."""
    out = np.zeros(6, dtype=FRAME)
    ring.merge_frames(rows([1, 3, 5]), rows([2, 4, 6]), out[:room])
    assert out["time"].tolist() == [*range(1, room + 1), *[0] * (6 - room)]
