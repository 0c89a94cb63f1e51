"""IP fragments, kept until their datagram is whole.

In: rows of fragments.  Out: whole datagrams, copied where the caller says, ready for the rest of the walk.
Never: memory beyond what was laid out at the start, a datagram with a hole in it, an exception.

Data lies in chunks of 2 KiB out of one pool of 16 MiB; a datagram has up to 32 of them.  What is present is noted in
units of 8 bytes, which is what fragments count in (RFC 791, RFC 8200 section 4.5).  Where fragments overlap and
differ, no policy of a sensor predicts what the end host keeps (robustness.md, B02): from then on the datagram is put
together twice, once with what came first and once with what came last, and both are read.

The oldest in a bucket of eight makes room for a new datagram; when the pool is empty, one after the other goes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sniffer.gate.compiled import copy, kernel
from sniffer.gate.hashing import sip_end, sip_start, sip_word
from sniffer.gate.integers import u32, u64

CHUNK: Final = 2_048
CHUNKS: Final = 8_192  # 16 MiB
SLOTS: Final = 2_048
WAYS: Final = 8
MAX_DATAGRAM: Final = 65_536
CHUNKS_EACH: Final = MAX_DATAGRAM // CHUNK
WORDS: Final = MAX_DATAGRAM // 8 // 64  # of the map of units that are present
MAX_FRAGMENTS: Final = 64
MAX_AGE: Final = 30  # seconds (RFC 791 and RFC 8200 allow 15 to 60)

# Answers of :func:`add_fragment`.
KEPT, WHOLE, REFUSED = 0, 1, 2

COUNTERS: Final = ("fragment_conflict", "fragment_evicted", "fragment_limit")
CONFLICT, EVICTED, LIMIT = range(len(COUNTERS))


STORE: Final = np.dtype(
    [
        ("hashes", "<u8", (SLOTS,)),  # addresses, protocol and identification, hashed; 0: free
        ("seen", "<i8", (SLOTS,)),  # when the first one came, seconds on the gate's clock
        ("total", "<i8", (SLOTS,)),  # bytes of the whole datagram; -1: its end was not seen
        ("filled", "<i8", (SLOTS,)),  # bytes present
        ("count", "<i8", (SLOTS,)),  # fragments taken
        ("forked", "u1", (SLOTS,)),  # whether there are two versions
        ("present", "<u8", (SLOTS, WORDS)),  # one bit a unit
        (
            "chunks",
            "<i2",
            (SLOTS, 2, CHUNKS_EACH),
        ),  # of each version: number in the pool and one more; 0: none
        ("pool", "u1", (CHUNKS, CHUNK)),
        ("used", "<i8"),  # chunks of the pool that were ever taken
        ("free", "<i2", (CHUNKS,)),  # a stack of those that were given back
        ("given_back", "<i8"),  # height of the stack
        ("hand", "<i8"),  # the slot to go next when the pool is empty
        ("counts", "<i8", (len(COUNTERS),)),
    ],
    align=True,
)
"""Memory for fragments.  Zeros are an empty store; the system gives the memory page by page as it is used."""


@kernel
def fragment_hash(data, row, key0, key1):  # type: ignore[no-untyped-def]
    """Keyed hash of what fragments of one datagram have in common (RFC 791, section 3.2; RFC 8200, section 4.5)."""
    v0, v1, v2, v3 = sip_start(key0, key1)
    source, destination = np.int64(row.source), np.int64(row.destination)
    if row.family == 4:
        ends = (np.uint64(u32(data, source)) << np.uint64(32)) | np.uint64(u32(data, destination))
        v0, v1, v2, v3 = sip_word(v0, v1, v2, v3, ends)
    else:
        for at in (source, source + 8, destination, destination + 8):
            v0, v1, v2, v3 = sip_word(v0, v1, v2, v3, u64(data, at))
    kind = (np.uint64(row.protocol) << np.uint64(8)) | np.uint64(row.family)
    v0, v1, v2, v3 = sip_word(v0, v1, v2, v3, (np.uint64(row.identity) << np.uint64(16)) | kind)
    return sip_end(v0, v1, v2, v3)


@kernel
def release(store, slot):  # type: ignore[no-untyped-def]
    """Give a datagram's chunks back and empty its slot."""
    for version in range(2):
        for i in range(CHUNKS_EACH):
            chunk = store.chunks[slot, version, i]
            if chunk > 0:
                store.free[store.given_back] = chunk
                store.given_back += 1
                store.chunks[slot, version, i] = 0
    store.hashes[slot] = np.uint64(0)


@kernel
def find_slot(store, h, now):  # type: ignore[no-untyped-def]
    """Slot of a datagram, a fresh one if need be: the oldest of a full bucket makes room."""
    bucket = np.int64(h & np.uint64(SLOTS - 1)) & ~np.int64(WAYS - 1)
    chosen: Any = bucket
    for slot in range(bucket, bucket + WAYS):
        if store.hashes[slot] == h and now - store.seen[slot] <= MAX_AGE:
            return slot
    for slot in range(bucket, bucket + WAYS):
        if store.hashes[slot] == np.uint64(0):
            chosen = slot
            break
        if store.seen[slot] < store.seen[chosen]:
            chosen = slot
    if store.hashes[chosen] != np.uint64(0):
        store.counts[EVICTED] += 1
        release(store, chosen)
    store.hashes[chosen] = h
    store.seen[chosen] = now
    store.total[chosen] = -1
    store.filled[chosen] = 0
    store.count[chosen] = 0
    store.forked[chosen] = 0
    store.present[chosen, :] = 0
    return chosen


