"""The worker's outbox: nothing lost while there is room, everything counted beyond, never a wait."""

from __future__ import annotations

import socket
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from sniffer.children import Unframer
from sniffer.control import outbox as module
from sniffer.control.outbox import MAX_EXHIBIT_BYTES, MAX_EXHIBITS, NEWS_SIGHTINGS, Outbox
from sniffer.control.records import Carried, News, from_worker
from sniffer.counts import Sighting
from sniffer.evidence.exhibit import Exhibit, Frame
from sniffer.model import Confidence, Severity
from sniffer.size.work import Work

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The worker's end and the parent's."""
    theirs, ours = socket.socketpair()
    with theirs, ours:
        yield theirs, ours


def detection(host: int, rule: str = "r", when: int = 1, tenant: str = "") -> Any:
    """A detection with what the outbox reads of it."""
    return SimpleNamespace(
        rule=SimpleNamespace(id=rule, severity=Severity.HIGH),
        host=host.to_bytes(4, "big"),
        confidence=Confidence.CONFIRMED,
        facts=SimpleNamespace(time=when),
        tenant=tenant,
    )


class Reader:
    """The parent, reading when asked to."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self._unframer = sock, Unframer()
        sock.setblocking(False)

    def news(self) -> list[News]:
        """Everything that has arrived."""
        out: list[News] = []
        while True:
            try:
                data = self._sock.recv(1 << 20)
            except BlockingIOError:
                return out
            for body in self._unframer.feed(data):
                record = from_worker.decode(body)
                assert isinstance(record, News)
                out.append(record)


def test_hits_add_up_until_they_leave(pair: tuple[socket.socket, socket.socket]) -> None:
    """Hits of one (host, rule, confidence) travel as one row, with the time of the last."""
    outbox = Outbox(pair[0])
    for when in (5, 9, 7):
        outbox.hit(detection(1, when=when))
    outbox.hit(detection(2))
    outbox.line(b"one\n")
    outbox.put_news()
    (news,) = Reader(pair[1]).news()
    assert [(hit.host[-1], hit.count, hit.last) for hit in news.hits] == [(1, 3, 9), (2, 1, 1)]
    assert news.events == (b"one\n",)
    assert not outbox.has_news


def test_hits_are_kept_apart_by_tenant(pair: tuple[socket.socket, socket.socket]) -> None:
    """An address that changed hands between two records has a row for each of its holders."""
    outbox = Outbox(pair[0])
    for tenant in ("a", "b", "a", ""):
        outbox.hit(detection(1, tenant=tenant))
    outbox.put_news()
    (news,) = Reader(pair[1]).news()
    assert [(hit.tenant, hit.count) for hit in news.hits] == [("a", 2), ("b", 1), ("", 1)]


class Queued:
    """A tally, as far as the outbox knows it."""

    def __init__(self, number: int) -> None:
        self.rows = [Work(bytes(4), bytes(4), 3333, "stratum-v1", "", "", number)]

    def take(self) -> list[Work]:
        """Hand over what there is."""
        rows, self.rows = self.rows, []
        return rows


def test_work_beyond_the_bound(pair: tuple[socket.socket, socket.socket]) -> None:
    """The oldest work makes room and is counted; its flow starts afresh and can be queued again."""
    outbox = Outbox(pair[0], tallies=3)
    tallies: list[Any] = [Queued(number) for number in range(5)]
    for tally in tallies:
        outbox.tally(tally)
    assert outbox.dropped_hits == 2
    assert [len(tally.rows) for tally in tallies] == [0, 0, 1, 1, 1]
    outbox.put_news()
    (news,) = Reader(pair[1]).news()
    assert [work.flow for work in news.works] == [2, 3, 4]
    assert not outbox.has_news


def test_what_hosts_carry_adds_up_by_the_hour(pair: tuple[socket.socket, socket.socket]) -> None:
    """Minutes of a host are one row for each hour until they leave; hosts to watch leave once."""
    outbox = Outbox(pair[0])
    host, hour = b"\x0a\0\0\7", 3_600
    for minute in (0, 59, 60):
        outbox.carry(host, minute * 60 * 10**9, 3, 100)
        outbox.watch(host)
    assert outbox.has_news
    outbox.put_news()
    (news,) = Reader(pair[1]).news()
    assert news.carried == (Carried(host, 0, 6, 200), Carried(host, hour, 3, 100))
    assert news.watched == (host,)
    assert not outbox.has_news


