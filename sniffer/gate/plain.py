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
from sniffer.gate.decide import MAX_BACKWARD, MAX_FORWARD, MAX_PROBES, MAX_REORDER, SECOND
from sniffer.gate.flowtable import EVICTIONS, IDLE_SECONDS, WAYS
from sniffer.gate.hashing import MASK, NAME_MULTIPLIER
from sniffer.gate.names import HTTP_HEAD, MAX_EXTENSIONS, MAX_LABELS, MAX_NAME, MAX_POINTERS, MAX_RECORDS, finish_name
from sniffer.gate.openings import MAX_SCAN, MAX_SPACE, MAX_TINY
from sniffer.model import TcpFlag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sniffer.model import Batch

SPACE = b" \n\r\t"
PRINTABLE = bytes(range(0x20, 0x7F)) + SPACE
VERBS = (b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"DELE", b"PATC")


class Refused(Exception):  # noqa: N818  (an answer, not an error)
    """The header walk ended early."""

    def __init__(self, reason: int) -> None:
        super().__init__(reasons.REASONS[reason].name)
        self.reason = reason


@dataclass
class Found:
    """What the header walk found: the fields of rows.ROW that both gates must agree on."""

    family: int = 0
    protocol: int = 0
    source: int = 0
    destination: int = 0
    source_port: int = 0
    destination_port: int = 0
    sequence: int = 0
    acknowledgement: int = 0
    tcp_flags: int = 0
    payload: int = 0
    payload_length: int = 0
    missing: int = 0
    start: int = -1
    slot: int = -1
    hash: int = 0
    depth: int = 0
    layers: int = 0
    vlans: int = 0
    reason: int = 0
    frame: int = 0


