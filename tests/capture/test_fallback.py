"""The portable source: scapy's packets become batches; its queue is bounded and counts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sniffer.capture import fallback
from sniffer.capture.fallback import ScapyCapture


class Sniffer:
    """Stands in for scapy's thread."""

    running = True
    stopped = 0

    def stop(self, *, join: bool) -> None:
        """Note that it was stopped."""
        assert not join
        self.stopped += 1


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> ScapyCapture:
    """A source without a network."""
    monkeypatch.setattr(ScapyCapture, "_start", lambda *_: Sniffer())
    return ScapyCapture(["en0", "en1"], timeout=0.01)


def packet(data: bytes, wirelen: int = 0) -> Any:
    """A packet as scapy hands it over."""
    return SimpleNamespace(original=data, time=1_700_000_000.5, wirelen=wirelen)


def test_packets_become_batches(source: ScapyCapture) -> None:
    """Bytes, time, lengths and interface are kept, in order; silence is None."""
    source.take(1, packet(b"hello", 9))
    source.take(0, packet(b"world!"))
    batches = source.batches()
    batch = next(batches)
    assert batch is not None
    assert [
        (
            batch.data[row["offset"] : row["offset"] + row["captured"]].tobytes(),
            int(row["length"]),
            int(row["interface"]),
        )
        for row in batch.frames
    ] == [(b"hello", 9, 1), (b"world!", 6, 0)]
    assert int(batch.frames["time"][0]) == 1_700_000_000_500_000_000
    assert batch.data.flags.writeable
    assert next(batches) is None
    source.close()


def test_a_flood_is_counted(source: ScapyCapture) -> None:
    """Packets beyond the queue are dropped and counted; seen = delivered + dropped."""
    for _ in range(fallback.MAX_QUEUE + 500):
        source.take(0, packet(b"x"))
    delivered = 0
    for batch in source.batches():
        if batch is None:
            break
        delivered += len(batch.frames)
    counts = source.statistics()["en0"]
    assert (counts.packets, counts.drops, delivered) == (fallback.MAX_QUEUE + 500, 500, fallback.MAX_QUEUE)
    source.close()


def test_close_stops_every_thread(source: ScapyCapture) -> None:
    """After close nothing sniffs, and batches end."""
    source.close()
    assert [sniffer.stopped for sniffer in source._sniffers] == [1, 1]
    assert list(source.batches()) == []
