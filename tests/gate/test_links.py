"""Link headers: each link type leads to the packet, and one that is cut says so."""

from __future__ import annotations

import pytest
from gate_frames import LOGIN, Seen, batch, ethernet, ipv4, ipv6, tcp
from gate_twins import Twins
from loadscript import script

rewrap = script("scripts/rewrap.py")
IP4, IP6 = ipv4(tcp(LOGIN)), ipv6(tcp(LOGIN))
SNAP = bytes.fromhex("aaaa03000000")
DATA = bytes.fromhex("0801") + bytes(22)  # an 802.11 data frame to the access point
WRAPPED = sorted(name for name, one in rewrap.WRAPPINGS.items() if one.link != 1 or name == "llc-snap")


def payload(data: bytes, link: int) -> bytes:
    """Payload of a frame that both gates let pass."""
    twins = Twins(flows=8)
    assert twins.judge([Seen(data, link=link)]) == ["json"]
    return next(Twins(flows=8).gate.inspect(batch([Seen(data, link=link)]))).payload


@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.parametrize("packet", [IP4, IP6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("index", range(3))
def test_each_link_layer_leads_to_the_packet(name: str, packet: bytes, index: int) -> None:
    """Frames that another script wrote by the specifications, in both versions of IP."""
    wrapping = rewrap.WRAPPINGS[name]
    assert payload(wrapping.wrap(packet, index), wrapping.link) == LOGIN


MORE = {
    "PPP without address and control": (9, bytes.fromhex("0021") + IP4),
    "PPP with a direction": (166, b"\1\0" + bytes.fromhex("0021") + IP4),
    "PPPoE alone": (51, bytes.fromhex("110000010057") + (2 + len(IP6)).to_bytes(2, "big")[:0] + b"\0W" + IP6),
    "PPP on a Cisco line": (104, bytes.fromhex("ff030021") + IP4),
    "frame relay of Cisco": (107, bytes.fromhex("18410800") + IP4),
    "frame relay with a longer address": (107, bytes.fromhex("1840404103cc") + IP4),
    "frame relay with a pad": (107, bytes.fromhex("184103008e") + IP6),
    "frame relay with SNAP": (107, bytes.fromhex("184103008000000008 00".replace(" ", "")) + IP4),
    "FDDI": (10, bytes(13) + SNAP + b"\x08\0" + IP4),
    "LLC of IP": (10, bytes(13) + b"\x06\x06\x03" + IP4),
    "LLC of bridged Ethernet": (10, bytes(13) + bytes.fromhex("aaaa030000f80800") + IP4),
    "802.11 between access points": (105, bytes.fromhex("0803") + bytes(28) + SNAP + b"\x08\0" + IP4),
    "802.11 with quality of service and high throughput": (
        105,
        bytes.fromhex("8881") + bytes(28) + SNAP + b"\x08\0" + IP4,
    ),
    "Prism": (119, bytes(144) + DATA + SNAP + b"\x08\0" + IP4),
    "AVS": (163, bytes.fromhex("8021100100000040") + bytes(56) + DATA + SNAP + b"\x08\0" + IP4),
    "AVS under the number of Prism": (
        119,
        bytes.fromhex("8021100100000040") + bytes(56) + DATA + SNAP + b"\x08\0" + IP4,
    ),
    "PPI": (192, bytes.fromhex("0000080069000000") + DATA + SNAP + b"\x86\xdd" + IP6),
    "radiotap with time and flags that say padding": (
        127,
        bytes.fromhex("0000 1800 03000000") + bytes(8) + b"\x20" + bytes(7)
        + bytes.fromhex("8801") + bytes(26) + SNAP + b"\x08\0" + IP4,
    ),
    "radiotap with more words": (
        127,
        bytes.fromhex("0000 0d00 02000080 00000000 20") + bytes.fromhex("8801") + bytes(26) + SNAP + b"\x08\0" + IP4,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("link", "data"), MORE.values(), ids=MORE.keys())
def test_variants_of_link_layers_lead_to_the_packet(link: int, data: bytes) -> None:
    """What a specification leaves open is read as its writers wrote it."""
    assert payload(data, link) == LOGIN


SKIPPED = {
    "802.11 beacon": (105, b"\x80" + bytes(40), "ethertype"),
    "802.11 without a body": (105, b"\x48" + bytes(40), "ethertype"),
    "802.11 encrypted": (105, b"\x08\x41" + bytes(40), "wlan_protected"),
    "802.11 cut": (105, bytes(23), "wlan_header"),
    "spanning tree": (1, ethernet(b"\x42\x42\x03" + bytes(40), 43), "ethertype"),
    "SNAP of another organisation": (1, ethernet(bytes.fromhex("aaaa0300000c2000") + bytes(40), 48), "ethertype"),
    "LLC cut": (1, ethernet(b"\xaa\xaa", 2), "link_truncated"),
    "SNAP cut": (1, ethernet(b"\xaa\xaa\x03\0\0", 5), "link_truncated"),
    "PPI of Ethernet": (192, bytes.fromhex("0000080001000000") + ethernet(IP4, 0x0800), "link_type"),
    "radiotap longer than the frame": (127, bytes.fromhex("0000ff0000000000") + DATA, "link_truncated"),
    "radiotap shorter than itself": (127, bytes.fromhex("0000040000000000") + DATA, "link_truncated"),
    "PPP, link control": (9, bytes.fromhex("ff03c021") + bytes(20), "ethertype"),
    "PPP compressed": (9, bytes.fromhex("ff0300fd") + bytes(20), "ppp_compressed"),
    "PPP in several links": (9, bytes.fromhex("003d") + bytes(20), "ppp_compressed"),
    "PPP cut": (9, b"\xff\x03\0", "ppp_header"),
    "NFLOG without a packet": (239, b"\2\0\0\0" + bytes.fromhex("08000100") + bytes(4), "link_truncated"),
    "NFLOG with a field of no length": (239, b"\2\0\0\0" + bytes.fromhex("0000010000000000"), "link_truncated"),
    "frame relay, management": (107, bytes.fromhex("18410308") + bytes(20), "ethertype"),
    "frame relay cut": (107, b"\x18\x41\x03", "link_truncated"),
    "Cisco HDLC cut": (104, b"\x0f\0\x08", "link_truncated"),
    "Prism cut": (119, bytes(100), "link_truncated"),
    "radio header cut": (127, bytes(7), "link_truncated"),
}  # fmt: skip


@pytest.mark.parametrize(("link", "data", "reason"), SKIPPED.values(), ids=SKIPPED.keys())
def test_what_holds_no_packet_says_why(link: int, data: bytes, reason: str) -> None:
    """One reason for each."""
    assert Twins(flows=8).judge([Seen(data, link=link)]) == [reason]
