"""How kernels become machine code: each is translated once, as a part; machine code is made of the whole.

In: plain Python functions.  Out: what Python and other kernels call.
Never: machine code for a kernel that is only called by others.

Left alone, numba makes machine code of every function it meets, wrapped for Python and for C and optimised by itself,
then lays it into each of its callers, which are optimised again, and so on up to the one that Python calls.  Of two
hundred kernels Python calls six.  So a kernel called by another is a *part*: translated, typed, kept as LLVM text.  One
called by Python is a *whole*: all parts below it are put together, and only then is anything optimised (decision 0018).

Everything here stands on what numba offers to extend it: a compiler of our own passes, a library, a dispatcher.
"""

# mypy: disable-error-code="misc,no-untyped-call"
# numba has hardly any types, so what is made of its classes counts as untyped.

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from numba.core import event, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager
from numba.core.imputils import lower_cast
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import (
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.untyped_passes import (
    FixupArgs,
    GenericRewrites,
    IRProcessing,
    ReconstructSSA,
    TranslateByteCode,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PASSES = (
    TranslateByteCode,
    FixupArgs,
    IRProcessing,
    GenericRewrites,
    ReconstructSSA,
    NopythonTypeInference,
    PreLowerStripPhis,
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
)
"""What numba does with a function, less what kernels have no use for: closures, ``with``, comprehensions, inlining of
Python code.  A kernel that has one of these does not compile."""

COMPILING: Final = "numba:compile"  # the event that numba tells of
NO_WRAPPERS: Final = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


class Part(JITCodeLibrary):
    """LLVM code of one kernel, neither optimised nor made machine code of; only wholes link it."""

    def finalize(self) -> None:
        """Close it as it is."""
        self._finalized = True

    def get_pointer_to_function(self, _name: str) -> int:
        """Nothing in here has an address."""
        return 0


class Whole(JITCodeLibrary):
    """A kernel that Python calls, with all parts that it needs."""

    def add_linking_library(self, library: Any) -> None:
        """Link what is called, then what that calls: the linker keeps only what was asked for before."""
        if library in self._linking_libraries:
            return
        super().add_linking_library(library)
        if isinstance(library, Part):
            for further in library._linking_libraries:  # noqa: SLF001
                self.add_linking_library(further)


class KernelCompiler(CompilerBase):
    """The passes, and a library for what comes of them."""

    library: type[JITCodeLibrary]

    def define_pipelines(self) -> list[PassManager]:
        """See the base class."""
        state = self.state
        state.library = self.library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        passes = PassManager("kernel")
        for one in PASSES:
            passes.add_pass(one, one.__name__)
        passes.finalize()
        return [passes]


class WholeCompiler(KernelCompiler):
    """Compiles what Python calls."""

    library = Whole


class PartCompiler(KernelCompiler):
    """Compiles what kernels call."""

    library = Part

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # Instead of a function that Python could call: its description, by which its callers find it again.  The
        # context is a copy for this compilation.
        self.state.targetctx.get_executable = lambda _library, description, _environment: description


def kind_of(argument: Any) -> Any:
    """The type of an argument without its value, or without the size of an array inside a record."""
    if isinstance(argument, types.NestedArray):
        return types.Array(argument.dtype, argument.ndim, "C")
    return types.unliteral(argument)


@lower_cast(types.NestedArray, types.Array)
def nested_to_array(_context: Any, _builder: Any, _from: Any, _to: Any, value: Any) -> Any:
    """An array inside a record is laid out like any other."""
    return value


class PartDispatcher(CPUDispatcher):
    """A kernel as other kernels see it."""

    def get_call_template(self, arguments: Any, keywords: Any) -> Any:
        """Compile for the kinds of arguments, not for each constant and each size: optimising sees to these."""
        return super().get_call_template([kind_of(argument) for argument in arguments], keywords)

    def add_overload(self, result: Any) -> None:
        """Keep what was compiled from Python, which has nothing to call here."""
        self.overloads[tuple(result.signature.args)] = result


class Kernel(CPUDispatcher):
    """A kernel as Python sees it."""

    made = 0  # how many there are

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        """Make kernels of functions with ``numba.njit``'s options; machine code is kept on disk."""
        Kernel.made += 1
        super().__init__(function, targetoptions={**options, "nopython": True}, pipeline_class=WholeCompiler)
        self.enable_caching()
        options = {**self.targetoptions, **NO_WRAPPERS}
        self.part = PartDispatcher(function, targetoptions=options, pipeline_class=PartCompiler)

    @property
    def _numba_type_(self) -> Any:
        """What the name of this kernel means inside another."""
        return types.Dispatcher(self.part)


class Watch(event.Listener):
    """Counts kernels as they are compiled."""

    def __init__(self, tell: Callable[[int, int], None]) -> None:
        self._tell = tell
        self._done = 0

    def on_start(self, _event: Any) -> None:
        """A kernel is begun; those that it calls come before it is done."""
        self._tell(self._done, max(self._done, Kernel.made))

    def on_end(self, _event: Any) -> None:
        """A kernel is done."""
        self._done += 1


@contextlib.contextmanager
def watched(tell: Callable[[int, int], None]) -> Iterator[None]:
    """Tell of each kernel that is compiled, as it is begun: how many are done, of about how many.

    Kernels that are on disk are only loaded; of these nothing is told.
    """
    watch = Watch(tell)
    event.register(COMPILING, watch)
    try:
        yield
    finally:
        event.unregister(COMPILING, watch)
