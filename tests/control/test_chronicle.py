"""The parent's side of the history: pages in order, bounded, and an end within its time."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import pytest
from processes import halted, until
from sizerun import START, work
from structlog.testing import capture_logs

from sniffer.config import Config
from sniffer.control import chronicle
from sniffer.control.chronicle import MAX_REFUSED, Chronicle, make_chronicle
from sniffer.history import gather
from sniffer.history.gather import Gatherer
from sniffer.history.query import Reader
from sniffer.history.recorder import MAX_PAGES, History
from sniffer.history.rows import BUCKET, HOUR, SECOND, Page
from sniffer.owners.table import Owner
from sniffer.sinks.metrics import SinkHealth
from sniffer.sinks.networks import HostNames
from sniffer.size.hosts import SizeBook
from sniffer.totals import InterfaceTotals, Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

S0 = START // SECOND


def totals() -> Totals:
    """Of a sensor that has read some packets."""
    return Totals(interfaces={"a": InterfaceTotals(packets=500)})


class Queue:
    """Takes the place of the history: as many pages as it is told to."""

    def __init__(self) -> None:
        self.room = MAX_PAGES
        self.up = True
        self.pages: list[Page] = []
        self.closed = -1.0

    @property
    def health(self) -> SinkHealth:
        """Full, or with room."""
        return SinkHealth(len(self.pages), 0, 0, 0 if self.room else MAX_PAGES, up=self.up)

    def offer(self, page: Page) -> bool:
        """Take it, if there is room."""
        if self.room:
            self.room -= 1
            self.pages.append(page)
            return True
        return False

    def close(self, seconds: float) -> None:
        """Note the time that it was given."""
        self.closed = seconds


def sizes() -> SizeBook:
    """A book without sessions."""
    return SizeBook(HostNames(inside=("10.0.0.0/8",)), samples=True)


def made(queue: Queue, book: SizeBook | None = None, *, clock: Callable[[], float | None] = lambda: None) -> Chronicle:  # fmt: skip
    """A chronicle in front of a queue."""
    return Chronicle(queue, book or sizes(), Gatherer(1), clock)  # type: ignore[arg-type]


def minutes(keeper: Chronicle, first: int, last: int) -> None:
    """Let minutes of packet time pass."""
    for minute in range(first, last):
        keeper.step(START + minute * 60 * SECOND, totals, up=True)


def test_nothing_before_the_first_packet() -> None:
    """Packet time is not known before; also the end has nothing to tell then."""
    queue = Queue()
    keeper = made(queue)
    keeper.step(0, totals, up=True)
    keeper.close(0, totals, 1.0)
    assert queue.pages == []
    assert 0 < queue.closed <= 1.0


def test_refused_pages_come_again_in_order() -> None:
    """As soon as there is room, and none is lost on the way; until then they count as waiting."""
    queue = Queue()
    queue.room = 2
    keeper = made(queue)
    minutes(keeper, 0, 12)
    assert len(queue.pages) == 2
    assert (keeper.health.waiting, keeper.health.dropped) == (MAX_PAGES + 10, 0)
    queue.room = 5
    minutes(keeper, 12, 13)
    queue.room = 100
    minutes(keeper, 13, 14)
    assert [(page.now - START) // SECOND for page in queue.pages] == [60 * minute for minute in range(14)]
    assert (keeper.health.waiting, keeper.health.dropped) == (0, 0)


def test_refused_pages_are_bounded() -> None:
    """Beyond the bound the oldest are given up and counted as dropped."""
    queue = Queue()
    queue.room = 0
    keeper = made(queue)
    minutes(keeper, 0, 200)
    assert keeper.health.dropped == 200 - MAX_REFUSED
    assert keeper.health.waiting == MAX_PAGES + MAX_REFUSED
    queue.room = 1_000
    minutes(keeper, 200, 201)
    assert [(page.now - START) // (60 * SECOND) for page in queue.pages] == list(
        range(200 - MAX_REFUSED, 201)
    )


def test_the_end_offers_all_there_is() -> None:
    """Also more pages than may wait while the sensor runs, as fast as there is room; then what is due and what is not."""
    queue, book = Queue(), sizes()
    keeper = made(queue, book)
    minutes(keeper, 0, 1)
    for number in range(1_000):
        keeper.gatherer.hit(f"h{number}", "", "r", "high", "confirmed", 1, START)
    book.add(work(70, 5, host=b"\x0a\0\0\1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gather, "MAX_ROWS", 9)
        queue.room = 0
        threading.Timer(0.3, lambda: setattr(queue, "room", 1_000)).start()
        keeper.close(START + 100 * SECOND, totals, 10.0)
    assert len(queue.pages) > 300
    assert sum(row.hits for page in queue.pages for row in page.detections) == 1_000
    assert [row.submitted for page in queue.pages for row in page.sessions] == [5]
    assert [row.shares for page in queue.pages for row in page.samples] == [5]
    assert keeper.health.dropped == 0


def test_the_end_keeps_its_time() -> None:
    """Where the queue takes nothing any more, what is left counts as dropped."""
    queue = Queue()
    queue.room = 0
    keeper = made(queue)
    minutes(keeper, 0, 10)
    began = time.monotonic()
    keeper.close(START + 600 * SECOND, totals, 0.5)
    assert time.monotonic() - began < 1.0
    assert keeper.health.dropped == 11
    assert keeper.health.waiting == MAX_PAGES  # those of the queue that never moves


def test_a_stop_is_not_down() -> None:
    """The last bucket is as it was when the sensor still read."""
    queue = Queue()
    keeper = made(queue, clock=lambda: float(S0))
    minutes(keeper, 0, 1)
    keeper.close(START + SECOND, totals, 1.0)
    assert [row.up for page in queue.pages for row in page.health] == [True, True]


def test_health_is_told_by_the_clock_or_by_the_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Live by the time of day, however late the packets; in a replay by their own."""
    monkeypatch.setattr(chronicle, "WATCH_EVERY", 0.0)
    starts = []
    for moment in (float(S0 + 86_400), None):
        queue = Queue()
        keeper = made(queue, clock=lambda moment=moment: moment)  # type: ignore[misc]
        minutes(keeper, 0, 6)
        starts.append(sorted({row.start - S0 for page in queue.pages for row in page.health}))
        assert sum({row.start: row.packets for page in queue.pages for row in page.health}.values()) == 500
    assert starts == [[86_400], [0, BUCKET]]


