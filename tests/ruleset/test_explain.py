"""Rules in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rulefolder

from sniffer.paths import shipped_rules
from sniffer.ruleset import load_rules
from sniffer.ruleset.explain import explain

if TYPE_CHECKING:
    from pathlib import Path


def test_tree_is_written_out(tmp_path: Path) -> None:
    """Each clause has a line, indented like the tree, with what its fact says."""
    match = "{all: [{fact: server.port, in: [1, 2]}, {not: {any: [{fact: tls.alpn, exists: true}, {fact: dns.type, equals: A}]}}]}"
    text = explain(rulefolder.load_match(tmp_path, match).rules[0])
    assert text.split("asks\n")[1].split("\n\nsees")[0].splitlines() == [
        "  all of",
        "    server.port in 1, 2   (port of the side that serves)",
        "    not",
        "      any of",
        "        tls.alpn exists True   (first application protocol offered)",
        "        dns.type equals A   (type of the question)",
    ]
    assert text.startswith("a-rule: A rule\nseverity high, at most confirmed, revision 1, signature 9")


def test_every_shipped_rule_can_be_explained() -> None:
    """Each rule's words hold its title, what it sees and what it misses."""
    for rule in load_rules([shipped_rules()]).rules:
        text = explain(rule)
        assert all(part in text for part in (rule.id, rule.title, rule.sees, rule.misses))
