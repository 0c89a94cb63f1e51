"""Hits of rules that count by host: whose window a message is in, and what has been told of its flow.

In: sightings, messages that such a rule asks for.  Out: those that are hits, each once, and whether a line about it is due.
Never: a packet, I/O; a sighting that counts for two hosts, or for two tenants who had the same address.

A host's messages are spread over its flows, and its flows over the workers.  So a worker tells of each, and the parent
counts; ``scan`` counts in the engine itself.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

import msgspec

from sniffer.model import Confidence
from sniffer.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

MAX_FLOWS: Final = (
    65_536  # what has been told of (flow, rule), remembered to tell a first line from a reminder
)

T = TypeVar("T")
K = TypeVar("K", bound="Hashable")


class Sighting(msgspec.Struct, array_like=True):
    """A message of a host that a counting rule asks for; no hit yet."""

    host: bytes  # packed
    rule: str
    asks: str  # digest of what the rule asks and counts
    severity: int
    confidence: int  # of the hit that it may become
    at_least: int  # how many it takes for this host
    within: int  # nanoseconds
    time: int  # packet time, nanoseconds since 1970
    flow: int  # lines are told by flow
    lap: int = 0  # of a capture that is replayed again and again
    line: bytes = b""  # about it, if lines are wanted; the running count in it is not yet known
    tenant: str = ""  # whose the host was at the time


class Reported(msgspec.Struct):
    """What has been told of one (flow, rule)."""

    count: int = 0
    confidence: Confidence | None = None
    time: int = 0

    def note(self, confidence: Confidence, time: int, repeat_interval: int) -> bool:
        """Count a hit; return whether a line about it is due: the first, a surer one, or a reminder.

        Args:
            confidence: of the hit.
            time: of its message, nanoseconds.
            repeat_interval: nanoseconds between two lines.
        """
        self.count += 1
        known = self.confidence
        if known is not None and confidence <= known and abs(time - self.time) < repeat_interval:
            return False
        self.confidence = max(confidence, known or confidence)
        self.time = time
        return True


def recall(known: OrderedDict[K, Reported], key: K, most: int) -> Reported:
    """What has been told under a key, which is the latest now; beyond ``most`` keys the oldest is forgotten."""
    reported = known.pop(key) if key in known else Reported()
    known[key] = reported
    if len(known) > most:
        known.popitem(last=False)
    return reported


class HostHit(NamedTuple, Generic[T]):
    """A sighting that is a hit."""

    sighting: Sighting
    item: T
    told: int  # hits of this (flow, rule) so far
    is_due: bool  # a line about it


class HostCounts(Generic[T]):
    """Windows by host and rule, bounded."""

    def __init__(
        self,
        *,
        repeat_interval: int,
        network_of: Callable[[bytes], bytes] = lambda host: host,
    ) -> None:
        """Begin with nothing counted.

        Args:
            repeat_interval: nanoseconds between two lines about the same flow and rule.
            network_of: what an address is counted by.
        """
        self.windows: Windows[tuple[Sighting, T]] = Windows()
        self._repeat_interval, self._network_of = repeat_interval, network_of
        self._reported: OrderedDict[tuple[int, str], Reported] = OrderedDict()
        self._lap = 0

    def add(self, one: Sighting, item: T) -> list[HostHit[T]]:
        """Take a sighting; return what is a hit by now and was not before."""
        if one.lap != self._lap:  # the same packets once more: nothing of before belongs to them
            self._lap = one.lap
            self.windows.clear()
        key = (one.rule, one.asks, one.at_least, self._network_of(one.host), one.tenant)
        hits = self.windows.add(key, one.at_least, one.within, one.time, (one, item))
        return [self._told(*hit) for hit in hits]

    def _told(self, one: Sighting, item: T) -> HostHit[T]:
        reported = recall(self._reported, (one.flow, one.rule), MAX_FLOWS)
        is_due = reported.note(Confidence(one.confidence), one.time, self._repeat_interval)
        return HostHit(one, item, reported.count, is_due)
