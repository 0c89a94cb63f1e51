"""From the first byte of a frame to its TCP or UDP payload.

In: the bytes of a batch, one frame's bounds and link type.  Out: a row with addresses, ports and offsets,
and :data:`~sniffer.gate.reasons.DECODED` or the reason why the walk ended early.
Never: a read outside the frame, a loop without a bound.

Lengths: ``end`` is the end of what was captured, ``cut`` how many bytes the frame had beyond it.  What a header
claims beyond ``end`` is counted as missing.
"""

# ruff: noqa: ANN001, ANN201 - numba finds the types of kernels

from __future__ import annotations

import numpy as np

from sniffer.gate import reasons, rows
from sniffer.gate.compiled import kernel

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD
ETHERTYPE_VLAN = 0x8100
ETHERTYPE_QINQ = 0x88A8
ETHERTYPE_QINQ_OLD = 0x9100

TCP = 6
UDP = 17
MAX_IPV6_HEADERS = 16


@kernel
def u16(data, at):  # type: ignore[no-untyped-def]
    """Big-endian 16-bit number."""
    return (np.int64(data[at]) << 8) | np.int64(data[at + 1])


@kernel
def u32(data, at):  # type: ignore[no-untyped-def]
    """Big-endian 32-bit number."""
    return (u16(data, at) << 16) | u16(data, at + 2)


@kernel
def link_header(data, at, end, link):  # type: ignore[no-untyped-def]  # noqa: PLR0911
    """Step over the link header: ``(reason, EtherType, offset behind it)``.

    Source: tcpdump.org/linktypes.html.
    """
    if link == 1:  # Ethernet
        if at + 14 > end:
            return reasons.LINK_TRUNCATED, 0, at
        return reasons.DECODED, u16(data, at + 12), at + 14
    if link == 113:  # Linux cooked
        if at + 16 > end:
            return reasons.LINK_TRUNCATED, 0, at
        return reasons.DECODED, u16(data, at + 14), at + 16
    if link == 276:  # Linux cooked, version 2
        if at + 20 > end:
            return reasons.LINK_TRUNCATED, 0, at
        return reasons.DECODED, u16(data, at), at + 20
    if link in (
        0,
        108,
    ):  # BSD loopback: the writer's own number for the address family, in the writer's byte order
        if at + 4 > end:
            return reasons.LINK_TRUNCATED, 0, at
        family = u32(data, at)
        if family > 0xFFFF:
            family = np.int64(data[at]) | np.int64(data[at + 1]) << 8
        if family == 2:
            return reasons.DECODED, ETHERTYPE_IPV4, at + 4
        if family in (10, 24, 28, 30):
            return reasons.DECODED, ETHERTYPE_IPV6, at + 4
        return reasons.ETHERTYPE, 0, at
    if link in (12, 14, 101, 228, 229):  # raw IP
        if at + 1 > end:
            return reasons.LINK_TRUNCATED, 0, at
        version = data[at] >> 4
        if version == 4:
            return reasons.DECODED, ETHERTYPE_IPV4, at
        if version == 6:
            return reasons.DECODED, ETHERTYPE_IPV6, at
        return reasons.ETHERTYPE, 0, at
    return reasons.LINK_TYPE, 0, at


@kernel
def add_layer(row, layer):  # type: ignore[no-untyped-def]
    """Note one more wrapping; false when there are too many."""
    if row.depth >= rows.MAX_DEPTH:
        return False
    row.depth += 1
    row.layers = (row.layers << np.uint64(8)) | np.uint64(layer)
    return True


@kernel
def add_vlan(row, tci, ethertype):  # type: ignore[no-untyped-def]
    """Note one more VLAN tag; false when there are too many."""
    layer = rows.LAYER_VLAN if ethertype == ETHERTYPE_VLAN else rows.LAYER_QINQ
    if not add_layer(row, layer):
        return False
    row.vlans = (row.vlans << np.uint64(16)) | np.uint64(tci & 0x0FFF)
    return True


@kernel
def ipv4(data, at, end, cut, row):  # type: ignore[no-untyped-def]
    """Read an IPv4 header (RFC 791): ``(reason, protocol, offset of its payload, end claimed)``."""
    if at + 20 > end:
        return reasons.IPV4_TRUNCATED, 0, at, at
    header = (np.int64(data[at]) & 0x0F) * 4
    if data[at] >> 4 != 4 or header < 20:
        return reasons.IPV4_HEADER, 0, at, at
    if at + header > end:
        return reasons.IPV4_TRUNCATED, 0, at, at
    total = u16(data, at + 2)
    if total == 0:  # segmentation offload: the frame was bigger than the field
        total = end - at + cut
    if total < header:
        return reasons.IPV4_HEADER, 0, at, at
    if u16(data, at + 6) & 0x3FFF:  # more fragments, or an offset
        return reasons.FRAGMENT, 0, at, at
    row.family = 4
    row.source = at + 12
    row.destination = at + 16
    return reasons.DECODED, np.int64(data[at + 9]), at + header, at + total


