"""JSON of the wire: limits hold, nothing raises, what can be read is read."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.oddities import Oddities
from sniffer.protocols.json_text import methods, parse, skim

HOSTILE = [
    b"[" * 1_460, b'{"a":' * 2_000, b'"' + b"\\" * 16_000, b'{"a":"' + b"x" * 16_000, b"9" * 16_000, b"1e999999", b"-" * 9_000,
    b'{"a":1e400}', b'{"a":NaN}', b"{}}}", b"[,]", b"\xff\xfe{\x00}\x00", b'"\\ud800"', b'{"a":"\x00\x01"}', b'{"\xff":1}',
    b"[" + b"1," * 8_000 + b"1]", b'{"k":[' * 15 + b"]}" * 15, b"tru", b"\xef\xbb\xbf{}",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_cheap(text: bytes) -> None:
    """Each hostile document is decided without an exception and within 5 ms."""
    parse(text, Oddities())
    begun = time.perf_counter()
    parse(text, Oddities())
    assert time.perf_counter() - begun < 0.005


def test_depth() -> None:
    """Sixteen levels are read, seventeen are counted; brackets inside strings do not count."""
    oddities = Oddities()
    assert parse(b"[" * 16 + b"]" * 16, oddities) is not None
    assert parse(b'["' + b"[" * 400 + b'"]', oddities) == ["[" * 400]
    assert parse(b"[" * 17 + b"]" * 17, oddities) is None
    assert oddities.counts["json_depth"] == 1


def test_long_number_becomes_nothing() -> None:
    """A number of more than 32 characters is counted and left out; the rest of the line is read."""
    oddities = Oddities()
    assert parse(b'{"b":' + b"2" * 60 + b',"method":"mining.notify"}', oddities) == {
        "b": None,
        "method": "mining.notify",
    }
    assert oddities.counts["json_number"] == 1
    assert parse(b'{"b":"' + b"2" * 60 + b'"}', oddities) == {"b": "2" * 60}


def test_odd_but_readable() -> None:
    """Lone surrogates, raw control characters and stray bytes do not hide a message."""
    oddities = Oddities()
    assert parse(b'{"a":"\\ud800","b":1}', oddities)["b"] == 1
    assert parse(b'{"a":"\x01","b":1}', oddities)["b"] == 1
    assert parse(b'{"a":"\xff","b":1}', oddities)["b"] == 1


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b'{"method":"x","method":"mining.subscribe"}', ["x", "mining.subscribe"]),
        (b'{"method":"mining.subscribe","method":"x"}', ["mining.subscribe", "x"]),
        (b'{"\\u006dethod":"a","method":"b"}', ["a", "b"]),
        (b'{"params":{"method":"login"},"method":"call"}', ["call"]),
        (b'{"method":7}', []),
    ],
)
def test_methods(text: bytes, wanted: list[str]) -> None:
    """A method given twice is seen twice, however it is spelled; one inside something else is not."""
    assert methods(text, parse(text, Oddities())) == wanted


def test_skim_reads_both_ends() -> None:
    """Scalars of the top level are found at the beginning and at the end, and nowhere else."""
    assert skim(b'{"id":7,"x":{"method":"no"},"method":"yes","params":["', b"") == {"id": 7, "method": "yes"}
    assert skim(b'{"params":["a', b'b","c"],"method":"last","id":3}') == {"method": "last", "id": 3}
    assert skim(b'{"params":[{"', b'"method":"inner"}]}') == {}


@given(st.binary(max_size=300))
def test_any_bytes(text: bytes) -> None:
    """No bytes raise, in either way of reading."""
    parse(text, Oddities())
    skim(text, text)
