"""The outbox before every target: bounded, counted, and losses are told where the lines go."""

from __future__ import annotations

import functools
import json
import threading
import time

import jsonschema
from processes import until
from structlog.testing import capture_logs

from sniffer.sinks.gap import make_gap
from sniffer.sinks.schema import event_schema
from sniffer.sinks.sink import QUIET_SECONDS, Outcome, Sink

gap = functools.partial(make_gap, sensor="north")


class Store:
    """A target in memory: may hang, fail, or ask for patience."""

    place = "memory"

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.room: int | None = None  # lines that it still takes
        self.gives_up = True  # what finds no room is failed; else it is to be tried again
        self.gate = threading.Event()
        self.gate.set()
        self.tries = self.reopened = self.closed = 0

    def deliver(self, lines: list[bytes]) -> Outcome:
        """Take as many lines as there is room for."""
        self.tries += bool(lines)
        assert not lines or self.gate.wait(10)
        fit = len(lines) if self.room is None else min(self.room, len(lines))
        self.lines += lines[:fit]
        if self.room is not None:
            self.room -= fit
        if fit == len(lines):
            return Outcome(fit)
        return Outcome(fit, len(lines) - fit, "full") if self.gives_up else Outcome(fit, 0, "full", 0.01)

    def reopen(self) -> None:
        """Count it."""
        self.reopened += 1

    def close(self) -> None:
        """Count it."""
        self.closed += 1

    @property
    def gaps(self) -> list[dict[str, int]]:
        """What gap lines tell."""
        return [json.loads(line)["gap"] for line in self.lines if b'"gap"' in line]


def test_a_loss_is_told_where_the_lines_go() -> None:
    """After lines that failed, the first thing that the target gets is how many; ``written`` is what it holds."""
    store = Store()
    sink = Sink("events", store, gap=gap)
    store.room = 0
    for _ in range(3):
        sink.write(b"lost\n")
        assert sink.flush()
    assert not sink.up
    store.room = None
    sink.write(b"kept\n")
    assert sink.flush()
    assert sink.up
    told, line = store.lines
    assert line == b"kept\n"
    event = json.loads(told)
    jsonschema.validate(event, event_schema())
    assert (event["event_type"], event["sensor"]) == ("gap", "north")
    told = event["gap"]
    assert (told["sink"], told["lines"], told["failed"], told["dropped"]) == ("events", 3, 3, 0)
    assert told["since"] <= told["until"] <= event["timestamp"]
    sink.close()
    assert (sink.written, sink.failed, sink.produced, len(store.lines)) == (2, 3, 5, 2)


def test_gap_lines_are_few_and_leave_nothing_out() -> None:
    """However often it loses and recovers: a gap line in ten seconds at most, and all of them add up to all losses."""
    now = [0.0]
    store = Store()
    sink = Sink("events", store, gap=gap, clock=lambda: now[0])
    for second in range(31):
        now[0] = float(second)
        store.room = 0
        sink.write(b"lost\n")
        assert sink.flush()
        store.room = None
        sink.write(b"kept\n")
        assert sink.flush()
    assert [told["lines"] for told in store.gaps] == [1, 10, 10, 10]
    store.room = 0
    sink.write(b"lost\n")
    assert sink.flush()
    store.room = None
    sink.close()  # what is owed is told at the end, in whatever second that is
    assert sum(told["lines"] for told in store.gaps) == sink.failed == 32
    assert QUIET_SECONDS == 10
    assert len(store.lines) == sink.written == 31 + 5


def test_dropped_lines_are_told_too() -> None:
    """A flood at a target that hangs: the outbox holds what it may, the rest is dropped and told once it goes on."""
    store = Store()
    sink = Sink("events", store, gap=gap, max_lines=50)
    store.gate.clear()
    sink.write(b"first\n")
    until(lambda: store.tries == 1)
    started = time.monotonic()
    for _ in range(20_000):
        sink.write(b"0123456789\n")
    assert time.monotonic() - started < 5
    assert (sink.waiting, sink.dropped) == (51, 19_950)
    store.gate.set()
    sink.close()
    (told,) = store.gaps
    assert (told["dropped"], told["failed"]) == (19_950, 0)
    assert len(store.lines) == sink.written == 52
    assert sink.written + sink.dropped + sink.failed == sink.produced == 20_002


def test_what_is_to_be_tried_again_waits() -> None:
    """A target that asks for patience gets the same lines again, in order, none twice; nothing is lost meanwhile."""
    store = Store()
    sink = Sink("syslog", store, gap=gap)
    store.gives_up, store.room = False, 3
    for number in range(10):
        sink.write(b"%d\n" % number)
    until(lambda: store.tries > 5)
    assert (sink.waiting, sink.up) == (7, False)
    store.room = None
    assert sink.flush()
    sink.close()
    assert store.lines == [b"%d\n" % number for number in range(10)]
    assert (sink.written, sink.dropped, sink.failed) == (10, 0, 0)


def test_a_close_while_waiting_tries_once_more_and_ends() -> None:
    """What a target refuses until the end counts as dropped; the close does not wait for the next try but one."""
    store = Store()
    sink = Sink("syslog", store, gap=gap)
    store.gives_up, store.room = False, 0
    sink.write(b"x\n")
    until(lambda: store.tries > 1)
    began = time.monotonic()
    sink.close(5)
    assert time.monotonic() - began < 1
    assert (sink.written, sink.dropped, sink.failed, sink.produced) == (0, 1, 0, 1)
    assert store.closed == 1
    sink.close()
    assert sink.produced == 1


def test_a_target_that_hangs_for_ever_does_not_keep_it_open() -> None:
    """close() returns in time; what is left counts as dropped, exactly once, also when the target wakes up later."""
    store = Store()
    sink = Sink("events", store, gap=gap)
    store.gate.clear()
    for _ in range(20):
        sink.write(b"x\n")
    until(lambda: store.tries == 1)
    began = time.monotonic()
    sink.close(0.2)
    assert time.monotonic() - began < 2
    assert (sink.written, sink.dropped) == (0, 20)
    store.gate.set()
    sink._thread.join(5)
    assert not sink._thread.is_alive()
    assert (sink.written, sink.dropped, sink.produced) == (0, 20, 20)


def test_reopen_reaches_the_target() -> None:
    """Once for each time it is asked while nothing else is to do."""
    store = Store()
    sink = Sink("events", store)
    for number in (1, 2):
        sink.reopen()
        until(lambda number=number: store.reopened == number)
    sink.close()


def test_says_that_it_goes_on() -> None:
    """The log has the fault once in ten seconds, and one line when writing works again."""
    store = Store()
    with capture_logs() as logged:
        sink = Sink("events", store, gap=gap)
        store.room = 0
        for _ in range(100):
            sink.write(b"lost\n")
            assert sink.flush()
        store.room = None
        sink.write(b"kept\n")
        sink.close()
    failed, resumed = logged
    assert (failed["event"], failed["sink"], failed["error"]) == ("event_write_failed", "events", "full")
    assert (resumed["event"], resumed["log_level"]) == ("event_write_resumed", "info")
