"""Operators: what each answers, and what it refuses to be asked."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import rulefolder

from sniffer.ruleset import load_rules
from sniffer.ruleset.operators import OPERATORS
from sniffer.strictyaml import load_file

TABLE = load_file(Path(__file__).with_name("operators.yaml")).data


@pytest.mark.parametrize("row", TABLE, ids=lambda row: json.dumps(row["ask"])[:60])
def test_answers(row: dict[str, Any], tmp_path: Path) -> None:
    """Each operator says yes and no to what the table says, and gives the reason in words."""
    ruleset = rulefolder.load_match(tmp_path, json.dumps(row["ask"]))
    fact = row["ask"]["fact"]
    assert [value for value in row["yes"] if not ruleset.match({fact: value})] == []
    assert [value for value in row["no"] if ruleset.match({fact: value})] == []
    assert not ruleset.match({})
    (rule, match) = ruleset.match({fact: row["yes"][0]})[0]
    assert rule.id == "a-rule"
    assert match.reasons == (row["reason"],)


def test_every_operator_is_in_the_table() -> None:
    """No operator goes without an example."""
    assert {word for row in TABLE for word in row["ask"]} - {"fact"} == set(OPERATORS)


REFUSED = [
    ("{fact: stratum.methd, equals: x}", "unknown_fact", "stratum.method"),
    ("{fact: stratum.method, equal: x}", "unknown_operator", "equals"),
    ("{fact: stratum.method, at_least: 3}", "type", "cannot ask about stratum.method"),
    ("{fact: mining.accepted, in: [true]}", "type", "cannot ask about mining.accepted"),
    ("{fact: server.port, contains: '3'}", "type", "cannot ask about server.port"),
    ("{fact: mining.agent, domain_in: [example.org]}", "type", "it asks about dns.query"),
    ("{fact: mining.agent, network_in: [10.0.0.0/8]}", "type", "it asks about client.ip"),
    ("{fact: mining.agent, in: '@own-networks'}", "type", "it asks about client.ip"),
    ("{fact: server.ip, in: '@pool'}", "type", "it asks about dns.query"),
    ("{fact: server.port, equals: '3333'}", "operand", "expects a value of type int"),
    ("{fact: server.port, equals: 010}", "operand", "expects a value of type int"),
    ("{fact: server.port, equals: true}", "operand", "expects a value of type int"),
    ("{fact: mining.accepted, equals: no}", "operand", "expects a value of type bool"),
    ("{fact: mining.accepted, equals: 1}", "operand", "expects a value of type bool"),
    ("{fact: stratum.method, equals: Mining.Submit}", "operand", "'mining.submit'"),
    ("{fact: stratum.method, starts_with: Mining}", "operand", "'mining'"),
    ("{fact: dns.query, equals: Pool.Example.}", "operand", "'pool.example'"),
    ("{fact: server.port, in: []}", "operand", "expects a list"),
    ("{fact: server.port, in: 3333}", "operand", "expects a list"),
    ("{fact: server.port, in: [443, https]}", "operand", "expects a value of type int"),
    ("{fact: server.port, in: '@own-agents'}", "operand", "expects a value of type int"),
    ("{fact: server.port, in: '@nothing'}", "operand", "there is no list @nothing"),
    ("{fact: mining.agent, contains: ''}", "operand", "expects text"),
    ("{fact: mining.agent, contains: 7}", "operand", "expects text"),
    ("{fact: mining.agent, matches: '(a'}", "operand", "missing )"),
    ("{fact: mining.agent, matches: '(a)\\1'}", "operand", "invalid escape sequence"),
    ("{fact: mining.agent, matches: '(?<=a)b'}", "operand", "no regular expression"),
    ("{fact: mining.agent, matches: '((a{100}){100}){100}'}", "operand", "no regular expression"),
    ("{fact: mining.agent, matches: '.*'}", "operand", "matches every value"),
    ("{fact: mining.agent, matches: ''}", "operand", "expects text"),
    ("{fact: mining.agent, matches: '" + "a" * 1_025 + "'}", "operand", "at most 1024 characters"),
    ("{fact: mining.difficulty, at_least: much}", "operand", "expects a number"),
    ("{fact: mining.difficulty, at_most: true}", "operand", "expects a number"),
    ("{fact: mining.difficulty, between: [8, 1]}", "operand", "smaller number first"),
    ("{fact: mining.difficulty, between: [1]}", "operand", "two numbers"),
    ("{fact: mining.difficulty, between: 4}", "operand", "two numbers"),
    ("{fact: dns.query, domain_in: ['*']}", "operand", "no domain name"),
    ("{fact: dns.query, domain_in: [org]}", "operand", "no domain name"),
    ("{fact: dns.query, domain_in: [a..org]}", "operand", "no domain name"),
    ("{fact: dns.query, domain_in: [192.0.2.1]}", "operand", "is an address"),
    ("{fact: dns.query, domain_in: '@nothing'}", "operand", "there is no list @nothing"),
    ("{fact: dns.query, domain_in: '@pool.strange'}", "operand", "there is no list @pool.strange"),
    ("{fact: server.ip, network_in: [10.0.0.0/33]}", "operand", "expects networks"),
    ("{fact: server.ip, network_in: [10.0.0.1/8]}", "operand", "host bits set"),
    ("{fact: server.ip, network_in: [pool.example]}", "operand", "expects networks"),
    ("{fact: server.ip, exists: maybe}", "operand", "expects true or false"),
]


@pytest.mark.parametrize(("match", "code", "words"), REFUSED, ids=lambda part: part[:50])
def test_wrong_questions_are_refused(match: str, code: str, words: str, tmp_path: Path) -> None:
    """A question that cannot be meant is refused in its line, with what was expected."""
    (problem,) = rulefolder.match_problems(tmp_path, match)
    assert (problem.code, problem.line) == (code, 6)
    assert words in f"{problem.what}; {problem.remedy}"


def test_a_long_list_costs_no_more_than_a_short_one(tmp_path: Path) -> None:
    """A hundred thousand domains are looked up, not walked through."""
    members = "\n".join(f"- d{number}.example.org" for number in range(100_000))
    question = "{fact: dns.query, domain_in: '@many'}"
    files = {
        "lists/many.yaml": f"name: many\ntype: domains\nvalues:\n{members}\n",
        "rules.yaml": rulefolder.RULE.format(match=question),
    }
    ruleset = load_rules([rulefolder.write(tmp_path, files)])
    assert ruleset.match({"dns.query": "a.d99999.example.org"})
    start = time.perf_counter()
    assert not any(ruleset.match({"dns.query": f"{number}.example.net"}) for number in range(1_000))
    assert time.perf_counter() - start < 0.5
