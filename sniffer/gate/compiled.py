"""How kernels are compiled: one decorator, so that every kernel is compiled alike.

In: plain Python functions over numpy arrays and integers.  Out: machine code, cached on disk.
Never: object mode, an exception out of compiled code, allocation inside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

from sniffer.garbage import seldom_collected
from sniffer.gate.compiler import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKAGE = Path(__file__).parent.parent
KERNEL_SOURCES = (
    PACKAGE / "model.py",
    *sorted(path for path in PACKAGE.glob("gate/*.py") if not path.name.startswith("plain")),
    PACKAGE / "capture" / "ring.py",
    PACKAGE / "capture" / "walk.py",
)
"""Modules with kernels, and those whose constants are compiled into them."""


def cache_folder() -> Path:
    """Return a private folder for compiled kernels that belongs to exactly these sources.

    numba renews a cached kernel when its own file changes, but not when a kernel that it calls does; a folder
    named after all the sources together cannot be stale.  Kernels are loaded as code, so the folder must not
    be one that others can write to: the fallback is a fresh temporary one (then every start compiles).
    """
    digest = hashlib.sha256()
    for source in KERNEL_SOURCES:
        digest.update(source.read_bytes())
    home = os.environ.get("XDG_CACHE_HOME") or (Path.home() / ".cache" if os.environ.get("HOME") else None)
    for parent in (
        os.environ.get("NUMBA_CACHE_DIR"),
        PACKAGE / "__pycache__",
        home and Path(home) / "sniffer",
    ):
        if not parent:
            continue
        folder = Path(parent) / f"kernels-{digest.hexdigest()[:16]}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            if folder.parent == PACKAGE / "__pycache__":
                forget_old(folder)
            return folder
    return Path(tempfile.mkdtemp(prefix="sniffer-kernels-"))


def forget_old(folder: Path) -> None:
    """Remove the kernels of earlier states of these sources, which nothing will load again."""
    for old in folder.parent.glob("kernels-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)


CACHE = cache_folder()
numba.config.CACHE_DIR = str(CACHE)  # type: ignore[attr-defined]

OPTIONS: dict[str, Any] = {
    "boundscheck": True,
    "nogil": True,
    "error_model": "numpy",
    "_nrt": False,
}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function.

    Bounds are checked on every access: the last line of defence on hostile bytes, measured to cost nothing.

    ``_nrt=False`` leaves out numba's memory manager: a kernel that allocates does not compile, and arrays are handed
    from kernel to kernel without atomic reference counts (a quarter of the time in the gate).
    """
    return Kernel(function, **OPTIONS)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function to be laid into its callers: for what runs for every frame.

    A call between kernels goes through memory; without it the gate takes a sixth less time.  Each caller has a copy to
    compile, so it is for those alone.
    """
    return Kernel(function, **OPTIONS, forceinline=True)


def _prefetch(_: Any, array: Any, __: Any) -> tuple[Any, Callable[..., Any]]:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        memory = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.bitcast(builder.gep(memory.data, [arguments[1]]), cgutils.voidptr_t)
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [cgutils.voidptr_t], kind)
        builder.call(function, [address, number(0), number(3), number(1)])  # to read, to keep, data
        return context.get_dummy_value()

    return types.void(array, types.int64), emit


prefetch: Any = intrinsic(_prefetch)
"""``prefetch(array, index)`` asks for a cache line ahead of its use; no access, so no fault whatever the index is."""


def _move(_: Any, target: Any, to: Any, source: Any, at: Any, size: Any) -> tuple[Any, Callable[..., Any]]:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def address(which: int) -> Any:
            memory = context.make_array(signature.args[which])(context, builder, arguments[which])
            return builder.gep(memory.data, [arguments[which + 1]])

        cgutils.raw_memmove(builder, address(0), address(2), arguments[4], 1)  # type: ignore[no-untyped-call]
        return context.get_dummy_value()

    offset = types.int64
    return types.void(target, offset, source, offset, offset), emit


_raw_move: Any = intrinsic(_move)


@kernel
def copy(target, to, source, at, size):  # type: ignore[no-untyped-def]
    """Copy bytes between arrays of bytes; what does not fit is left out (a slice would need memory for itself)."""
    if to >= 0 and at >= 0 and size > 0 and to + size <= len(target) and at + size <= len(source):
        _raw_move(target, to, source, at, size)


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """While processes compile: one does, the others wait and load what it made."""
    with (CACHE / "lock").open("w") as lock, seldom_collected():
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_warm() -> bool:
    """Whether kernels for these sources, this Python and some machine are on disk: then a start takes a moment only."""
    return any(CACHE.glob(f"**/*.py{sys.version_info.major}{sys.version_info.minor}.nbi"))