@dataclass
class Flow:
    """What is known of one flow."""

    hash: int
    last_seen: int
    stage: int = rows.FRESH
    starts: dict[int, int] = field(default_factory=dict)  # side -> first sequence number, where its SYN was seen
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
        listed: Iterable[tuple[str, bool]] = (),
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
        for number, (time, offset, captured, _, link, _, tci, vlan_protocol) in enumerate(batch.frames.tolist()):
            found = Found(frame=number)
            self.tell_time(time)
            try:
                decode(memory[: offset + captured], offset, link, tci, vlan_protocol, found)
                payload = memory[found.payload : found.payload + found.payload_length]
                if found.protocol == 6:
                    found.reason = self.judge_segment(memory, payload, found)
                else:
                    found.reason = self.judge_datagram(payload, found)
            except Refused as refusal:
                found.reason = refusal.reason
            yield found

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────

    def tell_time(self, time: int) -> None:
        """Follow packet time, but not its leaps."""
        if self.shift is None:
            self.shift = -time
        shifted = time + self.shift
        if shifted > self.now + MAX_FORWARD or shifted < self.now - MAX_BACKWARD:
            self.jumps += 1
            self.shift = self.now - time
        else:
            self.now = max(self.now, shifted)

    # ── datagrams ────────────────────────────────────────────────────────────────────────────────────────

    def judge_datagram(self, payload: bytes, found: Found) -> int:
        """Pass DNS messages with a listed name."""
        if 53 not in (found.source_port, found.destination_port):
            return reasons.UDP_OTHER
        try:
            listed = any(self.is_listed(name) for name in dns_names(payload))
        except ValueError:
            return reasons.DNS_MALFORMED
        return reasons.DNS_LISTED if listed else reasons.DNS_UNLISTED

    # ── segments ─────────────────────────────────────────────────────────────────────────────────────────

    def judge_segment(self, memory: bytes, payload: bytes, found: Found) -> int:  # noqa: PLR0911
        """Pass what belongs to a watched flow or may start one."""
        now = self.now // SECOND
        flags = TcpFlag(found.tcp_flags)
        side = self.hash_flow(memory, found)
        slot = self.find(found.hash, now)
        if slot is None:
            if not payload and TcpFlag.SYN not in flags:
                return reasons.NO_PAYLOAD
            slot = self.insert(found.hash, now)
        found.slot = slot
        flow = self.slots[slot]
        flow.last_seen = now
        if TcpFlag.SYN in flags:
            self.note_start(flow, side, found)
        found.start = flow.starts.get(side, -1)
        if flow.stage == rows.SETTLED:
            return reasons.WATCHED if payload or flags & (TcpFlag.SYN | TcpFlag.FIN | TcpFlag.RST) else reasons.NO_PAYLOAD
        seen_before = side in flow.payload_from
        if payload:
            flow.payload_from.add(side)
        if flow.stage >= rows.WATCHED:
            return reasons.WATCHED
        if not payload:
            return reasons.NO_PAYLOAD
        if flow.stage == rows.JUDGED:
            return reasons.JUDGED
        return self.judge_opening(payload, found, flow, seen_before=seen_before)

    def note_start(self, flow: Flow, side: int, found: Found) -> None:
        """Take note of a SYN; one without ACK and with a new number is a new connection on old ports."""
        start = (found.sequence + 1) & 0xFFFFFFFF
        is_call = not found.tcp_flags & TcpFlag.ACK
        if is_call and flow.starts.get(side) != start and flow.stage <= rows.JUDGED:
            flow.stage = rows.FRESH
            flow.starts.clear()
            flow.payload_from.clear()
            flow.probes = 0
        flow.starts[side] = start

    def judge_opening(self, payload: bytes, found: Found, flow: Flow, *, seen_before: bool) -> int:  # noqa: C901, PLR0911
        """Look at a payload of a flow that promises nothing so far."""
        if payload[:4] in VERBS:
            reason = self.judge_http(payload)
            flow.stage = rows.WATCHED if reason < reasons.PASSING else rows.HTTP
            return reason
        if flow.stage == rows.HTTP:
            return reasons.UNPROMISING
        from_start = found.start >= 0
        reason = -1
        if from_start and not seen_before and found.start != found.sequence and not found.tcp_flags & TcpFlag.SYN:
            if (found.sequence - found.start) & 0xFFFFFFFF < MAX_REORDER:
                reason = reasons.REORDERED
        if reason < 0 and is_json(payload):
            reason = reasons.JSON
        if reason < 0 and is_client_hello(payload):
            reason = self.judge_client_hello(payload)
            if reason >= reasons.PASSING:
                flow.stage = rows.JUDGED
                return reason
        if reason < 0 and is_proxy(payload):
            reason = reasons.PROXY
        if reason < 0 and len(payload) <= MAX_TINY and is_printable(payload):
            reason = reasons.TINY
        if reason < 0 and from_start and not seen_before:
            flow.stage = rows.JUDGED
            return reasons.UNPROMISING
        if reason < 0:
            flow.probes += 1
            if flow.probes > MAX_PROBES:
                flow.stage = rows.JUDGED
                return reasons.JUDGED
            if not from_start and is_printable(payload[:8]) and is_json_inside(payload):
                reason = reasons.JSON_INSIDE
        if reason < 0:
            return reasons.UNPROMISING
        flow.stage = rows.WATCHED
        return reason

    def judge_http(self, payload: bytes) -> int:
        """Pass requests for listed hosts, and those whose host is still to come."""
        host = http_host(payload)
        if host is None:
            return reasons.HTTP_PARTIAL
        return reasons.HTTP_LISTED if host and self.is_listed(host) else reasons.HTTP_UNLISTED

    def judge_client_hello(self, payload: bytes) -> int:
        """Pass hellos with listed server names, and those whose name is still to come."""
        try:
            name = server_name(payload)
        except EOFError:
            return reasons.TLS_PARTIAL
        except ValueError:
            return reasons.TLS_UNLISTED
        return reasons.TLS_LISTED if self.is_listed(name) else reasons.TLS_UNLISTED

    # ── names ────────────────────────────────────────────────────────────────────────────────────────────

    def is_listed(self, name: bytes) -> bool:
        """Whether a name is listed, itself or by one of its suffixes."""
        name = name.removesuffix(b".")
        if not name or len(name) > MAX_NAME:
            return False
        if self.every_name:
            return True
        text = bytes(byte | 0x20 if 0x41 <= byte <= 0x5A else byte for byte in name).decode("latin-1")
        labels = text.split(".")
        return text in self.exact or any(".".join(labels[i:]) in self.suffixes for i in range(len(labels)))

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


# ── headers ──────────────────────────────────────────────────────────────────────────────────────────────


def u16(data: bytes, at: int) -> int:
    """Big-endian 16-bit number."""
    return int.from_bytes(data[at : at + 2], "big")


def need(data: bytes, end: int, reason: int) -> None:
    """Refuse the frame when it ends before ``end``."""
    if end > len(data):
        raise Refused(reason)


