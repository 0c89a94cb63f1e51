"""Openings of both sides of a flow, and of datagrams."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.model import Alternative, Data, End, Facts, Gap, Pattern, Role
from sniffer.protocols.payload import MAX_TEXT, Openings, read_datagram

HELLO = Pattern(0, b"HELLO-MINE v1", "any", "tcp")
MAGIC = Pattern(4, b"\xde\xad\xbe\xef", "any", "tcp")
LINE = b"HELLO-MINE v1 wallet=abc\r\nnext line"


def read(openings: Openings, *pieces: bytes, side: int = 0, seq: int = 1_000) -> list[Facts]:
    """Facts after one piece after the other."""
    out: list[Facts] = []
    for number, piece in enumerate(pieces):
        seq += len(piece)
        out += openings.read(Data(side, piece, number, seq))
    return out


def begin(*patterns: Pattern, ports: tuple[int, int] = (40_000, 7_777), opener: int = -1) -> Openings:
    """A flow of which nothing was read."""
    return Openings(patterns or (HELLO, MAGIC), ports, opener)


def test_one_record_for_a_side() -> None:
    """The first 64 bytes, the first line, who sent it; nothing of what comes later."""
    openings = begin()
    (facts,) = read(openings, LINE + b"." * 100, LINE)
    assert (facts.protocol, facts.message, facts.sender, facts.mining) == (
        "payload",
        "opening",
        Role.CLIENT,
        False,
    )
    assert facts.values == {
        "payload.hex": (LINE + b"." * 100)[:64].hex(),
        "payload.text": "HELLO-MINE v1 wallet=abc",
        "payload.side": "client",
    }
    assert facts.end == 1_000 + len(LINE) + 100
    assert openings.is_done(0)
    assert not openings.is_open


@settings(max_examples=300, deadline=None)
@given(
    st.sets(st.integers(1, len(LINE) - 1)),
    st.sampled_from([LINE, b"\1\2\3\4\xde\xad\xbe\xef\0" + bytes(24), b"other" * 7]),
)
def test_pieces_do_not_matter(cuts: set[int], data: bytes) -> None:
    """However an opening is cut, there is one record, with the same first line and the same patterns; or none."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    patterns = (HELLO, MAGIC, Pattern(26, b"next", "any", "tcp"))
    whole, cut = read(begin(*patterns), data), read(begin(*patterns), *pieces)
    assert len(whole) == len(cut) == (not data.startswith(b"other"))
    for one, other in zip(whole, cut, strict=True):
        assert one.values.get("payload.text") == other.values.get("payload.text")
        heads = [bytes.fromhex(str(each.values["payload.hex"])) for each in (one, other)]
        assert len({tuple(head.startswith(each.data, each.at) for each in patterns) for head in heads}) == 1


def test_a_line_that_fits_is_waited_for() -> None:
    """Until it ends, until 256 bytes are there, until bytes are lost, until the side ends, or until it is closed."""
    for last in (b"x\n", b"x" * 300, b"\xff"):
        openings = begin()
        assert read(openings, b"HELLO-MINE v1 ") == []
        assert (openings.is_open, openings.has_begun(0), openings.has_begun(1)) == (True, True, False)
        (facts,) = read(openings, last)
        assert len(str(facts.values["payload.text"])) <= MAX_TEXT
    for ending in (Gap(0, 5, 9), End(0, 9)):
        openings = begin()
        assert read(openings, b"HELLO-MINE v1 ") == []
        (facts,) = openings.read(ending)
        assert facts.values["payload.text"] == "HELLO-MINE v1 "
        assert openings.close(0) == []
    openings = begin()
    read(openings, b"HELLO-MINE v1 ")
    assert [facts.end for facts in openings.close(0)] == [1_014]


def test_what_cannot_fit_any_more_is_let_go() -> None:
    """At the first byte that agrees with no pattern; what may still fit is kept, and an end of it tells nothing."""
    openings = begin(HELLO)
    assert read(openings, b"HELLO-") == []
    assert openings.is_open
    assert read(openings, b"mine") == []
    assert (openings.is_open, openings.is_done(0)) == (False, True)
    assert openings.read(End(0, 1)) == []
    openings = begin(HELLO)
    read(openings, b"HELLO-")
    assert openings.read(Gap(0, 100, 1)) == []
    assert read(openings, b"HELLO-MINE v1\n") == []


def test_other_readings_open_nothing() -> None:
    """A retransmission that differs is not the opening."""
    assert begin().read(Alternative(0, LINE, 1, 99)) == []


def test_sides_are_read_apart() -> None:
    """What one side sends does not end the other's line."""
    openings = begin()
    assert read(openings, b"HELLO-MINE") == []
    (other,) = read(openings, b"....\xde\xad\xbe\xef\0", side=1)
    assert (other.side, other.sender) == (1, Role.SERVER)
    assert "payload.text" in other.values
    (facts,) = read(openings, b" v1\n")
    assert (facts.side, facts.values["payload.text"]) == (0, "HELLO-MINE v1")


@pytest.mark.parametrize(
    ("opener", "says", "ports", "sender"),
    [
        (0, "server", (1, 9), Role.CLIENT),  # who opened it is the client, whatever a rule thinks
        (1, "client", (9, 1), Role.SERVER),
        (-1, "server", (9, 1), Role.SERVER),  # not seen: then the rule knows its protocol
        (-1, "client", (1, 9), Role.CLIENT),
        (-1, "any", (9, 1), Role.CLIENT),  # else the lower port serves
        (-1, "any", (1, 9), Role.SERVER),
        (-1, "any", (9, 9), Role.CLIENT),
    ],
)
def test_who_sent_it(opener: int, says: str, ports: tuple[int, int], sender: Role) -> None:
    """By who opened the connection, by what rules say, by ports."""
    (facts,) = read(begin(HELLO._replace(side=says), ports=ports, opener=opener), LINE)
    assert (facts.sender, facts.values["payload.side"]) == (sender, sender.value)


def test_rules_that_contradict_each_other_do_not_decide() -> None:
    """One says client, one says server: ports do."""
    both = (HELLO._replace(side="client"), HELLO._replace(side="server"))
    (facts,) = read(begin(*both, ports=(1, 9)), LINE)
    assert facts.sender is Role.SERVER


def test_a_datagram_is_whole() -> None:
    """It fits or not; its sender is told as that of a flow whose opening was not seen."""
    (facts,) = read_datagram(LINE, (40_000, 7_777), [HELLO], 7)
    assert (facts.values["payload.text"], facts.sender, facts.end) == (
        "HELLO-MINE v1 wallet=abc",
        Role.CLIENT,
        -1,
    )
    assert read_datagram(b"HELLO-MINE v", (1, 2), [HELLO], 7) == []


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.binary(min_size=1, max_size=40)), max_size=30))
def test_nothing_makes_it_grow(pieces: list[tuple[int, bytes]]) -> None:
    """Whatever comes: a record a side at most, and no more than 256 bytes are kept."""
    openings = begin(Pattern(3, b"\0\0\0", "any", "tcp"), HELLO)
    told = [facts.side for side, data in pieces for facts in read(openings, data, side=side)]
    assert len(told) == len(set(told))
    assert all(len(head) <= MAX_TEXT for head in openings._heads)
