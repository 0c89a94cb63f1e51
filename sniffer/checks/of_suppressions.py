"""Checks of suppressions (``allow:``).

In: what was loaded.  Out: what should be mended.
Never: what suppressions do.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from sniffer.checks.finding import Found, Level, check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.checks.finding import Subject
    from sniffer.strictyaml import Document

SOON: Final = timedelta(days=14)


def ends(subject: Subject) -> Iterator[tuple[Document, int, dict[str, Any], date]]:
    """Each suppression: its file, its number, the entry, its last day."""
    for document, entries in subject.files("allow"):
        for number, entry in enumerate(entries):
            yield document, number, entry, date.fromisoformat(entry["until"])


@check(
    "suppression-expired",
    Level.WARNING,
    "a suppression whose day has passed: it does nothing any more",
    "look whether its reason still holds; take it out or give a new day",
)
def suppression_expired(subject: Subject) -> Iterator[Found]:
    """Suppressions that are over."""
    for document, number, entry, until in ends(subject):
        if until < subject.today:
            what = f"expired on {until} (reason: {entry['reason']})"
            yield Found(document, ("allow", number, "until"), what)


@check(
    "suppression-ends-soon",
    Level.NOTE,
    f"a suppression that ends within {SOON.days} days",
    "look whether its reason still holds before alerts come back",
)
def suppression_ends_soon(subject: Subject) -> Iterator[Found]:
    """Suppressions that are nearly over."""
    for document, number, entry, until in ends(subject):
        if subject.today <= until <= subject.today + SOON:
            what = f"ends on {until} (reason: {entry['reason']})"
            yield Found(document, ("allow", number, "until"), what)
