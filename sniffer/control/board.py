"""The board between a worker and its parent: memory of both, on which the worker writes its books.

In: snapshots and signs of progress, by the worker.  Out: the last whole snapshot, whatever has become of the worker.
Never: a lock, a file, a name in ``/dev/shm``: it is anonymous memory behind a descriptor, gone when both have let go of it.

Snapshots are written in turns into two places; a number that tells which one holds is changed last, with one store.  So
what a worker had written when it was killed is whole, and as of one moment.  Who reads while a living worker writes
could meet two writings within one reading: the count of writings is looked at again, and then the reading is repeated.
Turns and hands are single words, each of its own moment.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from sniffer.control.records import Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

PLACE: Final = 1 << 18
"""Bytes of a snapshot at most; one of a live sensor has some thousands."""
MAX_RINGS: Final = 64
TRIES: Final = 100

HEAD: Final = np.dtype(
    [
        ("turns", "<u8"),  # of the worker's loop
        ("written", "<u8"),  # snapshots so far; the last one is in place ``written % 2``
        ("sizes", "<u8", (2,)),  # bytes in each place
        ("hands", "<u8", (MAX_RINGS,)),  # of each ring: number of the block that is being read now, 0: none
    ]
)
SIZE: Final = HEAD.itemsize + 2 * PLACE

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Snapshot)


class Board:
    """One life's board."""

    def __init__(self, descriptor: int) -> None:
        """Map the memory behind a descriptor, which is owned from now on."""
        self._descriptor = descriptor
        self._map = mmap.mmap(descriptor, SIZE)
        self._bytes = np.frombuffer(self._map, dtype=np.uint8)
        self._head = self._bytes[: HEAD.itemsize].view(HEAD)
        self._words = (
            self._head["turns"],
            self._head["written"],
            self._head["sizes"][0],
            self._head["hands"][0],
        )

    @classmethod
    def make(cls) -> Board:
        """New memory, all zeros: nothing was written, no turn was made."""
        descriptor = os.memfd_create("sniffer-board")
        os.ftruncate(descriptor, SIZE)
        return cls(descriptor)

    def fileno(self) -> int:
        """The descriptor, to be handed to the worker."""
        return self._descriptor

    # ── the worker ───────────────────────────────────────────────────────────────────────────────────────

    def turn(self) -> None:
        """Tell that the loop goes on."""
        self._words[0][0] += 1

    def hold(self, hands: Sequence[int]) -> None:
        """Tell which block of each ring is being read from now on; zeros: none."""
        self._words[3][: len(hands)] = hands

    def write(self, snapshot: Snapshot) -> None:
        """Put a snapshot onto the board.  One that is too long is put there without its interfaces."""
        data = _encoder.encode(snapshot)
        if len(data) > PLACE:
            totals = msgspec.structs.replace(snapshot.totals, interfaces={})
            data = _encoder.encode(msgspec.structs.replace(snapshot, totals=totals, up={}))
        _, written, sizes, _ = self._words
        place = (int(written[0]) + 1) % 2
        at = HEAD.itemsize + place * PLACE
        self._bytes[at : at + len(data)] = np.frombuffer(data, dtype=np.uint8)
        sizes[place] = len(data)
        written[0] += 1

    # ── the parent ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def turns(self) -> int:
        """How often the loop went round."""
        return int(self._words[0][0])

    @property
    def hands(self) -> tuple[int, ...]:
        """Block of each ring that is being read, or was when the worker died."""
        return tuple(self._words[3].tolist())

    @property
    def written(self) -> int:
        """How many snapshots there were."""
        return int(self._words[1][0])

    def read(self) -> Snapshot | None:
        """The last snapshot; None: there is none yet, or the worker writes faster than can be read."""
        for _ in range(TRIES):
            written = self.written
            if not written:
                return None
            at = HEAD.itemsize + written % 2 * PLACE
            size = min(int(self._words[2][written % 2]), PLACE)
            data = self._bytes[at : at + size].tobytes()
            if self.written == written:
                with contextlib.suppress(msgspec.MsgspecError):
                    return _decoder.decode(data)
                return None
        return None

    def close(self) -> None:
        """Let go of the memory."""
        del self._words, self._head, self._bytes
        self._map.close()
        os.close(self._descriptor)
