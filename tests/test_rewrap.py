"""The script that says a capture once more in another wrapping, against scapy and dpkt."""

from __future__ import annotations

import ast
import gzip
import io
import ipaddress
import itertools
import struct
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import dpkt
import pytest
import scapy.contrib.chdlc
import scapy.contrib.erspan
import scapy.contrib.etherip
import scapy.contrib.geneve
import scapy.contrib.gtp
import scapy.contrib.mpls
import scapy.contrib.nsh
import scapy.layers.vxlan
from hypothesis import given, settings
from hypothesis import strategies as st
from loadscript import script
from scapy.layers.dot11 import Dot11, RadioTap
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import CookedLinux, CookedLinuxV2, Ether, Loopback
from scapy.layers.ppp import HDLC
from scapy.packet import Raw
from scapy.utils import checksum

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "rewrap.py"
STORY = ROOT / "pcaps" / "xmrig-behind-vlan" / "traffic.pcap"
MILLISECOND = 1_000_000
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

rewrap = script("scripts/rewrap.py")
Packet = rewrap.Packet
End = tuple[str, int]
CLIENT, SERVER = ("10.0.0.1", 40_000), ("192.0.2.9", 3_333)
CLIENT_6, SERVER_6 = ("2001:db8::1", 40_000), ("2001:db8::9", 3_333)


def ip_packet(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    """An IP packet."""
    a, b = (ipaddress.ip_address(address).packed for address in (source, destination))
    if len(a) == 16:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + a + b + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0x4000, 64, protocol, 0) + a + b
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def tcp(source: End, destination: End, flags: int, sequence: int, payload: bytes = b"") -> bytes:
    """A TCP segment in its packet."""
    head = struct.pack("!HHIIBBHHH", source[1], destination[1], sequence % 2**32, 0, 0x50, flags, 500, 0, 0)
    return ip_packet(source[0], destination[0], 6, head + payload)


def datagram(source: End, destination: End, payload: bytes) -> bytes:
    """A UDP datagram in its packet."""
    head = struct.pack("!HHHH", source[1], destination[1], 8 + len(payload), 0)
    return ip_packet(source[0], destination[0], 17, head + payload)


PACKETS = {
    4: [tcp(CLIENT, SERVER, PSH | ACK, 1, b'{"id":1}\n'), datagram(CLIENT, SERVER, b"odd")],
    6: [tcp(CLIENT_6, SERVER_6, PSH | ACK, 1, b'{"id":1}\n'), datagram(CLIENT_6, SERVER_6, b"odd")],
}

# ── wrappings ────────────────────────────────────────────────────────────────────────────────────────────

TOPS = {
    0: Loopback,
    1: Ether,
    9: HDLC,
    50: HDLC,
    104: scapy.contrib.chdlc.CHDLC,
    105: Dot11,
    113: CookedLinux,
    127: RadioTap,
    276: CookedLinuxV2,
}
LAYERS = {
    "Dot1Q": "vlan",
    "Dot1AD": "qinq",
    "Dot1AH": "pbb",
    "PPPoE": "pppoe",
    "MPLS": "mpls",
    "EoMCW": "pseudowire",
    "GRE": "gre",
    "GRE_PPTP": "gre",
    "ERSPAN_I": "erspan",
    "ERSPAN_II": "erspan",
    "ERSPAN_III": "erspan",
    "VXLAN": "vxlan",
    "GENEVE": "geneve",
    "GTP_U_Header": "gtp",
    "L2TP": "l2tp",
    "EtherIP": "etherip",
    "NSH": "nsh",
}
ETHERNET = "0200000000A1 0200000000A2"
BRIDGED = "0200000000B1 0200000000B2 {type}"
TO_AIR = "0801 0000 0200000000B1 0200000000B2 0200000000B1 1000 AAAA03000000 {type}"

