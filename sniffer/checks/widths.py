"""How much a condition asks: whether it is at least as narrow as another, and what it can prove.

In: conditions.  Out: sound answers: ``implies`` says yes only where no message can be a hit of the one and not of the other.
Never: examples, files.
"""

from __future__ import annotations

import enum
import ipaddress
import math
from typing import TYPE_CHECKING, Any, Final

from sniffer.protocols.facts import NAME_FACTS
from sniffer.ruleset.conditions import All, AnyOf, Clause, Not
from sniffer.ruleset.domains import normalise, splits
from sniffer.ruleset.operators import entries_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sniffer.model import Value
    from sniffer.ruleset.conditions import Condition
    from sniffer.ruleset.lists import Lists

# ── width ────────────────────────────────────────────────────────────────────────────────────────────────


def implies(narrow: Condition, wide: Condition, lists: Lists) -> bool:
    """Whether whatever meets ``narrow`` surely meets ``wide``."""
    if isinstance(narrow, AnyOf):
        return all(implies(part, wide, lists) for part in narrow.parts)
    if isinstance(wide, All):
        return all(implies(narrow, part, lists) for part in wide.parts)
    if isinstance(wide, AnyOf) and any(implies(narrow, part, lists) for part in wide.parts):
        return True
    if isinstance(narrow, All):
        return any(implies(part, wide, lists) for part in narrow.parts)
    if isinstance(narrow, Not) and isinstance(wide, Not):
        return implies(wide.part, narrow.part, lists)
    if isinstance(narrow, Clause) and isinstance(wide, Clause):
        return narrow.fact == wide.fact and _clause_implies(narrow, wide, lists)
    if isinstance(narrow, Clause) and isinstance(wide, Not) and isinstance(wide.part, Clause):
        values = _values(narrow, lists)
        return (
            narrow.fact == wide.part.fact
            and values is not None
            and not any(wide.part.test(value) for value in values)
        )
    return False


def _clause_implies(narrow: Clause, wide: Clause, lists: Lists) -> bool:
    """The same of two questions about one fact."""
    if (narrow.operator, narrow.operand) == (wide.operator, wide.operand):
        return True
    if "exists" in (narrow.operator, wide.operator):
        return wide.operator == "exists" and bool(wide.operand) and narrow.operand is not False
    values = _values(narrow, lists)
    if values is not None:
        return all(bool(wide.test(value)) for value in values)
    ranges = _range(narrow), _range(wide)
    if ranges[0] and ranges[1]:
        return ranges[1][0] <= ranges[0][0] and ranges[0][1] <= ranges[1][1]
    if narrow.operator == wide.operator == "domain_in":
        return _domains_imply(narrow.operand, wide.operand, lists)
    if narrow.operator == wide.operator == "network_in":
        return _networks_imply(narrow.operand, wide.operand, lists)
    return _text_implies(narrow, wide)


def _values(clause: Clause, lists: Lists) -> Sequence[Value] | None:
    """Every value that meets a clause; None: there may be others."""
    if clause.operator == "equals":
        return [clause.operand]
    if clause.operator != "in":
        return None
    operand = clause.operand
    return operand if isinstance(operand, list) else lists.values(operand[1:])


def _range(clause: Clause) -> tuple[float, float] | None:
    """The numbers that meet a clause, both ends included."""
    if clause.operator == "at_least":
        return clause.operand, math.inf
    if clause.operator == "at_most":
        return -math.inf, clause.operand
    return tuple(clause.operand) if clause.operator == "between" else None


def _text_implies(narrow: Clause, wide: Clause) -> bool:
    """The same of the beginning, the end and the middle of a text."""
    if narrow.operator not in ("starts_with", "ends_with", "contains"):
        return False
    if wide.operator == "contains":
        return wide.operand in narrow.operand
    if wide.operator != narrow.operator:
        return False
    if wide.operator == "starts_with":
        return bool(narrow.operand.startswith(wide.operand))
    return bool(narrow.operand.endswith(wide.operand))


