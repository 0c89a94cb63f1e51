"""docs/settings.md: every key of the configuration file, from its schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pages import WRITTEN, cell
from sniffer.config import UNITS, Config

if TYPE_CHECKING:
    from collections.abc import Iterator

FROM_MACHINE = {"sensor.name": "the host's name"}
"""Defaults that are worked out at start."""


def settings() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Every key as ``section.key``, its schema, and the schema of its section."""
    schema = Config.model_json_schema()
    for section, shape in schema["properties"].items():
        name = (shape.get("$ref") or shape["items"]["$ref"]).rpartition("/")[2]
        part = schema["$defs"][name]
        for key, value in part["properties"].items():
            yield f"{section}.{key}", value, part


def kind(shape: dict[str, Any]) -> str:
    """What may stand there."""
    if "anyOf" in shape:
        return " or ".join(dict.fromkeys(kind(one) for one in shape["anyOf"] if one.get("type") != "null"))
    if "const" in shape:
        return f"`{shape['const']}`"
    if "enum" in shape:
        return ", ".join(f"`{one}`" for one in shape["enum"])
    if shape.get("examples"):
        return f"{', '.join(f'`{one}`' for one in shape['examples'])} …"
    told = shape.get("type", "")
    if told == "array":
        return f"list: {kind(shape['items'])}"
    words = {"string": "text", "integer": "whole number", "boolean": "true or false"}.get(told, str(told))
    least, most = shape.get("minimum"), shape.get("maximum")
    if least is not None and most is not None:
        return f"{words}, {least:g} to {most:g}"
    return words if least is None else f"{words}, {least:g} or more"


def default(name: str, shape: dict[str, Any], part: dict[str, Any]) -> str:
    """What holds if nothing is said."""
    if name in FROM_MACHINE:
        return FROM_MACHINE[name]
    if name.partition(".")[2] in part.get("required", ()):
        return "required"
    value = shape.get("default")
    if "30s" in shape.get("examples", ()) and value:
        unit, seconds = next((unit, size) for unit, size in reversed(UNITS.items()) if value % size == 0)
        return f"`{value / seconds:g}{unit}`"
    return "unset" if value in (None, "", []) else f"`{json.dumps(value)}`"


def lines() -> Iterator[str]:
    """The page."""
    yield from ("# Settings", "", WRITTEN, "")
    yield "One YAML file, `/etc/sniffer/sniffer.yaml` for the service; every key is optional, unknown keys are errors."
    yield "`deploy/sniffer.yaml` is a file with every key, its default and more words; `sniffer config check FILE` reads one as the"
    yield "daemon does, `sniffer config show FILE` prints what is in effect, `sniffer schema config` is for editors. Durations:"
    yield "`30s`, `10m`, `24h`, or seconds."
    section = ""
    for name, shape, part in settings():
        if name.partition(".")[0] != section:
            section = name.partition(".")[0]
            yield from ("", f"## {section}", "", part["description"], "")
            yield from ("| key | value | default | says |", "| --- | --- | --- | --- |")
        key = name.partition(".")[2]
        yield f"| `{key}` | {cell(kind(shape))} | {cell(default(name, shape, part))} | {cell(shape['description'])} |"