# What scapy finds from the outside in ("@" is IP of the packet's version), the bytes that it then leaves in front of
# the packet, and the layers that these are.  Several rows take turns.
WRAPPED: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {
    "plain": [("Ether", "", ())],
    "vlan": [("Ether Dot1Q", "", ())],
    "qinq": [("Ether Dot1AD Dot1Q", "", ())],
    "qinq-old": [("Ether", "0064 8100 0065 {type}", ("qinq", "vlan"))],
    "vlan-3": [("Ether Dot1Q Dot1Q Dot1Q", "", ())],
    "pbb": [("Ether Dot1AH Ether", "", ())],
    "vntag": [("Ether", "0064 0065 {type}", ("vntag",))],
    "nsh": [("Ether NSH", "", ()), ("Ether NSH Ether", "", ())],
    "pppoe": [("Ether PPPoE PPP", "", ())],
    "pppoe-vlan": [("Ether Dot1AD Dot1Q PPPoE PPP", "", ())],
    "pppoe-compressed": [("Ether PPPoE PPP", "", ())],
    "mpls": [("Ether MPLS MPLS", "", ())],
    "mpls-pseudowire": [("Ether MPLS MPLS EoMCW Ether", "", ())],
    "mpls-pseudowire-plain": [("Ether MPLS MPLS Ether", "", ("pseudowire",))],
    "mpls-udp": [("Ether @ UDP MPLS MPLS", "", ())],
    "gre": [("Ether @ GRE", "", ())],
    "gre-full": [("Ether @ GRE", "", ())],
    "gre-ethernet": [("Ether @ GRE Ether", "", ())],
    "gre-mpls": [("Ether @ GRE MPLS", "", ())],
    "gre-udp": [("Ether @ UDP GRE", "", ())],
    "gre-wlan": [("Ether @ GRE", TO_AIR, ("wlan",))],
    "pptp": [("Ether @ GRE_PPTP HDLC PPP", "", ())],
    "erspan-1": [("Ether @ GRE ERSPAN_I Ether", "", ())],
    "erspan-2": [("Ether @ GRE ERSPAN_II Ether", "", ())],
    "erspan-3": [("Ether @ GRE ERSPAN_III Ether", "", ())],
    "erspan-3-sub": [("Ether @ GRE ERSPAN_III ERSPAN_PlatformSpecific Ether", "", ())],
    "vxlan": [("Ether @ UDP VXLAN Ether", "", ())],
    "vxlan-linux": [("Ether @ UDP VXLAN Ether", "", ())],
    "vxlan-gpe": [("Ether @ UDP VXLAN", "", ())],
    "geneve": [("Ether @ UDP GENEVE Ether", "", ())],
    "geneve-ip": [("Ether @ UDP GENEVE", "", ())],
    "gtp-u": [("Ether @ UDP GTP_U_Header", "", ())],
    "gtp-u-extended": [("Ether @ UDP GTP_U_Header GTPPDUSessionContainer", "", ())],
    "4in4": [("Ether IP", "", ())],
    "6in4": [("Ether IP", "", ())],
    "4in6": [("Ether IPv6", "", ())],
    "6in6": [("Ether IPv6", "", ())],
    "teredo": [("Ether IP UDP", "", ("teredo",)), ("Ether IP UDP", "0000 3CAF 3FFFFDFE", ("teredo",))],
    "etherip": [("Ether @", "3000" + BRIDGED, ("etherip",))],
    "l2tpv2": [("Ether @ UDP L2TP HDLC PPP", "", ())],
    "l2tpv3-ip": [("Ether @", "00000064 C00C1E04" + BRIDGED, ("l2tp",))],
    "l2tpv3-ip-plain": [("Ether @", "00000064 400000{n}" + BRIDGED, ("l2tp",))],
    "l2tpv3-udp": [("Ether @ UDP", "0003 0000 00000064 C00C1E04C00C1E08" + BRIDGED, ("l2tp",))],
    "deep": [("Ether Dot1AD Dot1Q MPLS IP IP GRE IP UDP VXLAN Ether", "", ())],
    "llc-snap": [("Dot3 LLC SNAP", "", ())],
    "loopback": [("", "{family}000000", ())],
    "ppp": [("HDLC PPP", "", ())],
    "ppp-hdlc": [("HDLC PPP", "", ())],
    "raw": [("", "", ())],
    "chdlc": [("CHDLC", "", ())],
    "frame-relay": [("", "1841 03 {nlpid}", ())],
    "cooked": [("CookedLinux", "", ())],
    "cooked2": [("CookedLinuxV2", "", ())],
    "wlan": [("Dot11 LLC SNAP", "", ())],
    "wlan-qos": [("RadioTap Dot11 Dot11QoS LLC SNAP", "", ())],
}
FIXED: dict[str, dict[str, int]] = {
    "PPPoE": {"version": 1, "type": 1, "code": 0},
    "HDLC": {"address": 0xFF, "control": 3},
    "NSH": {"ver": 0, "oam": 0, "length": 6, "mdtype": 1},
    "EoMCW": {"zero": 0, "reserved": 0},
    "GRE": {"routing_present": 0, "flags": 0, "version": 0},
    "GRE_PPTP": {"key_present": 1, "seqnum_present": 1, "version": 1},
    "ERSPAN_II": {"ver": 1, "en": 0},
    "ERSPAN_III": {"ver": 2, "ft": 0},
    "GENEVE": {"version": 0, "oam": 0, "critical": 0},
    "GTP_U_Header": {"version": 1, "PT": 1, "gtp_type": 255},
    "L2TP": {"version": 2},
    "LLC": {"dsap": 0xAA, "ssap": 0xAA, "ctrl": 3},
    "SNAP": {"OUI": 0},
    "CHDLC": {"address": 15, "control": 0},
    "CookedLinux": {"lladdrtype": 1, "lladdrlen": 6},
    "CookedLinuxV2": {"lladdrtype": 1, "lladdrlen": 6, "reserved": 0},
    "RadioTap": {"version": 0, "len": 8},
    "Dot11": {"type": 2, "proto": 0},
}  # what must stand in a layer, besides what scapy needs to find the next one
BY_HAND = {"ah", "ipv6-extensions", "nflog"}  # these do not end with the packet; each has a test of its own


def unwrapped(link: int, frame: bytes, stack: list[str]) -> Any:
    """What scapy finds behind these layers of a frame; lengths and checksums on the way are right."""
    layer = TOPS[link](frame) if stack else Raw(frame)
    for name in stack:
        assert type(layer).__name__ == name, layer.summary()
        fixed = FIXED.get(name, {})
        assert {field: layer.getfieldval(field) for field in fixed} == fixed
        if name == "IP":
            assert layer.len == len(layer.original)
            assert checksum(layer.original[: layer.ihl * 4]) == 0
        elif name == "IPv6":
            assert layer.plen + 40 == len(layer.original)
        elif name == "UDP":
            assert layer.len == len(layer.original)
        elif name == "PPPoE":
            assert layer.len == len(layer.original) - 6
        elif name == "GTP_U_Header":
            assert layer.length == len(layer.original) - 8
        elif name == "GRE_PPTP":
            assert layer.payload_len == len(layer.payload.original)
        elif name == "L2TP" and layer.hdr.length:
            assert layer.len == len(layer.original)
        elif name == "GRE" and layer.chksum_present:
            assert checksum(layer.original) == 0
        elif name == "VXLAN":
            assert layer.flags.Instance
        layer = layer.payload
    return layer


