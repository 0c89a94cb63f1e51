"""Wrappings: through each of them the innermost packet is found, and the path to it is told."""

from __future__ import annotations

import pytest
from gate_frames import LOGIN, MINER, POOL, Seen, batch, ethernet, ipv4, ipv6, packed, tcp, udp
from gate_twins import Twins
from loadscript import script

rewrap = script("scripts/rewrap.py")
PACKETS = {4: ipv4(tcp(LOGIN)), 6: ipv6(tcp(LOGIN))}
CASES = [
    pytest.param(name, version, id=f"{name}-IPv{version}")
    for name, wrapping in rewrap.WRAPPINGS.items()
    for version in (4, 6)
    if wrapping.inner in (0, version)
]


def wrap(name: str, version: int, index: int = 0) -> Seen:
    """A login inside a wrapping."""
    wrapping = rewrap.WRAPPINGS[name]
    return Seen(wrapping.wrap(PACKETS[version], index), link=wrapping.link)


@pytest.mark.parametrize("index", range(5))
@pytest.mark.parametrize(("name", "version"), CASES)
def test_the_innermost_packet_is_found(name: str, version: int, index: int) -> None:
    """Addresses, ports and payload are those inside; the wrappings are named from the outside in."""
    frame = wrap(name, version, index)
    assert Twins(flows=8).judge([frame]) == ["json"]
    found = next(Twins(flows=8).gate.inspect(batch([frame])))
    ends = (MINER, POOL) if version == 4 else ("2001:db8::7", "2001:db8:1::9")
    assert (found.source, found.destination) == (packed(ends[0]), packed(ends[1]))
    assert (found.source_port, found.destination_port, found.payload) == (50_000, 3333, LOGIN)
    assert found.layers == rewrap.WRAPPINGS[name].layers


@pytest.mark.parametrize(("name", "version"), CASES)
def test_a_frame_cut_anywhere_is_decided_alike(name: str, version: int) -> None:
    """Whatever is left of a wrapped frame, both gates give one reason for it, the same."""
    frame = wrap(name, version)
    Twins(flows=64).judge(
        [Seen(frame.data[:size], link=frame.link, length=len(frame.data)) for size in range(len(frame.data))]
    )


def in_ip(protocol: int, content: bytes) -> bytes:
    """Content of an IP protocol in its frame."""
    return ethernet(ipv4(content, "192.0.2.1", "192.0.2.2", protocol=protocol), 0x0800)


def in_udp(port: int, content: bytes) -> bytes:
    """Content of a UDP port in its frame."""
    return in_ip(17, udp(content, 50_000, port))


INNER = ethernet(PACKETS[4], 0x0800)
ARP = ethernet(bytes(28), 0x0806)
FEW = {
    "MPLS, 40 labels": (ethernet(bytes(3) * 1 + b"".join(bytes(4) for _ in range(40)) + b"\0\0\1\0", 0x8847), "tunnel_depth"),
    "MPLS without a bottom": (ethernet(bytes(8), 0x8847), "mpls_header"),
    "MPLS, neither IP nor Ethernet": (ethernet(b"\0\0\1\x40" + b"\x90" * 40, 0x8847), "ethertype"),
    "GRE in GRE twenty times": (in_ip(47, b"\0\0\x08\0" + ipv4(b"\0\0\x08\0" + ipv4(bytes(4), protocol=47), protocol=47)), "ethertype"),
    "GRE with a source route": (in_ip(47, b"\x40\0\x08\0" + bytes(4) + PACKETS[4]), "gre_header"),
    "GRE of version 2": (in_ip(47, b"\0\2\x08\0" + PACKETS[4]), "gre_header"),
    "GRE cut": (in_ip(47, b"\0\0\x08"), "gre_header"),
    "GRE, NHRP": (in_ip(47, b"\0\0\x20\x01" + bytes(40)), "ethertype"),
    "GRE, keep-alive": (in_ip(47, bytes(4)), "ethertype"),
    "PPTP, acknowledgement alone": (in_ip(47, bytes.fromhex("2081880b0000006400000001")), "ethertype"),
    "ERSPAN III cut": (in_ip(47, bytes.fromhex("100022eb00000001") + bytes(11)), "erspan_header"),
    "ERSPAN III, not a frame": (in_ip(47, bytes.fromhex("100022eb00000001") + bytes(10) + b"\x1c\0" + bytes(40)), "ethertype"),
    "VXLAN, ARP inside": (in_udp(4789, b"\x08" + bytes(7) + ARP), "ethertype"),
    "VXLAN, frame cut": (in_udp(4789, b"\x08" + bytes(7) + INNER[:13]), "ethernet_truncated"),
    "VXLAN without its flag": (in_udp(4789, bytes(8) + INNER), "udp_other"),
    "VXLAN port, too short": (in_udp(4789, b"\x08"), "udp_other"),
    "Geneve of version 1": (in_udp(6081, b"\x40" + bytes(7) + INNER), "udp_other"),
    "Geneve options cut": (in_udp(6081, b"\x3f\0\x65\x58" + bytes(4)), "geneve_header"),
    "Geneve, unknown protocol": (in_udp(6081, bytes(8) + INNER), "ethertype"),
    "GTP echo": (in_udp(2152, bytes.fromhex("320100040000000000000000")), "udp_other"),
    "GTP extension of no length": (in_udp(2152, bytes.fromhex("34ff0000000000640000008500") + bytes(8)), "gtp_header"),
    "GTP extensions without end": (in_udp(2152, bytes.fromhex("34ff00000000006400000085") + bytes.fromhex("01000085") * 9), "gtp_header"),
    "L2TP control": (in_udp(1701, bytes.fromhex("c802000c0000000000000000")), "udp_other"),
    "L2TP offset beyond": (in_udp(1701, bytes.fromhex("020200640065ffff") + bytes(8)), "ppp_header"),
    "L2TPv3 control": (in_ip(115, bytes(12)), "ip_protocol"),
    "L2TPv3, unknown content": (in_ip(115, b"\0\0\0\x64" + b"\x90" * 40), "l2tp_header"),
    "Teredo, not IPv6": (in_udp(3544, bytes(40)), "udp_other"),
    "PPPoE discovery": (ethernet(bytes.fromhex("1109000000040101000000000000"), 0x8864), "ethertype"),
    "PPPoE of version 2": (ethernet(bytes.fromhex("2100006400020021") + PACKETS[4], 0x8864), "pppoe_header"),
    "EtherIP of version 4": (in_ip(97, b"\x40\0" + INNER), "etherip_header"),
    "ESP": (in_ip(50, bytes(40)), "esp"),
    "compressed": (in_ip(108, bytes(40)), "ipcomp"),
    "authentication cut": (in_ip(51, bytes(7)), "ah_header"),
    "MACsec encrypted": (ethernet(b"\x2c" + bytes(40), 0x88E5), "macsec_encrypted"),
    "MACsec cut": (ethernet(b"\0" + bytes(4), 0x88E5), "macsec_header"),
    "NSH of no length": (ethernet(bytes(8), 0x894F), "nsh_header"),
    "E-tag cut": (ethernet(bytes(7), 0x893F), "link_truncated"),
    "UDP-Lite": (in_ip(136, bytes(20)), "ip_protocol"),
}  # fmt: skip


