"""The event file: every line counted, whole lines only, a caller that never waits."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from sniffer.errors import AccessError, OutputError
from sniffer.sinks import events
from sniffer.sinks.events import EventWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def balanced(writer: EventWriter, produced: int) -> bool:
    """Whether every line given is in exactly one count."""
    return writer.written + writer.dropped + writer.failed == writer.produced == produced


class Disk:
    """Stands in for os.write: may be full after some bytes, fail, or wait."""

    def __init__(self) -> None:
        self.room: int | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.most = 1 << 30
        self.real = os.write

    def write(self, fd: int, data: bytes) -> int:
        """Write as much as there is room for."""
        assert self.gate.wait(10)
        size = min(len(data), self.most)
        if self.room is not None:
            if self.room == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            size = min(size, self.room)
            self.room -= size
        return self.real(fd, data[:size])


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A disk under the test's control."""
    disk = Disk()

    class Os:
        write = staticmethod(disk.write)

        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

    monkeypatch.setattr(events, "os", Os())
    yield disk
    disk.gate.set()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where events go."""
    return tmp_path / "events.json"


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 10 s"
        time.sleep(0.005)


def test_writes_lines_in_order(path: Path) -> None:
    """10 000 lines arrive whole and in order; the file is not for everybody."""
    writer = EventWriter(str(path), max_lines=20_000)
    lines = [b'{"n":%d}\n' % number for number in range(10_000)]
    assert all(writer.write(line) for line in lines)
    writer.close()
    assert path.read_bytes() == b"".join(lines)
    assert (writer.written, writer.dropped, writer.failed) == (10_000, 0, 0)
    assert stat.S_IMODE(path.stat().st_mode) & ~0o640 == 0


def test_appends_to_what_is_there(path: Path) -> None:
    """A restart adds to the file."""
    path.write_bytes(b"before\n")
    writer = EventWriter(str(path))
    writer.write(b"after\n")
    writer.close()
    assert path.read_bytes() == b"before\nafter\n"


@pytest.mark.parametrize(("lines", "bytes_"), [(50, 1 << 20), (1 << 20, 500)])
def test_a_full_outbox_drops_and_counts(path: Path, disk: Disk, lines: int, bytes_: int) -> None:
    """With a disk that hangs the caller goes on; the outbox holds no more lines or bytes than allowed."""
    disk.gate.clear()
    writer = EventWriter(str(path), max_lines=lines, max_bytes=bytes_)
    writer.write(b"0123456789\n")
    until(lambda: writer._in_hand == 1)
    started = time.monotonic()
    for _ in range(100_000):
        writer.write(b"0123456789\n")
    assert time.monotonic() - started < 5
    assert len(writer._lines) <= min(lines, bytes_ // 11)
    assert writer.dropped == 100_000 - len(writer._lines)
    disk.gate.set()
    writer.close()
    assert balanced(writer, 100_001)
    assert path.read_bytes().count(b"\n") == writer.written


def test_a_full_disk_fails_counts_and_recovers(path: Path, disk: Disk) -> None:
    """Lines that did not fit count as failed, none is left in part, and writing goes on once there is room."""
    disk.room = 25
    writer = EventWriter(str(path))
    with capture_logs() as logged:
        for number in range(10):
            writer.write(b"line %d\n" % number)
            assert writer.flush()
        assert (writer.written, writer.failed) == (3, 7)
        disk.room = None
        writer.write(b"later\n")
        writer.close()
    assert path.read_bytes() == b"line 0\nline 1\nline 2\nlater\n"
    assert balanced(writer, 11)
    assert [one["event"] for one in logged] == ["event_write_failed"]
    assert logged[0]["error"] == "No space left on device"


def test_a_torn_burst_counts_whole_lines(path: Path, disk: Disk) -> None:
    """When one write carries many lines and stops within one, those before it count as written."""
    disk.gate.clear()
    disk.room = 100
    writer = EventWriter(str(path))
    writer.write(b"first\n")
    until(lambda: writer._in_hand == 1)
    for number in range(40):
        writer.write(b"number %02d\n" % number)
    disk.gate.set()
    assert writer.flush()
    writer.close()
    text = path.read_bytes()
    assert text == b"first\n" + b"".join(b"number %02d\n" % number for number in range(9))
    assert (writer.written, writer.failed) == (10, 31)


def test_short_writes_are_continued(path: Path, disk: Disk) -> None:
    """A system call that takes three bytes at a time changes nothing in the file."""
    disk.most = 3
    writer = EventWriter(str(path))
    for number in range(50):
        writer.write(b"line %d\n" % number)
    writer.close()
    assert path.read_bytes() == b"".join(b"line %d\n" % number for number in range(50))
    assert writer.written == 50


def test_a_torn_line_that_cannot_be_taken_back_is_ended(
    path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file cannot be cut, the next line starts on a line of its own."""
    writer = EventWriter(str(path))
    monkeypatch.setattr(events._LogFile, "_cut", lambda _self, _size: False)
    disk.room = 3
    writer.write(b"torn line\n")
    assert writer.flush()
    disk.room = None
    writer.write(b"whole\n")
    writer.close()
    assert path.read_bytes() == b"tor\nwhole\n"
    assert (writer.written, writer.failed) == (1, 1)


