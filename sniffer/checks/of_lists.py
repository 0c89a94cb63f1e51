"""Checks of lists: pool endpoints and named lists.

In: what was loaded.  Out: what should be mended.
Never: a question to the network: the list of public suffixes is part of an installed package.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sniffer.checks.finding import Found, Level, check
from sniffer.checks.widths import domains_of
from sniffer.ruleset.conditions import all_clauses, list_names
from sniffer.ruleset.dates import newest
from sniffer.ruleset.domains import is_public_suffix, normalise
from sniffer.ruleset.lists import RESOLVER_ADDRESSES, RESOLVER_NAMES
from sniffer.ruleset.operators import LOWER_FACTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from sniffer.checks.finding import Subject
    from sniffer.ruleset.conditions import Clause
    from sniffer.strictyaml import Document, Place

FRESH: Final = timedelta(days=180)
OF_ENGINE: Final = (RESOLVER_NAMES, RESOLVER_ADDRESSES)
"""Lists that are asked for without a rule."""


def endpoints(subject: Subject) -> Iterator[tuple[Document, Place, str, dict[str, Any]]]:
    """Pool endpoints as written: where, category, entry."""
    for document, pools in subject.files("pools"):
        for number, pool in enumerate(pools):
            for position, entry in enumerate(pool["endpoints"]):
                place = ("pools", number, "endpoints", position)
                yield document, place, document.data["category"], entry


def name_of(entry: dict[str, Any]) -> str:
    """The name of an endpoint, as it is compared."""
    return normalise(entry.get("host") or entry["suffix"])


def asked(subject: Subject) -> Iterator[Clause]:
    """Every clause of every rule."""
    for rule in subject.ruleset.rules:
        yield from all_clauses(rule.condition)


@check(
    "list-public-suffix",
    Level.ERROR,
    "an entry is a public suffix (publicsuffix.org): it stands for everybody who has a name below it",
    "list the names below it",
)
def list_public_suffix(subject: Subject) -> Iterator[Found]:
    """Endpoints and domains that belong to nobody in particular."""
    for document, place, _, entry in endpoints(subject):
        if "suffix" in entry and is_public_suffix(name_of(entry)):
            yield Found(document, (*place, "suffix"), f"{entry['suffix']} is a public suffix")
    for document, values in subject.files("values"):
        if document.data.get("type") != "domains":
            continue
        for number, name in enumerate(values):
            if is_public_suffix(normalise(name)):
                yield Found(document, ("values", number), f"{name} is a public suffix")


@check(
    "list-entry-twice",
    Level.WARNING,
    "the same name is listed twice among the pool endpoints: only the last entry is ever found",
    "keep one of them",
)
def list_entry_twice(subject: Subject) -> Iterator[Found]:
    """Endpoints that a later one replaces."""
    last: dict[tuple[str, bool], tuple[Document, Place]] = {}
    for document, place, _, entry in endpoints(subject):
        key = (name_of(entry), "suffix" in entry)
        if key in last:
            before, where = last[key]
            line, _ = document.position(place)
            yield Found(before, where, f"{key[0]} is listed again in {document.file}:{line}")
        last[key] = document, place


@check(
    "list-entry-dead",
    Level.WARNING,
    "an entry can never match: no rule asks for such endpoints, or no fact is ever written so",
    "write a rule that asks for it, mend the entry, or take it out",
)
def list_entry_dead(subject: Subject) -> Iterator[Found]:
    """Entries that nothing leads to."""
    lists = subject.ruleset.lists
    clauses = list(asked(subject))
    classes = {
        one
        for clause in clauses
        if clause.operator == "domain_in"
        for one in domains_of(clause.operand, lists)[1]
    }
    dead: dict[tuple[str, str], list[tuple[Document, Place, str]]] = {}
    for document, place, _, entry in endpoints(subject):
        endpoint = lists.index.find(name_of(entry))
        if endpoint is not None and lists.class_of(endpoint) not in classes:
            key = document.file, lists.class_name(endpoint)
            dead.setdefault(key, []).append((document, place, name_of(entry)))
    for (_, found), entries in dead.items():
        document, place, name = entries[0]
        others = f" and {len(entries) - 1} more" if len(entries) > 1 else ""
        what = f"{name}{others} can never match: no rule asks for @{found}"
        yield Found(document, place, what)
    lower = {
        clause.operand[1:]
        for clause in clauses
        if clause.operator == "in" and isinstance(clause.operand, str) and clause.fact in LOWER_FACTS
    }
    for document, values in subject.files("values"):
        for number, value in enumerate(values):
            if document.data["name"] in lower and isinstance(value, str) and value != value.lower():
                what = f"{value} can never match: the facts that are asked about are lower case"
                yield Found(document, ("values", number), what)


@check(
    "list-unused",
    Level.NOTE,
    "a named list that no rule refers to",
    "refer to it as @name, or take it out",
)
def list_unused(subject: Subject) -> Iterator[Found]:
    """Lists that nothing leads to."""
    named = {name for rule in subject.ruleset.rules for name in list_names(rule.condition)}
    for document, _ in subject.files("values"):
        name = document.data["name"]
        if name not in named and name not in OF_ENGINE:
            yield Found(document, ("name",), f"no rule refers to @{name}")


@check(
    "list-benign",
    Level.WARNING,
    "a domain is in a list of one's own and in the list of what must not match; only pool endpoints mind the latter",
    "take it out of one of them",
)
def list_benign(subject: Subject) -> Iterator[Found]:
    """Domains that are listed as benign, too."""
    index = subject.ruleset.lists.index
    for document, values in subject.files("values"):
        if document.data.get("type") != "domains" or document.data["name"] in OF_ENGINE:
            continue
        for number, name in enumerate(values):
            if index.is_benign(name):
                yield Found(document, ("values", number), f"{name} is listed as benign")


@check(
    "list-stale",
    Level.NOTE,
    f"a list, or live endpoints of a file, last seen more than {FRESH.days} days ago (`updated`, `seen_on`)",
    "look whether they still exist, and write the new date",
)
def list_stale(subject: Subject) -> Iterator[Found]:
    """Lists that nobody has looked after."""
    limit = subject.today - FRESH
    for document in subject.documents:
        updated = document.data.get("updated") if isinstance(document.data, dict) else None
        day = newest(updated) if isinstance(updated, str) else None
        if day and day < limit:
            yield Found(document, ("updated",), f"was last updated on {day}")
    stale: dict[str, list[tuple[date, Document, Place]]] = {}
    dated: dict[str, int] = {}
    for document, place, category, entry in endpoints(subject):
        day = newest(entry.get("seen_on", ""))
        if day is None or entry.get("status") == "defunct" or category == "defunct_pool":
            continue
        dated[document.file] = dated.get(document.file, 0) + 1
        if day < limit:
            stale.setdefault(document.file, []).append((day, document, place))
    for file, entries in stale.items():
        oldest, document, place = min(entries, key=lambda entry: entry[0])
        what = f"{len(entries)} of {dated[file]} live endpoints were last seen before {limit}, this one in {oldest.year}"
        yield Found(document, place, what)
