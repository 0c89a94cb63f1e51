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

from sniffer.control.records import Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

PLACE: Final = 1 << 18
"""Bytes of a snapshot at most; one of a live sensor has some thousands."""
MAX_RINGS: Final = 64
TRIES: Final = 100

WORD: Final = 8
TURNS: Final = 0  # where the words of the head are: turns of the worker's loop,
WRITTEN: Final = 1  # snapshots so far,
SIZES: Final = 2  # bytes in each of the two places (the last snapshot is in place ``written % 2``),
HANDS: Final = 4  # and of each ring the number of the block that is being read now, 0: none
HEAD: Final = WORD * (HANDS + MAX_RINGS)
SIZE: Final = HEAD + 2 * PLACE

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Snapshot)


class Board:
    """One life's board."""

    def __init__(self, descriptor: int) -> None:
        """Map the memory behind a descriptor, which is owned from now on."""
        self._descriptor = descriptor
        self._map = mmap.mmap(descriptor, SIZE)
        self._bytes = memoryview(self._map)
        self._words = self._bytes[:HEAD].cast("Q")  # each is written with one store

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
        self._words[TURNS] += 1

    def hold(self, hands: Sequence[int]) -> None:
        """Tell which block of each ring is being read from now on; zeros: none."""
        for number, hand in enumerate(hands, HANDS):
            self._words[number] = hand

    def write(self, snapshot: Snapshot) -> None:
        """Put a snapshot onto the board.  One that is too long is put there without its interfaces."""
        data = _encoder.encode(snapshot)
        if len(data) > PLACE:
            totals = msgspec.structs.replace(snapshot.totals, interfaces={})
            data = _encoder.encode(msgspec.structs.replace(snapshot, totals=totals, up={}))
        place = (self._words[WRITTEN] + 1) % 2
        at = HEAD + place * PLACE
        self._bytes[at : at + len(data)] = data
        self._words[SIZES + place] = len(data)
        self._words[WRITTEN] += 1

    # ── the parent ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def turns(self) -> int:
        """How often the loop went round."""
        return self._words[TURNS]

    @property
    def hands(self) -> tuple[int, ...]:
        """Block of each ring that is being read, or was when the worker died."""
        return tuple(self._words[HANDS:])

    @property
    def written(self) -> int:
        """How many snapshots there were."""
        return self._words[WRITTEN]

    def read(self) -> Snapshot | None:
        """The last snapshot; None: there is none yet, or the worker writes faster than can be read."""
        for _ in range(TRIES):
            written = self.written
            if not written:
                return None
            at = HEAD + written % 2 * PLACE
            size = min(self._words[SIZES + written % 2], PLACE)
            data = bytes(self._bytes[at : at + size])
            if self.written == written:
                with contextlib.suppress(msgspec.MsgspecError):
                    return _decoder.decode(data)
                return None
        return None

    def close(self) -> None:
        """Let go of the memory."""
        self._words.release()
        self._bytes.release()
        self._map.close()
        os.close(self._descriptor)
