"""What a process costs: seconds, CPU time and memory of whole processes, pinned to one core.

In: a command.  Out: its :class:`Cost`, and what it said.
Never: a figure of this process; numpy and its like, because a child's peak memory begins with its parent's.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class FailedError(Exception):
    """A command did not do what it is measured for; says which and what it said last."""


@dataclass(frozen=True)
class Cost:
    """One run of one process, with all that it waited for."""

    wall: float  # seconds
    cpu: float  # seconds, user and system
    peak: float  # MiB resident at most
    output: bytes  # of standard output and standard error


def measure(
    command: Sequence[str],
    *,
    memory: int = 0,
    environment: Mapping[str, str] | None = None,
    good: Iterable[int] = (0,),
) -> Cost:
    """Run a command to its end.

    Args:
        command: its words.
        memory: address space that it may take, bytes; 0: as much as there is.
        environment: variables beside those of this process.
        good: statuses that mean success.

    Raises:
        FailedError: it ended with another status.
    """
    with tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env={**os.environ, **(environment or {})},
        )
        if memory:
            resource.prlimit(process.pid, resource.RLIMIT_AS, (memory, memory))
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)  # so that subprocess does not wait for it
        said.seek(0)
        output = said.read()
    if process.returncode not in good:
        last = (output.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise FailedError(f"{Path(command[0]).name} … ended with status {process.returncode}: {last[:300]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1_024, output)


def pin(core: int) -> None:
    """Keep this process, and all that it starts, on one core."""
    os.sched_setaffinity(0, {core})


def spread(values: Sequence[float], places: int = 2) -> str:
    """Median, lowest and highest, for a person."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{places}f} ({low:.{places}f} to {high:.{places}f})"


def processor() -> str:
    """Name of the processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")),
        "unknown",
    )


def conditions(core: int | None) -> str:
    """Where and how busy: what a figure means nothing without.  ``core``: the one in use, None for all."""
    load = os.getloadavg()[0]
    return (
        f"{processor()}, {os.cpu_count()} processors, {'all' if core is None else f'core {core}'}; Python {platform.python_version()}; "
        f"load at the begin {load:.1f}{' - NOT IDLE, figures are noisy' if load > 0.5 else ''}"
    )
