"""The pass over a batch: for each frame a row if it passes, a reason if it does not.

In: a batch's bytes and frames, the tables.  Out: rows of the passing frames, a reason for every frame, counts.
Never: an exception, an allocation, a second look at a frame.

Memory is what the gate waits for, so it goes over a batch in strides: while the headers of one stride are read,
the frames of the next are on their way into the cache, and so are the buckets of the flows that were hashed.
Without that it was less than half as fast.

``plain.py`` makes the same decisions readably; a test holds the two equal.  Change both or neither.
"""

# ruff: noqa: ANN001, ANN201 - numba finds the types of kernels

from __future__ import annotations

import numpy as np

from sniffer.gate import names, openings, reasons, rows
from sniffer.gate.compiled import kernel, prefetch
from sniffer.gate.flowtable import expect, find, flow_hash, insert
from sniffer.gate.headers import TCP, decode

STRIDE = 32  # frames between the first look at one and the decision about it
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
DNS_PORT = 53
MAX_PROBES = 64  # payloads looked at in a flow that promises nothing, before it is judged
MAX_REORDER = 65_536  # how far behind the start a first payload may lie and still be thought out of order

# The gate's own clock: it follows packet time, but leaps of packet time do not move it.
CLOCK_NOW, CLOCK_SHIFT, CLOCK_JUMPS, CLOCK_STARTED, CLOCK_LAST = range(5)
SECOND = 1_000_000_000
MAX_FORWARD = 86_400 * SECOND
MAX_BACKWARD = 60 * SECOND
MAX_TIME = 4_000_000_000 * SECOND  # packet times beyond 2096 count as 2096, so that sums stay in 64 bits
MAX_NOW = 30 * 366 * 86_400 * SECOND  # there the clock stands still: forged times cannot wrap it


@kernel
def tell_time(clock, time):  # type: ignore[no-untyped-def]
    """Advance the clock to a packet's time and return it in whole seconds.

    A leap of more than a day forwards or a minute backwards is not believed: it is counted, and time goes on
    from where it was.
    """
    clock[CLOCK_LAST] = time
    time = min(max(time, -MAX_TIME), MAX_TIME)
    if clock[CLOCK_STARTED] == 0:
        clock[CLOCK_STARTED] = 1
        clock[CLOCK_SHIFT] = -time
    shifted = time + clock[CLOCK_SHIFT]
    now = clock[CLOCK_NOW]
    if shifted > now + MAX_FORWARD or shifted < now - MAX_BACKWARD:
        clock[CLOCK_JUMPS] += 1
        clock[CLOCK_SHIFT] = now - time
    elif shifted > now:
        clock[CLOCK_NOW] = min(shifted, MAX_NOW)
    return clock[CLOCK_NOW] // SECOND


@kernel
def judge_datagram(data, row, listed, seed, everything, labels):  # type: ignore[no-untyped-def]
    """Decide about a UDP datagram."""
    if row.source_port != DNS_PORT and row.destination_port != DNS_PORT:  # noqa: PLR1714
        return reasons.UDP_OTHER
    at = np.int64(row.payload)
    verdict = names.test_dns(data, at, at + np.int64(row.payload_length), listed, seed, everything, labels)
    if verdict == names.LISTED:
        return reasons.DNS_LISTED
    return reasons.DNS_UNLISTED if verdict == names.UNLISTED else reasons.DNS_MALFORMED


