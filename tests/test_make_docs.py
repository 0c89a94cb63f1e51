"""The script that writes the pages about facts and rules, and the schema."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from typer.testing import CliRunner

from sniffer.cli import app
from sniffer.paths import shipped_rules
from sniffer.protocols.facts import FACTS
from sniffer.ruleset import load_rules
from sniffer.sinks.schema import event_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "make_docs.py"


def test_what_is_written_is_up_to_date() -> None:
    """Pages and schema are those that the script writes: nobody has to remember them."""
    command = [sys.executable, str(SCRIPT), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "7 files, 0 stale\n"), "run scripts/make_docs.py"


@pytest.mark.parametrize("fact", FACTS)
def test_every_fact_has_its_row(fact: str) -> None:
    """The page of facts names each fact once, with what it says and an example."""
    page = (ROOT / "docs" / "facts.md").read_text(encoding="utf-8").splitlines()
    (row,) = [line for line in page if line.startswith(f"| `{fact}` |")]
    assert FACTS[fact].says.replace("<", "&lt;") in row
    assert f"`{FACTS[fact].example}`" in row


def test_every_metric_has_its_row() -> None:
    """The page of metrics names each family that the golden /metrics shows, and no other."""
    golden = (ROOT / "tests" / "sinks" / "metrics.golden").read_text(encoding="utf-8")
    shown = re.findall(r"^# TYPE (sniffer_\w+) ", golden, re.MULTILINE)
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(sniffer_\w+)` \|", page, re.MULTILINE) == shown


def test_every_setting_has_its_row() -> None:
    """The page of settings names each key of the example file, which has them all, in its order."""
    example = (ROOT / "deploy" / "sniffer.yaml").read_text(encoding="utf-8")
    keys = re.findall(r"^(?:  |  # |#  - |#    )([a-z_0-9]+):", example, re.MULTILINE)
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == keys


def helps(*words: str) -> Iterator[tuple[str, str]]:
    """Each command by its words, with the text of its --help."""
    told = CliRunner().invoke(app, [*words, "--help"], terminal_width=200).output
    _, commands, below = told.partition("Commands:\n")
    if not commands:
        yield " ".join(("sniffer", *words)), told
    for name in re.findall(r"^  (\w+)", below, re.MULTILINE):
        yield from helps(*words, name)


def test_every_command_has_its_section() -> None:
    """The page of commands has a section for each command that --help shows, with every option."""
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (sniffer [\w ]+)\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL))
    shown = dict(helps())
    assert sorted(sections) == sorted(shown)
    assert len(shown) > 10
    for words, told in shown.items():
        options = re.findall(r"^  (?:-\w, )?(--[\w-]+)", told, re.MULTILINE)
        assert re.findall(r"^\| `(?:-\w, )?(--[\w-]+)", sections[words], re.MULTILINE) == [
            one for one in options if one != "--help"
        ], words


def test_the_manual_page_says_the_same(tmp_path: Path) -> None:
    """Each command and option of the page is in the manual page, with what must be given and what holds otherwise."""
    file = tmp_path / "sniffer.1"
    subprocess.run([sys.executable, str(ROOT / "scripts" / "make_man.py"), str(file)], check=True, timeout=60)
    manual = " ".join(file.read_text(encoding="ascii").replace("\\-", "-").split())
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert "<class" not in page + manual
    for words, section in re.findall(r"^## sniffer ([\w ]+)\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL):
        told = manual.split(f".SS \\fB{words}\\fR ")[1].split(".SS ")[0].split(".SH ")[0]
        for names, default in re.findall(r"^\| `([^`]+)` \|.*\| (\S*) ?\|$", section, re.MULTILINE):
            (one,) = [
                item
                for item in told.split(".TP ")
                if f"\\fB{re.findall(r'--[a-z0-9-]+', names)[0]}\\fR" in item
            ]
            assert ("Required." in one) == (default == "required")
            assert default in {"", "required"} or f"Default: {default.strip('`')}." in one
    for status in (0, 1, 2, 3, 66, 70, 74, 77, 78):
        assert f".TP {status} " in manual


def test_every_rule_has_its_section() -> None:
    """The page of rules has a section for each rule, in order."""
    rules = load_rules([shipped_rules()]).rules
    page = (ROOT / "docs" / "rules-reference.md").read_text(encoding="utf-8").splitlines()
    assert [line[4:] for line in page if line.startswith("### ")] == [rule.id for rule in rules]


def test_every_kind_of_event_has_an_example_as_its_schema_says() -> None:
    """The page of events has a line of each kind, which fits the schema, and a row for each key."""
    page = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    schema = event_schema()
    examples = [json.loads(line) for line in page.splitlines() if line.startswith('{"timestamp"')]
    for one in examples:
        jsonschema.validate(one, schema)
    assert [one["event_type"] for one in examples] == [kind["title"] for kind in schema["oneOf"]]

    def keys(shape: dict[str, Any], inside: str = "") -> Iterator[str]:
        for name, part in shape.get("properties", {}).items():
            yield inside + name
            yield from keys(part, f"{inside}{name}.")

    for kind in schema["oneOf"]:
        section = page.split(f"### `{kind['title']}`")[1].split("\n### ")[0]
        for key in keys(kind):
            assert f"\n| `{key}`" in section


def test_every_key_of_an_event_is_explained() -> None:
    """One sentence each, in the schema itself."""

    def look(shape: dict[str, Any]) -> None:
        for name, part in shape.get("properties", {}).items():
            assert part["description"].endswith("."), name
            look(part)

    for kind in event_schema()["oneOf"]:
        look(kind)
