"""A kernel ring (TPACKET_V3) of one interface, read in place.

In: a socket that :func:`sniffer.capture.packet_socket.open_ring` made.  Out: the frames of block after block.
Never: a copy of a frame, a wait, a block that goes back to the kernel before its frames were read.

Layout of a block (linux/if_packet.h): a 48-byte head with status, number of packets and offset of the first; then a
``tpacket3_hdr`` each, a ``sockaddr_ll`` 48 bytes into it, and the frame at ``tp_mac``.  All are aligned to 8 bytes, so
the walk reads 32-bit words.
"""

# ruff: noqa: ANN001, ANN201 - numba finds the types of kernels

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from sniffer.batch import FRAME
from sniffer.capture.interface import link_type, mtu, received
from sniffer.capture.packet_socket import Position, RingSettings, Statistics, is_gone
from sniffer.gate.compiled import kernel, one_at_a_time

if TYPE_CHECKING:
    import socket

    from numpy.typing import NDArray

    from sniffer.capture.memory import RingMemory

STATUS_USER: Final = 1
STATUS_WORD: Final = 2  # of a block, in 32-bit words

# Words of the state.
FILLED, OUTGOING, BROKEN, STAMPED, UNSUMMED, MERGED = range(6)
WORDS = 6

LINK_ROOM: Final = 64
"""Bytes that a frame may be longer than the MTU without having been merged: link header, tags, labels."""

NO_LIMIT: Final = 1 << 32
SMALLEST_PACKET = 96  # bytes of a block that a packet takes at least

