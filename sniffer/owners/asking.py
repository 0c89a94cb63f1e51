"""Owners for whoever reads a capture, or asks about one address: everything is loaded, and nothing followed.

In: the configuration.  Out: a :class:`~.timeline.Timeline`, an :class:`~.table.Ownership`.
Never: more entries than the configuration allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffer.owners.table import Owners, Ownership
from sniffer.owners.tail import Lines, Tails
from sniffer.owners.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sniffer.config import Ownership as Settings
    from sniffer.owners.timeline import Change


def load_holders(
    settings: Settings, hide: Callable[[str], str]
) -> tuple[Timeline, dict[str, Lines], list[str]]:
    """What the logs of the configuration say now.

    Args:
        settings: which logs, and how much is kept.
        hide: what is shown of a subscriber.

    Returns:
        Who held what; what became of the lines of each file; a sentence for each that is of less use than it could be.
    """
    tails = Tails(settings.mappings, hide, settings.read_back)
    timeline = Timeline(settings.max_mappings)
    for changes in tails.load():
        timeline.apply(changes)
    tails.close()
    told = [f"{tail.path}: cannot be read: {tail.fault}" for tail in tails.tails if tail.fault]
    told += [
        f"{tail.path}: {tail.lines.bad} lines are of no use; the first {tail.first_bad}"
        for tail in tails.tails
        if tail.lines.bad
    ]
    if timeline.evicted:
        told.append(f"{timeline.evicted} entries had no room; raise ownership.max_mappings")
    return timeline, {str(tail.path): tail.lines for tail in tails.tails}, told


def make_ownership(owners: Owners, holders: Sequence[Change]) -> Ownership:
    """The owners of a scan: its processes get holders as changes."""
    timeline = Timeline(max(len(holders), 1))
    timeline.apply(holders)
    return Ownership(owners, timeline)
