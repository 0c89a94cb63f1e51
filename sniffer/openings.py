"""Openings of flows and datagrams for rules on raw bytes: which are read, and until when.

In: chunks of the flows that are read, datagrams, the patterns of the rules, the time.
Out: facts of each opening that fits, once a side, through a call.
Never: a wait without an end: what is not whole after a while, or when too many wait, is taken as it is.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from sniffer.gate import reasons
from sniffer.model import Data, TcpFlag
from sniffer.protocols.payload import Openings, fitting, may_fit, read_datagram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sniffer.flows.table import Flow
    from sniffer.model import Chunk, Facts, Packet, Pattern
    from sniffer.oddities import Oddities

MAX_WAITING: Final = 4_096  # openings that have begun and are not whole


class OpeningReader:
    """Reads the openings of all flows of one engine."""

    def __init__(self, *, wait: int, tell: Callable[[Flow, Facts], None], oddities: Oddities) -> None:
        """Start without patterns.

        Args:
            wait: nanoseconds from the first byte within which an opening has to be whole.
            tell: called with the facts of an opening of a flow.
            oddities: counts what had to be taken too early.
        """
        self._oddities = oddities
        self._wait, self._tell = wait, tell
        self._waiting: deque[tuple[int, Flow, Openings, int]] = deque()  # by deadline; the side comes last
        self._tcp: list[Pattern] = []
        self._udp: list[Pattern] = []

    def set_patterns(self, patterns: Iterable[Pattern]) -> None:
        """Look for other bytes, in flows that are met from now on."""
        wanted = list(patterns)
        self._tcp = [one for one in wanted if one.is_over("tcp")]
        self._udp = [one for one in wanted if one.is_over("udp")]

    def begin(self, ports: tuple[int, int], opener: int) -> Openings | None:
        """What is to be read of a flow; None if no rule asks.  ``opener``: the side that opened it, -1: not known."""
        return Openings(self._tcp, ports, opener) if self._tcp else None

    def read(self, flow: Flow, openings: Openings, chunk: Chunk, now: int) -> None:
        """Read what has come of a flow.  Where the start of a side is known, only what lies there is an opening."""
        side = chunk.side
        if flow.opened[side]:
            return
        if isinstance(chunk, Data) and not openings.has_begun(side):
            start = flow.starts[side]
            if start >= 0 and (chunk.end - len(chunk.data)) & 0xFFFFFFFF != start:
                flow.opened[side] = True
                return
        waits = openings.has_begun(side)
        found = openings.read(chunk)
        flow.opened[side] = openings.is_done(side)
        for facts in found:
            self._tell(flow, facts)
        if openings.has_begun(side) and not waits:
            self._waiting.append((now + self._wait, flow, openings, side))
            if len(self._waiting) > MAX_WAITING:
                self._oddities.count("opening_limit")
                self._close()

    def wakes(self, flow: Flow, side: int, packet: Packet) -> bool:
        """Whether a flow that is not read any more has to be read again, because this packet opens its other side."""
        if flow.opened[side] or not packet.payload or not self._tcp:
            return False
        first = packet.sequence + bool(packet.tcp_flags & TcpFlag.SYN)
        if packet.start >= 0 and first & 0xFFFFFFFF != packet.start:
            return False
        fits = any(may_fit(packet.payload, one) for one in self._tcp) or bool(
            fitting(packet.payload, self._tcp)
        )
        flow.opened[side] = not fits
        return fits

    def tick(self, now: int) -> None:
        """Take as they are those that have waited long enough."""
        while self._waiting and self._waiting[0][0] <= now:
            self._close()

    def finish(self) -> None:
        """Take all of them: no more packets will come."""
        while self._waiting:
            self._close()

    def _close(self) -> None:
        _, flow, openings, side = self._waiting.popleft()
        flow.opened[side] = True
        for facts in openings.close(side):
            self._tell(flow, facts)

    def read_datagram(self, packet: Packet) -> list[Facts]:
        """How a datagram opens; what the gate has decrypted is not what was sent."""
        if packet.reason == reasons.QUIC_LISTED:
            return []
        ports = (packet.source_port, packet.destination_port)
        return read_datagram(packet.payload, ports, self._udp, packet.time)
