"""Wrappings: tags, labels and tunnels, each opened by one kernel.

In: a frame's bounds, the kind of header that comes next.  Out: a reason, the kind of what lies behind it, and where.
Never: a read outside the frame, a loop without a bound, a look at addresses and ports (``headers.py``).

A kernel that finds its header whole notes the wrapping in the row.  A datagram whose port promises a tunnel and whose
bytes do not keep the promise is an ordinary datagram: :data:`~sniffer.gate.kinds.NO_TUNNEL`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sniffer.gate import kinds, reasons
from sniffer.gate.compiled import kernel
from sniffer.gate.integers import u16, u24, u32
from sniffer.gate.kinds import NOTHING, PROTOCOL, add_layer, add_vlan

# UDP ports that promise a tunnel (IANA; 8472 is what Linux used for VXLAN before the number was given).
L2TP_PORT: Final = 1701
GTP_PORT: Final = 2152
TEREDO_PORT: Final = 3544
GRE_PORT: Final = 4754
VXLAN_PORT: Final = 4789
VXLAN_GPE_PORT: Final = 4790
GENEVE_PORT: Final = 6081
MPLS_PORT: Final = 6635
VXLAN_OLD_PORT: Final = 8472

MAX_GTP_EXTENSIONS: Final = 8

# IP protocol numbers (IANA).
IPV4_IN_IP, IPV6_IN_IP, GRE, ESP, AH, ETHERIP, IPCOMP, L2TP, MPLS_IN_IP = 4, 41, 47, 50, 51, 97, 108, 115, 137
IPV6_EXTENSIONS: Final = (0, 43, 60, 135)  # hop-by-hop, routing, destination options, mobility


# ── what an EtherType or a link announces ────────────────────────────────────────────────────────────────


@kernel
def open_layer(data, at, end, kind, row):  # type: ignore[no-untyped-def]
    """Step over one header that is neither IP nor a VLAN tag: ``(reason, kind behind it, offset behind it)``."""
    if kind == kinds.NOTHING:
        return reasons.ETHERTYPE, NOTHING, at
    if kind == kinds.PPPOE:
        return pppoe(data, at, end, row)
    if kind == kinds.PPP:
        return ppp(data, at, end)
    if kind == kinds.MPLS or kind == kinds.MPLS_MULTICAST:
        return mpls(data, at, end, row)
    if kind == kinds.ETHERNET:
        if at + 14 > end:
            return reasons.ETHERNET_TRUNCATED, NOTHING, at
        return reasons.DECODED, u16(data, at + 12), at + 14
    if kind == kinds.IP:
        if at + 1 > end:
            return reasons.LINK_TRUNCATED, NOTHING, at
        version = data[at] >> 4
        if version == 4:
            return reasons.DECODED, kinds.IPV4, at
        return (reasons.DECODED, kinds.IPV6, at) if version == 6 else (reasons.ETHERTYPE, NOTHING, at)
    if kind <= kinds.MAX_LLC or kind == kinds.LLC:
        return llc(data, at, end)
    if kind == kinds.WLAN or kind == kinds.WLAN_PADDED:
        return wlan(data, at, end, kind == kinds.WLAN_PADDED)
    if kind == kinds.VNTAG or kind == kinds.ETAG:
        size = 4 if kind == kinds.VNTAG else 6
        if at + size + 2 > end:
            return reasons.LINK_TRUNCATED, NOTHING, at
        if not add_layer(row, kinds.LAYER_VNTAG):
            return reasons.TUNNEL_DEPTH, NOTHING, at
        return reasons.DECODED, u16(data, at + size), at + size + 2
    if kind == kinds.PBB:  # 802.1ah: an instance tag, then the customer's whole frame
        if not add_layer(row, kinds.LAYER_PBB):
            return reasons.TUNNEL_DEPTH, NOTHING, at
        return reasons.DECODED, kinds.ETHERNET, at + 4
    if kind == kinds.NSH:
        return nsh(data, at, end, row)
    if kind == kinds.MACSEC:
        return macsec(data, at, end, row)
    return reasons.ETHERTYPE, NOTHING, at


@kernel
def llc(data, at, end):  # type: ignore[no-untyped-def]
    """LLC (IEEE 802.2): the SNAP access point with an EtherType, or the one of IP."""
    if at + 3 > end:
        return reasons.LINK_TRUNCATED, NOTHING, at
    if data[at] == 0x06 and data[at + 1] == 0x06 and data[at + 2] == 0x03:
        return reasons.DECODED, kinds.IP, at + 3
    if data[at] != 0xAA or data[at + 1] != 0xAA or data[at + 2] != 0x03:
        return reasons.ETHERTYPE, NOTHING, at
    if at + 8 > end:
        return reasons.LINK_TRUNCATED, NOTHING, at
    organisation = u24(data, at + 3)
    if organisation != 0 and organisation != 0x0000F8:
        return reasons.ETHERTYPE, NOTHING, at
    return reasons.DECODED, u16(data, at + 6), at + 8


@kernel
def wlan(data, at, end, padded):  # type: ignore[no-untyped-def]
    """802.11 data frame (IEEE 802.11, section 9.3.2): three or four addresses, then LLC."""
    if at + 24 > end:
        return reasons.WLAN_HEADER, NOTHING, at
    if data[at] & 0x0F != 0x08 or data[at] & 0x40:  # not data, or data without a body
        return reasons.ETHERTYPE, NOTHING, at
    if data[at + 1] & 0x40:
        return reasons.WLAN_PROTECTED, NOTHING, at
    size = 24
    if data[at + 1] & 0x03 == 0x03:  # between access points: a fourth address
        size += 6
    if data[at] & 0x80:  # quality of service
        size += 2
        if data[at + 1] & 0x80:  # high throughput
            size += 4
    if padded:
        size = (size + 3) & ~3
    return reasons.DECODED, kinds.LLC, at + size


@kernel
def pppoe(data, at, end, row):  # type: ignore[no-untyped-def]
    """PPPoE session (RFC 2516): version and type, code 0, session, length; then PPP."""
    if at + 8 > end or data[at] != 0x11:
        return reasons.PPPOE_HEADER, NOTHING, at
    if data[at + 1] != 0:  # discovery
        return reasons.ETHERTYPE, NOTHING, at
    if not add_layer(row, kinds.LAYER_PPPOE):
        return reasons.TUNNEL_DEPTH, NOTHING, at
    return reasons.DECODED, kinds.PPP, at + 6


@kernel
def ppp(data, at, end):  # type: ignore[no-untyped-def]
    """PPP (RFC 1661, 1662): perhaps address and control, then a protocol number of one or two bytes."""
    if at + 2 <= end and data[at] == 0xFF and data[at + 1] == 0x03:
        at += 2
    if at + 2 > end:
        return reasons.PPP_HEADER, NOTHING, at
    number = np.int64(data[at])
    at += 1
    if number & 1 == 0:
        number = number << 8 | np.int64(data[at])
        at += 1
    if number == 0x21:
        return reasons.DECODED, kinds.IPV4, at
    if number == 0x57:
        return reasons.DECODED, kinds.IPV6, at
    if number == 0x281 or number == 0x283:
        return reasons.DECODED, kinds.MPLS, at
    if number == 0x31:  # bridged Ethernet (RFC 3518): flags and the kind of address
        return reasons.DECODED, kinds.ETHERNET, at + 2
    if number == 0x3D or number == 0xFD or number == 0xFB:
        return reasons.PPP_COMPRESSED, NOTHING, at
    return reasons.ETHERTYPE, NOTHING, at


@kernel
def mpls(data, at, end, row):  # type: ignore[no-untyped-def]
    """MPLS (RFC 3032): labels down to the bottom of the stack, then IP or a pseudowire, which only its bytes tell."""
    bottom = False
    while not bottom:
        if at + 4 > end:
            return reasons.MPLS_HEADER, NOTHING, at
        if not add_layer(row, kinds.LAYER_MPLS):
            return reasons.TUNNEL_DEPTH, NOTHING, at
        bottom = (data[at + 2] & 1) != 0
        at += 4
    if is_ip(data, at, end):
        return reasons.DECODED, kinds.IP, at
    # A control word (RFC 4385) begins with the digit 0, and so does many a manufacturer's address.
    word = at + 4 if at < end and data[at] >> 4 == 0 and is_ethernet(data, at + 4, end) else at
    if not is_ethernet(data, word, end):
        return reasons.ETHERTYPE, NOTHING, at
    if not add_layer(row, kinds.LAYER_PSEUDOWIRE):
        return reasons.TUNNEL_DEPTH, NOTHING, at
    return reasons.DECODED, kinds.ETHERNET, word


@kernel
def is_ip(data, at, end):  # type: ignore[no-untyped-def]
    """Whether an IP header may start here: version, and lengths that agree with themselves."""
    if at + 20 > end:
        return False
    if data[at] >> 4 == 4:
        header = (np.int64(data[at]) & 0x0F) * 4
        total = u16(data, at + 2)
        return header >= 20 and (total >= header or total == 0) and data[at + 8] != 0
    return data[at] >> 4 == 6 and at + 40 <= end and data[at + 7] != 0


@kernel
def is_ethernet(data, at, end):  # type: ignore[no-untyped-def]
    """Whether an Ethernet header with something readable may start here."""
    if at + 18 > end:
        return False
    kind = u16(data, at + 12)
    if kind == kinds.IPV4:
        return data[at + 14] >> 4 == 4
    if kind == kinds.IPV6:
        return data[at + 14] >> 4 == 6
    if kind <= kinds.MAX_LLC:
        return data[at + 14] == 0xAA and data[at + 15] == 0xAA and data[at + 16] == 0x03
    return (
        kind == kinds.VLAN
        or kind == kinds.QINQ
        or kind == kinds.QINQ_OLD
        or kind == kinds.MPLS
        or kind == kinds.PPPOE
        or kind == 0x0806  # ARP: nothing for us, but Ethernet for sure
    )


@kernel
def nsh(data, at, end, row):  # type: ignore[no-untyped-def]
    """Network service header (RFC 8300): its length in words of four bytes, the next protocol in the fourth byte."""
    if at + 8 > end:
        return reasons.NSH_HEADER, NOTHING, at
    size = (np.int64(data[at + 1]) & 0x3F) * 4
    if size < 8 or data[at] >> 6 != 0:
        return reasons.NSH_HEADER, NOTHING, at
    if not add_layer(row, kinds.LAYER_NSH):
        return reasons.TUNNEL_DEPTH, NOTHING, at
    return reasons.DECODED, next_of(np.int64(data[at + 3])), at + size


@kernel
def next_of(number):  # type: ignore[no-untyped-def]
    """Kind of a "next protocol" number of NSH and VXLAN-GPE."""
    if number == 1:
        return kinds.IPV4
    if number == 2:
        return kinds.IPV6
    if number == 3:
        return kinds.ETHERNET
    if number == 4:
        return kinds.NSH
    return kinds.MPLS if number == 5 else kinds.NOTHING


@kernel
def macsec(data, at, end, row):  # type: ignore[no-untyped-def]
    """MACsec (IEEE 802.1AE): integrity alone leaves the frame readable."""
    if at + 6 > end:
        return reasons.MACSEC_HEADER, NOTHING, at
    if data[at] & 0x0C:
        return reasons.MACSEC_ENCRYPTED, NOTHING, at
    size = 14 if data[at] & 0x20 else 6
    if at + size + 2 > end:
        return reasons.MACSEC_HEADER, NOTHING, at
    if not add_layer(row, kinds.LAYER_MACSEC):
        return reasons.TUNNEL_DEPTH, NOTHING, at
    return reasons.DECODED, u16(data, at + size), at + size + 2


# ── what an IP protocol number announces ─────────────────────────────────────────────────────────────────


@kernel
def open_protocol(data, at, end, protocol, row):  # type: ignore[no-untyped-def]
    """Step into a protocol that may carry IP."""
    if protocol == IPV4_IN_IP or protocol == IPV6_IN_IP:
        if protocol == IPV4_IN_IP:
            layer, kind = (kinds.LAYER_4IN4 if row.family == 4 else kinds.LAYER_4IN6), kinds.IPV4
        else:
            layer, kind = (kinds.LAYER_6IN4 if row.family == 4 else kinds.LAYER_6IN6), kinds.IPV6
        if not add_layer(row, layer):
            return reasons.TUNNEL_DEPTH, NOTHING, at
        return reasons.DECODED, kind, at
    if protocol == GRE:
        return gre(data, at, end, row)
    if protocol == L2TP:
        if at + 4 > end:
            return reasons.L2TP_HEADER, NOTHING, at
        if u32(data, at) == 0:  # control
            return reasons.IP_PROTOCOL, NOTHING, at
        return l2tp_payload(data, at + 4, end, row)
    if protocol == AH:
        if at + 8 > end:
            return reasons.AH_HEADER, NOTHING, at
        if not add_layer(row, kinds.LAYER_AH):
            return reasons.TUNNEL_DEPTH, NOTHING, at
        return reasons.DECODED, PROTOCOL + np.int64(data[at]), at + (np.int64(data[at + 1]) + 2) * 4
    if protocol == ETHERIP:
        if at + 2 > end or data[at] != 0x30:
            return reasons.ETHERIP_HEADER, NOTHING, at
        if not add_layer(row, kinds.LAYER_ETHERIP):
            return reasons.TUNNEL_DEPTH, NOTHING, at
        return reasons.DECODED, kinds.ETHERNET, at + 2
    if protocol == MPLS_IN_IP:
        return reasons.DECODED, kinds.MPLS, at
    if protocol == ESP:
        return reasons.ESP, NOTHING, at
    if row.family == 6 and protocol in IPV6_EXTENSIONS:  # behind a fragment header or an authentication
        if at + 8 > end:
            return reasons.IPV6_TRUNCATED, NOTHING, at
        return reasons.DECODED, PROTOCOL + np.int64(data[at]), at + (np.int64(data[at + 1]) + 1) * 8
    return (reasons.IPCOMP, NOTHING, at) if protocol == IPCOMP else (reasons.IP_PROTOCOL, NOTHING, at)


@kernel
def gre(data, at, end, row):  # type: ignore[no-untyped-def]
    """GRE (RFC 2784, 2890), and the version of PPTP (RFC 2637)."""
    if at + 4 > end:
        return reasons.GRE_HEADER, NOTHING, at
    flags = u16(data, at)
    kind = u16(data, at + 2)
    version = flags & 7
    if version > 1 or flags & 0x4000:  # source routes were never used, and went with RFC 2784
        return reasons.GRE_HEADER, NOTHING, at
    at += 4
    if flags & 0x8000:  # checksum
        at += 4
    if flags & 0x2000:  # key
        at += 4
    if flags & 0x1000:  # sequence number
        at += 4
    elif version == 1:
        return reasons.ETHERTYPE, NOTHING, at  # an acknowledgement of its own
    if version == 1 and flags & 0x0080:
        at += 4
    if not add_layer(row, kinds.LAYER_GRE):
        return reasons.TUNNEL_DEPTH, NOTHING, at
    if kind == kinds.TRANSPARENT_ETHERNET:
        return reasons.DECODED, kinds.ETHERNET, at
    if kind == kinds.PPP_IN_GRE:
        return reasons.DECODED, kinds.PPP, at
    if kind == kinds.ERSPAN or kind == kinds.ERSPAN_III:
        return erspan(data, at, end, kind, (flags & 0x1000) != 0, row)
    if kind == 0x883E:  # WCCP: version 2 puts four bytes before the packet
        return reasons.DECODED, kinds.IP, at if at < end and data[at] >> 4 == 4 else at + 4
    if kind & 0xF == 0 and (0x8200 <= kind <= 0x83F0 or 0x9000 <= kind <= 0x93F0):  # Aruba's access points
        if not add_layer(row, kinds.LAYER_WLAN):
            return reasons.TUNNEL_DEPTH, NOTHING, at
        return reasons.DECODED, kinds.WLAN, at
    return reasons.DECODED, kind if kind > kinds.MAX_LLC else NOTHING, at


@kernel
def erspan(data, at, end, kind, sequenced, row):  # type: ignore[no-untyped-def]
    """ERSPAN (draft-foschiano-erspan): type I without a header, II with 8 bytes, III with 12 and perhaps 8 more."""
    if not add_layer(row, kinds.LAYER_ERSPAN):
        return reasons.TUNNEL_DEPTH, NOTHING, at
    if kind == kinds.ERSPAN:
        return reasons.DECODED, kinds.ETHERNET, at + 8 if sequenced else at
    if at + 12 > end:
        return reasons.ERSPAN_HEADER, NOTHING, at
    frame = (np.int64(data[at + 10]) >> 2) & 0x1F
    size = 20 if data[at + 11] & 1 else 12
    if frame == 0:
        return reasons.DECODED, kinds.ETHERNET, at + size
    return reasons.DECODED, kinds.IP if frame == 2 else NOTHING, at + size


@kernel
def l2tp_payload(data, at, end, row):  # type: ignore[no-untyped-def]
    """What lies behind an L2TPv3 session id (RFC 3931).

    A cookie of 0, 4 or 8 bytes, perhaps 4 bytes of a sublayer, then Ethernet, PPP or IP.  The lengths are agreed out of
    sight, so the first that makes sense is taken.
    """
    if not add_layer(row, kinds.LAYER_L2TP):
        return reasons.TUNNEL_DEPTH, NOTHING, at
    for words in range(4):
        inner = at + 4 * words
        if is_ethernet(data, inner, end):
            return reasons.DECODED, kinds.ETHERNET, inner
        if inner + 4 <= end and data[inner] == 0xFF and data[inner + 1] == 0x03:
            return reasons.DECODED, kinds.PPP, inner
        if is_ip(data, inner, end):
            return reasons.DECODED, kinds.IP, inner
    return reasons.L2TP_HEADER, NOTHING, at


# ── what a UDP port promises ─────────────────────────────────────────────────────────────────────────────


@kernel
def is_tunnel_port(port):  # type: ignore[no-untyped-def]
    """Whether a port promises a tunnel."""
    return (
        port == VXLAN_PORT
        or port == GTP_PORT
        or port == GENEVE_PORT
        or port == L2TP_PORT
        or port == TEREDO_PORT
        or port == VXLAN_OLD_PORT
        or port == VXLAN_GPE_PORT
        or port == GRE_PORT
        or port == MPLS_PORT
    )


@kernel
def open_datagram(data, at, end, source, destination, row):  # type: ignore[no-untyped-def]
    """Step into a datagram by the port that promises a tunnel; the destination's counts first."""
    port = destination if is_tunnel_port(destination) else source
    if at + 8 > end:
        return reasons.DECODED, kinds.NO_TUNNEL, at
    if port == VXLAN_PORT or port == VXLAN_OLD_PORT or port == VXLAN_GPE_PORT:
        return vxlan(data, at, end, port == VXLAN_GPE_PORT, row)
    if port == GTP_PORT:
        return gtp(data, at, end, row)
    if port == GENEVE_PORT:
        return geneve(data, at, end, row)
    if port == L2TP_PORT:
        return l2tp(data, at, end, row)
    if port == TEREDO_PORT:
        return teredo(data, at, end, row)
    if port == GRE_PORT:
        return gre(data, at, end, row)
    return reasons.DECODED, kinds.MPLS, at


