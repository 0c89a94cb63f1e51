"""A loaded rule set: which rules match the facts of one message.

In: facts.  Out: the rules that match, with reasons.
Never: files; flows; a count.
"""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from sniffer.protocols.facts import ADDRESS_FACTS, NAME_FACTS
from sniffer.ruleset.conditions import NAMED_BY, Payload, is_carried
from sniffer.ruleset.domains import normalise
from sniffer.ruleset.operators import entries_of
from sniffer.ruleset.suppression import Suppressions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sniffer.model import Endpoint, Match, Pattern, Value
    from sniffer.ruleset.conditions import Clause
    from sniffer.ruleset.lists import Lists
    from sniffer.ruleset.model import Rule

MAX_ANSWERS: Final = 4_096  # remembered

Answers: TypeAlias = "Sequence[tuple[Rule, Match]]"
"""Rules that match a message, in order of the files."""


def ask(rule: Rule, facts: Mapping[str, Value]) -> Match:
    """A rule's answer to one message; where the rule counts, that is among the reasons."""
    found = rule.condition.match(facts)
    if found and rule.count is not None:
        return msgspec.structs.replace(found, reasons=(*found.reasons, rule.count.reason))
    return found


class RuleSet:
    """Rules, lists and the index over both.

    Args:
        rules: in order of the files.
        lists: what they refer to.
        version: of everything that was written, ten hexadecimal digits.
        dump: from which :func:`sniffer.ruleset.load.restore` builds the same set.
        suppressions: hits that are not told.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        lists: Lists,
        version: str,
        dump: bytes,
        suppressions: Suppressions | None = None,
    ) -> None:
        self.rules = tuple(rules)
        self.lists = lists
        self.version = version
        self.suppressions = suppressions or Suppressions()
        self._dump = dump
        self._by_value: dict[str, dict[Value, list[int]]] = {}
        self._by_fact: dict[str, list[int]] = {}
        self._always: list[int] = []
        for number, rule in enumerate(self.rules):
            self._index(number, rule)
        self.asked = frozenset().union(*(rule.condition.asked() for rule in self.rules))
        """Every fact that some rule asks about."""
        # Held weakly, so that a set that was replaced is gone at once: a circle would wait for a search for waste.
        me = weakref.proxy(self)
        self._answers = functools.lru_cache(MAX_ANSWERS)(lambda said: RuleSet._search(me, said))
        clauses = [clause for rule in self.rules for clause in rule.condition.clauses()]
        self._address_clauses = [clause for clause in clauses if clause.fact in ADDRESS_FACTS]
        self.patterns: Sequence[Pattern] = tuple(
            dict.fromkeys(clause.operand for clause in clauses if isinstance(clause, Payload))
        )
        """Bytes that a flow or a datagram may begin with for some rule, in order of the files, none twice."""

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """Every pool endpoint."""
        return self.lists.endpoints

    def _index(self, number: int, rule: Rule) -> None:
        anchors = rule.condition.anchors()
        if anchors is None:
            self._always.append(number)
            return
        for fact, values in anchors:
            if values is None:
                self._by_fact.setdefault(fact, []).append(number)
            else:
                table = self._by_value.setdefault(fact, {})
                for value in values:
                    table.setdefault(value, []).append(number)

    def match(self, facts: Mapping[str, Value]) -> Answers:
        """Rules that match, in order of the files.

        Miners say the same again and again, apart from what no rule asks about, so answers are remembered by the rest.
        (A fact has one type, so that none is taken for another that it equals.)
        """
        asked = self.asked
        return self._answers(tuple([said for said in facts.items() if said[0] in asked]))

    @property
    def remembered(self) -> int:
        """How many answers are remembered."""
        return self._answers.cache_info().currsize

    def _search(self, said: tuple[tuple[str, Value], ...]) -> Answers:
        """Ask the rules that have a part of what they need."""
        facts = dict(said)
        numbers = set(self._always)
        for fact, value in facts.items():
            if fact in self._by_fact:
                numbers.update(self._by_fact[fact])
            table = self._by_value.get(fact)
            if table:
                numbers.update(table.get(value, ()))
        rules = self.rules
        return tuple((rules[n], found) for n in sorted(numbers) if (found := ask(rules[n], facts)))

    def match_plainly(self, facts: Mapping[str, Value]) -> Answers:
        """The same without index and memory: what :meth:`match` is held equal to."""
        return tuple((rule, found) for rule in self.rules if (found := ask(rule, facts)))

    def match_twice(self, facts: Mapping[str, Value]) -> tuple[Answers, list[str]]:
        """The plain answer, and the identifiers of rules about which :meth:`match` says something else."""
        plain, quick = self.match_plainly(facts), tuple(self.match(facts))
        if plain == quick:
            return plain, []
        sides = ({rule.id: match for rule, match in answers} for answers in (plain, quick))
        one, other = sides
        return plain, [rule.id for rule in self.rules if one.get(rule.id) != other.get(rule.id)]

    def members(self, name: str) -> Sequence[Any]:
        """Members of a list that is written down; none where there is no such list."""
        return self.lists.values(name) if name in self.lists.named else ()

    def pool_of(self, name: str) -> str:
        """The pool of a name that some rule looks for in what is known of a server's address; "" for none."""
        found = self._address_test(name)
        if isinstance(found, tuple):
            return str(found[0].pool)
        return name if found else ""

    def coins_of(self, name: str) -> tuple[str, ...]:
        """The coins of that pool, as far as its list has them."""
        found = self._address_test(name)
        return tuple(found[0].coins) if isinstance(found, tuple) else ()

    def _address_test(self, name: str) -> Any:
        """What the first clause about a server's address that a name fits has found."""
        return next((found for clause in self._address_clauses if (found := clause.test(name))), None)

    # ── what the gate must let through ───────────────────────────────────────────────────────────────────

    def gate_names(self) -> dict[str, bool]:
        """Names that a rule may ask about, and whether names below them count, too."""
        names: dict[str, bool] = {}
        for name, below in self._names():
            names[name] = names.get(name, False) or below
        return names

    def _names(self) -> Iterator[tuple[str, bool]]:
        with_endpoints = False
        for clause in self._name_clauses():
            for operand in entries_of(clause.operand):
                if not operand.startswith("@"):
                    yield normalise(operand), clause.operator == "domain_in"
                elif self.lists.is_endpoint_list(operand[1:]):
                    with_endpoints = True
                else:
                    below = clause.operator == "domain_in"
                    yield from ((normalise(str(name)), below) for name in self.lists.values(operand[1:]))
        if with_endpoints:
            yield from self.lists.index.names()

    def _name_clauses(self) -> Iterator[Clause]:
        for rule in self.rules:
            for clause in rule.condition.clauses():
                if clause.fact in NAME_FACTS and clause.operator in NAMED_BY:
                    yield clause

    @property
    def wants_every_name(self) -> bool:
        """Whether some rule can match a message without mining in it and without a listed name: then all must pass."""
        return not all(is_carried(rule.condition) for rule in self.rules)

    # ── hand-over to a worker ────────────────────────────────────────────────────────────────────────────

    def dump(self) -> bytes:
        """Everything needed to build the same set in another process."""
        return self._dump
