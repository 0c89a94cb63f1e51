"""IP fragments once more, readably: the plain twin of ``fragments.py``.

In: fragments.  Out: whole datagrams, in the one or two readings that their fragments allow.
Never: used in production.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sniffer.gate.fragments import CHUNK, CHUNKS, MAX_AGE, MAX_DATAGRAM, MAX_FRAGMENTS, SLOTS, WAYS


@dataclass
class Datagram:
    """What has come of one datagram."""

    hash: int
    seen: int
    total: int | None = None
    count: int = 0
    present: dict[int, int] = field(default_factory=dict)  # unit of 8 bytes: how many of them count
    readings: list[dict[int, int]] = field(default_factory=lambda: [{}])  # of each version: offset to byte
    chunks: list[set[int]] = field(default_factory=lambda: [set()])  # of each version: 2 KiB pieces in use

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return sum(self.present.values()) == self.total

    def part(self, offset: int, size: int) -> bytes:
        """Bytes of the first version."""
        return bytes(self.readings[0][offset + i] for i in range(size))

    def whole(self, version: int) -> bytes:
        """The datagram as one of its versions has it."""
        return bytes(self.readings[version].get(i, 0) for i in range(self.total or 0))


class OutOfMemory(Exception):  # noqa: N818  (an answer, not an error)
    """All chunks belong to this very datagram."""


class PlainFragments:
    """Keeps fragments until their datagram is whole."""

    def __init__(self) -> None:
        self.slots: dict[int, Datagram] = {}
        self.counts: Counter[str] = Counter()
        self.hand = 0

    def add(self, flow_hash: int, data: bytes, place: int, now: int) -> tuple[int, bool] | None:
        """Add a fragment: its slot, and whether its datagram is whole.  None: refused."""
        offset, more = place & ~1, place & 1
        if not data or offset + len(data) > MAX_DATAGRAM or (more and len(data) % 8):
            self.counts["fragment_limit"] += 1
            return None
        slot = self.find(flow_hash, now)
        datagram = self.slots[slot]
        datagram.count += 1
        if datagram.count > MAX_FRAGMENTS:
            self.counts["fragment_limit"] += 1
            del self.slots[slot]
            return None
        behind = offset + len(data)
        if datagram.total is not None and (
            behind > datagram.total or (not more and behind != datagram.total)
        ):
            self.counts["fragment_conflict"] += 1
            return slot, False
        if not more:
            datagram.total = behind
        try:
            done = 0
            while done < len(data):
                length = min(len(data) - done, CHUNK - (offset + done) % CHUNK)
                self.add_span(slot, offset + done, data[done : done + length])
                done += length
        except OutOfMemory:
            self.counts["fragment_limit"] += 1
            del self.slots[slot]
            return None
        return slot, datagram.is_whole

    def add_span(self, slot: int, offset: int, data: bytes) -> None:
        """Add bytes that lie within one chunk; what came first stays in the first version."""
        datagram = self.slots[slot]
        for step in range(0, len(data), 8):
            piece = data[step : step + 8]
            unit = (offset + step) // 8
            if unit not in datagram.present:
                datagram.present[unit] = len(piece)
                self.write(slot, 0, offset + step, piece)
            elif len(datagram.readings) == 1 and piece != datagram.part(offset + step, len(piece)):
                self.counts["fragment_conflict"] += 1
                self.fork(slot)
        if len(datagram.readings) == 2:
            self.write(slot, 1, offset, data)

    def fork(self, slot: int) -> None:
        """Begin a second version with what is there of the first."""
        datagram = self.slots[slot]
        datagram.readings.append(dict(datagram.readings[0]))
        datagram.chunks.append(set())
        for chunk in sorted(datagram.chunks[0]):
            self.take_chunk(slot)
            datagram.chunks[1].add(chunk)

    def write(self, slot: int, version: int, offset: int, data: bytes) -> None:
        """Write bytes of one version."""
        datagram = self.slots[slot]
        if offset // CHUNK not in datagram.chunks[version]:
            self.take_chunk(slot)
            datagram.chunks[version].add(offset // CHUNK)
        datagram.readings[version].update((offset + i, byte) for i, byte in enumerate(data))

    def take_chunk(self, slot: int) -> None:
        """Make room for one more chunk: other datagrams go, one after the other."""
        for _ in range(SLOTS):
            used = sum(len(chunks) for each in self.slots.values() for chunks in each.chunks)
            if used < CHUNKS:
                return
            self.hand = (self.hand + 1) % SLOTS
            if self.hand != slot and self.hand in self.slots:
                self.counts["fragment_evicted"] += 1
                del self.slots[self.hand]
        raise OutOfMemory

    def find(self, flow_hash: int, now: int) -> int:
        """Slot of a datagram; the oldest of a full bucket makes room for a new one."""
        first = flow_hash % SLOTS // WAYS * WAYS
        bucket = range(first, first + WAYS)
        for slot in bucket:
            known = self.slots.get(slot)
            if known and known.hash == flow_hash and now - known.seen <= MAX_AGE:
                return slot
        free = [slot for slot in bucket if slot not in self.slots]
        chosen = free[0] if free else min(bucket, key=lambda slot: self.slots[slot].seen)
        if not free:
            self.counts["fragment_evicted"] += 1
        self.slots[chosen] = Datagram(flow_hash, now)
        return chosen