def decode(data: bytes, at: int, link: int, tci: int, vlan_protocol: int, found: Found) -> None:
    """Walk from the link header to TCP or UDP; ``data`` ends where the frame ends."""
    if vlan_protocol:
        add_vlan(found, tci, vlan_protocol)
    ethertype, at = link_header(data, at, link)
    while ethertype in (0x8100, 0x88A8, 0x9100):
        need(data, at + 4, reasons.LINK_TRUNCATED)
        add_vlan(found, u16(data, at), ethertype)
        ethertype, at = u16(data, at + 2), at + 4
    if ethertype == 0x0800:
        at, claimed = ipv4(data, at, found)
    elif ethertype == 0x86DD:
        at, claimed = ipv6(data, at, found)
    else:
        raise Refused(reasons.ETHERTYPE)
    if found.protocol == 6:
        tcp(data[:claimed], at, claimed, found)
    elif found.protocol == 17:
        udp(data[:claimed], at, claimed, found)
    else:
        raise Refused(reasons.IP_PROTOCOL)


def add_vlan(found: Found, tci: int, ethertype: int) -> None:
    """Note one more tag."""
    if found.depth == rows.MAX_DEPTH:
        raise Refused(reasons.TUNNEL_DEPTH)
    found.depth += 1
    found.layers = (found.layers << 8 | (rows.LAYER_VLAN if ethertype == 0x8100 else rows.LAYER_QINQ)) & MASK
    found.vlans = (found.vlans << 16 | tci & 0x0FFF) & MASK


def link_header(data: bytes, at: int, link: int) -> tuple[int, int]:
    """EtherType and the offset behind the link header."""
    ethernet_like = {1: (12, 14), 113: (14, 16), 276: (0, 20)}
    if link in ethernet_like:
        ethertype, size = ethernet_like[link]
        need(data, at + size, reasons.LINK_TRUNCATED)
        return u16(data, at + ethertype), at + size
    if link in (0, 108):
        need(data, at + 4, reasons.LINK_TRUNCATED)
        family = int.from_bytes(data[at : at + 4], "big")
        if family > 0xFFFF:
            family = int.from_bytes(data[at : at + 2], "little")
        if family not in (2, 10, 24, 28, 30):
            raise Refused(reasons.ETHERTYPE)
        return 0x0800 if family == 2 else 0x86DD, at + 4
    if link in (12, 14, 101, 228, 229):
        need(data, at + 1, reasons.LINK_TRUNCATED)
        version = data[at] >> 4
        if version not in (4, 6):
            raise Refused(reasons.ETHERTYPE)
        return 0x0800 if version == 4 else 0x86DD, at
    raise Refused(reasons.LINK_TYPE)


def ipv4(data: bytes, at: int, found: Found) -> tuple[int, int]:
    """Read an IPv4 header: offset of its payload, and where it claims to end."""
    need(data, at + 20, reasons.IPV4_TRUNCATED)
    header = (data[at] & 0x0F) * 4
    if data[at] >> 4 != 4 or header < 20:
        raise Refused(reasons.IPV4_HEADER)
    need(data, at + header, reasons.IPV4_TRUNCATED)
    total = u16(data, at + 2) or len(data) - at
    if total < header:
        raise Refused(reasons.IPV4_HEADER)
    if u16(data, at + 6) & 0x3FFF:
        raise Refused(reasons.FRAGMENT)
    found.family, found.source, found.destination, found.protocol = 4, at + 12, at + 16, data[at + 9]
    return at + header, at + total


def ipv6(data: bytes, at: int, found: Found) -> tuple[int, int]:
    """Read an IPv6 header and its extensions: as :func:`ipv4`."""
    need(data, at + 40, reasons.IPV6_TRUNCATED)
    if data[at] >> 4 != 6:
        raise Refused(reasons.IPV6_HEADER)
    length = u16(data, at + 4)
    claimed = at + 40 + length if length else len(data)
    found.family, found.source, found.destination = 6, at + 8, at + 24
    protocol, at = data[at + 6], at + 40
    for _ in range(16):
        if protocol not in (0, 43, 60, 135, 51, 44):
            found.protocol = protocol
            return at, claimed
        need(data, at + 8, reasons.IPV6_TRUNCATED)
        if protocol == 44 and u16(data, at + 2) & 0xFFF9:
            raise Refused(reasons.FRAGMENT)
        size = {44: 8, 51: (data[at + 1] + 2) * 4}.get(protocol, (data[at + 1] + 1) * 8)
        protocol, at = data[at], at + size
        need(data, at, reasons.IPV6_TRUNCATED)
    raise Refused(reasons.IPV6_HEADER)


