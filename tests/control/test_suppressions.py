"""What the log says of suppressions: once, once a day, and when one is over."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sniffer.control.suppressions import SuppressionLog, SuppressionRow
from sniffer.log import configure

if TYPE_CHECKING:
    import pytest

DAY = 86_400.0
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC).timestamp()
ROWS = [
    SuppressionRow("k1", "allow.yaml, entry 1", "our own test miner", "2026-11-28"),
    SuppressionRow("k2", "allow.yaml, entry 2", "a museum", "2027-01-31"),
]


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Lines since the last call."""
    captured = capsys.readouterr()
    return [json.loads(line) for line in (captured.out + captured.err).splitlines()]


def test_first_then_daily_then_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """A line when an entry first applies, one a day with the hits since, none for one that does not; a warning at its end."""
    configure("json", "info")
    log = SuppressionLog()
    log.use(ROWS)
    log.look({}, 0.0, NOON)
    assert said(capsys) == []
    log.look({"k1": 3}, 1.0, NOON)
    (line,) = said(capsys)
    assert (line["event"], line["level"], line["entry"], line["hits"]) == (
        "hits are suppressed",
        "info",
        ROWS[0].where,
        3,
    )
    assert (line["reason"], line["until"]) == (ROWS[0].reason, ROWS[0].until)
    for number in range(100):
        log.look({"k1": 4 + number}, 2.0 + number, NOON)
    assert said(capsys) == []
    log.look({"k1": 110}, 1.0 + DAY, NOON + DAY)
    (line,) = said(capsys)
    assert line["hits"] == 107
    log.look({"k1": 110}, 3 * DAY, NOON + DAY)
    assert said(capsys) == []
    for _ in range(3):
        log.look({"k1": 110}, 3 * DAY, NOON + 2 * DAY)
    (line,) = said(capsys)
    assert line["event"].startswith("a suppression has expired")
    assert (line["level"], line["entry"]) == ("warning", ROWS[0].where)


def test_a_reload_keeps_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    """The same entry is not told afresh, a new one is; one that is gone is forgotten."""
    configure("json", "info")
    log = SuppressionLog()
    log.use(ROWS[:1])
    log.look({"k1": 1}, 0.0, NOON)
    log.use(ROWS)
    log.look({"k1": 2, "k2": 5}, 1.0, NOON)
    assert [line["entry"] for line in said(capsys)] == [ROWS[0].where, ROWS[1].where]
    log.use([])
    log.look({"k1": 9}, 2.0, NOON + 9 * DAY)
    log.use(ROWS[:1])
    log.look({"k1": 9}, 3.0, NOON)
    assert [line["hits"] for line in said(capsys)] == [9]
