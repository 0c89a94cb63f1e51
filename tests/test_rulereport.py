"""The rules commands as a user runs them: a process, its two outputs, its exit status."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import frames as build
import pytest
import rulefolder
from commandline import sniffer

from sniffer.checks import CHECKS
from sniffer.scan import warm_up

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from sniffer.ruleset import RuleSet

SUBSCRIBE = '{"id": 1, "method": "mining.subscribe", "params": ["cgminer/4.11.1"]}\n'
SUBMIT = '{"params": ["bc1qexample.rig1", "bf", "00000001", "504e86ed", "b2957c02"], "id": 4, "method": "mining.submit"}\n'


def rules(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``sniffer rules …``."""
    return sniffer("rules", *arguments)


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    """Kernels are on disk."""
    warm_up()


@pytest.fixture
def mining(tmp_path: Path) -> Path:
    """A capture with two miners."""
    one = build.Conversation().open().send(0, SUBSCRIBE).send(0, SUBMIT).send(0, SUBMIT)
    other = build.Conversation(client=("10.0.0.8", 40_000), time=one.time).open().send(0, SUBMIT)
    file = tmp_path / "mining.pcap"
    file.write_bytes(build.pcap(one.frames + other.frames))
    return file


# ── check ────────────────────────────────────────────────────────────────────────────────────────────────


def test_shipped_rules_are_checked(ruleset: RuleSet) -> None:
    """What ships has no error and no warning; notes may speak of lists that grow old."""
    done = rules("check", "--strict", "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (found["errors"], found["warnings"]) == (0, 0)
    assert {one["check"] for one in found["findings"]} <= {"list-stale", "benign-sign", "list-unused"}
    assert found["rules"] == len(ruleset.rules)
    assert found["version"]
    assert found["notes"] == len(found["findings"])


def test_findings_on_a_terminal(tmp_path: Path) -> None:
    """Errors go to stderr, the rest to stdout, each as FILE:LINE:COL: level name: what; recommendation; status 78."""
    match = "{fact: tls.server_name, in: '@pool.weak'}"
    folder = rulefolder.write(
        tmp_path,
        {"rules.yaml": rulefolder.RULE.format(match=match).replace("{client: x}", "{tls: www.pool.example}")},
    )
    done = rules("check", "--rules", folder)
    assert done.returncode == 78
    line = "rule a-rule claims confirmed where names alone can give suspected"
    assert done.stderr == (
        f"{folder}/rules.yaml:5:3: error weak-name-proof: {line}; {CHECKS['weak-name-proof'].remedy}\n"
    )
    assert f"{folder}/rules.yaml:2:3: note since-missing: rule a-rule does not say" in done.stdout
    assert done.stdout.splitlines()[-1].startswith(
        "1 rules, 3 pool endpoints, 2 examples: 1 error, 2 warnings, "
    )


def test_warnings_matter_when_strict(tmp_path: Path) -> None:
    """A warning alone is status 0, and 78 with --strict."""
    text = rulefolder.RULE.format(match="{fact: http.user_agent, contains: xmrig}").replace(
        "confirmed", "suspected"
    )
    text = text.replace("{client: x}", "{facts: {http.user_agent: xmrig/6}}")
    folder = rulefolder.write(tmp_path, {"rules.yaml": text})
    assert rules("check", "--rules", folder).returncode == 0
    done = rules("check", "--strict", "--rules", folder)
    assert (done.returncode, done.stderr) == (78, "")
    assert "warning passes-all-names: " in done.stdout


def test_rules_that_do_not_load_are_findings(tmp_path: Path) -> None:
    """A fault of loading has the same form, in text and as JSON."""
    folder = rulefolder.write(
        tmp_path, {"rules.yaml": rulefolder.RULE.format(match="{fact: server.prt, equals: 1}")}
    )
    done = rules("check", "--rules", folder)
    line = f"{folder}/rules.yaml:6:11: error unknown_fact: there is no fact 'server.prt'; did you mean 'server.port'?\n"
    assert (done.returncode, done.stdout, done.stderr) == (78, "", line)
    done = rules("check", "--json", "--rules", folder)
    assert (done.returncode, done.stderr) == (78, "")
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["line"], finding["column"], finding["level"], finding["check"]) == (
        6,
        11,
        "error",
        "unknown_fact",
    )


def test_checks_are_listed() -> None:
    """--list shows each check with its level and what it finds."""
    done = rules("check", "--list")
    assert done.returncode == 0
    for name, check in CHECKS.items():
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"{name} ")]
        assert check.level.label in line


