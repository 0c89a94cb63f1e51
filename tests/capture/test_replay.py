"""Replay: everything in the file, at its time, again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import frames as build
import pytest

from sniffer.capture.replay import SECOND, Replay
from sniffer.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

START = 1_700_000_000 * SECOND


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 50.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.naps.append(seconds)
        self.now += seconds


def capture(folder: Path, offsets: list[float]) -> str:
    """A file with a frame at each offset, in seconds."""
    file = folder / "a.pcap"
    file.write_bytes(
        build.pcap([(START + int(at * SECOND), bytes([n]) * 60) for n, at in enumerate(offsets)])
    )
    return str(file)


def played(source: Replay, clock: Clock, limit: int = 10_000) -> list[tuple[float, float]]:
    """(seconds of the clock, seconds of the packet) of each frame, since the start."""
    began = clock.now
    out: list[tuple[float, float]] = []
    for batch in source.batches():
        if batch is not None:
            out += [(round(clock.now - began, 3), (int(t) - START) / SECOND) for t in batch.frames["time"]]
        if len(out) >= limit:
            break
    return out


@pytest.mark.parametrize("speed", [1.0, 2.0, 60.0])
def test_packets_come_at_their_time(tmp_path: Path, speed: float) -> None:
    """No packet comes before its time, none more than a tenth of a second after it."""
    offsets = [0, 0.01, 0.2, 1.0, 1.001, 1.5, 3.0]
    clock = Clock()
    source = Replay(capture(tmp_path, offsets), speed=speed, clock=clock, sleep=clock.sleep)
    shown = played(source, clock)
    source.close()
    assert [packet for _, packet in shown] == pytest.approx(offsets)
    for now, packet in shown:
        assert packet / speed - 0.1 <= now <= packet / speed + 0.1


@pytest.mark.parametrize("speed", [0, None])
def test_as_fast_as_possible(tmp_path: Path, speed: float | None) -> None:
    """Without a speed nobody sleeps."""
    clock = Clock()
    source = Replay(capture(tmp_path, [0, 3_600]), speed=speed, clock=clock, sleep=clock.sleep)
    assert len(played(source, clock)) == 2
    assert not clock.naps
    source.close()


def test_the_caller_is_not_kept_waiting(tmp_path: Path) -> None:
    """During a long pause the caller hears of it every tenth of a second."""
    clock = Clock()
    source = Replay(capture(tmp_path, [0, 10]), speed=1.0, clock=clock, sleep=clock.sleep)
    silent = sum(batch is None for batch in source.batches())
    source.close()
    assert 95 <= silent <= 101
    assert max(clock.naps) <= 0.1


def test_time_that_goes_back_is_delivered_as_it_is(tmp_path: Path) -> None:
    """A packet stamped earlier than the one before it comes along with that one."""
    clock = Clock()
    offsets = [0, 5, 1, 6]
    source = Replay(capture(tmp_path, offsets), speed=10.0, clock=clock, sleep=clock.sleep)
    shown = played(source, clock)
    source.close()
    assert [packet for _, packet in shown] == pytest.approx(offsets)
    assert clock.now - 50.0 == pytest.approx(0.6, abs=0.1)


def test_a_loop_goes_on(tmp_path: Path) -> None:
    """Each pass is told by ``restarts``; packet time goes on from pass to pass."""
    clock = Clock()
    source = Replay(capture(tmp_path, [0, 2]), speed=1.0, loop=True, clock=clock, sleep=clock.sleep)
    shown = played(source, clock, limit=6)
    assert [packet for _, packet in shown] == pytest.approx([0, 2, 3, 5, 6, 8])
    assert [now for now, _ in shown] == pytest.approx([0, 2, 3, 5, 6, 8], abs=0.1)
    assert (source.restarts, source.passes) == (2, 2)
    source.close()


def test_an_empty_capture_does_not_loop(tmp_path: Path) -> None:
    """A file without packets ends at once, looped or not."""
    source = Replay(capture(tmp_path, []), loop=True)
    assert not list(source.batches())
    source.close()


def test_a_damaged_file_ends_the_loop(tmp_path: Path) -> None:
    """What is readable is played once, then the fault is told."""
    path = capture(tmp_path, [0, 1])
    with open(path, "ab") as file:  # noqa: PTH123
        file.write(b"\0" * 9)
    source = Replay(path, speed=0, loop=True)
    seen = 0
    with pytest.raises(InputError, match="cut_record"):  # noqa: PT012
        for batch in source.batches():
            seen += len(batch.frames) if batch is not None else 0
    assert seen == 2
    source.close()


def test_a_missing_file() -> None:
    """A file that is not there is told with the first batch."""
    with pytest.raises(InputError, match="missing"):
        next(Replay("/nowhere/a.pcap").batches())
