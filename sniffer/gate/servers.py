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
FOR_EVER: Final = (1 << 62) - 1


TABLE: Final = np.dtype(
    [
        ("hashes", "<u8", (SLOTS,)),  # 0: free
        ("until", "<i8", (SLOTS,)),  # seconds on the gate's clock
        ("count", "<i8"),  # entries ever made; 0: no need to look
    ],
    align=True,
)
"""Hashes of addresses, and until when each counts.  Zeros are an empty table."""


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
    table.count += 1


@kernel
def is_known(table, data, at, width, seed, now):  # type: ignore[no-untyped-def]
    """Whether an address counts now."""
    h = address_hash(data, at, width, seed)
    bucket = np.int64(h >> np.uint64(8)) & (SLOTS - 1) & ~np.int64(WAYS - 1)
    for slot in range(bucket, bucket + WAYS):
        if table.hashes[slot] == h:
            return now <= table.until[slot]
    return False
