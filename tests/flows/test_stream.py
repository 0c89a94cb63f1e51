"""Segments in any order, doubled, cut, forged or lost: what one direction delivers."""

from __future__ import annotations

import itertools
import random
import time as clock
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.flows import stream as module
from sniffer.flows.stream import Stream
from sniffer.model import Alternative, Chunk, Data, Gap
from sniffer.oddities import Oddities

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
ISN = 1_000  # sequence number of the first byte
LINES = [
    b'{"id":1,"method":"mining.subscribe","params":["cgminer/4.11.1"]}\n',
    b'{"id":2,"method":"mining.authorize","params":["account.rig1","x"]}\n',
    b'{"id":3,"method":"mining.extranonce.subscribe","params":[]}\n',
    b'{"id":4,"method":"mining.submit","params":["account.rig1","bf","00000001","504e86ed","b2957c02"]}\n',
    b'{"id":5,"method":"mining.submit","params":["account.rig1","c0","00000002","504e86ee","b2957c03"]}\n',
]
TEXT = b"".join(LINES)


class Piece(NamedTuple):
    """A segment: where it lies in the text, what it holds, how much of it the capture cut."""

    offset: int
    data: bytes
    missing: int = 0


def cut(size: int, text: bytes = TEXT) -> list[Piece]:
    """Segments of ``size`` bytes."""
    return [Piece(at, text[at : at + size]) for at in range(0, len(text), size)]


def by_line() -> list[Piece]:
    """One segment a line."""
    out, at = [], 0
    for line in LINES:
        out.append(Piece(at, line))
        at += len(line)
    return out


def shuffled(pieces: Sequence[Piece]) -> list[Piece]:
    """Any order, but always the same one."""
    out = list(pieces)
    random.Random(7).shuffle(out)  # a fixed order, not a secret
    return out


class Run:
    """A stream that is fed at one segment a millisecond, and what came out."""

    def __init__(self, *, start: int = ISN, isn: int = ISN) -> None:
        self.oddities = Oddities()
        self.stream = Stream(0, start, self.oddities)
        self.isn = isn
        self.now = SECOND
        self.chunks: list[Chunk] = []

    def feed(self, pieces: Sequence[Piece]) -> Run:
        """Feed segments, offsets counted from the text's first byte."""
        for piece in pieces:
            self.now += MILLISECOND
            sequence = (self.isn + piece.offset) & 0xFFFFFFFF
            self.chunks += self.stream.segment(sequence, piece.data, piece.missing, self.now)
        return self

    def acknowledge(self, offset: int, *, later: int = SECOND) -> Run:
        """Let the peer acknowledge."""
        self.now += later
        self.chunks += self.stream.acknowledged((self.isn + offset) & 0xFFFFFFFF, self.now)
        return self

    def settle(self) -> Run:
        """Let time pass until nothing waits."""
        while self.stream.opened >= 0:
            self.now += 31 * SECOND
            assert self.stream.due(self.now)
            self.chunks += self.stream.skip_hole(self.now)
        return self

    @property
    def data(self) -> bytes:
        """All bytes delivered."""
        return b"".join(chunk.data for chunk in self.chunks if isinstance(chunk, Data))

    @property
    def gaps(self) -> list[int]:
        """Sizes of all gaps told."""
        return [chunk.size for chunk in self.chunks if isinstance(chunk, Gap)]

    @property
    def alternatives(self) -> list[bytes]:
        """Other readings told."""
        return [chunk.data for chunk in self.chunks if isinstance(chunk, Alternative)]


# ── transformations that lose nothing ────────────────────────────────────────────────────────────────────

