"""The pass over a batch: for each frame a row if it passes, a reason if it does not.

In: a batch's bytes and frames, the tables.  Out: rows of the passing frames, a reason for every frame, counts.
Never: an exception, an allocation, a second look at a frame.

Memory is what the gate waits for, so it goes over a batch in strides, each in four steps: its frames are asked for, its
headers are read and the hashes of its flows are asked for, its flows are located and asked for, it is judged.  Between
two steps of one stride there is a step of another, and what was asked for is on its way into the cache meanwhile.
Without that the gate was less than half as fast.

``plain.py`` makes the same decisions readably; a test holds the two equal.  Change both or neither.
"""

from __future__ import annotations

import numpy as np

from sniffer.gate import (
    fragments,
    hosts,
    http_heads,
    names,
    openings,
    patterns,
    quic,
    reasons,
    repeats,
    rows,
    servers,
)
from sniffer.gate.area import settle
from sniffer.gate.compiled import inlined, kernel, prefetch
from sniffer.gate.flowtable import EVICTIONS, IDLE_SECONDS, expect, find, flow_hash, insert, locate
from sniffer.gate.fragments import REFUSED, WHOLE, add_fragment, copy_out, fragment_hash, release
from sniffer.gate.headers import TCP, decode, walk
from sniffer.gate.integers import u16
from sniffer.gate.kinds import PROTOCOL
from sniffer.gate.labels import HELLOS, LAYER_NAMES

STRIDE = 32  # frames between the first look at one and the decision about it
OTHER = 2 * STRIDE  # row of a second reading of a datagram
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
DNS_PORT = 53
MAX_PROBES = 64  # payloads looked at in a flow that promises nothing, before it is judged
MAX_REORDER = 65_536  # how far behind the start a first payload may lie and still be thought out of order
MAX_NESTED = 3  # datagrams in pieces inside one another
MAX_MESSAGES = 64  # of DNS in one segment
FEW = 3  # bytes that tell nothing yet
FULL = (
    1_000  # bytes of a segment that was cut because it was full, and not because its sender writes in pieces
)

# The gate's own clock: it follows packet time, but leaps of packet time do not move it.
CLOCK_NOW, CLOCK_SHIFT, CLOCK_JUMPS, CLOCK_STARTED, CLOCK_LAST = range(5)
SECOND = 1_000_000_000
MAX_FORWARD = 86_400 * SECOND
MAX_BACKWARD = 60 * SECOND
MAX_TIME = 4_000_000_000 * SECOND  # packet times beyond 2096 count as 2096, so that sums stay in 64 bits
MAX_NOW = 30 * 366 * 86_400 * SECOND  # there the clock stands still: forged times cannot wrap it


@inlined
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


STATE = np.dtype(
    [
        ("keys", "<u8", (3,)),  # two words for flows, one for names
        ("clock", "<i8", (5,)),  # CLOCK_ words
        ("next", "<i8"),  # frame at which the next pass over the batch begins
        ("everything", "u1"),  # every name passes
        ("fill", "<i8"),  # bytes of the area in use
        ("evicted", "<i8", (len(EVICTIONS),)),  # flows that had to make room, by kind
        ("cut", "<i8"),  # frames of which only a part was captured
        ("hellos", "<i8", (len(HELLOS),)),  # of TLS clients, by what became of the server name
        ("wrapped", "<i8", (len(LAYER_NAMES),)),  # frames, by the wrappings around their packet
        (
            "read",
            rows.ROW,
            (2 * STRIDE + 1,),
        ),  # scratch: the rows of two strides, and a second reading of a datagram
        ("labels", "<i8", (names.MAX_LABELS,)),  # scratch
        ("tcp_patterns", patterns.TABLE),  # what rules look for where a side of a flow begins
        ("udp_patterns", patterns.TABLE),  # and in datagrams
        ("servers", servers.TABLE),
        ("hosts", hosts.TABLE),
        ("repeats", repeats.METER),
        ("quic", quic.STORE),
        ("fragments", fragments.STORE),
    ],
    align=True,
)
"""What the gate knows beside flows and names.  One record, because a kernel hands it on as one pointer: arrays by the
dozen, handed from kernel to kernel, made the gate half as fast."""


