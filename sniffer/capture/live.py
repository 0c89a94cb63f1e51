"""Live capture: the rings of one or several interfaces, read as one source in the order of packet time.

In: ring sockets.  Out: batches, each with frames of one ring or of several, the older first.
Never: a copy of a frame, a wait longer than the time-out, a ring that fills up because another one is quiet.

Where each direction of a line arrives on an interface of its own (a split tap), an answer must not be read before its
question.  Blocks of all rings are open side by side, and frames are told up to the time from which on one of the rings
may still get older ones.  A ring with nothing in it may get something older at any moment, because the kernel hands a block
over when it is full or after its time (``RingSettings.retire_ms``): it is waited for, for :data:`HOLD` at most, and only
while no ring is crowded.
"""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from sniffer.batch import FRAME, Batch
from sniffer.capture.interface import is_up
from sniffer.capture.memory import RingMemory
from sniffer.capture.packet_socket import Position, RingSettings, Statistics, open_ring
from sniffer.capture.ring import Ring, merge_frames

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

WATCH_EVERY: Final = 1.0
HOLD: Final = 0.2
"""Seconds that a block waits for the other rings: a block may take twice its retire time of 60 ms to be handed over."""
NAP: Final = 0.01
"""Seconds to sleep where ``poll`` would not: it returns at once while a ring has blocks that were not given back."""


