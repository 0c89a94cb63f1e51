"""The operation log: one line, printable, bounded, not too often."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from sniffer import log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave the log of other tests as it was."""
    handlers = logging.getLogger().handlers
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers = handlers


class Clock:
    """Seconds that pass when told to."""

    now = 100.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def start(style: str = "json", clock: Clock | None = None) -> io.StringIO:
    """Set up a log that is kept."""
    stream = io.StringIO()
    log.configure(style, "info", stream=stream, clock=clock or Clock())
    return stream


def objects(stream: io.StringIO) -> list[dict[str, Any]]:
    """Lines as JSON."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@given(st.text(), st.text())
def test_any_text_makes_one_printable_line(sentence: str, value: str) -> None:
    """Whatever is logged, the line is JSON in printable ASCII of at most 4 KiB."""
    stream = start()
    log.logger().warning(sentence, value=value, code=None)
    written = stream.getvalue()
    assert written.endswith("\n")
    assert written.count("\n") == 1
    assert all(" " <= character <= "~" for character in written[:-1])
    assert len(written) <= log.MAX_LINE
    assert json.loads(written)["level"] == "warning"


def test_long_lines_are_cut() -> None:
    """A line that would be too long keeps its level and code, and says that it was cut."""
    stream = start()
    log.logger().error("x" * 900, code="long", **{f"field{n}": "y" * 900 for n in range(20)})
    (line,) = objects(stream)
    assert len(stream.getvalue()) <= log.MAX_LINE
    assert (line["level"], line["code"], line["cut"]) == ("error", "long", True)


def test_one_line_a_code_in_ten_seconds() -> None:
    """Repetitions are held back and counted in the next line; other codes and lines without one are not."""
    clock = Clock()
    stream = start(clock=clock)
    for _ in range(50):
        log.logger().error("disk full", code="disk")
    log.logger().error("other", code="net")
    log.logger().info("no code")
    log.logger().info("no code")
    clock.now += 10
    log.logger().error("disk full", code="disk")
    told = [(line["event"], line.get("suppressed")) for line in objects(stream)]
    assert told == [
        ("disk full", None),
        ("other", None),
        ("no code", None),
        ("no code", None),
        ("disk full", 49),
    ]


def test_codes_do_not_pile_up() -> None:
    """A flood of codes does not make memory grow."""
    limiter = log.Limiter(Clock())
    for number in range(5 * log.MAX_CODES):
        limiter(None, "", {"code": f"c{number}"})
    assert len(limiter._codes) == log.MAX_CODES


def test_levels() -> None:
    """Lines below the level are not written."""
    stream = start()
    log.logger().debug("hidden")
    log.logger().info("shown")
    assert [line["event"] for line in objects(stream)] == ["shown"]


def test_console_lines_are_for_people() -> None:
    """On a console: level, sentence, fields; no JSON."""
    stream = start("console")
    log.logger().info("started", listen="127.0.0.1:9478", code="start")
    assert stream.getvalue().endswith("info    started  listen=127.0.0.1:9478\n")


def test_a_broken_stderr_is_no_fault() -> None:
    """A log that cannot be written does not stop the daemon."""
    stream = start()
    stream.close()
    log.logger().error("nobody hears this")
    assert stream.closed


def test_libraries_are_heard() -> None:
    """Warnings of libraries become lines of this log."""
    stream = start()
    logging.getLogger("asyncio").error("slow %s", "callback")
    assert [line["event"] for line in objects(stream)] == ["slow callback"]


@pytest.mark.parametrize("how", ["2>&1 | sleep 30", "2>&-"], ids=["a full pipe", "closed"])
def test_a_stderr_that_takes_nothing_holds_nobody_up(tmp_path: Path, how: str) -> None:
    """A reader that has stopped, or none at all: lines are lost, and the program goes on to its end."""
    done = tmp_path / "done"
    code = (
        "import pathlib, sys; from sniffer.log import configure, logger\n"
        "configure('auto')\n"
        "for number in range(5_000): logger().error('x' * 900, number=number)\n"
        f"pathlib.Path('{done}').touch()"
    )
    script = tmp_path / "program.py"
    script.write_text(code)
    process = subprocess.Popen(["sh", "-c", f'"{sys.executable}" "{script}" {how}'], start_new_session=True)
    deadline = time.monotonic() + 20
    while not done.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    assert done.exists()
