"""The command line as a user runs it: a process, its two outputs, its exit status."""

from __future__ import annotations

import subprocess
import sys

COMMAND = (sys.executable, "-c", "from sniffer.cli import main; main()")


def sniffer(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run it."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
