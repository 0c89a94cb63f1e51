"""The pipeline of one worker: batches in, detections out.

In: batches of one source.  Out: a call for each hit and for each event line that is due; :class:`Totals`.
Never: I/O, a clock of its own (time is packet time, and what the caller says has passed without packets).

Which hits count when, and as how sure, is :mod:`sniffer.reporter`'s business.
"""

from __future__ import annotations

import secrets
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from sniffer.detector import Detector
from sniffer.flows.table import FlowTable
from sniffer.following import Followed, Server
from sniffer.gate import reasons, rows
from sniffer.gate.gate import DEFAULT_FLOWS, Gate
from sniffer.gate.headers import TCP
from sniffer.learned import Addresses, Lesson
from sniffer.model import Alternative, Data, Detection, Facts, Role
from sniffer.oddities import Oddities
from sniffer.openings import OpeningReader
from sniffer.prepared import Prepared, prepare
from sniffer.protocols import dns, management, tls
from sniffer.protocols.conversation import Conversation, Verdict
from sniffer.protocols.messages import Origin
from sniffer.reporter import Reporter
from sniffer.suppressor import Suppressor
from sniffer.totals import InterfaceTotals, Totals
from sniffer.traffic import HostTraffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sniffer.batch import Batch
    from sniffer.counts import Sighting
    from sniffer.evidence.witness import Witness
    from sniffer.flows.table import Flow
    from sniffer.model import Chunk, Packet
    from sniffer.owners.table import Ownership
    from sniffer.ruleset import RuleSet
    from sniffer.size.work import Tallies

SECOND: Final = 1_000_000_000
MAX_DATAGRAMS: Final = 8_192  # remembered, to know one again
DUPLICATE_WITHIN: Final = SECOND // 20
SILENT_AFTER: Final = 4  # chunks in which a flow has neither mined nor named a host
RESOLVER_PORTS: Final = (443, 853)
SERVER_PROTOCOLS: Final = {"address.name": "pool-address", "doh.resolver": "doh"}
"""Facts that come from a server's address, and the protocol that an event about them names."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What an operator may set."""

    gate_flows: int = DEFAULT_FLOWS  # flows the gate remembers, a power of two
    read_flows: int = 65_536  # flows being reassembled
    read_bytes: int = 256 << 20  # memory of their reassembly
    one_sided: bool = False  # the mirror shows one direction by design: answers cannot be seen
    repeat_interval: int = 600 * SECOND  # between two event lines of the same flow and rule
    answer_wait: int = 5 * SECOND  # how long a hit waits for the peer's answer
    paranoid: bool = False  # each answer of the rules is found twice, and compared


