"""The daemon as it is run: a process, signals, its endpoint, its files, its exit status."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bcrypt
import frames as build
import jsonschema
import pytest
from control.conftest import OWN_RULE, SUBMIT
from test_demo import ROOT, wanted

from sniffer.evidence.replay import replay
from sniffer.evidence.store import bundle_names
from sniffer.evidence.verify import verify_folder
from sniffer.history.lock import Lock
from sniffer.history.query import Reader
from sniffer.sinks.schema import event_schema

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Sequence

    from authority import Authority

RULE = OWN_RULE.replace("EXAMPLE", "mining.ping")


class Daemon:
    """A running ``sniffer run`` and ways to look at it."""

    def __init__(
        self,
        folder: Path,
        *arguments: str | Path,
        config: str = "",
        python: Sequence[str] = (sys.executable,),
        **environment: str,
    ) -> None:
        self.events = folder / "events.json"
        file = folder / "sniffer.yaml"
        file.write_text(f"log: {{format: json}}\nevents: {{file: {self.events}}}\n{config}")
        command = [*python, "-c", "from sniffer.cli import main; main()", "run", "--config", str(file)]
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--listen", "127.0.0.1:0", *map(str, arguments)],
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def log(self) -> list[dict[str, Any]]:
        """Lines of the operation log."""
        lines = [line for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines]

    def said(self, event: str) -> bool:
        """Whether the log has a line that begins so."""
        return any(line["event"].startswith(event) for line in self.log())

    def until(self, done: Callable[[], object], what: str, seconds: float = 60) -> None:
        """Wait for something."""
        deadline = time.monotonic() + seconds
        while not done():
            assert self.process.poll() is None, f"ended before {what}: {self._log.read_text()}"
            assert time.monotonic() < deadline, f"waited in vain for {what}: {self._log.read_text()}"
            time.sleep(0.05)

    def ask(
        self, path: str, method: str = "GET", *, tls: ssl.SSLContext | None = None, login: str = ""
    ) -> tuple[int, str]:
        """Ask the endpoint; with the context of a client, over TLS; with NAME:PASSWORD, by name."""
        started = next(line for line in self.log() if line["event"] == "started")
        host, port = started["listen"].rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=15)
        if tls is not None:
            connection = http.client.HTTPSConnection(host, int(port), timeout=15, context=tls)
        word = base64.b64encode(login.encode()).decode()
        connection.request(method, path, headers={"Authorization": f"Basic {word}"} if login else {})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    def metric(self, name: str) -> float:
        """Sum of the samples whose name and labels match; each is asked for afresh."""
        (value,) = self.metrics(name)
        return value

    def metrics(self, *names: str, tls: ssl.SSLContext | None = None, login: str = "") -> list[float]:
        """The same for several names, all of one page."""
        page = self.ask("/metrics", tls=tls, login=login)[1]
        return [
            sum(map(float, re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", page, re.MULTILINE)))
            for name in names
        ]

    def children(self) -> list[int]:
        """Processes of the daemon."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:  # noqa: PTH123
            return [int(pid) for pid in file.read().split()]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal and wait: exit status and seconds."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(20), time.monotonic() - began


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Starts daemons, and ends those that are left."""
    running: list[Daemon] = []

    def go(*arguments: str | Path, **settings: str) -> Daemon:
        running.append(Daemon(tmp_path, *arguments, **settings))
        return running[-1]

    yield go
    for daemon in running:
        if daemon.process.poll() is None:
            daemon.process.kill()
        daemon.process.wait(10)
        if daemon.process.stdout is not None:
            daemon.process.stdout.close()


def test_a_replay_from_start_to_end(start: Callable[..., Daemon], miner: Path) -> None:
    """Hits of a capture are counted by address; metrics stay after its end; TERM ends it with status 0."""
    daemon = start("--replay", miner)
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    assert daemon.ask("/-/ready")[0] == 200
    assert daemon.ask("/-/healthy")[0] == 200
    assert daemon.metric('sniffer_host_hits_total{ip="10.0.0.7",rule="stratum-v1-submit"[^}]*}') == 3
    assert daemon.metric("sniffer_capture_packets_total") == 9
    assert daemon.metric("sniffer_worker_up") == 1
    passed, skipped = daemon.metric("sniffer_gate_passed_total"), daemon.metric("sniffer_gate_skipped_total")
    assert passed + skipped == 9
    status, took = daemon.stop()
    assert (status, took < 5) == (0, True)
    lines = [json.loads(line) for line in daemon.events.read_bytes().splitlines()]
    assert [line["event_type"] for line in lines] == ["alert", "stats"]
    assert lines[0]["mining"]["host_ip"] == "10.0.0.7"
    assert lines[1]["stats"]["packets"] == 9
    last = daemon.log()[-1]
    assert last["event"] == "stopped"
    assert (last["offered"], last["captured"], last["dropped_ratio"], last["one_sided_ratio"]) == (9, 9, 0, 0)
    assert "silent_seconds" not in last  # the packets of a capture are of another day


@pytest.mark.parametrize("by_design", [False, True])
def test_says_whether_one_direction_is_by_design(
    start: Callable[..., Daemon],
    miner: Path,
    by_design: bool,  # noqa: FBT001
) -> None:
    """Alerts about a lost direction can tell a fault from ``sensor.one_sided``."""
    daemon = start("--replay", miner, config=f"sensor: {{one_sided: {str(by_design).lower()}}}\n")
    daemon.until(lambda: daemon.said("watching"), "the worker")
    assert daemon.metric("sniffer_sensor_one_sided") == by_design


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_drains(start: Callable[..., Daemon], tmp_path: Path, number: signal.Signals) -> None:
    """A hit that still waits for its answer is counted and written before the end."""
    talk = build.Conversation().open().send(0, SUBMIT, answered=False)
    talk.time += 3_600 * 10**9
    talk.send(0, SUBMIT)
    file = tmp_path / "slow.pcap"
    file.write_bytes(build.pcap(talk.frames))
    daemon = start("--replay", file, "--speed", "1")
    daemon.until(lambda: daemon.said("watching"), "the worker")
    daemon.until(lambda: daemon.metric("sniffer_capture_packets_total") == 4, "packets")
    status, took = daemon.stop(number)
    assert (status, took < 5) == (0, True)
    alerts = [json.loads(line) for line in daemon.events.read_bytes().splitlines()]
    assert [line["mining"]["confidence"] for line in alerts if line["event_type"] == "alert"] == ["probable"]


def test_a_second_stop_is_at_once(start: Callable[..., Daemon], miner: Path) -> None:
    """When the worker does not answer, a second TERM ends everything within a second."""
    daemon = start("--replay", miner, "--speed", "1", "--loop")
    daemon.until(lambda: daemon.said("watching"), "the worker")
    (worker,) = daemon.children()
    os.kill(worker, signal.SIGSTOP)
    daemon.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert daemon.process.poll() is None
    status, took = daemon.stop()
    assert (status, took < 1.0) == (0, True)


@pytest.mark.slow
def test_a_stop_before_it_has_started(start: Callable[..., Daemon], miner: Path) -> None:
    """TERM in any phase of the start is a clean end."""
    for wait in (0.6, 0.9, 1.3):
        daemon = start("--replay", miner)
        time.sleep(wait)
        status, took = daemon.stop()
        # Before Python has come to our first line, the system's own answer to TERM is all there is.
        assert status in (0, -signal.SIGTERM)
        assert took < 5


COUNTING = RULE.replace(
    "match: {fact: stratum.method, equals: mining.submit}",
    "match: {count: {at_least: 9, within: 60s, per: host, of: {fact: stratum.method, equals: mining.submit},"
    " thresholds: [{tenant: acme, at_least: NUMBER}, {tenant: emca, at_least: 1}]}}",
).replace("mining.submit}}]", "mining.submit}, repeat: 9}]")


def test_hits_are_counted_by_host(start: Callable[..., Daemon], miner: Path, tmp_path: Path) -> None:
    """From the number of its tenant on, messages of a host are hits: in the metrics, in the events, in the books."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "own.yaml").write_text(COUNTING.replace("NUMBER", "2"))
    config = "tenants: [{name: acme, networks: [10.0.0.0/8]}]\n"
    daemon = start("--replay", miner, "--rules", rules, "--paranoid", config=config)
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    daemon.until(lambda: daemon.metric('sniffer_host_hits_total{ip="10.0.0.7"[^}]*}') == 2, "two hits", 5)
    assert daemon.metric("sniffer_sightings_total") == 3
    assert daemon.metric('sniffer_oddities_total{kind="matcher_differs"}') == 0
    (warning,) = [line for line in daemon.log() if "tenant that is not configured" in line["event"]]
    assert warning["tenant"] == "emca"
    assert daemon.stop()[0] == 0
    alert, stats = (json.loads(line) for line in daemon.events.read_bytes().splitlines())
    assert (alert["mining"]["count"], alert["mining"]["confidence"]) == (1, "confirmed")
    assert alert["tenant"]["name"] == "acme"
    assert (stats["stats"]["hits"], stats["stats"]["sightings"]) == (2, 3)


