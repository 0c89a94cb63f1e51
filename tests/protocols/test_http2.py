"""HTTP/2 without TLS: whom the first request is for."""

from __future__ import annotations

from typing import Any

import hpack
import pytest
from hypothesis import given, settings
from talk import CLIENT, SERVER, Talk, mangled, pieces, read_in

from sniffer.model import Gap, Role
from sniffer.protocols.conversation import Verdict
from sniffer.protocols.http2 import MAX_BLOCK, PREFACE, without_padding

DATA, HEADERS, PRIORITY, SETTINGS, CONTINUATION = 0, 1, 2, 4, 9
END_STREAM, END_HEADERS, PADDED, WITH_PRIORITY = 0x01, 0x04, 0x08, 0x20
HELD = 2 * MAX_BLOCK + 100


def packed(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 1) -> bytes:
    """A frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def block(*fields: tuple[str, str]) -> bytes:
    """Fields, compressed."""
    return bytes(hpack.Encoder().encode(fields))


ASKED = block(
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/braiins.bos.v1.Miner/Get"),
    (":authority", "Miner.Example.com:50051"),
    ("user-agent", "grpc-go/1.60"),
)
OPENING = PREFACE + packed(SETTINGS, bytes(12), stream=0) + packed(8, bytes(4), stream=0)
REQUEST = OPENING + packed(HEADERS, ASKED, END_HEADERS)
VALUES = {"http.method": "POST", "http.host": "miner.example.com", "http.user_agent": "grpc-go/1.60"}
SEEDS = [
    REQUEST + packed(DATA, bytes(30)),
    OPENING + packed(HEADERS, ASKED[:5]) + packed(CONTINUATION, ASKED[5:], END_HEADERS),
    OPENING + packed(HEADERS, b"\x02" + ASKED + b"\0\0", END_HEADERS | PADDED),
]


def test_request() -> None:
    """The first request tells verb, host and agent; the path of a machine's interface is a hint."""
    for size in (0, 1, 2, 10):
        talk = Talk(ports=(40_000, 50_051)).say(CLIENT, REQUEST, size=size)
        asked, hinted = talk.facts
        assert (asked.protocol, asked.message, asked.sender, asked.values) == (
            "pool-http",
            "POST",
            Role.CLIENT,
            VALUES,
        )
        assert (hinted.message, hinted.values["mining.hardware"], hinted.mining) == (
            "grpc",
            "Braiins OS",
            False,
        )
        assert talk.conversation.is_named
        assert (talk.conversation.verdict, talk.conversation.held, talk.counted()) == (Verdict.NO, 0, {})


@pytest.mark.parametrize(
    "frames",
    [
        packed(HEADERS, ASKED[:9]) + packed(CONTINUATION, ASKED[9:], END_HEADERS),
        packed(HEADERS) + packed(CONTINUATION, ASKED, END_HEADERS),
        packed(HEADERS, ASKED) + packed(CONTINUATION, b"", END_HEADERS),
        packed(HEADERS, ASKED[:1])
        + packed(CONTINUATION, ASKED[1:2])
        + packed(CONTINUATION, ASKED[2:], END_HEADERS),
        packed(HEADERS, b"\x05" + ASKED + bytes(5), END_HEADERS | PADDED),
        packed(HEADERS, bytes(5) + ASKED, END_HEADERS | END_STREAM | WITH_PRIORITY),
        packed(HEADERS, b"\x01" + bytes(5) + ASKED + b"\0", END_HEADERS | PADDED | WITH_PRIORITY),
        packed(PRIORITY, bytes(5)) * 12 + packed(0xBE, bytes(40)) + packed(HEADERS, ASKED, END_HEADERS),
    ],
    ids=["two frames", "empty first", "empty last", "three", "padded", "priority", "both", "behind others"],
)
def test_frames_of_a_request(frames: bytes) -> None:
    """A block of fields is read over several frames, inside padding, and behind other frames."""
    for size in (0, 1):
        assert Talk().say(CLIENT, OPENING + frames, size=size).facts[0].values == VALUES


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        (
            [(":method", "GET"), ("host", "pool.example.com.")],
            {"http.method": "GET", "http.host": "pool.example.com"},
        ),
        ([(":authority", "[2001:db8::1]:80")], {"http.method": "GET", "http.host": "2001:db8::1"}),
        ([(":method", "X" * 99)], {"http.method": "X" * 16}),
        (
            [(":authority", "a.example"), (":authority", "b.example")],
            {"http.method": "GET", "http.host": "a.example"},
        ),
        ([(":authority", "a.example"), ("x", "\u00ff")], {"http.method": "GET", "http.host": "a.example"}),
        ([(":authority", "a" * 244 + ".f2pool.com.evil.example")], {"http.method": "GET"}),
        ([("user-agent", "x" * 2_000)], {"http.method": "GET", "http.user_agent": "x" * 512}),
        ([], {"http.method": "GET"}),
    ],
    ids=["host field", "address", "long verb", "twice", "stray bytes", "too long", "long agent", "nothing"],
)
def test_fields(fields: list[tuple[str, str]], values: dict[str, Any]) -> None:
    """The host comes from the authority or the field, without port and in lower case; texts are cut."""
    talk = Talk().say(CLIENT, OPENING + packed(HEADERS, block(*fields), END_HEADERS))
    assert [one.values for one in talk.facts] == [values]