def domains_of(operand: Any, lists: Lists) -> tuple[set[str], set[tuple[str, str]]]:
    """What a ``domain_in`` lists: names (with all below them), and classes of endpoints."""
    names: set[str] = set()
    classes: set[tuple[str, str]] = set()
    for entry in entries_of(operand):
        if not entry.startswith("@"):
            names.add(normalise(entry))
        elif lists.is_endpoint_list(entry[1:]):
            classes |= lists.endpoint_classes(entry[1:])
        else:
            names.update(normalise(str(member)) for member in lists.values(entry[1:]))
    return names, classes


def _domains_imply(narrow: Any, wide: Any, lists: Lists) -> bool:
    names, classes = domains_of(narrow, lists)
    wide_names, wide_classes = domains_of(wide, lists)
    return classes <= wide_classes and all(
        any(parent in wide_names for _, parent in splits(name)) for name in names
    )


def networks_of(operand: Any, lists: Lists) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """What a ``network_in`` lists."""
    return [
        ipaddress.ip_network(str(member))
        for entry in entries_of(operand)
        for member in (lists.values(entry[1:]) if entry.startswith("@") else [entry])
    ]


def _networks_imply(narrow: Any, wide: Any, lists: Lists) -> bool:
    around = networks_of(wide, lists)
    return all(
        any(one.version == other.version and one.subnet_of(other) for other in around)  # type: ignore[arg-type]
        for one in networks_of(narrow, lists)
    )


# ── proof ────────────────────────────────────────────────────────────────────────────────────────────────


class Evidence(enum.IntEnum):
    """What meeting a condition proves at least."""

    NONE = 0  # an address, a port, an absence
    SIGN = 1  # a DNS question, the name of a web site or of a closed pool
    MIXED = 2  # the name of a host that serves mining and web pages: likely on a port of mining
    LIKELY = 3  # the name of a host that serves mining only
    MESSAGE = 4  # something said of mining


STRENGTHS: Final = {"strong": Evidence.LIKELY, "mixed": Evidence.MIXED}
QUESTIONS: Final = ("dns.query", "dns.answer")
PORTS: Final = ("server.port", "connect.port")


def evidence_of(condition: Condition, lists: Lists) -> Evidence:
    """The least that a hit proves; of what is not known here, that it proves something."""
    if isinstance(condition, All):
        found = max(evidence_of(part, lists) for part in condition.parts)
        with_port = any(isinstance(part, Clause) and part.fact in PORTS for part in condition.parts)
        return Evidence.LIKELY if found is Evidence.MIXED and with_port else found
    if isinstance(condition, AnyOf):
        return min(evidence_of(part, lists) for part in condition.parts)
    if isinstance(condition, Not):
        return Evidence.NONE
    return _of_clause(condition, lists) if isinstance(condition, Clause) else Evidence.MESSAGE


def _of_clause(clause: Clause, lists: Lists) -> Evidence:
    if clause.operator == "exists" and clause.operand is False:
        return Evidence.NONE
    if clause.fact not in NAME_FACTS:
        return Evidence.MESSAGE if clause.is_narrow else Evidence.NONE
    if clause.fact in QUESTIONS:
        return Evidence.SIGN
    if clause.operator == "domain_in":
        names, classes = domains_of(clause.operand, lists)
    elif clause.operator in ("equals", "in"):
        names, classes = {str(value) for value in _values(clause, lists) or ()}, set()
    else:
        return Evidence.LIKELY  # whoever writes out how a name looks knows whose it is
    strengths = {strength for _, strength in classes}
    for name in names:
        endpoint = lists.index.find(name)
        # A name that no list knows is the author's own knowledge.
        strengths.add(lists.class_of(endpoint)[1] if endpoint else "strong")
    return min(STRENGTHS.get(strength, Evidence.SIGN) for strength in strengths)
