"""HTTP request heads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.protocols import http


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


@given(st.binary(max_size=200))
def test_any_bytes(head: bytes) -> None:
    """No bytes raise."""
    for first in (b"", b"GET "):
        http.read_request(first + head)
