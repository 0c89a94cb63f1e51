"""The flows that are being read, bounded in number and in bytes.

In: TCP packets that passed the gate.  Out: the packet's flow, and the chunks that it completes.
Never: protocols; a flow's ``state`` belongs to the caller.

Flows that mine are kept apart from flows on probation and never make room for those, so that a flood of new flows
cannot push a known miner out (robustness.md, T5).  Keys are bytes: integers can be made to collide (finding 3).
"""

from __future__ import annotations

import itertools
import secrets
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final

from sniffer.flows.stream import PATIENCE, Stream
from sniffer.model import Chunk, End, TcpFlag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.model import Packet
    from sniffer.oddities import Oddities

SECOND: Final = 1_000_000_000
IDLE_PROBATION: Final = 600 * SECOND
IDLE_MINING: Final = 86_400 * SECOND
FIN, SYN, RST, ACK = (int(flag) for flag in (TcpFlag.FIN, TcpFlag.SYN, TcpFlag.RST, TcpFlag.ACK))


class Flow:
    """One TCP connection.  Side 0 is the end whose (address, port) sorts first."""

    __slots__ = (
        "acked", "ends", "from_start", "id", "interface", "key", "last_seen", "layers", "mining", "muted", "seen",
        "state", "streams", "vlans", "weight",
    )  # fmt: skip

    def __init__(self, key: bytes, number: int, ends: tuple[tuple[bytes, int], tuple[bytes, int]], oddities: Oddities) -> None:
        self.key = key
        self.id = number
        self.ends = ends
        self.streams = [Stream(0, -1, oddities), Stream(1, -1, oddities)]
        self.from_start = [False, False]  # the first byte of this side's stream is the first one sent
        self.seen = [False, False]  # a packet of this side was seen
        self.acked = [-1, -1]  # what the peer acknowledged of this side's bytes; -1: nothing yet
        self.layers: tuple[str, ...] = ()
        self.vlans: tuple[int, ...] = ()
        self.interface = 0
        self.last_seen = 0
        self.mining = False
        self.muted = False  # not read any more; kept so that late packets are known
        self.weight = 0  # bytes held, as last counted
        self.state: Any = None


