"""Conditions: trees of questions, their reasons and their faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import rulefolder

if TYPE_CHECKING:
    from pathlib import Path

    from sniffer.model import Value

SUBMIT = "{fact: stratum.method, equals: mining.submit}"
PORT = "{fact: server.port, equals: 3333}"


@pytest.mark.parametrize(
    ("match", "facts", "reasons"),
    [
        (
            f"{{all: [{SUBMIT}, {PORT}]}}",
            {"stratum.method": "mining.submit", "server.port": 3333},
            ("stratum.method = mining.submit", "server.port = 3333"),
        ),
        (f"{{all: [{SUBMIT}, {PORT}]}}", {"stratum.method": "mining.submit", "server.port": 1}, None),
        (f"{{any: [{SUBMIT}, {PORT}]}}", {"server.port": 3333}, ("server.port = 3333",)),
        (f"{{any: [{SUBMIT}, {PORT}]}}", {"server.port": 1}, None),
        (f"{{all: [{SUBMIT}, {{not: {PORT}}}]}}", {"stratum.method": "mining.submit", "server.port": 1}, ("stratum.method = mining.submit",)),
        (f"{{all: [{SUBMIT}, {{not: {PORT}}}]}}", {"stratum.method": "mining.submit"}, ("stratum.method = mining.submit",)),
        (f"{{not: {SUBMIT}}}", {"stratum.method": "mining.submit"}, None),
        (f"{{not: {{not: {PORT}}}}}", {"server.port": 3333}, ()),
        ("{fact: mining.user, exists: false}", {}, ("no mining.user",)),
        ("{fact: mining.user, exists: false}", {"mining.user": "a"}, None),
    ],
)  # fmt: skip
def test_trees(match: str, facts: dict[str, Value], reasons: tuple[str, ...] | None, tmp_path: Path) -> None:
    """all, any and not mean what they say, and the clauses that held are the reasons."""
    found = rulefolder.load_match(tmp_path, match).match(facts)
    assert [one.reasons for _, one in found] == ([] if reasons is None else [reasons])


def test_reasons_are_short_and_printable(tmp_path: Path) -> None:
    """What the wire said appears in a reason escaped and cut."""
    ruleset = rulefolder.load_match(tmp_path, "{fact: mining.agent, starts_with: x}")
    ((_, match),) = ruleset.match({"mining.agent": "x\x1b[31m\n\u202e" + "y" * 600})
    (reason,) = match.reasons
    assert reason.isascii()
    assert reason.isprintable()
    assert len(reason) <= 120
    assert r"\x1b" in reason


def test_endpoint_travels_with_the_match(tmp_path: Path) -> None:
    """The list entry that a name belongs to is in the answer, with the strength of the name."""
    ruleset = rulefolder.load_match(tmp_path, "{fact: tls.server_name, domain_in: '@pool'}")
    ((_, match),) = ruleset.match({"tls.server_name": "www.stratum.pool.example"})
    assert match.endpoint is not None
    assert (match.endpoint.pool, match.endpoint.country, match.endpoint.strength) == (
        "Example pool",
        "NO",
        "weak",
    )


LISTED = [
    ("{fact: dns.query, in: '@own-domains'}", {"dns.query": "a.private.example.org"}, "own-domains", "private.example.org"),
    ("{fact: dns.query, domain_in: [other.example, '@own-domains']}", {"dns.query": "private.example.org"}, "own-domains", "private.example.org"),
    ("{fact: dns.query, domain_in: [private.example.org]}", {"dns.query": "private.example.org"}, "", ""),
    ("{fact: dns.query, domain_in: ['@own-domains', org.example]}", {"dns.query": "org.example"}, "", ""),
    ("{fact: dns.query, in: '@pool'}", {"dns.query": "a.stratum.pool.example"}, "pool.strong", "stratum.pool.example"),
    ("{fact: dns.query, in: '@defunct'}", {"dns.query": "old.pool.example"}, "defunct", "old.pool.example"),
    ("{fact: server.ip, in: '@own-networks'}", {"server.ip": "10.1.2.3"}, "own-networks", "10.0.0.0/8"),
    ("{fact: server.ip, network_in: [10.0.0.0/8]}", {"server.ip": "10.1.2.3"}, "", ""),
    ("{fact: server.port, in: '@own-ports'}", {"server.port": 5001}, "own-ports", ""),
    ("{fact: mining.agent, in: '@own-agents'}", {"mining.agent": "xmrig/6"}, "own-agents", ""),
    ("{fact: mining.agent, in: [xmrig/6]}", {"mining.agent": "xmrig/6"}, "", ""),
    (f"{{all: [{PORT}, {{fact: server.ip, in: '@own-networks'}}, {{fact: dns.query, in: '@pool'}}]}}", {"server.port": 3333, "server.ip": "10.0.0.1", "dns.query": "pool.example"}, "own-networks", "10.0.0.0/8"),
    (f"{{all: [{PORT}, {{not: {{fact: server.ip, in: '@own-networks'}}}}]}}", {"server.port": 3333, "server.ip": "11.0.0.1"}, "", ""),
    (f"{{any: [{PORT}, {{fact: server.ip, in: '@own-networks'}}]}}", {"server.ip": "10.0.0.1"}, "own-networks", "10.0.0.0/8"),
]  # fmt: skip


@pytest.mark.parametrize(("match", "facts", "name", "entry"), LISTED)
def test_the_list_travels_with_the_match(
    match: str, facts: dict[str, Value], name: str, entry: str, tmp_path: Path
) -> None:
    """The first named list that a clause found something in; the entry of a name or network, which may differ from the fact.

    What else was found is private at times (an account), and stands in the reason, where it is hidden.
    """
    ((_, found),) = rulefolder.load_match(tmp_path, match).match(facts)
    assert found.endpoint is None or "@pool" in match or "@defunct" in match
    assert (found.listed.name, found.listed.entry) == (name, entry) if name else found.listed is None


@pytest.mark.parametrize(
    ("match", "codes"),
    [
        ("{}", ["condition"]),
        ("[]", ["condition", "type"]),
        ("text", ["condition", "type"]),
        ("{all: []}", ["condition"]),
        (f"{{all: {SUBMIT}}}", ["condition"]),
        ("{any: [7]}", ["condition"]),
        ("{not: 7}", ["condition"]),
        (f"{{all: [{SUBMIT}], any: [{PORT}]}}", ["condition"]),
        (f"{{not: {SUBMIT}, fact: server.port}}", ["condition"]),
        ("{equals: x}", ["condition"]),
        ("{fact: 7, equals: x}", ["condition"]),
        ("{fact: server.port}", ["condition"]),
        ("{fact: server.port, at_least: 1, at_most: 2}", ["condition"]),
        ("{all: [{fact: a.b, equals: x}, {fact: server.port, equal: 1}]}", ["unknown_fact", "unknown_operator"]),
    ],
)  # fmt: skip
def test_faults_of_trees(match: str, codes: list[str], tmp_path: Path) -> None:
    """Each fault in a tree is told, all at once."""
    found = rulefolder.match_problems(tmp_path, match)
    assert sorted({problem.code for problem in found}) == codes
    assert {problem.line for problem in found} == {6}


def test_fault_points_at_its_clause(tmp_path: Path) -> None:
    """In a tree over several lines the fault has the line and column of its own key."""
    match = "\n    all:\n      - {fact: server.port, equals: 1}\n      - any:\n          - fact: tls.server_nam\n            exists: true"
    (problem,) = rulefolder.match_problems(tmp_path, match)
    assert (problem.line, problem.column, problem.code) == (10, 13, "unknown_fact")
    assert "tls.server_name" in problem.remedy