def test_silence_since_the_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours on a wire without a packet were watched; the first packet's page says so."""
    monkeypatch.setattr(chronicle, "WATCH_EVERY", 0.0)
    queue, moment = Queue(), float(S0)
    keeper = made(queue, clock=lambda: moment)
    for moment in range(S0, S0 + HOUR, 10):  # noqa: B007
        keeper.step(0, Totals, up=True)
    assert queue.pages == []
    keeper.step(START + HOUR * SECOND, totals, up=True)
    rows = [row for page in queue.pages for row in page.health]
    assert [(row.seconds, row.packets, row.up) for row in rows] == [(300.0, 0, True)] * 11 + [
        (290.0, 500, True)
    ]


def test_books_are_made_now_and_then() -> None:
    """Not at each step: they are of all workers."""
    asked = []
    keeper = made(Queue())
    for _ in range(100):
        keeper.step(START, lambda: asked.append(1) or totals(), up=True)  # type: ignore[func-returns-value]
    assert len(asked) == 1


def test_rows_without_room_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log says how many rows and samples, again only when there are more."""
    monkeypatch.setattr(chronicle, "WATCH_EVERY", 0.0)
    monkeypatch.setattr(gather, "MAX_DETECTIONS", 1)
    keeper = made(Queue())
    for number in range(3):
        keeper.gatherer.hit(f"h{number}", "", "r", "high", "confirmed", 2, START)
    with capture_logs() as logs:
        minutes(keeper, 0, 5)
    assert [(line["code"], line["rows"], line["samples"]) for line in logs] == [("history_rows_lost", 4, 0)]


def test_tenants_are_told_as_configured() -> None:
    """With where they are and whom to ask; anew after a reload."""
    queue = Queue()
    keeper = made(queue)
    for site in ("hall 1", "hall 2"):
        keeper.use([Owner("north", site=site, kind="park")])
        minutes(keeper, len(queue.pages), len(queue.pages) + 1)
    assert [[(one.name, one.site, one.kind) for one in page.tenants] for page in queue.pages] == [
        [("north", "hall 1", "park")],
        [("north", "hall 2", "park")],
    ]


# ── with a real file ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a history may be."""
    return tmp_path / "history.db"