@kernel
def judge_opening(data, row, flow, listed, seed, everything):  # type: ignore[no-untyped-def]  # noqa: PLR0911
    """Decide about a payload of a flow that promises nothing so far."""
    at = np.int64(row.payload)
    end = at + np.int64(row.payload_length)
    side = row.side
    distance = np.int64(0)  # from the first byte that this side sent
    from_start = row.start >= 0
    if from_start and (row.tcp_flags & SYN) == 0:
        distance = (np.int64(row.sequence) - row.start) & 0xFFFFFFFF
    if openings.is_keep_alive(data, at, end) or (end - at == 1 and distance == 0xFFFFFFFF):
        return reasons.UNPROMISING  # says nothing about the flow
    first_seen = (flow.seen & (rows.SEEN_PAYLOAD << side)) == 0
    flow.seen |= rows.SEEN_PAYLOAD << side
    if openings.is_http_request(data, at, end):
        flow.stage = rows.HTTP
        verdict = names.test_http_host(data, at, end, listed, seed, everything)
        if verdict == names.LISTED or verdict == names.PARTIAL:  # noqa: PLR1714
            flow.stage = rows.WATCHED
            return reasons.HTTP_LISTED if verdict == names.LISTED else reasons.HTTP_PARTIAL
        return reasons.HTTP_UNLISTED
    if flow.stage == rows.HTTP and not openings.is_connect(data, at, end):
        return reasons.UNPROMISING
    if from_start and first_seen and 0 < distance < MAX_REORDER:
        flow.stage = rows.WATCHED
        return reasons.REORDERED
    if openings.is_json(data, at, end):
        flow.stage = rows.WATCHED
        return reasons.JSON
    if names.is_client_hello(data, at, end):
        verdict = names.test_client_hello(data, at, end, listed, seed, everything)
        if verdict == names.LISTED or verdict == names.PARTIAL:  # noqa: PLR1714
            flow.stage = rows.WATCHED
            return reasons.TLS_LISTED if verdict == names.LISTED else reasons.TLS_PARTIAL
        flow.stage = rows.JUDGED
        return reasons.TLS_UNLISTED
    if openings.is_proxy(data, at, end):
        flow.stage = rows.WATCHED
        return reasons.PROXY
    if openings.is_tiny(data, at, end):
        flow.stage = rows.WATCHED
        return reasons.TINY
    if from_start and first_seen:
        flow.stage = rows.JUDGED
        return reasons.UNPROMISING
    flow.probes += 1
    if flow.probes > MAX_PROBES:
        flow.stage = rows.JUDGED
        return reasons.JUDGED
    if not from_start and openings.is_text(data, at, end) and openings.is_json_inside(data, at, end):
        flow.stage = rows.WATCHED
        return reasons.JSON_INSIDE
    return reasons.UNPROMISING


@kernel
def note_syn(row, flow):  # type: ignore[no-untyped-def]
    """Take note of a SYN: where this side starts, and whether this is a new connection on old ports."""
    side = row.side
    start = (np.int64(row.sequence) + 1) & 0xFFFFFFFF
    known = np.int64(flow.start1 if side else flow.start0)
    has_start = (flow.seen & (rows.SEEN_SYN << side)) != 0
    if has_start and known == start:
        return  # sent again
    if flow.stage == rows.SETTLED:
        flow.stage = rows.MINING  # the new peer has yet to answer
    elif flow.stage <= rows.JUDGED and (row.tcp_flags & ACK) == 0:
        flow.stage = rows.FRESH
        flow.seen = 0
        flow.probes = 0
    elif flow.stage <= rows.JUDGED and (has_start or (flow.seen & (rows.SEEN_SYN << (1 - side))) == 0):
        flow.stage = rows.FRESH  # an answer to a call that was not seen: this sensor sees one direction
        flow.seen &= 0xFF & ~((rows.SEEN_SYN | rows.SEEN_PAYLOAD) << side)
        flow.probes = 0
    flow.seen |= rows.SEEN_SYN << side
    if side:
        flow.start1 = start
    else:
        flow.start0 = start


