"""The helper that runs a real Prometheus."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import prometheus
import pytest
from prometheus import Prometheus, PrometheusError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(prometheus.PROGRAM is None, reason=prometheus.ABSENT),
]


def test_scrapes_evaluates_answers_and_ends(tmp_path: Path) -> None:
    """It scrapes an address, evaluates rules, answers questions about both, and is gone at the end."""
    rule = {"alert": "Unreachable", "expr": "up == 0", "labels": {"tenant": "a"}}
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "one", "rules": [rule]}]}))
    nobody = f"127.0.0.1:{prometheus.free_port()}"
    with Prometheus(tmp_path / "prometheus", [nobody], [file]) as server:
        server.until(lambda: server.alerts("Unreachable"), "the alert")
        (alert,) = server.alerts()
        assert alert["labels"] == {
            "alertname": "Unreachable",
            "instance": nobody,
            "job": "sniffer",
            "tenant": "a",
        }
        (sample,) = server.query("up + 2")
        assert (sample.labels["instance"], sample.value) == (nobody, 2)
        assert [one.value for one in server.query("scalar(up)")] == [0]
        now = server.query("time()")[0].value
        assert len(server.query_range("vector(1)", now - 10, now, 5)[0].values) == 3
        assert [one["health"] for one in server.rules()] == ["ok"]
        assert [one["health"] for one in server.targets()] == ["down"]
        with pytest.raises(PrometheusError, match="parse error"):
            server.query("sum(")
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(f"{server.url}/-/ready", timeout=5)  # noqa: S310  # our own address


def test_says_why_it_does_not_start(tmp_path: Path) -> None:
    """A configuration that it does not take is told in its own words."""
    with pytest.raises(PrometheusError, match="nonsense"):
        Prometheus(tmp_path, more={"nonsense": 1}).start()
