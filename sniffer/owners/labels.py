"""Labels of access sessions in a frame: PPPoE and L2TP sessions, MPLS labels.

In: the bytes of one frame, its link type.  Out: :class:`~sniffer.owners.keys.Labels`, outermost first.
Never: an error, whatever the bytes are; more headers than the gate walks through; a guess behind a header that cannot be read.

The gate's plain twin (``gate/plain_*.py``) does the walk: it agrees with the compiled gate on every frame that either can
read, and this is asked a few times a flow, not a few million times a second.
"""

from __future__ import annotations

import contextlib
from typing import Final

from sniffer.gate import kinds, tunnels
from sniffer.gate.headers import MAX_HEADERS, TCP, UDP
from sniffer.gate.plain_headers import Found, ipv4, ipv6, udp
from sniffer.gate.plain_links import Refused, link_header, u16, u32
from sniffer.gate.plain_tunnels import open_datagram, open_layer, open_protocol, open_tag
from sniffer.owners.keys import ANY, Labels

ETHERNET: Final = 1
LINUX_COOKED: Final = 113
MACS: Final = {ETHERNET: (0, 6), LINUX_COOKED: (6,)}
"""Where addresses stand in a link header, by its type."""
BOTTOM: Final = 0x100
"""Bit of an MPLS entry that says that it is the last (RFC 3032)."""


def read_labels(frame: bytes, link: int) -> Labels:
    """The labels of a frame, as far as it can be read."""
    reader = _Reader(frame)
    with contextlib.suppress(Refused, IndexError):  # the end of what can be read
        reader.walk(link)
    return Labels(tuple(reader.pppoe), tuple(reader.l2tp), tuple(reader.mpls))


class _Reader:
    """Walks through the headers of one frame, as ``plain_headers.walk`` does, and notes labels on the way."""

    def __init__(self, frame: bytes) -> None:
        self.pppoe: list[tuple[int, tuple[bytes, ...]]] = []
        self.l2tp: list[tuple[int, int]] = []
        self.mpls: list[int] = []
        self._data = frame
        self._macs: tuple[bytes, ...] = ()
        self._found = Found()

    def walk(self, link: int) -> None:
        """Read one header after another until TCP or UDP."""
        found = self._found
        self._macs = tuple(self._data[at : at + 6] for at in MACS.get(link, ()))
        kind, at = link_header(self._data, 0, link)
        for _ in range(MAX_HEADERS):
            data = self._data
            if kind in (kinds.IPV4, kinds.IPV6):
                read = ipv4 if kind == kinds.IPV4 else ipv6
                kind, at, claimed, is_fragment = read(data, at, 0, found)
                self._data = data[:claimed]
                if is_fragment:
                    return
            elif kind == kinds.PROTOCOL + TCP:
                return
            elif kind == kinds.PROTOCOL + UDP:
                udp(data, at, 0, found)
                self._data = data = data[: found.payload + found.payload_length]
                if tunnels.L2TP_PORT in (found.source_port, found.destination_port):
                    self._note_l2tp(found.payload)
                step = open_datagram(data, found.payload, found)
                if step is None:
                    return
                kind, at = step
            elif kind in (kinds.VLAN, kinds.QINQ, kinds.QINQ_OLD):
                kind, at = open_tag(data, at, kind, found)
            elif kind >= kinds.PROTOCOL:
                if kind == kinds.PROTOCOL + tunnels.L2TP and len(data) >= at + 4 and u32(data, at):
                    self.l2tp.append((ANY, u32(data, at)))
                kind, at = open_protocol(data, at, kind - kinds.PROTOCOL, found)
            else:
                self._note(kind, at)
                kind, at = open_layer(data, at, kind, found)

    def _note(self, kind: int, at: int) -> None:
        data = self._data
        if kind == kinds.ETHERNET and len(data) >= at + 12:
            self._macs = data[at : at + 6], data[at + 6 : at + 12]
        elif kind == kinds.PPPOE and len(data) >= at + 6:
            self.pppoe.append((u16(data, at + 2), self._macs))
        elif kind in (kinds.MPLS, kinds.MPLS_MULTICAST):
            for _ in range(kinds.MAX_DEPTH):
                if at + 4 > len(data):
                    return
                entry = u32(data, at)
                self.mpls.append(entry >> 12)
                if entry & BOTTOM:
                    return
                at += 4

    def _note_l2tp(self, at: int) -> None:
        """The session of a data message over UDP; control messages have none."""
        data = self._data
        if at + 8 > len(data):
            return
        flags = u16(data, at)
        if flags & 0x8000:
            return
        if flags & 0x0F == 3:
            self.l2tp.append((ANY, u32(data, at + 4)))
        elif flags & 0x0F == 2:
            at += 2 + 2 * bool(flags & 0x4000)  # a length may come first (RFC 2661, section 3.1)
            self.l2tp.append((u16(data, at), u16(data, at + 2)))
