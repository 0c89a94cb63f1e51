"""The history file: one transaction a page, bounded by age and size, whole after a power cut.

In: pages, and what the case book makes of them.  Out: an SQLite file (WAL, mode 0600), read by query.py.
Never: a second writer, a file beyond its bound, a row that grows by being given twice.

    path                 the tables
    path-wal, path-shm   SQLite's; they belong to it
    path.lock            held by the one that writes (lock.py)
    path.set-aside-TIME  a file that could not be used; at most three, and none older than rows may be

A page is on the disk when :meth:`Store.write` returns (``synchronous=FULL``: the log is synced at each commit).  Faults are
``sqlite3.Error`` and ``OSError``; the writer knows what to do about each.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from sniffer.errors import printable
from sniffer.history import schema
from sniffer.history.cases import MOST, Entry, Profile
from sniffer.history.records import Counts
from sniffer.history.rows import BUCKET, DAY, HOUR, SECOND, Sample
from sniffer.replace import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sniffer.history.cases import Change, Decision
    from sniffer.history.records import Bounds, Level
    from sniffer.history.rows import Page, Session

MODE: Final = 0o600
HOURS_KEPT: Final = 35 * DAY  # a month and some days; older hours become days
MAX_WORDS: Final = 65_536  # numbers of words that are remembered
MAX_NUMBERS: Final = 200_000  # numbers of sessions that are remembered
MAX_ASIDE: Final = 3
LOG_ROOM: Final = 0.25  # of max_size; the rest is for the tables
ROOM: Final = (
    0.70  # of max_size: what pages may fill; what is left over is for putting rows together when that is full
)
FULL: Final = 0.95  # of the room: from here on the oldest goes
TRIMMED: Final = 0.90  # of the room: until here
STEADY: Final = 3  # pages whose earliest time is believed: one with a wild clock shall remove nothing
LOOK_ROWS: Final = 2_000  # rows between two looks at the size of the log
BUSY_SECONDS: Final = 5.0
VACUUM_PAGES: Final = 2_048  # given back at once: 8 MiB
FREE: Final = 0.10  # of the file may lie empty
SECURE: Final = "ON"


class UnusableError(Exception):
    """The file is none of ours, or broken."""


class TooLargeError(Exception):
    """A page does not fit the bound."""


class Tell(Protocol):
    """Takes a line for the log."""

    def __call__(self, level: Level, event: str, **fields: str | int) -> None:
        """Write it, or pass it on."""


def to_the_log(level: Level, event: str, **fields: str | int) -> None:
    """Write a line to the log of this process."""
    import structlog  # noqa: PLC0415  # the writer's process does without it, which saves 13 MiB

    getattr(structlog.get_logger("sniffer.history"), level)(event, **fields)


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────


def family(path: Path) -> tuple[Path, ...]:
    """The file, and those that SQLite keeps beside it."""
    return path, Path(f"{path}-wal"), Path(f"{path}-shm")


def set_aside(path: Path, reason: str, tell: Tell = to_the_log) -> Path:
    """Give a file that cannot be used another name, and say so."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    number = 0
    while (aside := Path(f"{path}.set-aside-{stamp}{f'-{number}' if number else ''}")).exists():
        number += 1
    for old, new in zip(family(path), family(aside), strict=True):
        with contextlib.suppress(FileNotFoundError):
            old.rename(new)
    tell(
        "error",
        "history_set_aside",
        file=printable(path),
        to=printable(aside),
        reason=printable(reason),
        remedy="a new history has begun; save what can be with: sqlite3 OLD .recover | sqlite3 NEW",
    )
    return aside


def prune_aside(path: Path, keep: float) -> None:
    """Remove files set aside that are too many or older than rows may be."""
    found = []
    for file in path.parent.glob(f"{path.name}.set-aside-*"):
        with contextlib.suppress(OSError):
            if not file.name.endswith(("-wal", "-shm")):
                found.append((file.stat().st_mtime, file))
    found.sort(reverse=True)
    oldest = time.time() - keep
    for number, (changed, file) in enumerate(found):
        if number >= MAX_ASIDE or changed < oldest:
            for one in family(file):
                with contextlib.suppress(OSError):
                    one.unlink()


