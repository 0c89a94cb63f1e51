"""From the first byte of a frame to its TCP or UDP payload.

In: the bytes of a batch, one frame's bounds and link type.  Out: a row with addresses, ports and offsets,
and :data:`~sniffer.gate.reasons.DECODED` or the reason why the walk ended early.
Never: a read outside the frame, a loop without a bound.

The walk is one loop over *kinds* (``kinds.py``): each header says what comes behind it.  Inside tunnels the innermost
addresses are the ones that stay in the row.

Lengths: ``end`` is the end of what was captured, ``cut`` how many bytes the frame had beyond it.  What a header
claims beyond ``end`` is counted as missing.
"""

from __future__ import annotations

import numpy as np

from sniffer.gate import kinds, reasons
from sniffer.gate.compiled import inlined
from sniffer.gate.integers import u16, u32
from sniffer.gate.kinds import NOTHING, PROTOCOL, add_layer, add_vlan
from sniffer.gate.links import link_header
from sniffer.gate.tunnels import (
    IPV6_EXTENSIONS,
    is_tunnel_port,
    open_datagram,
    open_layer,
    open_protocol,
    open_tag,
)

TCP = 6
UDP = 17
MAX_IPV6_HEADERS = 16
MAX_HEADERS = 40  # headers of one frame, tags and labels and tunnels together


@inlined
def ipv4(data, at, end, cut, row):  # type: ignore[no-untyped-def]
    """Read an IPv4 header (RFC 791): ``(reason, kind of its payload, offset of that, end claimed)``."""
    if at + 20 > end:
        return reasons.IPV4_TRUNCATED, NOTHING, at, at
    header = (np.int64(data[at]) & 0x0F) * 4
    if data[at] >> 4 != 4 or header < 20:
        return reasons.IPV4_HEADER, NOTHING, at, at
    if at + header > end:
        return reasons.IPV4_TRUNCATED, NOTHING, at, at
    total = u16(data, at + 2)
    if total == 0:  # segmentation offload: the frame was bigger than the field
        total = end - at + cut
    if total < header:
        return reasons.IPV4_HEADER, NOTHING, at, at
    row.family = 4
    row.source = at + 12
    row.destination = at + 16
    kind = PROTOCOL + np.int64(data[at + 9])
    place = u16(data, at + 6) & 0x3FFF
    if place:  # more fragments, or an offset
        row.identity = u16(data, at + 4)
        row.place = ((place & 0x1FFF) << 3) | (place >> 13)
        return reasons.FRAGMENT, kind, at + header, at + total
    return reasons.DECODED, kind, at + header, at + total


@inlined
def ipv6(data, at, end, cut, row):  # type: ignore[no-untyped-def]
    """Read an IPv6 header and its extensions (RFC 8200): as :func:`ipv4`."""
    if at + 40 > end:
        return reasons.IPV6_TRUNCATED, NOTHING, at, at
    if data[at] >> 4 != 6:
        return reasons.IPV6_HEADER, NOTHING, at, at
    length = u16(data, at + 4)
    claimed = at + 40 + length if length else end + cut  # 0: jumbogram or segmentation offload
    row.family = 6
    row.source = at + 8
    row.destination = at + 24
    protocol = np.int64(data[at + 6])
    at += 40
    for _ in range(MAX_IPV6_HEADERS):
        if protocol in IPV6_EXTENSIONS:
            if at + 8 > end:
                return reasons.IPV6_TRUNCATED, NOTHING, at, at
            size = (np.int64(data[at + 1]) + 1) * 8
        elif protocol == 51:  # authentication header: length in 4-byte words, less 2
            if at + 8 > end:
                return reasons.IPV6_TRUNCATED, NOTHING, at, at
            if not add_layer(row, kinds.LAYER_AH):
                return reasons.TUNNEL_DEPTH, NOTHING, at, at
            size = (np.int64(data[at + 1]) + 2) * 4
        elif protocol == 44:
            if at + 8 > end:
                return reasons.IPV6_TRUNCATED, NOTHING, at, at
            place = u16(data, at + 2) & 0xFFF9
            if place:  # an offset, or more fragments
                row.identity = u32(data, at + 4)
                row.place = place
                return reasons.FRAGMENT, PROTOCOL + np.int64(data[at]), at + 8, claimed
            size = np.int64(8)
        else:
            return reasons.DECODED, PROTOCOL + protocol, at, claimed
        protocol = np.int64(data[at])
        at += size
        if at > end:
            return reasons.IPV6_TRUNCATED, NOTHING, at, at
    return reasons.IPV6_HEADER, NOTHING, at, at


