"""Checks of suppressions."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
import rulefolder

from sniffer.checks import Subject
from sniffer.checks.finding import CHECKS
from sniffer.strictyaml import load

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
allow:
- {rule: a-rule, reason: a laboratory, until: 2026-11-26}
- {rule: a-rule, reason: a customer, until: 2026-11-27}
- {rule: a-rule, reason: a customer, until: 2026-12-11}
- {rule: a-rule, reason: a customer, until: 2026-12-12}
- {rule: a-rule, reason: no day at all, until: some day}
"""


@pytest.mark.parametrize(("name", "lines"), [("suppression-expired", [3]), ("suppression-ends-soon", [4, 5])])
def test_days_are_compared(name: str, lines: list[int], tmp_path: Path) -> None:
    """The last day counts; what has no day is for the loader to refuse."""
    ruleset = rulefolder.load_match(tmp_path, "{fact: server.port, equals: 1}")
    subject = Subject(ruleset, [load(TEXT, "allow.yaml")], date(2026, 11, 27))
    found = list(CHECKS[name].run(subject))
    assert [(one.line, one.check) for one in found] == [(line, name) for line in lines]
    assert all("reason: a " in one.what for one in found)
