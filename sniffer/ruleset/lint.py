"""Faults that only show when the parts of a rule set are seen together.

In: a rule, a list of endpoints.  Out: sentences.
Never: taste; everything said here keeps a rule or an endpoint from ever matching, or an example from testing anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sniffer.protocols.facts import FACTS
from sniffer.ruleset.conditions import All, AnyOf, Clause, Not
from sniffer.strictyaml import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sniffer.errors import Problem
    from sniffer.ruleset.conditions import Condition
    from sniffer.ruleset.lists import Lists
    from sniffer.ruleset.model import Rule
    from sniffer.strictyaml import Document, Place

Fault: TypeAlias = "tuple[Place, str, str]"


def rule_faults(rule: Rule) -> Iterator[str]:
    """What is said twice, and what excludes itself."""
    yield from _faults(rule.condition)


def _faults(node: Condition) -> Iterator[str]:
    if isinstance(node, Not):
        yield from _faults(node.part)
    if not isinstance(node, All | AnyOf):
        return
    seen: set[tuple[str, str, str]] = set()
    wanted: dict[str, object] = {}
    for part in node.parts:
        yield from _faults(part)
        if not isinstance(part, Clause):
            continue
        key = (part.fact, part.operator, repr(part.operand))
        if key in seen:
            yield f"asks twice whether {part.fact} {part.operator} {part.operand}"
        seen.add(key)
        if isinstance(node, All) and part.operator == "equals":
            other = wanted.setdefault(part.fact, part.operand)
            if other != part.operand:
                yield f"can never match: {part.fact} cannot be both {other!r} and {part.operand!r}"


def example_faults(rule: Rule) -> Iterator[Fault]:
    """Facts in examples that no protocol states, or states with another type."""
    for kind, examples in (("hits", rule.examples.hits), ("misses", rule.examples.misses)):
        for number, example in enumerate(examples):
            for fact, value in example.facts.items():
                place: Place = (kind, number, "facts", fact)
                if fact not in FACTS:
                    yield place, f"there is no fact {fact!r}", suggest(fact, sorted(FACTS))
                elif type(value) is not FACTS[fact].type and not (
                    FACTS[fact].type is float and type(value) is int
                ):
                    yield (
                        place,
                        f"{fact} is of type {FACTS[fact].type.__name__}, not {value!r}",
                        "write such a value",
                    )


def endpoint_faults(documents: Iterable[Document], lists: Lists) -> Iterator[Problem]:
    """Endpoints that can never match, because the same name is listed as benign."""
    for document in documents:
        if not isinstance(document.data, dict) or not isinstance(document.data.get("pools"), list):
            continue
        for number, pool in enumerate(document.data["pools"]):
            entries = pool.get("endpoints") if isinstance(pool, dict) else None
            for position, entry in enumerate(entries if isinstance(entries, list) else ()):
                name = (entry.get("host") or entry.get("suffix")) if isinstance(entry, dict) else None
                if isinstance(name, str) and lists.index.is_benign(name):
                    place = ("pools", number, "endpoints", position)
                    what = f"{name} can never match: the same name is listed as benign"
                    yield document.problem(place, "benign", what, "take it out of one of the lists")