# ── datagrams ────────────────────────────────────────────────────────────────────────────────────────────


@kernel
def judge_datagram(data, row, now, listed, area, state):  # type: ignore[no-untyped-def]
    """Decide about a UDP datagram."""
    at = np.int64(row.payload)
    end = at + np.int64(row.payload_length)
    if row.source_port == DNS_PORT or row.destination_port == DNS_PORT:
        verdict = names.test_dns(data, at, end, listed, state.keys[2], state.everything, state.labels)
        if verdict == names.LISTED:
            return reasons.DNS_LISTED
        return reasons.DNS_UNLISTED if verdict == names.UNLISTED else reasons.DNS_MALFORMED
    if quic.is_initial(data, row):
        return quic.judge_initial(data, row, now, listed, area, state)
    if openings.is_management(data, at, end, row.destination_port):
        return reasons.MANAGEMENT
    return reasons.UDP_OTHER


# ── payloads of TCP ──────────────────────────────────────────────────────────────────────────────────────


@kernel
def judge_dns_stream(data, row, flow, listed, state):  # type: ignore[no-untyped-def]
    """Decide about DNS over TCP: each message stands behind its length (RFC 1035, section 4.2.2)."""
    at = np.int64(row.payload)
    end = at + np.int64(row.payload_length)
    for _ in range(MAX_MESSAGES):
        stop = at + 2 + u16(data, at) if at + 2 <= end else end + 1
        if at + 2 < end:
            verdict = names.test_dns(
                data, at + 2, min(stop, end), listed, state.keys[2], state.everything, state.labels
            )
            if verdict == names.LISTED:
                flow.stage = rows.WATCHED
                return reasons.DNS_LISTED
            if verdict == names.MALFORMED and stop <= end:
                flow.stage = rows.JUDGED
                return reasons.DNS_MALFORMED
        if stop > end:
            flow.stage = rows.WATCHED
            return reasons.DNS_PARTIAL
        at = stop
        if at == end:
            break
    return reasons.DNS_UNLISTED


@kernel
def judge_request(data, at, end, flow, listed, state):  # type: ignore[no-untyped-def]
    """Decide about an HTTP request: by its host, and by signs of mining in its head and in the opening of its body."""
    flow.stage = rows.WATCHED
    features, host, host_end, body = http_heads.read_head(data, at, end)
    if host >= 0 and host_end >= 0:
        verdict = names.test_text(data, host, host_end, listed, state.keys[2], state.everything)
        if verdict == names.LISTED:
            return reasons.HTTP_LISTED
    elif body == -1:
        return reasons.HTTP_PARTIAL
    if features & http_heads.UPGRADE:
        return reasons.WEBSOCKET
    if features & http_heads.MINING:
        return reasons.HTTP_MINING
    is_post = openings.begins(data, at, end, http_heads.POST)
    if body == -1 and (is_post or end - at < FULL):
        return reasons.HTTP_PARTIAL
    if is_post and body >= 0:
        if body < end:
            if http_heads.opens_json(data, body, end) >= 0:
                return reasons.HTTP_MINING
        elif features & http_heads.JSON_TYPE or features & http_heads.TYPED == 0:
            return reasons.HTTP_MINING
    if http_heads.is_path_listed(data, at, end, listed, state.keys[2]):
        return reasons.HTTP_MINING
    flow.stage = rows.REQUESTS
    return reasons.HTTP_UNLISTED


@kernel
def judge_response(data, at, end, flow):  # type: ignore[no-untyped-def]
    """Decide about an HTTP response whose request was not seen."""
    flow.stage = rows.WATCHED
    features, _, _, body = http_heads.read_head(data, at, end)
    if features & http_heads.UPGRADE:
        return reasons.WEBSOCKET
    if features & http_heads.MINING:
        return reasons.HTTP_MINING
    if body == -1 and end - at < FULL:
        return reasons.HTTP_PARTIAL
    if body >= 0 and body < end and http_heads.opens_rpc(data, body, end):
        return reasons.HTTP_MINING
    is_hidden = (body >= 0 and body == end) or features & http_heads.ENCODED
    if is_hidden and features & http_heads.JSON_TYPE:
        return reasons.HTTP_MINING
    flow.stage = rows.REQUESTS
    return reasons.HTTP_UNLISTED


