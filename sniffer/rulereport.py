"""What people and machines see of rules: the list, explanations, results of tests and checks.

In: rule sets, outcomes.  Out: text or JSON on stdout; faults on stderr.
Never: a string from a rule or from the wire unescaped.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from rich.markup import escape

from sniffer.addresses import address_text
from sniffer.checks.finding import CHECKS, Level
from sniffer.errors import EXIT_OK, ConfigError, UsageError, printable
from sniffer.examples import check_rule
from sniffer.report import console, plain_table, some
from sniffer.ruleset.explain import explain
from sniffer.scan import by_rule
from sniffer.strictyaml import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sniffer.checks import Outcome
    from sniffer.checks.finding import Finding
    from sniffer.listupdate import Change
    from sniffer.ruleset import RuleSet
    from sniffer.ruleset.model import Rule
    from sniffer.scan import Result

SHOWN_OF_A_FILE: Final = 20  # findings
CHANGES_SHOWN: Final = 20  # entries of a list
STYLES: Final = {Level.ERROR: "bold red", Level.WARNING: "yellow", Level.NOTE: "cyan"}


def as_json(data: Any) -> None:
    """One object or list on stdout."""
    print(json.dumps(data, indent=2))  # noqa: T201 -- this is what was asked for


# ── list, explain ────────────────────────────────────────────────────────────────────────────────────────


def rule_as_dict(rule: Rule) -> dict[str, Any]:
    """What ``rules list --json`` says of a rule."""
    return {
        "id": rule.id,
        "title": rule.title,
        "severity": rule.severity.label,
        "confidence": rule.confidence.label,
        "category": rule.category,
        "rev": rule.rev,
        "since": rule.since,
        "signature_id": rule.signature_id,
        "file": rule.file,
        "line": rule.line,
        "hits": len(rule.examples.hits),
        "misses": len(rule.examples.misses),
        "references": list(rule.references),
    }


def print_rules(ruleset: RuleSet) -> None:
    """One line a rule."""
    table = plain_table("id", "severity", "confidence", "category", "since", "title")
    for rule in ruleset.rules:
        words = (rule.id, rule.severity.label, rule.confidence.label, rule.category, rule.since)
        table.add_row(*words, escape(printable(rule.title)))
    screen = console()
    screen.print(table)
    screen.print(
        f"\n{len(ruleset.rules)} rules, {len(ruleset.endpoints)} pool endpoints, version {ruleset.version}"
    )


def print_lists(ruleset: RuleSet) -> None:
    """One line a list."""
    table = plain_table("name", "type", "entries", "updated", "origin", "file", right=("entries",))
    for row in ruleset.lists.overview():
        cells = (f"@{row.name}", row.type, str(row.entries), row.updated, row.origin, row.file)
        table.add_row(*(escape(printable(cell)) for cell in cells))
    console().print(table)


def print_changes(changes: Iterable[Change], *, written: bool) -> None:
    """What an update does to each list, and what to do next."""
    screen = console()
    for one in changes:
        count = len(one.added) + len(one.unchanged)
        screen.print(f"[bold]@{one.name}[/]: {count} entries, {len(one.removed) + len(one.unchanged)} before")
        for word, sign, entries in (
            ("added", "+", one.added),
            ("removed", "-", one.removed),
            ("unchanged", " ", one.unchanged),
        ):
            screen.print(f"  {len(entries)} {word}")
            for entry in entries[:CHANGES_SHOWN]:
                screen.print(f"    {sign} {escape(printable(entry))}", soft_wrap=True)
            if len(entries) > CHANGES_SHOWN:
                screen.print(f"    and {len(entries) - CHANGES_SHOWN} more")
        for file in one.files:
            screen.print(
                f"  {'written' if written else 'not written'}: {escape(printable(file))}", soft_wrap=True
            )
    if written:
        screen.print(
            "next: have a running daemon read it: systemctl reload sniffer, or kill -HUP its process"
        )
    else:
        screen.print("next: the same without --dry-run")


def find_rule(ruleset: RuleSet, identifier: str) -> Rule:
    """A rule by its id."""
    for rule in ruleset.rules:
        if rule.id == identifier:
            return rule
    raise UsageError(
        f"there is no rule {identifier!r}", remedy=suggest(identifier, [rule.id for rule in ruleset.rules])
    )


def print_rule(ruleset: RuleSet, identifier: str) -> None:
    """Everything that is known of a rule."""
    console().print(escape(explain(find_rule(ruleset, identifier), ruleset.lists)), soft_wrap=True)


# ── test ─────────────────────────────────────────────────────────────────────────────────────────────────


def print_examples(ruleset: RuleSet, chosen: Sequence[Rule]) -> int:
    """Run examples and show each rule's result."""
    problems = []
    screen = console()
    for rule in chosen:
        found = list(check_rule(rule, ruleset))
        problems += found
        count = len(rule.examples.hits) + len(rule.examples.misses)
        screen.print(f"{'[red]fail[/]' if found else '[green]ok[/]'}   {rule.id} ({count} examples)")
    if problems:
        raise ConfigError(problems)
    return EXIT_OK