class FlowTable:
    """Finds the flow of each packet and feeds its streams."""

    def __init__(self, *, limit_flows: int, limit_bytes: int, oddities: Oddities) -> None:
        self._limit_flows = limit_flows
        self._limit_bytes = limit_bytes
        self._oddities = oddities
        self._probation: OrderedDict[bytes, Flow] = OrderedDict()
        self._mining: OrderedDict[bytes, Flow] = OrderedDict()
        self._numbers = itertools.count(secrets.randbits(47))
        self._open: deque[tuple[int, Flow]] = deque()  # flows with a hole, by the time to look again
        self.held = 0  # bytes

    def __len__(self) -> int:
        return len(self._probation) + len(self._mining)

    def packet(self, packet: Packet) -> tuple[Flow, list[Chunk]] | None:
        """Feed a packet to its flow; None when the flow is not read any more."""
        source = (packet.source, packet.source_port)
        destination = (packet.destination, packet.destination_port)
        side = 0 if source <= destination else 1
        ends = (source, destination) if side == 0 else (destination, source)
        key = ends[0][1].to_bytes(2, "big") + ends[1][1].to_bytes(2, "big") + ends[0][0] + ends[1][0]
        flow = self._find(key)
        out: list[Chunk] = []
        if flow is not None and is_new_connection(flow, side, packet):
            self._drop(flow)
            flow = None
        if flow is None:
            flow = self._insert(key, ends)
        flow.last_seen = packet.time
        if flow.muted:
            return None
        flow.seen[side] = True
        flow.layers, flow.vlans, flow.interface = packet.layers, packet.vlans, packet.interface
        out += self._feed(flow, side, packet)
        self.weigh(flow, 0)
        return flow, out

    def _feed(self, flow: Flow, side: int, packet: Packet) -> list[Chunk]:
        flags = packet.tcp_flags
        stream = flow.streams[side]
        if packet.start >= 0 and stream.start < 0 and stream.position < 0:
            stream = flow.streams[side] = Stream(side, packet.start, self._oddities)
            flow.from_start[side] = True
        out: list[Chunk] = []
        if flags & ACK and not flags & (RST | SYN):
            peer = 1 - side
            known = flow.acked[peer]
            number = packet.acknowledgement
            if known < 0 or 0 < (number - known) & 0xFFFFFFFF < 1 << 31:
                flow.acked[peer] = number
            out += flow.streams[peer].acknowledged(number, packet.time)
        if packet.payload or packet.missing:
            sequence = (packet.sequence + 1) & 0xFFFFFFFF if flags & SYN else packet.sequence
            out += stream.segment(sequence, packet.payload, packet.missing, packet.time)
        for each in flow.streams:
            if each.opened >= 0:
                if each.due(packet.time):
                    out += each.skip_hole(packet.time)
                elif each.opened == packet.time:
                    self._open.append((packet.time + PATIENCE, flow))
        if flags & (FIN | RST):
            out.append(End(side, packet.time))
        return out

    def due(self, now: int) -> Iterator[tuple[Flow, list[Chunk]]]:
        """Close holes that have been open for too long, packets or not."""
        while self._open and self._open[0][0] <= now:
            _, flow = self._open.popleft()
            out = [chunk for each in flow.streams if each.due(now) for chunk in each.skip_hole(now)]
            if out and not flow.muted:
                yield flow, out

    def finish(self) -> Iterator[tuple[Flow, list[Chunk]]]:
        """Close every hole: no more packets will come."""
        while self._open:
            _, flow = self._open.popleft()
            for each in flow.streams:
                while each.opened >= 0 and not flow.muted:
                    yield flow, each.skip_hole(flow.last_seen)

    # ── what the caller learns about flows ───────────────────────────────────────────────────────────────

    def promote(self, flow: Flow) -> None:
        """A flow mines: it never makes room for one on probation."""
        if self._probation.pop(flow.key, None) is not None:
            flow.mining = True
            self._mining[flow.key] = flow

    def mute(self, flow: Flow) -> None:
        """A flow need not be read any more; packets that are already on their way are known by it."""
        flow.muted = True
        self._empty(flow)

    def restart(self, flow: Flow) -> None:
        """Read on from wherever the flow's next payload begins (the gate shows only some requests of HTTP)."""
        flow.streams = [Stream(side, -1, self._oddities) for side in (0, 1)]
        flow.from_start = [False, False]

    def weigh(self, flow: Flow, more: int) -> None:
        """Count the bytes that a flow holds, ``more`` of them in the caller's state; empty old flows beyond the limit."""
        weight = flow.streams[0].held + flow.streams[1].held + more
        self.held += weight - flow.weight
        flow.weight = weight
        while self.held > self._limit_bytes:
            self._oddities.count("flow_bytes_limit")
            self._drop(next(iter((self._probation or self._mining).values())))

    def expire(self, last_packet: int) -> None:
        """Forget flows whose last packet is long before the time of ``last_packet``."""
        for table, idle in ((self._probation, IDLE_PROBATION), (self._mining, IDLE_MINING)):
            while table:
                oldest = next(iter(table.values()))
                if last_packet - oldest.last_seen < idle:
                    break
                self._drop(oldest)

    # ── the table ────────────────────────────────────────────────────────────────────────────────────────

    def _find(self, key: bytes) -> Flow | None:
        flow = self._mining.get(key)
        if flow is not None:
            self._mining.move_to_end(key)
            return flow
        flow = self._probation.get(key)
        if flow is not None:
            self._probation.move_to_end(key)
        return flow

    def _insert(self, key: bytes, ends: tuple[tuple[bytes, int], tuple[bytes, int]]) -> Flow:
        if len(self) >= self._limit_flows:
            oldest = next(iter((self._probation or self._mining).values()))
            self._oddities.count("flow_evicted")
            self._drop(oldest)
        flow = Flow(key, next(self._numbers) & 0xFFFF_FFFF_FFFF, ends, self._oddities)
        self._probation[key] = flow
        return flow

    def _empty(self, flow: Flow) -> None:
        flow.streams = [Stream(0, -1, self._oddities), Stream(1, -1, self._oddities)]
        self.held -= flow.weight
        flow.weight = 0

    def _drop(self, flow: Flow) -> None:
        self._empty(flow)
        flow.muted = True
        (self._mining if flow.mining else self._probation).pop(flow.key, None)


def is_new_connection(flow: Flow, side: int, packet: Packet) -> bool:
    """Whether a packet opens, or belongs to, another connection on the same ports."""
    known = flow.streams[side].start
    if packet.start >= 0 and known >= 0 and packet.start != known:
        return True
    if packet.tcp_flags & SYN and not packet.tcp_flags & ACK:
        start = (packet.sequence + 1) & 0xFFFFFFFF
        return (known >= 0 and start != known) or (known < 0 and (flow.streams[side].position >= 0 or flow.muted))
    return False
