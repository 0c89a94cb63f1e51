"""Suppressions: what an entry covers, until when, and what is wrong with one."""

from __future__ import annotations

import ipaddress
import random
import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import rulefolder

from sniffer.errors import ConfigError
from sniffer.ruleset import load_rules, restore
from sniffer.ruleset.suppression import (
    MAX_SUPPRESSIONS,
    Hit,
    SuppressionFile,
    Suppressions,
    make_suppressions,
)

if TYPE_CHECKING:
    from pathlib import Path

RULE = rulefolder.RULE.format(match="{fact: server.port, equals: 1}")
SOON = (datetime.now(UTC).date() + timedelta(days=30)).isoformat()
ENDS = f"reason: a test, until: {SOON}"
HIT = Hit("a-rule", bytes([10, 20, 0, 7]), bytes([203, 0, 113, 9]), "acme", "eu.pool.example")
NOW = int(datetime.now(UTC).timestamp()) * 10**9


def load(folder: Path, *entries: str, tenants: list[str] | None = None) -> Suppressions:
    """What is loaded of entries in flow style."""
    text = "allow:\n" + "".join(f"- {{{entry}}}\n" for entry in entries)
    return load_rules(
        [rulefolder.write(folder, {"rules.yaml": RULE, "allow.yaml": text})], tenants
    ).suppressions


@pytest.mark.parametrize(
    ("entry", "covered"),
    [
        ("address: 10.20.0.7", True),
        ("address: 10.20.0.8", False),
        ("address: '::ffff:a14:7'", False),
        ("network: 10.20.0.0/16", True),
        ("network: 10.21.0.0/16", False),
        ("network: 10.20.0.7/32", True),
        ("network: 'a14::/16'", False),
        ("address: 10.20.0.7, network: 10.20.0.0/24", True),
        ("server: 203.0.113.9", True),
        ("server: 203.0.113.0/24", True),
        ("server: 203.0.114.0/24", False),
        ("server: 10.20.0.7", False),
        ("tenant: acme", True),
        ("tenant: Acme", False),
        ("rule: a-rule", True),
        ("rule: [a-rule]", True),
        ("domain: pool.example", True),
        ("domain: POOL.example.", True),
        ("domain: eu.pool.example", True),
        ("domain: u.pool.example", False),
        ("domain: deep.eu.pool.example", False),
        ("network: 10.20.0.0/16, tenant: acme, rule: a-rule, domain: pool.example, server: 203.0.113.9", True),
        ("network: 10.20.0.0/16, tenant: other, rule: a-rule, domain: pool.example, server: 203.0.113.9", False),
        ("network: 10.20.0.0/16, tenant: acme, rule: a-rule, domain: pool.example, server: 203.0.113.8", False),
    ],
)  # fmt: skip
def test_everything_that_an_entry_gives_must_hold(entry: str, *, covered: bool, tmp_path: Path) -> None:
    """Address and network of the host, server, tenant, rule, domain by whole labels: each alone, and together."""
    found = load(tmp_path, f"{entry}, {ENDS}").find(HIT, NOW)
    assert (found is not None) is covered


def test_what_a_hit_does_not_have_is_not_covered(tmp_path: Path) -> None:
    """A hit without a server, a tenant or a name is not that of an entry which names one; a rule is that rule only."""
    nobody = Hit("another", HIT.host, None, "", "")
    for entry in ("server: 203.0.113.0/24", "tenant: acme", "domain: pool.example", "rule: a-rule"):
        assert load(tmp_path, f"{entry}, {ENDS}").find(nobody, NOW) is None
    assert load(tmp_path, f"network: 10.20.0.0/16, {ENDS}").find(nobody, NOW) is not None


def test_ipv6_hosts(tmp_path: Path) -> None:
    """Networks of IPv6 hold IPv6 hosts only."""
    found = load(tmp_path, f"network: '2001:db8:7::/48', {ENDS}")
    inside, outside = (
        HIT._replace(host=ipaddress.ip_address(one).packed) for one in ("2001:db8:7:1::9", "2001:db8:8::9")
    )
    assert found.find(inside, NOW) is not None
    assert found.find(outside, NOW) is None


def test_an_entry_counts_to_the_end_of_its_day_by_packet_time(tmp_path: Path) -> None:
    """To the nanosecond, in UTC, whatever the clock says; the next one of several takes over."""
    found = load(
        tmp_path,
        "rule: a-rule, reason: first, until: 2020-02-29",
        "rule: a-rule, reason: second, until: 2020-03-01",
    )
    over = int(datetime(2020, 3, 1, tzinfo=UTC).timestamp()) * 10**9
    for moment, reason in ((0, "first"), (over - 1, "first"), (over, "second"), (over + 86_400 * 10**9, "")):
        entry = found.find(HIT, moment)
        assert (entry.reason if entry else "") == reason
    assert [entry.reason for entry in found.expired(date(2020, 3, 1))] == ["first"]
    assert len(found.expired(date(2020, 3, 2))) == 2


