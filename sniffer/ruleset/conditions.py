"""The tree under ``match``: clauses about facts, joined by all, any and not.

In: plain YAML data.  Out: a tree that answers a mapping of facts with a Match, or every fault at its place.
Never: a look at anything but facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sniffer.errors import Problem, printable
from sniffer.model import Listed, Match, Pattern, Value
from sniffer.protocols.facts import FACTS, FLOW_FACTS, NAME_FACTS
from sniffer.ruleset.domains import normalise
from sniffer.ruleset.operators import LOWER_FACTS, OPERATORS, entries_of, operator_for
from sniffer.ruleset.payloads import parse_pattern, shown
from sniffer.strictyaml import Document, Place, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sniffer.ruleset.lists import Lists
    from sniffer.ruleset.operators import Test

MAX_REASON: Final = 120
COUNT_PLACE: Final = (
    "put it at the top of match, or into the list under all there; what it counts goes under of"
)
NOTHING: Final = Match(False)
JOINTS: Final = ("all", "any", "not")
NAMED_BY: Final = ("domain_in", "equals", "in")
LITERAL: Final = ("equals", "in", "starts_with", "ends_with", "contains")
MINING_FACTS: Final = ("mining.", "stratum.", "cryptonote.", "ethereum.")

Anchors: TypeAlias = list[tuple[str, frozenset[Value] | None]] | None
"""Facts of which one must be present for a condition to hold (with one of these values, if any); None: not known."""


Condition: TypeAlias = "Clause | All | AnyOf | Not"
"""A node of the tree.  Each kind has the same five methods:

