"""The capture that dashboards are tried on is all stories, at times at which its replay delivers them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import dpkt
import pytest
from model import ROOT
from stage import stories

if TYPE_CHECKING:
    from pathlib import Path


def packets(capture: Path) -> list[tuple[float, bytes]]:
    """Times and frames."""
    with capture.open("rb") as file:
        return [(float(moment), frame) for moment, frame in dpkt.pcap.Reader(file)]


@pytest.mark.parametrize(("speed", "quiet"), [(1, 0), (5, 12)])
def test_times(tmp_path: Path, speed: float, quiet: float) -> None:
    """No frame is changed or lost; the last has the time of its delivery, the first comes alone."""
    capture, lasts = stories(tmp_path, speed, quiet)
    now = time.time()
    found = packets(capture)
    told = [one for story in ROOT.glob("pcaps/*/traffic.pcap") for one in packets(story)]
    assert sorted(frame for _, frame in found) == sorted(frame for _, frame in told)
    times = [moment for moment, _ in found]
    assert times == sorted(times)
    assert times[-1] == pytest.approx(now + lasts, abs=3)
    assert (times[-1] - times[0]) / speed == pytest.approx(lasts, abs=0.01)
    assert times[1] - times[0] >= quiet * speed
