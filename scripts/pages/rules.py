"""docs/rules-reference.md: what each shipped rule needs, sees and misses."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from pages import WRITTEN
from sniffer.paths import shipped_rules
from sniffer.ruleset import load_rules
from sniffer.ruleset.explain import CONFIDENCES, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.ruleset.model import Rule


def lines() -> Iterator[str]:
    """The page."""
    rules = load_rules([shipped_rules()]).rules
    yield from ("# Shipped rules", "", WRITTEN, "")
    yield f"{len(rules)} rules. `sniffer rules explain ID` says the same of one, with its examples and lists; `docs/facts.md`"
    yield "explains the facts. Nobody has published a capture for rules of the nursery. Confidence is the most that a hit can claim:"
    yield ""
    for name, says in CONFIDENCES.items():
        yield f"- `{name}`: {says}."
    home = shipped_rules()
    for file, group in groupby(rules, key=lambda rule: Path(rule.file).relative_to(home)):
        yield from ("", f"## {file}")
        for rule in group:
            yield from section(rule)


def section(rule: Rule) -> Iterator[str]:
    """One rule."""
    count = f"{len(rule.examples.hits)} hits and {len(rule.examples.misses)} misses"
    yield from (
        "",
        f"### {rule.id}",
        "",
        f"{rule.title}. Severity {rule.severity.label}, confidence {rule.confidence.label}, ",
    )
    yield f"category {rule.category}, since {rule.since}; tested on {count}."
    yield from ("", "```text", *describe(rule.condition, 0), "```", "")
    yield f"- Sees: {rule.sees}"
    yield f"- Misses: {rule.misses}"
    if rule.references:
        yield f"- References: {'; '.join(rule.references)}"
