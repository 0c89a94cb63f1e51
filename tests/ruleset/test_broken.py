"""Files that are wrong, as data: ``broken/*.yaml``, with the place, the word and the remedy of each in ``expected.csv``."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import rulefolder
import yaml
from commandline import COMMAND
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.checks import CHECKS, Subject
from sniffer.errors import ConfigError, Problem
from sniffer.paths import shipped_rules
from sniffer.ruleset import load_rules
from sniffer.ruleset.load import load_with_documents
from sniffer.strictyaml import MAX_NODES, MAX_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BROKEN = Path(__file__).parent / "broken"


class Case(NamedTuple):
    """A broken file and what must be said of it."""

    file: str
    line: int
    column: int
    code: str
    remedy: str


def cases() -> list[Case]:
    """Every case."""
    with (BROKEN / "expected.csv").open(encoding="utf-8", newline="") as file:
        return [
            Case(row["file"], int(row["line"]), int(row["column"]), row["code"], row["remedy"])
            for row in csv.DictReader(file)
        ]


CASES = cases()


def all_broken(folder: Path) -> Path:
    """A folder with all of the broken files beside what it has."""
    for path in BROKEN.glob("*.yaml"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_every_file_is_expected() -> None:
    """No broken file is left out, and there are many."""
    assert {case.file for case in CASES} == {path.name for path in BROKEN.glob("*.yaml")}
    assert len(CASES) >= 60


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_broken_file(case: Case, tmp_path: Path) -> None:
    """Each fault is told at its line and column, under its word, with what to do about it."""
    folder = rulefolder.write(tmp_path, {})
    (folder / case.file).write_bytes((BROKEN / case.file).read_bytes())
    found = rulefolder.refused(folder)
    told = [(problem.line, problem.column, problem.code) for problem in found]
    assert (case.line, case.column, case.code) in told
    assert all(Path(problem.file).name == case.file for problem in found)
    for problem in found:
        assert problem.remedy, str(problem)
        if (problem.line, problem.column, problem.code) == (case.line, case.column, case.code):
            assert case.remedy in problem.remedy
        assert str(problem).isascii()
        assert str(problem).isprintable()


def test_all_at_once(tmp_path: Path) -> None:
    """In one folder all of them are told in one run, and none hides another."""
    folder = all_broken(rulefolder.write(tmp_path, {}))
    found = rulefolder.refused(folder)
    told = {(Path(problem.file).name, problem.line, problem.column, problem.code) for problem in found}
    assert {(case.file, case.line, case.column, case.code) for case in CASES} <= told


def test_on_the_command_line(tmp_path: Path) -> None:
    """``rules check`` and ``rules list`` give a line for each fault, status 78, no traceback."""
    folder = all_broken(rulefolder.write(tmp_path, {}))
    for command in (["rules", "check"], ["rules", "list"]):
        done = subprocess.run(
            [*COMMAND, *command, "--rules", str(folder)],
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 78
        assert b"Traceback" not in done.stderr
        assert done.stdout == b""
        assert len(done.stderr.splitlines()) >= len(CASES)


# ── nonsense under every key ─────────────────────────────────────────────────────────────────────────────

SOUND: dict[str, Any] = {
    "rule": [
        {
            "id": "a-rule",
            "title": "A rule",
            "severity": "high",
            "confidence": "probable",
            "category": "mining",
            "rev": 1,
            "signature_id": 7,
            "match": {
                "all": [
                    {"fact": "server.port", "equals": 1},
                    {"not": {"any": [{"fact": "dns.type", "in": ["A"]}]}},
                ]
            },
            "examples": {
                "hits": [
                    {
                        "client": "x",
                        "server": "y",
                        "dns": "a.example",
                        "tls": "a.example",
                        "http": "a.example",
                    }
                ],
                "misses": [{"client_hex": "00", "server_hex": "00", "facts": {"server.port": 1}}],
            },
            "sees": "this",
            "misses": "that",
            "references": ["RFC 1"],
            "since": "0.1.0",
        }
    ],
    "questions": [
        {
            "id": "a-rule",
            "title": "A rule",
            "severity": "high",
            "confidence": "probable",
            "match": {
                "any": [
                    {"fact": "mining.agent", "starts_with": "x"},
                    {"fact": "mining.agent", "ends_with": "x"},
                    {"fact": "mining.agent", "contains": "x"},
                    {"fact": "mining.agent", "matches": "x"},
                    {"fact": "server.port", "at_least": 1},
                    {"fact": "server.port", "at_most": 1},
                    {"fact": "server.port", "between": [1, 2]},
                    {"fact": "dns.query", "domain_in": ["a.example"]},
                    {"fact": "server.ip", "network_in": ["10.0.0.0/8"]},
                    {"fact": "dns.query", "exists": True},
                ]
            },
            "examples": {"hits": [{"client": "x"}], "misses": [{"client": "x"}]},
        }
    ],
    "list": {"name": "a-list", "type": "ports", "title": "A list", "values": [1, "2-3"]},
    "pools": {
        "category": "pool",
        "pools": [
            {
                "name": "A pool",
                "country": "SE",
                "endpoints": [
                    {
                        "host": "a.example",
                        "strength": "weak",
                        "status": "active",
                        "ports_plain": [1],
                        "ports_tls": [2],
                        "coins": ["BTC"],
                        "seen_on": "2026",
                    },
                    {"suffix": "b.example", "strength": "weak"},
                ],
            }
        ],
    },
    "benign": {"benign": ["a.example"]},
    "patterns": {
        "host_patterns": [{"base": "a.example", "left": "x", "strength": "weak", "category": "pool"}]
    },
    "allow": {
        "allow": [
            {
                "address": "10.0.0.7",
                "network": "10.0.0.0/8",
                "server": "192.0.2.0/24",
                "tenant": "a-tenant",
                "rule": ["sound-rule"],
                "domain": "a.example",
                "reason": "a test miner",
                "until": "2020-01-01",
            },
            {"rule": "sound-rule", "reason": "a test miner", "until": "2020-01-01"},
        ]
    },
}
"""A sound file of each kind, with every key."""
NONSENSE: tuple[Any, ...] = (None, True, -1, 7.5, 10**18, "", "\u2620", "x" * 3_000, [], [[]], [None], [7], {}, {"": None}, {"a": {"b": [{"c": 1}]}})  # fmt: skip


def places(data: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every part of some data."""
    yield place
    for step in data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ():
        yield from places(data[step], (*place, step))


