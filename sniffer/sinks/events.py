"""The event file, or standard output: whole lines are appended, and a full file gives way to a new one.

In: lines.  Out: the file at the path; older ones beside it as ``path.1`` (the youngest), ``path.2`` and so on.
Never: half a line followed by another, a line lost because a file was rotated, moved, filled up or removed.

A line that could not be written is not tried again: the next one finds out whether writing works again, and events come
with a running count.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from sniffer.errors import AccessError, Fault, OutputError, printable
from sniffer.sinks.folders import look_at
from sniffer.sinks.sink import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sniffer.config import Config

MODE: Final = 0o640
STDOUT: Final = "-"
LOOK_INTERVAL: Final = 2.0  # seconds between two looks whether the path still names our file
RETRY_INTERVAL: Final = 10.0  # seconds between two tries to rotate a file that cannot be

log = structlog.get_logger("sniffer.events")


def make_target(config: Config) -> EventFile | None:
    """The event file that the configuration asks for, open.

    Raises:
        AccessError: the file may not be written.
        OutputError: the file cannot be opened.
    """
    events = config.events
    if events.file is None:
        return None
    return EventFile(events.file, Rotation(events.rotate_size, events.rotate_interval, events.keep))


def faults(config: Config) -> Iterator[Fault]:
    """Why events could not be written, as far as that can be known without making a file."""
    path = config.events.file
    if path is None or path == STDOUT:
        return
    what = remedy = ""
    if Path(path).is_dir():
        what, remedy = f"{path} is a folder", "name a file in it"
    elif Path(path).exists() and not os.access(path, os.W_OK):
        what, remedy = f"{path} may not be written", "give the service's user the right to write it"
    elif not Path(path).exists() or config.events.rotate_size or config.events.rotate_interval:
        what, remedy = look_at(Path(path).parent)
    if what:
        yield Fault(("events", "file"), what, remedy)


class Rotation(NamedTuple):
    """When a file gives way to a new one, and how many old ones stay."""

    size: int = 0  # bytes that it shall not exceed; 0: any size
    interval: float = 0.0  # seconds; a file holds lines of one such span of UTC; 0: any time
    keep: int = 7


class EventFile:
    """An append-only file that whole lines go into, and that may be moved away, filled up or deleted.

    Args:
        path: file to append to, made with mode 0640 if absent; ``-`` for standard output.
        rotation: when it gives way to a new one; standard output, pipes and devices never do.
        clock: monotonic seconds.
        wall: seconds since 1970.

    Raises:
        AccessError: the file may not be written.
        OutputError: the file cannot be opened.
    """

    def __init__(
        self,
        path: str,
        rotation: Rotation | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.place = path
        self._rotation, self._clock, self._wall = rotation or Rotation(), clock, wall
        self._fd = -1
        self._torn = False  # the file ends within a line that could not be taken back
        self._next_look = clock() + LOOK_INTERVAL
        self._next_rotation = float("-inf")
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
        if self.place == STDOUT:
            if sys.__stdout__ is None:  # then descriptor 1 may be anything by now
                raise OSError(0, "standard output is closed")
            self._fd = 1
            return
        # Without a wait for whoever may read a named pipe; writing to it waits, in the sink's thread.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        self._fd = os.open(self.place, flags, MODE)
        os.set_blocking(self._fd, True)
        self._torn = _ends_within_a_line(self.place, os.fstat(self._fd))

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

    def deliver(self, lines: list[bytes]) -> Outcome:
        """Append lines, rotating where that is due."""
        done = 0
        while done < len(lines):
            written, fault = self._append(lines[done:])
            done += written
            if fault is not None:
                return Outcome(done, len(lines) - done, str(fault.strerror or fault))
        return Outcome(done)

    def _append(self, lines: list[bytes]) -> tuple[int, OSError | None]:
        """Append as many lines as the file may take.

        Returns:
            How many are in the file as a whole, and what went wrong with the next one.
        """
        start = done = 0
        part = lines
        try:
            if self._fd < 0 or self._moved_away():
                self.close()
                self._open()
            part = self._fitting(lines)
            data = (b"\n" if self._torn else b"") + b"".join(part)
            start = 1 if self._torn else 0
            while done < len(data):
                done += self._write(data[done:] if done else data)
                self._torn = False
        except OSError as fault:
            whole, end = _whole(part, done - start if done else 0)
            self._take_back(done - start - end if done else 0)
            return whole, fault
        return len(part), None

    def _write(self, data: bytes) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:  # somebody who shares standard output does not want to wait; this thread does
            select.select([], [self._fd], [])
            return 0

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
            there, ours = Path(self.place).stat(), os.fstat(self._fd)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:  # it cannot be known; what is open can be written
            return False
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)

    # ── rotation ─────────────────────────────────────────────────────────────────────────────────────────

    def _fitting(self, lines: list[bytes]) -> list[bytes]:
        """The lines that go into one file, after that one has been made if it is due: one line at least."""
        size, interval, _ = self._rotation
        if not (size or interval) or self._fd <= 2:
            return lines
        state = os.fstat(self._fd)
        if not stat.S_ISREG(state.st_mode):
            return lines
        held = state.st_size
        # The last write tells which span the file belongs to, also after a restart.
        is_old = interval and state.st_mtime // interval < self._wall() // interval
        is_full = size and held + len(lines[0]) > size
        if held and (is_old or is_full) and self._rotate():
            held = 0
        if not size:
            return lines
        return lines[: max(_whole(lines, size - held)[0], 1)]

    def _rotate(self) -> bool:
        """Rename the file to ``path.1``, and older ones one further; the oldest goes.  Whether there is a new file now.

        Each rename is all or nothing and the youngest is moved last, so that whoever is stopped in between leaves a
        number out, which the next rotation fills, and loses no file.
        """
        if self._clock() < self._next_rotation:
            return False
        path = Path(self.place).resolve()
        files = [path, *(Path(f"{path}.{number}") for number in range(1, self._rotation.keep + 1))]
        free = next((number for number, file in enumerate(files) if not file.exists()), len(files) - 1)
        try:
            for number in range(free, 0, -1):
                files[number - 1].rename(files[number])
        except FileNotFoundError:  # somebody else was faster, so that a new file is due all the same
            pass
        except OSError as fault:
            self._next_rotation = self._clock() + RETRY_INTERVAL
            error = printable(fault.strerror)
            log.error("event_rotation_failed", file=printable(self.place), error=error)  # noqa: TRY400
            return False
        self.close()
        self._open()
        return True


def _whole(lines: list[bytes], size: int) -> tuple[int, int]:
    """How many lines fit ``size`` bytes, and where the last of them ends."""
    count = end = 0
    for line in lines:
        if end + len(line) > size:
            break
        end += len(line)
        count += 1
    return count, end


def _ends_within_a_line(path: str, state: os.stat_result) -> bool:
    """Whether somebody was stopped while writing the last line of a file."""
    if not stat.S_ISREG(state.st_mode) or not state.st_size:
        return False
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:  # it may be written and not read
        return False
