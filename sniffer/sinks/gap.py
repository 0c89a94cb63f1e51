"""Lines that a sink lost, as one line of EVE JSON: ``event_type`` is ``gap``.

In: :class:`~sniffer.sinks.sink.Losses`.  Out: an encoded line.
Never: a guess at what the lines said.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sniffer.sinks.event import encode, text, timestamp

if TYPE_CHECKING:
    from sniffer.sinks.sink import Losses


def make_gap(sink: str, losses: Losses, *, sensor: str) -> bytes:
    """One ``gap`` line.

    Args:
        sink: that lost the lines.
        losses: how many, why, and when.
        sensor: name of this sensor.
    """
    return encode(
        {
            "timestamp": timestamp(time.time_ns()),
            "event_type": "gap",
            "sensor": text(sensor),
            "gap": {
                "sink": sink,
                "lines": losses.dropped + losses.failed,
                "dropped": losses.dropped,
                "failed": losses.failed,
                "since": timestamp(int(losses.since * 1e9)),
                "until": timestamp(int(losses.until * 1e9)),
            },
        }
    )
