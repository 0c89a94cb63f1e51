"""Checks of lists: what each finds, where, and what it leaves alone."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
import rulefolder

from sniffer.checks import Subject
from sniffer.checks.finding import CHECKS, Finding
from sniffer.ruleset.load import load_with_documents

if TYPE_CHECKING:
    from pathlib import Path

TODAY = date(2026, 11, 27)
RULE = rulefolder.RULE.format(
    match="{any: [{fact: tls.server_name, in: '@pool.strong'}, {fact: mining.agent, in: '@own-agents'}]}"
)
POOL = "category: pool\npools:\n- name: a\n  endpoints:\n"


def findings(name: str, folder: Path, files: dict[str, str], today: date = TODAY) -> list[Finding]:
    """What one check finds in the files that are given, beside those that every folder has."""
    ruleset, documents = load_with_documents([rulefolder.write(folder, {"rules.yaml": RULE, **files})])
    found = CHECKS[name].run(Subject(ruleset, documents, today))
    return [one for one in found if one.file in {str(folder / file) for file in files}]


LOUD = [
    ("list-public-suffix", POOL + "  - {suffix: co.uk, strength: strong}\n", 5),
    ("list-public-suffix", POOL + "  - {host: a.example, strength: strong}\n  - {suffix: github.io, strength: strong}\n", 6),
    ("list-public-suffix", "name: x-y\ntype: domains\nvalues:\n- a.example\n- duckdns.org\n", 5),
    ("list-entry-twice", POOL + "  - {suffix: b.example, strength: strong}\n  - {suffix: B.example., strength: weak}\n", 5),
    ("list-entry-dead", "category: devfee\npools:\n- name: a\n  endpoints:\n  - {suffix: b.example, strength: strong}\n", 5),
    ("list-entry-dead", POOL + "  - {suffix: b.example, strength: strong}\n  - {suffix: c.example, strength: mixed}\n", 6),
    ("list-unused", "name: nobodys\nvalues: [a]\n", 1),
    ("list-benign", "name: x-y\ntype: domains\nvalues: [a.example, Good.Pool.Example]\n", 3),
    ("list-stale", POOL + "  - {suffix: b.example, strength: strong, seen_on: 'x-2026-10;y-2019'}\n  - {suffix: c.example, strength: strong, seen_on: 'x-2024-03;y-2018'}\n", 6),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "line"), LOUD)
def test_finding_is_told_at_its_place(name: str, text: str, line: int, tmp_path: Path) -> None:
    """Each check finds what it is for, in its line, once, with a recommendation."""
    (found,) = findings(name, tmp_path, {"z.yaml": text})
    assert (found.line, found.check, found.level) == (line, name, CHECKS[name].level)
    assert found.remedy


QUIET = [
    ("list-public-suffix", POOL + "  - {suffix: pool.co.uk, strength: strong}\n  - {host: github.io, strength: weak}\n"),
    ("list-entry-twice", POOL + "  - {suffix: b.example, strength: strong}\n  - {host: b.example, strength: weak}\n"),
    ("list-entry-dead", POOL + "  - {suffix: b.example, strength: strong}\n"),
    ("list-unused", "name: doh-resolvers\ntype: domains\nvalues: [a.example]\n"),
    ("list-benign", "name: x-y\ntype: domains\nvalues: [below.good.pool.example]\n"),
    ("list-stale", POOL + "  - {suffix: b.example, strength: strong, seen_on: 'x-2026-07;y-2018'}\n"),
    ("list-stale", POOL + "  - {suffix: b.example, strength: strong, status: defunct, seen_on: 'x-2018'}\n"),
    ("list-stale", POOL + "  - {suffix: b.example, strength: strong, seen_on: 'somebody said so'}\n"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), QUIET)
def test_sound_lists_give_no_finding(name: str, text: str, tmp_path: Path) -> None:
    """Nothing is said of a list that is as it should be."""
    assert findings(name, tmp_path, {"z.yaml": text}) == []


def test_upper_case_never_matches_where_facts_are_lower_case(tmp_path: Path) -> None:
    """An entry that no fact can ever equal is told at its place."""
    match = "{fact: stratum.method, in: '@methods'}"
    files = {
        "rules.yaml": rulefolder.RULE.format(match=match),
        "z.yaml": "name: methods\nvalues: [mining.submit, Mining.Notify]\n",
    }
    found = [one for one in findings("list-entry-dead", tmp_path, files) if one.file.endswith("z.yaml")]
    assert [(one.line, one.column) for one in found] == [(2, 25)]