HARMLESS: dict[str, Callable[[], list[Piece]]] = {
    "in order": lambda: cut(100),
    "one segment": lambda: cut(10_000),
    "a line a segment": by_line,
    "one byte a segment": lambda: cut(1),
    "one byte a segment, reversed": lambda: cut(1)[::-1],
    "one byte a segment, any order": lambda: shuffled(cut(1)),
    "reversed": lambda: cut(100)[::-1],
    "any order": lambda: shuffled(cut(20)),
    "neighbours swapped": lambda: [cut(40)[i ^ 1] for i in range(len(cut(40)) & ~1)] + cut(40)[len(cut(40)) & ~1 :],
    "each twice at once": lambda: [piece for piece in cut(60) for _ in range(2)],
    "everything twice": lambda: cut(60) * 2,
    "everything twice, reversed": lambda: (cut(60) * 2)[::-1],
    "sent again in other sizes": lambda: cut(70) + cut(33),
    "overlapping in front": lambda: [Piece(max(0, p.offset - 9), TEXT[max(0, p.offset - 9) : p.offset + 50]) for p in cut(50)],
    "overlapping behind": lambda: [Piece(p.offset, TEXT[p.offset : p.offset + 75]) for p in cut(50)],
    "overlapping, reversed": lambda: [Piece(p.offset, TEXT[p.offset : p.offset + 75]) for p in cut(50)][::-1],
    "inside one another": lambda: [Piece(200, TEXT[200:210]), Piece(150, TEXT[150:300]), Piece(0, TEXT)],
    "first segment last": lambda: cut(64)[1:] + cut(64)[:1],
    "keep-alive probes": lambda: [
        part for p in cut(64) for part in (p, Piece(p.offset + len(p.data) - 1, b"\0"))
    ],
    "empty keep-alive probes": lambda: [part for p in cut(64) for part in (p, Piece(p.offset + len(p.data) - 1, b""))],
    "a forged segment far ahead": lambda: [*cut(64)[:3], Piece(500_000_000, b"JUNK"), *cut(64)[3:]],
    "a forged segment far behind": lambda: [*cut(64)[:3], Piece(-200_000, b"JUNK"), *cut(64)[3:]],
    "forged segments in many places": lambda: [
        part for i, p in enumerate(cut(64)) for part in (Piece(3_000_000 * (i + 1), b"JUNK"), p)
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", HARMLESS)
@pytest.mark.parametrize("isn", [ISN, 0, 0xFFFFFFFF, 0xFFFFFFFF - 150, 0x7FFFFF80], ids=hex)
def test_bytes_arrive_once_and_in_order(name: str, isn: int) -> None:
    """However segments are cut, doubled or ordered, the bytes are delivered once and in order, wrap included."""
    run = Run(start=isn, isn=isn).feed(HARMLESS[name]())
    assert run.data == TEXT
    assert run.gaps == run.alternatives == []
    assert run.oddities.counts["stream_conflict"] == 0
    assert run.stream.waiting_bytes == 0


def test_end_is_the_sequence_number_behind_the_bytes() -> None:
    """Each piece of data tells the sequence number just behind it, modulo 2^32, and the time it was seen."""
    run = Run(start=0xFFFFFFF0, isn=0xFFFFFFF0).feed([Piece(0, b"0123456789"), Piece(10, b"abcdefghij")])
    assert [(chunk.end, chunk.time) for chunk in run.chunks if isinstance(chunk, Data)] == [
        (0xFFFFFFFA, SECOND + MILLISECOND),
        (4, SECOND + 2 * MILLISECOND),
    ]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_order_and_doubling_delivers_the_bytes(data: st.DataObject) -> None:
    """Any cut of a stream, in any order, any segments doubled, delivers exactly the bytes in order."""
    text = data.draw(st.binary(min_size=1, max_size=300))
    marks = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=30))})
    pieces = [Piece(a, text[a:b]) for a, b in itertools.pairwise(marks)]
    pieces += data.draw(st.lists(st.sampled_from(pieces), max_size=10))
    spans = data.draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(1, 50)), max_size=5))
    pieces += [Piece(at, text[at : at + size]) for at, size in spans]
    isn = data.draw(st.sampled_from([0, 5, 0xFFFFFFF0, 0x7FFFFFF0]))
    run = Run(start=isn, isn=isn).feed(data.draw(st.permutations(pieces)))
    assert run.data == text
    assert run.gaps == run.alternatives == []


# ── bytes that were lost ─────────────────────────────────────────────────────────────────────────────────


def test_lost_segment_is_a_gap_after_a_while() -> None:
    """A hole is told with its size after thirty seconds, not before, and the stream goes on behind it."""
    pieces = cut(100)
    run = Run().feed([pieces[0], *pieces[2:]])
    assert (run.data, run.gaps) == (TEXT[:100], [])
    assert not run.stream.due(run.now + 29 * SECOND)
    run.settle()
    assert run.data == TEXT[:100] + TEXT[200:]
    assert run.gaps == [100]
    assert run.oddities.counts["stream_gap"] == 1


def test_acknowledged_hole_is_a_gap_at_once() -> None:
    """A hole that the peer has acknowledged will not close: the sensor goes on."""
    pieces = cut(100)
    run = Run().feed([pieces[0], *pieces[2:]]).acknowledge(300)
    assert run.data == TEXT[:100] + TEXT[200:]
    assert run.gaps == [100]


def test_acknowledgement_before_the_hole_changes_nothing() -> None:
    """An acknowledgement that does not cover the hole leaves it open."""
    pieces = cut(100)
    run = Run().feed([pieces[0], *pieces[2:]]).acknowledge(100)
    assert (run.data, run.gaps) == (TEXT[:100], [])
    assert run.feed([pieces[1]]).data == TEXT


def test_acknowledgement_may_overtake_its_segment() -> None:
    """On a mirror an acknowledgement can come a moment before the segment that it answers."""
    pieces = cut(100)
    run = (
        Run().feed([pieces[0], pieces[2]]).acknowledge(300, later=MILLISECOND).feed([pieces[1], *pieces[3:]])
    )
    assert (run.data, run.gaps) == (TEXT, [])


