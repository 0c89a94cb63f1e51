"""Takes a capture and says the same thing once more in another wrapping.

    python scripts/rewrap.py IN OUT.pcap [--wrap NAME] [--segment N] [--fragment N] [--reorder SEED] [--duplicate SEED]
                                         [--sent-by ADDRESS ...] [--sent-to ADDRESS ...] [--join N]
    python scripts/rewrap.py --list

In: pcap or pcapng, gzipped or not; Ethernet, Linux cooked, BSD loopback or raw IP.  Out: a pcap file with nanosecond
stamps, the same bytes for the same arguments.  Frames that carry no IP are left out; what the capture cut off stays
cut off.  Never: anything of the sensor.  Headers are built here from the specifications, so that a test which wraps
and then listens has a second opinion.

Lengths, offsets and IPv4 header checksums are right.  Checksums of TCP and UDP are not: those of a re-segmented or
translated packet stay what they were, and tunnels over UDP send none (RFC 768; RFC 6935 for IPv6).
"""

from __future__ import annotations

import argparse
import gzip
import ipaddress
import random
import struct
import sys
import zlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

SECOND = 10**9
MILLISECOND = 10**6
LARGEST = 65_000  # bytes of a packet that still fits into an IP packet with the headers of any wrapping
TOO_LONG = "{} bytes are more than a length can say; cut them with --segment or --fragment"
FIN, SYN, RST, PSH = 1, 2, 4, 8
hexa = bytes.fromhex


class Packet(NamedTuple):
    """An IPv4 or IPv6 packet, from its header to its end, and its time in nanoseconds."""

    time: int
    data: bytes


# ── capture files ────────────────────────────────────────────────────────────────────────────────────────

# byte order, nanoseconds in a unit of the fraction, size of a record's header
PCAPS = {
    magic.to_bytes(4, "little" if order == "<" else "big"): (order, unit, size)
    for order in "<>"
    for magic, unit, size in ((0xA1B2C3D4, 1_000, 16), (0xA1B23C4D, 1, 16), (0xA1B2CD34, 1_000, 24))
}
SECTION, LITTLE = hexa("0A0D0D0A"), hexa("4D3C2B1A")
TAGS = (0x8100, 0x88A8, 0x9100)
TYPED = {1: (12, 14), 113: (14, 16), 276: (0, 20)}  # link type: where the EtherType is, where its data
BARE = {0: 4, 108: 4, 12: 0, 14: 0, 101: 0, 228: 0, 229: 0}  # link type: where the IP header is

Record: TypeAlias = tuple[int, int, bytes]  # link type, time, frame


def _pcap(data: bytes) -> Iterator[Record]:
    order, unit, size = PCAPS[data[:4]]
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF  # length of the checksum stands above
    at = 24
    while at + size <= len(data):
        seconds, fraction, length = struct.unpack_from(order + "III", data, at)
        yield link, seconds * SECOND + fraction * unit, data[at + size : at + size + length]
        at += size + length


def _interface(body: bytes, order: str) -> tuple[int, int, int, int]:
    """Link type, snap length, units in a second, and seconds to add, of an interface description block."""
    link, snap = struct.unpack_from(order + "H2xI", body)
    units, offset, at = 10**6, 0, 8
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        if code == 9:  # if_tsresol
            units = 2 ** (body[at + 4] & 0x7F) if body[at + 4] & 0x80 else 10 ** body[at + 4]
        elif code == 14:  # if_tsoffset
            offset = struct.unpack_from(order + "q", body, at + 4)[0]
        at += 4 + (length + 3) // 4 * 4
    return link, snap, units, offset


def _pcapng(data: bytes) -> Iterator[Record]:
    order, at, time = "<", 0, 0
    interfaces: list[tuple[int, int, int, int]] = []
    while at + 12 <= len(data):
        if data[at : at + 4] == SECTION:
            order, interfaces = "<" if data[at + 8 : at + 12] == LITTLE else ">", []
        kind, size = struct.unpack_from(order + "II", data, at)
        if size < 12:
            raise ValueError(f"block of {size} bytes at offset {at}")
        body = data[at + 8 : at + size - 4]
        if kind == 1:
            interfaces.append(_interface(body, order))
        elif kind in {2, 6}:  # the obsolete packet block differs in the width of the interface's number
            number, high, low, length = struct.unpack_from(
                order + ("H2x" if kind == 2 else "I") + "III", body
            )
            link, _, units, offset = interfaces[number]
            time = (high << 32 | low) * SECOND // units + offset * SECOND
            yield link, time, body[20 : 20 + length]
        elif kind == 3:  # a simple packet has no time; it is given the one of its predecessor
            link, snap, _, _ = interfaces[0]
            length = struct.unpack_from(order + "I", body)[0]
            yield link, time, body[4 : 4 + min(length, snap or length)]
        at += size


