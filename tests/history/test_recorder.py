"""The writer's thread: the daemon neither waits nor fails, and whatever is lost is counted."""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from historyrows import T0, changed, farm_page, session
from processes import until
from structlog.testing import capture_logs

from sniffer.config import Config
from sniffer.errors import OutputError
from sniffer.history import recorder
from sniffer.history.query import Reader
from sniffer.history.recorder import History, faults, make_history, weigh
from sniffer.history.rows import BUCKET, DAY, HOUR, SECOND, Page
from sniffer.history.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def config(path: Path, **more: Any) -> Config:
    """With a history there."""
    return Config.model_validate({"history": {"file": path, **more}})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a history may be."""
    return tmp_path / "history.db"


def test_pages_are_written_and_asked_for_while_it_runs(path: Path) -> None:
    """In order; cases are made of them; the counters say so."""
    history = History(config(path))
    for number in range(10):
        assert history.offer(farm_page(5, T0 + number * BUCKET))
    assert history.flush(10)
    with Reader(path) as reader:
        assert reader.total(T0, T0 + HOUR).parts[0].shares == 500
        assert [case.state for case in reader.cases(T0, T0 + DAY)] == ["open"] * 5
    health = history.health
    assert (health.written, health.dropped, health.failed, health.waiting, health.up) == (10, 0, 0, 0, True)
    history.close()
    assert not history.offer(farm_page(5, T0))
    assert history.health.dropped == 1


def test_none_is_made_unless_it_is_asked_for(path: Path) -> None:
    """History is off by default."""
    assert make_history(Config()) is None
    history = make_history(config(path))
    assert history is not None
    history.close()


def test_a_flood_is_bounded_and_counted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk hangs, so many pages and bytes wait and no more; offering takes no time."""
    hangs = threading.Event()
    real = Store.write

    def slow(*args: Any) -> None:
        hangs.wait(20)
        real(*args)

    monkeypatch.setattr(Store, "write", slow)
    history = History(config(path), max_pages=4)
    page = farm_page(5, T0)
    started = time.monotonic()
    taken = sum(history.offer(page) for _ in range(10_000))
    assert time.monotonic() - started < 5
    assert taken == 4
    assert history.health.dropped == 9_996
    hangs.set()
    history.close(10)
    assert history.health.written == 4
    history = History(config(path), max_bytes=2 * weigh(page))
    hangs.clear()
    assert sum(history.offer(page) for _ in range(10)) in (2, 3)  # one may be in hand already
    assert not history.offer(farm_page(1_000, T0))
    hangs.set()
    history.close(10)
    health = history.health
    assert health.written + health.dropped + health.failed == 11


