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


COUNTING = """
- id: many-shares
  title: many shares
  severity: low
  confidence: confirmed
  match: {count: {at_least: 20, within: 60s, per: PER, of: {fact: stratum.method, equals: mining.submit}}}
  examples:
    hits:
      - {client: '{"id":4,"method":"mining.submit","params":["w.1","bf","00000001","504e86ed","b2957c02"]}', repeat: 20, every: 3s}
      - {facts: {stratum.method: mining.submit}, repeat: 20}
    misses:
      - {client: '{"id":4,"method":"mining.submit","params":["w.1","bf","00000001","504e86ed","b2957c02"]}', repeat: 19}
      - {client: '{"id":4,"method":"mining.submit","params":["w.1","bf","00000001","504e86ed","b2957c02"]}', repeat: 40, every: 4s}
      - {client: '{"id": 1, "method": "mining.subscribe", "params": ["cgminer/4.11.1"]}', repeat: 40}
"""


@pytest.mark.parametrize("per", ["flow", "host"])
def test_repeated_examples(per: str, tmp_path: Path) -> None:
    """A rule that counts is shown by examples that are seen several times, so far apart; one too few is a miss."""
    (tmp_path / "r.yaml").write_text(COUNTING.replace("PER", per))
    assert check_examples(load_rules([tmp_path])) == []
    (tmp_path / "r.yaml").write_text(COUNTING.replace("PER", per).replace("every: 3s", "every: 4s"))
    (problem,) = check_examples(load_rules([tmp_path]))
    assert "does not hit" in problem.what


@pytest.mark.parametrize(
    ("shown", "more"),
    [("dns: stratum.pool.example", 2), ("tls: stratum.pool.example", 2), ("http: stratum.pool.example", 2)],
)
def test_names_may_be_repeated(shown: str, more: int, tmp_path: Path) -> None:
    """Each way to show a name can be repeated."""
    fact = {"dns": "dns.query", "tls": "tls.server_name", "http": "http.host"}[shown.partition(":")[0]]
    (tmp_path / "r.yaml").write_text(
        "- id: names\n  title: names\n  severity: low\n  confidence: suspected\n"
        f"  match: {{count: {{at_least: {more}, within: 10s, of: {{fact: {fact}, domain_in: pool.example}}}}}}\n"
        f"  examples: {{hits: [{{{shown}, repeat: {more}}}], misses: [{{{shown}}}]}}\n"
    )
    assert check_examples(load_rules([tmp_path])) == []


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
