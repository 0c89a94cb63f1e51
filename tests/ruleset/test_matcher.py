"""The index over rules: the same answers as without it, and what the gate is told."""

from __future__ import annotations

import dataclasses
import functools
import json
import statistics
import time
from typing import TYPE_CHECKING, Any

import pytest
import rulefolder
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.paths import shipped_rules
from sniffer.protocols.facts import FACTS
from sniffer.ruleset import RuleSet, load_rules, restore
from sniffer.ruleset.conditions import Clause
from sniffer.ruleset.matcher import MAX_ANSWERS

if TYPE_CHECKING:
    from pathlib import Path

    from sniffer.model import Value


@functools.cache
def shipped() -> RuleSet:
    """The rules that ship."""
    return load_rules([shipped_rules()])


# Values that rules ask about, and a few that they do not.
TEXTS = [
    "mining.submit", "mining.subscribe", "mining.set", "login", "job", "submit", "keepalived", "eth_submitwork", "eth_getwork",
    "btc.f2pool.com", "www.f2pool.com", "rvn.suprnova.cc", "pool.ntp.org", "2giga.link", "coinhive.com", "api.hiveos.farm",
    "donate.v2.xmrig.com", "xmr-eu1.nanopool.org", "example.org", "Mozilla/5.0", "10.0.0.7", "2001:db8::1", "tcp", "",
]  # fmt: skip
BY_TYPE: dict[type, st.SearchStrategy[Value]] = {
    str: st.sampled_from(TEXTS),
    int: st.sampled_from([0, 1, 443, 3333, 4444, 65_535]),
    float: st.sampled_from([0.0, 1.0, 443.0, 4096.0, 1e12]),
    bool: st.booleans(),
}
MESSAGES = st.lists(
    st.sampled_from(sorted(FACTS)).flatmap(lambda name: st.tuples(st.just(name), BY_TYPE[FACTS[name].type])),
    max_size=8,
).map(dict)


@settings(deadline=None)  # the first example loads rules
@given(MESSAGES)
def test_index_gives_what_every_rule_by_itself_gives(facts: dict[str, Value]) -> None:
    """For the shipped rules the index changes nothing: rules, order, reasons, endpoints."""
    assert shipped().match(facts) == shipped().match_plainly(facts)


