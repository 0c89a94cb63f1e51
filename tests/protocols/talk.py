"""A conversation for tests: what is said, in the pieces that a test wants, and what is read from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from sniffer.model import Data, Facts
from sniffer.oddities import Oddities
from sniffer.protocols.conversation import Conversation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sniffer.model import Value

CLIENT, SERVER = 0, 1
KEY = b"\x37\xfa\x21\x3d"


class Talk:
    """One flow: say something, and see what was read so far."""

    def __init__(
        self, *, midway: Iterable[int] = (), ports: tuple[int, int] = (40_000, 3_333), again: bool = False
    ) -> None:
        self.oddities = Oddities()
        before = Conversation(self.oddities, ports) if again else None
        self.conversation = Conversation(self.oddities, ports, again=before)
        self.facts: list[Facts] = []
        self.ends = [0, 0]
        for side in midway:
            self.conversation.join_midway(side)

    def say(self, side: int, data: bytes | str, *, size: int = 0, time: int = 0) -> Talk:
        """Say bytes of one side, in pieces of ``size`` (0: in one)."""
        data = data.encode() if isinstance(data, str) else data
        for at in range(0, len(data), size or len(data) or 1):
            piece = data[at : at + (size or len(data))]
            self.ends[side] += len(piece)
            self.facts += self.conversation.read(Data(side, piece, time, self.ends[side]))
        return self

    @property
    def messages(self) -> list[str]:
        """Messages with a mining protocol, hints included."""
        return [one.message for one in self.facts if "mining.protocol" in one.values]

    @property
    def said(self) -> list[tuple[str, dict[str, Value]]]:
        """Message and values of every fact."""
        return [(one.message, one.values) for one in self.facts]

    @property
    def mining(self) -> list[Facts]:
        """Facts of mining messages."""
        return [one for one in self.facts if one.mining]

    def counted(self) -> dict[str, int]:
        """Oddities that were counted."""
        return {kind: count for kind, count in self.oddities.counts.items() if count}


def line(document: Any) -> bytes:
    """A JSON text as a line."""
    return json.dumps(document).encode() + b"\n"


def request(body: str = "", *fields: str, target: str = "/", verb: str = "POST") -> bytes:
    """An HTTP request; with a body, its length."""
    lines = [f"{verb} {target} HTTP/1.1", "Host: 192.0.2.9:8332", *fields]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join([*lines, "", ""]) + body).encode()


def response(body: str = "", *fields: str, status: str = "200 OK") -> bytes:
    """An HTTP response with its length."""
    lines = [f"HTTP/1.1 {status}", *fields, "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join([*lines, "", ""]) + body).encode()


def frame(payload: bytes | str, *, key: bytes = b"", first: int = 0x81) -> bytes:
    """A WebSocket frame, masked if there is a key."""
    data = payload.encode() if isinstance(payload, str) else payload
    mask = 0x80 if key else 0
    size = len(data)
    if size < 126:
        head = bytes([first, mask | size])
    elif size < 1 << 16:
        head = bytes([first, mask | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([first, mask | 127]) + size.to_bytes(8, "big")
    return head + key + (bytes(byte ^ key[i % 4] for i, byte in enumerate(data)) if key else data)


@st.composite
def mangled(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A seed with some damage: bytes changed, left out, put in, a piece repeated."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["set", "cut", "put", "repeat", "stop"])):
            case "set" if data:
                data[at] = draw(st.integers(0, 255))
            case "cut":
                del data[at : at + draw(st.integers(1, 8))]
            case "put":
                data[at:at] = draw(st.binary(min_size=1, max_size=6))
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 40))]
            case _:
                del data[at:]
    return bytes(data)


def pieces() -> st.SearchStrategy[list[int]]:
    """Sizes to cut something into; they are used over and over."""
    return st.lists(st.integers(1, 40), min_size=1, max_size=8)


def read_in(sizes: list[int], side: int, data: bytes, **options: Any) -> Talk:
    """Say bytes in pieces of the given sizes, over and over."""
    talk = Talk(**options)
    at = number = 0
    while at < len(data):
        size = sizes[number % len(sizes)]
        talk.say(side, data[at : at + size])
        at, number = at + size, number + 1
    return talk


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
"""Any JSON value."""


def changed(document: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A document some of whose members, on the first two levels, have values of any other kind."""
    keys = [*document]
    inner = [key for key in keys if isinstance(document[key], dict)]

    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        out = dict(document)
        for key in draw(st.lists(st.sampled_from(keys), max_size=2)):
            out[key] = draw(JSON)
        for key in inner:
            part = out[key]
            if isinstance(part, dict) and part:
                out[key] = {**part, draw(st.sampled_from(sorted(part))): draw(JSON)}
        return out

    return build()