@pytest.mark.parametrize(("frame", "reason"), FEW.values(), ids=FEW.keys())
def test_what_cannot_be_opened_says_why(frame: bytes, reason: str) -> None:
    """One reason for each kind of defect, and none for what is only not for us."""
    assert Twins(flows=8).judge([frame]) == [reason]


READABLE = {
    "MACsec with integrity alone": (
        ethernet(bytes(6) + b"\x08\0" + PACKETS[4], 0x88E5),
        ("macsec",),
    ),
    "E-tag": (ethernet(bytes(6) + b"\x08\0" + PACKETS[4], 0x893F), ("vntag",)),
    "WCCP version 2": (in_ip(47, b"\0\0\x88\x3e" + bytes(4) + PACKETS[4]), ("gre",)),
    "WCCP version 1": (in_ip(47, b"\0\0\x88\x3e" + PACKETS[4]), ("gre",)),
    "bridged Ethernet in PPP": (
        ethernet(bytes.fromhex("1100 0064 0000 0031 0001") + INNER, 0x8864),
        ("pppoe",),
    ),
    "MPLS in PPP": (
        ethernet(bytes.fromhex("1100 0064 0000 0281 00000140") + PACKETS[6], 0x8864),
        ("pppoe", "mpls"),
    ),
    "MPLS in IP": (in_ip(137, bytes.fromhex("00000140") + PACKETS[4]), ("mpls",)),
    "5G, Ethernet in GTP": (in_udp(2152, bytes.fromhex("30ff000000000064") + INNER), ("gtp",)),
    "L2TPv3 without a cookie": (in_ip(115, b"\0\0\0\x64" + INNER), ("l2tp",)),
    "L2TPv3, PPP": (
        in_ip(115, b"\0\0\0\x64" + bytes.fromhex("ff030021") + PACKETS[4]),
        ("l2tp",),
    ),
    "Teredo with authentication and origin": (
        in_udp(3544, bytes.fromhex("00010000") + bytes(9) + bytes(8) + PACKETS[6]),
        ("teredo",),
    ),
    "a tunnel of eight": (
        ethernet(in_ip(47, b"\0\0\x65\x58" + INNER)[14:], 0x0800, [(0x8100, 1)] * 7),
        ("vlan",) * 7 + ("gre",),
    ),
}


@pytest.mark.parametrize(("frame", "layers"), READABLE.values(), ids=READABLE.keys())
def test_variants_of_wrappings_are_opened(frame: bytes, layers: tuple[str, ...]) -> None:
    """What a specification leaves open is read as its writers wrote it."""
    assert Twins(flows=8).judge([frame]) == ["json"]
    found = next(Twins(flows=8).gate.inspect(batch([frame])))
    assert (found.payload, found.layers) == (LOGIN, layers)


def test_wrappings_end_at_eight() -> None:
    """A ninth is not opened, be it a tag or a tunnel."""
    nine = ethernet(in_ip(47, b"\0\0\x65\x58" + INNER)[14:], 0x0800, [(0x8100, 1)] * 8)
    assert Twins(flows=8).judge([nine]) == ["tunnel_depth"]
    packet = PACKETS[4]
    for _ in range(20):
        packet = ipv4(b"\0\0\x08\0" + packet, "192.0.2.1", "192.0.2.2", protocol=47)
    assert Twins(flows=8).judge([ethernet(packet, 0x0800)]) == ["tunnel_depth"]


def test_a_manufacturer_with_zeros_is_no_control_word() -> None:
    """The address 00:1b:… behind the labels begins with the digit of a control word and is none."""
    inner = bytes.fromhex("001b2f000001020000000002") + b"\x08\0" + PACKETS[4]
    frame = ethernet(bytes.fromhex("00000140") + inner, 0x8847)
    assert Twins(flows=8).judge([frame]) == ["json"]
    with_word = ethernet(bytes.fromhex("00000140 00000000") + inner, 0x8847)
    assert Twins(flows=8).judge([with_word]) == ["json"]
