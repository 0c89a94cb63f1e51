"""When a hit counts, how sure it is by then, and when an event line about it is due.

In: detections of flows and datagrams, in order; the time.  Out: a call for each hit and for each line that is due.
Never: I/O, a clock of its own, a hit that is told twice, or not at all unless it is suppressed.

Where a rule counts by flow, a detection is none before there are enough of them in its window.  Where it counts by host, a
detection becomes a sighting when it is as sure as it will be (:mod:`sniffer.counts`).

A mining message counts as *answered* when the peer's acknowledgement covers it, or when the peer speaks mining
itself.  Until then its hit is held, for a few seconds of packet time at most; then it goes out as ``probable``.
One spoofed segment can therefore not put an innocent address into a ``confirmed`` report.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from sniffer.counts import HostCounts, Reported, Sighting, recall
from sniffer.model import Confidence
from sniffer.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from sniffer.flows.table import Flow
    from sniffer.model import Detection, Facts

MAX_WAITING: Final = 256  # hits of one flow that wait for an answer
MAX_FLOWS_WAITING: Final = 65_536  # with hits that wait; beyond them the oldest goes out as it is
MAX_DATAGRAM_FLOWS: Final = 8_192  # what datagrams said, remembered to tell a first line from a reminder


class Waiting(msgspec.Struct):
    """A hit that waits for the peer's answer."""

    detection: Detection
    flow: Flow
    spoke: Sequence[bool]  # whether each side has spoken mining; changes while the hit waits

    @property
    def is_answered(self) -> bool:
        """Whether the peer has answered by now (sequence numbers wrap: RFC 9293, section 3.4)."""
        facts = self.detection.facts
        acknowledged = self.flow.acked[facts.side]
        is_covered = (
            acknowledged >= 0 and facts.end >= 0 and (acknowledged - facts.end) & 0xFFFFFFFF < 1 << 31
        )
        return is_covered or all(self.spoke)


@dataclass(slots=True)
class Reports:
    """What has been told of one flow, and what waits to be."""

    by_rule: dict[str, Reported] = field(default_factory=dict)
    waiting: deque[Waiting] = field(default_factory=deque)
    answered: bool = False


