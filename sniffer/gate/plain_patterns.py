"""Openings that rules name, once more and readably: the plain twin of ``patterns.py``.

In: patterns, an opening.  Out: whether one fits, or may.
Never: used in production.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class PlainPatterns:
    """Patterns: offset and bytes of each."""

    def __init__(self, patterns: Iterable[tuple[int, bytes]] = ()) -> None:
        self.patterns = list(patterns)

    def opens(self, payload: bytes, *, is_whole: bool) -> bool:
        """Whether a payload opens like a pattern, or may once more bytes have come."""
        for at, data in self.patterns:
            there = payload[at : at + len(data)]
            if data == there or (not is_whole and data.startswith(there)):
                return True
        return False
