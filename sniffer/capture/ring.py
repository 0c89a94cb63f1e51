"""Live capture: kernel rings (TPACKET_V3) of one or several interfaces, read in place.

In: sockets that :func:`sniffer.capture.packet_socket.open_ring` made.  Out: a Batch for each ring block.
Never: a copy of a frame, a wait longer than the time-out, a block kept from the kernel longer than its batch.

Layout of a block (linux/if_packet.h): a 48-byte head with status, number of packets and offset of the first; then a
``tpacket3_hdr`` each, a ``sockaddr_ll`` 48 bytes into it, and the frame at ``tp_mac``.  All are aligned to 8 bytes, so
the walk reads 32-bit words.
"""

# ruff: noqa: ANN001, ANN201 - numba finds the types of kernels

from __future__ import annotations

import contextlib
import select
import socket
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from sniffer.capture.interface import is_up, link_type, mtu, received
from sniffer.capture.packet_socket import RingSettings, Statistics, is_gone, map_ring, open_ring
from sniffer.gate.compiled import kernel, one_at_a_time
from sniffer.model import FRAME, Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

STATUS_USER: Final = 1
STATUS_WORD: Final = 2  # of a block, in 32-bit words
TURN: Final = 8  # blocks of one ring before the next ring has its turn
WATCH_EVERY: Final = 1.0

# Words of the state.
FILLED, OUTGOING, BROKEN, STAMPED, UNSUMMED, MERGED = range(6)
WORDS = 6

LINK_ROOM: Final = 64
"""Bytes that a frame may be longer than the MTU without having been merged: link header, tags, labels."""

NO_LIMIT: Final = 1 << 32
SMALLEST_PACKET = 96  # bytes of a block that a packet takes at least

BLOCK_PACKETS = 3
BLOCK_FIRST = 4
NEXT, SECONDS, NANOSECONDS, SNAPLEN, LENGTH, STATUS, MAC, _HASH, TCI, TPID = range(10)
PACKET_TYPE = 14  # word with sll_hatype and sll_pkttype
PACKET_OUTGOING = 4
SMALLEST_MAC = 68  # behind tpacket3_hdr and sockaddr_ll
CHECKSUM_NOT_READY = 1 << 3
VLAN_VALID = 1 << 4
VLAN_TPID_VALID = 1 << 6
TIME_OF_HARDWARE = 1 << 31


@kernel
def walk_block(words, start, size, frames, interface, link, largest, state):  # type: ignore[no-untyped-def]
    """Fill a row for each packet of one block.

    Args:
        words: uint32[::1], the whole ring.
        start: first byte of the block.
        size: bytes of a block.
        frames: FRAME[:], room for every packet that a block can hold.
        interface: index to write into the rows.
        link: LINKTYPE number to write into the rows.
        largest: bytes that a frame has at most before anything merges several.
        state: int64[WORDS]; FILLED is set, the others are added to.
    """
    base = start // 4
    left = np.int64(words[base + BLOCK_PACKETS])
    at = start + np.int64(words[base + BLOCK_FIRST])
    limit = start + size
    filled = 0
    while left > 0:
        word = at // 4
        if at < start or at + 64 > limit or filled >= len(frames):
            state[BROKEN] += left
            break
        mac = np.int64(words[word + MAC]) & 0xFFFF
        captured = np.int64(words[word + SNAPLEN])
        status = np.int64(words[word + STATUS])
        if (np.int64(words[word + PACKET_TYPE]) >> 16) & 0xFF == PACKET_OUTGOING:
            state[OUTGOING] += 1
        elif mac < SMALLEST_MAC or at + mac + captured > limit:
            state[BROKEN] += 1
        else:
            row = frames[filled]
            row.time = np.int64(words[word + SECONDS]) * 1_000_000_000 + np.int64(words[word + NANOSECONDS])
            row.offset = at + mac
            row.captured = captured
            row.length = words[word + LENGTH]
            row.link = link
            row.interface = interface
            row.vlan = 0
            row.vlan_protocol = 0
            if status & VLAN_VALID:
                row.vlan = np.int64(words[word + TCI]) & 0xFFFF
                row.vlan_protocol = (
                    np.int64(words[word + TPID]) & 0xFFFF if status & VLAN_TPID_VALID else 0x8100
                )
            if status & TIME_OF_HARDWARE:
                state[STAMPED] += 1
            if status & CHECKSUM_NOT_READY:
                state[UNSUMMED] += 1
            if row.length > largest:
                state[MERGED] += 1
            filled += 1
        left -= 1
        step = np.int64(words[word + NEXT])
        if left > 0 and step == 0:
            state[BROKEN] += left
            break
        at += step
    state[FILLED] = filled


