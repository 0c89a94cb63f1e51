r"""A corpus of traffic that a careless detector would take for mining: nobody in it may be accused.

The conversations are data, one file a kind (``benign/*.yaml``).  Each has a ``name``, tells in ``tells`` what
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

import gzip
import random
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import frames as build
import pytest
from enginerun import Run

from sniffer.model import Confidence, Detection
from sniffer.strictyaml import load_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sniffer.ruleset import RuleSet
    from sniffer.totals import Totals

Talk: TypeAlias = list[tuple[int, bytes]]  # side and bytes, in order
Frames: TypeAlias = list[tuple[int, bytes]]  # time and frame

FILES = sorted((Path(__file__).parent / "benign").glob("*.yaml"))
STORIES = [story for file in FILES for story in load_file(file).data]
SIDES = {"client": 0, "server": 1}
ENDS = (("10.0.0.7", 40_000), ("203.0.113.9", 4444))
SEGMENT = 1_448  # bytes of payload that fit into a usual frame
SMALL = 7


# ── what is said ─────────────────────────────────────────────────────────────────────────────────────────


def talk_of(story: dict[str, Any]) -> Talk:
    """Everything that a conversation says."""
    chance = random.Random(story["name"])
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
    head, body = [line for line in parts["head"].split("\n") if line], parts.get("body", "").encode()
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


def upgrade(address: str, *, deflate: bool) -> Talk:
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


def seen(talk: Talk, port: int, *, opened: bool, size: int = SEGMENT) -> Frames:
    """Frames of a TCP connection that says all this."""
    conversation = build.Conversation(client=ENDS[0], server=(ENDS[1][0], port))
    if opened:
        conversation.open()
    for side, data in talk:
        for at in range(0, len(data), size):
            conversation.send(side, data[at : at + size])
    return conversation.close().frames if opened else conversation.frames


def one_side(frames: Frames, side: int) -> Frames:
    """The frames that one end sent."""
    source = bytes(map(int, ENDS[side][0].split(".")))
    return [(time, data) for time, data in frames if data[26:30] == source]


def ways(story: dict[str, Any]) -> dict[str, Frames]:
    """The ways in which a sensor may come to see a conversation."""
    talk, port = talk_of(story), story.get("port", ENDS[1][1])
    if story.get("udp"):
        ends = (ENDS[0], (ENDS[1][0], port))
        datagrams = [
            (10**18 + number * build.MILLISECOND, build.udp(ends[side], ends[1 - side], data))
            for number, (side, data) in enumerate(talk)
        ]
        return {
            "whole": datagrams,
            "client alone": one_side(datagrams, 0),
            "server alone": one_side(datagrams, 1),
        }
    whole, midway = seen(talk, port, opened=True), seen(talk, port, opened=False)
    return {
        "from the handshake": whole,
        "joined midway": midway,
        "joined late": seen(talk[len(talk) // 2 :], port, opened=False),
        "client alone": one_side(whole, 0),
        "client alone, joined midway": one_side(midway, 0),
        "server alone": one_side(whole, 1),
        "server alone, joined midway": one_side(midway, 1),
        "in small segments": seen(talk, port, opened=True, size=SMALL),
        "line by line": seen(
            [(side, line) for side, data in talk for line in data.splitlines(keepends=True)],
            port,
            opened=True,
        ),
    }


def run(ruleset: RuleSet, frames: Frames) -> tuple[list[Detection], Totals]:
    """Run frames through the pipeline: what was detected, and the books."""
    run = Run(ruleset)
    run.engine.process(build.batch(frames))
    run.engine.finish()
    return run.hits, run.engine.totals()


# ── what must hold ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("story", [pytest.param(story, id=story["name"]) for story in STORIES])
def test_nobody_is_accused(story: dict[str, Any], ruleset: RuleSet) -> None:
    """No mining is read from a benign conversation, however it is seen; no reader fails, the books balance."""
    accused: dict[str, list[str]] = {}
    for way, frames in ways(story).items():
        hits, totals = run(ruleset, frames)
        found = [
            f"{hit.rule.id} ({hit.confidence.label}, {hit.facts.message})"
            for hit in hits
            if hit.confidence >= Confidence.PROBABLE
        ]
        messages = totals.facts["mining.message"]
        if found or messages:
            accused[way] = [*found, f"{messages} mining messages"]
        assert totals.oddities["reader_failed"] == 0, way
        assert totals.packets == totals.passed + sum(totals.skipped.values()) == len(frames), way
        assert totals.hits == len(hits), way
    assert accused == {}, story["tells"]


@pytest.mark.parametrize("file", [pytest.param(file, id=file.stem) for file in FILES])
def test_file_is_well_formed(file: Path) -> None:
    """A file of the corpus is not empty, and each conversation says what it looks like and has steps."""
    stories = load_file(file).data
    assert stories
    for story in stories:
        assert set(story) <= {"name", "tells", "say", "port", "udp", "websocket", "deflate"}, story["name"]
        assert story["tells"]
        assert 1 <= len(story["say"]) <= 12, story["name"]
        assert all(data for _, data in talk_of(story)), story["name"]


def test_names_are_unique() -> None:
    """Each conversation of the corpus can be told by its name."""
    assert [name for name, times in Counter(story["name"] for story in STORIES).items() if times > 1] == []


def test_corpus_can_fail(ruleset: RuleSet) -> None:
    """The same steps, spoken by a miner and its pool, are accused in every way they are seen."""
    miner = {
        "name": "a miner",
        "say": [
            {"client": '{"id":1,"method":"mining.subscribe","params":["cgminer/4.11.1"]}'},
            {"server": '{"id":1,"result":[[["mining.notify","57a6f098"]],"57a6f098",4],"error":null}'},
            {"client": '{"id":4,"method":"mining.submit","params":["u.1","j","00","5a","b2"]}'},
            {"server": '{"id":null,"method":"mining.set_difficulty","params":[512]}'},
        ],
    }
    for way, frames in ways(miner).items():
        hits, _ = run(ruleset, frames)
        assert any(hit.confidence >= Confidence.PROBABLE for hit in hits), way
