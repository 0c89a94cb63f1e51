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
from sniffer.gate.headers import UDP
from sniffer.gate.plain_headers import Found, walk
from sniffer.gate.plain_links import Refused, link_header, u16, u32
from sniffer.owners.keys import ANY, Labels

ETHERNET: Final = 1
LINUX_COOKED: Final = 113
MACS: Final = {ETHERNET: (0, 6), LINUX_COOKED: (6,)}
"""Where addresses stand in a link header, by its type."""
BOTTOM: Final = 0x100
"""Bit of an MPLS entry that says that it is the last (RFC 3032)."""


def read_labels(frame: bytes, link: int) -> Labels:
    """The labels of a frame, as far as it can be read."""
    reader = _Reader(frame, link)
    with contextlib.suppress(Refused, IndexError):  # the end of what can be read
        kind, at = link_header(frame, 0, link)
        walk(frame, at, 0, kind, reader.found, reader.note)
    return Labels(tuple(reader.pppoe), tuple(reader.l2tp), tuple(reader.mpls))


class _Reader:
    """Notes the labels of one frame, while ``plain_headers.walk`` reads its headers."""

    def __init__(self, frame: bytes, link: int) -> None:
        self.found = Found()
        self.pppoe: list[tuple[int, tuple[bytes, ...]]] = []
        self.l2tp: list[tuple[int, int]] = []
        self.mpls: list[int] = []
        self._macs = tuple(frame[at : at + 6] for at in MACS.get(link, ()))

    def note(self, data: bytes, at: int, kind: int) -> None:
        """A header starts here; of a datagram, its payload."""
        if kind == kinds.ETHERNET and len(data) >= at + 12:
            self._macs = data[at : at + 6], data[at + 6 : at + 12]
        elif kind == kinds.PPPOE and len(data) >= at + 6:
            self.pppoe.append((u16(data, at + 2), self._macs))
        elif kind in (kinds.MPLS, kinds.MPLS_MULTICAST):
            self._note_mpls(data, at)
        elif kind == kinds.PROTOCOL + tunnels.L2TP and len(data) >= at + 4 and u32(data, at):
            self.l2tp.append((ANY, u32(data, at)))
        elif kind == kinds.PROTOCOL + UDP and tunnels.L2TP_PORT in (
            self.found.source_port,
            self.found.destination_port,
        ):
            self._note_l2tp(data, at)

    def _note_mpls(self, data: bytes, at: int) -> None:
        for _ in range(kinds.MAX_DEPTH):
            if at + 4 > len(data):
                return
            entry = u32(data, at)
            self.mpls.append(entry >> 12)
            if entry & BOTTOM:
                return
            at += 4

    def _note_l2tp(self, data: bytes, at: int) -> None:
        """The session of a data message over UDP; control messages have none."""
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
