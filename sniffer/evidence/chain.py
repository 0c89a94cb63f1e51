"""The list of all bundles there ever were: ``chain.jsonl``, to which lines are only added.

In: entries.  Out: lines on the disk, each tied to the one before it by a hash; the head that the next bundle continues.
Never: a line changed or taken away; half a line left behind.

A bundle's manifest has the SHA-256 of the manifest before it.  When a bundle is purged its line stays and one more says
who took it away and why, so that the links of the others can be followed across the gap.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from sniffer.replace import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME: Final = "chain.jsonl"
LOCK: Final = "lock"
NOTHING: Final = "0" * 64  # what the first of all continues
MAX_LINE: Final = 4_096


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line."""

    kind: Literal["bundle", "purged", "rebuilt"]
    time: str  # wall clock, UTC
    sequence: int = 0  # of the bundle, from 1
    bundle: str = ""  # its folder
    manifest: str = ""  # SHA-256 of its manifest
    previous: str = ""  # of the manifest before it
    reason: str = ""
    by: str = ""  # who purged it
    link: str = ""  # SHA-256 of the link of the line before this one and of this line with an empty link


_decoder = msgspec.json.Decoder(Entry)


def sha256(data: bytes) -> str:
    """A digest as it is written everywhere here."""
    return hashlib.sha256(data).hexdigest()


def decode(line: bytes) -> Entry | None:
    """The entry of a line; None: it is none."""
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def encode(entry: Entry) -> bytes:
    """The line of an entry."""
    return msgspec.json.encode(entry) + b"\n"


def link_of(entry: Entry, before: str) -> str:
    """What ties an entry to the line before it, whose link is ``before``."""
    return sha256(before.encode("ascii") + encode(msgspec.structs.replace(entry, link="")))


def read_lines(path: Path, start: int = 0) -> Iterator[bytes]:
    """Lines of a file from an offset on, with their ends; the last may have none.  A file that is not there has none.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            stream.seek(start)
            while line := stream.readline(MAX_LINE):
                yield line
    except FileNotFoundError:
        return


@contextlib.contextmanager
def locked(folder: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold the lock of a folder: nobody else adds or takes away meanwhile.

    Who only reads a copy that cannot be written, or has no lock, does without.
    """
    path = folder / LOCK
    try:
        descriptor = os.open(
            path, (os.O_RDWR | os.O_CREAT if exclusive else os.O_RDONLY) | os.O_CLOEXEC, 0o600
        )
    except OSError:
        if exclusive:
            raise
        yield
        return
    try:
        if exclusive:
            own(descriptor, folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def own(descriptor: int, folder: Path) -> None:
    """What root makes belongs to the owner of the folder, who has to go on writing it."""
    if os.geteuid() == 0:
        state, mine = folder.stat(), os.fstat(descriptor)
        if (state.st_uid, state.st_gid) != (mine.st_uid, mine.st_gid):
            with contextlib.suppress(OSError):
                os.fchown(descriptor, state.st_uid, state.st_gid)


@contextlib.contextmanager
def appending(path: Path) -> Iterator[int]:
    """A file of a folder of evidence, open at its end; made if it is not there, and never behind a link.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        own(descriptor, path.parent)
        yield descriptor
    finally:
        os.close(descriptor)


def write_whole(descriptor: int, data: bytes) -> None:
    """Write all of it, in as many pieces as the system takes.

    Raises:
        OSError: a part of it cannot be written.
    """
    done = 0
    while done < len(data):
        done += os.write(descriptor, data[done:])


class Chain:
    """The file, for whoever writes it; the caller holds the lock of the folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self.sequence = 0  # of the last bundle
        self.head = NOTHING  # SHA-256 of its manifest
        self.size = 0  # bytes
        self.purged: set[str] = set()  # bundles
        self._link = NOTHING

    def catch_up(self) -> bool:
        """Read what others have added; return whether somebody has purged.

        Raises:
            ValueError: a line is no entry, or the file has become shorter.
            OSError: it cannot be read.
        """
        purged = len(self.purged)
        if self._size_now() < self.size:
            raise ValueError("it has become shorter")
        for line in read_lines(self._path, self.size):
            if not line.endswith(b"\n"):
                self._cut(self.size)
                break
            entry = decode(line)
            if entry is None:
                raise ValueError("a line is no entry")
            self._take(entry, line)
        return len(self.purged) > purged

    def _size_now(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def _take(self, entry: Entry, line: bytes) -> None:
        if entry.kind == "bundle":
            self.sequence, self.head = entry.sequence, entry.manifest
        elif entry.kind == "purged":
            self.purged.add(entry.bundle)
        self.size += len(line)
        self._link = entry.link

    def add(self, entry: Entry) -> None:
        """Add a line, and have it on the disk.

        Raises:
            OSError: it cannot be written; the file is as it was.
        """
        entry = msgspec.structs.replace(entry, link=link_of(entry, self._link))
        line = encode(entry)
        with appending(self._path) as descriptor:
            try:
                write_whole(descriptor, line)
                os.fsync(descriptor)
                if not self.size:
                    sync_folder(self._path.parent)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, self.size)
                raise
        self._take(entry, line)

    def _cut(self, size: int) -> None:
        """Take half a line off the end: whoever wrote it was stopped."""
        os.truncate(self._path, size)
