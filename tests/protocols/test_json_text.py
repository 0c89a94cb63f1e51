"""JSON of the wire: limits hold, nothing raises, what can be read is read."""

from __future__ import annotations

import time
from typing import Any

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


@pytest.mark.parametrize("value", [b"\\ud800", b"\x01", b"\xff"])
def test_odd_but_readable(value: bytes) -> None:
    """Lone surrogates, raw control characters and stray bytes do not hide a message."""
    document: Any = parse(b'{"a":"' + value + b'","b":1}', Oddities())
    assert document["b"] == 1


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
    document: Any = parse(text, Oddities())
    assert methods(text, document) == wanted


@pytest.mark.parametrize(
    ("head", "tail", "wanted"),
    [
        (
            b'{"id":7,"x":{"method":"no"},"method":"yes","params":["',
            b"",
            {"id": 7, "x": {"method": "no"}, "method": "yes"},
        ),
        (b'{"params":["a', b'b","c"],"method":"last","id":3}', {"method": "last", "id": 3}),
        (b'{"params":[{"', b'"method":"inner"}]}', {}),
        (
            b'{"params":{"id":"a","job":{"blob":"b"},"pass":"x","list":["y","z"],"n":-1.5}',
            b"",
            {"params": {"id": "a", "pass": "x", "n": -1.5}},
        ),
        (b'{"a":{},"b":{ } , "c" : { "d" : "e" }', b"", {"a": {}, "b": {}, "c": {"d": "e"}}),
        (b'{"a":{"b":1},"a":2,"c":{"b":[{"d":1}],"e":3}', b"", {"a": 2, "c": {"e": 3}}),
        (b'[{"method":"in a list"}', b"", {}),
        (
            b'{"a":"{\\"method\\":\\"text\\"}","b":"\\u0063","c":true,"d":null',
            b"",
            {"a": '{"method":"text"}', "b": "c"},
        ),
        (b'{"a":{"b":"never ends', b"", {"a": {}}),
        (b'{"a":1}}}{"b":2', b"", {"a": 1}),
        (b"", b'}],"x":{"method":"no"},"method":"yes"}', {"method": "yes"}),
        (b"", b'],"x":{"inner":"no"},"method":"yes"}\r', {"method": "yes"}),
        (b"", b'"method":"yes" ', {}),
        (b"", b'"method":"yes","id":77', {}),
    ],
)
def test_skim_reads_both_ends(head: bytes, tail: bytes, wanted: dict[str, Any]) -> None:
    """Scalars are found on two levels where the text begins, on one where it ends, and nowhere else."""
    assert skim(head, tail) == wanted


@given(st.binary(max_size=300))
def test_any_bytes(text: bytes) -> None:
    """Fuzz entry: no bytes raise, in either way of reading; skimming keeps only scalars, on two levels."""
    parse(text, Oddities())
    found = skim(text, text)
    inside = [
        part for value in found.values() for part in (value.values() if isinstance(value, dict) else [value])
    ]
    assert not [part for part in inside if isinstance(part, dict | list)]
