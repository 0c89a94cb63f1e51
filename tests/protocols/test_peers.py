"""Nodes of coins: their greetings are told by network, and are no mining."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from talk import CLIENT, SERVER, Talk, mangled, pieces, read_in

from sniffer.model import Role
from sniffer.protocols.conversation import Verdict
from sniffer.protocols.peers import MAGICS

LEVIN = bytes.fromhex("0121010101010101") + bytes(25)
AUTH = b"\x01\x3e\x04" + bytes(range(1, 256)) + bytes(62)


def version(magic: str, command: bytes = b"version") -> bytes:
    """A first message of Bitcoin's kin."""
    return bytes.fromhex(magic) + command.ljust(12, b"\0") + bytes([100, 0, 0, 0]) + bytes(104)


GREETINGS = [
    *((version(magic), network) for magic, network in MAGICS.items()),
    (LEVIN, "monero"),
    (AUTH, "ethereum"),
]


@pytest.mark.parametrize(("greeting", "network"), GREETINGS, ids=[network for _, network in GREETINGS])
def test_greeting(greeting: bytes, network: str) -> None:
    """A greeting of either side is one fact, the network; it is no mining, and nothing behind it is read."""
    for side in (CLIENT, SERVER):
        talk = Talk().say(side, greeting).say(side, greeting)
        (found,) = talk.facts
        assert (found.protocol, found.message, found.sender) == ("coin-p2p", "hello", Role.CLIENT)
        assert (found.values, found.side, found.mining) == ({"p2p.network": network}, side, False)
        assert (talk.conversation.verdict, talk.conversation.held) == (Verdict.NO, 0)


@pytest.mark.parametrize(
    ("greeting", "network"), GREETINGS[:-1], ids=[network for _, network in GREETINGS[:-1]]
)
def test_greeting_in_pieces(greeting: bytes, network: str) -> None:
    """A greeting is known by its first eight bytes, one after the other if it must be."""
    for data, size in ((greeting, 1), (greeting, 3), (greeting[:8], 1)):
        assert [one.values["p2p.network"] for one in Talk().say(CLIENT, data, size=size).facts] == [network]
    assert Talk().say(CLIENT, greeting[:7]).facts == []


def test_both_nodes() -> None:
    """Each node's greeting is told."""
    assert len(Talk().say(CLIENT, version("f9beb4d9")).say(SERVER, version("f9beb4d9")).facts) == 2


@pytest.mark.parametrize(
    "data",
    [
        version("f9beb4d9", b"\x01ersion"),
        version("f9beb4d8"),
        bytes.fromhex("f9beb4d9"),
        LEVIN[:7] + b"\x02" + bytes(25),
        AUTH[:-1],
        AUTH + b"\0",
        AUTH[:2] + b"\x05" + AUTH[3:],
        b"\x00\xf0\x04" + bytes(0xEF),
        b"\x03\x00\x04" + bytes(0x2FF),
    ],
    ids=["no command", "magic", "four bytes", "levin", "cut", "longer", "no point", "short", "long"],
)
def test_what_is_no_greeting(data: bytes) -> None:
    """Another magic, command, size or kind of key is no greeting."""
    assert not [one for one in Talk().say(CLIENT, data).facts if one.protocol == "coin-p2p"]


def test_middle_of_a_stream() -> None:
    """In the middle of a stream nobody greets."""
    for greeting, _ in GREETINGS:
        assert Talk(midway=(CLIENT,)).say(CLIENT, greeting).facts == []


@settings(max_examples=150, deadline=None)
@given(mangled([greeting for greeting, _ in GREETINGS]), pieces())
def test_damaged_greeting(data: bytes, sizes: list[int]) -> None:
    """Fuzz entry: damaged greetings never raise, are never mining, and are not held."""
    talk = read_in(sizes, CLIENT, data)
    assert not talk.mining
    assert talk.conversation.held < 1_000
