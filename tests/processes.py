"""What tests share that have threads and processes beside them: they wait for these, and end them.

In: a condition, a process.  Out: it holds; it has ended.
Never: a wait without an end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait for something that another thread or process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s"
        time.sleep(0.005)


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """End a process, whether it takes the hint within so many seconds or not; one that has ended is fine."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def halted(pid: int) -> Iterator[None]:
    """While a process does nothing, as it does when its disk hangs."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