class LiveCapture:
    """A Source over the rings of one or several interfaces."""

    def __init__(
        self,
        opened: Sequence[tuple[socket.socket, str, RingSettings]],
        *,
        timeout: float = 0.2,
        keeps: bool = False,
    ) -> None:
        """Map rings, and read them as one source.

        Args:
            opened: socket, interface and settings of each; the sockets are owned from now on.
            timeout: seconds without a packet after which ``batches`` yields None.
            keeps: blocks go back to the kernel by :meth:`give_back` only.
        """
        self._keeps = keeps
        # Rings that the batch comes from which is being read, and how many of its frames are from each.
        self._in_hand: list[tuple[Ring, int]] = []
        self.interfaces: list[str] = [name for _, name, _ in opened]
        self._memory = RingMemory([settings.ring_bytes for _, _, settings in opened])
        self.rings = [
            Ring(sock, name, number, settings, self._memory)
            for number, (sock, name, settings) in enumerate(opened)
        ]
        rows = sum(len(ring.rows) for ring in self.rings) if len(opened) > 1 else 0
        self._merged = [np.zeros(rows, dtype=FRAME) for _ in range(min(len(opened), 2))]
        self._timeout = timeout
        self._open = True
        self._past = [Statistics() for _ in opened]  # of sockets that were replaced
        self._next_watch = 0.0

    @classmethod
    def open(cls, names: Sequence[str], settings: RingSettings, *, timeout: float = 0.2) -> LiveCapture:
        """Open sockets on interfaces and map them, all in this process.

        Raises:
            InputError: no such interface.
            AccessError: the kernel refuses.
        """
        opened: list[tuple[socket.socket, str, RingSettings]] = []
        try:
            for name in names:
                sock, chosen = open_ring(name, settings)
                opened.append((sock, name, chosen))
            return cls(opened, timeout=timeout)
        except BaseException:
            for sock, _, _ in opened:
                sock.close()
            raise

    def batches(self) -> Iterator[Batch | None]:
        """Yield frames in the order of their times; None when nothing arrived within the time-out."""
        while self._open:
            now = time.monotonic()
            if now >= self._next_watch:
                self._watch()
            filled = [ring for ring in self.rings if ring.open_block()]
            if self._is_time(filled, now):
                self._in_hand = ripe(filled)
                parts = [ring.frames[:count] for ring, count in self._in_hand]
                try:
                    yield Batch(self._memory.data, self._in_order(parts))
                finally:
                    self.settle()
                    if not self._keeps:
                        self.give_back()
            elif filled:
                time.sleep(NAP)
            else:
                self._wait()
                if not any(ring.ready for ring in self.rings):
                    yield None

    def settle(self) -> None:
        """The batch has been read; so it is by itself when the next one is asked for."""
        for ring, count in self._in_hand:
            if ring in self.rings:  # not replaced meanwhile
                ring.take(count)
        self._in_hand = []

    def give_back(self) -> None:
        """Let the kernel have the blocks that have been read."""
        for ring in self.rings:
            ring.give_back()

    @property
    def keeps_many(self) -> bool:
        """Whether a ring holds so much that has been read that it should be given back."""
        return any(ring.keeps_many for ring in self.rings)

    @property
    def hands(self) -> list[int]:
        """Number of the block of each ring that the batch comes from; 0: it has none of that ring."""
        mine = [ring for ring, _ in self._in_hand]
        return [ring.hand if ring in mine else 0 for ring in self.rings]

    @property
    def positions(self) -> tuple[Position, ...]:
        """How far each ring has been read."""
        return tuple(ring.position for ring in self.rings)

    def resume(self, positions: Sequence[Position], hands: Sequence[int]) -> None:
        """Go on where another process was with the same sockets, see :meth:`Ring.resume`."""
        for ring, position, hand in zip(self.rings, positions, hands, strict=False):
            ring.resume(position, hand)

    def _in_order(self, parts: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
        """Rows of several rings as one list, the older first."""
        merged = parts[0]
        for number, part in enumerate(parts[1:]):
            out = self._merged[number % 2][: len(merged) + len(part)]
            merge_frames(merged, part, out)
            merged = out
        return merged

    def _is_time(self, filled: Sequence[Ring], now: float) -> bool:
        """Whether the next frame can be told: every ring has one, or the others have been waited for."""
        if not filled:
            return False
        if all(ring in filled or ring.gone for ring in self.rings):
            return True
        return any(now - ring.opened >= HOLD or ring.crowded for ring in filled)

    def _wait(self) -> None:
        """Wait until a ring has a block, for a moment at most while one has blocks that were not given back."""
        if any(ring.keeps for ring in self.rings):
            time.sleep(NAP)
            return
        poll = select.poll()
        for ring in self.rings:
            poll.register(ring.sock, select.POLLIN | select.POLLERR)
        for fd, happened in poll.poll(self._timeout * 1_000):
            if happened & (select.POLLERR | select.POLLHUP):
                for ring in self.rings:
                    if ring.sock.fileno() == fd:
                        # The interface went down.  Unless the error is read, poll returns at once for ever.
                        ring.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def _watch(self) -> None:
        self._next_watch = time.monotonic() + WATCH_EVERY
        for ring in self.rings:
            ring.watch()

    @property
    def lost(self) -> list[str]:
        """Interfaces that were removed; each needs a new socket, see :meth:`replace`."""
        return [ring.name for ring in self.rings if ring.gone]

    def replace(self, name: str, sock: socket.socket, settings: RingSettings | None = None) -> None:
        """Read an interface through a new socket; the counts of the old one stay.

        Args:
            name: of the interface.
            sock: the new socket.
            settings: what it was opened with; None: what the old one was.
        """
        number = self.interfaces.index(name)
        old = self.rings[number]
        new = Ring(sock, name, number, settings or old.settings, self._memory)
        self._past[number] += old.statistics()
        old.close()
        self.rings[number] = new

    def statistics(self) -> Mapping[str, Statistics]:
        """What was counted of each interface since the start."""
        return {
            ring.name: past + ring.statistics() for ring, past in zip(self.rings, self._past, strict=True)
        }

    def up(self) -> Mapping[str, bool]:
        """Whether each interface is there and has a carrier."""
        return {ring.name: not ring.gone and is_up(ring.name) for ring in self.rings}

    def close(self) -> None:
        """Give all sockets and memory back."""
        if self._open:
            self._open = False
            for ring in self.rings:
                ring.close()
            self._memory.close()


def ripe(filled: Sequence[Ring]) -> list[tuple[Ring, int]]:
    """How many frames of each open block can be told: none of its ring's, or of another's, can still be older."""
    if len(filled) == 1:
        return [(filled[0], len(filled[0].frames))]
    first = min(filled, key=lambda ring: int(ring.frames["time"][-1]))
    limit = int(first.frames["time"][-1])
    counts = (
        len(ring.frames) if ring is first else int(np.searchsorted(ring.frames["time"], limit, "right"))
        for ring in filled
    )
    return [(ring, count) for ring, count in zip(filled, counts, strict=True) if count]
