"""Bytes that rules look for where a flow or a datagram begins.

In: patterns (bytes at an offset), as rules name them; the opening of a side, or a datagram.
Out: whether a pattern fits, or may fit once more bytes have come.
Never: which rule it is (Python asks again); growth; a read outside the payload.

Patterns stand in groups, one for each offset, and within a group in chains, by a hash of their first three bytes.  So an
opening costs one look-up for each offset, however many patterns there are, and rules mostly name the offset 0.  Only
who writes rules can make a chain long; traffic cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sniffer.gate.compiled import kernel
from sniffer.gate.hashing import MASK, MULTIPLIER
from sniffer.gate.integers import u24
from sniffer.model import MAX_PATTERNS, OPENING, TcpFlag

if TYPE_CHECKING:
    from collections.abc import Iterable

HASHED: Final = 3  # bytes; no pattern is shorter
SLOT_BITS: Final = 9
SYN: Final = int(TcpFlag.SYN)

TABLE: Final = np.dtype(
    [
        ("count", "<i8"),  # of patterns
        ("groups", "<i8"),  # of patterns with one offset
        ("places", "<i8", (OPENING,)),  # offset of each group, the smallest first
        ("begins", "<i8", (OPENING + 1,)),  # first pattern of each group, and the end of the last
        ("heads", "<i2", (1 << SLOT_BITS,)),  # 1 + the first pattern of a chain; 0: none
        ("following", "<i2", (MAX_PATTERNS,)),  # 1 + the next pattern in the chain; 0: none
        ("sizes", "<i2", (MAX_PATTERNS,)),
        ("bytes", "u1", (MAX_PATTERNS * OPENING,)),
    ],
    align=True,
)
"""Patterns in order of their offsets.  Zeros are an empty table."""


def lay_out(table: Any, patterns: Iterable[tuple[int, bytes]]) -> None:
    """Write patterns into a record of :data:`TABLE`, in place of those that were there.

    Args:
        table: the record.
        patterns: offset and bytes of each; one that is given twice is one.

    Raises:
        ValueError: there are too many, or one is too short or leads too far.
    """
    wanted = sorted(set(patterns))
    if len(wanted) > MAX_PATTERNS:
        raise ValueError(f"{len(wanted)} patterns, of {MAX_PATTERNS} at most")
    if not all(at >= 0 and len(data) >= HASHED and at + len(data) <= OPENING for at, data in wanted):
        raise ValueError(f"a pattern of less than {HASHED} bytes, or not within the first {OPENING}")
    places = sorted({at for at, _ in wanted})
    table["count"], table["groups"] = len(wanted), len(places)
    table["places"][: len(places)] = places
    begins = [sum(at < place for at, _ in wanted) for place in places]
    table["begins"][: len(places) + 1] = [*begins, len(wanted)]
    table["heads"][:] = 0
    for number, (at, data) in enumerate(wanted):
        slot = ((int.from_bytes(data[:HASHED], "big") | at << 24) * MULTIPLIER & MASK) >> (64 - SLOT_BITS)
        table["following"][number] = table["heads"][slot]
        table["heads"][slot] = number + 1
        table["sizes"][number] = len(data)
        table["bytes"][number * OPENING : number * OPENING + len(data)] = np.frombuffer(data, dtype=np.uint8)


@kernel
def slot_of(word, place):  # type: ignore[no-untyped-def]
    """Where the chain begins for three bytes at an offset."""
    key = np.uint64(word) | (np.uint64(place) << np.uint64(24))
    return np.int64((key * np.uint64(MULTIPLIER)) >> np.uint64(64 - SLOT_BITS))


@kernel
def agrees(data, start, size, number, table):  # type: ignore[no-untyped-def]
    """Whether the ``size`` bytes at ``start`` are those of a pattern, as far as both go."""
    base = number * OPENING
    for i in range(min(size, np.int64(table.sizes[number]))):
        if data[start + i] != table.bytes[base + i]:
            return False
    return True


@kernel
def opens(data, at, end, is_whole, table):  # type: ignore[no-untyped-def]
    """Whether the payload ``data[at:end]`` opens like a pattern.

    ``is_whole``: no more bytes will come; else a pattern fits that agrees as far as there are bytes.
    """
    for group in range(table.groups):
        place = table.places[group]
        start = at + place
        size = end - start
        if size < HASHED:
            if is_whole:
                return False  # and of the groups that follow there is less
            if size <= 0:
                return True
            for each in range(table.begins[group], table.begins[group + 1]):
                if agrees(data, start, size, each, table):
                    return True
            continue
        number = np.int64(table.heads[slot_of(u24(data, start), place)]) - 1
        for _ in range(MAX_PATTERNS):
            if number < 0:
                break
            is_there = not is_whole or size >= np.int64(table.sizes[number])
            if is_there and agrees(data, start, size, number, table):
                return True
            number = np.int64(table.following[number]) - 1
    return False


@kernel
def opens_side(data, row, is_first, table):  # type: ignore[no-untyped-def]
    """Whether a payload is the opening of its side, and opens like a pattern.

    Where the start of a side is known, its opening is what lies there; else it is the first payload that was seen.
    """
    if row.start >= 0:
        if (row.tcp_flags & SYN) == 0 and np.int64(row.sequence) != row.start:
            return False
    elif not is_first:
        return False
    at = np.int64(row.payload)
    return opens(data, at, at + np.int64(row.payload_length), False, table)


@kernel
def opens_datagram(data, row, table):  # type: ignore[no-untyped-def]
    """Whether a datagram that nothing else lets pass opens like a pattern."""
    at = np.int64(row.payload)
    return table.count > 0 and opens(data, at, at + np.int64(row.payload_length), True, table)
