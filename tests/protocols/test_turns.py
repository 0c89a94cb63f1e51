"""The order of sizes by which Stratum V2 inside Noise is known."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.protocols.turns import HANDSHAKE, MAX_TURNS, STEADY, Turns

C, S = 0, 1
START = [(C, 64), (S, 234), (C, 61), (S, 44)]
OPEN = [(C, 90), (S, 107)]


def told(notes: list[tuple[int, int]]) -> list[tuple[int, str]]:
    """What segments tell, and by which of them."""
    turns = Turns()
    said = [turns.note(side, size) for side, size in notes]
    return [(number, message) for number, message in enumerate(said) if message]


def shares(size: int, verdict: int, count: int = 4) -> list[tuple[int, int]]:
    """Shares and their verdicts."""
    return [(C, size), (S, verdict)] * count


@pytest.mark.parametrize("second", [234, 170])
@pytest.mark.parametrize("third", [61, 130, 300])
def test_handshake(second: int, third: int) -> None:
    """The handshake is told with its fourth message, once, whichever side of the flow is the client."""
    notes = [(C, 64), (S, second), (C, third), (S, 44), *OPEN]
    assert told(notes) == [(3, HANDSHAKE)]
    assert told([(1 - side, size) for side, size in notes]) == [(3, HANDSHAKE)]


@pytest.mark.parametrize(
    "notes",
    [
        [(C, 22), (C, 42), (S, 234), (C, 61), (S, 44)],
        [(C, 64), (S, 64), (S, 80), (S, 90), (C, 61), (S, 44)],
        [(C, 64), (S, 234), (C, 22), (C, 39), (S, 22), (S, 22)],
        [(C, 1)] * 64 + [(S, 1)] * 234 + [(C, 1)] * 61 + [(S, 1)] * 44,
    ],
    ids=["first", "second", "header and payload", "bytes"],
)
def test_handshake_in_pieces(notes: list[tuple[int, int]]) -> None:
    """How a message is cut into segments does not matter where both sides are heard."""
    assert told(notes) == [(len(notes) - 1, HANDSHAKE)]


@pytest.mark.parametrize("second", [172, 174])
def test_handshake_of_2019(second: int) -> None:
    """The handshake of the older version is told when the client goes on behind it."""
    assert told([(C, 34), (S, second)]) == []
    assert told([(C, 34), (S, second), (C, 500), (S, 9)]) == [(2, HANDSHAKE)]


@pytest.mark.parametrize("size", [62, 65, 71, 95])
@pytest.mark.parametrize("verdict", [58, 54])
def test_steady_state(size: int, verdict: int) -> None:
    """Four shares of one size with an answer each are the steady state, told once as the next begins."""
    notes = START + OPEN + shares(size, verdict, 9)
    assert told(notes) == [(3, HANDSHAKE), (14, STEADY)]


def test_jobs_between_shares() -> None:
    """Jobs that the server sends by itself do not hide the steady state."""
    job = [(C, 62), (S, 58), (S, 86)]
    assert told(START + OPEN + job + shares(62, 58) + job + shares(62, 58))[1] == (17, STEADY)


@pytest.mark.parametrize(
    "notes",
    [
        shares(62, 58, 3),
        [note for size in (62, 65, 66, 67) for note in shares(size, 58, 3)],
        shares(62, 59, 20),
        shares(64, 58, 20),
        shares(96, 58, 20),
        [*shares(500, 900, 12), *shares(62, 58, 4)],
    ],
    ids=["three", "other sizes", "other answers", "short", "long", "few among many"],
)
def test_no_steady_state(notes: list[tuple[int, int]]) -> None:
    """Fewer shares, changing sizes, other answers, or a few shares among many others are no steady state."""
    assert told(START + OPEN + notes + [(C, 1)]) == [(3, HANDSHAKE)]


@pytest.mark.parametrize(
    "notes",
    [
        [(C, 64), (S, 116), (C, 52), (S, 20)],
        [(C, 64), (S, 4_000), (C, 61), (S, 44)],
        [(C, 64), (S, 233), (C, 61), (S, 44)],
        [(C, 64), (S, 234), (C, 60), (S, 44)],
        [(C, 64), (S, 234), (C, 500), (S, 44)],
        [(C, 64), (S, 234), (C, 61), (S, 45)],
        [(C, 64), (S, 172), (C, 61), (S, 44)],
        [(C, 34), (S, 234), (C, 61), (S, 44)],
        [(C, 63), (S, 234), (C, 61), (S, 44)],
        [(C, 50), (S, 50), (C, 66)],
        [(C, 89), (S, 1_448)],
        [(C, 1_400), (S, 234), (C, 61), (S, 44)],
        [(S, 234), (C, 64), (S, 44)],
    ],
    ids=[
        "BIP 324", "garbage", "short answer", "short setup", "long setup", "long end", "mixed", "both", "63",
        "BOLT 8", "Shadowsocks", "long", "server first",
    ],
)  # fmt: skip
def test_other_protocols(notes: list[tuple[int, int]]) -> None:
    """A size that does not fit ends the watch, and nothing behind it is told."""
    turns = Turns()
    for side, size in notes + START + OPEN + shares(62, 58, 9):
        assert turns.note(side, size) == ""
    assert turns.dead


@pytest.mark.parametrize("sizes", [(235,), (1_400,), (100, 135), (10, 10, 10, 300)])
def test_long_beginning(sizes: tuple[int, ...]) -> None:
    """More bytes of one side than a first message can have end the watch at once."""
    turns = Turns()
    assert not [message for size in sizes if (message := turns.note(C, size))]
    assert turns.dead


def test_client_alone() -> None:
    """Where only the client is heard, its first two messages and four shares of one size tell a handshake."""
    assert told([(C, size) for size in (64, 61, 90, 62, 62, 62, 62, 62)]) == [(6, HANDSHAKE)]
    assert told([(C, size) for size in (20, 44, 130, 90, 70, 70, 70, 70)]) == [(7, HANDSHAKE)]


def test_server_alone() -> None:
    """Where only the server is heard, two messages tell a handshake, and its verdicts the steady state."""
    assert told([(S, size) for size in (234, 44, 107, 58, 58, 86, 58, 58, 58)]) == [
        (1, HANDSHAKE),
        (7, STEADY),
    ]
    assert told([(S, size) for size in (100, 134, 44)]) == [(2, HANDSHAKE)]


@pytest.mark.parametrize(
    "sizes",
    [
        (100, 62, 62, 62, 62, 62, 62),
        (64, 44, 62, 62, 62, 62, 62),
        (234, 61, 58, 58, 58, 58, 58),
        (65, 61, 62, 62, 62, 62, 62),
        (64, 61, 90, 62, 1_400, 62, 1_400, 900, 62, 700, 800, 900, 62),
        (300, 62, 62, 62, 62),
    ],
    ids=["first", "second", "server's second", "one more", "among others", "too long"],
)
def test_one_side_of_other_protocols(sizes: tuple[int, ...]) -> None:
    """One side of another protocol tells nothing, though some of its sizes fit."""
    assert told([(C, size) for size in sizes]) == []


@pytest.mark.parametrize(
    "notes",
    [
        START + [(C, 500), (S, 500)] * MAX_TURNS,
        [(C, 64), (C, 61)] + [(C, 500)] * 2 * MAX_TURNS,
        [(C, 1)] * 400,
    ],
    ids=["both", "one", "bytes"],
)
def test_watch_without_end(notes: list[tuple[int, int]]) -> None:
    """A flow that shows nothing more is not watched without end."""
    turns = Turns()
    for side, size in notes:
        turns.note(side, size)
    assert turns.dead


NOTES = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from([64, 234, 61, 44, 62, 58, 34, 172, 1, 22, 1_400]) | st.integers(1, 300),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(NOTES, st.sampled_from([[], START, START + OPEN + shares(62, 58)]))
def test_any_sizes(notes: list[tuple[int, int]], before: list[tuple[int, int]]) -> None:
    """Fuzz entry: whatever the sizes, each message is told once, the handshake first, and little is kept."""
    turns = Turns()
    said = [message for side, size in before + notes if (message := turns.note(side, size))]
    assert said in ([], [HANDSHAKE], [HANDSHAKE, STEADY])
    assert len(turns.pairs) <= 40


@settings(max_examples=200, deadline=None)
@given(st.integers(61, 300), st.lists(st.integers(1, 60), min_size=1, max_size=6))
def test_cuts_do_not_matter(third: int, sizes: list[int]) -> None:
    """Fuzz entry: a handshake of both sides is told in any segmentation, by its last byte."""
    notes = []
    number = 0
    for side, size in [(C, 64), (S, 234), (C, third), (S, 44)]:
        left = size
        while left:
            piece = min(left, sizes[number % len(sizes)])
            notes.append((side, piece))
            left, number = left - piece, number + 1
    assert told(notes) == [(len(notes) - 1, HANDSHAKE)]
