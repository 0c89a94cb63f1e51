"""Numbers as the wire writes them.

In: bytes and an offset.  Out: a 64-bit integer.
Never: a read outside the array, a sign.

Bounds are checked once for a whole number, which is then one load.  Byte by byte, each with a check of its own, the
header walk and the hash of a flow took a quarter longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

from sniffer.gate.compiled import inlined

if TYPE_CHECKING:
    from collections.abc import Callable

OUTSIDE = "a number that is not all inside its array"


def _load(bits: int, *, swap: bool) -> Any:
    """``load(array, index)``: unsigned, of so many bits, its bytes swapped or not; the caller has checked the bounds."""

    def typing(_: Any, array: Any, __: Any) -> tuple[Any, Callable[..., Any]]:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            memory = context.make_array(signature.args[0])(context, builder, arguments[0])
            kind = ir.IntType(bits)
            address = builder.bitcast(builder.gep(memory.data, [arguments[1]]), kind.as_pointer())
            number = builder.load(address, align=1)
            number = builder.bswap(number) if swap else number
            return number if bits == 64 else builder.zext(number, ir.IntType(64))

        return types.uint64(array, types.int64), emit

    return intrinsic(typing)


load16, load32, load64 = (_load(bits, swap=True) for bits in (16, 32, 64))
load16_little, load32_little = (_load(bits, swap=False) for bits in (16, 32))


@inlined
def is_inside(data, at, size):  # type: ignore[no-untyped-def]
    """Whether ``size`` bytes at ``at`` lie inside an array."""
    return np.uint64(at) < np.uint64(max(len(data) - size + 1, 0))  # unsigned: what is negative is too large


@inlined
def u16(data, at):  # type: ignore[no-untyped-def]
    """Big-endian 16-bit number."""
    if not is_inside(data, at, 2):
        raise IndexError(OUTSIDE)
    return np.int64(load16(data, at))


@inlined
def u24(data, at):  # type: ignore[no-untyped-def]
    """Big-endian 24-bit number."""
    return (np.int64(data[at]) << 16) | u16(data, at + 1)


@inlined
def u32(data, at):  # type: ignore[no-untyped-def]
    """Big-endian 32-bit number."""
    if not is_inside(data, at, 4):
        raise IndexError(OUTSIDE)
    return np.int64(load32(data, at))


@inlined
def u64(data, at):  # type: ignore[no-untyped-def]
    """Big-endian 64-bit number, unsigned."""
    if not is_inside(data, at, 8):
        raise IndexError(OUTSIDE)
    return load64(data, at)


@inlined
def le16(data, at):  # type: ignore[no-untyped-def]
    """Little-endian 16-bit number."""
    if not is_inside(data, at, 2):
        raise IndexError(OUTSIDE)
    return np.int64(load16_little(data, at))


@inlined
def le32(data, at):  # type: ignore[no-untyped-def]
    """Little-endian 32-bit number."""
    if not is_inside(data, at, 4):
        raise IndexError(OUTSIDE)
    return np.int64(load32_little(data, at))