def test_cut_capture_is_a_gap_at_its_place() -> None:
    """Bytes beyond the snap length are a gap behind the captured ones; a doubled cut segment changes nothing."""
    run = Run().feed([Piece(0, TEXT[:80], 20), Piece(0, TEXT[:80], 20), Piece(100, TEXT[100:])])
    assert run.data == TEXT[:80] + TEXT[100:]
    assert run.gaps == [20]


def test_cut_segment_behind_longer_one_keeps_the_place() -> None:
    """A cut segment whose end lies ahead, but whose captured bytes do not, moves the stream to its end exactly."""
    run = Run().feed([Piece(0, TEXT[:120]), Piece(0, TEXT[:100], 50), Piece(150, TEXT[150:])])
    assert run.data == TEXT[:120] + TEXT[150:]
    assert run.gaps == [30]


def test_loss_of_megabytes_is_survived() -> None:
    """A jump is believed when a second segment continues it, and the first one is not lost."""
    run = Run().feed(cut(100)[:2])
    far = [Piece(2_000_000 + piece.offset, piece.data) for piece in by_line()]
    run.feed(far[:1])
    assert run.data == TEXT[:200]
    assert run.oddities.counts["stream_jump"] == 1
    run.feed(far[1:])
    assert run.data == TEXT[:200] + TEXT
    assert run.gaps == [0]


def test_jump_back_is_survived() -> None:
    """A stream that two forged segments have led away comes back when it goes on."""
    pieces = by_line()
    forged = [Piece(50_000_000, b"JUNK"), Piece(50_000_004, b"JUNK")]
    run = Run().feed([*pieces[:2], *forged, *pieces[2:]])
    assert run.data == b"".join(LINES[:2]) + b"JUNK" * 2 + b"".join(LINES[2:])


@pytest.mark.parametrize("ahead", [1_000, 40_000, 60_000, 500_000])
def test_forged_segment_ahead_does_not_swallow_the_stream(ahead: int) -> None:
    """A hole that only a forged segment made does not turn the bytes that follow into repetitions."""
    pieces = by_line()
    run = Run().feed([pieces[0], Piece(ahead, b"X\n")]).settle()
    run.feed(pieces[1:])
    assert b"".join(LINES[-2:]) in run.data
    if ahead <= module.MAX_BEHIND:
        assert run.data == LINES[0] + b"X\n" + b"".join(LINES[1:])
    assert run.feed(pieces[1:]).data.count(LINES[-1]) == 1  # what came late is not delivered again


# ── joined in the middle ─────────────────────────────────────────────────────────────────────────────────


def test_whole_lines_are_read_at_once_in_the_middle() -> None:
    """Without the SYN, a segment that is whole lines is delivered the moment it is seen."""
    run = Run(start=-1).feed(by_line()[3:4])
    assert run.data == LINES[3]


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "reversed"])
def test_the_middle_is_collected_for_a_moment(order: int) -> None:
    """Without the SYN, segments that are not whole are ordered among themselves before any is delivered."""
    run = Run(start=-1).feed(cut(30)[3:][::order])
    assert run.data == b""
    run.settle()
    assert run.data == TEXT[90:]
    assert run.gaps == []


def test_whole_lines_seen_late_in_the_middle_are_not_lost() -> None:
    """Lines that were sent before the one at which the stream was joined are delivered when they come, once."""
    run = Run(start=-1).feed(by_line()[::-1]).feed(by_line())
    assert sorted(run.data.splitlines(keepends=True)) == sorted(LINES)


# ── bytes that contradict one another ────────────────────────────────────────────────────────────────────

GOOD = LINES[1]
BAD = b"x" * (len(GOOD) - 1) + b"\n"


@pytest.mark.parametrize(("first", "second"), [(GOOD, BAD), (BAD, GOOD)], ids=["good first", "bad first"])
@pytest.mark.parametrize("hole", [False, True], ids=["delivered", "waiting"])
def test_both_readings_of_a_conflict_are_told(first: bytes, second: bytes, *, hole: bool) -> None:
    """A retransmission with other bytes is counted, and both readings are handed on as whole lines."""
    at = len(LINES[0])
    pieces = [Piece(0, LINES[0]), Piece(at, first), Piece(at, second)]
    run = Run().feed(pieces[1:] + pieces[:1] if hole else pieces)
    assert run.data == LINES[0] + first
    assert run.alternatives == [second]
    assert run.oddities.counts["stream_conflict"] == 1