@kernel
def judge_handshake(data, at, end, flow, listed, state):  # type: ignore[no-untyped-def]
    """Decide about a TLS hello of either side; DECODED where it is none."""
    if names.is_client_hello(data, at, end):
        verdict = names.test_client_hello(data, at, end, listed, state.keys[2], state.everything)
        names.count_hello(state.hellos, verdict)
        if verdict == names.LISTED or verdict == names.PARTIAL:
            flow.stage = rows.WATCHED
            return reasons.TLS_LISTED if verdict == names.LISTED else reasons.TLS_PARTIAL
        if verdict == names.ABSENT:
            if state.everything:
                flow.stage = rows.WATCHED
                return reasons.TLS_LISTED
            return reasons.TLS_UNLISTED  # the server's certificate may tell
        flow.stage = rows.JUDGED
        return reasons.TLS_UNLISTED
    if names.is_server_hello(data, at, end):
        if names.hides_certificate(data, at, end):
            flow.stage = rows.JUDGED
            return reasons.TLS_UNLISTED
        flow.stage = rows.WATCHED
        return reasons.TLS_CERTIFICATE
    return reasons.DECODED


@kernel
def is_server(data, row, now, state):  # type: ignore[no-untyped-def]
    """Whether one of the ends is a server that is known by its address."""
    table = state.servers
    width = 4 if row.family == 4 else 16
    seed = state.keys[2]
    return servers.is_known(table, data, np.int64(row.destination), width, seed, now) or servers.is_known(
        table, data, np.int64(row.source), width, seed, now
    )


@kernel
def name_opening(data, at, end, is_first):  # type: ignore[no-untyped-def]
    """What a payload that is neither HTTP nor TLS opens like: a reason to pass it, or UNPROMISING.

    ``is_first``: these are the first bytes that this side sent.
    """
    if openings.is_json(data, at, end):
        return reasons.JSON
    if openings.is_proxy(data, at, end):
        return reasons.PROXY
    if openings.begins(data, at, end, openings.PREFACE):
        return reasons.HTTP2
    if openings.is_websocket(data, at, end):
        return reasons.WEBSOCKET
    if openings.is_binary(data, at, end) or openings.begins(data, at, end, openings.STATUS):
        return reasons.BINARY
    if openings.is_peer(data, at, end):
        return reasons.PEER
    if end - at <= FEW or openings.is_tiny(data, at, end):
        return reasons.TINY
    return reasons.NOISE if is_first and openings.is_noise(data, at, end) else reasons.UNPROMISING


