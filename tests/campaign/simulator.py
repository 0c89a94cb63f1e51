"""A campaign of known size: tenants, miners that start, stop, relapse, move and hide, and a sensor that has its own bad days.

In: a plan, a seed.  Out: pages of history rows in the order of packet time, and the truth about them.
Never: a figure of the truth that is read from a row.

    plan ──▶ phases of miners (truth) ──arrivals at random──▶ Done, by session and bucket ──adapter──▶ Page ──▶ History

A share arrives with probability by time, so that their number in a bucket is a Poisson count (the only chance a page sees).
Everything behind an arrival is made by :class:`Adapter`, the one place that knows rows.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from sniffer.history.rows import KINDS, Health, Page, Sample, Session, Tenant, Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET: Final = 300
HOUR: Final = 3_600
DAY: Final = 86_400
SECOND: Final = 1_000_000_000
BEGIN: Final = 1_793_491_200  # 2026-11-01T00:00:00Z
PACKETS: Final = 9_000_000  # that the sensor sees in a bucket
MINING_BYTES: Final = 400  # of one share, both directions


class Algorithm(NamedTuple):
    """What machines of an algorithm are like."""

    name: str
    coin: str
    weight: int
    rates: tuple[float, float]  # H/s of one machine, from and to
    devices: tuple[int, int]
    joules: tuple[float, float, float]  # by hash: what an estimate knows, low, central, high
    known: bool  # whether an estimate knows them
    interval: float  # seconds between shares that the pool aims at
    agents: tuple[str, ...]
    pools: tuple[str, ...]
    states: float  # part of the miners that state their rate themselves


ALGORITHMS: Final = (
    Algorithm("sha256d", "BTC", 55, (80e12, 220e12), (1, 30), (1.5e-11, 3e-11, 1e-10), True, 12.0,
              ("bmminer/1.0.0", "LUXminer 2024", "bosminer"), ("f2pool", "antpool", "viabtc"), 0.0),
    Algorithm("scrypt", "LTC", 15, (5e9, 17e9), (1, 12), (1.5e-7, 2.6e-7, 1.6e-6), True, 15.0,
              ("bmminer/2.1",), ("viabtc", "litecoinpool"), 0.0),
    Algorithm("etchash", "ETC", 12, (40e6, 3e9), (1, 10), (1.1e-7, 2.9e-6, 4.4e-6), True, 60.0,
              ("PhoenixMiner/6.2", "lolMiner 1.88"), ("ethermine", "2miners"), 0.8),
    Algorithm("randomx", "XMR", 14, (4e3, 22e3), (1, 6), (2.5e-3, 6.5e-3, 2.2e-2), True, 30.0,
              ("XMRig/6.21.0",), ("supportxmr", "nanopool"), 0.0),
    Algorithm("kawpow", "RVN", 4, (20e6, 60e6), (1, 8), (0, 0, 0), False, 40.0,
              ("T-Rex/0.26",), ("2miners",), 0.0),
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """How large a campaign is."""

    days: int = 30
    tenants: int = 200
    miners: int = 3_000
    seed: int = 7
    stop_after: float = 6 * HOUR  # what the case book is told
    down: tuple[tuple[float, float], ...] = (
        (8.5, 0.09),
    )  # day, length in days: no sensor; it begins anew afterwards
    silent: tuple[tuple[float, float], ...] = ((17.25, 0.125),)  # the mirror port gave nothing
    page_seconds: int = HOUR


class Phase(NamedTuple):
    """A miner at one address without a pause.  Times in seconds, whole buckets."""

    host: str
    tenant: str
    begin: int
    end: int


@dataclass
class Miner:
    """One miner: a machine or a farm of one account."""

    number: int
    algorithm: Algorithm
    rate: float
    joules: float  # by hash, the truth
    machines: int
    account: str
    agent: str
    pool: str
    server: str
    states: bool
    one_sided: bool
    phases: list[Phase] = field(default_factory=list)
    hidden: list[tuple[int, int]] = field(default_factory=list)  # behind TLS: nothing is seen


@dataclass
class Truth:
    """What has happened, as far as the sensor was there to see it."""

    hashes: dict[tuple[str, str], float] = field(
        default_factory=dict
    )  # by tenant and algorithm, of known worth
    all_hashes: dict[str, float] = field(default_factory=dict)  # by algorithm, hidden and unseen ones too
    joules: float = 0.0  # behind the hashes whose algorithm has known devices
    shares: dict[str, int] = field(default_factory=dict)  # by host
    unknown: int = 0
    mining_bytes: int = 0
    hosts: set[str] = field(default_factory=set)
    signs: dict[tuple[str, str], list[tuple[int, int]]] = field(
        default_factory=dict
    )  # first and last of each stretch
    successors: dict[str, str] = field(default_factory=dict)  # old host: new host


class Done(NamedTuple):
    """What one miner did in one bucket."""

    miner: Miner
    phase: Phase
    start: int  # s
    first: int  # s, of a share
    last: int
    shares: int
    worth: float
    unknown: int
    seconds: float


class Campaign:
    """A campaign, from its plan.

    Args:
        plan: how large.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.begin, self.end = BEGIN, BEGIN + plan.days * DAY
        self.truth = Truth()
        chance = random.Random(plan.seed)
        self._chance = np.random.default_rng(plan.seed)
        self.down = [self._stretch(*one) for one in plan.down]
        self.silent = [self._stretch(*one) for one in plan.silent]
        self.tenants = [
            Tenant(f"tenant-{number:03}", f"Site {number % 40:02}", f"District {number % 12:02}", KINDS[number % len(KINDS)], "")
            for number in range(plan.tenants)
        ]  # fmt: skip
        self.miners = [self._miner(number, chance) for number in range(plan.miners)]

    def _stretch(self, day: float, days: float) -> tuple[int, int]:
        begin = self.begin + int(day * DAY) // BUCKET * BUCKET
        return begin, begin + int(days * DAY) // BUCKET * BUCKET

    def _miner(self, number: int, chance: random.Random) -> Miner:
        algorithm = chance.choices(ALGORITHMS, [one.weight for one in ALGORITHMS])[0]
        machines = chance.randint(*algorithm.devices)
        low, high = algorithm.rates
        known_low, _, known_high = algorithm.joules
        pool = chance.choice(algorithm.pools)
        miner = Miner(
            number=number,
            algorithm=algorithm,
            rate=machines * chance.uniform(low, high),
            joules=chance.uniform(known_low * 1.05, (known_low * known_high) ** 0.5),
            machines=machines,
            account=f"h:{number:016x}",
            agent=chance.choice(algorithm.agents),
            pool=pool,
            server=f"198.51.100.{chance.randrange(1, 250)}",
            states=chance.random() < algorithm.states,
            one_sided=chance.random() < 0.1,
        )
        self._live(miner, chance)
        return miner

    def _live(self, miner: Miner, chance: random.Random) -> None:
        """Give a miner its stretches: most stay, some relapse, some move, some hide."""
        scale = self.plan.days / 30
        spare = max(2 * DAY * scale, 10 * HOUR)
        tenant = chance.choice(self.tenants).name if chance.random() < 0.97 else ""
        host = _address(miner.number)
        begin = self._whole(self.begin + chance.random() * self.plan.days * DAY * 0.97)
        end = self._whole(begin + max(chance.expovariate(1 / (4.5 * DAY * max(scale, 0.15))), 4 * HOUR))
        miner.phases.append(Phase(host, tenant, begin, min(end, self.end)))
        fate = chance.random()
        pause = int(self.plan.stop_after)
        if end < self.end - spare and fate < 0.25:
            again = self._whole(end + pause + chance.uniform(2, 2 + 38 * scale) * HOUR)
            until = self._whole(again + chance.uniform(6, 48) * HOUR)
            miner.phases.append(Phase(host, tenant, again, min(until, self.end)))
        elif end < self.end - spare and fate < 0.45 and end - begin > 8 * HOUR:
            # The new address begins soon, and goes on at the same rate.
            again = self._whole(end + chance.uniform(0.2, 5) * HOUR)
            until = self._whole(again + chance.uniform(12, 72) * HOUR)
            moved = _address(miner.number + self.plan.miners)
            miner.phases.append(Phase(moved, tenant, again, min(until, self.end)))
        elif fate > 0.9 and end - begin > DAY:
            hides = self._whole(begin + 12 * HOUR)
            miner.hidden.append((hides, hides + int(chance.uniform(1, 4)) * HOUR))
        miner.phases = [one for one in miner.phases if one.end - one.begin >= HOUR]

    @staticmethod
    def _whole(moment: float) -> int:
        return int(moment) // BUCKET * BUCKET

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────

    def pages(self) -> Iterator[Page]:
        """The rows, page by page; the truth grows with them."""
        adapter = Adapter(self)
        waiting = sorted(
            ((phase.begin, miner.number, number) for miner in self.miners for number, phase in enumerate(miner.phases)),
        )  # fmt: skip
        alive: list[tuple[Miner, Phase]] = []
        place = 0
        for start in range(self.begin, self.end, self.plan.page_seconds):
            end = min(start + self.plan.page_seconds, self.end)
            while place < len(waiting) and waiting[place][0] < end:
                miner = self.miners[waiting[place][1]]
                alive.append((miner, miner.phases[waiting[place][2]]))
                place += 1
            alive = [pair for pair in alive if pair[1].end > start]
            done = [one for pair in alive for one in self._work(*pair, start, end)]
            if page := adapter.page(done, start, end):
                yield page

    def _work(self, miner: Miner, phase: Phase, start: int, end: int) -> Iterator[Done]:
        """Shares of one miner, bucket by bucket."""
        begin, until = max(phase.begin, start), min(phase.end, end)
        if begin >= until:
            return
        algorithm, truth = miner.algorithm, self.truth
        hashes = miner.rate * (until - begin)
        truth.all_hashes[algorithm.name] = truth.all_hashes.get(algorithm.name, 0.0) + hashes
        starts = range(begin, until, BUCKET)
        worths = [self._worth(miner, phase, bucket) for bucket in starts]
        counts = self._chance.poisson([miner.rate * BUCKET / worth for worth in worths])
        for bucket, worth, count in zip(starts, worths, counts, strict=True):
            if _within(bucket, self.down) or _within(bucket, self.silent) or _within(bucket, miner.hidden):
                continue
            number = int(count)
            # Joined in the middle after a restart, and with a first share of unknown worth: absent, not guessed.
            known = bucket not in {stretch[1] for stretch in self.down}
            if known:
                key = phase.tenant, algorithm.name
                truth.hashes[key] = truth.hashes.get(key, 0.0) + miner.rate * BUCKET
                if algorithm.known:
                    truth.joules += miner.rate * BUCKET * miner.joules
            else:
                truth.unknown += number
            if number:
                self._sign(phase, bucket, number)
            truth.mining_bytes += number * MINING_BYTES
            yield Done(
                miner,
                phase,
                bucket,
                bucket + 1,
                bucket + BUCKET - 1,
                number if known else 0,
                worth,
                0 if known else number,
                float(BUCKET) if known else 0.0,
            )

    @staticmethod
    def _worth(miner: Miner, phase: Phase, bucket: int) -> float:
        """Vardiff: the pool begins low, doubles until shares come as it likes, and wavers by a factor of two."""
        aim = miner.rate * miner.algorithm.interval
        climbing = max(4 - (bucket - phase.begin) // BUCKET, 0)
        wavers = 2 ** ((bucket // HOUR + miner.number) % 3 // 2)
        return aim / 2**climbing * wavers

    def _sign(self, phase: Phase, bucket: int, number: int) -> None:
        truth = self.truth
        truth.hosts.add(phase.host)
        truth.shares[phase.host] = truth.shares.get(phase.host, 0) + number
        stretches = truth.signs.setdefault((phase.host, phase.tenant), [])
        first, last = bucket + 1, bucket + BUCKET - 1
        if stretches and first - stretches[-1][1] < self.plan.stop_after:
            stretches[-1] = stretches[-1][0], last
        else:
            stretches.append((first, last))

    def watched(self) -> int:
        """Seconds in which packets came in."""
        return self.end - self.begin - sum(end - begin for begin, end in [*self.down, *self.silent])

    def moves(self) -> dict[str, str]:
        """Who went where: old host to new host, where both were seen."""
        pairs = {}
        for miner in self.miners:
            hosts = list(dict.fromkeys(one.host for one in miner.phases))
            if len(hosts) == 2 and set(hosts) <= self.truth.hosts:
                pairs[hosts[0]] = hosts[1]
        return pairs


class Adapter:
    """Makes history rows of what miners did: the part that the parent's own book plays in the daemon."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._sessions: dict[tuple[int, str, int], list[int]] = {}  # first, last, submitted, unknown
        self._octets: dict[tuple[str, str, int], int] = {}
        self._begun = campaign.begin * SECOND

    def page(self, done: list[Done], start: int, end: int) -> Page | None:
        """Rows of one page; none while no sensor runs."""
        campaign = self._campaign
        buckets = [bucket for bucket in range(start, end, BUCKET) if not _within(bucket, campaign.down)]
        if not buckets:
            return None
        for _, until in campaign.down:
            if start < until <= end:  # it runs again, and counts from nothing
                self._begun = until * SECOND
        health = tuple(
            Health(bucket, float(BUCKET), 0, 0, 0.0, 0, up=True)
            if _within(bucket, campaign.silent)
            else Health(bucket, float(BUCKET), PACKETS, 90, 0.1, 40, up=True)
            for bucket in buckets
        )
        samples, alive = [], {}
        octets = self._octets = {
            place: size for place, size in self._octets.items() if place[2] >= start - HOUR
        }  # a row is of its hour so far
        for one in done:
            begun = self._begun if one.start * SECOND >= self._begun else campaign.begin * SECOND
            key = one.miner.number, one.phase.host, begun
            if one.shares or one.unknown:
                counted = self._sessions.setdefault(key, [one.first, one.last, 0, 0])
                counted[1] = one.last
                counted[2] += one.shares + one.unknown
                counted[3] += one.unknown
                alive[key] = one
                moment = (one.phase.host, one.phase.tenant, one.start // HOUR * HOUR)
                octets[moment] = octets.get(moment, 0) + (one.shares + one.unknown) * MINING_BYTES
            samples.append(_sample(one, begun))
        return Page(
            now=end * SECOND,
            sessions=tuple(_session(one, key[2], self._sessions[key]) for key, one in alive.items()),
            samples=tuple(samples),
            tenants=tuple(campaign.tenants) if start == campaign.begin else (),
            health=health,
            traffic=tuple(
                Traffic(host, tenant, hour, size * 50, size) for (host, tenant, hour), size in octets.items()
            ),
        )


def _sample(one: Done, begun: int) -> Sample:
    miner, hashes = one.miner, one.shares * one.worth
    stated = miner.rate * one.seconds if miner.states and one.seconds else None
    best = hashes if stated is None else stated
    known = miner.algorithm.known and best > 0
    low, central, high = (best * joules if known else None for joules in miner.algorithm.joules)
    return Sample(
        one.phase.host, miner.server, 3333, "stratum-v1", miner.account, one.phase.tenant, begun, one.start, one.seconds,
        one.shares, hashes, hashes * one.worth, one.unknown, stated, low, central, high,
    )  # fmt: skip


def _session(one: Done, begun: int, counted: list[int]) -> Session:
    miner, (first, last, submitted, unknown) = one.miner, counted
    return Session(
        one.phase.host, miner.server, 3333, "stratum-v1", miner.account, one.phase.tenant, begun, first * SECOND, last * SECOND,
        submitted, 0 if miner.one_sided else submitted, 0, unknown, one.worth, miner.rate if miner.states else None,
        miner.machines, "client" if miner.one_sided else "both", miner.algorithm.name, miner.algorithm.coin, miner.pool, "",
        miner.agent, "", submitted * MINING_BYTES // 2, submitted * MINING_BYTES // 2,
    )  # fmt: skip


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _within(moment: int, stretches: list[tuple[int, int]]) -> bool:
    return any(begin <= moment < end for begin, end in stretches)
