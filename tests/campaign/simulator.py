"""A campaign of known size: tenants, miners that start, stop, relapse, move and hide, and a sensor that has its own bad days.

In: a plan, a seed.  Out: pages of history rows in the order of packet time, and the truth about them.
Never: a figure of the truth that is read from a row; a row that the product has not made itself.

    plan ──▶ phases of miners (truth) ──arrivals at random──▶ Work, by session and bucket ──Sensor──▶ Page ──▶ History

A share arrives with probability by time, so that their number in a bucket is a Poisson count (the only chance a page sees).
What workers would tell of it goes through the parent's own books (:class:`Sensor`): sizes, samples and pages are theirs.
A miner that states its rate does so as it connects and at the end of each bucket; the books believe it for 15 minutes.
"""

from __future__ import annotations

import ipaddress
import random
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np
from sensor import Rest, Sensor

from sniffer.history.rows import Tenant
from sniffer.owners.keys import KINDS
from sniffer.size.power import Efficiency, Row, efficiency, rounded, rows
from sniffer.size.sessions import STATED_FOR
from sniffer.size.work import Work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.history.rows import Page

BUCKET: Final = 300
HOUR: Final = 3_600
DAY: Final = 86_400
SECOND: Final = 1_000_000_000
BEGIN: Final = 1_793_491_200  # 2026-11-01T00:00:00Z
PACKETS: Final = 9_000_000  # that the sensor sees in a bucket
MINING_BYTES: Final = 400  # of one share, both directions
RESTS: Final = {
    kind: 4**number
    for number, kind in enumerate(("", "power_plant", "park", "household", "telecom", "data_centre"))
}
"""Times what it mines, that a host carries beside, by the kind of its owner: a farm has little else."""
ANY_REST: Final = 10


class Algorithm(NamedTuple):
    """What machines of an algorithm are like."""

    name: str
    coin: str
    weight: int
    kind: str  # of machine, of which the table of efficiencies has some; "" it has none of this algorithm
    rates: tuple[float, float]  # H/s of one machine, from and to
    devices: tuple[int, int]
    interval: float  # seconds between shares that the pool aims at
    agents: tuple[str, ...]
    pools: tuple[str, ...]
    states: float = 0.0  # part of the miners that state their rate themselves


ALGORITHMS: Final = (
    Algorithm("sha256d", "BTC", 53, "asic", (80e12, 220e12), (1, 30), 12.0, ("bmminer/1.0.0", "LUXminer 2024", "bosminer"),
              ("f2pool", "antpool", "viabtc")),
    Algorithm("scrypt", "LTC", 15, "asic", (9e9, 36e9), (1, 12), 15.0, ("bmminer/2.1",), ("viabtc", "litecoinpool")),
    Algorithm("etchash", "ETC", 12, "gpu", (30e6, 140e6), (1, 10), 60.0, ("PhoenixMiner/6.2", "lolMiner 1.88"),
              ("ethermine", "2miners"), 0.8),
    Algorithm("randomx", "XMR", 12, "cpu", (3e3, 45e3), (1, 6), 30.0, ("XMRig/6.21.0",), ("supportxmr", "nanopool")),
    Algorithm("kawpow", "RVN", 4, "gpu", (17e6, 110e6), (1, 8), 40.0, ("T-Rex/0.26",), ("2miners",)),
    Algorithm("octopus", "CFX", 4, "", (40e6, 110e6), (1, 8), 40.0, ("T-Rex/0.26",), ("f2pool",)),
)  # fmt: skip
"""Of XMR's machines no figure is verified, so that there is no central one; CFX's are not in the table at all."""


@cache
def machines_of(algorithm: Algorithm) -> tuple[Row, ...]:
    """Rows of the table that miners of an algorithm may have: verified ones, where there are such."""
    low, high = algorithm.rates
    found = [
        row
        for row in rows()
        if (row.algorithm, row.kind) == (algorithm.name, algorithm.kind) and low <= row.rate <= high
    ]
    return tuple([row for row in found if row.verified] or found)


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
    round_seconds: int = HOUR  # between two looks of the books at every session
    overhead: float = 1.2


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
    joules: float  # by hash at the machine, the truth
    machines: int
    account: str
    agent: str
    hardware: str  # as its messages give it away
    pool: str
    server: bytes
    states: bool
    one_sided: bool
    phases: list[Phase] = field(default_factory=list)
    hidden: list[tuple[int, int]] = field(default_factory=list)  # behind TLS: nothing is seen

    @property
    def costs(self) -> Efficiency | None:
        """What the table says of a hash of it, once its rate is known."""
        return efficiency(self.algorithm.name, self.hardware, self.agent, rounded(self.rate / self.machines))


class Connection(NamedTuple):
    """What a miner at an address has told lately, to this run of the sensor."""

    number: int
    known_since: int  # s
    heard: int  # s, start of the last bucket in which it was seen
    stated: int = 0  # s, when it stated its rate last


