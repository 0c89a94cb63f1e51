"""Bodies of HTTP/1 messages (RFC 9112, sections 6 and 7), kept as far as they are worth reading.

In: bytes behind a head.  Out: how many belong to the body; its text, decompressed, when it is whole.
Never: more than MAX_BODY bytes kept; more than one layer of compression.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sniffer.protocols.inflate import inflate_whole

if TYPE_CHECKING:
    from sniffer.oddities import Oddities
    from sniffer.protocols.messages import Head

MAX_BODY: Final = 65_536
MAX_SIZE_LINE: Final = 256
MAX_TRAILERS: Final = 2_048
LENGTH = re.compile(r"[0-9]{1,18}")
CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
UNTIL_CLOSE: Final = -1
PLAIN: Final = ("", "identity")
COMPRESSED: Final = ("gzip", "x-gzip", "deflate")


class BrokenBodyError(Exception):
    """The framing contradicts itself."""


class Body:
    """Takes the bytes of one body."""

    __slots__ = ("_chunked", "_encoding", "_kept", "_left", "_line", "_oddities", "complete", "is_long")

    def __init__(self, head: Head, oddities: Oddities, *, is_empty: bool = False) -> None:
        """Begin a body.

        Args:
            head: of its message.
            oddities: counts what is wrong with it.
            is_empty: whatever the head says, nothing follows (an answer to HEAD).

        Raises:
            BrokenBodyError: the head gives a length that is none.
        """
        self._oddities = oddities
        self._kept = bytearray()
        self._line = b""  # of a size or a trailer that is not whole
        self._encoding = head.fields.get("content-encoding", "").strip().lower()
        self._chunked = "chunked" in head.fields.get("transfer-encoding", "").lower()
        self._left = 0
        self.is_long = False  # too long to keep: the text is its first bytes
        length = head.fields.get("content-length")
        without = is_empty or (not head.verb and (head.status < 200 or head.status in (204, 304)))
        self.complete = False
        if without:
            self.complete, self._chunked = True, False
        elif self._chunked:
            pass
        elif length is not None:
            if not LENGTH.fullmatch(length):
                raise BrokenBodyError
            self._left = int(length)
            self.complete = not self._left
        elif head.verb:
            self.complete = True
        else:
            self._left = UNTIL_CLOSE

    @property
    def until_close(self) -> bool:
        """Whether the body ends only with the connection."""
        return self._left == UNTIL_CLOSE and not self._chunked

    def feed(self, data: bytes) -> int:
        """Take what belongs to the body and return how much that is.

        Raises:
            BrokenBodyError: sizes of chunks cannot be read.
        """
        if self._chunked:
            return self._feed_chunks(data)
        taken = len(data) if self._left == UNTIL_CLOSE else min(self._left, len(data))
        self._keep(data[:taken])
        if self._left != UNTIL_CLOSE:
            self._left -= taken
            self.complete = not self._left
        return taken

    def _feed_chunks(self, data: bytes) -> int:
        at = 0
        while at < len(data) and not self.complete:
            if self._left > 0:
                taken = min(self._left, len(data) - at)
                self._keep(data[at : at + taken])
                self._left -= taken
                at += taken
                continue
            end = data.find(b"\n", at)
            piece = data[at:] if end < 0 else data[at : end + 1]
            self._line += piece
            at += len(piece)
            if len(self._line) > (MAX_TRAILERS if self._left == UNTIL_CLOSE else MAX_SIZE_LINE):
                raise BrokenBodyError
            if end >= 0:
                self._take_line()
        return at

    def _take_line(self) -> None:
        """A line between chunks: the end of the one before, a size, or behind the last chunk a trailer."""
        line, self._line = self._line, b""
        if self._left == UNTIL_CLOSE:  # behind the last chunk: trailers up to an empty line
            self.complete = not line.strip()
            return
        if not line.strip():
            return
        size = CHUNK.fullmatch(line)
        if size is None:
            raise BrokenBodyError
        self._left = int(size.group(1), 16) or UNTIL_CLOSE

    def _keep(self, piece: bytes) -> None:
        if not self.is_long:
            self._kept += piece[: MAX_BODY + 1 - len(self._kept)]
            self.is_long = len(self._kept) > MAX_BODY

    def drop(self) -> None:
        """Keep nothing, now or later: whoever asked has seen enough."""
        self._kept.clear()
        self.is_long = True

    @property
    def opening(self) -> bytes:
        """The first byte that is not white space, of a body that is not compressed."""
        return bytes(self._kept[:64]).lstrip()[:1] if self._encoding in PLAIN else b""

    def text(self) -> bytes:
        """The body without its compression; empty where it cannot be read."""
        if self._encoding in PLAIN:
            return bytes(self._kept)
        if self._encoding not in COMPRESSED or self.is_long:
            return b""
        found = inflate_whole(bytes(self._kept), MAX_BODY)
        if found is None:
            self._oddities.count("inflate_failed")
            return b""
        return found

    @property
    def held(self) -> int:
        """Bytes kept."""
        return len(self._kept) + len(self._line)
