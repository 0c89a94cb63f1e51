"""What the traffic stories are made with: a capture that is written by saying who says what, and when.

In: conversations told message by message.  Out: a pcap file, the same bytes each time; the hits its author expects.
Never: a clock, randomness without a seed, anything of the sensor: a story must not share its reader's mistakes.
"""

from __future__ import annotations

import ipaddress
import itertools
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.utils import RawPcapWriter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scapy.packet import Packet

End: TypeAlias = tuple[str, int]  # address and port

START: Final = int(datetime(2026, 11, 23, 8, tzinfo=UTC).timestamp()) * 10**9
SECOND: Final = 10**9
CLIENT: Final = 0
SERVER: Final = 1
RESOLVER: Final = "10.20.0.53"
ORDINARY: Final = (
    "www.example.com",
    "cdn.example.net",
    "mail.example.org",
    "updates.vendor.example",
    "login.office.example",
    "img.news.example",
    "video.stream.example",
    "api.weather.example",
)


class Capture:
    """Frames in the order of their times, and the hits that their author expects of a sensor."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.hits: dict[str, Counter[str]] = defaultdict(Counter)  # host: rule: messages
        self._frames: list[tuple[int, bytes]] = []

    def put(self, at: float, packet: Packet) -> None:
        """Add a frame, ``at`` seconds after the start."""
        self._frames.append((START + round(at * SECOND), bytes(packet)))

    def expect(self, host: str, rule: str) -> None:
        """Note that one message is a hit of ``rule``, on account of ``host``."""
        self.hits[host][rule] += 1

    def hex(self, count: int) -> str:
        """``count`` random bytes in hexadecimal."""
        return self.random.randbytes(count).hex()

    def between(self, low: float, high: float) -> float:
        """A random number; ``random()`` is the one stream that every version of Python promises to keep."""
        return low + (high - low) * self.random.random()

    def __len__(self) -> int:
        return len(self._frames)

    def write(self, path: Path) -> None:
        """Write a pcap file with nanosecond stamps, little-endian on every machine."""
        writer = RawPcapWriter(str(path), linktype=1, nano=True, endianness="<")
        writer.write_header(None)
        for time, frame in sorted(self._frames, key=lambda one: one[0]):
            writer.write_packet(frame, sec=time // SECOND, usec=time % SECOND)
        writer.close()


# ── frames ───────────────────────────────────────────────────────────────────────────────────────────────


def mac(address: str) -> str:
    """A locally administered MAC address that belongs to an address."""
    tail = ipaddress.ip_address(address).packed[-4:]
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x20, *tail))


def frame(
    source: str, destination: str, vlans: Sequence[int] = (), ttl: int = 64, identity: int = 0
) -> Packet:
    """Ethernet, tags from the outside in (the outer one of two is a service tag) and IP; the caller adds the rest."""
    packet = Ether(src=mac(source), dst=mac(destination))
    for number, vlan in enumerate(vlans):
        packet /= Dot1AD(vlan=vlan) if number + 1 < len(vlans) else Dot1Q(vlan=vlan)
    if ":" in source:
        return packet / IPv6(src=source, dst=destination, hlim=ttl)
    return packet / IP(src=source, dst=destination, ttl=ttl, id=identity, flags="DF")


@dataclass
class Tcp:
    """A TCP connection that grows message by message.

    Args:
        capture: what it is written into.
        client: address and port of the side that opens.
        server: the other one.
        at: seconds since the start; every message moves it on.
        vlans: tags of its frames, from the outside in.
        mss: bytes of the largest segment.
        round_trip: seconds; half of it lies between a segment and its acknowledgement.
        shown: the sides whose packets the mirror shows.
    """

    capture: Capture
    client: End
    server: End
    at: float
    vlans: Sequence[int] = ()
    mss: int = 1_460
    round_trip: float = 0.03
    shown: Sequence[int] = (CLIENT, SERVER)
    sequence: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.sequence:
            self.sequence = [self.capture.random.getrandbits(32) for _ in range(2)]

    def segment(self, side: int, flags: str, data: bytes = b"", *, back: int = 0) -> None:
        """One frame now, ``back`` bytes before the side's next sequence number; numbers stay as they are."""
        ends = (self.client, self.server)
        (source, port), (destination, other) = ends[side], ends[1 - side]
        if side not in self.shown:
            return
        options = [("MSS", self.mss), ("NOP", None), ("WScale", 7), ("SAckOK", b"")] if "S" in flags else []
        head = TCP(
            sport=port,
            dport=other,
            flags=flags,
            seq=(self.sequence[side] - back) % 2**32,
            ack=self.sequence[1 - side] if "A" in flags else 0,
            window=64_240 if "S" in flags else 501,
            options=options,
        )
        identity = self.capture.random.getrandbits(16)
        packet = (
            frame(source, destination, self.vlans, ttl=64 if side == CLIENT else 52, identity=identity) / head
        )
        self.capture.put(self.at, packet / data if data else packet)

    def _advance(self, side: int, count: int) -> None:
        self.sequence[side] = (self.sequence[side] + count) % 2**32

    def wait(self, seconds: float) -> Tcp:
        """Let time pass."""
        self.at += seconds
        return self

    def open(self) -> Tcp:
        """The handshake."""
        self.segment(CLIENT, "S")
        self._advance(CLIENT, 1)
        self.wait(self.round_trip).segment(SERVER, "SA")
        self._advance(SERVER, 1)
        self.wait(0.001).segment(CLIENT, "A")
        return self

    def say(
        self,
        side: int,
        *lines: bytes | str,
        hits: Sequence[str] = (),
        cuts: Sequence[int] = (),
        acknowledge: bool = True,
    ) -> Tcp:
        """Say something, and have it acknowledged.

        Args:
            side: who says it.
            lines: text gets a line end, bytes are sent as they are; all of them go out together.
            hits: rules that this matches, on account of the client.
            cuts: offsets at which a new segment begins, besides those that the MSS asks for.
            acknowledge: whether the peer sends an acknowledgement of its own.
        """
        data = b"".join(line if isinstance(line, bytes) else line.encode() + b"\n" for line in lines)
        borders = sorted({0, *cuts, len(data)})
        parts = [
            data[begin : min(begin + self.mss, end)]
            for first, end in itertools.pairwise(borders)
            for begin in range(first, end, self.mss)
        ]
        for number, part in enumerate(parts):
            self.segment(side, "PA" if number + 1 == len(parts) else "A", part)
            self._advance(side, len(part))
            self.wait(0.0004)
        for rule in hits:
            self.capture.expect(self.client[0], rule)
        if acknowledge:
            self.wait(self.round_trip / 2).segment(1 - side, "A")
        return self.wait(0.002)

    def repeat(self, side: int, data: bytes) -> Tcp:
        """Send the last bytes of a side once more, as after a lost acknowledgement."""
        self.wait(0.2).segment(side, "PA", data, back=len(data))
        self.wait(self.round_trip / 2).segment(1 - side, "A")
        return self

    def probe(self, side: int) -> Tcp:
        """A keep-alive probe: one byte in front of the next one (RFC 9293, section 3.8.4), and its answer."""
        self.segment(side, "A", b"\0", back=1)
        self.wait(self.round_trip / 2).segment(1 - side, "A")
        return self

    def close(self, side: int = CLIENT) -> Tcp:
        """Both sides end."""
        for each in (side, 1 - side):
            self.segment(each, "FA")
            self._advance(each, 1)
            self.wait(self.round_trip / 2)
        self.segment(side, "A")
        return self


