"""The pass over a batch: for each frame a row if it passes, a reason if it does not.

In: a batch's bytes and frames, the tables.  Out: rows of the passing frames, a reason for every frame, counts.
Never: an exception, an allocation, a second look at a frame.

``plain.py`` makes the same decisions readably; a test holds the two equal.  Change both or neither.
"""

from __future__ import annotations

import numpy as np

from sniffer.gate import names, openings, reasons, rows
from sniffer.gate.compiled import kernel
from sniffer.gate.flowtable import find, flow_hash, insert
from sniffer.gate.headers import TCP, decode

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
DNS_PORT = 53
MAX_PROBES = 64  # payloads looked at in a flow that promises nothing, before it is judged
MAX_REORDER = 65_536  # how far behind the start a first payload may lie and still be thought out of order

# The gate's own clock: it follows packet time, but leaps of packet time do not move it.
CLOCK_NOW, CLOCK_SHIFT, CLOCK_JUMPS, CLOCK_STARTED, CLOCK_LAST = range(5)
SECOND = 1_000_000_000
MAX_FORWARD = 86_400 * SECOND
MAX_BACKWARD = 60 * SECOND


@kernel
def tell_time(clock, time):  # type: ignore[no-untyped-def]
    """Advance the clock to a packet's time and return it in whole seconds.

    A leap of more than a day forwards or a minute backwards is not believed: it is counted, and time goes on
    from where it was.
    """
    if clock[CLOCK_STARTED] == 0:
        clock[CLOCK_STARTED] = 1
        clock[CLOCK_SHIFT] = -time
    clock[CLOCK_LAST] = time
    shifted = time + clock[CLOCK_SHIFT]
    now = clock[CLOCK_NOW]
    if shifted > now + MAX_FORWARD or shifted < now - MAX_BACKWARD:
        clock[CLOCK_JUMPS] += 1
        clock[CLOCK_SHIFT] = now - time
    elif shifted > now:
        clock[CLOCK_NOW] = shifted
    return clock[CLOCK_NOW] // SECOND


@kernel
def judge_datagram(data, row, listed, seed, everything, labels):  # type: ignore[no-untyped-def]
    """Decide about a UDP datagram."""
    row.slot = -1
    row.hash = 0
    row.start = -1
    if row.source_port != DNS_PORT and row.destination_port != DNS_PORT:
        return reasons.UDP_OTHER
    at = np.int64(row.payload)
    verdict = names.test_dns(data, at, at + np.int64(row.payload_length), listed, seed, everything, labels)
    if verdict == names.LISTED:
        return reasons.DNS_LISTED
    return reasons.DNS_UNLISTED if verdict == names.UNLISTED else reasons.DNS_MALFORMED


