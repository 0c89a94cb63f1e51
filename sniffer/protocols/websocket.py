"""WebSocket frames, and the messages of mining in them (RFC 6455; RFC 7692 for compression; protocols.md, section 8).

In: bytes of one direction, in order.  Out: facts.
Never: a message longer than MAX_MESSAGE; the text of a message that is no JSON.

Frames of the client are masked, those of the server are not.  Without the request for the upgrade, a stream is
WebSocket if its first bytes are a whole frame with JSON in it.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

from sniffer.protocols.dialects import WEBSOCKET_DIALECTS
from sniffer.protocols.inflate import RAW, inflate
from sniffer.protocols.json_text import methods, parse
from sniffer.protocols.reader import Exchange, Fit, Reader

if TYPE_CHECKING:
    from sniffer.model import Data, Facts
    from sniffer.protocols.reader import Start

MAX_MESSAGE: Final = 65_536
MAX_FOREIGN: Final = 64  # messages that are not mining, before a flow is given up
MAX_LOST: Final = 256  # segments in which no frame begins, behind a gap
FIN: Final = 0x80
COMPRESSED: Final = 0x40
RESERVED: Final = 0x30
MASKED: Final = 0x80
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
CONTROL: Final = (CLOSE, PING, PONG)
MAX_CONTROL: Final = 125
FLUSH: Final = b"\x00\x00\xff\xff"  # what the sender left out behind each message (RFC 7692, 7.2.1)


class Header(NamedTuple):
    """The head of a frame."""

    first: int  # FIN, three bits for extensions, opcode
    key: bytes  # mask, or empty
    start: int  # offset of the payload
    length: int  # of the payload

    @property
    def opcode(self) -> int:
        """What the frame is."""
        return self.first & 0x0F


def header(data: bytes | bytearray, at: int = 0) -> Header | None:
    """The header at ``at``; None while it is incomplete."""
    if len(data) < at + 2:
        return None
    short = data[at + 1] & 0x7F
    wide = {126: 2, 127: 8}.get(short, 0)
    key = 4 if data[at + 1] & MASKED else 0
    start = at + 2 + wide + key
    if len(data) < start:
        return None
    length = int.from_bytes(data[at + 2 : at + 2 + wide], "big") if wide else short
    return Header(data[at], bytes(data[start - key : start]), start, length)


def is_possible(first: int, second: int) -> bool:
    """Whether two bytes can be the first of a frame."""
    opcode = first & 0x0F
    if first & RESERVED or opcode not in (CONTINUATION, TEXT, BINARY, *CONTROL):
        return False
    return opcode not in CONTROL or bool(first & FIN and second & 0x7F <= MAX_CONTROL)


def unmask(payload: bytes, key: bytes) -> bytes:
    """Payload as it was before a key of four bytes was laid over it, again and again."""
    if not key:
        return payload
    size = len(payload)
    mask = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")


def probe_json(head: bytes) -> Fit:
    """Whether a frame stands here whose payload opens like JSON."""
    if head[0] not in (FIN | TEXT, FIN | BINARY, TEXT, BINARY):
        return Fit.NO
    found = header(head)
    if found is None or len(head) == found.start:
        return Fit.MORE
    if not 2 <= found.length <= MAX_MESSAGE:
        return Fit.NO
    return Fit.YES if unmask(head[found.start : found.start + 1], found.key) in (b"{", b"[") else Fit.NO


class WebSocket(Reader):
    """Reads frames."""

    __slots__ = (
        "_buffer", "_compressed", "_foreign", "_inflater", "_left", "_lost", "_masked", "_message", "_sure",
    )  # fmt: skip

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._buffer = bytearray()
        self._message: bytearray | None = None  # the frames of a message so far; None: dropped, or none begun
        self._compressed = False  # the message that is being read
        self._left = 0  # bytes of a frame that are skipped
        self._masked: bool | None = None
        self._sure = start.channel.upgrade is not Exchange.NONE
        self._foreign = 0
        self._lost = 0
        self._inflater: zlib._Decompress | None = None

    @classmethod
    def probe(cls, head: bytes, start: Start) -> Fit:
        """Any frame behind an upgrade; without one, a text frame whose payload opens like JSON."""
        if start.channel.upgrade is Exchange.NONE:
            return probe_json(head)
        return Fit.MORE if len(head) < 2 else Fit.YES if is_possible(head[0], head[1]) else Fit.NO

    def feed(self, chunk: Data) -> list[Facts]:
        """Read what came."""
        data = chunk.data
        if self._lost:
            if not data or probe_json(data) is not Fit.YES:
                self._lost += 1
                return self.finish() if self._lost > MAX_LOST else []
            self._lost = 0
        if self._left:
            skipped = min(self._left, len(data))
            self._left -= skipped
            data = data[skipped:]
        self._buffer += data
        out: list[Facts] = []
        while not self.finished and not self._left:
            found = header(self._buffer)
            if found is None:
                if len(self._buffer) >= 2 and not self._fits():
                    self._give_up()
                break
            if not self._fits():
                self._give_up()
                break
            if found.length > MAX_MESSAGE:
                self._skip(found)
                continue
            end = found.start + found.length
            if len(self._buffer) < end:
                break
            payload = unmask(bytes(self._buffer[found.start : end]), found.key)
            del self._buffer[:end]
            out += self._frame(found, payload, chunk)
        return out

    def _fits(self) -> bool:
        """Whether the frame in front is possible, and masked as those before it."""
        first, second = self._buffer[:2]
        masked = bool(second & MASKED)
        if self._masked is None:
            self._masked = masked
        return is_possible(first, second) and masked is self._masked

    def _give_up(self) -> None:
        """What stands here is no frame."""
        self.channel.oddities.count("websocket_malformed")
        self.finish()

    def _skip(self, found: Header) -> None:
        """Drop a frame that is too long, and the message that it belongs to."""
        self.channel.oddities.count("websocket_limit")
        there = len(self._buffer) - found.start
        self._message = None
        self._inflater = None
        if there <= found.length:
            self._left = found.length - there
            self._buffer.clear()
        else:
            del self._buffer[: found.start + found.length]

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────────

    def _frame(self, found: Header, payload: bytes, chunk: Data) -> list[Facts]:
        if found.opcode == CLOSE:
            return self.finish()
        if found.opcode in CONTROL:
            return []
        if found.opcode != CONTINUATION:
            self._message = bytearray()
            self._compressed = bool(found.first & COMPRESSED)
        if self._message is None:
            return []  # the beginning is missing
        if len(self._message) + len(payload) > MAX_MESSAGE:
            self.channel.oddities.count("websocket_limit")
            self._message = self._inflater = None
            return []
        self._message += payload
        if not found.first & FIN:
            return []
        text: bytes | None = bytes(self._message)
        self._message = None
        if self._compressed and text is not None:
            text = self._inflate(text)
        return self._read_message(text, chunk) if text is not None else self._note_foreign()

    def _inflate(self, data: bytes) -> bytes | None:
        """Plain text of a compressed message; what went before is needed, unless the sides agreed otherwise."""
        stream = self._inflater or zlib.decompressobj(RAW)
        out = inflate(stream, data + FLUSH, MAX_MESSAGE)
        forgets = "client_no_context_takeover" if self._masked else "server_no_context_takeover"
        self._inflater = None if out is None or stream.eof or forgets in self.channel.deflates else stream
        if out is None:
            self.channel.oddities.count("inflate_failed")
        return out

    def _read_message(self, text: bytes, chunk: Data) -> list[Facts]:
        out: list[Facts] = []
        session = self.channel.session
        signs = session.signs
        texts = [text.strip()] if b"\n" not in text.strip() else [line.strip() for line in text.split(b"\n")]
        for one in texts:
            document = parse(one, self.channel.oddities) if one[:1] in (b"{", b"[") else None
            if document is None:
                if not self._sure:
                    return self.finish()
                continue
            self._sure = True
            names = methods(one, document) if isinstance(document, dict) else []
            out += session.read(document, names, self.origin(chunk, len(self._buffer)), WEBSOCKET_DIALECTS)
        return out if out or session.signs != signs else self._note_foreign()

    def _note_foreign(self) -> list[Facts]:
        self._foreign += 1
        if self._foreign > MAX_FOREIGN and not self.channel.session.identified:
            self.finish()
        return []

    def lose(self) -> None:
        """Drop what was begun; go on where a segment begins with a frame."""
        self._buffer.clear()
        self._message = None
        self._inflater = None
        self._left = 0
        self._lost = 1

    @property
    def held(self) -> int:
        """Bytes of an unfinished frame or message."""
        return len(self._buffer) + len(self._message or b"")
