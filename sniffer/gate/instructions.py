"""Processor instructions for AES and SHA-256, where the processor has them.

In: numpy arrays and offsets.  Out: cipher blocks, hash blocks, in place.
Never: a check of bounds: who calls passes arrays of fixed size and offsets that it counts itself.

Each is the twin of a kernel in ``ciphers.py``, which takes its place on processors without these instructions; a test
holds them equal.  Sources: Intel Software Developer's Manual, AESENC, AESKEYGENASSIST and SHA256RNDS2; Gueron, Intel
AES New Instructions Set (2010); Gulley and others, Intel SHA Extensions (2013).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FEATURES: Final[dict[str, bool]] = dict(binding.get_host_cpu_features())
HAS_AES: Final = FEATURES.get("aes", False)
HAS_SHA: Final = FEATURES.get("sha", False)

WORD: Final = ir.IntType(32)
WORDS: Final = ir.VectorType(WORD, 4)
HALVES: Final = ir.VectorType(ir.IntType(64), 2)
AES_ROUNDS: Final = 10
ROW: Final = 16  # words of a row in arrays of states, blocks and keys


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


def _aes_expand(_: Any, key: Any, row: Any, keys: Any) -> tuple[Any, Callable[..., Any]]:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def shuffle(a: Any, b: Any, order: tuple[int, ...]) -> Any:
            return builder.shuffle_vector(a, b, vector(order))

        memory = context.make_array(signature.args[0])(context, builder, arguments[0])
        first = builder.gep(memory.data, [builder.mul(arguments[1], number(ROW))])
        words = builder.load(builder.bitcast(first, WORDS.as_pointer()), align=1)
        swap = intrinsic_of(builder, ir.FunctionType(WORDS, [WORDS]), "llvm.bswap.v4i32")
        current = builder.call(swap, [words])
        zeros = vector([0] * 4)
        kind = ir.FunctionType(HALVES, [HALVES, ir.IntType(8)])
        assist = intrinsic_of(builder, kind, "llvm.x86.aesni.aeskeygenassist")
        constant = 1
        for index in range(AES_ROUNDS + 1):
            builder.store(
                builder.bitcast(current, HALVES),
                place(context, builder, signature.args[2], arguments[2], number(16 * index), HALVES),
                align=1,
            )
            mixed = builder.call(
                assist, [builder.bitcast(current, HALVES), ir.Constant(ir.IntType(8), constant)]
            )
            mixed = shuffle(builder.bitcast(mixed, WORDS), zeros, (3, 3, 3, 3))
            moved = current
            for _step in range(3):
                moved = shuffle(zeros, moved, (0, 4, 5, 6))
                current = builder.xor(current, moved)
            current = builder.xor(current, mixed)
            constant = (constant << 1) ^ (0x11B if constant & 0x80 else 0)
        return context.get_dummy_value()

    return types.void(key, types.int64, keys), emit


def _aes_counter(
    _: Any, keys: Any, nonce: Any, counter: Any, source: Any, begin: Any, target: Any, to: Any, blocks: Any
) -> tuple[Any, Callable[..., Any]]:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def array(which: int, index: Any) -> Any:
            return place(context, builder, signature.args[which], arguments[which], index, HALVES)

        round_keys = [builder.load(array(0, number(16 * index)), align=1) for index in range(AES_ROUNDS + 1)]
        base = builder.bitcast(builder.load(array(1, number(0)), align=1), WORDS)
        kind = ir.FunctionType(HALVES, [HALVES, HALVES])
        inner = intrinsic_of(builder, kind, "llvm.x86.aesni.aesenc")
        last = intrinsic_of(builder, kind, "llvm.x86.aesni.aesenclast")

        def encrypt(block: Any, count: int) -> None:
            """``count`` blocks side by side, so that one need not wait for another."""
            numbers = [builder.add(block, number(index)) for index in range(count)]
            states = []
            for one in numbers:
                word = builder.bswap(builder.trunc(builder.add(one, arguments[2]), WORD))
                state = builder.insert_element(base, word, ir.Constant(WORD, 3))
                states.append(builder.xor(builder.bitcast(state, HALVES), round_keys[0]))
            for key in round_keys[1:-1]:
                states = [builder.call(inner, [state, key]) for state in states]
            for one, state in zip(numbers, states, strict=True):
                offset = builder.mul(one, number(16))
                mask = builder.call(last, [state, round_keys[-1]])
                plain = builder.xor(mask, builder.load(array(3, builder.add(arguments[4], offset)), align=1))
                builder.store(plain, array(5, builder.add(arguments[6], offset)), align=1)

        groups = builder.lshr(arguments[7], number(2))
        with cgutils.for_range(builder, groups) as loop:
            encrypt(builder.mul(loop.index, number(4)), 4)
        done = builder.mul(groups, number(4))
        with cgutils.for_range(builder, builder.sub(arguments[7], done)) as loop:
            encrypt(builder.add(done, loop.index), 1)
        return context.get_dummy_value()

    offset = types.int64
    return types.void(keys, nonce, offset, source, offset, target, offset, offset), emit


class Sha:
    """Writes the code of SHA-256 for some states side by side, so that one need not wait for another."""

    def __init__(self, context: Any, builder: Any, constants: Any, kind: Any) -> None:
        self.builder = builder
        self.constants = [
            builder.load(place(context, builder, kind, constants, number(4 * index), WORDS), align=1)
            for index in range(16)
        ]
        self.rounds, self.first, self.second = (
            intrinsic_of(builder, ir.FunctionType(WORDS, [WORDS] * arity), f"llvm.x86.sha256{name}")
            for name, arity in (("rnds2", 3), ("msg1", 2), ("msg2", 2))
        )

    def shuffle(self, a: Any, b: Any, order: tuple[int, ...]) -> Any:
        """Four of the eight words of two vectors."""
        return self.builder.shuffle_vector(a, b, vector(order))

    def compress(
        self, states: Sequence[tuple[Any, Any]], blocks: Sequence[Sequence[Any]]
    ) -> list[tuple[Any, Any]]:
        """A block of four vectors into each state of two."""
        builder = self.builder
        undefined = ir.Constant(WORDS, ir.Undefined)
        abef = [self.shuffle(low, high, (5, 4, 1, 0)) for low, high in states]
        cdgh = [self.shuffle(low, high, (7, 6, 3, 2)) for low, high in states]
        before = [*zip(abef, cdgh, strict=True)]
        schedules = [list(block) for block in blocks]
        for index in range(16):
            for row, schedule in enumerate(schedules):
                if index >= 4:
                    word = builder.call(self.first, schedule[:2])
                    word = builder.add(word, self.shuffle(schedule[2], schedule[3], (1, 2, 3, 4)))
                    schedule[:] = [*schedule[1:], builder.call(self.second, [word, schedule[3]])]
                current = builder.add(schedule[min(index, 3)], self.constants[index])
                cdgh[row] = builder.call(self.rounds, [cdgh[row], abef[row], current])
                turned = self.shuffle(current, undefined, (2, 3, 2, 3))
                abef[row] = builder.call(self.rounds, [abef[row], cdgh[row], turned])
        out = []
        for row, (first, second) in enumerate(before):
            a, c = builder.add(abef[row], first), builder.add(cdgh[row], second)
            out.append((self.shuffle(a, c, (3, 2, 7, 6)), self.shuffle(a, c, (1, 0, 5, 4))))
        return out


def vector(values: Sequence[int]) -> Any:
    """A vector of four constant words."""
    return ir.Constant(WORDS, [ir.Constant(WORD, value) for value in values])


def row_of(context: Any, builder: Any, kind: Any, array: Any, row: Any, index: int) -> Any:
    """Address of four words in a row of an array of rows."""
    memory = context.make_array(kind)(context, builder, array).data
    first = builder.add(builder.mul(row, number(ROW)), number(index))
    return builder.bitcast(builder.gep(memory, [first]), WORDS.as_pointer())


def _hmac_pads(_: Any, rows: Any, key: Any, start: Any, constants: Any) -> tuple[Any, Callable[..., Any]]:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sha = Sha(context, builder, arguments[3], signature.args[3])

        def row(number_of_it: Any, index: int) -> Any:
            return row_of(context, builder, signature.args[0], arguments[0], number_of_it, index)

        halves = [builder.load(row(arguments[1], index), align=1) for index in (0, 4)]
        begun = tuple(
            builder.load(
                place(context, builder, signature.args[2], arguments[2], number(index), WORDS), align=1
            )
            for index in (0, 4)
        )
        blocks = []
        for pad in (0x36363636, 0x5C5C5C5C):
            filled = vector([pad] * 4)
            blocks.append([builder.xor(half, filled) for half in halves] + [filled, filled])
        for which, state in enumerate(sha.compress([begun, begun], blocks)):
            for index, half in zip((0, 4), state, strict=True):
                builder.store(half, row(number(which), index), align=1)
        return context.get_dummy_value()

    return types.void(rows, types.int64, start, constants), emit


def _hmac_rows(count: int) -> Callable[..., tuple[Any, Callable[..., Any]]]:
    def typing(
        _: Any, rows: Any, to: Any, messages: Any, first: Any, constants: Any
    ) -> tuple[Any, Callable[..., Any]]:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            sha = Sha(context, builder, arguments[4], signature.args[4])

            def row(which: int, number_of_it: Any, index: int) -> Any:
                return row_of(context, builder, signature.args[which], arguments[which], number_of_it, index)

            def state(number_of_it: int) -> tuple[Any, Any]:
                low, high = (builder.load(row(0, number(number_of_it), index), align=1) for index in (0, 4))
                return low, high

            blocks = [
                [
                    builder.load(row(2, builder.add(arguments[3], number(one)), 4 * index), align=1)
                    for index in range(4)
                ]
                for one in range(count)
            ]
            inner = sha.compress([state(0)] * count, blocks)
            rest = [vector([0x80000000, 0, 0, 0]), vector([0, 0, 0, (64 + 32) * 8])]
            outer = sha.compress([state(1)] * count, [[low, high, *rest] for low, high in inner])
            for one, digest in enumerate(outer):
                for index, half in zip((0, 4), digest, strict=True):
                    target = row(0, builder.add(arguments[1], number(one)), index)
                    builder.store(half, target, align=1)
            return context.get_dummy_value()

        offset = types.int64
        return types.void(rows, offset, messages, offset, constants), emit

    return typing


aes_expand: Any = intrinsic(_aes_expand)
"""``aes_expand(key, row, keys)``: the round keys of a row of ``key``, whose first four words are the key."""

aes_counter: Any = intrinsic(_aes_counter)
"""``aes_counter(keys, nonce, counter, source, begin, target, to, blocks)``: AES-128 of so many blocks that begin with
12 bytes of ``nonce`` and end in a counter, combined with ``source`` by exclusive or, into ``target``."""

hmac_pads: Any = intrinsic(_hmac_pads)
"""``hmac_pads(rows, key, start, constants)``: hash states behind the inner and the outer pad of the eight words that row
``key`` begins with, into rows 0 and 1."""

hmac_rows: Final[dict[int, Any]] = {count: intrinsic(_hmac_rows(count)) for count in (1, 3)}
"""``hmac_rows[n](rows, to, messages, first, constants)``: HMAC of n rows of ``messages``, each one padded block, under
the pads in rows 0 and 1, into rows from ``to`` on."""
