"""How much the hosts that mine carry in all: frames of watched addresses, one in 64 of them looked at.

In: addresses to watch; of one frame in 64 its addresses and its length on the wire.  Out: sums by address.
Never: a pattern in what is sampled that a sender could fall in with; growth, a look beyond one bucket.

Of each 64 frames in a row one is taken, at a place that is drawn anew each time with this process's secret key.  So every
frame counts with the same chance, whatever the rhythm of its sender, and the sums times 64 are true on average.

A frame counts for both of its addresses: the innermost that could be read, of a fragment those of the fragment.  Frames
of flows that mine are kept apart.  Those of them that pass are left out: whoever reads them counts them one by one.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sniffer.gate.compiled import kernel
from sniffer.gate.hashing import name_end, name_step
from sniffer.gate.servers import address_hash

ONE_IN_BITS: Final = 6
ONE_IN: Final = 1 << ONE_IN_BITS
"""Frames of which one is looked at."""
SLOTS: Final = 1 << 16
WAYS: Final = 8
IDLE_SECONDS: Final = 86_400  # that a host is watched after it was last said to mine
STAYS_SECONDS: Final = (
    1_200  # for which it makes no room for another: twice as long as whoever mines is silent here
)
LONGEST: Final = 1 << 20  # bytes that a frame may count; the kernel merges up to half as many

# Columns of the sums.
MINING, OTHER = 0, 1

TABLE: Final = np.dtype(
    [
        ("hashes", "<u8", (SLOTS,)),  # 0: free
        ("seen", "<i8", (SLOTS,)),  # when it was last said to mine, seconds on the gate's clock
        ("sums", "<i8", (SLOTS, 2)),  # bytes of the frames that were looked at, MINING and OTHER
        ("addresses", "u1", (SLOTS, 16)),
        ("widths", "u1", (SLOTS,)),  # of the addresses: 4 or 16
        ("used", "u1"),  # there was a host
        ("full", "<i8"),  # hosts that found no room, or had to make room within their time
        ("left", "<i8"),  # frames to go until the next that is taken
        ("rest", "<i8"),  # frames of the present 64 that are behind the last one that was taken
        ("draws", "<i8"),  # how often a place was drawn
    ],
    align=True,
)
"""Hosts that are watched, and what of the frames is taken next.  Zeros are an empty table."""


@kernel
def bucket_of(h):  # type: ignore[no-untyped-def]
    """First of the eight slots in which a host may live."""
    return np.int64(h >> np.uint64(8)) & (SLOTS - 1) & ~np.int64(WAYS - 1)


@kernel
def watch(table, data, width, seed, now):  # type: ignore[no-untyped-def]
    """Watch the address in ``data`` from now on; the one that has been idle longest makes room in a full bucket.

    One that mined a moment ago makes none: who floods the table with hosts that mine once does not drive out those that
    go on.
    """
    h = address_hash(data, 0, width, seed)
    bucket = bucket_of(h)
    chosen: Any = bucket
    for slot in range(bucket, bucket + WAYS):
        if table.hashes[slot] == h:
            table.seen[slot] = now
            return
        if table.hashes[chosen] != np.uint64(0) and (
            table.hashes[slot] == np.uint64(0) or table.seen[slot] < table.seen[chosen]
        ):
            chosen = slot
    if table.hashes[chosen] != np.uint64(0):
        idle = now - table.seen[chosen]
        if idle <= IDLE_SECONDS:
            table.full += 1
        if idle <= STAYS_SECONDS:
            return
    table.used = 1
    table.hashes[chosen] = h
    table.seen[chosen] = now
    table.sums[chosen, MINING] = 0
    table.sums[chosen, OTHER] = 0
    table.widths[chosen] = width
    for i in range(width):
        table.addresses[chosen, i] = data[i]


@kernel
def add(table, data, at, width, seed, now, size, column):  # type: ignore[no-untyped-def]
    """Add bytes to the address at ``data[at:]``, if it is watched."""
    h = address_hash(data, at, width, seed)
    bucket = bucket_of(h)
    for slot in range(bucket, bucket + WAYS):
        if table.hashes[slot] == h:
            if now - table.seen[slot] <= IDLE_SECONDS:
                table.sums[slot, column] += size
            return


@kernel
def count_frame(table, data, row, length, column, seed, now):  # type: ignore[no-untyped-def]
    """Count a frame that is taken for both of its addresses."""
    if row.family == 0 or table.used == 0:
        return
    width = 4 if row.family == 4 else 16
    size = min(length, LONGEST)
    add(table, data, np.int64(row.source), width, seed, now, size, column)
    add(table, data, np.int64(row.destination), width, seed, now, size, column)


@kernel
def draw(table, seed):  # type: ignore[no-untyped-def]
    """How many frames are let by before the next one is taken."""
    table.draws += 1
    place = np.int64(name_end(name_step(seed, table.draws)) >> np.uint64(64 - ONE_IN_BITS))
    gap = table.rest + place
    table.rest = ONE_IN - 1 - place
    return gap
