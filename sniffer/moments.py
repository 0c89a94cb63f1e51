"""Packet times for people, to the second.

In: nanoseconds since 1970, whatever a capture says.  Out: date and time in UTC.
Never: an error for a time that no calendar has.
"""

from __future__ import annotations

from datetime import UTC, datetime


def moment(nanoseconds: int, unknown: str = "-") -> str:
    """Date and time; ``unknown`` in place of one that cannot be."""
    try:
        return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return unknown