@kernel
def judge_opening(data, row, flow, now, listed, state):  # type: ignore[no-untyped-def]
    """Decide about a payload of a flow that promises nothing so far."""
    at = np.int64(row.payload)
    end = at + np.int64(row.payload_length)
    side = row.side
    distance = np.int64(0)  # from the first byte that this side sent
    from_start = row.start >= 0
    if from_start and (row.tcp_flags & SYN) == 0:
        distance = (np.int64(row.sequence) - row.start) & 0xFFFFFFFF
    if end - at == 1 and (distance == 0xFFFFFFFF or (data[at] == 0 and not (from_start and distance == 0))):
        return reasons.UNPROMISING  # a keep-alive probe says nothing about the flow
    first_seen = (flow.seen & (rows.SEEN_PAYLOAD << side)) == 0
    flow.seen |= rows.SEEN_PAYLOAD << side
    if row.source_port == DNS_PORT or row.destination_port == DNS_PORT:
        return judge_dns_stream(data, row, flow, listed, state)
    if flow.stage == rows.FRESH and is_server(data, row, now, state):
        flow.stage = rows.WATCHED
        if names.is_client_hello(data, at, end):
            verdict = names.test_client_hello(data, at, end, listed, state.keys[2], state.everything)
            names.count_hello(state.hellos, verdict)
        return reasons.SERVER
    if openings.is_http_request(data, at, end):
        return judge_request(data, at, end, flow, listed, state)
    if (
        openings.begins(data, at, end, http_heads.RESPONSE)
        and (flow.seen & (rows.SEEN_PAYLOAD << (1 - side))) == 0
    ):
        return judge_response(data, at, end, flow)
    if flow.stage == rows.REQUESTS and not openings.is_connect(data, at, end):
        return reasons.UNPROMISING
    if from_start and first_seen and 0 < distance < MAX_REORDER:
        flow.stage = rows.WATCHED
        return reasons.REORDERED
    if data[at] == 0x16:
        reason = judge_handshake(data, at, end, flow, listed, state)
        if reason != reasons.DECODED:
            return reason
    reason = name_opening(data, at, end, from_start and first_seen and distance == 0)
    if reason != reasons.UNPROMISING:
        flow.stage = rows.WATCHED
        return reason
    if (from_start and first_seen) or names.is_sealed(data, at, end):
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
def opener_of(flow):  # type: ignore[no-untyped-def]
    """Who opened the connection: 1 + the side, 0 where neither a SYN nor the answer to one was seen."""
    if flow.seen & rows.SEEN_CALL:
        return 1
    return 2 if flow.seen & (rows.SEEN_CALL << 1) else 0


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
        flow.mines = 0
    elif flow.stage <= rows.JUDGED and (has_start or (flow.seen & (rows.SEEN_SYN << (1 - side))) == 0):
        flow.stage = rows.FRESH  # an answer to a call that was not seen: this sensor sees one direction
        flow.seen &= 0xFF & ~((rows.SEEN_SYN | rows.SEEN_PAYLOAD) << side) & ~(3 * rows.SEEN_CALL)
        flow.probes = 0
        flow.mines = 0
    flow.seen |= rows.SEEN_SYN << side
    if flow.seen & (3 * rows.SEEN_CALL) == 0:
        flow.seen |= rows.SEEN_CALL << (1 - side if row.tcp_flags & ACK else side)
    if side:
        flow.start1 = start
    else:
        flow.start0 = start


@inlined
def judge_segment(data, row, now, hashes, flows, listed, state):  # type: ignore[no-untyped-def]
    """Decide about a TCP segment."""
    flags = row.tcp_flags
    side = row.side
    has_payload = row.payload_length > 0
    if has_payload and repeats.is_sampled(row):
        repeats.note_segment(data, row, state.repeats)
    slot = np.int64(row.slot)  # as located; other flows may have come or gone since then
    if slot < 0 or hashes[slot] != row.hash or now - np.int64(flows[slot].last_seen) > IDLE_SECONDS:
        slot = find(hashes, flows, row.hash, now)
    if slot < 0:
        if not has_payload and (flags & SYN) == 0:
            row.slot = -1
            return reasons.NO_PAYLOAD
        slot = insert(hashes, flows, state.evicted, row.hash, now)
    row.slot = slot
    flow = flows[slot]
    flow.last_seen = now
    if flags & SYN:
        note_syn(row, flow)
    flow.seen |= rows.SEEN_ANY << side
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
    is_first = (flow.seen & (rows.SEEN_PAYLOAD << side)) == 0
    reason = np.int64(reasons.JUDGED)
    if stage == rows.JUDGED:
        flow.seen |= rows.SEEN_PAYLOAD << side
    else:
        reason = np.int64(judge_opening(data, row, flow, now, listed, state))
    table = state.tcp_patterns
    if reason >= reasons.PASSING and table.count > 0 and patterns.opens_side(data, row, is_first, table):
        flow.stage = rows.WATCHED
        return reasons.PAYLOAD
    return reason


# ── frames ───────────────────────────────────────────────────────────────────────────────────────────────


@kernel
def walk_on(row, area, state, slot, version):  # type: ignore[no-untyped-def]
    """Go on with the walk through the headers of a datagram that is whole now; leaves its reason in the row.

    The row keeps its wrappings; its addresses lie in the area already, and so does the payload from now on.
    """
    size = state.fragments.total[slot]
    at = state.fill - size
    copy_out(state.fragments, slot, version, area, at)
    reason = walk(area, at, at + size, np.int64(0), PROTOCOL + np.int64(row.protocol), row)
    row.reason = reason
    if reason == reasons.DECODED and row.protocol == TCP:
        row.hash, row.side = flow_hash(area, row, state.keys[0], state.keys[1])


