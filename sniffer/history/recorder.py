"""The history of a running daemon: a bounded queue of pages, and the thread that writes them.

In: pages, by :meth:`History.offer`.  Out: the history file; counters.
Never: an exception or a wait in the daemon, more pages or bytes in the queue than it may hold, a loss that is not counted.

A page that was refused (False) is lost to the history unless its rows come again: whoever offers pages keeps such rows and
gives them with the next page.  Rows are as they stand, so nothing is counted twice.

What goes wrong, and what then:

    the disk is full, I/O fails, somebody else holds the file   the page is tried again, later and later (to a minute)
    the file is broken                                          it is set aside, the page goes into a new one
    a page has a value that cannot be kept, or is too large     it is given up, counted as failed
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog

from sniffer.errors import Fault, printable
from sniffer.history.cases import CaseBook
from sniffer.history.store import (
    Bounds,
    Counts,
    Lock,
    Store,
    UnusableError,
    is_broken,
    is_full,
    set_aside,
)
from sniffer.sinks.folders import look_at
from sniffer.sinks.metrics import SinkHealth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.config import Config
    from sniffer.history.cases import Decision
    from sniffer.history.rows import Page

MAX_PAGES: Final = 16
MAX_BYTES: Final = 128 << 20
ROW_BYTES: Final = 600  # of a row in memory, about; measured: 350 to 560
FIRST_WAIT: Final = 1.0  # seconds between two tries; doubled each time
LONGEST_WAIT: Final = 60.0

log = structlog.get_logger("sniffer.history")


def faults(config: Config) -> Iterator[Fault]:
    """Why the history could not be written, as far as that can be known without making it."""
    path = config.history.file
    if path is None:
        return
    what = remedy = ""
    if path.is_dir():
        what, remedy = f"{path} is a folder", "name a file in it"
    else:
        what, remedy = look_at(path.parent)
    if what:
        yield Fault(("history", "file"), what, remedy)


def make_history(config: Config) -> History | None:
    """The history that the configuration asks for.

    Raises:
        OutputError: another process writes it, or its folder cannot be written.
    """
    return History(config) if config.history.file is not None else None


def load_book(store: Store, stop_after: float, moved_within: float) -> CaseBook:
    """The case book as it was when the last page was written."""
    return CaseBook(
        stop_after,
        moved_within,
        entries=store.load_cases(),
        find=store.find_case,
        next_id=store.next_case(),
        heard=store.note("heard"),
        resumed=store.note("resumed"),
    )


def write_page(store: Store, book: CaseBook, page: Page) -> None:
    """Put a page, and what the case book makes of it, on the disk at once.

    Raises:
        Exception: what :meth:`Store.write` raises; the book has to be loaded anew then.
    """

    def decide(page: Page) -> Decision:
        decision = book.feed(page)
        for name, value in (("heard", book.heard), ("resumed", book.resumed), ("next_case", book.next_id)):
            store.put_note(name, value)
        return decision

    store.write(page, decide)


def weigh(page: Page) -> int:
    """Bytes that a page takes in memory, about."""
    rows = (page.sessions, page.samples, page.detections, page.tenants, page.health, page.traffic)
    return 1_000 + ROW_BYTES * sum(map(len, rows))


class History:
    """Takes pages, and writes them in a thread of its own.

    Args:
        config: its ``history`` and ``cases``; ``history.file`` is set.
        max_pages: that may wait.
        max_bytes: that these may weigh.

    Raises:
        OutputError: another process writes this history, or its folder cannot be written.
    """

    def __init__(self, config: Config, *, max_pages: int = MAX_PAGES, max_bytes: int = MAX_BYTES) -> None:
        path = config.history.file
        if path is None:
            raise ValueError("history.file is not set")
        self.written = 0
        self.dropped = 0
        self.failed = 0
        self.up = True
        self.counts = Counts()
        self._config, self._path = config, path
        self._bounds = Bounds(config.history.keep, config.history.detail, config.history.max_size)
        self._max_pages, self._max_bytes = max_pages, max_bytes
        self._run_id = time.time_ns()
        self._pages: deque[tuple[Page, int]] = deque()
        self._bytes = 0
        self._hand: Page | None = None
        self._store: Store | None = None
        self._book: CaseBook | None = None
        self._changed = threading.Condition()
        self._closing = self._abandoned = False
        self._wait = FIRST_WAIT
        self._lock = Lock(path)
        self._thread = threading.Thread(target=self._work, name="history", daemon=True)
        self._thread.start()

    @property
    def health(self) -> SinkHealth:
        """What became of the pages."""
        with self._changed:
            return SinkHealth(self.written, self.dropped, self.failed, self._waiting, self.up)

    @property
    def _waiting(self) -> int:
        return len(self._pages) + (self._hand is not None)

    def offer(self, page: Page) -> bool:
        """Have a page written soon.

        Returns:
            Whether there was room.  If not, the page is counted as dropped; its rows should come again.
        """
        weight = weigh(page)
        with self._changed:
            if (
                self._closing
                or self._waiting >= self._max_pages
                or (self._bytes + weight > self._max_bytes and self._waiting)
                or weight > self._max_bytes
            ):
                self.dropped += 1
                return False
            self._pages.append((page, weight))
            self._bytes += weight
            self._changed.notify_all()
            return True

    def flush(self, seconds: float = 2.0) -> bool:
        """Wait until nothing waits, at most so long; return whether that was reached."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, seconds)

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits, for at most so many seconds; what is left then counts as dropped."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(max(seconds, 0))
        with self._changed:
            self._abandon()

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────

    def _work(self) -> None:
        try:
            while self._take():
                self._try()
        finally:
            try:
                self._end()
            finally:
                self._lock.release()

    def _take(self) -> bool:
        """Have a page in hand; False: there is nothing more to do."""
        with self._changed:
            if self._hand is None:
                self._changed.wait_for(lambda: self._pages or self._closing)
                if not self._abandoned and self._pages:
                    self._hand, weight = self._pages.popleft()
                    self._bytes -= weight
            return self._hand is not None and not self._abandoned

    def _try(self) -> None:
        """Write the page in hand; wait, if that went wrong and may go well another time."""
        page, is_last = self._hand, self._closing
        if page is None:
            return
        try:
            self._write(page)
        except (sqlite3.Error, OSError, UnusableError) as fault:
            if not _may_pass(fault):
                self._give_up(fault)
                return
            self._mend(fault, page)
            self._settle(fault)
            with self._changed:
                if is_last:
                    self._abandon()
                self._changed.wait_for(lambda: self._closing, self._wait)
            self._wait = min(self._wait * 2, LONGEST_WAIT)
        except Exception as fault:  # noqa: BLE001  # a value that cannot be kept; whatever it is, others can
            self._give_up(fault)
        else:
            self._settle(None)
            self._wait = FIRST_WAIT
            self._tidy(page)

    def _give_up(self, fault: Exception) -> None:
        self._book = None
        self._settle(fault, given_up=True)

    def _abandon(self) -> None:
        self._abandoned = True
        self.dropped += self._waiting
        self._pages.clear()
        self._hand, self._bytes = None, 0
        self._changed.notify_all()

    def _write(self, page: Page) -> None:
        if self._store is None:
            self._store = Store(self._path, self._bounds, run=self._run_id, counts=self.counts)
            self._book = None
        if self._book is None:
            self._book = self._load(self._store)
        write_page(self._store, self._book, page)

    def _load(self, store: Store) -> CaseBook:
        cases = self._config.cases
        return load_book(store, cases.stop_after, cases.moved_within)

    def _mend(self, fault: Exception, page: Page) -> None:
        """Do about a fault what can be done; the page is tried again."""
        self._book = None  # it has taken in what was not written
        store = self._store
        if store is None:
            return
        if isinstance(fault, sqlite3.Error) and is_full(fault):
            self._tidy(page)
            return
        if isinstance(fault, BlockingIOError):
            return
        self._store = None
        store.close()
        if isinstance(fault, sqlite3.Error) and is_broken(fault):
            set_aside(self._path, str(fault))

    def _tidy(self, page: Page) -> None:
        """Merge, remove and shrink; what goes wrong is done next time."""
        store = self._store
        if store is None:
            return
        try:
            removed = store.tidy(page.now)
        except (sqlite3.Error, OSError) as fault:
            self._complain(fault)
            return
        if removed and self._book is not None:
            self._book.drop(removed)

    def _settle(self, fault: Exception | None, *, given_up: bool = False) -> None:
        with self._changed:
            was_up, self.up = self.up, fault is None
            if self._abandoned:  # close() has counted it already
                return
            if fault is None:
                self.written += 1
            elif given_up:
                self.failed += 1
            if fault is None or given_up:
                self._hand = None
            self._changed.notify_all()
        if fault is not None:
            self._complain(fault)
        elif not was_up:
            log.info("history_written_again", file=printable(self._path))

    def _complain(self, fault: Exception) -> None:
        log.error(
            "history_write_failed",
            code="history_write_failed",
            file=printable(self._path),
            error=printable(fault),
            waiting=self._waiting,
        )

    def _end(self) -> None:
        """Write the last signs of cases, and let go of the file."""
        store = self._store
        if store is None:
            return
        try:
            if self._book is not None:
                store.save_cases(self._book.flush())
        except (sqlite3.Error, OSError) as fault:
            self._complain(fault)
        finally:
            store.close()


def _may_pass(fault: Exception) -> bool:
    """Whether a page may be written another time: it is not to blame."""
    code = getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_IOERR) & 0xFF
    return code not in (
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_MISUSE,
        sqlite3.SQLITE_RANGE,
    )
