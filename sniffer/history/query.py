"""Questions to the history: read-only, also while the daemon writes.

In: the file, a period in seconds since 1970 (``since`` belongs to it, ``until`` does not).
Out: frozen structs.  Never: a change of the file, an SQL statement elsewhere than in this package.

    with Reader(path) as history:
        for total in history.totals(since, until, "district"):
            ...

Sums are of the rows whose beginning lies in the period.  Rows are of 300 s at first, later of an hour and of a day (UTC),
see ``docs/history.md``: a period that begins and ends at those is exact.
"""

from __future__ import annotations

import sqlite3
import urllib.parse
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, get_args

import msgspec

from sniffer.errors import InputError
from sniffer.history import schema
from sniffer.history.rows import BUCKET, SECOND, Health, Tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from types import TracebackType

By: TypeAlias = Literal["tenant", "site", "district", "kind", "pool", "coin", "algorithm", "host"]
BY: Final[tuple[By, ...]] = get_args(By)
"""What totals can be asked for by."""

MAX_NAMED: Final = 8
MAX_GAPS: Final = 100


class Part(msgspec.Struct, frozen=True):
    """The work of one algorithm within a total: hashes of different algorithms do not add up."""

    algorithm: str  # "" unknown
    sessions: int
    seconds: float  # session-seconds observed with the worth of a share known
    shares: int  # counted, of known worth
    hashes: float
    squares: float
    unknown: int  # counted shares of unknown worth
    stated: float | None  # hashes by the miners' own statements, where there are any; None: there are none
    told_shares: int  # of the shares, hashes and squares above: those of buckets that have such a statement,
    told_hashes: float  # so that  stated + hashes - told_hashes  counts all, a statement preferred
    told_squares: float  # and band(shares - told_shares, ...) is of the rest


class Total(msgspec.Struct, frozen=True):
    """What belongs to one key: a tenant's name, a pool's, an address.  ``key`` is "" where that is unknown."""

    key: str
    tenants: tuple[str, ...]  # at most 8 of each, those with most sessions first
    pools: tuple[str, ...]
    coins: tuple[str, ...]
    hosts: int
    sessions: int
    devices: int  # by host and account the most that any session had, summed
    first: int  # ns
    last: int  # ns
    submitted: int  # these five: of all the run's time of the sessions that were alive in the period
    accepted: int
    rejected: int
    bytes_up: int
    bytes_down: int
    joules_low: float | None
    joules: float | None
    joules_high: float | None
    powered: float  # session-seconds that joules cover
    parts: tuple[Part, ...]  # by algorithm, most hashes first
    hits: int  # by tenant, site, district, kind and host; else 0: a detection knows no pool
    bytes: int  # of all traffic of these hosts (estimate); likewise
    mining_bytes: int


class Point(msgspec.Struct, frozen=True):
    """A step of a chart."""

    start: int  # s
    key: str
    algorithm: str
    hosts: int
    seconds: float
    shares: int
    hashes: float
    squares: float
    stated: float | None
    told_shares: int
    told_hashes: float
    told_squares: float
    joules_low: float | None
    joules: float | None
    joules_high: float | None


class Event(msgspec.Struct, frozen=True):
    """Something that happened to a case."""

    at: int  # ns, packet time
    what: str  # opened | stopped | relapsed | moved
    other: int | None  # moved: the case that it came from (written with the new case)
    score: int  # moved: of 100
    reasons: tuple[str, ...]  # codes, see CaseBook.compare


class Case(msgspec.Struct, frozen=True):
    """One address of one tenant that mines or has mined."""

    id: int
    host: str
    tenant: str
    state: str  # open | stopped | relapsed (open again) | moved (stopped; another case probably continues it)
    confidence: str  # probable | confirmed
    opened: int  # ns
    last: int  # ns: the last sign of mining
    stopped: int | None  # ns: when it fell silent; None: it has not
    relapses: int
    moved_from: int | None  # the case that this one probably continues (it may be older than rows are kept)
    moved_to: int | None  # the case that probably continues this one
    score: int  # of moved_from
    reasons: tuple[str, ...]  # of moved_from: codes, see CaseBook.compare
    protocols: tuple[str, ...]
    pools: tuple[str, ...]
    agents: tuple[str, ...]
    accounts: tuple[str, ...]
    events: tuple[Event, ...]  # oldest first


class Coverage(msgspec.Struct, frozen=True):
    """What the sensor saw of a period, and what not."""

    expected: float  # seconds of the period
    seconds: float  # of these: watched
    packets: int
    dropped: int
    one_sided: float  # share of flows, weighted by time; 0 to 1
    hidden_tls: int
    gaps: tuple[tuple[int, int], ...]  # (from, to) seconds in which nothing was watched, the longest 100


