"""HTTP/1: who is asked for what, and the few bodies in which mining may stand (protocols.md, sections 5.2 and 6).

In: bytes of one direction, in order.  Out: facts.
Never: a body that does not open like JSON; a search in one.

Requests and responses follow one another for as long as the connection lives.  Where a message tells nothing of
mining, the flow is called ordinary, and whoever feeds this reader may stop until the next message begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sniffer.addresses import is_address
from sniffer.model import Data
from sniffer.oddities import Oddities
from sniffer.protocols import http_head
from sniffer.protocols.dialects import HTTP_DIALECTS
from sniffer.protocols.http_body import Body, BrokenBodyError
from sniffer.protocols.json_text import methods, parse, skim
from sniffer.protocols.reader import Exchange, Fit, Reader

if TYPE_CHECKING:
    from sniffer.model import Facts, Value
    from sniffer.protocols.messages import Head
    from sniffer.protocols.reader import Start

MAX_EAGER: Final = 4  # attempts to read a body that ends only with the connection
MAX_QUIET: Final = 64  # messages that tell nothing, behind one that told little
MAX_SKIM: Final = 4_096  # of a body that is too long
MAX_LOST: Final = 256  # segments in which no head begins, behind a gap
SWITCHING: Final = 101


def opening_words(start: Start | Reader) -> tuple[bytes, ...]:
    """What a message of one side may begin with; in the bodies of one side stands what the other side sends."""
    asker = start.channel.asker
    if asker < 0:
        return (*http_head.VERBS, http_head.STATUS)
    return http_head.VERBS if asker == start.side else (http_head.STATUS,)


class Http(Reader):
    """Reads requests, or responses."""

    __slots__ = ("_body", "_buffer", "_eager", "_head", "_lost", "_quiet", "_was_read")

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._buffer = bytearray()  # in front of a head or of a body
        self._head: Head | None = None  # of the message that is being read
        self._body: Body | None = None
        self._was_read = False  # its body
        self._eager = 0
        self._quiet = 0
        self._lost = 0  # segments since a gap in which no head began; 0: there was no gap

    @classmethod
    def probe(cls, head: bytes, start: Start) -> Fit:
        """A request line, or a status line, from the side that sends such."""
        text = head.lstrip(b"\r\n")
        if not text:
            return Fit.MORE
        words = opening_words(start)
        if text.startswith(words):
            return Fit.YES
        return Fit.MORE if any(word.startswith(text) for word in words) else Fit.NO

    def feed(self, chunk: Data) -> list[Facts]:
        """Read what came."""
        if self._lost:
            if not chunk.data.startswith(opening_words(self)):
                self._lost += 1
                return self.finish() if self._lost > MAX_LOST else []
            self._lost = 0
        self._buffer += chunk.data
        out: list[Facts] = []
        try:
            while self._buffer and not self.finished:
                if not (self._read_body(chunk, out) if self._body else self._read_head(chunk, out)):
                    break
        except BrokenBodyError:
            self.channel.oddities.count("http_malformed")
            self.finish()
        return out

    # ── heads ────────────────────────────────────────────────────────────────────────────────────────────

    def _read_head(self, chunk: Data, out: list[Facts]) -> bool:
        """Read the head in front; False: it is not whole."""
        blank = len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))
        del self._buffer[:blank]
        found = http_head.read(self._buffer)
        if found is None:
            return False
        head, end = found
        if head is http_head.MALFORMED:
            self.channel.oddities.count(
                "http_limit" if len(self._buffer) >= http_head.MAX_HEAD else "http_malformed"
            )
            self.finish()
            return False
        del self._buffer[:end]
        self._head, self._was_read, self._eager = head, False, 0
        asked = self._request(head, chunk, out) if head.verb else self._response(head)
        if self.finished or 0 < head.status < 200:
            return True  # behind an interim response comes the one that counts
        self._body = Body(head, self.channel.oddities, is_empty=asked is not None and asked.verb == "HEAD")
        if self._body.complete:
            self._take_body(chunk, out)
        return True

    def _request(self, head: Head, chunk: Data, out: list[Facts]) -> Head | None:
        channel = self.channel
        channel.requests.append(head)
        channel.asker = self.side
        values: dict[str, Value] = {"http.method": head.verb}
        host = http_head.host(head)
        if host:
            values["http.host"] = host
            channel.is_named = channel.is_named or not is_address(host)
        agent = head.fields.get("user-agent")
        if agent:
            values["http.user_agent"] = agent
        out.append(self.name("pool-http", head.verb, values, chunk))
        if "websocket" in head.fields.get("upgrade", "").lower():
            channel.upgrade = Exchange.ASKED
            self.finish(bytes(self._buffer))
        return None

    def _response(self, head: Head) -> Head | None:
        """The request that a response belongs to, if it was seen."""
        channel = self.channel
        channel.asker = 1 - self.side
        if head.status == SWITCHING:
            channel.upgrade = Exchange.AGREED
            channel.deflates = head.fields.get("sec-websocket-extensions", "").lower()
            self.finish(bytes(self._buffer))
            return None
        if head.status < 200:
            return None
        if channel.upgrade is Exchange.ASKED:
            channel.upgrade = Exchange.NONE
        return channel.requests.popleft() if channel.requests else None

    # ── bodies ───────────────────────────────────────────────────────────────────────────────────────────

    def _read_body(self, chunk: Data, out: list[Facts]) -> bool:
        """Give the body what is its; False: it wants more."""
        body = self._body
        if body is None:
            return True
        del self._buffer[: body.feed(bytes(self._buffer))]
        if body.complete:
            self._take_body(chunk, out)
            return True
        if not self._was_read:
            if body.opening not in (b"", b"{", b"["):
                self._judge_body(chunk, out, b"")
            elif body.is_long:
                self._judge_body(chunk, out, body.text())
            elif body.until_close and body.opening and self._eager < MAX_EAGER:
                self._read_early(chunk, out, body.text().strip())
        return False

    def _read_early(self, chunk: Data, out: list[Facts], text: bytes) -> None:
        """A body that ends with the connection is read as soon as it is a whole JSON text."""
        if text[-1:] in (b"}", b"]") and text.count(b"{") <= text.count(b"}"):
            self._eager += 1
            if parse(text, Oddities()) is not None:  # a guess: not an oddity yet
                self._judge_body(chunk, out, text)

    def _take_body(self, chunk: Data, out: list[Facts]) -> None:
        body, self._body = self._body, None
        if body is not None and not self._was_read:
            self._judge_body(chunk, out, body.text(), cut=body.is_long)

    def _judge_body(self, chunk: Data, out: list[Facts], text: bytes, *, cut: bool | None = None) -> None:
        """Read a message, its body or else its head; call the flow ordinary if it tells nothing."""
        body = self._body
        self._was_read = True
        session = self.channel.session
        signs = session.signs
        origin = self.origin(chunk, len(self._buffer), self._head)
        cut = body.is_long if cut is None and body else bool(cut)
        if body is not None:
            body.drop()
        text = text.strip()
        found: list[Facts] = []
        if text[:1] in (b"{", b"["):
            document: Any = skim(text[:MAX_SKIM], b"") if cut else parse(text, self.channel.oddities)
            names: list[str] = []
            if isinstance(document, dict):
                names = [document["method"]] if cut and isinstance(document.get("method"), str) else []
                names = names or methods(text, document)
            if document is not None:
                found = session.read(document, names, origin, HTTP_DIALECTS, cut=cut)
        if not found and session.signs == signs:
            found = session.read_head(origin, HTTP_DIALECTS)
        out += found
        self._quiet = 0 if found else self._quiet + 1
        if not session.identified and (not session.signs or self._quiet > MAX_QUIET):
            self.channel.is_ordinary = True

    def lose(self) -> None:
        """Drop what was begun; go on where a segment begins with a head."""
        self._buffer.clear()
        self._body = None
        self._lost = 1

    def end(self, time: int) -> list[Facts]:
        """Read a body that ends with the connection."""
        out: list[Facts] = []
        if self._body and self._body.until_close and not self._was_read:
            self._take_body(Data(self.side, b"", time, -1), out)
        return out

    @property
    def held(self) -> int:
        """Bytes of an unfinished head or body."""
        return len(self._buffer) + (self._body.held if self._body else 0)
