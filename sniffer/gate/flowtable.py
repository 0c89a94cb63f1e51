"""The table of flows inside the gate: fixed in size, keyed, oldest-out.

In: a row with addresses and ports, the time.  Out: the flow's slot.
Never: growth, a probe outside one bucket, an eviction that is not counted.

A flow lives in the bucket of eight slots that its keyed hash names.  When the bucket is full, the least
valuable flow goes first: idle ones, then those that never carried payload, then undecided and judged ones,
then watched ones, and known miners last; among equals the one idle longest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sniffer.gate import rows
from sniffer.gate.compiled import inlined, kernel, prefetch
from sniffer.gate.hashing import sip_end, sip_start, sip_word
from sniffer.gate.integers import u32, u64

if TYPE_CHECKING:
    from numpy.typing import NDArray

WAYS: Final = 8
IDLE_SECONDS: Final = 900
CACHE_LINE: Final = 64
LARGE_PAGE: Final = 2 << 20

# What kind of flow had to go, in the order in which they go.
EVICTIONS: Final = ("idle", "embryonic", "undecided", "judged", "watched", "mining")
EVICT_IDLE, EVICT_EMBRYONIC, EVICT_UNDECIDED, EVICT_JUDGED, EVICT_WATCHED, EVICT_MINING = range(
    len(EVICTIONS)
)

# Results of a sweep, in this order.
SWEEP_FLOWS, SWEEP_WITH_PAYLOAD, SWEEP_ONE_SIDED = range(3)


class FlowTable:
    """Memory of the flow table.

    Args:
        slots: how many flows fit, a power of two and at least 8.  24 bytes each.
    """

    def __init__(self, slots: int) -> None:
        if slots < WAYS or slots & (slots - 1):
            message = "slots must be a power of two, at least 8"
            raise ValueError(message)
        self.slots = slots
        self.hashes = aligned_zeros(slots, np.dtype(np.uint64))
        self.flows = aligned_zeros(slots, rows.FLOW)


def aligned_zeros(count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeros that begin on a cache line, so that a bucket's hashes are one line and not parts of two.

    Large ones begin on a large page, so that the system can back all of them with such: what is looked up anywhere in
    24 MiB would need a walk through the page tables each time otherwise.
    """
    size = count * dtype.itemsize
    border = LARGE_PAGE if size >= LARGE_PAGE else CACHE_LINE
    memory = np.zeros(size + border, dtype=np.uint8)
    skip = -memory.ctypes.data % border
    return memory[skip : skip + size].view(dtype)


@inlined
def flow_hash(data, row, key0, key1):  # type: ignore[no-untyped-def]
    """Hash both ends in one order whatever the direction: ``(hash, side of the sender)``.

    Side 0 is the end with the lower address (on a tie the lower port).
    """
    v0, v1, v2, v3 = sip_start(key0, key1)
    source, destination = np.int64(row.source), np.int64(row.destination)
    ports = (np.uint64(row.source_port) << np.uint64(16)) | np.uint64(row.destination_port)
    if row.family == 4:
        a = np.uint64(u32(data, source))
        b = np.uint64(u32(data, destination))
        side = 1 if a > b or (a == b and row.source_port > row.destination_port) else 0
        if side:
            a, b = b, a
        v0, v1, v2, v3 = sip_word(v0, v1, v2, v3, (a << np.uint64(32)) | b)
    else:
        a_high, a_low = u64(data, source), u64(data, source + 8)
        b_high, b_low = u64(data, destination), u64(data, destination + 8)
        side = 0
        if a_high != b_high:
            side = 1 if a_high > b_high else 0
        elif a_low != b_low:
            side = 1 if a_low > b_low else 0
        elif row.source_port > row.destination_port:
            side = 1
        if side:
            a_high, b_high = b_high, a_high
            a_low, b_low = b_low, a_low
        v0, v1, v2, v3 = sip_word(v0, v1, v2, v3, a_high)
        v0, v1, v2, v3 = sip_word(v0, v1, v2, v3, a_low)
        v0, v1, v2, v3 = sip_word(v0, v1, v2, v3, b_high)
        v0, v1, v2, v3 = sip_word(v0, v1, v2, v3, b_low)
    if side:
        ports = (np.uint64(row.destination_port) << np.uint64(16)) | np.uint64(row.source_port)
    kind = (np.uint64(row.protocol) << np.uint64(8)) | np.uint64(row.family)
    v0, v1, v2, v3 = sip_word(v0, v1, v2, v3, (ports << np.uint64(32)) | kind)
    return sip_end(v0, v1, v2, v3), side


