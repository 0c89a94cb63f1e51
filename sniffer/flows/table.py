"""The flows that are being read, bounded in number and in bytes.

In: TCP packets that passed the gate.  Out: the packet's flow, and the chunks that it completes.
Never: protocols; a flow's ``state`` belongs to the caller.

Flows that mine are kept apart from flows on probation and do not make room for those, so that a flood of new flows
cannot push a known miner out (robustness.md, T5); flows that ended go first.  Keys are bytes: integers can be made
to collide (finding 3).

A SYN, FIN or RST is easily forged, so none of them takes anything away: a SYN with another number is believed when
bytes follow where it said, and a flow that ended is only the first to be forgotten, until bytes come again.
"""

from __future__ import annotations

import itertools
import secrets
import struct
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sniffer.flows.stream import WINDOW, Stream
from sniffer.model import Chunk, Data, End, TcpFlag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.model import Packet
    from sniffer.oddities import Oddities

SECOND: Final = 1_000_000_000
IDLE_PROBATION: Final = 600 * SECOND
IDLE_MINING: Final = 86_400 * SECOND
IDLE_ENDED: Final = 30 * SECOND  # late duplicates are known that long
LEAP: Final = 86_400 * SECOND  # packet time that moves on by more did not pass
RESERVE: Final = 16  # one place of so many is kept free of flows that mine, for those still unknown
PORTS: Final = struct.Struct(">HH").pack
FIN, SYN, RST, ACK = (int(flag) for flag in (TcpFlag.FIN, TcpFlag.SYN, TcpFlag.RST, TcpFlag.ACK))


Tier: TypeAlias = "OrderedDict[bytes, Flow]"


class Flow:
    """One TCP connection.  Side 0 is the end whose (address, port) sorts first."""

    __slots__ = (
        "acked", "ended", "ends", "from_start", "id", "interface", "key", "last_seen", "layers", "midway", "mining",
        "more", "muted", "opened", "seen", "starts", "state", "streams", "tier", "touched", "vlans", "weight",
    )  # fmt: skip

    def __init__(
        self,
        key: bytes,
        number: int,
        ends: tuple[tuple[bytes, int], tuple[bytes, int]],
        tier: Tier,
        oddities: Oddities,
    ) -> None:
        self.key = key
        self.id = number
        self.ends = ends
        self.tier = tier  # where the table keeps it
        self.streams = [Stream(0, -1, oddities), Stream(1, -1, oddities)]
        self.starts = [-1, -1]  # sequence number of the first byte of a side, where its SYN was seen
        self.from_start = [False, False]  # the first byte of this side's stream is the first one sent
        self.seen = [False, False]  # a packet of this side was seen
        self.opened = [False, False]  # the caller has read how this side opens; outlives its state
        self.acked = [-1, -1]  # what the peer acknowledged of this side's bytes; -1: nothing yet
        self.layers: tuple[str, ...] = ()
        self.vlans: tuple[int, ...] = ()
        self.interface = 0
        self.last_seen = 0  # packet time
        self.touched = 0  # the table's own clock
        self.mining = False
        self.muted = False  # not read any more; kept so that late packets are known
        self.midway = False  # read on from anywhere, whatever the SYN said
        self.ended = False  # a FIN or RST was seen, and no new bytes since
        self.weight = 0  # bytes held, as last counted
        self.more = 0  # bytes of these that the caller holds
        self.state: Any = None

    @property
    def ports(self) -> tuple[int, int]:
        """Ports of both ends."""
        return self.ends[0][1], self.ends[1][1]

    def side_of(self, packet: Packet) -> int:
        """The side that sent a packet of this flow."""
        return 0 if (packet.source, packet.source_port) == self.ends[0] else 1

    @property
    def has_hole(self) -> bool:
        """Whether bytes of a side wait for others."""
        return any(stream.opened >= 0 for stream in self.streams)


