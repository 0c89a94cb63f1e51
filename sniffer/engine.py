"""The pipeline of one worker: batches in, detections out.

In: batches of one source.  Out: a call for each hit and for each event line that is due; :class:`Totals`.
Never: I/O, a clock of its own (time is packet time, and what the caller says has passed without packets).

A mining message counts as *answered* when the peer's acknowledgement covers it, or when the peer speaks mining
itself.  Until then its hit is held, for a few seconds of packet time at most; then it goes out as ``probable``.
One spoofed segment can therefore not put an innocent address into a ``confirmed`` report.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from sniffer.addresses import address_text
from sniffer.flows.table import FlowTable
from sniffer.gate import reasons, rows
from sniffer.gate.gate import Gate
from sniffer.gate.headers import TCP
from sniffer.model import Confidence, Detection, Facts, Match, Place, Role
from sniffer.oddities import Oddities
from sniffer.protocols import dns
from sniffer.protocols.conversation import Conversation, Verdict
from sniffer.protocols.facts import FACTS
from sniffer.totals import InterfaceTotals, Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sniffer.flows.table import Flow
    from sniffer.model import Batch, Chunk, Packet, Value
    from sniffer.ruleset import RuleSet
    from sniffer.ruleset.model import Rule

SECOND: Final = 1_000_000_000
MAX_WAITING: Final = 256  # hits of one flow that wait for an answer
MAX_DATAGRAMS: Final = 8_192  # remembered, to know one again
DUPLICATE_WITHIN: Final = SECOND // 20


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What an operator may set."""

    gate_flows: int = 1 << 20  # flows the gate remembers, a power of two
    read_flows: int = 65_536  # flows being reassembled
    read_bytes: int = 256 << 20  # memory of their reassembly
    one_sided: bool = False  # the mirror shows one direction by design: answers cannot be seen
    repeat_interval: int = 600 * SECOND  # between two event lines of the same flow and rule
    answer_wait: int = 5 * SECOND  # how long a hit waits for the peer's answer


@dataclass(slots=True)
class Waiting:
    """A hit that waits for the peer's answer."""

    detection: Detection
    flow: Flow
    end: int  # sequence number that an acknowledgement must reach
    side: int


@dataclass(slots=True)
class Reported:
    """What has been told of one (flow, rule)."""

    count: int = 0
    confidence: Confidence | None = None
    time: int = 0


@dataclass(slots=True)
class Reading:
    """What the engine knows of one flow that is being read."""

    conversation: Conversation
    waiting: deque[Waiting] = field(default_factory=deque)
    reported: dict[str, Reported] = field(default_factory=dict)
    answered: bool = False
    stage: int = rows.WATCHED