@inlined
def bucket_of(hashes, h):  # type: ignore[no-untyped-def]
    """First of the eight slots in which a flow may live."""
    return np.int64(h & np.uint64(len(hashes) - 1)) & ~np.int64(WAYS - 1)


@inlined
def expect(hashes, h):  # type: ignore[no-untyped-def]
    """Ask for the hashes of a flow's bucket: it will be looked up in a moment."""
    prefetch(hashes, bucket_of(hashes, h))


@inlined
def locate(hashes, flows, h):  # type: ignore[no-untyped-def]
    """Slot of a flow or -1, a moment before it is wanted: asks for its cache line, or that of the slot it may get."""
    bucket = bucket_of(hashes, h)
    free: Any = bucket
    for slot in range(bucket, bucket + WAYS):
        if hashes[slot] == h:
            prefetch(flows, slot)
            return slot
        if hashes[slot] == np.uint64(0):
            free = slot
    prefetch(flows, free)
    prefetch(flows, free ^ (WAYS // 2))  # the rest of the bucket, where one must make room
    return -1


@inlined
def find(hashes, flows, h, now):  # type: ignore[no-untyped-def]
    """Slot of a flow, or -1.  A flow that was idle too long starts afresh."""
    bucket = bucket_of(hashes, h)
    for slot in range(bucket, bucket + WAYS):
        if hashes[slot] == h:
            if now - np.int64(flows[slot].last_seen) > IDLE_SECONDS:
                clear(flows, slot)
            return slot
    return -1


@kernel
def clear(flows, slot):  # type: ignore[no-untyped-def]
    """Forget everything about the flow in a slot."""
    flow = flows[slot]
    flow.stage = rows.FRESH
    flow.seen = 0
    flow.probes = 0
    flow.mines = 0
    flow.start0 = 0
    flow.start1 = 0


@kernel
def value(flow, now):  # type: ignore[no-untyped-def]
    """How hard it would be to lose this flow: one of the EVICT_ codes."""
    if now - np.int64(flow.last_seen) > IDLE_SECONDS:
        return EVICT_IDLE
    if flow.stage >= rows.MINING:
        return EVICT_MINING
    if flow.stage == rows.WATCHED:
        return EVICT_WATCHED
    if flow.stage == rows.JUDGED:
        return EVICT_JUDGED
    return EVICT_UNDECIDED if flow.seen & (3 * rows.SEEN_PAYLOAD) else EVICT_EMBRYONIC


@kernel
def insert(hashes, flows, evicted, h, now):  # type: ignore[no-untyped-def]
    """Slot for a new flow; the least valuable flow of a full bucket makes room."""
    bucket = bucket_of(hashes, h)
    chosen = bucket
    least = EVICT_MINING + 1
    oldest = np.int64(0)
    for slot in range(bucket, bucket + WAYS):
        if hashes[slot] == np.uint64(0):
            chosen = slot
            least = -1
            break
        worth = value(flows[slot], now)
        age = now - np.int64(flows[slot].last_seen)
        if worth < least or (worth == least and age > oldest):
            chosen, least, oldest = slot, worth, age
    if least >= 0:
        evicted[least] += 1
    hashes[chosen] = h
    clear(flows, chosen)
    return chosen


@kernel
def sweep(hashes, flows, now, result):  # type: ignore[no-untyped-def]
    """Empty the slots of idle flows and count the others into ``result`` (SWEEP_ codes)."""
    result[:] = 0
    for slot in range(len(hashes)):
        if hashes[slot] == np.uint64(0):
            continue
        flow = flows[slot]
        if now - np.int64(flow.last_seen) > IDLE_SECONDS:
            hashes[slot] = np.uint64(0)
            continue
        result[SWEEP_FLOWS] += 1
        payload = flow.seen & (3 * rows.SEEN_PAYLOAD)
        if payload:
            result[SWEEP_WITH_PAYLOAD] += 1
            # A side that only acknowledges is heard, too: many a download would be called one-sided otherwise.
            if flow.seen & (3 * rows.SEEN_ANY) != 3 * rows.SEEN_ANY:
                result[SWEEP_ONE_SIDED] += 1
