"""Memory of several rings in one piece: each in its place, none beyond it, and no address that leads nowhere."""

from __future__ import annotations

import mmap
import os
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sniffer.capture.memory import RingMemory
from sniffer.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="rings are Linux's")
PAGE = mmap.PAGESIZE


@pytest.fixture
def area() -> Iterator[Callable[[int, bytes], FileIO]]:
    """Makes shared memory with a descriptor, as a ring has: pages full of one byte."""
    made: list[FileIO] = []

    def make(pages: int, fill: bytes) -> FileIO:
        made.append(open(os.memfd_create("ring"), "r+b", buffering=0))  # noqa: PTH123, SIM115  # closed below
        made[-1].write(fill * pages * PAGE)
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_rings_lie_side_by_side(area: Callable[[int, bytes], FileIO]) -> None:
    """One array shows all rings in the order of their numbers; a store into it reaches the ring."""
    first, second = area(1, b"a"), area(2, b"b")
    memory = RingMemory([PAGE, 2 * PAGE])
    memory.put(1, second, 2 * PAGE)
    memory.put(0, first, PAGE)
    assert memory.starts == [0, PAGE]
    assert memory.data.tobytes() == b"a" * PAGE + b"b" * 2 * PAGE
    memory.words[PAGE // 4] = 0
    assert os.pread(second.fileno(), 5, 0) == b"\0\0\0\0b"
    memory.close()


def test_a_ring_in_the_place_of_another(area: Callable[[int, bytes], FileIO]) -> None:
    """A smaller ring may follow, a larger one may not; what is not mapped any more reads as zeros."""
    memory = RingMemory([2 * PAGE, PAGE])
    memory.put(0, area(2, b"a"), 2 * PAGE)
    memory.put(1, area(1, b"z"), PAGE)
    memory.put(0, area(1, b"b"), PAGE)
    assert memory.data.tobytes() == b"b" * PAGE + b"\0" * PAGE + b"z" * PAGE
    with pytest.raises(ValueError, match="a place of"):
        memory.put(1, area(2, b"c"), 2 * PAGE)
    memory.take_out(0)
    assert memory.data.tobytes() == b"\0" * 2 * PAGE + b"z" * PAGE
    memory.close()


def test_what_is_held_stays_an_address(area: Callable[[int, bytes], FileIO]) -> None:
    """A batch that somebody still holds when all is closed reads zeros and ends nothing."""
    memory = RingMemory([PAGE])
    memory.put(0, area(1, b"a"), PAGE)
    held = memory.data[10:20]
    memory.close()
    assert not np.any(held)


def test_more_than_an_offset_can_reach() -> None:
    """Rings of more than 4 GiB together are refused with what to lower."""
    with pytest.raises(AccessError, match=r"at most 4096 MiB.*capture\.ring_mib"):
        RingMemory([1 << 31, (1 << 31) + PAGE])


def test_a_descriptor_that_cannot_be_mapped() -> None:
    """The refusal of the kernel is an error, and the place stays what it was."""
    memory = RingMemory([PAGE])
    with open("/dev/zero", "rb") as nothing, pytest.raises(OSError, match="denied"):  # noqa: PTH123  # not writable
        memory.put(0, nothing, PAGE)
    assert not memory.data.any()
    memory.close()