@kernel
def vxlan(data, at, end, generic, row):  # type: ignore[no-untyped-def]
    """VXLAN (RFC 7348) and its generic extension (draft-ietf-nvo3-vxlan-gpe), which names the inner protocol."""
    if data[at] & 0x08 == 0 or data[at + 7] != 0:
        return reasons.DECODED, kinds.NO_TUNNEL, at
    if not add_layer(row, kinds.LAYER_VXLAN):
        return reasons.TUNNEL_DEPTH, NOTHING, at
    if generic and data[at] & 0x04:
        return reasons.DECODED, next_of(np.int64(data[at + 3])), at + 8
    return reasons.DECODED, kinds.ETHERNET, at + 8


@kernel
def geneve(data, at, end, row):  # type: ignore[no-untyped-def]
    """Geneve (RFC 8926): options in words of four bytes, the inner EtherType in bytes 2 and 3."""
    if data[at] >> 6 != 0 or data[at + 7] != 0:
        return reasons.DECODED, kinds.NO_TUNNEL, at
    size = 8 + (np.int64(data[at]) & 0x3F) * 4
    if at + size > end:
        return reasons.GENEVE_HEADER, NOTHING, at
    if not add_layer(row, kinds.LAYER_GENEVE):
        return reasons.TUNNEL_DEPTH, NOTHING, at
    kind = u16(data, at + 2)
    if kind == kinds.TRANSPARENT_ETHERNET:
        kind = np.int64(kinds.ETHERNET)
    elif kind <= kinds.MAX_LLC:
        kind = np.int64(NOTHING)
    return reasons.DECODED, kind, at + size


