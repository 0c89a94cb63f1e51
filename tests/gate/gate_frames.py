"""Frames for the tests of the gate, built byte by byte.

In: what a test wants to see on the wire.  Out: bytes, and batches of them.
Never: the code under test; a header here is a second reading of its RFC.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from sniffer.batch import FRAME, Batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SECOND: Final = 1_000_000_000
START: Final = 1_700_000_000 * SECOND
MINER: Final = "10.0.0.7"
POOL: Final = "203.0.113.9"
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
LOGIN: Final = b'{"id":1,"method":"login","params":{"login":"x"}}\n'


@dataclass(frozen=True)
class Seen:
    """One frame as a source hands it over."""

    data: bytes
    time: int = START
    link: int = 1
    length: int = 0  # on the wire; 0: as captured
    tag: tuple[int, int] = (0, 0)  # VLAN tag that the kernel took out: TCI and EtherType
    interface: int = 0


def batch(frames: Iterable[Seen | bytes], *, gap: int = 3) -> Batch:
    """Lay frames into one memory area, ``gap`` other bytes between two."""
    memory = bytearray(b"\xee" * gap)
    table = []
    for each in frames:
        seen = Seen(each) if isinstance(each, bytes) else each
        captured = len(seen.data)
        table.append(
            (seen.time, len(memory), captured, seen.length or captured, seen.link, seen.interface, *seen.tag)
        )
        memory += seen.data + b"\xee" * gap
    return Batch(np.frombuffer(bytes(memory), dtype=np.uint8).copy(), np.array(table, dtype=FRAME))


# ── link and network ─────────────────────────────────────────────────────────────────────────────────────


def ethernet(payload: bytes, ethertype: int, tags: Sequence[tuple[int, int]] = ()) -> bytes:
    """Ethernet with VLAN tags: pairs of EtherType and TCI, from the outside in."""
    head = bytes.fromhex("020000000001020000000002")
    for kind, tci in tags:
        head += struct.pack(">HH", kind, tci)
    return head + struct.pack(">H", ethertype) + payload


def ipv4(
    payload: bytes,
    source: str = MINER,
    destination: str = POOL,
    *,
    protocol: int = 6,
    options: bytes = b"",
    total: int | None = None,
    fragment: int = 0x4000,
) -> bytes:
    """IPv4 (RFC 791)."""
    words = 5 + len(options) // 4
    length = words * 4 + len(payload) if total is None else total
    head = struct.pack(">BBHHHBBH", 0x40 | words, 0, length & 0xFFFF, 7, fragment, 64, protocol, 0)
    return head + packed(source) + packed(destination) + options + payload


def ipv6(
    payload: bytes,
    source: str = "2001:db8::7",
    destination: str = "2001:db8:1::9",
    *,
    protocol: int = 6,
    extensions: Sequence[tuple[int, bytes]] = (),
    length: int | None = None,
) -> bytes:
    """IPv6 (RFC 8200); ``extensions`` are pairs of header type and content after the next-header byte."""
    kinds = [kind for kind, _ in extensions] + [protocol]
    body = b"".join(bytes([kinds[i + 1]]) + content for i, (_, content) in enumerate(extensions)) + payload
    size = len(body) if length is None else length
    head = struct.pack(">IHBB", 0x60000000, size, kinds[0], 64)
    return head + packed(source) + packed(destination) + body


def packed(address: str) -> bytes:
    """Bytes of an address."""
    return ipaddress.ip_address(address).packed


# ── transport ────────────────────────────────────────────────────────────────────────────────────────────


def tcp(
    payload: bytes = b"",
    sport: int = 50_000,
    dport: int = 3333,
    *,
    seq: int = 1001,
    ack: int = 0,
    flags: int = ACK | PSH,
    options: bytes = b"",
) -> bytes:
    """TCP (RFC 9293)."""
    words = 5 + len(options) // 4
    return (
        struct.pack(
            ">HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, words << 4, flags, 8192, 0, 0
        )
        + options
        + payload
    )


def udp(payload: bytes, sport: int = 50_000, dport: int = 53, *, length: int | None = None) -> bytes:
    """UDP (RFC 768)."""
    return struct.pack(">HHHH", sport, dport, 8 + len(payload) if length is None else length, 0) + payload


def datagram(data: bytes, sport: int = 50_000, dport: int = 53) -> bytes:
    """UDP in IPv4, in its frame."""
    return ethernet(ipv4(udp(data, sport, dport), protocol=17), 0x0800)


@dataclass
class Connection:
    """Segments of one TCP connection in Ethernet frames."""

    client: str = MINER
    server: str = POOL
    sport: int = 50_000
    dport: int = 3333
    client_start: int = 1000  # sequence number of the SYN
    server_start: int = 9000

    def _frame(self, segment: bytes, *, up: bool) -> bytes:
        ends = (self.client, self.server) if up else (self.server, self.client)
        if ":" in self.client:
            return ethernet(ipv6(segment, *ends), 0x86DD)
        return ethernet(ipv4(segment, *ends), 0x0800)

    def up(self, payload: bytes = b"", *, at: int = 0, flags: int = ACK | PSH) -> bytes:
        """From the client, ``at`` bytes into its stream."""
        seq, ack = self.client_start + 1 + at, self.server_start + 1
        return self._frame(tcp(payload, self.sport, self.dport, seq=seq, ack=ack, flags=flags), up=True)

    def down(self, payload: bytes = b"", *, at: int = 0, flags: int = ACK | PSH) -> bytes:
        """From the server."""
        seq, ack = self.server_start + 1 + at, self.client_start + 1
        return self._frame(tcp(payload, self.dport, self.sport, seq=seq, ack=ack, flags=flags), up=False)

    def syn(self, payload: bytes = b"") -> bytes:
        """SYN, perhaps with data (TCP Fast Open)."""
        return self.up(payload, at=-1, flags=SYN)

    def syn_ack(self) -> bytes:
        """SYN and ACK."""
        return self.down(at=-1, flags=SYN | ACK)

    def handshake(self) -> list[bytes]:
        """Three frames."""
        return [self.syn(), self.syn_ack(), self.up(flags=ACK)]


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────


def labels(name: str) -> bytes:
    """A name as DNS writes it, without pointers."""
    return b"".join(bytes([len(each)]) + each.encode("latin-1") for each in name.split(".") if each) + b"\0"


def dns(
    name: str | bytes = "www.example.com",
    answers: Iterable[tuple[int, bytes]] = (),
    *,
    flags: int | None = None,
    questions: int = 1,
) -> bytes:
    """DNS message (RFC 1035); ``answers`` are pairs of type and data, each about the name in the question."""
    question = labels(name) if isinstance(name, str) else name
    records = [b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data for kind, data in answers]
    if flags is None:
        flags = 0x8180 if records else 0x0100
    head = struct.pack(">HHHHHH", 0x1234, flags, questions, len(records), 0, 0)
    return head + (question + b"\0\1\0\1") * questions + b"".join(records)


def client_hello(
    name: bytes | None = b"www.example.com", *, before: bytes = b"", record: int = 1 << 14
) -> bytes:
    """TLS ClientHello (RFC 8446), in records of at most ``record`` bytes; ``before``: extensions before the name."""
    extensions = before + struct.pack(">HHHB", 43, 3, 0x0203, 4)
    if name is not None:
        extensions += struct.pack(">HHHBH", 0, len(name) + 5, len(name) + 3, 0, len(name)) + name
    extensions += struct.pack(">HH", 21, 32) + bytes(32)
    body = b"\x03\x03" + b"R" * 32 + b"\x20" + b"S" * 32 + b"\0\4\x13\1\x13\2" + b"\1\0"
    body += struct.pack(">H", len(extensions)) + extensions
    message = b"\1" + len(body).to_bytes(3, "big") + body
    pieces = [message[i : i + record] for i in range(0, len(message), record)]
    return b"".join(b"\x16\x03\x01" + struct.pack(">H", len(piece)) + piece for piece in pieces)


def server_hello(*, version: int = 0x0304, record: int = 1 << 14) -> bytes:
    """TLS ServerHello (RFC 8446, section 4.1.3), of TLS 1.3 or of 1.2."""
    extensions = (
        struct.pack(">HHH", 43, 2, version) if version == 0x0304 else struct.pack(">HHB", 0xFF01, 1, 0)
    )
    body = b"\x03\x03" + b"R" * 32 + b"\x20" + b"S" * 32 + b"\xc0\x2f\0"
    body += struct.pack(">H", len(extensions)) + extensions
    message = b"\2" + len(body).to_bytes(3, "big") + body
    pieces = [message[i : i + record] for i in range(0, len(message), record)]
    return b"".join(b"\x16\x03\x03" + struct.pack(">H", len(piece)) + piece for piece in pieces)


def http_request(
    host: bytes | None = b"www.example.com", *, method: bytes = b"GET", before: bytes = b""
) -> bytes:
    """HTTP/1.1 request head (RFC 9112); ``before``: lines before the Host field."""
    line = b"" if host is None else b"Host: " + host + b"\r\n"
    return method + b" / HTTP/1.1\r\n" + before + line + b"Accept: */*\r\n\r\n"
