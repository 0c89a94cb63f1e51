"""The command from packets to pictures: what it says when something is missing, what it leaves behind when it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import browser
import e2e
import model
import page
import prometheus
import pytest
import yaml

COMMAND = [sys.executable, str(model.ROOT / "tests" / "dashboards" / "e2e.py")]


def test_what_is_missing_is_told_with_its_remedy(tmp_path: Path) -> None:
    """On a machine with nothing but Python it starts nothing, names each program and how to get it, and fails."""
    done = subprocess.run(
        COMMAND, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "PATH": str(tmp_path)}
    )  # fmt: skip
    assert done.returncode == 1
    for program in ("prometheus", "chromium", "fonts-noto-cjk"):
        assert f"{program})" in done.stderr, done.stderr
    assert all(line.startswith("error: ") for line in done.stderr.splitlines())
    assert "sensor:" not in done.stdout


def test_the_alert_is_one_of_ours() -> None:
    """The alert that it waits for stands in the shipped rules."""
    names = [
        rule.get("alert")
        for file in model.RULES.glob("*.yml")
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]
    assert e2e.NEW_MINER in names


def children(parent: int) -> set[int]:
    """Processes that a process has started, and those that they have."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            above = int(stat.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended meanwhile
        if above == parent:
            found |= {int(stat.parent.name), *children(int(stat.parent.name))}
    return found


@pytest.mark.live
@pytest.mark.skipif(prometheus.PROGRAM is None, reason=prometheus.ABSENT)
@pytest.mark.skipif(browser.PROGRAM is None, reason=browser.ABSENT)
@pytest.mark.skipif(bool(page.absent()), reason=page.absent())
def test_stopped_it_leaves_no_process_behind(tmp_path: Path) -> None:
    """Told to stop in the middle, it ends daemon, Prometheus and build, says so, and fails."""
    command = [*COMMAND, "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "prometheus:" in line:
                break
        started = children(running.pid)
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=60)
    assert (running.returncode, said) == (1, "error: told to stop\n")
    assert len(started) >= 3  # the daemon, its worker, Prometheus
    deadline = time.monotonic() + 10
    while alive := [one for one in started if Path(f"/proc/{one}").exists()]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.1)