def _records(data: bytes) -> Iterator[Record]:
    if data[:4] not in PCAPS and data[:4] != SECTION:
        raise ValueError("neither a pcap nor a pcapng file")
    return _pcapng(data) if data[:4] == SECTION else _pcap(data)


def _carried(link: int, frame: bytes) -> bytes | None:
    """What a frame carries behind its link layer and tags, if it may be IP."""
    if link in BARE:
        return frame[BARE[link] :]
    if link not in TYPED:
        raise ValueError(
            f"link type {link} is not read here; Ethernet, Linux cooked, loopback and raw IP are"
        )
    at, data = TYPED[link]
    while len(frame) >= data + 4 and int.from_bytes(frame[at : at + 2], "big") in TAGS:
        at, data = data + 2, data + 4
    return frame[data:] if frame[at : at + 2] in {hexa("0800"), hexa("86DD")} else None


def _trimmed(data: bytes) -> bytes | None:
    """An IP packet without the padding behind it; none if it is no IP.

    A length of 0 is what offload leaves to the card; the packet is as long as it was captured.  The jumbo header of
    RFC 2675, with which Linux marks such packets in IPv6, goes.
    """
    version = data[0] >> 4 if data else 0
    if version == 4 and len(data) >= 20:
        total = int.from_bytes(data[2:4], "big") or len(data)
        return data[:total] if 20 <= (data[0] & 15) * 4 <= min(total, len(data)) else None
    if version == 6 and len(data) >= 40:
        length = int.from_bytes(data[4:6], "big")
        if length == 0 and data[6] == 0 and data[41:43] == b"\0\xc2":
            return data[:6] + data[40:41] + data[7:40] + data[48:]
        return data if length == 0 and data[6] in {6, 17} else data[: 40 + length]
    return None


