"""The history's plain twin: pages in memory, summed by session and hour, and the same questions answered readably.

In: pages.  Out: what ``sniffer.history.query.Reader`` answers.  Never: SQL, a file, a merge of old rows.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sniffer.history.query import Part, Point, Total

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sniffer.history.query import Case
    from sniffer.history.rows import Health, Page, Sample, Session, Tenant

HOUR = 3_600
SECOND = 1_000_000_000
Key = tuple[str, str, int, str, str, str, int]


class Sums:
    """Work of some sessions in some time."""

    __slots__ = (
        "hashes", "joules", "powered", "seconds", "shares", "squares", "stated", "told_hashes", "told_shares", "told_squares",
        "unknown",
    )  # fmt: skip

    def __init__(self) -> None:
        self.seconds = self.hashes = self.squares = self.told_hashes = self.told_squares = self.powered = 0.0
        self.shares = self.unknown = self.told_shares = 0
        self.stated: float | None = None
        self.joules: list[float | None] = [None, None, None]  # low, central, high: each known or not

    def add(self, one: Sample) -> None:
        """One bucket."""
        self.seconds += one.seconds
        self.shares += one.shares
        self.hashes += one.hashes
        self.squares += one.squares
        self.unknown += one.unknown
        if one.stated is not None:
            self.stated = (self.stated or 0.0) + one.stated
            self.told_shares += one.shares
            self.told_hashes += one.hashes
            self.told_squares += one.squares
        for place, joules in enumerate((one.joules_low, one.joules, one.joules_high)):
            self.joules[place] = _add(self.joules[place], joules)
        if one.joules is not None:
            self.powered += one.seconds

    def merge(self, other: Sums) -> None:
        """What others did."""
        for name in (
            "seconds",
            "shares",
            "hashes",
            "squares",
            "unknown",
            "told_shares",
            "told_hashes",
            "told_squares",
            "powered",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.stated is not None:
            self.stated = (self.stated or 0.0) + other.stated
        self.joules = [_add(a, b) for a, b in zip(self.joules, other.joules, strict=True)]


def _add(one: float | None, other: float | None) -> float | None:
    """The sum of what is known."""
    if one is None or other is None:
        return other if one is None else one
    return one + other


class Plain:
    """A history in memory."""

    def __init__(self, pages: Iterable[Page]) -> None:
        self._sessions: dict[Key, Session] = {}
        self._work: dict[tuple[Key, int], Sums] = defaultdict(Sums)
        self._health: dict[int, Health] = {}
        self._tenants: dict[str, Tenant] = {}
        self._traffic: dict[tuple[str, str, int], tuple[int, int]] = {}
        self.told: list[Case] = []  # cases, which are not its own work
        for page in pages:
            self._take(page)

    def _take(self, page: Page) -> None:
        for one in page.sessions:
            self._sessions[_key(one)] = one
        for sample in page.samples:
            self._work[_key(sample), sample.start // HOUR * HOUR].add(sample)
        for row in page.traffic:
            self._traffic[row.host, row.tenant, row.hour] = row.bytes, row.mining_bytes
        self._health |= {one.start: one for one in page.health}
        self._tenants |= {one.name: one for one in page.tenants}

    def _names(self, key: Key, by: str | None) -> str:
        if by is None:
            return ""
        if by in {"site", "district", "kind"}:
            owner = self._tenants.get(key[5])
            return str(getattr(owner, by)) if owner else ""
        return str(getattr(self._sessions[key], by))

    def _pieces(self, since: int, until: int) -> Iterator[tuple[Key, int, Sums]]:
        for (key, hour), sums in self._work.items():
            if since <= hour < until and key in self._sessions:
                yield key, hour, sums

    def series(self, since: int, until: int, step: int, by: str | None = None) -> list[Point]:
        """Work over time."""
        found: dict[tuple[int, str, str], Sums] = defaultdict(Sums)
        hosts: dict[tuple[int, str, str], set[str]] = defaultdict(set)
        for key, hour, sums in self._pieces(since, until):
            place = since + (hour - since) // step * step, self._names(key, by), self._sessions[key].algorithm
            found[place].merge(sums)
            hosts[place].add(key[0])
        return [
            Point(
                *place, len(hosts[place]), one.seconds, one.shares, one.hashes, one.squares, one.stated, one.told_shares,
                one.told_hashes, one.told_squares, *one.joules,
            )
            for place, one in sorted(found.items())
        ]  # fmt: skip

    def total(self, since: int, until: int) -> Total:
        """Sums of everything."""
        return self._totals(since, until, None)[0]

    def totals(self, since: int, until: int, by: str) -> list[Total]:
        """Sums by key."""
        return self._totals(since, until, by)

    def _totals(self, since: int, until: int, by: str | None) -> list[Total]:
        alive: dict[str, set[Key]] = defaultdict(set)
        parts: dict[str, dict[str, Sums]] = defaultdict(lambda: defaultdict(Sums))
        for key, one in self._sessions.items():
            if one.first < until * SECOND and one.last >= since * SECOND:
                alive[self._names(key, by)].add(key)
        for key, _, sums in self._pieces(since, until):
            parts[self._names(key, by)][self._sessions[key].algorithm].merge(sums)
        if by is None:
            alive.setdefault("", set())
        traffic: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for (host, tenant, hour), octets in self._traffic.items():
            if since <= hour < until and by not in {"pool", "coin", "algorithm"}:
                name = (
                    host
                    if by == "host"
                    else self._names(("", "", 0, "", "", tenant, 0), by)
                    if by != "tenant"
                    else tenant
                )
                traffic[name] = [a + b for a, b in zip(traffic[name], octets, strict=True)]
        return [self._total(name, alive[name], parts[name], traffic[name]) for name in sorted(alive)]

    def _total(self, name: str, keys: set[Key], parts: dict[str, Sums], octets: list[int]) -> Total:
        sessions = [self._sessions[key] for key in keys]
        whole = Sums()
        for sums in parts.values():
            whole.merge(sums)
        machines: dict[tuple[str, str], int] = defaultdict(int)
        for one in sessions:
            machines[one.host, one.account] = max(machines[one.host, one.account], one.devices)
        return Total(
            name, *(tuple(sorted({getattr(one, kind) for one in sessions if getattr(one, kind)}))[:8] for kind in ("tenant", "pool", "coin")),
            len({one.host for one in sessions}), len(keys), sum(machines.values()),
            min((one.first for one in sessions), default=0), max((one.last for one in sessions), default=0),
            0, 0, 0, 0, 0, *whole.joules, whole.powered,
            tuple(
                Part(algorithm, 0, one.seconds, one.shares, one.hashes, one.squares, one.unknown, one.stated, one.told_shares,
                     one.told_hashes, one.told_squares)
                for algorithm, one in sorted(parts.items())
            ),
            0, *octets,
        )  # fmt: skip

    def cases(self, since: int, until: int) -> list[Case]:
        """As they were given."""
        del since, until
        return self.told

    def health(self, since: int, until: int) -> list[Health]:
        """Buckets."""
        return [one for _, one in sorted(self._health.items()) if since <= one.start < until]

    def tenants(self) -> list[Tenant]:
        """Owners."""
        return list(self._tenants.values())

    def period(self) -> tuple[int, int] | None:
        """Of the buckets."""
        return (min(self._health), max(self._health) + 300) if self._health else None


def _key(one: Session | Sample) -> Key:
    return one.host, one.server, one.server_port, one.protocol, one.account, one.tenant, one.begun