@inlined
def tcp(data, at, end, cut, row):  # type: ignore[no-untyped-def]
    """Read a TCP header (RFC 9293); ``cut`` bytes of its payload were not captured."""
    if at + 20 > end:
        return reasons.TCP_HEADER
    header = np.int64(data[at + 12] >> 4) * 4
    if header < 20 or at + header > end:
        return reasons.TCP_HEADER
    row.source_port = u16(data, at)
    row.destination_port = u16(data, at + 2)
    row.sequence = u32(data, at + 4)
    row.acknowledgement = u32(data, at + 8)
    row.tcp_flags = data[at + 13]
    row.payload = at + header
    row.payload_length = end - at - header
    row.missing = cut
    return reasons.DECODED


@inlined
def udp(data, at, end, cut, row):  # type: ignore[no-untyped-def]
    """Read a UDP header (RFC 768)."""
    if at + 8 > end:
        return reasons.UDP_HEADER
    length = u16(data, at + 4)
    if length == 0:  # segmentation offload
        length = end + cut - at
    if length < 8 or at + length > end + cut:
        return reasons.UDP_HEADER
    stop = min(end, at + length)
    row.source_port = u16(data, at)
    row.destination_port = u16(data, at + 2)
    row.sequence = 0
    row.acknowledgement = 0
    row.tcp_flags = 0
    row.payload = at + 8
    row.payload_length = stop - at - 8
    row.missing = at + length - stop
    return reasons.DECODED


@inlined
def walk(data, at, end, cut, kind, row):  # type: ignore[no-untyped-def]
    """Read one header after another from ``at`` on, until TCP or UDP, or a reason to stop.

    A fragment leaves its place in the row, and the bounds of its data as the payload (``fragments.py`` goes on).
    """
    claimed = end
    reason = np.int64(reasons.DECODED)
    for _ in range(MAX_HEADERS):
        if kind == kinds.IPV4 or kind == kinds.IPV6:
            if kind == kinds.IPV4:
                reason, kind, at, claimed = ipv4(data, at, end, cut, row)
            else:
                reason, kind, at, claimed = ipv6(data, at, end, cut, row)
            stop = min(end, claimed)
            cut = claimed - stop
            end = stop
            if reason == reasons.FRAGMENT:
                row.protocol = kind - PROTOCOL
                row.payload = at
                row.payload_length = max(end - at, 0)
                row.missing = cut
        elif kind == PROTOCOL + TCP:
            row.protocol = TCP
            return tcp(data, at, end, cut, row)
        elif kind == PROTOCOL + UDP:
            row.protocol = UDP
            reason = np.int64(udp(data, at, end, cut, row))
            if reason != reasons.DECODED or not (
                is_tunnel_port(row.destination_port) or is_tunnel_port(row.source_port)
            ):
                return reason
            at = np.int64(row.payload)
            end = at + np.int64(row.payload_length)
            cut = np.int64(row.missing)
            reason, kind, at = open_datagram(data, at, end, row.source_port, row.destination_port, row)
            if kind == kinds.NO_TUNNEL:
                return reason
        elif kind == kinds.VLAN or kind == kinds.QINQ or kind == kinds.QINQ_OLD:
            reason, kind, at = open_tag(data, at, end, kind, row)
        elif kind >= PROTOCOL:
            reason, kind, at = open_protocol(data, at, end, kind - PROTOCOL, row)
        else:
            reason, kind, at = open_layer(data, at, end, kind, row)
        if reason != reasons.DECODED:
            return reason
    return reasons.TUNNEL_DEPTH


@inlined
def decode(data, at, end, cut, link, tci, vlan_protocol, row):  # type: ignore[no-untyped-def]
    """Walk the headers of the frame ``data[at:end]`` and fill ``row``.

    ``cut``: bytes of the frame that were not captured.  ``tci`` and ``vlan_protocol`` are the tag that the kernel took out of the frame (0 where it took none).
    """
    row.layers = 0
    row.vlans = 0
    row.depth = 0
    row.identity = 0
    row.place = 0
    if vlan_protocol != 0:
        add_vlan(row, tci, vlan_protocol)
    reason, kind, at = link_header(data, at, end, link)
    if reason != reasons.DECODED:
        return reason
    return walk(data, at, end, cut, kind, row)
