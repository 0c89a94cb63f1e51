"""Stratum V2 inside Noise: bytes that look random, and what their sizes tell."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import CLIENT, SERVER, Talk

from sniffer.model import Gap, Role
from sniffer.protocols.conversation import Verdict
from sniffer.protocols.noise import looks_random

HANDSHAKE = [(CLIENT, 64), (SERVER, 234), (CLIENT, 61), (SERVER, 44)]
SHARES = [(CLIENT, 70), (SERVER, 58)] * 5


def noise(size: int) -> bytes:
    """Bytes as a cipher leaves them; the first is that of no other protocol."""
    return (b"\xa7" + random.Random(size).randbytes(size))[:size]


def play(turns: list[tuple[int, int]], *, size: int = 0, talk: Talk | None = None) -> Talk:
    """Messages of these sizes, in pieces."""
    talk = talk or Talk()
    for side, length in turns:
        talk.say(side, noise(length), size=size)
    return talk


@pytest.mark.parametrize("size", [0, 1, 22])
def test_handshake_and_shares(size: int) -> None:
    """A handshake and a steady state are hints, each told once by whoever completes it, in any pieces."""
    talk = play([*HANDSHAKE, (CLIENT, 90), (SERVER, 107), *SHARES], size=size)
    assert talk.messages == ["noise-handshake", "noise-shares"]
    shook, steady = talk.facts
    assert (shook.side, shook.sender, shook.end) == (SERVER, Role.SERVER, 278)
    assert (steady.side, steady.sender) == (CLIENT, Role.CLIENT)
    assert {one.protocol for one in talk.facts} == {"stratum-v2"}
    assert {one.values["mining.algorithm"] for one in talk.facts} == {"sha256d"}
    assert not any(one.mining for one in talk.facts)
    assert (talk.conversation.verdict, talk.conversation.held) == (Verdict.MORE, 0)


def test_handshake_of_the_other_side() -> None:
    """Whoever speaks first is the client, whichever end of the flow it is."""
    (found,) = play([(1 - side, size) for side, size in HANDSHAKE]).facts
    assert (found.side, found.sender) == (CLIENT, Role.SERVER)


def test_handshake_of_2019() -> None:
    """The older handshake begins with its length."""
    talk = (
        Talk()
        .say(CLIENT, b"\x20\x00" + noise(32))
        .say(SERVER, b"\xaa\x00" + noise(170))
        .say(CLIENT, noise(80))
    )
    assert [(one.message, one.sender) for one in talk.facts] == [("noise-handshake", Role.CLIENT)]


def test_one_side() -> None:
    """Where one side is heard, the sizes of its segments tell which one it is."""
    (found,) = play([(CLIENT, 234), (CLIENT, 44)]).facts
    assert (found.message, found.sender) == ("noise-handshake", Role.SERVER)
    (found,) = play([(SERVER, 64), (SERVER, 61), *[(SERVER, 70)] * 4]).facts
    assert (found.message, found.sender) == ("noise-handshake", Role.CLIENT)


@pytest.mark.parametrize(
    "turns",
    [
        [(CLIENT, 64), (SERVER, 116), (CLIENT, 52), (SERVER, 20)],
        [(CLIENT, 64), (SERVER, 234), (CLIENT, 61), (SERVER, 45)],
        [(CLIENT, 64), (SERVER, 234), (CLIENT, 400), (SERVER, 44)],
        [(CLIENT, 517), (SERVER, 234), (CLIENT, 61), (SERVER, 44)],
        [(CLIENT, 89), (SERVER, 1_448)],
    ],
    ids=["BIP 324", "one more", "long setup", "long", "Shadowsocks"],
)
def test_other_ciphers(turns: list[tuple[int, int]]) -> None:
    """Other protocols that begin with random bytes tell nothing, and are given up."""
    talk = play([*turns, *SHARES])
    assert (talk.facts, talk.conversation.verdict, talk.conversation.held) == ([], Verdict.NO, 0)


def test_text_of_the_right_sizes() -> None:
    """Text and repeated bytes are not random, whatever their sizes."""
    for filler in (b"The quick brown fox jumps over the lazy dog. ", b"\xff\xfe\xfd"):
        talk = Talk()
        for side, size in [*HANDSHAKE, *SHARES]:
            talk.say(side, (filler * 10)[:size])
        assert talk.facts == []


def test_middle_of_a_stream() -> None:
    """In the middle of a stream all ciphers look alike."""
    assert play(HANDSHAKE, talk=Talk(midway=(CLIENT, SERVER))).facts == []


@pytest.mark.parametrize("at", [2, 3])
def test_gap(at: int) -> None:
    """Where bytes are missing no size is sure any more."""
    talk = play(HANDSHAKE[:at])
    talk.conversation.read(Gap(HANDSHAKE[at][0], 0, 0))
    play(HANDSHAKE[at:] + SHARES, talk=talk)
    assert (talk.facts, talk.conversation.verdict) == ([], Verdict.NO)


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (bytes(range(200, 216)), True),
        (bytes(range(200, 211)) + b"\xc8" * 5, False),
        (bytes(range(200, 212)) + b"\xc8" * 4, True),
        (bytes(range(64)), False),
        (bytes(range(64, 128)) + b"\xff", False),
        (bytes(range(65, 129)), True),
    ],
    ids=["different", "11 of 16", "12 of 16", "ASCII", "ASCII first", "one byte that is not"],
)
def test_looks_random(head: bytes, *, wanted: bool) -> None:
    """Random are bytes of which seven in ten of the first 64 are different, and not all of them text."""
    assert looks_random(head) is wanted


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.sampled_from([64, 234, 61, 44, 70, 58, 34]) | st.integers(0, 300),
            st.integers(0, 9),
        ),
        max_size=16,
    )
)
def test_any_sizes(turns: list[tuple[int, int, int]]) -> None:
    """Fuzz entry: random bytes in any turns and pieces raise nothing, hold little, and are told of once."""
    talk = Talk()
    for side, length, size in turns:
        talk.say(side, noise(length), size=size)
        assert talk.conversation.held < 1_000
    assert talk.messages in ([], ["noise-handshake"], ["noise-handshake", "noise-shares"])
