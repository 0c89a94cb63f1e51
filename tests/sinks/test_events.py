"""The event file: every line counted, whole lines only, a caller that never waits."""

from __future__ import annotations

import errno
import functools
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from processes import until
from structlog.testing import capture_logs

from sniffer.errors import AccessError, OutputError
from sniffer.sinks import events
from sniffer.sinks.events import EventFile, Rotation
from sniffer.sinks.gap import make_gap
from sniffer.sinks.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def open_sink(path: Path | str, rotation: Rotation | None = None, **more: Any) -> Sink:
    """A sink that writes into a file."""
    times = {key: more.pop(key) for key in ("clock", "wall") if key in more}
    clock = {"clock": times["clock"]} if "clock" in times else {}
    return Sink("events", EventFile(str(path), rotation, **times), **clock, **more)


def balanced(writer: Sink, produced: int) -> bool:
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


def test_writes_lines_in_order(path: Path) -> None:
    """10 000 lines arrive whole and in order; the file is not for everybody."""
    writer = open_sink(path, max_lines=20_000)
    lines = [b'{"n":%d}\n' % number for number in range(10_000)]
    assert all(writer.write(line) for line in lines)
    writer.close()
    assert path.read_bytes() == b"".join(lines)
    assert (writer.written, writer.dropped, writer.failed) == (10_000, 0, 0)
    assert stat.S_IMODE(path.stat().st_mode) & ~0o640 == 0


def test_appends_to_what_is_there(path: Path) -> None:
    """A restart adds to the file."""
    path.write_bytes(b"before\n")
    writer = open_sink(path)
    writer.write(b"after\n")
    writer.close()
    assert path.read_bytes() == b"before\nafter\n"


@pytest.mark.parametrize(("lines", "bytes_"), [(50, 1 << 20), (1 << 20, 500)])
def test_a_full_outbox_drops_and_counts(path: Path, disk: Disk, lines: int, bytes_: int) -> None:
    """With a disk that hangs the caller goes on; the outbox holds no more lines or bytes than allowed."""
    disk.gate.clear()
    writer = open_sink(path, max_lines=lines, max_bytes=bytes_)
    writer.write(b"0123456789\n")
    until(lambda: len(writer._hand) == 1)
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
    writer = open_sink(path)
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
    assert [one["event"] for one in logged] == ["event_write_failed", "event_write_resumed"]
    assert logged[0]["error"] == "No space left on device"


def test_a_torn_burst_counts_whole_lines(path: Path, disk: Disk) -> None:
    """When one write carries many lines and stops within one, those before it count as written."""
    disk.gate.clear()
    disk.room = 100
    writer = open_sink(path)
    writer.write(b"first\n")
    until(lambda: len(writer._hand) == 1)
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
    writer = open_sink(path)
    for number in range(50):
        writer.write(b"line %d\n" % number)
    writer.close()
    assert path.read_bytes() == b"".join(b"line %d\n" % number for number in range(50))
    assert writer.written == 50