def connect(path: Path) -> sqlite3.Connection:
    """Open the file for writing, made if it is not there.

    Raises:
        UnusableError: it is there and cannot be used.
        sqlite3.Error, OSError: it cannot be known, or cannot be made.
    """
    try:
        state = path.stat()
    except FileNotFoundError:
        return _begin(path)
    if state.st_size == 0:
        raise UnusableError("the file is empty")
    with path.open("rb") as stream:
        if stream.read(16) != b"SQLite format 3\0":
            raise UnusableError("the file is no SQLite file")
    path.chmod(MODE)
    base = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        _check(base)
        _prepare(base)
    except BaseException as fault:
        base.close()
        if isinstance(fault, sqlite3.Error) and is_broken(fault):
            raise UnusableError(str(fault)) from None
        raise
    return base


def _begin(path: Path) -> sqlite3.Connection:
    """A new file.  Its tables are there as a whole or not at all: they are made beside it first."""
    fresh = Path(f"{path}.new")
    for one in (*family(fresh), *family(path)):
        with contextlib.suppress(FileNotFoundError):
            one.unlink()
    os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE))
    base = sqlite3.connect(fresh, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        base.execute("PRAGMA auto_vacuum = INCREMENTAL")
        base.execute("PRAGMA synchronous = FULL")
        base.executescript(
            f"BEGIN; {schema.TABLES} PRAGMA application_id = {schema.APPLICATION};"
            f" PRAGMA user_version = {schema.VERSION}; COMMIT;"
        )
    finally:
        base.close()
    fresh.rename(path)
    sync_folder(path.parent)
    base = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        _prepare(base)
    except BaseException:
        base.close()
        raise
    return base


def _check(base: sqlite3.Connection) -> None:
    """Whether a file is ours and whole."""
    if base.execute("PRAGMA application_id").fetchone()[0] != schema.APPLICATION:
        raise UnusableError("the file belongs to another program")
    version = base.execute("PRAGMA user_version").fetchone()[0]
    if version != schema.VERSION:
        raise UnusableError(f"its schema has version {version}, this program knows {schema.VERSION}")
    verdict = base.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise UnusableError(verdict)
    missing = schema.NAMES - {name for (name,) in base.execute("SELECT name FROM sqlite_master")}
    if missing:
        raise UnusableError(f"it lacks the table {min(missing)}")


def _prepare(base: sqlite3.Connection) -> None:
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = FULL")  # NORMAL would lose commits of the last seconds at a power cut
    base.execute(f"PRAGMA secure_delete = {SECURE}")  # what has gone is not to be found in the file


def is_broken(fault: sqlite3.Error) -> bool:
    """Whether a fault says that the file itself is bad."""
    code = getattr(fault, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────


class Words:
    """Numbers of words.  At most :data:`MAX_WORDS` are remembered, the others are looked up."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base
        self._known: dict[str, int] = {"": 0}

    def __getitem__(self, word: str) -> int:
        number = self._known.get(word)
        if number is not None:
            return number
        found = self._base.execute("SELECT id FROM words WHERE word = ?", (word,)).fetchone()
        if found is None:
            done = self._base.execute("INSERT INTO words (word) VALUES (?)", (word,))
            number = done.lastrowid or 0
        else:
            number = found[0]
        if len(self._known) >= MAX_WORDS:
            self.forget()
        self._known[word] = number
        return number

    def forget(self) -> None:
        """Remember nothing: a transaction was taken back, or words have gone."""
        self._known = {"": 0}


_FIND: Final = """
SELECT id FROM sessions WHERE host = ? AND server = ? AND server_port = ? AND protocol = ? AND account = ? AND tenant = ?
    AND begun = ?
"""
_INSERT: Final = """
INSERT INTO sessions VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, NULL, NULL, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0) RETURNING id
"""
_UPDATE: Final = """
UPDATE sessions SET first = ?, last = ?, submitted = ?, accepted = ?, rejected = ?, unknown = ?, difficulty = ?, stated = ?,
    devices = ?, seen = ?, algorithm = ?, coin = ?, pool = ?, domain = ?, agent = ?, hardware = ?, bytes_up = ?, bytes_down = ?
WHERE id = ?
"""
_SAMPLE: Final = "INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_CASE: Final = "INSERT OR REPLACE INTO cases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_CASE_EVENT: Final = "INSERT OR REPLACE INTO case_events VALUES (?, ?, ?, ?, ?, ?)"


class Store:
    """An open history file.  Everything is called by one thread, the one that made it.

    Args:
        path: of the file; whoever makes a store holds its :class:`~sniffer.history.lock.Lock`.
        bounds: how much is kept.
        run: which life of the daemon writes: its beginning, ns.
        counts: of rows, to go on with.
        tell: takes lines for the log.

    Raises:
        sqlite3.Error, OSError: it can be neither opened nor made.
    """

    def __init__(
        self,
        path: Path,
        bounds: Bounds,
        *,
        run: int = 0,
        counts: Counts | None = None,
        tell: Tell = to_the_log,
    ) -> None:
        self.path, self.bounds, self.run = path, bounds, run
        self._tell = tell
        self.counts = counts or Counts()
        try:
            self._base = connect(path)
        except UnusableError as fault:
            set_aside(path, str(fault), tell)
            self._base = connect(path)
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise

    def _set_up(self) -> None:
        self._identity = _identity(self.path)
        prune_aside(self.path, self.bounds.keep)
        self._words = Words(self._base)
        self._numbers: dict[int, int] = {}  # of sessions, by the hash of what makes them one (64 bit, keyed)
        self._nows: list[int] = []
        self._next_merge = self._next_purge = float("-inf")
        self._page_size = self._value("PRAGMA page_size")
        self._room, self._log_room = int(self.bounds.max_size * ROOM), int(self.bounds.max_size * LOG_ROOM)
        self._limit(self._room)
        self._base.execute(f"PRAGMA cache_size = -{min(16 << 20, self._log_room // 8) >> 10}")
        self._base.execute(f"PRAGMA journal_size_limit = {min(16 << 20, self._log_room // 2)}")

    def close(self) -> None:
        """Let go of the file; what is in the log goes into the tables."""
        self._base.close()

    def _limit(self, size: int) -> None:
        self._base.execute(f"PRAGMA max_page_count = {size // self._page_size}")

    def _value(self, question: str, *values: object) -> int:
        found = self._base.execute(question, values).fetchone()
        return int(found[0] or 0)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._base.execute("COMMIT")
        except BaseException:
            self._forget_numbers()
            with contextlib.suppress(sqlite3.Error):
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
            raise

    # ── pages ────────────────────────────────────────────────────────────────────────────────────────────

    def write(self, page: Page, decide: Callable[[Page], Decision] | None = None) -> None:
        """Put a page on the disk: all of it, or on any fault nothing.

        Args:
            page: rows.
            decide: makes cases of it; they are written in the same transaction.

        Raises:
            TooLargeError: the log would outgrow its bound.
            sqlite3.Error, OSError: it could not be written.
            OverflowError, ValueError: a value is none that can be kept.
        """
        if _identity(self.path) != self._identity:
            raise FileNotFoundError(f"{self.path} was removed or replaced")
        self._make_room_in_the_log()
        late = self.counts.late
        try:
            with self._transaction():
                self._put(page)
                if decide is not None:
                    self.put_cases(*decide(page))
        except BaseException:
            self.counts.late = late
            raise
        self.counts.rows += sum(
            map(
                len,
                (
                    page.sessions,
                    page.samples,
                    page.detections,
                    page.tenants,
                    page.health,
                    page.traffic,
                ),
            )
        )

    def _put(self, page: Page) -> None:
        words = self._words
        for one in page.tenants:
            self._base.execute(
                "INSERT OR REPLACE INTO tenants VALUES (?, ?, ?, ?, ?)",
                (one.name, one.site, one.district, one.kind, one.contact),
            )
        merged = max(self._merged_before("samples", HOUR), self._merged_before("samples", DAY))
        hits_merged, traffic_merged = (
            self._merged_before("detections", DAY),
            self._merged_before("traffic", DAY),
        )
        self._many(_UPDATE, self._sessions(page.sessions))
        self._many(_SAMPLE, self._samples(page.samples, merged))
        self._many(
            "INSERT OR REPLACE INTO detections VALUES (3600, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    hit.hour, words[hit.host], words[hit.tenant], words[hit.rule], words[hit.severity], words[hit.confidence],
                    hit.begun, hit.hits, hit.first, hit.last,
                )
                for hit in page.detections
                if not self._is_late("detections", hit.hour, hits_merged, hit.host, hit.tenant)
            ),
        )  # fmt: skip
        self._many(
            "INSERT OR REPLACE INTO traffic VALUES (3600, ?, ?, ?, ?, ?, ?)",
            (
                (flow.hour, words[flow.host], words[flow.tenant], self.run, flow.bytes, flow.mining_bytes)
                for flow in page.traffic
                if not self._is_late("traffic", flow.hour, traffic_merged, flow.host, flow.tenant)
            ),
        )
        self._many(
            "INSERT OR REPLACE INTO health VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    seen.start, self.run, seen.seconds, seen.packets, seen.dropped, seen.one_sided, seen.hidden_tls, seen.up,
                )
                for seen in page.health
            ),
        )  # fmt: skip

    def _many(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Execute for each row, with a look at the size of the log now and then."""
        self._base.executemany(statement, self._watched(rows))

    def _watched(self, rows: Iterable[tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
        for number, row in enumerate(rows):
            if not number % LOOK_ROWS:
                self._look_at_the_log()
            yield row

    def _sessions(self, sessions: Iterable[Session]) -> Iterator[tuple[object, ...]]:
        words = self._words
        for one in sessions:
            number = self._number(one)
            yield (
                one.first, one.last, one.submitted, one.accepted, one.rejected, one.unknown, one.difficulty, one.stated,
                one.devices, words[one.seen], words[one.algorithm], words[one.coin], words[one.pool], words[one.domain],
                words[one.agent], words[one.hardware], one.bytes_up, one.bytes_down, number,
            )  # fmt: skip

    def _samples(self, samples: Iterable[Sample], merged: int) -> Iterator[tuple[object, ...]]:
        for one in samples:
            number = self._number(one)
            if one.start < merged and self._is_merged(one.start, number):
                self.counts.late += 1
            else:
                yield _sample(number, one)

    def _number(self, one: Session | Sample) -> int:
        """Number of a session.  One that is new is made, also for a sample that comes before its session."""
        key = hash((one.host, one.server, one.server_port, one.protocol, one.account, one.tenant, one.begun))
        number = self._numbers.get(key)
        if number is not None:
            return number
        words = self._words
        values = (
            words[one.host], words[one.server], one.server_port, words[one.protocol], words[one.account], words[one.tenant],
            one.begun,
        )  # fmt: skip
        found = self._base.execute(_FIND, values).fetchone()
        if found is None:
            at = one.start * SECOND if isinstance(one, Sample) else one.first
            found = self._base.execute(_INSERT, (*values, at, at)).fetchone()
        if len(self._numbers) >= MAX_NUMBERS:
            self._numbers.clear()
        number = self._numbers[key] = int(found[0])
        return number

    def _merged_before(self, table: str, span: int) -> int:
        """No row that begins from here on (s) has been put together to rows of such a span."""
        latest = self._base.execute(f"SELECT max(start) FROM {table} WHERE span = ?", (span,)).fetchone()[0]
        return 0 if latest is None else int(latest) + span

    def _is_merged(self, start: int, session: int) -> bool:
        return bool(
            self._value(
                "SELECT EXISTS (SELECT 1 FROM samples WHERE session = ? AND"
                " (span = 3600 AND start = ? OR span = 86400 AND start = ?))",
                session,
                start - start % HOUR,
                start - start % DAY,
            )
        )

    def _is_late(self, table: str, hour: int, merged: int, host: str, tenant: str) -> bool:
        """Whether a host's day has been put together already: then this hour is in it."""
        late = hour < merged and bool(
            self._value(
                f"SELECT EXISTS (SELECT 1 FROM {table} WHERE span = 86400 AND start = ? AND host = ? AND tenant = ?)",
                hour - hour % DAY,
                self._words[host],
                self._words[tenant],
            )
        )
        self.counts.late += late
        return late

    # ── cases ────────────────────────────────────────────────────────────────────────────────────────────

    def put_cases(self, entries: list[Entry], changes: list[Change]) -> None:
        """Write cases as they are now, and what happened to them, within a transaction."""
        words = self._words
        for one in entries:
            self._base.execute(
                _CASE,
                (
                    one.id, words[one.host], words[one.tenant], one.state, one.confidence, one.opened, one.last, one.stopped,
                    one.relapses, one.moved_from, one.moved_to, one.score, _text(one.reasons), _text(one.profile),
                ),
            )  # fmt: skip
        for change in changes:
            self._base.execute(
                _CASE_EVENT,
                (change.entry, change.at, change.what, change.other, change.score, _text(change.reasons)),
            )

    def save_cases(self, entries: list[Entry]) -> None:
        """Write cases, in a transaction of their own."""
        with self._transaction():
            self.put_cases(entries, [])

    def load_cases(self, most: int = MOST) -> list[Entry]:
        """The cases that were last heard of, the longest silent first.  ``last`` is as of the sessions and detections."""
        signs: dict[tuple[int, int], int] = {}
        for table, which in (
            ("sessions", "submitted + accepted > 0"),
            ("detections JOIN words ON words.id = confidence", "word IN ('probable', 'confirmed')"),
        ):
            for host, tenant, last in self._base.execute(
                f"SELECT host, tenant, max(last) FROM {table} WHERE {which} GROUP BY host, tenant"
            ):
                signs[host, tenant] = max(last, signs.get((host, tenant), 0))
        rows = self._base.execute(f"{_CASES} ORDER BY cases.last DESC LIMIT ?", (most,)).fetchall()
        return [_entry(row, signs.get((row[-2], row[-1]), 0)) for row in reversed(rows)]

    def find_case(self, host: str, tenant: str) -> Entry | None:
        """A case that is in the file."""
        found = self._base.execute(
            f"{_CASES} WHERE host.word = ? AND tenant.word = ?", (host, tenant)
        ).fetchone()
        return None if found is None else _entry(found, 0)

    def next_case(self) -> int:
        """A number that no case has ever had."""
        return max(self.note("next_case"), self._value("SELECT max(id) FROM cases") + 1)

    def note(self, name: str) -> int:
        """A number that was noted, or 0."""
        found = self._base.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return int(found[0]) if found else 0

    def put_note(self, name: str, value: int) -> None:
        """Note a number, within the transaction of a page."""
        self._base.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    # ── age ──────────────────────────────────────────────────────────────────────────────────────────────

    def tidy(self, now: int) -> int:
        """After a page: make rows longer and remove old ones where that is due, keep the file within its bound.

        Returns:
            The time (ns) before which cases have gone, or 0.

        Raises:
            sqlite3.Error, OSError: it could not be done; the next time does it.
        """
        self._nows = [*self._nows[-STEADY + 1 :], now]
        gone = self.counts.expired + self.counts.trimmed
        seconds = min(self._nows) / SECOND
        self._limit(self.bounds.max_size - self._log_room)
        try:
            self.trim(seconds)
            if len(self._nows) >= STEADY:
                self._age(seconds)
        finally:
            self._limit(self._room)
        self._give_back()
        if self.counts.expired + self.counts.trimmed == gone:
            return 0
        oldest = self._base.execute("SELECT min(last) FROM cases").fetchone()[0]
        return int(oldest) if oldest is not None else now

    def _age(self, seconds: float) -> None:
        if not self._next_merge - DAY < seconds < self._next_merge:  # also after a clock was put back
            self.merge(seconds)
            self._next_merge = seconds - seconds % HOUR + HOUR
        if not self._next_purge - 2 * DAY < seconds < self._next_purge:
            self.purge(seconds - self.bounds.keep)
            prune_aside(self.path, self.bounds.keep)
            self._next_purge = seconds + min(DAY, max(self.bounds.keep / 10, HOUR))

    def merge(self, seconds: float) -> None:
        """Put samples older than ``detail`` together to hours, hours older than 35 d to days; hits and traffic to days.

        Counts add up as integers.  Sums of hashes and joules add up as floating point does: exactly, as long as they are
        integers below 2**53, else to the last digits.
        """
        detail = seconds - self.bounds.detail
        old = seconds - max(HOURS_KEPT, self.bounds.detail)
        with self._transaction():
            self.counts.merged += self._merge_samples(BUCKET, HOUR, int(detail - detail % HOUR))
            self.counts.merged += self._merge_samples(HOUR, DAY, int(old - old % DAY))
            self.counts.merged += self._merge_to_days(int(detail - detail % DAY))

    def _merge_samples(self, short: int, long: int, before: int) -> int:
        sums = ", ".join(f"sum({column})" for column in schema.SUMS)
        add = ", ".join(
            f"{column} = CASE WHEN excluded.{column} IS NULL THEN {column} ELSE ifnull({column}, 0) + excluded.{column} END"
            for column in schema.SUMS
        )
        self._base.execute(
            f"INSERT INTO samples SELECT ?, start - start % ?, session, {sums} FROM samples WHERE span = ? AND start < ?"
            f" GROUP BY start - start % ?, session ON CONFLICT DO UPDATE SET {add}",
            (long, long, short, before, long),
        )
        return self._base.execute(
            "DELETE FROM samples WHERE span = ? AND start < ?", (short, before)
        ).rowcount

    def _merge_to_days(self, before: int) -> int:
        self._base.execute(
            "INSERT INTO detections SELECT 86400, start - start % 86400, host, tenant, rule, severity, confidence, begun,"
            " sum(hits), min(first), max(last) FROM detections WHERE span = 3600 AND start < ?"
            " GROUP BY start - start % 86400, host, tenant, rule, severity, confidence, begun"
            " ON CONFLICT DO UPDATE SET hits = hits + excluded.hits, first = min(first, excluded.first),"
            " last = max(last, excluded.last)",
            (before,),
        )
        self._base.execute(
            "INSERT INTO traffic SELECT 86400, start - start % 86400, host, tenant, run, sum(bytes), sum(mining_bytes)"
            " FROM traffic WHERE span = 3600 AND start < ? GROUP BY start - start % 86400, host, tenant, run"
            " ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes, mining_bytes = mining_bytes + excluded.mining_bytes",
            (before,),
        )
        return sum(
            self._base.execute(f"DELETE FROM {table} WHERE span = 3600 AND start < ?", (before,)).rowcount
            for table in ("detections", "traffic")
        )

    def purge(self, before: float) -> int:
        """Remove what is older, in seconds since 1970; return how many rows that were.

        A row goes when all of its time is older; a session a day later than its last packet, when its samples have gone.
        """
        with self._transaction():
            removed = self._remove(int(before))
        self.counts.expired += removed
        return removed

    def _remove(self, before: int) -> int:
        execute = self._base.execute
        removed = 0
        for table in ("samples", "detections", "traffic"):
            for span in (BUCKET, HOUR, DAY):
                removed += execute(
                    f"DELETE FROM {table} WHERE span = ? AND start + span <= ? AND start < ?",
                    (span, before, before),
                ).rowcount
        removed += execute("DELETE FROM health WHERE start < ?", (before - BUCKET,)).rowcount
        removed += execute("DELETE FROM sessions WHERE last < ?", ((before - DAY) * SECOND,)).rowcount
        removed += execute(
            "DELETE FROM case_events WHERE case_id IN (SELECT id FROM cases WHERE last < ?)",
            (before * SECOND,),
        ).rowcount
        removed += execute("DELETE FROM cases WHERE last < ?", (before * SECOND,)).rowcount
        if removed:
            self._drop_words()
        return removed

    def _drop_words(self) -> None:
        """Remove texts that no row names any more."""
        users = (
            (
                "sessions",
                "host server protocol account tenant seen algorithm coin pool domain agent hardware",
            ),
            ("detections", "host tenant rule severity confidence"),
            ("traffic", "host tenant"),
            ("cases", "host tenant"),
        )
        named = " UNION ".join(
            f"SELECT {column} FROM {table}" for table, columns in users for column in columns.split()
        )
        self._base.execute(f"DELETE FROM words WHERE id > 0 AND id NOT IN ({named})")
        self._forget_numbers()

    def _forget_numbers(self) -> None:
        self._words.forget()
        self._numbers.clear()

    # ── size ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def used(self) -> int:
        """Bytes of the file that rows are in."""
        pages, free = self._value("PRAGMA page_count"), self._value("PRAGMA freelist_count")
        return (pages - free) * self._page_size

    def trim(self, seconds: float) -> None:
        """If the file is nearly full: make the oldest detail coarser, and then remove the oldest rows, until it is not."""
        if self.used <= self._room * FULL:
            return
        enough = self._room * TRIMMED
        before, trimmed = self.used, 0
        for step in (self._coarser, self._older, self._fewer):
            while self.used > enough:
                try:
                    with self._transaction():
                        gone = step(seconds)
                except sqlite3.OperationalError as fault:
                    if not is_full(fault) or step == self._fewer:
                        raise
                    break  # no room to put rows together; the next step takes none
                if not gone:
                    break
                trimmed += gone
        self.counts.trimmed += trimmed
        self._tell(
            "warning",
            "history_trimmed",
            code="history_trimmed",
            file=printable(self.path),
            rows=trimmed,
            bytes=before - self.used,
            remedy="raise history.max_size, or lower history.keep or history.detail",
        )

    def _coarser(self, seconds: float) -> int:
        """Merge the oldest hours that are still in detail, then the oldest days that are still in hours."""
        for short, long, table in (
            (BUCKET, HOUR, "samples"),
            (HOUR, DAY, "detections"),
            (HOUR, DAY, "traffic"),
            (HOUR, DAY, "samples"),
        ):
            oldest = self._base.execute(
                f"SELECT min(start) FROM {table} WHERE span = ?",
                (short,),
            ).fetchone()[0]
            now = int(seconds - seconds % long)
            if oldest is None or oldest >= now:
                continue
            before = min(oldest - oldest % long + (6 * HOUR if long == HOUR else DAY), now)
            if table == "samples":
                return self._merge_samples(short, long, before)
            return self._merge_to_days(before)
        return 0

    def _older(self, seconds: float) -> int:
        """Remove the oldest twentieth of the time."""
        starts = [
            found
            for (found,) in self._base.execute(
                " UNION ALL ".join(
                    [
                        "SELECT min(last) / 1000000000 FROM sessions",
                        "SELECT min(last) / 1000000000 FROM cases",
                        "SELECT min(start) FROM health",
                        *(
                            f"SELECT min(start) FROM {table} WHERE span = {span}"
                            for table in ("samples", "detections", "traffic")
                            for span in (BUCKET, HOUR, DAY)
                        ),
                    ]
                )
            )
            if found is not None
        ]
        limit = seconds - 2 * DAY
        if not starts or min(starts) >= limit:
            return 0
        before = min(starts) + DAY + max((limit - min(starts)) / 20, HOUR)
        # Each step removes at least the rows that are the oldest; a session outlives its samples by a day.
        return max(self._remove(int(before)), 1) if before < limit + DAY else 0

    def _fewer(self, _seconds: float) -> int:
        """Remove a tenth of the sessions, those silent for longest, and of everything else the oldest tenth."""
        execute = self._base.execute
        removed = 0
        for table, key, order in (
            ("sessions", "id", "last"),
            ("cases", "id", "last"),
            ("health", "start, run", "start"),
            ("detections", "span, start, host, tenant, rule, severity, confidence, begun", "start"),
            ("traffic", "span, start, host, tenant, run", "start"),
        ):
            tenth = (
                f"SELECT {key} FROM {table} ORDER BY {order} LIMIT (SELECT (count(*) + 9) / 10 FROM {table})"
            )
            removed += execute(f"DELETE FROM {table} WHERE ({key}) IN ({tenth})").rowcount
        removed += execute("DELETE FROM samples WHERE session NOT IN (SELECT id FROM sessions)").rowcount
        removed += execute("DELETE FROM case_events WHERE case_id NOT IN (SELECT id FROM cases)").rowcount
        if removed:
            self._drop_words()
        return removed

    def _give_back(self) -> None:
        """Return empty pages to the file system, some at a time."""
        pages, free = self._value("PRAGMA page_count"), self._value("PRAGMA freelist_count")
        if free > max(pages * FREE, 64):
            self._vacuum(min(free, VACUUM_PAGES))

    def _vacuum(self, pages: int) -> None:
        # As a script: of a statement without columns Python takes the first step only, which is one page.
        self._base.executescript(f"PRAGMA incremental_vacuum({pages})")

    def _make_room_in_the_log(self) -> None:
        """Bring the log into the tables if it has grown, as it does while somebody reads for long.

        Raises:
            TooLargeError: it cannot be done now.
        """
        if self._log_size() <= self._log_room // 2:
            return
        self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if self._log_size() > self._log_room // 2:
            raise BlockingIOError("somebody reads the history for so long that its log has no room left")

    def _look_at_the_log(self) -> None:
        if self._log_size() > self._log_room:
            raise TooLargeError("more rows at once than history.max_size has room for")

    def _log_size(self) -> int:
        try:
            return os.stat(f"{self.path}-wal").st_size  # noqa: PTH116
        except FileNotFoundError:
            return 0

    # ── one host ─────────────────────────────────────────────────────────────────────────────────────────

    def forget(self, host: str) -> int:
        """Remove all rows of a host, and its text; return how many rows that were."""
        found = self._base.execute("SELECT id FROM words WHERE word = ?", (host,)).fetchone()
        if found is None:
            return 0
        removed = 0
        with self._transaction():
            for what in (
                "samples WHERE session IN (SELECT id FROM sessions WHERE host = ?)",
                "case_events WHERE case_id IN (SELECT id FROM cases WHERE host = ?)",
                "sessions WHERE host = ?",
                "detections WHERE host = ?",
                "traffic WHERE host = ?",
                "cases WHERE host = ?",
            ):
                removed += self._base.execute(f"DELETE FROM {what}", found).rowcount
            self._drop_words()
        self._vacuum(self._value("PRAGMA freelist_count"))
        self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return removed


def _identity(path: Path) -> tuple[int, int]:
    """Which file a path names: SQLite would go on with one that has no name any more."""
    state = path.stat()
    return state.st_dev, state.st_ino


def _sample(session: int, one: Sample) -> tuple[object, ...]:
    told = one.stated is not None
    return (
        BUCKET, one.start, session, one.seconds, one.shares, one.hashes, one.squares, one.unknown, one.stated,
        one.shares if told else 0, one.hashes if told else 0, one.squares if told else 0,
        one.joules_low, one.joules, one.joules_high, one.seconds if one.joules is not None else 0,
    )  # fmt: skip


_CASES: Final = """
SELECT cases.id, host.word, tenant.word, state, confidence, opened, last, stopped, relapses, moved_from, moved_to, score,
    reasons, profile, host, tenant
FROM cases JOIN words AS host ON host.id = cases.host JOIN words AS tenant ON tenant.id = cases.tenant
"""


def is_full(fault: sqlite3.Error) -> bool:
    """Whether the file has reached its bound, or the disk is full."""
    return getattr(fault, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _entry(row: tuple[Any, ...], sign: int) -> Entry:
    (
        number,
        host,
        tenant,
        state,
        confidence,
        opened,
        last,
        stopped,
        relapses,
        came_from,
        went_to,
        score,
        reasons,
        profile,
    ) = row[:-2]
    alive = state in ("open", "relapsed")
    return Entry(
        number, host, tenant, state, confidence, opened, max(last, sign) if alive else last, stopped, relapses, came_from,
        went_to, score, tuple(msgspec.json.decode(reasons)), msgspec.json.decode(profile, type=Profile),
    )  # fmt: skip
