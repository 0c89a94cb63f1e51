"""Writes what is said about facts, rules and events in more than one place: pages of docs/, and the JSON Schema of rules.

    python scripts/make_docs.py [--check]

In: the vocabulary of facts, the shipped rules, the shapes of files, the schema of events.
Out: docs/facts.md, docs/rules-reference.md, rules/schema.json, and what stands between two marks in docs/events.md: the same
bytes for the same program.  ``--check`` writes nothing and says whether the files are up to date.
Never: a sentence of its own about a fact, a rule or a key of an event.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from sniffer.model import (  # noqa: E402 -- from this checkout
    Confidence,
    Detection,
    Facts,
    Match,
    Place,
    Role,
)
from sniffer.paths import rule_folders, shipped_rules  # noqa: E402
from sniffer.protocols.facts import FACTS, source_of  # noqa: E402
from sniffer.protocols.families import FAMILIES  # noqa: E402
from sniffer.ruleset import load_rules  # noqa: E402
from sniffer.ruleset.explain import CONFIDENCES, describe  # noqa: E402
from sniffer.ruleset.schema import rules_schema  # noqa: E402
from sniffer.sinks.event import encode, make_event  # noqa: E402
from sniffer.sinks.gap import make_gap  # noqa: E402
from sniffer.sinks.privacy import Privacy  # noqa: E402
from sniffer.sinks.schema import event_schema  # noqa: E402
from sniffer.sinks.sink import Losses  # noqa: E402
from sniffer.sinks.stats import make_stats  # noqa: E402
from sniffer.totals import InterfaceTotals, Totals  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.ruleset.model import Rule

WRITTEN = "<!-- Written by scripts/make_docs.py; change what it reads, not this page. -->"
EVENTS = ROOT / "docs" / "events.md"
BEGIN, END = "<!-- from here on written by scripts/make_docs.py -->", "<!-- up to here -->"
MOMENT = 1_795_420_800_123_456_000  # 2026-11-23T08:00:00.123456Z
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


def events_page() -> str:
    """docs/events.md: the page as it is, with the keys of each kind of line between the marks."""
    page = EVENTS.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{chr(10).join(event_sections())}\n{END}{after}"


def event_sections() -> Iterator[str]:
    """A section for each kind of line: what it is, an example, its keys."""
    for kind in event_schema()["oneOf"]:
        yield from ("", f"### `{kind['title']}`", "", kind["description"], "")
        yield from ("```json", example(kind["title"]).decode("ascii").rstrip("\n"), "```", "")
        yield from ("| key | type | says |", "| --- | --- | --- |")
        yield from event_rows(kind, "")


def event_rows(shape: dict[str, Any], inside: str) -> Iterator[str]:
    """A row for each key, those of an object below it; a key that need not be there is marked."""
    for name, part in shape["properties"].items():
        where = f"{inside}{name}"
        mark = "" if name in shape["required"] else " (if known)"
        yield f"| `{where}`{mark} | {kind_of(part)} | {cell(part['description'])} |"
        if "properties" in part:
            yield from event_rows(part, f"{where}.")


def kind_of(part: dict[str, Any]) -> str:
    """The type of a value in words."""
    if "const" in part:
        return f"`{json.dumps(part['const'])}`"
    if "enum" in part:
        return ", ".join(f"`{one}`" for one in part["enum"])
    kind = {"integer": "whole number", "string": "text", "boolean": "true or false"}.get(
        part["type"], part["type"]
    )
    if part["type"] == "array":
        return f"list of {kind_of(part['items'])}"
    if "format" in part:
        return "time"
    return "numbers by name" if "additionalProperties" in part and "properties" not in part else kind


def example(kind: str) -> bytes:
    """A line of a kind, as the program writes it."""
    if kind == "alert":
        (rule,) = (rule for rule in load_rules(rule_folders(None)).rules if rule.id == "stratum-v1-submit")
        values: dict[str, Any] = {"mining.difficulty": 65_536.0, "mining.hashes_per_share": 65_536.0 * 2**32}
        detection = Detection(
            rule=rule,
            facts=Facts("stratum-v1", "mining.submit", Role.CLIENT, values, 0, MOMENT, mining=True),
            match=Match(matched=True, reasons=("stratum.method = mining.submit",)),
            place=Place(
                bytes((10, 20, 1, 12)), 40_349, bytes((203, 0, 113, 9)), 3333, 6, ("vlan",), (100,), 0
            ),
            flow_id=131_440_955_423_022,
            confidence=Confidence.CONFIRMED,
            host=bytes((10, 20, 1, 12)),
            server=bytes((203, 0, 113, 9)),
            server_port=3333,
            seen="both",
            count=41,
            session={
                "mining.user": "bc1qexample",
                "mining.worker": "s9-07",
                "mining.agent": "cgminer/4.11.1",
            },
        )
        tenant = {"name": "tenant-a", "contact": "noc@tenant-a.example"}
        hidden = Privacy(b"the key of an example")
        return encode(
            make_event(detection, sensor="park-east-1", interfaces=["eth1"], privacy=hidden, tenant=tenant)
        )
    when = MOMENT / 1e9
    if kind == "gap":
        line = make_gap("events", Losses(failed=118, since=when - 312, until=when - 4), sensor="park-east-1")
    else:
        totals = Totals(
            packets=878,
            bytes=144_901,
            passed=707,
            skipped={"no_payload": 99, "judged": 54, "dns_unlisted": 18},
            undecoded={"gre": 0, "ipv4": 0},
            tls_hellos={"readable": 9, "hidden": 0, "split": 0},
            segments_sampled=119,
            flows=12,
            flows_evicted={"idle": 0},
            facts={"mining.message": 317},
            hits=317,
            interfaces={"eth1": InterfaceTotals(packets=878, drops=2)},
        )
        sinks = {"events": {"written": 61, "dropped": 0, "failed": 118}}
        line = encode(make_stats(totals, sensor="park-east-1", hosts=12, sinks=sinks))
    return encode({**json.loads(line), "timestamp": "2026-11-23T08:00:00.123456+00:00"})


def files() -> dict[str, str]:
    """What is written, by path."""
    return {
        "docs/events.md": events_page(),
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
    stale = 0
    for name, text in files().items():
        path = ROOT / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if not arguments.check:
            path.write_text(text, encoding="utf-8")
        print(f"{name}: {'not up to date' if arguments.check else 'written'}")
    print(f"{len(files())} files, {stale} {'stale' if arguments.check else 'written'}")
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
