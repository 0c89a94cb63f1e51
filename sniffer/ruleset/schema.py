"""JSON Schema of rule files, for editors.

In: the models and the registry of operators.  Out: a schema.
Never: the last word; loading checks more than a schema can say.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from sniffer.protocols.facts import FACTS
from sniffer.ruleset.model import RuleShape
from sniffer.ruleset.operators import OPERATORS


def rules_schema() -> dict[str, Any]:
    """The schema of a rule file: a list of rules, with the conditions spelled out."""
    schema: dict[str, Any] = TypeAdapter(list[RuleShape]).json_schema()
    definitions = schema.setdefault("$defs", {})
    definitions["Condition"] = {
        "anyOf": [
            {"$ref": "#/$defs/Clause"},
            *(
                {
                    "type": "object",
                    "properties": {word: {"type": "array", "items": {"$ref": "#/$defs/Condition"}, "minItems": 1}},
                    "required": [word],
                    "additionalProperties": False,
                }
                for word in ("all", "any")
            ),
            {
                "type": "object",
                "properties": {"not": {"$ref": "#/$defs/Condition"}},
                "required": ["not"],
                "additionalProperties": False,
            },
        ]
    }
    definitions["Clause"] = {
        "type": "object",
        "properties": {
            "fact": {"enum": list(FACTS), "description": "what was seen on the wire"},
            **{name: {"description": operator.says} for name, operator in OPERATORS.items()},
        },
        "required": ["fact"],
        "additionalProperties": False,
        "minProperties": 2,
        "maxProperties": 2,
    }
    definitions["RuleShape"]["properties"]["match"] = {"$ref": "#/$defs/Condition"}
    return schema
