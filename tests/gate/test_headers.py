"""From a frame to its payload: addresses, ports, lengths, wrappings, and why a walk ends early."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gate_frames as wire
import pytest
from gate_frames import LOGIN, Seen
from gate_twins import Twins

if TYPE_CHECKING:
    from sniffer.gate.plain import Found
    from sniffer.model import Packet

SEGMENT = wire.tcp(LOGIN)
IP4 = wire.ipv4(SEGMENT)
IP6 = wire.ipv6(SEGMENT)
ETH = wire.ethernet(IP4, 0x0800)


def reason(frame: Seen | bytes) -> str:
    """The one reason for a frame, in which both gates agree."""
    return Twins(flows=8).judge([frame])[0]


def decoded(frame: Seen | bytes) -> Found:
    """What was found in a frame that passes."""
    twins = Twins(flows=8)
    assert twins.judge([frame]) == ["json"]
    return twins.passed[0]


def packet(frame: Seen | bytes) -> Packet:
    """The packet made of a frame that passes."""
    return next(Twins(flows=8).gate.inspect(wire.batch([frame])))


LINKS = {
    "Ethernet": (1, ETH),
    "Linux cooked": (113, bytes(14) + b"\x08\x00" + IP4),
    "Linux cooked, IPv6": (113, bytes(14) + b"\x86\xdd" + IP6),
    "Linux cooked 2": (276, b"\x08\x00" + bytes(18) + IP4),
    "BSD loopback, little-endian": (0, b"\2\0\0\0" + IP4),
    "BSD loopback, big-endian": (0, b"\0\0\0\2" + IP4),
    "BSD loopback, IPv6 of macOS": (0, b"\x1e\0\0\0" + IP6),
    "OpenBSD loopback": (108, b"\0\0\0\x18" + IP6),
    **{f"raw IP {link}": (link, IP4) for link in (12, 14, 101, 228)},
    **{f"raw IPv6 {link}": (link, IP6) for link in (12, 14, 101, 229)},
}


@pytest.mark.parametrize(("link", "data"), LINKS.values(), ids=LINKS.keys())
def test_a_link_header_is_stepped_over(link: int, data: bytes) -> None:
    """The payload behind it is the payload that was sent."""
    found = packet(Seen(data, link=link))
    assert (found.payload, found.source_port, found.destination_port) == (LOGIN, 50_000, 3333)


EARLY = {
    "unknown link type": (Seen(ETH, link=147), "link_type"),
    "no bytes": (b"", "link_truncated"),
    "half an Ethernet header": (ETH[:13], "link_truncated"),
    "half a VLAN tag": (wire.ethernet(b"", 0x8100, [])[:14] + b"\0", "link_truncated"),
    "half a loopback header": (Seen(b"\0\0\0", link=0), "link_truncated"),
    "loopback, unknown family": (Seen(b"\0\0\0\x63" + IP4, link=0), "ethertype"),
    "raw IP of version 7": (Seen(b"\x70" + IP4[1:], link=101), "ethertype"),
    "raw IP without a byte": (Seen(b"", link=101), "link_truncated"),
    "ARP": (wire.ethernet(bytes(28), 0x0806), "ethertype"),
    "802.3 length": (wire.ethernet(bytes(46), 46), "ethertype"),
    "nine tags": (wire.ethernet(IP4, 0x0800, [(0x8100, 1)] * 9), "tunnel_depth"),
    "IPv4 of 19 bytes": (ETH[: 14 + 19], "ipv4_truncated"),
    "IPv4 options cut": (wire.ethernet(wire.ipv4(b"", options=bytes(40))[:59], 0x0800), "ipv4_truncated"),
    "IPv4 with version 6": (wire.ethernet(b"\x65" + IP4[1:], 0x0800), "ipv4_header"),
    **{
        f"IPv4 with {n} words": (wire.ethernet(bytes([0x40 | n]) + IP4[1:], 0x0800), "ipv4_header")
        for n in range(5)
    },
    "IPv4 total below its header": (wire.ethernet(wire.ipv4(SEGMENT, total=19), 0x0800), "ipv4_header"),
    "first fragment": (wire.ethernet(wire.ipv4(SEGMENT[:24], fragment=0x2000), 0x0800), "fragment"),
    "first fragment of odd length": (
        wire.ethernet(wire.ipv4(SEGMENT, fragment=0x2000), 0x0800),
        "fragment_refused",
    ),
    "later fragment": (wire.ethernet(wire.ipv4(SEGMENT, fragment=185), 0x0800), "fragment"),
    "IPv6 of 39 bytes": (wire.ethernet(IP6[:39], 0x86DD), "ipv6_truncated"),
    "IPv6 with version 4": (wire.ethernet(b"\x40" + IP6[1:], 0x86DD), "ipv6_header"),
    "IPv6 fragment": (
        wire.ethernet(wire.ipv6(SEGMENT[:24], extensions=[(44, b"\0\0\1" + bytes(4))]), 0x86DD),
        "fragment",
    ),
    "IPv6 extension cut": (
        wire.ethernet(wire.ipv6(b"", extensions=[(0, b"\x05" + bytes(6))]), 0x86DD),
        "ipv6_truncated",
    ),
    "IPv6 with 16 extensions": (
        wire.ethernet(wire.ipv6(SEGMENT, extensions=[(60, bytes(7))] * 16), 0x86DD),
        "ipv6_header",
    ),
    "IPv6 with 300 extensions": (
        wire.ethernet(wire.ipv6(SEGMENT, extensions=[(0, bytes(7))] * 300), 0x86DD),
        "ipv6_header",
    ),
    "IPv6, no next header": (wire.ethernet(wire.ipv6(SEGMENT, protocol=59), 0x86DD), "ip_protocol"),
    "ESP": (wire.ethernet(wire.ipv6(SEGMENT, protocol=50), 0x86DD), "esp"),
    "ICMP": (wire.ethernet(wire.ipv4(bytes(8), protocol=1), 0x0800), "ip_protocol"),
    "TCP of 19 bytes": (wire.ethernet(wire.ipv4(SEGMENT[:19]), 0x0800), "tcp_header"),
    "TCP with 4 words": (
        wire.ethernet(wire.ipv4(SEGMENT[:12] + b"\x40" + SEGMENT[13:]), 0x0800),
        "tcp_header",
    ),
    "TCP header beyond the packet": (
        wire.ethernet(wire.ipv4(wire.tcp(options=bytes(40)), total=50), 0x0800),
        "tcp_header",
    ),
    "UDP of 7 bytes": (wire.ethernet(wire.ipv4(bytes(7), protocol=17), 0x0800), "udp_header"),
    "UDP with length 7": (
        wire.ethernet(wire.ipv4(wire.udp(b"x", length=7), protocol=17), 0x0800),
        "udp_header",
    ),
    "UDP beyond the packet": (
        wire.ethernet(wire.ipv4(wire.udp(b"x", length=10), protocol=17), 0x0800),
        "udp_header",
    ),
}


@pytest.mark.parametrize(("frame", "expected"), EARLY.values(), ids=EARLY.keys())
def test_a_walk_that_ends_early_says_why(frame: Seen | bytes, expected: str) -> None:
    """One reason for each kind of defect."""
    assert reason(frame) == expected


def test_tags_are_read_from_the_outside_in() -> None:
    """In the frame, and the one that the kernel took out of it."""
    tags = [(0x88A8, 0x2000 | 100), (0x8100, 7), (0x9100, 0x0FFF)]
    found = packet(Seen(wire.ethernet(IP4, 0x0800, tags), tag=(0xE000 | 42, 0x8100)))
    assert found.layers == ("vlan", "qinq", "vlan", "qinq")
    assert found.vlans == (42, 100, 7, 0x0FFF)
    assert found.payload == LOGIN


def test_of_many_tags_the_inner_four_are_named() -> None:
    """Eight tags are stepped over, four fit into a row."""
    found = packet(wire.ethernet(IP4, 0x0800, [(0x8100, n) for n in range(1, 9)]))
    assert (len(found.layers), found.vlans) == (8, (5, 6, 7, 8))


def test_extension_headers_are_stepped_over() -> None:
    """Hop-by-hop, routing, destination options, mobility, authentication, a fragment that is whole."""
    extensions = [
        (0, bytes(7)),
        (43, b"\1" + bytes(14)),
        (60, bytes(7)),
        (135, bytes(7)),
        (51, b"\4" + bytes(22)),
        (44, bytes(7)),
    ]
    assert packet(wire.ethernet(wire.ipv6(SEGMENT, extensions=extensions), 0x86DD)).payload == LOGIN


def test_padding_behind_the_packet_is_not_payload() -> None:
    """Short frames are filled up on the wire."""
    found = decoded(ETH + bytes(46))
    assert (found.payload_length, found.missing) == (len(LOGIN), 0)


def test_bytes_that_were_not_captured_are_missing() -> None:
    """A snap length cuts the payload; the IP header tells how much."""
    found = decoded(Seen(ETH[:-10], length=len(ETH)))
    assert (found.payload_length, found.missing) == (len(LOGIN) - 10, 10)


@pytest.mark.parametrize("cut", [0, 10])
@pytest.mark.parametrize("version", [4, 6])
def test_a_length_of_zero_means_as_long_as_the_frame(version: int, cut: int) -> None:
    """Segmentation offload: the frame was bigger than the field, or the field was left to the card."""
    frame = (
        wire.ethernet(wire.ipv4(SEGMENT, total=0), 0x0800)
        if version == 4
        else wire.ethernet(wire.ipv6(SEGMENT, length=0), 0x86DD)
    )
    found = decoded(Seen(frame[: len(frame) - cut], length=len(frame)))
    assert (found.payload_length, found.missing) == (len(LOGIN) - cut, cut)


def test_a_frame_bigger_than_any_field_is_read_whole() -> None:
    """180 kB, as generic receive offload makes them."""
    big = wire.ethernet(wire.ipv4(wire.tcp(LOGIN + b"x" * 180_000), total=0), 0x0800)
    assert decoded(big).payload_length == len(LOGIN) + 180_000


def test_udp_without_a_length_takes_what_ip_says() -> None:
    """Segmentation offload again."""
    frame = wire.ethernet(wire.ipv4(wire.udp(wire.dns("pool.example"), length=0), protocol=17), 0x0800)
    assert reason(frame) == "dns_listed"


def test_tcp_fields_are_what_was_sent() -> None:
    """Numbers above 2^31 and options included."""
    segment = wire.tcp(LOGIN, 1, 65_535, seq=0xFFFFFFFE, ack=0x80000001, flags=0xFF, options=b"\1" * 40)
    found = packet(wire.ethernet(wire.ipv4(segment, options=b"\1" * 40), 0x0800))
    assert (found.source_port, found.destination_port, found.tcp_flags) == (1, 65_535, 0xFF)
    assert (found.sequence, found.acknowledgement, found.payload) == (0xFFFFFFFE, 0x80000001, LOGIN)
    assert (found.source, found.destination) == (wire.packed(wire.MINER), wire.packed(wire.POOL))