def datagram(capture: Capture, at: float, source: End, destination: End, data: bytes | Packet) -> None:
    """A UDP datagram."""
    head = frame(source[0], destination[0], identity=capture.random.getrandbits(16))
    capture.put(at, head / UDP(sport=source[1], dport=destination[1]) / data)


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────

TYPES: Final = {"A": 1, "CNAME": 5, "AAAA": 28}


def ask(
    capture: Capture,
    at: float,
    host: str,
    name: str,
    answers: Sequence[tuple[str, str]],
    *,
    kind: str = "A",
    hits: tuple[str, str] = ("", ""),
) -> None:
    """A question to the resolver and its answer (RFC 1035, section 4).

    Args:
        capture: what it is written into.
        at: seconds since the start.
        host: who asks.
        name: what for; letters keep their case.
        answers: type and data of each record; after a CNAME, the following records belong to its target.
            None at all is "no such name".
        kind: type of the question.
        hits: rule that the question matches, rule that the answer matches.
    """
    number, port = capture.random.getrandbits(16), 32_768 + capture.random.getrandbits(14)
    question = DNSQR(qname=name, qtype=TYPES[kind])
    records, owner = [], name
    for type_, data in answers:
        records.append(DNSRR(rrname=owner, type=TYPES[type_], ttl=60, rdata=data))
        owner = data if type_ == "CNAME" else owner
    query = DNS(id=number, rd=1, qd=[question])
    reply = DNS(id=number, qr=1, rd=1, ra=1, rcode=0 if answers else 3, qd=[question], an=records)
    datagram(capture, at, (host, port), (RESOLVER, 53), query)
    datagram(capture, at + 0.012, (RESOLVER, 53), (host, port), reply)
    for rule in hits:
        if rule:
            capture.expect(host, rule)


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────────────