def read(path: Path) -> list[Packet]:
    """The IP packets of a capture.

    TCP that is longer than fits into any wrapping is cut into segments.  What else came from offload and is longer
    than an IP header can say is left out.
    """
    data = path.read_bytes()
    out: list[Packet] = []
    try:
        for link, time, frame in _records(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data):
            carried = _carried(link, frame)
            packet = None if carried is None else _trimmed(carried)
            if packet is None:
                continue
            offloaded = packet[2:4] == b"\0\0" if packet[0] >> 4 == 4 else packet[4:6] == b"\0\0"
            if len(packet) > LARGEST and _tcp(packet):
                out += resegment([Packet(time, packet)], LARGEST // 2)
            elif not offloaded or len(packet) <= 0xFFFF:
                out.append(Packet(time, _sized(packet) if offloaded else packet))
    except (ValueError, IndexError, EOFError, zlib.error, gzip.BadGzipFile, struct.error) as error:
        raise ValueError(f"{path}: {error}") from error
    return out


def write(path: Path, packets: Iterable[tuple[int, bytes]], link: int = 1) -> None:
    """Write frames with their times in nanoseconds as a pcap file, little-endian on every machine."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, link))
        for time, frame in packets:
            file.write(struct.pack("<IIII", time // SECOND, time % SECOND, len(frame), len(frame)) + frame)


# ── inside an IP packet ──────────────────────────────────────────────────────────────────────────────────


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): ones' complement addition is arithmetic modulo 65 535."""
    return -int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 0xFFFF


def _sized(packet: bytes) -> bytes:
    """An IP packet whose header says how long it is."""
    if len(packet) - (0 if packet[0] >> 4 == 4 else 40) > 0xFFFF:
        raise ValueError(TOO_LONG.format(len(packet)))
    if packet[0] >> 4 == 4:
        first, last = packet[:2] + struct.pack("!H", len(packet)) + packet[4:10], packet[12:]
        total = checksum(first + b"\0\0" + last[: (packet[0] & 15) * 4 - 12])
        return first + total.to_bytes(2, "big") + last
    return packet[:4] + struct.pack("!H", len(packet) - 40) + packet[6:]


def _headers(packet: bytes) -> Iterator[tuple[int, int, int]]:
    """Number and offset of each header behind the IP header, and the offset of the byte that names it.

    Extension headers are those of RFC 8200, section 4, and AH; the last header is what they extend.
    """
    four = packet[0] >> 4 == 4
    number, at, named = (packet[9], (packet[0] & 15) * 4, 9) if four else (packet[6], 40, 6)
    while True:
        yield number, at, named
        if at + 8 > len(packet) or number not in ((51,) if four else (0, 43, 44, 51, 60, 135)):
            return
        later = number == 44 and packet[at + 2 : at + 4] >= b"\0\x08"  # a fragment without its first header
        size = 8 if number == 44 else (packet[at + 1] + 2) * 4 if number == 51 else (packet[at + 1] + 1) * 8
        number, at, named = packet[at], at + size, at
        if later:
            yield number, at, named
            return


def _behind(packet: bytes, *passed: int) -> tuple[int, int, int]:
    """The header behind the last of those that are to be passed."""
    headers = list(_headers(packet))
    index = 1 + max((i for i, (number, _, _) in enumerate(headers) if number in passed), default=-1)
    return headers[min(index, len(headers) - 1)]


def _is_fragment(packet: bytes) -> bool:
    if packet[0] >> 4 == 4:
        return int.from_bytes(packet[6:8], "big") & 0x3FFF != 0
    places = (packet[at + 2 : at + 4] for number, at, _ in _headers(packet) if number == 44)
    return any(int.from_bytes(place, "big") & 0xFFF9 for place in places)


class Segment(NamedTuple):
    """Where things are in a packet that carries TCP."""

    at: int  # of the TCP header
    begin: int  # of the payload
    length: int  # of the payload
    flags: int
    ends: tuple[bytes, bytes]  # sender and receiver, address and port
    flow: frozenset[bytes]  # both of them, whoever sends


def _tcp(packet: bytes) -> Segment | None:
    """The TCP segment of a packet; none if it carries another protocol or is a fragment."""
    number, at, _ = list(_headers(packet))[-1]
    if number != 6 or len(packet) < at + 20 or _is_fragment(packet):
        return None
    begin = at + (packet[at + 12] >> 4) * 4
    if not at + 20 <= begin <= len(packet):
        return None
    first, size = (12, 4) if packet[0] >> 4 == 4 else (8, 16)
    source, destination = packet[first : first + size], packet[first + size : first + 2 * size]
    ends = (source + packet[at : at + 2], destination + packet[at + 2 : at + 4])
    return Segment(at, begin, len(packet) - begin, packet[at + 13], ends, frozenset(ends))


# ── transformations ──────────────────────────────────────────────────────────────────────────────────────

PREFIX = hexa("20010DB80004 000000000000")


def mapped(address: str) -> str:
    """What :func:`as_version` makes of an IPv4 address."""
    return str(ipaddress.IPv6Address(PREFIX + ipaddress.IPv4Address(address).packed))


def as_version(packet: bytes, version: int) -> bytes:
    """An IPv4 packet as IPv6: a.b.c.d becomes 2001:db8:4::a.b.c.d, a fragment stays one, options go.

    What it carries is left as it is, checksums included.  The way back is not needed and is refused.
    """
    if packet[0] >> 4 == version:
        return packet
    if version != 6:
        raise ValueError("an IPv6 packet cannot be said in IPv4")
    head = (packet[0] & 15) * 4
    total, identity, flags, ttl, protocol = struct.unpack_from("!2xHHHBB", packet)
    payload, length = packet[head:], total - head
    if flags & 0x3FFF:
        offset = (flags & 0x1FFF) << 3 | (flags & 0x2000) >> 13
        payload, length = struct.pack("!BxHI", protocol, offset, identity) + payload, length + 8
        protocol = 44
    start = struct.pack("!IHBB", 6 << 28 | packet[1] << 20, length, protocol, ttl)
    return start + PREFIX + packet[12:16] + PREFIX + packet[16:20] + payload


def only(packets: Iterable[Packet], addresses: set[str], *, sending: bool) -> list[Packet]:
    """The packets that one of the addresses sent, or was sent: one direction of a mirror."""
    wanted = {ipaddress.ip_address(address).packed for address in addresses}
    out = []
    for packet in packets:
        first, size = (12, 4) if packet.data[0] >> 4 == 4 else (8, 16)
        begin = first if sending else first + size
        if packet.data[begin : begin + size] in wanted:
            out.append(packet)
    return out


def join(packets: Iterable[Packet], after: int) -> list[Packet]:
    """What is seen of TCP by one who comes late: no SYN, nor the first ``after`` segments with payload of a flow.

    Both directions count together.  A SYN behind data begins another flow between the same ends.
    """
    seen: defaultdict[frozenset[bytes], int] = defaultdict(int)
    out = []
    for packet in packets:
        segment = _tcp(packet.data)
        if segment is None:
            out.append(packet)
        elif segment.flags & SYN:
            seen[segment.flow] = 0
        else:
            seen[segment.flow] += segment.length > 0
            if segment.length == 0 or seen[segment.flow] > after:
                out.append(packet)
    return out


def resegment(packets: Iterable[Packet], size: int) -> list[Packet]:
    """Each TCP segment as several of at most ``size`` bytes, at the same time.

    SYN stays on the first one, and takes its sequence number; FIN, PSH and RST come with the last one.
    """
    if size < 1:
        raise ValueError(f"segments of {size} bytes: at least one is needed")
    out = []
    for packet in packets:
        data = packet.data
        segment = _tcp(data)
        if segment is None or segment.length <= size:
            out.append(packet)
            continue
        sequence = int.from_bytes(data[segment.at + 4 : segment.at + 8], "big")
        head = bytearray(data[: segment.begin])
        for begin in range(0, segment.length, size):
            last = begin + size >= segment.length
            number = sequence + begin + (1 if begin and segment.flags & SYN else 0)
            struct.pack_into("!I", head, segment.at + 4, number & 0xFFFFFFFF)
            head[segment.at + 13] = segment.flags & ~(SYN if begin else 0) & ~(0 if last else FIN | PSH | RST)
            start = segment.begin + begin
            out.append(Packet(packet.time, _sized(bytes(head) + data[start : start + size])))
    return out


def reorder(packets: Iterable[Packet], seed: int) -> list[Packet]:
    """Swaps about a third of the TCP data segments with one of the next three of the same direction.

    Times stay where they are, packets move.  Nothing passes a SYN or RST of its flow.
    """
    chance = random.Random(seed)  # noqa: S311 - the same each time is what is wanted
    out = list(packets)
    places: defaultdict[tuple[bytes, bytes], list[int]] = defaultdict(list)

    def settle(row: list[int]) -> None:
        moved: set[int] = set()
        for number, place in enumerate(row):
            later = [other for other in row[number + 1 : number + 4] if other not in moved]
            if place in moved or not later or chance.random() >= 1 / 3:
                continue
            other = later[int(chance.random() * len(later))]
            one, two = out[place], out[other]
            out[place], out[other] = Packet(one.time, two.data), Packet(two.time, one.data)
            moved |= {place, other}
        row.clear()

    for place, packet in enumerate(list(out)):
        segment = _tcp(packet.data)
        if segment is not None and segment.flags & (SYN | RST):
            settle(places[segment.ends])
            settle(places[segment.ends[::-1]])
        elif segment is not None and segment.length:
            places[segment.ends].append(place)
    for row in places.values():
        settle(row)
    return out


def duplicate(packets: Iterable[Packet], seed: int) -> list[Packet]:
    """Repeats about a third of the TCP data segments, 60 to 260 ms later, as after a lost acknowledgement.

    Nobody repeats anything on a flow that has ended, so no repetition comes behind its RST, its last FIN or the SYN
    of another flow between the same ends.  Packets come out in the order of their times.
    """
    chance = random.Random(seed)  # noqa: S311 - the same each time is what is wanted
    originals = list(packets)
    ends: dict[frozenset[bytes], int] = {}
    finished: set[frozenset[bytes]] = set()
    copies = []
    for packet in reversed(originals):
        segment = _tcp(packet.data)
        if segment is None:
            continue
        if segment.flags & (SYN | RST):
            ends[segment.flow] = packet.time
            finished.discard(segment.flow)
        elif segment.flags & FIN and segment.flow not in finished:
            ends[segment.flow] = packet.time
            finished.add(segment.flow)
        elif segment.length and chance.random() < 1 / 3:
            time = packet.time + 60 * MILLISECOND + int(chance.random() * 200 * MILLISECOND)
            if time < ends.get(segment.flow, time + 1):
                copies.append(Packet(time, packet.data))
    return sorted(originals + copies[::-1], key=lambda packet: packet.time)


def fragment(packets: Iterable[Packet], size: int) -> list[Packet]:
    """IP fragments of packets whose payload is longer than ``size`` bytes, each packet with an identification.

    IPv4 (RFC 791): "don't fragment" is ignored, every fragment keeps all options.  IPv6 (RFC 8200, section 4.5):
    hop-by-hop and routing headers stay in front.  What is a fragment already is left as it is.
    """
    if size < 8 or size % 8:
        raise ValueError(f"fragments of {size} bytes: a multiple of 8 is needed")
    out = []
    for identity, (time, data) in enumerate(packets, 1):
        four = data[0] >> 4 == 4
        number, at, named = _behind(data) if four else _behind(data, 0, 43)
        payload = data[at:]
        if len(payload) <= size or _is_fragment(data) or number == 44:
            out.append(Packet(time, data))
            continue
        if len(payload) > 64 * size:
            least = (len(payload) + 511) // 512 * 8
            raise ValueError(
                f"fragments of {size} bytes: more than 64 of a packet of {len(data)} bytes, which needs {least}"
            )
        for begin in range(0, len(payload), size):
            more = begin + size < len(payload)
            if four:
                place = struct.pack("!HH", identity & 0xFFFF, begin >> 3 | more << 13)
                head = data[:4] + place + data[8:at]
            else:
                head = data[:named] + b"\x2c" + data[named + 1 : at]
                head += struct.pack("!BxHI", number, begin | more, identity)
            out.append(Packet(time, _sized(head + payload[begin : begin + size])))
    return out


# ── headers that wrappings are made of ───────────────────────────────────────────────────────────────────

# A head is written in hexadecimal; {n} is the number of the packet, {tail} the length of what follows the head, {all}
# that of both.  A tail is the packet with the number of its IP version in front, or a frame with the packet in it.
Tail: TypeAlias = "Callable[[bytes], bytes]"
Wrap: TypeAlias = "Callable[[bytes, int], bytes]"

OUTER = hexa("0200000000A1 0200000000A2")  # destination and source of the frame itself
INNER = hexa("0200000000B1 0200000000B2")  # and of a frame inside a tunnel
ENDS = {
    4: hexa("C0000201 C0000202"),
    6: hexa("20010DB8FFFF00000000000000000001 20010DB8FFFF00000000000000000002"),
}
LABELS = "03E81040 05DC1140"  # RFC 3032: 16001, and 24001 at the bottom of the stack
VXLAN = "08000000 00006400"
CONTEXT = "000064FF" + "00" * 16  # of NSH: path, index, and four words


def numbered(four: str, six: str) -> Tail:
    """A tail: what stands for IPv4 or IPv6, and the packet."""
    starts = {4: hexa(four), 6: hexa(six)}
    return lambda packet: starts[packet[0] >> 4] + packet


bare = numbered("", "")
typed = numbered("0800", "86DD")  # EtherType: Ethernet, tags, GRE, SNAP
snap = numbered("AAAA03 000000 0800", "AAAA03 000000 86DD")  # IEEE 802.2, RFC 1042
session = numbered("0021", "0057")  # PPP: RFC 1332, RFC 5072
compressed = numbered("21", "57")  # RFC 1661, section 6.5
ppp = numbered("FF03 0021", "FF03 0057")  # with address and control: RFC 1662


def bridged(packet: bytes) -> bytes:
    """A tail: an Ethernet frame."""
    return INNER + typed(packet)


def ip(version: int, protocol: int, payload: bytes) -> bytes:
    """An IP packet between the ends of a tunnel."""
    if version == 4:
        head = struct.pack("!BxHHHBBH", 0x45, 0, 0, 0x4000, 64, protocol, 0)
    else:
        head = struct.pack("!IHBB", 6 << 28, 0, protocol, 64)
    return _sized(head + ENDS[version] + payload)


def udp(port: int, payload: bytes, source: int = 50_000) -> bytes:
    """A UDP datagram without a checksum; IP says whether it is too long."""
    return struct.pack("!HHHH", source, port, (8 + len(payload)) & 0xFFFF, 0) + payload


def link(head: str, tail: Tail) -> Wrap:
    """Frames that begin with a head."""
    start = hexa(head.format(n=0, tail=0, all=0))

    def wrap(packet: bytes, index: int) -> bytes:
        rest = tail(packet)
        if len(rest) > 0xFFFF:
            raise ValueError(TOO_LONG.format(len(rest)))
        return hexa(head.format(n=index, tail=len(rest), all=len(start) + len(rest))) + rest

    return wrap if "{" in head else lambda packet, _: start + tail(packet)


def ethernet(head: str, tail: Tail) -> Wrap:
    """Ethernet frames; the head begins with an EtherType."""
    return link(OUTER.hex() + head, tail)


def tunnel(protocol: int, head: str, tail: Tail, version: int = 0) -> Wrap:
    """A tunnel over IP: of the version of the packet, unless another one is named."""
    inside = link(head, tail)
    return lambda packet, n: OUTER + typed(ip(version or packet[0] >> 4, protocol, inside(packet, n)))


def over_udp(port: int, head: str, tail: Tail, source: int = 50_000, version: int = 0) -> Wrap:
    """A tunnel over UDP."""
    inside = link(head, tail)
    return lambda packet, n: (
        OUTER + typed(ip(version or packet[0] >> 4, 17, udp(port, inside(packet, n), source)))
    )


def turns(*wraps: Wrap) -> Wrap:
    """One after the other: what a protocol may leave out is there in some packets."""
    return lambda packet, n: wraps[n % len(wraps)](packet, n)


def gre_full(packet: bytes, index: int) -> bytes:
    """GRE with checksum, key and sequence number (RFC 2784, RFC 2890); the checksum covers header and payload."""
    head, rest = hexa("B000") + typed(packet)[:2], struct.pack("!HII", 0, 0x64, index) + packet
    total = checksum(head + b"\0\0" + rest)
    return OUTER + typed(ip(packet[0] >> 4, 47, head + total.to_bytes(2, "big") + rest))


def extended(packet: bytes, _index: int) -> bytes:
    """A packet with hop-by-hop options, destination options and a segment routing header (RFC 8200, RFC 8754)."""
    options = hexa("00 0104 00000000")  # 8 bytes with what names the next header; PadN
    routing = hexa("02 04 00 00 00 0000") + packet[24:40]  # 24 bytes, no segment left, the last of one
    chain = b"\x3c" + options + b"\x2b" + options + packet[6:7] + routing
    return OUTER + typed(_sized(packet[:6] + b"\0" + packet[7:40] + chain + packet[40:]))


def authenticated(packet: bytes, index: int) -> bytes:
    """A packet with an authentication header in transport mode (RFC 4302), between IP and what it carries.

    It belongs to the whole packet (section 3.1.1): of fragments the first one has it, the others move on by its size.
    """
    four = packet[0] >> 4 == 4
    number, at, named = _behind(packet) if four else _behind(packet, 0, 43, 44)
    out = bytearray(packet)
    out[named] = 51
    field, offset, size = (6, 0x1FFF, 3) if four else (named + 2, 0xFFF8, 24)
    place = int.from_bytes(packet[field : field + 2], "big") if _is_fragment(packet) else 0
    if place & offset:
        struct.pack_into("!H", out, field, place + size)
    else:
        out[at:at] = struct.pack("!BBHII", number, 4, 0, 0x64, index) + hexa("A5" * 12)
    return OUTER + typed(_sized(bytes(out)))


def llc_snap(packet: bytes, _index: int) -> bytes:
    """IEEE 802.3 with LLC and SNAP; what exceeds the 1 500 bytes that its length can say goes as Ethernet."""
    payload = snap(packet)
    return OUTER + (struct.pack("!H", len(payload)) + payload if len(payload) <= 1_500 else typed(packet))


def nflog(packet: bytes, _index: int) -> bytes:
    """Netfilter log: family, version, group; then a packet header, a prefix and the payload, each padded to 4."""
    out = hexa("02 00 0001") if packet[0] >> 4 == 4 else hexa("0A 00 0001")
    for number, value in ((1, typed(packet)[:2] + hexa("0100")), (10, b"in\0"), (9, packet)):
        out += struct.pack("<HH", 4 + len(value), number) + value + b"\0" * (-len(value) % 4)
    return out


def deep(packet: bytes, _index: int) -> bytes:
    """Six layers: two tags, a label, IPv4 in IPv4, GRE, VXLAN."""
    inside = ip(4, 47, hexa("0000 0800") + ip(4, 17, udp(4789, hexa(VXLAN) + bridged(packet))))
    return OUTER + hexa("88A80064 81000065 8847 05DC1140") + ip(4, 4, inside)


# ── wrappings ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Wrapping:
    """One way to say a packet.

    Attributes:
        wrap: makes a frame of an IP packet and its number.
        layers: what a sensor should say that it took off, the outermost first; the link layer is none.
        link: link type of the frames.
        inner: IP version that the packet must have; 0 is either.
    """

    wrap: Wrap
    layers: tuple[str, ...] = ()
    link: int = 1
    inner: int = 0


WRAPPINGS: dict[str, Wrapping] = {
    "plain": Wrapping(ethernet("", typed)),
    # Tags: IEEE 802.1Q; 802.1ad and its forerunner; 802.1ah; Cisco's VN-Tag
    "vlan": Wrapping(ethernet("81000064", typed), ("vlan",)),
    "qinq": Wrapping(ethernet("88A80064 81000065", typed), ("qinq", "vlan")),
    "qinq-old": Wrapping(ethernet("91000064 81000065", typed), ("qinq", "vlan")),
    "vlan-3": Wrapping(ethernet("81000064 81000065 81000066", typed), ("vlan", "vlan", "vlan")),
    "pbb": Wrapping(ethernet("88E7 00000064", bridged), ("pbb",)),
    "vntag": Wrapping(ethernet("8926 00640065", typed), ("vntag",)),
    "nsh": Wrapping(  # RFC 8300: metadata of type 1; IP in one, Ethernet in the next
        turns(
            ethernet("894F 0FC6 01", numbered("01" + CONTEXT, "02" + CONTEXT)),
            ethernet("894F 0FC6 01 03" + CONTEXT, bridged)),
        ("nsh",)),
    # PPPoE: RFC 2516
    "pppoe": Wrapping(ethernet("8864 1100 0064 {tail:04X}", session), ("pppoe",)),
    "pppoe-vlan": Wrapping(
        ethernet("88A80064 81000065 8864 1100 0064 {tail:04X}", session), ("qinq", "vlan", "pppoe")),
    "pppoe-compressed": Wrapping(ethernet("8864 1100 0064 {tail:04X}", compressed), ("pppoe",)),
    # MPLS: RFC 3032; Ethernet in it: RFC 4448, with a control word: RFC 4385; it in UDP: RFC 7510
    "mpls": Wrapping(ethernet("8847" + LABELS, bare), ("mpls", "mpls")),
    "mpls-pseudowire": Wrapping(ethernet("8847" + LABELS + "00000000", bridged), ("mpls", "mpls", "pseudowire")),
    "mpls-pseudowire-plain": Wrapping(ethernet("8847" + LABELS, bridged), ("mpls", "mpls", "pseudowire")),
    "mpls-udp": Wrapping(over_udp(6635, LABELS, bare), ("mpls", "mpls")),
    # GRE: RFC 2784; Ethernet in it: RFC 7637; MPLS in it: RFC 4023; it in UDP: RFC 8086; 802.11 in it: Aruba
    "gre": Wrapping(tunnel(47, "0000", typed), ("gre",)),
    "gre-full": Wrapping(gre_full, ("gre",)),
    "gre-ethernet": Wrapping(tunnel(47, "0000 6558", bridged), ("gre",)),
    "gre-mpls": Wrapping(tunnel(47, "0000 8847 05DC1140", bare), ("gre", "mpls")),
    "gre-udp": Wrapping(over_udp(4754, "0000", typed), ("gre",)),
    "gre-wlan": Wrapping(
        tunnel(47, "0000 8200 08010000" + (INNER + INNER[:6]).hex() + "1000", snap), ("gre", "wlan")),
    "pptp": Wrapping(  # RFC 2637, section 4.1; every other one acknowledges, too
        turns(
            tunnel(47, "3001 880B {tail:04X} 0064 {n:08X}", ppp),
            tunnel(47, "3081 880B {tail:04X} 0064 {n:08X} {n:08X}", ppp)),
        ("gre",)),
    # ERSPAN: draft-foschiano-erspan-03; type I has neither a header nor a sequence number
    "erspan-1": Wrapping(tunnel(47, "0000 88BE", bridged), ("gre", "erspan")),
    "erspan-2": Wrapping(tunnel(47, "1000 88BE {n:08X} 1064 0005 00000007", bridged), ("gre", "erspan")),
    "erspan-3": Wrapping(
        tunnel(47, "1000 22EB {n:08X} 2064 0005 {n:08X} 0000 0000", bridged), ("gre", "erspan")),
    "erspan-3-sub": Wrapping(
        tunnel(47, "1000 22EB {n:08X} 2064 0005 {n:08X} 0000 0001 0C000000 00000000", bridged), ("gre", "erspan")),
    # VXLAN: RFC 7348, draft-ietf-nvo3-vxlan-gpe-13; Geneve: RFC 8926
    "vxlan": Wrapping(over_udp(4789, VXLAN, bridged), ("vxlan",)),
    "vxlan-linux": Wrapping(over_udp(8472, VXLAN, bridged), ("vxlan",)),
    "vxlan-gpe": Wrapping(over_udp(4790, "0C0000", numbered("01 00006400", "02 00006400")), ("vxlan",)),
    "geneve": Wrapping(over_udp(6081, "0200 6558 00006400 FFF00101 00000000", bridged), ("geneve",)),
    "geneve-ip": Wrapping(over_udp(6081, "0000", numbered("0800 00006400", "86DD 00006400")), ("geneve",)),
    # GTP: 3GPP TS 29.281; extended by a sequence number and the PDU session container of TS 38.415
    "gtp-u": Wrapping(over_udp(2152, "30FF {tail:04X} 00000064", bare, 2152), ("gtp",)),
    "gtp-u-extended": Wrapping(
        over_udp(2152, "36FF {tail:04X} 00000064", numbered(*["0064 00 85 01 0009 00"] * 2), 2152), ("gtp",)),
    # IP in IP: RFC 2003, RFC 4213, RFC 2473; the second number is the outer version
    "4in4": Wrapping(tunnel(4, "", bare, 4), ("4in4",), inner=4),
    "6in4": Wrapping(tunnel(41, "", bare, 4), ("6in4",), inner=6),
    "4in6": Wrapping(tunnel(4, "", bare, 6), ("4in6",), inner=4),
    "6in6": Wrapping(tunnel(41, "", bare, 6), ("6in6",), inner=6),
    "teredo": Wrapping(  # RFC 4380; an origin indication has port and address inverted
        turns(over_udp(3544, "", bare, version=4), over_udp(3544, "0000 3CAF 3FFFFDFE", bare, version=4)),
        ("teredo",), inner=6),
    "etherip": Wrapping(tunnel(97, "3000", bridged), ("etherip",)),  # RFC 3378
    "ah": Wrapping(authenticated, ("ah",)),
    "ipv6-extensions": Wrapping(extended, inner=6),
    # L2TP: RFC 2661; RFC 3931, section 4.1: a cookie, or the sublayer of section 4.6
    "l2tpv2": Wrapping(  # length, sequence numbers, offset: none, each alone, all
        turns(*(over_udp(1701, head, ppp, 1701) for head in (
            "0002 00640065", "4002 {all:04X} 00640065", "0802 00640065 00010000", "0202 00640065 0004 00000000",
            "4A02 {all:04X} 00640065 00010000 0004 00000000"))),
        ("l2tp",)),
    "l2tpv3-ip": Wrapping(tunnel(115, "00000064 C00C1E04", bridged), ("l2tp",)),
    "l2tpv3-ip-plain": Wrapping(tunnel(115, "00000064 40{n:06X}", bridged), ("l2tp",)),
    "l2tpv3-udp": Wrapping(over_udp(1701, "00030000 00000064 C00C1E04C00C1E08", bridged, 1701), ("l2tp",)),
    "deep": Wrapping(deep, ("qinq", "vlan", "mpls", "4in4", "gre", "vxlan")),
    # Link layers, by the list of link types at tcpdump.org; frame relay: RFC 2427
    "llc-snap": Wrapping(llc_snap),
    "loopback": Wrapping(  # the family in the order of the machine; IPv6 is 24 on NetBSD, 28 on FreeBSD, 30 on macOS
        turns(*(link("", numbered("02000000", f"{six}000000")) for six in ("18", "1C", "1E"))), link=0),
    "ppp": Wrapping(link("", ppp), link=9),
    "ppp-hdlc": Wrapping(link("", ppp), link=50),
    "raw": Wrapping(link("", bare), link=101),
    "chdlc": Wrapping(link("0F00", typed), link=104),
    "frame-relay": Wrapping(link("1841 03", numbered("CC", "8E")), link=107),
    "cooked": Wrapping(link("0000 0001 0006 0200000000A2 0000", typed), link=113),
    "cooked2": Wrapping(
        link("", numbered(*(f"{kind} 0000 00000002 0001 00 06 0200000000A2 0000" for kind in ("0800", "86DD")))),
        link=276),
    # IEEE 802.11, section 9.3.2: data to the access point; QoS data from it, behind an empty radiotap header
    "wlan": Wrapping(link("08010000" + (OUTER + OUTER[:6]).hex() + "1000", snap), link=105),
    "wlan-qos": Wrapping(
        link("0000080000000000 88020000" + (OUTER + OUTER[6:]).hex() + "1000 0000", snap), link=127),
    "nflog": Wrapping(nflog, link=239),
}  # fmt: skip


def wrapped(packets: Iterable[Packet], name: str) -> Iterator[tuple[int, bytes]]:
    """Times and frames of packets in one of the wrappings."""
    wrapping = WRAPPINGS[name]
    for index, (time, data) in enumerate(packets):
        yield time, wrapping.wrap(as_version(data, wrapping.inner) if wrapping.inner else data, index)


# ── command line ─────────────────────────────────────────────────────────────────────────────────────────


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """End with it."""
        self.exit(2, f"error: {message}; --help lists the arguments\n")


def _parser() -> Parser:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=Path, metavar="IN", help="capture to read")
    parser.add_argument("target", nargs="?", type=Path, metavar="OUT.pcap", help="capture to write")
    parser.add_argument("--sent-by", nargs="+", metavar="ADDRESS", help="only what these addresses sent")
    parser.add_argument("--sent-to", nargs="+", metavar="ADDRESS", help="only what these addresses were sent")
    for option, metavar, text in (
        ("join", "N", "drop SYNs, and the first N data segments of each flow"),
        ("segment", "N", "cut TCP into segments of at most N bytes"),
        ("reorder", "SEED", "swap data segments with later ones"),
        ("duplicate", "SEED", "repeat a third of the data segments"),
        ("fragment", "N", "cut packets into IP fragments of N bytes"),
    ):
        parser.add_argument(f"--{option}", type=int, metavar=metavar, help=text)
    parser.add_argument(
        "--wrap", default="plain", metavar="NAME", help="wrapping of the frames; plain if not given"
    )
    parser.add_argument(
        "--list", action="store_true", help="print the wrappings and what a sensor sees in them"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, transform in the order of the options in the help, write."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list:
        for name, wrapping in WRAPPINGS.items():
            inner = f"IPv{wrapping.inner} only" if wrapping.inner else ""
            print(f"{name:22} link {wrapping.link:3}  {inner:10}  {' '.join(wrapping.layers)}".rstrip())
        return 0
    if options.target is None:
        parser.error("a capture to read and one to write are needed")
    if options.wrap not in WRAPPINGS:
        parser.error(f"no wrapping is called {options.wrap}; --list prints them")
    try:
        packets = read(options.source)
        if options.sent_by is not None:
            packets = only(packets, set(options.sent_by), sending=True)
        if options.sent_to is not None:
            packets = only(packets, set(options.sent_to), sending=False)
        for change, value in (
            (join, options.join),
            (resegment, options.segment),
            (reorder, options.reorder),
            (duplicate, options.duplicate),
            (fragment, options.fragment),
        ):
            if value is not None:
                packets = change(packets, value)
        frames = list(wrapped(packets, options.wrap))
        write(options.target, frames, WRAPPINGS[options.wrap].link)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.target}: {len(frames)} frames")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