NAMES = sorted(name for name in FACTS if not name.startswith("payload."))
"""Facts of an opening stand beside a payload condition only (test_payloads.py)."""
QUESTIONS = st.sampled_from(NAMES).flatmap(
    lambda name: st.one_of(
        st.builds(lambda value: {"fact": name, "exists": value}, st.booleans()),
        st.builds(lambda value: {"fact": name, "equals": value}, BY_TYPE[FACTS[name].type].filter(lambda v: v == str(v).lower() or not isinstance(v, str))),
        *([st.builds(lambda value: {"fact": name, "at_least": value}, BY_TYPE[FACTS[name].type])] if FACTS[name].type in (int, float) else []),
        *([st.builds(lambda value: {"fact": name, "in": value}, st.lists(BY_TYPE[int], min_size=1, max_size=3))] if FACTS[name].type is int else []),
        *([st.just({"fact": name, "domain_in": ["@pool", "@defunct"]})] if name in ("dns.query", "tls.server_name") else []),
    )
)  # fmt: skip
TREES = st.recursive(
    QUESTIONS,
    lambda inner: st.one_of(
        st.builds(lambda part: {"not": part}, inner),
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=6,
)


def rules_of(trees: list[Any]) -> list[dict[str, Any]]:
    """Rules that ask what the trees say."""
    return [
        {
            "id": f"rule-{number}",
            "signature_id": number + 1,
            "title": f"Rule {number}",
            "severity": "low",
            "confidence": "suspected",
            "match": tree,
            "examples": {"hits": [{"client": "x"}], "misses": [{"client": "y"}]},
        }
        for number, tree in enumerate(trees)
    ]


POOLS = {
    "category": "pool",
    "pools": [{"name": "p", "endpoints": [{"suffix": "f2pool.com", "strength": "strong"}]}],
}


def with_trees(trees: list[Any]) -> RuleSet:
    """A set with such rules, built without files (and so without the linter's word on odd trees)."""
    import msgspec  # noqa: PLC0415 -- only this helper writes a dump by hand

    files, documents = ["pools.yaml", "rules.yaml"], [POOLS, rules_of(trees)]
    return restore(msgspec.msgpack.encode(["by hand", files, documents]))


@settings(deadline=None)  # the first example loads rules
@given(
    st.lists(TREES, min_size=1, max_size=5).filter(lambda trees: all(map(is_sound, trees))),
    st.lists(MESSAGES, min_size=1, max_size=5),
)
def test_index_gives_the_same_for_any_rules(trees: list[Any], messages: list[dict[str, Value]]) -> None:
    """Whatever rules ask, the index finds each that matches, also when it remembers what was asked before."""
    ruleset = with_trees(trees)
    for facts in messages + messages:
        assert ruleset.match(facts) == ruleset.match_plainly(facts)


def test_answers_are_remembered_within_a_bound() -> None:
    """What no rule asks about asks nobody anew; what one does fills no more than its bound, and is told apart."""
    ruleset = with_trees(
        [{"fact": "mining.user", "contains": "7"}, {"not": {"fact": "mining.agent", "equals": "x"}}]
    )
    for number in range(3 * MAX_ANSWERS):
        facts: dict[str, Value] = {"mining.user": f"u{number}", "mining.difficulty": float(number)}
        assert ruleset.match(facts) == ruleset.match_plainly(facts)
        assert len(ruleset.match(facts)) == 1 + ("7" in str(number))
    known = ruleset.remembered
    assert known == MAX_ANSWERS
    for number in range(100):
        ruleset.match({"mining.user": "one", "mining.difficulty": float(number)})
    assert ruleset.remembered == known


def test_every_answer_is_found_twice_by_the_paranoid() -> None:
    """Where the index lost a rule, the plain answer is given and the rule is named; else nothing is."""
    ruleset = with_trees([{"fact": "server.port", "equals": 1}, {"fact": "server.port", "at_least": 1}])
    facts: dict[str, Value] = {"server.port": 1}
    assert ruleset.match_twice(facts) == (ruleset.match_plainly(facts), [])
    broken = with_trees([{"fact": "server.port", "equals": 1}, {"fact": "server.port", "at_least": 1}])
    broken._by_value.clear()
    answers, differing = broken.match_twice(facts)
    assert ([rule.id for rule, _ in answers], differing) == (["rule-0", "rule-1"], ["rule-0"])


# ── the price of a rule ──────────────────────────────────────────────────────────────────────────────────


def seconds_a_message(ruleset: RuleSet, messages: list[dict[str, Value]]) -> float:
    """CPU time of one message, that is asked about for the first time."""
    begun = time.process_time()
    for facts in messages:
        ruleset.match(facts)
    return (time.process_time() - begun) / len(messages)


def test_two_thousand_rules_cost_a_message_what_ten_do() -> None:
    """With a value of its own for each rule, a message that was never seen before costs the same however many rules there are."""
    sets = {
        count: with_trees([{"fact": "mining.user", "equals": f"u{number}"} for number in range(count)])
        for count in (10, 2_000)
    }
    ratios = []
    for turn in range(9):
        messages: list[dict[str, Value]] = [
            {"mining.user": f"u{number % 10 if number % 2 else number}", "stratum.method": "mining.submit"}
            for number in range(turn * MAX_ANSWERS, (turn + 1) * MAX_ANSWERS)
        ]
        few, many = (seconds_a_message(sets[count], messages) for count in (10, 2_000))
        ratios.append(many / few)
    assert sets[2_000].match({"mining.user": "u1999"})
    assert statistics.median(ratios) <= 1.5, ratios


def test_expressions_are_asked_once_for_each_answer() -> None:
    """Rules with regular expressions make a message pay when it says something new, and no more than each rule once."""
    asked: list[Value] = []
    ruleset = with_trees([{"fact": "mining.agent", "matches": f"^xmrig/{number}"} for number in range(5)])
    rules = []
    for rule in ruleset.rules:
        clause = rule.condition
        assert isinstance(clause, Clause)
        test = functools.partial(lambda test, value: asked.append(value) or test(value), clause.test)
        rules.append(dataclasses.replace(rule, condition=dataclasses.replace(clause, test=test)))
    watched = RuleSet(rules, ruleset.lists, "", b"")
    for number in range(1_000):
        facts: dict[str, Value] = {"mining.agent": f"xmrig/{number % 4}", "mining.difficulty": float(number)}
        assert len(watched.match(facts)) == 1
    assert len(asked) == 4 * 5


def is_sound(tree: Any) -> bool:
    """Whether the linter would let a tree pass: nothing twice in one list, no two values for one fact."""
    parts = tree.get("all") or tree.get("any") or ([tree["not"]] if "not" in tree else [])
    facts = [part["fact"] for part in parts if "fact" in part]
    return len(facts) == len(set(facts)) and all(is_sound(part) for part in parts)


# ── the gate ─────────────────────────────────────────────────────────────────────────────────────────────


def test_gate_lets_every_listed_name_through() -> None:
    """Each endpoint is among the names, a suffix as one, and all can be hashed."""
    names = shipped().gate_names()
    assert all(names[endpoint.domain] or not endpoint.suffix for endpoint in shipped().endpoints)
    assert all(name.isascii() and name == name.lower() for name in names)
    assert not shipped().wants_every_name


@pytest.mark.parametrize(
    ("match", "names", "everything"),
    [
        ("{fact: stratum.method, exists: true}", [], False),
        ("{fact: mining.agent, matches: xmrig}", [], False),
        ("{fact: dns.query, equals: a.example.org}", [("a.example.org", False)], False),
        ("{fact: dns.query, in: [a.example.org, b.example.org]}", [("a.example.org", False), ("b.example.org", False)], False),
        ("{fact: tls.server_name, domain_in: Example.ORG}", [("example.org", True)], False),
        ("{fact: tls.server_name, in: '@own-domains'}", [("private.example.org", True)], False),
        ("{fact: http.host, domain_in: '@pool.strong'}", [("old.pool.example", False), ("pool.example", True), ("stratum.pool.example", True)], False),
        ("{all: [{fact: dns.query, domain_in: a.example}, {fact: dns.type, equals: A}]}", [("a.example", True)], False),
        ("{all: [{fact: dns.type, equals: A}, {not: {fact: dns.query, domain_in: a.example}}]}", [], True),
        ("{any: [{fact: dns.query, domain_in: a.example}, {fact: dns.query, matches: mine}]}", [("a.example", True)], True),
        ("{any: [{fact: dns.query, domain_in: a.example}, {fact: stratum.method, exists: true}]}", [("a.example", True)], False),
        ("{fact: tls.server_name, ends_with: .zip}", [], True),
        ("{fact: http.user_agent, contains: miner}", [], True),
        ("{fact: server.port, equals: 3333}", [], True),
        ("{fact: mining.user, exists: false}", [], True),
        ("{not: {fact: stratum.method, exists: true}}", [], True),
    ],
)  # fmt: skip
def test_what_the_gate_is_told(
    match: str,
    names: list[tuple[str, bool]],
    everything: bool,  # noqa: FBT001 -- a column of the table
    tmp_path: Path,
) -> None:
    """Names that rules list, or everything where a rule can match without a listed name."""
    ruleset = rulefolder.load_match(tmp_path, match)
    assert (ruleset.gate_names(), ruleset.wants_every_name) == (dict(names), everything)


# ── hand-over ────────────────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None)  # the first example loads rules
@given(MESSAGES)
def test_restored_set_answers_the_same(facts: dict[str, Value]) -> None:
    """A worker that got a dump decides like the parent that made it."""
    assert [(r.id, m) for r, m in copy().match(facts)] == [(r.id, m) for r, m in shipped().match(facts)]


@functools.cache
def copy() -> RuleSet:
    """The shipped rules after the way through a dump."""
    return restore(shipped().dump())


def test_restored_set_is_equal() -> None:
    """Version, names, endpoints and rules survive, and a second dump is the same."""
    one, other = shipped(), copy()
    assert (other.version, other.gate_names(), other.endpoints) == (
        one.version,
        one.gate_names(),
        one.endpoints,
    )
    assert [(r.id, r.signature_id, r.severity, r.examples) for r in other.rules] == [
        (r.id, r.signature_id, r.severity, r.examples) for r in one.rules
    ]
    assert other.dump() == one.dump()


def test_version_is_that_of_the_content(tmp_path: Path) -> None:
    """The same rules in another folder have the same version, other rules another."""
    match = json.dumps({"fact": "server.port", "equals": 1})
    one, other = (rulefolder.load_match(tmp_path / name, match) for name in ("a", "b"))
    assert one.version == other.version
    assert rulefolder.load_match(tmp_path / "c", match.replace("1", "2")).version != one.version
