"""Writes what is said about facts and rules in more than one place: two pages of docs/, and the JSON Schema of rules.

    python scripts/make_docs.py [--check]

In: the vocabulary of facts, the shipped rules, the shapes of files.
Out: docs/facts.md, docs/rules-reference.md, rules/schema.json, the same bytes for the same program.  ``--check`` writes
nothing and says whether the files are up to date.  Never: a sentence of its own about a fact or a rule.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from sniffer.paths import rule_folders, shipped_rules  # noqa: E402 -- from this checkout
from sniffer.protocols.facts import FACTS, source_of  # noqa: E402
from sniffer.protocols.families import FAMILIES  # noqa: E402
from sniffer.ruleset import load_rules  # noqa: E402
from sniffer.ruleset.explain import CONFIDENCES, describe  # noqa: E402
from sniffer.ruleset.schema import rules_schema  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.ruleset.model import Rule

WRITTEN = "<!-- Written by scripts/make_docs.py; change what it reads, not this page. -->"
TYPES = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def cell(text: object) -> str:
    """Text inside a table."""
    return str(text).replace("|", "\\|").replace("<", "&lt;")


def facts_page() -> Iterator[str]:
    """docs/facts.md: one row a fact."""
    yield from ("# Facts", "", WRITTEN, "")
    yield "What rules can ask about: named, typed things that a protocol reader found in one message. A message has only"
    yield "those that it tells. `docs/rules.md` says how to ask; names of families are below."
    sections: dict[str, list[str]] = {}
    for name in FACTS:
        sections.setdefault(source_of(name), []).append(name)
    for source, names in sections.items():
        yield from (
            "",
            f"## {source[0].upper()}{source[1:]}",
            "",
            "| fact | type | says | example |",
            "| --- | --- | --- | --- |",
        )
        for name in names:
            fact = FACTS[name]
            yield f"| `{name}` | {TYPES[fact.type]} | {cell(fact.says)} | `{cell(fact.example)}` |"
    yield from ("", "## Values of `mining.protocol`", "", "| family | says |", "| --- | --- |")
    for name, family in FAMILIES.items():
        yield f"| `{name}` | {cell(family.says)} |"


def rules_page() -> Iterator[str]:
    """docs/rules-reference.md: what each shipped rule needs, sees and misses."""
    rules = load_rules(rule_folders(None)).rules
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
            yield from rule_section(rule)


def rule_section(rule: Rule) -> Iterator[str]:
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


def files() -> dict[str, str]:
    """What is written, by path."""
    return {
        "docs/facts.md": "\n".join(line.rstrip() for line in facts_page()) + "\n",
        "docs/rules-reference.md": "\n".join(line.rstrip() for line in rules_page()) + "\n",
        "rules/schema.json": json.dumps(rules_schema(), indent=1) + "\n",
    }


def main() -> int:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only say whether the files are up to date")
    arguments = parser.parse_args()
    stale, texts = 0, files()
    for name, text in texts.items():
        path = ROOT / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if not arguments.check:
            path.write_text(text, encoding="utf-8")
        print(f"{name}: {'not up to date' if arguments.check else 'written'}")
    print(f"{len(texts)} files, {stale} {'stale' if arguments.check else 'written'}")
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
