"""The case book: which address mines, has stopped, has begun again, has probably moved.

In: pages, in the order of packet time.  Out: entries that changed, and what happened to them; the caller writes both down.
Never: an accusation: "moved" is a probability with its reasons; a clock of its own; more than ``most`` entries in memory.

One entry for each (host, tenant) that mines with confidence probable or confirmed: it has a session with shares, or such a
detection.  Silence is counted only while the sensor watches: after a gap each entry gets the full time again.

    open ──silent for stop_after──▶ stopped ──mines again──▶ relapsed ──silent──▶ stopped ...
                                       │
                                       └──a new address takes its place──▶ moved (the new entry names the old)

A new address takes an old one's place when both showed the same account (or, in clear text, the same pattern of worker
names), the old one has stopped, and the score of :func:`compare` reaches :data:`ENOUGH`.  Each has one successor and one
predecessor at most, the best pair first.  The new one may have appeared up to a day before the old one fell silent
(longer side by side: two machines, no move), and up to ``moved_within`` after.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from sniffer.history.rows import DAY, HOUR, SECOND, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sniffer.history.rows import Detection, Page, Sample

MOST: Final = 100_000  # entries in memory
MAX_SHARED: Final = 256  # entries that are remembered of one account; with so many it says nothing
MAX_ALIKE: Final = 10_000  # groups of words that are kept once
MAX_WORDS: Final = 8  # of each kind in a profile
RIPE: Final = HOUR * SECOND  # after which a new entry is compared: by then its profile says something
BESIDE: Final = DAY * SECOND  # the longest time that old and new may mine side by side
NEAR: Final = HOUR * SECOND
WRITE_EVERY: Final = 900 * SECOND  # an entry of which nothing but the last sign changes is written so often
ENOUGH: Final = 50  # of 100
CROWD: Final = 100  # others who use an account at the same time: from here on it says nothing
TENANTS: Final = 3  # likewise tenants
BUCKETS: Final = 6  # that a rate needs
SMOOTH: Final = 48  # buckets that a rate is the mean of, in the long run

RANK: Final = {"": 0, "probable": 1, "confirmed": 2}
DIGITS: Final = re.compile(r"\d+")
LETTERS: Final = 6  # that a pattern of names needs


Words: TypeAlias = tuple[str, ...]


class Profile(msgspec.Struct):
    """What an entry can be known by again.  At most :data:`MAX_WORDS` of each, the last seen ones."""

    protocols: Words = ()
    algorithms: Words = ()
    pools: Words = ()
    agents: Words = ()
    accounts: Words = ()
    rate: float = 0.0  # hashes per second, mean of buckets
    buckets: int = 0


class Entry(msgspec.Struct):
    """A case.  Times are ns of packet time."""

    id: int
    host: str
    tenant: str
    state: str  # open | stopped | relapsed | moved
    confidence: str
    opened: int
    last: int
    stopped: int | None = None
    relapses: int = 0
    moved_from: int | None = None
    moved_to: int | None = None
    score: int = 0
    reasons: tuple[str, ...] = ()
    profile: Profile = msgspec.field(default_factory=Profile)
    written: int = 0  # the last sign as it was written

    @property
    def is_alive(self) -> bool:
        """Whether it mines."""
        return self.state in ("open", "relapsed")


class Change(msgspec.Struct, frozen=True):
    """What happened to an entry, and when."""

    entry: int
    at: int  # opened and relapsed: first sign; stopped: last sign; moved: first sign of the new one
    what: str  # opened | stopped | relapsed | moved
    other: int | None = None  # moved: the entry it came from
    score: int = 0
    reasons: tuple[str, ...] = ()


class Decision(NamedTuple):
    """What a page led to."""

    entries: list[Entry]
    changes: list[Change]


class _Bucket(msgspec.Struct):
    """The rates of a host's sessions in the bucket that is being filled; most hosts have one."""

    start: int
    session: int
    rate: float
    others: dict[int, float] | None = None

    def put(self, session: int, rate: float) -> None:
        if session == self.session:
            self.rate = rate
        elif self.others is None:
            self.others = {session: rate}
        else:
            self.others[session] = rate

    @property
    def sum(self) -> float:
        return self.rate + (sum(self.others.values()) if self.others else 0.0)


