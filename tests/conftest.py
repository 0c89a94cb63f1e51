"""What every test may count on: the shipped rules, and the helpers in this folder can be imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from sniffer.ruleset import RuleSet, load_rules


@pytest.fixture(scope="session")
def ruleset() -> RuleSet:
    """The shipped rules."""
    return load_rules([Path(__file__).parent.parent / "rules"])
