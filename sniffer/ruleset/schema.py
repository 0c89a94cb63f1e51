"""JSON Schema of the files under ``rules/``, for editors.

In: nothing.  Out: a JSON Schema (draft 2020-12).
Never: a check; what is checked at load is more than a schema can say.

``rules/schema.json`` is this, written by ``scripts/make_docs.py``; each shipped file names it in its first line.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import TypeAdapter

from sniffer.model import OPENING
from sniffer.protocols.facts import FACTS
from sniffer.ruleset.count import CountShape
from sniffer.ruleset.model import BenignFile, ListFile, PatternFile, PoolFile, RuleShape
from sniffer.ruleset.operators import MAX_REGEX, OPERATORS
from sniffer.ruleset.payloads import SHORTEST_TEXT, SIDES, TRANSPORTS
from sniffer.ruleset.suppression import SuppressionFile

CONDITION: Final = {"$ref": "#/$defs/Condition"}
COUNT: Final = {"$ref": "#/$defs/Count"}
LIST_NAME: Final = {"type": "string", "pattern": "^@[a-z]"}
TEXT: Final = {"type": "string", "minLength": 1}
NUMBER: Final = {"type": "number"}
TEXTS: Final = {"anyOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1}]}
OPERANDS: Final[dict[str, dict[str, Any]]] = {
    "equals": {"type": ["string", "number", "boolean"]},
    "in": {"anyOf": [LIST_NAME, {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 1}]},
    "starts_with": TEXT,
    "ends_with": TEXT,
    "contains": TEXT,
    "matches": {**TEXT, "maxLength": MAX_REGEX},
    "at_least": NUMBER,
    "at_most": NUMBER,
    "between": {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2},
    "domain_in": TEXTS,
    "network_in": TEXTS,
    "exists": {"type": "boolean"},
}
"""What each operator takes."""
TYPES: Final = {str: ["string"], int: ["integer"], float: ["number"], bool: ["boolean"]}


def rules_schema() -> dict[str, Any]:
    """The schema of a rule file, a pool file, a list file and a file of suppressions in one."""
    adapter: TypeAdapter[Any] = TypeAdapter(
        list[RuleShape] | PoolFile | ListFile | BenignFile | PatternFile | SuppressionFile
    )
    schema = adapter.json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Rules, pool endpoints and lists of sniffer"
    schema["$defs"]["RuleShape"]["properties"]["match"] = match_schema()
    schema["$defs"]["Example"]["properties"]["facts"] |= facts_schema()
    schema["$defs"]["Example"]["minProperties"] = 1
    schema["$defs"]["Condition"] = condition_schema()
    schema["$defs"] |= count_definitions()
    return schema


def facts_schema() -> dict[str, Any]:
    """Facts by name, each of its own type."""
    properties = {
        name: {"type": TYPES[info.type], "description": info.says, "examples": [info.example]}
        for name, info in FACTS.items()
    }
    return {"properties": properties, "additionalProperties": False}


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
    """A tree of all, any and not over questions about facts and payloads."""
    parts = {"type": "array", "minItems": 1, "items": CONDITION}
    words: dict[str, Any] = {"all": parts, "any": parts, "not": CONDITION, "payload": payload_schema()}
    joined = [
        {"type": "object", "properties": {word: shape}, "required": [word], "additionalProperties": False}
        for word, shape in words.items()
    ]
    fact = {
        "enum": sorted(FACTS),
        "description": "; ".join(f"{name}: {info.says}" for name, info in FACTS.items()),
    }
    questions = {
        name: {"description": operator.says, **OPERANDS[name]} for name, operator in OPERATORS.items()
    }
    clause = {
        "type": "object",
        "properties": {"fact": fact, **questions},
        "required": ["fact"],
        "minProperties": 2,
        "maxProperties": 2,
        "additionalProperties": False,
    }
    return {"anyOf": [*joined, clause]}


def payload_schema() -> dict[str, Any]:
    """Raw bytes with which a side of a flow, or a datagram, begins."""
    digits = "^([0-9A-Fa-f]{2} ?)+$"
    return {
        "type": "object",
        "description": "bytes with which a side of a flow, or a datagram, begins",
        "properties": {
            "starts_with": {"type": "string", "minLength": SHORTEST_TEXT, "description": "the bytes as text"},
            "starts_with_hex": {"type": "string", "pattern": digits, "description": "or in hexadecimal"},
            "at": {
                "type": "integer",
                "minimum": 0,
                "maximum": OPENING - 1,
                "default": 0,
                "description": "how many bytes stand before them",
            },
            "side": {"enum": list(SIDES), "default": "any", "description": "who sends them"},
            "transport": {"enum": list(TRANSPORTS), "default": "tcp"},
        },
        "oneOf": [{"required": ["starts_with"]}, {"required": ["starts_with_hex"]}],
        "additionalProperties": False,
    }