def test_what_hosts_carry_is_bounded(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the parent does not read, hosts that are known add up; others beyond the bounds are counted as dropped."""
    for name in ("MAX_CARRIED", "MAX_WATCHED", "NEWS_CARRIED", "NEWS_WATCHED"):
        monkeypatch.setattr(module, name, 50 if name.startswith("MAX") else 20)
    outbox = Outbox(pair[0])
    for _ in range(2):
        for number in range(60):
            outbox.carry(number.to_bytes(4, "big"), 0, 0, 1)
            outbox.watch(number.to_bytes(4, "big"))
    assert outbox.dropped_hits == 40
    while outbox.has_news:
        outbox.put_news()
    told = Reader(pair[1]).news()
    assert [len(news.carried) for news in told] == [len(news.watched) for news in told] == [20, 20, 10]
    assert {row.other for news in told for row in news.carried} == {2}


def test_nothing_to_tell_is_not_told(pair: tuple[socket.socket, socket.socket]) -> None:
    """Without news no record is sent."""
    Outbox(pair[0]).put_news()
    assert Reader(pair[1]).news() == []


def test_a_parent_that_does_not_read(pair: tuple[socket.socket, socket.socket]) -> None:
    """While the pipe is full nobody waits, hits add up, and none is lost when it flows again."""
    outbox = Outbox(pair[0])
    began = time.monotonic()
    for n in range(300_000):
        outbox.hit(detection(n % 1_000))
        if n % 100 == 0:
            outbox.line(b"x" * 1_000)
            outbox.put_news()
    assert time.monotonic() - began < 20
    assert not outbox.is_clear
    reader, got = Reader(pair[1]), []
    for _ in range(1_000):
        got += reader.news()
        outbox.flush()
        outbox.put_news()
        if outbox.is_clear and not outbox.has_news:
            break
    got += reader.news()
    assert sum(hit.count for news in got for hit in news.hits) == 300_000
    assert sum(len(news.events) for news in got) + outbox.dropped_events == 3_000


def test_a_flood_has_a_bound(pair: tuple[socket.socket, socket.socket]) -> None:
    """Rows and lines beyond the limits are counted; what is known already still counts."""
    outbox = Outbox(pair[0], rows=100, lines=10)
    for n in range(1_000):
        outbox.hit(detection(n))
        outbox.line(b"line\n")
    outbox.hit(detection(5))
    assert (len(outbox._hits), len(outbox._lines)) == (100, 10)
    assert (outbox.dropped_hits, outbox.dropped_events) == (900, 990)
    assert outbox._hits[(5).to_bytes(4, "big"), "r", 3, 3, ""][0] == 2


def sighting(flow: int) -> Sighting:
    """A sighting; its flow tells it apart."""
    return Sighting(b"\x0a\0\0\1", "r", "digest", 3, 3, 20, 60 * 10**9, flow, flow)


def test_sightings_leave_in_order(pair: tuple[socket.socket, socket.socket]) -> None:
    """Every sighting travels by itself, since the parent needs its time; as many in a record as one takes."""
    outbox = Outbox(pair[0])
    for number in range(NEWS_SIGHTINGS + 5):
        outbox.sighting(sighting(number))
    assert outbox.has_news
    reader, got = Reader(pair[1]), []
    while outbox.has_news or not outbox.is_clear:
        outbox.flush()
        outbox.put_news()
        got += reader.news()
    got += reader.news()
    assert [len(news.sightings) for news in got] == [NEWS_SIGHTINGS, 5]
    assert [one.flow for news in got for one in news.sightings] == list(range(NEWS_SIGHTINGS + 5))


def test_a_flood_of_sightings_has_a_bound(pair: tuple[socket.socket, socket.socket]) -> None:
    """Sightings beyond the limit are counted with the hits that found no room."""
    outbox = Outbox(pair[0], sightings=10)
    for number in range(1_000):
        outbox.sighting(sighting(number))
    assert (len(outbox._sightings), outbox.dropped_hits) == (10, 990)


def test_a_parent_that_has_gone(pair: tuple[socket.socket, socket.socket]) -> None:
    """Writing to nobody is noted, not raised."""
    outbox = Outbox(pair[0])
    pair[1].close()
    outbox.hit(detection(1))
    outbox.put_news()
    assert outbox.closed


def exhibit(size: int) -> Exhibit:
    """One that weighs at least so much."""
    return Exhibit("v", b"host", ("i",), (Frame(1, 1, 0, size, bytes(size)),), (), ())


def test_exhibits_are_bounded_and_whole(pair: tuple[socket.socket, socket.socket]) -> None:
    """While the parent does not read, so many exhibits wait, of so many bytes; others are counted, and each arrives whole."""
    ours, theirs = pair
    box = Outbox(ours)
    for _ in range(200):
        box.exhibit(exhibit(1_000))
    assert box.dropped_exhibits == 200 - MAX_EXHIBITS
    assert box.has_news
    got = 0
    unframer = Unframer()
    theirs.setblocking(False)
    while got < MAX_EXHIBITS:
        box.put_news()
        box.flush()
        for body in unframer.feed(theirs.recv(1 << 20)):
            assert from_worker.decode(body) == exhibit(1_000)
            got += 1
    assert not box.has_news
    large = Outbox(ours)
    for _ in range(10):
        large.exhibit(exhibit(5 << 20))
    assert large.dropped_exhibits == 10 - MAX_EXHIBIT_BYTES // (5 << 20)
