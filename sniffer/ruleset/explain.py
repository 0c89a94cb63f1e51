"""A rule in words: what it needs, how sure it is, what it was tested on, what it sees and what it misses.

In: a rule, the lists it refers to.  Out: lines of text.
Never: colour, width, output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sniffer.errors import printable
from sniffer.protocols.facts import FACTS
from sniffer.ruleset.conditions import All, Clause, Joint, Not, Payload, list_names, payload_text
from sniffer.ruleset.count import SECOND
from sniffer.ruleset.dates import newest
from sniffer.ruleset.operators import entries_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.ruleset.conditions import Condition
    from sniffer.ruleset.lists import Lists
    from sniffer.ruleset.model import Example, Rule

CONFIDENCES: Final = {
    "confirmed": "mining messages were read, and the peer answered; from one direction alone a hit is probable",
    "probable": "mining messages from one direction only, or a known mining endpoint and a flow that carries data",
    "suspected": "a sign, not proof",
}
"""What the words mean (design.md, "How sure")."""
SEVERITIES: Final = {
    "low": "to be looked at some time",
    "medium": "to be looked at",
    "high": "to be acted on",
    "critical": "to be acted on at once",
}
PHRASES: Final = {
    "equals": "is {}",
    "in": "is one of {}",
    "starts_with": "begins with {}",
    "ends_with": "ends with {}",
    "contains": "holds {}",
    "matches": "matches the expression {}",
    "at_least": "is {} or more",
    "at_most": "is {} or less",
    "between": "lies between {}",
    "domain_in": "is, or lies below, one of {}",
    "network_in": "lies in {}",
}
"""What an operator asks, as a part of a sentence."""
SHOWN: Final = 160  # characters of an example
ENTRIES: Final = 12  # of a list of values


def explain(rule: Rule, lists: Lists) -> str:
    """Everything an operator may want to know before believing a rule."""
    severity, confidence = rule.severity.label, rule.confidence.label
    since = f", since {rule.since}" if rule.since else ""
    lines = [
        f"{rule.id}: {rule.title}",
        "",
        f"severity    {severity}: {SEVERITIES[severity]} (EVE {rule.severity.eve})",
        f"confidence  {confidence} at most: {CONFIDENCES[confidence]}",
        f"category    {rule.category}",
        f"written     {rule.file}:{rule.line}, revision {rule.rev}{since}, signature {rule.signature_id}",
        "",
        *counted(rule),
        "It hits a message if",
        *describe(rule.condition),
        "",
        f"It sees    {rule.sees or '(not said)'}",
        f"It misses  {rule.misses or '(not said)'}",
    ]
    named = list(named_lists(rule.condition, lists))
    if named:
        lines += ["", "Lists", *(f"  {line}" for line in named)]
    for kind, heading in (("hits", "Tested to hit"), ("misses", "Tested to miss")):
        lines += ["", heading]
        for example in getattr(rule.examples, kind):
            lines += [f"  {line}" for line in render(example)]
    if rule.references:
        lines += ["", "References", *(f"  {reference}" for reference in rule.references)]
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
    if isinstance(node, Payload):
        over = "tcp or udp" if node.operand.transport == "any" else node.operand.transport
        yield f"{margin}payload {payload_text(node.operand)}   (first bytes of a side, over {over})"
    elif isinstance(node, Clause):
        yield f"{margin}{sentence(node)}"
    elif isinstance(node, Not):
        yield f"{margin}this is not true:"
        yield from describe(node.part, indent + 2)
    elif isinstance(node, Joint):
        yield f"{margin}{'all of these are' if isinstance(node, All) else 'at least one of these is'} true:"
        for part in node.parts:
            yield from describe(part, indent + 2)


def sentence(clause: Clause) -> str:
    """A question about a fact, as a statement: ``server.port is 3333 (port of the side that serves)``."""
    if clause.operator == "exists":
        asked = "was seen" if clause.operand else "was not seen"
    else:
        asked = PHRASES[clause.operator].format(spell(clause.operand, clause.operator))
    return f"{clause.fact} {asked}  ({FACTS[clause.fact].says})"


def spell(operand: Any, operator: str) -> str:
    """An operand as it is read out: text between quotes, names and lists bare."""
    entries = entries_of(operand)
    bare = operator in ("domain_in", "network_in")
    words = [
        printable(entry if bare or not isinstance(entry, str) or entry.startswith("@") else f'"{entry}"', 80)
        for entry in entries[:ENTRIES]
    ]
    more = f" and {len(entries) - ENTRIES} more" if len(entries) > ENTRIES else ""
    return (" and " if operator == "between" else ", ").join(words) + more


def render(example: Example) -> Iterator[str]:
    """An example, one line for each thing that it shows."""
    for name, value in example.model_dump(exclude_defaults=True).items():
        if isinstance(value, dict):
            yield "facts    " + printable(
                ", ".join(f"{fact} = {said}" for fact, said in value.items()), SHOWN
            )
        else:
            yield f"{name.replace('_hex', ' hex'):<8} {printable(value, SHOWN)}"


def named_lists(condition: Condition, lists: Lists) -> Iterator[str]:
    """Every list that a condition refers to: how many entries of what, and what is known of their age."""
    names = sorted(set(list_names(condition)))
    width = max((len(name) for name in names), default=0) + 1
    for name in names:
        if lists.is_endpoint_list(name):
            classes = lists.endpoint_classes(name)
            found = [one for one in lists.endpoints if lists.class_of(one) in classes]
            pools = len({one.pool for one in found})
            days = [day for one in found if (day := newest(one.seen_on))]
            seen = f", last seen in {max(days).year}" if days else ""
            yield f"@{name:<{width}} {len(found)} endpoints of {pools} pools{seen}"
        else:
            yield f"@{name:<{width}} {len(lists.values(name))} {lists.type_of(name)}"
