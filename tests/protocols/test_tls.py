"""TLS ClientHellos: the name is the same however they are cut."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.protocols import tls


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


@given(st.binary(max_size=200))
def test_any_bytes(head: bytes) -> None:
    """No bytes raise."""
    for first in (b"", b"\x16\x03\x01"):
        tls.read_hello(first + head)