def hits_of(result: Result, chosen: Sequence[Rule]) -> dict[str, Counter[str]]:
    """Messages that each rule hit, by address; rules without hits are there, too."""
    hits: dict[str, Counter[str]] = {rule.id: Counter() for rule in chosen}
    for address, host in result.hosts.items():
        for rule, count in host.hits.items():
            if rule in hits:
                hits[rule][address_text(address)] += count
    return hits


def hits_as_dict(result: Result, chosen: Sequence[Rule]) -> dict[str, Any]:
    """What ``rules test FILE --json`` says."""
    counts = by_rule(result)
    return {
        "files": result.files,
        "packets": result.totals.packets,
        "rules": [
            {"id": rule, "hits": counts.get(rule, 0), "addresses": dict(hosts.most_common())}
            for rule, hosts in hits_of(result, chosen).items()
        ],
    }


def print_hits(result: Result, chosen: Sequence[Rule]) -> None:
    """For each rule that hit, how many messages and on which addresses; then those that never did."""
    hits, counts = hits_of(result, chosen), by_rule(result)
    table = plain_table("rule", "messages", "addresses", right=("messages",), fold=True)
    for rule, hosts in hits.items():
        if rule in counts:
            table.add_row(rule, str(counts[rule]), some(set(hosts)))
    screen = console()
    if table.row_count:
        screen.print(table)
        screen.print()
    silent = [rule for rule in hits if rule not in counts]
    screen.print(
        f"{len(hits) - len(silent)} of {len(hits)} rules hit, in {result.totals.packets} packets of {result.files} files"
    )
    if silent:
        screen.print(f"never: {', '.join(silent)}", soft_wrap=True)


# ── check ────────────────────────────────────────────────────────────────────────────────────────────────


def print_checks() -> None:
    """Every check: name, level, what it finds, what to do."""
    table = plain_table("check", "level", "finds", "recommends", fold=True)
    for one in sorted(CHECKS.values(), key=lambda one: (-one.level, one.name)):
        table.add_row(one.name, one.level.label, escape(one.says), escape(one.remedy))
    screen = console()
    screen.print(table)
    screen.print(
        "\nBefore all these: whatever keeps a file from loading (syntax, keys, types, names of facts, operators and lists, "
        "missing examples, repeated ids) is an error under its own word.",
        soft_wrap=True,
    )


def print_outcome(outcome: Outcome) -> None:
    """A line for each finding, errors on stderr; of each file and check at most so many."""
    shown: Counter[tuple[str, str]] = Counter()
    for finding in outcome.findings:
        shown[finding.file, finding.check] += 1
        if shown[finding.file, finding.check] <= SHOWN_OF_A_FILE:
            _print_finding(finding)
    for (file, name), count in shown.items():
        if count > SHOWN_OF_A_FILE:
            more = f"{printable(file)}: {count - SHOWN_OF_A_FILE} more of {name} not shown; see --json"
            print(more, file=sys.stderr)  # noqa: T201 -- as above
    if not outcome.version:
        return
    counts = ", ".join(
        f"{outcome.count(level) or 'no'} {level.label}{'' if outcome.count(level) == 1 else 's'}"
        for level in reversed(Level)
    )
    console().print(
        f"{outcome.rules} rules, {outcome.endpoints} pool endpoints, {outcome.examples} examples: {counts}; "
        f"version {outcome.version}",
        soft_wrap=True,
    )


def _print_finding(finding: Finding) -> None:
    if finding.level is Level.ERROR:
        print(finding, file=sys.stderr)  # noqa: T201 -- as every fault of the program
        return
    mark = f"{finding.level.label} {finding.check}:"
    line = escape(str(finding)).replace(mark, f"[{STYLES[finding.level]}]{mark}[/]", 1)
    console().print(line, soft_wrap=True)
