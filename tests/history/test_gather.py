"""Pages: everything is told, nothing as an increment, a little at a time, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sizerun import START, finished, work

from sniffer.history import gather
from sniffer.history.gather import GROWS, LATE, MAX_DETECTIONS, MAX_HEALTH, MAX_ROWS, Gatherer
from sniffer.history.rows import BUCKET, HOUR, SECOND, Detection, Health, Page, Session, Tenant
from sniffer.sinks.networks import HostNames
from sniffer.size.hosts import SizeBook
from sniffer.totals import InterfaceTotals, Totals

if TYPE_CHECKING:
    from collections.abc import Iterable

BEGUN = 1_700_000_000 * SECOND
T0 = START  # nanoseconds, a full hour
YEARS = 3_652 * 86_400 * SECOND  # ten


def hit(gatherer: Gatherer, time: int, host: str = "10.0.0.7", count: int = 1, **more: Any) -> None:
    """Enter hits."""
    fields: dict[str, Any] = {
        "host": host, "tenant": "north", "rule": "r", "severity": "high", "confidence": "confirmed", "count": count, "time": time,
    }  # fmt: skip
    gatherer.hit(**{**fields, **more})


def detections(pages: Iterable[Page]) -> list[Detection]:
    """Rows about hits."""
    return [row for page in pages for row in page.detections]


def standing(rows: Iterable[Detection]) -> dict[tuple[object, ...], Detection]:
    """What the history holds after all these: the last row of each key."""
    return {
        (row.hour, row.host, row.tenant, row.rule, row.severity, row.confidence, row.begun): row
        for row in rows
    }


def counted(rows: Iterable[Detection]) -> int:
    """Hits that the history holds."""
    return sum(row.hits for row in standing(rows).values())


def totals(packets: int, dropped: int = 0, hidden: int = 0, one_sided: float = 0.0) -> Totals:
    """Books of all workers."""
    return Totals(
        interfaces={
            "a": InterfaceTotals(packets=packets, drops=dropped),
            "b": InterfaceTotals(),
        },
        tls_hellos={"hidden": hidden, "named": 9},
        one_sided_ratio=one_sided,
    )


# ── hits ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_new_hits_come_with_the_next_page() -> None:
    """All of a row is there; the tenants as configured come with it."""
    tenant = Tenant("north", "", "", "park", "")
    gatherer = Gatherer(BEGUN)
    gatherer.use([tenant])
    hit(gatherer, T0 + 2 * SECOND, count=3)
    hit(gatherer, T0 + 1 * SECOND, count=2)
    (page,) = gatherer.pages(T0 + 2 * SECOND, [], None)
    assert page == Page(
        T0 + 2 * SECOND,
        detections=(
            Detection(
                "10.0.0.7", "north", "r", "high", "confirmed", T0 // SECOND, 5, T0 + SECOND, T0 + 2 * SECOND, BEGUN
            ),
        ),
        tenants=(tenant,),
    )  # fmt: skip
    hit(gatherer, T0 + 70 * SECOND, rule="other")
    assert [row.rule for row in detections(gatherer.pages(T0 + 70 * SECOND, [], None))] == ["other"]


def test_grown_ones_are_told_every_five_minutes() -> None:
    """As they stand then; not while nothing has come."""
    gatherer = Gatherer(BEGUN, every=SECOND)
    rows = []
    for second in range(0, 1_800, 10):
        if second < 900:
            hit(gatherer, T0 + second * SECOND)
        told = detections(gatherer.pages(T0 + second * SECOND, [], None))
        rows += [(second, row.hits) for row in told]
    # After the page that told of it, the next hit begins the five minutes.
    assert rows == [(0, 1), (310, 32), (620, 63), (930, 90)]


def test_empty_pages_come_for_the_time() -> None:
    """One each ``every`` of packet time and none between."""
    gatherer = Gatherer(BEGUN, every=60 * SECOND)
    times = [
        (page.now - T0) // SECOND for at in range(301) for page in gatherer.pages(T0 + at * SECOND, [], None)
    ]
    assert times == [0, 60, 120, 180, 240, 300]


def test_finish_gives_everything() -> None:
    """Also what is not due, in pages of the usual size."""
    gatherer = Gatherer(BEGUN)
    hit(gatherer, T0)
    gatherer.pages(T0, [], None)
    hit(gatherer, T0 + SECOND)
    for number in range(9_000):
        hit(gatherer, T0, host=f"h{number}")
    gatherer.finish()
    pages = gatherer.pages(T0 + SECOND, [], None)
    assert counted(detections(pages)) == 9_002
    assert max(len(page.detections) for page in pages) <= MAX_ROWS


def test_hours_that_are_over_are_forgotten() -> None:
    """A week of hits in each hour needs the room of a few hours."""
    gatherer, rows, most = Gatherer(BEGUN), [], 0
    for minute in range(0, 7 * 24 * 60, 10):
        now = T0 + minute * 60 * SECOND
        hit(gatherer, now, count=2)
        rows += detections(gatherer.pages(now, [], None))
        most = max(most, len(gatherer._detections))
    gatherer.finish()
    rows += detections(gatherer.pages(now, [], None))
    assert most <= LATE // HOUR + 2
    assert len(standing(rows)) == 7 * 24
    assert counted(rows) == 2 * 7 * 24 * 6
    assert gatherer.lost == 0


def test_a_flood_of_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many are kept, the rest is counted; all that are kept are told within some steps, a few at each."""
    monkeypatch.setattr(gather, "MAX_DETECTIONS", 5_000)
    gatherer = Gatherer(BEGUN)
    for number in range(20_000):
        hit(gatherer, T0, host=f"h{number}", count=2)
    assert (len(gatherer._detections), gatherer.lost) == (5_000, 30_000)
    rows, steps = [], 0
    while len(rows) < 5_000:
        steps += 1
        pages = gatherer.pages(T0 + steps * 60 * SECOND, [], None)
        assert all(len(page.detections) <= MAX_ROWS for page in pages)
        rows += detections(pages)
    assert steps <= 5
    for step in range(40):
        gatherer.pages(T0 + (3 * HOUR + HOUR + step) * SECOND, [], None)
    assert not gatherer._detections
    hit(gatherer, T0 + 5 * HOUR * SECOND)
    assert gatherer.lost == 30_000


