"""Loading: everything or every fault at once."""

from __future__ import annotations

import gc
import os
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest
import rulefolder
from rulefolder import NAMES, many_pools

from sniffer.errors import ConfigError
from sniffer.paths import shipped_rules
from sniffer.ruleset import load_rules, restore
from sniffer.ruleset.model import signature_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GOOD = rulefolder.RULE.format(match="{fact: server.port, equals: 1}")


def test_shipped_rules_load_in_time() -> None:
    """All rules and pools are there within two seconds of CPU, and a worker has them within half a second."""
    start = time.process_time()
    ruleset = load_rules([shipped_rules()])
    loaded = time.process_time()
    restore(ruleset.dump())
    restored = time.process_time()
    assert loaded - start < 2.0
    assert restored - loaded < 0.5
    assert len(ruleset.endpoints) > 2_000


def many_names(folder: Path, count: int) -> Path:
    """A folder with a rule whose own list has so many names."""
    folder.mkdir()
    match = "{fact: dns.query, domain_in: [" + ", ".join(NAMES[:count]) + "]}"
    (folder / "rules.yaml").write_text(rulefolder.RULE.format(match=match))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("write", [many_names, many_pools])
def test_a_name_costs_the_same_in_a_long_list(write: Callable[[Path, int], Path], tmp_path: Path) -> None:
    """A hundred thousand names take at most three times what ten thousand take ten times, to load and to restore."""
    seconds: dict[int, list[float]] = {10_000: [], 100_000: []}
    for count, took in seconds.items():
        folder = write(tmp_path / str(count), count)
        for _ in range(2):
            start = time.process_time()
            ruleset = load_rules([folder])
            again = restore(ruleset.dump())
            took.append(time.process_time() - start)
        assert again.gate_names() == ruleset.gate_names() == dict.fromkeys(NAMES[:count], write is many_names)
    assert min(seconds[100_000]) < 3 * 10 * min(seconds[10_000])


@pytest.mark.slow
@pytest.mark.parametrize(("write", "most"), [(many_names, 300), (many_pools, 900)])
def test_a_name_takes_little_memory(write: Callable[[Path, int], Path], most: int, tmp_path: Path) -> None:
    """So many bytes for each of a hundred thousand names; and while they load, no more than twice that and the file."""
    folder = write(tmp_path / "rules", 100_000)
    load_rules([write(tmp_path / "warm", 10)])
    tracemalloc.start()
    try:
        ruleset = load_rules([folder])
        kept, peak = tracemalloc.get_traced_memory()
        assert kept < most * 100_000
        assert peak < 2 * most * 100_000 + 10_000_000
        del ruleset
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()


def test_the_search_for_circles_goes_on_after_loading(tmp_path: Path) -> None:
    """Also after a refusal; where it was off before, it stays off."""
    refused = rulefolder.write(tmp_path / "bad", {"rules.yaml": "- 7"})
    for switch in (gc.disable, gc.enable):
        switch()
        was_on = gc.isenabled()
        restore(load_rules([rulefolder.write(tmp_path / "good", {"rules.yaml": GOOD})]).dump())
        assert gc.isenabled() is was_on
        with pytest.raises(ConfigError):
            load_rules([refused])
        assert gc.isenabled() is was_on


def test_rule_has_what_was_written(tmp_path: Path) -> None:
    """Defaults are filled in, the place is kept, the signature follows from the id."""
    (rule,) = rulefolder.load_match(tmp_path, "{fact: server.port, equals: 1}").rules
    assert (rule.id, rule.category, rule.rev, rule.severity.label, rule.confidence.label) == (
        "a-rule",
        "mining",
        1,
        "high",
        "confirmed",
    )
    assert (
        rule.signature_id == signature_of("a-rule") == 9_000_000 + (rule.signature_id - 9_000_000) % 900_000
    )
    assert (rule.file, rule.line) == (str(tmp_path / "rules.yaml"), 2)


def test_example_is_bytes_on_the_wire(tmp_path: Path) -> None:
    """Text gets a line end, hexadecimal is taken as it is."""
    text = GOOD.replace(
        "[{client: x}]", '[{client: x, server_hex: "00ff"}, {server: "y\\n", client_hex: ""}]'
    )
    ruleset = load_rules([rulefolder.write(tmp_path, {"rules.yaml": text})])
    first, second = ruleset.rules[0].examples.hits
    assert (first.client_bytes(), first.server_bytes()) == (b"x\n", b"\x00\xff")
    assert (second.client_bytes(), second.server_bytes()) == (b"", b"y\n")


