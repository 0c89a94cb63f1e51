"""A ring that outlives its reader: the next one goes on where the books of the dead one end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from live.conftest import sender
from live.test_ring import SMALL, frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffer.batch import Batch
    from sniffer.capture.live import LiveCapture

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="AF_PACKET is Linux's"),
]


def numbers(batch: Batch) -> list[int]:
    """Numbers of the test frames of a batch."""
    starts = (int(row["offset"]) + 14 for row in batch.frames)
    return [int.from_bytes(batch.data[at : at + 4].tobytes(), "big") for at in starts]


def rest(source: LiveCapture) -> list[int]:
    """Numbers of the frames that come until it is silent; what was read is given back."""
    out: list[int] = []
    silent = 5
    for batch in source.batches():
        source.give_back()
        if batch is not None:
            out += numbers(batch)
            continue
        silent -= 1
        if not silent:
            break
    return out


def send(first: int, last: int) -> None:
    """Put numbered frames onto the wire."""
    with sender() as wire:
        for number in range(first, last):
            wire.send(frame(number, 1_000))


@pytest.mark.parametrize("case", ["at rest", "in hand", "half a block", "another socket"])
def test_another_reader_goes_on_in_the_same_ring(
    in_namespace: Callable[[Callable[[], None]], None], case: str
) -> None:
    """What was told of is not read again, what was not is read; but for the block that a reader died over: it is lost."""

    def body() -> None:
        from sniffer.capture.live import LiveCapture  # noqa: PLC0415
        from sniffer.capture.packet_socket import Position, RingSettings, open_ring_socket  # noqa: PLC0415
        from sniffer.capture.ring import warm_up  # noqa: PLC0415

        warm_up()
        settings = RingSettings(SMALL, 64)
        with open_ring_socket("port", settings) as kept:
            first, second = (
                LiveCapture([(kept.dup(), "port", settings)], timeout=0.1, keeps=True) for _ in range(2)
            )
            send(0, 400)  # several blocks
            told = 0
            batches = first.batches()
            while told < 100:  # what the books count
                batch = next(batches)
                assert batch is not None
                told += len(batch.frames)
            first.settle()
            positions, hands = first.positions, [0]
            first.give_back()
            batch = next(batches)
            assert batch is not None
            held = len(batch.frames)
            assert held > 20
            if case == "in hand":
                hands = first.hands
                assert hands[0] == positions[0].read + 1
            elif case == "half a block":
                positions, hands = (positions[0]._replace(taken=7),), first.hands
            elif case == "another socket":
                positions, hands = (Position(1, 99, 5),), [99]
            # Now it dies: nothing more is given back.
            second.resume(positions, hands)
            got = rest(second)
            for begin in range(400, 9_400, 1_000):  # and it reads on when more comes, through the whole ring
                send(begin, begin + 1_000)
                got += rest(second)
            lost = {"in hand": held, "half a block": held - 7}.get(case, 0)
            assert got == list(range(told + (held if lost else 0), 9_400))
            counts = second.statistics()["port"]
            assert (counts.lost, counts.drops, counts.packets) == (lost, 0, 9_400)
            first.close()
            second.close()

    in_namespace(body)
