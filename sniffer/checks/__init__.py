"""``sniffer rules check``: small named checks of rules, lists and suppressions that load, but should not be used so.

In: folders of rules.  Out: findings, each with file, line, column, level, name, sentence and recommendation.
Never: a change of a file; the network.

A check is one function with its entry in the registry: :mod:`sniffer.checks.of_rules`, :mod:`sniffer.checks.of_lists`,
:mod:`sniffer.checks.of_suppressions`.  What keeps a file from loading at all is found by the loader, and told in the
same form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sniffer.checks import of_lists, of_rules, of_suppressions  # noqa: F401 -- they enter their checks
from sniffer.checks.finding import CHECKS, Check, Finding, Level, Subject
from sniffer.errors import EXIT_OK, ConfigError
from sniffer.ruleset.load import load_with_documents

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date
    from pathlib import Path

__all__ = ["CHECKS", "Check", "Finding", "Level", "Outcome", "Subject", "check_folders", "run_checks"]


@dataclass(slots=True)
class Outcome:
    """What came of a check of folders."""

    findings: list[Finding] = field(default_factory=list)
    rules: int = 0
    endpoints: int = 0
    examples: int = 0
    version: str = ""  # empty: the rules do not load

    def count(self, level: Level) -> int:
        """How many findings of a level there are."""
        return sum(finding.level is level for finding in self.findings)

    def exit_status(self, *, strict: bool) -> int:
        """78 with errors; with warnings only where the check is strict."""
        worst = max((finding.level for finding in self.findings), default=Level.NOTE)
        limit = Level.WARNING if strict else Level.ERROR
        return ConfigError.exit_status if worst >= limit else EXIT_OK

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "version": self.version,
            "rules": self.rules,
            "endpoints": self.endpoints,
            "examples": self.examples,
            "errors": self.count(Level.ERROR),
            "warnings": self.count(Level.WARNING),
            "notes": self.count(Level.NOTE),
            "findings": [finding.as_dict() for finding in self.findings],
        }


def check_folders(
    directories: Sequence[Path],
    today: date | None = None,
    tell: Callable[[int, int], None] = lambda _done, _all: None,
) -> Outcome:
    """Load the rules below the folders and run every check; faults of loading are findings, too.

    Args:
        directories: folders of rules.
        today: the day to compare dates with; today, unless told.
        tell: told, when kernels have to be compiled, how many are done, of about how many.
    """
    try:
        ruleset, documents = load_with_documents(directories)
    except ConfigError as error:
        return Outcome([Finding.of_problem(problem) for problem in error.problems])
    subject = Subject(ruleset, documents, today or datetime.now(UTC).date(), tell)
    examples = sum(len(rule.examples.hits) + len(rule.examples.misses) for rule in ruleset.rules)
    return Outcome(run_checks(subject), len(ruleset.rules), len(ruleset.endpoints), examples, ruleset.version)


def run_checks(subject: Subject) -> list[Finding]:
    """Everything that all checks find, in order of the files."""
    found = [finding for one in CHECKS.values() for finding in one.run(subject)]
    return sorted(found, key=lambda finding: (finding.file, finding.line, finding.column, -finding.level))
