"""OCEAN DATUM: a first message that is as long as its hidden length says, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from talk import CLIENT, SERVER, Talk, mangled, pieces, read_in

from sniffer.model import Role
from sniffer.protocols.conversation import Verdict
from sniffer.protocols.datum import KEY

SIGNED, SEALED, HELLO = 1 << 24, 1 << 25, 1 << 27


def message(length: int, flags: int = SIGNED | SEALED | HELLO, *, key: int = KEY) -> bytes:
    """A message of DATUM, its header under the key."""
    return ((length | flags) ^ key).to_bytes(4, "little") + bytes(index * 7 & 0xFF for index in range(length))


@pytest.mark.parametrize("length", [200, 300, 447, 560, 1_024])
def test_hello(length: int) -> None:
    """A hello is a hint of the family, whole and in pieces, from either side, and identifies nothing."""
    for size in (0, 1, 3, 200):
        for side in (CLIENT, SERVER):
            talk = Talk().say(side, message(length), size=size)
            (found,) = talk.facts
            assert found.values == {"mining.protocol": "datum", "mining.message": "hello"}
            assert (found.side, found.sender, found.mining) == (side, Role.CLIENT, False)
            assert found.end == 4 + length
            assert (talk.conversation.held, talk.conversation.verdict) == (0, Verdict.NO)


def test_bytes_of_the_reference() -> None:
    """The first bytes are those that the reference gives for a length of 303."""
    assert message(303)[:4] == bytes.fromhex("061987d7")


@pytest.mark.parametrize(
    "data",
    [
        message(199),
        message(1_025),
        message(300, SIGNED | HELLO),
        message(300, SIGNED | SEALED | 2 * HELLO),
        message(300, key=0),
        message(300)[:-1],
        message(300) + b"\0",
        message(300) * 2,
    ],
    ids=["short", "long", "not sealed", "another command", "no key", "cut", "one byte more", "twice"],
)
def test_what_is_no_hello(data: bytes) -> None:
    """Another command, an impossible length, a message that is cut or does not come alone are no hello."""
    assert Talk().say(CLIENT, data).facts == []


def test_connection_whose_start_was_not_seen() -> None:
    """A hello tells what it is without the handshake of TCP before it; behind other bytes it is none."""
    assert Talk(midway=(CLIENT,)).say(CLIENT, message(300)).messages == ["hello"]
    assert Talk(midway=(CLIENT,)).say(CLIENT, b"\xff\xfe" * 20).say(CLIENT, message(300)).facts == []


def test_what_is_held() -> None:
    """No more is held than the hello is long, and it is accounted for."""
    talk = Talk()
    hello = message(1_024)
    for at in range(len(hello) - 1):
        talk.say(CLIENT, hello[at : at + 1])
        assert talk.conversation.held == at + 1


@settings(max_examples=150, deadline=None)
@given(mangled([message(200), message(303), message(560)]), pieces())
def test_damaged_hello(data: bytes, sizes: list[int]) -> None:
    """Fuzz entry: damaged messages never raise, tell at most one hello, and are not kept."""
    talk = read_in(sizes, CLIENT, data)
    assert talk.messages in ([], ["hello"])
    assert talk.conversation.held < 17_000
