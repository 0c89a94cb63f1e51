"""The history file: what is written stays, whatever happens; it grows neither by repetition nor beyond its bound."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from historyrows import NORTH, T0, address, changed, detection, farm_page, health, sample, session, traffic
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sniffer.history import schema
from sniffer.history import store as store_module
from sniffer.history.cases import CaseBook
from sniffer.history.query import Reader
from sniffer.history.records import Bounds
from sniffer.history.rows import BUCKET, DAY, HOUR, SECOND, Page
from sniffer.history.store import Store, TooLargeError, prune_aside

if TYPE_CHECKING:
    from collections.abc import Iterator

BOUNDS = Bounds(30 * DAY, 2 * DAY, 1 << 30)
SPANS = (BUCKET, HOUR, DAY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a history may be."""
    return tmp_path / "history.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """An empty one."""
    one = Store(path, BOUNDS, run=1)
    yield one
    one.close()


def rows(path: Path, question: str) -> list[tuple[Any, ...]]:
    """Ask the file behind the store's back."""
    base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return base.execute(question).fetchall()
    finally:
        base.close()


def dump(path: Path) -> list[list[tuple[object, ...]]]:
    """All rows of all tables."""
    return [
        rows(path, f"SELECT * FROM {name}")
        for (name,) in rows(path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    ]


def at(seconds: int) -> Page:
    """A page that only tells the time."""
    return Page(seconds * SECOND)


def later(store: Store, seconds: int) -> None:
    """So much time has gone by, and steadily."""
    for step in range(3):
        store.tidy((seconds + step) * SECOND)


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_written_is_there(store: Store, path: Path) -> None:
    """Each kind of row, for everybody who opens the file, as soon as write() returns."""
    page = Page(
        (T0 + 300) * SECOND, (session(),), (sample(),), (detection(),), (NORTH,), (health(),), (traffic(),)
    )
    store.write(page)
    with Reader(path) as reader:
        total = reader.totals(T0, T0 + HOUR, "host")[0]
        assert (total.key, total.submitted, total.accepted, total.rejected) == ("192.0.2.7", 100, 98, 2)
        assert (total.parts[0].shares, total.joules, total.hits, total.bytes) == (10, 100_000.0, 12, 10_000)
        assert reader.tenants() == [NORTH]
        assert reader.health(T0, T0 + HOUR) == [health()]
    assert store.counts.rows == 6


def test_a_page_given_twice_changes_nothing(store: Store, path: Path) -> None:
    """Neither at once, nor after another, nor when its rows have been put together."""
    pages = [farm_page(5, T0 + BUCKET * number) for number in range(30)]
    for page in pages:
        store.write(page)
    once = dump(path)
    store.write(pages[-1])
    assert dump(path) == once
    later(store, T0 + 5 * DAY)
    merged = dump(path)
    assert merged != once
    for page in pages:
        store.write(changed(page, sessions=(), health=()))
    assert dump(path) == merged
    assert store.counts.late == 30 * 5 * 3


def test_rows_are_replaced_by_later_ones(store: Store, path: Path) -> None:
    """Counters are as they stand, not added up."""
    for shares in (1, 5, 9):
        store.write(
            Page(
                T0 * SECOND, (session(submitted=shares),), (sample(shares=shares),), (detection(hits=shares),)
            )
        )
    with Reader(path) as reader:
        total = reader.total(T0, T0 + HOUR)
        assert (total.submitted, total.parts[0].shares, total.hits) == (9, 9, 9)


def test_two_lives_of_the_daemon_add_up(store: Store, path: Path) -> None:
    """What the second counts in the same hour does not take the place of what the first did."""
    store.write(Page(T0 * SECOND, (), (sample(),), (detection(),), (), (health(seconds=100),), (traffic(),)))
    store.run = 2
    begun = T0 * SECOND + 1
    store.write(
        Page(
            T0 * SECOND, (), (sample(begun=begun),), (detection(begun=begun),), (), (health(seconds=150),), (traffic(),)
        )
    )  # fmt: skip
    with Reader(path) as reader:
        total = reader.total(T0, T0 + HOUR)
        assert (total.parts[0].shares, total.hits, total.bytes, total.hosts) == (20, 24, 20_000, 1)
        assert reader.health(T0, T0 + HOUR)[0].seconds == 250


def test_a_sample_before_its_session_is_not_lost(store: Store, path: Path) -> None:
    """It makes the session; when that comes, it is the same."""
    store.write(Page(T0 * SECOND, (), (sample(),)))
    store.write(Page(T0 * SECOND, (session(),)))
    with Reader(path) as reader:
        total = reader.total(T0, T0 + HOUR)
        assert (total.sessions, total.submitted, total.parts[0].shares) == (1, 100, 10)


def test_a_value_that_cannot_be_kept_leaves_no_half_page(store: Store, path: Path) -> None:
    """The page is refused as a whole, and the next one is written."""
    for bad in (session(submitted=1 << 70), session(domain="\ud800")):
        with pytest.raises((OverflowError, ValueError, sqlite3.Error)):
            store.write(Page(T0 * SECOND, (session("192.0.2.8"), bad), (sample(),)))
    assert rows(path, "SELECT count(*) FROM sessions") == [(0,)]
    store.write(Page(T0 * SECOND, (session(),), (sample(),)))
    assert rows(path, "SELECT count(*) FROM sessions") == [(1,)]


def test_words_are_remembered_up_to_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than that are looked up; numbers of sessions likewise."""
    monkeypatch.setattr(store_module, "MAX_WORDS", 50)
    monkeypatch.setattr(store_module, "MAX_NUMBERS", 50)
    for _ in range(2):
        store.write(farm_page(300, T0))
        assert len(store._words._known) <= 50
        assert len(store._numbers) <= 50
    assert rows(store.path, "SELECT count(*) FROM sessions") == [(300,)]
    assert rows(store.path, "SELECT count(*) FROM samples") == [(300,)]


def test_the_files_are_for_the_daemon_alone(store: Store, path: Path) -> None:
    """Mode 0600, also of what SQLite makes beside it, whatever the umask."""
    store.write(farm_page(3, T0))
    found = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert found == {"history.db": 0o600, "history.db-wal": 0o600, "history.db-shm": 0o600}


# ── power cuts ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_killed_in_forty_places(path: Path) -> None:
    """Whatever a killed process has told of is there, the file is whole, and the next one goes on with it."""
    dice = random.Random(7)
    first = 0
    command = [sys.executable, str(Path(__file__).parent / "historychild.py"), str(path)]
    told: list[tuple[int, int]] = []
    for _ in range(40):
        child = subprocess.Popen([*command, str(first)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        number = int(child.stdout.readline())
        patience = time.monotonic() + dice.uniform(0, 0.25)
        while time.monotonic() < patience:
            number = int(child.stdout.readline())
        time.sleep(dice.uniform(0, 0.03))  # anywhere in a page, or in tidying up
        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate()
        number = max([number, *map(int, rest.split("\n")[:-1])])
        told.append((first, number))
        base = sqlite3.connect(path)
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        base.close()
        found = {
            (begun // SECOND - T0, host): shares
            for begun, host, shares in rows(
                path,
                "SELECT begun, word, sum(shares) FROM samples JOIN sessions ON sessions.id = session"
                " JOIN words ON words.id = host GROUP BY begun, host",
            )
        }
        for begun, last in told:
            for host in map(address, range(40)):  # one page more may have been written than was told of
                assert found[begun, host] in (10 * (last - begun + 1), 10 * (last - begun + 2))
        first = number + 10
    assert not list(path.parent.glob("*set-aside*"))


def test_each_commit_is_synced(store: Store) -> None:
    """Otherwise a power cut would take pages along that were told to be safe."""
    assert store._base.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._base.execute("PRAGMA journal_mode").fetchone() == ("wal",)


# ── files that cannot be used ────────────────────────────────────────────────────────────────────────────


def make(path: Path) -> None:
    """A history of some size, closed."""
    one = Store(path, BOUNDS)
    for number in range(5):
        one.write(farm_page(200, T0 + number * BUCKET))
    one.close()


def spoil(path: Path, how: str) -> None:
    """Break a history."""
    size = path.stat().st_size
    if how == "empty":
        os.truncate(path, 0)
    elif how == "torn":
        os.truncate(path, size * 2 // 3 + 100)
    elif how == "text":
        path.write_text("this is no history\n" * 1_000)
    elif how == "short":
        path.write_bytes(b"SQLite format 3\0")
    elif how == "garbage":
        data = bytearray(path.read_bytes())
        data[4_096 * 2 : 4_096 * 12] = random.Random(1).randbytes(4_096 * 10)
        path.write_bytes(data)
    else:
        base = sqlite3.connect(path)
        base.execute({
            "foreign": "PRAGMA application_id = 7",
            "newer": f"PRAGMA user_version = {schema.VERSION + 1}",
            "incomplete": "DROP TABLE health",
        }[how])  # fmt: skip
        base.commit()
        base.close()


@pytest.mark.parametrize(
    "how", ["empty", "torn", "text", "short", "garbage", "foreign", "newer", "incomplete"]
)
def test_a_file_that_cannot_be_used_is_set_aside(path: Path, how: str) -> None:
    """It gets another name and loses no byte; a new history begins; one line says so, and what to do."""
    make(path)
    spoil(path, how)
    spoilt = path.read_bytes()
    with capture_logs() as logs:
        one = Store(path, BOUNDS)
    aside = [
        file
        for file in path.parent.glob("history.db.set-aside-*")
        if not file.name.endswith(("-wal", "-shm"))
    ]
    assert [file.read_bytes() for file in aside] == [spoilt]
    assert [line["event"] for line in logs] == ["history_set_aside"]
    assert "sqlite3 OLD .recover" in logs[0]["remedy"]
    assert logs[0]["reason"]
    one.write(farm_page(3, T0))
    one.close()
    with Reader(path) as reader:
        assert reader.total(T0, T0 + HOUR).hosts == 3


def test_few_files_set_aside_are_kept(path: Path) -> None:
    """The youngest three, and none that is older than rows may be: they hold the same addresses."""
    make(path)
    for number in range(6):
        file = Path(f"{path}.set-aside-2026010{number}T000000Z")
        for one in (file, Path(f"{file}-wal")):
            one.write_bytes(b"x")
            os.utime(one, (time.time() - number * DAY, time.time() - number * DAY))
    prune_aside(path, 10 * DAY)
    assert len(list(path.parent.glob("*.set-aside-*"))) == 6
    prune_aside(path, 1.5 * DAY)
    left = sorted(file.name[-20:] for file in path.parent.glob("*.set-aside-*Z"))
    assert [name[-16:] for name in left] == ["20260100T000000Z", "20260101T000000Z"]
    assert path.exists()


# ── age ──────────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),  # host
            st.integers(0, 50 * 288),  # bucket
            st.integers(0, 1_000),  # shares
            st.one_of(st.none(), st.integers(0, 2**40)),  # stated
            st.one_of(st.none(), st.integers(0, 2**40)),  # joules
        ),
        min_size=1,
        max_size=60,
    ),
    st.lists(st.integers(0, 60), min_size=1, max_size=5),
)
def test_merging_keeps_sums(
    tmp_path_factory: pytest.TempPathFactory,
    given_rows: list[tuple[int, int, int, int | None, int | None]],
    days: list[int],
) -> None:
    """Whatever is merged, and however often: all sums are what they were, and None stays None."""
    path = tmp_path_factory.mktemp("merge") / "history.db"
    store = Store(path, Bounds(200 * DAY, 2 * DAY, 1 << 30))
    unique = {(host, bucket): rest for host, bucket, *rest in given_rows}
    store.write(
        Page(
            T0 * SECOND,
            (),
            tuple(
                sample(
                    address(host), T0 + bucket * BUCKET, shares=shares, hashes=shares * 2.0**40, squares=float(shares),
                    stated=stated, joules=joules, joules_low=joules, joules_high=None,
                )
                for (host, bucket), (shares, stated, joules) in unique.items()
            ),
        )
    )  # fmt: skip
    question = (
        "SELECT session, "
        + ", ".join(f"sum({name})" for name in schema.SUMS)
        + " FROM samples GROUP BY session"
    )
    before = rows(path, question)
    for day in sorted(days):
        store.merge(T0 + day * DAY)
        assert rows(path, question) == before
    for span, start in rows(path, "SELECT span, start FROM samples"):
        assert isinstance(start, int)
        assert span in SPANS
        assert start % int(str(span)) == 0
    store.close()


def test_detail_becomes_coarser_with_age(store: Store, path: Path) -> None:
    """Five minutes for two days, hours for 35, then days; hits and traffic go from hours to days."""
    for day in range(0, 60, 3):
        store.write(farm_page(1, T0 + day * DAY))
    store.merge(T0 + 60 * DAY)
    ages = {
        span: sorted((T0 + 60 * DAY - start) // DAY for (start,) in rows(path, f"SELECT start FROM samples WHERE span = {span}"))
        for span in SPANS
    }  # fmt: skip
    assert ages[BUCKET] == []
    assert (min(ages[HOUR]), max(ages[HOUR])) == (3, 33)
    assert (min(ages[DAY]), max(ages[DAY])) == (36, 60)
    assert rows(path, "SELECT DISTINCT span FROM detections UNION SELECT span FROM traffic") == [(DAY,)]


def test_old_rows_go(store: Store, path: Path) -> None:
    """Of each table, when all their time is older than they may be; words that nobody uses go along."""
    store.write(farm_page(20, T0))
    store.write(Page((T0 + 40 * DAY) * SECOND, (session("192.0.2.99", last=(T0 + 40 * DAY) * SECOND),)))
    later(store, T0 + 40 * DAY)
    with Reader(path) as reader:
        assert [one.key for one in reader.totals(T0, T0 + 50 * DAY, "host")] == ["192.0.2.99"]
    for table in ("samples", "detections", "traffic", "health"):
        assert rows(path, f"SELECT count(*) FROM {table}") == [(0,)]
    assert store.counts.expired > 60
    assert (address(5),) not in rows(path, "SELECT word FROM words")
    store.close()
    assert address(5).encode() not in path.read_bytes()


def test_one_page_with_a_wild_clock_removes_nothing(store: Store, path: Path) -> None:
    """A card's clock may jump for a moment."""
    store.write(farm_page(5, T0))
    for seconds in (T0, T0 + 60, T0 + 20_000 * DAY, T0 + 120, T0 + 180):
        store.tidy(seconds * SECOND)
    assert rows(path, "SELECT count(*) FROM samples WHERE span = 300") == [(5,)]


# ── size ─────────────────────────────────────────────────────────────────────────────────────────────────


def on_disk(path: Path) -> int:
    """Bytes of the file and of its log."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def test_the_file_stays_below_its_bound(tmp_path: Path) -> None:
    """With its log, at any moment, whatever comes; what is left is the youngest, and losses are counted."""
    path = tmp_path / "history.db"
    most = 16 << 20
    store = Store(path, Bounds(30 * DAY, 2 * DAY, most))
    peak = 0
    for number in range(150):
        now = T0 + number * HOUR
        page = farm_page(1_000, now, begun=T0 + number, since=now)  # no session is ever seen again
        store.write(page)
        peak = max(peak, on_disk(path))
        store.tidy(page.now)
        peak = max(peak, on_disk(path))
    assert peak <= most
    assert store.counts.trimmed > 10_000
    with Reader(path) as reader:
        assert reader.total(now, now + HOUR).hosts == 1_000
        period = reader.period()
    assert period is not None
    assert period[0] > T0
    store.close()
    assert on_disk(path) <= most


def test_the_oldest_detail_goes_first(tmp_path: Path) -> None:
    """Before any row is removed, old ones are put together."""
    path = tmp_path / "history.db"
    store = Store(path, Bounds(30 * DAY, 20 * DAY, 16 << 20))
    for number in range(3 * 288):
        page = farm_page(220, T0 + number * BUCKET)
        store.write(page)
        store.tidy(page.now)
    assert store.counts.trimmed
    with Reader(path) as reader:
        assert reader.total(T0, T0 + 4 * DAY).parts[0].shares == 220 * 10 * 3 * 288
    assert rows(path, "SELECT count(*) > 0 FROM samples WHERE span = 300") == [(1,)]
    store.close()


def test_a_page_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """Before it has filled the disk."""
    path = tmp_path / "history.db"
    store = Store(path, Bounds(30 * DAY, 2 * DAY, 16 << 20))
    with pytest.raises((TooLargeError, sqlite3.OperationalError)):
        store.write(farm_page(60_000, T0))
    assert on_disk(path) <= 17 << 20
    store.write(farm_page(10, T0))
    assert rows(path, "SELECT count(*) FROM sessions") == [(10,)]
    store.close()


def test_what_is_emptied_is_given_back(store: Store, path: Path) -> None:
    """The file shrinks when its rows have gone."""
    store.write(farm_page(5_000, T0))
    store._base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    size = path.stat().st_size
    for step in range(3):
        later(store, T0 + 40 * DAY + step)
    store._base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert path.stat().st_size < size / 10


def test_a_reader_that_stays_does_not_let_the_log_grow(tmp_path: Path) -> None:
    """Pages wait until it has gone; then they are written."""
    path = tmp_path / "history.db"
    store = Store(path, Bounds(30 * DAY, 2 * DAY, 16 << 20))
    store._base.execute("PRAGMA busy_timeout = 10")
    store.write(farm_page(100, T0))
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM sessions").fetchall()
    refused = 0
    for number in range(200):
        try:
            store.write(farm_page(200, T0 + number * BUCKET))
        except BlockingIOError:
            refused += 1
        assert on_disk(path) <= 16 << 20
    assert refused
    reader.close()
    store.write(farm_page(200, T0 + 200 * BUCKET))
    store.close()


# ── one host ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_host_is_forgotten(store: Store, path: Path) -> None:
    """No row of it, and no byte of its address or account, is left in the file or its log; others stay as they were."""
    book = CaseBook(DAY, DAY)
    page = farm_page(30, T0)
    mine = session("203.0.113.77", account="h:feedfacefeedface")
    store.write(
        changed(
            page,
            sessions=(*page.sessions, mine),
            samples=(*page.samples, sample("203.0.113.77", account="h:feedfacefeedface")),
            detections=(*page.detections, detection("203.0.113.77")),
            traffic=(*page.traffic, traffic("203.0.113.77")),
        ),
        book.feed,
    )
    assert store.forget("203.0.113.77") == 6
    assert store.forget("203.0.113.77") == 0
    assert rows(path, "SELECT count(*) FROM sessions") == [(30,)]
    assert rows(path, "SELECT count(*) FROM cases") == [(30,)]
    for file in path.parent.glob("history.db*"):
        data = file.read_bytes()
        assert b"203.0.113.77" not in data
        assert b"feedface" not in data
