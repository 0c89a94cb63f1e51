"""The writer of the history: one attempt a page, an answer to each, and a process that needs little and leaves nothing half."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from historyrows import T0, changed, farm_page, session
from processes import until

from sniffer.children import framed, receive
from sniffer.confine import FILES
from sniffer.history.query import Reader
from sniffer.history.recorder import COMMAND
from sniffer.history.records import (
    Answer,
    Begin,
    Bounds,
    Counts,
    FromWriter,
    Line,
    Rest,
    Trouble,
    frame,
    from_writer,
)
from sniffer.history.rows import BUCKET, DAY, HOUR, SECOND, Page
from sniffer.history.store import Store
from sniffer.history.writer import Writer, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def begin(path: Path, **more: Any) -> Begin:
    """What a writer is told first."""
    return Begin(str(path), Bounds(90 * DAY, 2 * DAY, 1 << 30), T0 * SECOND, DAY, 14 * DAY, **more)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a history may be."""
    return tmp_path / "history.db"


@contextlib.contextmanager
def writing(path: Path, **more: Any) -> Iterator[tuple[Writer, list[FromWriter]]]:
    """A writer in this process, and what it says."""
    said: list[FromWriter] = []
    with contextlib.closing(Writer(begin(path, **more), said.append)) as writer:
        yield writer, said


def once(monkeypatch: pytest.MonkeyPatch, method: str, fault: BaseException) -> None:
    """Have a method of the store fail the next time that it is called."""
    real = getattr(Store, method)

    def fails(*_: Any) -> None:
        monkeypatch.setattr(Store, method, real)
        raise fault

    monkeypatch.setattr(Store, method, fails)


def fault_of(code: int, kind: type[sqlite3.Error] = sqlite3.OperationalError) -> sqlite3.Error:
    """As SQLite raises it."""
    fault = kind("it says why")
    fault.sqlite_errorcode = code
    return fault


def test_a_page_is_written_and_answered(path: Path) -> None:
    """With what became of rows so far; then the file is tidy."""
    with writing(path, counts=Counts(1_000)) as (writer, said):
        writer.take(farm_page(5, T0))
        rows = said[0].counts.rows - 1_000 if isinstance(said[0], Answer) else 0
        assert said == [Answer("written", "", Counts(1_000 + rows)), Rest()]
        writer.take(farm_page(5, T0 + BUCKET))
        assert said[2:] == [Answer("written", "", Counts(1_000 + 2 * rows)), Rest()]
        assert rows > 10
    with Reader(path) as reader:
        assert reader.total(T0, T0 + HOUR).parts[0].shares == 100
        assert [case.state for case in reader.cases(T0, T0 + DAY)] == ["open"] * 5


def test_the_last_signs_of_cases_are_written_in_the_end(path: Path) -> None:
    """Though they are not with each page."""
    with writing(path) as (writer, _):
        for number in range(3):
            writer.take(farm_page(1, T0 + number * BUCKET))
        with Reader(path) as reader:
            before = reader.cases(T0, T0 + DAY)[0].last
    with Reader(path) as reader:
        assert before < reader.cases(T0, T0 + DAY)[0].last


@pytest.mark.parametrize(
    "fault",
    [
        fault_of(sqlite3.SQLITE_FULL),
        fault_of(sqlite3.SQLITE_BUSY),
        fault_of(sqlite3.SQLITE_IOERR),
        OSError(5, "Input/output error"),
        BlockingIOError("somebody reads"),
    ],
    ids=["full", "busy", "io", "os", "read"],
)
def test_what_may_pass_is_to_be_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """Why is told; the same page does it the next time, and cases are as if nothing had been."""
    with writing(path) as (writer, said):
        writer.take(farm_page(2, T0))
        once(monkeypatch, "write", fault)
        writer.take(farm_page(3, T0 + BUCKET))
        writer.take(farm_page(3, T0 + BUCKET))
    states = [(one.state, one.fault) for one in said if isinstance(one, Answer)]
    assert states == [("written", ""), ("again", str(fault)), ("written", "")]
    assert sum(isinstance(one, Rest) for one in said) == 3
    with Reader(path) as reader:
        assert [case.id for case in reader.cases(T0, T0 + DAY)] == [1, 2, 3]