def test_the_bound_is_what_is_told() -> None:
    """docs/history.md names it."""
    assert MAX_DETECTIONS == 200_000


@pytest.mark.parametrize("leap", [YEARS, -YEARS])
def test_packet_time_may_leap(leap: int) -> None:
    """There and back: nothing waits for ten years, nothing is lost, nothing replaces what was counted before."""
    gatherer, entered = Gatherer(BEGUN), 0
    rows: list[Detection] = []
    for base in (T0, T0 + leap, T0, T0 + leap):
        told = len(rows)
        for second in range(0, 4 * HOUR, 60):
            now = base + second * SECOND
            hit(gatherer, now)
            entered += 1
            rows += detections(gatherer.pages(now, [], None))
        assert len(rows) - told > 40  # every five minutes
    assert len(gatherer._detections) < 20
    gatherer.finish()
    rows += detections(gatherer.pages(now, [], None))
    assert counted(rows) == entered


def test_one_packet_of_another_time() -> None:
    """A time ten years ahead in the midst of others loses no hits of the hour that goes on."""
    gatherer, rows = Gatherer(BEGUN), []
    for second in range(0, 1_200, 10):
        now = T0 + second * SECOND + (YEARS if second == 500 else 0)
        hit(gatherer, now)
        rows += detections(gatherer.pages(now, [], None))
    gatherer.finish()
    rows += detections(gatherer.pages(now, [], None))
    assert counted(rows) == 120
    assert sum(row.hits for row in standing(rows).values() if row.hour == T0 // SECOND) == 119


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.integers(1, 5),
        st.sampled_from([0, SECOND, 30 * SECOND, GROWS, HOUR * SECOND, 5 * HOUR * SECOND, YEARS, -YEARS]),
        st.booleans(),
    ),
    max_size=60,
)


