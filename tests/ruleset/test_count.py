"""``count``: what may be written, what is meant by it, and every fault at its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import rulefolder

from sniffer.ruleset import restore
from sniffer.ruleset.count import SECOND
from sniffer.ruleset.explain import explain
from sniffer.ruleset.schema import rules_schema
from sniffer.strictyaml import load_file

if TYPE_CHECKING:
    from pathlib import Path

SUBMIT = "{fact: stratum.method, equals: mining.submit}"
PORT = "{fact: server.port, equals: 3333}"
COUNT = f"{{at_least: 20, within: 60s, per: host, of: {SUBMIT}}}"
BOTH = {"stratum.method": "mining.submit", "server.port": 3333}

GOOD = [
    (f"{{count: {COUNT}}}", 20, 60, True),
    (f"{{count: {{at_least: 2, within: 10m, of: {SUBMIT}}}}}", 2, 600, False),
    (f"{{count: {{at_least: 2, within: 90, per: flow, of: {SUBMIT}}}}}", 2, 90, False),
    (f"{{count: {{at_least: 10000, within: 24h, of: {{all: [{SUBMIT}, {PORT}]}}}}}}", 10_000, 86_400, False),
    (f"{{all: [{PORT}, {{count: {COUNT}}}]}}", 20, 60, True),
    (f"{{all: [{{count: {COUNT}}}]}}", 20, 60, True),
]


@pytest.mark.parametrize(("match", "at_least", "seconds", "per_host"), GOOD)
def test_what_may_be_written(
    match: str,
    at_least: int,
    seconds: int,
    per_host: bool,  # noqa: FBT001 -- a column of the table
    tmp_path: Path,
) -> None:
    """A count says how many within how long by what, and a rule with it answers about one message as every rule does."""
    ruleset = rulefolder.load_match(tmp_path, match)
    count = ruleset.rules[0].count
    assert count is not None
    assert (count.at_least, count.within, count.per_host) == (at_least, seconds * SECOND, per_host)
    ((_, found),) = ruleset.match(BOTH)
    assert found.reasons[-1] == (
        f"at least {at_least} messages within {seconds} s, by {'host' if per_host else 'flow'}"
    )
    assert found.reasons[:-1]
    assert not ruleset.match({"server.port": 3333})
    assert bool(ruleset.match({"stratum.method": "mining.submit"})) is ("3333" not in match)


@pytest.mark.parametrize("match", [row[0] for row in GOOD])
def test_a_worker_counts_what_the_parent_loaded(match: str, tmp_path: Path) -> None:
    """Counts survive the way to a worker, also what tells them apart."""
    ruleset = rulefolder.load_match(tmp_path, match)
    assert restore(ruleset.dump()).rules[0].count == ruleset.rules[0].count


@pytest.mark.parametrize("match", [row[0] for row in GOOD])
def test_an_editor_takes_what_loads(match: str, tmp_path: Path) -> None:
    """The schema allows each way to write a count."""
    rulefolder.load_match(tmp_path, match)
    jsonschema.validate(load_file(tmp_path / "rules.yaml").data, rules_schema())


@pytest.mark.parametrize(
    "match",
    [
        {"any": [{"count": {"at_least": 2, "within": 1, "of": {"fact": "tls.alpn", "exists": True}}}]},
        {"count": {"at_least": 1, "within": 1, "of": {"fact": "tls.alpn", "exists": True}}},
        {"count": {"at_least": 2, "within": 1}},
        {"count": {"at_least": 2, "within": 1, "of": {"count": {}}}},
    ],
)
def test_an_editor_marks_what_does_not_load(match: Any) -> None:
    """The schema refuses a count in the wrong place, or with half of its keys."""
    (shown,) = jsonschema.Draft202012Validator(rules_schema()).iter_errors(
        [
            {
                "id": "a-rule",
                "title": "A rule",
                "severity": "high",
                "confidence": "confirmed",
                "match": match,
                "examples": {"hits": [{"client": "x"}], "misses": [{"client": "y"}]},
            }
        ]
    )
    assert shown


@pytest.mark.parametrize(
    ("match", "code", "column", "words"),
    [
        ("{count: 3}", "count", 11, "needs a mapping"),
        (f"{{count: {COUNT}, fact: server.port}}", "count", 109, "stands beside"),
        (f"{{any: [{{count: {COUNT}}}]}}", "count", 18, "too deep"),
        (f"{{not: {{count: {COUNT}}}}}", "count", 17, "too deep"),
        (f"{{all: [{PORT}, {{all: [{{count: {COUNT}}}]}}]}}", "count", 60, "too deep"),
        (f"{{count: {{at_least: 2, within: 1, of: {{count: {COUNT}}}}}}}", "count", 48, "too deep"),
        (f"{{all: [{{count: {COUNT}}}, {{count: {COUNT}}}]}}", "count", 117, "count once"),
        (f"{{count: {{at_least: 1, within: 60s, of: {SUBMIT}}}}}", "range", 19, "greater than or equal to 2"),
        (f"{{count: {{at_least: 10001, within: 60s, of: {SUBMIT}}}}}", "range", 19, "less than or equal to 10000"),
        (f"{{count: {{at_least: '2', within: 60s, of: {SUBMIT}}}}}", "type", 19, "integer"),
        (f"{{count: {{at_least: 2, within: 1m30s, of: {SUBMIT}}}}}", "value", 32, "expected a duration"),
        (f"{{count: {{at_least: 2, within: 500ms, of: {SUBMIT}}}}}", "range", 32, "greater than or equal to 1"),
        (f"{{count: {{at_least: 2, within: 2d, of: {SUBMIT}}}}}", "range", 32, "less than or equal to 86400"),
        (f"{{count: {{at_least: 2, within: 60s, per: tenant, of: {SUBMIT}}}}}", "value", 45, "'flow' or 'host'"),
        (f"{{count: {{at_last: 2, at_least: 2, within: 60s, of: {SUBMIT}}}}}", "unknown_key", 19, "at_last"),
        ("{count: {at_least: 2, within: 60s}}", "missing_key", 11, "'of' is missing"),
        ("{count: {at_least: 2, within: 60s, of: 7}}", "type", 45, "object"),
        ("{count: {at_least: 2, within: 60s, of: {fact: server.por, equals: 1}}}", "unknown_fact", 50, "server.por"),
        (f"{{count: {{at_least: 2, within: 60s, of: {SUBMIT}, thresholds: [{{tenant: a, at_least: 3}}]}}}}", "value", 11, "per: host"),
        (f"{{count: {{at_least: 2, within: 60s, per: host, of: {SUBMIT}, thresholds: [{{at_least: 3}}]}}}}", "value", None, "either tenant or network"),
        (f"{{count: {{at_least: 2, within: 60s, per: host, of: {SUBMIT}, thresholds: [{{network: 10.0.0.1/8, at_least: 3}}]}}}}", "value", None, "host bits set"),
        (f"{{count: {{at_least: 2, within: 60s, per: host, of: {SUBMIT}, thresholds: [{{tenant: a, at_least: 3}}, {{tenant: a, at_least: 4}}]}}}}", "value", 11, "two thresholds"),
    ],
)  # fmt: skip
def test_faults(match: str, code: str, column: int | None, words: str, tmp_path: Path) -> None:
    """Each fault is told once, at its line and column, with what is wrong or what to do."""
    (problem,) = rulefolder.match_problems(tmp_path, match)
    assert (problem.code, problem.line) == (code, 6)
    assert words in f"{problem.what}; {problem.remedy}"
    if column is not None:
        assert problem.column == column


THRESHOLDS = (
    "[{network: 10.0.0.0/8, at_least: 30}, {network: 10.1.0.0/16, at_least: 40}, {network: 10.1.2.0/24, at_least: 1}, "
    '{tenant: acme, at_least: 50}, {network: "2001:db8::/32", at_least: 60}]'
)


@pytest.mark.parametrize(
    ("host", "tenant", "limit"),
    [
        ("0a000001", "", 30),
        ("0a010001", "", 40),
        ("0a010203", "", 1),
        ("0a010203", "acme", 1),
        ("c0000201", "acme", 50),
        ("c0000201", "other", 20),
        ("c0000201", "", 20),
        ("20010db8" + 24 * "0", "acme", 60),
        ("20010db9" + 24 * "0", "", 20),
    ],
)
def test_the_most_specific_threshold_wins(host: str, tenant: str, limit: int, tmp_path: Path) -> None:
    """The longest network that holds the host, else its tenant's, else everybody's number."""
    match = f"{{count: {COUNT[:-1]}, thresholds: {THRESHOLDS}}}}}"
    count = rulefolder.load_match(tmp_path, match).rules[0].count
    assert count is not None
    assert count.limit(bytes.fromhex(host), tenant) == limit
    assert count.reason == "count within 60 s, by host"


def test_counts_that_ask_otherwise_are_told_apart(tmp_path: Path) -> None:
    """Rules that count the same, written alike, have one digest; another question, number or place another."""
    digests = []
    for number, match in enumerate([row[0] for row in GOOD]):
        for turn in "ab":
            count = rulefolder.load_match(tmp_path / f"{number}{turn}", match).rules[0].count
            assert count is not None
            digests.append(count.digest)
    assert digests[::2] == digests[1::2]
    assert len(set(digests)) == len(GOOD)


def test_a_count_in_words(tmp_path: Path) -> None:
    """``rules explain`` tells how many messages it takes, for whom how many, and what each must be like."""
    match = f"{{count: {COUNT[:-1]}, thresholds: [{{network: 10.0.0.0/8, at_least: 5}}, {{tenant: acme, at_least: 9}}]}}}}"
    ruleset = rulefolder.load_match(tmp_path, match)
    text = explain(ruleset.rules[0], ruleset.lists)
    lines = text.splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("counts"))
    assert lines[begin : begin + 6] == [
        "counts, by host: at least 20 messages within 60 s that are as follows",
        "  in 10.0.0.0/8: at least 5",
        "  of acme: at least 9",
        "",
        "It hits a message if",
        '  stratum.method is "mining.submit"  (method of a mining.* request or notification, lower case)',
    ]


@pytest.mark.parametrize(
    ("question", "name", "entry"),
    [
        ("{fact: dns.query, in: '@own-domains'}", "own-domains", "private.example.org"),
        ("{fact: dns.query, domain_in: '@pool'}", "pool.strong", "stratum.pool.example"),
    ],
)
def test_a_counted_message_tells_its_list(question: str, name: str, entry: str, tmp_path: Path) -> None:
    """An event of a rule that counts names list and entry, as that of any rule does."""
    plain = rulefolder.load_match(tmp_path / "plain", question)
    counted = rulefolder.load_match(
        tmp_path / "counted", f"{{count: {{at_least: 2, within: 60s, of: {question}}}}}"
    )
    (((_, one),), ((_, other),)) = [ruleset.match({"dns.query": entry}) for ruleset in (plain, counted)]
    assert other.listed is not None
    assert (other.listed.name, other.listed.entry) == (name, entry)
    assert (other.listed, other.endpoint, other.reasons[:-1]) == (one.listed, one.endpoint, one.reasons)


def test_what_the_gate_is_told(tmp_path: Path) -> None:
    """Names that are counted pass the gate, as those of any rule."""
    match = "{count: {at_least: 5, within: 60s, per: host, of: {fact: dns.query, domain_in: a.example}}}"
    ruleset = rulefolder.load_match(tmp_path, match)
    assert (ruleset.gate_names(), ruleset.wants_every_name) == ({"a.example": True}, False)
