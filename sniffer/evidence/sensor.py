"""What the sensor is like when a bundle is made: whether it saw well, and by which clock.

In: health and books of the daemon.  Out: a plain record, ``sensor.json`` of a bundle without its clock.
Never: an address of anybody observed, a secret.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

from sniffer import __version__

if TYPE_CHECKING:
    from sniffer.sinks.metrics import Health
    from sniffer.totals import Totals


def sensor_state(health: Health, totals: Totals, *, sensor: str, source: str) -> dict[str, Any]:
    """The state of a sensor.

    Args:
        health: what the parent knows.
        totals: the books of all workers.
        sensor: its name.
        source: interfaces that it watches, or "replay".
    """
    one = health.sinks.get("evidence")
    return {
        "sensor": sensor,
        "program": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "source": source,
        "rules": {
            "version": health.rules_version,
            "generation": health.generation,
            "loaded": health.rules_loaded,
            "reload_success": health.reload_success,
        },
        "selftest_ok": health.selftest_ok,
        "one_sided_by_design": health.one_sided,
        "interfaces_up": dict(health.interfaces),
        "workers": {
            name: {"up": worker.up, "restarts": worker.restarts} for name, worker in health.workers.items()
        },
        "since_start": {
            "packets": totals.packets,
            "bytes": totals.bytes,
            "read": totals.passed,
            "dropped_by_kernel": sum(books.drops for books in totals.interfaces.values()),
            "lost": sum(books.lost for books in totals.interfaces.values()),
            "cut": totals.cut,
            "undecoded": sum(totals.undecoded.values()),
            "flows_evicted": sum(totals.flows_evicted.values()),
            "stream_gaps": totals.oddities.get("stream_gap", 0),
            "evidence_dropped": one.dropped if one else 0,
            "evidence_failed": one.failed if one else 0,
        },
        "one_sided_ratio": round(totals.one_sided_ratio, 4),
    }
