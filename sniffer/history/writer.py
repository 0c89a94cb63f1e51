"""The process that writes the history: it takes pages from the daemon, one at a time, and says what became of each.

In: a Begin, then pages, over a socket.  Out: the history file; answers, and lines for the daemon's log.
Never: a wait for the daemon beside that for the next page; a page begun and left, when the daemon dies: what has arrived is
written, then the process ends, and with it its hold on the file.

A page is tried once.  What goes wrong, and what is answered:

    the disk is full, I/O fails, somebody else holds the file   again: the daemon sends it once more, later
    the file is broken                                          again; it is set aside, the page goes into a new one
    a page has a value that cannot be kept, or is too large     failed

Nothing is loaded here that this does not need, so that the process stays small (decision 0050).

Run as ``python -m sniffer.history.writer FD``.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from sniffer.children import receive
from sniffer.confine import FILES, confine
from sniffer.errors import printable
from sniffer.garbage import collect_seldom
from sniffer.history.cases import CaseBook
from sniffer.history.records import Answer, Line, Rest, Trouble, begins, frame, pages
from sniffer.history.store import Store, UnusableError, is_broken, is_full, set_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal

    from sniffer.history.cases import Decision
    from sniffer.history.records import Begin, FromWriter, Level
    from sniffer.history.rows import Page

NICE: Final = 5  # this process gives way to workers: packets do not wait


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


class Writer:
    """Writes pages, and keeps the case book meanwhile.

    Args:
        begin: where, how much, since when.
        put: takes records for the daemon.
    """

    def __init__(self, begin: Begin, put: Callable[[FromWriter], None]) -> None:
        self._begin, self._path, self._put = begin, Path(begin.path), put
        self._counts = begin.counts
        self._store: Store | None = None
        self._book: CaseBook | None = None

    def take(self, page: Page) -> None:
        """Try to write a page, and say what became of it; then make the file tidy, if it was written."""
        answer = self._try(page)
        self._put(answer)
        if answer.state == "written":
            self._tidy(page)
        self._put(Rest())

    def refuse(self, fault: Exception) -> None:
        """Say that what has come is no page."""
        self._put(self._answer("failed", fault))
        self._put(Rest())

    def close(self) -> None:
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

    def _answer(self, state: Literal["written", "again", "failed"], fault: Exception | None = None) -> Answer:
        return Answer(state, "" if fault is None else printable(fault), self._counts)

    def _try(self, page: Page) -> Answer:
        try:
            self._write(page)
        except (sqlite3.Error, OSError, UnusableError) as fault:
            if not _may_pass(fault):
                self._book = None
                return self._answer("failed", fault)
            self._mend(fault, page)
            return self._answer("again", fault)
        except Exception as fault:  # noqa: BLE001  # a value that cannot be kept; whatever it is, others can
            self._book = None
            return self._answer("failed", fault)
        return self._answer("written")

    def _write(self, page: Page) -> None:
        begin = self._begin
        if self._store is None:
            self._store = Store(self._path, begin.bounds, run=begin.run, counts=self._counts, tell=self._tell)
            self._book = None
        if self._book is None:
            self._book = load_book(self._store, begin.stop_after, begin.moved_within)
        write_page(self._store, self._book, page)

    def _mend(self, fault: Exception, page: Page) -> None:
        """Do about a fault what can be done; the page comes again."""
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
        try:
            store.close()
            if isinstance(fault, sqlite3.Error) and is_broken(fault):
                set_aside(self._path, str(fault), self._tell)
        except (sqlite3.Error, OSError) as another:
            self._complain(another)

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

    def _complain(self, fault: Exception) -> None:
        self._put(Trouble(printable(fault)))

    def _tell(self, level: Level, event: str, **fields: str | int) -> None:
        self._put(Line(level, event, fields))


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


def serve(sock: socket.socket) -> None:
    """Be a writer on one end of a socket pair, until the other one is closed."""

    def put(record: FromWriter) -> None:
        with contextlib.suppress(OSError):  # the daemon has gone; what it has sent is written all the same
            sock.sendall(frame(record))

    body = _receive(sock)
    if body is None:
        return
    with contextlib.closing(Writer(begins.decode(body), put)) as writer:
        while (body := _receive(sock)) is not None:
            try:
                page = pages.decode(body)
            except msgspec.MsgspecError as fault:
                writer.refuse(fault)
                continue
            del body
            writer.take(page)


def _receive(sock: socket.socket) -> bytearray | None:
    try:
        return receive(sock)
    except OSError:
        return None


def main(arguments: Sequence[str]) -> int:
    """Entry of the process: one argument, the descriptor of its end of the socket pair.

    Signals for the daemon's whole group are kept from it by the daemon, from before its first instruction.
    """
    with contextlib.suppress(OSError):
        os.nice(NICE)
    confine(FILES)
    collect_seldom()
    with socket.socket(fileno=int(arguments[0])) as sock:
        serve(sock)
    return 0


if __name__ == "__main__":
    # At once: to take a hundred thousand cases apart takes a while, and the daemon waits.
    os._exit(main(sys.argv[1:]))
