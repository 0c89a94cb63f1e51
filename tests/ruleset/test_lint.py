"""Faults that show when parts are seen together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import rulefolder

if TYPE_CHECKING:
    from pathlib import Path

A, B = "{fact: server.port, equals: 1}", "{fact: server.port, equals: 2}"


@pytest.mark.parametrize(
    ("match", "what"),
    [
        (f"{{all: [{A}, {A}]}}", "asks twice"),
        (f"{{any: [{A}, {A}]}}", "asks twice"),
        (f"{{all: [{A}, {B}]}}", "can never match"),
        (f"{{not: {{all: [{A}, {B}]}}}}", "can never match"),
        (f"{{any: [{B}, {{all: [{A}, {B}]}}]}}", "can never match"),
    ],
)
def test_conditions_that_cannot_be_meant(match: str, what: str, tmp_path: Path) -> None:
    """A clause given twice and clauses that exclude one another are refused, at any depth."""
    (problem,) = rulefolder.match_problems(tmp_path, match)
    assert (problem.code, problem.line) == ("condition", 6)
    assert what in problem.what


@pytest.mark.parametrize("match", [f"{{any: [{A}, {B}]}}", f"{{all: [{A}, {{not: {B}}}]}}"])
def test_conditions_that_make_sense_pass(match: str, tmp_path: Path) -> None:
    """Two values under any, and a value beside another one's absence, are fine."""
    assert len(rulefolder.load_match(tmp_path, match).rules) == 1


def test_endpoint_that_is_benign_is_refused_at_its_place(tmp_path: Path) -> None:
    """A name in both lists can never match; its line in the pool file is told."""
    text = "category: pool\npools:\n- name: a\n  endpoints:\n  - {host: a.example, strength: weak}\n  - {host: GOOD.pool.example, strength: weak}\n"
    rule = rulefolder.RULE.format(match=A)
    (problem,) = rulefolder.problems(tmp_path, {"rules.yaml": rule, "pools/z.yaml": text})
    assert (problem.code, problem.line) == ("benign", 6)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ("{server.prt: 1}", "'server.port'"),
        ("{server.port: '1'}", "type int"),
        ("{mining.accepted: 1}", "type bool"),
        ("{mining.agent: 7}", "type str"),
    ],
)
def test_facts_of_examples_must_exist(facts: str, words: str, tmp_path: Path) -> None:
    """An example with a fact that no protocol states tests nothing."""
    rule = rulefolder.RULE.format(match=A).replace("{client: y}", f"{{facts: {facts}}}")
    (problem,) = rulefolder.problems(tmp_path, {"rules.yaml": rule})
    assert (problem.code, problem.line) == ("example", 9)
    assert words in f"{problem.what}; {problem.remedy}"