@kernel
def join(data, row, now, area, state):  # type: ignore[no-untyped-def]
    """Add a fragment to its datagram; leaves in the row what the walk through a whole one found.

    Where fragments contradicted each other, the other reading is left in ``state.read[OTHER]``.  Returns whether.
    """
    store = state.fragments
    other = state.read[OTHER]
    for level in range(MAX_NESTED):
        memory = area if level else data
        h = fragment_hash(memory, row, state.keys[0], state.keys[1])
        size = np.int64(row.payload_length) if row.missing == 0 else np.int64(0)
        answer, slot = add_fragment(store, h, memory, np.int64(row.payload), size, np.int64(row.place), now)
        if answer != WHOLE:
            row.reason = reasons.FRAGMENT_REFUSED if answer == REFUSED else reasons.FRAGMENT
            return False
        forked = store.forked[slot] != 0
        if forked:
            state.read[OTHER] = row
        for version in range(2 if forked else 1):
            reading = other if version else row
            reading.reason = reasons.FRAGMENT_REFUSED
            if settle(area, state, memory, reading, store.total[slot]) >= 0:
                walk_on(reading, area, state, slot, version)
        release(store, slot)
        if forked or row.reason != reasons.FRAGMENT:
            return forked
    row.reason = reasons.FRAGMENT_REFUSED
    return False


@inlined
def read_frame(data, frame, row, hashes, state):  # type: ignore[no-untyped-def]
    """Fill ``row`` with what the headers say; ``row.reason`` is DECODED or why they could not be read."""
    at = np.int64(frame.offset)
    captured = np.int64(frame.captured)
    cut = max(np.int64(frame.length) - captured, 0)
    link, tci, protocol = np.int64(frame.link), np.int64(frame.vlan), np.int64(frame.vlan_protocol)
    row.family = 0
    reason = decode(data, at, at + captured, cut, link, tci, protocol, row)
    row.reason = reason
    row.slot = -1
    row.start = -1
    row.hash = 0
    row.side = 0
    row.memory = 0
    row.opener = 0
    if reason == reasons.DECODED:
        if row.protocol == TCP:
            row.hash, row.side = flow_hash(data, row, state.keys[0], state.keys[1])
            expect(hashes, row.hash)
        elif row.payload_length >= quic.SMALLEST and data[row.payload] >= quic.LONG_HEADER:
            quic.expect_hello(data, row, state.quic, state.keys[2])


@kernel
def count_wrappings(layers, wrapped):  # type: ignore[no-untyped-def]
    """Count a packet at each kind of wrapping around it, once however often it is there."""
    counted = np.int64(0)  # a bit for each kind
    while layers != np.uint64(0):  # eight times at most
        layer = np.int64(layers & np.uint64(0xFF))
        if (counted >> layer) & 1 == 0:
            counted |= np.int64(1) << layer
            wrapped[layer] += 1
        layers >>= np.uint64(8)


@kernel
def count_bytes(data, area, row, length, verdict, flows, state, now):  # type: ignore[no-untyped-def]
    """Count a frame for its hosts; returns how many frames behind it the next one comes.

    One of a flow that mines and passes is left to whoever reads it.
    """
    mines = row.slot >= 0 and flows[row.slot].mines != 0
    if not mines or verdict >= reasons.PASSING:
        memory = area if row.memory else data
        column = hosts.MINING if mines else hosts.OTHER
        hosts.count_frame(state.hosts, memory, row, length, column, state.keys[2], now)
    return 1 + hosts.draw(state.hosts, state.keys[2])


@inlined
def expect_frame(data, frame):  # type: ignore[no-untyped-def]
    """Ask for the cache lines with a frame's headers."""
    at = np.int64(frame.offset)
    prefetch(data, at)
    prefetch(data, at + 64)


@inlined
def read_stride(data, frames, first, half, hashes, state):  # type: ignore[no-untyped-def]
    """Read the headers of a stride into one half of the rows in scratch; ask for the frames of the next stride."""
    for i in range(first, min(first + STRIDE, len(frames))):
        if i + STRIDE < len(frames):
            expect_frame(data, frames[i + STRIDE])
        read_frame(data, frames[i], state.read[half + i - first], hashes, state)


