"""Deflate within bounds: what comes out is limited, in bytes and in relation to what went in."""

from __future__ import annotations

import gzip
import random
import zlib
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from talk import mangled, pieces

from sniffer.protocols.inflate import GZIP_OR_ZLIB, MAX_RATIO, RATIO_FROM, RAW, inflate, inflate_whole

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = b'{"id":1,"method":"getwork","params":[]}'
LIMIT = 65_536


def raw(data: bytes) -> bytes:
    """Deflate without a head."""
    packer = zlib.compressobj(wbits=RAW)
    return packer.compress(data) + packer.flush()


FORMATS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": partial(gzip.compress, mtime=0),
    "zlib": zlib.compress,
    "raw": raw,
}


@pytest.mark.parametrize("packed", [pack(TEXT) for pack in FORMATS.values()], ids=FORMATS)
def test_formats(packed: bytes) -> None:
    """A text is read in gzip, in zlib and without the head of either; one that is cut, as far as it goes."""
    assert inflate_whole(packed, LIMIT) == TEXT
    assert TEXT.startswith(inflate_whole(packed[:-9], LIMIT) or b"nothing")


@pytest.mark.parametrize(
    "data", [b"", b"\x1f\x8b", TEXT, b"\xff" * 50], ids=["nothing", "half a head", "text", "ones"]
)
def test_what_is_no_deflate(data: bytes) -> None:
    """Bytes that are no compressed text give nothing, and do not raise."""
    assert not inflate_whole(data, LIMIT)


def test_one_layer() -> None:
    """A second layer is not taken off."""
    inner = gzip.compress(TEXT)
    assert inflate_whole(gzip.compress(inner), LIMIT) == inner


@pytest.mark.parametrize("pack", FORMATS.values(), ids=FORMATS)
def test_bomb(pack: Callable[[bytes], bytes]) -> None:
    """More than a hundred times the input is not produced, except where that is little."""
    for size in (100_000, 10_000_000):
        assert inflate_whole(pack(bytes(size)), 100_000_000) is None
    assert inflate_whole(pack(bytes(1_000)), LIMIT) == bytes(1_000)


def test_ratio_that_is_allowed() -> None:
    """A text that shrinks well, but not as well as a bomb, is read."""
    line = b'{"time":"12:00:00","level":"info","text":"accepted"}'
    data = b"".join(line + str(number).encode() for number in range(300))
    packed = gzip.compress(data)
    assert 8 < len(data) / len(packed) < MAX_RATIO
    assert inflate_whole(packed, LIMIT) == data


def test_limit() -> None:
    """No more than the limit comes out, however little it was compressed."""
    data = random.Random(1).randbytes(LIMIT + 1)
    assert inflate_whole(gzip.compress(data), LIMIT) is None
    assert inflate_whole(gzip.compress(data[: LIMIT - 1]), LIMIT) == data[: LIMIT - 1]


def test_stream() -> None:
    """A stream is read piece by piece, each in the light of those before."""
    packer = zlib.compressobj(wbits=RAW)
    stream = zlib.decompressobj(RAW)
    sizes = []
    for number in range(3):
        text = TEXT + str(number).encode()
        piece = packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)
        sizes.append(len(piece))
        assert inflate(stream, piece, LIMIT) == text
    assert sizes[1] < sizes[0] // 2


@settings(max_examples=200, deadline=None)
@given(
    mangled([pack(data) for pack in FORMATS.values() for data in (TEXT, TEXT * 40, bytes(3_000))]), pieces()
)
def test_damaged_bytes(data: bytes, sizes: list[int]) -> None:
    """Fuzz entry: no bytes raise, and what comes out is bounded by the limit and by the ratio."""
    out = inflate_whole(data, 2_000)
    assert len(out or b"") <= min(2_000, max(RATIO_FROM, MAX_RATIO * len(data)))
    stream = zlib.decompressobj(GZIP_OR_ZLIB)
    for number, size in enumerate(sizes):
        piece = data[number * 40 : number * 40 + size]
        assert len(inflate(stream, piece, 500) or b"") <= 500
