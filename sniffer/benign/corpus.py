r"""The benign corpus as bytes: who says what in each conversation.

In: the files beside this module.  Out: conversations; a capture with all of them.
Never: a verdict; that is for the tests and for :mod:`sniffer.checks`.

The conversations are data, one file a kind (``*.yaml`` beside this module).  Each has a ``name``, tells in ``tells`` what
looks like mining and why it is none, and has its steps in ``say``:

    client: text, server: text           a line; a line end is added
    raw: {client|server: text}           these characters and no more
    raw_hex: {client|server: digits}     bytes in hexadecimal
    raw_bytes: {client|server: text}     one byte a character, for "\xff"
    crlf: {client|server: text}          lines that end in CR LF
    noise: {client|server: number}       so many random bytes, the same in every run
    http: {client|server: {head, body}}  a message; its length is added, or ``coding: gzip``, ``chunk: size``
    ws: {client|server: text}            a text frame of WebSocket, masked when it is the client's
    repeat: number                       beside any of these, or beside a list of steps (``say``)

``websocket: host/path`` opens with an upgrade (``deflate: true``: with compressed frames), ``udp: true`` makes
each step a datagram, ``port`` is the server's (4444).
"""

from __future__ import annotations

import functools
import gzip
import random
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sniffer.frames import capture, conversation, datagrams
from sniffer.strictyaml import load_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sniffer.frames import Party, Talk

FILES: Final = tuple(sorted(Path(__file__).parent.glob("*.yaml")))
SIDES: Final = {"client": 0, "server": 1}
PORT: Final = 4_444  # of the server, where a conversation names none
START: Final = 1_700_000_000  # seconds since 1970


@functools.cache
def stories() -> tuple[dict[str, Any], ...]:
    """Every conversation as written."""
    return tuple(story for file in FILES for story in load_file(file).data)


# ── what is said ─────────────────────────────────────────────────────────────────────────────────────────


def talk_of(story: dict[str, Any]) -> list[tuple[int, bytes]]:
    """Everything that a conversation says."""
    chance = random.Random(story["name"])  # the same in every run  # noqa: S311
    talk = upgrade(story["websocket"], deflate=story.get("deflate", False)) if "websocket" in story else []
    for step in story["say"]:
        talk += said(step, chance, deflate=story.get("deflate", False))
    return talk


def said(step: dict[str, Any], chance: random.Random, *, deflate: bool) -> Iterator[tuple[int, bytes]]:
    """What one step says."""
    step = dict(step)
    times = step.pop("repeat", 1)
    ((kind, what),) = step.items()
    for _ in range(times):
        if kind == "say":
            for inner in what:
                yield from said(inner, chance, deflate=deflate)
        elif kind in SIDES:
            yield SIDES[kind], what.encode() + b"\n"
        else:
            ((side, content),) = what.items()
            if kind == "noise":
                data = chance.randbytes(content)
            elif kind == "ws":
                data = frame(content, chance.randbytes(4) if side == "client" else b"", deflate=deflate)
            else:
                data = PLAIN[kind](content)
            yield SIDES[side], data


def message(parts: dict[str, Any]) -> bytes:
    """An HTTP message, or another that has its length in a header."""
    head = [line for line in parts["head"].split("\n") if line]
    body: bytes = parts.get("body", "").encode()
    if parts.get("coding") == "gzip":
        body = gzip.compress(body, mtime=0)
        head.append("Content-Encoding: gzip")
    size = parts.get("chunk")
    if size:
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        head.append("Transfer-Encoding: chunked")
    elif "body" in parts:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode() + body


PLAIN: dict[str, Callable[[Any], bytes]] = {
    "raw": lambda text: text.encode(),
    "raw_hex": bytes.fromhex,
    "raw_bytes": lambda text: text.encode("latin-1"),
    "crlf": lambda text: text.replace("\r\n", "\n").replace("\n", "\r\n").encode() + b"\r\n",
    "http": message,
}


def upgrade(address: str, *, deflate: bool) -> list[tuple[int, bytes]]:
    """The two messages that make HTTP a WebSocket (RFC 6455, section 1.3, with the key of its example)."""
    host, _, path = address.partition("/")
    both = "Upgrade: websocket\nConnection: Upgrade" + (
        "\nSec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover"
        if deflate
        else ""
    )
    return [
        (
            0,
            message(
                {
                    "head": f"GET /{path} HTTP/1.1\nHost: {host}\n{both}\nUser-Agent: Mozilla/5.0\n"
                    "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
                }
            ),
        ),
        (
            1,
            message(
                {
                    "head": f"HTTP/1.1 101 Switching Protocols\n{both}\n"
                    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
                }
            ),
        ),
    ]


def frame(text: str, mask: bytes, *, deflate: bool) -> bytes:
    """A text frame (RFC 6455, section 5.2; compressed: RFC 7692)."""
    payload = text.encode()
    if deflate:
        packer = zlib.compressobj(wbits=-15)
        payload = (packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    size, bit = len(payload), 0x80 if mask else 0
    head = bytes([0xC1 if deflate else 0x81])
    head += bytes([bit | size]) if size < 126 else bytes([bit | 126]) + size.to_bytes(2, "big")
    if mask:
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return head + mask + payload


# ── how it is seen ───────────────────────────────────────────────────────────────────────────────────────


WAYS: Final = ("whole", "joined midway", "client alone", "server alone")


def seen(talk: Talk, ends: tuple[Party, Party], way: str, *, udp: bool) -> list[bytes]:
    """The frames of a conversation that a sensor sees in one of the :data:`WAYS`."""
    frames = datagrams(ends, talk) if udp else conversation(ends, talk, opened=way != "joined midway")
    alone = SIDES.get(way.partition(" alone")[0])
    return [frame for side, frame in frames if alone in (None, side)]


def corpus() -> tuple[bytes, dict[bytes, str]]:
    """All conversations, each in every way: a capture file, and which address (packed) belongs to which conversation."""
    frames: list[bytes] = []
    names: dict[bytes, str] = {}
    number = 0
    for story in stories():
        talk = talk_of(story)
        for way in WAYS:
            # RFC 1918 for the one end, RFC 2544 for the other: nobody on the internet has these addresses.
            low = number.to_bytes(2, "big")
            client, server = (
                (bytes([10, 99]) + low, 40_000),
                (bytes([198, 18]) + low, story.get("port", PORT)),
            )
            frames += seen(talk, (client, server), way, udp=story.get("udp", False))
            names[client[0]] = names[server[0]] = story["name"]
            number += 1
    return capture(frames, START), names
