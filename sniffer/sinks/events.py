"""Event lines into a file or to standard output, without ever holding up whoever writes them.

In: encoded lines.  Out: the same lines in the file, in order, each once; three counters.
Never: a blocked caller, half a line followed by another, more memory than the outbox may hold.

    written + dropped + failed == produced      once closed; before that, ``waiting`` are still under way

A line is *dropped* when the outbox is full, *failed* when the write went wrong (disk full, file system gone).  A failed
line is not tried again: the next one finds out whether writing works again, and events come with a running count.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from sniffer.errors import AccessError, OutputError, printable

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LINES: Final = 10_000
MAX_BYTES: Final = 16 << 20
BURST_BYTES: Final = 64 << 10  # written by one system call at most
BURST_LINES: Final = 256
MODE: Final = 0o640
STDOUT: Final = "-"
LOG_INTERVAL: Final = 10.0  # seconds between two complaints
LOOK_INTERVAL: Final = 2.0  # seconds between two looks whether the path still names our file

log = structlog.get_logger("sniffer.events")


class EventWriter:
    """A bounded outbox and the thread that empties it.

    Args:
        path: file to append to, made with mode 0640 if absent; ``-`` for standard output.
        max_lines: lines that may wait.
        max_bytes: bytes that may wait.
        clock: monotonic seconds.

    Raises:
        AccessError: the file may not be written.
        OutputError: the file cannot be opened.
    """

    def __init__(
        self,
        path: str,
        *,
        max_lines: int = MAX_LINES,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.written = 0
        self.dropped = 0
        self.failed = 0
        self._max_lines, self._max_bytes, self._clock = max_lines, max_bytes, clock
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._in_hand = 0  # lines that the thread is writing just now
        self._changed = threading.Condition()
        self._closing = self._abandoned = self._reopen = False
        self._file = _LogFile(path, clock)
        self._next_complaint = float("-inf")
        self._suppressed = 0
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    @property
    def produced(self) -> int:
        """Lines that were ever given to :meth:`write`."""
        with self._changed:
            return self.written + self.dropped + self.failed + len(self._lines) + self._in_hand

    @property
    def waiting(self) -> int:
        """Lines that are neither written nor given up yet."""
        with self._changed:
            return len(self._lines) + self._in_hand

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
                self.dropped += 1
                return False
            self._lines.append(line)
            self._bytes += len(line)
            self._changed.notify()
            return True

    def reopen(self) -> None:
        """Open the path anew before the next line (after a rotation).  Lines already taken go to the old file."""
        with self._changed:
            self._reopen = True
            self._changed.notify()

    def flush(self, seconds: float = 2.0) -> bool:
        """Wait until nothing waits, at most so long; return whether that was reached."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._lines and not self._in_hand, seconds)

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits, for at most so many seconds; what is left then counts as dropped."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(seconds)
        with self._changed:
            self._abandoned = True
            self.dropped += len(self._lines) + self._in_hand
            self._lines.clear()
            self._bytes = self._in_hand = 0
        if not self._thread.is_alive():
            self._file.close()

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._closing or self._reopen)
                reopen, self._reopen = self._reopen, False
                if self._abandoned or (self._closing and not self._lines):
                    return
                burst = self._take()
            if reopen:
                self._file.reopen()
            written, fault = self._file.write(burst)
            if not self._settle(written, len(burst) - written):
                return
            if fault is not None:
                self._complain(fault, len(burst) - written)

    def _settle(self, written: int, failed: int) -> bool:
        """Count a burst, unless :meth:`close` has given up on it and counted it already."""
        with self._changed:
            if self._abandoned:
                return False
            self.written += written
            self.failed += failed
            self._in_hand = 0
            self._changed.notify_all()
            return True

    def _take(self) -> list[bytes]:
        burst: list[bytes] = []
        size = 0
        while (
            self._lines
            and len(burst) < BURST_LINES
            and (not burst or size + len(self._lines[0]) <= BURST_BYTES)
        ):
            line = self._lines.popleft()
            size += len(line)
            burst.append(line)
        self._bytes -= size
        self._in_hand = len(burst)
        return burst

    def _complain(self, fault: OSError, lines: int) -> None:
        self._suppressed += lines
        now = self._clock()
        if now < self._next_complaint:
            return
        self._next_complaint = now + LOG_INTERVAL
        log.error(
            "event_write_failed",
            file=printable(self.path),
            error=printable(fault.strerror),
            lines=self._suppressed,
        )
        self._suppressed = 0


class _LogFile:
    """An append-only file that whole lines go into, and that may be moved away, filled up or deleted."""

    def __init__(self, path: str, clock: Callable[[], float]) -> None:
        self._path, self._clock = path, clock
        self._fd = -1
        self._torn = False  # the file ends within a line that could not be taken back
        self._next_look = clock() + LOOK_INTERVAL
        try:
            self._open()
        except PermissionError:
            raise AccessError(
                "event file may not be written",
                where=path,
                remedy="give the service's user the right to write there",
            ) from None
        except OSError as fault:
            raise OutputError(
                f"event file cannot be opened: {fault.strerror}",
                where=path,
                remedy="set events.file to another path",
            ) from None

    def _open(self) -> None:
        if self._path == STDOUT:
            self._fd = 1
        else:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)

    def close(self) -> None:
        """Close the file; the next write opens it again."""
        if self._fd > 2:
            with contextlib.suppress(OSError):
                os.close(self._fd)
        self._fd = -1
        self._torn = False

    def reopen(self) -> None:
        """Open the path anew at once, so that whoever rotates sees the new file; if that fails, the next write tries."""
        if self._fd > 2:
            self.close()
            with contextlib.suppress(OSError):
                self._open()

    def write(self, lines: list[bytes]) -> tuple[int, OSError | None]:
        """Append lines.

        Returns:
            How many are in the file as a whole, and what went wrong with the others.
        """
        if not lines:
            return 0, None
        done = 0
        try:
            if self._fd < 0 or self._moved_away():
                self.close()
                self._open()
            data = (b"\n" if self._torn else b"") + b"".join(lines)
            start = 1 if self._torn else 0
            while done < len(data):
                done += os.write(self._fd, data[done:] if done else data)
                self._torn = False
        except OSError as fault:
            whole, end = self._whole(lines, done - start if done else 0)
            self._take_back(done - start - end if done else 0)
            return whole, fault
        return len(lines), None

    @staticmethod
    def _whole(lines: list[bytes], size: int) -> tuple[int, int]:
        """How many lines fit ``size`` bytes, and where the last of them ends."""
        count = end = 0
        for line in lines:
            if end + len(line) > size:
                break
            end += len(line)
            count += 1
        return count, end

    def _take_back(self, torn: int) -> None:
        """Cut the beginning of a line off the end of the file; reopen at the next write (the path may be gone)."""
        if torn > 0 and not self._cut(torn):
            self._torn = True  # and the file stays open: the line end that is owed belongs into this one
        else:
            self.close()

    def _cut(self, size: int) -> bool:
        try:
            state = os.fstat(self._fd)
            if not stat.S_ISREG(state.st_mode):
                return False
            os.ftruncate(self._fd, state.st_size - size)
        except OSError:
            return False
        return True

    def _moved_away(self) -> bool:
        """Whether the path names another file by now, or none."""
        now = self._clock()
        if self._fd <= 2 or now < self._next_look:
            return False
        self._next_look = now + LOOK_INTERVAL
        try:
            there, ours = Path(self._path).stat(), os.fstat(self._fd)
        except FileNotFoundError:
            return True
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)
