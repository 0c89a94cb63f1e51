"""A bounded outbox, and the thread that empties it into a target: a file, a server.

In: encoded lines.  Out: the same lines at the target, in order; counters; a gap line where lines are missing.
Never: a blocked caller, more memory than the outbox may hold, a loss that the target's own lines do not tell.

    written + dropped + failed == produced      once closed; before that, ``waiting`` are still under way

A line is *dropped* when the outbox is full or the time to close is over, *failed* when the target gave it up (disk full,
file system gone).  Lines that a target neither wrote nor gave up are tried again.  A gap line is a line like others: once
it is written it is in ``written`` and ``produced``, so that ``written`` is what the target holds.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import structlog

from sniffer.errors import printable

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LINES: Final = 10_000
MAX_BYTES: Final = 16 << 20
BURST_BYTES: Final = 64 << 10  # handed to the target at once, unless one line is longer
BURST_LINES: Final = 256
QUIET_SECONDS: Final = 10.0  # between two complaints, and between two gap lines

log = structlog.get_logger("sniffer.events")


class Outcome(NamedTuple):
    """What became of a burst of lines."""

    written: int  # lines of its beginning that are where they belong
    failed: int = 0  # lines after these that are given up; those beyond are to be tried again
    fault: str = ""  # what went wrong
    wait: float = 0.0  # seconds before the next try


class Target(Protocol):
    """Where lines go.  All of it is called in the sink's own thread, and may take its time."""

    @property
    def place(self) -> str:
        """Path or address, for the log."""

    def deliver(self, lines: list[bytes]) -> Outcome:
        """Write lines; none of them: get ready."""

    def reopen(self) -> None:
        """Let go of the file or the connection, and open it anew."""

    def close(self) -> None:
        """Let go of it for good."""


@dataclass(slots=True)
class Losses:
    """Lines that never reached the target, and when: seconds since 1970."""

    dropped: int = 0
    failed: int = 0
    since: float = 0.0
    until: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.dropped or self.failed)

    def add(self, *, dropped: int = 0, failed: int = 0) -> None:
        """Some more were lost just now."""
        if not dropped and not failed:
            return
        now = time.time()
        self.since = now if not self else self.since
        self.dropped, self.failed, self.until = self.dropped + dropped, self.failed + failed, now

    def take(self) -> Losses:
        """Hand over what was lost so far, and start afresh."""
        taken = Losses(self.dropped, self.failed, self.since, self.until)
        self.dropped = self.failed = 0
        return taken

    def put_back(self, taken: Losses) -> None:
        """What was taken could not be told."""
        self.until = self.until if self else taken.until
        self.since = taken.since
        self.dropped, self.failed = self.dropped + taken.dropped, self.failed + taken.failed


