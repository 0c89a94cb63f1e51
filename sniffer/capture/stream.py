"""Bytes of a capture file in order: a file, a pipe, standard input, plain or packed with gzip.

In: a path, or ``-`` for standard input.  Out: bytes, a piece at a time, into the caller's memory.
Never: more memory for a larger file; a file that unpacks without bound.
"""

from __future__ import annotations

import os
import stat
import zlib
from typing import TYPE_CHECKING, Final, Protocol

from sniffer.capture.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable

GZIP: Final = b"\x1f\x8b"
OTHER_PACKINGS: Final = {
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -dc"),
    b"\xfd7zX": ("xz", "xz -dc"),
    b"\x04\x22\x4d\x18": ("lz4", "lz4 -dc"),
    b"BZh": ("bzip2", "bzip2 -dc"),
    b"PK\x03\x04": ("zip", "unzip -p"),
    b"\x1f\x9d": ("compress", "uncompress -c"),
}
"""First bytes of a packed file, what packed it, and what unpacks it."""

MAX_RATIO: Final = 500
RATIO_FLOOR: Final = 64 << 20
"""At most 500 bytes may come out of one, once 64 MiB have come out.

Deflate cannot exceed 1032:1.  Every record's time differs, which costs some bytes: packets of 1500 zero bytes
reach about 200:1, a flood of small equal ones 20:1, ordinary traffic 3:1.
"""
PIECE: Final = 256 << 10


class Stream(Protocol):
    """Bytes in order."""

    def readinto(self, memory: memoryview) -> int:
        """Fill some of ``memory``; return how many bytes, 0 at the end."""


class File:
    """Bytes of a file, pipe or standard input as they are.

    Raises:
        Fault: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = -1
        self._peeked = b""
        try:
            if path == "-":
                self._descriptor = os.dup(0)
            else:
                self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            found = os.fstat(self._descriptor)
        except (FileNotFoundError, NotADirectoryError):
            raise Fault("missing") from None
        except PermissionError:
            raise Fault("permission") from None
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
            self.close()
            raise Fault("unreadable", getattr(error, "strerror", None) or error) from None
        if stat.S_ISDIR(found.st_mode):
            self.close()
            raise Fault("directory")
        self.size = found.st_size if stat.S_ISREG(found.st_mode) else 0
        self.position = 0

    def peek(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer at the end, without taking them."""
        while len(self._peeked) < size:
            piece = bytearray(size - len(self._peeked))
            count = self._read([piece])
            if not count:
                break
            self._peeked += piece[:count]
        return self._peeked[:size]

    def readinto(self, memory: memoryview) -> int:
        """Fill some of ``memory``."""
        if self._peeked:
            count = min(len(self._peeked), len(memory))
            memory[:count] = self._peeked[:count]
            self._peeked = self._peeked[count:]
        else:
            count = self._read([memory])
        self.position += count
        return count

    def _read(self, memory: Iterable[bytearray | memoryview]) -> int:
        try:
            return os.readv(self._descriptor, list(memory))
        except OSError as error:
            raise Fault("unreadable", error.strerror) from None

    def close(self) -> None:
        """Close the file; harmless when repeated."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


class Gunzip:
    """Bytes of a gzip stream, of several members if need be (RFC 1952), within :data:`MAX_RATIO`."""

    def __init__(self, packed: Stream) -> None:
        self._packed = packed
        self._piece = memoryview(bytearray(PIECE))
        self._zlib = zlib.decompressobj(31)
        self._rest = b""
        self._taken = self._given = 0
        self._broken: Fault | None = None  # found, and still to be told

    def readinto(self, memory: memoryview) -> int:
        """Fill some of ``memory``.

        Raises:
            Fault: the data are cut, damaged, or unpack without bound.
        """
        if self._broken:
            raise self._broken
        while True:
            if self._zlib.eof and not self._next_member():
                return 0
            if not self._rest:
                self._rest = self._more()
            ended = not self._rest
            before = self._zlib.copy()
            try:
                out = self._zlib.decompress(self._rest, min(len(memory), 4 * PIECE))
            except zlib.error as error:
                self._broken = Fault("gzip_broken", str(error).rpartition(": ")[2])
                out = salvage(before, self._rest)[: len(memory)]
                if not out:
                    raise self._broken from None
            self._rest = self._zlib.unconsumed_tail
            if out:
                self._given += len(out)
                if self._given > RATIO_FLOOR and self._given > MAX_RATIO * self._taken:
                    raise Fault("gzip_ratio", MAX_RATIO)
                memory[: len(out)] = out
                return len(out)
            if ended and not self._zlib.eof:
                raise Fault("gzip_cut")

    def _next_member(self) -> bool:
        """Begin the member behind the one that ended; False when nothing but padding follows."""
        rest = self._zlib.unused_data.lstrip(b"\0")
        while not rest:
            piece = self._more()
            if not piece:
                return False
            rest = piece.lstrip(b"\0")
        if not rest.startswith(GZIP[: len(rest)]):
            raise Fault("gzip_broken", "other data follow")
        self._zlib, self._rest = zlib.decompressobj(31), rest
        return True

    def _more(self) -> bytes:
        count = self._packed.readinto(self._piece)
        self._taken += count
        return bytes(self._piece[:count])


def salvage(unpacker: zlib._Decompress, data: bytes) -> bytes:
    """Unpack up to the byte at which ``data`` is damaged; zlib keeps what it made in a call that fails to itself.

    ``unpacker`` is in the state before the call that failed, which bounds what comes out as that call was bounded.
    """
    out = bytearray()
    try:
        for at in range(len(data)):
            out += unpacker.decompress(data[at : at + 1])
    except zlib.error:
        pass
    return bytes(out)