def tcp(data: bytes, at: int, claimed: int, found: Found) -> None:
    """Read a TCP header; ``data`` ends where it was captured, or where the IP header says."""
    need(data, at + 20, reasons.TCP_HEADER)
    header = (data[at + 12] >> 4) * 4
    if header < 20:
        raise Refused(reasons.TCP_HEADER)
    need(data, at + header, reasons.TCP_HEADER)
    found.source_port, found.destination_port = u16(data, at), u16(data, at + 2)
    found.sequence = int.from_bytes(data[at + 4 : at + 8], "big")
    found.acknowledgement = int.from_bytes(data[at + 8 : at + 12], "big")
    found.tcp_flags = data[at + 13]
    found.payload = at + header
    found.payload_length = len(data) - found.payload
    found.missing = claimed - len(data)


def udp(data: bytes, at: int, claimed: int, found: Found) -> None:
    """Read a UDP header."""
    need(data, at + 8, reasons.UDP_HEADER)
    length = u16(data, at + 4) or claimed - at
    if length < 8 or at + length > claimed:
        raise Refused(reasons.UDP_HEADER)
    stop = min(len(data), at + length)
    found.source_port, found.destination_port = u16(data, at), u16(data, at + 2)
    found.payload = at + 8
    found.payload_length = stop - found.payload
    found.missing = at + length - stop


# ── openings ─────────────────────────────────────────────────────────────────────────────────────────────


def is_printable(data: bytes) -> bool:
    """Only printable ASCII and white space."""
    return all(byte in PRINTABLE for byte in data)


def strip_space(data: bytes) -> bytes | None:
    """Drop up to 16 leading blanks; None when there are more."""
    stripped = data.lstrip(SPACE)
    blanks = len(data) - len(stripped)
    if blanks > MAX_SPACE or (blanks == MAX_SPACE and not stripped):
        return stripped if blanks == MAX_SPACE == len(data) else None
    return stripped


def is_json(payload: bytes) -> bool:
    """``{"``, ``{`` alone, ``[{``: as far as the payload goes."""
    rest = strip_space(payload)
    if rest and rest.startswith(b"["):
        rest = strip_space(rest[1:])
    if rest is None:
        return False
    if not rest:
        return True
    if not rest.startswith(b"{"):
        return False
    rest = strip_space(rest[1:])
    return rest is not None and (not rest or rest.startswith(b'"'))


def is_json_inside(payload: bytes) -> bool:
    """Find the end of one JSON line and the start of the next in the first 2 KiB."""
    for at, byte in enumerate(payload[:MAX_SCAN]):
        if byte == 0x0A and payload[:at].rstrip(SPACE).endswith(b"}"):
            rest = strip_space(payload[at + 1 :])
            if rest is not None and (not rest or (rest.startswith(b"{") and is_json(rest))):
                return True
    return False


def is_client_hello(payload: bytes) -> bool:
    """Whether a TLS record with a ClientHello opens here, as far as bytes are present."""
    if len(payload) < 3 or payload[0] != 0x16 or payload[1] != 3 or payload[2] > 4:
        return False
    if len(payload) >= 5 and not 4 <= u16(payload, 3) <= 0x4100:
        return False
    return len(payload) < 6 or payload[5] == 1


def is_proxy(payload: bytes) -> bool:
    """Recognise SOCKS 4 and 5, HTTP CONNECT, PROXY protocol version 1."""
    if len(payload) < 3:
        return False
    if payload[0] == 5:
        methods = payload[2 : 2 + payload[1]]
        return 1 <= payload[1] <= 8 and len(methods) == payload[1] and max(methods) <= 9
    if payload[0] == 4:
        return len(payload) >= 9 and payload[1] == 1 and (payload[-1] == 0 or len(payload) > 9)
    return len(payload) >= 8 and payload.startswith((b"CONNECT ", b"PROXY "))


# ── names on the wire ────────────────────────────────────────────────────────────────────────────────────


def http_host(payload: bytes) -> bytes | None:
    """Host of an HTTP request head: None when the head goes on in a later segment, empty when it has none."""
    window = payload[:HTTP_HEAD]
    unfinished = None if len(payload) <= HTTP_HEAD else b""
    at = window.find(b"\n") + 1
    while at:
        line = window[at:]
        if line[:1] in (b"\n", b"\r"):
            return b""
        if len(line) < 5:
            return unfinished
        if line[:5].lower() == b"host:":
            rest = line[5:].lstrip(b" \t")
            stop = next((i for i, byte in enumerate(rest) if byte <= 0x20 or byte == 0x3A), -1)
            return unfinished if stop < 0 else rest[:stop]
        at = window.find(b"\n", at) + 1
    return unfinished