def test_an_entry_is_known_by_what_it_says(tmp_path: Path) -> None:
    """Its key is the same at another place, and another when it says something else; its place is told."""
    one, two = (f"rule: a-rule, {ENDS}", f"tenant: acme, {ENDS}")
    before, after = load(tmp_path, one, two), load(tmp_path, two, one)
    assert [entry.key for entry in before.entries] == [entry.key for entry in reversed(after.entries)]
    assert len({entry.key for entry in before.entries}) == 2
    assert before.entries[1].where == f"{tmp_path}/allow.yaml, entry 2"


def test_they_travel_with_the_rules(tmp_path: Path) -> None:
    """A set that is built again from its dump suppresses the same, and its version tells that entries are others."""
    text = f"allow:\n- {{rule: [a-rule], server: 203.0.113.0/24, {ENDS}}}\n"
    plain = load_rules([rulefolder.write(tmp_path, {"rules.yaml": RULE})])
    ruleset = load_rules([rulefolder.write(tmp_path, {"allow.yaml": text})])
    assert restore(ruleset.dump()).suppressions.entries == ruleset.suppressions.entries
    assert ruleset.version != plain.version


def test_a_file_without_entries_is_fine(tmp_path: Path) -> None:
    """The last entry may be taken out without the file."""
    files = {"rules.yaml": RULE, "allow.yaml": "allow: []\n"}
    assert load_rules([rulefolder.write(tmp_path, files)]).suppressions.entries == ()


FAULTS = [
    (f"{{{ENDS}}}", "value", 3, "at least one of address"),
    (f"{{rule: [], {ENDS}}}", "value", 3, "empty list"),
    (f"{{rule: 7, {ENDS}}}", "type", 3, "rule"),
    (f"{{rule: a-rle, {ENDS}}}", "unknown_rule", 3, "did you mean 'a-rule'?"),
    (f"{{rule: [a-rule, x], {ENDS}}}", "unknown_rule", 3, "no rule 'x'"),
    (f"{{tenant: acne, {ENDS}}}", "unknown_tenant", 3, "did you mean 'acme'?"),
    (f"{{address: 10.0.0.0/8, {ENDS}}}", "value", 3, "address"),
    (f"{{address: '', {ENDS}}}", "value", 3, "address"),
    (f"{{address: 10.0.0.1, network: 10.1.0.0/16, {ENDS}}}", "value", 3, "can never hold"),
    (f"{{network: 10.0.0.1/8, {ENDS}}}", "value", 3, "host bits"),
    (f"{{network: 0.0.0.0/0, {ENDS}}}", "value", 3, "covers every address"),
    (f"{{server: '::/0', {ENDS}}}", "value", 3, "covers every address"),
    (f"{{domain: com, {ENDS}}}", "value", 3, "two labels"),
    (f"{{domian: a.example, {ENDS}}}", "unknown_key", 3, "did you mean 'domain'?"),
    (f"{{tenant: acme, until: {SOON}}}", "missing_key", 3, "reason"),
    (f"{{tenant: acme, reason: no, until: {SOON}}}", "range", 3, "reason"),
    ("{tenant: acme, reason: a test}", "missing_key", 3, "until"),
    ("{tenant: acme, reason: a test, until: never}", "value", 3, "YYYY-MM-DD"),
    ("{tenant: acme, reason: a test, until: 2026-02-30}", "value", 3, "YYYY-MM-DD"),
    ("{tenant: acme, reason: a test, until: 20260228}", "type", 3, "until"),
    ("{tenant: acme, reason: a test, until: '20260228'}", "value", 3, "YYYY-MM-DD"),
    ("{tenant: acme, reason: a test, until: 2199-01-01}", "range", 3, "more than a year ahead"),
    ("7", "type", 3, ""),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "code", "line", "says"), FAULTS, ids=lambda part: str(part)[:40])
def test_fault_of_an_entry(entry: str, code: str, line: int, says: str, tmp_path: Path) -> None:
    """Each fault is told in the line of its entry, in words that help."""
    text = f"allow:\n- {{rule: a-rule, {ENDS}}}\n- {entry}\n"
    folder = rulefolder.write(tmp_path, {"rules.yaml": RULE, "allow.yaml": text})
    told = [problem for problem in rulefolder.refused(folder, ["acme"]) if problem.code == code]
    assert {(problem.file, problem.line) for problem in told} == {(f"{folder}/allow.yaml", line)}
    assert any(says in str(problem) for problem in told)


