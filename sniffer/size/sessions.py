"""Sessions: who mines for whom, with which shares, how fast, on how many machines, at what draw.

In: :class:`~sniffer.size.work.Work` of all workers; packet time.  Out: estimates of each session, samples of five minutes.
Never: a clock of its own; a rate where the worth of shares is not known; more sessions than the limit.

A *session* is one (host, server, port, protocol, account, tenant), whatever connections it took.  What it does is kept
in buckets of five minutes, so that a rate over the last hour is a sum: of hashes over the time in which their worth was known.
"""

from __future__ import annotations

import sys
from array import array
from collections import OrderedDict, deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sniffer.size.power import efficiency, rounded
from sniffer.size.work import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sniffer.size.power import Efficiency
    from sniffer.size.work import Work

SECOND: Final = 1_000_000_000
SESSION_LIMIT: Final = 100_000
BUCKETS: Final = (
    12  # whole ones that a rate is about, beside the one that goes on: up to an hour and five minutes
)
KEPT: Final = BUCKETS + 1
STATED_FOR: Final = 900 * SECOND  # that a machine's own statement holds
ACTIVE_FOR: Final = 3_600 * SECOND  # after its last message, that a connection counts as a machine
LEAP: Final = 288  # buckets, a day: packet time that moves on by more, or back, did not pass
MAX_WORKERS: Final = 4_096  # of one session
MAX_FLOWS: Final = 4_096
MAX_FINISHED: Final = 300_000  # samples that wait to be fetched
MAX_SHARED: Final = 50_000  # addresses and ports that sessions share
DOUBT: Final = 2.0  # times the band, beyond which shares are believed and not the statement
ENOUGH: Final = 25  # shares for that
NOW: Final = (
    3 * KEPT
)  # where the hashes that machines state for the bucket that goes on are summed, then its joules
DRAWN: Final = NOW + 4  # joules that nobody has collected: low, central, high
UNDRAWN: Final = DRAWN + 3  # hashes behind shares, whose joules are not yet in any of these
SEEN: Final = ("", "client", "server", "both")


class SessionKey(NamedTuple):
    """What makes work that of one session."""

    host: bytes  # packed
    server: bytes
    port: int
    protocol: str
    account: str  # as it may be shown; "" unknown
    tenant: str


class Known(NamedTuple):
    """What messages told of a session, "" unknown."""

    algorithm: str = ""
    coin: str = ""
    pool: str = ""
    domain: str = ""
    agent: str = ""
    hardware: str = ""


@lru_cache(maxsize=4_096)
def shared(known: Known) -> Known:
    """One object for all sessions of which the same is known."""
    return known


class Rate(NamedTuple):
    """What a session does, over its window."""

    shares: int
    hashes: float  # a second
    variance: float  # of that: sum of the squares of what each share adds to it
    seconds: float  # that it was watched for, within the window


class Joules(NamedTuple):
    """Energy, or a second power: each bound known or not."""

    low: float | None
    central: float | None
    high: float | None


NOTHING: Final = Joules(None, None, None)


class Sample(NamedTuple):
    """What one session did in one bucket."""

    start: int  # nanoseconds, a multiple of BUCKET
    seconds: float  # of it, with the worth of a share known
    shares: int  # counted, of known worth
    hashes: float
    squares: float
    unknown: int
    stated: float | None  # hashes, by the machines' own statement
    joules: Joules


@lru_cache(maxsize=4 * KEPT)
def same(bucket: int) -> int:
    """A bucket's number, one object however many sessions keep it."""
    return bucket


class Finished:
    """Samples of buckets that are over, until they are fetched.

    Args:
        limit: at most; beyond it the oldest are lost, and counted.
    """

    def __init__(self, limit: int) -> None:
        self.lost = 0
        self._limit = limit
        self._samples: deque[tuple[Session, Sample]] = deque()

    def add(self, session: Session, sample: Sample) -> None:
        """Keep one."""
        self._samples.append((session, sample))
        if len(self._samples) > self._limit:
            self._samples.popleft()
            self.lost += 1

    def take(self) -> Iterator[tuple[Session, Sample]]:
        """Hand them over, oldest first; what is not asked for stays."""
        while self._samples:
            yield self._samples.popleft()


