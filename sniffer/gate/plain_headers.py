"""Headers once more, readably: the plain twin of ``headers.py``.

In: the bytes of one frame and its link type.  Out: a :class:`Found`, or :class:`Refused` with the reason.
Never: used in production.
"""

from __future__ import annotations

from dataclasses import dataclass

from sniffer.gate import reasons, rows
from sniffer.gate.hashing import MASK
from sniffer.gate.headers import MAX_IPV6_HEADERS


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
    side: int = 0
    depth: int = 0
    layers: int = 0
    vlans: int = 0
    reason: int = 0
    frame: int = 0


def u16(data: bytes, at: int) -> int:
    """Big-endian 16-bit number."""
    return int.from_bytes(data[at : at + 2], "big")


def need(data: bytes, end: int, reason: int) -> None:
    """Refuse the frame when it ends before ``end``."""
    if end > len(data):
        raise Refused(reason)


def decode(data: bytes, at: int, cut: int, link: int, tag: tuple[int, int], found: Found) -> None:
    """Walk from the link header to TCP or UDP.

    ``data`` ends with what was captured of the frame, ``cut`` bytes before the frame did.  ``tag``: what the
    kernel took out of the frame, TCI and EtherType, or zeros.
    """
    tci, vlan_protocol = tag
    if vlan_protocol:
        add_vlan(found, tci, vlan_protocol)
    ethertype, at = link_header(data, at, link)
    while ethertype in (0x8100, 0x88A8, 0x9100):
        need(data, at + 4, reasons.LINK_TRUNCATED)
        add_vlan(found, u16(data, at), ethertype)
        ethertype, at = u16(data, at + 2), at + 4
    if ethertype == 0x0800:
        at, claimed = ipv4(data, at, cut, found)
    elif ethertype == 0x86DD:
        at, claimed = ipv6(data, at, cut, found)
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


def ipv4(data: bytes, at: int, cut: int, found: Found) -> tuple[int, int]:
    """Read an IPv4 header: offset of its payload, and where it claims to end."""
    need(data, at + 20, reasons.IPV4_TRUNCATED)
    header = (data[at] & 0x0F) * 4
    if data[at] >> 4 != 4 or header < 20:
        raise Refused(reasons.IPV4_HEADER)
    need(data, at + header, reasons.IPV4_TRUNCATED)
    total = u16(data, at + 2) or len(data) - at + cut
    if total < header:
        raise Refused(reasons.IPV4_HEADER)
    if u16(data, at + 6) & 0x3FFF:
        raise Refused(reasons.FRAGMENT)
    found.family, found.source, found.destination, found.protocol = 4, at + 12, at + 16, data[at + 9]
    return at + header, at + total


def ipv6(data: bytes, at: int, cut: int, found: Found) -> tuple[int, int]:
    """Read an IPv6 header and its extensions: as :func:`ipv4`."""
    need(data, at + 40, reasons.IPV6_TRUNCATED)
    if data[at] >> 4 != 6:
        raise Refused(reasons.IPV6_HEADER)
    length = u16(data, at + 4)
    claimed = at + 40 + length if length else len(data) + cut
    found.family, found.source, found.destination = 6, at + 8, at + 24
    protocol, at = data[at + 6], at + 40
    for _ in range(MAX_IPV6_HEADERS):
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