def test_every_wrapping_is_checked() -> None:
    """No wrapping can be added without being taken off here by somebody else's code."""
    assert set(WRAPPED) | BY_HAND == set(rewrap.WRAPPINGS)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        (name, version)
        for name in WRAPPED
        for version in (4, 6)
        if rewrap.WRAPPINGS[name].inner in {0, version}
    ],
)
def test_wrappings_come_off(name: str, version: int) -> None:
    """An independent decoder finds the layers that a wrapping names, and in them the very packet that went in."""
    wrapping = rewrap.WRAPPINGS[name]
    for index, packet in itertools.product(range(6), PACKETS[version]):
        turns = WRAPPED[name]
        outer, head, extra = turns[index % len(turns)]
        stack = outer.replace("@", "IP" if version == 4 else "IPv6").split()
        start = head.format(
            type="0800" if version == 4 else "86DD",
            nlpid="CC" if version == 4 else "8E",
            family="02" if version == 4 else ("18", "1C", "1E")[index % 3],
            n=f"{index:02X}",
        )
        frame = wrapping.wrap(packet, index)
        rest = unwrapped(wrapping.link, frame, stack)
        assert rest.original == bytes.fromhex(start) + packet
        if stack and not extra:
            assert isinstance(rest, IP if version == 4 else IPv6)
        below = [*stack, "IP" if version == 4 else "IPv6"] if not extra else stack
        found = []
        for layer, following in itertools.zip_longest(below, below[1:]):
            if layer in LAYERS:
                found.append(LAYERS[layer])
            if {layer, following} <= {"IP", "IPv6"}:
                found.append(f"{4 if following == 'IP' else 6}in{4 if layer == 'IP' else 6}")
        assert (*found, *extra) == wrapping.layers


def test_link_types() -> None:
    """Wrappings that are link layers say which one, all others are Ethernet."""
    links = {name: one.link for name, one in rewrap.WRAPPINGS.items() if one.link != 1}
    assert links == {
        "loopback": 0,
        "ppp": 9,
        "ppp-hdlc": 50,
        "raw": 101,
        "chdlc": 104,
        "wlan": 105,
        "frame-relay": 107,
        "cooked": 113,
        "wlan-qos": 127,
        "nflog": 239,
        "cooked2": 276,
    }


def test_optional_fields_take_turns() -> None:
    """L2TP comes with and without its length, sequence numbers and offset, PPTP with and without acknowledgement."""
    frames = [rewrap.WRAPPINGS["l2tpv2"].wrap(PACKETS[4][0], index) for index in range(5)]
    assert [str(Ether(frame)["L2TP"].hdr) for frame in frames] == [
        "", "length", "sequence", "offset", "offset+sequence+length",
    ]  # fmt: skip
    frames = [rewrap.WRAPPINGS["pptp"].wrap(PACKETS[4][0], index) for index in range(2)]
    assert [Ether(frame)["GRE PPTP"].acknum_present for frame in frames] == [0, 1]


@pytest.mark.parametrize(
    ("name", "port"),
    [("vxlan", 4789), ("vxlan-linux", 8472), ("vxlan-gpe", 4790), ("geneve", 6081), ("gtp-u", 2152),
     ("l2tpv2", 1701), ("l2tpv3-udp", 1701), ("gre-udp", 4754), ("mpls-udp", 6635), ("teredo", 3544)],
)  # fmt: skip
def test_ports_and_addresses(name: str, port: int) -> None:
    """Tunnels over UDP go to their port, between the addresses that every tunnel has."""
    wrapping = rewrap.WRAPPINGS[name]
    for version in (4, 6) if not wrapping.inner else (wrapping.inner,):
        frame = Ether(wrapping.wrap(PACKETS[version][0], 0))
        outer = frame.payload
        assert outer.payload.dport == port
        ends = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8:ffff::1", "2001:db8:ffff::2")}
        assert (outer.src, outer.dst) == ends[4 if isinstance(outer, IP) else 6]


def test_extension_headers() -> None:
    """Three extension headers stand in front of what the packet carries, and lead to it."""
    for packet in PACKETS[6]:
        frame = Ether(rewrap.WRAPPINGS["ipv6-extensions"].wrap(packet, 0))
        stack = ["Ether", "IPv6", "IPv6ExtHdrHopByHop", "IPv6ExtHdrDestOpt", "IPv6ExtHdrSegmentRouting"]
        assert unwrapped(1, bytes(frame), stack).original == packet[40:]
        assert frame["IPv6ExtHdrSegmentRouting"].addresses == ["2001:db8::9"]
        assert (frame[IPv6].src, frame[IPv6].dst) == ("2001:db8::1", "2001:db8::9")


@pytest.mark.parametrize("version", [4, 6])
def test_authentication_header(version: int) -> None:
    """AH stands between the IP header and what the packet carries, 24 bytes long as it says itself."""
    size = 20 if version == 4 else 40
    for packet in PACKETS[version]:
        frame = rewrap.WRAPPINGS["ah"].wrap(packet, 3)
        inside = frame[14:]
        layer = IP(inside) if version == 4 else IPv6(inside)
        assert unwrapped(1, frame, ["Ether", type(layer).__name__]).original == inside[size:]
        assert (layer.proto if version == 4 else layer.nh) == 51
        protocol, words, spi, sequence = struct.unpack("!BBxxII", inside[size : size + 12])
        assert (protocol, words, spi, sequence) == (packet[9 if version == 4 else 6], 4, 0x64, 3)
        assert inside[size + (words + 2) * 4 :] == packet[size:]


@pytest.mark.parametrize("version", [4, 6])
def test_fragments_of_an_authenticated_packet(version: int) -> None:
    """Wrapped in AH, fragments are those of one packet that had the header before it was cut."""
    ends = (CLIENT, SERVER) if version == 4 else (CLIENT_6, SERVER_6)
    packet = datagram(*ends, bytes(range(200)))
    pieces = rewrap.fragment([Packet(0, packet)], 64)
    frames = [Packet(0, frame[14:]) for _, frame in rewrap.wrapped(pieces, "ah")]
    (whole,) = defragmented(frames)
    size = 20 if version == 4 else 40
    assert whole[9 if version == 4 else 6] == 51
    assert whole[size] == 17
    assert whole[size + 24 :] == packet[size:]