@kernel
def gtp(data, at, end, row):  # type: ignore[no-untyped-def]
    """GTP-U (3GPP TS 29.281): user data is message 255; optional fields, then a chain of extension headers."""
    if data[at] >> 5 != 1 or data[at] & 0x10 == 0 or data[at + 1] != 0xFF:
        return reasons.DECODED, kinds.NO_TUNNEL, at
    options = data[at] & 0x07
    following = np.int64(0)
    at += 8
    if options:
        if at + 4 > end:
            return reasons.GTP_HEADER, NOTHING, at
        if options & 0x04:
            following = np.int64(data[at + 3])
        at += 4
    for _ in range(MAX_GTP_EXTENSIONS):
        if following == 0:
            break
        if at + 1 > end:
            return reasons.GTP_HEADER, NOTHING, at
        size = np.int64(data[at]) * 4
        if size == 0 or at + size > end:
            return reasons.GTP_HEADER, NOTHING, at
        following = np.int64(data[at + size - 1])
        at += size
    if following != 0 or at + 1 > end:
        return reasons.GTP_HEADER, NOTHING, at
    if not add_layer(row, kinds.LAYER_GTP):
        return reasons.TUNNEL_DEPTH, NOTHING, at
    if not is_ip(data, at, end) and is_ethernet(data, at, end):
        return reasons.DECODED, kinds.ETHERNET, at
    return reasons.DECODED, kinds.IP, at


