"""The pipeline of one worker: batches in, detections out.

In: batches of one source.  Out: a call for each hit and for each event line that is due; :class:`Totals`.
Never: I/O, a clock of its own (time is packet time, and what the caller says has passed without packets).

Which hits count when, and as how sure, is :mod:`sniffer.reporter`'s business.
"""

from __future__ import annotations

import hashlib
import secrets
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from sniffer.flows.table import FlowTable
from sniffer.gate import reasons, rows
from sniffer.gate.gate import DEFAULT_FLOWS, Gate
from sniffer.gate.headers import TCP
from sniffer.learned import Addresses, Lesson
from sniffer.model import Alternative, Confidence, Data, Detection, Facts, Place, Role
from sniffer.oddities import Oddities
from sniffer.openings import OpeningReader
from sniffer.owners.keys import NO_LABELS
from sniffer.owners.labels import read_labels
from sniffer.owners.table import ACCESS_LAYERS, Seen
from sniffer.prepared import Prepared, prepare
from sniffer.protocols import dns, management, payload, tls
from sniffer.protocols.conversation import Conversation, Verdict
from sniffer.protocols.facts import FACTS
from sniffer.protocols.messages import Origin
from sniffer.reporter import Reporter, Reports, seen_of
from sniffer.ruleset.domains import splits
from sniffer.suppressor import Suppressor
from sniffer.totals import InterfaceTotals, Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sniffer.batch import Batch
    from sniffer.counts import Sighting
    from sniffer.evidence.witness import Witness
    from sniffer.flows.table import Flow
    from sniffer.model import Chunk, Packet
    from sniffer.owners.keys import Labels
    from sniffer.owners.table import Owned, Ownership
    from sniffer.prepared import Party
    from sniffer.ruleset import RuleSet
    from sniffer.ruleset.matcher import Answers
    from sniffer.size.work import Tallies, Tally

SECOND: Final = 1_000_000_000
MAX_DATAGRAMS: Final = 8_192  # remembered, to know one again
DUPLICATE_WITHIN: Final = SECOND // 20
WATCH_EVERY: Final = (
    600 * SECOND
)  # that a flow which goes on mining says so, for its host's traffic to be counted
CARRIED_EVERY: Final = 60 * SECOND  # of packet time, between two looks at what such hosts have carried
SILENT_AFTER: Final = 4  # chunks in which a flow has neither mined nor named a host
RESOLVER_PORTS: Final = (443, 853)
SERVER_PROTOCOLS: Final = {"address.name": "pool-address", "doh.resolver": "doh"}
"""Facts that come from a server's address, and the protocol that an event about them names."""
HOST_FACTS: Final = ("tls.server_name", "http.host", "connect.host")
"""Facts that name the host a flow goes to."""


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


@dataclass(slots=True)
class Followed:
    """What the engine knows of one flow that is being read."""

    conversation: Conversation
    openings: payload.Openings | None = None  # where a rule may ask about them
    server: Server | None = None  # where one end is known by its address
    told_server: bool = False
    reports: Reports = field(default_factory=Reports)
    tally: Tally | None = None  # of shares, once it mines
    watch_due: int = 0  # when its host is to be watched again; 0: it is not yet
    stage: int = rows.WATCHED
    chunks: int = 0  # read so far
    labels: Labels = NO_LABELS  # of the packets of both sides
    labelled: list[bool] = field(default_factory=lambda: [False, False])  # sides whose labels were read
    opens: bool = False  # the gate passes it because a side opens as a rule says, whatever the stage was

    @property
    def known_as(self) -> str:
        """The name that DNS gave to one end, "" if none."""
        return self.server.name if self.server and self.server.fact == "address.name" else ""

    @property
    def is_unsettled(self) -> bool:
        """Whether an opening is still read, or a hit waits for its answer."""
        return bool(self.reports.waiting) or (self.openings is not None and self.openings.is_open)


