"""Streams of bytes: gzip in all its shapes gives what was packed or a fault."""

from __future__ import annotations

import gzip
import io
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.capture import stream
from sniffer.capture.faults import Fault
from sniffer.capture.stream import Gunzip

TEXT = random.Random(7).randbytes(3_000) + bytes(3_000)


def drain(data: bytes, piece: int = 1_000) -> tuple[bytes, str]:
    """Unpack; return the bytes and the code of the fault at the end, if there is one."""
    source, memory, out = Gunzip(io.BytesIO(data)), bytearray(piece), b""
    try:
        while count := source.readinto(memoryview(memory)):
            out += memory[:count]
    except Fault as fault:
        return out, fault.code
    return out, ""


@pytest.mark.parametrize("piece", [1, 7, 1_000, 1 << 20])
def test_members_follow_one_another(piece: int) -> None:
    """Several members, empty ones too, and zeros as padding between and behind them."""
    packed = gzip.compress(TEXT) + gzip.compress(b"") + bytes(9) + gzip.compress(b"end") + bytes(512)
    assert drain(packed, piece) == (TEXT + b"end", "")


@given(cut=st.integers(1, 3_100), piece=st.sampled_from([50, 5_000]))
def test_cut_gzip_gives_what_is_there(cut: int, piece: int) -> None:
    """A cut file unpacks to the start of what was packed, then says that it was cut."""
    packed = gzip.compress(TEXT)
    out, code = drain(packed[:cut], piece)
    assert TEXT.startswith(out)
    assert code == ("gzip_cut" if cut < len(packed) else "")


@given(place=st.integers(0, 3_050), value=st.integers(1, 255))
def test_damaged_gzip_ends_in_a_fault_or_whole(place: int, value: int) -> None:
    """A changed byte is found out, by the checksum at the latest, unless it changes nothing."""
    packed = bytearray(gzip.compress(TEXT, mtime=0))
    place %= len(packed)
    packed[place] ^= value
    out, code = drain(bytes(packed))
    assert code in ("gzip_broken", "gzip_cut") or out == TEXT


def test_what_lies_before_the_damage_is_unpacked() -> None:
    """Not only pieces before the damaged one: everything up to the wrong checksum."""
    packed = gzip.compress(TEXT)
    assert drain(packed[:-8] + bytes(8), 1 << 20) == (TEXT, "gzip_broken")


def test_the_ratio_is_bounded_beyond_a_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little may unpack to much; much may not unpack to more than so many times as much."""
    monkeypatch.setattr(stream, "RATIO_FLOOR", 1 << 20)
    monkeypatch.setattr(stream, "PIECE", 4 << 10)
    small = gzip.compress(bytes(1 << 20))
    assert drain(small, 1 << 20) == (bytes(1 << 20), "")
    out, code = drain(gzip.compress(bytes(16 << 20)), 1 << 20)
    assert code == "gzip_ratio"
    assert 0 < len(out) < 8 << 20


def test_ordinary_data_stay_below_the_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of equal packets whose times differ unpacks from the first byte on."""
    monkeypatch.setattr(stream, "RATIO_FLOOR", 0)
    flood = b"".join(number.to_bytes(8, "little") + bytes(1_500) for number in range(4_000))
    assert drain(gzip.compress(flood), 1 << 20) == (flood, "")


def test_other_gzip_headers() -> None:
    """Name, comment and extra field in a member's header are no obstacle."""
    body = zlib.compressobj(9, zlib.DEFLATED, -15)
    deflated = body.compress(b"abc") + body.flush()
    head = b"\x1f\x8b\x08\x1c" + bytes(6) + b"\x03\x00xyzname\0comment\0"
    packed = head + deflated + zlib.crc32(b"abc").to_bytes(4, "little") + (3).to_bytes(4, "little")
    assert drain(packed) == (b"abc", "")
