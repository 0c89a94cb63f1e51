"""Addresses of servers that somebody wants to know about: pools learned from DNS answers, resolvers by design.

In: addresses with the time until which they count.  Out: whether an address is one of them.
Never: growth, a look beyond one bucket; a decision what the address stands for (Python knows its name).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sniffer.gate.compiled import kernel
from sniffer.gate.hashing import name_end, name_step

SLOTS: Final = 1 << 16
WAYS: Final = 8
FILTER: Final = 1 << 16  # bits: 8 KiB, which stays in the cache where the table does not
FOR_EVER: Final = (1 << 62) - 1

TABLE: Final = np.dtype(
    [
        ("hashes", "<u8", (SLOTS,)),  # 0: free
        ("until", "<i8", (SLOTS,)),  # seconds on the gate's clock
        (
            "filter",
            "u1",
            (FILTER >> 3,),
        ),  # a bit for each hash that was ever remembered, so that most misses are cheap
    ],
    align=True,
)
"""Hashes of addresses, and until when each counts.  Zeros are an empty table."""


@kernel
def filter_bit(h):  # type: ignore[no-untyped-def]
    """Byte of the filter and bit in it that belong to a hash."""
    place = np.int64(h >> np.uint64(32)) & (FILTER - 1)
    return place >> 3, np.uint8(1 << (place & 7))


@kernel
def address_hash(data, at, width, seed):  # type: ignore[no-untyped-def]
    """Keyed hash of the ``width`` bytes of an address."""
    h = seed ^ np.uint64(width)
    for i in range(width):
        h = name_step(h, np.int64(data[at + i]))
    return name_end(h)


@kernel
def remember(table, data, width, seed, until):  # type: ignore[no-untyped-def]
    """Let the address in ``data`` count until a time; the entry that ends first makes room in a full bucket."""
    h = address_hash(data, 0, width, seed)
    bucket = np.int64(h >> np.uint64(8)) & (SLOTS - 1) & ~np.int64(WAYS - 1)
    chosen: Any = bucket
    for slot in range(bucket, bucket + WAYS):
        if table.hashes[slot] == h:
            chosen = slot
            break
        if table.until[slot] < table.until[chosen]:
            chosen = slot
    table.hashes[chosen] = h
    table.until[chosen] = until
    byte, bit = filter_bit(h)
    table.filter[byte] |= bit


@kernel
def is_known(table, data, at, width, seed, now):  # type: ignore[no-untyped-def]
    """Whether an address counts now."""
    h = address_hash(data, at, width, seed)
    byte, bit = filter_bit(h)
    if table.filter[byte] & bit == 0:
        return False
    bucket = np.int64(h >> np.uint64(8)) & (SLOTS - 1) & ~np.int64(WAYS - 1)
    for slot in range(bucket, bucket + WAYS):
        if table.hashes[slot] == h:
            return now <= table.until[slot]
    return False
