"""Shipped rules do what their examples say."""

from __future__ import annotations

from pathlib import Path

import pytest

from sniffer.examples import check_examples, check_rule
from sniffer.ruleset import load_rules

RULES = Path(__file__).parent.parent / "rules"
RULESET = load_rules([RULES])


@pytest.mark.parametrize("identifier", [rule.id for rule in RULESET.rules])
def test_shipped_rule(identifier: str) -> None:
    """Each shipped rule hits and misses what its examples promise, through the real reader."""
    (rule,) = (rule for rule in RULESET.rules if rule.id == identifier)
    assert list(check_rule(rule, RULESET)) == []


def test_wrong_examples_are_found(tmp_path: Path) -> None:
    """An example that does not do what it says is a problem with the place of its rule."""
    (tmp_path / "r.yaml").write_text(
        "- id: wrong-way\n  title: wrong way\n  severity: low\n  confidence: confirmed\n"
        "  match: {fact: stratum.method, equals: mining.submit}\n"
        "  examples:\n"
        '    hits: [{client: \'{"id":1,"method":"mining.subscribe","params":[]}\'}]\n'
        "    misses: [{facts: {stratum.method: mining.submit}}]\n"
    )
    problems = check_examples(load_rules([tmp_path]))
    assert [(problem.code, problem.line) for problem in problems] == [("example", 1)] * 2
    assert "does not hit" in problems[0].what
    assert "hits all the same" in problems[1].what
