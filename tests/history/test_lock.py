"""The lock: one daemon at a time, for as long as it or its writer lives."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from sniffer.errors import OutputError
from sniffer.history.lock import Lock

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_one_is_refused(tmp_path: Path) -> None:
    """At once unless it is patient, then within its time; when the first has let go, it may."""
    path = tmp_path / "history.db"
    first = Lock(path)
    began = time.monotonic()
    with pytest.raises(OutputError, match="another process writes this history"):
        Lock(path)
    assert time.monotonic() - began < 0.2
    with pytest.raises(OutputError, match="another process"):
        Lock(path, 0.3)
    assert 0.3 <= time.monotonic() - began < 2
    first.release()
    Lock(path).release()


def test_a_patient_one_gets_it(tmp_path: Path) -> None:
    """When the first lets go within its time."""
    first = Lock(tmp_path / "history.db")
    timer = threading.Timer(0.2, first.release)
    timer.start()
    Lock(tmp_path / "history.db", 10).release()
    timer.join()


def test_who_inherits_it_holds_it(tmp_path: Path) -> None:
    """A process that was given the descriptor, after whoever took the lock has let go; its death is the end of that."""
    path = tmp_path / "history.db"
    lock = Lock(path)
    heir = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock.fileno(),)
    )
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    lock.release()
    with pytest.raises(OutputError):
        Lock(path)
    heir.kill()
    heir.wait()
    Lock(path).release()
    assert other.poll() is None  # it was not given it
    for process in (heir, other):
        process.kill()
        process.communicate()


def test_a_place_that_cannot_be(tmp_path: Path) -> None:
    """What, where, what to do."""
    with pytest.raises(OutputError, match="cannot be written: No such file") as told:
        Lock(tmp_path / "none" / "history.db")
    assert told.value.remedy.startswith("set history.file to a path")
    (tmp_path / "history.db.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="cannot be written"):
        Lock(tmp_path / "history.db")
    assert not (tmp_path / "elsewhere").exists()
