"""A window over the bytes of a file, a pipe or a gzip stream.

In: a path, or ``-`` for standard input.  Out: the same few MiB of memory, refilled again and again.
Never: the whole file; a memory map, whose pages vanish under the reader when somebody cuts the file.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import zlib
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from sniffer.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

GZIP: Final = b"\x1f\x8b"
OTHER_COMPRESSIONS: Final = {
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -dc"),
    b"\xfd7zXZ": ("xz", "xz -dc"),
    b"BZh": ("bzip2", "bzip2 -dc"),
    b"\x04\x22\x4d\x18": ("lz4", "lz4 -dc"),
    b"PK\x03\x04": ("zip", "unzip -p"),
}
MAX_RATIO: Final = 200  # a capture of nothing but zeros reaches 1 000; real ones stay under 30
RATIO_FLOOR: Final = 64 << 20  # bytes that may come out before the ratio counts
PIECE: Final = 256 << 10


class Fault(Exception):  # noqa: N818: turned into an InputError where file and record are known
    """A fault of the bytes themselves: ``code``, a sentence, a remedy."""

    def __init__(self, code: str, sentence: str, remedy: str = "") -> None:
        super().__init__(f"{code} {sentence}")
        self.code, self.sentence, self.remedy = code, sentence, remedy


class Bytes(Protocol):
    """Anything that fills memory."""

    def readinto(self, memory: memoryview) -> int:
        """Fill some of ``memory``; 0 at the end."""


class Plain:
    """Bytes of a file descriptor as they are."""

    def __init__(self, descriptor: int, begun: bytes) -> None:
        self._descriptor = descriptor
        self._begun = begun

    def readinto(self, memory: memoryview) -> int:
        """Fill some of ``memory``."""
        if self._begun:
            size = min(len(self._begun), len(memory))
            memory[:size] = self._begun[:size]
            self._begun = self._begun[size:]
            return size
        return os.readv(self._descriptor, [memory])


class Gunzip:
    """Bytes of a gzip stream, of several members if need be, within a bound on what may come out of little."""

    def __init__(self, inner: Plain) -> None:
        self._inner = inner
        self._memory = memoryview(bytearray(PIECE))
        self._zlib = zlib.decompressobj(31)
        self._rest = b""
        self._taken = self._given = 0
        self._ended = False

    def readinto(self, memory: memoryview) -> int:
        """Fill some of ``memory``."""
        while True:
            if self._zlib.eof:
                self._rest = self._zlib.unused_data or self._read()
                if not self._rest or not self._rest.startswith(GZIP[: len(self._rest)]):
                    return 0  # padding behind the last member
                self._zlib = zlib.decompressobj(31)
            elif not self._rest:
                self._rest = self._read()
            ended = not self._rest
            try:
                out = self._zlib.decompress(self._rest, len(memory))
            except zlib.error as error:
                raise Fault("gzip_broken", f"the gzip data are damaged ({error})") from error
            self._rest = self._zlib.unconsumed_tail
            if out:
                self._given += len(out)
                if self._given > RATIO_FLOOR and self._given > MAX_RATIO * self._taken:
                    raise Fault("gzip_ratio", f"gzip data unpack to more than {MAX_RATIO} times their size", "unpack it first")
                memory[: len(out)] = out
                return len(out)
            if ended:
                raise Fault("gzip_cut", "the gzip data end early")

    def _read(self) -> bytes:
        size = self._inner.readinto(self._memory)
        self._taken += size
        return bytes(self._memory[:size])


class Window:
    """A piece of the stream in memory: ``data[at:end]`` is unread, the rest of the stream follows."""

    def __init__(self, path: str, size: int) -> None:
        """Open a file; raise InputError when it cannot be."""
        self.path = path
        self._descriptor = open_file(path)
        found = os.fstat(self._descriptor)
        self.size = found.st_size if stat.S_ISREG(found.st_mode) else 0
        self.data: NDArray[np.uint8] = np.zeros(size, dtype=np.uint8)
        self._memory = memoryview(self.data)  # type: ignore[arg-type]
        self.at = self.end = 0
        self.offset = 0  # of data[0] in the (unpacked) stream
        self.ended = False
        begun = os.read(self._descriptor, 8)
        while 0 < len(begun) < 8:  # a pipe may give less
            more = os.read(self._descriptor, 8 - len(begun))
            if not more:
                break
            begun += more
        plain = Plain(self._descriptor, begun)
        self.packed = begun.startswith(GZIP)  # positions are those of the unpacked stream
        self._bytes: Bytes = Gunzip(plain) if self.packed else plain

    @property
    def position(self) -> int:
        """Offset of the next unread byte in the (unpacked) stream."""
        return self.offset + self.at

    @property
    def consumed(self) -> int:
        """Bytes of the file itself that were read, for progress."""
        try:
            return os.lseek(self._descriptor, 0, os.SEEK_CUR)
        except OSError:
            return self.position

    def need(self, size: int) -> bool:
        """Have at least ``size`` unread bytes in memory; False when the stream ends before."""
        while self.end - self.at < size and not self.ended:
            self.refill()
        return self.end - self.at >= size

    def refill(self) -> None:
        """Move what is unread to the front and read on behind it."""
        left = self.end - self.at
        if self.at:
            self.data[:left] = self.data[self.at : self.end].copy()
            self.offset += self.at
            self.at, self.end = 0, left
        if self.end == len(self.data):
            return
        try:
            size = self._bytes.readinto(self._memory[self.end :])
        except OSError as error:
            raise Fault("read_error", f"cannot be read any further ({error.strerror})", "check the disk") from error
        self.ended = size == 0
        self.end += size

    def take(self, size: int) -> bytes:
        """Read ``size`` bytes that are in memory."""
        out = self.data[self.at : self.at + size].tobytes()
        self.at += size
        return out

    def skip(self, size: int) -> bool:
        """Step over ``size`` bytes without keeping them; False when the stream ends before."""
        while size > 0:
            step = min(size, self.end - self.at)
            self.at += step
            size -= step
            if size:
                if self.ended:
                    return False
                self.refill()
        return True

    def close(self) -> None:
        """Close the file."""
        if self._descriptor > 2:
            os.close(self._descriptor)
        self._descriptor = -1


def open_file(path: str) -> int:
    """Open a capture file for reading, or say why not."""
    if path == "-":
        return sys.stdin.fileno()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise IsADirectoryError(errno.EISDIR, "is a directory")
    except FileNotFoundError:
        raise InputError("missing: no such file", where=path, remedy="check the name") from None
    except IsADirectoryError:
        raise InputError("directory: not a file", where=path, remedy="name the files in it") from None
    except PermissionError:
        raise InputError("permission: may not be read", where=path, remedy="check its mode, or run as its owner") from None
    except OSError as error:
        raise InputError(f"read_error: cannot be opened ({error.strerror})", where=path, remedy="check the path") from None
    return descriptor
