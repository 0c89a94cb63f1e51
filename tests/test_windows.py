"""Sliding windows: the same hits in whatever order messages come, and never more memory than the bounds."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer import windows
from sniffer.windows import LATE, SECOND, Windows

if TYPE_CHECKING:
    from collections.abc import Sequence


def by_definition(times: Sequence[int], at_least: int, within: int) -> int:
    """How many messages are hits: those that make ``at_least`` with the ones before them, within ``within``."""
    ordered = sorted(times)
    return sum(
        1
        for rank in range(at_least - 1, len(ordered))
        if ordered[rank] - ordered[rank - at_least + 1] <= within
    )


def run(windows: Windows[int], times: Sequence[int], at_least: int, within: int, key: str = "k") -> list[int]:
    """Add messages in this order; return the hits, each item being its own time."""
    return [hit for time in times for hit in windows.add(key, at_least, within, time, time)]


@pytest.mark.parametrize(
    ("seconds", "hits"),
    [
        ([0, 1], []),
        ([0, 1, 2], [2]),
        ([0, 1, 2, 3, 4], [2, 3, 4]),
        ([0, 5, 10], [10]),  # first and last included
        ([0, 5, 11], []),
        ([0, 5, 11, 12, 30, 31], [12]),
        ([7, 7, 7, 7], [7, 7]),
        ([0, 2, 1], [2]),  # the latecomer is the second of them, whatever its turn
        ([1, 2, 0], [2]),
        ([0, 10, 30, 21, 20], [30]),
        ([0, 1, 2, 1, 0], [2, 1, 1]),
    ],
)
def test_three_within_ten_seconds(seconds: list[int], hits: list[int]) -> None:
    """The third message within the window is a hit, and every further one while there are three."""
    found = run(Windows(), [second * SECOND for second in seconds], 3, 10 * SECOND)
    assert [time // SECOND for time in found] == hits


@given(
    st.lists(st.integers(0, 14), min_size=1, max_size=60).flatmap(
        lambda steps: st.tuples(st.just(steps), st.permutations(range(len(steps))))
    ),
    st.integers(1, 8),
    st.integers(1, 12),
)
def test_the_order_of_arrival_decides_nothing(
    drawn: tuple[list[int], list[int]], at_least: int, within: int
) -> None:
    """Messages of fifteen seconds make the same number of hits in any order, those of the definition, and each is told once."""
    times, order = drawn
    windows: Windows[int] = Windows()
    found = [
        hit
        for number in order
        for hit in windows.add("k", at_least, within * SECOND, times[number] * SECOND, number)
    ]
    assert len(found) == len(set(found)) == windows.hits
    assert len(found) == by_definition([time * SECOND for time in times], at_least, within * SECOND)
    assert windows.seen == len(times)


def uneven(seed: int) -> tuple[list[int], list[int], int, int]:
    """Four hundred messages in bursts and pauses, their order of arrival up to five seconds off, and what is asked of them."""
    chance = random.Random(seed)
    at_least, within = chance.randint(1, 8), chance.randint(1, 10) * SECOND
    times, at = [], 0
    for _ in range(400):
        at += int(chance.expovariate(chance.choice((0.2, 1, 5, 50, 500))) * SECOND) + 1
        times.append(at)
    arrivals = sorted(
        (time + chance.choice((0, 0.25, 0.5, 5)) * SECOND * chance.random(), time) for time in times
    )
    return times, [time for _, time in arrivals], at_least, within


@pytest.mark.parametrize("slack", [windows.SLACK, 0])
def test_what_was_forgotten_accuses_nobody(slack: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bursts and pauses in disorder make exactly the hits of the definition; with too short a memory a few less, and no other."""
    monkeypatch.setattr(windows, "SLACK", slack)
    for seed in range(100):
        times, arriving, at_least, within = uneven(seed)
        found = run(Windows(), arriving, at_least, within)
        wanted = {
            times[rank]
            for rank in range(at_least - 1, len(times))
            if times[rank] - times[rank - at_least + 1] <= within
        }
        assert len(found) == len(set(found))
        assert set(found) <= wanted
        assert slack == 0 or set(found) == wanted, seed