def test_what_cannot_be_kept_is_given_up(path: Path) -> None:
    """A value of the wrong kind, a page beyond the bound; the next one is written."""
    with writing(path) as (writer, said):
        writer.take(changed(farm_page(1, T0), samples=(None,)))
        writer.take(Page(T0 * SECOND, (session(submitted=1 << 63),)))
        writer.take(farm_page(3, T0))
    answers = [one for one in said if isinstance(one, Answer)]
    assert [one.state for one in answers] == ["failed", "failed", "written"]
    assert all(one.fault for one in answers[:2])
    with Reader(path) as reader:
        assert reader.total(T0, T0 + DAY).hosts == 3


def test_a_file_that_breaks_is_set_aside(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is in use: the log is told before the answer; the page goes into a new one, cases begin anew."""
    with writing(path) as (writer, said):
        writer.take(farm_page(5, T0))
        once(monkeypatch, "write", fault_of(sqlite3.SQLITE_CORRUPT, sqlite3.DatabaseError))
        del said[:]
        writer.take(farm_page(3, T0 + BUCKET))
        writer.take(farm_page(3, T0 + BUCKET))
    line, again, _, written, _ = said
    assert isinstance(line, Line)
    assert (line.level, line.event, line.fields["reason"]) == ("error", "history_set_aside", "it says why")
    assert [one.state for one in (again, written) if isinstance(one, Answer)] == ["again", "written"]
    with Reader(path) as reader:
        assert reader.total(T0, T0 + DAY).hosts == 3
    (aside,) = path.parent.glob("*.set-aside-*Z")
    with Reader(aside) as reader:
        assert reader.total(T0, T0 + DAY).hosts == 5


def test_a_file_that_cannot_be_set_aside_is_told_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is to be tried again all the same."""
    with writing(path) as (writer, said):
        writer.take(farm_page(5, T0))
        once(monkeypatch, "write", fault_of(sqlite3.SQLITE_CORRUPT))

        def refuses(*_: Any) -> None:
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr("sniffer.history.writer.set_aside", refuses)
        del said[:]
        writer.take(farm_page(5, T0))
    trouble, answer, _ = said
    assert trouble == Trouble("[Errno 30] Read-only file system")
    assert isinstance(answer, Answer)
    assert (answer.state, answer.fault) == ("again", "it says why")


def test_a_file_that_cannot_be_tidied_is_told_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page counts as written: it is."""
    with writing(path) as (writer, said):
        once(monkeypatch, "tidy", fault_of(sqlite3.SQLITE_FULL))
        writer.take(farm_page(1, T0))
        once(monkeypatch, "save_cases", fault_of(sqlite3.SQLITE_FULL))
    assert [type(one) for one in said] == [Answer, Trouble, Rest, Trouble]


# ── its end of the socket ────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def served() -> Iterator[tuple[socket.socket, threading.Thread]]:
    """A writer in a thread, and the daemon's end of its socket."""
    ours, theirs = socket.socketpair()

    def work() -> None:
        with theirs:
            serve(theirs)

    thread = threading.Thread(target=work)
    thread.start()
    with ours:
        ours.settimeout(60)
        yield ours, thread
    thread.join(60)
    assert not thread.is_alive()


def heard(sock: socket.socket) -> list[FromWriter]:
    """What is said to a page."""
    out: list[FromWriter] = []
    while not (out and isinstance(out[-1], Rest)):
        body = receive(sock)
        assert body is not None
        out.append(from_writer.decode(body))
    return out


def test_what_is_no_page_fails(path: Path) -> None:
    """Whatever it is; the next page is written."""
    with served() as (sock, _):
        sock.sendall(frame(begin(path)))
        for rubbish in (
            b"",
            b"\xc1",
            b"\x93\x01\x02\x03",
            frame(changed(farm_page(1, T0), samples=(None,)))[4:],
        ):
            sock.sendall(framed(rubbish))
            answer, _ = heard(sock)
            assert isinstance(answer, Answer)
            assert answer.state == "failed"
            assert answer.fault
        sock.sendall(frame(farm_page(2, T0)))
        answer, _ = heard(sock)
        assert isinstance(answer, Answer)
        assert answer.state == "written"
    with Reader(path) as reader:
        assert reader.total(T0, T0 + DAY).hosts == 2


def test_what_has_arrived_is_written_though_the_daemon_has_gone(path: Path) -> None:
    """Nobody hears the answers; half a page is none; then it ends, and the file is whole."""
    with served() as (sock, _):
        sock.sendall(frame(begin(path)) + frame(farm_page(2, T0)) + frame(farm_page(3, T0 + BUCKET)))
        sock.sendall(frame(farm_page(4, T0 + 2 * BUCKET))[:-1])
    assert not path.with_name("history.db-wal").exists()
    with Reader(path) as reader:
        assert reader.total(T0, T0 + DAY).hosts == 3


def test_a_daemon_that_says_nothing(path: Path) -> None:
    """Leaves no file behind."""
    with served():
        pass
    with served() as (sock, _):
        sock.sendall(frame(begin(path)))
    assert list(path.parent.iterdir()) == []


# ── the process ──────────────────────────────────────────────────────────────────────────────────────────


def test_it_loads_little() -> None:
    """Neither the packet's path nor the configuration nor what writes a log: 19 MiB in all (10 of them Python's)."""
    code = "import sys, sniffer.history.writer; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=True, text=True)
    heavy = {
        "numba",
        "numpy",
        "pydantic",
        "structlog",
        "prometheus_client",
        "asyncio",
        "yaml",
        "typer",
        "rich",
    }
    assert not heavy & set(loaded.stdout.split())


@contextlib.contextmanager
def process_of(
    path: Path, page: Page
) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket, list[FromWriter]]]:
    """A writer in a process of its own, our end of its socket, and what it said to a first page."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen([*COMMAND, str(theirs.fileno())], pass_fds=(theirs.fileno(),))
        theirs.close()
        ours.sendall(frame(begin(path)) + frame(page))
        yield process, ours, heard(ours)


def status_of(pid: int) -> dict[str, str]:
    """What the kernel tells of a process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:  # noqa: PTH123
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="capabilities are Linux's")
def test_it_gives_up_what_it_does_not_need(path: Path) -> None:
    """Capabilities but those about files, ways to gain any, a place before the workers."""
    with process_of(path, farm_page(1, T0)) as (process, ours, _):
        status = status_of(process.pid)
        assert int(status["CapEff"], 16) & ~FILES == 0
        assert int(status["CapAmb"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(os.getpriority(os.PRIO_PROCESS, 0) + 5, 19)
        ours.shutdown(socket.SHUT_WR)
        assert process.wait(60) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may write in the folders of others")
def test_root_may_write_where_somebody_else_is_at_home(tmp_path: Path) -> None:
    """As a daemon that root starts by hand did when it wrote the history itself; the files belong to the other one."""
    home = tmp_path / "home"
    home.mkdir(0o700)
    os.chown(home, 65_534, 65_534)
    path = home / "history.db"
    for number in range(2):
        with process_of(path, farm_page(1, T0)) as (process, ours, (answer, _)):
            assert isinstance(answer, Answer)
            assert (answer.state, answer.fault) == ("written", "")
            if number:
                assert path.with_name("history.db-wal").stat().st_uid == 65_534
            ours.shutdown(socket.SHUT_WR)
            assert process.wait(60) == 0
        os.chown(path, 65_534, 65_534)


def test_the_file_is_whole_and_free_when_daemon_and_writer_are_killed(path: Path) -> None:
    """In whatever they are at: what was answered is in it."""
    with process_of(path, farm_page(200, T0)) as (process, ours, _):
        ours.sendall(frame(farm_page(2_000, T0 + BUCKET)))
        until(lambda: path.with_name("history.db-wal").stat().st_size > 100_000)
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    with Reader(path) as reader:
        assert reader.total(T0, T0 + BUCKET).hosts == 200
    with contextlib.closing(sqlite3.connect(path)) as base:
        assert base.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