@pytest.mark.parametrize("version", [4, 6])
def test_netfilter_log(version: int) -> None:
    """A netfilter log record is a header and attributes, each padded to 4 bytes; one of them is the packet."""
    for packet in PACKETS[version]:
        frame = rewrap.WRAPPINGS["nflog"].wrap(packet, 0)
        assert frame[:4] == bytes([2 if version == 4 else 10, 0, 0, 1])
        at, attributes = 4, {}
        while at < len(frame):
            length, number = struct.unpack_from("<HH", frame, at)
            attributes[number] = frame[at + 4 : at + length]
            at += (length + 3) // 4 * 4
        assert at == len(frame)
        assert attributes[9] == packet
        assert attributes[1][:2] == bytes.fromhex("0800" if version == 4 else "86DD")


def test_long_packets_go_as_ethernet() -> None:
    """A packet that the length of IEEE 802.3 cannot say is sent with an EtherType, the others with LLC."""
    for size, name in ((1_492, "Dot3"), (1_493, "Ether")):
        packet = datagram(CLIENT, SERVER, bytes(size - 28))
        frame = Ether(rewrap.WRAPPINGS["llc-snap"].wrap(packet, 0))
        assert (type(frame).__name__, frame[IP].original) == (name, packet)


def test_story_in_every_wrapping() -> None:
    """Each frame of a wrapped capture ends with a packet of the capture, in its order and at its time."""
    packets = rewrap.read(STORY)
    assert len(packets) > 300
    for name, wrapping in rewrap.WRAPPINGS.items():
        if wrapping.inner == 6:
            inner = [rewrap.as_version(packet.data, 6) for packet in packets]
        else:
            inner = [packet.data for packet in packets]
        if wrapping.inner != 4 or all(packet[0] >> 4 == 4 for packet in inner):
            frames = list(rewrap.wrapped(packets, name))
            assert [time for time, _ in frames] == [packet.time for packet in packets]
            if name not in BY_HAND:
                assert all(frame.endswith(data) for (_, frame), data in zip(frames, inner, strict=True))


# ── IP versions ──────────────────────────────────────────────────────────────────────────────────────────


def test_as_version() -> None:
    """An IPv4 packet in IPv6 carries the same between the addresses that ``mapped`` names."""
    packet = PACKETS[4][0]
    layer = IPv6(rewrap.as_version(packet, 6))
    assert (layer.src, layer.dst) == (rewrap.mapped("10.0.0.1"), rewrap.mapped("192.0.2.9"))
    assert rewrap.mapped("10.0.0.1") == "2001:db8:4::a00:1"
    assert (layer.nh, layer.plen, layer.payload.original) == (6, len(packet) - 20, packet[20:])
    assert rewrap.as_version(packet, 4) == packet
    assert rewrap.as_version(PACKETS[6][0], 6) == PACKETS[6][0]
    with pytest.raises(ValueError, match="IPv6 packet cannot be said in IPv4"):
        rewrap.as_version(PACKETS[6][0], 4)


def test_fragments_change_their_version() -> None:
    """Fragments of an IPv4 packet become fragments of the IPv6 packet."""
    packet = datagram(CLIENT, SERVER, bytes(range(256)))
    pieces = rewrap.fragment([Packet(0, packet)], 96)
    (whole,) = defragmented([Packet(0, rewrap.as_version(piece.data, 6)) for piece in pieces])
    assert whole == rewrap.as_version(packet, 6)


# ── transformations ──────────────────────────────────────────────────────────────────────────────────────


def parsed(packet: bytes) -> tuple[tuple[Any, ...], int, int, bytes]:
    """Direction, flags, sequence number and payload of a TCP segment, as scapy reads it."""
    layer = IP(packet) if packet[0] >> 4 == 4 else IPv6(packet)
    assert (layer.len if isinstance(layer, IP) else layer.plen + 40) == len(packet)
    inner = layer[TCP]
    return (
        (layer.src, inner.sport, layer.dst, inner.dport),
        int(inner.flags),
        inner.seq,
        packet[len(packet) - len(inner.payload) :],
    )


def streams(packets: list[Any]) -> dict[tuple[Any, ...], bytes]:
    """The bytes of each direction of each flow by sequence number, with "|" at a SYN and "." at a FIN or RST."""
    places: defaultdict[tuple[Any, ...], dict[int, int]] = defaultdict(dict)
    for packet in packets:
        if packet.data[9 if packet.data[0] >> 4 == 4 else 6] != 6:
            continue
        direction, flags, sequence, payload = parsed(packet.data)
        data = b"|" * bool(flags & SYN) + payload + b"." * bool(flags & (FIN | RST))
        for offset, byte in enumerate(data):
            place = (sequence + offset + 1_000_000) % 2**32  # conversations here begin just below 2**32
            assert places[direction].setdefault(place, byte) == byte
    out = {}
    for direction, found in places.items():
        assert sorted(found) == list(range(min(found), max(found) + 1))
        out[direction] = bytes(found[place] for place in sorted(found))
    return out


def conversation(
    turns: list[tuple[int, int]], *, six: bool = False, end: int = FIN | ACK, gap: int = 5 * MILLISECOND
) -> list[Any]:
    """A TCP connection: who says how many bytes; each side's numbers wrap around on the way."""
    ends = (CLIENT_6, SERVER_6) if six else (CLIENT, SERVER)
    numbers = [2**32 - 50, 2**32 - 90]
    said = [(0, SYN, b""), (1, SYN | ACK, b""), (0, ACK, b"")]
    said += [
        (side, PSH | ACK, bytes((index * 37 + offset) % 251 for offset in range(size)))
        for index, (side, size) in enumerate(turns)
    ]
    said += [(0, end, b""), (1, end, b"")] if end else []
    out = []
    for index, (side, flags, payload) in enumerate(said):
        data = tcp(ends[side], ends[1 - side], flags, numbers[side], payload)
        out.append(Packet(10**18 + index * gap, data))
        numbers[side] += len(payload) + bool(flags & (SYN | FIN))
    return out