class Engine:
    """Runs batches through gate, flows, protocols and rules."""

    def __init__(
        self,
        ruleset: RuleSet,
        *,
        interfaces: Sequence[str],
        settings: EngineSettings,
        hit: Callable[[Detection], None],
        event: Callable[[Detection], None],
    ) -> None:
        """Start with empty tables.

        Args:
            ruleset: the rules to match.
            interfaces: names that frames refer to by index; the sequence may grow while batches come.
            settings: sizes and times.
            hit: called once for each message that a rule matches.
            event: called when a line about a (flow, rule) is due.
        """
        self.ruleset = ruleset
        self.interfaces = interfaces
        self.settings = settings
        self.oddities = Oddities()
        self.gate = Gate(ruleset.gate_names(), flows=settings.gate_flows, every_name=ruleset.wants_every_name)
        self.flows = FlowTable(
            limit_flows=settings.read_flows, limit_bytes=settings.read_bytes, oddities=self.oddities
        )
        self._hit, self._event = hit, event
        self._facts = dict.fromkeys(FACTS, 0)
        self._hits = 0
        self._waiting: deque[tuple[int, Reading]] = deque()  # by deadline
        self._datagrams: OrderedDict[tuple[object, ...], int] = OrderedDict()
        self._told: OrderedDict[tuple[object, ...], Reported] = OrderedDict()
        self._by_interface: dict[int, InterfaceTotals] = {}
        self._idle = 0
        self._next_expiry = 0

    @property
    def now(self) -> int:
        """Nanoseconds of packet time since the first packet, without leaps, plus idle time."""
        return self.gate.now + self._idle

    def set_rules(self, ruleset: RuleSet) -> None:
        """Match other rules from the next batch on; flows and counts stay."""
        self.ruleset = ruleset
        self.gate.list_names(ruleset.gate_names(), every_name=ruleset.wants_every_name)

    def process(self, batch: Batch) -> None:
        """Run one batch through the pipeline."""
        self._idle = 0  # packet time itself has gone on
        before = self.gate.bytes
        for packet in self.gate.inspect(batch):
            if packet.protocol == TCP:
                self._segment(packet)
            else:
                self._datagram(packet)
        self._count_interfaces(batch, self.gate.bytes - before)
        self.tick()

    def tick(self, idle: int = 0) -> None:
        """Let time pass: ``idle`` nanoseconds went by without a packet."""
        self._idle += idle
        now = self.now
        while self._waiting and self._waiting[0][0] <= now:
            _, reading = self._waiting.popleft()
            self._release(reading, everything=True)
        if now >= self._next_expiry:
            self._next_expiry = now + 10 * SECOND
            self.flows.expire(self.gate.last_packet)
        for flow, chunks in self.flows.due(self.gate.last_packet + self._idle):
            self._read(flow, flow.state, chunks)

    def finish(self) -> None:
        """Let go of everything that waits: no more packets will come."""
        for flow, chunks in self.flows.finish():
            self._read(flow, flow.state, chunks)
        while self._waiting:
            self._release(self._waiting.popleft()[1], everything=True)

    # ── packets ──────────────────────────────────────────────────────────────────────────────────────────

    def _segment(self, packet: Packet) -> None:
        found = self.flows.packet(packet)
        if found is None:
            return
        flow, chunks = found
        reading = flow.state
        if reading is None:
            reading = flow.state = Reading(Conversation(self.oddities))
        self._read(flow, reading, chunks)
        if reading.waiting:
            self._release(reading)
        self._give_verdict(flow, reading, packet)

    def _read(self, flow: Flow, reading: Reading, chunks: list[Chunk]) -> None:
        conversation = reading.conversation
        for chunk in chunks:
            if not flow.from_start[chunk.side]:
                conversation.join_midway(chunk.side)
            try:
                found = conversation.read(chunk)
            except Exception:  # one flow that trips a reader must not take the others with it  # noqa: BLE001
                self.oddities.count("reader_failed")
                conversation.verdict = Verdict.NO
                return
            for facts in found:
                self._match_flow(flow, reading, facts)
        if chunks:
            self.flows.weigh(flow, conversation.held)

    def _give_verdict(self, flow: Flow, reading: Reading, packet: Packet) -> None:
        verdict = reading.conversation.verdict
        stage = reading.stage
        if verdict is Verdict.YES:
            if stage < rows.MINING:
                self.flows.promote(flow)
            stage = rows.SETTLED if reading.answered else rows.MINING
        elif verdict is Verdict.HTTP or (verdict is Verdict.NO and stage == rows.REQUESTS):
            # The gate looks at every request of such a flow and passes the next one that matters.
            stage = rows.REQUESTS
            reading.conversation = Conversation(self.oddities)
            self.flows.restart(flow)
        elif verdict is Verdict.NO:
            stage = rows.JUDGED
            self.flows.mute(flow)
        if stage != reading.stage:
            reading.stage = stage
            self.gate.set_stage(packet.slot, packet.flow_hash, stage)

    def _datagram(self, packet: Packet) -> None:
        if packet.reason != reasons.DNS_LISTED:
            return
        key = (packet.source, packet.source_port, packet.destination, packet.destination_port, packet.payload)
        seen = self._datagrams.pop(key, None)
        now = self.now
        self._datagrams[key] = now
        if len(self._datagrams) > MAX_DATAGRAMS:
            self._datagrams.popitem(last=False)
        if seen is not None and now - seen <= DUPLICATE_WITHIN:
            self.oddities.count("duplicate_packet")
            return
        for facts in dns.read_message(packet.payload, packet.time, self.oddities):
            if self._match_datagram(packet, facts):
                return  # one message is one hit, however many of its names are listed

    # ── matching ─────────────────────────────────────────────────────────────────────────────────────────

    def _match(
        self, facts: Facts, client: tuple[bytes, int], server: tuple[bytes, int], transport: str
    ) -> list[tuple[Rule, Match]]:
        values: dict[str, Value] = {
            "client.ip": address_text(client[0]),
            "client.port": client[1],
            "server.ip": address_text(server[0]),
            "server.port": server[1],
            "flow.transport": transport,
            **facts.values,
        }
        for name in facts.values:
            self._facts[name] += 1
        return self.ruleset.match(values)

    def _match_flow(self, flow: Flow, reading: Reading, facts: Facts) -> None:
        sender, peer = flow.ends[facts.side], flow.ends[1 - facts.side]
        client, server = (sender, peer) if facts.sender is Role.CLIENT else (peer, sender)
        place = Place(*sender, *peer, TCP, flow.layers, flow.vlans, flow.interface)
        for rule, match in self._match(facts, client, server, "tcp"):
            detection = Detection(
                rule=rule,
                facts=facts,
                match=match,
                place=place,
                flow_id=flow.id,
                confidence=rule.confidence,
                host=client[0],
                server=server[0],
                server_port=server[1],
                seen=seen_of(flow, facts),
                session=reading.conversation.session.told,
            )
            if not facts.mining:
                self._report(reading.reported, rule.id, detection)
                continue
            reading.waiting.append(Waiting(detection, flow, facts.end, facts.side))
            if len(reading.waiting) == 1:
                self._waiting.append((self.now + self.settings.answer_wait, reading))
            if len(reading.waiting) > MAX_WAITING:
                self._report_waiting(reading, reading.waiting.popleft())

    def _match_datagram(self, packet: Packet, facts: Facts) -> bool:
        source = (packet.source, packet.source_port)
        destination = (packet.destination, packet.destination_port)
        client, server = (source, destination) if facts.sender is Role.CLIENT else (destination, source)
        place = Place(*source, *destination, packet.protocol, packet.layers, packet.vlans, packet.interface)
        matches = self._match(facts, client, server, "udp")
        for rule, match in matches:
            detection = Detection(
                rule=rule,
                facts=facts,
                match=match,
                place=place,
                flow_id=datagram_flow(packet),
                confidence=rule.confidence,
                host=client[0],
                server=None,  # the resolver is not the pool
                server_port=0,
                seen="client" if facts.sender is Role.CLIENT else "server",
            )
            # Each question has a port of its own, so what a host asks its resolver about a name is taken as one flow.
            key = (client[0], server[0], match.endpoint.domain if match.endpoint else "", rule.id)
            told = self._told.pop(key, None) or Reported()
            self._told[key] = told
            if len(self._told) > MAX_DATAGRAMS:
                self._told.popitem(last=False)
            self._report({rule.id: told}, rule.id, detection)
        return bool(matches)

    # ── reporting ────────────────────────────────────────────────────────────────────────────────────────

    def _release(self, reading: Reading, *, everything: bool = False) -> None:
        """Report the hits of a flow that are answered, or all of them."""
        waiting = reading.waiting
        at_once = everything or self.settings.one_sided
        while waiting:
            if not reading.answered:
                reading.answered = all(reading.conversation.session.spoke) or is_covered(waiting[0])
            if not (reading.answered or at_once):
                return
            self._report_waiting(reading, waiting.popleft())

    def _report_waiting(self, reading: Reading, one: Waiting) -> None:
        evidence = Confidence.CONFIRMED if reading.answered else Confidence.PROBABLE
        one.detection.confidence = min(one.detection.rule.confidence, evidence)
        one.detection.seen = seen_of(one.flow, one.detection.facts)
        self._report(reading.reported, one.detection.rule.id, one.detection)

    def _report(self, table: dict[str, Reported], rule_id: str, detection: Detection) -> None:
        reported = table.setdefault(rule_id, Reported())
        reported.count += 1
        detection.count = reported.count
        self._hits += 1
        self._hit(detection)
        now = detection.facts.time
        due = (
            reported.confidence is None
            or detection.confidence > reported.confidence
            or abs(now - reported.time) >= self.settings.repeat_interval
        )
        if due:
            reported.confidence = max(detection.confidence, reported.confidence or detection.confidence)
            reported.time = now
            self._event(detection)

    # ── books ────────────────────────────────────────────────────────────────────────────────────────────

    def _count_interfaces(self, batch: Batch, size: int) -> None:
        """Enter a batch of ``size`` bytes on the wire into the books of its interfaces."""
        frames = batch.frames
        if not len(frames):
            return
        numbers = frames["interface"]
        first = int(numbers[0])
        alone = len(self.interfaces) == 1 or bool((numbers == first).all())
        for index in [first] if alone else np.unique(numbers).tolist():
            mine = frames if alone else frames[numbers == index]
            books = self._by_interface.setdefault(index, InterfaceTotals())
            books.packets += len(mine)
            books.bytes += size if alone else int(mine["length"].sum(dtype=np.int64))
            books.last_packet = int(mine["time"][-1])

    def totals(self) -> Totals:
        """Counters since start, and the levels of now."""
        gate = self.gate
        flows, one_sided = gate.sweep()
        oddities = dict(self.oddities.counts)
        oddities["clock_jump"] += gate.clock_jumps
        oddities.update(gate.oddities())
        return Totals(
            packets=gate.frames,
            bytes=gate.bytes,
            passed=gate.passed,
            skipped=gate.skipped(),
            undecoded=gate.undecoded(),
            flows=flows,
            flows_read=len(self.flows),
            flows_evicted=gate.evicted(),
            one_sided_ratio=one_sided,
            facts=dict(self._facts),
            oddities=oddities,
            hits=self._hits,
            interfaces={self.interfaces[index]: books for index, books in self._by_interface.items()},
        )


def datagram_flow(packet: Packet) -> int:
    """A number for the flow of a datagram, the same for both directions: 48 bits, as those of TCP flows."""
    ends = sorted(((packet.source, packet.source_port), (packet.destination, packet.destination_port)))
    key = b"".join(address + port.to_bytes(2, "big") for address, port in ends)
    return int.from_bytes(hashlib.blake2s(key, digest_size=6).digest(), "big")


def seen_of(flow: Flow, facts: Facts) -> str:
    """Whose packets the sensor has seen of a flow: "both", "client" or "server"."""
    if all(flow.seen):
        return "both"
    return facts.sender.value if flow.seen[facts.side] else facts.sender.other.value


def is_covered(one: Waiting) -> bool:
    """Whether the peer acknowledged the message (sequence numbers wrap: RFC 9293, section 3.4)."""
    acknowledged = one.flow.acked[one.side]
    return acknowledged >= 0 and one.end >= 0 and (acknowledged - one.end) & 0xFFFFFFFF < 1 << 31