def test_a_lap_is_no_continuation(start: Callable[..., Daemon], miner: Path, tmp_path: Path) -> None:
    """A capture of three shares that is played again and again never makes four within a minute."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "own.yaml").write_text(COUNTING.replace("NUMBER", "4"))
    config = "tenants: [{name: acme, networks: [10.0.0.0/8]}]\n"
    daemon = start("--replay", miner, "--speed", "20", "--loop", "--rules", rules, config=config)
    daemon.until(lambda: daemon.said("watching"), "the worker")
    daemon.until(lambda: daemon.metric("sniffer_sightings_total") > 12, "four laps")
    assert daemon.metric("sniffer_host_hits_total") == 0
    assert daemon.metric("sniffer_hits_total") == 0
    assert daemon.stop()[0] == 0


def test_reload(start: Callable[..., Daemon], miner: Path, tmp_path: Path) -> None:
    """HUP takes new rules at once; a broken set is told everywhere and the old one stays; a mended one is taken."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "own.yaml").write_text(RULE)
    daemon = start("--replay", miner, "--speed", "2", "--loop", "--rules", rules)
    daemon.until(lambda: daemon.said("watching"), "the worker")
    daemon.until(lambda: daemon.metric('sniffer_hits_total{rule="own-submit"[^}]*}') > 0, "hits")
    assert daemon.metric("sniffer_rules_generation") == 1

    (rules / "own.yaml").write_text(RULE.replace("own-submit", "new-submit"))
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until(
        lambda: daemon.metric('sniffer_hits_total{rule="new-submit"[^}]*}') > 0, "hits of the new rule"
    )
    assert daemon.metric("sniffer_rules_generation") == 2
    assert daemon.metric("sniffer_rules_reload_success") == 1

    (rules / "own.yaml").write_text(RULE.replace("equals", "eqals"))
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until(lambda: daemon.metric("sniffer_rules_reload_success") == 0, "the refusal")
    assert daemon.metric("sniffer_rules_generation") == 2
    assert any("own.yaml:" in line["event"] and line["level"] == "error" for line in daemon.log())
    before = daemon.metric('sniffer_hits_total{rule="new-submit"[^}]*}')
    daemon.until(
        lambda: daemon.metric('sniffer_hits_total{rule="new-submit"[^}]*}') > before, "hits of the old set"
    )

    (rules / "own.yaml").write_text(RULE)
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until(lambda: daemon.metric("sniffer_rules_reload_success") == 1, "the mended set")
    assert daemon.metric("sniffer_rules_generation") == 3
    assert daemon.metric("sniffer_worker_restarts_total") == 0
    assert daemon.stop()[0] == 0


