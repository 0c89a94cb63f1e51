"""docs/facts.md: one row a fact, by who tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pages import WRITTEN, cell
from sniffer.protocols.facts import FACTS, source_of
from sniffer.protocols.families import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPES = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def lines() -> Iterator[str]:
    """The page."""
    yield from ("# Facts", "", WRITTEN, "")
    yield "What rules can ask about: named, typed things that a protocol reader found in one message. A message has only"
    yield "those that it tells. `docs/rules.md` says how to ask; names of families are below."
    sections: dict[str, list[str]] = {}
    for name in FACTS:
        sections.setdefault(source_of(name), []).append(name)
    for source, names in sections.items():
        yield from (
            "",
            f"## {source[0].upper()}{source[1:]}",
            "",
            "| fact | type | says | example |",
            "| --- | --- | --- | --- |",
        )
        for name in names:
            fact = FACTS[name]
            yield f"| `{name}` | {TYPES[fact.type]} | {cell(fact.says)} | `{cell(fact.example)}` |"
    yield from ("", "## Values of `mining.protocol`", "", "| family | says |", "| --- | --- |")
    for name, family in FAMILIES.items():
        yield f"| `{name}` | {cell(family.says)} |"
