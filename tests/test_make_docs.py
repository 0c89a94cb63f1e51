"""The script that writes the pages about facts and rules, and the schema."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sniffer.paths import shipped_rules
from sniffer.protocols.facts import FACTS
from sniffer.ruleset import load_rules

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "make_docs.py"


def test_what_is_written_is_up_to_date() -> None:
    """Pages and schema are those that the script writes: nobody has to remember them."""
    command = [sys.executable, str(SCRIPT), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "3 files, 0 stale\n"), "run scripts/make_docs.py"


@pytest.mark.parametrize("fact", FACTS)
def test_every_fact_has_its_row(fact: str) -> None:
    """The page of facts names each fact once, with what it says and an example."""
    page = (ROOT / "docs" / "facts.md").read_text(encoding="utf-8").splitlines()
    (row,) = [line for line in page if line.startswith(f"| `{fact}` |")]
    assert FACTS[fact].says.replace("<", "&lt;") in row
    assert f"`{FACTS[fact].example}`" in row


def test_every_rule_has_its_section() -> None:
    """The page of rules has a section for each rule, in order."""
    rules = load_rules([shipped_rules()]).rules
    page = (ROOT / "docs" / "rules-reference.md").read_text(encoding="utf-8").splitlines()
    assert [line[4:] for line in page if line.startswith("### ")] == [rule.id for rule in rules]
