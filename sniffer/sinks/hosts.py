"""The per-host book: how often each inside address was seen mining, within a fixed number of series.

In: hits by address, rule, severity and confidence.  Out: metric lines in Prometheus text format 0.0.4, rows for tables.
Never: a label from the wire other than an inside address; more series than the limit; a hit that is lost from the sums.

    host hits of series that live + of series that went + of ``_overflow`` + of ``_outside`` == hits

Beyond the limit the series that has been idle longest makes room.  Two queues ordered by last hit (severities below
high, and the others) find it without a search; a high-severity series of the last hour never makes room for a lower one.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from sniffer.errors import UsageError
from sniffer.model import Confidence, Severity
from sniffer.sinks.exposition import escaped, head
from sniffer.sinks.networks import OUTSIDE, HostNames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sniffer.prefixes import Network

SERIES_LIMIT: Final = 10_000
SERIES_CEILING: Final = 100_000
RECENT: Final = 3600.0  # seconds
DAY: Final = 86_400.0
NEVER: Final = float("-inf")
OVERFLOW: Final = "_overflow"
MAX_TENANTS: Final = 20_000
"""Twice as many as there can be at a time: those of before a reload keep their counters."""

SeriesKey: TypeAlias = tuple[bytes, str, int, str]
"""Network (packed), rule, severity, tenant.  Bytes and text hash with a secret seed, integers and addresses do not."""
HostKey: TypeAlias = tuple[bytes, str]
"""Network (packed), tenant."""


class HostRow(NamedTuple):
    """One host of a table."""

    ip: str
    tenant: str
    hits: int
    confidence: Confidence
    severity: Severity
    last_hit: int  # packet time, nanoseconds since 1970
    rules: tuple[str, ...]  # most hits first
    network: bytes  # what its hits are counted by, packed


@dataclass(slots=True)
class Series:
    """One counter: an address, a rule, a severity, a tenant."""

    key: SeriesKey
    confidence: int  # of the last hit
    born: float  # monotonic seconds
    seen: float  # monotonic seconds of the last hit
    hits: int = 0
    last: int = 0  # packet time of the last hit, nanoseconds since 1970
    earlier: dict[int, float] | None = None  # ``seen`` of other confidences; most rules claim one
    labels: str = ""  # as exposed, braces included, once it was; most series of a flood go before

    def turn_to(self, confidence: int) -> None:
        """From now on hits have another confidence than the last one."""
        self.earlier = {**(self.earlier or {}), self.confidence: self.seen}
        self.earlier.pop(confidence, None)
        self.confidence = confidence

    def highest(self, since: float) -> int:
        """The highest confidence of hits since a time; 0: there were none."""
        if self.seen < since:
            return 0
        if self.earlier is None:
            return self.confidence
        return max((self.confidence, *(level for level, seen in self.earlier.items() if seen >= since)))


class HostBook:
    """Counts hits per host, bounded.

    Args:
        limit: series at most, 1 to 100 000.
        inside: monitored networks; only their addresses become labels.  Empty: every address that a host can have.
        tenants: names of all tenants there are (:meth:`declare_tenants`).
        ipv6_prefix: IPv6 addresses count together per network of this prefix length.
        expire_after: seconds without a hit after which a series goes.
        hold_seconds: a new counter stays at 0 for so long, so that ``increase()`` sees its first value.

    Raises:
        UsageError: a number is out of range.
    """

    def __init__(
        self,
        *,
        limit: int = SERIES_LIMIT,
        inside: Sequence[Network | str] = (),
        tenants: Iterable[str] = (),
        ipv6_prefix: int = 64,
        expire_after: float = DAY,
        hold_seconds: float = 0.0,
    ) -> None:
        if not 1 <= limit <= SERIES_CEILING:
            raise UsageError(f"{limit} host series", remedy=f"choose 1 to {SERIES_CEILING}")
        self.limit, self.expire_after, self.hold_seconds = limit, expire_after, hold_seconds
        self.hits = 0  # everything that was ever counted
        self.evicted = 0  # series that made room
        self.expired = 0  # series that were idle too long
        self.gone_hits = 0  # hits of both
        self.names = HostNames(inside=inside, ipv6_prefix=ipv6_prefix)
        self._low: OrderedDict[SeriesKey, Series] = OrderedDict()  # by last hit, oldest first
        self._high: OrderedDict[SeriesKey, Series] = OrderedDict()
        self._special: dict[tuple[str, str, int], Series] = {}  # _outside and _overflow
        # By severities and confidences as integers: members of an enumeration take long to hash.
        self._by_rule: dict[tuple[str, int, int], int] = {}
        self._overflow: dict[str, int] = {}
        self._by_tenant: dict[tuple[str, int], int] = {}
        self.declare_tenants(tenants)

    def __len__(self) -> int:
        return len(self._low) + len(self._high)

    def network_of(self, host: bytes) -> bytes:
        """What an address is counted by, packed: itself, or the first address of its IPv6 network."""
        return self.names.network(host)

    def declare(self, rules: Iterable[tuple[str, Severity, Confidence]]) -> None:
        """Have counters at 0 for loaded rules: (id, severity, the most that the rule can claim)."""
        for rule, severity, most in rules:
            self._overflow.setdefault(rule, 0)
            for confidence in Confidence:
                if confidence <= most:
                    self._by_rule.setdefault((rule, int(severity), int(confidence)), 0)

    def declare_tenants(self, names: Iterable[str]) -> None:
        """Have counters at 0 for tenants; those that are no more stay if they have hits, up to :data:`MAX_TENANTS`."""
        counts = {(name, int(severity)): 0 for name in names for severity in Severity}
        gone = [
            name
            for (name, severity), hits in self._by_tenant.items()
            if hits and (name, severity) not in counts
        ]
        for name in list(dict.fromkeys(gone))[: max(MAX_TENANTS - len(counts) // len(Severity), 0)]:
            counts.update({(name, int(severity)): 0 for severity in Severity})
        counts.update({kind: self._by_tenant[kind] for kind in counts if kind in self._by_tenant})
        self._by_tenant = counts

    def hit(
        self,
        host: bytes,
        rule: str,
        severity: Severity,
        confidence: Confidence,
        count: int,
        time_ns: int,
        now: float,
        tenant: str = "",
    ) -> None:
        """Count ``count`` hits of one host and rule.

        Args:
            host: the address that mines, packed: 4 or 16 bytes.
            rule: its identifier.
            severity: of the rule.
            confidence: of these hits.
            count: how many; none or fewer is not counted.
            time_ns: packet time of the last of them, nanoseconds since 1970.
            now: monotonic seconds.
            tenant: whose the address was then, "" if nobody's.
        """
        if count <= 0:
            return
        self.hits += count
        level, claim = int(severity), int(confidence)
        kind = (rule, level, claim)
        if kind in self._by_rule:
            self._by_rule[kind] += count
        else:
            self._by_rule[kind] = count
            self._overflow.setdefault(rule, 0)
        if (owned := (tenant, level)) in self._by_tenant:
            self._by_tenant[owned] += count
        key = (self.names.network(host), rule, level, tenant)
        queue = self._high if level >= Severity.HIGH else self._low
        series = queue.get(key)
        if series is not None:
            queue.move_to_end(key)
        elif not self.names.is_inside(host):
            series = self._special_series(OUTSIDE, rule, level, now)
        elif len(self._low) + len(self._high) >= self.limit and not self._make_room(level, now):
            series = self._special_series(OVERFLOW, rule, level, now)
            self._overflow[rule] += count
        else:
            series = queue[key] = Series(key, claim, now, now)
        series.hits += count
        series.last = max(series.last, time_ns)
        if claim != series.confidence:
            series.turn_to(claim)
        series.seen = now

    def expire(self, now: float) -> None:
        """Let go of series that have been idle too long."""
        before = now - self.expire_after
        for queue in (self._low, self._high):
            while queue and next(iter(queue.values())).seen < before:
                self._remove(queue)
                self.expired += 1

    # ── series ───────────────────────────────────────────────────────────────────────────────────────────

    def _make_room(self, level: int, now: float) -> bool:
        """Let the longest idle series go that may go for a new one of this severity."""
        low, high = next(iter(self._low.values()), None), next(iter(self._high.values()), None)
        may_go = high is not None and (now - high.seen >= RECENT or (level >= Severity.HIGH and low is None))
        if high is not None and may_go and (low is None or high.seen < low.seen):
            self._remove(self._high)
        elif low is not None:
            self._remove(self._low)
        else:
            return False
        self.evicted += 1
        return True

    def _remove(self, queue: OrderedDict[SeriesKey, Series]) -> None:
        _, series = queue.popitem(last=False)
        self.gone_hits += series.hits

    def _special_series(self, name: str, rule: str, level: int, now: float) -> Series:
        key = (name, rule, level)
        series = self._special.get(key)
        if series is None:
            series = self._special[key] = Series((b"", rule, level, ""), 0, now, now)
            series.labels = _labels(name, rule, level, "")
        return series

    # ── what is shown ────────────────────────────────────────────────────────────────────────────────────

    def top(self, number: int = 20) -> list[HostRow]:
        """The hosts with the most hits, most first."""
        hits: dict[HostKey, int] = {}
        for series in self._all():
            owner = series.key[0], series.key[3]
            hits[owner] = hits.get(owner, 0) + series.hits
        shown: dict[HostKey, list[Series]] = {
            owner: [] for owner in heapq.nlargest(number, hits, key=hits.__getitem__)
        }
        for series in self._all():
            if (mine := shown.get((series.key[0], series.key[3]))) is not None:
                mine.append(series)
        return [self._row(owner, series) for owner, series in shown.items()]

    def _all(self) -> Iterator[Series]:
        """The series of hosts."""
        return itertools.chain(self._high.values(), self._low.values())

    def _row(self, owner: HostKey, series: list[Series]) -> HostRow:
        series.sort(key=lambda one: (-one.hits, one.key[1]))
        return HostRow(
            ip=self.names.label(owner[0]),
            tenant=owner[1],
            hits=sum(one.hits for one in series),
            confidence=Confidence(max(one.highest(NEVER) for one in series)),
            severity=Severity(max(one.key[2] for one in series)),
            last_hit=max(one.last for one in series),
            rules=tuple(dict.fromkeys(one.key[1] for one in series)),
            network=owner[0],
        )

    def active(self, now: float) -> dict[Confidence, int]:
        """How many hosts had a hit in the last hour, by the highest confidence of that hour."""
        levels: dict[HostKey, int] = {}
        since = now - RECENT
        for series in self._all():
            owner, level = (series.key[0], series.key[3]), series.highest(since)
            if level > levels.get(owner, 0):
                levels[owner] = level
        counts = Counter(levels.values())
        return {level: counts[level] for level in Confidence}

    def render(self, now: float | None = None) -> bytes:
        """All families of this book in Prometheus text format 0.0.4 (UTF-8).

        Args:
            now: monotonic seconds; default: the clock.
        """
        now = time.monotonic() if now is None else now
        self.expire(now)
        out: list[str] = []
        born_before = now - self.hold_seconds
        all_series = [*self._special.values(), *self._all()]
        for one in all_series:
            if not one.labels:
                network, rule, level, tenant = one.key
                one.labels = _labels(self.names.label(network), rule, level, tenant)
        head(out, "host_hits_total", "counter", "Messages that a rule matched, by the address that mines.")
        out += [
            f"sniffer_host_hits_total{one.labels} {one.hits if one.born <= born_before else 0}"
            for one in all_series
        ]
        head(
            out,
            "host_last_hit_timestamp_seconds",
            "gauge",
            "Packet time of the last hit, seconds since 1970.",
        )
        out += [
            f"sniffer_host_last_hit_timestamp_seconds{one.labels} {one.last / 1e9:.3f}" for one in all_series
        ]
        head(
            out, "hits_total", "counter", "Messages that a rule matched; never falls when a host series goes."
        )
        out += [
            f'sniffer_hits_total{{rule="{escaped(rule)}",severity="{Severity(severity).label}",confidence="{Confidence(level).label}"}} {hits}'
            for (rule, severity, level), hits in self._by_rule.items()
        ]
        head(
            out,
            "tenant_hits_total",
            "counter",
            "Messages that a rule matched, by tenant of the address that mines.",
        )
        out += [
            f'sniffer_tenant_hits_total{{tenant="{escaped(tenant)}",severity="{Severity(severity).label}"}} {hits}'
            for (tenant, severity), hits in self._by_tenant.items()
        ]
        head(out, "active_hosts", "gauge", "Hosts with a hit in the last hour, by their highest confidence.")
        out += [
            f'sniffer_active_hosts{{confidence="{level.label}"}} {hosts}'
            for level, hosts in self.active(now).items()
        ]
        head(out, "host_series", "gauge", "Host series now.")
        out.append(f"sniffer_host_series {len(self)}")
        head(out, "host_series_limit", "gauge", "Host series at most.")
        out.append(f"sniffer_host_series_limit {self.limit}")
        head(out, "host_series_evicted_total", "counter", "Host series that made room for newer ones.")
        out.append(f"sniffer_host_series_evicted_total {self.evicted}")
        head(
            out,
            "host_hits_overflow_total",
            "counter",
            "Hits that had no room for a host series of their own.",
        )
        out += [
            f'sniffer_host_hits_overflow_total{{rule="{escaped(rule)}"}} {hits}'
            for rule, hits in self._overflow.items()
        ]
        return ("\n".join(out) + "\n").encode()


def _labels(ip: str, rule: str, level: int, tenant: str) -> str:
    return f'{{ip="{ip}",{_kind(rule, level, tenant)}}}'


@lru_cache(maxsize=4_096)
def _kind(rule: str, level: int, tenant: str) -> str:
    """What thousands of hosts have in common."""
    return f'rule="{escaped(rule)}",severity="{Severity(level).label}",tenant="{escaped(tenant)}"'
