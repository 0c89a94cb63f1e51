"""The systemd unit, as systemd itself reads it."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from deploy.unit import UNIT, allowed_calls, settings

from sniffer import errors

if TYPE_CHECKING:
    from pathlib import Path

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Ask systemd-analyze."""
    command = ["systemd-analyze", "--no-pager", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@needs_systemd
def test_it_exposes_little() -> None:
    """Systemd's own mark for what the service could do to the machine is 2.0 or better."""
    told = analyze("security", "--offline=true", "--threshold=20", UNIT)
    (mark,) = re.findall(r"Overall exposure level for sniffer\.service: ([\d.]+)", told.stdout)
    assert float(mark) <= 2.0
    assert told.returncode == 0


@needs_systemd
def test_it_is_well_formed(tmp_path: Path) -> None:
    """Systemd finds no unknown setting, no wrong value, no manual page that is missing but ours."""
    unit = tmp_path / UNIT.name
    program = shutil.which("true") or "/bin/true"
    unit.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/sniffer/bin/sniffer", program))
    told = analyze("verify", "--man=no", "--recursive-errors=no", unit)
    assert (told.returncode, told.stderr) == (0, "")


@needs_systemd
def test_the_filter_has_no_more_than_it_names() -> None:
    """Of the calls that change privileges or resources, only those named one by one are let through."""
    allowed = allowed_calls()
    assert {"capset", "setrlimit", "prlimit64", "sched_setaffinity", "setpriority"} <= allowed
    assert not allowed & {
        "setuid",
        "chown",
        "chroot",
        "bpf",
        "mount",
        "ptrace",
        "mbind",
        "sched_setscheduler",
    }


@needs_systemd
def test_the_filter_has_what_evidence_takes() -> None:
    """Locks, renames, folders, questions about free space: a bundle can be written under the filter."""
    assert {"flock", "rename", "mkdir", "rmdir", "unlink", "fsync", "ftruncate", "statfs"} <= allowed_calls()


def test_evidence_has_a_place() -> None:
    """The folder that the example configuration names lies below what the service may write."""
    example = (UNIT.parents[1] / "sniffer.yaml").read_text(encoding="utf-8")
    (state,) = settings("StateDirectory")
    assert f"# directory: /var/lib/{state}/evidence" in example


def test_it_checks_before_it_starts() -> None:
    """The configuration that is checked first is the one that the daemon runs with, by the same program."""
    (check,), (run,) = settings("ExecStartPre"), settings("ExecStart")
    assert check == run.replace(" run --config ", " config check ")


def test_it_does_not_try_again_what_cannot_mend() -> None:
    """The statuses that prevent a new start are those of usage, permission and configuration, as the program has them."""
    (statuses,) = settings("RestartPreventExitStatus")
    lasting = {
        errors.UsageError.exit_status,
        errors.AccessError.exit_status,
        errors.ConfigError.exit_status,
    }
    assert {int(status) for status in statuses.split()} == lasting
    assert settings("Restart") == ["on-failure"]


def test_one_capability() -> None:
    """The service has CAP_NET_RAW, and can have nothing else."""
    for name in ("AmbientCapabilities", "CapabilityBoundingSet"):
        assert settings(name) == ["CAP_NET_RAW"]
    assert settings("NoNewPrivileges") == settings("DynamicUser") == ["yes"]
