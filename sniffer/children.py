"""What a process and those that it starts have in common: frames on the socket between them, and why one ended.

In: bodies of records, streams of bytes, exit statuses.  Out: frames (a length of four bytes, then the body), and back; words.
Never: a frame beyond its limit.
"""

from __future__ import annotations

import contextlib
import signal
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

MAX_FRAME: Final = 64 << 20
HEAD: Final = struct.Struct("<I")


def framed(body: bytes) -> bytes:
    """One record, ready for the socket.

    Raises:
        ValueError: it is longer than :data:`MAX_FRAME`.
    """
    if len(body) > MAX_FRAME:
        raise ValueError(f"a record of {len(body)} bytes")
    return HEAD.pack(len(body)) + body


def _size(head: bytes | bytearray) -> int:
    size = int(HEAD.unpack_from(head)[0])
    if size > MAX_FRAME:
        raise ValueError(f"a frame of {size} bytes")
    return size


class Unframer:
    """Cuts a stream of bytes into the bodies of its frames."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes; yield the bodies that are complete.  What is not asked for stays for the next call.

        Raises:
            ValueError: a frame longer than :data:`MAX_FRAME`: the other side is not what we think it is.
        """
        self._bytes += data
        while len(self._bytes) >= HEAD.size:
            end = HEAD.size + _size(self._bytes)
            if len(self._bytes) < end:
                return
            body = bytes(self._bytes[HEAD.size : end])
            del self._bytes[:end]
            yield body


def receive(sock: socket.socket) -> bytearray | None:
    """Wait for one frame on a blocking socket; return its body, or None where the stream ends before it is whole.

    Raises:
        ValueError: a frame longer than :data:`MAX_FRAME`.
        OSError: the socket fails.
    """
    head = _fill(sock, HEAD.size)
    return None if head is None else _fill(sock, _size(head))


def _fill(sock: socket.socket, size: int) -> bytearray | None:
    out = bytearray(size)
    rest = memoryview(out)
    while rest:
        got = sock.recv_into(rest)
        if not got:
            return None
        rest = rest[got:]
    return out


def describe(status: int) -> str:
    """Why a process ended, in words."""
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"