def test_a_torn_line_that_cannot_be_taken_back_is_ended(
    path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file cannot be cut, the next line starts on a line of its own."""
    writer = open_sink(path)
    monkeypatch.setattr(EventFile, "_cut", lambda _self, _size: False)
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
    writer = open_sink(path, clock=lambda: now[0])
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
    writer = open_sink(path)
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
    writer = open_sink(path, clock=lambda: now[0])
    writer.write(b"old\n")
    assert writer.flush()
    path.unlink()
    now[0] = 3.0
    writer.write(b"new\n")
    writer.close()
    assert path.read_bytes() == b"new\n"


def test_a_path_that_may_not_be_looked_at(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the right to look at the path, what is open is written on: nothing is lost."""
    now = [0.0]
    writer = open_sink(path, clock=lambda: now[0])

    def refuse(*_: object, **_more: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(type(path), "stat", refuse)
        now[0] = 3.0
        writer.write(b"kept\n")
        writer.close()
    assert (writer.written, writer.failed) == (1, 0)
    assert path.read_bytes() == b"kept\n"


def test_a_folder_that_went_away_and_came_back(tmp_path: Path) -> None:
    """Without the folder lines fail and are counted; with it they are written again."""
    folder = tmp_path / "log"
    folder.mkdir()
    now = [0.0]
    writer = open_sink(folder / "e.json", clock=lambda: now[0])
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
    writer = open_sink(path)
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
    writer = open_sink(path, max_lines=500)

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
    writer = open_sink("-")
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
        EventFile(str(tmp_path / place))
    assert caught.value.exit_status == 74
    assert caught.value.remedy


def test_a_path_without_permission_is_said_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No right to write there: status 77."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(EventFile, "_open", refuse)
    with pytest.raises(AccessError) as caught:
        open_sink(path)
    assert caught.value.exit_status == 77


def test_a_pipe_that_does_not_wait_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output that somebody made non-blocking takes every line, whole, however slowly it is read."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    file = EventFile("-")
    monkeypatch.setattr(file, "_fd", writing)
    sink = Sink("events", file)
    lines = [b"%06d %s\n" % (number, b"x" * 500) for number in range(2_000)]
    assert all(sink.write(line) for line in lines)
    got = bytearray()
    while len(got) < sum(map(len, lines)):
        got += os.read(reading, 10_000)
    sink.close()
    assert bytes(got) == b"".join(lines)
    assert balanced(sink, 2_000)
    os.close(reading)


def test_a_named_pipe(path: Path) -> None:
    """Without a reader it is said at once; with one, lines come through; while that is away they fail, and nobody waits."""
    os.mkfifo(path)
    with pytest.raises(OutputError, match="cannot be opened"):
        EventFile(str(path))
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = open_sink(path, Rotation(size=1_024))
    writer.write(b"one\n")
    assert writer.flush()
    assert os.read(reading, 100) == b"one\n"
    os.close(reading)
    writer.write(b"two\n")
    assert writer.flush()
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer.write(b"three\n")
    writer.close()
    assert os.read(reading, 100) == b"three\n"
    os.close(reading)
    assert (writer.written, writer.failed) == (2, 1)


def test_standard_output_that_is_closed_is_said_at_once() -> None:
    """Descriptor 1 may be anything by then, so nothing is written to it: status 74."""
    code = (
        "import os; from sniffer.errors import OutputError; from sniffer.sinks.events import EventFile\n"
        "try: EventFile('-')\n"
        "except OutputError as error: os.write(2, str(error).encode())"
    )
    done = subprocess.run(
        ["sh", "-c", f'exec "{sys.executable}" -c "{code}" >&-'], capture_output=True, text=True, check=False
    )
    assert "standard output is closed" in done.stderr


# ── rotation ─────────────────────────────────────────────────────────────────────────────────────────────


def numbers(*files: Path) -> list[int]:
    """Numbers of the lines of some files, oldest file first; each line is whole."""
    return [json.loads(line)["n"] for file in files for line in file.read_bytes().splitlines(keepends=True)]


def old(path: Path, number: int) -> Path:
    """An old file."""
    return path.with_name(f"{path.name}.{number}")


def test_rotates_by_size(path: Path) -> None:
    """No file is larger than allowed, no line is torn or lost, the youngest old file is number 1, the oldest goes."""
    writer = open_sink(path, Rotation(size=1_000, keep=3))
    for number in range(900):
        writer.write(b'{"n":%d}\n' % number)
    writer.close()
    files = [old(path, 3), old(path, 2), old(path, 1), path]
    assert sorted(path.parent.iterdir()) == sorted(files)
    assert all(file.stat().st_size <= 1_000 for file in files)
    assert all(file.stat().st_size > 980 for file in files[:-1])
    kept = numbers(*files)
    assert kept == list(range(kept[0], 900))
    assert writer.written == 900


def test_a_line_larger_than_a_file_is_written(path: Path) -> None:
    """It has a file for itself."""
    writer = open_sink(path, Rotation(size=1_024, keep=2))
    for line in (b"a\n", b"x" * 5_000 + b"\n", b"b\n"):
        writer.write(line)
    writer.close()
    assert [old(path, 2).stat().st_size, old(path, 1).stat().st_size, path.stat().st_size] == [2, 5_001, 2]


def test_rotates_by_time(path: Path) -> None:
    """A file holds lines of one span of UTC, also over a restart; an empty one is not rotated."""
    now = [1_795_000_000.0]
    rotation = Rotation(interval=3_600, keep=5)
    writer = open_sink(path, rotation, wall=lambda: now[0])
    for second, number in ((0, 1), (10, 2), (3_600, 3), (3_610, 4)):
        now[0] = 1_795_000_000.0 - 1_795_000_000 % 3_600 + second
        writer.write(b'{"n":%d}\n' % number)
        assert writer.flush()
        os.utime(path, (now[0], now[0]))
    writer.close()
    assert (numbers(old(path, 1)), numbers(path)) == ([1, 2], [3, 4])
    now[0] += 7_200
    writer = open_sink(path, rotation, wall=lambda: now[0])
    writer.write(b'{"n":5}\n')
    writer.close()
    assert (numbers(old(path, 2)), numbers(old(path, 1)), numbers(path)) == ([1, 2], [3, 4], [5])
    os.utime(path, (now[0] + 9_000, now[0] + 9_000))  # the clock was put back: no reason to rotate
    writer = open_sink(path, rotation, wall=lambda: now[0])
    writer.write(b'{"n":6}\n')
    writer.close()
    assert numbers(path) == [5, 6]


def test_a_rotation_that_fails_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be renamed the file grows, the log says so once, and rotation is tried again later."""
    now = [0.0]
    writer = open_sink(path, Rotation(size=1_024, keep=2), clock=lambda: now[0])
    real = type(path).rename

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(type(path), "rename", refuse)
    with capture_logs() as logged:
        for number in range(500):
            writer.write(b'{"n":%d}\n' % number)
        assert writer.flush()
    assert [one["event"] for one in logged] == ["event_rotation_failed"]
    assert numbers(path) == list(range(500))
    monkeypatch.setattr(type(path), "rename", real)
    now[0] = 11.0
    writer.write(b'{"n":500}\n')
    writer.close()
    assert numbers(old(path, 1), path) == list(range(501))
    assert writer.failed == 0


STOPPED = """
import os, sys, pathlib
from sniffer.sinks.events import EventFile, Rotation
calls, real = [0], {"rename": pathlib.Path.rename, "open": os.open, "write": os.write, "close": os.close}
def stop(name):
    def call(*arguments, **more):
        calls[0] += 1
        if calls[0] == int(sys.argv[2]):
            if name == "write" and int(sys.argv[2]) % 2:
                real[name](arguments[0], arguments[1][:5])  # killed within the write
            os._exit(9)
        return real[name](*arguments, **more)
    return call
file = EventFile(sys.argv[1], Rotation(size=64, keep=200))
pathlib.Path.rename = stop("rename")
for name in ("open", "write", "close"):
    setattr(os, name, stop(name))
first = int(sys.argv[3])
for number in range(first, first + 40):
    file.deliver([b'{"n":%d}\\n' % number])
    real["write"](1, b"%d " % number)
"""


@pytest.mark.slow
def test_whoever_is_stopped_anywhere_loses_nothing(path: Path) -> None:
    """Killed before each system call of writing and rotating: every line that was done is there once, in order, whole."""
    done: list[int] = []
    for at in range(1, 60):
        command = [sys.executable, "-c", STOPPED.replace("\\\\", "\\"), str(path), str(at), str(at * 100)]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        assert told.returncode == 9, told.stderr
        done += map(int, told.stdout.split())
    files = sorted(path.parent.glob("events.json.*"), key=lambda file: -int(file.suffix[1:]))
    kept = []
    files += [path] if path.exists() else []  # the last one may have been stopped before it made the file
    for line in b"".join(file.read_bytes() for file in files).split(b"\n"):
        try:
            kept.append(json.loads(line)["n"])
        except ValueError:
            assert len(line) in (0, 5)  # what a kill within a write left: a line of its own
    assert kept == sorted(set(kept))
    assert set(done) <= set(kept)
    assert len(set(kept) - set(done)) <= 59  # written, and killed before it was told


@pytest.mark.slow
def test_killed_at_any_moment_and_with_logrotate_beside_it(path: Path) -> None:
    """SIGKILL at random moments, while another program renames the file: no line is torn, none is missing but the last."""
    code = (
        "import sys; from sniffer.sinks.events import EventFile, Rotation\n"
        "file = EventFile(sys.argv[1], Rotation(size=20_000, keep=900)); n = int(sys.argv[2])\n"
        "while True: file.deliver([b'{\"n\":%d}\\n' % (n + i) for i in range(50)]); n += 50; print(n, flush=True)"
    )
    first, told = 0, []
    for turn in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(path), str(first)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(100 + 37 * turn):
            told.append(int(process.stdout.readline()))
            if turn % 2 and len(told) % 40 == 0:
                with_number = path.with_name(f"moved-{len(told)}")
                if path.exists():
                    path.rename(with_number)
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split()
        first = max([*map(int, rest), told[-1]]) + 1_000_000
    found = []
    for file in path.parent.iterdir():
        for line in file.read_bytes().split(b"\n"):
            try:
                found.append(json.loads(line)["n"])
            except ValueError:
                assert not line or line.startswith(b"{")
    assert len(found) == len(set(found))
    written = set(found)
    for end in told:
        assert {end - 50, end - 1} <= written


# ── real disks ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.live
def test_a_disk_that_is_full_and_has_room_again(small_disk: Path) -> None:
    """Lines fail and are counted, the log has one line in ten seconds; with room again a gap line tells all of it."""
    path = small_disk / "events.json"
    writer = Sink("events", EventFile(str(path)), gap=functools.partial(make_gap, sensor="north"))
    line = b'{"n":1,"x":"%s"}\n' % (b"x" * 900)
    with capture_logs() as logged:
        for _ in range(600):
            writer.write(line)
            assert writer.flush()
    assert writer.failed > 300
    assert len(logged) == 1
    held = path.read_bytes()
    assert held.endswith(b"\n")
    assert held.count(b"\n") == writer.written
    (small_disk / "events.json").rename(small_disk / "gone")
    (small_disk / "gone").unlink()
    writer.reopen()
    writer.write(line)
    writer.close()
    lines = [json.loads(one) for one in (held + path.read_bytes()).splitlines()]
    gaps = [one["gap"]["failed"] for one in lines if "gap" in one]  # a short one may have fitted before
    assert sum(gaps) == writer.failed
    assert line in path.read_bytes()
    assert balanced(writer, 601 + len(gaps))


@pytest.mark.live
def test_a_rotation_makes_room_on_a_full_disk(small_disk: Path) -> None:
    """With old files that fill the disk, the oldest goes before the new one is written: nothing fails."""
    path = small_disk / "events.json"
    writer = open_sink(path, Rotation(size=40_000, keep=4))
    for number in range(3_000):
        writer.write(b'{"n":%d,"x":"%s"}\n' % (number, b"x" * 500))
        if number % 500 == 0:
            assert writer.flush()
    writer.close()
    assert (writer.written, writer.failed) == (3_000, 0)


@pytest.mark.live
def test_a_disk_that_becomes_read_only(small_disk: Path) -> None:
    """Remounted read-only lines fail; remounted again they are written, and what was lost is told."""
    path = small_disk / "events.json"
    writer = Sink("events", EventFile(str(path)), gap=functools.partial(make_gap, sensor="north"))
    writer.write(b'{"n":1}\n')
    assert writer.flush()
    # A file that is open for writing keeps a disk from that, so it is let go first, as logrotate would have it.
    writer._target.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    writer.write(b'{"n":2}\n')
    assert writer.flush()
    assert (writer.failed, writer.up) == (1, False)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    writer.write(b'{"n":3}\n')
    writer.close()
    first, gap, last = (json.loads(line) for line in path.read_bytes().splitlines())
    assert (first["n"], gap["gap"]["lines"], last["n"]) == (1, 1, 3)
    assert writer.up
