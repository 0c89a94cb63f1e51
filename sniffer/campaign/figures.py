"""From a history to the figures of the report.

In: anything that answers as :class:`~sniffer.history.query.Reader` does, a period.  Out: :class:`~sniffer.campaign.model.Report`.
Never: a sum over algorithms (their hashes are not alike); a guess in place of what is unknown; an hour that was not watched
counted as one without mining.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, get_args

from sniffer import __version__
from sniffer.campaign import model
from sniffer.campaign.units import iso, offset_of, unit_of
from sniffer.size.bands import band

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timezone

    from sniffer.history.query import By as HistoryBy
    from sniffer.history.query import Case, Point, Total
    from sniffer.history.rows import Health, Tenant

By: TypeAlias = Literal["tenant", "site", "district", "kind", "pool", "coin"]
BY: Final[tuple[By, ...]] = get_args(By)
"""What the ranking goes by."""

MAX_ROWS: Final = 100_000
"""Most rows of a table; how many more there are is counted."""

BUCKET: Final = 300
HOUR: Final = 3_600
DAY: Final = 86_400
SECOND: Final = 1_000_000_000
MOST_HOLES: Final = 100
LEAST_WATCHED: Final = (
    HOUR / 2
)  # of an hour that may be the peak: less is too small a piece to speak for an hour
KILOWATT_HOUR: Final = 3.6e6  # joules
CHANGES: Final = {"opened": "new", "stopped": "stopped", "relapsed": "relapsed", "moved": "moved"}
"""What the history calls an event of a case, and what the report does."""
STEPS: Final = 8


class History(Protocol):
    """What is asked of a history."""

    def totals(self, since: int, until: int, by: HistoryBy) -> list[Total]:
        """Sums by key."""

    def total(self, since: int, until: int) -> Total:
        """Sums of everything."""

    def series(self, since: int, until: int, step: int, by: HistoryBy | None = None) -> list[Point]:
        """Work over time."""

    def cases(self, since: int, until: int) -> list[Case]:
        """Cases of the period."""

    def health(self, since: int, until: int) -> list[Health]:
        """What the sensor saw, in buckets."""

    def tenants(self) -> list[Tenant]:
        """Owners."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the report is to be about."""

    since: int  # s, belongs to the period
    until: int  # s, does not
    zone: timezone
    by: By = "tenant"
    sensor: str = ""
    rules: str = ""
    made: int = 0  # s
    hours_since: int = 0  # s: what is older is kept by day, and has no highest hour


def build(
    history: History, question: Question, advance: Callable[[int, int], None] = lambda _done, _all: None
) -> model.Report:
    """Ask a history for everything that the report tells.

    Args:
        history: to be asked.
        question: period and order.
        advance: told after each of so many steps.
    """
    since, until = question.since, question.until
    everything = history.total(since, until)
    advance(1, STEPS)
    watch = Watch(history.health(since, until), since, until)
    advance(2, STEPS)
    hosts = history.totals(since, until, "host")
    advance(3, STEPS)
    hours = history.series(since, until, HOUR)
    advance(4, STEPS)
    days = history.series(since, until, DAY)
    advance(5, STEPS)
    host_work = _work(history.series(since, until, until - since, "host"))
    advance(6, STEPS)
    tenants = {one.name: one for one in history.tenants()}
    mining = [one for one in hosts if one.sessions]
    groups = _ranking(history, question, tenants, mining, watch)
    advance(7, STEPS)
    cases = history.cases(since, until)
    changes = _changes(cases, question)
    work = _work(days).get("", {})
    addresses = _addresses(mining, host_work, question, watch)
    advance(8, STEPS)
    return model.Report(
        format=model.FORMAT,
        sensor=question.sensor,
        program=__version__,
        rules=question.rules,
        made=iso(question.made, question.zone),
        by=question.by,
        period=model.Period(
            start=iso(since, question.zone),
            end=iso(until, question.zone),
            zone=offset_of(question.zone),
            seconds=until - since,
            watched_seconds=watch.seconds,
        ),
        totals=model.Totals(
            addresses=len(mining),
            tenants=len({name for one in mining for name in one.tenants if name}),
            sessions=everything.sessions,
            machines=everything.devices,
            shares=_shares(everything),
            hits=everything.hits,
            mining_bytes=everything.mining_bytes,
            all_bytes=everything.bytes,
            energy=_energy(work.values(), watch.divisor),
            rates=_rates(work, watch.divisor, peaks=_peaks(hours, watch, question)),
        ),
        unknown=_unknown(everything, hosts, host_work),
        ranking=tuple(groups[:MAX_ROWS]),
        ranking_more=max(len(groups) - MAX_ROWS, 0),
        addresses=tuple(addresses[:MAX_ROWS]),
        addresses_more=max(len(addresses) - MAX_ROWS, 0),
        case_counts=_counts(cases, changes, until),
        cases=tuple(changes[:MAX_ROWS]),
        cases_more=max(len(changes) - MAX_ROWS, 0),
        days=_days(days, question, watch),
        blind=watch.blind(question.zone),
    )


