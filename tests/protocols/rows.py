"""Tables of what is said and what must be read: short names, and what holds for every reading."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from talk import CLIENT, KEY, Talk, changed, frame, line, request, response

import sniffer
from sniffer.protocols.facts import FACTS
from sniffer.ruleset import RuleSet, load_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_DIFFICULTY = 1e18
MAX_TEXT = 640
SHORT = {"family": "mining.protocol"}

H64 = "ab" * 32
"""A hash."""
X64 = "0x" + H64
"""A hash, as Ethereum writes it."""
MONERO = "48edfHu7V9Z84YzzMa6fUueoELZ9ZRXq9VetWzYGzKt52XU5xvqgzYnDK9URnRoJMk1j8nLwEVsaSWJ4fhdUyZijBGUicoD"
ETHEREUM = "0x4b999ba68e017854ffb6b494bc2ddb9ef02bd745"
BLOB = "10" * 76


def call(method: str, params: Any = None, number: Any = 1, **more: Any) -> dict[str, Any]:
    """A request or notification."""
    return {"id": number, "method": method, "params": params, **more}


def reply(result: Any, number: Any = 1, error: Any = None, **more: Any) -> dict[str, Any]:
    """A reply."""
    return {"id": number, "result": result, "error": error, **more}


def say(*said: tuple[int, Any], **options: Any) -> Talk:
    """Say documents as lines, and bytes and text as they are."""
    talk = Talk(**options)
    for side, what in said:
        talk.say(side, what if isinstance(what, bytes | str) else line(what))
    return talk


def say_in_frames(*said: tuple[int, Any], **options: Any) -> Talk:
    """Say documents in messages of WebSocket."""
    talk = Talk(**options)
    for side, what in said:
        talk.say(side, frame(json.dumps(what), key=KEY if side == CLIENT else b""))
    return talk


def say_over_http(
    *said: tuple[int, Any], fields: Sequence[str] = (), target: str = "/", **options: Any
) -> Talk:
    """Say documents in bodies of HTTP; ``fields`` and ``target`` are those of every request."""
    talk = Talk(**options)
    for side, what in said:
        body = json.dumps(what)
        talk.say(side, request(body, *fields, target=target) if side == CLIENT else response(body))
    return talk


def told(talk: Talk, wanted: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What mining messages and hints told, each cut down to the names that are wanted of it.

    Names are those of facts without ``mining.``; what is wanted as None must not be told.
    """
    found = [facts.values for facts in talk.facts if "mining.protocol" in facts.values]
    rows = [*wanted, *[{"message": ""}] * len(found)]
    return [
        {name: values.get(name if "." in name else SHORT.get(name, f"mining.{name}")) for name in row}
        for values, row in zip(found, rows, strict=False)
    ]


def about(number: float) -> Any:
    """A number within 0.1 percent."""
    return pytest.approx(number, rel=1e-3)


@functools.cache
def ruleset() -> RuleSet:
    """The rules that ship."""
    return load_rules([Path(sniffer.__file__).parent.parent / "rules"])


def assert_sound(talk: Talk) -> None:
    """Every fact is declared and has its type; numbers are finite and can be; a rule matches."""
    for facts in talk.facts:
        for name, value in facts.values.items():
            assert type(value) is FACTS[name].type, (name, value)
            if isinstance(value, str):
                assert 0 < len(value) <= MAX_TEXT, name
            if isinstance(value, float):
                assert math.isfinite(value), name
                assert value >= 0, name
        assert 0 < facts.values.get("mining.difficulty", 1) <= MAX_DIFFICULTY
        assert facts.values.get("mining.hashes_per_share", 1) > 0
        assert "mining.protocol" not in facts.values or ruleset().match(facts.values), facts


def paths(document: Any, start: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every member and element of a document."""
    found = [start] if start else []
    inside = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    for key, value in inside:
        found += paths(value, (*start, key))
    return found


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of a document with another value in one place."""
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = put(document[path[0]], path[1:], value)
    return copy


LIKELY = st.sampled_from([
    "", "0", "0x", "0X00", "0x" + "ab" * 4, "0X" + "ab" * 8, "0x" + "ab" * 32, "00" * 4, "00" * 8, "00" * 32,
    "f" * 63, H64,
    "ab" * 80, "ab" * 1_000, "0x" + "ab" * 79, "1e999", "-1", "nan", "\u0663", ".", "a.", ".b", "/", "a/b/c",
    "\ud800", "x" * 2_000, 0, -1, 1e308,
    2**63, 2**70, -(2**70), True, None, [], {}, [[]], [None], [True], [{}], {"": None}, [[["mining.notify"]]],
    [H64] * 12,
])  # fmt: skip
"""Values that have something of those that are looked for."""


def swapped(document: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A document with one value, at any depth, in the place of another."""
    return st.tuples(st.sampled_from(paths(document)), LIKELY).map(lambda pair: put(document, *pair))


def altered(seeds: Sequence[tuple[int, dict[str, Any]]]) -> st.SearchStrategy[list[tuple[int, Any]]]:
    """Some of the seeds in any order, any of them with other values in it."""
    one = [st.tuples(st.just(side), st.just(seed) | changed(seed) | swapped(seed)) for side, seed in seeds]
    return st.lists(st.one_of(one), min_size=1, max_size=4)