def block(size: int, data: bytes) -> bytes:
    """Data behind its length in ``size`` bytes."""
    return len(data).to_bytes(size, "big") + data


def extension(number: int, data: bytes) -> bytes:
    """An extension of a hello."""
    return number.to_bytes(2, "big") + block(2, data)


def client_hello(
    capture: Capture, name: str, *, post_quantum: bool = False, protocol: bytes = b"http/1.1"
) -> bytes:
    """A TLS 1.3 ClientHello in its record (RFC 8446, section 4.1.2).

    With ``post_quantum`` it carries an X25519MLKEM768 key share of 1 216 bytes in front of the name, as programs
    that shuffle their extensions happen to do: the name then lies behind the first 1 460 bytes.
    """
    key = capture.random.randbytes(32)
    shares = (
        (b"\x11\xec" + block(2, capture.random.randbytes(1_216)) if post_quantum else b"")
        + b"\0\x1d"
        + block(2, key)
    )
    groups = (b"\x11\xec" if post_quantum else b"") + b"\0\x1d\0\x17"
    server_name = extension(0, block(2, b"\0" + block(2, name.encode())))
    ticket = extension(35, capture.random.randbytes(192)) if post_quantum else b""
    key_share = extension(51, block(2, shares))
    others = (
        extension(10, block(2, groups))
        + extension(13, block(2, bytes.fromhex("0403080404010503080505010806")))
        + extension(16, block(2, block(1, protocol)))
        + extension(43, block(1, b"\x03\x04\x03\x03"))
        + extension(45, block(1, b"\1"))
    )
    extensions = (
        key_share + ticket + others + server_name if post_quantum else server_name + others + key_share
    )
    suites = bytes.fromhex("130113021303c02bc02fc02cc030cca9cca8")
    session = capture.random.randbytes(32)
    body = (
        b"\3\3"
        + capture.random.randbytes(32)
        + block(1, session)
        + block(2, suites)
        + b"\1\0"
        + block(2, extensions)
    )
    return b"\x16\3\1" + block(2, b"\1" + block(3, body))


def server_hello(capture: Capture, size: int = 600) -> bytes:
    """A ServerHello, a change of cipher, and ``size`` encrypted bytes of what follows."""
    share = extension(51, b"\0\x1d" + block(2, capture.random.randbytes(32)))
    body = b"\3\3" + capture.random.randbytes(32) + block(1, capture.random.randbytes(32)) + b"\x13\1\0"
    body += block(2, extension(43, b"\3\4") + share)
    return b"\x16\3\3" + block(2, b"\2" + block(3, body)) + b"\x14\3\3\0\1\1" + sealed(capture, size)


def sealed(capture: Capture, size: int) -> bytes:
    """A record of ``size`` encrypted bytes."""
    return b"\x17\3\3" + block(2, capture.random.randbytes(size))


def browse(
    capture: Capture, at: float, host: str, server: str, name: str, *, replies: Sequence[int] = (300, 500)
) -> None:
    """An ordinary HTTPS connection."""
    port = 32_768 + capture.random.getrandbits(14)
    talk = Tcp(capture, (host, port), (server, 443), at).open()
    talk.say(CLIENT, client_hello(capture, name, protocol=b"h2")).say(SERVER, server_hello(capture))
    for size in replies:
        talk.say(CLIENT, sealed(capture, 120), acknowledge=False).say(SERVER, sealed(capture, size))
    talk.close()


def background(capture: Capture, hosts: Sequence[str], count: int, seconds: float) -> None:
    """``count`` ordinary connections of ``hosts``, each looked up first, spread over ``seconds``."""
    for number in range(count):
        at = capture.between(0, seconds)
        host, name = hosts[number % len(hosts)], ORDINARY[number % len(ORDINARY)]
        server = f"192.0.2.{10 + number % 200}"
        ask(capture, at, host, name, [("A", server)])
        browse(capture, at + 0.05, host, server, name)
