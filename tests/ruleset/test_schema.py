"""The JSON Schema for editors names what the loader knows."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sniffer.errors import ConfigError
from sniffer.paths import shipped_rules
from sniffer.protocols.facts import FACTS
from sniffer.ruleset.load import rule_files
from sniffer.ruleset.model import RuleShape
from sniffer.ruleset.operators import OPERATORS
from sniffer.ruleset.payloads import KEYS
from sniffer.ruleset.schema import OPERANDS, rules_schema
from sniffer.strictyaml import load_file

BROKEN = Path(__file__).parent / "broken"
SHIPPED = rule_files(shipped_rules())


def test_schema_knows_every_fact_operator_and_key() -> None:
    """An editor offers exactly what loads."""
    schema = rules_schema()
    clause = schema["$defs"]["Condition"]["anyOf"][-1]["properties"]
    assert clause["fact"]["enum"] == sorted(FACTS)
    assert set(clause) == {"fact", *OPERATORS}
    assert set(schema["$defs"]["Condition"]["anyOf"][-2]["properties"]["payload"]["properties"]) == set(KEYS)
    assert set(schema["$defs"]["RuleShape"]["properties"]) == set(RuleShape.model_fields)


def test_schema_is_complete_json() -> None:
    """Every reference leads somewhere and the whole can be written out."""
    schema = rules_schema()
    text = json.dumps(schema)
    referenced = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert referenced <= set(schema["$defs"])
    assert {"RuleShape", "PoolFile", "ListFile", "Condition"} <= referenced | set(schema["$defs"])


def validator() -> Any:
    """The schema, ready to judge."""
    schema = rules_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


VALIDATOR = validator()


def test_every_operator_has_its_operand() -> None:
    """The schema says of each operator what it takes."""
    assert set(OPERANDS) == set(OPERATORS)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_file_is_valid(path: Path) -> None:
    """Every shipped file obeys the schema, and names it in its first line for editors."""
    assert [error.message[:200] for error in VALIDATOR.iter_errors(load_file(path).data)] == []
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    named = path.parent / first.partition("=")[2]
    assert named.resolve() == (shipped_rules() / "schema.json").resolve()
    assert json.loads(named.read_text(encoding="utf-8")) == rules_schema()


FORMAL = ("shape", "unknown_key", "missing_key", "type", "range", "unknown_fact", "unknown_operator")
"""Faults that a schema can see."""
BEYOND = {
    "wrong-type-of-fact.yaml",  # an operator that does not suit the fact
    "network-of-a-name.yaml",
    "domain-of-an-agent.yaml",
    "domains-for-a-port.yaml",
    "allow-for-too-long.yaml",  # that depends on the day
}


def formally_broken() -> list[str]:
    """Broken files whose fault a schema can see."""
    with (BROKEN / "expected.csv").open(encoding="utf-8", newline="") as file:
        return [
            row["file"] for row in csv.DictReader(file) if row["code"] in FORMAL and row["file"] not in BEYOND
        ]


@pytest.mark.parametrize("name", formally_broken())
def test_editor_sees_the_fault(name: str) -> None:
    """What the loader refuses for its form, the schema refuses, too."""
    try:
        data = load_file(BROKEN / name).data
    except ConfigError:
        return  # not even YAML: the editor sees that by itself
    assert not VALIDATOR.is_valid(data)


@pytest.mark.parametrize(
    ("data", "is_right"),
    [
        ({"name": "feed", "type": "domains", "values": ["a.example"]}, True),
        ({"name": "feed", "file": "feed.csv", "format": "csv", "column": "x", "origin": "us", "updated": "2026-11-01"}, True),
        ({"name": "feed", "file": "feed.txt", "values": ["a.example"]}, False),
        ({"name": "feed", "type": "domains"}, False),
        ({"name": "feed", "file": "feed.txt", "format": "xml"}, False),
        ({"name": "feed", "file": "feed.txt", "updated": "1 November"}, False),
        ({"name": "feed", "file": "feed.txt", "source": "us"}, False),
    ],
)  # fmt: skip
def test_schema_of_lists(data: dict[str, object], *, is_right: bool) -> None:
    """Values stand in the list or in a file that it names, never both; every other key is known."""
    assert jsonschema.Draft202012Validator(rules_schema()).is_valid(data) is is_right
