"""A rule in words: what it asks, how sure it is, what it sees and what it misses.

In: a rule.  Out: lines of text.
Never: colour, width, output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffer.errors import printable
from sniffer.protocols.facts import FACTS
from sniffer.ruleset.conditions import All, AnyOf, Clause, Not, Payload, payload_text

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
        "asks",
        *describe(rule.condition),
        "",
        f"sees    {rule.sees}",
        f"misses  {rule.misses}",
    ]
    if rule.references:
        lines += ["", "references", *(f"  {reference}" for reference in rule.references)]
    return "\n".join(lines)


def describe(node: Condition, indent: int = 2) -> Iterator[str]:
    """The tree of a condition, one line a node."""
    margin = " " * indent
    if isinstance(node, Payload):
        over = "tcp or udp" if node.operand.transport == "any" else node.operand.transport
        yield f"{margin}payload {payload_text(node.operand)}   (first bytes of a side, over {over})"
    elif isinstance(node, Clause):
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