def test_complains_once_in_ten_seconds(path: Path, disk: Disk) -> None:
    """A disk that stays full makes one log line per 10 s, which carries the number of lines lost since."""
    now = [0.0]
    writer = EventWriter(str(path), clock=lambda: now[0])
    disk.room = 0
    with capture_logs() as logged:
        for second in range(21):
            now[0] = float(second)
            writer.write(b"x\n")
            assert writer.flush()
            until(lambda: writer._suppressed == 0 or now[0] % 10 != 0)
        writer.close()
    assert [one["lines"] for one in logged] == [1, 10, 10]


def test_reopens_after_rotation(path: Path) -> None:
    """After a rename and reopen() the new file is there at once and gets the next line; no line is lost."""
    writer = EventWriter(str(path))
    writer.write(b"old\n")
    assert writer.flush()
    moved = path.rename(path.with_suffix(".1"))
    writer.reopen()
    until(path.exists)
    writer.write(b"new\n")
    writer.close()
    assert (moved.read_bytes(), path.read_bytes()) == (b"old\n", b"new\n")


def test_notices_a_file_that_was_removed(path: Path) -> None:
    """Removed or renamed without a word: the path is looked at every few seconds and opened again."""
    now = [0.0]
    writer = EventWriter(str(path), clock=lambda: now[0])
    writer.write(b"old\n")
    assert writer.flush()
    path.unlink()
    now[0] = 3.0
    writer.write(b"new\n")
    writer.close()
    assert path.read_bytes() == b"new\n"


def test_a_folder_that_went_away_and_came_back(tmp_path: Path) -> None:
    """Without the folder lines fail and are counted; with it they are written again."""
    folder = tmp_path / "log"
    folder.mkdir()
    now = [0.0]
    writer = EventWriter(str(folder / "e.json"), clock=lambda: now[0])
    (folder / "e.json").unlink()
    folder.rmdir()
    now[0] = 3.0
    with capture_logs() as logged:
        writer.write(b"lost\n")
        assert writer.flush()
    folder.mkdir()
    writer.write(b"kept\n")
    writer.close()
    assert (folder / "e.json").read_bytes() == b"kept\n"
    assert (writer.written, writer.failed, len(logged)) == (1, 1, 1)


def test_close_keeps_its_deadline(path: Path, disk: Disk) -> None:
    """With a disk that hangs, close() returns in time and counts what is left as dropped, exactly once."""
    disk.gate.clear()
    writer = EventWriter(str(path))
    for _ in range(20):
        writer.write(b"x\n")
    started = time.monotonic()
    writer.close(0.2)
    assert time.monotonic() - started < 2
    assert (writer.written, writer.dropped) == (0, 20)
    disk.gate.set()
    writer._thread.join(5)
    assert balanced(writer, 20)
    assert not writer.write(b"too late\n")
    assert balanced(writer, 21)


def test_many_callers_at_once(path: Path) -> None:
    """Four threads write at the same time: the books balance and no line is mixed with another."""
    writer = EventWriter(str(path), max_lines=500)

    def produce(name: int) -> None:
        for number in range(5000):
            writer.write(b"%d %d\n" % (name, number))

    threads = [threading.Thread(target=produce, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert balanced(writer, 20_000)
    lines = [tuple(map(int, line.split())) for line in path.read_bytes().splitlines()]
    assert len(lines) == writer.written
    for name in range(4):
        mine = [number for who, number in lines if who == name]
        assert mine == sorted(mine)


def test_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    """A dash writes to standard output and leaves it open."""
    writer = EventWriter("-")
    writer.write(b'{"a":1}\n')
    writer.reopen()
    writer.write(b'{"a":2}\n')
    writer.close()
    os.fstat(1)
    assert capfd.readouterr().out == '{"a":1}\n{"a":2}\n'


@pytest.mark.parametrize("place", ["absent/e.json", "."])
def test_a_path_that_cannot_be_is_said_at_once(tmp_path: Path, place: str) -> None:
    """A folder that is not there, or a folder in place of a file: one line with a remedy, status 74."""
    with pytest.raises(OutputError) as caught:
        EventWriter(str(tmp_path / place))
    assert caught.value.exit_status == 74
    assert caught.value.remedy


def test_a_path_without_permission_is_said_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No right to write there: status 77."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(events._LogFile, "_open", refuse)
    with pytest.raises(AccessError) as caught:
        EventWriter(str(path))
    assert caught.value.exit_status == 77