@given(STEPS)
def test_sums_are_what_was_entered(steps: list[tuple[str, int, int, bool]]) -> None:
    """Whatever the order of hits, pages and leaps: the last rows of all keys hold every hit once, and rows only grow."""
    gatherer, now, entered = Gatherer(BEGUN), T0 + YEARS, 0
    rows: list[Detection] = []
    for host, count, passed, asks in steps:
        now = max(now + passed, 0)
        hit(gatherer, now, host=host, count=count)
        entered += count
        if asks:
            rows += detections(gatherer.pages(now, [], None))
    gatherer.finish()
    rows += detections(gatherer.pages(now, [], None))
    assert counted(rows) == entered
    seen: dict[object, int] = {}
    for row in rows:
        (key,) = standing([row])
        assert row.hits > seen.get(key, 0)
        assert row.first <= row.last
        assert row.hour <= row.first // SECOND <= row.last // SECOND < row.hour + HOUR
        seen[key] = row.hits


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────────────


def book_of_sessions(count: int = 1) -> SizeBook:
    """Hosts that have handed in a share."""
    book = SizeBook(HostNames(inside=("10.0.0.0/8",)), samples=True)
    book.turn(T0)
    for number in range(count):
        book.add(work(5, 1, host=(0x0A000000 + number).to_bytes(4, "big")))
    return book


def test_sessions_come_new_and_then_with_their_buckets() -> None:
    """Cumulative rows; samples of each bucket that is over; shares of samples add up to those of the session."""
    book = SizeBook(HostNames(inside=("10.0.0.0/8",)), samples=True)
    gatherer = Gatherer(BEGUN, every=60 * SECOND)
    pages = []
    for second in range(0, 3_000, 30):
        now = T0 + second * SECOND
        book.add(work(second, 2, host=b"\x0a\0\0\x07"))
        book.turn(now, everything=True)
        pages += gatherer.pages(now, book.take(), book.sessions.finished)
    sessions = [row for page in pages for row in page.sessions]
    assert len(sessions) == 10  # new, and after each of nine buckets
    assert [row.submitted for row in sessions] == sorted(row.submitted for row in sessions)
    assert {(row.host, row.begun) for row in sessions} == {("10.0.0.7", BEGUN)}
    gatherer.finish()
    pages += gatherer.pages(now, finished(book), book.sessions.finished)
    samples = [row for page in pages for row in page.samples]
    assert sum({row.start: row.shares for row in samples}.values()) == 200
    assert [row for page in pages for row in page.sessions][-1].submitted == 200
    assert all(row.start % BUCKET == 0 for row in samples)


def test_one_that_comes_back_has_a_row_of_its_own() -> None:
    """After a day of silence it is let go; what it does then does not take the place of what it did before."""
    book = SizeBook(HostNames(inside=("10.0.0.0/8",)), samples=True)
    gatherer = Gatherer(BEGUN)
    held: dict[tuple[str, int], Session] = {}
    for second in (5, 10, *range(600, 90_000, 3_600), 100_000, 100_300):
        if not 10 < second < 100_000:
            book.add(work(second, 2, host=b"\x0a\0\0\x07"))
        book.turn(T0 + second * SECOND, everything=True)
        for page in gatherer.pages(T0 + second * SECOND, book.take(), book.sessions.finished):
            held |= {(row.host, row.begun): row for row in page.sessions}
    assert [row.submitted for row in held.values()] == [4, 4]
    assert [row.first - T0 for row in held.values()] == [5 * SECOND, 100_000 * SECOND]


