"""Event lines of many sensors in the place of a history: hits, addresses, tenants, and nothing that lines do not say."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from sniffer.campaign.events import Events
from sniffer.campaign.figures import Question, build
from sniffer.errors import InputError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = 1_793_491_200  # 2026-11-01T00:00:00Z


def line(
    at: int, host: str, count: int, *, flow: int = 1, sensor: str = "a", tenant: str = "", **more: Any
) -> str:
    """One alert, so many seconds after the beginning."""
    told = {
        "timestamp": datetime.fromtimestamp(BEGIN + at, UTC).isoformat(timespec="microseconds"),
        "event_type": "alert", "sensor": sensor, "flow_id": flow, "alert": {"rule": "stratum-v1-submit"},
        "mining": {"host_ip": host, "server_ip": "203.0.113.9", "server_port": 3333, "protocol": "stratum-v1",
                   "confidence": "confirmed", "count": count, **more},
    }  # fmt: skip
    if tenant:
        told["tenant"] = {"name": tenant, "site": "Hall 1"}
    return json.dumps(told)


def test_lines_of_two_sensors(tmp_path: Path) -> None:
    """Hits are what the period adds to a count; sensors do not mix; signs are apart; rubbish and other lines are passed over."""
    pytest.importorskip("duckdb", reason="pip install 'sniffer[duckdb]'")
    (tmp_path / "a.json").write_text("\n".join([
        line(-60, "10.0.0.1", 40, tenant="north"), line(60, "10.0.0.1", 100, tenant="north"),
        line(90, "10.0.0.1", 130, tenant="north", pool="f2pool"), line(70, "10.0.0.2", 5, flow=2),
        line(80, "10.0.0.3", 2, flow=3, protocol="pool-dns", confidence="suspected"),
        line(100_000, "10.0.0.9", 7, flow=9), '{"event_type": "stats", "timestamp": "2026-11-01T00:00:00Z"}', "rubbish",
    ]) + "\n")  # fmt: skip
    (tmp_path / "b.json").write_text(line(60, "10.1.0.1", 11, sensor="b", tenant="south") + "\n")
    with Events([tmp_path / "a.json", tmp_path / "b.json"]) as events:
        report = build(events, Question(BEGIN, BEGIN + 86_400, UTC))
        assert events.period() == (BEGIN - 60, BEGIN + 100_001)
    totals = report.totals
    assert (totals.addresses, totals.tenants, totals.hits) == (3, 2, 90 + 5 + 2 + 11)
    assert report.unknown.addresses_with_signs_only == 1
    assert (totals.energy, totals.rates, totals.shares, report.blind) == (None, (), 0, None)
    assert {(one.name, one.site) for one in report.ranking} == {
        ("", ""),
        ("north", "Hall 1"),
        ("south", "Hall 1"),
    }


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """One line that names it."""
    pytest.importorskip("duckdb", reason="pip install 'sniffer[duckdb]'")
    with pytest.raises(InputError, match="no such file"):
        Events([tmp_path / "none.json"])


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not installed it is told how."""
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UsageError, match=r"pip install 'sniffer\[duckdb\]'"):
        Events([tmp_path / "x"])
