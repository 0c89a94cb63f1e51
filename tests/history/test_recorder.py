"""The history of a daemon: it neither waits nor fails, whatever happens to the writer, and what is lost is counted."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from historyrows import T0, changed, farm_page, session
from processes import halted, until
from structlog.testing import capture_logs

from sniffer.config import Config
from sniffer.errors import OutputError
from sniffer.history import recorder
from sniffer.history.lock import Lock
from sniffer.history.query import Reader
from sniffer.history.recorder import COMMAND, History, faults, make_history, weigh
from sniffer.history.rows import BUCKET, DAY, HOUR, SECOND, Page

TESTS = Path(__file__).parent.parent


def config(path: Path, **more: Any) -> Config:
    """With a history there."""
    return Config.model_validate({"history": {"file": path, **more}})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a history may be."""
    return tmp_path / "history.db"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are short."""
    monkeypatch.setattr(recorder, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(recorder, "LONGEST_WAIT", 0.05)


def patched(code: str) -> tuple[str, ...]:
    """What runs a writer that something is wrong with."""
    imports = "import os, signal, sqlite3, sys\nfrom sniffer.history import writer\nfrom sniffer.history.store import Store\n"
    return sys.executable, "-c", f"{imports}{code}\nsys.exit(writer.main(sys.argv[1:]))"


def pid_of(history: History) -> int:
    """The process of its writer, once there is one."""
    until(lambda: history.pid is not None)
    return history.pid or 0


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


def test_a_flood_is_bounded_and_counted(path: Path) -> None:
    """While the disk hangs, so many pages and bytes wait and no more; offering takes no time."""
    history = History(config(path), max_pages=4)
    page = farm_page(5, T0)
    with halted(pid_of(history)):
        started = time.monotonic()
        taken = sum(history.offer(page) for _ in range(10_000))
        assert time.monotonic() - started < 5
        assert taken == 4
        assert history.health.dropped == 9_996
    history.close(10)
    assert history.health.written == 4
    history = History(config(path), max_bytes=2 * weigh(page))
    with halted(pid_of(history)):
        assert sum(history.offer(page) for _ in range(10)) in (2, 3)  # one may be in hand already
        assert not history.offer(farm_page(1_000, T0))
    history.close(10)
    health = history.health
    assert health.written + health.dropped + health.failed == 11


@pytest.mark.usefixtures("soon")
def test_a_full_disk_is_waited_for(small_disk: Path) -> None:
    """Nothing is raised, pages wait, and when there is room again they are written."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(100 << 10))
    history = History(config(small_disk / "history.db"))
    offered = 0
    while history.health.up:
        offered += history.offer(farm_page(60, T0 + offered * BUCKET))
        until(lambda: not history.health.waiting or not history.health.up)
        assert offered < 200
    assert history.health.waiting
    ballast.unlink()
    assert history.flush(10)
    assert history.health.up
    assert (history.health.written, history.health.failed) == (offered, 0)
    history.close()


BREAKS = """
real = Store.write
def broken(self, page, *rest):
    if page.now < 10**18:
        return real(self, page, *rest)
    Store.write = real
    fault = sqlite3.DatabaseError("database disk image is malformed")
    fault.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    raise fault
Store.write = broken
"""


@pytest.mark.usefixtures("soon")
def test_a_file_that_breaks_is_set_aside(path: Path) -> None:
    """While it is in use: the page goes into a new one; the daemon's own log tells of it, in order."""
    history = History(
        config(path), command=patched(BREAKS.replace("10**18", str((T0 + 2 * BUCKET) * SECOND)))
    )
    history.offer(farm_page(5, T0))
    assert history.flush(10)
    with capture_logs() as logs:
        history.offer(farm_page(3, T0 + 2 * BUCKET))
        assert history.flush(10)
    history.close(10)
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("history_set_aside", "error"),
        ("history_write_failed", "error"),
        ("history_written_again", "info"),
    ]
    assert logs[0]["reason"] == logs[1]["error"] == "database disk image is malformed"
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


@pytest.mark.usefixtures("soon")
def test_somebody_who_holds_the_file_is_waited_for(path: Path) -> None:
    """A shell with an open transaction stops nothing for good."""
    history = History(config(path))
    history.offer(farm_page(5, T0))
    assert history.flush(10)
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


