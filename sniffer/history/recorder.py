"""The history of a running daemon: a bounded queue of pages, and the thread that hands them to the process that writes.

In: pages, by :meth:`History.offer`.  Out: pages in the hands of the writer (:mod:`sniffer.history.writer`); counters.
Never: an exception or a wait in the daemon, more pages or bytes in the queue than it may hold, a loss that is not counted.

A page that was refused (False) is lost to the history unless its rows come again: whoever offers pages keeps such rows and
gives them with the next page.  Rows are as they stand, so nothing is counted twice.

One page is under way at a time, and kept here until the writer has answered.  What goes wrong, and what then:

    the writer could not write it (it says why)    the page is sent again, later and later (to a minute)
    the writer died, or talks nonsense             another is started, likewise later and later, and gets the page
    three died over one page                       the page is given up, counted as failed
    the writer gives a page up                     counted as failed
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from sniffer.children import describe, receive
from sniffer.errors import Fault, printable
from sniffer.history.lock import Lock
from sniffer.history.records import (
    Answer,
    Begin,
    Bounds,
    Counts,
    Line,
    Rest,
    Trouble,
    frame,
    from_writer,
)
from sniffer.sinks.folders import look_at
from sniffer.sinks.metrics import SinkHealth

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sniffer.config import Config
    from sniffer.history.records import FromWriter
    from sniffer.history.rows import Page

COMMAND: Final = (sys.executable, "-P", "-m", "sniffer.history.writer")
MAX_PAGES: Final = 16
MAX_BYTES: Final = 128 << 20
ROW_BYTES: Final = 600  # of a row in memory, about; measured: 350 to 560
FIRST_WAIT: Final = 1.0  # seconds between two tries; doubled each time
LONGEST_WAIT: Final = 60.0
MAX_DEATHS: Final = 3  # of writers over one page
LOCK_PATIENCE: Final = 5.0  # seconds: the writer of a daemon that was killed may still be at its last page
BURIAL: Final = 2.0  # seconds that a writer has to end when its socket has
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

log = structlog.get_logger("sniffer.history")


class DeadError(Exception):
    """The writer has hung up, or cannot be understood."""


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


def weigh(page: Page) -> int:
    """Bytes that a page takes in memory, about."""
    rows = (page.sessions, page.samples, page.detections, page.tenants, page.health, page.traffic)
    return 1_000 + ROW_BYTES * sum(map(len, rows))


class Process:
    """A writer, and our end of the socket to it.

    Args:
        begin: what for.
        lock: of the history; the writer holds it as well.
        command: what to run; the descriptor of its end is added.

    Raises:
        OSError: there is no process to be had.
    """

    def __init__(self, begin: Begin, lock: Lock, command: Sequence[str] = COMMAND) -> None:
        self._sock, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603  # our own
                    [*command, str(theirs.fileno())],
                    pass_fds=(theirs.fileno(), lock.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                )
        except BaseException:
            self._sock.close()
            raise
        with contextlib.suppress(OSError):  # it has died; whoever asks first will see
            self._sock.sendall(frame(begin))

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def is_dead(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def ask(self, page: bytes) -> Iterator[FromWriter]:
        """Send a page, in its frame; yield what is said to it.

        Raises:
            DeadError: it is not to be had any more.
        """
        try:
            self._sock.sendall(page)
        except OSError:
            raise DeadError from None
        while not isinstance(record := self._next(), Rest):
            if record is None:
                raise DeadError
            yield record

    def part(self) -> Iterator[FromWriter]:
        """Say that no more pages come; yield what it says until it hangs up."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(DeadError):
            while (record := self._next()) is not None:
                yield record

    def _next(self) -> FromWriter | None:
        try:
            body = receive(self._sock)
            return None if body is None else from_writer.decode(body)
        except (OSError, ValueError, msgspec.MsgspecError):
            raise DeadError from None

    def hang_up(self) -> None:
        """End the talk, also for a thread that waits in it.  The writer writes what it has got, and ends."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def bury(self, seconds: float | None) -> int:
        """Wait for its end, and kill it after so many seconds (None: never); return its exit status."""
        self._sock.close()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


class History:
    """Takes pages, and has them written by a process of its own.

    Args:
        config: its ``history`` and ``cases``; ``history.file`` is set.
        max_pages: that may wait.
        max_bytes: that these may weigh.
        command: what the writer runs.

    Raises:
        OutputError: another process writes this history, or its folder cannot be written.
    """

    def __init__(
        self,
        config: Config,
        *,
        max_pages: int = MAX_PAGES,
        max_bytes: int = MAX_BYTES,
        command: Sequence[str] = COMMAND,
    ) -> None:
        path = config.history.file
        if path is None:
            raise ValueError("history.file is not set")
        self.written = 0
        self.dropped = 0
        self.failed = 0
        self.up = True
        self.counts = Counts()
        self._path, self._command = path, tuple(command)
        self._begin = Begin(
            str(path),
            Bounds(config.history.keep, config.history.detail, config.history.max_size),
            time.time_ns(),
            config.cases.stop_after,
            config.cases.moved_within,
        )
        self._max_pages, self._max_bytes = max_pages, max_bytes
        self._pages: deque[tuple[Page, int]] = deque()
        self._bytes = 0
        self._hand: bytes | None = None  # the frame of the page that is under way
        self._deaths = 0  # over it
        self._writer: Process | None = None
        self._changed = threading.Condition()
        self._closing = self._abandoned = self._ended = False
        self._deadline = float("inf")  # of close(), monotonic
        self._wait = FIRST_WAIT
        self._lock = Lock(path, LOCK_PATIENCE)
        self._thread = threading.Thread(target=self._work, name="history", daemon=True)
        self._thread.start()

    @property
    def health(self) -> SinkHealth:
        """What became of the pages."""
        with self._changed:
            return SinkHealth(self.written, self.dropped, self.failed, self._waiting, self.up)

    @property
    def pid(self) -> int | None:
        """Process of the writer, if there is one."""
        writer = self._writer
        return None if writer is None else writer.pid

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
        """Have what waits written, for at most so many seconds; what is not answered by then counts as dropped.

        The writer goes on with the page that it has got by then.
        """
        self.hurry(seconds)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            while not self._ended and (left := self._deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            self._abandon()
            if self._writer is not None:
                self._writer.hang_up()
        if self._ended:
            self._thread.join()

    def hurry(self, seconds: float) -> None:
        """Have :meth:`close` end within so many seconds from now, if it would last longer."""
        with self._changed:
            self._deadline = min(self._deadline, time.monotonic() + max(seconds, 0))
            self._changed.notify_all()

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────

    def _work(self) -> None:
        # What a terminal sends to all processes of the daemon is the daemon's affair.  The writer inherits this.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            with contextlib.suppress(OSError):  # the first page will tell
                self._find_writer()
            while self._take():
                self._try()
            self._part()
        finally:
            self._lock.release()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _take(self) -> bool:
        """Have a page in hand; False: there is nothing more to do."""
        while True:
            with self._changed:
                if self._hand is not None and not self._abandoned:
                    return True
                self._changed.wait_for(lambda: self._pages or self._closing)
                if self._abandoned or not self._pages:
                    return False
                page, weight = self._pages.popleft()
                self._bytes -= weight
                self._hand, self._deaths = b"", 0  # it waits, also while it is encoded
            try:
                body = frame(page)
            except Exception as fault:  # noqa: BLE001  # a value that cannot be said; whatever it is, others can
                self._settle(printable(fault), given_up=True)
                continue
            with self._changed:
                if not self._abandoned:
                    self._hand = body

    def _try(self) -> None:
        """Have the page in hand written; wait, if that went wrong and may go well another time."""
        page, is_last = self._hand, self._closing
        if page is None:
            return
        try:
            for record in self._find_writer().ask(page):
                self._hear(record)
            if self.up:
                self._wait = FIRST_WAIT
                return
            if self._hand is None:  # given up: the next one may do
                return
        except DeadError:
            self._bury()
            is_last = False  # it did not say that it could not
        except OSError as fault:
            self._settle(f"no process to be had: {printable(fault.strerror)}")
        with self._changed:
            if is_last:
                self._abandon()
            self._changed.wait_for(lambda: self._closing, self._wait)
        self._wait = min(self._wait * 2, LONGEST_WAIT)

    def _find_writer(self) -> Process:
        """The writer, or its successor.

        Raises:
            OSError: none can be started.
        """
        if self._writer is not None and self._writer.is_dead:  # while nothing was to be done
            self._settle(self._dismiss())
        if self._writer is None:
            begin = msgspec.structs.replace(self._begin, counts=self.counts)
            writer = Process(begin, self._lock, self._command)
            with self._changed:
                self._writer = writer
                if self._abandoned:
                    writer.hang_up()
            return writer
        return self._writer

    def _hear(self, record: FromWriter) -> None:
        match record:
            case Answer():
                self.counts = record.counts
                is_written = record.state == "written"
                self._settle(None if is_written else record.fault, given_up=record.state == "failed")
            case Line():
                getattr(log, record.level)(record.event, **record.fields)
            case Trouble():
                self._complain(record.fault)

    def _bury(self) -> None:
        """The writer is not to be had any more: see what that means for the page."""
        reason = self._dismiss()
        if self._hand is not None:
            self._deaths += 1
        self._settle(reason, given_up=self._deaths >= MAX_DEATHS)

    def _dismiss(self) -> str:
        """Let go of the writer once it has ended; return why it did, in words."""
        with self._changed:
            writer, self._writer = self._writer, None
        # One that was left to its last page takes its time: nobody waits for it, and nobody else may write meanwhile.
        status = writer.bury(None if self._abandoned else BURIAL) if writer is not None else 0
        return f"the writer ended: {describe(status)}"

    def _part(self) -> None:
        """Have the writer end, which brings the last signs of cases onto the disk."""
        writer = self._writer
        if writer is None:
            return
        for record in writer.part():
            self._hear(record)
        with self._changed:
            self._writer = None
        status = writer.bury(None)
        if status and not self._abandoned:
            self._complain(f"the writer ended: {describe(status)}")

    def _abandon(self) -> None:
        self._abandoned = True
        self.dropped += self._waiting
        self._pages.clear()
        self._hand, self._bytes = None, 0
        self._changed.notify_all()

    def _settle(self, fault: str | None, *, given_up: bool = False) -> None:
        """Enter into the books what became of the page in hand; None: it is written."""
        with self._changed:
            was_up, self.up = self.up, fault is None
            if self._abandoned:  # close() has counted it already
                return
            if self._hand is not None:
                self.written += fault is None
                self.failed += given_up
            if fault is None or given_up:
                self._hand = None
            self._changed.notify_all()
        if fault is not None:
            self._complain(fault)
        elif not was_up:
            log.info("history_written_again", file=printable(self._path))

    def _complain(self, fault: str) -> None:
        log.error(
            "history_write_failed",
            code="history_write_failed",
            file=printable(self._path),
            error=fault,
            waiting=self._waiting,
        )