@dataclass
class Truth:
    """What has happened, as far as the sensor was there to see it.  Hashes by tenant and algorithm, of known worth."""

    hashes: dict[tuple[str, str], float] = field(default_factory=dict)  # that were done
    told: dict[tuple[str, str], float] = field(default_factory=dict)  # the same, with statements as they hold
    all_hashes: dict[str, float] = field(default_factory=dict)  # by algorithm, hidden and unseen ones too
    joules: dict[str, float] = field(
        default_factory=dict
    )  # behind those that were told, where a cost is known
    estimates: dict[str, list[float]] = field(
        default_factory=dict
    )  # the same by the table: low, central, high
    shares: dict[str, int] = field(default_factory=dict)  # by host
    unknown: int = 0
    mining_bytes: int = 0
    all_bytes: dict[str, int] = field(default_factory=dict)  # of mining and everything else, by host
    machines: dict[str, int] = field(default_factory=dict)  # by host
    signs: dict[tuple[str, str], list[tuple[int, int]]] = field(
        default_factory=dict
    )  # first and last of each stretch


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
        self._rests = {one.name: RESTS.get(one.kind, ANY_REST) for one in self.tenants} | {"": RESTS[""]}
        self._connections: dict[tuple[int, Phase], Connection] = {}
        self.miners = [self._miner(number, chance) for number in range(plan.miners)]

    def _stretch(self, day: float, days: float) -> tuple[int, int]:
        begin = self.begin + int(day * DAY) // BUCKET * BUCKET
        return begin, begin + int(days * DAY) // BUCKET * BUCKET

    def _miner(self, number: int, chance: random.Random) -> Miner:
        algorithm = chance.choices(ALGORITHMS, [one.weight for one in ALGORITHMS])[0]
        machines = chance.randint(*algorithm.devices)
        found = machines_of(algorithm)
        row = (
            chance.choice(found)
            if found
            else Row(algorithm.name, "", "", chance.uniform(*algorithm.rates), 1.0, False)
        )
        miner = Miner(
            number=number,
            algorithm=algorithm,
            rate=machines * row.rate * chance.uniform(0.92, 1.08),
            joules=row.joules,
            machines=machines,
            account=f"h:{number:016x}",
            agent=chance.choice(algorithm.agents),
            hardware=row.model if chance.random() < 0.4 else "",
            pool=chance.choice(algorithm.pools),
            server=bytes((198, 51, 100, chance.randrange(1, 250))),
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
        waiting = sorted(
            ((phase.begin, miner.number, number) for miner in self.miners for number, phase in enumerate(miner.phases)),
        )  # fmt: skip
        alive: list[tuple[Miner, Phase]] = []
        place = 0
        sensor = None
        for start in range(self.begin, self.end, HOUR):
            end = min(start + HOUR, self.end)
            while place < len(waiting) and waiting[place][0] < end:
                miner = self.miners[waiting[place][1]]
                alive.append((miner, miner.phases[waiting[place][2]]))
                place += 1
            alive = [pair for pair in alive if pair[1].end > start]
            works: dict[int, list[Work]] = {bucket: [] for bucket in range(start, end, BUCKET)}
            rests: dict[int, list[Rest]] = {bucket: [] for bucket in works}
            for pair in alive:
                self._work(*pair, start, end, works, rests)
            for bucket, done in works.items():
                if _within(bucket, self.down):
                    if sensor is not None:
                        yield from sensor.close(bucket)
                        self._close(bucket)
                    sensor = None
                    continue
                plan = self.plan
                sensor = sensor or Sensor(
                    bucket, self.tenants, plan.overhead, plan.page_seconds, plan.round_seconds
                )
                packets = 0 if _within(bucket, self.silent) else PACKETS
                yield from sensor.hear(bucket + BUCKET, done, rests[bucket], packets)
        if sensor is not None:
            yield from sensor.close(self.end)
            self._close(self.end)

    def _work(
        self,
        miner: Miner,
        phase: Phase,
        start: int,
        end: int,
        works: dict[int, list[Work]],
        rests: dict[int, list[Rest]],
    ) -> None:
        """What one miner does, bucket by bucket, and what its host carries beside."""
        begin, until = max(phase.begin, start), min(phase.end, end)
        if begin >= until:
            return
        algorithm, truth = miner.algorithm, self.truth
        hashes = miner.rate * (until - begin)
        truth.all_hashes[algorithm.name] = truth.all_hashes.get(algorithm.name, 0.0) + hashes
        starts = range(begin, until, BUCKET)
        worths = [self._worth(miner, phase, bucket) for bucket in starts]
        counts = self._chance.poisson([miner.rate * BUCKET / worth for worth in worths])
        resumed = {stretch[1] for stretch in self.down}
        for bucket, worth, count in zip(starts, worths, counts, strict=True):
            if _within(bucket, self.down) or _within(bucket, self.silent) or _within(bucket, miner.hidden):
                continue
            number = int(count)
            # Joined in the middle after a restart, and with a first share of unknown worth: absent, not guessed.
            known = bucket not in resumed
            if known:
                key = phase.tenant, algorithm.name
                truth.hashes[key] = truth.hashes.get(key, 0.0) + miner.rate * BUCKET
                if not miner.states:
                    self._earn(miner, phase, miner.rate * BUCKET)
            else:
                truth.unknown += number
            works[bucket] += self._tell(miner, phase, bucket, number, worth, known=known)
            truth.mining_bytes += number * MINING_BYTES
            rest = number * MINING_BYTES * self._rests[phase.tenant]
            truth.all_bytes[phase.host] = truth.all_bytes.get(phase.host, 0) + number * MINING_BYTES + rest
            if rest:
                rests[bucket].append(Rest(phase.host, phase.tenant, rest))
            if number or miner.states:
                self._sign(miner, phase, bucket, number)

    def _tell(
        self, miner: Miner, phase: Phase, bucket: int, number: int, worth: float, *, known: bool
    ) -> Iterator[Work]:
        """What a worker would tell of a bucket."""
        key = miner.number, phase
        before = self._connections.get(key)
        is_new = before is None or before.heard < bucket - BUCKET
        connection = Connection(
            number=(before.number if before else 0) + is_new,
            known_since=(before.known_since if before else 0) or (bucket + 1 if known else 0),
            heard=bucket,
            stated=before.stated if before else 0,
        )
        work = Work(
            host=_packed(phase.host),
            server=miner.server,
            server_port=3333,
            protocol="stratum-v1",
            account=miner.account,
            tenant=phase.tenant,
            flow=miner.number * 1_000 + connection.number,
            first=(bucket + 1) * SECOND,
            last=(bucket + BUCKET - 1) * SECOND,
            seen=1 if miner.one_sided else 3,
            algorithm=miner.algorithm.name,
            coin=miner.algorithm.coin,
            pool=miner.pool,
            agent=miner.agent,
            hardware=miner.hardware,
            workers=[f"h:{one}" for one in range(miner.machines)] if is_new else [],
            known_since=connection.known_since * SECOND,
        )
        if miner.states:
            rate = miner.rate / miner.machines
            work.stated = {f"h:{one}": rate for one in range(miner.machines)}
            for moment in ([bucket + 1] if is_new else []) + [bucket + BUCKET - 1]:
                connection = self._hold(miner, phase, connection, moment)
            if is_new:
                yield msgspec.structs.replace(work, last=work.first)
        self._connections[key] = connection
        if not number and not miner.states:
            return
        work.submitted, work.accepted = number, 0 if miner.one_sided else number
        work.bytes_up = work.bytes_down = number * MINING_BYTES // 2
        work.difficulty = worth / 2**32
        if known:
            work.counted, work.hashes, work.squares = number, number * worth, number * worth * worth
        else:
            work.unknown = number
        yield work

    def _hold(self, miner: Miner, phase: Phase, connection: Connection, moment: int) -> Connection:
        """A statement goes on to hold up to a moment, and not for longer than the books believe it."""
        if connection.stated:
            held = min(moment - connection.stated, STATED_FOR // SECOND)
            self._earn(miner, phase, miner.rate * held)
        return connection._replace(stated=moment)

    def _close(self, now: int) -> None:
        """The sensor stops, and knows nothing of anyone when it begins again."""
        for (number, phase), connection in self._connections.items():
            self._hold(self.miners[number], phase, connection, now)
        self._connections.clear()

    def _earn(self, miner: Miner, phase: Phase, hashes: float) -> None:
        """Enter hashes that the sensor knows of, and their energy at the meter if the table has a central figure."""
        truth, name = self.truth, miner.algorithm.name
        key = phase.tenant, name
        truth.told[key] = truth.told.get(key, 0.0) + hashes
        costs = miner.costs
        if costs is not None and costs.central is not None:
            joules = hashes * self.plan.overhead
            truth.joules[name] = truth.joules.get(name, 0.0) + joules * miner.joules
            sums = truth.estimates.setdefault(name, [0.0, 0.0, 0.0])
            for place, cost in enumerate((costs.low, costs.central, costs.high)):
                sums[place] += joules * cost

    @staticmethod
    def _worth(miner: Miner, phase: Phase, bucket: int) -> float:
        """Vardiff: the pool begins low, doubles until shares come as it likes, and wavers by a factor of two."""
        aim = miner.rate * miner.algorithm.interval
        climbing = max(4 - (bucket - phase.begin) // BUCKET, 0)
        wavers = 2 ** ((bucket // HOUR + miner.number) % 3 // 2)
        return aim / 2**climbing * wavers

    def _sign(self, miner: Miner, phase: Phase, bucket: int, number: int) -> None:
        truth = self.truth
        truth.machines[phase.host] = miner.machines
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
            if len(hosts) == 2 and self.truth.shares.keys() >= set(hosts):
                pairs[hosts[0]] = hosts[1]
        return pairs


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@cache
def _packed(host: str) -> bytes:
    return ipaddress.IPv4Address(host).packed


def _within(moment: int, stretches: list[tuple[int, int]]) -> bool:
    return any(begin <= moment < end for begin, end in stretches)
