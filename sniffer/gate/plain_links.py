"""Link headers once more, readably: the plain twin of ``links.py``.

In: the bytes of one frame and its link type.  Out: the kind of what follows and where it starts, or Refused.
Never: used in production for judging frames; labels of access sessions are read with it (:mod:`sniffer.owners.labels`).
"""

from __future__ import annotations

from sniffer.gate import kinds, reasons
from sniffer.gate.links import MAX_NFLOG_FIELDS, MAX_RADIOTAP_WORDS, NFLOG_PAYLOAD, PRISM_HEADER


class Refused(Exception):  # noqa: N818  (an answer, not an error)
    """The header walk ended early."""

    def __init__(self, reason: int) -> None:
        super().__init__(reasons.REASONS[reason].name)
        self.reason = reason


def u16(data: bytes, at: int) -> int:
    """Big-endian 16-bit number."""
    return int.from_bytes(data[at : at + 2], "big")


def u32(data: bytes, at: int) -> int:
    """Big-endian 32-bit number."""
    return int.from_bytes(data[at : at + 4], "big")


def le16(data: bytes, at: int) -> int:
    """Little-endian 16-bit number."""
    return int.from_bytes(data[at : at + 2], "little")


def le32(data: bytes, at: int) -> int:
    """Little-endian 32-bit number."""
    return int.from_bytes(data[at : at + 4], "little")


def need(data: bytes, end: int, reason: int) -> None:
    """Refuse the frame when it ends before ``end``."""
    if end > len(data):
        raise Refused(reason)


ETHERNET_LIKE = {1: (12, 14), 113: (14, 16), 276: (0, 20)}  # offset of the EtherType, size of the header
WITHOUT_HEADER = {
    **dict.fromkeys((12, 14, 101, 228, 229), (kinds.IP, 0)),
    **dict.fromkeys((9, 50), (kinds.PPP, 0)),
    166: (kinds.PPP, 2),
    51: (kinds.PPPOE, 0),
    10: (kinds.LLC, 13),
    105: (kinds.WLAN, 0),
}


def link_header(data: bytes, at: int, link: int) -> tuple[int, int]:
    """Step over the link header: kind of what follows, and the offset behind it."""
    if link in ETHERNET_LIKE:
        ethertype, size = ETHERNET_LIKE[link]
        need(data, at + size, reasons.LINK_TRUNCATED)
        return u16(data, at + ethertype), at + size
    if link in WITHOUT_HEADER:
        kind, size = WITHOUT_HEADER[link]
        return kind, at + size
    if link in (0, 108):
        return loopback(data, at)
    if link == 104:
        need(data, at + 4, reasons.LINK_TRUNCATED)
        if data[at : at + 2] == b"\xff\x03":
            return kinds.PPP, at
        return u16(data, at + 2), at + 4
    if link == 107:
        return frame_relay(data, at)
    if link == 239:
        return nflog(data, at)
    if link in (119, 127, 163, 192):
        return radio(data, at, link)
    raise Refused(reasons.LINK_TYPE)


def loopback(data: bytes, at: int) -> tuple[int, int]:
    """BSD loopback, in the writer's byte order."""
    need(data, at + 4, reasons.LINK_TRUNCATED)
    family = u32(data, at)
    if family > 0xFFFF:
        family = le16(data, at)
    if family not in (2, 10, 24, 28, 30):
        raise Refused(reasons.ETHERTYPE)
    return kinds.IPV4 if family == 2 else kinds.IPV6, at + 4


def frame_relay(data: bytes, at: int) -> tuple[int, int]:
    """Frame relay with the encapsulation of RFC 2427, or Cisco's."""
    address = data[at : at + 4]
    at += next((i for i, byte in enumerate(address) if byte & 1), len(address)) + 1
    need(data, at + 2, reasons.LINK_TRUNCATED)
    if data[at] != 0x03:
        return u16(data, at), at + 2
    at += 1
    if data[at] == 0:
        at += 1
    need(data, at + 1, reasons.LINK_TRUNCATED)
    if data[at] == 0xCC:
        return kinds.IPV4, at + 1
    if data[at] == 0x8E:
        return kinds.IPV6, at + 1
    if data[at] == 0x80 and at + 6 <= len(data):
        return u16(data, at + 4), at + 6
    raise Refused(reasons.ETHERTYPE)


def nflog(data: bytes, at: int) -> tuple[int, int]:
    """NFLOG: find the field with the packet."""
    at += 4
    for _ in range(MAX_NFLOG_FIELDS):
        need(data, at + 4, reasons.LINK_TRUNCATED)
        size, field = le16(data, at), le16(data, at + 2) & 0x7FFF
        if field == NFLOG_PAYLOAD:
            return kinds.IP, at + 4
        if size < 4:
            break
        at += -(-size // 4) * 4
    raise Refused(reasons.LINK_TRUNCATED)


def radio(data: bytes, at: int, link: int) -> tuple[int, int]:
    """802.11 behind Prism, AVS, radiotap or PPI."""
    need(data, at + 8, reasons.LINK_TRUNCATED)
    if link == 192 and le32(data, at + 4) != 105:
        raise Refused(reasons.LINK_TYPE)
    if link in (127, 192):
        size = le16(data, at + 2)
    else:
        size = u32(data, at + 4) if u32(data, at) >> 12 == 0x80211 else PRISM_HEADER
    if size < 8 or at + size > len(data):
        raise Refused(reasons.LINK_TRUNCATED)
    padded = link == 127 and is_padded(data[at : at + size])
    return kinds.WLAN_PADDED if padded else kinds.WLAN, at + size


def is_padded(header: bytes) -> bool:
    """Whether a radiotap header says that the 802.11 header is filled up to four bytes."""
    present = word = le32(header, 4)
    field = 8
    for _ in range(MAX_RADIOTAP_WORDS):
        if not word & 0x80000000 or field + 4 > len(header):
            break
        word, field = le32(header, field), field + 4
    if present & 1:
        field = -(-field // 8) * 8 + 8
    return bool(present & 2) and field < len(header) and bool(header[field] & 0x20)