def test_tenants_are_checked_where_they_are_known(tmp_path: Path) -> None:
    """Without a configuration any tenant may be named; with one that has no tenants, none."""
    assert len(load(tmp_path, f"tenant: nobody, {ENDS}").entries) == 1
    assert len(load(tmp_path, f"tenant: acme, {ENDS}", tenants=["acme"]).entries) == 1
    with pytest.raises(ConfigError, match="name it under tenants"):
        load(tmp_path, f"tenant: nobody, {ENDS}", tenants=[])


def test_a_year_ahead_is_the_most(tmp_path: Path) -> None:
    """To the day."""
    last = datetime.now(UTC).date() + timedelta(days=366)
    assert load(tmp_path, f"tenant: acme, reason: a test, until: {last}").entries
    with pytest.raises(ConfigError, match="more than a year ahead"):
        load(tmp_path, f"tenant: acme, reason: a test, until: {last + timedelta(days=2)}")


def test_there_is_a_most(tmp_path: Path) -> None:
    """So many entries in all files together, and not one more."""
    half = [f"address: 10.1.{n >> 8}.{n & 255}, {ENDS}" for n in range(MAX_SUPPRESSIONS // 2)]
    text = "allow:\n" + "".join(f"- {{{entry}}}\n" for entry in half)
    files = {"rules.yaml": RULE, "a.yaml": text, "b.yaml": text}
    assert len(load_rules([rulefolder.write(tmp_path, files)]).suppressions.entries) == MAX_SUPPRESSIONS
    with pytest.raises(ConfigError, match="suppressions in all"):
        load_rules([rulefolder.write(tmp_path, {"c.yaml": f"allow:\n- {{rule: a-rule, {ENDS}}}\n"})])


def test_the_index_finds_what_a_search_finds(tmp_path: Path) -> None:
    """For entries of every kind and hits of every kind: the same entries, in the same order, as one after another gives."""
    rng = random.Random(5)
    choices = {
        "address": ["10.20.0.7", "10.20.1.7", "'2001:db8::7'"],
        "network": ["10.20.0.0/16", "10.20.0.0/24", "'2001:db8::/32'"],
        "server": ["203.0.113.9", "203.0.113.0/24", "'2001:db8:9::/48'"],
        "tenant": ["acme", "lab"],
        "rule": ["a-rule", "[a-rule]"],
        "domain": ["pool.example", "eu.pool.example", "b.example"],
    }
    written = []
    for _ in range(300):
        keys = rng.sample(sorted(choices), rng.randint(1, 3))
        if {"address", "network"} <= set(keys):
            keys.remove("network")
        written.append(", ".join(f"{key}: {rng.choice(choices[key])}" for key in keys) + f", {ENDS}")
    found = load(tmp_path, *written)
    hits = 0
    for _ in range(500):
        hosts = ("10.20.0.7", "10.20.1.7", "10.21.0.1", "2001:db8::7", "2001:db9::1")
        servers = ("203.0.113.9", "203.0.113.10", "192.0.2.1", "2001:db8:9::1")
        hit = Hit(
            rng.choice(["a-rule", "b-rule"]),
            ipaddress.ip_address(rng.choice(hosts)).packed,
            rng.choice([None, *(ipaddress.ip_address(one).packed for one in servers)]),
            rng.choice(["", "acme", "lab"]),
            rng.choice(["", "pool.example", "x.eu.pool.example", "xpool.example", "b.example"]),
        )
        plainly = tuple(entry for entry in found.entries if entry.covers(hit))
        assert found._covering(hit) == plainly
        hits += bool(plainly)
    assert 100 < hits < 500


def test_a_hit_costs_the_same_with_a_thousand_entries() -> None:
    """Also one of an address that was never seen before: floods come from many."""
    seconds = {}
    for count in (10, MAX_SUPPRESSIONS):
        written = [
            {"address": f"10.{n >> 8}.{n & 255}.1", "rule": "x", "reason": "a test", "until": SOON}
            for n in range(count)
        ]
        found = Suppressions(list(make_suppressions("a", SuppressionFile.model_validate({"allow": written}))))
        took = []
        for round_ in range(5):
            hits = [Hit("x", bytes([11, round_, n >> 8, n & 255]), None, "", "") for n in range(1_000)]
            began = time.process_time()
            assert not any(found.find(hit, NOW) for hit in hits)
            took.append(time.process_time() - began)
        seconds[count] = min(took)
    assert seconds[MAX_SUPPRESSIONS] < 3 * seconds[10] + 0.005