def test_only_the_first_request() -> None:
    """What follows the first request is not read."""
    talk = Talk().say(CLIENT, REQUEST + packed(HEADERS, ASKED, END_HEADERS, 3)).say(CLIENT, REQUEST)
    assert len(talk.facts) == 2
    assert talk.say(SERVER, packed(SETTINGS, bytes(18), stream=0)).counted() == {}


def test_name_of_the_proxy_request_stays() -> None:
    """A request to an address inside a tunnel to a name leaves the flow named."""
    talk = Talk().say(CLIENT, b"CONNECT pool.example.com:443 HTTP/1.1\r\n\r\n")
    talk.say(CLIENT, OPENING + packed(HEADERS, block((":authority", "192.0.2.9")), END_HEADERS))
    assert talk.conversation.is_named


@pytest.mark.parametrize(
    "broken",
    [
        b"\xff\xff\xff\xff\xff\xff",
        b"\x00\x7f\xff",
        b"\xc0\xc1",
        block(("x", "y" * 4_000)) + b"\xbe" * 5_000,
    ],
    ids=["integer", "length", "index", "bomb"],
)
def test_fields_that_cannot_be_read(broken: bytes) -> None:
    """Fields that contradict themselves, or that unpack to more than 16 KiB, are counted and tell nothing."""
    talk = Talk().say(CLIENT, OPENING + packed(HEADERS, broken, END_HEADERS))
    assert (talk.facts, talk.counted(), talk.conversation.held) == ([], {"http_malformed": 1}, 0)


@pytest.mark.parametrize("size", [0, 1, 30, 60, 255])
def test_padding_longer_than_its_frame(size: int) -> None:
    """Padding is cut off as far as its frame goes, and with it everything where it is longer."""
    fields = b"x" * 40
    assert without_padding(bytes([size]) + fields, PADDED) == fields[: max(0, 40 - size)]
    assert without_padding(bytes([size]), PADDED | WITH_PRIORITY) == without_padding(b"", PADDED) == b""


def test_what_is_held() -> None:
    """Fields and frames that are not whole are accounted for."""
    talk = Talk().say(CLIENT, OPENING + packed(HEADERS, ASKED) + b"\0\0")
    assert (talk.conversation.held, talk.conversation.verdict) == (len(ASKED) + 2, Verdict.MORE)


@pytest.mark.parametrize(
    "frames",
    [
        packed(DATA, bytes(MAX_BLOCK + 1)) + packed(HEADERS, ASKED, END_HEADERS),
        b"\xff\xff\xff" + packed(HEADERS, ASKED, END_HEADERS)[3:],
        packed(SETTINGS) * 20 + packed(HEADERS, ASKED, END_HEADERS),
        packed(HEADERS, ASKED) + packed(CONTINUATION, b"") * 10_000,
        packed(HEADERS, ASKED) + packed(CONTINUATION, bytes(MAX_BLOCK)) * 10,
    ],
    ids=["long frame", "frame of 2^24", "many frames", "endless continuation", "long fields"],
)
def test_limits(frames: bytes) -> None:
    """Frames too long, too many or without end are given up, and no more than two blocks are held."""
    talk = Talk()
    for at in range(0, len(OPENING + frames), 1_000):
        talk.say(CLIENT, (OPENING + frames)[at : at + 1_000])
        assert talk.conversation.held <= HELD
    assert (talk.facts, talk.conversation.held, talk.conversation.verdict) == ([], 0, Verdict.NO)


def test_what_is_no_preface() -> None:
    """Another preface, or one in the middle of a stream, is none, and behind a gap nothing is read."""
    assert Talk().say(CLIENT, REQUEST.replace(b"SM", b"XX")).facts == []
    assert Talk(midway=(CLIENT,)).say(CLIENT, REQUEST).facts == []
    talk = Talk().say(CLIENT, OPENING)
    talk.conversation.read(Gap(CLIENT, 0, 0))
    assert talk.say(CLIENT, packed(HEADERS, ASKED, END_HEADERS)).facts == []


@settings(max_examples=200, deadline=None)
@given(mangled(SEEDS), pieces())
def test_damaged_frames(data: bytes, sizes: list[int]) -> None:
    """Fuzz entry: damaged frames never raise, say the same in any pieces, and stay within the bounds."""
    whole, cut = Talk().say(CLIENT, data), read_in(sizes, CLIENT, data)
    assert whole.said == cut.said
    assert max(whole.conversation.held, cut.conversation.held) <= HELD
