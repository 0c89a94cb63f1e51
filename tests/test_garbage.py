"""When the garbage collector looks."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from sniffer.garbage import SELDOM, not_collected, seldom_collected


def test_it_looks_seldom_for_a_while_only() -> None:
    """What was set before is set again, whatever happens meanwhile; it is never off."""
    before = gc.get_threshold()
    with seldom_collected():
        assert gc.get_threshold() == SELDOM
        assert gc.isenabled()
    assert gc.get_threshold() == before
    with pytest.raises(KeyError), seldom_collected():
        raise KeyError
    assert gc.get_threshold() == before


def test_what_is_kept_is_not_looked_through() -> None:
    """A hundred thousand objects are made and kept without a look at them, then or right afterwards; circles still go."""
    looks: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            looks.append(info["generation"])

    gc.collect()
    gc.callbacks.append(note)
    try:
        with not_collected():
            kept = [[number] for number in range(100_000)]
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() == 0
        assert looks == []
        assert len(gc.get_objects(generation=0)) < 10_000
    finally:
        gc.callbacks.remove(note)
    assert len(kept) == 100_000
    circle: list[object] = []
    circle.append(circle)
    del circle
    assert gc.collect() >= 1


def test_where_it_was_off_it_stays_off() -> None:
    """Inside of another such work, too."""
    gc.disable()
    try:
        with not_collected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
def test_one_heap() -> None:
    """The C library takes it, in a process of its own."""
    code = "import sys; from sniffer.garbage import share_one_heap; sys.exit(0 if share_one_heap() else 9)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_a_process_that_keeps_much_looks_seldom() -> None:
    """From then on, in a process of its own; looking is not off."""
    code = "import gc; from sniffer.garbage import collect_seldom; collect_seldom(); print(gc.get_threshold(), gc.isenabled())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{SELDOM} True"