def test_a_reload_that_failed_says_why_everywhere(
    start: Callable[..., Daemon], miner: Path, tmp_path: Path
) -> None:
    """Service status, log and metric: at once, and the status until a reload succeeds."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "own.yaml").write_text(RULE)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = tmp_path / "notify"
        manager.bind(str(path))
        manager.settimeout(60)
        daemon = start("--replay", miner, "--rules", rules, NOTIFY_SOCKET=str(path))

        def heard(word: str) -> str:
            while word not in (told := manager.recv(4_096).decode()):
                assert daemon.process.poll() is None
            return told

        heard("READY=1")
        daemon.until(lambda: daemon.said("the replay has ended"), "the end")
        (rules / "own.yaml").write_text(RULE.replace("equals", "eqals"))
        daemon.process.send_signal(signal.SIGHUP)
        heard("RELOADING=1")
        ready = heard("READY=1")
        assert "STATUS=the old rules stay in use: error: " in ready
        assert "own.yaml:6:" in ready
        assert "did you mean 'equals'" in ready
        assert daemon.metric("sniffer_rules_reload_success") == 0
        assert daemon.said("reload failed; the old rules stay in use")
        assert "own.yaml:6:" in heard("the last reload failed: ")

        (rules / "own.yaml").write_text(RULE)
        daemon.process.send_signal(signal.SIGHUP)
        heard("RELOADING=1")
        assert "are in use" in heard("READY=1")
        assert daemon.metric("sniffer_rules_reload_success") == 1
        assert "reload" not in heard("STATUS=replay ended")
        assert daemon.stop()[0] == 0


def test_a_suppression_by_reload(start: Callable[..., Daemon], miner: Path, tmp_path: Path) -> None:
    """From a reload on hits are counted as suppressed and told nowhere; the log says so once; taken out, they are told again."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "own.yaml").write_text(RULE)
    until = (datetime.now(UTC) + timedelta(days=9)).date()
    daemon = start("--replay", miner, "--speed", "4", "--loop", "--rules", rules)
    daemon.until(lambda: daemon.said("watching"), "the worker")
    hits, suppressed = "sniffer_hits_total", "sniffer_suppressed_hits_total"
    daemon.until(lambda: daemon.metric(hits) > 0, "hits")
    assert f'{suppressed}{{rule="own-submit"}} 0.0' in daemon.ask("/metrics")[1]

    (rules / "allow.yaml").write_text(
        f"allow:\n- {{address: 10.0.0.7, reason: our own test miner, until: {until}}}\n"
    )
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until(lambda: daemon.metric(suppressed) > 0, "suppressed hits")
    time.sleep(0.5)  # what was told before is counted
    before, counted = daemon.metric(hits), daemon.metric(suppressed)
    daemon.until(lambda: daemon.metric(suppressed) > counted + 6, "more of them")
    assert daemon.metric(hits) == before == daemon.metric("sniffer_host_hits_total")
    daemon.until(lambda: daemon.said("hits are suppressed"), "the line")
    (line,) = (line for line in daemon.log() if line["event"] == "hits are suppressed")
    assert line["reason"] == "our own test miner"
    assert line["entry"] == f"{rules}/allow.yaml, entry 1"

    (rules / "allow.yaml").unlink()
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until(lambda: daemon.metric(hits) > before, "hits again")
    assert daemon.stop()[0] == 0
    (last,) = (line for line in daemon.log() if line["event"] == "stopped")
    assert last["suppressed"] > counted
    stats = json.loads(daemon.events.read_bytes().splitlines()[-1])["stats"]
    assert stats["suppressed"] == {"own-submit": last["suppressed"]}
    assert stats["hits"] == last["hits"]


@pytest.mark.slow
def test_rules_on_datagrams_and_the_kernel_filter(start: Callable[..., Daemon], tmp_path: Path) -> None:
    """Where both are asked for, the log says before anything else that they do not go together; else it does not."""
    rules = tmp_path / "rules"
    rules.mkdir()
    said = []
    for transport, chosen in (("udp", "auto"), ("udp", "none"), ("tcp", "auto")):
        payload = f"{{payload: {{starts_with: HELLO-MINE, transport: {transport}}}}}"
        text = RULE.replace("{fact: stratum.method, equals: mining.submit}", payload)
        text = text.replace("{facts: {stratum.method: mining.submit}}", "{client: HELLO-MINE}")
        (rules / "own.yaml").write_text(text)
        config = f"capture: {{filter: {chosen}}}\n"
        daemon = start("--interface", "missing0", "--rules", rules, config=config)
        assert daemon.process.wait(30) != 0  # there is no such interface
        said.append(daemon.said("rules ask for payloads of UDP"))
    assert said == [True, False, False]


@pytest.mark.slow
def test_a_storm_of_hang_ups(start: Callable[..., Daemon], miner: Path) -> None:
    """A hundred HUPs in a moment are a few reloads, and the daemon goes on."""
    daemon = start("--replay", miner)
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    for _ in range(100):
        daemon.process.send_signal(signal.SIGHUP)
    daemon.until(lambda: daemon.metric("sniffer_rules_generation") > 1, "a reload")
    time.sleep(4)
    assert 2 <= daemon.metric("sniffer_rules_generation") <= 4
    assert daemon.stop()[0] == 0


@pytest.mark.slow
def test_reload_over_http(start: Callable[..., Daemon], miner: Path) -> None:
    """POST /-/reload is refused unless the configuration allows it; then it tells the outcome."""
    daemon = start("--replay", miner)
    daemon.until(lambda: daemon.said("watching"), "the worker")
    assert daemon.ask("/-/reload", "POST")[0] == 403
    daemon.stop()
    daemon = start("--replay", miner, config="http: {reload: true}\n")
    daemon.until(lambda: daemon.said("watching"), "the worker")
    status, text = daemon.ask("/-/reload", "POST")
    assert status == 200
    assert "are in use" in text
    assert daemon.metric("sniffer_rules_generation") == 2