class CaseBook:
    """All entries that are remembered.

    Args:
        stop_after: seconds of silence after which a host has stopped.
        moved_within: seconds between the old one's silence and the new one's first sign.
        most: entries in memory; beyond, those that stopped go first.
        entries: to begin with, the longest silent first.
        find: an entry that is not in memory.
        next_id: the first number that is free.
        heard: ns of the last page before this start; 0: there was none.
        resumed: ns since when the sensor had been watching by then.
    """

    def __init__(
        self,
        stop_after: float,
        moved_within: float,
        *,
        most: int = MOST,
        entries: Iterable[Entry] = (),
        find: Callable[[str, str], Entry | None] = lambda _host, _tenant: None,
        next_id: int = 1,
        heard: int = 0,
        resumed: int = 0,
    ) -> None:
        self.evicted = 0
        self.heard, self.resumed = heard, resumed
        self.next_id = next_id
        self._stop_after, self._moved_within = int(stop_after * SECOND), int(moved_within * SECOND)
        self._most, self._find = most, find
        self._entries: dict[tuple[str, str], Entry] = {}
        # By account, or "~" and pattern of names.  Most have one user.
        self._shared: dict[str, Entry | dict[int, Entry]] = {}
        self._waiting: dict[
            int, Entry
        ] = {}  # to be compared with those that have stopped, once they are ripe
        self._buckets: dict[int, _Bucket] = {}
        self._alike: dict[Words, Words] = {}
        self._soonest = 0  # no live entry has been silent since before this
        self._changed: dict[int, Entry] = {}
        self._changes: list[Change] = []
        for entry in entries:
            self._remember(entry)
            entry.written = entry.last
            if entry.moved_from is None and entry.opened > heard - RIPE:
                self._waiting[entry.id] = entry

    def __len__(self) -> int:
        return len(self._entries)

    def feed(self, page: Page) -> Decision:
        """Take a page in."""
        self._changed, self._changes = {}, []
        watching = self._hear(page)
        for (host, tenant), signs in _signs(page).items():
            self._see(host, tenant, signs)
        for sample in page.samples:
            self._measure(sample)
        stopped = self._listen(page.now) if watching else []
        self._link(page.now, stopped)
        self._bound()
        for entry in self._changed.values():
            entry.written = entry.last
        return Decision(list(self._changed.values()), self._changes)

    def flush(self) -> list[Entry]:
        """Entries whose last sign is younger than the one that was written."""
        return [entry for entry in self._entries.values() if entry.last != entry.written]

    def drop(self, before: int) -> None:
        """Forget entries silent since before (ns): their rows have gone."""
        for entry in [one for one in self._entries.values() if one.last < before]:
            self._forget(entry)

    # ── signs ────────────────────────────────────────────────────────────────────────────────────────────

    def _hear(self, page: Page) -> bool:
        """Note the time; whether the sensor watches."""
        if page.health and not page.health[-1].up:
            return False
        if page.now < self.heard - BESIDE:  # a clock was put back: nothing can be younger than now
            for entry in self._entries.values():
                entry.last = min(entry.last, page.now)
            self.resumed, self._soonest = page.now, 0
        elif page.now - self.heard > self._stop_after // 2:
            self.resumed = page.now
        self.heard = page.now
        return True

    def _see(self, host: str, tenant: str, signs: list[Session | Detection]) -> None:
        last = max(sign.last for sign in signs)
        confidence = max((_confidence(sign) for sign in signs), key=RANK.__getitem__)
        entry = self._entries.get((host, tenant))
        if entry is None:
            entry = self._find(host, tenant)
            if entry is not None:
                entry.written = entry.last
                self._remember(entry)
        if entry is None:
            opened = min(sign.first for sign in signs)
            entry = Entry(self.next_id, host, tenant, "open", confidence, opened, last)
            self.next_id += 1
            self._entries[host, tenant] = entry
            self._waiting[entry.id] = entry
            self._soonest = min(self._soonest, last)
            self._note(entry, "opened", opened)
        elif last > entry.last:
            self._go_on(entry, signs)
            entry.last = last
        if RANK[confidence] > RANK[entry.confidence]:
            entry.confidence = confidence
            self._changed[entry.id] = entry
        for sign in signs:
            if isinstance(sign, Session):
                self._learn(entry, sign)
        if entry.last - entry.written >= WRITE_EVERY:
            self._changed[entry.id] = entry

    def _go_on(self, entry: Entry, signs: list[Session | Detection]) -> None:
        """There is a new sign: of a host that went on, or that begins again."""
        at = min(
            sign.first if sign.first > entry.last else sign.last for sign in signs if sign.last > entry.last
        )
        if entry.is_alive and at - max(entry.last, min(self.resumed, at)) >= self._stop_after:
            self._stop(entry)
        if entry.is_alive:
            return
        known = entry.profile.accounts
        shown = {sign.account for sign in signs if isinstance(sign, Session) and sign.account}
        is_another = bool(known and shown and not shown & set(known))
        entry.state, entry.stopped = "relapsed", None
        entry.relapses += 1
        self._soonest = min(self._soonest, at)
        self._note(entry, "relapsed", at, reasons=("account-differs",) if is_another else ())

    def _learn(self, entry: Entry, seen: Session) -> None:
        mine = entry.profile
        if seen.account and seen.account not in mine.accounts:
            self._unshare(entry)
            mine.accounts = (*mine.accounts, seen.account)[-MAX_WORDS:]
            self._share(entry)
            if entry.moved_from is None and entry.last - entry.opened <= self._moved_within:
                self._waiting[entry.id] = entry
            self._changed[entry.id] = entry
        mine.protocols = self._with(mine.protocols, seen.protocol)
        mine.algorithms = self._with(mine.algorithms, seen.algorithm)
        mine.pools = self._with(mine.pools, seen.pool)
        mine.agents = self._with(mine.agents, seen.agent)

    def _with(self, words: Words, word: str) -> Words:
        """Words and one more; the oldest goes.  Hosts that are alike have the same tuple."""
        if not word or word in words:
            return words
        more = (*words, word)[-MAX_WORDS:]
        if len(self._alike) >= MAX_ALIKE:
            self._alike.clear()
        return self._alike.setdefault(more, more)

    def _measure(self, sample: Sample) -> None:
        """Keep the mean rate of a host: the sum over its sessions in each bucket, once the next one begins."""
        entry = self._entries.get((sample.host, sample.tenant))
        if entry is None or sample.seconds <= 0:
            return
        key = hash((sample.server, sample.server_port, sample.protocol, sample.account, sample.begun))
        rate = (sample.hashes if sample.stated is None else sample.stated) / sample.seconds
        bucket = self._buckets.get(entry.id)
        if bucket is not None and sample.start == bucket.start:
            bucket.put(key, rate)
            return
        if bucket is not None:
            if sample.start < bucket.start:
                return
            profile = entry.profile
            profile.buckets = min(profile.buckets + 1, SMOOTH)
            profile.rate += (bucket.sum - profile.rate) / profile.buckets
        self._buckets[entry.id] = _Bucket(sample.start, key, rate)

    # ── silence ──────────────────────────────────────────────────────────────────────────────────────────

    def _listen(self, now: int) -> list[Entry]:
        """Those that have been silent for long enough."""
        limit = now - self._stop_after
        if max(self._soonest, self.resumed) > limit:
            return []
        stopped = [entry for entry in self._entries.values() if entry.is_alive and entry.last <= limit]
        for entry in stopped:
            self._stop(entry)
        self._soonest = min((entry.last for entry in self._entries.values() if entry.is_alive), default=now)
        return stopped

    def _stop(self, entry: Entry) -> None:
        entry.state, entry.stopped = "stopped", entry.last
        self._buckets.pop(entry.id, None)
        self._note(entry, "stopped", entry.last)

    def _note(self, entry: Entry, what: str, at: int, *, reasons: tuple[str, ...] = ()) -> None:
        self._changes.append(Change(entry.id, at, what, reasons=reasons))
        self._changed[entry.id] = entry

    # ── moves ────────────────────────────────────────────────────────────────────────────────────────────

    def _link(self, now: int, stopped: list[Entry]) -> None:
        """Find successors for those that have just stopped, and predecessors for those that have just become ripe."""
        ripe = [entry for entry in self._waiting.values() if entry.opened + RIPE <= now]
        for entry in ripe:
            del self._waiting[entry.id]
        pairs: dict[tuple[int, int], tuple[int, int, Entry, Entry, tuple[str, ...]]] = {}
        candidates = [(old, new) for old in stopped for new in self._akin(old) if new.id not in self._waiting]
        candidates += [(old, new) for new in ripe for old in self._akin(new) if not old.is_alive]
        for old, new in candidates:
            if (old.id, new.id) in pairs or not self._may_continue(old, new):
                continue
            score, reasons = self.compare(old, new)
            if score >= ENOUGH:
                pairs[old.id, new.id] = (-score, abs(new.opened - old.last), old, new, reasons)
        for score, _, old, new, reasons in sorted(
            pairs.values(), key=lambda one: (one[:2], one[2].id, one[3].id)
        ):
            if old.moved_to is None and new.moved_from is None:
                old.state, old.moved_to = "moved", new.id
                new.moved_from, new.score, new.reasons = old.id, -score, reasons
                self._changes.append(Change(new.id, new.opened, "moved", old.id, -score, reasons))
                self._changed[old.id], self._changed[new.id] = old, new

    def _may_continue(self, old: Entry, new: Entry) -> bool:
        return (
            old.host != new.host
            and old.moved_to is None
            and new.moved_from is None
            and old.opened < new.opened
            and -BESIDE <= new.opened - old.last <= self._moved_within
        )

    def _akin(self, entry: Entry) -> Iterator[Entry]:
        """Entries that showed the same account or pattern of names."""
        seen = {entry.id}
        for key in _keys(entry):
            for other in self._users(key):
                if other.id not in seen:
                    seen.add(other.id)
                    yield other

    def _users(self, key: str) -> list[Entry]:
        users = self._shared.get(key)
        if isinstance(users, Entry):
            return [users]
        return list(users.values()) if users else []

    def compare(self, old: Entry, new: Entry) -> tuple[int, tuple[str, ...]]:
        """How probable it is that one continues the other: of 100, and why.

        ======================  =====================================================================================
        ``account-private``     50  an account in common, which nobody else used when the old one left or the new came
        ``account-shared N``    25  N others used it at that time (up to 100, in two tenants at most; else 0)
        ``pattern``            -15  not the account, but its pattern of worker names is the same
        ``gap S``               seconds from silence to first sign.  To an hour: 20, shared 30; to six: shared 15;
        ``overlap S``           to a day: 10, shared 5; to three: 5.  Side by side for more than an hour: 0
        ``agent`` ``pool``      10  each, of a private account (those of a shared one have them in common anyway)
        ``rate R``              15  new to old between 4:5 and 5:4 (shared: 10)
        ``rate-differs R``     -20  beyond 1:2 and 2:1
        ``algorithm-differs``  -30  none in common
        ``tenant``               5  the same
        ``tenant-differs``     -10  of a shared account
        ======================  =====================================================================================
        """
        base, private, reasons = max(
            (self._familiar(key, old, new) for key in _keys(old) if key in set(_keys(new))),
            key=lambda one: (one[0], one[2]),
            default=(0, False, ()),
        )
        if not base:
            return 0, ()
        score = base
        gap = new.opened - old.last
        why = [*reasons, f"{'gap' if gap >= 0 else 'overlap'} {abs(gap) // SECOND}"]
        score += _nearness(gap, private=private)
        for name, mine, its in (
            ("agent", old.profile.agents, new.profile.agents),
            ("pool", old.profile.pools, new.profile.pools),
        ):
            if set(mine) & set(its):
                score += 10 if private else 0
                why.append(name)
        if (
            old.profile.algorithms
            and new.profile.algorithms
            and not set(old.profile.algorithms) & set(new.profile.algorithms)
        ):
            score -= 30
            why.append("algorithm-differs")
        elif min(old.profile.buckets, new.profile.buckets) >= BUCKETS and min(
            old.profile.rate, new.profile.rate
        ):
            ratio = new.profile.rate / old.profile.rate
            if 0.8 <= ratio <= 1.25:
                score += 15 if private else 10
                why.append(f"rate {ratio:.2f}")
            elif not 0.5 <= ratio <= 2:
                score -= 20
                why.append(f"rate-differs {ratio:.2f}")
        if old.tenant == new.tenant:
            score += 5
            why.append("tenant")
        elif not private:
            score -= 10
            why.append("tenant-differs")
        return max(0, min(score, 95)), tuple(why)

    def _familiar(self, key: str, old: Entry, new: Entry) -> tuple[int, bool, tuple[str, ...]]:
        """What it says that both showed this account: points, whether it was theirs alone, reasons."""
        users = self._users(key)
        if len(users) >= MAX_SHARED:
            return 0, False, ()
        others = 0
        tenants = {old.tenant, new.tenant}
        for other in users:
            if other is old or other is new:
                continue
            at_old = other.opened <= old.last and other.last >= old.last - NEAR
            at_new = other.opened <= new.opened + NEAR and other.last >= new.opened
            if at_old or at_new:
                others += 1
                tenants.add(other.tenant)
        if others > CROWD or (others and len(tenants) >= TENANTS):
            return 0, False, ()
        reasons: tuple[str, ...] = (f"account-shared {others}" if others else "account-private",)
        points = 25 if others else 50
        if key.startswith("~"):
            points -= 15
            reasons += ("pattern",)
        return points, not others, reasons

    # ── bounds ───────────────────────────────────────────────────────────────────────────────────────────

    def _remember(self, entry: Entry) -> None:
        self._entries[entry.host, entry.tenant] = entry
        self._share(entry)

    def _share(self, entry: Entry) -> None:
        for key in _keys(entry):
            users = self._shared.get(key)
            if users is None or users is entry:
                self._shared[key] = entry
            elif isinstance(users, Entry):
                self._shared[key] = {users.id: users, entry.id: entry}
            elif len(users) < MAX_SHARED:
                users[entry.id] = entry

    def _unshare(self, entry: Entry) -> None:
        for key in _keys(entry):
            users = self._shared.get(key)
            if isinstance(users, dict):
                users.pop(entry.id, None)
            if users is entry or users == {}:
                del self._shared[key]

    def _forget(self, entry: Entry) -> None:
        self._entries.pop((entry.host, entry.tenant), None)
        self._unshare(entry)
        self._waiting.pop(entry.id, None)
        self._buckets.pop(entry.id, None)

    def _bound(self) -> None:
        """Let entries go if there are too many: of those that stopped the longest silent, then of the others."""
        beyond = len(self._entries) - self._most
        if beyond <= 0:
            return
        beyond += self._most // 50  # not at each page
        order = sorted(self._entries.values(), key=lambda entry: (entry.is_alive, entry.last, entry.id))
        for entry in order[:beyond]:
            if entry.is_alive:  # nobody will notice when it stops
                self._stop(entry)
            elif entry.last != entry.written:
                self._changed[entry.id] = entry
            self._forget(entry)
            self.evicted += 1


