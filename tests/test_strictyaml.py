"""Strict YAML: surprises are refused with a place, everything else is what it looks like."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from sniffer.errors import ConfigError, Problem
from sniffer.strictyaml import MAX_DEPTH, MAX_NODES, MAX_SIZE, load, load_file, suggest, validate

if TYPE_CHECKING:
    from pathlib import Path


class Bad(NamedTuple):
    """Text that must be refused, and where and how."""

    text: str
    line: int
    column: int
    code: str


BAD = [
    # aliases, anchors, merge keys, tags, directives
    Bad("a: &x 1", 1, 4, "anchor"),
    Bad("a: *x", 1, 4, "alias"),
    Bad("- &x [1]\n- *x", 2, 3, "alias"),
    Bad("a: &x {b: 1}\nc:\n  <<: *x", 3, 3, "merge"),
    Bad("<<: {a: 1}", 1, 1, "merge"),
    Bad("a:\n  <<: [{b: 1}, {c: 2}]", 2, 3, "merge"),
    Bad("&k a: 1", 1, 1, "tag"),
    Bad("!!str a: 1", 1, 1, "tag"),
    Bad("*k : 1", 1, 1, "key"),
    Bad("a: !!python/object/apply:os.system [id]", 1, 4, "tag"),
    Bad("a: !!python/name:os.system ''", 1, 4, "tag"),
    Bad("a: !!binary aGk=", 1, 4, "tag"),
    Bad("a: !include /etc/passwd", 1, 4, "tag"),
    Bad("a: !!set {b, c}", 1, 4, "tag"),
    Bad("a: ! b", 1, 4, "tag"),
    Bad("- !!int '7'", 1, 3, "tag"),
    Bad("!!map {a: 1}", 1, 1, "tag"),
    Bad("%YAML 1.1\n---\na: 1", 1, 1, "directive"),
    Bad("%YAML 1.2\n---\na: 1", 1, 1, "directive"),
    Bad("%TAG ! tag:example.org,2020:\n---\na: 1", 1, 1, "directive"),
    # keys
    Bad("a: 1\na: 2", 2, 1, "repeated"),
    Bad('a: 1\n"a": 2', 2, 1, "repeated"),
    Bad("a:\n  b: 1\n  c: 2\n  b: 3", 4, 3, "repeated"),
    Bad("{a: 1, a: 2}", 1, 8, "repeated"),
    Bad("- x: 1\n  y: 2\n  x: 3", 3, 3, "repeated"),
    Bad("1: a", 1, 1, "key"),
    Bad("a: {2.5: b}", 1, 5, "key"),
    Bad("null: a", 1, 1, "key"),
    Bad("~: a", 1, 1, "key"),
    Bad("true: a", 1, 1, "key"),
    Bad("{: a}", 1, 2, "syntax"),
    Bad(": a", 1, 1, "syntax"),
    Bad("? [a, b]\n: c", 1, 3, "key"),
    Bad("? {a: b}\n: c", 1, 3, "key"),
    Bad("{[a]: b}", 1, 2, "key"),
    # numbers
    Bad("a: " + "9" * 5_000, 1, 4, "number"),
    Bad("a: 9223372036854775808", 1, 4, "number"),
    Bad("a: -99999999999999999999", 1, 4, "number"),
    Bad("a: 1e999", 1, 4, "number"),
    Bad("a: -1e400", 1, 4, "number"),
    Bad("a: 0x" + "f" * 40, 1, 4, "number"),
    Bad("a: 0xffffffffffffffff", 1, 4, "number"),
    Bad("a: 1." + "0" * 40, 1, 4, "number"),
    # documents
    Bad("", 1, 1, "empty"),
    Bad("\n\n", 1, 1, "empty"),
    Bad("# only words\n", 1, 1, "empty"),
    Bad("null", 1, 1, "empty"),
    Bad("~", 1, 1, "empty"),
    Bad("---\n...\n", 1, 1, "empty"),
    Bad("a: 1\n---\nb: 2", 2, 1, "documents"),
    Bad("a: 1\n...\n---\nb: 2", 3, 1, "documents"),
    # characters
    Bad("\ufeffa: 1", 1, 1, "byte_order_mark"),
    Bad("a: 1\r\nb: 2\r\n", 1, 5, "line_end"),
    Bad("a: 1\rb: 2", 1, 5, "line_end"),
    Bad("a: b\0c", 1, 5, "character"),
    Bad("a: 1\nb: \x1b[31m", 2, 4, "character"),
    Bad("a: \x7f", 1, 4, "character"),
    Bad("a: \x9b", 1, 4, "character"),
    Bad("a: \ud800", 1, 4, "character"),
    Bad("a: 1\n\n  \x08b: 2", 3, 3, "character"),
    # depth
    Bad("[" * 500, 1, MAX_DEPTH + 2, "depth"),
    Bad("{a: " * 200, 1, 4 * (MAX_DEPTH + 1) + 1, "depth"),
    Bad("- " * 100 + "a", 1, 2 * (MAX_DEPTH + 1) + 1, "depth"),
    # syntax
    Bad("a: [1, 2", 1, 9, "syntax"),
    Bad("a: {b: 1", 1, 9, "syntax"),
    Bad("a: 'b", 1, 6, "syntax"),
    Bad('a: "\\q"', 1, 5, "syntax"),
    Bad("a:\n\tb: 1", 2, 1, "syntax"),
    Bad("a: 1\n b: 2", 2, 3, "syntax"),
    Bad("a: b: c", 1, 5, "syntax"),
    Bad("a: @b", 1, 4, "syntax"),
    Bad("a: `b`", 1, 4, "syntax"),
    Bad("- a\nb: 1", 2, 1, "syntax"),
    Bad("a: %b", 1, 4, "syntax"),
    Bad("a: ]", 1, 4, "syntax"),
]


def problems_of(text: str) -> list[Problem]:
    """Faults of a text."""
    with pytest.raises(ConfigError) as caught:
        load(text, "rules.yaml")
    return caught.value.problems


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.code}-{bad.text[:24]!a}")
def test_bad_text_is_refused_at_its_place(bad: Bad) -> None:
    """Every surprise is a Problem with the line, the column and the word for it."""
    found = [(p.line, p.column, p.code) for p in problems_of(bad.text)]
    assert (bad.line, bad.column, bad.code) in found


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.code}-{bad.text[:24]!a}")
def test_every_fault_prints_as_one_readable_line(bad: Bad) -> None:
    """What an operator reads is one line of printable ASCII with file, line and column."""
    for problem in problems_of(bad.text):
        line = str(problem)
        assert line.startswith(f"error: rules.yaml:{problem.line}:{problem.column}: {problem.code} ")
        assert line.isascii()
        assert line.isprintable()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("NO", "NO"), ("on", "on"), ("Off", "Off"), ("y", "y"), ("yes", "yes"),
        ("true", True), ("True", True), ("FALSE", False), ("tRue", "tRue"),
        ("null", None), ("Null", None), ("~", None), ("nil", "nil"),
        ("0", 0), ("-7", -7), ("+7", 7), ("9223372036854775807", 2**63 - 1), ("0x1f", 31),
        ("010", "010"), ("0o17", "0o17"), ("0b11", "0b11"), ("1_000", "1_000"), ("00", "00"),
        ("12:30:45", "12:30:45"), ("3:33", "3:33"), ("2026-11-24", "2026-11-24"),
        ("1.5", 1.5), ("1e3", 1000.0), ("-0.25", -0.25), (".5", ".5"), ("1.", "1."), (".inf", ".inf"), (".nan", ".nan"),
        ("1.2.3.4", "1.2.3.4"), ("=", "="), ("'7'", "7"), ('"true"', "true"), ("''", ""), ('"\\u00e9"', "é"),
        ("[]", []), ("{}", {}),
    ],
)  # fmt: skip
def test_plain_values_are_what_they_look_like(text: str, value: Any) -> None:
    """Only decimal and 0x numbers, true, false and null are more than text."""
    found = load(f"a: {text}", "x").data["a"]
    assert found == value
    assert type(found) is type(value)


def test_blocks_are_text() -> None:
    """Block scalars keep their lines, whatever they look like."""
    assert load("a: |-\n  1\n  2\nb: >-\n  true", "x").data == {"a": "1\n2", "b": "true"}


def test_every_fault_of_a_file_is_told_at_once() -> None:
    """One run shows all there is to mend."""
    found = problems_of("a: &x 1\nb: !t 2\nc: 3\nc: 4\nd: 1e999\n")
    assert [(p.line, p.code) for p in found] == [(1, "anchor"), (2, "tag"), (4, "repeated"), (5, "number")]


def test_repeated_key_names_both_lines() -> None:
    """Whoever mends a repeated key needs to see the first one, too."""
    assert "first in line 2" in problems_of("x: 0\nkey: 1\ny: 2\nkey: 3")[0].what


def test_what_stands_between_does_not_move_the_first_line() -> None:
    """Also behind other repeated keys, and behind keys that are none."""
    found = problems_of("a: 1\na: [1]\n[c]: 1\nb: {c: 1}\nb: 2")
    assert [(p.line, p.what.rpartition(" ")[2]) for p in found if p.code == "repeated"] == [
        (2, "1"),
        (5, "4"),
    ]


@given(
    st.recursive(
        st.integers(0, 9),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcde"), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_every_part_is_found_again_at_its_place(data: Any) -> None:
    """Whatever the shape: at the place of a key stands the key, at that of an item its first character."""
    text = json.dumps(data, indent=1)
    document, lines = load(text, "x"), text.split("\n")

    def look(part: Any, place: tuple[str | int, ...]) -> None:
        line, column = document.position(place)
        shown = f'"{place[-1]}"' if place and isinstance(place[-1], str) else json.dumps(part)[:1]
        assert lines[line - 1][column - 1 :].startswith(shown)
        for step, inner in (
            part.items() if isinstance(part, dict) else enumerate(part if isinstance(part, list) else ())
        ):
            look(inner, (*place, step))

    look(data, ())


def test_positions_of_keys_and_items() -> None:
    """Each part of a document is found again by its path, and an unknown part by the nearest around it."""
    document = load("- id: a\n  match:\n    fact: x\n- id: b\n  list: [1, 2]\n", "x")
    assert document.position((0, "match", "fact")) == (3, 5)
    assert document.position((1,)) == (4, 3)
    assert document.position((1, "list", 1)) == (5, 13)
    assert document.position((1, "list", 1, "nothing", "there")) == (5, 13)
    assert document.position(("nowhere",)) == (1, 1)


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────


def test_merge_key_bomb_ends_at_once() -> None:
    """The 485 bytes that cost other loaders gigabytes are refused within a tenth of a second."""
    lines = ["a0: &a0 {k: v}"] + [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 16)]
    start = time.perf_counter()
    found = problems_of("\n".join(lines))
    assert time.perf_counter() - start < 0.1
    assert {"anchor", "alias", "merge"} <= {p.code for p in found}


def test_too_many_values_are_refused() -> None:
    """The number of values is bounded."""
    assert problems_of("[" + "1," * (MAX_NODES + 1) + "]")[0].code == "size"


def test_too_large_a_text_is_refused() -> None:
    """The size is bounded, in a text and in a file."""
    assert problems_of("#" * (MAX_SIZE + 1))[0].code == "size"


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"%@`#? \n,<~01.x\\"), max_size=60))
def test_no_text_raises_anything_else(text: str) -> None:
    """Whatever is written, the answer is data or Problems with places in the text."""
    with suppress(ConfigError):
        load(text, "x")
        return
    lines = text.split("\n")
    for problem in problems_of(text):
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


def _same_in_both_versions(text: str) -> bool:
    """The dumper writes YAML 1.1, where 0E0 is a text; in 1.2, which we read, it is a number."""
    return re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?[eE][-+]?[0-9]+", text) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(alphabet=st.characters(codec="ascii", exclude_categories=["Cc"])).filter(_same_in_both_versions),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.from_regex(r"[a-z_]{2,9}", fullmatch=True).filter(lambda key: key not in ("null", "true", "false")), inner, max_size=4),
        max_leaves=12,
    ).filter(lambda data: data is not None)
)  # fmt: skip
def test_what_a_dumper_writes_is_read_again(data: Any) -> None:
    """Plain data survives the way through a file."""
    text = yaml.dump(data, Dumper=yaml.CSafeDumper, default_style=None)
    if "\n...\n" in text or "&id" in text:  # a dumper's alias for an empty list that it meets twice
        text = yaml.dump(data, Dumper=_NoAliases)
    assert load(text, "x").data == data


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────


def file_problem(path: Path) -> Problem:
    """The one fault of a file."""
    with pytest.raises(ConfigError) as caught:
        load_file(path)
    (problem,) = caught.value.problems
    assert problem.file == str(path)
    return problem


def test_missing_file(tmp_path: Path) -> None:
    """A missing file is said to be missing."""
    assert file_problem(tmp_path / "none.yaml").code == "missing"


def test_folder_instead_of_a_file(tmp_path: Path) -> None:
    """A folder is said to be one."""
    assert file_problem(tmp_path).code == "directory"


def test_pipe_instead_of_a_file(tmp_path: Path) -> None:
    """A pipe is refused at once; reading it would wait for ever."""
    os.mkfifo(tmp_path / "pipe.yaml")
    assert file_problem(tmp_path / "pipe.yaml").code == "special"


def test_device_instead_of_a_file(tmp_path: Path) -> None:
    """A link to a device is refused; /dev/zero has no end."""
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    assert file_problem(tmp_path / "zero.yaml").code == "special"


def test_name_through_a_file(tmp_path: Path) -> None:
    """A path that cannot be followed is unreadable, with the system's reason."""
    (tmp_path / "a.yaml").write_text("a: 1")
    assert file_problem(tmp_path / "a.yaml" / "b.yaml").code == "unreadable"


