"""Whether one condition is at least as narrow as another: yes only where it is so."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import rulefolder
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sniffer.checks.widths import Evidence, evidence_of, implies
from sniffer.errors import ConfigError

if TYPE_CHECKING:
    from sniffer.ruleset import RuleSet
    from sniffer.ruleset.conditions import Condition

TEXTS = ["a", "b", "ab", "ba", "abc"]
PORTS = [1, 2, 3, 4_000, 5_001]
NAMES = ["a.example", "x.a.example", "private.example.org", "stratum.pool.example", "www.pool.example"]
ADDRESSES = ["10.1.2.3", "10.9.9.9", "192.0.2.1", "2001:db8::5"]
agents = st.sampled_from(TEXTS)
clauses = st.one_of(
    st.builds(lambda op, text: {"fact": "mining.agent", op: text}, st.sampled_from(["equals", "starts_with", "ends_with", "contains", "matches"]), agents),
    st.builds(lambda texts: {"fact": "mining.agent", "in": texts}, st.lists(agents, min_size=1, max_size=3, unique=True)),
    st.builds(lambda seen, fact: {"fact": fact, "exists": seen}, st.booleans(), st.sampled_from(["mining.agent", "server.port"])),
    st.builds(lambda op, port: {"fact": "server.port", op: port}, st.sampled_from(["equals", "at_least", "at_most"]), st.sampled_from(PORTS)),
    st.builds(lambda ends: {"fact": "server.port", "between": sorted(ends)}, st.tuples(st.sampled_from(PORTS), st.sampled_from(PORTS))),
    st.sampled_from([{"fact": "server.port", "in": "@own-ports"}, {"fact": "server.port", "in": [1, 5_001]}]),
    st.builds(lambda names: {"fact": "dns.query", "domain_in": names}, st.lists(st.sampled_from(["a.example", "x.a.example", "example.org", "@own-domains", "@pool", "@pool.strong", "@pool.weak"]), min_size=1, max_size=2, unique=True)),
    st.builds(lambda nets: {"fact": "server.ip", "network_in": nets}, st.lists(st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "2001:db8::/32", "@own-networks"]), min_size=1, max_size=2, unique=True)),
)  # fmt: skip
conditions = st.recursive(
    clauses,
    lambda inner: st.one_of(
        st.builds(lambda part: {"not": part}, inner),
        st.builds(lambda word, parts: {word: parts}, st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=5,
)  # fmt: skip
facts = st.fixed_dictionaries(
    {},
    optional={
        "mining.agent": agents,
        "server.port": st.sampled_from(PORTS),
        "dns.query": st.sampled_from(NAMES),
        "server.ip": st.sampled_from(ADDRESSES),
    },
)


def parsed(match: Any) -> tuple[Condition, RuleSet] | None:
    """A condition with its rule set; None: it is refused, as one that says a thing twice."""
    with tempfile.TemporaryDirectory() as name:
        try:
            ruleset = rulefolder.load_match(
                Path(name), yaml.safe_dump(match, default_flow_style=True, width=10**6).strip()
            )
        except ConfigError:
            return None
        return ruleset.rules[0].condition, ruleset


@settings(max_examples=200, deadline=None)
@given(narrow=conditions, wide=conditions, seen=st.lists(facts, min_size=20, max_size=20))
def test_narrow_means_narrow(narrow: Any, wide: Any, seen: list[dict[str, Any]]) -> None:
    """Where one condition is said to be narrower, no message meets it and not the other."""
    both = parsed(narrow), parsed(wide)
    assume(both[0] is not None and both[1] is not None)
    (one, ruleset), (other, _) = both  # type: ignore[misc]
    assert implies(one, one, ruleset.lists)
    if implies(one, other, ruleset.lists):
        for values in seen:
            assert not one.match(values) or other.match(values), values


PAIRS = [
    ("{fact: server.port, between: [2, 3]}", "{fact: server.port, at_least: 2}", True),
    ("{fact: server.port, at_least: 2}", "{fact: server.port, between: [2, 3]}", False),
    ("{fact: server.port, in: [4000, 5001]}", "{fact: server.port, in: '@own-ports'}", True),
    ("{fact: mining.agent, starts_with: xmrig/}", "{fact: mining.agent, starts_with: xmrig}", True),
    ("{fact: mining.agent, starts_with: xmrig}", "{fact: mining.agent, contains: mri}", True),
    ("{fact: mining.agent, ends_with: xmrig}", "{fact: mining.agent, starts_with: xmrig}", False),
    ("{fact: dns.query, domain_in: [a.example.org]}", "{fact: dns.query, domain_in: [example.org]}", True),
    ("{fact: dns.query, domain_in: [a-example.org]}", "{fact: dns.query, domain_in: [example.org]}", False),
    ("{fact: dns.query, in: '@pool.strong'}", "{fact: dns.query, in: '@pool'}", True),
    ("{fact: dns.query, in: '@pool'}", "{fact: dns.query, in: '@pool.strong'}", False),
    ("{fact: server.ip, network_in: [10.1.0.0/16]}", "{fact: server.ip, in: '@own-networks'}", True),
    ("{fact: server.ip, network_in: [11.1.0.0/16]}", "{fact: server.ip, in: '@own-networks'}", False),
    ("{fact: server.port, equals: 1}", "{not: {fact: server.port, equals: 2}}", True),
    ("{fact: mining.agent, exists: false}", "{fact: mining.agent, exists: true}", False),
]


@pytest.mark.parametrize(("narrow", "wide", "expected"), PAIRS)
def test_what_is_decided(narrow: str, wide: str, *, expected: bool, tmp_path: Path) -> None:
    """Ranges, lists, texts, names and networks are compared, not only the same words."""
    one = rulefolder.load_match(tmp_path / "one", narrow)
    other = rulefolder.load_match(tmp_path / "other", wide)
    assert implies(one.rules[0].condition, other.rules[0].condition, one.lists) is expected


PROOFS = [
    ("{fact: stratum.method, exists: true}", Evidence.MESSAGE),
    ("{fact: stratum.method, exists: false}", Evidence.NONE),
    ("{not: {fact: stratum.method, exists: true}}", Evidence.NONE),
    ("{fact: server.port, equals: 3333}", Evidence.NONE),
    ("{fact: dns.query, in: '@pool.strong'}", Evidence.SIGN),
    ("{fact: tls.server_name, in: '@pool.strong'}", Evidence.LIKELY),
    ("{fact: tls.server_name, in: '@pool.mixed'}", Evidence.MIXED),
    (
        "{all: [{fact: tls.server_name, in: '@pool.mixed'}, {fact: server.port, in: '@own-ports'}]}",
        Evidence.LIKELY,
    ),
    (
        "{all: [{fact: tls.server_name, in: '@pool.weak'}, {fact: server.port, in: '@own-ports'}]}",
        Evidence.SIGN,
    ),
    ("{fact: tls.server_name, in: '@defunct'}", Evidence.SIGN),
    ("{fact: tls.server_name, equals: other.example}", Evidence.LIKELY),
    (
        "{any: [{fact: stratum.method, exists: true}, {fact: tls.server_name, in: '@pool.strong'}]}",
        Evidence.LIKELY,
    ),
]


@pytest.mark.parametrize(("match", "expected"), PROOFS)
def test_what_a_hit_proves(match: str, expected: Evidence, tmp_path: Path) -> None:
    """The least that any hit proves counts: of alternatives the weakest, of demands the strongest."""
    ruleset = rulefolder.load_match(tmp_path, match)
    assert evidence_of(ruleset.rules[0].condition, ruleset.lists) is expected
