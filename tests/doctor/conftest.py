"""The rules that the doctor listens with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sniffer.cli import load_ruleset

if TYPE_CHECKING:
    from sniffer.ruleset import RuleSet


@pytest.fixture(scope="session")
def ruleset() -> RuleSet:
    """The shipped rules."""
    return load_ruleset(None)
