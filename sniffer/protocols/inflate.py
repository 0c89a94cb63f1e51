"""Deflate within bounds: what comes out is limited, and so is the ratio to what went in (robustness.md, T8).

In: compressed bytes.  Out: plain bytes, or None where they cannot be had within the bounds.
Never: memory beyond the limit, a second layer.
"""

from __future__ import annotations

import zlib
from typing import Final

MAX_RATIO: Final = 100
RATIO_FROM: Final = 1_024  # output below this is never too much
GZIP_OR_ZLIB: Final = 47  # zlib's window bits: 32 for the detection of the format, 15 for the largest window
RAW: Final = -15


def inflate(stream: zlib._Decompress, data: bytes, limit: int) -> bytes | None:
    """Plain bytes of a piece of a stream."""
    try:
        out = stream.decompress(data, min(limit, max(RATIO_FROM, MAX_RATIO * len(data))))
    except zlib.error:
        return None
    return None if stream.unconsumed_tail else out


def inflate_whole(data: bytes, limit: int) -> bytes | None:
    """Plain bytes of a text in gzip, zlib, or deflate without either's head (some servers send that)."""
    for bits in (GZIP_OR_ZLIB, RAW):
        out = inflate(zlib.decompressobj(bits), data, limit)
        if out is not None:
            return out
    return None