class Ring:
    """The mapped ring of one socket."""

    def __init__(self, sock: socket.socket, name: str, number: int, settings: RingSettings) -> None:
        """Map a socket's ring.

        Args:
            sock: from ``open_ring``; owned from now on.
            name: of the interface.
            number: what ``FRAME.interface`` shall say.
            settings: what ``open_ring`` returned with the socket.
        """
        self.sock, self.name, self.number, self.settings = sock, name, number, settings
        self.link = link_type(name)
        self.gone = False
        self._statistics = Statistics()
        self._map = map_ring(sock, settings)
        self._data: NDArray[np.uint8] = np.frombuffer(self._map, dtype=np.uint8)
        self._words: NDArray[np.uint32] = self._data.view(np.uint32)
        self._frames: NDArray[np.void] = np.zeros(settings.block_bytes // SMALLEST_PACKET, dtype=FRAME)
        self._state = np.zeros(WORDS, dtype=np.int64)
        self._block = 0
        self._largest = 0
        self._first_received = received(name) if settings.drop else 0
        self.watch()

    @classmethod
    def from_fd(cls, fd: int, name: str, number: int, settings: RingSettings) -> Ring:
        """Map the ring of a socket that another process opened."""
        return cls(socket.socket(fileno=fd), name, number, settings)

    @property
    def outgoing(self) -> int:
        """Packets left out because this machine sent them."""
        return int(self._state[OUTGOING])

    @property
    def broken(self) -> int:
        """Packets whose place in the ring cannot be."""
        return int(self._state[BROKEN])

    @property
    def ready(self) -> bool:
        """Whether a block waits to be read."""
        status = self._block * self.settings.block_bytes // 4 + STATUS_WORD
        return bool(int(self._words[status]) & STATUS_USER)

    def blocks(self, most: int) -> Iterator[Batch]:
        """Yield the blocks that are ready, ``most`` at most; each goes back to the kernel when the next is asked for."""
        for _ in range(most):
            if not self.ready:
                return
            start = self._block * self.settings.block_bytes
            walk_block(
                self._words,
                start,
                self.settings.block_bytes,
                self._frames,
                self.number,
                self.link,
                self._largest,
                self._state,
            )
            yield Batch(self._data, self._frames[: int(self._state[FILLED])])
            self._words[start // 4 + STATUS_WORD] = 0  # TP_STATUS_KERNEL
            self._block = (self._block + 1) % self.settings.blocks

    def watch(self) -> None:
        """See whether the interface is still there, and how large its frames may be by now."""
        self.gone = self.gone or is_gone(self.sock)
        size = mtu(self.name)
        self._largest = size + LINK_ROOM if size else NO_LIMIT

    def statistics(self) -> Statistics:
        """What the kernel counted since the socket was opened, and what the walk has met."""
        told = self._statistics
        # The interface's counter is read first, so that no packet seems filtered that is on its way.  One that was made
        # anew under the old name counts from 0.
        if self.settings.drop:
            told.received = max(told.received, received(self.name) - self._first_received)
        with contextlib.suppress(OSError):
            told.read(self.sock)
        told.stamped, told.unsummed, told.merged = self._state[[STAMPED, UNSUMMED, MERGED]].tolist()
        return told

    def close(self) -> None:
        """Give socket and memory back."""
        self.sock.close()
        del self._data, self._words
        with contextlib.suppress(BufferError):  # a batch is still held; its memory goes with it
            self._map.close()


class LiveCapture:
    """A Source over the rings of one or several interfaces."""

    def __init__(self, rings: Sequence[Ring], *, timeout: float = 0.2) -> None:
        """Read rings in turn.

        Args:
            rings: one for each interface, their numbers counting from 0.
            timeout: seconds without a packet after which ``batches`` yields None.
        """
        self.rings = list(rings)
        self.interfaces: list[str] = [ring.name for ring in rings]
        self._timeout = timeout
        self._open = True
        self._past = [Statistics() for _ in rings]  # of sockets that were replaced
        self._poll = select.poll()
        self._next_watch = 0.0
        for ring in self.rings:
            self._poll.register(ring.sock, select.POLLIN | select.POLLERR)

    @classmethod
    def open(cls, names: Sequence[str], settings: RingSettings, *, timeout: float = 0.2) -> LiveCapture:
        """Open sockets on interfaces and map them, all in this process.

        Raises:
            InputError: no such interface.
            AccessError: the kernel refuses.
        """
        rings: list[Ring] = []
        try:
            for number, name in enumerate(names):
                sock, chosen = open_ring(name, settings)
                rings.append(Ring(sock, name, number, chosen))
        except BaseException:
            for ring in rings:
                ring.close()
            raise
        return cls(rings, timeout=timeout)

    def batches(self) -> Iterator[Batch | None]:
        """Yield ring blocks as they fill; None when nothing arrived within the time-out."""
        while self._open:
            found = False
            for ring in self.rings:
                for batch in ring.blocks(TURN):
                    found = True
                    yield batch
            if time.monotonic() >= self._next_watch:
                self._watch()
            if not found:
                self._wait()
                if not any(ring.ready for ring in self.rings):
                    yield None

    def _wait(self) -> None:
        for fd, happened in self._poll.poll(self._timeout * 1_000):
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
        new = Ring(sock, name, number, settings or old.settings)
        self._past[number] += old.statistics()
        self._poll.unregister(old.sock)
        old.close()
        self.rings[number] = new
        self._poll.register(new.sock, select.POLLIN | select.POLLERR)

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


@one_at_a_time()
def warm_up() -> None:
    """Compile (or load from disk) the walk."""
    words = np.zeros(64, dtype=np.uint32)
    walk_block(words, 0, 256, np.zeros(1, dtype=FRAME), 0, 1, 0, np.zeros(WORDS, dtype=np.int64))
