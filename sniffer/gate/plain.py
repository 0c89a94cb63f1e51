"""The gate once more, readably: the same decisions in plain Python, far too slow for a mirror port.

In: a batch.  Out: the reason for each frame and a row for each that passes.
Never: used in production.  It is the description of the gate that people read, and the test's second opinion:
``tests/gate/test_parity.py`` holds it equal to ``decide.py`` on every capture and on generated garbage.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sniffer.gate import reasons, rows
from sniffer.gate.area import ADDRESSES, SIZE
from sniffer.gate.decide import (
    DNS_PORT,
    FEW,
    FULL,
    MAX_BACKWARD,
    MAX_FORWARD,
    MAX_MESSAGES,
    MAX_NESTED,
    MAX_NOW,
    MAX_PROBES,
    MAX_REORDER,
    MAX_TIME,
    SECOND,
)
from sniffer.gate.flowtable import EVICTIONS, IDLE_SECONDS, WAYS
from sniffer.gate.hashing import MASK
from sniffer.gate.headers import TCP
from sniffer.gate.hosts import MINING, OTHER
from sniffer.gate.kinds import PROTOCOL
from sniffer.gate.labels import HELLOS, LAYER_NAMES
from sniffer.gate.names import MAX_NAME
from sniffer.gate.openings import MAX_TINY
from sniffer.gate.plain_fragments import PlainFragments
from sniffer.gate.plain_headers import Found, decode, walk
from sniffer.gate.plain_hosts import PlainHosts
from sniffer.gate.plain_links import Refused, u16
from sniffer.gate.plain_patterns import PlainPatterns
from sniffer.gate.plain_payloads import (
    VERBS,
    dns_names,
    hello_name,
    hides_certificate,
    is_binary,
    is_client_hello,
    is_json,
    is_json_inside,
    is_management,
    is_noise,
    is_peer,
    is_printable,
    is_proxy,
    is_sealed,
    is_server_hello,
    is_websocket,
    json_body,
    opens_rpc,
    path_of,
    read_head,
    server_name,
)
from sniffer.gate.plain_quic import Answers, Hello, PlainQuic, is_initial
from sniffer.gate.plain_repeats import PlainRepeats
from sniffer.gate.quic import MAX_HELLO
from sniffer.model import TcpFlag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sniffer.batch import Batch
    from sniffer.model import Pattern

SYN, ACK = TcpFlag.SYN, TcpFlag.ACK


@dataclass
class Flow:
    """What is known of one flow."""

    hash: int
    last_seen: int
    stage: int = rows.FRESH
    starts: dict[int, int] = field(
        default_factory=dict
    )  # side -> first sequence number, where its SYN was seen
    payload_from: set[int] = field(default_factory=set)
    heard: set[int] = field(default_factory=set)  # sides, with or without payload
    probes: int = 0
    opener: int = 0  # 1 + the side that opened the connection
    mines: bool = False  # whoever reads it counts its bytes

    def kind(self, now: int) -> str:
        """Name the kind of flow in the order of eviction."""
        if now - self.last_seen > IDLE_SECONDS:
            return "idle"
        if self.stage >= rows.MINING:
            return "mining"
        if self.stage == rows.WATCHED:
            return "watched"
        if self.stage == rows.JUDGED:
            return "judged"
        return "undecided" if self.payload_from else "embryonic"


class PlainGate:
    """The decisions of :class:`sniffer.gate.gate.Gate`, one frame after the other."""

    def __init__(
        self,
        listed: Sequence[tuple[str, bool]] = (),
        *,
        every_name: bool = False,
        flows: int = 1 << 21,
        keys: tuple[int, int, int],
    ) -> None:
        self.exact = {name for name, _ in listed}
        self.suffixes = {name for name, is_suffix in listed if is_suffix}
        self.every_name = every_name
        self.keys = keys
        self.mask = flows - 1
        self.slots: dict[int, Flow] = {}
        self.evicted = dict.fromkeys(EVICTIONS, 0)
        self.cut = 0
        self.hellos = dict.fromkeys(HELLOS, 0)
        self.wrapped = dict.fromkeys(LAYER_NAMES[1:], 0)
        self.now = 0
        self.shift: int | None = None
        self.jumps = 0
        self.fragments = PlainFragments()
        self.quic = PlainQuic(keys[2])
        self.servers: dict[bytes, int] = {}  # address: second until which it counts
        self.repeats = PlainRepeats()
        self.hosts = PlainHosts(keys[2])
        self.tcp_patterns = self.udp_patterns = PlainPatterns()
        self.area = bytearray()

    def list_patterns(self, listed: Iterable[Pattern]) -> None:
        """Replace the bytes that openings are compared with."""
        wanted = list(listed)
        self.tcp_patterns = PlainPatterns((one.at, one.data) for one in wanted if one.transport != "udp")
        self.udp_patterns = PlainPatterns((one.at, one.data) for one in wanted if one.transport != "tcp")

    def know_server(self, address: bytes, until: int) -> None:
        """Let the first payload of each flow with this server pass until a time, in nanoseconds."""
        self.servers[address] = until // SECOND

    def watch_host(self, address: bytes) -> None:
        """Count all bytes of a host for a day from now on."""
        self.hosts.watch(address, self.now // SECOND)

    def judge(self, batch: Batch) -> Iterator[tuple[Found, list[Found]]]:
        """Yield what was found in each frame, with its reason, and the packets that pass (two where fragments contradict)."""
        memory = batch.data.tobytes()
        self.area.clear()
        for number, row in enumerate(batch.frames.tolist()):
            time, offset, captured, length, link, _, *tag = row
            self.tell_time(time)
            self.cut += captured < length
            found = Found(frame=number, clock=self.now)
            fill = len(self.area)
            readings = [found]
            try:
                decode(
                    memory[: offset + captured],
                    offset,
                    max(length - captured, 0),
                    link,
                    (tag[0], tag[1]),
                    found,
                )
                found.reason = reasons.DECODED
            except Refused as refusal:
                found.reason = refusal.reason
                if refusal.reason == reasons.FRAGMENT:
                    readings = self.join(memory, found)
            if found.reason == reasons.DECODED:
                for layer in {found.layers >> 8 * place & 0xFF for place in range(found.depth)}:
                    self.wrapped[LAYER_NAMES[layer]] += 1
            for reading in readings:
                if reading.reason == reasons.DECODED:
                    reading.reason = self.judge_packet(memory, reading)
            passing = [each for each in readings if each.reason < reasons.PASSING]
            if self.hosts.is_taken():
                self.count_bytes(memory, found, length, passes=bool(passing))
            if not passing:
                del self.area[fill:]
            answer = readings[0] if readings[0] in passing or not passing else passing[0]
            yield answer, passing
            if passing and passing[-1].source_port == DNS_PORT:
                self.area.clear()  # a pass is over

    def count_bytes(self, memory: bytes, found: Found, length: int, *, passes: bool) -> None:
        """Count a frame for its hosts, unless it is of a flow that mines and passes."""
        flow = self.slots.get(found.slot)
        mines = flow is not None and flow.mines
        if not (mines and passes):
            column = MINING if mines else OTHER
            self.hosts.count(
                bytes(self.area) if found.memory else memory, found, length, column, self.now // SECOND
            )

    def judge_packet(self, memory: bytes, found: Found) -> int:
        """Decide about a packet whose headers were read."""
        memory = bytes(self.area) if found.memory else memory
        payload = memory[found.payload : found.payload + found.payload_length]
        if found.protocol == TCP:
            reason = self.judge_segment(memory, payload, found)
            if reason < reasons.PASSING:
                found.opener = self.slots[found.slot].opener
            return reason
        reason = self.judge_datagram(memory, payload, found)
        if reason >= reasons.PASSING and self.udp_patterns.opens(payload, is_whole=True):
            return reasons.PAYLOAD
        return reason

    def set_stage(self, slot: int, flow_hash: int, stage: int) -> None:
        """Take back a verdict on a flow, if it is still in its slot."""
        flow = self.slots.get(slot)
        if flow and flow.hash == flow_hash:
            flow.stage = stage

    def note_mining(self, slot: int, flow_hash: int) -> None:
        """A flow mines, and whoever reads it counts its bytes."""
        flow = self.slots.get(slot)
        if flow and flow.hash == flow_hash:
            flow.mines = True

    # ── what does not lie in one piece ───────────────────────────────────────────────────────────────────

    def settle(self, memory: bytes, found: Found, content: bytes) -> bool:
        """Put content into the area behind a copy of the addresses; false: it is full."""
        base = len(self.area)
        if base + ADDRESSES + len(content) > SIZE:
            return False
        width = 4 if found.family == 4 else 16
        for place in (found.source, found.destination):
            self.area += memory[place : place + width].ljust(16, b"\0")
        self.area += content
        found.source, found.destination, found.memory = base, base + 16, 1
        return True

    def join(self, memory: bytes, found: Found) -> list[Found]:
        """Add a fragment; walk through the datagram that it makes whole, in each of its readings."""
        for level in range(MAX_NESTED):
            memory = bytes(self.area) if level else memory
            data = memory[found.payload : found.payload + found.payload_length] if not found.missing else b""
            added = self.fragments.add(
                self.fragment_hash(memory, found), data, found.place, self.now // SECOND
            )
            if added is None or not added[1]:
                found.reason = reasons.FRAGMENT if added else reasons.FRAGMENT_REFUSED
                return [found]
            datagram = self.fragments.slots.pop(added[0])
            readings = [found, *(dataclasses.replace(found) for _ in datagram.readings[1:])]
            for version, reading in enumerate(readings):
                self.walk_on(memory, reading, datagram.whole(version))
            if len(readings) > 1 or found.reason != reasons.FRAGMENT:
                return readings
        found.reason = reasons.FRAGMENT_REFUSED
        return [found]

    def walk_on(self, memory: bytes, found: Found, content: bytes) -> None:
        """Go on with the walk in a datagram that is whole now."""
        found.reason = reasons.FRAGMENT_REFUSED
        if not self.settle(memory, found, content):
            return
        area = bytes(self.area)
        try:
            walk(area, len(area) - len(content), 0, PROTOCOL + found.protocol, found)
            found.reason = reasons.DECODED
        except Refused as refusal:
            found.reason = refusal.reason

    def fragment_hash(self, memory: bytes, found: Found) -> int:
        """Hash what fragments of one datagram have in common."""
        width = 4 if found.family == 4 else 16
        ends = b"".join(memory[place : place + width] for place in (found.source, found.destination))
        words = [int.from_bytes(ends[i : i + 8], "big") for i in range(0, len(ends), 8)]
        words.append(found.identity << 16 | found.protocol << 8 | found.family)
        return siphash(self.keys[0], self.keys[1], words)

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────

    def tell_time(self, time: int) -> None:
        """Follow packet time, but not its leaps."""
        time = min(max(time, -MAX_TIME), MAX_TIME)
        if self.shift is None:
            self.shift = -time
        shifted = time + self.shift
        if self.now - MAX_BACKWARD <= shifted <= self.now + MAX_FORWARD:
            self.now = min(max(self.now, shifted), MAX_NOW)
        else:
            self.jumps += 1
            self.shift = self.now - time

    # ── datagrams ────────────────────────────────────────────────────────────────────────────────────────

    def judge_datagram(self, memory: bytes, payload: bytes, found: Found) -> int:
        """Pass DNS messages and QUIC hellos with a listed name, and what miners and their tools send one another."""
        if DNS_PORT in (found.source_port, found.destination_port):
            try:
                listed = any(self.is_listed(name) for name in dns_names(payload))
            except ValueError:
                return reasons.DNS_MALFORMED
            return reasons.DNS_LISTED if listed else reasons.DNS_UNLISTED
        if is_initial(payload, found):
            answers = Answers(
                lambda hello: self.judge_hello(memory, found, hello),
                reasons.QUIC_KEPT,
                reasons.QUIC_JUDGED,
                reasons.QUIC_LIMIT,
                reasons.QUIC_UNREADABLE,
            )
            return self.quic.judge(payload, self.now // SECOND, answers)
        return reasons.MANAGEMENT if is_management(payload, found.destination_port) else reasons.UDP_OTHER

    def judge_hello(self, memory: bytes, found: Found, hello: Hello) -> int:
        """Decide about what there is of a hello in QUIC."""
        if hello.prefix < 4:
            return reasons.QUIC_KEPT
        if hello.data[0] != 1:
            return reasons.QUIC_UNREADABLE
        size = min(hello.prefix, hello.length)
        content = bytes(hello.data[:size])
        try:
            name = hello_name(content)
            listed = self.every_name if name is None else self.is_listed_text(name)
            self.count_hello(name)
        except EOFError:
            if hello.prefix < MAX_HELLO:
                return reasons.QUIC_KEPT
            listed = False
            self.hellos["split"] += 1
        except ValueError:
            listed = False
        if not listed:
            return reasons.QUIC_UNLISTED
        if not self.settle(memory, found, content):
            return reasons.QUIC_LIMIT
        found.payload, found.payload_length = len(self.area) - size, size
        found.missing = hello.length - size
        return reasons.QUIC_LISTED

    # ── segments ─────────────────────────────────────────────────────────────────────────────────────────

    def judge_segment(self, memory: bytes, payload: bytes, found: Found) -> int:
        """Pass what belongs to a watched flow or may start one."""
        now = self.now // SECOND
        found.side = self.hash_flow(memory, found)
        if payload and not found.memory:
            self.repeats.note(memory, found)
        slot = self.find(found.hash, now)
        if slot is None:
            if not payload and not found.tcp_flags & SYN:
                return reasons.NO_PAYLOAD
            slot = self.insert(found.hash, now)
        found.slot = slot
        flow = self.slots[slot]
        flow.last_seen = now
        if found.tcp_flags & SYN:
            self.note_syn(flow, found)
        flow.heard.add(found.side)
        found.start = flow.starts.get(found.side, -1)
        if flow.stage < rows.WATCHED:
            is_first = found.side not in flow.payload_from
            reason = self.judge_unwatched(memory, payload, found, flow)
            if reason >= reasons.PASSING and payload and self.opens_side(payload, found, is_first=is_first):
                flow.stage = rows.WATCHED
                return reasons.PAYLOAD
            return reason
        if payload:
            flow.payload_from.add(found.side)
        ends = found.tcp_flags & (SYN | TcpFlag.FIN | TcpFlag.RST)
        is_bare = not (payload or found.missing or ends)
        return reasons.NO_PAYLOAD if is_bare and flow.stage == rows.SETTLED else reasons.WATCHED

    def note_syn(self, flow: Flow, found: Found) -> None:
        """Take note of a SYN: where this side starts, and whether this is a new connection on old ports."""
        start = (found.sequence + 1) & 0xFFFFFFFF
        known = flow.starts.get(found.side)
        if known == start:
            return
        if flow.stage == rows.SETTLED:
            flow.stage = rows.MINING
        elif flow.stage <= rows.JUDGED and not found.tcp_flags & ACK:
            flow.stage = rows.FRESH
            flow.starts.clear()
            flow.payload_from.clear()
            flow.heard.clear()
            flow.probes = flow.opener = 0
            flow.mines = False
        elif flow.stage <= rows.JUDGED and (known is not None or 1 - found.side not in flow.starts):
            flow.stage = rows.FRESH
            flow.payload_from.discard(found.side)
            flow.probes = flow.opener = 0
            flow.mines = False
        flow.starts[found.side] = start
        flow.opener = flow.opener or 1 + (1 - found.side if found.tcp_flags & ACK else found.side)

    def opens_side(self, payload: bytes, found: Found, *, is_first: bool) -> bool:
        """Whether a payload is the opening of its side, and opens like a pattern."""
        if found.start >= 0:
            is_first = bool(found.tcp_flags & SYN) or found.sequence == found.start
        return is_first and self.tcp_patterns.opens(payload, is_whole=False)

    def judge_unwatched(self, memory: bytes, payload: bytes, found: Found, flow: Flow) -> int:
        """Pass what may be the start of something."""
        if not payload:
            return reasons.NO_PAYLOAD
        if flow.stage == rows.JUDGED:
            flow.payload_from.add(found.side)
            return reasons.JUDGED
        from_start = found.start >= 0
        distance = 0
        if from_start and not found.tcp_flags & SYN:
            distance = (found.sequence - found.start) & 0xFFFFFFFF
        begins_stream = from_start and distance == 0
        if len(payload) == 1 and (distance == 0xFFFFFFFF or (payload == b"\0" and not begins_stream)):
            return reasons.UNPROMISING  # keep-alive probe
        is_first = found.side not in flow.payload_from
        flow.payload_from.add(found.side)
        reason = self.judge_opening(
            memory, payload, found, flow, is_first=is_first and from_start, distance=distance
        )
        if reason < reasons.PASSING:
            flow.stage = rows.WATCHED
        return reason

    def judge_opening(
        self, memory: bytes, payload: bytes, found: Found, flow: Flow, *, is_first: bool, distance: int
    ) -> int:
        """Tell what a payload opens like.  ``is_first``: nothing was seen of this side but its SYN."""
        if DNS_PORT in (found.source_port, found.destination_port):
            return self.judge_dns_stream(payload, flow)
        if flow.stage == rows.FRESH and self.is_server(memory, found):
            if is_client_hello(payload):
                self.judge_client_hello(payload, flow)  # for the count
            return reasons.SERVER
        if payload[:4] in VERBS:
            flow.stage = rows.REQUESTS
            return self.judge_request(payload)
        if payload.startswith(b"HTTP/1.") and 1 - found.side not in flow.payload_from:
            flow.stage = rows.REQUESTS
            return self.judge_response(payload)
        if flow.stage == rows.REQUESTS and not payload.startswith(b"CONNECT "):
            return reasons.UNPROMISING
        if is_first and 0 < distance < MAX_REORDER:
            return reasons.REORDERED
        if is_client_hello(payload):
            return self.judge_client_hello(payload, flow)
        if is_server_hello(payload):
            if hides_certificate(payload):
                flow.stage = rows.JUDGED
                return reasons.TLS_UNLISTED
            return reasons.TLS_CERTIFICATE
        reason = self.name_opening(payload)
        if reason == reasons.UNPROMISING and is_first and distance == 0 and is_noise(payload):
            return reasons.NOISE
        if reason != reasons.UNPROMISING:
            return reason
        if is_first or is_sealed(payload):
            flow.stage = rows.JUDGED
            return reasons.UNPROMISING
        return self.probe(payload, flow, from_start=found.start >= 0)

    @staticmethod
    def name_opening(payload: bytes) -> int:
        """What a payload that is neither HTTP nor TLS opens like."""
        if is_json(payload):
            return reasons.JSON
        if is_proxy(payload):
            return reasons.PROXY
        if payload.startswith(b"PRI * HTTP/2.0\r\n"):
            return reasons.HTTP2
        if is_websocket(payload):
            return reasons.WEBSOCKET
        if is_binary(payload) or payload.startswith(b"STATUS="):
            return reasons.BINARY
        if is_peer(payload):
            return reasons.PEER
        if len(payload) <= FEW or (len(payload) <= MAX_TINY and is_printable(payload)):
            return reasons.TINY
        return reasons.UNPROMISING

    @staticmethod
    def probe(payload: bytes, flow: Flow, *, from_start: bool) -> int:
        """Look for lines of JSON inside a payload, but not for ever."""
        flow.probes += 1
        if flow.probes > MAX_PROBES:
            flow.stage = rows.JUDGED
            return reasons.JUDGED
        if not from_start and is_printable(payload[:8]) and is_json_inside(payload):
            return reasons.JSON_INSIDE
        return reasons.UNPROMISING

    def is_server(self, memory: bytes, found: Found) -> bool:
        """Whether one of the ends is a server that is known by its address."""
        width = 4 if found.family == 4 else 16
        ends = (memory[place : place + width] for place in (found.source, found.destination))
        return any(self.now // SECOND <= self.servers.get(end, -1) for end in ends)

    def judge_dns_stream(self, payload: bytes, flow: Flow) -> int:
        """Pass messages with a listed name, and those that go on in a later segment."""
        at = 0
        for _ in range(MAX_MESSAGES):
            stop = at + 2 + u16(payload, at) if at + 2 <= len(payload) else len(payload) + 1
            if at + 2 < len(payload):
                try:
                    if any(self.is_listed(name) for name in dns_names(payload[at + 2 : stop])):
                        return reasons.DNS_LISTED
                except ValueError:
                    if stop <= len(payload):
                        flow.stage = rows.JUDGED
                        return reasons.DNS_MALFORMED
            if stop > len(payload):
                return reasons.DNS_PARTIAL
            at = stop
            if at == len(payload):
                break
        return reasons.DNS_UNLISTED

    def judge_request(self, payload: bytes) -> int:
        """Pass requests for listed hosts, those that may carry mining, and those whose head is cut."""
        head = read_head(payload)
        unfinished = head.body is None and not head.is_too_long
        if head.host is not None:
            if self.is_listed_text(head.host):
                return reasons.HTTP_LISTED
        elif unfinished:
            return reasons.HTTP_PARTIAL
        if "upgrade" in head.features:
            return reasons.WEBSOCKET
        if "mining" in head.features:
            return reasons.HTTP_MINING
        is_post = payload.startswith(b"POST ")
        if unfinished and (is_post or len(payload) < FULL):
            return reasons.HTTP_PARTIAL
        if is_post and head.body is not None:
            if head.body:
                may_carry = json_body(head.body) is not None
            else:
                may_carry = "json" in head.features or "typed" not in head.features
            if may_carry:
                return reasons.HTTP_MINING
        path = path_of(payload)
        if path is not None and path.lower().decode("latin-1") in self.exact:
            return reasons.HTTP_MINING
        return reasons.HTTP_UNLISTED

    @staticmethod
    def judge_response(payload: bytes) -> int:
        """Pass responses that may carry mining; their request was not seen."""
        head = read_head(payload)
        if "upgrade" in head.features:
            return reasons.WEBSOCKET
        if "mining" in head.features:
            return reasons.HTTP_MINING
        if head.body is None and not head.is_too_long and len(payload) < FULL:
            return reasons.HTTP_PARTIAL
        if head.body and opens_rpc(head.body):
            return reasons.HTTP_MINING
        is_hidden = head.body == b"" or "encoded" in head.features
        return reasons.HTTP_MINING if is_hidden and "json" in head.features else reasons.HTTP_UNLISTED

    def judge_client_hello(self, payload: bytes, flow: Flow) -> int:
        """Pass hellos with listed server names, and those whose name is still to come."""
        try:
            name = server_name(payload)
        except EOFError:
            self.hellos["split"] += 1
            return reasons.TLS_PARTIAL
        except ValueError:
            flow.stage = rows.JUDGED
            return reasons.TLS_UNLISTED
        self.count_hello(name)
        if name is None:
            return reasons.TLS_LISTED if self.every_name else reasons.TLS_UNLISTED
        if self.is_listed_text(name):
            return reasons.TLS_LISTED
        flow.stage = rows.JUDGED
        return reasons.TLS_UNLISTED

    def count_hello(self, name: bytes | None) -> None:
        """Count a ClientHello that was read to its name, or to its end without one; a name that cannot be is nothing."""
        if name is None:
            self.hellos["hidden"] += 1
        elif 0 < len(name.removesuffix(b".")) <= MAX_NAME:
            self.hellos["readable"] += 1

    # ── names ────────────────────────────────────────────────────────────────────────────────────────────

    def is_listed_text(self, name: bytes) -> bool:
        """Whether a name written out is listed; a final dot is left out."""
        name = name.removesuffix(b".")
        return 0 < len(name) <= MAX_NAME and self.is_listed(name.split(b"."))

    def is_listed(self, labels: list[bytes]) -> bool:
        """Whether a name is listed, itself or by one of its suffixes."""
        if self.every_name:
            return bool(labels)
        suffixes = [b".".join(labels[i:]).lower().decode("latin-1") for i in range(len(labels))]
        return any(suffix in self.suffixes for suffix in suffixes) or bool(
            labels and suffixes[0] in self.exact
        )

    # ── flow table ───────────────────────────────────────────────────────────────────────────────────────

    def hash_flow(self, memory: bytes, found: Found) -> int:
        """Hash both ends in one order; return the sender's side."""
        width = 4 if found.family == 4 else 16
        source = (memory[found.source : found.source + width], found.source_port)
        destination = (memory[found.destination : found.destination + width], found.destination_port)
        side = int(source > destination)
        low, high = sorted((source, destination))
        addresses = low[0] + high[0]
        words = [int.from_bytes(addresses[i : i + 8], "big") for i in range(0, len(addresses), 8)]
        words.append((low[1] << 48) | (high[1] << 32) | (found.protocol << 8) | found.family)
        found.hash = siphash(self.keys[0], self.keys[1], words)
        return side

    def find(self, flow_hash: int, now: int) -> int | None:
        """Slot of a flow; one that was idle too long starts afresh."""
        for slot in self.bucket(flow_hash):
            flow = self.slots.get(slot)
            if flow and flow.hash == flow_hash:
                if now - flow.last_seen > IDLE_SECONDS:
                    self.slots[slot] = Flow(flow_hash, now)
                return slot
        return None

    def insert(self, flow_hash: int, now: int) -> int:
        """Slot for a new flow; the least valuable one of a full bucket makes room."""
        bucket = self.bucket(flow_hash)
        free = [slot for slot in bucket if slot not in self.slots]
        if free:
            chosen = free[0]
        else:
            chosen = min(
                bucket,
                key=lambda slot: (EVICTIONS.index(self.slots[slot].kind(now)), self.slots[slot].last_seen),
            )
            self.evicted[self.slots[chosen].kind(now)] += 1
        self.slots[chosen] = Flow(flow_hash, now)
        return chosen

    def bucket(self, flow_hash: int) -> range:
        """Return the slots in which a flow may live."""
        first = flow_hash & self.mask & ~(WAYS - 1)
        return range(first, first + WAYS)


