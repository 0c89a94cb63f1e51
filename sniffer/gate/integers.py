"""Numbers as the wire writes them.

In: bytes and an offset.  Out: a 64-bit integer.
Never: a read outside the array (bounds are checked), a sign.
"""

from __future__ import annotations

import numpy as np

from sniffer.gate.compiled import kernel


@kernel
def u16(data, at):  # type: ignore[no-untyped-def]
    """Big-endian 16-bit number."""
    return (np.int64(data[at]) << 8) | np.int64(data[at + 1])


@kernel
def u24(data, at):  # type: ignore[no-untyped-def]
    """Big-endian 24-bit number."""
    return (np.int64(data[at]) << 16) | u16(data, at + 1)


@kernel
def u32(data, at):  # type: ignore[no-untyped-def]
    """Big-endian 32-bit number."""
    return (u16(data, at) << 16) | u16(data, at + 2)


@kernel
def u64(data, at):  # type: ignore[no-untyped-def]
    """Big-endian 64-bit number, unsigned."""
    return (np.uint64(u32(data, at)) << np.uint64(32)) | np.uint64(u32(data, at + 4))


@kernel
def le16(data, at):  # type: ignore[no-untyped-def]
    """Little-endian 16-bit number."""
    return np.int64(data[at]) | (np.int64(data[at + 1]) << 8)


@kernel
def le32(data, at):  # type: ignore[no-untyped-def]
    """Little-endian 32-bit number."""
    return le16(data, at) | (le16(data, at + 2) << 16)
