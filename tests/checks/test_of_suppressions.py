"""Checks of suppressions."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
import rulefolder

from sniffer.checks import Subject
from sniffer.checks.finding import CHECKS
from sniffer.ruleset.load import load_with_documents

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
allow:
- {rule: a-rule, reason: a laboratory, until: 2026-11-26}
- {rule: a-rule, reason: a customer, until: 2026-11-27}
- {rule: a-rule, reason: a customer, until: 2026-12-11}
- {rule: a-rule, reason: a customer, until: 2026-12-12}
"""


@pytest.mark.parametrize(("name", "lines"), [("suppression-expired", [3]), ("suppression-ends-soon", [4, 5])])
def test_days_are_compared(name: str, lines: list[int], tmp_path: Path) -> None:
    """The last day counts."""
    rule = rulefolder.RULE.format(match="{fact: server.port, equals: 1}")
    folder = rulefolder.write(tmp_path, {"rules.yaml": rule, "allow.yaml": TEXT})
    subject = Subject(*load_with_documents([folder]), date(2026, 11, 27))
    found = list(CHECKS[name].run(subject))
    assert [(one.line, one.check) for one in found] == [(line, name) for line in lines]
    assert all("reason: a " in one.what for one in found)