def _signs(page: Page) -> dict[tuple[str, str], list[Session | Detection]]:
    """What a page says of mining, by host and tenant, in its order."""
    signs: dict[tuple[str, str], list[Session | Detection]] = {}
    for one in page.sessions:
        if one.submitted > 0 or one.accepted > 0:
            signs.setdefault((one.host, one.tenant), []).append(one)
    for hit in page.detections:
        if RANK.get(hit.confidence):
            signs.setdefault((hit.host, hit.tenant), []).append(hit)
    return signs


def _confidence(sign: Session | Detection) -> str:
    if isinstance(sign, Session):
        return "confirmed" if sign.seen == "both" else "probable"
    return sign.confidence


def _keys(entry: Entry) -> list[str]:
    """What an entry is found by: its accounts, and the patterns of those in clear text."""
    accounts = entry.profile.accounts
    return [*accounts, *dict.fromkeys(filter(None, map(_pattern, accounts)))]


def _pattern(account: str) -> str:
    """Worker names that count up look alike without their digits; a hash has no pattern."""
    if account.startswith("h:"):
        return ""
    name = DIGITS.sub("#", account)
    letters = sum(one.isalpha() for one in name)
    return f"~{name}" if letters >= LETTERS and name != account else ""


def _nearness(gap: int, *, private: bool) -> int:
    """Points for how soon (ns) the new one came after the old one; negative: before."""
    if gap < 0:
        return (20 if private else 30) if -gap <= NEAR else 0
    if gap <= NEAR:
        return 20 if private else 30
    if gap <= 6 * NEAR and not private:
        return 15
    if gap <= DAY * SECOND:
        return 10 if private else 5
    return 5 if private and gap <= 3 * DAY * SECOND else 0