@kernel
def judge_opening(data, row, flow, side, listed, seed, everything):  # type: ignore[no-untyped-def]  # noqa: C901, PLR0911, PLR0912
    """Decide about a payload of a flow that promises nothing so far."""
    at = np.int64(row.payload)
    end = at + np.int64(row.payload_length)
    first = data[at]
    from_start = (flow.seen & (rows.SEEN_SYN << side)) != 0
    seen_before = (flow.seen & (rows.SEEN_PAYLOAD << side)) != 0
    flow.seen |= rows.SEEN_PAYLOAD << side
    if openings.is_http_request(data, at, end):
        flow.stage = rows.HTTP
        verdict = names.test_http_host(data, at, end, listed, seed, everything)
        if verdict == names.LISTED or verdict == names.PARTIAL:  # noqa: PLR1714
            flow.stage = rows.WATCHED
            return reasons.HTTP_LISTED if verdict == names.LISTED else reasons.HTTP_PARTIAL
        return reasons.HTTP_UNLISTED
    if flow.stage == rows.HTTP:
        return reasons.UNPROMISING
    if from_start and not seen_before and row.start != np.int64(row.sequence):
        distance = (np.int64(row.sequence) - row.start) & 0xFFFFFFFF
        if (row.tcp_flags & SYN) == 0 and distance < MAX_REORDER:
            flow.stage = rows.WATCHED
            return reasons.REORDERED
    if openings.is_json(data, at, end):
        flow.stage = rows.WATCHED
        return reasons.JSON
    if first == 0x16 and names.is_client_hello(data, at, end):
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
    if from_start and not seen_before:
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
def judge_segment(data, row, now, hashes, flows, evicted, listed, seed, everything, key0, key1):  # type: ignore[no-untyped-def]  # noqa: C901, PLR0913
    """Decide about a TCP segment."""
    flags = row.tcp_flags
    has_payload = row.payload_length > 0
    h, side = flow_hash(data, row, key0, key1)
    row.hash = h
    row.start = -1
    slot = find(hashes, flows, h, now)
    if slot < 0:
        if not has_payload and (flags & SYN) == 0:
            row.slot = -1
            return reasons.NO_PAYLOAD
        slot = insert(hashes, flows, evicted, h, now)
    row.slot = slot
    flow = flows[slot]
    flow.last_seen = now
    if flags & SYN:
        start = (np.int64(row.sequence) + 1) & 0xFFFFFFFF
        known = flow.start1 if side else flow.start0
        again = (flow.seen & (rows.SEEN_SYN << side)) != 0 and np.int64(known) == start
        if (flags & ACK) == 0 and not again:  # a new connection on these ports
            if flow.stage <= rows.JUDGED:
                flow.stage = rows.FRESH
                flow.seen = 0
                flow.probes = 0
            flow.seen |= rows.SEEN_CALL << side
        flow.seen |= rows.SEEN_SYN << side
        if side:
            flow.start1 = start
        else:
            flow.start0 = start
    if flow.seen & (rows.SEEN_SYN << side):
        row.start = np.int64(flow.start1 if side else flow.start0)
    stage = flow.stage
    if stage == rows.SETTLED:
        return reasons.WATCHED if has_payload or flags & (SYN | FIN | RST) else reasons.NO_PAYLOAD
    if stage >= rows.WATCHED:
        flow.seen |= (rows.SEEN_PAYLOAD << side) if has_payload else 0
        return reasons.WATCHED
    if not has_payload:
        return reasons.NO_PAYLOAD
    if stage == rows.JUDGED:
        flow.seen |= rows.SEEN_PAYLOAD << side
        return reasons.JUDGED
    return judge_opening(data, row, flow, side, listed, seed, everything)


@kernel
def pass_batch(  # type: ignore[no-untyped-def]  # noqa: PLR0913
    data, frames, found, verdicts, counts, clock, hashes, flows, evicted, listed, everything, keys, labels
):
    """Judge every frame of a batch and return how many rows of ``found`` are filled.

    Args:
        data: uint8[:], the batch's memory.
        frames: FRAME[:], one row a frame.
        found: ROW[:], at least one longer than ``frames``.
        verdicts: uint8[:], gets the reason of each frame.
        counts: int64[:], one counter a reason, added to.
        clock: int64[:], CLOCK_ words.
        hashes, flows, evicted: the flow table.
        listed, everything: the name table; whether every name passes.
        keys: uint64[3], two words for flows, one for names.
        labels: int64[MAX_LABELS], scratch.
    """
    passed = 0
    key0, key1, seed = keys[0], keys[1], keys[2]
    for i in range(len(frames)):
        frame = frames[i]
        row = found[passed]
        now = tell_time(clock, frame.time)
        at = np.int64(frame.offset)
        reason = decode(
            data,
            at,
            at + np.int64(frame.captured),
            np.int64(frame.link),
            np.int64(frame.vlan),
            np.int64(frame.vlan_protocol),
            row,
        )
        if reason == reasons.DECODED:
            if row.protocol == TCP:
                reason = judge_segment(
                    data, row, now, hashes, flows, evicted, listed, seed, everything, key0, key1
                )
            else:
                reason = judge_datagram(data, row, listed, seed, everything, labels)
        verdicts[i] = reason
        counts[reason] += 1
        if reason < reasons.PASSING:
            row.frame = i
            row.reason = reason
            passed += 1
    return passed
