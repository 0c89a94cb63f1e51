"""Mining dialects in lines of JSON, and the binary frames of BTCAgent between them.

In: bytes of one direction, in order.  Out: facts.
Never: a stream that only quotes JSON: its first whole line must be JSON, or nothing of it is read.

Joined in the middle of a line, the rest of it is dropped.  Such a rest closes more brackets than it opens, and behind
it comes JSON; a protocol that quotes JSON (Redis, mail, a log) looks different.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from sniffer.model import Data
from sniffer.oddities import Oddities
from sniffer.protocols import btcagent, http_head
from sniffer.protocols.dialects import LINE_DIALECTS
from sniffer.protocols.json_text import BLANK, MAX_TEXT, methods, parse, skim
from sniffer.protocols.lines import LineBuffer
from sniffer.protocols.reader import Fit, Reader

if TYPE_CHECKING:
    from sniffer.model import Alternative, Facts
    from sniffer.protocols.reader import Start

MAX_FOREIGN_LINES: Final = 64  # JSON lines that are not mining, before a flow is given up
MAX_BROKEN_LINES: Final = 3
RECENT_LINES: Final = 32  # remembered, to know which lines of another reading are the same
MAX_EAGER: Final = 4  # attempts to read a line that has no end yet
MAX_FRAMES: Final = 8  # looked ahead, to be sure of a frame in the middle of a stream
IGNORED: Final = (
    BLANK + b"\0"
)  # around messages: line ends, a keep-alive byte, the end of an answer of cgminer
OPENERS: Final = b"{["
CONTROLS = bytes(byte for byte in range(0x20) if byte not in BLANK)


class JsonLines(Reader):
    """Reads lines."""

    __slots__ = ("_broken", "_eager", "_foreign", "_frame", "_lines", "_recent", "_sure", "_tail")

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._lines = LineBuffer(start.channel.oddities)
        self._frame = b""  # the beginning of a binary frame
        self._tail = self.midway  # the first bytes may be the rest of a line
        self._sure = False  # a line was read: this is what it seems
        self._foreign = 0
        self._broken = 0
        self._eager = 0
        self._recent: deque[int] = deque(maxlen=RECENT_LINES)

    @classmethod
    def probe(cls, head: bytes, start: Start) -> Fit:
        """JSON, or a frame of BTCAgent; in the middle of a stream also the rest of a line in front of that."""
        text = head.lstrip(IGNORED)
        if not text:
            return Fit.MORE
        if text[0] in OPENERS:
            return Fit.YES
        if text[0] == btcagent.MAGIC and (fit := probe_frames(text, midway=start.midway)) is not Fit.NO:
            return fit
        return probe_tail(head) if start.midway else Fit.NO

    def feed(self, chunk: Data) -> list[Facts]:
        """Read what came."""
        if self._tail:
            self._tail = False
            first = chunk.data.lstrip(IGNORED)[:1]
            if first not in (b"{", b"[", b"\x7f"):
                chunk = replace(chunk, data=chunk.data.partition(b"\n")[2])
        data = chunk.data
        if self._frame or b"\x7f" in data:
            return self._feed_mixed(chunk)
        return self._feed_lines(chunk)

    def _feed_mixed(self, chunk: Data) -> list[Facts]:
        """Read lines and binary frames; a frame can only begin where a line can."""
        data, self._frame = self._frame + chunk.data, b""
        out: list[Facts] = []
        at = 0
        while at < len(data) and not self.finished:
            begun = self._lines.unfinished.lstrip(IGNORED)
            known = self.channel.session.protocol == btcagent.FAMILY
            # What does not open like JSON is a frame that was torn by a gap: the next segment may begin with one.
            if data[at] == btcagent.MAGIC and (not begun or (known and begun[0] not in OPENERS)):
                length = btcagent.frame_length(data, at)
                if not length and known and not begun:
                    length = btcagent.foreign_length(data, at)
                if length == btcagent.MORE or at + length > len(data):
                    self._frame = data[at:]
                    break
                if length:
                    self._lines.restart()
                    reading = btcagent.read_frame(data[at : at + length], self.channel.session)
                    at += length
                    if reading:
                        origin = self.origin(chunk, len(data) - at)
                        out += self.channel.session.take(reading, origin)
                        self._sure = True
                    continue
            end = data.find(b"\n", at) + 1 or len(data)
            behind = len(data) - end
            out += self._feed_lines(
                Data(chunk.side, data[at:end], chunk.time, self.origin(chunk, behind).end)
            )
            at = end
        return out

    def _feed_lines(self, chunk: Data) -> list[Facts]:
        out: list[Facts] = []
        for line in self._lines.feed(chunk.data):
            self._eager = 0
            out += self._read_line(line.text, line.tail, chunk, line.behind)
            if self.finished:
                return out
        rest = self._lines.unfinished
        if (
            rest
            and self._eager < MAX_EAGER
            and rest.rstrip(IGNORED)[-1:] == b"}"
            and rest.count(b"{") <= rest.count(b"}")
        ):
            # Some programs write a message without a line end.
            self._eager += 1
            if parse(bytes(rest.strip(IGNORED)), Oddities()) is not None:  # a guess: not an oddity yet
                out += self._read_line(self._lines.take_unfinished(), None, chunk, 0)
        return out

    def _read_line(self, text: bytes, tail: bytes | None, chunk: Data, behind: int) -> list[Facts]:
        text = text.strip(IGNORED)
        if not text:
            return []
        session = self.channel.session
        if tail is not None:
            document: Any = skim(text, tail)
            names = [document["method"]] if isinstance(document.get("method"), str) else []
            readable = bool(document)
        else:
            document = parse(text, self.channel.oddities) if text[0] in OPENERS else None
            names = methods(text, document) if isinstance(document, dict) else []
            readable = document is not None
        if not readable:
            return self._refuse(text, chunk, behind)
        self._sure = True
        self._recent.append(hash(text))
        signs = session.signs
        out = session.read(document, names, self.origin(chunk, behind), LINE_DIALECTS, cut=tail is not None)
        if not out and session.signs == signs:
            self._foreign += 1
            if not session.identified and self._foreign > MAX_FOREIGN_LINES:
                self.finish()
        return out

    def _refuse(self, text: bytes, chunk: Data, behind: int) -> list[Facts]:
        """A line that is no JSON: give up a stream that has not shown any, or too many of these."""
        if self.channel.session.identified:
            return []
        self._broken += 1
        if self.midway and http_head.opens(text):
            # The body of an HTTP message came first: what follows is the next message.
            data = chunk.data
            return self.finish(text + b"\n" + data[len(data) - behind :])
        is_rest = self.midway and self._broken == 1 and closes_more(text)
        if not (self._sure or is_rest) or self._broken >= MAX_BROKEN_LINES:
            self.finish()
        return []

    def read_alternative(self, chunk: Alternative) -> list[Facts]:
        """Read the lines of another reading of the same bytes, except those that both readings share."""
        out: list[Facts] = []
        guess = Oddities()  # what the other reading has not, must not end this one
        for text in (line.strip(IGNORED) for line in chunk.data.split(b"\n")):
            is_new = text[:1] in (b"{", b"[") and len(text) <= MAX_TEXT and hash(text) not in self._recent
            if is_new and parse(text, guess) is not None:
                out += self._read_line(text, None, Data(chunk.side, chunk.data, chunk.time, chunk.end), 0)
        return out

    def lose(self) -> None:
        """Drop what was begun, and everything up to the next line end."""
        self._frame = b""
        self._lines.lose()

    @property
    def held(self) -> int:
        """Bytes of an unfinished line or frame."""
        return len(self._lines.unfinished) + len(self._frame)


def probe_frames(head: bytes, *, midway: bool) -> Fit:
    """Whether frames of BTCAgent begin here; in the middle of a stream, more than one unless nothing follows it."""
    at = frames = 0
    while at < len(head) and frames < MAX_FRAMES:
        length = btcagent.frame_length(head, at)
        if length == btcagent.MORE or (length and at + length > len(head)):
            return Fit.YES if frames > midway else Fit.MORE
        if not length:
            return Fit.YES if frames and head[at] in OPENERS else Fit.NO
        at += length
        frames += 1
    return Fit.YES


def probe_tail(head: bytes) -> Fit:
    """Whether the rest of a JSON line stands here, with JSON behind it."""
    tail, newline, rest = head.partition(b"\n")
    if not newline:
        return Fit.MORE if len(head) <= MAX_TEXT and is_text(head) else Fit.NO
    if not (is_text(tail) and closes_more(tail)):
        return Fit.NO
    following = rest.lstrip(IGNORED)
    if not following:
        return Fit.MORE
    if following[0] == btcagent.MAGIC:
        return probe_frames(following, midway=True)
    if following[0] not in OPENERS:
        return Fit.NO
    guess = Oddities()  # a guess: not an oddity yet
    whole = (line.strip(IGNORED) for line in following.split(b"\n")[:-1])
    return Fit.YES if all(parse(line, guess) is not None for line in whole if line) else Fit.NO


def is_text(data: bytes) -> bool:
    """Whether there are no control characters but white space."""
    return len(data.translate(None, CONTROLS)) == len(data)


def closes_more(line: bytes) -> bool:
    """Whether a line ends in a bracket and closes more of them than it opens: the rest of a JSON text."""
    line = line.rstrip(BLANK)
    closed, opened = line.count(b"}") + line.count(b"]"), line.count(b"{") + line.count(b"[")
    return line[-1:] in (b"}", b"]") and closed > opened