class Session:
    """One session.

    There may be a hundred thousand, so what most of them do not have is not there: one connection and one name stand
    for themselves, and numbers that are summed lie in one array, from the first that is summed on.
    """

    __slots__ = (
        "accepted", "bytes_down", "bytes_up", "changed", "costs", "difficulty", "energy_until", "finished", "first", "flow", "flows",
        "key", "known", "known_since", "label", "last", "most", "newest", "now_known", "now_unknown", "number", "owner", "rejected", "seen",
        "stated", "submitted", "sums", "told", "told_bytes", "touched", "unknown", "worker", "workers",
    )  # fmt: skip

    def __init__(
        self, key: SessionKey, work: Work, finished: Finished | None = None, number: int = 0
    ) -> None:
        """Begin.

        Args:
            key: what it is known by.
            work: the first that was done.
            finished: where samples of buckets that are over go; None: nobody asks for them.
            number: tells it from an earlier one with the same key that has gone since.
        """
        self.number = number
        self.key = key
        self.owner: Any = None  # whoever keeps it may put a thing of its own here
        self.label = ""  # its host, as it may be written
        self.last = work.last
        self.first = (
            self.last if work.first == work.last else work.first
        )  # one number, not two that are equal
        self.submitted = self.accepted = self.rejected = self.unknown = 0
        self.bytes_up = self.bytes_down = 0
        self.known_since = 0  # packet time from which on hashes are summed; 0: not yet
        self.difficulty: float | None = None
        self.stated: dict[str, tuple[float, int]] | None = None  # by worker: hashes a second, when it said so
        self.worker = ""  # the first that was named
        self.workers: set[str] | None = None  # all of them, once there are two
        self.flow = work.flow  # the only connection, or the first
        self.flows: dict[int, int] | None = None  # last message of each, once there are two
        self.most = 1  # machines behind one of them
        self.seen = 0
        self.known = Known()
        self.costs: Efficiency | None = None  # as of the last look
        self.sums: array[float] | None = None
        """Of each bucket shares, hashes, squares; then as NOW, DRAWN, UNDRAWN."""
        self.newest = 0  # number of the bucket that goes on
        self.now_unknown = 0  # shares of unknown worth in it
        self.now_known = 7  # which joules are known for all of it, as bits
        self.energy_until = 0  # up to when stated hashes are summed
        self.touched = 0  # the book's clock at its last work
        self.changed = False  # since it was told last
        self.told = -1  # number of the bucket in which it was
        self.told_bytes = 0  # as of then, both directions; for whoever tells
        self.finished = finished

    # ── work ─────────────────────────────────────────────────────────────────────────────────────────────

    def add(self, work: Work) -> None:
        """Enter what was done."""
        if work.last // BUCKET != self.newest or self.stated is not None:
            self.advance(work.last)
        before, self.last = self.last, max(self.last, work.last)
        self.first = min(self.first, work.first)
        self.submitted += work.submitted
        self.accepted += work.accepted
        self.rejected += work.rejected
        if work.unknown:
            self.unknown += work.unknown
            self.now_unknown += work.unknown
        self.bytes_up += work.bytes_up
        self.bytes_down += work.bytes_down
        self.seen |= work.seen
        self.changed = True
        self.known_since = self.known_since or work.known_since
        if work.difficulty is not None:
            self.difficulty = work.difficulty
        told = work.algorithm, work.coin, work.pool, work.domain, work.agent, work.hardware
        if told != self.known:
            self._note_texts(told)
        self.most = max(self.most, work.devices)
        if self.flows is not None or work.flow != self.flow:
            self._note_flow(work, before)
        if work.workers:
            self._note_workers(work.workers)
        if work.stated:
            self._note_rates(work)
        if work.counted:
            self._count(work)

    def _note_texts(self, told: tuple[str, ...]) -> None:
        """Take over what is known of it by now."""
        known = Known(*(text or before for text, before in zip(told, self.known, strict=True)))
        if known != self.known:
            self.known = shared(known)
            self.look()

    def _note_flow(self, work: Work, before: int) -> None:
        if self.flows is None:
            self.flows = {self.flow: before}
        if work.flow in self.flows or len(self.flows) < MAX_FLOWS:
            self.flows[work.flow] = work.last

    def _note_rates(self, work: Work) -> None:
        if self.stated is None:
            self.stated, self.energy_until = {}, work.last
        for worker, rate in work.stated.items():
            if worker in self.stated or len(self.stated) < MAX_WORKERS:
                self.stated[worker] = rate, work.last

    def _note_workers(self, workers: list[str]) -> None:
        self.worker = self.worker or workers[0]
        if self.workers is None and any(worker != self.worker for worker in workers):
            self.workers = {self.worker}
        if self.workers is not None and len(self.workers) < MAX_WORKERS:
            self.workers.update(workers)

    def _summed(self) -> array[float]:
        """The sums; from now on there are some."""
        if self.sums is None:
            self.sums = array("d", (0.0,)) * (UNDRAWN + 1)  # from bytes it would have room for an eighth more
        return self.sums

    def _count(self, work: Work) -> None:
        sums = self._summed()
        bucket = min(work.last // BUCKET, self.newest)
        if bucket > self.newest - KEPT:  # else it is older than anything that is asked about
            at = 3 * (bucket % KEPT)
            sums[at] += work.counted
            sums[at + 1] += work.hashes
            sums[at + 2] += work.squares
        if self.stated is None or self.stated_rate(work.last) is None:
            sums[UNDRAWN] += work.hashes

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────

    def advance(self, now: int) -> None:
        """Let time pass until ``now``, nanoseconds of packet time: close buckets, sum what machines state themselves."""
        bucket = same(now // BUCKET)
        if not self.newest:
            self.newest = bucket
        if abs(bucket - self.newest) > LEAP:
            self._begin_again(now)
        while self.newest < bucket:
            self._integrate((self.newest + 1) * BUCKET)
            self._close()
            gap = bucket - self.newest
            self.newest = same(self.newest + 1 if gap <= KEPT else bucket - KEPT)
            if self.sums is not None:
                at = 3 * (self.newest % KEPT)
                self.sums[at] = self.sums[at + 1] = self.sums[at + 2] = 0.0
                self.look()
        self._integrate(now)

    def look(self) -> None:
        """See anew what a hash costs: what is known of the machines, or how fast they are, has changed."""
        self._draw_shares()
        known = self.known
        if known.algorithm:
            self.costs = efficiency(known.algorithm, known.hardware, known.agent, self._rate_of_one())

    def _begin_again(self, now: int) -> None:
        """Packet time has leapt, forth or back: what was counted stays, what is summed over time begins anew."""
        self._close()
        self.newest, self.energy_until = same(now // BUCKET), now
        self.known_since = now if self.known_since else 0
        self.stated = self.flows = None
        if self.sums is not None:
            self.sums[:NOW] = array("d", bytes(8 * NOW))

    def _integrate(self, until: int) -> None:
        """Energy and hashes of what machines state themselves, up to a time."""
        since = self.energy_until
        if self.stated is None or until <= since:
            return
        self.energy_until = until
        rate = self.stated_rate(since)
        if rate is not None:
            newest = max(when for _, when in self.stated.values())
            hashes = rate * max(min(until, newest + STATED_FOR) - since, 0) / SECOND
            self._summed()[NOW] += hashes
            self._draw(hashes)

    def _draw_shares(self) -> None:
        """Add the energy of the shares since the last time, before anything that it depends on changes."""
        if self.sums is not None and self.sums[UNDRAWN]:
            self._draw(self.sums[UNDRAWN])
            self.sums[UNDRAWN] = 0.0

    def _draw(self, hashes: float) -> None:
        """Add the energy of hashes to this bucket and to what is to be collected."""
        if not hashes:
            return
        if self.costs is None:
            self.now_known = 0
            return
        sums = self._summed()
        for place, cost in enumerate(self.costs):
            if cost is None:
                self.now_known &= ~(1 << place)
            else:
                sums[NOW + 1 + place] += hashes * cost
                sums[DRAWN + place] += hashes * cost

    def _close(self) -> None:
        """The bucket is over: keep what was done in it, if anything was."""
        self._draw_shares()
        sample = self.sample((self.newest + 1) * BUCKET) if self.finished is not None else None
        if self.finished is not None and sample is not None:
            self.finished.add(self, sample)
            self.changed = True
        self.now_unknown, self.now_known = 0, 7
        if self.sums is not None:
            self.sums[NOW:DRAWN] = array("d", bytes(8 * (DRAWN - NOW)))

    def sample(self, now: int) -> Sample | None:
        """What was done in the bucket that goes on, so far; None: nothing, and nobody is known to be there."""
        self._draw_shares()
        start = self.newest * BUCKET
        shares, hashes, squares, stated = 0, 0.0, 0.0, 0.0
        joules: Sequence[float] = (0.0, 0.0, 0.0)
        if self.sums is not None:
            at = 3 * (self.newest % KEPT)
            shares, hashes, squares = int(self.sums[at]), self.sums[at + 1], self.sums[at + 2]
            stated, joules = self.sums[NOW], self.sums[NOW + 1 : DRAWN]
        active = self.last >= start - ACTIVE_FOR and self.known_since
        if not (shares or self.now_unknown or stated or active):
            return None
        seconds = 0.0
        if self.known_since:
            seconds = max(min(now, start + BUCKET) - max(start, self.known_since), 0) / SECOND
        is_drawn = bool(hashes or stated)
        known = self.now_known if not self.now_unknown else self.now_known & 1
        return Sample(
            start,
            seconds,
            shares,
            hashes,
            squares,
            self.now_unknown,
            stated or None,
            Joules(*(each if is_drawn and known & 1 << place else None for place, each in enumerate(joules))),
        )

    def is_due(self) -> bool:
        """Whether it is to be told: it is new, or one of its buckets is over; then it counts as told."""
        if not self.changed or self.told == self.newest:
            return False
        self.told, self.changed = self.newest, False
        return True

    def collect(self) -> tuple[float, float, float]:
        """Joules since the last call, as far as they are known: low, central, high."""
        if self.sums is None:
            return 0.0, 0.0, 0.0
        self._draw_shares()
        low, central, high = self.sums[DRAWN:UNDRAWN]
        self.sums[DRAWN:UNDRAWN] = array("d", (0.0, 0.0, 0.0))
        return low, central, high

    # ── what it comes to ─────────────────────────────────────────────────────────────────────────────────

    def rate(self, now: int) -> Rate | None:
        """Hashes a second by shares, over the last hour; None while the worth of a share is not known."""
        if self.sums is None or not self.known_since:
            return None
        sums = self.sums
        newest = max(self.newest, now // BUCKET)
        oldest = max(newest - BUCKETS, self.known_since // BUCKET)
        shares = hashes = squares = 0.0
        for bucket in range(max(oldest, self.newest - BUCKETS), self.newest + 1):
            at = 3 * (bucket % KEPT)
            shares += sums[at]
            hashes += sums[at + 1]
            squares += sums[at + 2]
        seconds = (now - max(oldest * BUCKET, self.known_since)) / SECOND
        if not shares or seconds <= 0:
            return None
        return Rate(int(shares), hashes / seconds, squares / seconds / seconds, seconds)

    def stated_rate(self, now: int) -> float | None:
        """Hashes a second as the machines state themselves; None: they have not, of late."""
        if self.stated is None:
            return None
        rates = [rate for rate, when in self.stated.values() if now - when < STATED_FOR]
        return sum(rates) if rates else None

    def devices(self, now: int) -> int:
        """Machines behind it: the most that names, connections at a time, or one connection's own account speak for."""
        if self.flows is not None:
            since = now - ACTIVE_FOR
            flows = {flow: last for flow, last in self.flows.items() if last >= since}
            self.flow, self.flows = next(reversed(self.flows)), flows if len(flows) > 1 else None
        return max(self.most, len(self.flows or ()), len(self.workers or ()))

    def _rate_of_one(self) -> int:
        """Hashes a second of one machine, two digits of it; 0 unknown."""
        rate = self.rate(self.last)
        if rate is None or rate.shares < ENOUGH:
            return 0
        return rounded(rate.hashes / max(self.most, len(self.flows or ()), len(self.workers or ())))


class SessionBook:
    """All sessions, bounded.

    Args:
        limit: sessions at most; beyond it the one that is idle longest makes room.
        samples: whether somebody fetches those of buckets that are over.
    """

    def __init__(self, *, limit: int = SESSION_LIMIT, samples: bool = False) -> None:
        self.limit = limit
        self.finished = Finished(MAX_FINISHED) if samples else None
        self._parts: dict[Any, Any] = {}  # of keys, so that equal ones are one
        self.evicted = 0
        self.expired = 0
        self.submitted = self.accepted = self.rejected = 0
        self.bytes_up = self.bytes_down = 0
        self.clock = (
            0  # nanoseconds of packet time that have passed, without its leaps; whoever knows moves it on
        )
        self._sessions: OrderedDict[tuple[bytes, bytes, int, str, str, str], Session] = OrderedDict()
        """By :class:`SessionKey`, or a plain tuple of the same, which is faster to make; by last work, oldest first."""

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

    def latest(self) -> Iterator[Session]:
        """All of them, the one that worked last first."""
        return reversed(self._sessions.values())

    def add(self, work: Work) -> tuple[Session, Session | None]:
        """Enter work.

        Returns:
            The session it belongs to, and the one that made room for it.
        """
        self.submitted += work.submitted
        self.accepted += work.accepted
        self.rejected += work.rejected
        self.bytes_up += work.bytes_up
        self.bytes_down += work.bytes_down
        key = work.host, work.server, work.server_port, work.protocol, work.account, work.tenant
        session, gone = self._sessions.get(key), None
        if session is None:
            shared = self._shared(*key)
            session = Session(shared, work, self.finished, self.evicted + self.expired)
            self._sessions[shared] = session
            if len(self._sessions) > self.limit:
                _, gone = self._sessions.popitem(last=False)
                self.evicted += 1
        else:
            self._sessions.move_to_end(key)
        session.add(work)
        session.touched = self.clock
        return session, gone

    def _shared(
        self, host: bytes, server: bytes, port: int, protocol: str, account: str, tenant: str
    ) -> SessionKey:
        """The key of parts that other sessions have, too: one address, not a hundred thousand that are equal."""
        one = self._parts
        if len(one) >= MAX_SHARED:
            one.clear()
        return SessionKey(
            host=one.setdefault(host, host),
            server=one.setdefault(server, server),
            port=one.setdefault(port, port),
            protocol=sys.intern(protocol),
            account=account,
            tenant=sys.intern(tenant),
        )

    def drop(self, session: Session) -> None:
        """Let go of a session before its time."""
        if self._sessions.pop(session.key, None) is not None:
            self.evicted += 1

    def expire(self, idle: int) -> list[Session]:
        """Let go of sessions that have done nothing for so many nanoseconds of the clock."""
        gone, before = [], self.clock - idle
        while self._sessions:
            key, session = next(iter(self._sessions.items()))
            if session.touched >= before:
                break
            del self._sessions[key]
            gone.append(session)
        self.expired += len(gone)
        return gone