@kernel
def ipv6(data, at, end, cut, row):  # type: ignore[no-untyped-def]
    """Read an IPv6 header and its extensions (RFC 8200): as :func:`ipv4`."""
    if at + 40 > end:
        return reasons.IPV6_TRUNCATED, 0, at, at
    if data[at] >> 4 != 6:
        return reasons.IPV6_HEADER, 0, at, at
    length = u16(data, at + 4)
    claimed = at + 40 + length if length else end + cut  # 0: jumbogram or segmentation offload
    row.family = 6
    row.source = at + 8
    row.destination = at + 24
    protocol = np.int64(data[at + 6])
    at += 40
    for _ in range(MAX_IPV6_HEADERS):
        if protocol in (0, 43, 60, 135):  # hop-by-hop, routing, destination options, mobility
            if at + 8 > end:
                return reasons.IPV6_TRUNCATED, 0, at, at
            size = (np.int64(data[at + 1]) + 1) * 8
        elif protocol == 51:  # authentication header: length in 4-byte words, less 2
            if at + 8 > end:
                return reasons.IPV6_TRUNCATED, 0, at, at
            size = (np.int64(data[at + 1]) + 2) * 4
        elif protocol == 44:
            if at + 8 > end:
                return reasons.IPV6_TRUNCATED, 0, at, at
            if u16(data, at + 2) & 0xFFF9:  # an offset, or more fragments
                return reasons.FRAGMENT, 0, at, at
            size = np.int64(8)
        else:
            return reasons.DECODED, protocol, at, claimed
        protocol = np.int64(data[at])
        at += size
        if at > end:
            return reasons.IPV6_TRUNCATED, 0, at, at
    return reasons.IPV6_HEADER, 0, at, at


@kernel
def tcp(data, at, end, claimed, row):  # type: ignore[no-untyped-def]
    """Read a TCP header (RFC 9293); ``claimed`` is where the IP header says that the payload ends."""
    stop = min(end, claimed)
    if at + 20 > stop:
        return reasons.TCP_HEADER
    header = np.int64(data[at + 12] >> 4) * 4
    if header < 20 or at + header > stop:
        return reasons.TCP_HEADER
    row.source_port = u16(data, at)
    row.destination_port = u16(data, at + 2)
    row.sequence = u32(data, at + 4)
    row.acknowledgement = u32(data, at + 8)
    row.tcp_flags = data[at + 13]
    row.payload = at + header
    row.payload_length = stop - at - header
    row.missing = claimed - stop
    return reasons.DECODED


@kernel
def udp(data, at, end, claimed, row):  # type: ignore[no-untyped-def]
    """Read a UDP header (RFC 768)."""
    stop = min(end, claimed)
    if at + 8 > stop:
        return reasons.UDP_HEADER
    length = u16(data, at + 4)
    if length == 0:  # segmentation offload
        length = claimed - at
    if length < 8 or at + length > claimed:
        return reasons.UDP_HEADER
    row.source_port = u16(data, at)
    row.destination_port = u16(data, at + 2)
    row.sequence = 0
    row.acknowledgement = 0
    row.tcp_flags = 0
    row.payload = at + 8
    row.payload_length = min(stop, at + length) - at - 8
    row.missing = at + length - min(stop, at + length)
    return reasons.DECODED


@kernel
def decode(data, at, end, cut, link, tci, vlan_protocol, row):  # type: ignore[no-untyped-def]
    """Walk the headers of the frame ``data[at:end]`` and fill ``row``.

    ``cut``: bytes of the frame that were not captured.  ``tci`` and ``vlan_protocol`` are the tag that the kernel took out of the frame (0 where it took none).
    """
    row.layers = 0
    row.vlans = 0
    row.depth = 0
    if vlan_protocol != 0:
        add_vlan(row, tci, vlan_protocol)
    reason, ethertype, at = link_header(data, at, end, link)
    if reason != reasons.DECODED:
        return reason
    while ethertype in (ETHERTYPE_VLAN, ETHERTYPE_QINQ, ETHERTYPE_QINQ_OLD):
        if at + 4 > end:
            return reasons.LINK_TRUNCATED
        if not add_vlan(row, u16(data, at), ethertype):
            return reasons.TUNNEL_DEPTH
        ethertype = u16(data, at + 2)
        at += 4
    if ethertype == ETHERTYPE_IPV4:
        reason, protocol, at, claimed = ipv4(data, at, end, cut, row)
    elif ethertype == ETHERTYPE_IPV6:
        reason, protocol, at, claimed = ipv6(data, at, end, cut, row)
    else:
        return reasons.ETHERTYPE
    if reason != reasons.DECODED:
        return reason
    row.protocol = protocol
    if protocol == TCP:
        return tcp(data, at, end, claimed, row)
    if protocol == UDP:
        return udp(data, at, end, claimed, row)
    return reasons.IP_PROTOCOL