# ── when the sensor watched ──────────────────────────────────────────────────────────────────────────────


class Watch:
    """When packets came in.

    Args:
        health: buckets of the period.
        since: s.
        until: s.
    """

    def __init__(self, health: list[Health], since: int, until: int) -> None:
        self._health, self._length = health, until - since
        self._since, self._until = since, until
        self.known = bool(health)
        self.hours: dict[int, float] = defaultdict(float)  # watched seconds of hours since `since`
        self._days: dict[int, float] = defaultdict(float)
        self._states: dict[int, str] = {}  # by bucket, what there was: "" packets, or why none
        self._silent = 0.0
        for one in health:
            watched = one.up and one.packets > 0
            self._states[one.start] = "" if watched else "silent" if one.up else "down"
            if watched:
                self.hours[(one.start - since) // HOUR] += one.seconds
                self._days[(one.start - since) // DAY] += one.seconds
            elif one.up:
                self._silent += one.seconds

    @property
    def seconds(self) -> float | None:
        """Watched seconds of the period; None: nobody wrote them down."""
        return min(sum(self._days.values()), float(self._length)) if self.known else None

    @property
    def divisor(self) -> float:
        """What hashes are divided by for an average."""
        return self.seconds or float(self._length)

    def of_day(self, number: int, length: float) -> float:
        """Watched seconds of a day of the period."""
        return self._days[number] if self.known else length

    def blind(self, zone: timezone) -> model.Blind | None:
        """What was not seen; None: nobody wrote it down."""
        if not self.known:
            return None
        packets = sum(one.packets for one in self._health)
        longest = sorted(self._holes(), key=lambda hole: hole[0] - hole[1])[:MOST_HOLES]
        return model.Blind(
            down_seconds=max(self._length - self.divisor - self._silent, 0.0),
            silent_seconds=self._silent,
            packets=packets,
            dropped=sum(one.dropped for one in self._health),
            one_sided=sum(one.one_sided * one.packets for one in self._health) / max(packets, 1),
            hidden_tls=sum(one.hidden_tls for one in self._health),
            holes=tuple(
                model.Hole(start=iso(begin, zone), end=iso(end, zone), reason=reason)
                for begin, end, reason in sorted(longest)
            ),
        )

    def _holes(self) -> list[tuple[int, int, str]]:
        """Stretches of whole buckets in which nothing was seen, for one reason each."""
        out: list[tuple[int, int, str]] = []
        for start in range(self._since - self._since % BUCKET, self._until, BUCKET):
            reason = self._states.get(start, "down")
            if not reason:
                continue
            begin = max(start, self._since)
            if out and out[-1][1:] == (begin, reason):
                begin = out.pop()[0]
            out.append((begin, min(start + BUCKET, self._until), reason))
        return out


# ── work: hashes and joules ──────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Work:
    """Hashes and joules of one algorithm; what miners state themselves is believed where it is there."""

    shares: int = 0
    stated: float = 0.0
    counted: float = 0.0  # hashes by shares, of times without a statement
    squares: float = 0.0
    joules: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    powered: bool = False

    def add(self, point: Point) -> None:
        """Add a piece of time."""
        self.shares += point.shares
        self.stated += point.stated or 0.0
        self.counted += max(point.hashes - point.told_hashes, 0.0)
        self.squares += max(point.squares - point.told_squares, 0.0)
        if point.joules_low is not None and point.joules is not None and point.joules_high is not None:
            self.powered = True
            for number, joules in enumerate((point.joules_low, point.joules, point.joules_high)):
                self.joules[number] += joules

    @property
    def hashes(self) -> model.Band:
        """All hashes, with what the random arrival of shares leaves open."""
        counted = band(self.counted, self.squares)
        return model.Band(
            low=self.stated + counted.low,
            value=self.stated + self.counted,
            high=self.stated + counted.high,
        )

    @property
    def energy(self) -> model.Band | None:
        """Energy in kWh, with what hardware and counting leave open together; None: not known."""
        if not self.powered:
            return None
        hashes = self.hashes
        low, value, high = (joules / KILOWATT_HOUR for joules in self.joules)
        value = max(value, low)  # the low bound is known of more time than the central figure
        high = max(high, value)
        if hashes.value > 0:
            low, high = low * hashes.low / hashes.value, high * hashes.high / hashes.value
        return model.Band(low=low, value=value, high=high)


Works: TypeAlias = dict[str, Work]
"""Work by algorithm."""


def _work(points: Iterable[Point]) -> dict[str, Works]:
    """Work by key and algorithm."""
    out: dict[str, Works] = defaultdict(lambda: defaultdict(Work))
    for point in points:
        out[point.key][point.algorithm].add(point)
    return out


def _sum(bands: Iterable[model.Band | None]) -> model.Band | None:
    """Bands one after the other: as if all erred to the same side, which is the careful reading."""
    known = [one for one in bands if one is not None]
    if not known:
        return None
    return model.Band(
        low=sum(one.low for one in known),
        value=sum(one.value for one in known),
        high=sum(one.high for one in known),
    )


def _scaled(told: model.Band, factor: float) -> model.Band:
    return model.Band(low=told.low * factor, value=told.value * factor, high=told.high * factor)


def _energy(works: Iterable[Work], seconds: float) -> model.Energy | None:
    total = _sum(work.energy for work in works)
    if total is None:
        return None
    return model.Energy(kwh=total, kwh_per_day=_scaled(total, DAY / seconds))


def _rates(
    works: Works, seconds: float, peaks: dict[str, tuple[model.Band, str]] | None = None
) -> tuple[model.Rate, ...]:
    """Hashrates by algorithm, those that take most energy first, then those with most shares."""
    out = []
    for algorithm, work in works.items():
        hashes = work.hashes
        if not hashes.value > 0:
            continue
        peak, when = (peaks or {}).get(algorithm, (None, None))
        out.append(
            model.Rate(
                algorithm=algorithm,
                unit=unit_of(algorithm),
                average=_scaled(hashes, 1 / seconds),
                peak=peak,
                peak_hour=when,
                shares=work.shares,
                stated_share=work.stated / hashes.value,
                energy=_energy([work], seconds),
            )
        )
    return tuple(sorted(out, key=lambda one: (-_kwh(one.energy), -one.shares, one.algorithm)))


def _kwh(energy: model.Energy | None) -> float:
    return energy.kwh.value if energy else 0.0


def _peaks(points: Iterable[Point], watch: Watch, question: Question) -> dict[str, tuple[model.Band, str]]:
    """The hour with the highest hashrate of each algorithm, among those that were watched for the most part."""
    by_hour: dict[tuple[str, int], Work] = defaultdict(Work)
    for point in points:
        by_hour[point.algorithm, (point.start - question.since) // HOUR].add(point)
    best: dict[str, tuple[model.Band, str]] = {}
    for (algorithm, hour), work in sorted(by_hour.items()):
        watched = watch.hours.get(hour, 0.0) if watch.known else float(HOUR)
        if watched < LEAST_WATCHED or question.since + hour * HOUR < question.hours_since:
            continue
        rate = _scaled(work.hashes, 1 / watched)
        if rate.value > 0 and (algorithm not in best or rate.value > best[algorithm][0].value):
            best[algorithm] = rate, iso(question.since + hour * HOUR, question.zone)
    return best


def _days(points: Iterable[Point], question: Question, watch: Watch) -> tuple[model.Day, ...]:
    """Every day of the period, also one in which nothing was."""
    works: dict[int, Works] = defaultdict(lambda: defaultdict(Work))
    for point in points:
        works[(point.start - question.since) // DAY][point.algorithm].add(point)
    out = []
    for number, start in enumerate(range(question.since, question.until, DAY)):
        end = min(start + DAY, question.until)
        seconds = watch.of_day(number, float(end - start))
        found = works.get(number, {})
        out.append(
            model.Day(
                start=iso(start, question.zone),
                watched_seconds=seconds if watch.known else None,
                shares=sum(work.shares for work in found.values()),
                energy_kwh=_sum(work.energy for work in found.values()),
                rates={
                    algorithm: _scaled(work.hashes, 1 / seconds)
                    for algorithm, work in sorted(found.items())
                    if seconds > 0 and work.hashes.value > 0
                },
            )
        )
    return tuple(out)


# ── who ──────────────────────────────────────────────────────────────────────────────────────────────────


def _shares(total: Total) -> int:
    """Counted shares, of known worth or not."""
    return sum(part.shares + part.unknown for part in total.parts)


def _ranking(
    history: History, question: Question, tenants: dict[str, Tenant], mining: list[Total], watch: Watch
) -> list[model.Group]:
    """Most energy first; where there is none, most shares."""
    since, until = question.since, question.until
    work = _work(history.series(since, until, until - since, question.by))
    rows = [
        (total, _energy(work[total.key].values(), watch.divisor))
        for total in history.totals(since, until, question.by)
        if total.sessions
    ]
    rows.sort(key=lambda row: (-_kwh(row[1]), -_shares(row[0]), row[0].key))
    # A total counts hosts with hits alone as well, where hits have a key.
    hosts = _hosts_by(question.by, mining, tenants)
    out = []
    for rank, (total, energy) in enumerate(rows, 1):
        owner = tenants.get(total.key) if question.by == "tenant" else None
        out.append(
            model.Group(
                rank=rank,
                name=total.key,
                site=owner.site if owner else "",
                district=owner.district if owner else "",
                kind=owner.kind if owner else "",
                addresses=total.hosts if hosts is None else hosts[total.key],
                sessions=total.sessions,
                machines=total.devices,
                shares=_shares(total),
                mining_bytes=total.mining_bytes,
                all_bytes=total.bytes,
                energy=energy,
                rates=_rates(work[total.key], watch.divisor),
            )
        )
    return out


def _hosts_by(by: By, mining: list[Total], tenants: dict[str, Tenant]) -> Counter[str] | None:
    """How many mining addresses each key has; None: the history's own count is of these alone."""
    if by in {"pool", "coin"}:
        return None
    out: Counter[str] = Counter()
    for total in mining:
        names = total.tenants or ("",)
        keys = names if by == "tenant" else [str(getattr(tenants.get(name), by, "")) for name in names]
        out.update(set(keys))
    return out


def _addresses(
    hosts: list[Total], work: dict[str, Works], question: Question, watch: Watch
) -> list[model.Address]:
    """Most shares first: what an inspection asks for."""
    out = []
    for rank, total in enumerate(sorted(hosts, key=lambda one: (-_shares(one), one.key)), 1):
        works = work.get(total.key, {})
        rates = _rates(works, watch.divisor)
        out.append(
            model.Address(
                rank=rank,
                host=total.key,
                tenant=next(iter(total.tenants), ""),
                sessions=total.sessions,
                machines=total.devices,
                shares=_shares(total),
                mining_bytes=total.mining_bytes,
                all_bytes=total.bytes,
                first=iso(total.first / SECOND, question.zone),
                last=iso(total.last / SECOND, question.zone),
                algorithms=tuple(sorted(part.algorithm for part in total.parts if part.algorithm)),
                pools=total.pools,
                coins=total.coins,
                energy=_energy(works.values(), watch.divisor),
                rates=rates,
            )
        )
    return out


def _unknown(everything: Total, hosts: list[Total], work: dict[str, Works]) -> model.Unknown:
    mining = [one for one in hosts if one.sessions]
    seconds = sum(part.seconds for part in everything.parts)
    with_hashes = [
        one.key for one in mining if any(each.hashes.value > 0 for each in work.get(one.key, {}).values())
    ]
    return model.Unknown(
        shares=sum(part.unknown for part in everything.parts),
        addresses_without_hashrate=len(mining) - len(with_hashes),
        addresses_without_energy=sum(
            not any(each.powered for each in work[host].values()) for host in with_hashes
        ),
        energy_covered=min(everything.powered / seconds, 1.0) if seconds > 0 else 0.0,
        addresses_with_signs_only=sum(not one.sessions and one.hits > 0 for one in hosts),
        addresses_without_tenant=sum(not any(one.tenants) for one in mining),
    )


# ── cases ────────────────────────────────────────────────────────────────────────────────────────────────


def _changes(cases: list[Case], question: Question) -> list[model.Case]:
    """What became of cases in the period, in order of time; who has moved is not new as well."""
    by_number = {case.id: case for case in cases}
    out = []
    for case in cases:
        moved = {event.at for event in case.events if event.what == "moved"}
        for event in case.events:
            if not question.since * SECOND <= event.at < question.until * SECOND:
                continue
            if event.what == "opened" and moved:
                continue
            other = by_number.get(event.other) if event.other is not None else None
            out.append(
                (
                    event.at,
                    model.Case(
                        number=case.id,
                        change=CHANGES[event.what],
                        at=iso(event.at / SECOND, question.zone),
                        host=case.host,
                        tenant=case.tenant,
                        opened=iso(case.opened / SECOND, question.zone),
                        stopped=None if case.stopped is None else iso(case.stopped / SECOND, question.zone),
                        relapses=case.relapses,
                        other_host=other.host if other else "",
                        other_tenant=other.tenant if other else "",
                        reasons=event.reasons,
                        score=event.score,
                        confidence=case.confidence,
                        pools=case.pools,
                    ),
                )
            )
    return [row for _, row in sorted(out, key=lambda pair: (pair[0], pair[1].number, pair[1].change))]


def _counts(cases: list[Case], changes: list[model.Case], until: int) -> model.CaseCounts:
    by_change = Counter(row.change for row in changes)
    return model.CaseCounts(
        new=by_change["new"],
        stopped=by_change["stopped"],
        relapsed=by_change["relapsed"],
        moved=by_change["moved"],
        open_at_end=sum(_open_at(case, until * SECOND) for case in cases),
    )


def _open_at(case: Case, moment: int) -> bool:
    """Whether a case was open then: by the last thing that had happened to it."""
    last = ""
    for event in case.events:
        if event.at < moment and event.what != "moved":
            last = event.what
    return last in {"opened", "relapsed"}
