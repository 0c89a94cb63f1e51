"""``make demo``: the real daemon on all stories; its metrics page holds what the stories expect."""

from __future__ import annotations

import ipaddress
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from sniffer.strictyaml import load_file

ROOT = Path(__file__).parent.parent


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(url: str) -> str:
    """A page, or nothing while the daemon is not there yet."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # our own address
            return str(answer.read().decode())
    except (urllib.error.URLError, ConnectionError):
        return ""


def wanted() -> dict[str, Counter[str]]:
    """Hits by label and rule over all stories; IPv6 counts by /64."""
    out: dict[str, Counter[str]] = {}
    for story in ROOT.glob("pcaps/*/expect.yml"):
        for host in load_file(story).data["hosts"]:
            address = ipaddress.ip_address(host["ip"])
            label = (
                str(address)
                if address.version == 4
                else str(ipaddress.ip_network((address, 64), strict=False))
            )
            out.setdefault(label, Counter()).update(host["hits"])
    return out


def test_demo(tmp_path: Path) -> None:
    """Every address of the six stories is on the metrics page with its counts; the daemon ends with 0."""
    capture = tmp_path / "demo.pcap"
    subprocess.run([sys.executable, ROOT / "pcaps" / "merge.py", capture], check=True)
    port = free_port()
    code = "from sniffer.cli import main; main()"
    arguments = ["run", "--replay", str(capture), "--listen", f"127.0.0.1:{port}", "--table"]
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        daemon = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=out, stderr=err)
    try:
        expected = wanted()
        found: dict[str, Counter[str]] = {}
        deadline = time.monotonic() + 60
        while found != expected and time.monotonic() < deadline:
            time.sleep(0.3)
            page = fetch(f"http://127.0.0.1:{port}/metrics")
            found = {}
            for family in text_string_to_metric_families(page):
                for sample in family.samples:
                    if sample.name == "sniffer_host_hits_total":
                        found.setdefault(sample.labels["ip"], Counter())[sample.labels["rule"]] += int(
                            sample.value
                        )
        assert found == expected
        assert "10.20.1.11" in fetch(f"http://127.0.0.1:{port}/")
    finally:
        daemon.send_signal(signal.SIGTERM)
        status = daemon.wait(timeout=20)
    assert status == 0
    log = (tmp_path / "err").read_text()
    assert "Traceback" not in log
    table = (tmp_path / "out").read_text()
    assert all(label in table for label in expected)
    assert re.search(r"replay ended: \d+ packets, \d+ hits", table)
