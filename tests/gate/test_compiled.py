"""How kernels are compiled and where they are kept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import pytest

from sniffer.gate import compiled, compiler
from sniffer.gate.gate import Gate, warm_up

if TYPE_CHECKING:
    from pathlib import Path


@compiled.kernel
def element(data, at):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """One element, after asking for its cache line."""
    compiled.prefetch(data, at)
    return data[at]


@compiled.kernel
def first_two(data):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Two elements, by way of another kernel."""
    return element(data, 0) + element(data, 1)


def test_bounds_are_checked() -> None:
    """A read beyond the memory ends in an error, not in other people's bytes."""
    data = np.arange(4, dtype=np.uint8)
    assert element(data, 3) == 3
    with pytest.raises(IndexError):
        element(data, 4)


def test_bounds_are_checked_in_kernels_that_kernels_call() -> None:
    """What is not machine code by itself is as safe as what is."""
    assert first_two(np.array([3, 4], dtype=np.uint8)) == 7
    with pytest.raises(IndexError):
        first_two(np.array([3], dtype=np.uint8))


@pytest.fixture
def not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels of a test are compiled each time."""
    monkeypatch.setattr(compiled.Kernel, "enable_caching", lambda _: None)


@pytest.mark.usefixtures("not_kept")
def test_a_kernel_that_allocates_does_not_compile() -> None:
    """So that none can be written by accident."""

    @compiled.kernel
    def allocates(size: int) -> object:
        return np.zeros(size)

    with pytest.raises(numba.core.errors.NumbaError):
        allocates(4)


@pytest.mark.usefixtures("not_kept")
def test_a_kernel_that_needs_more_of_python_does_not_compile() -> None:
    """A closure is refused: it is not taken for something else."""

    @compiled.kernel
    def encloses(size: int) -> int:
        def inside() -> int:
            return size

        return inside()

    with pytest.raises(numba.core.errors.NumbaError):
        encloses(4)


@pytest.mark.usefixtures("not_kept")
def test_a_kernel_is_machine_code_only_where_python_calls_it() -> None:
    """One that kernels call is translated once, whatever constants it is called with, and laid into them."""

    @compiled.kernel
    def part(data: Any, at: int) -> Any:
        return data[at]

    @compiled.kernel
    def whole(data: Any) -> Any:
        return part(data, 0) + part(data, 1) + part(data, len(data) - 1)

    assert whole(np.array([1, 2, 3], dtype=np.uint8)) == 6
    assert len(whole.signatures) == 1
    assert not part.signatures
    assert len(part.part.signatures) == 1
    assert part(np.array([1, 2, 3], dtype=np.uint8), 1) == 2  # now it does
    assert len(part.signatures) == 1


@pytest.mark.usefixtures("not_kept")
def test_the_size_of_an_array_in_a_record_makes_no_other_kernel() -> None:
    """What is called with arrays of several sizes, inside records or not, is translated once and reads each rightly."""

    @compiled.kernel
    def last(data: Any) -> Any:
        return data[len(data) - 1]

    @compiled.kernel
    def whole(record: Any, data: Any) -> Any:
        return last(record.short) * 10_000 + last(record.long) * 100 + last(data)

    record = np.zeros(1, dtype=[("short", np.uint8, 3), ("long", np.uint8, 7)])
    record["short"][0, 2], record["long"][0, 6] = 1, 2
    assert whole(record[0], np.array([9, 3], dtype=np.uint8)) == 10_203
    assert len(last.part.signatures) == 1


@pytest.mark.usefixtures("not_kept")
def test_kernels_are_told_of_as_they_are_compiled() -> None:
    """The first at once, none that is there already, and never more done than there are."""

    @compiled.kernel
    def low(value: int) -> int:
        return value + 1

    @compiled.kernel
    def high(value: int) -> int:
        return low(value)

    told: list[tuple[int, int]] = []
    with compiler.watched(lambda done, about: told.append((done, about))):
        high(1)
        assert [done for done, _ in told] == [0, 0]  # high is begun, which begins low
        low(1)
        assert [done for done, _ in told] == [0, 0, 2]
        high(2)
        warm_up()
    assert [done for done, _ in told] == [0, 0, 2]
    assert all(done < about for done, about in told)


@pytest.mark.usefixtures("not_kept")
def test_a_kernel_may_be_called_along_several_ways() -> None:
    """The parts below a whole are linked once each, in whatever order they are met."""

    @compiled.kernel
    def lowest(value: int) -> int:
        return value + 1

    @compiled.kernel
    def low(value: int) -> int:
        return lowest(value) * 10

    @compiled.inlined
    def high(value: int) -> int:
        return low(value) + lowest(value)

    @compiled.kernel
    def top(value: int) -> int:
        return low(value) + high(value) + lowest(value)

    assert top(0) == 10 + 11 + 1


def test_kernels_are_loaded_from_disk_in_a_moment() -> None:
    """The second process on the same sources compiles nothing."""
    warm_up()
    assert compiled.is_warm()
    code = "import time, sniffer.gate.gate as g; t = time.perf_counter(); g.warm_up(); print(time.perf_counter() - t)"
    seconds = float(
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    )
    assert seconds < 1.0


def test_nothing_is_compiled_once_warm() -> None:
    """All kinds of frames meet kernels that are there already."""
    warm_up()
    known = len(Gate.judge.__globals__["decide"].pass_batch.signatures)
    gate = Gate([("pool.example", True)], flows=16, every_name=True)
    import gate_frames as wire  # noqa: PLC0415

    begin = time.perf_counter()
    gate.judge(wire.batch([wire.Connection().up(wire.LOGIN)] * 40))
    assert time.perf_counter() - begin < 0.5
    assert len(Gate.judge.__globals__["decide"].pass_batch.signatures) == known == 1


def test_every_kernel_belongs_to_the_sources() -> None:
    """A change of any module that has kernels compiles them anew."""
    with_kernels = {
        path
        for path in compiled.PACKAGE.rglob("*.py")
        if path.name != "compiled.py" and {"@kernel", "@inlined"} & set(path.read_text().splitlines())
    }
    assert with_kernels
    assert with_kernels <= set(compiled.KERNEL_SOURCES)


def test_one_process_compiles_at_a_time() -> None:
    """A second process waits for the first."""
    code = "from sniffer.gate.compiled import one_at_a_time as o; print('up', flush=True); o().__enter__(); print('in', flush=True)"
    with compiled.one_at_a_time():
        other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        assert other.stdout.readline() == "up\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.3)
    assert other.communicate(timeout=30)[0] == "in\n"


def test_the_folder_belongs_to_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other sources, other folder; nobody else may write to it."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kept"))
    one = compiled.cache_folder()
    assert one.parent == tmp_path / "kept"
    assert one.stat().st_mode & 0o777 == 0o700
    other = tmp_path / "kernel.py"
    other.write_text("changed")
    monkeypatch.setattr(compiled, "KERNEL_SOURCES", (*compiled.KERNEL_SOURCES, other))
    assert compiled.cache_folder() != one


def test_where_nothing_can_be_kept_a_fresh_folder_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only installation without a home still starts."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(compiled, "PACKAGE", tmp_path / "file")
    folder = compiled.cache_folder()
    assert folder.is_dir()
    assert os.access(folder, os.W_OK)
    folder.rmdir()


def test_kernels_of_another_python_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that another version of Python has filled is cold for this one: its start has to compile."""
    monkeypatch.setattr(compiled, "CACHE", tmp_path)
    (tmp_path / "gate").mkdir()
    (tmp_path / "gate" / "decide.walk-1.py39.nbi").touch()
    assert not compiled.is_warm()
    (tmp_path / "gate" / f"decide.walk-1.py3{sys.version_info.minor}.nbi").touch()
    assert compiled.is_warm()