def defragmented(packets: list[Any]) -> list[bytes]:
    """Packets put together from fragments by the book: RFC 791, and RFC 8200, section 4.5."""
    waiting: defaultdict[Any, dict[int, tuple[bytes, bool]]] = defaultdict(dict)
    out = []
    for packet in packets:
        data = packet.data
        if data[0] >> 4 == 4:
            identity, flags = struct.unpack_from("!HH", data, 4)
            offset, more, key = (flags & 0x1FFF) * 8, bool(flags & 0x2000), (4, data[12:20], identity)
            head, payload, named = data[:20], data[20:], 9
            whole = not offset and not more
            assert checksum(head) == 0
            assert struct.unpack_from("!H", data, 2)[0] == len(data)
        else:
            at, named = 40, 6
            while data[named] in {0, 43}:
                at, named = at + (data[at + 1] + 1) * 8, at
            whole = data[named] != 44
            flags, identity = struct.unpack_from("!HI", data, at + 2)
            offset, more, key = flags & 0xFFF8, bool(flags & 1), (6, data[8:40], identity)
            head, payload = data[:named] + data[at : at + 1] + data[named + 1 : at], data[at + 8 :]
            assert struct.unpack_from("!H", data, 4)[0] == len(data) - 40
        if whole:
            out.append(data)
            continue
        assert len(payload) % 8 == 0 or not more
        waiting[key][offset] = (payload, more)
        parts = sorted(waiting[key].items())
        ends = [begin + len(part) for begin, (part, _) in parts]
        if not parts[-1][1][1] and [begin for begin, _ in parts] == [0, *ends[:-1]]:
            body = b"".join(part for _, (part, _) in waiting.pop(key).items())
            if head[0] >> 4 == 4:
                fixed = head[:2] + struct.pack("!H", 20 + len(body)) + b"\0\7\x40\0" + head[8:10] + b"\0\0"
                fixed += head[12:]
                out.append(fixed[:10] + struct.pack("!H", checksum(fixed)) + fixed[12:] + body)
            else:
                out.append(head[:4] + struct.pack("!H", len(head) - 40 + len(body)) + head[6:] + body)
    assert not waiting
    return out


TURNS = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 120)), max_size=12)


@settings(deadline=None, max_examples=40)
@given(
    turns=TURNS, size=st.sampled_from([1, 7, 100]), six=st.booleans(), end=st.sampled_from([FIN | ACK, RST])
)
def test_segments_say_the_same(*, turns: list[tuple[int, int]], size: int, six: bool, end: int) -> None:
    """Cut into segments, both directions say the same bytes in the same order, none longer than asked for."""
    packets = conversation(turns, six=six, end=end)
    out = rewrap.resegment(packets, size)
    assert streams(out) == streams(packets)
    assert max(len(parsed(packet.data)[3]) for packet in out) <= size
    assert [packet.time for packet in out] == sorted(packet.time for packet in out)
    assert {packet.time for packet in out} == {packet.time for packet in packets}


def test_flags_of_segments() -> None:
    """SYN stays on the first segment and takes a number; FIN and PSH come with the last one."""
    packet = tcp(CLIENT, SERVER, SYN | FIN | PSH | ACK, 2**32 - 3, b"abcdefgh")
    out = [parsed(one.data)[1:] for one in rewrap.resegment([Packet(1, packet)], 3)]
    assert out == [
        (SYN | ACK, 2**32 - 3, b"abc"),
        (ACK, 1, b"def"),
        (FIN | PSH | ACK, 4, b"gh"),
    ]


def test_only_tcp_is_cut() -> None:
    """Datagrams, fragments and bare acknowledgements stay as they are."""
    pieces = rewrap.fragment([Packet(1, tcp(CLIENT, SERVER, ACK, 1, bytes(100)))], 40)
    packets = [Packet(1, PACKETS[4][1]), Packet(1, tcp(CLIENT, SERVER, ACK, 1)), *pieces]
    assert rewrap.resegment(packets, 1) == packets
    with pytest.raises(ValueError, match="at least one is needed"):
        rewrap.resegment(packets, 0)


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(0, 500), min_size=1, max_size=6),
    size=st.sampled_from([8, 64, 1_000]),
    six=st.booleans(),
)
def test_fragments_make_the_packets(*, sizes: list[int], size: int, six: bool) -> None:
    """Fragments are as short as asked for, and put together they are the packets, in order."""
    ends = (CLIENT_6, SERVER_6) if six else (CLIENT, SERVER)
    packets = [Packet(index, datagram(*ends, bytes(length))) for index, length in enumerate(sizes)]
    out = rewrap.fragment(packets, size)
    assert defragmented(out) == [packet.data for packet in packets]
    head = 48 if six else 20
    assert all(len(packet.data) <= head + size for packet in out)


def test_extension_headers_stay_in_front() -> None:
    """Hop-by-hop and routing headers are in every fragment, destination options behind them are cut."""
    payload = datagram(CLIENT_6, SERVER_6, bytes(100))[40:]
    chain = bytes.fromhex("2b00010400000000 3c02040000000000") + bytes(16) + bytes.fromhex("1100010400000000")
    packet = ip_packet(CLIENT_6[0], SERVER_6[0], 0, chain + payload)
    out = rewrap.fragment([Packet(0, packet)], 64)
    assert [piece.data[40:42] for piece in out] == [b"\x2b\0", b"\x2b\0"]
    assert defragmented(out) == [packet]


