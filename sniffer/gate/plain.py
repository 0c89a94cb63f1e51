"""The gate once more, readably: the same decisions in plain Python, far too slow for a mirror port.

In: a batch.  Out: the reason for each frame and a row for each that passes.
Never: used in production.  It is the description of the gate that people read, and the test's second opinion:
``tests/gate/test_parity.py`` holds it equal to ``decide.py`` on every capture and on generated garbage.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sniffer.gate import reasons, rows
from sniffer.gate.decide import (
    DNS_PORT,
    MAX_BACKWARD,
    MAX_FORWARD,
    MAX_NOW,
    MAX_PROBES,
    MAX_REORDER,
    MAX_TIME,
    SECOND,
)
from sniffer.gate.flowtable import EVICTIONS, IDLE_SECONDS, WAYS
from sniffer.gate.hashing import MASK
from sniffer.gate.headers import TCP
from sniffer.gate.names import MAX_NAME
from sniffer.gate.openings import MAX_TINY
from sniffer.gate.plain_headers import Found, Refused, decode
from sniffer.gate.plain_payloads import (
    VERBS,
    dns_names,
    http_host,
    is_client_hello,
    is_json,
    is_json_inside,
    is_printable,
    is_proxy,
    server_name,
)
from sniffer.model import TcpFlag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sniffer.model import Batch

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
    probes: int = 0

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
        flows: int = 1 << 20,
        keys: tuple[int, int, int],
    ) -> None:
        self.exact = {name for name, _ in listed}
        self.suffixes = {name for name, is_suffix in listed if is_suffix}
        self.every_name = every_name
        self.keys = keys
        self.mask = flows - 1
        self.slots: dict[int, Flow] = {}
        self.evicted = dict.fromkeys(EVICTIONS, 0)
        self.now = 0
        self.shift: int | None = None
        self.jumps = 0

    def judge(self, batch: Batch) -> Iterator[Found]:
        """Yield what was found in each frame, with its reason."""
        memory = batch.data.tobytes()
        for number, row in enumerate(batch.frames.tolist()):
            time, offset, captured, length, link, _, *tag = row
            found = Found(frame=number)
            self.tell_time(time)
            try:
                frame = memory[: offset + captured]
                decode(frame, offset, max(length - captured, 0), link, (tag[0], tag[1]), found)
                payload = frame[found.payload : found.payload + found.payload_length]
                if found.protocol == TCP:
                    found.reason = self.judge_segment(memory, payload, found)
                else:
                    found.reason = self.judge_datagram(payload, found)
            except Refused as refusal:
                found.reason = refusal.reason
            yield found

    def set_stage(self, slot: int, flow_hash: int, stage: int) -> None:
        """Take back a verdict on a flow, if it is still in its slot."""
        flow = self.slots.get(slot)
        if flow and flow.hash == flow_hash:
            flow.stage = stage

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

    def judge_datagram(self, payload: bytes, found: Found) -> int:
        """Pass DNS messages with a listed name."""
        if DNS_PORT not in (found.source_port, found.destination_port):
            return reasons.UDP_OTHER
        try:
            listed = any(self.is_listed(name) for name in dns_names(payload))
        except ValueError:
            return reasons.DNS_MALFORMED
        return reasons.DNS_LISTED if listed else reasons.DNS_UNLISTED

    # ── segments ─────────────────────────────────────────────────────────────────────────────────────────

    def judge_segment(self, memory: bytes, payload: bytes, found: Found) -> int:
        """Pass what belongs to a watched flow or may start one."""
        now = self.now // SECOND
        found.side = self.hash_flow(memory, found)
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
        found.start = flow.starts.get(found.side, -1)
        if flow.stage < rows.WATCHED:
            return self.judge_unwatched(payload, found, flow)
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
            flow.probes = 0
        elif flow.stage <= rows.JUDGED and (known is not None or 1 - found.side not in flow.starts):
            flow.stage = rows.FRESH
            flow.payload_from.discard(found.side)
            flow.probes = 0
        flow.starts[found.side] = start

    def judge_unwatched(self, payload: bytes, found: Found, flow: Flow) -> int:
        """Pass what may be the start of something."""
        if not payload:
            return reasons.NO_PAYLOAD
        if flow.stage == rows.JUDGED:
            flow.payload_from.add(found.side)
            return reasons.JUDGED
        distance = 0
        if found.start >= 0 and not found.tcp_flags & SYN:
            distance = (found.sequence - found.start) & 0xFFFFFFFF
        if payload == b"\0" or (len(payload) == 1 and distance == 0xFFFFFFFF):
            return reasons.UNPROMISING  # keep-alive probe
        is_first = found.side not in flow.payload_from
        flow.payload_from.add(found.side)
        if payload[:4] in VERBS:
            reason = self.judge_http(payload)
            flow.stage = rows.WATCHED if reason < reasons.PASSING else rows.HTTP
            return reason
        if flow.stage == rows.HTTP and not payload.startswith(b"CONNECT "):
            return reasons.UNPROMISING
        reason = self.judge_opening(payload, is_first=is_first and found.start >= 0, distance=distance)
        if reason < reasons.PASSING:
            flow.stage = rows.WATCHED
            return reason
        if reason == reasons.TLS_UNLISTED or (is_first and found.start >= 0):
            flow.stage = rows.JUDGED
            return reason
        return self.probe(payload, flow, from_start=found.start >= 0)

    def judge_opening(self, payload: bytes, *, is_first: bool, distance: int) -> int:
        """Tell what a payload opens like.  ``is_first``: nothing was seen of this side but its SYN."""
        if is_first and 0 < distance < MAX_REORDER:
            return reasons.REORDERED
        if is_json(payload):
            return reasons.JSON
        if is_client_hello(payload):
            return self.judge_client_hello(payload)
        if is_proxy(payload):
            return reasons.PROXY
        if len(payload) <= MAX_TINY and is_printable(payload):
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
            flow.stage = rows.WATCHED
            return reasons.JSON_INSIDE
        return reasons.UNPROMISING

    def judge_http(self, payload: bytes) -> int:
        """Pass requests for listed hosts, and those whose host is still to come."""
        host = http_host(payload)
        if host is None:
            return reasons.HTTP_PARTIAL
        return reasons.HTTP_LISTED if self.is_listed_text(host) else reasons.HTTP_UNLISTED

    def judge_client_hello(self, payload: bytes) -> int:
        """Pass hellos with listed server names, and those whose name is still to come."""
        try:
            name = server_name(payload)
        except EOFError:
            return reasons.TLS_PARTIAL
        except ValueError:
            return reasons.TLS_UNLISTED
        return reasons.TLS_LISTED if self.is_listed_text(name) else reasons.TLS_UNLISTED

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
