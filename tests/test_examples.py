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


@pytest.mark.parametrize(
    ("match", "hit", "miss"),
    [
        ("{payload: {starts_with: HELLO-MINE}}", "{client: HELLO-MINE v1}", "{client: HELLO}"),
        ("{payload: {starts_with: HELLO, side: server}}", "{server: HELLO-MINE}", "{client: HELLO-MINE}"),
        ("{payload: {starts_with: HELLO, transport: udp}}", "{client: HELLO-MINE}", "{client: MINE}"),
        ("{payload: {starts_with_hex: 00010203, at: 2}}", "{client_hex: ffff00010203}", "{client_hex: 00010203}"),
        (
            "{all: [{payload: {starts_with: HELLO}}, {fact: payload.text, ends_with: w=1}]}",
            "{client: HELLO w=1}",
            "{client: HELLO w=2}",
        ),
        (
            "{all: [{payload: {starts_with: HELLO}}, {fact: server.port, equals: 3333}]}",
            "{client: HELLO}",
            '{client: \'{"id":1,"method":"mining.subscribe","params":[]}\'}',
        ),
    ],
)  # fmt: skip
def test_examples_of_payload_rules(tmp_path: Path, match: str, hit: str, miss: str) -> None:
    """Their bytes are read as those of a flow and of a datagram, by the code that reads the wire."""
    (tmp_path / "r.yaml").write_text(
        "- id: own-rule\n  title: own rule\n  severity: low\n  confidence: confirmed\n"
        f"  match: {match}\n  examples: {{hits: [{hit}], misses: [{miss}]}}\n"
    )
    assert check_examples(load_rules([tmp_path])) == []
    text = (tmp_path / "r.yaml").read_text().replace(f"hits: [{hit}]", f"hits: [{miss}]")
    (tmp_path / "r.yaml").write_text(text.replace(f"misses: [{miss}]", f"misses: [{hit}]"))
    assert len(check_examples(load_rules([tmp_path]))) == 2


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
