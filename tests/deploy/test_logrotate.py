"""The logrotate file, with the real logrotate and a real daemon."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from control.conftest import miner  # noqa: F401  # a fixture
from control.test_daemon import start  # noqa: F401  # a fixture

if TYPE_CHECKING:
    from collections.abc import Callable

    from control.test_daemon import Daemon

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("logrotate") is None, reason="logrotate is not installed"),
]

FILE = Path(__file__).parents[2] / "deploy" / "logrotate" / "sniffer"


def test_no_line_is_lost_when_files_are_rotated(
    start: Callable[..., Daemon],  # noqa: F811
    miner: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    """After a rotation the old file has the old lines, the daemon writes into a new one; after the next, the old is packed."""
    tmp_path.chmod(0o755)
    daemon = start("--replay", miner)
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    daemon.until(lambda: daemon.metric("sniffer_sink_written_total") == 1, "the line")
    config = tmp_path / "logrotate.conf"
    text = FILE.read_text(encoding="utf-8").replace("/var/log/sniffer/", f"{tmp_path}/")
    config.write_text(text, encoding="utf-8")
    config.chmod(0o644)
    programs = tmp_path / "bin"
    programs.mkdir()
    # What systemd would do: say whether it runs, and the unit's ExecReload.
    signal = f'[ "$1" = reload ] && exec kill -HUP {daemon.process.pid} || exec kill -0 {daemon.process.pid}'
    systemctl = f'#!/bin/sh\necho "$*" >> {tmp_path}/asked\n{signal} 2>/dev/null\n'
    (programs / "systemctl").write_text(systemctl, encoding="utf-8")
    (programs / "systemctl").chmod(0o755)

    def rotate() -> None:
        done = subprocess.run(
            ["logrotate", "--force", "--state", tmp_path / "state", config],
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}:/usr/sbin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")

    rotate()
    daemon.until(daemon.events.exists, "the new file", 20)
    first = daemon.events.with_name("events.json.1")
    assert first.read_bytes().count(b'"event_type":"alert"') == 1
    asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
    assert asked == ["is-active --quiet sniffer.service", "reload sniffer.service"]
    assert daemon.stop()[0] == 0
    assert b'"stats"' in daemon.events.read_bytes()
    assert first.read_bytes().count(b"\n") == 1
    rotate()
    assert daemon.events.with_name("events.json.2.gz").exists()
    assert first.read_bytes().count(b"\n") == 1  # the last line of the daemon
