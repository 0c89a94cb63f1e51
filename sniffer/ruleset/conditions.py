"""The tree under ``match``: clauses about facts, joined by all, any and not.

In: plain YAML data.  Out: a tree that answers a mapping of facts with a Match, or every fault at its place.
Never: a look at anything but facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from sniffer.errors import Problem, printable
from sniffer.model import Endpoint, Match, Value
from sniffer.protocols.facts import FACTS
from sniffer.ruleset.lists import Lists
from sniffer.ruleset.operators import OPERATORS, Test
from sniffer.strictyaml import Document, Place, suggest

MAX_REASON: Final = 120
LATER: Final = {
    "count": "counting within a window is not supported by this version",
    "payload": "rules on raw bytes are not supported by this version",
}
NOTHING: Final = Match(False)

Anchors: TypeAlias = list[tuple[str, frozenset[Value] | None]] | None
"""Facts of which one must be present for a condition to hold (with one of these values, if any); None: not known."""


class Condition(Protocol):
    """A node of the tree."""

    def match(self, facts: Mapping[str, Value]) -> Match:
        """Test facts."""

    def anchors(self) -> Anchors:
        """What must be present."""

    def clauses(self) -> Sequence[Clause]:
        """Every clause below."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One question about one fact."""

    fact: str
    operator: str
    operand: Any
    test: Test

    def match(self, facts: Mapping[str, Value]) -> Match:
        """Ask."""
        value = facts.get(self.fact)
        if value is None:
            absent = self.operator == "exists" and self.operand is False
            return Match(True, (f"no {self.fact}",)) if absent else NOTHING
        answer = self.test(value)
        if not answer:
            return NOTHING
        shown = value if isinstance(value, str | bool) else f"{value:g}" if isinstance(value, float) else value
        reason = f"{self.fact} = {shown}"
        if self.operator in ("domain_in", "network_in"):
            reason = f"{self.fact} in {_names(self.operand)} ({shown})"
        elif self.operator not in ("equals", "in", "exists"):
            reason = f"{self.fact} {self.operator} {_names(self.operand)} ({shown})"
        return Match(True, (printable(reason, MAX_REASON),), answer if isinstance(answer, Endpoint) else None)

    def anchors(self) -> Anchors:
        """This fact, unless the question is whether it is absent."""
        if self.operator == "exists" and self.operand is False:
            return None
        if self.operator == "equals":
            return [(self.fact, frozenset([self.operand]))]
        if self.operator == "in" and isinstance(self.operand, list):
            return [(self.fact, frozenset(self.operand))]
        return [(self.fact, None)]

    def clauses(self) -> Sequence[Clause]:
        """This one."""
        return (self,)


def _names(operand: Any) -> str:
    parts = operand if isinstance(operand, list) else [operand]
    return ", ".join(str(part) for part in parts[:3]) + (", …" if len(parts) > 3 else "")


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Condition, ...]

    def match(self, facts: Mapping[str, Value]) -> Match:
        """Ask each part; stop at the first that fails."""
        reasons: list[str] = []
        endpoint = None
        for part in self.parts:
            found = part.match(facts)
            if not found:
                return NOTHING
            reasons += found.reasons
            endpoint = endpoint or found.endpoint
        return Match(True, tuple(reasons), endpoint)

    def anchors(self) -> Anchors:
        """Those of the part that says most."""
        known = [anchors for part in self.parts if (anchors := part.anchors()) is not None]
        return min(known, key=lambda a: (any(values is None for _, values in a), len(a)), default=None)

    def clauses(self) -> Sequence[Clause]:
        """Those of every part."""
        return [clause for part in self.parts for clause in part.clauses()]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Condition, ...]

    def match(self, facts: Mapping[str, Value]) -> Match:
        """Ask parts in order; the first that holds gives the reasons."""
        for part in self.parts:
            found = part.match(facts)
            if found:
                return found
        return NOTHING

    def anchors(self) -> Anchors:
        """Those of all parts together, if each has some."""
        out: list[tuple[str, frozenset[Value] | None]] = []
        for part in self.parts:
            anchors = part.anchors()
            if anchors is None:
                return None
            out += anchors
        return out

    def clauses(self) -> Sequence[Clause]:
        """Those of every part."""
        return [clause for part in self.parts for clause in part.clauses()]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Condition

    def match(self, facts: Mapping[str, Value]) -> Match:
        """Ask the part."""
        return NOTHING if self.part.match(facts) else Match(True)

    def anchors(self) -> Anchors:
        """Nothing must be present for something not to hold."""
        return None

    def clauses(self) -> Sequence[Clause]:
        """None that must hold."""
        return ()


def parse_condition(data: Any, place: Place, document: Document, lists: Lists, problems: list[Problem]) -> Condition | None:
    """Build the tree; add each fault to ``problems``."""

    def complain(where: Place, code: str, what: str, remedy: str = "") -> None:
        problems.append(document.problem(where, code, what, remedy))

    if not isinstance(data, dict) or not data:
        complain(place, "condition", "a condition must be a mapping", "write {fact: …, equals: …}, or all, any, not")
        return None
    for word, why in LATER.items():
        if word in data:
            complain((*place, word), "unsupported", why, "leave it out")
            return None
    joined = [word for word in ("all", "any", "not") if word in data]
    if joined:
        word = joined[0]
        for other in data:
            if other != word:
                complain((*place, other), "condition", f"{other!r} stands beside {word!r}", "nest one inside the other")
        if word == "not":
            part = parse_condition(data[word], (*place, word), document, lists, problems)
            return Not(part) if part else None
        if not isinstance(data[word], list) or not data[word]:
            complain((*place, word), "condition", f"{word!r} needs a list of conditions")
            return None
        parts = [parse_condition(one, (*place, word, i), document, lists, problems) for i, one in enumerate(data[word])]
        whole = tuple(part for part in parts if part is not None)
        if len(whole) < len(parts):
            return None
        return All(whole) if word == "all" else AnyOf(whole)
    return _clause(data, place, lists, complain)


def _clause(data: dict[str, Any], place: Place, lists: Lists, complain: Any) -> Clause | None:
    fact = data.get("fact")
    if not isinstance(fact, str):
        complain(place, "condition", "names no fact", "write fact: <name>")
        return None
    if fact not in FACTS:
        complain((*place, "fact"), "unknown_fact", f"there is no fact {fact!r}", suggest(fact, sorted(FACTS)))
        return None
    words = [word for word in data if word != "fact"]
    unknown = [word for word in words if word not in OPERATORS]
    for word in unknown:
        complain((*place, word), "unknown_operator", f"there is no operator {word!r}", suggest(word, sorted(OPERATORS)))
    if unknown:
        return None
    if len(words) != 1:
        complain(place, "condition", f"asks {len(words)} questions about {fact}, not one", "use all: with one clause each")
        return None
    word = words[0]
    operator, kind = OPERATORS[word], FACTS[fact].type
    if kind not in operator.types:
        complain((*place, word), "type", f"{word!r} cannot ask about {fact}, which is of type {kind.__name__}")
        return None
    try:
        test = operator.make(data[word], kind, lists)
    except ValueError as error:
        complain((*place, word), "operand", f"{word}: {error}")
        return None
    return Clause(fact, word, data[word], test)
