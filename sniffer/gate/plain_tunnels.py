"""Wrappings once more, readably: the plain twin of ``tunnels.py``.

In: the bytes of one frame, where a header starts and what kind it is.  Out: the next kind and where it starts.
Never: used in production for judging frames; labels of access sessions are read with it (:mod:`sniffer.owners.labels`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sniffer.gate import kinds, reasons, tunnels
from sniffer.gate.hashing import MASK
from sniffer.gate.plain_links import Refused, need, u16, u32

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffer.gate.plain_headers import Found

Step: TypeAlias = tuple[int, int]  # kind of the next header, offset of it

NEXT_PROTOCOL = {1: kinds.IPV4, 2: kinds.IPV6, 3: kinds.ETHERNET, 4: kinds.NSH, 5: kinds.MPLS}
PPP_NUMBERS = {0x21: kinds.IPV4, 0x57: kinds.IPV6, 0x281: kinds.MPLS, 0x283: kinds.MPLS}


def add_layer(found: Found, layer: int) -> None:
    """Note one more wrapping."""
    if found.depth == kinds.MAX_DEPTH:
        raise Refused(reasons.TUNNEL_DEPTH)
    found.depth += 1
    found.layers = (found.layers << 8 | layer) & MASK


def add_vlan(found: Found, tci: int, ethertype: int) -> None:
    """Note one more tag."""
    add_layer(found, kinds.LAYER_VLAN if ethertype == kinds.VLAN else kinds.LAYER_QINQ)
    found.vlans = (found.vlans << 16 | tci & 0x0FFF) & MASK


# ── what an EtherType or a link announces ────────────────────────────────────────────────────────────────


def open_tag(data: bytes, at: int, kind: int, found: Found) -> Step:
    """Step over a VLAN tag."""
    need(data, at + 4, reasons.LINK_TRUNCATED)
    add_vlan(found, u16(data, at), kind)
    return u16(data, at + 2), at + 4


def open_layer(data: bytes, at: int, kind: int, found: Found) -> Step:
    """Step over one header that is neither IP nor a VLAN tag."""
    if kind != kinds.NOTHING and kind <= kinds.MAX_LLC:
        kind = kinds.LLC
    match kind:
        case kinds.ETHERNET:
            need(data, at + 14, reasons.ETHERNET_TRUNCATED)
            return u16(data, at + 12), at + 14
        case kinds.IP:
            need(data, at + 1, reasons.LINK_TRUNCATED)
            return {4: kinds.IPV4, 6: kinds.IPV6}.get(data[at] >> 4, kinds.NOTHING), at
        case kinds.LLC:
            return llc(data, at)
        case kinds.WLAN | kinds.WLAN_PADDED:
            return wlan(data, at, padded=kind == kinds.WLAN_PADDED)
        case kinds.PPPOE:
            need(data, at + 8, reasons.PPPOE_HEADER)
            if data[at] != 0x11:
                raise Refused(reasons.PPPOE_HEADER)
            if data[at + 1] != 0:
                raise Refused(reasons.ETHERTYPE)
            add_layer(found, kinds.LAYER_PPPOE)
            return kinds.PPP, at + 6
        case kinds.PPP:
            return ppp(data, at)
        case kinds.MPLS | kinds.MPLS_MULTICAST:
            return mpls(data, at, found)
        case kinds.VNTAG | kinds.ETAG:
            size = 4 if kind == kinds.VNTAG else 6
            need(data, at + size + 2, reasons.LINK_TRUNCATED)
            add_layer(found, kinds.LAYER_VNTAG)
            return u16(data, at + size), at + size + 2
        case kinds.PBB:
            add_layer(found, kinds.LAYER_PBB)
            return kinds.ETHERNET, at + 4
        case kinds.NSH:
            need(data, at + 8, reasons.NSH_HEADER)
            size = (data[at + 1] & 0x3F) * 4
            if size < 8 or data[at] >> 6:
                raise Refused(reasons.NSH_HEADER)
            add_layer(found, kinds.LAYER_NSH)
            return NEXT_PROTOCOL.get(data[at + 3], kinds.NOTHING), at + size
        case kinds.MACSEC:
            return macsec(data, at, found)
        case _:
            raise Refused(reasons.ETHERTYPE)


def llc(data: bytes, at: int) -> Step:
    """LLC with SNAP, or the access point of IP."""
    need(data, at + 3, reasons.LINK_TRUNCATED)
    head = data[at : at + 3]
    if head == b"\x06\x06\x03":
        return kinds.IP, at + 3
    if head != b"\xaa\xaa\x03":
        raise Refused(reasons.ETHERTYPE)
    need(data, at + 8, reasons.LINK_TRUNCATED)
    if data[at + 3 : at + 6] not in (b"\0\0\0", b"\0\0\xf8"):
        raise Refused(reasons.ETHERTYPE)
    return u16(data, at + 6), at + 8


def wlan(data: bytes, at: int, *, padded: bool) -> Step:
    """802.11 data frame."""
    need(data, at + 24, reasons.WLAN_HEADER)
    control, flags = data[at], data[at + 1]
    if control & 0x0F != 0x08 or control & 0x40:
        raise Refused(reasons.ETHERTYPE)
    if flags & 0x40:
        raise Refused(reasons.WLAN_PROTECTED)
    size = 24 + 6 * (flags & 3 == 3)
    if control & 0x80:
        size += 6 if flags & 0x80 else 2
    if padded:
        size = -(-size // 4) * 4
    return kinds.LLC, at + size


def ppp(data: bytes, at: int) -> Step:
    """PPP, with or without address and control, with a protocol number of one or two bytes."""
    if data[at : at + 2] == b"\xff\x03":
        at += 2
    need(data, at + 2, reasons.PPP_HEADER)
    size = 1 if data[at] & 1 else 2
    number = int.from_bytes(data[at : at + size], "big")
    at += size
    if number in PPP_NUMBERS:
        return PPP_NUMBERS[number], at
    if number == 0x31:
        return kinds.ETHERNET, at + 2
    raise Refused(reasons.PPP_COMPRESSED if number in (0x3D, 0xFD, 0xFB) else reasons.ETHERTYPE)


def mpls(data: bytes, at: int, found: Found) -> Step:
    """MPLS labels, then IP or a pseudowire."""
    bottom = False
    while not bottom:
        need(data, at + 4, reasons.MPLS_HEADER)
        add_layer(found, kinds.LAYER_MPLS)
        bottom = bool(data[at + 2] & 1)
        at += 4
    if is_ip(data, at):
        return kinds.IP, at
    has_word = at < len(data) and data[at] >> 4 == 0 and is_ethernet(data, at + 4)
    if has_word:
        at += 4
    elif not is_ethernet(data, at):
        raise Refused(reasons.ETHERTYPE)
    add_layer(found, kinds.LAYER_PSEUDOWIRE)
    return kinds.ETHERNET, at


def is_ip(data: bytes, at: int) -> bool:
    """Whether an IP header may start here."""
    head = data[at : at + 40]
    if len(head) < 20:
        return False
    if head[0] >> 4 == 4:
        size, total = (head[0] & 0x0F) * 4, u16(head, 2)
        return size >= 20 and (total >= size or total == 0) and head[8] != 0
    return head[0] >> 4 == 6 and len(head) == 40 and head[7] != 0


def is_ethernet(data: bytes, at: int) -> bool:
    """Whether an Ethernet header with something readable may start here."""
    if at + 18 > len(data):
        return False
    kind = u16(data, at + 12)
    if kind in (kinds.IPV4, kinds.IPV6):
        return data[at + 14] >> 4 == (4 if kind == kinds.IPV4 else 6)
    if kind <= kinds.MAX_LLC:
        return data[at + 14 : at + 17] == b"\xaa\xaa\x03"
    return kind in (kinds.VLAN, kinds.QINQ, kinds.QINQ_OLD, kinds.MPLS, kinds.PPPOE, 0x0806)


def macsec(data: bytes, at: int, found: Found) -> Step:
    """MACsec without encryption."""
    need(data, at + 6, reasons.MACSEC_HEADER)
    if data[at] & 0x0C:
        raise Refused(reasons.MACSEC_ENCRYPTED)
    size = 14 if data[at] & 0x20 else 6
    need(data, at + size + 2, reasons.MACSEC_HEADER)
    add_layer(found, kinds.LAYER_MACSEC)
    return u16(data, at + size), at + size + 2


# ── what an IP protocol number announces ─────────────────────────────────────────────────────────────────


def open_protocol(data: bytes, at: int, protocol: int, found: Found) -> Step:
    """Step into a protocol that may carry IP."""
    match protocol:
        case tunnels.IPV4_IN_IP:
            add_layer(found, kinds.LAYER_4IN4 if found.family == 4 else kinds.LAYER_4IN6)
            return kinds.IPV4, at
        case tunnels.IPV6_IN_IP:
            add_layer(found, kinds.LAYER_6IN4 if found.family == 4 else kinds.LAYER_6IN6)
            return kinds.IPV6, at
        case tunnels.GRE:
            return gre(data, at, found)
        case tunnels.L2TP:
            need(data, at + 4, reasons.L2TP_HEADER)
            if u32(data, at) == 0:
                raise Refused(reasons.IP_PROTOCOL)
            return l2tp_payload(data, at + 4, found)
        case tunnels.AH:
            need(data, at + 8, reasons.AH_HEADER)
            add_layer(found, kinds.LAYER_AH)
            return kinds.PROTOCOL + data[at], at + (data[at + 1] + 2) * 4
        case tunnels.ETHERIP:
            need(data, at + 2, reasons.ETHERIP_HEADER)
            if data[at] != 0x30:
                raise Refused(reasons.ETHERIP_HEADER)
            add_layer(found, kinds.LAYER_ETHERIP)
            return kinds.ETHERNET, at + 2
        case tunnels.MPLS_IN_IP:
            return kinds.MPLS, at
        case _ if found.family == 6 and protocol in tunnels.IPV6_EXTENSIONS:
            need(data, at + 8, reasons.IPV6_TRUNCATED)
            return kinds.PROTOCOL + data[at], at + (data[at + 1] + 1) * 8
        case _:
            hidden = {tunnels.ESP: reasons.ESP, tunnels.IPCOMP: reasons.IPCOMP}
            raise Refused(hidden.get(protocol, reasons.IP_PROTOCOL))


def gre(data: bytes, at: int, found: Found) -> Step:
    """GRE and the version of PPTP."""
    need(data, at + 4, reasons.GRE_HEADER)
    flags, kind = u16(data, at), u16(data, at + 2)
    version = flags & 7
    if version > 1 or flags & 0x4000:
        raise Refused(reasons.GRE_HEADER)
    sequenced = bool(flags & 0x1000)
    if version == 1 and not sequenced:
        raise Refused(reasons.ETHERTYPE)
    at += 4 + 4 * (bool(flags & 0x8000) + bool(flags & 0x2000) + sequenced)
    if version == 1 and flags & 0x0080:
        at += 4
    add_layer(found, kinds.LAYER_GRE)
    if kind in (kinds.ERSPAN, kinds.ERSPAN_III):
        return erspan(data, at, found, kind, sequenced=sequenced)
    if kind == 0x883E:
        return kinds.IP, at if data[at : at + 1] and data[at] >> 4 == 4 else at + 4
    if kind & 0xF == 0 and (0x8200 <= kind <= 0x83F0 or 0x9000 <= kind <= 0x93F0):
        add_layer(found, kinds.LAYER_WLAN)
        return kinds.WLAN, at
    if kind <= kinds.MAX_LLC:
        return kinds.NOTHING, at
    return {kinds.TRANSPARENT_ETHERNET: kinds.ETHERNET, kinds.PPP_IN_GRE: kinds.PPP}.get(kind, kind), at


def erspan(data: bytes, at: int, found: Found, kind: int, *, sequenced: bool) -> Step:
    """ERSPAN of all three types."""
    add_layer(found, kinds.LAYER_ERSPAN)
    if kind == kinds.ERSPAN:
        return kinds.ETHERNET, at + 8 * sequenced
    need(data, at + 12, reasons.ERSPAN_HEADER)
    frame, has_more = (data[at + 10] >> 2) & 0x1F, data[at + 11] & 1
    return {0: kinds.ETHERNET, 2: kinds.IP}.get(frame, kinds.NOTHING), at + 12 + 8 * has_more


def l2tp_payload(data: bytes, at: int, found: Found) -> Step:
    """What lies behind an L2TPv3 session id and a cookie of unknown length."""
    add_layer(found, kinds.LAYER_L2TP)
    for inner in range(at, at + 16, 4):
        if is_ethernet(data, inner):
            return kinds.ETHERNET, inner
        if data[inner : inner + 2] == b"\xff\x03" and inner + 4 <= len(data):
            return kinds.PPP, inner
        if is_ip(data, inner):
            return kinds.IP, inner
    raise Refused(reasons.L2TP_HEADER)


# ── what a UDP port promises ─────────────────────────────────────────────────────────────────────────────


def vxlan(data: bytes, at: int, found: Found, *, generic: bool = False) -> Step | None:
    """VXLAN, also with the generic extension."""
    if not data[at] & 0x08 or data[at + 7]:
        return None
    add_layer(found, kinds.LAYER_VXLAN)
    if generic and data[at] & 0x04:
        return NEXT_PROTOCOL.get(data[at + 3], kinds.NOTHING), at + 8
    return kinds.ETHERNET, at + 8


def vxlan_gpe(data: bytes, at: int, found: Found) -> Step | None:
    """VXLAN-GPE."""
    return vxlan(data, at, found, generic=True)


def geneve(data: bytes, at: int, found: Found) -> Step | None:
    """Geneve."""
    if data[at] >> 6 or data[at + 7]:
        return None
    size = 8 + (data[at] & 0x3F) * 4
    need(data, at + size, reasons.GENEVE_HEADER)
    add_layer(found, kinds.LAYER_GENEVE)
    kind = u16(data, at + 2)
    if kind == kinds.TRANSPARENT_ETHERNET:
        kind = kinds.ETHERNET
    return kind if kind > kinds.MAX_LLC else kinds.NOTHING, at + size


def gtp(data: bytes, at: int, found: Found) -> Step | None:
    """GTP-U user data."""
    if data[at] >> 5 != 1 or not data[at] & 0x10 or data[at + 1] != 0xFF:
        return None
    options, following = data[at] & 7, 0
    at += 8
    if options:
        need(data, at + 4, reasons.GTP_HEADER)
        following = data[at + 3] if options & 4 else 0
        at += 4
    for _ in range(tunnels.MAX_GTP_EXTENSIONS):
        if following == 0:
            break
        need(data, at + 1, reasons.GTP_HEADER)
        size = data[at] * 4
        need(data, at + size, reasons.GTP_HEADER)
        if size == 0:
            raise Refused(reasons.GTP_HEADER)
        following = data[at + size - 1]
        at += size
    if following:
        raise Refused(reasons.GTP_HEADER)
    need(data, at + 1, reasons.GTP_HEADER)
    add_layer(found, kinds.LAYER_GTP)
    return kinds.ETHERNET if not is_ip(data, at) and is_ethernet(data, at) else kinds.IP, at


def l2tp(data: bytes, at: int, found: Found) -> Step | None:
    """L2TP of versions 2 and 3."""
    flags = u16(data, at)
    version = flags & 0x0F
    if flags & 0x8000 or version not in (2, 3):
        return None
    if version == 3:
        return l2tp_payload(data, at + 8, found)
    at += 6 + 2 * bool(flags & 0x4000) + 4 * bool(flags & 0x0800)
    if flags & 0x0200:
        need(data, at + 2, reasons.L2TP_HEADER)
        at += 2 + u16(data, at)
    add_layer(found, kinds.LAYER_L2TP)
    return kinds.PPP, at


def teredo(data: bytes, at: int, found: Found) -> Step | None:
    """Teredo with its optional fields."""
    if data[at : at + 2] == b"\0\1":
        at += 13 + data[at + 2] + data[at + 3]
    if data[at : at + 2] == b"\0\0" and at + 8 <= len(data):
        at += 8
    if at + 40 > len(data) or data[at] >> 4 != 6 or at + 40 + u16(data, at + 4) > len(data):
        return None
    add_layer(found, kinds.LAYER_TEREDO)
    return kinds.IPV6, at


def mpls_in_udp(_data: bytes, at: int, _found: Found) -> Step | None:
    """MPLS in UDP has no header of its own."""
    return kinds.MPLS, at


PORTS: dict[int, Callable[[bytes, int, Found], Step | None]] = {
    tunnels.VXLAN_PORT: vxlan,
    tunnels.VXLAN_OLD_PORT: vxlan,
    tunnels.VXLAN_GPE_PORT: vxlan_gpe,
    tunnels.GTP_PORT: gtp,
    tunnels.GENEVE_PORT: geneve,
    tunnels.L2TP_PORT: l2tp,
    tunnels.TEREDO_PORT: teredo,
    tunnels.GRE_PORT: gre,
    tunnels.MPLS_PORT: mpls_in_udp,
}


def open_datagram(data: bytes, at: int, found: Found) -> Step | None:
    """Step into a datagram whose port promises a tunnel; None: it is none."""
    opener = PORTS.get(found.destination_port) or PORTS.get(found.source_port)
    return opener(data, at, found) if opener and at + 8 <= len(data) else None