class Day(msgspec.Struct, frozen=True):
    """Detections of one rule in one day; days count from the beginning of the period."""

    start: int  # s
    rule: str
    severity: str
    confidence: str
    hosts: int
    hits: int


class Reader:
    """An open history.

    Args:
        file: that the daemon writes, or a copy.

    Raises:
        InputError: there is none, it is no history, or it is a newer program's.
    """

    def __init__(self, file: Path) -> None:
        self._where = str(file)
        self._held: tuple[tuple[int, int], dict[int, _Work]] | None = None
        if not file.is_file():
            raise InputError(
                "there is no history",
                where=self._where,
                remedy="set history.file, and let the daemon run for some minutes",
            )
        try:
            self._base = sqlite3.connect(
                f"file:{urllib.parse.quote(str(file.resolve()))}?mode=ro",
                uri=True,
                timeout=10,
                isolation_level=None,
            )
        except sqlite3.Error as fault:
            raise self._unreadable(fault) from None
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def _check(self) -> None:
        """Whether it is a history, and one of this program's."""
        ours = self._one("PRAGMA application_id") == schema.APPLICATION
        version = self._one("PRAGMA user_version")
        if not ours or version != schema.VERSION:
            what = (
                f"its schema has version {version}, this program knows {schema.VERSION}"
                if ours
                else "it is no history"
            )
            raise InputError(what, where=self._where, remedy="read it with the program that wrote it")

    def _unreadable(self, fault: sqlite3.Error) -> InputError:
        return InputError(
            f"the history cannot be read: {fault}",
            where=self._where,
            remedy="read it as the service's user or root; of a copy, copy the -wal file as well",
        )

    def _all(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._base.execute(question, values).fetchall()
        except sqlite3.Error as fault:
            raise self._unreadable(fault) from None

    def _one(self, question: str, *values: object) -> Any:
        return self._all(question, *values)[0][0]

    def period(self) -> tuple[int, int] | None:
        """Seconds of the first and behind the last row; None: there are none."""
        first, last = self._all(
            "SELECT min(first), max(last) FROM (SELECT min(first) / 1000000000 AS first, max(last) / 1000000000 + 1 AS last"
            " FROM sessions UNION ALL SELECT min(start), max(start) + 300 FROM health"
            " UNION ALL SELECT min(first) / 1000000000, max(last) / 1000000000 + 1 FROM detections)"
        )[0]
        return None if first is None else (first, last)

    # ── totals ───────────────────────────────────────────────────────────────────────────────────────────

    def hours_since(self) -> int:
        """Second from which on no row of work is longer than an hour; 0: there is none."""
        return int(self._one("SELECT max(start) + 86400 FROM samples WHERE span = 86400") or 0)

    def totals(self, since: int, until: int, by: By) -> list[Total]:
        """What happened in a period, by key; most energy first, then most sessions."""
        owners = {one.name: one for one in self.tenants()}
        none = Tenant("", "", "", "", "")

        def of_tenant(name: str) -> str:
            return name if by == "tenant" else str(getattr(owners.get(name, none), by))

        if by in ("pool", "coin", "algorithm"):
            return self._group(since, until, lambda work: str(getattr(work, by)), None)
        if by == "host":
            return self._group(since, until, lambda work: work.host, lambda host, _tenant: host)
        return self._group(
            since, until, lambda work: of_tenant(work.tenant), lambda _host, tenant: of_tenant(tenant)
        )

    def total(self, since: int, until: int) -> Total:
        """The same of everything, with key ""."""
        found = self._group(since, until, lambda _work: "", lambda _host, _tenant: "")
        return found[0] if found else _Group().total("")

    def _group(
        self,
        since: int,
        until: int,
        key_of: Callable[[_Work], str],
        owner_of: Callable[[str, str], str] | None,
    ) -> list[Total]:
        groups: dict[str, _Group] = {}
        for work in self._works(since, until).values():
            groups.setdefault(key_of(work), _Group()).add(work)
        if owner_of is not None:
            for host, tenant, first, last, hits in self._all(
                "SELECT host.word, tenant.word, min(first), max(last), sum(hits) FROM detections"
                " JOIN words AS host ON host.id = host JOIN words AS tenant ON tenant.id = tenant"
                " JOIN words AS confidence ON confidence.id = confidence"
                " WHERE span IN (3600, 86400) AND start >= ? AND start < ? AND confidence.word IN ('probable', 'confirmed')"
                " GROUP BY detections.host, detections.tenant",
                since,
                until,
            ):
                groups.setdefault(owner_of(host, tenant), _Group()).add_hits(host, tenant, first, last, hits)
            for host, tenant, all_bytes, mining in self._all(
                "SELECT host.word, tenant.word, sum(bytes), sum(mining_bytes) FROM traffic"
                " JOIN words AS host ON host.id = host JOIN words AS tenant ON tenant.id = tenant"
                " WHERE span IN (3600, 86400) AND start >= ? AND start < ? GROUP BY traffic.host, traffic.tenant",
                since,
                until,
            ):
                group = groups.get(owner_of(host, tenant))
                if group is not None:
                    group.bytes += all_bytes
                    group.mining_bytes += mining
        totals = [group.total(key) for key, group in groups.items()]
        return sorted(totals, key=lambda one: (-(one.joules or 0), -one.sessions, one.key))

    def _works(self, since: int, until: int) -> dict[int, _Work]:
        """Sessions of a period with their work in it; kept, so that all rankings of a report are of the same moment."""
        if self._held is None or self._held[0] != (since, until):
            sums = ", ".join(f"sum({column})" for column in schema.SUMS)
            done = {
                row[0]: row[1:]
                for row in self._all(
                    f"SELECT session, {sums} FROM samples WHERE span IN (300, 3600, 86400) AND start >= ? AND start < ?"
                    " GROUP BY session",
                    since,
                    until,
                )
            }
            nothing = (0.0, 0, 0.0, 0.0, 0, None, 0, 0.0, 0.0, None, None, None, 0.0)
            works = {}
            for row in self._all(f"{_SESSIONS} ORDER BY sessions.id"):
                number, first, last = row[0], row[1], row[2]
                if number in done or (first < until * SECOND and last >= since * SECOND):
                    works[number] = _Work(*row[1:], *done.get(number, nothing))
            self._held = (since, until), works
        return self._held[1]

    def series(self, since: int, until: int, step: int, by: By | None = None) -> list[Point]:
        """Work over time in steps of so many seconds, by key and algorithm; steps without any are left out.

        A row that is longer than a step is of the step that it begins in.
        """
        sums = ", ".join(f"sum(samples.{column})" for column in schema.SUMS)
        column = {
            None: "0",
            "tenant": "tenant",
            "site": "tenant",
            "district": "tenant",
            "kind": "tenant",
        }.get(by, by)
        owners = {one.name: one for one in self.tenants()}
        points: dict[tuple[int, str, str], list[Any]] = {}
        for at, word, algorithm, hosts, *values in self._all(
            f"SELECT at, word.word, algorithm.word, hosts, {', '.join(schema.SUMS)} FROM ("
            f"SELECT (start - ?) / ? AS at, {column} AS word, algorithm, count(DISTINCT host) AS hosts,"
            f" {', '.join(f'{one} AS {name}' for one, name in zip(sums.split(', '), schema.SUMS, strict=True))}"
            " FROM samples JOIN sessions ON sessions.id = session"
            " WHERE span IN (300, 3600, 86400) AND start >= ? AND start < ? GROUP BY 1, 2, 3) AS work"
            " JOIN words AS word ON word.id = work.word JOIN words AS algorithm ON algorithm.id = work.algorithm",
            since,
            step,
            since,
            until,
        ):
            key = word
            if by in ("site", "district", "kind"):
                key = str(getattr(owners[word], by)) if word in owners else ""
            held = points.setdefault((at, key, algorithm), [0, *([None] * len(values))])
            held[0] += hosts
            held[1:] = [_plus(old, new) for old, new in zip(held[1:], values, strict=True)]
        return [
            Point(
                since + at * step, key, algorithm, hosts, seconds, shares, hashes, squares, stated, told_shares, told_hashes,
                told_squares, low, joules, high,
            )
            for (at, key, algorithm), (
                hosts, seconds, shares, hashes, squares, _unknown, stated, told_shares, told_hashes, told_squares, low, joules,
                high, _powered,
            ) in sorted(points.items())
        ]  # fmt: skip

    # ── cases ────────────────────────────────────────────────────────────────────────────────────────────

    def cases(self, since: int, until: int) -> list[Case]:
        """Cases that were open at some time of the period, or have an event in it; oldest first.

        Events are all of a case, also those outside of the period.
        """
        events: dict[int, list[Event]] = {}
        for number, at, what, other, score, reasons in self._all(
            "SELECT case_id, at, what, other, score, reasons FROM case_events ORDER BY case_id, at, what != 'opened', what"
        ):
            events.setdefault(number, []).append(
                Event(at, what, other, score, tuple(msgspec.json.decode(reasons)))
            )
        return [
            Case(
                number, host, tenant, state, confidence, opened, last, stopped, relapses, came_from, went_to, score,
                tuple(msgspec.json.decode(reasons)), **_profile(profile), events=tuple(events.get(number, ())),
            )
            for (
                number, host, tenant, state, confidence, opened, last, stopped, relapses, came_from, went_to, score, reasons,
                profile,
            ) in self._all(
                "SELECT cases.id, host.word, tenant.word, state, confidence, opened, last, stopped, relapses, moved_from,"
                " moved_to, score, reasons, profile FROM cases JOIN words AS host ON host.id = host"
                " JOIN words AS tenant ON tenant.id = tenant WHERE opened < ? AND (last >= ? OR state IN ('open', 'relapsed'))"
                " ORDER BY opened, cases.id",
                until * SECOND,
                since * SECOND,
            )
            if _was_open(events.get(number, ()), last, since * SECOND, until * SECOND)
        ]  # fmt: skip

    # ── the rest ─────────────────────────────────────────────────────────────────────────────────────────

    def detections(self, since: int, until: int) -> list[Day]:
        """Hits by day and rule."""
        return [
            Day(since + day * 86_400, rule, severity, confidence, hosts, hits)
            for day, rule, severity, confidence, hosts, hits in self._all(
                "SELECT (start - ?) / 86400, rule.word, severity.word, confidence.word, count(DISTINCT host), sum(hits)"
                " FROM detections JOIN words AS rule ON rule.id = rule JOIN words AS severity ON severity.id = severity"
                " JOIN words AS confidence ON confidence.id = confidence"
                " WHERE span IN (3600, 86400) AND start >= ? AND start < ?"
                " GROUP BY 1, detections.rule, detections.severity, detections.confidence ORDER BY 1, 2, 3, 4",
                since,
                since,
                until,
            )
        ]

    def coverage(self, since: int, until: int) -> Coverage:
        """What the sensor could see."""
        rows = self.health(since, until)
        watched = [one for one in rows if one.up and one.seconds > 0]
        seconds = sum(one.seconds for one in watched)
        gaps, at = [], since
        for one in watched:
            if one.start > at:
                gaps.append((at, one.start))
            at = max(at, one.start + BUCKET)
        if at < until:
            gaps.append((at, until))
        longest = sorted(gaps, key=lambda gap: gap[0] - gap[1])[:MAX_GAPS]
        return Coverage(
            float(until - since),
            seconds,
            sum(one.packets for one in rows),
            sum(one.dropped for one in rows),
            sum(one.one_sided * one.seconds for one in watched) / seconds if seconds else 0.0,
            sum(one.hidden_tls for one in rows),
            tuple(sorted(longest)),
        )

    def health(self, since: int, until: int) -> list[Health]:
        """The same in buckets of 300 s; several runs in one are added up."""
        return [
            Health(start, min(seconds, float(BUCKET)), packets, dropped, one_sided, hidden, bool(up))
            for start, seconds, packets, dropped, one_sided, hidden, up in self._all(
                "SELECT start, sum(seconds), sum(packets), sum(dropped),"
                " ifnull(sum(one_sided * seconds) / nullif(sum(seconds), 0), max(one_sided)), sum(hidden_tls), max(up)"
                " FROM health WHERE start >= ? AND start < ? GROUP BY start ORDER BY start",
                since,
                until,
            )
        ]

    def tenants(self) -> list[Tenant]:
        """Owners as configured when the daemon last wrote."""
        return [
            Tenant(*row)
            for row in self._all("SELECT name, site, district, kind, contact FROM tenants ORDER BY name")
        ]


# ── sums ─────────────────────────────────────────────────────────────────────────────────────────────────


class _Work(msgspec.Struct, frozen=True):
    """One session, and what it did in the period."""

    first: int
    last: int
    submitted: int
    accepted: int
    rejected: int
    devices: int
    bytes_up: int
    bytes_down: int
    host: str
    protocol: str
    account: str
    tenant: str
    algorithm: str
    coin: str
    pool: str
    seconds: float
    shares: int
    hashes: float
    squares: float
    unknown: int
    stated: float | None
    told_shares: int
    told_hashes: float
    told_squares: float
    joules_low: float | None
    joules: float | None
    joules_high: float | None
    powered: float


_SESSIONS: Final = """
SELECT sessions.id, first, last, submitted, accepted, rejected, devices, bytes_up, bytes_down, host.word, protocol.word,
    account.word, tenant.word, algorithm.word, coin.word, pool.word
FROM sessions JOIN words AS host ON host.id = host JOIN words AS protocol ON protocol.id = protocol
    JOIN words AS account ON account.id = account JOIN words AS tenant ON tenant.id = tenant
    JOIN words AS algorithm ON algorithm.id = algorithm JOIN words AS coin ON coin.id = coin
    JOIN words AS pool ON pool.id = pool
"""


class _Group:
    """What one key gathers."""

    def __init__(self) -> None:
        self.works: list[_Work] = []
        self.hosts: set[str] = set()
        self.tenants: Counter[str] = Counter()
        self.first: int | None = None
        self.last = 0
        self.hits = self.bytes = self.mining_bytes = 0

    def add(self, work: _Work) -> None:
        self.works.append(work)
        self._seen(work.host, work.tenant, work.first, work.last)

    def add_hits(self, host: str, tenant: str, first: int, last: int, hits: int) -> None:
        self.hits += hits
        self._seen(host, tenant, first, last)

    def _seen(self, host: str, tenant: str, first: int, last: int) -> None:
        self.hosts.add(host)
        self.tenants[tenant] += 1
        self.first = first if self.first is None else min(self.first, first)
        self.last = max(self.last, last)

    def total(self, key: str) -> Total:
        works = self.works
        devices: dict[tuple[str, str, str], int] = {}
        algorithms: dict[str, list[_Work]] = {}
        for work in works:
            who = work.host, work.protocol, work.account
            devices[who] = max(work.devices, devices.get(who, 0))
            algorithms.setdefault(work.algorithm, []).append(work)
        parts = [_part(algorithm, some) for algorithm, some in algorithms.items()]
        return Total(
            key=key,
            tenants=_most(self.tenants),
            pools=_most(Counter(work.pool for work in works)),
            coins=_most(Counter(work.coin for work in works)),
            hosts=len(self.hosts),
            sessions=len(works),
            devices=sum(devices.values()),
            first=self.first or 0,
            last=self.last,
            submitted=sum(work.submitted for work in works),
            accepted=sum(work.accepted for work in works),
            rejected=sum(work.rejected for work in works),
            bytes_up=sum(work.bytes_up for work in works),
            bytes_down=sum(work.bytes_down for work in works),
            joules_low=_sum(work.joules_low for work in works),
            joules=_sum(work.joules for work in works),
            joules_high=_sum(work.joules_high for work in works),
            powered=sum(work.powered for work in works),
            parts=tuple(sorted(parts, key=lambda part: (-part.hashes, part.algorithm))),
            hits=self.hits,
            bytes=self.bytes,
            mining_bytes=self.mining_bytes,
        )


def _part(algorithm: str, works: list[_Work]) -> Part:
    return Part(
        algorithm=algorithm,
        sessions=len(works),
        seconds=sum(work.seconds for work in works),
        shares=sum(work.shares for work in works),
        hashes=sum(work.hashes for work in works),
        squares=sum(work.squares for work in works),
        unknown=sum(work.unknown for work in works),
        stated=_sum(work.stated for work in works),
        told_shares=sum(work.told_shares for work in works),
        told_hashes=sum(work.told_hashes for work in works),
        told_squares=sum(work.told_squares for work in works),
    )


def _plus(one: float | None, other: float | None) -> float | None:
    """Sum of what is known."""
    if one is None or other is None:
        return other if one is None else one
    return one + other


def _sum(values: Iterable[float | None]) -> float | None:
    """Sum of what is known; None: nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _most(counts: Counter[str]) -> tuple[str, ...]:
    """The most frequent words, without the unknown."""
    return tuple(word for word, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0])) if word)[
        :MAX_NAMED
    ]


def _profile(text: str) -> dict[str, tuple[str, ...]]:
    known = msgspec.json.decode(text)
    return {name: tuple(known[name]) for name in ("protocols", "pools", "agents", "accounts")}


def _was_open(events: Iterable[Event], last: int, since: int, until: int) -> bool:
    """Whether a case was open at some time of a period: between opened or relapsed, and stopped or its last sign."""
    begun: int | None = None
    for event in events:
        if event.what in ("opened", "relapsed"):
            begun = event.at
        elif event.what == "stopped" and begun is not None:
            if begun < until and event.at >= since:
                return True
            begun = None
    return begun is not None and begun < until and last >= since
