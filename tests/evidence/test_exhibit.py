"""Exhibits on their way between processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidence.making import Stage, session

from sniffer.children import Unframer
from sniffer.control.records import frame, from_worker
from sniffer.evidence.exhibit import FRAME_WEIGHT

if TYPE_CHECKING:
    from sniffer.ruleset import RuleSet


def test_it_survives_the_way(ruleset: RuleSet) -> None:
    """An exhibit is the same after a trip through the socket, and weighs about what it says."""
    (one,) = Stage(ruleset).read(session().batch()).finish()
    (body,) = Unframer().feed(frame(one))
    assert from_worker.decode(body) == one
    assert len(body) < one.size + 2_000
    assert one.size > sum(len(each.data) for each in one.frames) + FRAME_WEIGHT