@kernel
def judge_segment(data, row, now, hashes, flows, evicted, listed, seed, everything):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Decide about a TCP segment."""
    flags = row.tcp_flags
    side = row.side
    has_payload = row.payload_length > 0
    slot = find(hashes, flows, row.hash, now)
    if slot < 0:
        if not has_payload and (flags & SYN) == 0:
            row.slot = -1
            return reasons.NO_PAYLOAD
        slot = insert(hashes, flows, evicted, row.hash, now)
    row.slot = slot
    flow = flows[slot]
    flow.last_seen = now
    if flags & SYN:
        note_syn(row, flow)
    if flow.seen & (rows.SEEN_SYN << side):
        row.start = np.int64(flow.start1 if side else flow.start0)
    stage = flow.stage
    if stage >= rows.WATCHED:
        if has_payload:
            flow.seen |= rows.SEEN_PAYLOAD << side
        elif stage == rows.SETTLED and row.missing == 0 and (flags & (SYN | FIN | RST)) == 0:
            return reasons.NO_PAYLOAD
        return reasons.WATCHED
    if not has_payload:
        return reasons.NO_PAYLOAD
    if stage == rows.JUDGED:
        flow.seen |= rows.SEEN_PAYLOAD << side
        return reasons.JUDGED
    return judge_opening(data, row, flow, listed, seed, everything)


@kernel
def read_frame(data, frame, row, key0, key1, hashes, flows):  # type: ignore[no-untyped-def]
    """Fill ``row`` with what the headers say; ``row.reason`` is DECODED or why they could not be read."""
    at = np.int64(frame.offset)
    captured = np.int64(frame.captured)
    cut = max(np.int64(frame.length) - captured, 0)
    link, tci, protocol = np.int64(frame.link), np.int64(frame.vlan), np.int64(frame.vlan_protocol)
    reason = decode(data, at, at + captured, cut, link, tci, protocol, row)
    row.reason = reason
    row.slot = -1
    row.start = -1
    row.hash = 0
    row.side = 0
    if reason == reasons.DECODED and row.protocol == TCP:
        row.hash, row.side = flow_hash(data, row, key0, key1)
        expect(hashes, flows, row.hash)


@kernel
def expect_frame(data, frame):  # type: ignore[no-untyped-def]
    """Ask for the cache lines with a frame's headers."""
    at = np.int64(frame.offset)
    prefetch(data, at)
    prefetch(data, at + 64)


@kernel
def pass_batch(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    data,
    frames,
    found,
    read,
    verdicts,
    counts,
    clock,
    hashes,
    flows,
    evicted,
    listed,
    everything,
    keys,
    labels,
):
    """Judge every frame of a batch and return how many rows of ``found`` are filled.

    Args:
        data: uint8[:], the batch's memory.
        frames: FRAME[:], one row a frame.
        found: ROW[:], as long as ``frames``; gets the rows of the passing frames.
        read: ROW[STRIDE], scratch.
        verdicts: uint8[:], gets the reason of each frame.
        counts: int64[:], one counter a reason, added to.
        clock: int64[:], CLOCK_ words.
        hashes: uint64[:], of the flow table.
        flows: FLOW[:], of the flow table.
        evicted: int64[:], one counter a kind of flow, added to.
        listed: uint64[:], the name table.
        everything: bool, every name passes.
        keys: uint64[3], two words for flows, one for names.
        labels: int64[MAX_LABELS], scratch.
    """
    passed = 0
    key0, key1, seed = keys[0], keys[1], keys[2]
    for i in range(min(STRIDE, len(frames))):
        expect_frame(data, frames[i])
    for first in range(0, len(frames), STRIDE):
        stop = min(first + STRIDE, len(frames))
        for i in range(first, stop):
            if i + STRIDE < len(frames):
                expect_frame(data, frames[i + STRIDE])
            read_frame(data, frames[i], read[i - first], key0, key1, hashes, flows)
        for i in range(first, stop):
            row = read[i - first]
            now = tell_time(clock, frames[i].time)
            reason = np.int64(row.reason)
            if reason == reasons.DECODED:
                if row.protocol == TCP:
                    reason = judge_segment(data, row, now, hashes, flows, evicted, listed, seed, everything)
                else:
                    reason = judge_datagram(data, row, listed, seed, everything, labels)
            verdicts[i] = reason
            counts[reason] += 1
            if reason < reasons.PASSING:
                row.frame = i
                row.reason = reason
                found[passed] = row
                passed += 1
    return passed