def test_fragments_have_limits() -> None:
    """More than 64 fragments of a packet are refused with the size that would do, and so is no multiple of 8."""
    packets = [Packet(0, datagram(CLIENT, SERVER, bytes(1_000)))]
    with pytest.raises(ValueError, match="which needs 16"):
        rewrap.fragment(packets, 8)
    assert len(rewrap.fragment(packets, 16)) == 63
    for size in (0, 12, -8):
        with pytest.raises(ValueError, match="multiple of 8"):
            rewrap.fragment(packets, size)


def test_fragments_are_not_cut_again() -> None:
    """What is a fragment already stays as it is."""
    for packet in (datagram(CLIENT, SERVER, bytes(300)), datagram(CLIENT_6, SERVER_6, bytes(300))):
        once = rewrap.fragment([Packet(0, packet)], 104)
        assert rewrap.fragment(once, 8) == once


@settings(deadline=None, max_examples=40)
@given(turns=TURNS, seed=st.integers(0, 99), six=st.booleans())
def test_reordering_keeps_what_is_said(*, turns: list[tuple[int, int]], seed: int, six: bool) -> None:
    """Out of order, a conversation has the same packets at the same times, its SYNs first, the same each time."""
    packets = conversation(turns, six=six)
    out = rewrap.reorder(packets, seed)
    assert out == rewrap.reorder(packets, seed)
    assert Counter(packet.data for packet in out) == Counter(packet.data for packet in packets)
    assert [packet.time for packet in out] == [packet.time for packet in packets]
    assert out[:3] == packets[:3]
    assert out[-2:] == packets[-2:]
    for side in (CLIENT, CLIENT_6, SERVER, SERVER_6):
        before, after = (
            [one.data for one in each if parsed(one.data)[0][0] == side[0] and parsed(one.data)[3]]
            for each in (packets, out)
        )
        assert all(abs(before.index(data) - place) <= 3 for place, data in enumerate(after))


def test_reordering_happens() -> None:
    """Of a long monologue at least a quarter is in another place, whatever the seed; another seed, other places."""
    packets = conversation([(0, 10)] * 100)
    orders = [rewrap.reorder(packets, seed) for seed in range(3)]
    for order in orders:
        moved = sum(a != b for a, b in zip(order, packets, strict=True))
        assert 25 <= moved <= 75
    assert orders[0] != orders[1]


def test_nothing_passes_a_new_connection() -> None:
    """Segments of one connection never come behind the SYN of the next one between the same ends."""
    first, second = conversation([(0, 9)] * 8, end=0), conversation([(0, 9)] * 8)
    for seed in range(20):
        out = rewrap.reorder(first + second, seed)
        assert {one.data for one in out[: len(first)]} == {one.data for one in first}


@settings(deadline=None, max_examples=40)
@given(turns=TURNS, seed=st.integers(0, 99), six=st.booleans(), gap=st.sampled_from([1, 30, 300]))
def test_repetitions_come_later(*, turns: list[tuple[int, int]], seed: int, six: bool, gap: int) -> None:
    """Repeated segments are exact, at least 60 ms late, and come before their connection ends."""
    packets = conversation(turns, six=six, gap=gap * MILLISECOND)
    out = rewrap.duplicate(packets, seed)
    assert out == rewrap.duplicate(packets, seed)
    assert [packet.time for packet in out] == sorted(packet.time for packet in out)
    assert [packet for packet in out if packet in packets] == packets
    times = {packet.data: packet.time for packet in packets if parsed(packet.data)[3]}
    for copy in out:
        if copy not in packets:
            assert 60 * MILLISECOND <= copy.time - times[copy.data] < 260 * MILLISECOND
    assert out[-1] == packets[-1]
    assert streams(out) == streams(packets)


def test_a_third_is_repeated() -> None:
    """About a third of the data segments of a long conversation come twice."""
    packets = conversation([(0, 10), (1, 10)] * 150)
    for seed in range(3):
        assert 70 <= len(rewrap.duplicate(packets, seed)) - len(packets) <= 130


def test_directions() -> None:
    """What some addresses send and what they are sent is together everything that they take part in."""
    packets = conversation([(0, 5), (1, 6)]) + conversation([(1, 7)], six=True)
    sent = rewrap.only(packets, {"10.0.0.1", "2001:0DB8::1"}, sending=True)
    received = rewrap.only(packets, {"10.0.0.1", "2001:0DB8::1"}, sending=False)
    assert {parsed(packet.data)[0][0] for packet in sent} == {"10.0.0.1", "2001:db8::1"}
    assert {parsed(packet.data)[0][2] for packet in received} == {"10.0.0.1", "2001:db8::1"}
    assert Counter(sent + received) == Counter(packets)
    assert rewrap.only(packets, {"10.9.9.9"}, sending=True) == []


@pytest.mark.parametrize("after", [0, 1, 3, 9])
def test_joining_late(after: int) -> None:
    """One who joins sees no SYN, misses so many data segments of each connection, and nothing else."""
    first, second = conversation([(0, 5), (1, 6), (0, 7)]), conversation([(1, 8)] * 5)
    packets = [*first, Packet(0, PACKETS[4][1]), *second]
    expected = [first[2], *first[3 + after : 6], *first[6:], Packet(0, PACKETS[4][1])]
    expected += [second[2], *second[3 + after : 8], *second[8:]]
    assert rewrap.join(packets, after) == expected


# ── capture files ────────────────────────────────────────────────────────────────────────────────────────


def test_reads_what_dpkt_reads() -> None:
    """The packets of a shipped capture are those that another reader finds behind Ethernet and its tags."""
    frames = dpkt.pcap.Reader(io.BytesIO(STORY.read_bytes()))
    expected = [
        Packet(int(time * 10**9), bytes(dpkt.ethernet.Ethernet(frame).data)) for time, frame in frames
    ]
    assert rewrap.read(STORY) == expected


