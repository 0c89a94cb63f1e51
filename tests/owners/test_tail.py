"""Logs that are followed: no line lost, none twice, whatever becomes of the file; and never a wait."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sniffer.owners.mappings import MAX_LINE
from sniffer.owners.tail import PIECE, Lines, Tail, Tails

if TYPE_CHECKING:
    from pathlib import Path

    from sniffer.owners.timeline import Change


def line(number: int) -> bytes:
    """A line about the address of this number."""
    host = ".".join(map(str, (10, *number.to_bytes(3, "big"))))
    return f'{{"ip":"{host}","time":{number}}}\n'.encode()


def numbers(changes: list[Change]) -> list[int]:
    """Which lines were read."""
    return [change.start // 10**9 for change in changes]


class Followed:
    """A log and who follows it."""

    def __init__(self, path: Path, most: int = 0) -> None:
        self.path = path
        self.tail = Tail(path, str, most)

    def write(self, *lines: int) -> None:
        """Append lines."""
        with self.path.open("ab") as file:
            file.write(b"".join(map(line, lines)))

    def read(self, budget: int = 1 << 20) -> list[int]:
        """One turn."""
        return numbers(list(self.tail.turn(budget)))


@pytest.fixture
def log(tmp_path: Path) -> Followed:
    """A log that is not there yet."""
    return Followed(tmp_path / "log.json")


def test_a_log_that_grows(log: Followed) -> None:
    """It may be missing at first; then each line comes once."""
    assert log.read() == []
    assert log.tail.fault == "No such file or directory"
    log.write(1, 2)
    assert log.read() == [1, 2]
    assert log.read() == []
    log.write(3)
    assert (log.read(), log.tail.fault, log.tail.behind) == ([3], "", 0)


def test_a_partial_last_line_waits(log: Followed) -> None:
    """Until its end has been written."""
    whole = line(7)
    for at in range(len(whole)):
        with log.path.open("ab") as file:
            file.write(whole[at : at + 1])
        assert log.read() == ([7] if at == len(whole) - 1 else [])


def test_rotation(log: Followed) -> None:
    """What was written to the old file until it was renamed, and after, is read before the new one."""
    log.write(1)
    assert log.read() == [1]
    log.write(2)
    with log.path.open("ab", buffering=0) as file:
        log.path.rename(log.path.with_suffix(".1"))
        file.write(line(3))
        assert log.read() == [2, 3]
        file.write(line(4) + line(5)[:-1])  # the writer still has the old file; its last line has no end
    log.write(6, 7)
    assert log.read() == [4, 5, 6, 7]
    log.path.unlink()
    assert log.read() == []
    log.write(8)
    assert log.read() == [8]


def test_truncation(log: Followed) -> None:
    """A file that was copied and cut is read from its beginning."""
    log.write(*range(1, 6))
    assert log.read() == [1, 2, 3, 4, 5]
    os.truncate(log.path, 0)
    log.write(6)
    assert log.read() == [6]


def test_the_end_of_a_large_log(tmp_path: Path) -> None:
    """At the start so much of the end is read as is wanted, whole lines only; headings of CSV come from the beginning."""
    path = tmp_path / "log.csv"
    path.write_text("ip,time\n" + "".join(f"10.0.0.7,{n}\n" for n in range(10_000, 20_000)))
    followed = Followed(path, 150)
    assert followed.read() == list(range(19_991, 20_000))
    assert followed.tail.lines.bad == 0
    path.write_text("ip,time\n" + "".join(f"10.0.0.7,{n}\n" for n in range(100)))  # a later one is read whole
    assert followed.read() == list(range(100))


def test_a_turn_has_a_budget(log: Followed) -> None:
    """What is left is known, and read in the next turns."""
    log.write(*range(50_000))
    size = log.path.stat().st_size
    first = log.read(PIECE)
    assert log.tail.behind == size - PIECE
    rest = [number for _ in range(20) for number in log.read(PIECE)]
    assert first + rest == list(range(50_000))


def test_lines_without_end_are_given_up(log: Followed) -> None:
    """One that is too long is counted once and its memory let go; the next line is read."""
    with log.path.open("ab") as file:
        for _ in range(40):
            file.write(b"x" * MAX_LINE)
            file.flush()
            assert log.read() == []
            assert len(log.tail._partial) <= MAX_LINE
        file.write(b"\n" + line(3))
    assert log.read() == [3]
    assert log.tail.lines.bad == 1
    assert log.tail.first_bad == f"has more than {MAX_LINE} bytes"


def test_lines_are_counted(log: Followed) -> None:
    """Read, skipped and bad ones; the first bad one is told."""
    log.path.write_bytes(b"# comment\n\nnonsense\n{\n" + line(1))
    assert log.read() == [1]
    assert log.tail.lines == Lines(read=1, skipped=2, bad=2)
    assert log.tail.first_bad == "stands before any line of headings"


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    """A pipe without a writer, a folder or a device holds nobody up."""
    os.mkfifo(tmp_path / "pipe")
    began = time.monotonic()
    for path in (tmp_path / "pipe", tmp_path, tmp_path.joinpath("/dev/zero")):
        followed = Followed(path)
        assert followed.read() == []
        assert followed.tail.fault
    assert time.monotonic() - began < 1


def test_several_logs_share_a_turn(tmp_path: Path) -> None:
    """One that has much to tell does not keep the others from it; everything is read when it is loaded."""
    (tmp_path / "busy").write_bytes(b"".join(map(line, range(100_000))))
    (tmp_path / "quiet").write_bytes(line(123_456))
    tails = Tails([tmp_path / "busy", tmp_path / "quiet", tmp_path / "missing"], str, 0)
    first = numbers(tails.turn(300_000))
    assert first[-1] == 123_456
    assert 0 < len(first) < 10_000
    rest = [number for changes in tails.load() for number in numbers(changes)]
    assert len(first) + len(rest) == 100_001
    assert (tails.behind, tails.unreadable, tails.lines.read) == (0, 1, 100_001)
    tails.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["line", "half", "rotate", "turn"]), max_size=30), st.integers(30, 200))
def test_whatever_the_writer_does(tmp_path: Path, steps: list[str], budget: int) -> None:
    """Every line comes once and in order, however it was written, and however often the log was rotated."""
    path = tmp_path / f"log{time.monotonic_ns()}"
    followed, got, next_line, rest, olds = Followed(path), list[int](), 1, b"", 0
    path.touch()
    for step in steps:
        with path.open("ab") as file:
            if step == "line" or (step == "rotate" and rest):
                whole = rest or line(next_line)
                file.write(whole)
                next_line, rest = next_line + 1, b""
            elif step == "half" and not rest:
                whole = line(next_line)
                file.write(whole[:9])
                rest = whole[9:]
        if step == "rotate":
            while found := followed.read(budget):  # a follower that misses a whole file loses it
                got += found
            olds += 1
            path.rename(path.with_name(f"{path.name}.{olds}"))
            path.touch()
        elif step == "turn":
            got += followed.read(budget)
    for _ in range(200):
        got += followed.read(budget)
    followed.tail.close()
    assert got == list(range(1, next_line))