def server_name(payload: bytes) -> bytes:
    """Server name of a ClientHello.

    Raises:
        EOFError: it may be in a later segment or record.
        ValueError: there is none, or the message contradicts itself.
    """
    if len(payload) < 9:
        raise EOFError
    record_end = 5 + u16(payload, 3)
    hello_end = 9 + int.from_bytes(payload[6:9], "big")
    hello = payload[: min(record_end, hello_end)]
    at = 9 + 34

    def present(end: int) -> None:
        if end > len(hello):
            raise EOFError if len(hello) < hello_end else ValueError

    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        present(at + width)
        at += width + int.from_bytes(hello[at : at + width], "big")
    if at != hello_end:
        present(at + 2)
        at += 2
    for _ in range(MAX_EXTENSIONS):
        if at == hello_end:
            break
        present(at + 4)
        kind, size, at = u16(hello, at), u16(hello, at + 2), at + 4
        if kind == 0:
            present(at + size)
            length = u16(hello, at + 3)
            if size < 5 or hello[at + 2] != 0 or length + 5 > size:
                raise ValueError
            return hello[at + 5 : at + 5 + length]
        at += size
    raise ValueError


def dns_names(message: bytes) -> Iterator[bytes]:
    """Names in the question and in CNAME answers.

    Raises:
        ValueError: the message contradicts itself before its question was read.
    """
    flags, questions, answers = u16(message, 2), u16(message, 4), u16(message, 6)
    if len(message) < 12 or (flags >> 11) & 0xF not in (0, 4, 5) or questions > 1:
        raise ValueError
    if questions == 0:
        return
    yield dns_name(message, 12)
    at = dns_skip(message, 12)
    if at is None or at + 4 > len(message):
        raise ValueError
    at += 4
    if not flags & 0x8000:
        return
    for _ in range(min(answers, MAX_RECORDS)):
        at = dns_skip(message, at)
        if at is None or at + 10 > len(message):
            return
        kind, size, at = u16(message, at), u16(message, at + 8), at + 10
        if kind == 5 and at + size <= len(message):
            try:
                yield dns_name(message, at)
            except ValueError:
                pass
        at += size


def dns_name(message: bytes, at: int) -> bytes:
    """Decode a name: pointers strictly backwards, at most 16, at most 255 bytes.

    Raises:
        ValueError: anything else.
    """
    labels: list[bytes] = []
    size = pointers = 0
    limit = at
    while True:
        if at >= len(message):
            raise ValueError
        length = message[at]
        if length == 0:
            return b".".join(labels)
        if length >= 0xC0:
            if at + 2 > len(message):
                raise ValueError
            target = u16(message, at) & 0x3FFF
            pointers += 1
            if pointers > MAX_POINTERS or not 12 <= target < limit:
                raise ValueError
            at = limit = target
            continue
        size += 1 + length
        if length >= 0x40 or at + 1 + length > len(message) or size > MAX_NAME or len(labels) >= MAX_LABELS:
            raise ValueError
        labels.append(message[at + 1 : at + 1 + length])
        at += 1 + length


def dns_skip(message: bytes, at: int) -> int | None:
    """Offset behind a name, or None."""
    for _ in range(MAX_LABELS):
        if at >= len(message):
            return None
        length = message[at]
        if length == 0:
            return at + 1
        if length >= 0xC0:
            return at + 2 if at + 2 <= len(message) else None
        if length >= 0x40:
            return None
        at += 1 + length
    return None


# ── hashes ───────────────────────────────────────────────────────────────────────────────────────────────


def siphash(key0: int, key1: int, words: list[int]) -> int:
    """SipHash-1-3 over 64-bit words, without the length word; 0 becomes 1."""
    v = [key0 ^ 0x736F6D6570736575, key1 ^ 0x646F72616E646F6D, key0 ^ 0x6C7967656E657261, key1 ^ 0x7465646279746573]

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


def found_fields() -> tuple[str, ...]:
    """Fields that a row of the compiled gate and a :class:`Found` must share."""
    return tuple(f.name for f in dataclasses.fields(Found))


__all__ = ["Found", "PlainGate", "NAME_MULTIPLIER", "finish_name", "found_fields", "siphash"]
