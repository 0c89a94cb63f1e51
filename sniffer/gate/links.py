"""Link headers: from the first byte of a frame to what it carries.

In: a frame's bounds and its LINKTYPE number.  Out: a reason, the kind of what follows, and where it starts.
Never: a read outside the frame, a header below the first.

Source: tcpdump.org/linktypes.html, and what it refers to.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sniffer.gate import kinds, reasons
from sniffer.gate.compiled import inlined, kernel
from sniffer.gate.integers import le16, le32, u16, u32

LINKS: Final = frozenset(
    {0, 1, 9, 10, 12, 14, 50, 51, 101, 104, 105, 107, 108, 113, 119, 127, 163, 166, 192, 228, 229, 239, 276}
)
"""Link types that are read: loopback, Ethernet, PPP, FDDI, raw IP, Cisco HDLC, 802.11 with and without radio headers,
frame relay, Linux cooked, NFLOG."""

RAW: Final = (12, 14, 101, 228, 229)
LOOPBACK: Final = (0, 108)
PPP_LINKS: Final = (9, 50, 166)
IPV6_FAMILIES: Final = (10, 24, 28, 30)  # AF_INET6 of Linux, NetBSD, FreeBSD, macOS
PRISM_HEADER: Final = 144
NFLOG_PAYLOAD: Final = 9
MAX_NFLOG_FIELDS: Final = 32
MAX_RADIOTAP_WORDS: Final = 8


@inlined
def link_header(data, at, end, link):  # type: ignore[no-untyped-def]
    """Step over the link header: ``(reason, kind, offset behind it)``."""
    if link == 1:  # Ethernet
        if at + 14 > end:
            return reasons.LINK_TRUNCATED, kinds.NOTHING, at
        return reasons.DECODED, u16(data, at + 12), at + 14
    if link == 113:  # Linux cooked
        if at + 16 > end:
            return reasons.LINK_TRUNCATED, kinds.NOTHING, at
        return reasons.DECODED, u16(data, at + 14), at + 16
    if link == 276:  # Linux cooked, version 2
        if at + 20 > end:
            return reasons.LINK_TRUNCATED, kinds.NOTHING, at
        return reasons.DECODED, u16(data, at), at + 20
    if link in RAW:
        return reasons.DECODED, kinds.IP, at
    if link in LOOPBACK:
        return loopback(data, at, end)
    if link in PPP_LINKS:
        if link == 166:  # a byte for the direction, and nothing in the place of the address
            at += 2
        return reasons.DECODED, kinds.PPP, at
    if link == 51:
        return reasons.DECODED, kinds.PPPOE, at
    if link == 104:  # Cisco HDLC: address, control, EtherType
        if at + 4 > end:
            return reasons.LINK_TRUNCATED, kinds.NOTHING, at
        if data[at] == 0xFF and data[at + 1] == 0x03:  # PPP on the same kind of line
            return reasons.DECODED, kinds.PPP, at
        return reasons.DECODED, u16(data, at + 2), at + 4
    if link == 107:
        return frame_relay(data, at, end)
    if link == 10:  # FDDI: frame control and two addresses, then LLC
        return reasons.DECODED, kinds.LLC, at + 13
    if link == 239:
        return nflog(data, at, end)
    return wlan_link(data, at, end, link)


@kernel
def loopback(data, at, end):  # type: ignore[no-untyped-def]
    """BSD loopback: the writer's own number for the address family, in the writer's byte order."""
    if at + 4 > end:
        return reasons.LINK_TRUNCATED, kinds.NOTHING, at
    family = u32(data, at)
    if family > 0xFFFF:
        family = le16(data, at)
    if family == 2:
        return reasons.DECODED, kinds.IPV4, at + 4
    if family in IPV6_FAMILIES:
        return reasons.DECODED, kinds.IPV6, at + 4
    return reasons.ETHERTYPE, kinds.NOTHING, at


@kernel
def frame_relay(data, at, end):  # type: ignore[no-untyped-def]
    """Frame relay (RFC 2427): an address of two to four bytes, 03, a pad, and a protocol identifier."""
    first = at
    while at < end and at - first < 4 and (data[at] & 1) == 0:
        at += 1
    at += 1
    if at + 2 > end:
        return reasons.LINK_TRUNCATED, kinds.NOTHING, at
    if data[at] != 0x03:  # Cisco: an EtherType behind the address
        return reasons.DECODED, u16(data, at), at + 2
    at += 1
    if data[at] == 0:
        at += 1
    if at + 1 > end:
        return reasons.LINK_TRUNCATED, kinds.NOTHING, at
    if data[at] == 0xCC:
        return reasons.DECODED, kinds.IPV4, at + 1
    if data[at] == 0x8E:
        return reasons.DECODED, kinds.IPV6, at + 1
    if data[at] == 0x80 and at + 6 <= end:  # SNAP
        return reasons.DECODED, u16(data, at + 4), at + 6
    return reasons.ETHERTYPE, kinds.NOTHING, at


@kernel
def nflog(data, at, end):  # type: ignore[no-untyped-def]
    """NFLOG: four bytes, then fields in the writer's byte order (little-endian is assumed), one of them the packet."""
    at += 4
    for _ in range(MAX_NFLOG_FIELDS):
        if at + 4 > end:
            return reasons.LINK_TRUNCATED, kinds.NOTHING, at
        size = le16(data, at)
        if le16(data, at + 2) & 0x7FFF == NFLOG_PAYLOAD:
            return reasons.DECODED, kinds.IP, at + 4
        if size < 4:
            return reasons.LINK_TRUNCATED, kinds.NOTHING, at
        at += (size + 3) & ~3
    return reasons.LINK_TRUNCATED, kinds.NOTHING, at