@kernel
def l2tp(data, at, end, row):  # type: ignore[no-untyped-def]
    """L2TP over UDP: version 2 (RFC 2661) carries PPP, version 3 (RFC 3931) what was agreed on."""
    flags = u16(data, at)
    version = flags & 0x000F
    if flags & 0x8000 or version < 2 or version > 3:  # control, or something else
        return reasons.DECODED, kinds.NO_TUNNEL, at
    if version == 3:
        return l2tp_payload(data, at + 8, end, row)
    at += 2
    if flags & 0x4000:  # length
        at += 2
    at += 4  # tunnel and session
    if flags & 0x0800:  # sequence numbers
        at += 4
    if flags & 0x0200:  # offset
        if at + 2 > end:
            return reasons.L2TP_HEADER, NOTHING, at
        at += 2 + u16(data, at)
    if not add_layer(row, kinds.LAYER_L2TP):
        return reasons.TUNNEL_DEPTH, NOTHING, at
    return reasons.DECODED, kinds.PPP, at


@kernel
def teredo(data, at, end, row):  # type: ignore[no-untyped-def]
    """Teredo (RFC 4380): perhaps an authentication, perhaps an origin, then IPv6."""
    if data[at] == 0 and data[at + 1] == 1:
        at += 13 + np.int64(data[at + 2]) + np.int64(data[at + 3])
    if at + 8 <= end and data[at] == 0 and data[at + 1] == 0:
        at += 8
    if at + 40 > end or data[at] >> 4 != 6 or at + 40 + u16(data, at + 4) > end:
        return reasons.DECODED, kinds.NO_TUNNEL, at
    if not add_layer(row, kinds.LAYER_TEREDO):
        return reasons.TUNNEL_DEPTH, NOTHING, at
    return reasons.DECODED, kinds.IPV6, at


@kernel
def open_tag(data, at, end, kind, row):  # type: ignore[no-untyped-def]
    """Step over a VLAN tag (IEEE 802.1Q, 802.1ad)."""
    if at + 4 > end:
        return reasons.LINK_TRUNCATED, NOTHING, at
    if not add_vlan(row, u16(data, at), kind):
        return reasons.TUNNEL_DEPTH, NOTHING, at
    return reasons.DECODED, u16(data, at + 2), at + 4
