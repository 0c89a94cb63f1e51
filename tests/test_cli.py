"""The command line as a process: what it does when its own output goes nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STORY = ROOT / "pcaps" / "farm-bitcoin-stratum" / "traffic.pcap"
SNIFFER = f'"{sys.executable}" -c "from sniffer.cli import main; main()"'


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell."""
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    "command", [f"scan --json {STORY}", f"scan {STORY}", "config check", "rules list", "version"]
)
@pytest.mark.parametrize(
    ("where", "words"), [("> /dev/full", "No space left"), (">&-", "Bad file descriptor")]
)
def test_output_that_cannot_be_written(command: str, where: str, words: str) -> None:
    """A full disk, a closed descriptor: one line that says so, status 74."""
    done = shell(f"{SNIFFER} {command} {where}")
    assert done.returncode == 74
    assert re.fullmatch(f"error: standard output cannot be written: {words}.*\n", done.stderr)


def test_errors_that_nobody_hears() -> None:
    """With standard error closed the results are the same; with all three closed, the status."""
    done = shell(f"{SNIFFER} version 2>&-")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("sniffer ")
    wrong = f"{SNIFFER} rules explain no-such-rule"
    assert shell(f"{wrong} <&- >&- 2>&-").returncode == shell(wrong).returncode != 0


@pytest.mark.slow
@pytest.mark.parametrize("where", ["closed", "gone", "not read"])
def test_a_table_that_nobody_takes(tmp_path: Path, where: str) -> None:
    """The daemon works on without it, and ends when it is told to."""
    command = [sys.executable, "-c", "from sniffer.cli import main; main()", "run", "--replay", str(STORY)]
    command += ["--listen", "127.0.0.1:0", "--table"]
    if where == "closed":
        command = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr)
    assert process.stdout is not None
    if where == "gone":
        process.stdout.close()
    try:
        deadline = time.monotonic() + 40
        while "the replay has ended" not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(1.5)  # for the table to be drawn again
        assert process.poll() is None
        process.terminate()
        process.wait(10)
        assert '"stopped"' in log.read_text()
        assert "Traceback" not in log.read_text()
        assert "exception" not in log.read_text()
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()