def exchanged(data: Any, place: tuple[str | int, ...], value: Any) -> Any:
    """A copy of the data with another value at one place."""
    if not place:
        return value
    step, *rest = place
    if isinstance(data, dict):
        return {key: exchanged(old, tuple(rest), value) if key == step else old for key, old in data.items()}
    return [exchanged(old, tuple(rest), value) if key == step else old for key, old in enumerate(data)]


@pytest.mark.parametrize("kind", SOUND)
def test_nonsense_under_every_key(kind: str, tmp_path: Path) -> None:
    """Whatever stands in the place of any part, the file loads or is refused with a remedy, in its own lines."""
    folder = rulefolder.write(
        tmp_path, {"rules.yaml": rulefolder.RULE.format(match="{fact: server.port, equals: 9}")}
    )
    (folder / "rules.yaml").write_text((folder / "rules.yaml").read_text().replace("a-rule", "sound-rule"))
    path = folder / "zzz.yaml"
    refused = 0
    for place in places(SOUND[kind]):
        for value in NONSENSE:
            path.write_text(
                yaml.safe_dump(exchanged(SOUND[kind], place, value), sort_keys=False, width=10**6)
            )
            found: list[Problem] = []
            try:
                load_rules([folder])
            except ConfigError as error:
                found = error.problems
            refused += bool(found)
            last = path.read_text().count("\n")
            for problem in found:
                assert problem.remedy, (place, value, str(problem))
                assert Path(problem.file) == path, (place, value, str(problem))
                assert 1 <= problem.line <= last, (place, value, str(problem))
    assert refused > 5 * len(list(places(SOUND[kind])))


# ── large files ──────────────────────────────────────────────────────────────────────────────────────────

