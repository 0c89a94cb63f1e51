"""Hits that are not told because somebody has said so: found and counted.

In: detections that are about to count.  Out: whether each is suppressed; how many were, by rule and by entry.
Never: a suppressed hit that is not counted; more than :data:`MAX_COUNTS` counts of either kind: what is beyond goes to
``_overflow``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sniffer.ruleset.domains import name_seen
from sniffer.ruleset.suppression import Hit, Suppressions

if TYPE_CHECKING:
    from sniffer.model import Detection

MAX_COUNTS: Final = 1_000
"""Names in one table of counts; both fit onto the board (``control/board.py``), whatever reloads bring."""
OVERFLOW: Final = "_overflow"


class Suppressor:
    """Knows the suppressions in use."""

    def __init__(self) -> None:
        """Begin without suppressions."""
        self.suppressions = Suppressions()
        self.by_rule: dict[str, int] = {}
        self.by_entry: dict[str, int] = {}  # by Suppression.key

    def suppresses(self, detection: Detection) -> bool:
        """Whether a hit is suppressed; then it is counted here, and nowhere else."""
        suppressions = self.suppressions
        if not suppressions.entries:
            return False
        rule, host = detection.rule.id, detection.host
        domain = name_seen(detection.facts.values, detection.match.endpoint)
        hit = Hit(rule, host, detection.server, detection.tenant, domain)
        found = suppressions.find(hit, detection.facts.time)
        if found is None:
            return False
        _count(self.by_rule, rule)
        _count(self.by_entry, found.key)
        return True


def _count(counts: dict[str, int], name: str) -> None:
    if name not in counts and len(counts) >= MAX_COUNTS:
        name = OVERFLOW
    counts[name] = counts.get(name, 0) + 1
