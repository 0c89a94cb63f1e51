"""A rule in words: what it asks, how sure it is, what it sees and what it misses.

In: a rule.  Out: lines of text.
Never: colour, width, output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffer.errors import printable
from sniffer.protocols.facts import FACTS
from sniffer.ruleset.conditions import All, AnyOf, Clause, Not
from sniffer.ruleset.count import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.ruleset.conditions import Condition
    from sniffer.ruleset.model import Rule


def explain(rule: Rule) -> str:
    """Everything an operator may want to know before believing a rule."""
    lines = [
        f"{rule.id}: {rule.title}",
        f"severity {rule.severity.label}, at most {rule.confidence.label}, revision {rule.rev}, signature {rule.signature_id}",
        "",
        *counted(rule),
        "asks",
        *describe(rule.condition),
        "",
        f"sees    {rule.sees}",
        f"misses  {rule.misses}",
    ]
    if rule.references:
        lines += ["", "references", *(f"  {reference}" for reference in rule.references)]
    return "\n".join(lines)


def counted(rule: Rule) -> Iterator[str]:
    """How many messages it takes, where one is not enough."""
    count = rule.count
    if count is None:
        return
    unit = "host" if count.per_host else "flow"
    yield f"counts, by {unit}: at least {count.at_least} messages within {count.within / SECOND:g} s that are as follows"
    for network, at_least in count.networks:
        yield f"  in {network}: at least {at_least}"
    for tenant, at_least in count.tenants.items():
        yield f"  of {printable(tenant)}: at least {at_least}"
    yield ""


def describe(node: Condition, indent: int = 2) -> Iterator[str]:
    """The tree of a condition, one line a node."""
    margin = " " * indent
    if isinstance(node, Clause):
        operand = printable(
            ", ".join(map(str, node.operand)) if isinstance(node.operand, list) else node.operand, 200
        )
        yield f"{margin}{node.fact} {node.operator} {operand}   ({FACTS[node.fact].says})"
    elif isinstance(node, Not):
        yield f"{margin}not"
        yield from describe(node.part, indent + 2)
    elif isinstance(node, All | AnyOf):
        yield f"{margin}{'all of' if isinstance(node, All) else 'any of'}"
        for part in node.parts:
            yield from describe(part, indent + 2)
