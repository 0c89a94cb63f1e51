"""Who held what when: any order of lines, no overlap, a bound."""

from __future__ import annotations

import itertools
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sniffer.owners.timeline import MAX_SHAPES, OPEN, PORTS, Change, Timeline

A, B = bytes([10, 0, 0, 7]), bytes([10, 0, 0, 8])


def change(what: Any, start: int, end: int = OPEN, who: str = "a", address: bytes = A, **more: Any) -> Change:
    """A line about an address."""
    return Change(what, address, len(address) * 8, start, end, subscriber=who, **more)


def holder(timeline: Timeline, time: int, address: bytes = A, port: int = 0) -> str:
    """Whose it was, "" if nobody's."""
    found = timeline.find(address, port, time)
    return found.subscriber if found else ""


def told(*changes: Change, limit: int = 100) -> Timeline:
    """A table that was told this."""
    timeline = Timeline(limit)
    timeline.apply(changes)
    return timeline


def test_from_start_to_stop() -> None:
    """The first moment is in, the last is not; nobody's before and after."""
    timeline = told(change("hold", 10), change("stop", -1, 20))
    assert [holder(timeline, time) for time in (9, 10, 19, 20)] == ["", "a", "a", ""]
    assert holder(timeline, 15, B) == ""


def test_the_next_ends_the_one_before() -> None:
    """A stop that got lost does not leave two holders."""
    timeline = told(change("hold", 10), change("hold", 20, who="b"))
    assert [holder(timeline, time) for time in (19, 20)] == ["a", "b"]


def test_the_order_of_lines_does_not_matter() -> None:
    """Closed entries tell the same whichever log is read first."""
    changes = [change("hold", n * 10, n * 10 + 8, who=f"s{n}") for n in range(20)]
    random.Random(1).shuffle(changes)
    timeline = told(*changes)
    assert [holder(timeline, n * 10 + 7) for n in range(20)] == [f"s{n}" for n in range(20)]
    assert [holder(timeline, n * 10 + 8) for n in range(20)] == [""] * 20


def test_a_line_that_is_read_twice_is_one() -> None:
    """As after a log that was copied and cut."""
    lines = [
        change("hold", 10, session="x"),
        change("stop", -1, 20, session="x"),
        change("hold", 30, who="b"),
    ]
    timeline = told(*lines, *lines)
    assert len(timeline) == 2
    assert [holder(timeline, time) for time in (15, 25, 35)] == ["a", "", "b"]


def test_a_stop_of_another_session_stops_nothing() -> None:
    """A late line about the holder before is put where it belongs."""
    timeline = told(change("hold", 10, session="x"), change("hold", 30, who="b", session="y"))
    timeline.apply([change("stop", 10, 20, session="x"), change("stop", -1, 40, session="z", who="c")])
    assert [holder(timeline, time) for time in (15, 25, 35, 45)] == ["a", "", "b", "b"]


def test_a_stop_alone_tells_the_whole_session() -> None:
    """Where accounting says how long it lasted; else nothing is known."""
    assert holder(told(change("stop", 10, 20)), 15) == "a"
    assert len(told(change("stop", -1, 20))) == 0


def test_a_lease_is_renewed() -> None:
    """One holder, one entry, until the last of its ends."""
    timeline = told(change("hold", 0, 100), change("hold", 50, 150), change("hold", 100, 200))
    assert (len(timeline), holder(timeline, 199), holder(timeline, 200)) == (1, "a", "")


def test_an_interim_update_tells_of_a_session_that_nobody_saw_begin() -> None:
    """It holds from then on; for a session that is known it changes nothing."""
    timeline = told(change("alive", 20, 20, session="x"))
    assert (holder(timeline, 19), holder(timeline, 20), len(timeline)) == ("", "a", 1)
    timeline.apply([change("alive", 30, 30, session="x")])
    assert len(timeline) == 1


def test_the_narrowest_key_decides() -> None:
    """An address before its prefix, a block of ports before all ports."""
    wide = Change("hold", bytes.fromhex("20010db8000000000000000000000000"), 56, 0, OPEN, subscriber="line")
    address = bytes.fromhex("20010db8000000000000000000000005")
    timeline = told(
        wide,
        change("hold", 0, who="host", address=address),
        change("hold", 0, who="all"),
        change("hold", 0, who="block", low=1024, high=2047),
        change("hold", 0, who="flow", low=1500, high=1500),
    )
    assert holder(timeline, 1, address) == "host"
    assert holder(timeline, 1, address[:-1] + b"\6") == "line"
    assert holder(timeline, 1, bytes.fromhex("20010db8000001000000000000000005")) == ""
    assert [holder(timeline, 1, port=port) for port in (0, 80, 1500, 1501)] == ["all", "all", "flow", "block"]


def test_a_flood_of_mappings_has_a_bound() -> None:
    """The oldest go and are counted; one that is told to be alive stays."""
    timeline = told(change("hold", 5, who="old", address=B), limit=1_000)
    for n in range(100_000):
        timeline.apply([change("hold", n, who=f"s{n}", address=n.to_bytes(4, "big"))])
        if n % 500 == 0:
            timeline.apply([change("alive", n + 5, n + 5, who="old", address=B)])
    assert (len(timeline), timeline.evicted) == (1_000, 99_001)
    assert len(timeline._held) == 1_000
    assert holder(timeline, 10, B) == "old"
    assert holder(timeline, 99_999, (99_999).to_bytes(4, "big")) == "s99999"


def test_one_address_may_have_all_entries() -> None:
    """A flood about one address is bounded like any other."""
    timeline = told(*(change("hold", n * 2, n * 2 + 1) for n in range(5_000)), limit=100)
    assert (len(timeline), timeline.evicted, len(timeline._held)) == (100, 4_900, 1)


def test_kinds_of_keys_are_bounded() -> None:
    """Port ranges of ever new sizes are refused, since each would make every look-up longer."""
    timeline = told(*(change("hold", 0, low=0, high=n) for n in range(500)))
    assert timeline.refused == 500 - MAX_SHAPES
    assert len(timeline._shapes[4]) == MAX_SHAPES


CHANGES = st.lists(
    st.builds(
        change,
        st.sampled_from(["hold", "alive", "stop"]),
        st.integers(-1, 30),
        st.one_of(st.just(OPEN), st.integers(0, 30)),
        st.sampled_from(["a", "b", ""]),
        st.sampled_from([A, B]),
        session=st.sampled_from(["", "x", "y"]),
        inside=st.sampled_from([b"", B]),
        low=st.sampled_from([0, 1024]),
        high=st.sampled_from([2047, PORTS - 1]),
    ),
    max_size=30,
)


@given(CHANGES, st.integers(1, 8))
def test_whatever_is_told(changes: list[Change], limit: int) -> None:
    """Entries of a key are in order and apart, the bound holds, and another table that is told them says the same."""
    timeline = told(*changes, limit=limit)
    assert len(timeline) == sum(map(len, timeline._held.values())) <= limit
    for entries in timeline._held.values():
        assert entries
        for one, other in itertools.pairwise(entries):
            assert one.start < other.start
            assert one.end <= other.start
    copy = told(*timeline.changes(), limit=limit)
    for time in range(32):
        for port in (0, 1500):
            assert holder(copy, time, port=port) == holder(timeline, time, port=port)