# ── hash ─────────────────────────────────────────────────────────────────────────────────────────────────


def siphash(key0: int, key1: int, words: list[int]) -> int:
    """SipHash-1-3 over 64-bit words, without the length word; 0 becomes 1."""
    v = [
        key0 ^ 0x736F6D6570736575,
        key1 ^ 0x646F72616E646F6D,
        key0 ^ 0x6C7967656E657261,
        key1 ^ 0x7465646279746573,
    ]

    def rotate(word: int, by: int) -> int:
        return (word << by | word >> (64 - by)) & MASK

    def sip_round() -> None:
        v[0] = (v[0] + v[1]) & MASK
        v[2] = (v[2] + v[3]) & MASK
        v[1] = rotate(v[1], 13) ^ v[0]
        v[3] = rotate(v[3], 16) ^ v[2]
        v[0] = rotate(v[0], 32)
        v[2] = (v[2] + v[1]) & MASK
        v[0] = (v[0] + v[3]) & MASK
        v[1] = rotate(v[1], 17) ^ v[2]
        v[3] = rotate(v[3], 21) ^ v[0]
        v[2] = rotate(v[2], 32)

    for word in words:
        v[3] ^= word
        sip_round()
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(3):
        sip_round()
    return (v[0] ^ v[1] ^ v[2] ^ v[3]) or 1
