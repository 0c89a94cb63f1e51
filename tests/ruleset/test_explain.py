"""Rules in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import rulefolder

from sniffer.ruleset.explain import PHRASES, describe, explain
from sniffer.ruleset.operators import OPERATORS

if TYPE_CHECKING:
    from pathlib import Path

    from sniffer.ruleset import RuleSet


def test_tree_is_written_out(tmp_path: Path) -> None:
    """Each clause is a statement on a line of its own, indented like the tree, with what its fact says."""
    match = "{all: [{fact: server.port, in: [1, 2]}, {not: {any: [{fact: tls.alpn, exists: true}, {fact: dns.type, equals: A}]}}]}"
    (rule,) = rulefolder.load_match(tmp_path, match).rules
    assert list(describe(rule.condition)) == [
        "  all of these are true:",
        "    server.port is one of 1, 2  (port of the side that serves)",
        "    this is not true:",
        "      at least one of these is true:",
        "        tls.alpn was seen  (first application protocol offered)",
        '        dns.type is "A"  (type of the question)',
    ]


@pytest.mark.parametrize(
    ("match", "words"),
    [
        ("{fact: mining.agent, starts_with: xmrig}", 'mining.agent begins with "xmrig"'),
        ("{fact: mining.agent, ends_with: x}", 'mining.agent ends with "x"'),
        ("{fact: mining.agent, contains: x}", 'mining.agent holds "x"'),
        ("{fact: mining.agent, matches: '^x+'}", 'mining.agent matches the expression "^x+"'),
        ("{fact: server.port, at_least: 5}", "server.port is 5 or more"),
        ("{fact: server.port, at_most: 5}", "server.port is 5 or less"),
        ("{fact: server.port, between: [5, 9]}", "server.port lies between 5 and 9"),
        ("{fact: server.port, in: '@own-ports'}", "server.port is one of @own-ports"),
        ("{fact: dns.query, in: '@pool.strong'}", "dns.query is, or lies below, one of @pool.strong"),
        ("{fact: server.ip, network_in: [10.0.0.0/8]}", "server.ip lies in 10.0.0.0/8"),
        ("{fact: mining.agent, exists: false}", "mining.agent was not seen"),
        ("{fact: server.port, in: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]}", "11, 12 and 2 more"),
    ],
)
def test_questions_are_statements(match: str, words: str, tmp_path: Path) -> None:
    """Each operator has words of its own."""
    (rule,) = rulefolder.load_match(tmp_path, match).rules
    (line,) = describe(rule.condition, 0)
    assert words in line


def test_every_operator_has_words() -> None:
    """No operator is left without a phrase."""
    assert set(PHRASES) | {"exists"} == set(OPERATORS)


def test_lists_are_counted(tmp_path: Path) -> None:
    """Lists that a rule refers to, also under not, come with their size."""
    match = "{all: [{fact: dns.query, in: '@pool'}, {not: {fact: server.port, in: '@own-ports'}}]}"
    ruleset = rulefolder.load_match(tmp_path, match)
    text = explain(ruleset.rules[0], ruleset.lists)
    assert "@own-ports  4 ports" in text
    assert "@pool       2 endpoints of 1 pools" in text


def test_every_shipped_rule_can_be_explained(ruleset: RuleSet) -> None:
    """Each rule's words hold its title, what it sees and misses, and each of its references."""
    for rule in ruleset.rules:
        text = explain(rule, ruleset.lists)
        assert all(part in text for part in (rule.id, rule.title, rule.sees, rule.misses, *rule.references))
