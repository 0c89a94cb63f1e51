"""The rings of one capture, side by side in memory: one array of bytes, whichever ring a frame lies in.

In: ring sockets.  Out: an array over all rings, and where each begins.
Never: a copy of a ring; an address that is free while the array is held (a ring that was taken out leaves zeros).

A Batch has one memory, so frames of several rings can be put into one order only if the rings lie in one piece.  Python's
``mmap`` cannot say where; so addresses for all are reserved by one anonymous map, and the C library maps rings into it.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from sniffer.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAP_FIXED: Final = 0x10
MAP_NORESERVE: Final = 0x4000
NO_DESCRIPTOR: Final = -1
MOST: Final = 1 << 32
"""Bytes that a FRAME's offset can reach."""


class HasDescriptor(Protocol):
    """A socket with a ring."""

    def fileno(self) -> int:
        """Its descriptor."""


class RingMemory:
    """Room for rings of given sizes."""

    def __init__(self, sizes: Sequence[int]) -> None:
        """Reserve addresses; no memory is taken yet.

        Args:
            sizes: bytes of each ring, multiples of a page.

        Raises:
            AccessError: together they are more than a frame's offset can reach.
        """
        self.starts = [sum(sizes[:number]) for number in range(len(sizes))]
        self._sizes = list(sizes)
        if sum(sizes) > MOST:
            what = f"rings of {sum(sizes) >> 20} MiB together; one worker reads at most {MOST >> 20} MiB"
            raise AccessError(what, remedy="lower capture.ring_mib")
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
        self._map = mmap.mmap(NO_DESCRIPTOR, sum(sizes), flags)
        self.data: NDArray[np.uint8] = np.frombuffer(self._map, dtype=np.uint8)
        self.words: NDArray[np.uint32] = self.data.view(np.uint32)
        self._base = self.data.ctypes.data
        self._mmap = ctypes.CDLL(None, use_errno=True).mmap
        self._mmap.restype = ctypes.c_void_p
        self._mmap.argtypes = (
            ctypes.c_void_p,
            ctypes.c_size_t,
            *[ctypes.c_int] * 3,
            ctypes.c_long,
        )

    def put(self, number: int, sock: HasDescriptor, size: int) -> None:
        """Map a socket's ring, writable: blocks are handed back by a store into them.

        Raises:
            ValueError: it is larger than the one that the place was made for.
            OSError: the kernel refuses.
        """
        if size > self._sizes[number]:
            raise ValueError(f"a ring of {size} bytes in a place of {self._sizes[number]}")
        self.take_out(number)
        self._place(number, size, mmap.MAP_SHARED, sock.fileno())

    def take_out(self, number: int) -> None:
        """Let go of a ring; zeros take its place."""
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
        self._place(number, self._sizes[number], flags, NO_DESCRIPTOR)

    def _place(self, number: int, size: int, flags: int, descriptor: int) -> None:
        where = self._base + self.starts[number]
        prot = mmap.PROT_READ | mmap.PROT_WRITE
        if self._mmap(where, size, prot, flags | MAP_FIXED, descriptor, 0) != where:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    def close(self) -> None:
        """Let go of all rings, and of the addresses unless a batch is still held; they go with it."""
        for number in range(len(self._sizes)):
            self.take_out(number)
        del self.data, self.words
        with contextlib.suppress(BufferError):
            self._map.close()
