"""What may come next inside a frame, and the wrappings that are noted on the way.

In: nothing.  Out: numbers for the header walk, and the names of wrappings for rows and events.
Never: work, except noting a wrapping in a row.

A kind below 65 536 is an EtherType (IEEE 802 numbers).  Headers that have none get a number of our own; an IP
protocol number is counted from :data:`PROTOCOL` on.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sniffer.gate.compiled import kernel
from sniffer.gate.labels import LAYER_NAMES

NOTHING: Final = 0  # no header that could lead to IP
IPV4: Final = 0x0800
TRANSPARENT_ETHERNET: Final = 0x6558
VLAN: Final = 0x8100
IPV6: Final = 0x86DD
PPP_IN_GRE: Final = 0x880B
MPLS: Final = 0x8847
MPLS_MULTICAST: Final = 0x8848
PPPOE: Final = 0x8864
QINQ: Final = 0x88A8
ERSPAN: Final = 0x88BE  # types I and II, in GRE only
ERSPAN_III: Final = 0x22EB
MACSEC: Final = 0x88E5
PBB: Final = 0x88E7  # 802.1ah, provider backbone bridge
VNTAG: Final = 0x8926
ETAG: Final = 0x893F  # 802.1BR
NSH: Final = 0x894F  # RFC 8300
QINQ_OLD: Final = 0x9100

MAX_LLC: Final = 1_500
"""In the place of an EtherType, a number up to this one is a length, and LLC follows (IEEE 802.3)."""

ETHERNET: Final = 0x1_0001
PPP: Final = 0x1_0002
LLC: Final = 0x1_0003
WLAN: Final = 0x1_0004  # 802.11
WLAN_PADDED: Final = 0x1_0005  # the same, its header filled up to four bytes
IP: Final = 0x1_0006  # version 4 or 6, as its first digit says
NO_TUNNEL: Final = 0x1_0007  # the datagram is not what its port made expect

PROTOCOL: Final = 0x2_0000
"""The IP protocol number ``n`` is the kind ``PROTOCOL + n``."""

# Wrappings: one code each, used in ROW.layers; their names are LAYER_NAMES.
(
    LAYER_VLAN,
    LAYER_QINQ,
    LAYER_PPPOE,
    LAYER_MPLS,
    LAYER_PSEUDOWIRE,
    LAYER_GRE,
    LAYER_ERSPAN,
    LAYER_VXLAN,
    LAYER_GENEVE,
    LAYER_GTP,
    LAYER_L2TP,
    LAYER_4IN4,
    LAYER_6IN4,
    LAYER_4IN6,
    LAYER_6IN6,
    LAYER_TEREDO,
    LAYER_ETHERIP,
    LAYER_AH,
    LAYER_WLAN,
    LAYER_VNTAG,
    LAYER_PBB,
    LAYER_NSH,
    LAYER_MACSEC,
) = range(1, len(LAYER_NAMES))
MAX_DEPTH: Final = 8


@kernel
def add_layer(row, layer):  # type: ignore[no-untyped-def]
    """Note one more wrapping; false when there are too many."""
    if row.depth >= MAX_DEPTH:
        return False
    row.depth += 1
    row.layers = (row.layers << np.uint64(8)) | np.uint64(layer)
    return True


@kernel
def add_vlan(row, tci, ethertype):  # type: ignore[no-untyped-def]
    """Note one more VLAN tag; false when there are too many wrappings."""
    if not add_layer(row, LAYER_VLAN if ethertype == VLAN else LAYER_QINQ):
        return False
    row.vlans = (row.vlans << np.uint64(16)) | np.uint64(tci & 0x0FFF)
    return True
