"""What the log says of suppressions: the first time that one applies, once a day after that, and when one has expired.

In: the entries of the rules in use; how often each has applied, now and then.  Out: log lines.
Never: a line for each hit; memory of entries that are no longer there.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from sniffer.log import logger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REMIND_EVERY: Final = 86_400.0  # seconds


class SuppressionRow(msgspec.Struct, frozen=True, array_like=True):
    """An entry as the log names it."""

    key: str
    where: str
    reason: str
    until: str  # YYYY-MM-DD


class SuppressionLog:
    """Keeps in mind what has been said."""

    def __init__(self) -> None:
        self._rows: dict[str, SuppressionRow] = {}
        self._told: dict[str, tuple[int, float]] = {}  # by key: hits by then, and when
        self._expired: set[str] = set()

    def use(self, rows: Sequence[SuppressionRow]) -> None:
        """These are in use from now on; what is known of the same ones stays."""
        self._rows = {row.key: row for row in rows}
        self._told = {key: told for key, told in self._told.items() if key in self._rows}
        self._expired &= self._rows.keys()

    def look(self, counts: Mapping[str, int], now: float, wall: float) -> None:
        """Say what is due.

        Args:
            counts: hits that each entry has suppressed since the start, by its key.
            now: monotonic seconds.
            wall: seconds since 1970.
        """
        for key, row in self._rows.items():
            hits, (before, when) = counts.get(key, 0), self._told.get(key, (0, -REMIND_EVERY))
            if hits > before and now - when >= REMIND_EVERY:
                self._told[key] = hits, now
                logger().info(
                    "hits are suppressed",
                    entry=row.where,
                    reason=row.reason,
                    until=row.until,
                    hits=hits - before,
                )
        today = datetime.fromtimestamp(wall, UTC).date().isoformat()
        for key, row in self._rows.items():
            if row.until < today and key not in self._expired:
                self._expired.add(key)
                logger().warning(
                    "a suppression has expired: its hits are told",
                    entry=row.where,
                    reason=row.reason,
                    until=row.until,
                )