- ``match``: test facts;
- ``anchors``: what must be present;
- ``ways``: clauses of which one must hold, as narrow as the gate can be told; None: not known;
- ``clauses``: every clause below that can give a reason;
- ``asked``: every fact that the answer depends on.
"""


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
        shown = (
            value if isinstance(value, str | bool) else f"{value:g}" if isinstance(value, float) else value
        )
        reason = f"{self.fact} = {shown}"
        if self.operator in ("domain_in", "network_in") or (
            isinstance(self.operand, str) and self.operator == "in"
        ):
            reason = f"{self.fact} in {_names(self.operand)} ({shown})"
        elif self.operator not in ("equals", "in", "exists"):
            reason = f"{self.fact} {self.operator} {_names(self.operand)} ({shown})"
        endpoint, listed = answer if isinstance(answer, tuple) else (None, answer)
        reasons = (printable(reason, MAX_REASON),)
        return Match(True, reasons, endpoint, listed if isinstance(listed, Listed) else None)

    def anchors(self) -> Anchors:
        """This fact, unless the question is whether it is absent."""
        if self.operator == "exists" and self.operand is False:
            return None
        if self.operator == "equals":
            return [(self.fact, frozenset([self.operand]))]
        if self.operator == "in" and isinstance(self.operand, list):
            return [(self.fact, frozenset(self.operand))]
        return [(self.fact, None)]

    def ways(self) -> Sequence[Clause] | None:
        """This one, unless it asks for absence."""
        return None if self.operator == "exists" and self.operand is False else (self,)

    @property
    def is_narrow(self) -> bool:
        """Whether the gate can tell which packets this may concern: by opening bytes, or by a listed name."""
        mines = self.fact.startswith(MINING_FACTS) or self.fact in FLOW_FACTS
        return mines or (self.fact in NAME_FACTS and self.operator in NAMED_BY)

    def clauses(self) -> Sequence[Clause]:
        """This one."""
        return (self,)

    def asked(self) -> frozenset[str]:
        """The one it is about."""
        return frozenset([self.fact])


@dataclass(frozen=True, slots=True)
class Payload(Clause):
    """One question about the opening of a side, or of a datagram: its operand is a Pattern."""

    def match(self, facts: Mapping[str, Value]) -> Match:
        """Compare; the reason names what the rule says, not what else was sent."""
        said = facts.get(self.fact)
        pattern: Pattern = self.operand
        if said is None or not self.test(said):
            return NOTHING
        for fact, wanted in (("payload.side", pattern.side), ("flow.transport", pattern.transport)):
            if wanted != "any" and facts.get(fact) != wanted:
                return NOTHING
        return Match(True, (printable(f"payload {payload_text(pattern)}", MAX_REASON),))

    @property
    def is_narrow(self) -> bool:
        """The gate compares these bytes itself."""
        return True

    def asked(self) -> frozenset[str]:
        """The opening, and who sent it by what."""
        return frozenset(["payload.hex", "payload.side", "flow.transport"])


def payload_clause(pattern: Pattern) -> Payload:
    """The question whether an opening holds these bytes where the pattern says."""
    digits, start = pattern.data.hex(), 2 * pattern.at
    return Payload("payload.hex", "payload", pattern, lambda value: str(value).startswith(digits, start))


def payload_text(pattern: Pattern) -> str:
    """A pattern in words."""
    where = f" at {pattern.at}" if pattern.at else ""
    side = "" if pattern.side == "any" else f" from the {pattern.side}"
    return f"begins{where} with {shown(pattern.data)}{side}"


def _names(operand: Any) -> str:
    parts = entries_of(operand)
    return ", ".join(str(part) for part in parts[:3]) + (", ..." if len(parts) > 3 else "")


@dataclass(frozen=True, slots=True)
class Joint:
    """Several parts."""

    parts: tuple[Condition, ...]

    def clauses(self) -> Sequence[Clause]:
        """Those of every part."""
        return [clause for part in self.parts for clause in part.clauses()]

    def asked(self) -> frozenset[str]:
        """Those of every part."""
        return frozenset().union(*(part.asked() for part in self.parts))


@dataclass(frozen=True, slots=True)
class All(Joint):
    """Every part holds."""

    def match(self, facts: Mapping[str, Value]) -> Match:
        """Ask each part; stop at the first that fails."""
        reasons: list[str] = []
        endpoint = listed = None
        for part in self.parts:
            found = part.match(facts)
            if not found:
                return NOTHING
            reasons += found.reasons
            endpoint = endpoint or found.endpoint
            listed = listed or found.listed
        return Match(True, tuple(reasons), endpoint, listed)

    def anchors(self) -> Anchors:
        """Those of the part that says most."""
        known = [anchors for part in self.parts if (anchors := part.anchors()) is not None]
        return min(known, key=lambda a: (any(values is None for _, values in a), len(a)), default=None)

    def ways(self) -> Sequence[Clause] | None:
        """Those of the narrowest part."""
        known = [ways for part in self.parts if (ways := part.ways()) is not None]
        return min(known, key=lambda ways: not all(clause.is_narrow for clause in ways), default=None)


@dataclass(frozen=True, slots=True)
class AnyOf(Joint):
    """At least one part holds."""

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

    def ways(self) -> Sequence[Clause] | None:
        """Those of all parts together, if each has some."""
        known = [part.ways() for part in self.parts]
        return None if None in known else [clause for ways in known if ways for clause in ways]


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

    def ways(self) -> Sequence[Clause] | None:
        """Any packet may lack something."""
        return None

    def clauses(self) -> Sequence[Clause]:
        """None that must hold."""
        return ()

    def asked(self) -> frozenset[str]:
        """Those of the part: here absence counts."""
        return self.part.asked()


def is_carried(condition: Condition) -> bool:
    """Whether the gate can tell which packets a condition may concern; else all that may be must pass."""
    ways = condition.ways()
    return ways is not None and all(clause.is_narrow for clause in ways)


def all_clauses(node: Condition) -> Iterator[Clause]:
    """Every clause of a condition, also those that must not hold."""
    if isinstance(node, Clause):
        yield node
    elif isinstance(node, Not):
        yield from all_clauses(node.part)
    elif isinstance(node, Joint):
        for part in node.parts:
            yield from all_clauses(part)


def list_names(node: Condition) -> Iterator[str]:
    """Name of every list that a condition refers to, without its ``@``."""
    for clause in all_clauses(node):
        for entry in entries_of(clause.operand):
            if isinstance(entry, str) and entry.startswith("@"):
                yield entry[1:]


Complain: TypeAlias = "Callable[[Place, str, str, str], None]"


def parse_condition(
    data: Any, place: Place, document: Document, lists: Lists, problems: list[Problem]
) -> Condition | None:
    """Build the tree; add each fault to ``problems``."""

    def complain(where: Place, code: str, what: str, remedy: str = "") -> None:
        problems.append(document.problem(where, code, what, remedy))

    return _parse(data, place, lists, complain)


def _parse(data: Any, place: Place, lists: Lists, complain: Complain) -> Condition | None:
    if not isinstance(data, dict) or not data:
        remedy = "write {fact: ..., equals: ...}, or payload, all, any, not"
        complain(place, "condition", "a condition must be a mapping", remedy)
        return None
    if "count" in data:
        complain((*place, "count"), "count", "'count' stands too deep", COUNT_PLACE)
        return None
    joined = [word for word in JOINTS if word in data]
    if not joined and "payload" in data:
        return _payload(data, place, complain)
    if not joined:
        return _clause(data, place, lists, complain)
    word = joined[0]
    others = [other for other in data if other != word]
    for other in others:
        complain(
            (*place, other), "condition", f"{other!r} stands beside {word!r}", "nest one inside the other"
        )
    if word == "not":
        part = _parse(data[word], (*place, word), lists, complain)
        return Not(part) if part and not others else None
    if not isinstance(data[word], list) or not data[word]:
        complain(
            (*place, word), "condition", f"{word!r} needs a list of conditions", "write one with - for each"
        )
        return None
    parts = [_parse(one, (*place, word, i), lists, complain) for i, one in enumerate(data[word])]
    whole = tuple(part for part in parts if part is not None)
    if len(whole) < len(parts) or others:
        return None
    return All(whole) if word == "all" else AnyOf(whole)


def _payload(data: dict[str, Any], place: Place, complain: Complain) -> Payload | None:
    """A question about raw bytes."""
    others = [other for other in data if other != "payload"]
    for other in others:
        complain((*place, other), "condition", f"{other!r} stands beside 'payload'", "join both with all:")
    pattern = parse_pattern(data["payload"], (*place, "payload"), complain)
    return payload_clause(pattern) if pattern and not others else None


def _clause(data: dict[str, Any], place: Place, lists: Lists, complain: Complain) -> Clause | None:
    """One question, if its fact, its operator and the number of both are right."""
    fact = data.get("fact")
    if not isinstance(fact, str):
        where = (*place, "fact") if "fact" in data else place
        complain(where, "condition", "names no fact", "write fact: <name>")
        return None
    if fact not in FACTS:
        complain((*place, "fact"), "unknown_fact", f"there is no fact {fact!r}", suggest(fact, sorted(FACTS)))
        return None
    words = [word for word in data if word != "fact"]
    unknown = [word for word in words if word not in OPERATORS]
    for word in unknown:
        what = f"there is no operator {word!r}"
        complain((*place, word), "unknown_operator", what, suggest(word, sorted(OPERATORS)))
    if unknown:
        return None
    if not words:
        remedy = f"add one of {', '.join(OPERATORS)}"
        complain((*place, "fact"), "condition", f"asks nothing about {fact}", remedy)
        return None
    if len(words) > 1:
        what = f"asks {len(words)} questions about {fact}, not one"
        complain((*place, words[1]), "condition", what, "use all: with one clause each")
        return None
    return _question(fact, words[0], data[words[0]], lists, partial(complain, (*place, words[0])))


def _question(
    fact: str, word: str, operand: Any, lists: Lists, complain: Callable[[str, str, str], None]
) -> Clause | None:
    """One question, if its operator suits the fact and its operand the operator."""
    kind = FACTS[fact].type
    try:
        name = operator_for(word, operand, lists)
        operator = OPERATORS[name]
        if kind not in operator.types or (operator.facts and fact not in operator.facts):
            suited = (
                ", ".join(operator.facts)
                or f"facts of type {', '.join(one.__name__ for one in operator.types)}"
            )
            what = f"{name!r} cannot ask about {fact}, which is of type {kind.__name__}"
            complain("type", what, f"it asks about {suited}")
            return None
        for text in entries_of(operand):
            if name in LITERAL and fact in LOWER_FACTS and isinstance(text, str) and text[:1] != "@":
                usual = text.lower() if name not in NAMED_BY else normalise(text)
                if text != usual:
                    complain("operand", f"{fact} is never {text!r}", f"write it as the fact is: {usual!r}")
                    return None
        return Clause(fact, name, operand, operator.make(operand, kind, lists))
    except ValueError as error:
        complain("operand", f"{word}: {error}", _operand_remedy(fact, word, operand, lists))
        return None


OPERANDS: Final = {
    "in": 'in: [{0}], or in: "@name" of a list',
    "matches": "matches: '^{0}', in RE2: no back-references, no look-around, nothing that matches an empty text",
    "at_least": "at_least: 5",
    "at_most": "at_most: 5",
    "between": "between: [5, 10]",
    "domain_in": 'domain_in: [pool.example.org], or domain_in: "@name" of a list',
    "network_in": 'network_in: [10.0.0.0/8], or network_in: "@name" of a list',
    "exists": "exists: true",
}
"""Questions that are right."""


def _operand_remedy(fact: str, word: str, operand: Any, lists: Lists) -> str:
    """A list that may be meant, or a question that would be right."""
    for entry in entries_of(operand):
        if isinstance(entry, str) and entry[:1] == "@" and not lists.knows(entry[1:]):
            return suggest(entry, lists.known())
    example = FACTS[fact].example
    if FACTS[fact].type is str and word == "equals":
        example = f'"{example}"'
    return "write for example " + OPERANDS.get(word, f"{word}: {{0}}").format(example)
