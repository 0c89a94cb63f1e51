"""Checks of rules: what each finds, where, and what it leaves alone."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
import rulefolder

from sniffer.checks import CHECKS, Finding, check_folders
from sniffer.scan import warm_up

if TYPE_CHECKING:
    from pathlib import Path

TODAY = date(2026, 11, 27)
SUBMIT = '\'{"params": ["bc1qexample.rig1", "bf", "00000001", "504e86ed", "b2957c02"], "id": 4, "method": "mining.submit"}\''
RULE = """
- id: {id}
  title: A rule
  severity: {severity}
  confidence: {confidence}
  match: {match}
  examples:
    hits: [{hit}]
    misses: [{{client: y}}]
  sees: this
  misses: that
  since: "0.1.0"
  references: [RFC 1]
"""
LINES = {"id": 2, "confidence": 5, "match": 6, "hits": 8, "misses": 9}


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    """Kernels are on disk."""
    warm_up()


def rule(
    match: str, hit: str, confidence: str = "probable", severity: str = "high", identifier: str = "a-rule"
) -> str:
    """A rule with nothing to complain of but its condition."""
    return RULE.format(id=identifier, severity=severity, confidence=confidence, match=match, hit=hit)


def findings(folder: Path, files: dict[str, str]) -> list[Finding]:
    """What all checks find in a folder of rules, apart from lists that nobody refers to there."""
    outcome = check_folders([rulefolder.write(folder, files)], TODAY)
    assert outcome.version, outcome.findings
    return [one for one in outcome.findings if one.check not in ("list-unused", "list-entry-dead")]


NAME = "{fact: tls.server_name, in: '@pool.strong'}"
METHOD = "{fact: stratum.method, equals: mining.submit}"
SHARE = f"{{client: {SUBMIT}}}"
QUIET = {
    "a message that confirms": rule(METHOD, SHARE, "confirmed"),
    "a strong name that makes likely": rule(NAME, "{tls: a.stratum.pool.example}"),
    "a weak name that is a sign": rule("{fact: tls.server_name, in: '@pool.weak'}", "{tls: www.pool.example}", "suspected"),
    "a question that is a sign": rule("{fact: dns.query, in: '@pool.strong'}", "{dns: a.stratum.pool.example}", "suspected"),
    "a name of one's own": rule("{fact: dns.query, equals: a.example}", "{dns: a.example}", "suspected"),
    "a name and a message": rule(f"{{all: [{{fact: server.name, in: '@pool.weak'}}, {METHOD}]}}", "{facts: {server.name: www.pool.example, stratum.method: mining.submit}}", "confirmed"),
    "a message from one port": rule(f"{{all: [{METHOD}, {{fact: server.port, equals: 3333}}]}}", SHARE, "confirmed"),
}  # fmt: skip


@pytest.mark.parametrize("text", QUIET.values(), ids=QUIET)
def test_sound_rules_give_no_finding(text: str, tmp_path: Path) -> None:
    """Nothing is said of a rule that is as it should be."""
    assert [str(one) for one in findings(tmp_path, {"rules.yaml": text})] == []


LOUD = [
    ("example-fails", "hits", rule(METHOD, "{client: x}", "confirmed")),
    ("example-fails", "misses", rule(METHOD, SHARE, "confirmed").replace("{client: y}", SHARE)),
    ("benign-hit", "match", rule("{fact: http.method, in: [GET, POST]}", "{http: a.example}")),
    ("benign-sign", "match", rule("{fact: http.method, in: [GET, POST]}", "{http: a.example}", "suspected")),
    ("weak-name-proof", "confidence", rule("{fact: tls.server_name, in: '@pool.weak'}", "{tls: www.pool.example}")),
    ("weak-name-proof", "confidence", rule("{fact: tls.server_name, equals: www.pool.example}", "{tls: www.pool.example}")),
    ("weak-name-proof", "confidence", rule("{fact: dns.query, in: '@pool.strong'}", "{dns: a.stratum.pool.example}")),
    ("weak-name-proof", "confidence", rule("{fact: tls.server_name, in: '@pool'}", "{tls: a.stratum.pool.example}")),
    ("weak-name-proof", "confidence", rule("{fact: tls.server_name, in: '@defunct'}", "{tls: old.pool.example}")),
    ("weak-name-proof", "confidence", rule(NAME, "{tls: a.stratum.pool.example}", "confirmed")),
    ("weak-name-proof", "confidence", rule(f"{{any: [{METHOD}, {{fact: http.host, in: '@pool.weak'}}]}}", SHARE, "confirmed")),
    ("weak-name-proof", "confidence", rule("{all: [{fact: http.host, in: '@pool.weak'}, {fact: server.port, equals: 3333}]}", "{http: www.pool.example}")),
    ("matches-everything", "match", rule("{fact: client.ip, exists: true}", "{dns: a.example}")),
    ("matches-everything", "match", rule("{not: {fact: mining.protocol, equals: grin}}", "{dns: a.example}")),
    ("matches-everything", "match", rule("{fact: server.ip, network_in: [0.0.0.0/0, '::/0']}", "{dns: a.example}")),
    ("no-evidence", "match", rule("{fact: server.port, equals: 3333}", "{client: '{\"id\":1}'}").replace("client: '{\"id\":1}'", "facts: {server.port: 3333}").replace("{client: y}", "{facts: {server.port: 80}}")),
    ("passes-all-names", "match", rule("{fact: http.user_agent, contains: xmrig}", "{facts: {http.user_agent: xmrig/6}}", "suspected")),
    ("words-missing", "id", rule(METHOD, SHARE, "confirmed").replace("  sees: this\n", "")),
    ("words-missing", "id", rule(METHOD, SHARE, "confirmed").replace("  references: [RFC 1]\n", "")),
    ("since-missing", "id", rule(METHOD, SHARE, "confirmed").replace('  since: "0.1.0"\n', "")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "key", "text"), LOUD)
def test_finding_is_told_at_its_place(name: str, key: str, text: str, tmp_path: Path) -> None:
    """Each check finds what it is for, in the line of the part that is wrong, with a recommendation."""
    found = [one for one in findings(tmp_path, {"rules.yaml": text}) if one.check == name]
    assert [(one.line, one.level) for one in found] == [(LINES[key], CHECKS[name].level)]
    assert found[0].file == str(tmp_path / "rules.yaml")
    assert found[0].remedy
    assert "a-rule" in found[0].what


SHADOWS = [
    (METHOD, METHOD, True),
    ("{fact: stratum.method, in: [mining.notify, mining.submit]}", METHOD, True),
    ("{fact: stratum.method, exists: true}", METHOD, True),
    ("{fact: stratum.method, starts_with: mining.}", METHOD, True),
    (f"{{any: [{METHOD}, {{fact: dns.query, equals: a.example}}]}}", METHOD, True),
    (METHOD, f"{{all: [{METHOD}, {{fact: server.port, equals: 3333}}]}}", True),
    ("{not: {fact: stratum.method, equals: mining.notify}}", METHOD, True),
    (f"{{all: [{METHOD}, {{fact: server.port, equals: 3333}}]}}", METHOD, False),
    ("{fact: stratum.method, equals: mining.notify}", METHOD, False),
    (f"{{all: [{METHOD}, {{not: {{fact: mining.user, equals: x}}}}]}}", METHOD, False),
]


@pytest.mark.parametrize(("wide", "narrow", "expected"), SHADOWS)
def test_shadow(wide: str, narrow: str, *, expected: bool, tmp_path: Path) -> None:
    """A rule whose every hit is a hit of another one of the same weight is told, and no other."""
    text = rule(wide, SHARE, "confirmed", "high", "wide-rule") + rule(
        narrow, SHARE, "confirmed", "high", "narrow-rule"
    )
    found = [one for one in findings(tmp_path, {"rules.yaml": text}) if one.check == "shadowed"]
    assert any("narrow-rule is shadowed by wide-rule" in one.what for one in found) is expected


def test_a_heavier_rule_is_not_shadowed(tmp_path: Path) -> None:
    """A narrower rule with more severity or confidence adds something."""
    wide = rule("{fact: stratum.method, exists: true}", SHARE, "probable", "medium", "wide-rule")
    for confidence, severity in (("confirmed", "medium"), ("probable", "high")):
        text = wide + rule(METHOD, SHARE, confidence, severity, "narrow-rule")
        assert "shadowed" not in {one.check for one in findings(tmp_path, {"rules.yaml": text})}


def test_ids_that_look_alike(tmp_path: Path) -> None:
    """Two ids that differ in hyphens only are told at the second."""
    other = "{fact: stratum.method, equals: mining.notify}"
    text = rule(METHOD, SHARE, "confirmed") + rule(
        other, "{facts: {stratum.method: mining.notify}}", "confirmed", identifier="arule"
    )
    (found,) = findings(tmp_path, {"rules.yaml": text})
    assert (found.check, found.line) == ("id-lookalike", 15)


def test_id_of_a_shipped_rule(tmp_path: Path) -> None:
    """A shipped rule's id for another question is told; the same question under the same id is not."""
    other = rule(
        "{fact: stratum.method, equals: mining.notify}",
        "{facts: {stratum.method: mining.notify}}",
        "confirmed",
        identifier="stratum-v1-submit",
    )
    (found,) = findings(tmp_path, {"rules.yaml": other})
    assert (found.check, found.line) == ("id-reused", 2)
    assert (
        findings(tmp_path, {"rules.yaml": rule(METHOD, SHARE, "confirmed", identifier="stratum-v1-submit")})
        == []
    )


def test_nursery_claims_a_sign(tmp_path: Path) -> None:
    """A rule of the nursery that claims more is told; the same rule elsewhere is not."""
    rulefolder.write(tmp_path, {"nursery/rules.yaml": rule(METHOD, SHARE, "confirmed")})
    outcome = check_folders([tmp_path / "nursery"], TODAY)
    assert [(one.check, one.line) for one in outcome.findings] == [("nursery-claims", 5)]