def test_latin_1_is_refused_at_its_place(tmp_path: Path) -> None:
    """The first byte that is not UTF-8 is pointed at, counted in characters."""
    (tmp_path / "a.yaml").write_bytes("a: 1\nb: é ".encode() + b"\xe9\n")
    problem = file_problem(tmp_path / "a.yaml")
    assert (problem.line, problem.column, problem.code) == (2, 6, "encoding")


def test_large_file_of_wide_characters_is_too_large(tmp_path: Path) -> None:
    """A limit that cuts through a character still speaks of size, not of encoding."""
    (tmp_path / "a.yaml").write_bytes(b"#a" + "é".encode() * (MAX_SIZE // 2 + 1))
    assert file_problem(tmp_path / "a.yaml").code == "size"


# ── shapes ───────────────────────────────────────────────────────────────────────────────────────────────


class Colour(Enum):
    """A choice."""

    RED = "red"


class Inner(BaseModel):
    """A part."""

    model_config = ConfigDict(extra="forbid")
    port: int = Field(ge=1, le=65_535)
    colour: Colour = Colour.RED
    rate: float = 1.0
    on: bool = False


class Outer(BaseModel):
    """A whole."""

    model_config = ConfigDict(extra="forbid")
    name: str
    inner: Inner
    many: list[Inner] = []


def shape_problems(text: str) -> list[tuple[int, int, str]]:
    """Places and codes of what is wrong with the shape of a text."""
    with pytest.raises(ConfigError) as caught:
        validate(load(text, "x"), Outer)
    return [(p.line, p.column, p.code) for p in caught.value.problems]


def test_right_shape_becomes_a_model() -> None:
    """Choices are written as text, whole numbers stand for real ones."""
    found = validate(load("name: n\ninner: {port: 1, colour: red, rate: 2}", "x"), Outer)
    assert (found.inner.colour, found.inner.rate) == (Colour.RED, 2.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inner: {port: 1}", [(1, 1, "missing_key")]),
        ("name: n\ninner:\n  prt: 1", [(2, 1, "missing_key"), (3, 3, "unknown_key")]),
        ("name: n\ninner: {port: 0}", [(2, 9, "range")]),
        ("name: n\ninner: {port: 65536}", [(2, 9, "range")]),
        ("name: n\ninner: {port: '80'}", [(2, 9, "type")]),
        ("name: n\ninner: {port: 010}", [(2, 9, "type")]),
        ("name: n\ninner: {port: 12:30}", [(2, 9, "type")]),
        ("name: n\ninner: {port: 1.5}", [(2, 9, "type")]),
        ("name: n\ninner: {port: 1, on: yes}", [(2, 18, "type")]),
        ("name: n\ninner: {port: 1, on: 1}", [(2, 18, "type")]),
        ("name: n\ninner: {port: 1, colour: blue}", [(2, 18, "value")]),
        ("name: 7\ninner: []", [(1, 1, "type"), (2, 1, "type")]),
        ("name: n\ninner: {port: 1}\nmany:\n- port: 1\n- port: x\n- {port: 2, zzz: 1}", [(5, 3, "type"), (6, 13, "unknown_key")]),
        ("[1]", [(1, 1, "type")]),
    ],
)  # fmt: skip
def test_wrong_shape_is_told_at_its_place(text: str, expected: list[tuple[int, int, str]]) -> None:
    """Each fault of a shape has the place of its key, and nothing is converted to make it fit."""
    assert shape_problems(text) == expected


def test_unknown_key_comes_with_a_suggestion() -> None:
    """A slip of the hand is answered with the word that was meant."""
    with pytest.raises(ConfigError, match="did you mean 'colour'"):
        validate(load("name: n\ninner: {port: 1, color: red}", "x"), Outer)


def test_suggestion_lists_what_is_known() -> None:
    """Where nothing comes close, the known words are listed."""
    assert suggest("xyzzy", ["alpha", "beta"]) == "known: alpha, beta"


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 30_000], ids=["lists", "mappings"])
def test_absurd_depth_is_refused(text: str) -> None:
    """Nesting that would overflow a stack is one fault, of ours or of the parser below, whichever sees it first."""
    with pytest.raises(ConfigError) as refused:
        load(text, "f.yaml")
    (problem,) = refused.value.problems
    assert problem.code in ("depth", "syntax")
    assert problem.line == 1