FAULTS = [
    ("id: a-rule", "id: A Rule", "value", 2),
    ("id: a-rule", "ident: a-rule", "unknown_key", 2),
    ("title: A rule", "titel: A rule", "unknown_key", 3),
    ("title: A rule", "title: 7", "type", 3),
    ("severity: high", "severity: High", "value", 4),
    ("severity: high", "severity: no", "value", 4),
    ("severity: high", "", "missing_key", 2),
    ("confidence: confirmed", "confidence: sure", "value", 5),
    ("confidence: confirmed", "confidence: confirmed\n  rev: 0", "range", 6),
    ("confidence: confirmed", "confidence: confirmed\n  rev: '2'", "type", 6),
    ("confidence: confirmed", "confidence: confirmed\n  signature_id: -1", "range", 6),
    ("match: {fact: server.port, equals: 1}", "", "missing_key", 2),
    ("    hits: [{client: x}]\n", "", "missing_key", 7),
    ("    misses: [{client: y}]\n", "", "missing_key", 7),
    ("hits: [{client: x}]", "hits: []", "range", 8),
    ("misses: [{client: y}]", "misses: []", "range", 9),
    ("misses: [{client: y}]", "misses: [{}]", "value", 9),
    ("misses: [{client: y}]", "misses: [{cleint: y}]", "unknown_key", 9),
    ("misses: [{client: y}]", "misses: [{client_hex: xyz}]", "value", 9),
    ("misses: [{client: y}]", "misses: [{client: y, client_hex: '00'}]", "value", 9),
    ("misses: [{client: y}]", "misses: [{dns: y, facts: {server.prt: 1}}]", "example", 9),
    ("misses: [{client: y}]", "misses: [{facts: {server.port: '1'}}]", "example", 9),
    ("- id: a-rule", "- 7\n- id: a-rule", "shape", 2),
    ("match: {fact: server.port, equals: 1}", "match: {all: [{fact: server.port, equals: 1}, {fact: server.port, equals: 2}]}", "condition", 6),
    ("match: {fact: server.port, equals: 1}", "match: {any: [{fact: server.port, equals: 1}, {fact: server.port, equals: 1}]}", "condition", 6),
]  # fmt: skip


@pytest.mark.parametrize(("part", "wrong", "code", "line"), FAULTS, ids=lambda part: str(part)[:40])
def test_fault_of_a_rule(part: str, wrong: str, code: str, line: int, tmp_path: Path) -> None:
    """Each fault of a rule is told in its line."""
    assert part in GOOD
    found = rulefolder.problems(tmp_path, {"rules.yaml": GOOD.replace(part, wrong)})
    assert (code, line) in [(problem.code, problem.line) for problem in found]
    assert all(problem.file.endswith("rules.yaml") for problem in found)


LIST_FAULTS = {
    "value": [
        "name: x-y\ntype: ports\nvalues: [0]",
        "name: x-y\ntype: ports\nvalues: [65536]",
        "name: x-y\ntype: ports\nvalues: [-1]",
        "name: x-y\ntype: ports\nvalues: ['9-1']",
        "name: x-y\ntype: ports\nvalues: ['1-']",
        "name: x-y\ntype: networks\nvalues: [10.0.0.1/8]",
        "name: x-y\ntype: networks\nvalues: [10.0.0.0/40]",
        "name: x-y\ntype: networks\nvalues: [7]",
        "name: x-y\ntype: domains\nvalues: ['*']",
        "name: x-y\ntype: domains\nvalues: ['*.example.org']",
        "name: x-y\ntype: domains\nvalues: [com]",
        "name: x-y\ntype: domains\nvalues: [192.0.2.1]",
        "name: x-y\ntype: strings\nvalues: [7]",
        "name: x-y\ntype: words\nvalues: [a]",
        "name: X Y\nvalues: [a]",
        "benign: [org]",
        "benign: ['a b.org']",
        "category: pool\npools: [{name: a, endpoints: [{host: '*.a.org', strength: weak}]}]",
        "category: pool\npools: [{name: a, endpoints: [{strength: weak}]}]",
        "category: pool\npools: [{name: a, endpoints: [{host: a.org, suffix: b.org, strength: weak}]}]",
        "category: pool\npools: [{name: a, endpoints: [{host: a.org, strength: certain}]}]",
        "host_patterns: [{base: org, left: a, strength: weak}]",
    ],
    "range": [
        "name: x-y\nvalues: []",
        "category: pool\npools: [{name: a, endpoints: []}]",
        "category: pool\npools: [{name: a, endpoints: [{host: a.org, strength: weak, ports_tls: [65536]}]}]",
    ],
    "operand": ["host_patterns: [{base: a.org, left: '(a', strength: weak}]"],
    "shape": ["a: 1", "7", "text"],
    "repeated": ["name: own-ports\nvalues: [a]"],
    "benign": [
        "category: pool\npools: [{name: a, endpoints: [{suffix: good.pool.example, strength: weak}]}]"
    ],
    "unknown_key": ["name: x-y\nvalue: [a]\nvalues: [b]"],
}


