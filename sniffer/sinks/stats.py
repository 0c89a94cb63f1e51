"""The books as one line of EVE JSON: ``event_type`` is ``stats``.

In: :class:`~sniffer.totals.Totals`.  Out: a plain dict.
Never: text of the wire.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sniffer.sinks.event import timestamp

if TYPE_CHECKING:
    from sniffer.totals import Totals


def make_stats(totals: Totals, *, sensor: str, hosts: int, **more: Any) -> dict[str, Any]:
    """One ``stats`` record; facts, oddities and wrappings that never occurred are left out.

    Args:
        totals: the books.
        sensor: name of this sensor; "" leaves it out.
        hosts: addresses with hits, or their series.
        more: what else this caller counts.
    """
    drops = sum(books.missed for books in totals.interfaces.values())
    return {
        "timestamp": timestamp(time.time_ns()),
        "event_type": "stats",
        **({"sensor": sensor} if sensor else {}),
        "stats": {
            "packets": totals.packets,
            "bytes": totals.bytes,
            "passed": totals.passed,
            "skipped": totals.skipped,
            "undecoded": totals.undecoded,
            "offered": totals.packets + drops,
            "drops": drops,
            "cut": totals.cut,
            "wrapped": {layer: count for layer, count in totals.wrapped.items() if count},
            "tls_hellos": totals.tls_hellos,
            "datagrams_read": totals.datagrams_read,
            "segments_sampled": totals.segments_sampled,
            "flows": totals.flows,
            "flows_one_sided_ratio": round(totals.one_sided_ratio, 4),
            "flows_evicted": totals.flows_evicted,
            "facts": {name: count for name, count in totals.facts.items() if count},
            "oddities": {name: count for name, count in totals.oddities.items() if count},
            "sightings": totals.sightings,
            "hits": totals.hits,
            "suppressed": {rule: count for rule, count in totals.suppressed.items() if count},
            "hosts": hosts,
            **more,
        },
    }
