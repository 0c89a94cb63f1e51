"""Findings, and the registry of checks."""

from __future__ import annotations

import re
from pathlib import Path

from sniffer.checks import CHECKS, Finding, Level, Outcome
from sniffer.errors import Problem

TESTS = Path(__file__).parent


def finding(level: Level) -> Finding:
    """Some finding."""
    return Finding("a\x1b.yaml", 3, 5, level, "shadowed", "rule a is\nshadowed", "leave it out")


def test_line_of_a_finding() -> None:
    """Place, level, name, sentence and recommendation, printable whatever the file is called."""
    assert str(finding(Level.WARNING)) == (
        r"a\x1b.yaml:3:5: warning shadowed: rule a is\nshadowed; leave it out".replace(r"\n", r"\x0a")
    )


def test_fault_of_loading_is_a_finding() -> None:
    """What keeps a file from loading has the same form."""
    problem = Problem("r.yaml", 1, 2, "unknown_key", "unknown key 'x'", "did you mean 'y'?")
    assert (
        str(Finding.of_problem(problem))
        == "r.yaml:1:2: error unknown_key: unknown key 'x'; did you mean 'y'?"
    )


def test_exit_status() -> None:
    """Errors give 78, warnings only when the check is strict, notes never."""
    for levels, lenient, strict in (
        ([], 0, 0),
        ([Level.NOTE], 0, 0),
        ([Level.NOTE, Level.WARNING], 0, 78),
        ([Level.WARNING, Level.ERROR], 78, 78),
    ):
        outcome = Outcome([finding(level) for level in levels])
        assert (outcome.exit_status(strict=False), outcome.exit_status(strict=True)) == (lenient, strict)


def test_checks_say_what_they_do() -> None:
    """Each check has a name of small words, says what it finds and what to do, and has a test that names it."""
    tests = "".join(path.read_text(encoding="utf-8") for path in TESTS.glob("test_of_*.py"))
    for name, check in CHECKS.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert check.says
        assert check.remedy
        assert f'"{name}"' in tests, name
