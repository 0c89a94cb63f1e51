"""Times of packets, for people."""

from __future__ import annotations

import pytest

from sniffer.moments import moment


@pytest.mark.parametrize(("time", "text"), [(0, "1970-01-01 00:00:00"), (1 << 80, "-"), (-(1 << 80), "-")])
def test_times_of_any_capture(time: int, text: str) -> None:
    """A packet time that cannot be is a dash, or what a caller wants in its place."""
    assert moment(time) == text
    assert moment(time, "?") == ("?" if text == "-" else text)