def test_written_is_read(tmp_path: Path) -> None:
    """Times to the nanosecond and link types survive, for dpkt as for this script."""
    path = tmp_path / "a.pcap"
    packets = [
        Packet(1_800_000_000_123_456_789, PACKETS[4][0]),
        Packet(1_800_000_001_000_000_001, PACKETS[6][0]),
    ]
    rewrap.write(path, rewrap.wrapped(packets, "raw"), 101)
    assert rewrap.read(path) == packets
    reader = dpkt.pcap.Reader(io.BytesIO(path.read_bytes()))
    assert reader.datalink() == 101
    assert [(int(time * 10**9), data) for time, data in reader] == packets
    assert path.read_bytes()[:4] == bytes.fromhex("4d3cb2a1")


@pytest.mark.parametrize(
    "name", ["plain", "vlan", "qinq", "qinq-old", "cooked", "cooked2", "raw", "loopback"]
)
def test_reads_its_link_layers(name: str, tmp_path: Path) -> None:
    """Packets behind Ethernet, tags, Linux cooked, loopback or nothing are read as they were written."""
    path = tmp_path / "a.pcap"
    packets = [Packet(index, data) for index, data in enumerate(PACKETS[4] + PACKETS[6])]
    rewrap.write(path, rewrap.wrapped(packets, name), rewrap.WRAPPINGS[name].link)
    assert rewrap.read(path) == packets


def pcap(order: str, magic: int, record: str, *frames: bytes) -> bytes:
    """A capture with one second and five units for each frame."""
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65_535, 1)
    for frame in frames:
        fields = (1, 5, len(frame), len(frame))
        out += struct.pack(order + record, *fields, *(0,) * (struct.calcsize(record) - 16)) + frame
    return out


@pytest.mark.parametrize("order", ["<", ">"])
def test_file_formats(order: str, tmp_path: Path) -> None:
    """Either byte order, microseconds and nanoseconds, the longer records of old kernels, and gzip are read."""
    path, frame = tmp_path / "a", bytes.fromhex(ETHERNET + "0800") + PACKETS[4][0]
    for magic, record, time in (
        (0xA1B2C3D4, "IIII", 1_000_005_000),
        (0xA1B23C4D, "IIII", 1_000_000_005),
        (0xA1B2CD34, "IIIIBBBBBBBB", 1_000_005_000),
    ):
        data = pcap(order, magic, record, frame)
        for content in (data, gzip.compress(data)):
            path.write_bytes(content)
            assert rewrap.read(path) == [Packet(time, PACKETS[4][0])]


