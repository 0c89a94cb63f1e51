"""Dates that lists carry in words: ``nocoin-2025-12;blocklistproject-2026-07``.

In: text.  Out: days.  Never: a clock.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)(?:-(0[1-9]|1[0-2])(?:-([0-3]\d))?)?(?!\d)")


def newest(text: str) -> date | None:
    """The last day of the latest day, month or year in a text; None: there is no date."""
    found = []
    for year, month, day in DATE.findall(text):
        try:
            first = date(int(year), int(month or 12), int(day or 1))
        except ValueError:
            continue
        after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        found.append(first if day else after - timedelta(days=1))
    return max(found, default=None)
