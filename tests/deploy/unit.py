"""What the systemd unit says, for the tests that hold it to its word."""

from __future__ import annotations

import subprocess
from pathlib import Path

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "sniffer.service"


def settings(name: str) -> list[str]:
    """Every value that the unit gives to a setting, in order."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")]


def allowed_calls() -> set[str]:
    """System calls that the unit's filter lets through, by the sets of the systemd that is installed."""
    sets: dict[str, list[str]] = {}
    told = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter"], capture_output=True, text=True, check=True
    )
    current: list[str] = []
    for line in told.stdout.splitlines():
        if line.startswith("@"):
            current = sets.setdefault(line.strip(), [])
        elif line.startswith(" ") and not line.lstrip().startswith("#"):
            current.append(line.strip())

    def members(name: str) -> set[str]:
        if not name.startswith("@"):
            return {name}
        return set().union(*(members(one) for one in sets[name]))

    allowed: set[str] = set()
    for value in settings("SystemCallFilter"):
        calls = set().union(*(members(name) for name in value.removeprefix("~").split()))
        allowed = allowed - calls if value.startswith("~") else allowed | calls
    return allowed
