"""Faults that only show when the parts of a rule set are seen together.

In: a rule, a list of endpoints.  Out: sentences.
Never: taste; everything said here keeps a rule or an endpoint from ever matching, or an example from testing anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sniffer.errors import Problem
from sniffer.model import MAX_PATTERNS
from sniffer.protocols.facts import FACTS
from sniffer.ruleset.conditions import All, Clause, Joint, Not, Payload, is_carried, payload_text
from sniffer.ruleset.payloads import FACTS_BESIDE
from sniffer.strictyaml import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
    if not isinstance(node, Joint):
        return
    seen: set[tuple[str, str, str]] = set()
    wanted: dict[str, object] = {}
    for part in node.parts:
        yield from _faults(part)
        if not isinstance(part, Clause):
            continue
        key = (part.fact, part.operator, repr(part.operand))
        if key in seen and isinstance(part, Payload):
            yield f"asks twice whether the payload {payload_text(part.operand)}"
        elif key in seen:
            yield f"asks twice whether {part.fact} {part.operator} {part.operand}"
        seen.add(key)
        if isinstance(node, All) and part.operator == "equals":
            other = wanted.setdefault(part.fact, part.operand)
            if other != part.operand:
                yield f"can never match: {part.fact} cannot be both {other!r} and {part.operand!r}"


def payload_faults(condition: Condition) -> Iterator[tuple[str, str]]:
    """What the gate cannot carry, or what no opening can tell: sentence and remedy."""
    if not any(fact.startswith("payload.") for fact in condition.asked()):
        return
    if not is_carried(condition):
        yield (
            "an unanchored payload: this can hold without a payload condition, so the gate cannot carry it",
            "join it by all: with payload: {starts_with: ...}; write what is joined by any: as rules of their own",
        )
    yield from _beside(condition)


def _beside(node: Condition) -> Iterator[tuple[str, str]]:
    """Facts that must be there together with an opening, and never are."""
    if isinstance(node, Not):
        yield from _beside(node.part)
    if not isinstance(node, Joint):
        return
    for part in node.parts:
        yield from _beside(part)
    needed = [part for part in node.parts if isinstance(part, Clause) and part.ways() is not None]
    if isinstance(node, All) and any(part.fact.startswith("payload.") for part in needed):
        for part in needed:
            if part.fact not in FACTS_BESIDE:
                what = f"can never match: an opening does not tell {part.fact}"
                yield what, f"beside a payload, ask about {', '.join(FACTS_BESIDE)}"


def pattern_faults(rules: Iterable[Rule]) -> Iterator[Problem]:
    """Rules whose payload conditions are beyond the number that the gate carries."""
    patterns: set[tuple[int, bytes]] = set()
    for rule in rules:
        patterns |= {
            (clause.operand.at, clause.operand.data)
            for clause in rule.condition.clauses()
            if isinstance(clause, Payload)
        }
        if len(patterns) > MAX_PATTERNS:
            what = (
                f"rule {rule.id}: more than {MAX_PATTERNS} different payload conditions in all rules together"
            )
            yield Problem(rule.file, rule.line, 1, "payload", what, "leave some out, or let one name less")
            return


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
