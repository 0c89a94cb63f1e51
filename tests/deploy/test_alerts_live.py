"""The rules in a real Prometheus that scrapes a real daemon: every one evaluates, and miners are told as they appear."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import prometheus
import pytest
import yaml
from control.test_daemon import Daemon
from deploy.alertlist import DEPLOY, ROOT, the_list
from prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(prometheus.PROGRAM is None, reason=prometheus.ABSENT),
]

MINERS = 'sniffer_host_hits_total{severity=~"high|critical", ip!~"_.*"}'
TENANT = "tenants: [{name: park, networks: [10.20.0.0/16]}]\n"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon on the joined stories, at sixty times their speed, as ``make demo`` runs it."""
    capture = tmp_path / "demo.pcap"
    subprocess.run([sys.executable, ROOT / "pcaps" / "merge.py", capture], check=True)
    one = Daemon(tmp_path, "--replay", capture, "--speed", "60", config=TENANT)
    try:
        one.until(lambda: one.said("watching"), "the worker")
        yield one
    finally:
        if one.process.poll() is None:
            one.stop()
        if one.process.stdout is not None:
            one.process.stdout.close()


@pytest.fixture
def server(tmp_path: Path, daemon: Daemon) -> Iterator[Prometheus]:
    """Prometheus with the job of deploy/prometheus/prometheus.yml and its rules, each second."""
    (job,) = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    started = next(line for line in daemon.log() if line["event"] == "started")
    job["static_configs"] = [{"targets": [started["listen"]]}]
    rules = [DEPLOY / "prometheus" / "rules" / "*.yml"]
    with Prometheus(tmp_path / "prometheus", rules=rules, more={"scrape_configs": [job]}) as one:
        yield one


def test_miners_of_the_stories_are_told_and_all_rules_evaluate(server: Prometheus, daemon: Daemon) -> None:
    """Every address with hits of high severity fires as a new miner, and no other; no rule has an error; a sensor that dies is told."""
    daemon.until(lambda: daemon.said("the replay has ended"), "the end of the replay", 120)

    def firing() -> set[str]:
        found = server.alerts("SnifferNewMiner")
        return {one["labels"]["ip"] for one in found if one["state"] == "firing"}

    def mining() -> set[str]:
        return {one.labels["ip"] for one in server.query(f"{MINERS} > 0")}

    server.until(lambda: len(firing()) >= 8 and firing() == mining(), "new miners")
    assert {"10.20.1.11", "2001:db8:20:5::/64"} <= firing()
    assert "10.20.9.40" not in firing()  # a sign only

    (alert,) = (one for one in server.alerts("SnifferNewMiner") if one["labels"]["ip"] == "10.20.1.11")
    assert alert["labels"]["tenant"] == "park"
    assert alert["annotations"]["summary"] == "New miner: 10.20.1.11 park"
    assert "10.20.1.11" in alert["annotations"]["description_zh"]

    server.until(lambda: all(rule["health"] != "unknown" for rule in server.rules()), "all rules")
    assert len(server.rules()) == len(the_list().alerts) + len(the_list().records)
    assert [rule for rule in server.rules() if rule["health"] != "ok" or rule.get("lastError")] == []
    for record in ("sniffer:new_miners", "sniffer:active_miners:count1h", "sniffer:tenant_hits:rate5m"):
        assert server.query(record), record
    (active,) = server.query('sniffer:active_miners:count1h{tenant="park"}')
    assert active.value == len({ip for ip in mining() if ip.startswith("10.20.")})
    (target,) = server.targets()
    assert (target["health"], target["lastError"]) == ("up", "")

    daemon.stop()
    server.until(lambda: server.alerts("SnifferSensorDown"), "the sensor's death")


def test_a_page_is_scraped_whole(server: Prometheus, daemon: Daemon) -> None:
    """All but the host series is far below what deploy/prometheus/prometheus.yml leaves for it, and no label is renamed."""
    daemon.until(lambda: daemon.said("the replay has ended"), "the end of the replay", 120)
    server.until(lambda: server.query("scrape_samples_scraped"), "a scrape")
    (samples,) = server.query("scrape_samples_scraped - 2 * scalar(sniffer_host_series)")
    assert samples.value < 2_000
    assert not server.query(
        '{__name__=~"sniffer_.*", exported_job!=""} or {__name__=~"sniffer_.*", exported_instance!=""}'
    )