class Sink:
    """A bounded outbox and the thread that empties it.

    Args:
        name: of the sink, in metrics and logs.
        target: where lines go.
        gap: makes the line that tells of losses; None: they are only counted.
        max_lines: lines that may wait.
        max_bytes: bytes that may wait.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        name: str,
        target: Target,
        *,
        gap: Callable[[str, Losses], bytes] | None = None,
        max_lines: int = MAX_LINES,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.written = 0
        self.dropped = 0
        self.failed = 0
        self.up = True  # the last try did not go wrong
        self._target, self._gap = target, gap
        self._max_lines, self._max_bytes, self._clock = max_lines, max_bytes, clock
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._hand: list[bytes] = []  # what the thread is writing just now
        self._told: Losses | None = None  # what the first line in hand tells, if that is a gap line
        self._losses = Losses()
        self._next_gap = float("-inf")
        self._changed = threading.Condition()
        self._closing = self._abandoned = self._reopen = False
        self._next_complaint = float("-inf")
        self._suppressed = 0
        self._complained = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def produced(self) -> int:
        """Lines that were ever given to :meth:`write`, and gap lines that were written."""
        with self._changed:
            return self.written + self.dropped + self.failed + self._under_way

    @property
    def waiting(self) -> int:
        """Lines that are neither written nor given up yet."""
        with self._changed:
            return self._under_way

    @property
    def _under_way(self) -> int:
        return len(self._lines) + len(self._hand) - (self._told is not None)

    def write(self, line: bytes) -> bool:
        """Put one line, line end included, into the outbox.

        Returns:
            Whether there was room.  If not, the line is counted as dropped.
        """
        with self._changed:
            if (
                self._closing
                or len(self._lines) >= self._max_lines
                or self._bytes + len(line) > self._max_bytes
            ):
                self._drop(1)
                return False
            self._lines.append(line)
            self._bytes += len(line)
            self._changed.notify()
            return True

    def reopen(self) -> None:
        """Open the target anew before the next line (after a rotation, with new keys)."""
        with self._changed:
            self._reopen = True
            self._changed.notify()

    def flush(self, seconds: float = 2.0) -> bool:
        """Wait until nothing waits, at most so long; return whether that was reached."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._lines and not self._hand, seconds)

    def finish(self) -> None:
        """Take no more lines; what waits is still written.  :meth:`close` waits for that."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits, for at most so many seconds; what is left then counts as dropped."""
        self.finish()
        self._thread.join(max(seconds, 0))
        with self._changed:
            self._abandoned = True
            self._drop(self._under_way)
            self._lines.clear()
            self._hand, self._told, self._bytes = [], None, 0
        if not self._thread.is_alive():
            self._target.close()

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        outcome = self._target.deliver([])
        while self._settle(outcome):
            if outcome.fault:
                self._complain(outcome)
            elif outcome.written and self._complained:
                self._complained = False
                log.info("event_write_resumed", sink=self.name, to=printable(self._target.place))
            if not self._take(outcome.wait):
                return
            outcome = self._target.deliver(self._hand)

    def _take(self, wait: float) -> bool:
        """Wait for something to do, and take it in hand; False: there is nothing more to do."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._closing or self._reopen, wait)
            else:
                self._changed.wait_for(lambda: self._lines or self._hand or self._closing or self._reopen)
            if self._abandoned:
                return False
            reopen, self._reopen = self._reopen, False
        if reopen:
            self._target.reopen()
        with self._changed:
            if not self._hand and not self._abandoned:
                self._fill()
            return bool(self._hand) or not self._closing

    def _fill(self) -> None:
        """Take a burst in hand, behind a gap line where one is due."""
        size = 0
        is_last = self._closing and not self._lines
        if self._losses and self._gap is not None and (is_last or self._clock() >= self._next_gap):
            self._told = self._losses.take()
            self._hand.append(self._gap(self.name, self._told))
        while (
            self._lines
            and len(self._hand) < BURST_LINES
            and (not size or size + len(self._lines[0]) <= BURST_BYTES)
        ):
            line = self._lines.popleft()
            size += len(line)
            self._hand.append(line)
        self._bytes -= size

    def _settle(self, outcome: Outcome) -> bool:
        """Count what became of what was in hand; False: nothing more will come of it."""
        with self._changed:
            if self._abandoned:  # close() has given up on it, and counted it already
                return False
            failed = outcome.failed
            self.up = not outcome.fault
            if self._told is not None and outcome.written + failed:
                if outcome.written:
                    self._next_gap = self._clock() + QUIET_SECONDS
                else:
                    failed -= 1
                    self._losses.put_back(self._told)
                self._told = None
            self.written += outcome.written
            self.failed += failed
            self._suppressed += failed
            self._losses.add(failed=failed)
            del self._hand[: outcome.written + outcome.failed]
            self._changed.notify_all()
            # A target that asks for patience gets one try more while we close.
            return not (self._closing and outcome.fault and not outcome.written)

    def _drop(self, lines: int) -> None:
        self.dropped += lines
        self._losses.add(dropped=lines)

    def _complain(self, outcome: Outcome) -> None:
        now = self._clock()
        if now < self._next_complaint:
            return
        self._next_complaint = now + QUIET_SECONDS
        self._complained = True
        log.error(
            "event_write_failed",
            sink=self.name,
            to=printable(self._target.place),
            error=printable(outcome.fault),
            lines=self._suppressed,
        )
        self._suppressed = 0
