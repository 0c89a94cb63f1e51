"""JSON Schema of the files under ``rules/``, for editors.

In: nothing.  Out: a JSON Schema (draft 2020-12).
Never: a check; what is checked at load is more than a schema can say.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import TypeAdapter

from sniffer.protocols.facts import FACTS
from sniffer.ruleset.model import BenignFile, ListFile, PatternFile, PoolFile, RuleShape
from sniffer.ruleset.operators import OPERATORS
from sniffer.ruleset.suppression import SuppressionFile

CONDITION: Final = {"$ref": "#/$defs/Condition"}


def rules_schema() -> dict[str, Any]:
    """The schema of a rule file, a pool file, a list file and a file of suppressions in one."""
    adapter: TypeAdapter[Any] = TypeAdapter(
        list[RuleShape] | PoolFile | ListFile | BenignFile | PatternFile | SuppressionFile
    )
    schema = adapter.json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Rules, pool endpoints and lists of sniffer"
    schema["$defs"]["RuleShape"]["properties"]["match"] = {**CONDITION, "description": "what must hold"}
    schema["$defs"]["Condition"] = condition_schema()
    return schema


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