BLOCK_PACKETS = 3
BLOCK_NUMBER = 6  # and 7: of the block, counted from 1 by the kernel as it begins to fill one
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

    def __init__(
        self, sock: socket.socket, name: str, number: int, settings: RingSettings, memory: RingMemory
    ) -> None:
        """Map a socket's ring.

        Args:
            sock: from ``open_ring``; owned from now on.
            name: of the interface.
            number: what ``FRAME.interface`` shall say, and its place in the memory.
            settings: what ``open_ring`` returned with the socket.
            memory: where to.
        """
        self.sock, self.name, self.number, self.settings = sock, name, number, settings
        self.link = link_type(name)
        self.gone = False
        self._statistics = Statistics()
        memory.put(number, sock, settings.ring_bytes)
        self._words, self._start = memory.words, memory.starts[number]
        self.rows: NDArray[np.void] = np.zeros(settings.block_bytes // SMALLEST_PACKET, dtype=FRAME)
        self._state = np.zeros(WORDS, dtype=np.int64)
        self._block = 0  # to be opened next
        self._kept = 0  # blocks before it that have been read and are still ours
        self._read = 0  # number of the last block that was read to its end
        self._told, self._poison = Position(), 0  # of a dead reader, see resume
        self._at = self._end = 0  # frames of the open block that were taken, and all
        self.opened = 0.0  # monotonic time at which the open block was
        self._largest = 0
        self._first_received = received(name) if settings.drop else 0
        self.watch()

    @property
    def ready(self) -> bool:
        """Whether a block waits to be read."""
        return self._kept < self.settings.blocks and self._is_filled(self._block)

    @property
    def crowded(self) -> bool:
        """Whether a quarter of the ring waits to be read."""
        ahead = self.settings.blocks // 4
        return self._kept + ahead < self.settings.blocks and self._is_filled(
            (self._block + ahead) % self.settings.blocks
        )

    @property
    def keeps(self) -> bool:
        """Whether blocks have been read and not been given back."""
        return self._kept > 0

    @property
    def keeps_many(self) -> bool:
        """Whether an eighth of the ring has been read and not been given back."""
        return self._kept >= max(1, self.settings.blocks // 8)

    def _begin_of(self, block: int) -> int:
        return self._start + block * self.settings.block_bytes

    def _status_of(self, block: int) -> int:
        """Index of the status word of a block."""
        return self._begin_of(block) // 4 + STATUS_WORD

    def _is_filled(self, block: int) -> bool:
        return bool(int(self._words[self._status_of(block)]) & STATUS_USER)

    @property
    def frames(self) -> NDArray[np.void]:
        """Rows of the open block that were not taken yet; empty where none is open."""
        return self.rows[self._at : self._end]

    def open_block(self) -> bool:
        """Open the next block with frames, unless one is open; return whether one is."""
        while self._at == self._end and self.ready:
            walk_block(
                self._words,
                self._begin_of(self._block),
                self.settings.block_bytes,
                self.rows,
                self.number,
                self.link,
                self._largest,
                self._state,
            )
            self._at, self._end = 0, int(self._state[FILLED])
            self.opened = time.monotonic()
            self._pass_over()
            if self._at == self._end:
                self._keep()
        return self._at < self._end

    def take(self, count: int) -> None:
        """The first rows of :attr:`frames` have been read."""
        self._at += count
        if count and self._at == self._end:
            self._keep()

    def _keep(self) -> None:
        """The open block has been read to its end."""
        self._read = self._number_of(self._block)
        self._at = self._end = 0
        self._block = (self._block + 1) % self.settings.blocks
        self._kept += 1

    def give_back(self) -> None:
        """Let the kernel have the blocks that have been read."""
        for ago in range(self._kept, 0, -1):
            block = (self._block - ago) % self.settings.blocks
            self._words[self._status_of(block)] = 0  # TP_STATUS_KERNEL
        self._kept = 0

    # ── from one reader to the next ──────────────────────────────────────────────────────────────────────

    def _number_of(self, block: int) -> int:
        at = self._begin_of(block) // 4 + BLOCK_NUMBER
        return int(self._words[at]) | int(self._words[at + 1]) << 32

    @property
    def hand(self) -> int:
        """Number of the open block; 0: none is open."""
        return self._number_of(self._block) if self._at < self._end else 0

    @property
    def position(self) -> Position:
        """How far the ring has been read."""
        return Position(os.fstat(self.sock.fileno()).st_ino, self._read, self._at)

    def resume(self, position: Position, hand: int) -> None:
        """Go on where another reader of the same socket was when it died, before the first block is opened.

        Blocks that it had told of go back to the kernel, later ones are read; but for the one that was in its hand: what
        it had not told of that is lost, for it may be what the reader died of.

        Args:
            position: what the dead reader told last; of another socket, it says nothing.
            hand: number of the block that it was reading; 0: none.
        """
        if os.fstat(self.sock.fileno()).st_ino != position.socket:
            position, hand = Position(), 0
        self._told, self._poison = position, hand
        numbers = {self._number_of(block): block for block in range(self.settings.blocks)}
        waiting = sorted(number for number, block in numbers.items() if self._is_filled(block))
        # Where nothing waits, the next one to be filled is the one that was begun last.
        self._block = numbers[waiting[0] if waiting else max(numbers)]
        for number in waiting:
            if number <= position.read:
                self._keep()
        self.give_back()

    def _pass_over(self) -> None:
        """Leave out what a dead reader of this ring has told of in the block that was opened, or died of."""
        number = self._number_of(self._block)
        if number == self._told.read + 1:
            self._at = min(self._told.taken, self._end)
        if number == self._poison:
            self._statistics.lost += self._end - self._at
            self._at = self._end

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
        """Give the socket back; the memory is its owner's."""
        self.sock.close()


@kernel
def merge_frames(one, other, out):  # type: ignore[no-untyped-def]
    """Put the rows of two lists into one, the older first; ``out``: FRAME[:], as long as both together."""
    i = j = 0
    for k in range(min(len(out), len(one) + len(other))):
        if j >= len(other) or (i < len(one) and one[i].time <= other[j].time):
            out[k] = one[i]
            i += 1
        else:
            out[k] = other[j]
            j += 1


@one_at_a_time()
def warm_up() -> None:
    """Compile (or load from disk) the walk and the merge."""
    words = np.zeros(64, dtype=np.uint32)
    rows = np.zeros(2, dtype=FRAME)
    walk_block(words, 0, 256, rows, 0, 1, 0, np.zeros(WORDS, dtype=np.int64))
    merge_frames(rows[:1], rows[1:], np.zeros(2, dtype=FRAME))
