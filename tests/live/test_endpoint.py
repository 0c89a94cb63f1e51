"""Other people's programs read the endpoint: Prometheus, curl, htpasswd's hashes."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from control.conftest import authority, miner
from control.test_daemon import Daemon, start
from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authority import Authority

__all__ = ["authority", "miner", "start"]  # fixtures
pytestmark = pytest.mark.live
PASSWORD = "correct horse"


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip where one of these programs is missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def htpasswd() -> str:
    """A line of basic_auth_users, made as our documentation says."""
    made = subprocess.run(
        ["htpasswd", "-niBC", "10", "prometheus"],
        input=PASSWORD,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    return made.replace(":", ": ", 1)


@pytest.fixture
def guarded(start: Callable[..., Daemon], miner: Path, authority: Authority) -> Daemon:
    """A daemon that wants a certificate and a password."""
    authority.issue("prometheus", x509.DNSName("prometheus.example"))
    web = authority.folder / "guarded.yml"
    web.write_text(
        "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  client_ca_file: ca.pem\n"
        "  client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [prometheus.example]\n"
        f"basic_auth_users:\n  {htpasswd()}\n"
    )
    daemon = start("--replay", miner, config=f"http: {{web_config_file: {web}}}\n")
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    return daemon


def address_of(daemon: Daemon) -> str:
    """Where it listens."""
    return str(daemon.log()[0]["listen"])


@needs("prometheus", "htpasswd")
def test_prometheus_scrapes(guarded: Daemon, authority: Authority, tmp_path: Path) -> None:
    """The real Prometheus, with certificate and password: target up, hits by address in its answers."""
    config = tmp_path / "prometheus.yml"
    config.write_text(f"""
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: sniffer
    scheme: https
    basic_auth: {{username: prometheus, password: {PASSWORD}}}
    tls_config: {{ca_file: {authority.file}, cert_file: {authority.folder}/prometheus.pem, key_file: {authority.folder}/prometheus.key}}
    static_configs: [{{targets: ["{address_of(guarded)}"]}}]
""")
    port = 19_478
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (tmp_path / "prometheus.log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            (hits,) = query(port, 'sniffer_host_hits_total{ip="10.0.0.7",rule="stratum-v1-submit"}')
            assert hits["value"][1] == "3"
            (up,) = query(port, "up")
            assert up["value"][1] == "1"
            (samples,) = query(port, "scrape_samples_scraped")
            assert int(samples["value"][1]) > 500
        finally:
            process.terminate()


def query(port: int, expression: str) -> list[dict[str, Any]]:
    """The result of an expression, once there is one."""
    deadline = time.monotonic() + 30
    where = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    while True:
        try:
            with urllib.request.urlopen(where, timeout=5) as answer:
                found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        except OSError:
            found = []
        if found:
            return found
        assert time.monotonic() < deadline, expression
        time.sleep(0.2)


@needs("curl", "htpasswd")
def test_curl(guarded: Daemon, authority: Authority) -> None:
    """With certificate and password a gzipped page; without one of them none."""

    def curl(*options: str) -> tuple[int, str]:
        done = subprocess.run(
            ["curl", "-sS", "--cacert", authority.file, *options, f"https://{address_of(guarded)}/metrics"],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    client = ("--cert", f"{authority.folder}/prometheus.pem", "--key", f"{authority.folder}/prometheus.key")
    status, page = curl(*client, "--user", f"prometheus:{PASSWORD}", "--compressed")
    assert status == 0
    assert 'sniffer_host_hits_total{ip="10.0.0.7"' in page
    status, page = curl(*client)
    assert (status, page) == (0, "name and password, please\n")
    assert curl("--user", f"prometheus:{PASSWORD}") in {(35, ""), (52, ""), (56, "")}
    (told,) = [line for line in guarded.log() if line["event"] == "tls_handshake_failed"]
    assert (told["client"], told["reason"]) == ("127.0.0.1", "peer did not return a certificate")
    assert curl(*client, "--tls-max", "1.1")[0] == 35
