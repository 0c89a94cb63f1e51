"""HTTP/2 without TLS: who the first request is for (RFC 9113; RFC 7541 for the fields).

In: bytes of the client, in order.  Out: facts of the head of the first request.
Never: a second request, a body, a field block of more than MAX_BLOCK bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import hpack

from sniffer.addresses import is_address
from sniffer.protocols.dialects import HTTP_DIALECTS
from sniffer.protocols.http_head import plain_host
from sniffer.protocols.messages import Head
from sniffer.protocols.reader import Fit, Reader

if TYPE_CHECKING:
    from sniffer.model import Data, Facts, Value
    from sniffer.protocols.reader import Start

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_BLOCK: Final = 16_384
MAX_FRAMES: Final = 16  # in front of the first request
MAX_VALUE: Final = 512
HEADERS, CONTINUATION = 1, 9
END_HEADERS, PADDED, PRIORITY = 0x04, 0x08, 0x20


class Http2(Reader):
    """Reads up to the first request."""

    __slots__ = ("_block", "_buffer", "_frames", "_opened")

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._buffer = bytearray()
        self._opened = False  # the preface was read
        self._frames = 0
        self._block: bytes | None = None  # fields so far; None: none begun

    @classmethod
    def probe(cls, head: bytes, start: Start) -> Fit:
        """The preface of the client."""
        if start.midway:
            return Fit.NO
        if head.startswith(PREFACE):
            return Fit.YES
        return Fit.MORE if PREFACE.startswith(head) else Fit.NO

    def feed(self, chunk: Data) -> list[Facts]:
        """Read what came."""
        self._buffer += chunk.data
        if not self._opened:
            del self._buffer[: len(PREFACE)]
            self._opened = True
        while not self.finished and len(self._buffer) >= 9:
            length = int.from_bytes(self._buffer[:3], "big")
            kind, flags = self._buffer[3], self._buffer[4]
            if length > MAX_BLOCK or self._frames >= MAX_FRAMES:
                return self.finish()
            if len(self._buffer) < 9 + length:
                break
            payload = bytes(self._buffer[9 : 9 + length])
            del self._buffer[: 9 + length]
            self._frames += 1
            if kind == HEADERS:
                self._block = without_padding(payload, flags)
            elif kind == CONTINUATION and self._block is not None:
                self._block += payload
            else:
                continue
            if len(self._block) > MAX_BLOCK:
                return self.finish()
            if flags & END_HEADERS:
                self.finish()
                return self._request(self._block, chunk)
        return []

    def _request(self, block: bytes, chunk: Data) -> list[Facts]:
        try:
            pairs = hpack.Decoder(max_header_list_size=MAX_BLOCK).decode(block, raw=True)
        except hpack.HPACKError:
            self.channel.oddities.count("http_malformed")
            return []
        fields: dict[str, str] = {}
        for pair in pairs:
            name, value = bytes(pair[0]), bytes(pair[1])
            text = value[:MAX_VALUE].decode("utf-8", "replace")
            fields.setdefault(name.decode("ascii", "replace"), text)
        values: dict[str, Value] = {"http.method": fields.get(":method", "")[:16] or "GET"}
        host = plain_host(fields.get(":authority") or fields.get("host", ""))
        if host:
            values["http.host"] = host
            self.channel.is_named = self.channel.is_named or not is_address(host)
        if fields.get("user-agent"):
            values["http.user_agent"] = fields["user-agent"]
        head = Head(str(values["http.method"]), fields.get(":path", ""), 0, fields)
        named = self.name("pool-http", head.verb, values, chunk)
        return [named, *self.channel.session.read_head(self.origin(chunk, 0, head), HTTP_DIALECTS)]

    @property
    def held(self) -> int:
        """Bytes of an unfinished frame or field block."""
        return len(self._buffer) + len(self._block or b"")


def without_padding(payload: bytes, flags: int) -> bytes:
    """The field block of a HEADERS frame."""
    at = 0
    behind = 0
    if flags & PADDED and payload:
        behind = payload[0]
        at = 1
    if flags & PRIORITY:
        at += 5
    return payload[at : max(at, len(payload) - behind)]
