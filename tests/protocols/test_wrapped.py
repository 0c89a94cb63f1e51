"""What may stand in front of a conversation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.protocols import wrapped

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


@given(st.binary(max_size=200))
def test_any_bytes(head: bytes) -> None:
    """No bytes raise."""
    for first in (b"", b"\x05", b"\x04", b"\x00", b"PROXY ", b"CONNECT ", b"HTTP/1."):
        wrapped.unwrap(first + head)