def test_the_second_daemon_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its start; when the first has ended, it may."""
    monkeypatch.setattr(recorder, "LOCK_PATIENCE", 0.2)
    first = History(config(path))
    with pytest.raises(OutputError, match="another process writes this history"):
        History(config(path))
    first.close()
    History(config(path)).close()


def test_closing_has_an_end(path: Path) -> None:
    """Whatever the disk does.  What was not answered is counted as dropped; what the writer has got, it writes all the same."""
    history = History(config(path))
    with halted(pid_of(history)):
        history.offer(farm_page(2, T0))
        history.offer(farm_page(3, T0))
        until(lambda: history._hand)
        time.sleep(0.2)  # it is in the socket
        started = time.monotonic()
        history.close(0.2)
        assert time.monotonic() - started < 2
        assert (history.health.written, history.health.dropped, history.health.waiting) == (0, 2, 0)
        with pytest.raises(OutputError):
            Lock(path)
    history._thread.join(10)
    assert not history._thread.is_alive()
    Lock(path).release()
    assert history.health.dropped == 2
    with Reader(path) as reader:
        assert reader.total(T0, T0 + DAY).hosts == 2


def test_closing_can_be_hurried(path: Path) -> None:
    """By a second signal; where there is no hurry, an end without a fault takes no longer for that."""
    history = History(config(path))
    with halted(pid_of(history)):
        history.offer(farm_page(1, T0))
        timer = threading.Timer(0.2, history.hurry, (0.1,))
        timer.start()
        started = time.monotonic()
        history.close(60)
        assert time.monotonic() - started < 5
    timer.join()
    history._thread.join(10)
    history = History(config(path))
    history.offer(farm_page(1, T0))
    assert history.flush(10)
    started = time.monotonic()
    history.close(60)
    assert time.monotonic() - started < 2


# ── the writer dies ──────────────────────────────────────────────────────────────────────────────────────


def rows_of(path: Path) -> dict[str, list[Any]]:
    """All that is in a history, but which life of a daemon it was, and the mean rates of cases, which are in memory mostly."""
    with contextlib.closing(sqlite3.connect(path)) as base:
        tables = ("words", "sessions", "samples", "detections", "tenants", "case_events", "notes")
        out = {table: base.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}
        out["cases"] = base.execute(
            "SELECT id, host, tenant, state, confidence, opened, last, stopped, relapses, moved_from FROM cases"
        ).fetchall()
        out["health"] = base.execute("SELECT start, seconds, packets, dropped FROM health").fetchall()
        out["traffic"] = base.execute(
            "SELECT span, start, host, tenant, bytes, mining_bytes FROM traffic"
        ).fetchall()
    return out


@pytest.mark.usefixtures("soon")
def test_a_writer_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    """Again and again, wherever it is: each page is written and counted once, rows and cases are as if nothing had been."""
    pages = [farm_page(150, T0 + number * BUCKET) for number in range(40)]
    kept = History(config(tmp_path / "kept.db"))
    history = History(config(tmp_path / "history.db"))
    killed: set[int | None] = {None}
    written = 0
    for number, page in enumerate(pages):
        while not kept.offer(page):
            assert kept.flush(10)
        while not history.offer(page):
            time.sleep(0.001)
        if number % 5 == 1:
            # Three times over one page would be too often.
            until(lambda before=written: history.written > before and history.pid not in killed)
            written, pid = history.written, history.pid
            assert pid is not None
            time.sleep(0.003 * number % 0.05)
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    assert history.flush(30)
    assert (history.health.written, history.health.failed, history.health.waiting) == (40, 0, 0)
    kept.close(30)
    history.close(30)
    assert rows_of(tmp_path / "history.db") == rows_of(tmp_path / "kept.db")


DIES_ANSWERED = """
real = writer.Writer.take
def take(self, page):
    if page.now >= WHEN and not os.path.exists(self._begin.path + ".once"):
        open(self._begin.path + ".once", "w").close()
        assert self._try(page).state == "written"
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, page)
writer.Writer.take = take
"""


@pytest.mark.usefixtures("soon")
def test_a_page_that_was_written_but_not_answered_counts_once(path: Path) -> None:
    """The writer dies right after it is on the disk: the page is sent again, and changes nothing."""
    plain = History(config(path.with_name("plain.db")))
    history = History(
        config(path), command=patched(DIES_ANSWERED.replace("WHEN", str((T0 + BUCKET) * SECOND)))
    )
    with capture_logs() as logs:
        for number in range(4):
            assert history.offer(farm_page(6, T0 + number * BUCKET))
            assert plain.offer(farm_page(6, T0 + number * BUCKET))
        assert history.flush(20)
    history.close(10)
    plain.close(10)
    assert (history.health.written, history.health.failed, history.health.up) == (4, 0, True)
    assert history.counts.rows == plain.counts.rows
    assert rows_of(path) == rows_of(path.with_name("plain.db"))
    assert [line["event"] for line in logs] == ["history_write_failed", "history_written_again"]
    assert logs[0]["error"] == "the writer ended: killed by SIGKILL"


DIES = """
real = Store.write
def write(self, page, *rest):
    if len(page.sessions) == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, page, *rest)
Store.write = write
"""


@pytest.mark.usefixtures("soon")
def test_a_page_that_kills_three_writers_is_given_up(path: Path) -> None:
    """Counted as failed; the pages before and behind it are written."""
    history = History(config(path), command=patched(DIES))
    with capture_logs() as logs:
        for hosts in (5, 7, 6):
            assert history.offer(farm_page(hosts, T0))
        assert history.flush(30)
    history.close(10)
    assert (history.health.written, history.health.dropped, history.health.failed) == (2, 0, 1)
    assert [line["event"] for line in logs] == ["history_write_failed"] * 3 + ["history_written_again"]
    with Reader(path) as reader:
        assert reader.total(T0, T0 + DAY).hosts == 6


TALKS_NONSENSE = """
def take(self, page):
    if not os.path.exists(self._begin.path + ".once"):
        open(self._begin.path + ".once", "w").close()
        os.write(int(sys.argv[1]), b"\\x01\\0\\0\\0\\xc1")
    real(self, page)
