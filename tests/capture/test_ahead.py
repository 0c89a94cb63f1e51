"""Batches made ahead: the same ones, unharmed by what is made meanwhile."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from capture.craft import enhanced, interface, pcap_header, pcap_record, section
from hypothesis import given
from hypothesis import strategies as st

from sniffer.batch import FRAME, Batch
from sniffer.capture.ahead import ahead
from sniffer.capture.savefile import Savefile, warm_up
from sniffer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

EMPTY = Batch(np.zeros(1, dtype=np.uint8), np.zeros(1, dtype=FRAME))


@pytest.fixture(autouse=True, scope="module")
def _warm() -> None:
    warm_up()


def payloads(batches: Iterable[Batch], pause: float = 0.0) -> list[bytes]:
    """What is in the frames of batches, read late."""
    out = []
    for batch in batches:
        time.sleep(pause)
        for offset, size in zip(batch.frames["offset"], batch.frames["captured"], strict=True):
            out.append(batch.data[offset : offset + size].tobytes())
    return out


@pytest.mark.parametrize("pause", [0.0, 0.002])
@pytest.mark.parametrize("window", [64, 1_000, 5_000])
def test_a_batch_is_unharmed_while_the_next_is_made(tmp_path: Path, window: int, pause: float) -> None:
    """Whoever takes long over a batch still reads what was in the file, however often the memory is used again."""
    wanted = [bytes([number % 251]) * (number * 7 % 300) for number in range(1_000)]
    records = [pcap_record(payload, number) for number, payload in enumerate(wanted)]
    file = tmp_path / "a.pcap"
    file.write_bytes(pcap_header() + b"".join(records))
    assert payloads(ahead(Savefile(str(file), window=window, batch_frames=50).batches()), pause) == wanted


def test_a_batch_is_unharmed_by_blocks_that_are_skipped(tmp_path: Path) -> None:
    """Between two batches the window may move on many times; what was handed out last stays where it is."""
    skipped = (0x0BAD).to_bytes(4, "little") + (4_096).to_bytes(4, "little") + bytes(4_084)
    skipped += (4_096).to_bytes(4, "little")
    wanted = [bytes([number]) * 90 for number in range(60)]
    blocks = [enhanced(payload) + skipped for payload in wanted]
    file = tmp_path / "a.pcapng"
    file.write_bytes(section() + interface() + b"".join(blocks))
    assert payloads(ahead(Savefile(str(file), window=256).batches()), 0.001) == wanted


@given(count=st.integers(0, 20), faults=st.integers(0, 1))
def test_order_and_fault_are_the_source_s(count: int, faults: int) -> None:
    """All batches come, in order, and a fault comes behind them."""
    made = [Batch(EMPTY.data, EMPTY.frames) for _ in range(count)]

    def source() -> Iterator[Batch]:
        yield from made
        if faults:
            message = "cut"
            raise InputError(message)

    got = []
    try:
        for batch in ahead(source()):
            got.append(batch)  # noqa: PERF402 - an exception must not lose what came before it
        assert not faults
    except InputError:
        assert faults
    assert all(one is other for one, other in zip(got, made, strict=True))


def test_one_batch_ahead_and_no_more() -> None:
    """While a batch is in use, one more is made, and the source rests then; who stops early leaves no thread."""
    made = 0

    def source() -> Iterator[Batch]:
        nonlocal made
        while True:
            made += 1
            yield EMPTY

    batches = ahead(source())
    for taken in range(1, 6):
        next(batches)
        time.sleep(0.05)
        assert made == taken + 1
    batches.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
