"""What tests of the report share: the helpers beside them, and a small report."""

from __future__ import annotations

import sys
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from told import HOUR, Miner, Told, case

from sniffer.campaign.figures import Question, build
from sniffer.history.rows import Tenant

if TYPE_CHECKING:
    from sniffer.campaign.model import Report

BEGIN = 1_793_491_200  # 2026-11-01T00:00:00Z


@pytest.fixture
def told() -> Told:
    """Three days of three tenants: a farm, a stated one, one of unknown worth; a move, a relapse; two holes."""
    day = 24 * HOUR
    return Told(
        miners=[
            Miner("10.0.0.1", "north", "f2pool", "BTC", "sha256d", BEGIN, BEGIN + 2 * day, machines=12),
            Miner("10.0.0.2", "north", "", "XMR", "randomx", BEGIN, BEGIN + day, 40, 1e6, None, None),
            Miner("10.0.1.1", "south", "ethermine", "ETC", "etchash", BEGIN + day, BEGIN + 3 * day, 20, 5e11,
                  2.0e8, (1e-7, 3e-6, 4e-6)),
            Miner("10.0.1.9", "", "", "", "sha256d", BEGIN, BEGIN + HOUR, 7, None),
        ],
        owners=[
            Tenant("north", "Hall 1", "Riverside", "data-centre", "noc@north.example"),
            Tenant("south", "Dorm", "Hill", "campus", ""),
        ],
        told_cases=[
            case(1, "10.0.0.1", "north", [(BEGIN + 60, "opened"), (BEGIN + 2 * day, "stopped")]),
            case(2, "10.0.1.1", "south", [(BEGIN + day, "opened"), (BEGIN + day, "moved")], came_from=1),
            case(3, "10.0.0.2", "north", [(BEGIN - day, "opened"), (BEGIN - 9, "stopped"), (BEGIN + 9, "relapsed")]),
        ],
        down=[(BEGIN + 2 * day, BEGIN + 2 * day + 6 * HOUR)],
        silent=[(BEGIN + 2 * day + 8 * HOUR, BEGIN + 2 * day + 9 * HOUR)],
    )  # fmt: skip


@pytest.fixture
def question() -> Question:
    """All of it."""
    return Question(BEGIN, BEGIN + 72 * HOUR, UTC, "tenant", "park-east-1", "2026.11", BEGIN + 73 * HOUR)


@pytest.fixture
def report(told: Told, question: Question) -> Report:
    """What is reported of that."""
    return build(told, question)