def test_a_guarded_endpoint(start: Callable[..., Daemon], miner: Path, authority: Authority) -> None:
    """TLS and a password; a new certificate is taken by itself, a broken file is told and changes nothing; no secret is told."""
    secret, login = "hunter2-in-the-clear", "prometheus:correct horse"
    hashed = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(5)).decode()
    authority.issue("daemon")
    web = authority.folder / "daemon.yml"
    text = f"tls_server_config: {{cert_file: daemon.pem, key_file: daemon.key}}\nbasic_auth_users: {{prometheus: {hashed}}}\n"
    web.write_text(text)
    daemon = start("--replay", miner, config=f"http: {{web_config_file: {web}, reload: true}}\n")
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    client = authority.client()
    assert daemon.ask("/-/ready", tls=client)[0] == 401
    assert daemon.ask("/-/ready", tls=client, login="prometheus:wrong")[0] == 401
    assert daemon.ask("/-/ready", tls=client, login=login)[0] == 200
    page = daemon.ask("/metrics", tls=client, login=login)[1]
    assert re.search(r'^sniffer_host_hits_total\{ip="10.0.0.7".* 3$', page, re.MULTILINE)
    assert 'sniffer_http_rejected_total{reason="password"} 2.0' in page
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.ask("/metrics")

    web.write_text(f"{text}rate_limit: {{interval: 1s}}\nhttp_server_config: {{http2: {secret}}}\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until(lambda: daemon.said("the old web configuration stays in use"), "the refusal")
    assert any("daemon.yml:4:22: type" in line["event"] for line in daemon.log())
    status, told = daemon.ask("/-/reload", "POST", tls=client, login=login)
    assert (status, "old web configuration" in told) == (500, True)
    assert daemon.metrics("sniffer_rules_reload_success", tls=client, login=login) == [1]

    web.write_text(text)
    authority.issue("daemon")
    daemon.until(lambda: daemon.said("web configuration loaded"), "the new certificate", 15)
    assert daemon.ask("/-/ready", tls=client, login=login)[0] == 200
    assert daemon.stop()[0] == 0
    said = json.dumps(daemon.log())
    for one in (secret, "correct horse", hashed):
        assert one not in said
    assert "Traceback" not in daemon._log.read_text()


def test_metrics_as_a_file(start: Callable[..., Daemon], miner: Path, tmp_path: Path) -> None:
    """Written every so often and at the end, whole; the endpoint tells how often; it stays behind."""
    file = tmp_path / "sniffer.prom"
    daemon = start("--replay", miner, config=f"metrics: {{textfile: {file}, interval: 1s}}\n")
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    daemon.until(lambda: daemon.metric('sniffer_sink_written_total{sink="textfile"}') > 2, "two writes")
    assert daemon.metric('sniffer_sink_failed_total{sink="textfile"}') == 0
    daemon.until(lambda: 'sniffer_host_hits_total{ip="10.0.0.7"' in file.read_text(), "the hits")
    before = file.stat().st_mtime_ns
    assert daemon.stop()[0] == 0
    assert file.stat().st_mtime_ns > before
    assert "sniffer_build_info" in file.read_text()


def test_descriptors_that_run_out(start: Callable[..., Daemon], miner: Path) -> None:
    """With too few descriptors for its clients the daemon says so in a line, goes on, and serves when they have left."""
    daemon = start("--replay", miner)
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    used = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))  # noqa: PTH208
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (used + 8, used + 8))
    host, port = daemon.log()[0]["listen"].rsplit(":", 1)
    clients = [socket.create_connection((host, int(port)), 10) for _ in range(40)]
    daemon.until(lambda: any(line.get("code") == "event_loop" for line in daemon.log()), "the complaint")
    for client in clients:
        client.close()
    daemon.until(lambda: daemon.ask("/-/ready")[0] == 200, "an answer", 10)
    assert daemon.stop()[0] == 0
    assert "Traceback" not in daemon._log.read_text()
    assert sum(line.get("code") == "event_loop" for line in daemon.log()) <= 2


def test_hang_up_opens_the_event_file_again(start: Callable[..., Daemon], miner: Path) -> None:
    """After a rotation, lines go into the new file."""
    daemon = start("--replay", miner)
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    daemon.until(lambda: daemon.metric("sniffer_sink_written_total") == 1, "the line")
    moved = daemon.events.with_suffix(".1")
    daemon.events.rename(moved)
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until(lambda: daemon.said("rules loaded"), "the reload")
    assert daemon.stop()[0] == 0
    assert moved.read_bytes().count(b"\n") == 1
    assert b'"stats"' in daemon.events.read_bytes()


def test_one_line_then_reminders(start: Callable[..., Daemon], tmp_path: Path) -> None:
    """A line when a rule first matches in a flow, reminders with the running count every ten minutes, as the schema says.

    A share a minute for 35 minutes in one flow, and three in another: every one of them is a hit all the same.
    """
    long, short = build.Conversation().open(), build.Conversation(client=("10.0.0.8", 40_000)).open()
    for _ in range(35):
        long.time += 60 * 10**9
        long.send(0, SUBMIT)
    for _ in range(3):
        short.send(0, SUBMIT)
    file = tmp_path / "long.pcap"
    file.write_bytes(build.pcap(sorted([*long.frames, *short.frames])))
    daemon = start("--replay", file)
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    daemon.until(lambda: daemon.metric("sniffer_hits_total") == 38, "all hits")
    assert daemon.stop()[0] == 0
    lines = [json.loads(line) for line in daemon.events.read_bytes().splitlines()]
    for line in lines:
        jsonschema.validate(line, event_schema())
    told: dict[str, list[int]] = {}
    for line in lines:
        if line["event_type"] == "alert":
            told.setdefault(line["mining"]["host_ip"], []).append(line["mining"]["count"])
    assert told == {"10.0.0.7": [1, 11, 21, 31], "10.0.0.8": [1]}
    stats = lines[-1]["stats"]
    assert (stats["hits"], stats["sinks"]["events"]) == (38, {"written": 5, "dropped": 0, "failed": 0})