@pytest.mark.parametrize(
    ("code", "text"), [(code, text) for code, texts in LIST_FAULTS.items() for text in texts]
)
def test_fault_of_a_list(code: str, text: str, tmp_path: Path) -> None:
    """Each fault of a list, a pool file or a pattern file is told with its word."""
    found = rulefolder.problems(tmp_path, {"rules.yaml": GOOD, "z.yaml": text})
    assert code in {problem.code for problem in found if problem.file.endswith("z.yaml")}


def test_faults_of_all_files_come_together(tmp_path: Path) -> None:
    """One bad file does not hide another."""
    found = rulefolder.problems(
        tmp_path, {"a.yaml": "a: [", "b.yaml": "x: 1", "c.yaml": GOOD.replace("high", "hi")}
    )
    assert {problem.file.rsplit("/", 1)[1] for problem in found} == {"a.yaml", "b.yaml", "c.yaml"}


def test_repeated_id_names_both_places(tmp_path: Path) -> None:
    """Two rules with one id are refused, and both places are told."""
    (problem,) = rulefolder.problems(tmp_path, {"a.yaml": GOOD, "b.yaml": "\n" + GOOD})
    assert (problem.code, problem.file, problem.line) == ("repeated", str(tmp_path / "b.yaml"), 3)
    assert f"{tmp_path / 'a.yaml'}:2" in problem.what


def test_repeated_signature_is_refused(tmp_path: Path) -> None:
    """Two rules with one number are refused."""
    other = GOOD.replace("a-rule", "b-rule").replace(
        "match:", f"signature_id: {signature_of('a-rule')}\n  match:"
    )
    (problem,) = rulefolder.problems(tmp_path, {"rules.yaml": GOOD, "z.yaml": other})
    assert problem.code == "repeated"
    assert "signature_id" in problem.what


def test_no_folder_and_empty_folder(tmp_path: Path) -> None:
    """A folder that is missing or without rules is a fault, never a set without rules."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError) as caught:
        load_rules([tmp_path / "none", tmp_path / "empty"])
    assert [problem.code for problem in caught.value.problems] == ["empty", "missing"]
    assert [p.code for p in rulefolder.problems(tmp_path / "lists only", {})] == ["empty"]


def test_own_folder_adds_to_the_shipped_rules(tmp_path: Path) -> None:
    """Several folders make one set."""
    ruleset = load_rules([shipped_rules(), rulefolder.write(tmp_path, {"rules.yaml": GOOD})])
    assert "a-rule" in {rule.id for rule in ruleset.rules}
    assert ruleset.lists.index.find("stratum.pool.example") is not None


def test_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """Rules come from the folder that was named and from nowhere else."""
    (tmp_path / "elsewhere.yaml").write_text(GOOD)
    folder = rulefolder.write(tmp_path / "rules", {"rules.yaml": GOOD})
    (folder / "link.yaml").symlink_to("../elsewhere.yaml")
    with pytest.raises(ConfigError) as caught:
        load_rules([folder])
    assert [problem.code for problem in caught.value.problems] == ["outside"]


def test_pipe_among_the_rules_is_refused(tmp_path: Path) -> None:
    """A pipe is a fault; it does not make the program wait."""
    folder = rulefolder.write(tmp_path, {"rules.yaml": GOOD})
    os.mkfifo(folder / "pipe.yaml")
    with pytest.raises(ConfigError) as caught:
        load_rules([folder])
    assert [problem.code for problem in caught.value.problems] == ["special"]


def test_hidden_files_are_left_alone(tmp_path: Path) -> None:
    """Copies that editors and volume mounts keep are not read a second time."""
    folder = rulefolder.write(tmp_path, {"rules.yaml": GOOD, ".rules.yaml": GOOD, "..data/rules.yaml": GOOD})
    assert [rule.id for rule in load_rules([folder]).rules] == ["a-rule"]