def test_many_findings_are_cut(tmp_path: Path) -> None:
    """Of one check in one file twenty are shown, and how many more there are."""
    names = "".join(f"- Name{number}.Example\n" for number in range(25))
    rule = rulefolder.RULE.format(match="{fact: stratum.method, in: '@many'}")
    folder = rulefolder.write(tmp_path, {"rules.yaml": rule, "many.yaml": f"name: many\nvalues:\n{names}"})
    done = rules("check", "--rules", folder)
    assert done.stdout.count("/many.yaml:") == 20
    assert f"{folder}/many.yaml: 5 more of list-entry-dead not shown" in done.stderr


def test_list_as_json(ruleset: RuleSet) -> None:
    """Every rule with what machines want to know."""
    found = json.loads(rules("list", "--json").stdout)
    assert [one["id"] for one in found] == [rule.id for rule in ruleset.rules]
    (one,) = [one for one in found if one["id"] == "stratum-v1-submit"]
    assert (one["severity"], one["confidence"], one["category"], one["since"]) == (
        "high",
        "confirmed",
        "mining",
        "0.1.0",
    )
    assert one["signature_id"] >= 9_000_000
    assert one["hits"] >= 1
    assert one["misses"] >= 1
    assert Counter(type(value) for value in one.values()) == {str: 7, int: 5, list: 1}


def test_list_as_a_table(ruleset: RuleSet) -> None:
    """One line a rule."""
    lines = rules("list").stdout.splitlines()
    assert {line.split()[0] for line in lines[1:-2]} == {rule.id for rule in ruleset.rules}


def test_explain_tells_everything() -> None:
    """Condition in words, weight, examples, lists, limits, references."""
    text = rules("explain", "pool-tls-port").stdout
    for part in (
        "high: to be acted on (EVE 2)",
        "probable at most: ",
        "all of these are true:",
        "tls.server_name is, or lies below, one of @pool.mixed, ",
        "server.port is one of @stratum-ports",
        "@stratum-ports ",
        " endpoints of ",
        "Tested to hit",
        "tls      rvn.suprnova.cc",
        "facts    tls.server_name = rvn.suprnova.cc, server.port = 443",
        "the same hosts on 443",
        "RFC 6066",
        "since 0.1.0",
    ):
        assert part in text


# ── test ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_rules_on_captures(mining: Path, ruleset: RuleSet) -> None:
    """Each rule that hit, how many messages and on which addresses; then those that never did."""
    done = rules("test", mining)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    (submit,) = [line.split() for line in lines if line.startswith("stratum-v1-submit ")]
    assert submit == ["stratum-v1-submit", "3", "10.0.0.7,", "10.0.0.8"]
    assert f"2 of {len(ruleset.rules)} rules hit, " in done.stdout
    (never,) = [line for line in lines if line.startswith("never: ")]
    assert "pool-dns" in never
    assert "stratum-v1-submit," not in never


def test_one_rule_on_a_capture(mining: Path) -> None:
    """Only the rules that are named are told of, also as JSON."""
    found = json.loads(rules("test", "--json", "stratum-v1-submit", "grin-login", mining).stdout)
    assert (found["files"], found["packets"]) == (1, 14)
    assert found["rules"] == [
        {"id": "stratum-v1-submit", "hits": 3, "addresses": {"10.0.0.7": 2, "10.0.0.8": 1}},
        {"id": "grin-login", "hits": 0, "addresses": {}},
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["test", "stratum-v1-submi"], 2, "did you mean 'stratum-v1-submit'"),
        (["test", "none.pcap"], 66, "missing"),
        (["test", "--json"], 2, "--json needs capture files"),
        (["explain", "nothing-like-it"], 2, "there is no rule"),
        (["check", "--rules", "nowhere"], 78, "no such folder of rules"),
    ],
)
def test_bad_use(arguments: list[str], status: int, text: str) -> None:
    """Each mistake gives one readable line and its own status."""
    done = rules(*arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_damaged_capture_is_told(mining: Path) -> None:
    """What can be read counts, then one line says what is wrong: status 66."""
    mining.write_bytes(mining.read_bytes()[:-7])
    done = rules("test", "stratum-v1-submit", mining)
    assert done.returncode == 66
    assert "stratum-v1-submit" in done.stdout
    assert "cut_record" in done.stderr


def test_wrong_example_is_told(tmp_path: Path) -> None:
    """Without files the examples are run, and one that fails is status 78."""
    folder = rulefolder.write(
        tmp_path, {"rules.yaml": rulefolder.RULE.format(match="{fact: server.port, equals: 1}")}
    )
    done = rules("test", "--rules", folder)
    assert done.returncode == 78
    assert "fail   a-rule" in done.stdout
    assert "does not hit" in done.stderr