def test_every_sink_gets_every_line(start: Callable[..., Daemon], miner: Path) -> None:
    """A file that rotates and a syslog server: the same lines, all counted; HUP opens both anew."""
    got: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # until the listener is shut
            while True:
                connection, _ = listener.accept()
                with connection, connection.makefile("rb") as stream:
                    while count := stream.read(1):
                        while not count.endswith(b" "):
                            count += stream.read(1)
                        got.append(stream.read(int(count)))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, args=(listener,), daemon=True)
        serving.start()
        server = f"127.0.0.1:{listener.getsockname()[1]}"
        daemon = start("--replay", miner, config=f"syslog: {{server: '{server}'}}\n")
        daemon.until(lambda: daemon.said("the replay has ended"), "the end")
        daemon.until(lambda: daemon.metric('sniffer_sink_written_total{sink="syslog"}') == 1, "the alert")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.until(lambda: daemon.said("rules loaded"), "the reload")
        assert daemon.metric('sniffer_sink_up{sink="(?:events|syslog)"}') == 2
        assert daemon.stop()[0] == 0
        lines = daemon.events.read_bytes().splitlines()
        deadline = time.monotonic() + 10
        while len(got) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        listener.shutdown(socket.SHUT_RDWR)  # before its number is somebody else's
        serving.join(10)
    assert [one.split(b" - ", 1)[1] for one in got] == lines
    assert [json.loads(line)["event_type"] for line in lines] == ["alert", "stats"]


def test_top_looks_at_a_running_daemon(start: Callable[..., Daemon], miner: Path) -> None:
    """``sniffer top`` shows the address that mines, how often, and the state; ``--json`` the same for programs."""
    daemon = start("--replay", miner)
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    daemon.until(lambda: daemon.metric("sniffer_host_hits_total") == 3, "hits")
    listen = next(line for line in daemon.log() if line["event"] == "started")["listen"]
    command = [
        sys.executable,
        "-c",
        "from sniffer.cli import main; main()",
        "top",
        "--url",
        f"http://{listen}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^10\.0\.0\.7 +3 +confirmed +high .* stratum-v1-submit", done.stdout, re.MULTILINE)
    assert "9 packets" in done.stdout
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False, timeout=30)
    assert json.loads(done.stdout)["hosts"][0]["hits"] == 3
    assert daemon.stop()[0] == 0


def test_a_killed_worker_is_replaced(start: Callable[..., Daemon], miner: Path) -> None:
    """A dead worker is back within seconds; counters do not fall; readiness tells the gap."""
    daemon = start("--replay", miner, "--speed", "2", "--loop")
    daemon.until(lambda: daemon.said("watching"), "the worker")
    daemon.until(lambda: daemon.metric("sniffer_hits_total") >= 3, "hits")
    packets, hits = daemon.metric("sniffer_capture_packets_total"), daemon.metric("sniffer_hits_total")
    (worker,) = daemon.children()
    os.kill(worker, signal.SIGKILL)
    daemon.until(lambda: daemon.metric("sniffer_worker_restarts_total") == 1, "the death")
    assert daemon.metric("sniffer_capture_packets_total") >= packets
    daemon.until(lambda: daemon.ask("/-/ready")[0] == 200, "the successor", 20)
    daemon.until(lambda: daemon.metric("sniffer_hits_total") > hits, "new hits")
    assert daemon.metric("sniffer_worker_up") == 1
    assert daemon.stop()[0] == 0


@pytest.mark.slow
def test_the_watchdog_is_fed_by_progress(start: Callable[..., Daemon], tmp_path: Path) -> None:
    """Signs of life go on without a packet; while a worker hangs and its successors hang too, none goes out; then they do."""
    talk = build.Conversation().open()
    talk.time += 3_600 * 10**9
    talk.send(0, SUBMIT)
    file = tmp_path / "quiet.pcap"
    file.write_bytes(build.pcap(talk.frames))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = tmp_path / "notify"
        manager.bind(str(path))

        def fed(seconds: float) -> int:
            """How often the watchdog is fed from now on, within some seconds."""
            found, deadline = 0, time.monotonic() + seconds
            while (left := deadline - time.monotonic()) > 0:
                manager.settimeout(left)
                with contextlib.suppress(TimeoutError):
                    found += manager.recv(4_096) == b"WATCHDOG=1"
            return found

        settings = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "2000000"}
        daemon = start("--replay", file, "--speed", "1", **settings)
        daemon.until(lambda: daemon.said("watching"), "the worker")
        packets = len(talk.frames) - 2
        daemon.until(lambda: daemon.metric("sniffer_capture_packets_total") == packets, "what comes at once")
        fed(0.1)
        assert fed(5) >= 5  # for longer than the manager waits, and nothing comes in
        assert daemon.metric("sniffer_capture_packets_total") == packets

        hanging: list[int] = []

        def hang() -> None:
            """Stop every worker that there is, and each that takes its place before it can do anything."""
            while not done.wait(0.005):
                with contextlib.suppress(OSError, ValueError):
                    for pid in daemon.children():
                        if pid not in hanging:
                            os.kill(pid, signal.SIGSTOP)
                            hanging.append(pid)

        done = threading.Event()
        hanger = threading.Thread(target=hang)
        hanger.start()
        try:
            fed(3)  # until what was told before has become too old
            assert fed(4) == 0
            assert daemon.process.poll() is None
        finally:
            done.set()
            hanger.join()
        assert len(hanging) == 2  # the first was replaced, its successor was not yet given up
        os.kill(hanging[-1], signal.SIGCONT)
        daemon.until(lambda: daemon.ask("/-/ready")[0] == 200, "the successor", 30)
        fed(1)
        assert fed(2) >= 2
        assert daemon.stop()[0] == 0