def traffic_of(pages: Iterable[Page]) -> dict[tuple[str, int], int]:
    """Bytes that the history holds after all these: the last row of each key."""
    return {
        (row.host, (row.hour - T0 // SECOND) // HOUR): row.mining_bytes
        for page in pages
        for row in page.traffic
    }


def test_bytes_of_mining_add_up() -> None:
    """Of all sessions of a host, by the hour; each row is the hour's so far, and comes only where that has grown."""
    book = SizeBook(HostNames(inside=("10.0.0.0/8",)), samples=True)
    gatherer = Gatherer(BEGUN)
    pages = []
    for second in range(0, 7_200, 60):
        for account in ("a", "b"):
            book.add(work(second, 1, host=b"\x0a\0\0\x07", account=account, bytes_up=30, bytes_down=10))
        book.turn(T0 + second * SECOND, everything=True)
        pages += gatherer.pages(T0 + second * SECOND, book.take(), book.sessions.finished)
    gatherer.finish()
    pages += gatherer.pages(T0 + 7_200 * SECOND, finished(book), book.sessions.finished)
    told = traffic_of(pages)
    assert sum(told.values()) == 2 * 120 * 40
    # A session is told when a bucket is over: what its last minutes carried may count for the next hour.
    assert told["10.0.0.7", 0] == pytest.approx(told["10.0.0.7", 1], rel=0.2)
    rows = [(row.host, row.hour, row.mining_bytes) for page in pages for row in page.traffic]
    assert len(rows) == len(set(rows)) <= 2 * 12 + 2
    gatherer.pages(T0 + 5 * HOUR * SECOND, [], None)
    assert not gatherer._traffic


def test_all_bytes_of_a_host() -> None:
    """Mining and the rest, with the rest of whoever mined there last, also in hours without mining."""
    book = SizeBook(HostNames(inside=("10.0.0.0/8",)), samples=True)
    gatherer = Gatherer(BEGUN, measures=True)
    first = T0 // SECOND // HOUR * HOUR
    book.add(work(5, 1, host=b"\x0a\0\0\7", tenant="a", bytes_up=30, bytes_down=10))
    gatherer.carry("10.0.0.7", "a", first, 5, 100)
    gatherer.carry("10.0.0.7", "a", first, 0, 50)
    gatherer.carry("10.0.0.7", "a", first + HOUR, 0, 7)
    gatherer.carry("10.0.0.7", "b", first + HOUR, 0, 9)
    book.turn(T0 + 10 * SECOND, everything=True)
    pages = gatherer.pages(T0 + 10 * SECOND, book.take(), None)
    rows = {
        (row.tenant, row.hour - first): (row.mining_bytes, row.bytes)
        for page in pages
        for row in page.traffic
    }
    assert rows == {("a", 0): (45, 195), ("a", HOUR): (0, 7), ("b", HOUR): (0, 9)}


def test_bytes_of_nobody_are_counted() -> None:
    """Of hosts of which nobody knows who mines there."""
    gatherer = Gatherer(BEGUN, measures=True)
    gatherer.carry("10.0.0.7", None, T0 // SECOND // HOUR * HOUR, 0, 1)
    (page,) = gatherer.pages(T0, [], None)
    assert not page.traffic
    assert gatherer.lost == 1


def test_where_nothing_is_measured_nothing_is_told() -> None:
    """Bytes of everything are 0 then, which stands for unknown, and not those of mining."""
    book = SizeBook(HostNames(inside=("10.0.0.0/8",)), samples=True)
    book.add(work(5, 1, host=b"\x0a\0\0\7", bytes_up=30))
    book.turn(T0, everything=True)
    gatherer = Gatherer(BEGUN)
    (page,) = gatherer.pages(T0, book.take(), None)
    assert [(row.mining_bytes, row.bytes) for row in page.traffic] == [(30, 0)]


def test_bytes_of_another_time_do_not_stay() -> None:
    """An hour of years ahead is let go, too, once time is back, and keeps nothing behind it."""
    book = book_of_sessions()
    book.add(work(5, 1, host=b"\x0a\0\0\x08", last=T0 + YEARS, bytes_up=9))
    book.turn(T0, everything=True)
    gatherer = Gatherer(BEGUN)
    pages = gatherer.pages(T0, book.take(), None)
    assert [row.mining_bytes for page in pages for row in page.traffic] == [9]
    gatherer.pages(T0 + HOUR * SECOND, [], None)
    assert not gatherer._traffic


def test_bytes_of_many_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of some rows; beyond the bound what finds no room is counted."""
    monkeypatch.setattr(gather, "MAX_TRAFFIC", 6_000)
    book = SizeBook(HostNames(inside=("10.0.0.0/8",)), samples=True)
    for number in range(10_000):
        book.add(work(5, 1, host=(0x0A000000 + number).to_bytes(4, "big"), bytes_up=7))
    book.turn(T0 + 10 * SECOND, everything=True)
    gatherer = Gatherer(BEGUN)
    pages = gatherer.pages(T0, book.take(), book.sessions.finished)
    assert all(len(page.sessions) + len(page.samples) + len(page.traffic) <= MAX_ROWS for page in pages)
    assert len(traffic_of(pages)) == 6_000
    assert gatherer.lost == 4_000


def test_many_sessions_make_pages_of_some_rows() -> None:
    """What is more than a page comes at once in several, each of about so many rows; no row twice."""
    book = book_of_sessions(10_000)
    book.turn(T0 + 10 * SECOND, everything=True)
    gatherer = Gatherer(BEGUN)
    pages = gatherer.pages(T0, book.take(), book.sessions.finished)
    assert all(len(page.sessions) + len(page.samples) <= MAX_ROWS for page in pages)
    hosts = [row.host for page in pages for row in page.sessions]
    assert len(hosts) == len(set(hosts)) == 10_000


def test_rows_wait_for_a_page_in_bounded_number() -> None:
    """Between two pages at most a page of rows waits."""
    gatherer = Gatherer(BEGUN)
    gatherer.pages(T0, [], None)
    book = book_of_sessions(10_000)
    book.turn(T0 + 10 * SECOND, everything=True)
    gatherer.pages(T0 + SECOND, book.take(), book.sessions.finished)
    assert sum(len(rows) for rows in gatherer._rows) <= MAX_ROWS


def test_the_overhead_of_a_building() -> None:
    """Joules are those at the meter; unknown ones stay unknown."""
    found = []
    for overhead in (1.0, 1.5):
        book = book_of_sessions()
        book.add(work(9, 3, host=b"\x0a\0\0\1", algorithm="", hardware=""))
        gatherer = Gatherer(BEGUN, overhead=overhead)
        found.append(gatherer.pages(T0, finished(book), book.sessions.finished)[-1].samples)
    for one, more in zip(*found, strict=True):
        for name in ("joules_low", "joules", "joules_high"):
            alone = getattr(one, name)
            assert getattr(more, name) == (None if alone is None else pytest.approx(1.5 * alone))
    assert [row.joules is None for row in found[0]] == [False, True]


@pytest.mark.parametrize("leap", [YEARS, -YEARS])
def test_sessions_outlive_a_leap(leap: int) -> None:
    """The last row has every share, whatever time it was."""
    book = SizeBook(HostNames(inside=("10.0.0.0/8",)), samples=True)
    gatherer = Gatherer(BEGUN)
    rows: list[Session] = []
    for base in (0, leap // SECOND, 0):
        before = len(rows)
        for second in range(0, 1_200, 30):
            now = T0 + (base + second) * SECOND
            book.add(work(base + second, 1, host=b"\x0a\0\0\x07"))
            book.turn(now, everything=True)
            rows += [row for page in gatherer.pages(now, book.take(), None) for row in page.sessions]
        assert len(rows) > before
    gatherer.finish()
    rows += [row for page in gatherer.pages(now, finished(book), None) for row in page.sessions]
    assert rows[-1].submitted == 120


# ── health ───────────────────────────────────────────────────────────────────────────────────────────────

S0 = T0 // SECOND


def health_of(pages: Iterable[Page]) -> dict[int, Health]:
    """What the history holds of it: the last row of each bucket, by seconds since ``S0``."""
    return {row.start - S0: row for page in pages for row in page.health}


def test_buckets_of_health() -> None:
    """The first has everything since the start, each of the others what came since; seconds run to the end of each."""
    gatherer, pages = Gatherer(BEGUN), []
    for second in range(95, 905, 10):
        gatherer.watch(S0 + second, totals(second * 10, second, second // 100), up=True)
        pages += gatherer.pages(T0 + second * SECOND, [], None)
    gatherer.finish()
    pages += gatherer.pages(T0, [], None)
    rows = health_of(pages)
    assert [(at, row.seconds, row.packets, row.dropped, row.hidden_tls) for at, row in rows.items()] == [
        (0, 205.0, 295 * 10, 295, 2),
        (300, 300.0, 300 * 10, 300, 3),
        (600, 295.0, 300 * 10, 300, 3),
    ]


def test_health_is_told_while_no_packet_comes() -> None:
    """A sensor whose wire is silent says so every five minutes, although packet time stands still."""
    gatherer, pages = Gatherer(BEGUN), []
    gatherer.pages(T0, [], None)
    for second in range(0, 1_801, 10):
        gatherer.watch(S0 + second, totals(100), up=True)
        pages += gatherer.pages(T0, [], None)
    assert [(at, row.seconds, row.packets) for at, row in health_of(pages).items()][:6] == [
        (0, 300.0, 100), (300, 300.0, 0), (600, 300.0, 0), (900, 300.0, 0), (1200, 300.0, 0), (1500, 300.0, 0),
    ]  # fmt: skip
    assert len(pages) == 6


def test_a_sensor_that_is_down() -> None:
    """Time without a worker is none that was watched; a bucket in which it was up once was up."""
    gatherer, pages = Gatherer(BEGUN), []
    for second in range(0, 900, 10):
        gatherer.watch(S0 + second, totals(1), up=second < 100 or second >= 890)
    pages = gatherer.pages(T0, [], None)
    assert [row.up for row in health_of(pages).values()] == [True, False, True]
    assert health_of(pages)[300].seconds == 0.0


def test_nobody_watched_while_it_slept() -> None:
    """A time of day that moves on by hours, or back, between two looks was not watched; every packet is in some bucket."""
    gatherer = Gatherer(BEGUN)
    times = (0, 10, 7_200, 7_210, 3_600, 3_610)
    for number, second in enumerate(times):
        gatherer.watch(S0 + second, totals(10 * (number + 1)), up=True)
    rows = health_of(gatherer.pages(T0, [], None))
    assert {at: (row.seconds, row.packets) for at, row in rows.items()} == dict.fromkeys(
        (0, 7_200, 3_600), (10.0, 20)
    )


def test_a_replay_passes_hours_between_two_looks() -> None:
    """By packet time all of it was watched: what came is spread over the buckets, and the sum is right."""
    gatherer = Gatherer(BEGUN)
    books = totals(7)
    books.interfaces["a"].first_packet = (S0 - 240) * SECOND
    gatherer.watch(S0 + 60, books, up=True, by_packets=True)
    gatherer.watch(S0 + 3_660, totals(1_007, 10, 3), up=True, by_packets=True)
    rows = health_of(gatherer.pages(T0, [], None))
    assert list(rows) == list(range(-300, 3_601, 300))
    assert [row.seconds for row in rows.values()] == [240.0] + [300.0] * 12 + [60.0]
    assert sum(row.packets for row in rows.values()) == 1_007
    assert all(row.packets >= 76 for at, row in rows.items() if at >= 0)
    assert (sum(row.dropped for row in rows.values()), sum(row.hidden_tls for row in rows.values())) == (
        10,
        3,
    )


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 10, 299, 300, 5_000, 90_000, 31 * 86_400, YEARS // SECOND]), st.booleans()
        ),
        max_size=30,
    ),
    st.booleans(),
)
def test_health_adds_up(steps: list[tuple[int, bool]], by_packets: bool) -> None:  # noqa: FBT001
    """Whatever the time does: packets of all buckets are those of the books, seconds at most those of a bucket."""
    gatherer, pages, now, packets = Gatherer(BEGUN), [], S0, 0
    for number, (passed, back) in enumerate(steps):
        now = max(now - passed if back else now + passed, 1)
        packets += number
        gatherer.watch(now, totals(packets), up=True, by_packets=by_packets)
        pages += gatherer.pages(now * SECOND, [], None)
    gatherer.finish()
    pages += gatherer.pages(now * SECOND, [], None)
    rows = health_of(pages).values()
    assert sum(row.packets for row in rows) == packets
    assert all(0 <= row.seconds <= BUCKET and row.start % BUCKET == 0 for row in rows)
    assert len(gatherer._health) <= MAX_HEALTH


def test_health_that_nobody_fetches() -> None:
    """Is bounded, too."""
    gatherer = Gatherer(BEGUN)
    for number in range(MAX_HEALTH + 100):
        gatherer.watch(S0 + number * BUCKET, totals(number), up=True)
    assert len(gatherer._health) == len(gatherer._unsaid) == MAX_HEALTH