class FlowTable:
    """Finds the flow of each packet and feeds its streams."""

    def __init__(self, *, limit_flows: int, limit_bytes: int, oddities: Oddities) -> None:
        self._limit_flows = limit_flows
        self._limit_bytes = limit_bytes
        self._oddities = oddities
        self._flows: dict[bytes, Flow] = {}
        self._ended: Tier = OrderedDict()  # each tier by the time of the last packet
        self._probation: Tier = OrderedDict()
        self._mining: Tier = OrderedDict()
        self._open: Tier = OrderedDict()  # flows with a hole, the one open longest first
        self._numbers = itertools.count(secrets.randbits(47))
        self._clock = 0  # nanoseconds that passed, whatever the packets' clocks did
        self._expired = 0
        self.held = 0  # bytes

    def __len__(self) -> int:
        return len(self._flows)

    def packet(self, packet: Packet) -> tuple[Flow, list[Chunk]] | None:
        """Feed a packet to its flow; None when the flow is not read any more."""
        side, key = side_and_key(packet)
        flow = self._flows.get(key)
        if flow is None:
            flow = self._insert(key, side, packet)
        elif packet.start != flow.starts[side] and is_new_connection(flow, side, packet):
            self._drop(flow)
            flow = self._insert(key, side, packet)
        else:
            flow.tier.move_to_end(key)
        flow.touched = self._clock
        flow.last_seen = packet.time
        if flow.muted:
            return None
        flow.seen[side] = True
        flow.layers, flow.vlans, flow.interface = packet.layers, packet.vlans, packet.interface
        out = self._feed(flow, side, packet)
        self._weigh(flow)
        if self.held > self._limit_bytes:
            self._shrink()
        return flow, out

    def _feed(self, flow: Flow, side: int, packet: Packet) -> list[Chunk]:
        flags, time = packet.tcp_flags, packet.time
        stream, peer = flow.streams[side], flow.streams[1 - side]
        if packet.start >= 0 and stream.position < 0:
            stream = self._begin(flow, side, packet)
        out: list[Chunk] = []
        if flags & ACK and not flags & (RST | SYN):
            number, known = packet.acknowledgement, flow.acked[1 - side]
            if known < 0 or 0 < (number - known) & 0xFFFFFFFF < 1 << 31:
                flow.acked[1 - side] = number
            if peer.opened >= 0:
                out += peer.acknowledged(number, time)
        if packet.payload or packet.missing:
            sequence = (packet.sequence + 1) & 0xFFFFFFFF if flags & SYN else packet.sequence
            out += stream.segment(sequence, packet.payload, packet.missing, time)
        if stream.opened >= 0 or peer.opened >= 0 or (self._open and flow.key in self._open):
            out += self._close_holes(flow, time)
        if flow.ended or flags & (FIN | RST):
            out += self._note_end(flow, stream, packet, out)
        return out

    def _begin(self, flow: Flow, side: int, packet: Packet) -> Stream:
        """Take note of where a side began, and read from there if its first packet is near."""
        flow.starts[side] = packet.start
        sequence = packet.sequence + 1 if packet.tcp_flags & SYN else packet.sequence
        if not flow.midway and (sequence - packet.start) & 0xFFFFFFFF < WINDOW:
            flow.streams[side] = Stream(side, packet.start, self._oddities)
            flow.from_start[side] = True
        return flow.streams[side]

    def _note_end(self, flow: Flow, stream: Stream, packet: Packet, out: list[Chunk]) -> list[Chunk]:
        """Believe a FIN or RST inside the window, until new bytes come."""
        if packet.tcp_flags & (FIN | RST) and stream.expects(
            packet.sequence + len(packet.payload) + packet.missing
        ):
            flow.ended = True
            self._move(flow, self._ended)
            return [End(stream.side, packet.time)]
        if flow.ended and any(isinstance(chunk, Data) for chunk in out):
            flow.ended = False
            self._move(flow, self._mining if flow.mining else self._probation)
        return []

    # ── holes ────────────────────────────────────────────────────────────────────────────────────────────

    def _close_holes(self, flow: Flow, time: int) -> list[Chunk]:
        out = [chunk for each in flow.streams if each.due(time) for chunk in each.skip_hole(time)]
        self._note_hole(flow)
        return out

    def _note_hole(self, flow: Flow) -> None:
        if flow.has_hole:
            self._open.setdefault(flow.key, flow)
        else:
            self._open.pop(flow.key, None)

    @property
    def has_holes(self) -> bool:
        """Whether some flow has a hole that is still open."""
        return bool(self._open)

    def due(self, now: int) -> Iterator[tuple[Flow, list[Chunk]]]:
        """Close holes that have been open for too long, packets or not."""
        while self._open:
            flow = next(iter(self._open.values()))
            ripe = [each for each in flow.streams if each.due(now)]
            if not ripe:
                return
            out = [chunk for each in ripe for chunk in each.skip_hole(now)]
            del self._open[flow.key]
            self._note_hole(flow)
            self._weigh(flow)
            yield flow, out

    def finish(self) -> Iterator[tuple[Flow, list[Chunk]]]:
        """Close every hole: no more packets will come."""
        while self._open:
            _, flow = self._open.popitem(last=False)
            for each in flow.streams:
                while each.opened >= 0:
                    yield flow, each.skip_hole(flow.last_seen)

    # ── what the caller learns about flows ───────────────────────────────────────────────────────────────

    def promote(self, flow: Flow) -> None:
        """A flow mines: it does not make room for one on probation."""
        if flow.mining or self._flows.get(flow.key) is not flow:
            return
        flow.mining = True
        if not flow.ended:
            self._move(flow, self._mining)
        if len(self._mining) > self._limit_flows - self._limit_flows // RESERVE:
            self._oddities.count("flow_evicted")
            self._drop(next(iter(self._mining.values())))

    def mute(self, flow: Flow) -> None:
        """A flow need not be read any more; packets that are already on their way are known by it."""
        self._empty(flow)
        flow.muted = True
        flow.state = None

    def muted(self, packet: Packet) -> tuple[Flow, int]:
        """The flow of a packet for which :meth:`packet` gave None, and the side that sent it."""
        side, key = side_and_key(packet)
        return self._flows[key], side

    def wake(self, flow: Flow) -> None:
        """Read a flow again, from its next packet on."""
        flow.muted = False

    def restart(self, flow: Flow) -> None:
        """Read on from wherever the flow's next payload begins (the gate shows only some requests of HTTP)."""
        self._empty(flow)
        flow.streams = [Stream(side, -1, self._oddities, collects=False) for side in (0, 1)]
        flow.midway = True
        flow.from_start = [False, False]

    def weigh(self, flow: Flow, more: int) -> None:
        """Count the bytes that a flow holds, ``more`` of them in the caller's state; drop old flows beyond the limit."""
        if flow.muted:
            return
        flow.more = more
        self._weigh(flow)
        self._shrink()

    def expire(self, last_packet: int) -> None:
        """Forget flows that have been idle for long.

        Args:
            last_packet: time of the newest packet.  Only steps forward of at most a day count, so that a clock that
                jumps neither makes flows old nor keeps them for ever.
        """
        if 0 < last_packet - self._expired <= LEAP:
            self._clock += last_packet - self._expired
        self._expired = last_packet
        for tier, idle in (
            (self._ended, IDLE_ENDED),
            (self._probation, IDLE_PROBATION),
            (self._mining, IDLE_MINING),
        ):
            while tier:
                oldest = next(iter(tier.values()))
                if self._clock - oldest.touched < idle:
                    break
                self._drop(oldest)

    # ── the table ────────────────────────────────────────────────────────────────────────────────────────

    def _insert(self, key: bytes, side: int, packet: Packet) -> Flow:
        if len(self._flows) >= self._limit_flows:
            self._oddities.count("flow_evicted")
            self._drop(self._oldest())
        source, destination = (
            (packet.source, packet.source_port),
            (packet.destination, packet.destination_port),
        )
        ends = (source, destination) if side == 0 else (destination, source)
        flow = Flow(key, next(self._numbers) & 0xFFFF_FFFF_FFFF, ends, self._probation, self._oddities)
        self._flows[key] = self._probation[key] = flow
        return flow

    def _weigh(self, flow: Flow) -> None:
        """Enter the bytes that a flow holds now into the books."""
        one, other = flow.streams
        weight = one.held + other.held + flow.more
        self.held += weight - flow.weight
        flow.weight = weight

    def _oldest(self) -> Flow:
        """The flow that has to go first; there must be one."""
        return next(iter((self._ended or self._probation or self._mining).values()))

    def _shrink(self) -> None:
        while self.held > self._limit_bytes and self._flows:
            self._oddities.count("flow_bytes_limit")
            self._drop(self._oldest())

    def _move(self, flow: Flow, tier: Tier) -> None:
        del flow.tier[flow.key]
        flow.tier = tier
        tier[flow.key] = flow

    def _empty(self, flow: Flow) -> None:
        flow.streams = [Stream(0, -1, self._oddities), Stream(1, -1, self._oddities)]
        self._open.pop(flow.key, None)
        self.held -= flow.weight
        flow.weight = flow.more = 0

    def _drop(self, flow: Flow) -> None:
        self._empty(flow)
        flow.muted = True
        del flow.tier[flow.key], self._flows[flow.key]


def side_and_key(packet: Packet) -> tuple[int, bytes]:
    """Which side sent a packet, and the key of its flow."""
    source, destination = packet.source, packet.destination
    source_port, destination_port = packet.source_port, packet.destination_port
    if source < destination or (source == destination and source_port <= destination_port):
        return 0, source + destination + PORTS(source_port, destination_port)
    return 1, destination + source + PORTS(destination_port, source_port)


def is_new_connection(flow: Flow, side: int, packet: Packet) -> bool:
    """Whether a packet opens, or belongs to, another connection on the same ports."""
    flags = packet.tcp_flags
    start = (packet.sequence + 1) & 0xFFFFFFFF if flags & SYN else packet.start
    known, stream = flow.starts[side], flow.streams[side]
    if start < 0 or start == known:
        return False
    if not (known >= 0 or stream.position >= 0 or flow.seen[side]):
        return flow.muted and bool(flags & SYN) and not flags & ACK
    if flow.muted or flow.ended:
        return True  # nothing is lost by believing
    is_near = (packet.sequence - start) & 0xFFFFFFFF < WINDOW
    return bool(packet.payload) and not flags & SYN and is_near and not stream.expects(packet.sequence)
