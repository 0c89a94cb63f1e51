"""Processor instructions for AES and SHA-256, where the processor has them.

In: numpy arrays and offsets.  Out: one cipher block, one hash block, in place.
Never: a check of bounds: who calls passes arrays of fixed size and offsets that it counts itself.

``aes_mask`` and ``sha_block`` are twins of the kernels of the same names in ``ciphers.py``, which take their place on
processors without these instructions; a test holds them equal.  Sources: Intel Software Developer's Manual, AESENC and
SHA256RNDS2; Gulley and others, Intel SHA Extensions (2013).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable

FEATURES: Final[dict[str, bool]] = dict(binding.get_host_cpu_features())
HAS_AES: Final = FEATURES.get("aes", False)
HAS_SHA: Final = FEATURES.get("sha", False)

WORD: Final = ir.IntType(32)
WORDS: Final = ir.VectorType(WORD, 4)
HALVES: Final = ir.VectorType(ir.IntType(64), 2)
AES_ROUNDS: Final = 10


def number(value: int) -> Any:
    """A constant offset."""
    return ir.Constant(ir.IntType(64), value)


def intrinsic_of(builder: Any, kind: Any, name: str) -> Any:
    """An instruction as LLVM names it."""
    return cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]


def place(context: Any, builder: Any, kind: Any, array: Any, index: Any, vector: Any) -> Any:
    """Address of 16 bytes that begin with an element of an array."""
    memory = context.make_array(kind)(context, builder, array)
    return builder.bitcast(builder.gep(memory.data, [index]), vector.as_pointer())


def _aes_mask(
    _: Any, keys: Any, block: Any, at: Any, source: Any, begin: Any, target: Any, to: Any
) -> tuple[Any, Callable[..., Any]]:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def array(which: int, index: Any) -> Any:
            return place(context, builder, signature.args[which], arguments[which], index, HALVES)

        def key(index: int) -> Any:
            return builder.load(array(0, number(16 * index)), align=1)

        kind = ir.FunctionType(HALVES, [HALVES, HALVES])
        inner = intrinsic_of(builder, kind, "llvm.x86.aesni.aesenc")
        last = intrinsic_of(builder, kind, "llvm.x86.aesni.aesenclast")
        state = builder.xor(builder.load(array(1, arguments[2]), align=1), key(0))
        for index in range(1, AES_ROUNDS):
            state = builder.call(inner, [state, key(index)])
        state = builder.call(last, [state, key(AES_ROUNDS)])
        state = builder.xor(state, builder.load(array(3, arguments[4]), align=1))
        builder.store(state, array(5, arguments[6]), align=1)
        return context.get_dummy_value()

    offset = types.int64
    return types.void(keys, block, offset, source, offset, target, offset), emit


def _sha_block(_: Any, state: Any, block: Any, constants: Any) -> tuple[Any, Callable[..., Any]]:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def array(which: int, index: int) -> Any:
            return place(context, builder, signature.args[which], arguments[which], number(index), WORDS)

        def load(which: int, index: int) -> Any:
            return builder.load(array(which, index), align=1)

        def shuffle(a: Any, b: Any, order: tuple[int, ...]) -> Any:
            return builder.shuffle_vector(a, b, ir.Constant(WORDS, [ir.Constant(WORD, n) for n in order]))

        def function(name: str, count: int) -> Any:
            kind = ir.FunctionType(WORDS, [WORDS] * count)
            return intrinsic_of(builder, kind, f"llvm.x86.sha256{name}")

        rounds, first, second = function("rnds2", 3), function("msg1", 2), function("msg2", 2)
        undefined = ir.Constant(WORDS, ir.Undefined)
        abcd, efgh = load(0, 0), load(0, 4)
        abef, cdgh = shuffle(abcd, efgh, (5, 4, 1, 0)), shuffle(abcd, efgh, (7, 6, 3, 2))
        before = abef, cdgh
        schedule = [load(1, 4 * index) for index in range(4)]
        for index in range(16):
            if index >= 4:
                word = builder.call(first, schedule[:2])
                word = builder.add(word, shuffle(schedule[2], schedule[3], (1, 2, 3, 4)))
                schedule = [*schedule[1:], builder.call(second, [word, schedule[3]])]
            current = builder.add(schedule[min(index, 3)], load(2, 4 * index))
            cdgh = builder.call(rounds, [cdgh, abef, current])
            abef = builder.call(rounds, [abef, cdgh, shuffle(current, undefined, (2, 3, 2, 3))])
        abef, cdgh = builder.add(abef, before[0]), builder.add(cdgh, before[1])
        builder.store(shuffle(abef, cdgh, (3, 2, 7, 6)), array(0, 0), align=1)
        builder.store(shuffle(abef, cdgh, (1, 0, 5, 4)), array(0, 4), align=1)
        return context.get_dummy_value()

    return types.void(state, block, constants), emit


aes_mask: Any = intrinsic(_aes_mask)
"""``aes_mask(keys, block, at, source, begin, target, to)``: AES-128 of 16 bytes of ``block``, combined with 16 bytes of
``source`` by exclusive or, into ``target``."""

sha_block: Any = intrinsic(_sha_block)
"""``sha_block(state, block, constants)``: one block of 16 words into the 8 words of the state."""
