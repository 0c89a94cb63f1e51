"""Log files of mappings, read to their end and then followed.

In: paths.  Out: changes, as they are written; how many lines were read, and how many were of no use.
Never: a wait (only regular files are opened); more than a budget of bytes in one turn; a line twice, or half.

A file that was renamed is read to its end before the new one of its name is begun.  One that was cut to nothing is read from
its beginning.  A last line without its end waits for it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sniffer.errors import printable
from sniffer.owners.mappings import MAX_LINE, LineReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sniffer.owners.timeline import Change

TURN: Final = 4 << 20
"""Bytes read in one turn, of all files together."""
PIECE: Final = 256 << 10
MAX_TURNS: Final = 10_000
"""Until those that are there at the start have been read: some 40 GB."""


@dataclass(slots=True)
class Lines:
    """What became of lines."""

    read: int = 0  # that said something
    skipped: int = 0  # headings, comments, events that concern nobody
    bad: int = 0


class Tail:
    """One file and its successors of the same name.

    Args:
        path: where it is, or will be.
        hide: what is shown of a subscriber.
        most: of a file that is there at the start, only so many bytes at its end are read.
    """

    def __init__(self, path: Path, hide: Callable[[str], str], most: int) -> None:
        self.path = path
        self.lines = Lines()
        self.fault = ""  # why it cannot be read now
        self.first_bad = ""  # number and fault of the first bad line
        self.behind = 0  # bytes that are there and not yet read
        self._reader = LineReader(hide)
        self._most = most
        self._file = -1
        self._identity = (0, 0)
        self._at = 0
        self._partial = b""
        self._too_long = False  # the beginning of the line was given up

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file, self.behind = -1, 0

    def turn(self, budget: int) -> Iterator[Change]:
        """Read on, ``budget`` bytes at most."""
        try:
            if self._file < 0 and not self._open():
                return
            while budget > 0:
                data = self._next(min(PIECE, budget))
                if data:
                    budget -= len(data)
                    yield from self._split(data)
                elif not self._is_replaced():
                    break
                else:
                    yield from self._split(b"\n" if self._partial or self._too_long else b"")
                    self.close()
                    if not self._open():
                        break
            self.behind = max(os.fstat(self._file).st_size - self._at, 0) if self._file >= 0 else 0
        except OSError as error:
            self.fault = printable(error.strerror)
            self.close()

    def _open(self) -> bool:
        """Open the file that has the name now; whether there is one that can be read."""
        try:
            self._file = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            self.fault = printable(error.strerror)
            return False
        found = os.fstat(self._file)
        if not stat.S_ISREG(found.st_mode):
            self.fault = "is no regular file"
            self.close()
            return False
        self.fault = ""
        self._identity, self._at = (found.st_dev, found.st_ino), 0
        self._partial, self._too_long = b"", False
        if self._most and found.st_size > self._most:
            self._read_headings()
            self._at, self._too_long = found.st_size - self._most, True
        self._most = 0  # files that come later are read whole
        return True

    def _read_headings(self) -> None:
        line, end, _ = os.pread(self._file, MAX_LINE, 0).partition(b"\n")
        if end:
            with contextlib.suppress(ValueError):
                self._reader.read(line)

    def _next(self, size: int) -> bytes:
        data = os.pread(self._file, size, self._at)
        if not data and os.fstat(self._file).st_size < self._at:  # cut: it begins anew
            self._at, self._partial, self._too_long = 0, b"", False
            data = os.pread(self._file, size, 0)
        self._at += len(data)
        return data

    def _is_replaced(self) -> bool:
        """Whether the name belongs to another file now."""
        try:
            found = self.path.stat()
        except OSError:
            return False  # between two files: the old one may still be written to
        return (found.st_dev, found.st_ino) != self._identity

    def _split(self, data: bytes) -> Iterator[Change]:
        *whole, self._partial = (self._partial + data).split(b"\n")
        for line in whole:
            if self._too_long:
                self._too_long = False
            else:
                yield from self._read(line)
        if len(self._partial) > MAX_LINE:
            self._partial = b""
            if not self._too_long:
                self._too_long = True
                self._complain(f"has more than {MAX_LINE} bytes")

    def _read(self, line: bytes) -> Iterator[Change]:
        try:
            change = self._reader.read(line)
        except ValueError as error:
            self._complain(str(error))
            return
        if change is None:
            self.lines.skipped += 1
        else:
            self.lines.read += 1
            yield change

    def _complain(self, what: str) -> None:
        self.lines.bad += 1
        self.first_bad = self.first_bad or printable(what)


class Tails:
    """All files of mappings, in turns."""

    def __init__(self, paths: Sequence[Path], hide: Callable[[str], str], most: int) -> None:
        """Prepare; see :class:`Tail`."""
        self.tails = [Tail(path, hide, most) for path in paths]

    def turn(self, budget: int = TURN) -> list[Change]:
        """Read on in each; one that has much to tell does not keep the others from it."""
        if not self.tails:
            return []
        share = max(budget // len(self.tails), 1)
        return [change for tail in self.tails for change in tail.turn(share)]

    def load(self) -> Iterator[list[Change]]:
        """Read everything that is there now, turn by turn."""
        for _ in range(MAX_TURNS):
            yield self.turn()
            if not self.behind:
                return

    def close(self) -> None:
        """Let go of all files."""
        for tail in self.tails:
            tail.close()

    @property
    def lines(self) -> Lines:
        """What became of the lines of all files."""
        each = [tail.lines for tail in self.tails]
        return Lines(*(sum(getattr(one, name) for one in each) for name in ("read", "skipped", "bad")))

    @property
    def behind(self) -> int:
        """Bytes that are there and not yet read."""
        return sum(tail.behind for tail in self.tails)

    @property
    def unreadable(self) -> int:
        """Files that cannot be read now."""
        return sum(bool(tail.fault) for tail in self.tails)
