"""What every test may count on: the shipped rules, and the helpers in this folder can be imported."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sniffer.ruleset import RuleSet, load_rules

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def ruleset() -> RuleSet:
    """The shipped rules."""
    return load_rules([Path(__file__).parent.parent / "rules"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs root and the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
