"""Dates in words."""

from __future__ import annotations

from datetime import date

import pytest

from sniffer.ruleset.dates import newest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nocoin-2025-12;blocklistproject-2026-07;keraf-nocoin-2020", date(2026, 7, 31)),
        ("2026-02", date(2026, 2, 28)),
        ("minerblock-2022", date(2022, 12, 31)),
        ("2026-11-27", date(2026, 11, 27)),
        ("2026-11-31", None),
        ("2026-13", date(2026, 12, 31)),
        ("port-20261", None),
        ("stratum-watcher-script", None),
        ("", None),
    ],
)
def test_newest_day(text: str, expected: date | None) -> None:
    """Of days, months and years the latest counts, to its end; numbers that are no dates are none."""
    assert newest(text) == expected