class Server(NamedTuple):
    """An end that is known by its address before the flow says anything."""

    side: int
    fact: str  # of SERVER_PROTOCOLS
    name: str


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
        self.ownership = ownership  # may be replaced between two batches
        self._tallies = tallies
        self._carried, self._watched = carried, watched
        self._minute = 0  # of packet time, in which it was last asked what hosts have carried
        self._reporter = Reporter(
            answer_wait=settings.answer_wait,
            repeat_interval=settings.repeat_interval,
            one_sided=settings.one_sided,
            hit=hit,
            event=event,
            suppresses=self._suppressor.suppresses,
            sighting=sighting,
        )
        self._witness: Witness | None = None
        self.differing: dict[str, None] = {}  # rules about which both matchers disagreed
        self._facts = dict.fromkeys(FACTS, 0)
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

    def show(self, witness: Witness) -> None:
        """Show what is read to a witness, before the first batch; hits are told to it by whoever gets them."""
        self._witness = witness
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
        self._ends, self._told, self._resolvers = prepared.ends, prepared.told, prepared.resolvers
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
        minute = self._time // CARRIED_EVERY
        if minute != self._minute:
            self._minute = self._minute or minute  # the first one
            self._tell_carried()
            self._minute = minute

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
        self._tell_carried()

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
        if self.ownership is not None and self.ownership.wants_labels and packet.layers:
            self._read_labels(flow, followed, packet)
        if self._witness is not None:
            self._witness.packet(flow, packet, followed.known_as)
        self._read(flow, followed, chunks)
        if followed.tally:
            followed.tally.bytes[flow.side_of(packet)] += packet.frame_length
            if self._carried is not None:
                self._watch(followed, followed.tally.host, packet)
        if followed.reports.waiting:
            self._reporter.release(followed.reports)
        self._give_verdict(flow, followed, packet)

    def _watch(self, followed: Followed, host: bytes, packet: Packet) -> None:
        """Have the gate count what the host of a flow that mines carries in all, and leave out what is counted here."""
        if (
            not followed.watch_due or packet.reason != reasons.WATCHED
        ):  # else: the gate has it since it was told
            self.gate.note_mining(packet.slot, packet.flow_hash)
        if self.now >= followed.watch_due:
            followed.watch_due = self.now + WATCH_EVERY
            self.gate.watch_host(host)
            if self._watched is not None:
                self._watched(host)

    def watch(self, host: bytes) -> None:
        """Count what a host carries that another engine saw mining."""
        self.gate.watch_host(host)

    def _tell_carried(self) -> None:
        """Tell what hosts have carried since the last time, as of the minute that it was."""
        if self._carried is not None:
            for host, mining, other in self.gate.carried():
                self._carried(host, self._minute * CARRIED_EVERY, mining, other)

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
                hit = self._match_flow(flow, followed, facts, told=hit and facts.again)
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
            domain = self._server_name(followed)
            tally = followed.tally = tallies.begin(
                flow,
                side,
                tenant_at=lambda time: self._tenant_at(flow, followed, side, time),
                domain=domain,
                pool=self.ruleset.pool_of(domain) if domain else "",
                coins=self.ruleset.coins_of(domain) if domain else (),
            )
        tally.note(facts, followed.conversation.session)

    def _tenant_at(self, flow: Flow, followed: Followed, side: int, time: int) -> str:
        """Whose the side of a flow that mines was at a time, "" if nobody's."""
        owned = self.owner_of(flow.ends[side], time, flow.vlans, followed.labels)
        return owned.tenant if owned else ""

    @staticmethod
    def _server_name(followed: Followed) -> str:
        """Name of the server, as a proxy was asked for it, or as DNS answered; "" unknown."""
        return followed.conversation.target or followed.known_as

    def _tell_opening(self, flow: Flow, facts: Facts) -> None:
        followed = flow.state
        if followed is not None:
            self._match_flow(flow, followed, facts)
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
        self._match_flow(flow, followed, facts)

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
            hit = self._match_datagram(packet, facts, told=hit and facts.again)
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

    # ── matching ─────────────────────────────────────────────────────────────────────────────────────────

    def _match(self, facts: Facts, client: Party, server: Party, transport: str) -> Answers:
        counts, values = self._facts, facts.values
        for name in values:
            counts[name] += 1
        for name, of in self._ends:
            values[name] = of(client, server, transport)
        told = facts.told or {}
        for name, fact in self._told:
            if fact in told:
                values[name] = told[fact]
        if not self.settings.paranoid:
            return self.ruleset.match(values)
        answers, differing = self.ruleset.match_twice(values)
        if differing:
            self.oddities.count("matcher_differs")
            self.differing.update(dict.fromkeys(differing))
        return answers

    def _match_flow(self, flow: Flow, followed: Followed, facts: Facts, *, told: bool = False) -> bool:
        """Match facts of a flow; ``told``: the message they belong to is a hit already.  Returns whether it is."""
        name = self._server_name(followed)
        if name or not facts.mining:
            self._add_names(facts, name)
        if self._witness is not None:
            self._witness.message(flow, facts)
        sender, peer = flow.ends[facts.side], flow.ends[1 - facts.side]
        client, server = (sender, peer) if facts.sender is Role.CLIENT else (peer, sender)
        matches = self._match(facts, client, server, "tcp")
        if told or not matches:
            return told
        counted = False
        place = Place(*sender, *peer, TCP, flow.layers, flow.vlans, flow.interface)
        has_server, session = not is_dns(facts), followed.conversation.session
        owned = self.owner_of(client, facts.time, flow.vlans, followed.labels)
        for rule, match in matches:
            detection = Detection(
                rule=rule,
                facts=facts,
                match=match,
                place=place,
                flow_id=flow.id,
                confidence=rule.confidence,
                host=client[0],
                server=server[0] if has_server else None,
                server_port=server[1] if has_server else 0,
                seen=seen_of(flow, facts),
                session=session.told,
                owned=owned,
            )
            hits = self._reporter.counted(flow.id, detection)
            counted = counted or not hits  # it counts towards one
            for hit in hits:
                if hit.facts.mining or hit.facts.protocol == payload.FAMILY:
                    self._reporter.hold(followed.reports, hit, flow, session.spoke, self.now)
                    counted = True
                elif self._reporter.report(followed.reports, hit):
                    counted = True
        return counted

    def _read_labels(self, flow: Flow, followed: Followed, packet: Packet) -> None:
        """Note the labels of access sessions around a packet: once for each side of a flow.

        Each direction may have labels of its own, so hits that wait for the peer's answer are owned by both sides' labels.
        """
        side = flow.side_of(packet)
        if followed.labelled[side] or ACCESS_LAYERS.isdisjoint(packet.layers):
            return
        followed.labelled[side] = True
        followed.labels = followed.labels.merged(read_labels(packet.frame, packet.link))
        for one in followed.reports.waiting:
            detection = one.detection
            party = next(end for end in flow.ends if end[0] == detection.host)
            time, vlans = detection.facts.time, detection.place.vlans
            detection.owned = self.owner_of(party, time, vlans, followed.labels)

    def owner_of(self, party: Party, time: int, vlans: tuple[int, ...], labels: Labels) -> Owned | None:
        """Whose one end of a flow was at a time; None where no tenants are known."""
        if self.ownership is None:
            return None
        return self.ownership.of(Seen(*party, time, vlans, labels))

    def _add_names(self, facts: Facts, server_name: str) -> None:
        """Add what is known of the host that facts are about: its name, and whether it is a resolver."""
        if server_name:
            facts.values["server.name"] = server_name
        if facts.mining:
            return
        for fact in HOST_FACTS:
            name = facts.values.get(fact)
            if isinstance(name, str) and is_below(name, self._resolvers):
                facts.values["doh.resolver"] = name

    def _match_datagram(self, packet: Packet, facts: Facts, *, told: bool = False) -> bool:
        self._add_names(facts, "")
        source = (packet.source, packet.source_port)
        destination = (packet.destination, packet.destination_port)
        client, server = (source, destination) if facts.sender is Role.CLIENT else (destination, source)
        matches = self._match(facts, client, server, "udp")
        if told or not matches:
            return told
        counted = False
        place = Place(*source, *destination, packet.protocol, packet.layers, packet.vlans, packet.interface)
        has_server, is_opening = not is_dns(facts), facts.protocol == payload.FAMILY
        reads = self.ownership is not None and self.ownership.wants_labels and packet.layers
        labels = read_labels(packet.frame, packet.link) if reads else NO_LABELS
        owned = self.owner_of(client, facts.time, packet.vlans, labels)
        for rule, match in matches:
            detection = Detection(
                rule=rule,
                facts=facts,
                match=match,
                place=place,
                flow_id=datagram_flow(packet),
                # Whoever forges a datagram needs no answer, so that one alone confirms nothing.
                confidence=min(rule.confidence, Confidence.PROBABLE) if is_opening else rule.confidence,
                host=client[0],
                server=server[0] if has_server else None,
                server_port=server[1] if has_server else 0,
                seen="client" if facts.sender is Role.CLIENT else "server",
                owned=owned,
            )
            # Each question has a port of its own, so what a host asks its resolver about a name is taken as one flow.
            belongs = (client[0], server[0], match.endpoint.domain if match.endpoint else "")
            hits = self._reporter.counted(belongs, detection)
            counted = counted or not hits  # it counts towards one
            for hit in hits:
                if self._reporter.report_datagram(belongs, hit):
                    counted = True
        return counted

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
            facts=dict(self._facts),
            oddities=oddities,
            sightings=self._reporter.sightings,
            hits=self._reporter.hits,
            suppressed=dict(self._suppressor.by_rule),
            suppressed_by=dict(self._suppressor.by_entry),
            interfaces={self.interfaces[index]: books for index, books in self._by_interface.items()},
        )


def is_dns(facts: Facts) -> bool:
    """Whether facts come from DNS: the resolver that is asked is not the pool."""
    return facts.protocol == dns.FAMILY


def is_below(name: str, names: frozenset[str]) -> bool:
    """Whether a name, or one above it, is one of ``names``."""
    return any(parent in names for _, parent in splits(name))


def datagram_flow(packet: Packet) -> int:
    """A number for the flow of a datagram, the same for both directions: 48 bits, as those of TCP flows."""
    ends = sorted(((packet.source, packet.source_port), (packet.destination, packet.destination_port)))
    key = b"".join(address + port.to_bytes(2, "big") for address, port in ends)
    return int.from_bytes(hashlib.blake2s(key, digest_size=6).digest(), "big")