@pytest.mark.slow
def test_a_stuck_worker_is_replaced(start: Callable[..., Daemon], miner: Path) -> None:
    """A stopped worker is noticed and replaced."""
    daemon = start("--replay", miner, "--speed", "2", "--loop")
    daemon.until(lambda: daemon.said("watching"), "the worker")
    (worker,) = daemon.children()
    os.kill(worker, signal.SIGSTOP)
    daemon.until(lambda: daemon.metric("sniffer_worker_restarts_total") == 1, "the replacement", 15)
    daemon.until(lambda: daemon.ask("/-/ready")[0] == 200, "the successor", 20)
    assert daemon.stop()[0] == 0


@pytest.mark.slow
def test_the_worker_goes_with_its_parent(start: Callable[..., Daemon], miner: Path) -> None:
    """A killed parent leaves no worker behind."""
    daemon = start("--replay", miner, "--speed", "1", "--loop")
    daemon.until(lambda: daemon.said("watching"), "the worker")
    (worker,) = daemon.children()
    daemon.process.kill()
    daemon.process.wait(10)
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{worker}/cmdline") and time.monotonic() < deadline:  # noqa: PTH110
        time.sleep(0.1)
    assert not os.path.exists(f"/proc/{worker}/cmdline")  # noqa: PTH110


def test_the_service_manager_is_told(start: Callable[..., Daemon], miner: Path, tmp_path: Path) -> None:
    """READY comes with the worker, a status with its blind spots, RELOADING and READY around a reload, STOPPING at the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = tmp_path / "notify"
        manager.bind(str(path))
        manager.settimeout(60)
        daemon = start("--replay", miner, NOTIFY_SOCKET=str(path), WATCHDOG_USEC="2000000")

        def heard(word: str) -> str:
            deadline = time.monotonic() + 60
            while not (told := manager.recv(4_096).decode()).startswith(word):
                assert daemon.process.poll() is None
                assert time.monotonic() < deadline, f"waited in vain for {word}"
            return told

        heard("READY=1")
        assert daemon.said("watching") or daemon.said("started")
        heard("WATCHDOG=1")
        status = heard("STATUS=replay ended: 9 packets, ")
        assert "offered 9, captured 9, dropped 0 %, one-sided 0 %" in status
        daemon.process.send_signal(signal.SIGHUP)
        heard("RELOADING=1")
        heard("READY=1")
        daemon.process.send_signal(signal.SIGTERM)
        heard("STOPPING=1")
        assert daemon.process.wait(10) == 0


@pytest.mark.slow
def test_a_table_and_an_end(start: Callable[..., Daemon], miner: Path) -> None:
    """--table shows each address; --seconds ends the daemon by itself with status 0."""
    daemon = start("--replay", miner, "--table", "--seconds", "6")
    out = daemon.process.communicate(timeout=60)[0].decode()
    assert daemon.process.returncode == 0
    assert out.count("new: 10.0.0.7") == 1
    assert "9 packets" in out


@pytest.mark.parametrize(
    ("arguments", "config", "status", "words"),
    [
        (["--replay", "/nowhere/a.pcap"], "", 66, "missing"),
        (["--interface", "no-such-port"], "", 66, "no such interface"),
        (["--replay", "MINER", "--rules", "/nowhere"], "", 78, "no such folder"),
        (["--replay", "MINER"], "hosts: {series_limit: 0}\n", 78, "series_limit"),
        (["--replay", "MINER", "--interface", "lo"], "", 2, "exclude each other"),
        (["--replay", "MINER", "--listen", "TAKEN"], "", 74, "in use"),
        ([], "", 2, "no interface"),
        (["--replay", "MINER"], "http: {web_config_file: /nowhere/web.yml}\n", 78, "no such file"),
        (["--replay", "MINER"], "metrics: {textfile: /nowhere/sniffer.prom}\n", 74, "cannot be written"),
    ],
    ids=[
        "missing file",
        "missing interface",
        "missing rules",
        "bad config",
        "contradiction",
        "port in use",
        "nothing",
        "missing web configuration",
        "missing folder",
    ],
)
def test_what_keeps_it_from_starting(
    start: Callable[..., Daemon],
    miner: Path,
    tmp_path: Path,
    arguments: list[str],
    config: str,
    status: int,
    words: str,
) -> None:
    """One readable line and the exit status of its kind; never a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        names = {"MINER": str(miner), "TAKEN": f"127.0.0.1:{taken.getsockname()[1]}"}
        daemon = start(*(names.get(argument, argument) for argument in arguments), config=config)
        assert daemon.process.wait(60) == status
    text = (tmp_path / "log").read_text()
    assert words in text
    assert "Traceback" not in text


def test_a_miner_becomes_evidence(start: Callable[..., Daemon], miner: Path, tmp_path: Path) -> None:
    """A replay through the whole daemon leaves a bundle whose verdict comes out again; it is in the metrics and in the log."""
    daemon = start(
        "--replay", miner, config=f"evidence: {{directory: {tmp_path}/evidence, free_percent: 5}}\n"
    )
    daemon.until(lambda: daemon.said("evidence_recorded"), "a bundle")
    (name,) = bundle_names(tmp_path / "evidence")
    (told,) = [line for line in daemon.log() if line["event"] == "evidence_recorded"]
    assert told["bundle"] == name
    written, held = daemon.metrics(r'sniffer_sink_written_total\{sink="evidence"\}', "sniffer_evidence_bytes")
    assert (written, held > 10_000) == (1, True)
    assert daemon.stop()[0] == 0
    assert verify_folder(tmp_path / "evidence").findings == ()
    assert replay(tmp_path / "evidence" / name).is_reproduced
    sensor = json.loads((tmp_path / "evidence" / name / "sensor.json").read_bytes())
    assert (sensor["source"], sensor["rules"]["generation"], sensor["selftest_ok"]) == ("replay", 1, True)
    assert sensor["since_start"]["packets"] == 9


