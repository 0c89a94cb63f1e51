"""Headers once more, readably: the plain twin of ``headers.py``.

In: the bytes of one frame and its link type.  Out: a :class:`Found`, or :class:`Refused` with the reason.
Never: used in production for judging frames; labels of access sessions are read with it (:mod:`sniffer.owners.labels`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sniffer.gate import kinds, reasons
from sniffer.gate.headers import MAX_HEADERS, MAX_IPV6_HEADERS, TCP, UDP
from sniffer.gate.plain_links import Refused, link_header, need, u16, u32
from sniffer.gate.plain_tunnels import add_layer, add_vlan, open_datagram, open_layer, open_protocol, open_tag

if TYPE_CHECKING:
    from collections.abc import Callable


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
    identity: int = 0
    place: int = 0
    start: int = -1
    slot: int = -1
    hash: int = 0
    side: int = 0
    depth: int = 0
    layers: int = 0
    vlans: int = 0
    reason: int = 0
    frame: int = 0
    clock: int = 0
    memory: int = 0
    opener: int = 0


def decode(data: bytes, at: int, cut: int, link: int, tag: tuple[int, int], found: Found) -> None:
    """Walk from the link header to TCP or UDP.

    ``data`` ends with what was captured of the frame, ``cut`` bytes before the frame did.  ``tag``: what the
    kernel took out of the frame, TCI and EtherType, or zeros.
    """
    tci, vlan_protocol = tag
    if vlan_protocol:
        add_vlan(found, tci, vlan_protocol)
    kind, at = link_header(data, at, link)
    walk(data, at, cut, kind, found)


def untold(data: bytes, at: int, kind: int) -> None:
    """Nobody listens to :func:`walk`."""


def walk(
    data: bytes,
    at: int,
    cut: int,
    kind: int,
    found: Found,
    tell: Callable[[bytes, int, int], None] = untold,
) -> None:
    """Read one header after another until TCP or UDP.

    ``tell`` is told of each wrapping but IP and VLAN tags: where it starts, and its kind; of a datagram, where its payload does.
    """
    for _ in range(MAX_HEADERS):
        if kind in (kinds.IPV4, kinds.IPV6):
            read = ipv4 if kind == kinds.IPV4 else ipv6
            kind, at, claimed, is_fragment = read(data, at, cut, found)
            cut = max(claimed - len(data), 0)
            data = data[:claimed]
            if is_fragment:
                found.protocol, found.payload = kind - kinds.PROTOCOL, at
                found.payload_length, found.missing = max(len(data) - at, 0), cut
                raise Refused(reasons.FRAGMENT)
        elif kind == kinds.PROTOCOL + TCP:
            found.protocol = TCP
            tcp(data, at, cut, found)
            return
        elif kind == kinds.PROTOCOL + UDP:
            found.protocol = UDP
            udp(data, at, cut, found)
            data, cut = data[: found.payload + found.payload_length], found.missing
            tell(data, found.payload, kind)
            step = open_datagram(data, found.payload, found)
            if step is None:
                return
            kind, at = step
        elif kind in (kinds.VLAN, kinds.QINQ, kinds.QINQ_OLD):
            kind, at = open_tag(data, at, kind, found)
        elif kind >= kinds.PROTOCOL:
            tell(data, at, kind)
            kind, at = open_protocol(data, at, kind - kinds.PROTOCOL, found)
        else:
            tell(data, at, kind)
            kind, at = open_layer(data, at, kind, found)
    raise Refused(reasons.TUNNEL_DEPTH)


def ipv4(data: bytes, at: int, cut: int, found: Found) -> tuple[int, int, int, bool]:
    """Read an IPv4 header: kind and offset of its payload, where it claims to end, whether it is a fragment."""
    need(data, at + 20, reasons.IPV4_TRUNCATED)
    header = (data[at] & 0x0F) * 4
    if data[at] >> 4 != 4 or header < 20:
        raise Refused(reasons.IPV4_HEADER)
    need(data, at + header, reasons.IPV4_TRUNCATED)
    total = u16(data, at + 2) or len(data) - at + cut
    if total < header:
        raise Refused(reasons.IPV4_HEADER)
    found.family, found.source, found.destination = 4, at + 12, at + 16
    field = u16(data, at + 6) & 0x3FFF
    if field:
        found.identity, found.place = u16(data, at + 4), (field & 0x1FFF) * 8 + bool(field & 0x2000)
    return kinds.PROTOCOL + data[at + 9], at + header, at + total, bool(field)


def ipv6(data: bytes, at: int, cut: int, found: Found) -> tuple[int, int, int, bool]:
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
            return kinds.PROTOCOL + protocol, at, claimed, False
        need(data, at + 8, reasons.IPV6_TRUNCATED)
        if protocol == 44 and u16(data, at + 2) & 0xFFF9:
            found.identity, found.place = u32(data, at + 4), u16(data, at + 2) & 0xFFF9
            return kinds.PROTOCOL + data[at], at + 8, claimed, True
        if protocol == 51:
            add_layer(found, kinds.LAYER_AH)
        size = {44: 8, 51: (data[at + 1] + 2) * 4}.get(protocol, (data[at + 1] + 1) * 8)
        protocol, at = data[at], at + size
        need(data, at, reasons.IPV6_TRUNCATED)
    raise Refused(reasons.IPV6_HEADER)


def tcp(data: bytes, at: int, cut: int, found: Found) -> None:
    """Read a TCP header; ``data`` ends where it was captured, or where the IP header says."""
    need(data, at + 20, reasons.TCP_HEADER)
    header = (data[at + 12] >> 4) * 4
    if header < 20:
        raise Refused(reasons.TCP_HEADER)
    need(data, at + header, reasons.TCP_HEADER)
    found.source_port, found.destination_port = u16(data, at), u16(data, at + 2)
    found.sequence, found.acknowledgement = u32(data, at + 4), u32(data, at + 8)
    found.tcp_flags = data[at + 13]
    found.payload = at + header
    found.payload_length = len(data) - found.payload
    found.missing = cut


def udp(data: bytes, at: int, cut: int, found: Found) -> None:
    """Read a UDP header."""
    need(data, at + 8, reasons.UDP_HEADER)
    claimed = len(data) + cut
    length = u16(data, at + 4) or claimed - at
    if length < 8 or at + length > claimed:
        raise Refused(reasons.UDP_HEADER)
    stop = min(len(data), at + length)
    found.source_port, found.destination_port = u16(data, at), u16(data, at + 2)
    found.sequence = found.acknowledgement = found.tcp_flags = 0
    found.payload = at + 8
    found.payload_length = stop - found.payload
    found.missing = at + length - stop
