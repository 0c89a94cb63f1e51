"""A history that is told, not read: some miners of known rates, and the answers to what a report asks.

In: miners, owners, cases, health.  Out: what ``sniffer.history.query.Reader`` would answer.
Never: chance; two reports of the same miners are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sniffer.history.query import Case, Event, Part, Point, Total
from sniffer.history.rows import Health, Tenant

if TYPE_CHECKING:
    from collections.abc import Iterable

HOUR = 3_600
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Miner:
    """One that submits shares of the same worth, evenly."""

    host: str
    tenant: str = ""
    pool: str = ""
    coin: str = ""
    algorithm: str = "sha256d"
    begin: int = 0  # s, whole hours
    end: int = 24 * HOUR
    shares: int = 100  # an hour
    worth: float | None = 1e15  # None: not known
    stated: float | None = None  # H/s
    joules: tuple[float, float, float] | None = (2e-11, 3e-11, 5e-11)  # a hash
    machines: int = 1

    def points(self, key: str) -> Iterable[Point]:
        """Its work by hour."""
        for start in range(self.begin, self.end, HOUR):
            hashes = self.shares * (self.worth or 0.0)
            stated = None if self.stated is None else self.stated * HOUR
            best = hashes if stated is None else stated
            low, value, high = (
                (None, None, None)
                if self.joules is None or not best
                else [each * best for each in self.joules]
            )
            told = stated is not None
            known = self.shares if self.worth is not None else 0
            yield Point(
                start=start, key=key, algorithm=self.algorithm, hosts=1, seconds=HOUR if best else 0,
                shares=known, hashes=hashes, squares=hashes * (self.worth or 0.0), stated=stated,
                told_shares=known if told else 0, told_hashes=hashes if told else 0.0,
                told_squares=hashes * (self.worth or 0.0) if told else 0.0,
                joules_low=low, joules=value, joules_high=high,
            )  # fmt: skip


@dataclass
class Told:
    """The history."""

    miners: list[Miner]
    owners: list[Tenant] = field(default_factory=list)
    told_cases: list[Case] = field(default_factory=list)
    down: list[tuple[int, int]] = field(default_factory=list)  # s, whole hours
    silent: list[tuple[int, int]] = field(default_factory=list)
    watched: bool = True  # whether anybody wrote down health
    bytes_an_hour: int = 100_000
    fine_since: int = 0

    def _key(self, miner: Miner, by: str | None) -> str:
        owner = next((one for one in self.owners if one.name == miner.tenant), None)
        if by in {"site", "district", "kind"}:
            return str(getattr(owner, by)) if owner else ""
        return str(getattr(miner, by)) if by else ""

    def _alive(self, since: int, until: int) -> list[Miner]:
        return [one for one in self.miners if one.begin < until and one.end > since]

    def _total(self, key: str, miners: list[Miner], since: int, until: int) -> Total:
        parts, points = [], [point for one in miners for point in self._points([one], since, until, None)]
        for algorithm in sorted({one.algorithm for one in miners}):
            of = [point for point in points if point.algorithm == algorithm]
            unknown = sum(
                one.shares * (min(one.end, until) - max(one.begin, since)) // HOUR
                for one in miners
                if one.algorithm == algorithm and one.worth is None
            )
            stated = [point.stated for point in of if point.stated is not None]
            parts.append(
                Part(
                    algorithm=algorithm,
                    sessions=len(miners),
                    seconds=sum(point.seconds for point in of),
                    shares=sum(point.shares for point in of),
                    hashes=sum(point.hashes for point in of),
                    squares=sum(point.squares for point in of),
                    unknown=unknown,
                    stated=sum(stated) if stated else None,
                    told_shares=sum(point.told_shares for point in of),
                    told_hashes=sum(point.told_hashes for point in of),
                    told_squares=sum(point.told_squares for point in of),
                )
            )
        joules = [point for point in points if point.joules is not None]
        mining = sum(self.bytes_an_hour for _ in points)
        return Total(
            key=key,
            tenants=tuple(sorted({one.tenant for one in miners}))[:8],
            pools=tuple(sorted({one.pool for one in miners if one.pool}))[:8],
            coins=tuple(sorted({one.coin for one in miners if one.coin}))[:8],
            hosts=len({one.host for one in miners}),
            sessions=len(miners),
            devices=sum(one.machines for one in miners),
            first=min((one.begin for one in miners), default=0) * SECOND,
            last=max((one.end for one in miners), default=0) * SECOND,
            submitted=0, accepted=0, rejected=0, bytes_up=0, bytes_down=0,
            joules_low=sum(point.joules_low or 0.0 for point in joules) if joules else None,
            joules=sum(point.joules or 0.0 for point in joules) if joules else None,
            joules_high=sum(point.joules_high or 0.0 for point in joules) if joules else None,
            powered=sum(point.seconds for point in joules),
            parts=tuple(parts),
            hits=sum(part.shares + part.unknown for part in parts),
            bytes=mining * 4,
            mining_bytes=mining,
        )  # fmt: skip

    @staticmethod
    def _points(miners: Iterable[Miner], since: int, until: int, key: str | None) -> list[Point]:
        return [point for one in miners for point in one.points(key or "") if since <= point.start < until]

    # ── what a report asks ───────────────────────────────────────────────────────────────────────────────

    def total(self, since: int, until: int) -> Total:
        """Sums of everything."""
        return self._total("", self._alive(since, until), since, until)

    def totals(self, since: int, until: int, by: str) -> list[Total]:
        """Sums by key."""
        alive = self._alive(since, until)
        keys = sorted({self._key(one, by) for one in alive})
        return [
            self._total(key, [one for one in alive if self._key(one, by) == key], since, until)
            for key in keys
        ]

    def series(self, since: int, until: int, step: int, by: str | None = None) -> list[Point]:
        """Work, by hour whatever the step: a report adds up."""
        del step
        return [
            point
            for one in self._alive(since, until)
            for point in self._points([one], since, until, self._key(one, by))
        ]

    def period(self) -> tuple[int, int] | None:
        """From the first miner's beginning to the last one's end."""
        if not self.miners:
            return None
        return min(one.begin for one in self.miners), max(one.end for one in self.miners)

    def hours_since(self) -> int:
        """All rows are of hours."""
        return self.fine_since

    def cases(self, since: int, until: int) -> list[Case]:
        """All that were told."""
        del since, until
        return self.told_cases

    def health(self, since: int, until: int) -> list[Health]:
        """Buckets of 300 s."""
        if not self.watched:
            return []
        out = []
        for start in range(since - since % 300, until, 300):
            if any(begin <= start < end for begin, end in self.down):
                continue
            packets = 0 if any(begin <= start < end for begin, end in self.silent) else 1_000_000
            out.append(Health(start, 300.0, packets, packets // 100_000, 0.12, packets // 50_000, up=True))
        return out

    def tenants(self) -> list[Tenant]:
        """Owners."""
        return self.owners


def case(
    number: int, host: str, tenant: str, events: list[tuple[int, str]], *, came_from: int | None = None
) -> Case:
    """A case with these events; times in seconds."""
    told = tuple(
        Event(
            at * SECOND, what,
            came_from if what == "moved" else None,
            85 if what == "moved" else 0,
            ("account-private", "gap 5400", "rate 1.02") if what == "moved" else (),
        )
        for at, what in events
    )  # fmt: skip
    stopped = [event.at for event in told if event.what == "stopped"]
    open_ = [event.what for event in told if event.what != "moved"][-1] != "stopped"
    return Case(
        id=number, host=host, tenant=tenant, state="open" if open_ else "stopped", confidence="confirmed",
        opened=told[0].at, last=told[-1].at, stopped=stopped[-1] if stopped and not open_ else None,
        relapses=sum(event.what == "relapsed" for event in told), moved_from=came_from, moved_to=None,
        score=85 if came_from else 0, reasons=("account-private", "gap 5400", "rate 1.02") if came_from else (),
        protocols=("stratum-v1",), pools=("f2pool",), agents=("bmminer",), accounts=("h:0123456789abcdef",),
        events=told,
    )  # fmt: skip
