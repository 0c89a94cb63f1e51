"""Bodies of HTTP/1 messages: where they end, and what of them is kept."""

from __future__ import annotations

import gzip
import random
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import mangled, pieces

from sniffer.oddities import Oddities
from sniffer.protocols.http_body import MAX_BODY, Body, BrokenBodyError
from sniffer.protocols.messages import Head

TEXT = b'{"id":1,"method":"getwork","params":[]}'
NEXT = b"HTTP/1.1 200 OK\r\n"


def body(*, status: int = 200, empty: bool = False, oddities: Oddities | None = None, **fields: str) -> Body:
    """The body of a response with these fields; a request's if the status is 0."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    head = Head(status=status, fields=named) if status else Head("POST", "/", 0, named)
    return Body(head, oddities or Oddities(), is_empty=empty)


def feed(one: Body, data: bytes, size: int = 0) -> int:
    """Give a body data in pieces; return how much it took."""
    taken = 0
    while taken < len(data) and not one.complete:
        piece = data[taken : taken + (size or len(data))]
        used = one.feed(piece)
        taken += used
        if used < len(piece):
            break
    return taken


def chunked(*parts: bytes, trailer: bytes = b"") -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailer + b"\r\n"


@pytest.mark.parametrize("size", [0, 1, 7])
def test_length(size: int) -> None:
    """A body of known length takes its bytes and no more, in pieces of any size."""
    one = body(content_length=str(len(TEXT)))
    assert feed(one, TEXT + NEXT, size) == len(TEXT)
    assert (one.complete, one.text(), one.is_long, one.until_close) == (True, TEXT, False, False)


@pytest.mark.parametrize("size", [0, 1, 7])
@pytest.mark.parametrize(
    "data",
    [
        chunked(TEXT),
        chunked(TEXT[:1], TEXT[1:20], TEXT[20:]),
        chunked(TEXT, trailer=b"X-Checksum: 0\r\nX-B: c\r\n"),
        b"27;name=value\r\n" + TEXT + b"\r\n0;last\r\n\r\n",
        b" 27 \r\n" + TEXT + b"\r\n000\r\n\r\n",
        b"27\n" + TEXT + b"\n0\n\n",
        b"00000000000027\r\n" + TEXT + b"\r\n0\r\n\r\n",
    ],
    ids=["one", "three", "trailers", "extensions", "spaces", "LF", "zeros"],
)
def test_chunks(data: bytes, size: int) -> None:
    """Chunks are joined, whatever stands beside their sizes, and the body ends behind the trailers."""
    one = body(transfer_encoding="Chunked")
    assert feed(one, data + NEXT, size) == len(data)
    assert (one.complete, one.text(), one.held) == (True, TEXT, len(TEXT))


@pytest.mark.parametrize(
    "data",
    [
        b"xyz\r\n",
        b"-1\r\n",
        b"0x27\r\n",
        b"27 27\r\n",
        b"8000000000000000\r\n",
        b"1" * 300,
        b"27;" + b"x" * 300,
    ],
)
def test_sizes_that_cannot_be_read(data: bytes) -> None:
    """A size that is no number, or longer than its limit, breaks the body, whole and byte by byte."""
    for size in (0, 1):
        with pytest.raises(BrokenBodyError):
            feed(body(transfer_encoding="chunked"), data, size)


def test_trailer_that_never_ends() -> None:
    """A trailer has a limit, too, and of those that have ended nothing is kept."""
    one = body(transfer_encoding="chunked")
    feed(one, b"0\r\n" + b"X-A: b\r\n" * 10_000)
    assert (one.complete, one.held, one.until_close) == (False, 0, False)
    one.feed(b"X-A")
    assert one.held == 3
    with pytest.raises(BrokenBodyError):
        feed(one, b"x" * 2_049)


@pytest.mark.parametrize("length", ["-1", "+5", "1e3", "5, 5", "0x10", "", "9" * 19, "five"])
def test_length_that_is_none(length: str) -> None:
    """A length that is no number breaks the message before its body begins."""
    with pytest.raises(BrokenBodyError):
        body(content_length=length)


@pytest.mark.parametrize(
    ("made", "complete", "until_close"),
    [
        (body(status=0), True, False),
        (body(status=0, content_length="0"), True, False),
        (body(status=0, content_length="5"), False, False),
        (body(status=200), False, True),
        (body(status=200, transfer_encoding="chunked", content_length="0"), False, False),
        (body(status=200, transfer_encoding="gzip, chunked"), False, False),
        (body(status=204, content_length="5"), True, False),
        (body(status=304, content_length="5"), True, False),
        (body(status=100), True, False),
        (body(status=204, transfer_encoding="chunked"), True, False),
        (body(status=200, empty=True, content_length="5"), True, False),
        (body(status=200, empty=True, transfer_encoding="chunked"), True, False),
    ],
)
def test_where_a_body_ends(made: Body, *, complete: bool, until_close: bool) -> None:
    """Without a length a request has no body, a response one to the end of the connection, if any."""
    assert (made.complete, made.until_close) == (complete, until_close)


def test_until_close() -> None:
    """A body that ends with the connection takes whatever comes."""
    one = body()
    assert feed(one, TEXT + NEXT, 3) == len(TEXT + NEXT)
    assert (one.complete, one.text()) == (False, TEXT + NEXT)


@pytest.mark.parametrize("fields", [{"content_length": "10000000"}, {"transfer_encoding": "chunked"}, {}])
def test_long_body(fields: dict[str, Any]) -> None:
    """Of a body of 10 MB no more than 64 KiB are kept, and it is told to be long; its end is still found."""
    one = body(**fields)
    data = bytes(10_000_000)
    whole = chunked(data) if "transfer_encoding" in fields else data
    at = 0
    while at < len(whole):
        at += one.feed(whole[at : at + 9_000])
        assert one.held <= MAX_BODY + 1 + 10
    assert one.is_long
    assert one.complete is bool(fields)
    assert one.text() == bytes(MAX_BODY + 1)


def test_longest_body() -> None:
    """A body of 64 KiB is whole, one more byte makes it long."""
    for length in (MAX_BODY, MAX_BODY + 1):
        one = body(content_length=str(length))
        feed(one, bytes(length), 1_000)
        assert one.is_long is (length > MAX_BODY)


def test_dropped_body() -> None:
    """What was dropped is not kept again, and the end of the body is still found."""
    one = body(content_length="20")
    one.feed(bytes(10))
    one.drop()
    assert one.feed(bytes(15)) == 10
    assert (one.held, one.complete) == (0, True)


@pytest.mark.parametrize("encoding", ["gzip", "X-GZIP", " deflate ", "identity", ""])
def test_compression(encoding: str) -> None:
    """A body in gzip, in either form of deflate, or in none is read."""
    packer = zlib.compressobj(wbits=-15)
    forms = {
        "gzip": [gzip.compress(TEXT)],
        "deflate": [zlib.compress(TEXT), packer.compress(TEXT) + packer.flush()],
    }.get(encoding.strip().lower().removeprefix("x-"), [TEXT])
    for data in forms:
        one = body(content_length=str(len(data)), content_encoding=encoding)
        feed(one, data, 5)
        assert one.text() == TEXT


@pytest.mark.parametrize(
    ("encoding", "data", "counted"),
    [
        ("gzip", b"no gzip", 1),
        ("gzip", gzip.compress(bytes(9_000_000)), 1),
        ("deflate", zlib.compress(random.Random(3).randbytes(30_000) * 4), 1),
        ("gzip", gzip.compress(random.Random(3).randbytes(MAX_BODY + 9)), 0),  # too long before it is opened
        ("br", b"\x0b\x02\x80", 0),
        ("gzip, gzip", gzip.compress(gzip.compress(TEXT)), 0),
    ],
    ids=["rubbish", "bomb", "too much", "too long", "unknown", "two layers"],
)
def test_compression_out_of_bounds(encoding: str, data: bytes, counted: int) -> None:
    """What cannot be opened within the bounds gives nothing, and is counted where it was tried."""
    oddities = Oddities()
    one = body(content_length=str(len(data)), content_encoding=encoding, oddities=oddities)
    feed(one, data, 1_400)
    assert (one.complete, one.text()) == (True, b"")
    assert oddities.counts["inflate_failed"] == counted


def test_opening() -> None:
    """The first byte that is no white space tells what a body is, unless it is compressed."""
    one = body()
    one.feed(b" \r\n\t")
    assert one.opening == b""
    one.feed(b'{"')
    assert one.opening == b"{"
    packed = body(content_encoding="gzip")
    packed.feed(b"{")
    assert packed.opening == b""


@settings(max_examples=250, deadline=None)
@given(
    mangled([chunked(TEXT, TEXT), chunked(TEXT, trailer=b"A: b\r\n"), b"8000\r\n" + TEXT]),
    pieces(),
    st.sampled_from([{"transfer_encoding": "chunked"}, {"content_length": "50"}, {}]),
)
def test_damaged_chunks(data: bytes, sizes: list[int], fields: dict[str, Any]) -> None:
    """Fuzz entry: damaged bodies end, break and say the same in any pieces, and keep no more than came."""
    outcomes = []
    for ways in ([len(data) or 1], sizes):
        one = body(**fields)
        at = number = 0
        broken = False
        while at < len(data) and not (one.complete or broken):
            piece = data[at : at + ways[number % len(ways)]]
            try:
                at += one.feed(piece)
            except BrokenBodyError:
                broken = True
            number += 1
            assert one.held <= len(data)
        outcomes.append((one.complete, broken, b"" if broken else one.text(), -1 if broken else at))
    assert outcomes[0] == outcomes[1]
