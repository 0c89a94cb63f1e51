"""The JSON Schema for editors names what the loader knows."""

from __future__ import annotations

import json

from sniffer.protocols.facts import FACTS
from sniffer.ruleset.model import RuleShape
from sniffer.ruleset.operators import OPERATORS
from sniffer.ruleset.payloads import KEYS
from sniffer.ruleset.schema import rules_schema


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
