"""The JSON Schema for editors names what the loader knows."""

from __future__ import annotations

import json

import jsonschema
import pytest

from sniffer.protocols.facts import FACTS
from sniffer.ruleset.model import RuleShape
from sniffer.ruleset.operators import OPERATORS
from sniffer.ruleset.schema import rules_schema


def test_schema_knows_every_fact_operator_and_key() -> None:
    """An editor offers exactly what loads."""
    schema = rules_schema()
    clause = schema["$defs"]["Condition"]["anyOf"][-1]["properties"]
    assert clause["fact"]["enum"] == sorted(FACTS)
    assert set(clause) == {"fact", *OPERATORS}
    assert set(schema["$defs"]["RuleShape"]["properties"]) == set(RuleShape.model_fields)


def test_schema_is_complete_json() -> None:
    """Every reference leads somewhere and the whole can be written out."""
    schema = rules_schema()
    text = json.dumps(schema)
    referenced = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert referenced <= set(schema["$defs"])
    assert {"RuleShape", "PoolFile", "ListFile", "Condition"} <= referenced | set(schema["$defs"])


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