def test_a_full_disk_is_waited_for(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised, pages wait, and when there is room again they are written."""
    monkeypatch.setattr(recorder, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(recorder, "LONGEST_WAIT", 0.05)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(100 << 10))
    history = History(config(small_disk / "history.db"))
    offered = 0
    while history.health.up:
        offered += history.offer(farm_page(60, T0 + offered * BUCKET))
        time.sleep(0.01)
        assert offered < 200
    assert history.health.waiting
    ballast.unlink()
    assert history.flush(10)
    assert history.health.up
    assert (history.health.written, history.health.failed) == (offered, 0)
    history.close()


def test_a_file_that_breaks_is_set_aside(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is in use: the page goes into a new one, cases begin anew."""
    monkeypatch.setattr(recorder, "FIRST_WAIT", 0.02)
    real = Store.write
    history = History(config(path))
    history.offer(farm_page(5, T0))
    assert history.flush(10)

    def broken(*_: Any) -> None:
        monkeypatch.setattr(Store, "write", real)
        fault = sqlite3.DatabaseError("database disk image is malformed")
        fault.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise fault

    monkeypatch.setattr(Store, "write", broken)
    with capture_logs() as logs:
        history.offer(farm_page(3, T0 + BUCKET))
        assert history.flush(10)
    history.close(10)
    assert [line["event"] for line in logs] == [
        "history_set_aside",
        "history_write_failed",
        "history_written_again",
    ]
    with Reader(path) as reader:
        assert reader.total(T0, T0 + DAY).hosts == 3
        assert len(reader.cases(T0, T0 + DAY)) == 3
    (aside,) = path.parent.glob("*.set-aside-*Z")
    with Reader(aside) as reader:
        assert reader.total(T0, T0 + DAY).hosts == 5


def test_a_file_that_is_removed_is_begun_anew(path: Path) -> None:
    """By an operator who wanted it gone: the next pages are in a new file."""
    history = History(config(path))
    history.offer(farm_page(5, T0))
    assert history.flush(10)
    for file in path.parent.glob("history.db*"):
        if file.suffix != ".lock":
            file.unlink()
    history.offer(farm_page(7, T0 + BUCKET))
    until(lambda: not history.health.waiting and path.exists(), 10)
    history.offer(farm_page(7, T0 + 2 * BUCKET))
    history.close(10)
    with Reader(path) as reader:
        assert reader.total(T0, T0 + HOUR).hosts == 7


def test_somebody_who_holds_the_file_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell with an open transaction stops nothing for good."""
    monkeypatch.setattr(recorder, "FIRST_WAIT", 0.02)
    history = History(config(path))
    history.offer(farm_page(5, T0))
    assert history.flush(10)
    assert history._store is not None
    shell = sqlite3.connect(path, isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    history.offer(farm_page(6, T0 + BUCKET))
    until(lambda: not history.health.up, 20)
    shell.execute("ROLLBACK")
    shell.close()
    assert history.flush(20)
    assert (history.health.written, history.health.up) == (2, True)
    history.close()


def test_a_page_that_cannot_be_written_does_not_stop_the_next(path: Path) -> None:
    """It is given up, counted as failed and told of."""
    history = History(config(path))
    with capture_logs() as logs:
        history.offer(Page(T0 * SECOND, (session(submitted=1 << 70),)))
        history.offer(changed(farm_page(1, T0), samples=(None,)))
        history.offer(farm_page(3, T0))
        assert history.flush(10)
    assert (history.health.written, history.health.failed) == (1, 2)
    assert {line["event"] for line in logs} == {"history_write_failed", "history_written_again"}
    history.close()


def test_cases_go_on_after_a_restart(path: Path) -> None:
    """Numbers and states are those of before; the last sign is remembered, though it is not written each time."""
    history = History(config(path))
    for number in range(3):
        history.offer(farm_page(4, T0 + number * BUCKET))
    history.close(10)
    history = History(config(path))
    for number in range(1, 30):
        history.offer(farm_page(2, T0 + number * HOUR, begun=T0 + 1))
        assert history.flush(10)
    history.close(10)
    with Reader(path) as reader:
        cases = reader.cases(T0, T0 + 2 * DAY)
    assert [(case.id, case.state) for case in cases] == [
        (1, "open"),
        (2, "open"),
        (3, "stopped"),
        (4, "stopped"),
    ]
    assert cases[0].last == (T0 + 29 * HOUR + BUCKET - 5) * SECOND
    assert cases[3].stopped == (T0 + 3 * BUCKET - 5) * SECOND


def test_the_second_daemon_is_told(path: Path) -> None:
    """At its start; when the first has ended, it may."""
    first = History(config(path))
    with pytest.raises(OutputError):
        History(config(path))
    first.close()
    History(config(path)).close()


def test_closing_has_an_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the disk does; what was not written is counted."""
    hangs = threading.Event()
    monkeypatch.setattr(Store, "write", lambda *_: hangs.wait(20))
    history = History(config(path))
    history.offer(farm_page(1, T0))
    history.offer(farm_page(1, T0))
    started = time.monotonic()
    history.close(0.2)
    assert time.monotonic() - started < 2
    hangs.set()
    history._thread.join(10)
    health = history.health
    assert health.written + health.dropped + health.failed == 2
    assert not history._thread.is_alive()


def test_a_place_that_cannot_be_is_found_before_the_start(tmp_path: Path) -> None:
    """What, and what to do."""
    assert list(faults(Config())) == []
    assert list(faults(config(tmp_path / "history.db"))) == []
    assert [fault.what for fault in faults(config(tmp_path))] == [f"{tmp_path} is a folder"]
    (fault,) = faults(config(tmp_path / "none" / "history.db"))
    assert "there is no folder" in fault.what
    assert fault.place == ("history", "file")
    with pytest.raises(OutputError):
        History(config(tmp_path / "none" / "history.db"))


@pytest.mark.slow
def test_a_hundred_thousand_sessions_at_once(path: Path) -> None:
    """One page of them, with a sample and a case each: seconds of one core, and tens of MiB."""
    history = History(config(path))
    page = farm_page(100_000, T0)
    page = changed(page, detections=(), traffic=())
    started = time.process_time()
    assert history.offer(page)
    assert history.flush(120)
    first = time.process_time() - started
    started = time.process_time()
    assert history.offer(page)
    assert history.flush(120)
    again = time.process_time() - started
    history.close(30)
    assert history.health.written == 2
    assert first < 20  # measured: 4
    assert again < 6  # measured: 1.0