class Reporter:
    """Holds, counts and passes on the hits of one engine."""

    def __init__(
        self,
        *,
        answer_wait: int,
        repeat_interval: int,
        one_sided: bool,
        hit: Callable[[Detection], None],
        event: Callable[[Detection], None],
        suppresses: Callable[[Detection], bool],
        sighting: Callable[[Sighting, Detection], None] | None = None,
    ) -> None:
        """Start with nothing told.

        Args:
            answer_wait: nanoseconds that a hit waits for the peer's answer.
            repeat_interval: nanoseconds between two event lines of the same flow and rule.
            one_sided: answers cannot be seen, so that nothing waits for one.
            hit: called once for each message that a rule matches.
            event: called when a line about a (flow, rule) is due.
            suppresses: asked once for each hit, and for each sighting, whether it goes no further.
            sighting: called for each message that a rule counts by host; None: they are counted here.
        """
        self.hits = 0
        self.sightings = 0  # messages that rules with a count asked for
        self._sighting = sighting
        self._flow_windows: Windows[Detection] = Windows()
        self._hosts: HostCounts[Detection] = HostCounts(repeat_interval=repeat_interval)
        self._answer_wait, self._repeat_interval, self._one_sided = answer_wait, repeat_interval, one_sided
        self._hit, self._event, self._suppresses = hit, event, suppresses
        self._waiting: deque[tuple[int, Reports]] = deque()  # by deadline
        self._datagrams: OrderedDict[tuple[object, ...], Reported] = OrderedDict()

    @property
    def windows_evicted(self) -> int:
        """Windows, and messages that waited in one, that made room."""
        both = self._flow_windows, self._hosts.windows
        return sum(windows.evicted + windows.given_up for windows in both)

    def counted(self, flow: Hashable, detection: Detection) -> Sequence[Detection]:
        """What is a hit by now: this detection, unless its rule counts by flow and there are not enough of them yet.

        Args:
            flow: what belongs together.
            detection: the latest of it.
        """
        count = detection.rule.count
        if count is None or count.per_host:
            return (detection,)
        self.sightings += 1
        key = (flow, detection.rule.id, count.digest)
        return self._flow_windows.add(key, count.at_least, count.within, detection.facts.time, detection)

    def hold(
        self, reports: Reports, detection: Detection, flow: Flow, spoke: Sequence[bool], now: int
    ) -> None:
        """Keep a hit of a mining message until the peer has answered, or the time for that is over.

        Args:
            reports: what has been told of its flow.
            detection: the hit, as sure as its rule may be.
            flow: its flow.
            spoke: whether each side has spoken mining; changes while the hit waits.
            now: nanoseconds on the engine's clock.
        """
        if reports.answered:  # then nothing waits
            self.report(reports, detection)
            return
        reports.waiting.append(Waiting(detection, flow, spoke))
        if len(reports.waiting) == 1:
            self._waiting.append((now + self._answer_wait, reports))
            if len(self._waiting) > MAX_FLOWS_WAITING:
                self.release(self._waiting.popleft()[1], everything=True)
        if len(reports.waiting) > MAX_WAITING:
            self._let_go(reports, reports.waiting.popleft())

    def release(self, reports: Reports, *, everything: bool = False) -> None:
        """Report the hits of a flow that are answered by now, or all of them."""
        waiting = reports.waiting
        while waiting:
            reports.answered = reports.answered or waiting[0].is_answered
            if not (reports.answered or everything or self._one_sided):
                return
            self._let_go(reports, waiting.popleft())

    def tick(self, now: int) -> None:
        """Report what has waited long enough."""
        while self._waiting and self._waiting[0][0] <= now:
            self.release(self._waiting.popleft()[1], everything=True)

    def finish(self) -> None:
        """Report everything that waits: no more packets will come."""
        while self._waiting:
            self.release(self._waiting.popleft()[1], everything=True)

    def report(self, reports: Reports, detection: Detection) -> bool:
        """Count a hit of a flow that needs no answer, unless it is suppressed; return whether it was counted."""
        counts_host = self._counts_host(detection)
        if self._suppresses(detection):
            return False
        if counts_host:
            self._sight(detection, detection.flow_id)
            return True
        reported = reports.by_rule.get(detection.rule.id)
        if reported is None:
            reported = reports.by_rule[detection.rule.id] = Reported()
        self._report(reported, detection)
        return True

    def report_datagram(self, flow: tuple[object, ...], detection: Detection) -> bool:
        """Count a hit of a datagram, unless it is suppressed; return whether it was counted.

        Args:
            flow: what belongs together as far as event lines are concerned.
            detection: the hit.
        """
        counts_host = self._counts_host(detection)
        if self._suppresses(detection):
            return False
        if counts_host:
            self._sight(detection, number_of(flow))
            return True
        self._report(recall(self._datagrams, (*flow, detection.rule.id), MAX_DATAGRAM_FLOWS), detection)
        return True

    def _let_go(self, reports: Reports, one: Waiting) -> None:
        evidence = Confidence.CONFIRMED if reports.answered else Confidence.PROBABLE
        one.detection.confidence = min(one.detection.rule.confidence, evidence)
        one.detection.seen = seen_of(one.flow, one.detection.facts)
        self.report(reports, one.detection)

    def _report(self, reported: Reported, detection: Detection) -> None:
        is_due = reported.note(detection.confidence, detection.facts.time, self._repeat_interval)
        self._tell(detection, reported.count, is_due=is_due)

    def _tell(self, detection: Detection, count: int, *, is_due: bool) -> None:
        detection.count = count
        self.hits += 1
        self._hit(detection)
        if is_due:
            self._event(detection)

    # ── counting by host ─────────────────────────────────────────────────────────────────────────────────

    def _counts_host(self, detection: Detection) -> bool:
        """Whether its rule counts by host: then it is in the books of sightings, suppressed or not."""
        count = detection.rule.count
        counts = count is not None and count.per_host
        self.sightings += counts
        return counts

    def _sight(self, detection: Detection, flow: int) -> None:
        """Tell of a message that may, with others of its host, make a hit."""
        rule = detection.rule
        sighting = Sighting(
            host=detection.host,
            rule=rule.id,
            asks=rule.count.digest,
            severity=int(rule.severity),
            confidence=int(detection.confidence),
            at_least=rule.count.limit(detection.host, detection.tenant),
            within=rule.count.within,
            time=detection.facts.time,
            flow=flow,
            tenant=detection.tenant,
        )
        if self._sighting is not None:
            self._sighting(sighting, detection)
            return
        for hit in self._hosts.add(sighting, detection):
            self._tell(hit.item, hit.told, is_due=hit.is_due)


def number_of(flow: tuple[object, ...]) -> int:
    """A number for what belongs together, the same in every process: 48 bits."""
    return int.from_bytes(hashlib.blake2s(repr(flow).encode(), digest_size=6).digest(), "big")


def seen_of(flow: Flow, facts: Facts) -> str:
    """Whose packets the sensor has seen of a flow: "both", "client" or "server"."""
    if all(flow.seen):
        return "both"
    return facts.sender.value if flow.seen[facts.side] else facts.sender.other.value