@kernel
def wlan_link(data, at, end, link):  # type: ignore[no-untyped-def]
    """802.11, alone or behind what a radio said of the frame: Prism, AVS, radiotap or PPI."""
    if link == 105:
        return reasons.DECODED, kinds.WLAN, at
    if link not in (119, 127, 163, 192):
        return reasons.LINK_TYPE, kinds.NOTHING, at
    if at + 8 > end:
        return reasons.LINK_TRUNCATED, kinds.NOTHING, at
    size = np.int64(0)
    if link == 127:
        return radiotap(data, at, end)
    if link == 192:  # PPI: version, flags, length, and the link type of what follows
        if le32(data, at + 4) != 105:
            return reasons.LINK_TYPE, kinds.NOTHING, at
        size = le16(data, at + 2)
    elif u32(data, at) & 0xFFFFF000 == 0x80211000:  # AVS, which also came with the number of Prism
        size = u32(data, at + 4)
    else:
        size = np.int64(PRISM_HEADER)
    if size < 8 or at + size > end:
        return reasons.LINK_TRUNCATED, kinds.NOTHING, at
    return reasons.DECODED, kinds.WLAN, at + size


@kernel
def radiotap(data, at, end):  # type: ignore[no-untyped-def]
    """Radiotap (radiotap.org): version, pad, length, words that say which fields follow, the fields.

    The second field tells whether the radio filled the 802.11 header up to four bytes.
    """
    size = le16(data, at + 2)
    if size < 8 or at + size > end:
        return reasons.LINK_TRUNCATED, kinds.NOTHING, at
    present = le32(data, at + 4)
    word = present
    field = at + 8
    for _ in range(MAX_RADIOTAP_WORDS):
        if (word & 0x80000000) == 0 or field + 4 > at + size:
            break
        word = le32(data, field)
        field += 4
    if present & 1:  # eight bytes of time, on their natural border
        field = at + ((field - at + 7) & ~7) + 8
    if (present & 2) and field < at + size and (data[field] & 0x20):
        return reasons.DECODED, kinds.WLAN_PADDED, at + size
    return reasons.DECODED, kinds.WLAN, at + size