@pytest.mark.parametrize("late", [False, True], ids=["before its rest", "after its rest"])
def test_other_reading_is_completed_to_its_line(*, late: bool) -> None:
    """The other reading of the middle of a line comes with the line's beginning and its end."""
    a, b, c = GOOD[:20], GOOD[20:40], GOOD[40:]
    forged = Piece(20, b"?" * 20)
    rest, again = Piece(40, c), Piece(20, b)
    run = Run().feed([Piece(0, a), forged, *([rest, again] if late else [again, rest])])
    assert run.data == a + forged.data + c
    assert run.alternatives == [GOOD]


def test_other_reading_ends_where_its_bytes_end() -> None:
    """The sequence number of another reading lies no further than the bytes that were sent."""
    run = Run().feed([Piece(0, BAD), Piece(len(BAD), LINES[2]), Piece(0, GOOD)])
    (end,) = [chunk.end for chunk in run.chunks if isinstance(chunk, Alternative)]
    assert end == ISN + len(BAD) + len(LINES[2])


def test_other_readings_are_bounded() -> None:
    """A thousand contradictions are counted, but only a few are read."""
    run = Run().feed([Piece(0, GOOD)])
    run.feed([Piece(0, b"%05d" % i + GOOD[5:]) for i in range(1_000)])
    assert run.oddities.counts["stream_conflict"] == 1_000
    assert 0 < len(run.alternatives) <= module.MAX_ALTERNATIVES


def test_other_reading_without_line_end_is_let_go() -> None:
    """Another reading that never ends does not grow for ever."""
    run = Run().feed([Piece(0, b"a" * 100), Piece(0, b"b" * 100)])
    run.feed([Piece(100 + at, b"a" * 1_000) for at in range(0, 100_000, 1_000)])
    assert run.stream.held <= 3 * module.HISTORY
    assert run.alternatives == []


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────


def test_full_window_is_a_gap() -> None:
    """When more waits than the window holds, the hole in front is given up and counted."""
    data = bytes(1_000)
    run = Run().feed([Piece(10 + at, data) for at in range(0, 200_000, 1_000)])
    assert run.gaps == [10]
    assert len(run.data) == 200_000
    assert run.oddities.counts["stream_segments_limit"] == 1


def test_too_many_holes_are_given_up() -> None:
    """Segments with holes between them are kept up to a number, then the first hole is given up."""
    run = Run().feed([Piece(2 * i + 1, b"x") for i in range(10_000)])
    assert run.stream.held <= 2 * module.HISTORY + (module.MAX_SEGMENTS + 1) * (module.SEGMENT_COST + 1)
    assert run.oddities.counts["stream_segments_limit"] >= 10_000 - module.MAX_SEGMENTS - 1


@settings(max_examples=100, deadline=None)
@given(
    segments=st.lists(
        st.tuples(
            st.integers(0, 0xFFFFFFFF) | st.integers(0, 200_000), st.binary(max_size=40), st.integers(0, 3)
        ),
        max_size=120,
    ),
    known=st.booleans(),
)
def test_random_segments_never_raise_and_stay_bounded(
    *, segments: list[tuple[int, bytes, int]], known: bool
) -> None:
    """Whatever comes, nothing raises, no more is delivered than came, and what is held stays bounded."""
    run = Run(start=ISN if known else -1)
    came = 0
    for sequence, data, missing in segments:
        run.feed([Piece(sequence - ISN, data * 30, missing)])
        came += 30 * len(data)
        run.acknowledge(sequence - ISN, later=MILLISECOND)
        assert run.stream.held <= module.WINDOW + 3 * module.HISTORY + module.MAX_FORK + 60_000
    run.settle()
    assert len(run.data) <= came
    assert run.stream.waiting_bytes == 0


def test_waiting_bytes_return_to_zero() -> None:
    """Everything that came waiting is handed out or dropped: the count of waiting bytes returns to zero."""
    rng = random.Random(3)
    run = Run()
    pieces: deque[Piece] = deque()
    for piece in cut(7, TEXT * 400):
        pieces.append(piece)
        if len(pieces) > 20:
            pieces.rotate(rng.randrange(20))
            run.feed([pieces.popleft()])
    run.feed(list(pieces)).settle()
    assert run.stream.waiting_bytes == 0
    assert run.stream.held <= 2 * module.HISTORY


def seconds_a_segment(pieces: list[Piece]) -> float:
    """Time of one segment, the best of three runs."""
    best = float("inf")
    for _ in range(3):
        run = Run()
        started = clock.perf_counter()
        run.feed(pieces)
        best = min(best, (clock.perf_counter() - started) / len(pieces))
    return best


def test_one_byte_segments_cost_little() -> None:
    """A reversed stream of one-byte segments costs at most ten times as much a segment as full ones in order."""
    text = bytes(1 << 20)
    full = seconds_a_segment(cut(1_400, text))
    assert seconds_a_segment(cut(1, text[: 1 << 16])[::-1]) <= 10 * full
