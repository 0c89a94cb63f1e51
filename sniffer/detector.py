"""From facts to detections: what a message matches, whose the host is, which flow it belongs to.

In: facts of flows and of datagrams, in order; rules; owners.  Out: detections, to the :mod:`~sniffer.reporter`.
Never: I/O, a payload: a rule sees what a reader understood.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from sniffer.gate.headers import TCP
from sniffer.model import Confidence, Detection, Place, Role
from sniffer.owners.keys import NO_LABELS
from sniffer.owners.labels import read_labels
from sniffer.owners.table import ACCESS_LAYERS, Seen
from sniffer.protocols import dns, payload
from sniffer.protocols.facts import FACTS
from sniffer.reporter import seen_of
from sniffer.ruleset.domains import splits

if TYPE_CHECKING:
    from sniffer.evidence.witness import Witness
    from sniffer.flows.table import Flow
    from sniffer.following import Followed
    from sniffer.model import Facts, Packet
    from sniffer.oddities import Oddities
    from sniffer.owners.keys import Labels
    from sniffer.owners.table import Owned, Ownership
    from sniffer.prepared import Party, Prepared
    from sniffer.reporter import Reporter
    from sniffer.ruleset.matcher import Answers

HOST_FACTS: Final = ("tls.server_name", "http.host", "connect.host")
"""Facts that name the host a flow goes to."""


class Detector:
    """Matches facts.

    Args:
        reporter: takes the detections.
        oddities: where it is counted that matchers disagree.
        ownership: tells whose an address is; None: no tenants are known.
        paranoid: each answer of the rules is found twice, and compared.
    """

    def __init__(
        self,
        reporter: Reporter,
        oddities: Oddities,
        *,
        ownership: Ownership | None,
        paranoid: bool,
    ) -> None:
        self._reporter, self._oddities, self._paranoid = reporter, oddities, paranoid
        self.ownership = ownership  # may be replaced between two batches
        self.witness: Witness | None = None
        self.facts = dict.fromkeys(FACTS, 0)  # how often each was told
        self.differing: dict[str, None] = {}  # rules about which both matchers disagreed

    def use(self, prepared: Prepared) -> None:
        """Match these rules from now on; there are none before."""
        self._ruleset = prepared.ruleset
        self._ends, self._told, self._resolvers = prepared.ends, prepared.told, prepared.resolvers

    def _match(self, facts: Facts, client: Party, server: Party, transport: str) -> Answers:
        counts, values = self.facts, facts.values
        for name in values:
            counts[name] += 1
        for name, of in self._ends:
            values[name] = of(client, server, transport)
        told = facts.told or {}
        for name, fact in self._told:
            if fact in told:
                values[name] = told[fact]
        if not self._paranoid:
            return self._ruleset.match(values)
        answers, differing = self._ruleset.match_twice(values)
        if differing:
            self._oddities.count("matcher_differs")
            self.differing.update(dict.fromkeys(differing))
        return answers

    def detect(self, flow: Flow, followed: Followed, facts: Facts, now: int, *, told: bool = False) -> bool:
        """Match facts of a flow.

        Args:
            flow: where they were said.
            followed: what is known of it.
            facts: what was said.
            now: nanoseconds, on the reporter's clock.
            told: the message they belong to is a hit already.

        Returns:
            Whether it is.
        """
        name = followed.server_name
        if name or not facts.mining:
            self._add_names(facts, name)
        if self.witness is not None:
            self.witness.message(flow, facts)
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
                    self._reporter.hold(followed.reports, hit, flow, session.spoke, now)
                    counted = True
                elif self._reporter.report(followed.reports, hit):
                    counted = True
        return counted

    def read_labels(self, flow: Flow, followed: Followed, packet: Packet) -> None:
        """Note the labels of access sessions around a packet: once for each side of a flow.

        Each direction may have labels of its own, so hits that wait for the peer's answer are owned by both sides' labels.
        """
        side = flow.side_of(packet)
        wants = self.ownership is not None and self.ownership.wants_labels
        if not wants or followed.labelled[side] or ACCESS_LAYERS.isdisjoint(packet.layers):
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

    def tenant_at(self, flow: Flow, followed: Followed, side: int, time: int) -> str:
        """Whose the side of a flow that mines was at a time, "" if nobody's."""
        owned = self.owner_of(flow.ends[side], time, flow.vlans, followed.labels)
        return owned.tenant if owned else ""

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

    def detect_datagram(self, packet: Packet, facts: Facts, *, told: bool = False) -> bool:
        """Match facts of a datagram; otherwise as :meth:`detect`."""
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
