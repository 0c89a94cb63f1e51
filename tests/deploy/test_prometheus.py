"""deploy/prometheus/prometheus.yml: taken by Prometheus as it is, and with what is commented out in it."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from deploy.alertlist import DEPLOY, run

from sniffer.config import Config

if TYPE_CHECKING:
    from pathlib import Path

FILE = DEPLOY / "prometheus" / "prometheus.yml"


def job() -> dict[str, Any]:
    """The job that scrapes sensors."""
    (found,) = yaml.safe_load(FILE.read_text("utf-8"))["scrape_configs"]
    return dict(found)


def test_is_taken_with_its_rules() -> None:
    """Prometheus takes the file, finds the rules beside it, and they are without fault."""
    said = run("promtool", "check", "config", FILE)
    assert "2 rule files found" in said
    assert "is valid prometheus config file" in said


def test_is_taken_with_tls_and_a_password(tmp_path: Path) -> None:
    """What is commented out for a sensor with TLS and a password is taken, too, once it is uncommented."""
    folder = tmp_path / "prometheus"
    shutil.copytree(DEPLOY / "prometheus", folder)
    text, count = re.subn(
        r"^    # (?=scheme:|tls_config:|basic_auth:|  )", "    ", FILE.read_text("utf-8"), flags=re.MULTILINE
    )
    assert count == 9
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("sniffer-ca.pem", "prometheus.pem", "prometheus.key", "sniffer-password"):
        (secrets / name).write_text("secret")
    text = text.replace("/etc/prometheus/", f"{secrets}/")
    (folder / "prometheus.yml").write_text(text, encoding="utf-8")
    (scrape,) = yaml.safe_load(text)["scrape_configs"]
    assert scrape["basic_auth"] == {"username": "prometheus", "password_file": f"{secrets}/sniffer-password"}
    assert set(scrape["tls_config"]) == {"ca_file", "cert_file", "key_file"}
    run("promtool", "check", "config", "--syntax-only", folder / "prometheus.yml")


def test_the_job_is_the_one_that_alerts_ask_for() -> None:
    """Alerts about sensors that are not there ask for the name of the job."""
    assert job()["job_name"] == "sniffer"
    assert job()["honor_labels"] is False


def test_the_sample_limit_holds_a_full_host_book() -> None:
    """A sensor at its default limit of host series, each of two samples, is scraped whole; one at the ceiling is not."""
    most = 2 * Config().hosts.series_limit
    assert most < job()["sample_limit"] < 2 * most


@pytest.mark.parametrize("key", ["scrape_interval", "evaluation_interval"])
def test_intervals_are_what_rules_count_on(key: str) -> None:
    """Rules look back two minutes at least, so an interval of at most a minute gives them two samples."""
    assert yaml.safe_load(FILE.read_text("utf-8"))["global"][key] in {"15s", "30s", "1m"}