def test_none_unless_it_is_asked_for(path: Path) -> None:
    """Off by default; overhead and interval are those of the configuration."""
    assert make_chronicle(Config(), sizes(), lambda: None) is None
    config = Config.model_validate({"history": {"file": path, "interval": "30s"}, "size": {"overhead": 1.25}})
    keeper = make_chronicle(config, sizes(), lambda: None)
    assert keeper is not None
    assert (keeper.gatherer._every, keeper.gatherer._overhead) == (30 * SECOND, 1.25)
    keeper.close(0, totals, 1.0)


def real(path: Path, book: SizeBook) -> tuple[Chronicle, History]:
    """A chronicle that writes to a file."""
    history = History(Config.model_validate({"history": {"file": path}}))
    return Chronicle(history, book, Gatherer(START), lambda: None), history


def test_everything_is_on_the_disk_in_the_end(path: Path) -> None:
    """Sessions, their samples, hits and health."""
    book = sizes()
    keeper, _ = real(path, book)
    for minute in range(30):
        book.add(work(60 * minute + 1, 2, host=b"\x0a\0\0\1"))
        keeper.gatherer.hit("10.0.0.1", "", "r", "high", "confirmed", 2, START + 60 * minute * SECOND)
        book.turn(START + (60 * minute + 2) * SECOND)
        minutes(keeper, minute, minute + 1)
    keeper.close(START + 1_800 * SECOND, totals, 10.0)
    with Reader(path) as reader:
        (part,) = reader.total(S0, S0 + HOUR).parts
        assert (part.shares, [day.hits for day in reader.detections(S0, S0 + HOUR)]) == (60, [60])
        rows = reader.health(S0, S0 + HOUR)
    assert sum(row.packets for row in rows) == 500
    assert [row.seconds for row in rows[:-1]] == [300.0] * (len(rows) - 1)
    health = keeper.health
    assert (health.dropped, health.failed, health.waiting) == (0, 0, 0)


@contextlib.contextmanager
def hanging(history: History) -> Iterator[None]:
    """While the writer does nothing; it ends by itself when it can."""
    until(lambda: history.pid is not None)
    with halted(history.pid or 0):
        yield
    history._thread.join(30)
    assert not history._thread.is_alive()


def test_a_disk_that_hangs_holds_up_nobody(path: Path) -> None:
    """Steps take no time; the end takes its own time and no more; every page is counted once."""
    keeper, history = real(path, sizes())
    with hanging(history):
        began = time.monotonic()
        minutes(keeper, 0, 300)
        assert time.monotonic() - began < 5
        assert keeper.health.waiting == MAX_PAGES + MAX_REFUSED
        began = time.monotonic()
        keeper.close(START + 300 * 60 * SECOND, totals, 0.5)
        assert time.monotonic() - began < 1.5
        assert (keeper.health.written, keeper.health.dropped, keeper.health.waiting) == (0, 301, 0)


def test_a_second_signal_ends_the_wait(path: Path) -> None:
    """However long the end may take."""
    keeper, history = real(path, sizes())
    with hanging(history):
        minutes(keeper, 0, 300)
        hurry = threading.Timer(0.3, keeper.hurry, (0.2,))
        hurry.start()
        began = time.monotonic()
        keeper.close(START + 300 * 60 * SECOND, totals, 60.0)
        assert time.monotonic() - began < 3
        hurry.join()
        assert keeper.health.waiting == 0


def test_a_fault_is_not_waited_for_in_the_end() -> None:
    """What finds no room is given up at once: the disk has been full for longer than the queue is."""
    queue = Queue()
    queue.up = False
    queue.room = 0
    keeper = made(queue)
    minutes(keeper, 0, 5)
    began = time.monotonic()
    keeper.close(START + 300 * SECOND, totals, 10.0)
    assert time.monotonic() - began < 1
    assert keeper.health.dropped == 6