class Engine:
    """Runs batches through gate, flows, protocols and rules."""

    def __init__(  # noqa: PLR0913  # each is a way out of its own
        self,
        rules: RuleSet | Prepared,
        *,
        interfaces: Sequence[str],
        settings: EngineSettings,
        hit: Callable[[Detection], None],
        event: Callable[[Detection], None],
        learned: Callable[[Lesson], None] | None = None,
        sighting: Callable[[Sighting, Detection], None] | None = None,
        ownership: Ownership | None = None,
        tallies: Tallies | None = None,
        carried: Callable[[bytes, int, int, int], None] | None = None,
        watched: Callable[[bytes], None] | None = None,
    ) -> None:
        """Start with empty tables.

        Args:
            rules: the rules to match; prepared ones are shared between engines.
            interfaces: names that frames refer to by index; the sequence may grow while batches come.
            settings: sizes and times.
            hit: called once for each message that a rule matches; where it counts, from the number on.
            event: called when a line about a (flow, rule) is due.
            learned: called for each address that DNS gave to a listed name; other engines can :meth:`learn` it.
            sighting: called for each message that a rule counts by host; None: this engine sees all of them, and counts.
            ownership: tells whose an address is; suppressions and thresholds may be by tenant.
            tallies: begins the account of shares of a flow that mines; None: nobody asks how big.
            carried: called now and then for each host that mines and has carried something, with its address, the packet
                time (a minute, nanoseconds since 1970), and estimates of its bytes: of frames of mining flows that are in
                no tally, and of everything else; None: nobody asks.
            watched: called for each host that mines, again while it goes on; other engines can :meth:`watch` it.
        """
        prepared = rules if isinstance(rules, Prepared) else prepare(rules)
        self.interfaces = interfaces
        self.settings = settings
        self.oddities = Oddities()
        keys = (secrets.randbits(64), secrets.randbits(64), prepared.names.seed)
        self.gate = Gate(flows=settings.gate_flows, keys=keys)
        self.flows = FlowTable(
            limit_flows=settings.read_flows, limit_bytes=settings.read_bytes, oddities=self.oddities
        )
        self._addresses = Addresses(self.oddities)
        self._learned = learned
        self._suppressor = Suppressor()
        self._tallies = tallies
        self._traffic = HostTraffic(self.gate, carried, watched) if carried is not None else None
        self._reporter = Reporter(
            answer_wait=settings.answer_wait,
            repeat_interval=settings.repeat_interval,
            one_sided=settings.one_sided,
            hit=hit,
            event=event,
            suppresses=self._suppressor.suppresses,
            sighting=sighting,
        )
        self._detector = Detector(
            self._reporter, self.oddities, ownership=ownership, paranoid=settings.paranoid
        )
        self._witness: Witness | None = None
        # Held weakly, so that an engine, and the rules it has, are gone at once: a circle would wait for a search for waste.
        me = weakref.proxy(self)
        self._openings = OpeningReader(
            wait=settings.answer_wait,
            tell=lambda flow, facts: Engine._tell_opening(me, flow, facts),
            oddities=self.oddities,
        )
        self._datagrams: OrderedDict[tuple[object, ...], int] = OrderedDict()
        self._datagrams_read = 0
        self._levels = (0, 0, 0.0)  # of flows, as of the last sweep
        self._by_interface: dict[int, InterfaceTotals] = {}
        self._now = 0  # on the gate's clock
        self._time = 0  # as the packet says, nanoseconds since 1970
        self._idle = 0
        self._next_expiry = 0
        self.set_rules(prepared)

    @property
    def now(self) -> int:
        """Nanoseconds of packet time since the first packet, without leaps, plus idle time."""
        return self._now + self._idle

    @property
    def differing(self) -> Iterable[str]:
        """Rules about which both matchers disagreed."""
        return self._detector.differing

    def set_ownership(self, ownership: Ownership) -> None:
        """Have it told by others whose an address is, from the next batch on."""
        self._detector.ownership = ownership

    def watch(self, host: bytes) -> None:
        """Count what a host carries that another engine saw mining; nothing where nobody asks."""
        if self._traffic is not None:
            self._traffic.watch(host)

    def show(self, witness: Witness) -> None:
        """Show what is read to a witness, before the first batch; hits are told to it by whoever gets them."""
        self._witness = self._detector.witness = witness
        witness.interfaces, witness.rules_version = self.interfaces, self.ruleset.version

    def set_rules(self, prepared: Prepared) -> None:
        """Match other rules from the next batch on; flows and counts stay.

        Raises:
            ValueError: they were not prepared with the seed of this engine's names.
        """
        ruleset = self.ruleset = prepared.ruleset
        self._suppressor.suppressions = ruleset.suppressions
        if self._witness is not None:
            self._witness.rules_version = ruleset.version
        self._detector.use(prepared)
        self.gate.list_names(prepared.names)
        self.gate.list_patterns(ruleset.patterns)
        self._openings.set_patterns(ruleset.patterns)
        for address in self._addresses.list_resolvers(prepared.resolver_addresses):
            self.gate.know_server(address)

    def process(self, batch: Batch) -> None:
        """Run one batch through the pipeline."""
        self._idle = 0  # packet time itself has gone on
        before = self.gate.bytes
        for packet in self.gate.inspect(batch):
            self._advance(packet.now, packet.time)
            if packet.protocol == TCP:
                self._segment(packet)
            else:
                self._datagram(packet)
        self._count_interfaces(batch, self.gate.bytes - before)
        self._advance(self.gate.now, self.gate.last_packet)
        if self._traffic is not None:
            self._traffic.turn(self._time)

    def tick(self, idle: int) -> None:
        """Let time pass: ``idle`` nanoseconds went by without a packet."""
        self._idle += idle
        self._advance(self._now, self._time)

    def _advance(self, now: int, time: int) -> None:
        """Do what is due by a time, before anything is read that comes later."""
        self._now, self._time = now, time
        now, time = now + self._idle, time + self._idle
        self._reporter.tick(now)
        self._openings.tick(now)
        if self._witness is not None:
            self._witness.tick(time)
        if now >= self._next_expiry:
            self._next_expiry = now + 10 * SECOND
            self.flows.expire(self._time)
        if self.flows.has_holes:
            for flow, chunks in self.flows.due(time):
                self._read(flow, flow.state, chunks)

    def finish(self) -> None:
        """Let go of everything that waits: no more packets will come."""
        for flow, chunks in self.flows.finish():
            self._read(flow, flow.state, chunks)
        self._openings.finish()
        self._reporter.finish()
        if self._traffic is not None:
            self._traffic.tell()

    # ── packets ──────────────────────────────────────────────────────────────────────────────────────────

    def _segment(self, packet: Packet) -> None:
        found = self.flows.packet(packet) or self._wake(packet)
        if found is None:
            return
        flow, chunks = found
        followed = flow.state
        if followed is None:
            followed = flow.state = self._follow(flow, packet.opener)
        followed.opens = followed.opens or packet.reason == reasons.PAYLOAD
        if packet.layers:
            self._detector.read_labels(flow, followed, packet)
        if self._witness is not None:
            self._witness.packet(flow, packet, followed.known_as)
        self._read(flow, followed, chunks)
        if followed.tally:
            followed.tally.bytes[flow.side_of(packet)] += packet.frame_length
            if self._traffic is not None:
                self._traffic.note(followed, followed.tally.host, packet, self.now)
        if followed.reports.waiting:
            self._reporter.release(followed.reports)
        self._give_verdict(flow, followed, packet)

    def _wake(self, packet: Packet) -> tuple[Flow, list[Chunk]] | None:
        """Read a flow that is not read any more again where its other side opens as a rule says."""
        flow, side = self.flows.muted(packet)
        wakes = self._openings.wakes(flow, side, packet)
        if wakes or packet.reason == reasons.PAYLOAD:  # else: an opening that is sent again
            self.gate.set_stage(packet.slot, packet.flow_hash, rows.WATCHED if wakes else rows.JUDGED)
        if not wakes:
            return None
        self.flows.wake(flow)
        flow.state = self._follow(flow, packet.opener)
        flow.state.conversation.verdict = Verdict.NO  # as it was: only the opening is wanted
        return self.flows.packet(packet)

    def _follow(self, flow: Flow, opener: int) -> Followed:
        """Begin to read a flow."""
        openings = self._openings.begin(flow.ports, opener)
        return Followed(Conversation(self.oddities, flow.ports), openings, self._server_of(flow))

    def _server_of(self, flow: Flow) -> Server | None:
        """The end of a flow that is known by its address."""
        for side, (address, port) in enumerate(flow.ends):
            name = self._addresses.name_of(address, self.now)
            if name:
                return Server(side, "address.name", name)
            resolver = self._addresses.resolver_of(address) if port in RESOLVER_PORTS else ""
            if resolver:
                return Server(side, "doh.resolver", resolver)
        return None

    def _read(self, flow: Flow, followed: Followed, chunks: list[Chunk]) -> None:
        conversation = followed.conversation
        for chunk in chunks:
            if followed.openings:
                self._openings.read(flow, followed.openings, chunk, self.now)
            if not flow.from_start[chunk.side]:
                conversation.join_midway(chunk.side)
            try:
                found = conversation.read(chunk)
            except Exception:  # one flow that trips a reader must not take the others with it  # noqa: BLE001
                self.oddities.count("reader_failed")
                conversation.verdict = Verdict.NO
                return
            followed.chunks += 1
            hit = False
            for facts in found:
                hit = self._detector.detect(flow, followed, facts, self.now, told=hit and facts.again)
                if facts.mining and self._tallies and not isinstance(chunk, Alternative):
                    self._tally(flow, followed, facts, self._tallies)
            for resolution in conversation.take_resolutions():
                self._note_resolution(resolution, flow.ends[chunk.side], flow.ends[1 - chunk.side])
            if followed.server and isinstance(chunk, Data):
                self._tell_server(flow, followed, followed.server, chunk)
        held = conversation.held
        if held != flow.more:
            self.flows.weigh(flow, held)

    def _tally(self, flow: Flow, followed: Followed, facts: Facts, tallies: Tallies) -> None:
        """Enter a mining message into the account of its flow."""
        tally = followed.tally
        if tally is None:
            side = facts.side if facts.sender is Role.CLIENT else 1 - facts.side
            domain, detector = followed.server_name, self._detector
            tally = followed.tally = tallies.begin(
                flow,
                side,
                tenant_at=lambda time: detector.tenant_at(flow, followed, side, time),
                domain=domain,
                pool=self.ruleset.pool_of(domain) if domain else "",
                coins=self.ruleset.coins_of(domain) if domain else (),
            )
        tally.note(facts, followed.conversation.session)

    def _tell_opening(self, flow: Flow, facts: Facts) -> None:
        followed = flow.state
        if followed is not None:
            self._detector.detect(flow, followed, facts, self.now)
            self._reporter.release(followed.reports)

    def _tell_server(self, flow: Flow, followed: Followed, server: Server, chunk: Chunk) -> None:
        """Tell of a server that is known by its address, once it is clear that the flow itself names no host."""
        conversation = followed.conversation
        if followed.told_server or conversation.session.identified or conversation.is_named:
            return
        if conversation.verdict is Verdict.MORE and followed.chunks < SILENT_AFTER:
            return
        followed.told_server = True
        facts = Facts(
            SERVER_PROTOCOLS[server.fact],
            "flow",
            Role.SERVER if chunk.side == server.side else Role.CLIENT,
            {server.fact: server.name},
            chunk.side,
            chunk.time,
        )
        self._detector.detect(flow, followed, facts, self.now)

    def _give_verdict(self, flow: Flow, followed: Followed, packet: Packet) -> None:
        verdict = followed.conversation.verdict
        stage = followed.stage
        if verdict is not Verdict.YES and followed.openings and (flow.has_hole or followed.is_unsettled):
            return
        if verdict is Verdict.MORE and followed.opens and not followed.conversation.is_claimed:
            verdict = Verdict.NO  # the gate found no protocol either: it passed for its opening alone
        if verdict is Verdict.YES:
            if stage < rows.MINING:
                self.flows.promote(flow)
            stage = rows.SETTLED if followed.reports.answered else rows.MINING
        elif verdict is Verdict.AGAIN or (verdict is Verdict.NO and stage == rows.REQUESTS):
            # The gate looks at every message of such a flow and passes the next one that matters.
            stage = rows.REQUESTS
            followed.conversation = Conversation(self.oddities, flow.ports, again=followed.conversation)
            self.flows.restart(flow)
        elif verdict is Verdict.NO:
            stage = rows.JUDGED
            self.flows.mute(flow)
            if self._witness is not None:
                self._witness.forget(flow)
        if stage != followed.stage or (followed.opens and verdict is not Verdict.MORE):
            followed.stage, followed.opens = stage, False
            self.gate.set_stage(packet.slot, packet.flow_hash, stage)

    # ── datagrams ────────────────────────────────────────────────────────────────────────────────────────

    def _datagram(self, packet: Packet) -> None:
        self._datagrams_read += 1
        if self._is_duplicate(packet):
            self.oddities.count("duplicate_packet")
            return
        try:
            found = [*self._read_datagram(packet), *self._openings.read_datagram(packet)]
        except Exception:  # as above: one datagram must not take the others with it  # noqa: BLE001
            self.oddities.count("reader_failed")
            return
        hit = False
        if self._witness is not None and found:
            self._witness.datagram(packet, found)
        for facts in found:
            hit = self._detector.detect_datagram(packet, facts, told=hit and facts.again)
        if self._witness is not None and found:
            self._witness.datagram_done()

    def _is_duplicate(self, packet: Packet) -> bool:
        key = (packet.source, packet.source_port, packet.destination, packet.destination_port, packet.payload)
        seen = self._datagrams.pop(key, None)
        self._datagrams[key] = now = packet.now
        if len(self._datagrams) > MAX_DATAGRAMS:
            self._datagrams.popitem(last=False)
        return seen is not None and now - seen <= DUPLICATE_WITHIN

    def _read_datagram(self, packet: Packet) -> list[Facts]:
        if packet.reason == reasons.PAYLOAD:
            return []
        origin = Origin(0, packet.time, -1)
        if packet.reason == reasons.QUIC_LISTED:  # the gate has opened it: the payload is the client's hello
            values = tls.hello_values(packet.payload[4:], over="q")
            return [Facts("pool-quic", "ClientHello", Role.CLIENT, values, 0, packet.time)] if values else []
        if packet.reason == reasons.MANAGEMENT:
            ports = (packet.source_port, packet.destination_port)
            return management.read_datagram(packet.payload, ports, origin, self.oddities)
        message = dns.read_message(packet.payload, origin, self.oddities)
        if message.resolution:
            source = (packet.source, packet.source_port)
            self._note_resolution(message.resolution, source, (packet.destination, packet.destination_port))
        return message.facts

    def _note_resolution(
        self, resolution: dns.Resolution, sender: tuple[bytes, int], receiver: tuple[bytes, int]
    ) -> None:
        """Remember a question; learn the addresses of an answer."""
        ends = (receiver, sender) if resolution.is_answer else (sender, receiver)
        lessons = self._addresses.note(
            resolution,
            ends,
            self.now,
            pool_of=self.ruleset.pool_of,
            one_sided=self.settings.one_sided,
        )
        for lesson in lessons:
            self.gate.know_server(lesson.address, lesson.until)
            if self._learned:
                self._learned(lesson)

    def learn(self, lesson: Lesson) -> None:
        """Take over what another engine learned; its time is on this engine's clock."""
        pool = self.ruleset.pool_of(lesson.name)
        if pool and self._addresses.learn(lesson, pool, self.now):
            self.gate.know_server(lesson.address, lesson.until)

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
            books.first_packet = books.first_packet or int(mine["time"][0])
            books.last_packet = int(mine["time"][-1])

    def totals(self, *, sweep: bool = True) -> Totals:
        """Counters since start, and the levels of now.

        ``sweep``: forgets idle flows and counts the others, which takes milliseconds; else levels are of the last one.
        """
        gate = self.gate
        if sweep:
            self._levels = gate.sweep()
        flows, with_data, one_sided = self._levels
        oddities = dict(self.oddities.counts)
        oddities["clock_jump"] += gate.clock_jumps
        oddities["duplicate_packet"] += gate.segments_repeated
        oddities["window_evicted"] += self._reporter.windows_evicted
        oddities["evidence_limit"] += self._witness.evicted if self._witness else 0
        oddities.update(gate.oddities())
        return Totals(
            packets=gate.frames,
            bytes=gate.bytes,
            passed=gate.passed,
            skipped=gate.skipped(),
            undecoded=gate.undecoded(),
            cut=gate.cut,
            wrapped=gate.wrapped(),
            tls_hellos=gate.hellos(),
            datagrams_read=self._datagrams_read,
            segments_sampled=gate.segments_sampled,
            flows=flows,
            flows_with_data=with_data,
            flows_read=len(self.flows),
            flows_evicted=gate.evicted(),
            one_sided_ratio=one_sided,
            facts=dict(self._detector.facts),
            oddities=oddities,
            sightings=self._reporter.sightings,
            hits=self._reporter.hits,
            suppressed=dict(self._suppressor.by_rule),
            suppressed_by=dict(self._suppressor.by_entry),
            interfaces={self.interfaces[index]: books for index, books in self._by_interface.items()},
        )