def block(order: str, kind: int, body: bytes) -> bytes:
    """A block of a pcapng file."""
    body += b"\0" * (-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng(order: str, tmp_path: Path) -> None:
    """Each interface of a pcapng file has its link type, resolution and offset; all three kinds of packet are read."""
    path, packet = tmp_path / "a.pcapng", PACKETS[4][0]
    frame = bytes.fromhex(ETHERNET + "0800") + packet
    section = block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    nano = struct.pack(order + "HHB3xHHqHH", 9, 1, 9, 14, 8, 100, 0, 0)
    binary = struct.pack(order + "HHB3x", 9, 1, 0x80 | 10)
    interfaces = block(order, 1, struct.pack(order + "HHI", 1, 0, 0))
    interfaces += block(order, 1, struct.pack(order + "HHI", 101, 0, 0) + nano)
    interfaces += block(order, 1, struct.pack(order + "HHI", 101, 0, 0) + binary)
    packets = [
        block(order, 6, struct.pack(order + "IIIII", 0, 0, 7, len(frame), len(frame)) + frame),
        block(order, 6, struct.pack(order + "IIIII", 1, 1, 7, len(packet), len(packet)) + packet),
        block(order, 2, struct.pack(order + "HHIIII", 2, 0, 0, 512, len(packet), len(packet)) + packet),
        block(order, 3, struct.pack(order + "I", len(frame)) + frame),
        block(order, 5, bytes(8)),
    ]
    path.write_bytes(section + interfaces + b"".join(packets))
    times = [7_000, 2**32 + 7 + 100 * 10**9, 500 * MILLISECOND, 500 * MILLISECOND]
    assert rewrap.read(path) == [Packet(time, packet) for time in times]
    path.write_bytes((section + interfaces + packets[0]) * 2)
    assert rewrap.read(path) == [Packet(7_000, packet)] * 2


def read_frames(path: Path, link: int, *frames: bytes) -> list[bytes]:
    """Write frames, and read their packets."""
    rewrap.write(path, enumerate(frames), link)
    return [packet.data for packet in rewrap.read(path)]


def test_padding_and_strangers(tmp_path: Path) -> None:
    """Padding behind a packet is cut off; ARP and what is no IP packet are left out."""
    path, start = tmp_path / "a.pcap", bytes.fromhex(ETHERNET)
    short = tcp(CLIENT, SERVER, ACK, 1)
    frames = [
        start + b"\x08\x00" + short + bytes(6),
        start + b"\x86\xdd" + PACKETS[6][1] + b"padding",
        start + b"\x08\x06" + bytes(28),
        start + b"\x08\x00" + b"\x45",
        start + b"\x08\x00" + b"\x44" + short[1:],
        start + b"\x86\xdd" + PACKETS[6][1][:39],
        start[:9],
        b"",
    ]
    assert read_frames(path, 1, *frames) == [short, PACKETS[6][1]]


def test_what_was_cut_off_stays_cut_off(tmp_path: Path) -> None:
    """A packet of which the capture has only a part is read as that part, in both IP versions."""
    path = tmp_path / "a.pcap"
    parts = [PACKETS[4][0][:-4], PACKETS[6][0][:-4]]
    assert read_frames(path, 101, *parts) == parts


def test_offloaded_lengths(tmp_path: Path) -> None:
    """A length of 0 is replaced by what was captured; beyond 65 000 bytes TCP is cut and says the same."""
    path = tmp_path / "a.pcap"
    for packet, at in ((PACKETS[4][0], 2), (PACKETS[6][0], 4)):
        assert read_frames(path, 101, packet[:at] + b"\0\0" + packet[at + 2 :]) == [packet]
    long = bytes(range(250)) * 300
    head = tcp(CLIENT, SERVER, PSH | ACK, 2**32 - 9)[:40]
    out = read_frames(path, 101, head[:2] + b"\0\0" + head[4:] + long)
    assert list(streams([Packet(0, one) for one in out]).values()) == [long]
    head = tcp(CLIENT_6, SERVER_6, PSH | ACK, 2**32 - 9)
    jumbo = struct.pack("!BBBBI", 6, 0, 0xC2, 4, 8 + 20 + len(long))
    out = read_frames(path, 101, head[:4] + b"\0\0\0" + head[7:40] + jumbo + head[40:] + long)
    assert list(streams([Packet(0, one) for one in out]).values()) == [long]
    assert max(map(len, out)) < 65_000
    assert read_frames(path, 101, head[:4] + b"\0\0\x11" + head[7:40] + bytes(70_000)) == []


@pytest.mark.parametrize("name", ["vxlan", "pppoe", "4in4"])
def test_packets_can_be_too_long(name: str) -> None:
    """A packet that does not fit into its wrapping is refused with what to do."""
    packet = datagram(CLIENT, SERVER, bytes(65_507))
    with pytest.raises(ValueError, match="cut them with --segment or --fragment"):
        rewrap.WRAPPINGS[name].wrap(packet, 0)


# ── command line ─────────────────────────────────────────────────────────────────────────────────────────


def sender(packet: bytes) -> str:
    """The source address."""
    return str(ipaddress.ip_address(packet[12:16] if packet[0] >> 4 == 4 else packet[8:24]))


def test_runs_as_a_script(tmp_path: Path) -> None:
    """Everything at once, from the command line, is what the functions do one after the other."""
    path = tmp_path / "out.pcap"
    packets = rewrap.read(STORY)
    senders = [address for address, _ in Counter(sender(packet.data) for packet in packets).most_common(2)]
    options = [
        "--wrap=deep",
        "--segment=7",
        "--fragment=16",
        "--reorder=1",
        "--duplicate=2",
        "--join=1",
        "--sent-by",
    ]
    options += senders
    command = [sys.executable, str(SCRIPT), str(STORY), str(path), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    packets = rewrap.only(packets, set(senders), sending=True)
    packets = rewrap.duplicate(rewrap.reorder(rewrap.resegment(rewrap.join(packets, 1), 7), 1), 2)
    expected = list(rewrap.wrapped(rewrap.fragment(packets, 16), "deep"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{path}: {len(expected)} frames\n"
    written = dpkt.pcap.Reader(io.BytesIO(path.read_bytes()))
    assert [(int(time * 10**9), frame) for time, frame in written] == expected


def test_plain_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without options, the packets of a capture come out in Ethernet; --sent-to selects the other direction."""
    path = tmp_path / "out.pcap"
    assert rewrap.main([str(STORY), str(path)]) == 0
    assert rewrap.read(path) == rewrap.read(STORY)
    address = sender(rewrap.read(STORY)[0].data)
    assert rewrap.main([str(STORY), str(path), "--sent-to", address]) == 0
    assert rewrap.read(path) == rewrap.only(rewrap.read(STORY), {address}, sending=False)
    assert capsys.readouterr().err == ""


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    """--list prints every wrapping with its link type and layers, and needs no files."""
    assert rewrap.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(rewrap.WRAPPINGS)
    assert lines[-1].split() == ["nflog", "link", "239"]
    assert "pppoe-vlan             link   1              qinq vlan pppoe" in lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.pcap", "out.pcap"], "No such file"),
        (["text", "out.pcap"], "neither a pcap nor a pcapng file"),
        (["broken.gz", "out.pcap"], "broken.gz: "),
        (["token-ring.pcap", "out.pcap"], "link type 6 is not read here"),
        (["good.pcap", "nowhere/out.pcap"], "No such file"),
        (["good.pcap"], "one to write are needed"),
        (["good.pcap", "out.pcap", "--wrap", "paper"], "no wrapping is called paper"),
        (["good.pcap", "out.pcap", "--wrap", "4in6"], "cannot be said in IPv4"),
        (["good.pcap", "out.pcap", "--segment", "0"], "at least one is needed"),
        (["good.pcap", "out.pcap", "--segment", "few"], "invalid int value"),
        (["good.pcap", "out.pcap", "--fragment", "7"], "multiple of 8"),
        (
            ["good.pcap", "out.pcap", "--sent-by", "pool"],
            "'pool' does not appear to be an IPv4 or IPv6 address",
        ),
        (["good.pcap", "out.pcap", "--never"], "unrecognized arguments"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What a user got wrong is told in one line, with exit status 2."""
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("no capture")
    Path("broken.gz").write_bytes(gzip.compress(STORY.read_bytes())[:1_000])
    rewrap.write(Path("token-ring.pcap"), [(0, b"")], 6)
    rewrap.write(Path("good.pcap"), [(0, PACKETS[4][0]), (1, PACKETS[6][0])], 101)
    try:
        status = rewrap.main(arguments)
    except SystemExit as end:
        status = end.code
    output = capsys.readouterr()
    assert (status, output.out) == (2, "")
    assert output.err.startswith("error: ")
    assert message in output.err
    assert len(output.err.splitlines()) == 1


def test_independence() -> None:
    """The script imports nothing but the standard library: it must not share a mistake with the sensor."""
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