@inlined
def locate_stride(left, half, hashes, flows, state):  # type: ignore[no-untyped-def]
    """Find the flows of a stride, whose hashes have come by now; ask for what is known of each.

    ``left``: frames from its first one to the end of the batch.
    """
    for i in range(min(left, STRIDE)):
        row = state.read[half + i]
        if row.hash != np.uint64(0):
            row.slot = locate(hashes, flows, row.hash)


@kernel
def pass_batch(data, frames, begin, found, verdicts, counts, hashes, flows, listed, area, state):  # type: ignore[no-untyped-def]
    """Judge the frames of a batch and return how many rows of ``found`` are filled.

    A pass ends with the batch, or behind an answer of DNS that passes: what is learned from it may decide about the
    frames that follow.  ``state.next`` tells where the next pass has to begin.

    Args:
        data: uint8[:], the batch's memory.
        frames: FRAME[:], one row a frame.
        begin: index of the first frame to judge.
        found: ROW[:], twice as long as ``frames``; gets the rows of the passing frames, two where fragments contradict.
        verdicts: uint8[:], gets the reason of each frame.
        counts: int64[:], one counter a reason, added to.
        hashes: uint64[:], of the flow table.
        flows: FLOW[:], of the flow table.
        listed: uint64[:], the name table.
        area: uint8[:], for what does not lie in one piece in the batch.
        state: STATE, everything else.
    """
    passed = 0
    state.fill = 0
    taken = begin + state.hosts.left  # the next frame whose bytes are counted
    for i in range(begin, min(begin + STRIDE, len(frames))):
        expect_frame(data, frames[i])
    half = 0  # of the rows in scratch: those of the stride that is judged; the next one has the other
    for first in range(begin - STRIDE, len(frames), STRIDE):
        read_stride(data, frames, first + STRIDE, STRIDE - half, hashes, state)
        for i in range(max(first, begin), min(first + STRIDE, len(frames))):
            now = tell_time(state.clock, frames[i].time)
            row = state.read[half + i - first]
            row.frame = i
            row.clock = state.clock[CLOCK_NOW]
            if frames[i].captured < frames[i].length:
                state.cut += 1
            memory, readings, fill, before = data, 1, state.fill, passed
            if row.reason == reasons.FRAGMENT:
                readings = 2 if join(data, row, now, area, state) else 1
                memory = area
            # Where fragments contradicted each other, both readings are judged: the frame passes if one of them does.
            verdict = np.int64(reasons.FRAGMENT)
            if row.depth > 0 and row.reason == reasons.DECODED:
                count_wrappings(row.layers, state.wrapped)
            for version in range(readings):
                reading = state.read[OTHER] if version else row
                reason = np.int64(reading.reason)
                if reason == reasons.DECODED:
                    if reading.protocol == TCP:
                        reason = np.int64(judge_segment(memory, reading, now, hashes, flows, listed, state))
                    else:
                        reason = np.int64(judge_datagram(memory, reading, now, listed, area, state))
                        if reason >= reasons.PASSING and patterns.opens_datagram(
                            memory, reading, state.udp_patterns
                        ):
                            reason = np.int64(reasons.PAYLOAD)
                    if reason < reasons.PASSING:
                        if reading.protocol == TCP:
                            reading.opener = opener_of(flows[reading.slot])
                        reading.reason = reason
                        found[passed] = reading
                        passed += 1
                if version == 0 or reason < reasons.PASSING <= verdict:
                    verdict = reason
            if passed == before:
                state.fill = fill  # nothing points there
            verdicts[i] = verdict
            counts[verdict] += 1
            if i == taken:
                taken += count_bytes(data, area, row, np.int64(frames[i].length), verdict, flows, state, now)
            if verdict < reasons.PASSING and found[passed - 1].source_port == DNS_PORT:
                state.next = i + 1
                state.hosts.left = taken - state.next
                return passed
        half = STRIDE - half
        locate_stride(len(frames) - first - STRIDE, half, hashes, flows, state)
    state.next = len(frames)
    state.hosts.left = taken - state.next
    return passed
