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

from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias, get_args

import msgspec

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from sniffer.history.rows import Health, Tenant

By: TypeAlias = Literal["tenant", "site", "district", "kind", "pool", "coin", "algorithm", "host"]
BY: Final[tuple[By, ...]] = get_args(By)
"""What totals can be asked for by."""


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
    reasons: tuple[str, ...]


class Case(msgspec.Struct, frozen=True):
    """One address of one tenant that mines or has mined."""

    id: int
    host: str
    tenant: str
    state: str  # open | stopped
    confidence: str  # probable | confirmed
    opened: int  # ns
    last: int  # ns: the last sign of mining
    stopped: int | None  # ns: when it fell silent; None: it has not
    relapses: int
    moved_from: int | None  # the case that this one probably continues
    moved_to: int | None  # the case that probably continues this one
    score: int  # of moved_from
    reasons: tuple[str, ...]  # of moved_from
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
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""

    def period(self) -> tuple[int, int] | None:
        """Seconds of the first and behind the last row; None: there are none."""
        raise NotImplementedError

    def totals(self, since: int, until: int, by: By) -> list[Total]:
        """What happened in a period, by key; most energy first, then most sessions."""
        raise NotImplementedError

    def total(self, since: int, until: int) -> Total:
        """The same of everything, with key ""."""
        raise NotImplementedError

    def series(self, since: int, until: int, step: int, by: By | None = None) -> list[Point]:
        """Work over time in steps of so many seconds, by key and algorithm; steps without any are left out."""
        raise NotImplementedError

    def cases(self, since: int, until: int) -> list[Case]:
        """Cases that were open at some time of the period, or have an event in it; oldest first.

        Events are all of a case, also those outside of the period.
        """
        raise NotImplementedError

    def detections(self, since: int, until: int) -> list[Day]:
        """Hits by day and rule."""
        raise NotImplementedError

    def coverage(self, since: int, until: int) -> Coverage:
        """What the sensor could see."""
        raise NotImplementedError

    def health(self, since: int, until: int) -> list[Health]:
        """The same in buckets of 300 s; several runs in one are added up."""
        raise NotImplementedError

    def tenants(self) -> list[Tenant]:
        """Owners as configured when the daemon last wrote."""
        raise NotImplementedError
