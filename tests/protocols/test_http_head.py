"""Heads of HTTP/1 messages: what they say, where they end, and what is no head."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import mangled, request, response

from sniffer.protocols import http_head
from sniffer.protocols.messages import Head

SEEDS = [
    request('{"id":1}', "Authorization: Basic dTpw", "X-Mining-Extensions: midstate"),
    request("", "Upgrade: websocket", verb="GET", target="/proxy?x=1"),
    response("{}", "X-Stratum: stratum+tcp://pool.example.com:3333"),
    b"GET http://pool.example.com/ HTTP/1.0\nHost: a\n b\n\n",
]


def read(data: bytes) -> Head:
    """The head of a message, all of whose bytes belong to it."""
    found = http_head.read(data)
    assert found is not None
    head, end = found
    assert end in (0, len(data))
    return head


def credentials(pair: bytes, scheme: str = "Basic") -> str:
    """An Authorization field's value."""
    return f"{scheme} {base64.b64encode(pair).decode()}"


def test_request() -> None:
    """A request tells verb, target, and fields by their names in lower case; of a repeated one the first."""
    head = read(b"POST /a?b=c HTTP/1.1\r\nHoSt:  x \r\nX-A: 1\r\nx-a: 2\r\nno colon\r\n\r\n")
    assert head == Head("POST", "/a?b=c", 0, {"host": "x", "x-a": "1"})
    assert head.path == "/a"


@pytest.mark.parametrize("line", ["HTTP/1.1 200 OK", "HTTP/1.0 404 ", "HTTP/1.1 500"])
def test_response(line: str) -> None:
    """A response tells its status, with a reason, an empty one or none, and it need not have fields."""
    assert read(f"{line}\r\nA: b\r\n\r\n".encode()) == Head(status=int(line[9:12]), fields={"a": "b"})
    assert read(f"{line}\r\n\r\n".encode()) == Head(status=int(line[9:12]))


@pytest.mark.parametrize("ends", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
def test_every_prefix_wants_more(ends: bytes) -> None:
    """A head is found with its last byte, not before, with either line end; what follows is left alone."""
    data = SEEDS[0].partition(b"\r\n\r\n")[0].replace(b"\r\n", ends) + ends * 2
    for end in range(len(data)):
        assert http_head.read(data[:end]) is None
    whole = http_head.read(data + b"{}")
    assert whole is not None
    assert whole[1] == len(data)
    assert whole[0].fields["content-length"] == "8"


def test_folded_field() -> None:
    """A line that continues the field before is no field of its own."""
    head = read(b"GET / HTTP/1.1\r\nA: 1\r\n Host: evil.example\r\n\tB: 2\r\nHost: x\r\n\r\n")
    assert head.fields == {"a": "1", "host": "x"}


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.2\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"G\0T / HTTP/1.1\r\n\r\n",
        b"GET /\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * 300 + b"\r\n\r\n",
        b"GET /" + b"x" * 8_001 + b" HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_malformed(data: bytes) -> None:
    """A first line that is neither a request's nor a status line is malformed."""
    assert read(data) is http_head.MALFORMED


def test_head_without_end() -> None:
    """A head is looked for in 16 KiB, and is malformed if it has not ended there."""
    data = b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5_000
    assert http_head.read(data[: http_head.MAX_HEAD - 1]) is None
    for size in (http_head.MAX_HEAD, len(data)):
        assert http_head.read(data[:size] + b"\r\n\r\n") == (http_head.MALFORMED, 0)


def test_many_fields() -> None:
    """Of a head with hundreds of fields the first 64 count, each with its first 512 characters."""
    lines = "".join(f"f{number}: {'x' * number}\r\n" for number in (1_000, *range(150)))
    fields = read(f"GET / HTTP/1.1\r\n{lines}\r\n".encode()).fields
    assert [*fields] == ["f1000", *(f"f{number}" for number in range(63))]
    assert len(fields["f1000"]) == 512


def test_bytes_that_are_no_text() -> None:
    """Stray bytes in names and values are replaced, and hide nothing else."""
    assert read(b"GET /\xff HTTP/1.1\r\n\xff: \xfe\r\nHost: x\0y\r\n\r\n") == Head(
        "GET", "/\ufffd", 0, {"\ufffd": "\ufffd", "host": "x\0y"}
    )


@pytest.mark.parametrize(
    ("field", "account"),
    [
        (credentials(b"user.rig:pass:word"), ("user.rig", "pass:word")),
        (credentials(b"user", "bAsIc"), ("user", "")),
        (credentials(b":"), ("", "")),
        (credentials(b"\xff:x"), ("\ufffd", "x")),
        (credentials(b"user:x", "Bearer"), ("", "")),
        ("Basic dTpw!", ("", "")),
        ("Basic dTp", ("", "")),
        ("Basic \u00e9", ("", "")),
        ("Basic", ("", "")),
        ("", ("", "")),
    ],
)
def test_account(field: str, account: tuple[str, str]) -> None:
    """User and password of the Basic scheme; of another scheme, or of what is no base64, none."""
    assert http_head.basic(field) == account
    head = read(f"GET / HTTP/1.1\r\nAuthorization: {field}\r\n\r\n".encode())
    assert (head.user, head.password) == account


@pytest.mark.parametrize(
    ("target", "field", "host"),
    [
        ("/", "Pool.Example.COM:3333", "pool.example.com"),
        ("/", "pool.example.com.", "pool.example.com"),
        ("/", "192.0.2.9:80", "192.0.2.9"),
        ("/", "[2001:DB8::1]:80", "2001:db8::1"),
        ("/", "[2001:db8::1]", "2001:db8::1"),
        ("/", "", ""),
        ("/", "x" * 256, ""),
        ("http://Pool.example.com:80/x", "other.example", "pool.example.com"),
        ("HTTP://user:pass@pool.example.com/x@y", "other.example", "pool.example.com"),
        ("http://pool.example.com", "other.example", "pool.example.com"),
        ("http://pool.example.com?host=a/b", "other.example", "pool.example.com"),
        ("http://pool.example.com#x", "other.example", "pool.example.com"),
        ("*", "pool.example.com", "pool.example.com"),
    ],
)
def test_host(target: str, field: str, host: str) -> None:
    """The host is the target's or else the field's: lower case, without port, brackets and last dot."""
    assert http_head.host(Head("GET", target, 0, {"host": field})) == host


@pytest.mark.parametrize(
    ("text", "opens"),
    [
        (b"GET / HTTP/1.1", True),
        (b"HTTP/1.1 200 OK", True),
        (b"PO", True),
        (b"", True),
        (b"GETS", False),
        (b"{", False),
    ],
)
def test_opens(text: bytes, *, opens: bool) -> None:
    """A text opens like HTTP if its first word is a verb or a version, or may still become one."""
    assert http_head.opens(text) is opens


@settings(max_examples=300, deadline=None)
@given(mangled(SEEDS) | st.binary(max_size=60))
def test_damaged_head(data: bytes) -> None:
    """Fuzz entry: no bytes raise; a head ends inside of them, has at most 64 fields and a short host."""
    found = http_head.read(data)
    if found is not None:
        head, end = found
        assert 0 <= end <= len(data)
        assert len(head.fields) <= http_head.MAX_FIELDS
        assert len(http_head.host(head)) <= http_head.MAX_HOST
