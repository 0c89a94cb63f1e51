"""What a check finds, and what it looks at.

In: a loaded rule set and the documents it was read from.  Out: findings with file, line and column.
Never: a refusal to load; what keeps a file from loading is a Problem already (:mod:`sniffer.errors`).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sniffer.errors import Problem, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    from sniffer.ruleset import RuleSet
    from sniffer.ruleset.model import Rule
    from sniffer.strictyaml import Document, Place


class Level(enum.IntEnum):
    """How much a finding matters.

    An error must be mended before the rules are used: somebody would be accused wrongly, or nothing found.  A warning
    is a likely mistake.  A note is something that a reader, or a later editor, will miss.
    """

    NOTE = 1
    WARNING = 2
    ERROR = 3

    @property
    def label(self) -> str:
        """As printed."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a check found (lines and columns count from 1)."""

    file: str
    line: int
    column: int
    level: Level
    check: str
    what: str
    remedy: str

    def __str__(self) -> str:
        place = f"{printable(self.file)}:{self.line}:{self.column}"
        advice = f"; {printable(self.remedy, 300)}" if self.remedy else ""
        return f"{place}: {self.level.label} {self.check}: {printable(self.what, 400)}{advice}"

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "level": self.level.label,
            "check": self.check,
            "what": self.what,
            "remedy": self.remedy,
        }

    @staticmethod
    def of_problem(problem: Problem, level: Level = Level.ERROR) -> Finding:
        """A fault that kept the rules from loading, or one of another level."""
        place = (problem.file, problem.line, problem.column)
        return Finding(*place, level, problem.code, problem.what, problem.remedy)


class Found(NamedTuple):
    """What a check yields: where, what, and a remedy if it knows a better one than the usual."""

    document: Document
    place: Place
    what: str
    remedy: str = ""


@dataclass(frozen=True)
class Subject:
    """What checks look at.

    Args:
        ruleset: everything loaded.
        documents: the files it was read from.
        today: the day to compare dates with.
        tell: told, when kernels have to be compiled, how many are done, of about how many.
    """

    ruleset: RuleSet
    documents: Sequence[Document]
    today: date
    tell: Callable[[int, int], None] = lambda _done, _all: None
    _places: dict[str, tuple[Document, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for document in self.documents:
            for number, rule in enumerate(document.data if isinstance(document.data, list) else ()):
                self._places[rule["id"]] = (document, number)

    def at(self, rule: Rule, what: str, *place: str | int, remedy: str = "") -> Found:
        """A finding at a part of a rule."""
        document, number = self._places[rule.id]
        return Found(document, (number, *place), what, remedy)

    def written(self, rule: Rule) -> dict[str, Any]:
        """A rule as it stands in its file."""
        document, number = self._places[rule.id]
        written: dict[str, Any] = document.data[number]
        return written

    def files(self, key: str) -> Iterator[tuple[Document, Any]]:
        """Files that are mappings with this key, and what it holds."""
        for document in self.documents:
            if isinstance(document.data, dict) and key in document.data:
                yield document, document.data[key]


Search: TypeAlias = "Callable[[Subject], Iterator[Found]]"


class Check(NamedTuple):
    """One check."""

    name: str  # reads well after "the check"
    level: Level
    says: str  # what it finds
    remedy: str  # what to do about it
    find: Search

    def run(self, subject: Subject) -> Iterator[Finding]:
        """Everything it finds."""
        for found in self.find(subject):
            remedy = found.remedy or self.remedy
            problem = found.document.problem(found.place, self.name, found.what, remedy)
            yield Finding.of_problem(problem, self.level)


CHECKS: Final[dict[str, Check]] = {}
"""Every check by name, in the order in which they are run and shown."""


def check(name: str, level: Level, says: str, remedy: str) -> Callable[[Search], Search]:
    """Enter a function into :data:`CHECKS`."""

    def enter(find: Search) -> Search:
        CHECKS[name] = Check(name, level, says, remedy, find)
        return find

    return enter