def test_evidence_is_off_by_default(start: Callable[..., Daemon], miner: Path, tmp_path: Path) -> None:
    """Without a folder nothing is kept, and the metrics say 0."""
    daemon = start("--replay", miner)
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    assert daemon.metrics(r'sniffer_sink_written_total\{sink="evidence"\}', "sniffer_evidence_bytes") == [
        0,
        0,
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "events.json",
        "log",
        "miner.pcap",
        "sniffer.yaml",
    ]


def test_a_folder_that_cannot_be_used(start: Callable[..., Daemon], miner: Path, tmp_path: Path) -> None:
    """It is told at the start, with the status of output, not found out at the first hit."""
    daemon = start("--replay", miner, config=f"evidence: {{directory: {tmp_path}/absent/e}}\n")
    assert daemon.process.wait(60) == 74
    assert "evidence.directory" in (tmp_path / "log").read_text()


# ── history ──────────────────────────────────────────────────────────────────────────────────────────────

SHARES = re.compile(
    r'^sniffer_host_shares_total\{ip="([^"]+)",tenant="",verdict="(\w+)"\} (\d+)$', re.MULTILINE
)


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``make demo`` replays."""
    file = tmp_path_factory.mktemp("stories") / "demo.pcap"
    subprocess.run([sys.executable, ROOT / "pcaps" / "merge.py", file], check=True)
    return file


def asked(path: Path, question: str) -> list[tuple[Any, ...]]:
    """Rows of a history."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base:
        return base.execute(question).fetchall()


def hits_of(path: Path) -> dict[str, Counter[str]]:
    """Hits that a history holds, by host and rule."""
    out: dict[str, Counter[str]] = {}
    for host, rule, hits in asked(
        path,
        "SELECT host.word, rule.word, sum(hits) FROM detections JOIN words AS host ON host.id = host"
        " JOIN words AS rule ON rule.id = rule GROUP BY 1, 2",
    ):
        out.setdefault(host, Counter())[rule] += hits
    return out


def shares_of(path: Path) -> dict[str, tuple[int, int, int]]:
    """Shares that a history holds, by host: submitted, accepted, rejected."""
    rows = asked(
        path,
        "SELECT word, sum(submitted), sum(accepted), sum(rejected) FROM sessions JOIN words ON words.id = host GROUP BY 1",
    )
    return {host: (submitted, accepted, rejected) for host, submitted, accepted, rejected in rows}


def test_a_history_of_all_stories(start: Callable[..., Daemon], stories: Path, tmp_path: Path) -> None:
    """TERM leaves everything in it: hits as the stories expect them, shares as the metrics have them; the report has the same."""
    file = tmp_path / "history.db"
    daemon = start("--replay", stories, config=f"history: {{file: {file}}}\n")
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    daemon.until(lambda: daemon.metric('sniffer_sink_written_total{sink="history"}') >= 1, "a page")
    packets = daemon.metric("sniffer_capture_packets_total")
    page = daemon.ask("/metrics")[1]
    status, took = daemon.stop()
    assert (status, took < 5) == (0, True)

    told: dict[str, dict[str, int]] = {}
    for host, verdict, number in SHARES.findall(page):
        told.setdefault(host, {})[verdict] = int(number)
    assert len(told) == 7
    assert shares_of(file) == {
        host: (of["submitted"], of["accepted"], of["rejected"]) for host, of in told.items()
    }
    assert hits_of(file) == wanted()
    assert asked(file, "SELECT sum(packets), sum(dropped), min(up) FROM health") == [(packets, 0, 1)]

    command = [sys.executable, "-c", "from sniffer.cli import main; main()", "report", "--format", "json"]
    answer = subprocess.run([*command, "--history", file], capture_output=True, check=True)
    report = json.loads(answer.stdout)
    assert {one["host"]: one["shares"] for one in report["addresses"]} == {
        host: of["accepted"] or of["submitted"] for host, of in told.items()
    }
    # A name that was asked for is a suspicion; the report counts what is at least probable.
    assert report["totals"]["hits"] == sum(
        hits for rules in wanted().values() for rule, hits in rules.items() if rule != "pool-dns"
    )
    # The stories last ten minutes, however fast they are read.
    assert report["period"]["watched_seconds"] == pytest.approx(602, abs=2)