LARGE: dict[str, Callable[[], bytes]] = {
    "size": lambda: b"# " + b"x" * MAX_SIZE,
    "values": lambda: b"[" + b"a," * MAX_NODES + b"a]",
    "brackets": lambda: b"[" * 200_000,
    "one-line": lambda: b"- id: " + b"x" * 3_000_000,
    "many-rules": lambda: b"- {id: x}\n" * 20_000,
    "many-keys": lambda: b"".join(b"k%d: 1\n" % number for number in range(100_000)),
    "a-list-of-a-million": lambda: b"name: long-list\nvalues: [" + b"a," * 300_000 + b"a]",
}


@pytest.mark.parametrize("kind", LARGE)
def test_large_files(kind: str, tmp_path: Path) -> None:
    """What is absurdly large is refused, with a remedy for each fault."""
    (tmp_path / "large.yaml").write_bytes(LARGE[kind]())
    found = rulefolder.refused(tmp_path)
    assert all(problem.remedy for problem in found)
    assert all(len(str(problem)) < 1_500 for problem in found)


COSTS = """
import sys, time
from pathlib import Path
from sniffer.errors import ConfigError
from sniffer.ruleset import load_rules
start = time.process_time()
try:
    load_rules([Path(sys.argv[1])])
except ConfigError:
    (peak,) = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    print(time.process_time() - start, peak)
"""
"""Loads a folder that is refused; prints CPU seconds and the most memory that the process had, KiB."""


@pytest.mark.parametrize("kind", [*LARGE, "all of the broken ones"])
def test_refusal_is_cheap(kind: str, tmp_path: Path) -> None:
    """A refusal takes less than two seconds of CPU and the process less than 256 MiB, whatever the files hold."""
    if kind in LARGE:
        (tmp_path / "large.yaml").write_bytes(LARGE[kind]())
    else:
        all_broken(tmp_path)
    command = [sys.executable, "-c", COSTS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    seconds, peak = done.stdout.split()
    assert float(seconds) < 2.0
    assert int(peak) < 256 << 10


# ── damage at random ─────────────────────────────────────────────────────────────────────────────────────

SOURCES = [
    *sorted(shipped_rules().glob("*.yaml")),
    shipped_rules() / "lists" / "stratum-ports.yaml",
    shipped_rules() / "pools" / "devfee.yaml",
]
TEXTS = [path.read_bytes() for path in SOURCES]
SNIPPETS = (
    b"", b"\n", b" ", b"\t", b"-", b":", b"{", b"}", b"[", b"]", b"'", b'"', b"&a ", b"*a", b"!x ", b"? ", b"|", b">", b"%", b"@",
    b"#", b"\x00", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"0", b"1e99", b"-1", b"null", b"true", b"all: ", b"not: ", b"match: ",
    b"facts: {a: 1}", b"\xf0\x9f\xa6\x84", b"---\n", b"...\n", b"<<: *a\n", b'"@pool"', b"domain_in: [x]", b"exists: 1",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_rule_files(data: st.DataObject) -> None:
    """A shipped file with pieces cut out, doubled, exchanged and put in loads and is checked, or is refused: never anything else."""
    text = data.draw(st.sampled_from(TEXTS))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(text)))
        upto = min(len(text), at + data.draw(st.integers(0, 40)))
        piece = data.draw(st.sampled_from([*SNIPPETS, text[at:upto] * 2, text[upto : upto + 60]]))
        text = text[:at] + piece + text[upto:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "damaged.yaml").write_bytes(text)
        (folder / "sound.yaml").write_text(rulefolder.RULE.format(match="{fact: server.port, equals: 1}"))
        refused: list[Problem] = []
        try:
            ruleset, documents = load_with_documents([folder])
        except ConfigError as error:
            refused = error.problems
        else:
            subject = Subject(ruleset, documents, date(2026, 11, 27))
            found = [
                one for check in CHECKS.values() if "benign" not in check.name for one in check.run(subject)
            ]
            assert all(str(one) for one in found)
        assert all(problem.line >= 1 and problem.column >= 1 and str(problem) for problem in refused)
