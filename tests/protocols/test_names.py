"""Names in TLS, HTTP, DNS and in front of tunnels."""

from __future__ import annotations

import struct

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.model import Role
from sniffer.oddities import Oddities
from sniffer.protocols import dns, http, tls, wrapped


def client_hello(name: bytes, *, alpn: bytes = b"", padding: int = 0) -> bytes:
    """The handshake message of a ClientHello."""
    extensions = struct.pack("!HH", 21, padding) + bytes(padding) if padding else b""
    extensions += struct.pack("!HHHBH", 0, len(name) + 5, len(name) + 3, 0, len(name)) + name
    if alpn:
        extensions += struct.pack("!HHHB", 16, len(alpn) + 3, len(alpn) + 1, len(alpn)) + alpn
    body = (
        b"\x03\x03"
        + bytes(32)
        + b"\x00"
        + b"\x00\x02\x13\x01"
        + b"\x01\x00"
        + struct.pack("!H", len(extensions))
        + extensions
    )
    return b"\x01" + len(body).to_bytes(3, "big") + body


def records(handshake: bytes, size: int) -> bytes:
    """A handshake message in records of so many bytes."""
    parts = [handshake[at : at + size] for at in range(0, len(handshake), size)]
    return b"".join(b"\x16\x03\x01" + struct.pack("!H", len(part)) + part for part in parts)


@pytest.mark.parametrize("size", [1, 2, 5, 60, 700, 16_000])
def test_hello_in_any_records(size: int) -> None:
    """The name is the same in one record and in many, of post-quantum size too; every prefix wants more."""
    whole = records(client_hello(b"XMR-eu1.Nanopool.org", alpn=b"http/1.1", padding=1_400), size)
    assert tls.read_hello(whole) == {"tls.server_name": "xmr-eu1.nanopool.org", "tls.alpn": "http/1.1"}
    for end in range(0, len(whole), 97):
        assert tls.read_hello(whole[:end]) is None


def test_other_handshakes() -> None:
    """A ServerHello, a hello of absurd size and rubbish are not read."""
    assert tls.read_hello(records(b"\x02" + client_hello(b"a.example")[1:], 500)) == {}
    assert tls.read_hello(b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" + bytes(40_000)) == {}
    assert tls.read_hello(b"\x16\x03\x01\x00\x00") == {}


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (b"GET / HTTP/1.1\r\nHost: Pool.Example.com:3333\r\nUser-Agent: cpuminer/2.5.1\r\n\r\n",
         {"http.method": "GET", "http.host": "pool.example.com", "http.user_agent": "cpuminer/2.5.1"}),
        (b"POST http://pool.example.com:80/x HTTP/1.0\r\nHost: other\r\n\r\nbody", {"http.method": "POST", "http.host": "pool.example.com"}),
        (b"GET / HTTP/1.1\r\nhOsT:pool.example.com.\r\n\r\n", {"http.method": "GET", "http.host": "pool.example.com"}),
        (b"GET / HTTP/9.9\r\n\r\n", {}),
        (b"GET / HTTP/1.1\r\nHost: pool", None),
    ],
)  # fmt: skip
def test_http_request(request_: bytes, wanted: dict[str, str] | None) -> None:
    """Method, host and agent of a request; an absolute target wins over the header; incomplete heads want more."""
    assert http.read_request(request_) == wanted


def test_dns_question_and_aliases() -> None:
    """A question gives one fact, an answer one for each alias; the asking side is the client either way."""
    message = dpkt.dns.DNS(id=1, qd=[dpkt.dns.DNS.Q(name="Pool.Example.COM", type=1)])
    (query,) = dns.read_message(bytes(message), 5, Oddities())
    assert (query.sender, query.message, query.values) == (
        Role.CLIENT,
        "query",
        {"dns.query": "pool.example.com", "dns.type": "A"},
    )
    message.qr = 1
    message.an = [dpkt.dns.DNS.RR(name="pool.example.com", type=5, cls=1, ttl=9, cname="edge.nanopool.org")]
    question, alias = dns.read_message(bytes(message), 5, Oddities())
    assert question.sender is Role.SERVER
    assert alias.values["dns.answer"] == "edge.nanopool.org"


WRAPPINGS = [
    (b"PROXY TCP4 192.0.2.10 192.0.2.20 51322 3333\r\n", "", {}),
    (
        b"CONNECT pool.example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT",
        {"connect.host": "pool.example.com", "connect.port": 443},
    ),
    (
        b"\x05\x01\x00\x05\x01\x00\x03\x10pool.example.com\x0d\x05",
        "SOCKS5",
        {"connect.host": "pool.example.com", "connect.port": 3333},
    ),
    (
        b"\x05\x01\x00\x05\x01\x00\x01\xcb\x00\x71\x09\x0d\x05",
        "SOCKS5",
        {"connect.host": "203.0.113.9", "connect.port": 3333},
    ),
    (
        b"\x04\x01\x0d\x05\x00\x00\x00\x01\x00pool.example.com\x00",
        "SOCKS4a",
        {"connect.host": "pool.example.com", "connect.port": 3333},
    ),
    (
        b"\x04\x01\x0d\x05\xcb\x00\x71\x09u\x00",
        "SOCKS4",
        {"connect.host": "203.0.113.9", "connect.port": 3333},
    ),
    (b"HTTP/1.1 200 OK\r\n\r\n", "", {}),
    (b"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", "", {}),
    (b"\x00\x5a\x00\x00\x00\x00\x00\x00", "", {}),
]


@pytest.mark.parametrize(
    ("head", "message", "values"), WRAPPINGS, ids=[str(i) for i in range(len(WRAPPINGS))]
)
def test_wrapping(head: bytes, message: str, values: dict[str, object]) -> None:
    """A wrapping is recognised exactly when its last byte has come, with what it tells, and leaves what follows alone."""
    for end in range(1, len(head)):
        assert wrapped.unwrap(head[:end]) is wrapped.MORE, end
    found = wrapped.unwrap(head + b"{rest")
    assert found is not None
    assert (found.length, found.message, found.values) == (len(head), message, values)


@pytest.mark.parametrize(
    "head",
    [
        b"\x05\x63",
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
        b"CONNECT nowhere HTTP/1.1\r\n\r\n",
        b"PROXY " + b"x" * 200,
        b"\x04\x07",
        b"{",
    ],
)
def test_no_wrapping(head: bytes) -> None:
    """What only resembles a wrapping is none."""
    found = wrapped.unwrap(head)
    assert found is None or (found is wrapped.MORE and head == b"\x05\x63"[:1])


@given(st.binary(max_size=120))
def test_any_head(head: bytes) -> None:
    """No head of a direction raises in any of the readers."""
    for first in (
        b"",
        b"\x05",
        b"\x04",
        b"\x00",
        b"PROXY ",
        b"CONNECT ",
        b"HTTP/1.",
        b"\x16\x03\x01",
        b"GET ",
    ):
        wrapped.unwrap(first + head)
        tls.read_hello(first + head)
        http.read_request(first + head)
        dns.read_message(first + head, 0, Oddities())