def test_a_farm_and_a_business(start: Callable[..., Daemon], tmp_path: Path) -> None:
    """Of all that a host carries, the report has the part that is mining: one has ten times as much beside it, one nothing."""
    business, farm = build.Conversation(), build.Conversation(client=("10.0.0.8", 40_000))
    mining = []
    for talk in (business, farm):
        talk.open().send(0, SUBMIT)
    # Other hosts fill the first batch: who is seen mining in one is watched from the next on.
    small = build.udp(("10.0.0.9", 1_000), ("198.51.100.9", 2_000), b"")
    frames = [*business.frames, *farm.frames, *[(business.time, small)] * 9_000]
    for talk in (business, farm):
        talk.frames, talk.step = [], 100 * build.MILLISECOND
        for number in range(8_000):
            talk.send(0, SUBMIT, answered=number % 10 == 0)
        mining.append(sum(len(frame) for _, frame in talk.frames))
    kinds = [
        build.udp(("10.0.0.7", 50_000), ("198.51.100.9", 50_001), bytes(size)) for size in (60, 120, 180, 240)
    ]
    kinds += [build.tcp(("198.51.100.9", 80), ("10.0.0.7", 50_002), build.ACK, 1, 1, bytes(146))]
    count = 10 * mining[0] // 200
    span = (business.time - business.frames[0][0]) // count
    beside = [(business.frames[0][0] + number * span, kinds[number % 5]) for number in range(count)]
    other = sum(len(frame) for _, frame in beside)
    frames += sorted((*business.frames, *farm.frames, *beside))
    capture, file = tmp_path / "both.pcap", tmp_path / "history.db"
    with capture.open("wb") as out:
        out.write(build.pcap([]))
        out.writelines(build.pcap([one])[24:] for one in frames)

    daemon = start("--replay", capture, config=f"history: {{file: {file}}}\n")
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    assert daemon.stop()[0] == 0
    command = [sys.executable, "-c", "from sniffer.cli import main; main()", "report", "--format", "json"]
    answer = subprocess.run([*command, "--history", file], capture_output=True, check=True)
    report = json.loads(answer.stdout)
    share = {one["host"]: one["mining_bytes"] / one["all_bytes"] for one in report["addresses"]}
    # Some 1,100 samples: to about 2 %.
    assert share["10.0.0.8"] == 1
    assert share["10.0.0.7"] == pytest.approx(mining[0] / (mining[0] + other), rel=0.12)
    told = {one["host"]: one["mining_bytes"] for one in report["addresses"]}
    assert told == {
        "10.0.0.7": pytest.approx(mining[0], rel=0.08),
        "10.0.0.8": pytest.approx(mining[1], rel=0.08),
    }
    totals = report["totals"]
    assert totals["all_bytes"] == pytest.approx(sum(mining) + other, rel=0.1)
    assert totals["mining_bytes"] == sum(told.values())


def test_a_history_outlives_its_daemon(start: Callable[..., Daemon], stories: Path, tmp_path: Path) -> None:
    """KILL in the midst leaves a file that opens, with all that was committed; the next run goes on in it."""
    file = tmp_path / "history.db"
    config = f"history: {{file: {file}, interval: 10s}}\n"
    daemon = start("--replay", stories, "--speed", "60", config=config)
    daemon.until(lambda: daemon.said("watching"), "the worker")
    daemon.until(lambda: daemon.metric('sniffer_sink_written_total{sink="history"}') >= 3, "three pages")
    daemon.process.kill()
    daemon.process.wait(10)
    Lock(file, 10).release()  # what writes it may still be at the last page
    before, hits = shares_of(file), hits_of(file)
    assert sum(submitted for submitted, _, _ in before.values()) > 0
    assert asked(file, "PRAGMA integrity_check") == [("ok",)]
    with Reader(file) as reader:
        assert reader.cases(0, 2**32)
    for host, rules in hits.items():
        assert rules <= wanted()[host]

    daemon = start("--replay", stories, config=config)
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    assert daemon.stop()[0] == 0
    assert hits_of(file) == {host: rules + hits.get(host, Counter()) for host, rules in wanted().items()}
    # What a run has counted is in rows of its own: nothing of the one before was replaced.
    after = shares_of(file)
    assert sum(after["10.20.1.11"]) - sum(before.get("10.20.1.11", ())) == 43 + 43
    assert asked(file, "SELECT count(DISTINCT begun) FROM sessions") == [(2,)]


def writer_of(daemon: Daemon) -> int:
    """The process that writes a daemon's history; 0: none just now."""
    for thread in Path(f"/proc/{daemon.process.pid}/task").iterdir():
        with contextlib.suppress(OSError):
            for pid in (thread / "children").read_text(encoding="ascii").split():
                command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if b"sniffer.history.writer" in command:
                    return int(pid)
    return 0


def test_a_history_outlives_its_writer(start: Callable[..., Daemon], stories: Path, tmp_path: Path) -> None:
    """KILL to the process that writes it, twice: a sealed parent starts another, no page is lost, the log tells."""
    file = tmp_path / "history.db"
    daemon = start("--replay", stories, "--speed", "60", config=f"history: {{file: {file}, interval: 10s}}\n")
    daemon.until(lambda: daemon.said("watching"), "the worker")
    killed = {0}
    for pages in (1, 4):
        daemon.until(
            lambda most=pages: daemon.metric('sniffer_sink_written_total{sink="history"}') >= most, "pages"
        )
        daemon.until(lambda: writer_of(daemon) not in killed, "a writer")
        writer = writer_of(daemon)
        os.kill(writer, signal.SIGKILL)
        killed.add(writer)
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    daemon.until(lambda: writer_of(daemon) not in killed, "a third writer")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(writer_of(daemon), number)
    status, took = daemon.stop()
    assert (status, took < 5) == (0, True)
    assert hits_of(file) == wanted()
    told = [line for line in daemon.log() if line["event"].startswith("history_")]
    assert {(line["level"], line.get("error", "")) for line in told} == {
        ("error", "the writer ended: killed by SIGKILL"),
        ("info", ""),
    }
    Lock(file).release()


def test_sinks_that_are_off_have_zeros(start: Callable[..., Daemon], miner: Path, tmp_path: Path) -> None:
    """History and evidence: every family, nothing lost, up; no file."""
    daemon = start("--replay", miner)
    daemon.until(lambda: daemon.said("the replay has ended"), "the end")
    page = daemon.ask("/metrics")[1]
    for sink in ("history", "evidence"):
        lines = re.findall(rf'^sniffer_sink_(\w+)\{{sink="{sink}"\}} (\S+)$', page, re.MULTILINE)
        assert {family: float(value) for family, value in lines} == {
            "written_total": 0, "dropped_total": 0, "failed_total": 0, "waiting": 0, "up": 1,
        }  # fmt: skip
    assert not list(tmp_path.glob("*.db*"))


def test_the_parent_has_no_compiler() -> None:
    """Packets are the worker's: the parent loads neither what compiles their code nor a library that takes them apart."""
    code = "import sys, sniffer.control.daemon; print(*{'numba', 'llvmlite', 'numpy', 'scapy', 'dpkt'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.split() == []
