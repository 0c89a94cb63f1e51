"""The per-host book: how often each inside address was seen mining, within a fixed number of series.

In: hits by address, rule, severity and confidence.  Out: metric lines in Prometheus text format 0.0.4, rows for tables.
Never: a label from the wire other than an inside address; more series than the limit; a hit that is lost from the sums.

    host hits of series that live + of series that went + of ``_overflow`` + of ``_outside`` == hits

Beyond the limit the series that has been idle longest makes room.  Two queues ordered by last hit (severities below
high, and the others) find it without a search; a high-severity series of the last hour never makes room for a lower one.
"""

from __future__ import annotations

import heapq
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from sniffer.errors import UsageError
from sniffer.model import Confidence, Severity
from sniffer.sinks.exposition import escaped, head
from sniffer.sinks.networks import OUTSIDE, HostNames

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sniffer.prefixes import Network

SERIES_LIMIT: Final = 10_000
SERIES_CEILING: Final = 100_000
RECENT: Final = 3600.0  # seconds
DAY: Final = 86_400.0
NEVER: Final = float("-inf")
LEVELS: Final = max(Confidence) + 1
OVERFLOW: Final = "_overflow"
MAX_TENANTS: Final = 20_000
"""Twice as many as there can be at a time: those of before a reload keep their counters."""

SeriesKey = tuple[bytes, str, int, str]
"""Network (packed), rule, severity, tenant.  Bytes and text hash with a secret seed, integers and addresses do not."""


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

    rule: str
    severity: Severity
    host: Host | None  # None for _outside and _overflow
    born: float  # monotonic seconds
    seen: float  # monotonic seconds of the last hit
    hits: int = 0
    last: int = 0  # packet time of the last hit, nanoseconds since 1970
    labels: str = ""  # as exposed, braces included, once it was; most series of a flood go before


@dataclass(slots=True)
class Host:
    """One address, or one IPv6 network, that has at least one series."""

    tenant: str
    network: bytes
    names: HostNames
    series: dict[SeriesKey, Series] = field(default_factory=dict)
    seen: list[float] = field(default_factory=lambda: [NEVER] * LEVELS)
    """Monotonic seconds of the last hit, by confidence."""

    @property
    def ip(self) -> str:
        """As it is shown; most hosts of a flood never are."""
        return self.names.label(self.network)

    def row(self) -> HostRow:
        """This host in a table."""
        series = sorted(self.series.values(), key=lambda one: (-one.hits, one.rule))
        return HostRow(
            ip=self.ip,
            tenant=self.tenant,
            hits=sum(one.hits for one in series),
            confidence=max(level for level in Confidence if self.seen[level] > NEVER),
            severity=max(one.severity for one in series),
            last_hit=max(one.last for one in series),
            rules=tuple(dict.fromkeys(one.rule for one in series)),
            network=self.network,
        )


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
        self._hosts: dict[tuple[bytes, str], Host] = {}
        self._special: dict[tuple[str, str, Severity], Series] = {}  # _outside and _overflow
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
        level = int(severity)
        kind = (rule, level, int(confidence))
        if kind in self._by_rule:
            self._by_rule[kind] += count
        else:
            self._by_rule[kind] = count
            self._overflow.setdefault(rule, 0)
        if (owned := (tenant, level)) in self._by_tenant:
            self._by_tenant[owned] += count
        network = self.names.network(host)
        key = (network, rule, level, tenant)
        queue = self._high if level >= Severity.HIGH else self._low
        series = queue.get(key)
        if series is not None:
            queue.move_to_end(key)
        elif not self.names.is_inside(host):
            series = self._special_series(OUTSIDE, rule, severity, now)
        elif len(self._low) + len(self._high) >= self.limit and not self._make_room(severity, now):
            series = self._special_series(OVERFLOW, rule, severity, now)
            self._overflow[rule] += count
        else:
            owner = self._hosts.get((network, tenant))
            if owner is None:
                owner = self._hosts[network, tenant] = Host(tenant, network, self.names)
            series = queue[key] = owner.series[key] = Series(rule, severity, owner, now, now)
        series.hits += count
        series.last = max(series.last, time_ns)
        series.seen = now
        if series.host is not None:
            series.host.seen[kind[2]] = now

    def expire(self, now: float) -> None:
        """Let go of series that have been idle too long."""
        before = now - self.expire_after
        for queue in (self._low, self._high):
            while queue and next(iter(queue.values())).seen < before:
                self._remove(queue)
                self.expired += 1

    # ── series ───────────────────────────────────────────────────────────────────────────────────────────

    def _make_room(self, severity: Severity, now: float) -> bool:
        """Let the longest idle series go that may go for a new one of this severity."""
        low, high = next(iter(self._low.values()), None), next(iter(self._high.values()), None)
        may_go = high is not None and (
            now - high.seen >= RECENT or (severity >= Severity.HIGH and low is None)
        )
        if high is not None and may_go and (low is None or high.seen < low.seen):
            self._remove(self._high)
        elif low is not None:
            self._remove(self._low)
        else:
            return False
        self.evicted += 1
        return True

    def _remove(self, queue: OrderedDict[SeriesKey, Series]) -> None:
        key, series = queue.popitem(last=False)
        self.gone_hits += series.hits
        owner = series.host
        if owner is not None:
            del owner.series[key]
            if not owner.series:
                del self._hosts[key[0], key[3]]

    def _special_series(self, name: str, rule: str, severity: Severity, now: float) -> Series:
        key = (name, rule, severity)
        series = self._special.get(key)
        if series is None:
            series = self._special[key] = Series(rule, severity, None, now, now)
            series.labels = _labels(name, rule, severity, "")
        return series

    # ── what is shown ────────────────────────────────────────────────────────────────────────────────────

    def top(self, number: int = 20) -> list[HostRow]:
        """The hosts with the most hits, most first."""
        rows = heapq.nlargest(
            number, self._hosts.values(), key=lambda host: sum(one.hits for one in host.series.values())
        )
        return [host.row() for host in rows]

    def active(self, now: float) -> dict[Confidence, int]:
        """How many hosts had a hit in the last hour, by the highest confidence of that hour."""
        counts = [0] * LEVELS
        since, levels = now - RECENT, sorted(map(int, Confidence), reverse=True)
        for host in self._hosts.values():  # all of them at each scrape: no call and no hash for each
            for level in levels:
                if host.seen[level] >= since:
                    counts[level] += 1
                    break
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
        all_series = [*self._special.values(), *self._high.values(), *self._low.values()]
        for one in all_series:
            if not one.labels and one.host is not None:
                one.labels = _labels(one.host.ip, one.rule, one.severity, one.host.tenant)
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


def _labels(ip: str, rule: str, severity: Severity, tenant: str) -> str:
    return f'{{ip="{ip}",rule="{escaped(rule)}",severity="{severity.label}",tenant="{escaped(tenant)}"}}'
