"""Lines out of one direction of a stream.

In: bytes in order, gaps.  Out: whole lines, each with the number of bytes of the chunk that lie behind it.
Never: more than MAX_TEXT bytes kept, the same byte scanned twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from sniffer.protocols.json_text import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sniffer.oddities import Oddities

HEAD: Final = 2_048
TAIL: Final = 512


class Line(msgspec.Struct, frozen=True):
    """One line without its end.  Of a line longer than MAX_TEXT only the two ends are kept."""

    text: bytes  # the whole line, or its first HEAD bytes
    tail: bytes | None  # the last TAIL bytes of a long line, else None
    behind: int  # bytes of the chunk behind the line's end


class LineBuffer:
    """Cuts one direction into lines."""

    __slots__ = ("_head", "_oddities", "_tail", "skipping", "unfinished")

    def __init__(self, oddities: Oddities) -> None:
        self._oddities = oddities
        self.unfinished = (
            bytearray()
        )  # what has come of a line without an end yet; empty if it became too long
        self._head: bytes | None = None  # of a line that became too long
        self._tail = b""
        self.skipping = False  # the rest of a line whose beginning is missing

    def feed(self, data: bytes) -> Iterable[Line]:
        """Take bytes; the lines that they complete must be asked for before more is fed."""
        end = data.find(b"\n")
        begun = self.unfinished or self.skipping or self._head is not None
        if not begun and 0 <= end == len(data) - 1 <= MAX_TEXT:
            return (Line(data[:-1], None, 0),)  # as nearly always
        return self._cut(data, end)

    def _cut(self, data: bytes, end: int) -> Iterator[Line]:
        """The same for any bytes; ``end``: of the first line in them, -1 if none ends."""
        at = 0
        while end >= 0:
            piece = data[at:end]
            at = end + 1
            end = data.find(b"\n", at)
            if self.skipping:
                self.skipping = False
                continue
            if self._head is None and len(self.unfinished) + len(piece) <= MAX_TEXT:
                if self.unfinished:
                    self.unfinished += piece
                    piece = bytes(self.unfinished)
                    self.unfinished.clear()
                yield Line(piece, None, len(data) - at)
                continue
            self._lengthen(piece)
            head, tail = self._head or b"", self._tail
            self._head, self._tail = None, b""
            yield Line(head, tail, len(data) - at)
        if at < len(data) and not self.skipping:
            self._lengthen(data[at:])

    def _lengthen(self, piece: bytes) -> None:
        if self._head is None:
            if len(self.unfinished) + len(piece) <= MAX_TEXT:
                self.unfinished += piece
                return
            self._oddities.count("line_too_long")
            whole = bytes(self.unfinished) + piece
            self.unfinished.clear()
            self._head, self._tail = whole[:HEAD], whole[-TAIL:]
        else:
            self._tail = (self._tail + piece)[-TAIL:]

    def take_unfinished(self) -> bytes:
        """Treat what has come as a whole line; the rest, if any, is another."""
        line = bytes(self.unfinished)
        self.unfinished.clear()
        return line

    def restart(self) -> None:
        """A line begins here, whatever came before."""
        self.lose()
        self.skipping = False

    def lose(self) -> None:
        """Bytes are missing here: what was begun is dropped, and so is everything up to the next line end."""
        self.unfinished.clear()
        self._head, self._tail = None, b""
        self.skipping = True
