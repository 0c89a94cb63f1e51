"""Sliding windows: which messages are the n-th, or a later one, within so many seconds.

In: sightings, each with a key, a time and whatever the caller wants back.  Out: what of it is a hit by now.
Never: a clock, a rule, an address; more memory than its bounds; an answer that depends on the order of arrival, as long as
nothing comes later than :data:`LATE`.

A message is a hit when it and the messages before it make ``at_least`` within ``within``, first and last included.  That is
said of their times, not of their arrival: messages of one host come from several workers, and some have waited for an
answer.  So each takes its place in the order of time, and one that comes late may make hits of those behind it.

A window forgets its oldest hits when it holds enough to judge what may still come.  A latecomer among those is a hit
because its successor was one: the successor's window, less the successor, plus the latecomer, is within the latecomer's own.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Hashable

SECOND: Final = 1_000_000_000
LATE: Final = 15 * SECOND
"""How much later than its successors a message may come: the wait for an answer, and a worker that is behind."""
MAX_WINDOWS: Final = 65_536
MAX_TIMES: Final = 400_000
"""In all windows together.  When every bound is reached, with lines of a kilobyte, it takes 100 MiB."""
MAX_HELD: Final = 20_000
"""Items of all windows that are no hits yet, and may become some."""
SLACK: Final = 32
NO_GAP: Final = -(1 << 63)

T = TypeVar("T")
_time = attrgetter("time")


class Seen(msgspec.Struct):
    """One message in a window."""

    time: int
    item: Any  # None: it was handed back, or given up
    missing: int = 0  # so many more in its window would make it a hit; 0: it is one
    gap: int = NO_GAP  # time of the last hit that was forgotten between this one and the one before it


class Window:
    """The times of one key."""

    __slots__ = ("_at_least", "_full", "_keeps", "_within", "times")

    def __init__(self, at_least: int, within: int) -> None:
        """Begin with nothing.

        Args:
            at_least: so many messages make a hit of the last one.
            within: nanoseconds, from the first of them to the last.
        """
        self.times: list[Seen] = []
        self._at_least, self._within = at_least, within
        self._keeps = 2 * at_least + SLACK
        self._full = self._keeps + self._spare

    @property
    def _spare(self) -> int:
        return self._at_least // 2 + SLACK

    def is_over(self, time: int) -> bool:
        """Whether nothing that comes from now on can need what is in it."""
        return self.times[-1].time < time - self._within - LATE

    def add(self, seen: Seen) -> list[Any]:
        """Take a message; return the items of all that are hits now and were not before, in order of time."""
        times = self.times
        if times and seen.time < (last := times[-1].time):
            if seen.time >= last - self._within - LATE:
                return self._insert(seen)
            times.clear()  # the clock was set back
        times.append(seen)
        out: list[Any] = []
        if len(times) >= self._at_least and seen.time - times[-self._at_least].time <= self._within:
            _hit(seen, out)
        else:
            self._wait(seen, len(times) - 1)
        if len(times) > self._full:
            self._forget()
        return out

    def _insert(self, seen: Seen) -> list[Any]:
        """Take one that comes late: it, and those behind it, may be hits now."""
        times, out = self.times, list[Any]()
        rank = bisect_right(times, seen.time, key=_time)
        successor = times[rank]
        times.insert(rank, seen)
        self._wait(seen, rank)
        if seen.missing <= 0 or not successor.missing or seen.time <= successor.gap:
            _hit(seen, out)
        if seen.time > successor.gap:
            seen.gap, successor.gap = successor.gap, NO_GAP
        for later in times[rank + 1 :]:
            if later.time - seen.time > self._within:
                break
            if later.missing:
                later.missing -= 1
                if not later.missing:
                    _hit(later, out)
        return out

    def _wait(self, seen: Seen, rank: int) -> None:
        """Find out how many a message lacks."""
        first = bisect_left(self.times, seen.time - self._within, key=_time)
        seen.missing = self._at_least - (rank - first + 1)

    def _forget(self) -> None:
        """Let go of old times, but not of messages that a latecomer could make hits of."""
        times = self.times
        late = times[-1].time - LATE
        kept: list[Seen] = []
        gap = NO_GAP
        for one in times[: -self._keeps]:
            if one.missing and one.item is not None and one.time >= late:
                one.gap = max(one.gap, gap)
                gap = NO_GAP
                kept.append(one)
            elif not one.missing:
                gap = one.time
        times[: -self._keeps] = kept
        following = times[len(kept)]
        following.gap = max(following.gap, gap)
        self._full = len(times) + self._spare


def _hit(one: Seen, out: list[Any]) -> None:
    """Mark a message and hand back its item, unless that was given up."""
    one.missing = 0
    if one.item is not None:
        out.append(one.item)
        one.item = None


class Windows(Generic[T]):
    """All windows, bounded: those that were added to longest ago make room."""

    def __init__(self, *, windows: int = MAX_WINDOWS, times: int = MAX_TIMES, held: int = MAX_HELD) -> None:
        """Begin with none.

        Args:
            windows: at most so many.
            times: messages in all of them at most.
            held: items that may still become hits at most; the oldest is given up: it stays below.
        """
        self.seen = 0
        self.hits = 0
        self.evicted = 0  # windows that made room
        self.given_up = 0  # items that made room, although they might still have become hits
        self._max_windows, self._max_times, self._max_held = windows, times, held
        self._windows: OrderedDict[Hashable, Window] = OrderedDict()
        self._held: deque[Seen] = deque()
        self.times = 0  # messages in all windows

    def __len__(self) -> int:
        return len(self._windows)

    def add(self, key: Hashable, at_least: int, within: int, time: int, item: T) -> list[T]:
        """Take a message; return what is a hit by now and was not before, in order of time.

        Args:
            key: whose window; one key always comes with the same two numbers.
            at_least: so many messages make a hit of the last one.
            within: nanoseconds, from the first of them to the last.
            time: of the message, nanoseconds.
            item: what to hand back.
        """
        self.seen += 1
        window = self._windows.get(key)
        if window is None:
            self._expire(time)
            window = self._windows[key] = Window(at_least, within)
        else:
            self._windows.move_to_end(key)
        before = len(window.times)
        one = Seen(time, item)
        hits: list[T] = window.add(one)
        self.times += len(window.times) - before
        self.hits += len(hits)
        if one.missing:
            self._hold(one, time)
        while len(self._windows) > self._max_windows or (
            self.times > self._max_times and len(self._windows) > 1
        ):
            self._drop()
            self.evicted += 1
        return hits

    def clear(self) -> None:
        """Forget everything but the counts."""
        self._windows.clear()
        self._held.clear()
        self.times = 0

    def _hold(self, one: Seen, time: int) -> None:
        self._held.append(one)
        if len(self._held) > self._max_held:
            oldest = self._held.popleft()
            if oldest.item is not None:
                oldest.item = None
                self.given_up += oldest.time > time - LATE

    def _expire(self, time: int) -> None:
        """Let go of windows that are over, two for each that is made."""
        for _ in range(min(2, len(self._windows))):
            if not next(iter(self._windows.values())).is_over(time):
                return
            self._drop()

    def _drop(self) -> None:
        _, window = self._windows.popitem(last=False)
        self.times -= len(window.times)