@pytest.mark.parametrize("at_least", [2, 20, 300])
def test_a_busy_host_loses_no_hit_to_latecomers(at_least: int) -> None:
    """Thousands of messages in bunches of two workers, half a second late each, hit as often as in order: few are remembered."""
    chance = random.Random(at_least)
    times = sorted(chance.randrange(0, 20 * SECOND) for _ in range(20_000))
    bunches: list[tuple[int, int, int]] = []
    for time in times:
        worker = chance.randrange(2)
        bunches.append((time // (SECOND // 2), worker, time))
    arriving = [time for *_, time in sorted(bunches)]
    assert arriving != times
    windows: Windows[int] = Windows()
    found = run(windows, arriving, at_least, 10 * SECOND)
    assert len(found) == by_definition(times, at_least, 10 * SECOND) == len(times) - at_least + 1
    assert windows.times <= 3 * at_least + 100


def test_keys_do_not_mix() -> None:
    """What one key has seen helps no other."""
    windows: Windows[int] = Windows()
    assert not run(windows, [1, 2], 3, SECOND, "a")
    assert not run(windows, [3, 4], 3, SECOND, "b")
    assert run(windows, [5], 3, SECOND, "a") == [5]


def test_a_clock_that_is_set_back() -> None:
    """Messages of an hour ago are a new beginning, no latecomers, and do not count with those of the future."""
    windows: Windows[int] = Windows()
    hour = 3_600 * SECOND
    assert run(windows, [hour, hour + 1, hour + 2], 3, SECOND) == [hour + 2]
    assert not run(windows, [5, 6], 3, SECOND)
    assert run(windows, [7], 3, SECOND) == [7]
    assert windows.times == 3


def test_a_flood_of_keys_has_a_bound() -> None:
    """Of endless keys the newest are kept, and what made room is counted."""
    windows: Windows[int] = Windows(windows=100)
    for number in range(1_000):
        windows.add(number, 2, SECOND, 5, number)
    assert (len(windows), windows.times, windows.evicted) == (100, 100, 900)
    assert windows.add(999, 2, SECOND, 6, -1) == [-1]
    assert not windows.add(1, 2, SECOND, 6, -2)  # was forgotten


def test_a_flood_of_messages_has_a_bound() -> None:
    """Memory is a matter of messages, too: windows that were used longest ago make room, the one in use never."""
    windows: Windows[int] = Windows(times=5_000)
    most = 0
    for number in range(30_000):
        windows.add(number % 20, 1_000, 3_600 * SECOND, number, number)
        most = max(most, windows.times)
    assert most <= 5_001
    assert windows.evicted > 0
    alone: Windows[int] = Windows(times=10)
    assert len(run(alone, range(1_000), 100, SECOND)) == 901
    assert alone.evicted == 0


def test_what_waits_to_become_a_hit_has_a_bound() -> None:
    """Items are given up beyond the bound: their times still count for others, they themselves stay below."""
    windows: Windows[int] = Windows(held=3)
    run(windows, [10, 11, 12, 13, 14], 7, SECOND)
    assert windows.given_up == 2
    assert run(windows, [1, 2], 7, SECOND) == [14]
    assert windows.given_up == 4
    assert not run(windows, [3], 7, SECOND)  # a hit would be the one of 13, which was given up
    assert windows.hits == 1
    assert run(windows, [15], 7, SECOND) == [15]


def test_what_waited_too_long_is_given_up_in_silence() -> None:
    """What could not become a hit any more makes room without a word."""
    windows: Windows[int] = Windows(held=3)
    for number in range(10):
        windows.add(number, 2, SECOND, number * LATE, number)
    assert windows.given_up == 0


def test_windows_that_are_over_go() -> None:
    """Keys that were not heard of for the window and the time that messages may be late take no memory."""
    windows: Windows[int] = Windows()
    for number in range(1_000):
        windows.add(number, 2, SECOND, number * SECOND, number)
    assert len(windows) < 25
    assert windows.evicted == 0


def test_forgotten_but_for_the_counts() -> None:
    """After a new beginning nothing is left to count with, but what was counted stays counted."""
    windows: Windows[int] = Windows()
    run(windows, [1, 2, 3], 2, SECOND)
    windows.clear()
    assert (len(windows), windows.times, windows.seen, windows.hits) == (0, 0, 3, 2)
    assert not run(windows, [4], 2, SECOND)