real = writer.Writer.take
writer.Writer.take = take
"""


@pytest.mark.usefixtures("soon")
def test_a_writer_that_talks_nonsense_is_replaced(path: Path) -> None:
    """Its socket is closed, it ends; the page is sent to another."""
    history = History(config(path), command=patched(TALKS_NONSENSE))
    history.offer(farm_page(3, T0))
    assert history.flush(20)
    history.close(10)
    assert (history.health.written, history.health.failed) == (1, 0)


def test_a_writer_that_dies_while_nothing_is_to_be_done(path: Path) -> None:
    """The next page goes to another; the log tells why."""
    history = History(config(path))
    history.offer(farm_page(3, T0))
    assert history.flush(10)
    pid = pid_of(history)
    os.kill(pid, signal.SIGKILL)
    with capture_logs() as logs:
        history.offer(farm_page(4, T0))
        assert history.flush(10)
    assert history.pid not in (pid, None)
    history.close(10)
    assert history.health.written == 2
    assert [line["event"] for line in logs] == ["history_write_failed", "history_written_again"]
    assert logs[0]["error"] == "the writer ended: killed by SIGKILL"


@pytest.mark.usefixtures("soon")
def test_no_process_to_be_had(path: Path) -> None:
    """Pages wait, and are dropped in the end; the daemon is none the worse."""
    history = History(config(path), command=(str(path / "none"),))
    with capture_logs() as logs:
        history.offer(farm_page(3, T0))
        until(lambda: not history.health.up)
        started = time.monotonic()
        history.close(30)
    assert time.monotonic() - started < 5
    assert (history.health.written, history.health.dropped, history.health.waiting) == (0, 1, 0)
    assert {line["error"] for line in logs} == {"no process to be had: No such file or directory"}


def test_signals_for_the_daemon_are_none_for_the_writer(path: Path) -> None:
    """From its first instruction on: what a terminal sends to all, and what an operator sends to the wrong one."""
    history = History(config(path))
    pid = pid_of(history)
    for _ in range(20):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
        time.sleep(0.01)
    history.offer(farm_page(3, T0))
    assert history.flush(10)
    assert history.pid == pid
    history.close(10)
    assert history.health.written == 1


DAEMON = """
import sys
from historyrows import T0, farm_page
from sniffer.config import Config
from sniffer.history.recorder import History
history = History(Config.model_validate({"history": {"file": sys.argv[1]}}))
for number in range(int(sys.argv[2])):
    history.offer(farm_page(1_000, T0 + 300 * number))
while not history.pid:
    pass
print(history.pid, flush=True)
input()
"""


def has_ended(pid: int) -> bool:
    """Whether a process is no more, or waits for whoever inherited it to take notice."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return True
    return state.rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize("number", range(4))
def test_a_daemon_that_is_killed(path: Path, number: int) -> None:
    """Its writer writes what it has got and ends by itself; the next daemon waits for that, and goes on in a whole file."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(path), "10"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert daemon.stdout is not None
    writer = int(daemon.stdout.readline())
    if number:
        until(path.exists)
        time.sleep(0.1 * (number - 1))
    daemon.kill()
    daemon.communicate()
    history = History(config(path))  # it waits
    assert has_ended(writer)
    history.offer(farm_page(1_001, T0 + HOUR))
    assert history.flush(20)
    history.close(20)
    assert history.health.written == 1
    with contextlib.closing(sqlite3.connect(path)) as base:
        assert base.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        *before, last = base.execute("SELECT start, count(*) FROM samples GROUP BY 1 ORDER BY 1").fetchall()
    assert last == (T0 + HOUR, 1_001)
    assert before == [(T0 + 300 * page, 1_000) for page in range(len(before))]


def test_the_daemon_holds_no_database() -> None:
    """SQLite, its caches and the cases are the writer's."""
    code = "import sys, sniffer.history.recorder; print('sqlite3' in sys.modules, 'sniffer.history.cases' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.split() == ["False", "False"]


def test_the_writer_has_a_name() -> None:
    """By which it is known among the processes, as workers are."""
    assert COMMAND[-2:] == ("-m", "sniffer.history.writer")


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
    """One page of them, with a sample and a case each: seconds of another process, a fraction of one in the daemon."""
    history = History(config(path))
    page = farm_page(100_000, T0)
    page = changed(page, detections=(), traffic=())
    took = []
    for _ in range(2):
        started, ours = time.monotonic(), time.process_time()
        assert history.offer(page)
        assert history.flush(120)
        took.append((time.monotonic() - started, time.process_time() - ours))
    history.close(30)
    assert history.health.written == 2
    assert took[0][0] < 20  # measured: 4
    assert took[1][0] < 6  # measured: 1.2
    assert max(ours for _, ours in took) < 1  # measured: 0.1
