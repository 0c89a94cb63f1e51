"""What a bundle says of the sensor."""

from __future__ import annotations

import json

from sniffer.evidence.sensor import sensor_state
from sniffer.sinks.metrics import Health, SinkHealth, WorkerHealth
from sniffer.totals import InterfaceTotals, Totals


def test_it_says_how_well_it_saw() -> None:
    """Losses, one-sidedness, self-test, generation of the rules, workers and interfaces are there, as plain JSON."""
    health = Health(
        generation=3, rules_version="abc", selftest_ok=True, interfaces={"mirror0": True}, one_sided=True
    )
    health.workers["0"] = WorkerHealth(up=True, restarts=2)
    health.sinks["evidence"] = SinkHealth(dropped=4, failed=5)
    totals = Totals(
        packets=10, one_sided_ratio=0.25, interfaces={"mirror0": InterfaceTotals(drops=7, lost=1)}
    )
    told = sensor_state(health, totals, sensor="east", source="mirror0")
    assert json.loads(json.dumps(told)) == told
    assert told["rules"]["generation"] == 3
    assert told["since_start"]["dropped_by_kernel"] == 7
    assert told["since_start"]["lost"] == 1
    assert (told["since_start"]["evidence_dropped"], told["since_start"]["evidence_failed"]) == (4, 5)
    assert told["one_sided_ratio"] == 0.25
    assert told["one_sided_by_design"]
    assert told["workers"] == {"0": {"up": True, "restarts": 2}}
    assert told["selftest_ok"]


def test_before_anything_was_seen() -> None:
    """It is whole from the start."""
    assert sensor_state(Health(), Totals(), sensor="", source="replay")["since_start"]["packets"] == 0