@kernel
def take_chunk(store, slot):  # type: ignore[no-untyped-def]
    """A free chunk, as ``chunks`` has it; where there is none, other datagrams go, one after the other.  0: all are ours."""
    for _ in range(SLOTS):
        if store.given_back > 0:
            store.given_back -= 1
            return np.int64(store.free[store.given_back])
        if store.used < CHUNKS:
            store.used += 1
            return np.int64(store.used)
        store.hand = (store.hand + 1) % SLOTS
        if store.hand != slot and store.hashes[store.hand] != np.uint64(0):
            store.counts[EVICTED] += 1
            release(store, store.hand)
    return np.int64(0)


@kernel
def chunk_of(store, slot, version, index):  # type: ignore[no-untyped-def]
    """Place in the pool of chunk ``index`` of a datagram, taken if it has none there yet; -1: there is no memory."""
    chunk = np.int64(store.chunks[slot, version, index])
    if chunk == 0:
        chunk = take_chunk(store, slot)
        store.chunks[slot, version, index] = chunk
    return chunk - 1


@kernel
def fork(store, slot):  # type: ignore[no-untyped-def]
    """Begin the second version of a datagram with what is there of the first; false: there is no memory."""
    for i in range(CHUNKS_EACH):
        first = np.int64(store.chunks[slot, 0, i]) - 1
        if first >= 0:
            second = chunk_of(store, slot, 1, i)
            if second < 0:
                return False
            copy(store.pool[second], 0, store.pool[first], 0, CHUNK)
    store.forked[slot] = 1
    return True


@kernel
def copy_in(store, slot, version, data, at, offset, size):  # type: ignore[no-untyped-def]
    """Write bytes of one version, all of them within one chunk; false: there is no memory."""
    chunk = chunk_of(store, slot, version, offset // CHUNK)
    if chunk < 0:
        return False
    copy(store.pool[chunk], offset % CHUNK, data, at, size)
    return True


@kernel
def differs(store, slot, data, at, offset, size):  # type: ignore[no-untyped-def]
    """Whether bytes differ from those that came first; all of them within one chunk."""
    chunk = np.int64(store.chunks[slot, 0, offset // CHUNK]) - 1
    place = offset % CHUNK
    for i in range(size):
        if store.pool[chunk, place + i] != data[at + i]:
            return True
    return False


@kernel
def mark(store, slot, offset, size):  # type: ignore[no-untyped-def]
    """Note that units are there."""
    for unit in range(offset >> 3, (offset + size + 7) >> 3):
        store.present[slot, unit >> 6] |= np.uint64(1) << np.uint64(unit & 63)


@kernel
def is_present(store, slot, unit):  # type: ignore[no-untyped-def]
    """Whether a unit is there."""
    return (store.present[slot, unit >> 6] >> np.uint64(unit & 63)) & np.uint64(1) != np.uint64(0)


@kernel
def add_span(store, slot, data, at, offset, size):  # type: ignore[no-untyped-def]
    """Add bytes that lie within one chunk to a datagram; false: there is no memory."""
    overlaps = False
    for unit in range(offset >> 3, (offset + size + 7) >> 3):
        overlaps = overlaps or is_present(store, slot, unit)
    if not overlaps:
        mark(store, slot, offset, size)
        store.filled[slot] += size
        if not copy_in(store, slot, 0, data, at, offset, size):
            return False
    else:
        for step in range(0, size, 8):
            length = min(8, size - step)
            if not is_present(store, slot, (offset + step) >> 3):
                mark(store, slot, offset + step, length)
                store.filled[slot] += length
                if not copy_in(store, slot, 0, data, at + step, offset + step, length):
                    return False
            elif store.forked[slot] == 0 and differs(store, slot, data, at + step, offset + step, length):
                store.counts[CONFLICT] += 1
                if not fork(store, slot):
                    return False
    return store.forked[slot] == 0 or copy_in(store, slot, 1, data, at, offset, size)


@kernel
def add_fragment(store, h, data, at, size, place, now):  # type: ignore[no-untyped-def]
    """Add ``data[at:at + size]`` to a datagram: ``(KEPT | WHOLE | REFUSED, slot)``.

    ``place``: offset in the datagram in bytes; its lowest bit says that more fragments follow.
    """
    more = place & 1
    offset = place & ~1
    if size <= 0 or offset + size > MAX_DATAGRAM or (more and size & 7):
        store.counts[LIMIT] += 1
        return REFUSED, -1
    slot = find_slot(store, h, now)
    store.count[slot] += 1
    if store.count[slot] > MAX_FRAGMENTS:
        store.counts[LIMIT] += 1
        release(store, slot)
        return REFUSED, -1
    behind = offset + size
    if store.total[slot] >= 0 and (behind > store.total[slot] or (not more and behind != store.total[slot])):
        store.counts[CONFLICT] += 1  # two ends: the first one holds
        return KEPT, slot
    if not more:
        store.total[slot] = behind
    done = 0
    while done < size:
        length = min(size - done, CHUNK - (offset + done) % CHUNK)
        if not add_span(store, slot, data, at + done, offset + done, length):
            store.counts[LIMIT] += 1
            release(store, slot)
            return REFUSED, -1
        done += length
    # The last unit may be short, and nothing lies behind the end: as many bytes as the end says means no hole.
    return (WHOLE, slot) if store.filled[slot] == store.total[slot] else (KEPT, slot)


@kernel
def copy_out(store, slot, version, memory, at):  # type: ignore[no-untyped-def]
    """Copy one version of a whole datagram to ``memory[at:]``."""
    total = store.total[slot]
    for i in range(0, total, CHUNK):
        size = min(CHUNK, total - i)
        chunk = np.int64(store.chunks[slot, version, i // CHUNK]) - 1
        copy(memory, at + i, store.pool[chunk], 0, size)
