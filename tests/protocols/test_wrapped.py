"""What may stand in front of a conversation, alone and inside one another."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import CLIENT, SERVER, Talk, line, mangled, pieces, read_in

from sniffer.model import Role
from sniffer.protocols import wrapped
from sniffer.protocols.conversation import MAX_HEAD, MAX_WRAPPINGS, Verdict

POOL = {"connect.host": "pool.example.com", "connect.port": 3_333}
ADDRESS = {"connect.host": "203.0.113.9", "connect.port": 3_333}
WIDE = {"connect.host": "2001:db8::9", "connect.port": 3_333}
ONION = {"connect.host": "x.onion", "connect.port": 3_333}
NAMED = b"\x03\x10Pool.Example.COM\x0d\x05"
SUBSCRIBE = line({"id": 1, "method": "mining.subscribe", "params": ["x/1"]})
NOTIFY = line(
    {"id": None, "method": "mining.notify", "params": ["1", "00" * 32, "", "", [], "2", "3", "4", True]}
)
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def proxy(command: int, family: int, data: bytes = b"") -> bytes:
    """A header of the PROXY protocol, version 2."""
    return SIGNATURE + bytes([command, family]) + len(data).to_bytes(2, "big") + data


PROXY_1 = b"PROXY TCP4 192.0.2.10 192.0.2.20 51322 3333\r\n"
PROXY_2 = proxy(0x21, 0x11, bytes([192, 0, 2, 10, 192, 0, 2, 20, 0xC8, 0x7A, 0x0D, 0x05]))
CONNECT = b"CONNECT pool.example.com:3333 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic eDp5\r\n\r\n"
AGREED = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"
SOCKS_5 = b"\x05\x01\x00\x05\x01\x00" + NAMED
SOCKS_5_REPLY = b"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
SOCKS_4 = b"\x04\x01\x0d\x05\xcb\x00\x71\x09u\x00"
SOCKS_4_REPLY = b"\x00\x5a\x00\x00\x00\x00\x00\x00"

WRAPPINGS: dict[str, tuple[bytes, str, dict[str, Any]]] = {
    "PROXY": (PROXY_1, "", {}),
    "PROXY unknown": (b"PROXY UNKNOWN\r\n", "", {}),
    "PROXY 2": (PROXY_2, "", {}),
    "PROXY 2, IPv6": (proxy(0x21, 0x21, bytes(36)), "", {}),
    "PROXY 2, local": (proxy(0x20, 0x00), "", {}),
    "PROXY 2, more": (proxy(0x21, 0x11, bytes(12) + b"\x04\x00\x03abc" * 90), "", {}),
    "CONNECT": (CONNECT, "CONNECT", POOL),
    "CONNECT, address": (b"CONNECT [2001:db8::9]:3333 HTTP/1.1\r\n\r\n", "CONNECT", WIDE),
    "CONNECT, port 0": (b"CONNECT pool.example.com:0 HTTP/1.1\r\n\r\n", "CONNECT", {}),
    "CONNECT, dot": (b"CONNECT Pool.example.com.:3333 HTTP/1.1\r\n\r\n", "CONNECT", POOL),
    "agreed": (AGREED, "", {}),
    "agreed, short": (b"HTTP/1.0 200 OK\r\n\r\n", "", {}),
    "SOCKS 5": (SOCKS_5, "SOCKS5", POOL),
    "SOCKS 5, methods": (b"\x05\x03\x00\x01\x02\x05\x01\x00" + NAMED, "SOCKS5", POOL),
    "SOCKS 5, password": (b"\x05\x02\x00\x02\x01\x04user\x02pw\x05\x01\x00" + NAMED, "SOCKS5", POOL),
    "SOCKS 5, no password": (b"\x05\x01\x02\x01\x00\x00\x05\x01\x00" + NAMED, "SOCKS5", POOL),
    "SOCKS 5, IPv4": (b"\x05\x01\x00\x05\x01\x00\x01\xcb\x00\x71\x09\x0d\x05", "SOCKS5", ADDRESS),
    "SOCKS 5, IPv6": (
        b"\x05\x01\x00\x05\x01\x00\x04" + bytes.fromhex("20010db8000000000000000000000009") + b"\x0d\x05",
        "SOCKS5",
        WIDE,
    ),
    "SOCKS 5, onion": (b"\x05\x01\x00\x05\x01\x00\x03\x07x.onion\x0d\x05", "SOCKS5", ONION),
    "SOCKS 5, no name": (b"\x05\x01\x00\x05\x01\x00\x03\x00\x0d\x05", "SOCKS5", {}),
    "CONNECT, too long": (
        b"CONNECT " + b"a" * 244 + b".f2pool.com.evil.example:443 HTTP/1.1\r\n\r\n",
        "CONNECT",
        {},
    ),
    "SOCKS 5 reply": (SOCKS_5_REPLY, "", {}),
    "SOCKS 5 reply, password": (b"\x05\x02\x01\x00\x05\x00\x00\x04" + bytes(18), "", {}),
    "SOCKS 5 reply, name": (b"\x05\x00\x05\x00\x00\x03\x01a\x00\x00", "", {}),
    "SOCKS 4a": (b"\x04\x01\x0d\x05\x00\x00\x00\x01\x00pool.example.com\x00", "SOCKS4a", POOL),
    "SOCKS 4": (SOCKS_4, "SOCKS4", ADDRESS),
    "SOCKS 4 reply": (SOCKS_4_REPLY, "", {}),
}  # fmt: skip


@pytest.mark.parametrize(("head", "message", "values"), WRAPPINGS.values(), ids=WRAPPINGS)
def test_wrapping(head: bytes, message: str, values: dict[str, object]) -> None:
    """A wrapping is recognised with its last byte, and what it tells; what follows is left alone."""
    for end in range(1, len(head)):
        assert wrapped.unwrap(head[:end]) is wrapped.MORE, end
    found = wrapped.unwrap(head + b"{rest")
    assert found is not None
    assert (found.length, found.message, found.values) == (len(head), message, values)


@pytest.mark.parametrize(
    "head",
    [
        b"\x05\x63",
        b"\x05\xff",
        b"\x05\x01\x00\x04",
        b"\x05\x01\x00\x05\x04\x00\x01\x00",
        b"\x05\x01\x00\x05\x01\x01\x01\x00",
        b"\x05\x01\x00\x05\x01\x00\x02\x00",
        b"\x05\x00\x05\x01\x00\x01\x00\x00",
        b"\x04\x07",
        b"\x04\x01\x0d\x05\xcb\x00\x71\x09" + b"u" * 300,
        b"\x04\x01\x0d\x05\x00\x00\x00\x01\x00" + b"h" * 300,
        b"\x00\x5b",
        b"\x00\x5b" + bytes(6),
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 3_000,
        b"CONNECT nowhere HTTP/1.1\r\n\r\n",
        b"CONNECT a:b HTTP/1.1\r\n\r\n",
        b"CONNECT a:123456 HTTP/1.1\r\n\r\n",
        b"CONNECT " + b"x" * 20_000,
        b"CONNECTED",
        b"PROXY " + b"x" * 200,
        b"PROXIES",
        SIGNATURE + b"\x11\x11\x00\x00",
        SIGNATURE + b"\x21\x11\x08\x01",
        SIGNATURE[:-1] + b"X",
        b"{",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_no_wrapping(head: bytes) -> None:
    """What only resembles a wrapping, or is longer than one can be, is none."""
    assert wrapped.unwrap(head) is None


# ── in a conversation ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "answered", "told"),
    [
        (PROXY_1, b"", None),
        (PROXY_2, b"", None),
        (CONNECT, AGREED, POOL),
        (SOCKS_5, SOCKS_5_REPLY, POOL),
        (SOCKS_4, SOCKS_4_REPLY, ADDRESS),
        (PROXY_2 + SOCKS_5, SOCKS_5_REPLY, POOL),
        (PROXY_1 + CONNECT, AGREED, POOL),
    ],
    ids=["PROXY", "PROXY 2", "CONNECT", "SOCKS 5", "SOCKS 4", "PROXY 2 and SOCKS 5", "PROXY and CONNECT"],
)
@pytest.mark.parametrize("size", [0, 1, 7])
def test_conversation_inside(asked: bytes, answered: bytes, told: dict[str, Any] | None, size: int) -> None:
    """Both directions are read behind a wrapping; where it leads is a fact, and the name of the flow."""
    talk = Talk().say(CLIENT, asked, size=size)
    assert [one.values for one in talk.facts] == ([told] if told else [])
    assert talk.conversation.verdict is Verdict.MORE
    talk.say(SERVER, answered, size=size).say(CLIENT, SUBSCRIBE, size=size).say(SERVER, NOTIFY, size=size)
    assert talk.messages == ["mining.subscribe", "mining.notify"]
    assert (talk.conversation.held, talk.counted()) == (0, {})
    host = told["connect.host"] if told else ""
    assert talk.conversation.is_named is host.startswith("pool")
    assert talk.conversation.target == ("pool.example.com" if host.startswith("pool") else "")
    if told:
        assert (talk.facts[0].protocol, talk.facts[0].sender, talk.facts[0].end) == (
            "pool-connect",
            Role.CLIENT,
            len(asked),
        )
        assert talk.conversation.session.told["mining.pool"] == f"{host}:3333"


def test_end_of_a_wrapping() -> None:
    """The request to a proxy knows the sequence number behind it, whatever follows in the segment."""
    talk = Talk().say(CLIENT, PROXY_1 + SOCKS_5 + SUBSCRIBE)
    assert [one.end for one in talk.facts] == [len(PROXY_1 + SOCKS_5), len(PROXY_1 + SOCKS_5 + SUBSCRIBE)]


def test_answers_that_nobody_asked_for() -> None:
    """A response, or a zero byte, in front of a stream is no wrapping unless a proxy was asked."""
    assert Talk().say(SERVER, AGREED + NOTIFY).messages == []
    assert Talk().say(SERVER, SOCKS_4_REPLY + NOTIFY).messages == []
    assert Talk().say(SERVER, b"\0").say(SERVER, NOTIFY).messages == ["mining.notify"]


def test_refused_tunnel_and_another() -> None:
    """Behind a tunnel that was refused another may be asked for."""
    talk = Talk().say(CLIENT, CONNECT).say(SERVER, b"HTTP/1.1 407 Who\r\nContent-Length: 2\r\n\r\nno")
    talk.say(CLIENT, CONNECT).say(SERVER, AGREED).say(CLIENT, SUBSCRIBE)
    assert [one.message for one in talk.facts] == ["CONNECT", "CONNECT", "mining.subscribe"]


def test_wrappings_in_wrappings() -> None:
    """Three wrappings inside one another are taken off and counted, a fourth is not."""
    chain = PROXY_1 + CONNECT + SOCKS_5
    talk = Talk().say(CLIENT, chain + SUBSCRIBE, size=1)
    assert (talk.messages, talk.counted()) == (["mining.subscribe"], {"layers_limit": 1})
    talk = Talk().say(CLIENT, chain + PROXY_1 + SUBSCRIBE)
    assert (talk.messages, talk.counted()) == ([], {"layers_limit": 1})
    talk = Talk().say(CLIENT, PROXY_1 * 1_000 + SUBSCRIBE)
    assert (talk.messages, talk.conversation.held) == ([], 0)
    assert MAX_WRAPPINGS == 3


@pytest.mark.parametrize("filler", [b"A: b\r\n", b"x"])
def test_request_that_never_ends(filler: bytes) -> None:
    """No more than 16 KiB are held of a request to a proxy, which is then given up."""
    talk = Talk().say(CLIENT, CONNECT[:-2])
    for _ in range(300):
        talk.say(CLIENT, filler * 100)
        assert talk.conversation.held <= MAX_HEAD
    assert (talk.conversation.held, talk.conversation.verdict) == (0, Verdict.NO)


# ── fuzz entries ─────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | mangled([head for head, _, _ in WRAPPINGS.values()]))
def test_any_bytes(head: bytes) -> None:
    """Fuzz entry: no bytes raise, and a wrapping lies inside its head."""
    for first in (b"", b"\x05", b"\x04", b"\x00", b"PROXY ", b"CONNECT ", b"HTTP/1.", SIGNATURE):
        found = wrapped.unwrap(first + head)
        assert found is None or found is wrapped.MORE or 0 < found.length <= len(first + head)


@settings(max_examples=150, deadline=None)
@given(mangled([PROXY_2 + SOCKS_5 + SUBSCRIBE, CONNECT + SUBSCRIBE, SOCKS_4 + SUBSCRIBE]), pieces())
def test_damaged_wrapping(data: bytes, sizes: list[int]) -> None:
    """Fuzz entry: damaged wrappings never raise, say the same in any pieces, and stay within the bounds."""
    whole, cut = Talk().say(CLIENT, data), read_in(sizes, CLIENT, data)
    names = [[one.message for one in talk.facts if one.protocol == "pool-connect"] for talk in (whole, cut)]
    assert names[0] == names[1]
    assert max(whole.conversation.held, cut.conversation.held) <= 2 * 17_000
