"""JSON Schema of the files under ``rules/``, for editors.

In: nothing.  Out: a JSON Schema (draft 2020-12).
Never: a check; what is checked at load is more than a schema can say.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import TypeAdapter

from sniffer.protocols.facts import FACTS
from sniffer.ruleset.count import CountShape
from sniffer.ruleset.model import BenignFile, ListFile, PatternFile, PoolFile, RuleShape
from sniffer.ruleset.operators import OPERATORS

CONDITION: Final = {"$ref": "#/$defs/Condition"}
COUNT: Final = {"$ref": "#/$defs/Count"}


def rules_schema() -> dict[str, Any]:
    """The schema of a rule file, a pool file and a list file in one."""
    adapter: TypeAdapter[Any] = TypeAdapter(list[RuleShape] | PoolFile | ListFile | BenignFile | PatternFile)
    schema = adapter.json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Rules, pool endpoints and lists of sniffer"
    schema["$defs"]["RuleShape"]["properties"]["match"] = match_schema()
    schema["$defs"]["Condition"] = condition_schema()
    schema["$defs"] |= count_definitions()
    return schema


def match_schema() -> dict[str, Any]:
    """A condition, or a count, which may stand in the topmost list under all."""
    part = {"anyOf": [CONDITION, COUNT]}
    joined = {
        "type": "object",
        "properties": {"all": {"type": "array", "minItems": 1, "items": part}},
        "required": ["all"],
        "additionalProperties": False,
    }
    return {"anyOf": [CONDITION, COUNT, joined], "description": "what must hold"}


def count_definitions() -> dict[str, Any]:
    """Definitions of a count, and of what its thresholds are like."""
    shape = CountShape.model_json_schema(ref_template="#/$defs/{model}")
    definitions: dict[str, Any] = shape.pop("$defs")
    shape["properties"]["of"] = {**CONDITION, "description": shape["properties"]["of"]["description"]}
    definitions["Count"] = {
        "type": "object",
        "properties": {"count": shape},
        "required": ["count"],
        "additionalProperties": False,
    }
    return definitions


def condition_schema() -> dict[str, Any]:
    """A tree of all, any and not over questions about facts."""
    parts = {"type": "array", "minItems": 1, "items": CONDITION}
    words: dict[str, Any] = {"all": parts, "any": parts, "not": CONDITION}
    joined = [
        {"type": "object", "properties": {word: shape}, "required": [word], "additionalProperties": False}
        for word, shape in words.items()
    ]
    fact = {
        "enum": sorted(FACTS),
        "description": "; ".join(f"{name}: {info.says}" for name, info in FACTS.items()),
    }
    questions = {name: {"description": operator.says} for name, operator in OPERATORS.items()}
    clause = {
        "type": "object",
        "properties": {"fact": fact, **questions},
        "required": ["fact"],
        "minProperties": 2,
        "maxProperties": 2,
        "additionalProperties": False,
    }
    return {"anyOf": [*joined, clause]}
