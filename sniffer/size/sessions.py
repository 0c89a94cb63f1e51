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
from typing import TYPE_CHECKING, Final, NamedTuple

from sniffer.size.power import efficiency, rounded
from sniffer.size.work import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterator

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
MAX_FINISHED: Final = 300  # samples, a day and an hour
DOUBT: Final = 2.0  # times the band, beyond which shares are believed and not the statement
ENOUGH: Final = 25  # shares for that
SEEN: Final = ("", "client", "server", "both")

SessionKey = tuple[bytes, bytes, int, str, str, str]
"""Host and server (packed), port, protocol, account, tenant."""


class Rate(NamedTuple):
    """What a session does, over its window."""

    shares: int
    hashes: float  # a second
    variance: float  # of that: sum of the squares of what each share adds to it
    seconds: float  # that it was watched for, within the window


class Joules(NamedTuple):
    """Energy, or with a rate for hashes power: each bound known or not."""

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


class Session:
    """One session."""

    __slots__ = (
        "accepted", "account", "agent", "algorithm", "bytes_down", "bytes_up", "changed", "coin", "difficulty", "domain",
        "drawn", "energy_until", "finished", "first", "flows", "hardware", "host", "known_since", "last", "lost", "most", "newest", "now_joules",
        "now_known", "now_stated", "now_unknown", "pool", "port", "protocol", "rejected", "ring", "seen", "server", "stated",
        "submitted", "tenant", "touched", "unknown", "workers",
    )  # fmt: skip

    def __init__(self, work: Work, *, samples: bool = False) -> None:
        """Begin.

        Args:
            work: the first that was done.
            samples: whether somebody fetches those of buckets that are over.
        """
        self.host, self.server, self.port = work.host, work.server, work.server_port
        self.protocol, self.account, self.tenant = (
            sys.intern(work.protocol),
            work.account,
            sys.intern(work.tenant),
        )
        self.first, self.last = work.first, work.last
        self.submitted = self.accepted = self.rejected = self.unknown = 0
        self.bytes_up = self.bytes_down = 0
        self.known_since = 0  # packet time from which on hashes are summed; 0: not yet
        self.difficulty: float | None = None
        self.stated: dict[str, tuple[float, int]] | None = None  # by worker: hashes a second, when it said so
        self.workers: set[str] | None = None
        self.flows: dict[int, int] = {}  # last message of each connection
        self.most = 1  # machines behind one of them
        self.seen = 0
        self.algorithm = self.coin = self.pool = self.domain = self.agent = self.hardware = ""
        self.ring: array[float] | None = None  # shares, hashes, squares of each bucket
        self.newest = 0  # number of the bucket that goes on
        self.now_unknown = 0  # of this bucket
        self.now_stated = 0.0  # hashes
        self.now_joules = [0.0, 0.0, 0.0]
        self.now_known = 7  # which of the three joules are known for all of this bucket, as bits
        self.drawn = [0.0, 0.0, 0.0]  # joules that nobody has collected: low, central, high
        self.energy_until = work.first
        self.touched = 0  # the book's clock at its last work
        self.changed = False
        self.finished: deque[Sample] | None = deque() if samples else None
        self.lost = 0  # samples that were not fetched in time

    @property
    def key(self) -> SessionKey:
        """What it is known by."""
        return self.host, self.server, self.port, self.protocol, self.account, self.tenant

    # ── work ─────────────────────────────────────────────────────────────────────────────────────────────

    def add(self, work: Work) -> None:
        """Enter what was done."""
        self.advance(work.last)
        self.first, self.last = min(self.first, work.first), max(self.last, work.last)
        self.submitted += work.submitted
        self.accepted += work.accepted
        self.rejected += work.rejected
        self.unknown += work.unknown
        self.now_unknown += work.unknown
        self.bytes_up += work.bytes_up
        self.bytes_down += work.bytes_down
        self.seen |= work.seen
        self.changed = True
        if work.known_since and not self.known_since:
            self.known_since = work.known_since
        if work.difficulty is not None:
            self.difficulty = work.difficulty
        for name in ("algorithm", "coin", "pool", "domain", "agent", "hardware"):
            text = getattr(work, name)
            if text:
                setattr(self, name, sys.intern(text))
        self._note_machines(work)
        if work.counted:
            self._count(work)

    def _note_machines(self, work: Work) -> None:
        self.most = max(self.most, work.devices)
        if work.flow in self.flows or len(self.flows) < MAX_FLOWS:
            self.flows[work.flow] = work.last
        if work.workers:
            self.workers = self.workers or set()
            if len(self.workers) < MAX_WORKERS:
                self.workers.update(work.workers)
        for worker, rate in work.stated.items():
            self.stated = self.stated if self.stated is not None else {}
            if worker in self.stated or len(self.stated) < MAX_WORKERS:
                self.stated[worker] = rate, work.last

    def _count(self, work: Work) -> None:
        if self.ring is None:
            self.ring = array("d", bytes(8 * 3 * KEPT))
        bucket = min(work.last // BUCKET, self.newest)
        if bucket > self.newest - KEPT:  # else it is older than anything that is asked about
            at = 3 * (bucket % KEPT)
            self.ring[at] += work.counted
            self.ring[at + 1] += work.hashes
            self.ring[at + 2] += work.squares
        if self.stated_rate(work.last) is None:
            self._draw(work.hashes)

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────

    def advance(self, now: int) -> None:
        """Let time pass until ``now``, nanoseconds of packet time: close buckets, sum what machines state themselves."""
        bucket = now // BUCKET
        if not self.newest:
            self.newest = bucket
        if abs(bucket - self.newest) > LEAP:
            self._begin_again(now)
        while self.newest < bucket:
            self._integrate((self.newest + 1) * BUCKET)
            self._close()
            gap = bucket - self.newest
            self.newest = self.newest + 1 if gap <= KEPT else bucket - KEPT
            if self.ring is not None:
                at = 3 * (self.newest % KEPT)
                self.ring[at : at + 3] = array("d", (0.0, 0.0, 0.0))
        self._integrate(now)

    def _begin_again(self, now: int) -> None:
        """Packet time has leapt, forth or back: what was counted stays, what is summed over time begins anew."""
        self._close()
        self.newest, self.energy_until = now // BUCKET, now
        self.known_since = now if self.known_since else 0
        self.stated, self.ring = None, None
        self.flows.clear()

    def _integrate(self, until: int) -> None:
        """Energy and hashes of what machines state themselves, up to a time."""
        since, self.energy_until = self.energy_until, max(self.energy_until, until)
        if self.stated is None or until <= since:
            return
        rate = self.stated_rate(since)
        if rate is not None:
            newest = max(when for _, when in self.stated.values())
            hashes = rate * max(min(until, newest + STATED_FOR) - since, 0) / SECOND
            self.now_stated += hashes
            self._draw(hashes)

    def _draw(self, hashes: float) -> None:
        """Add the energy of hashes to this bucket and to the whole."""
        if not hashes:
            return
        costs = self.costs()
        for place, cost in enumerate(costs):
            if cost is None:
                self.now_known &= ~(1 << place)
            else:
                self.now_joules[place] += hashes * cost
                self.drawn[place] += hashes * cost

    def _close(self) -> None:
        """The bucket is over: keep what was done in it, if anything was."""
        sample = self.sample((self.newest + 1) * BUCKET) if self.finished is not None else None
        if self.finished is not None and sample is not None:
            self.finished.append(sample)
            self.changed = True
            if len(self.finished) > MAX_FINISHED:
                self.finished.popleft()
                self.lost += 1
        self.now_unknown, self.now_stated, self.now_known = 0, 0.0, 7
        self.now_joules = [0.0, 0.0, 0.0]

    def sample(self, now: int) -> Sample | None:
        """What was done in the bucket that goes on, so far; None: nothing, and nobody is known to be there."""
        start = self.newest * BUCKET
        shares, hashes, squares = 0, 0.0, 0.0
        if self.ring is not None:
            at = 3 * (self.newest % KEPT)
            shares, hashes, squares = int(self.ring[at]), self.ring[at + 1], self.ring[at + 2]
        active = self.last >= start - ACTIVE_FOR and self.known_since
        if not (shares or self.now_unknown or self.now_stated or active):
            return None
        seconds = (
            max(min(now, start + BUCKET) - max(start, self.known_since), 0) / SECOND
            if self.known_since
            else 0.0
        )
        is_drawn = bool(hashes or self.now_stated)
        known = self.now_known if not self.now_unknown else self.now_known & 1
        joules = Joules(
            *(each if is_drawn and known & 1 << place else None for place, each in enumerate(self.now_joules))
        )
        stated = self.now_stated or None
        return Sample(start, seconds, shares, hashes, squares, self.now_unknown, stated, joules)

    def collect(self) -> tuple[float, float, float]:
        """Joules since the last call, as far as they are known: low, central, high."""
        low, central, high = self.drawn
        self.drawn = [0.0, 0.0, 0.0]
        return low, central, high

    # ── what it comes to ─────────────────────────────────────────────────────────────────────────────────

    def rate(self, now: int) -> Rate | None:
        """Hashes a second by shares, over the last hour; None while the worth of a share is not known."""
        if self.ring is None or not self.known_since:
            return None
        newest = max(self.newest, now // BUCKET)
        oldest = max(newest - BUCKETS, self.known_since // BUCKET)
        shares = hashes = squares = 0.0
        for bucket in range(max(oldest, self.newest - BUCKETS), self.newest + 1):
            at = 3 * (bucket % KEPT)
            shares += self.ring[at]
            hashes += self.ring[at + 1]
            squares += self.ring[at + 2]
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
        since = now - ACTIVE_FOR
        if len(self.flows) > 1:
            self.flows = {flow: last for flow, last in self.flows.items() if last >= since}
        return max(self.most, len(self.flows), len(self.workers or ()), 1)

    @property
    def per_machine(self) -> int:
        """Hashes a second of one machine, two digits of it; 0 unknown."""
        rate = self.rate(self.last)
        if rate is None or rate.shares < ENOUGH:
            return 0
        return rounded(rate.hashes / max(self.most, len(self.flows), len(self.workers or ())))

    def costs(self) -> Joules:
        """Joules a hash of its machines."""
        if not self.algorithm:
            return NOTHING
        found = efficiency(self.algorithm, self.hardware, self.agent, self.per_machine)
        return Joules(*found) if found else NOTHING


class SessionBook:
    """All sessions, bounded.

    Args:
        limit: sessions at most; beyond it the one that is idle longest makes room.
        samples: whether somebody fetches those of buckets that are over.
    """

    def __init__(self, *, limit: int = SESSION_LIMIT, samples: bool = False) -> None:
        self.limit, self._samples = limit, samples
        self.evicted = 0
        self.expired = 0
        self.submitted = self.accepted = self.rejected = 0
        self.bytes_up = self.bytes_down = 0
        self.clock = (
            0  # nanoseconds of packet time that have passed, without its leaps; whoever knows moves it on
        )
        self._sessions: OrderedDict[SessionKey, Session] = OrderedDict()  # by last work, oldest first

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

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
        key = (work.host, work.server, work.server_port, work.protocol, work.account, work.tenant)
        session, gone = self._sessions.get(key), None
        if session is None:
            session = self._sessions[key] = Session(work, samples=self._samples)
            if len(self._sessions) > self.limit:
                _, gone = self._sessions.popitem(last=False)
                self.evicted += 1
        else:
            self._sessions.move_to_end(key)
        session.add(work)
        session.touched = self.clock
        return session, gone

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
