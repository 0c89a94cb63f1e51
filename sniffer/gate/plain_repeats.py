"""Segments that came twice, readably: the plain twin of ``repeats.py``.

In: what was found in a segment with payload, the bytes it was read from.  Out: two counts.
Never: used in production.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffer.gate.hashing import MASK, MULTIPLIER
from sniffer.gate.repeats import ONE_IN, SLOTS, WITHIN

if TYPE_CHECKING:
    from sniffer.gate.plain_headers import Found


class PlainRepeats:
    """Counts segments of sampled flows, and those that had just been there."""

    def __init__(self) -> None:
        self.seen: dict[int, tuple[int, int]] = {}  # slot: print and time
        self.sampled = self.again = 0

    def note(self, memory: bytes, found: Found) -> None:
        """Count a segment, if its flow is sampled."""
        if found.hash * ONE_IN >> 64:
            return
        identification = memory[found.source - 8 : found.source - 6] if found.family == 4 else b""
        h = found.hash
        for word in (
            found.sequence << 32 | found.acknowledgement,
            int.from_bytes(memory[found.payload - 8 : found.payload], "big"),
            (found.payload_length + found.missing) << 9 | found.tcp_flags << 1 | found.side,
            int.from_bytes(identification, "big"),
        ):
            h = (h ^ word) * MULTIPLIER & MASK
            h ^= h >> 32
        h |= 1
        slot = (h >> 32) % SLOTS
        before, time = self.seen.get(slot, (0, 0))
        self.sampled += 1
        self.again += before == h and found.clock - time <= WITHIN
        self.seen[slot] = (h, found.clock)
