"""deploy/alertmanager/alertmanager.yml: who is told what, in which groups, and what is not told; by a real Alertmanager."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import subprocess
import threading
import time
import urllib.request
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Self

import pytest
import yaml
from deploy.alertlist import DEPLOY, run, the_list
from processes import end, until
from prometheus import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = DEPLOY / "alertmanager" / "alertmanager.yml"
PROGRAM = shutil.which("prometheus-alertmanager")
ALERTS = the_list().alerts
needs_alertmanager = pytest.mark.skipif(
    PROGRAM is None, reason="no Alertmanager here (apt-get install prometheus-alertmanager)"
)


def config() -> Any:
    """The file, read."""
    return yaml.safe_load(FILE.read_text("utf-8"))


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────


def test_is_taken() -> None:
    """amtool finds no fault in it."""  # noqa: D403  # a name
    assert "2 receivers" in run("amtool", "check-config", FILE)


def test_is_taken_with_wecom(tmp_path: Path) -> None:
    """The receiver for WeCom that is commented out is taken once it is uncommented; amtool before 0.31 knows no secret file."""
    text, count = re.subn(
        r"^    # (?=wechat_configs:|  )", "    ", FILE.read_text("utf-8"), flags=re.MULTILINE
    )
    assert count == 12
    (wecom,) = yaml.safe_load(text)["receivers"][0]["wechat_configs"]
    assert wecom["api_secret_file"].startswith("/etc/alertmanager/")
    file = tmp_path / "alertmanager.yml"
    file.write_text(text, encoding="utf-8")
    version = re.search(r"version (\d+)\.(\d+)", run("amtool", "--version"))
    assert version is not None
    if (int(version[1]), int(version[2])) < (0, 31):
        file.write_text(text.replace("api_secret_file:", "api_secret:"), encoding="utf-8")
    run("amtool", "check-config", file)


def test_secrets_are_in_files() -> None:
    """Each receiver takes what is secret from a file."""
    for receiver in config()["receivers"]:
        for webhook in receiver["webhook_configs"]:
            assert webhook["http_config"]["authorization"]["credentials_file"].startswith(
                "/etc/alertmanager/"
            )
    assert not re.search(
        r"^\s*(?:- )?(?:password|credentials|api_secret|api_key|token):",
        FILE.read_text("utf-8"),
        re.MULTILINE,
    )


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_everybody_is_told_what_is_theirs(alert: Any) -> None:
    """Alerts about mining go to staff, alerts about sensors to operators, whatever their severity."""
    labels = [f"{name}={value}" for name, value in (alert.labels | {"alertname": alert.name}).items()]
    said = run("amtool", "config", "routes", "test", f"--config.file={FILE}", *labels)
    assert said.strip() == {"mining": "staff", "sensor": "operators"}[alert.group]


def test_what_is_unknown_goes_to_operators() -> None:
    """An alert of another program does not get lost."""
    said = run("amtool", "config", "routes", "test", f"--config.file={FILE}", "alertname=DiskFull")
    assert said.strip() == "operators"


def test_inhibitions_name_alerts_that_exist() -> None:
    """A rule for an alert of another name would do nothing, and nobody would know."""
    names = {alert.name for alert in ALERTS}
    told = set(re.findall(r"Sniffer\w+", json.dumps(config()["inhibit_rules"])))
    assert told
    assert told <= names


# ── a real Alertmanager ──────────────────────────────────────────────────────────────────────────────────


class Hook:
    """Takes what a webhook is sent."""

    def __init__(self) -> None:
        got = self.got = []  # type: ignore[var-annotated]  # (path, authorization, body)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                got.append((self.path, self.headers["Authorization"], body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Alertmanager:
    """A running Alertmanager with the file of deploy/, but for its waits, addresses and secrets."""

    def __init__(self, folder: Path, hook: Hook) -> None:
        secret = folder / "token"
        secret.write_text("s3cret")
        text = FILE.read_text("utf-8").replace("http://127.0.0.1:8060", f"http://127.0.0.1:{hook.port}")
        text = text.replace("/etc/alertmanager/webhook-token", str(secret))
        text = re.sub(r"group_wait: \d+s", "group_wait: 1s", text)
        file = folder / "alertmanager.yml"
        file.write_text(text, encoding="utf-8")
        self.url = f"http://127.0.0.1:{free_port()}/api/v2/alerts"
        address = self.url.split("/")[2]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    str(PROGRAM),
                    f"--config.file={file}",
                    f"--storage.path={folder / 'data'}",
                    f"--web.listen-address={address}",
                    "--cluster.listen-address=",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def tell(self, *labels: dict[str, str]) -> None:
        """Send alerts, as Prometheus does; wait until it is there."""
        body = json.dumps([{"labels": one, "annotations": {"summary": one["alertname"]}} for one in labels])
        request = urllib.request.Request(  # noqa: S310  # our own address
            self.url, body.encode(), {"Content-Type": "application/json"}
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
            else:
                return

    def suppressed(self) -> set[str]:
        """Names of the alerts that it holds back."""
        with urllib.request.urlopen(self.url, timeout=10) as answer:  # noqa: S310
            found = json.load(answer)
        return {one["labels"]["alertname"] for one in found if one["status"]["inhibitedBy"]}


@pytest.fixture
def hook() -> Iterator[Hook]:
    """Takes what is sent."""
    with Hook() as one:
        yield one


@pytest.fixture
def manager(tmp_path: Path, hook: Hook) -> Iterator[Alertmanager]:
    """Running; ended with the test."""
    one = Alertmanager(tmp_path, hook)
    yield one
    end(one.process, 20)


def labelled(name: str, **more: str) -> dict[str, str]:
    """Labels of an alert, as Prometheus sends it."""
    (alert,) = (one for one in ALERTS if one.name == name)
    return {"alertname": name, "job": "sniffer", "instance": "east:9478", **alert.labels, **more}


@pytest.mark.slow
@needs_alertmanager
def test_a_tenant_gets_one_message(manager: Alertmanager, hook: Hook) -> None:
    """New miners of two tenants and faults of a sensor make three messages, each with the secret of the file."""
    manager.tell(
        *(labelled("SnifferNewMiner", ip=f"10.0.0.{n}", tenant="a") for n in range(1, 6)),
        labelled("SnifferNewMiner", ip="10.1.0.1", tenant="b"),
        labelled("SnifferPacketsCut"),
        labelled("SnifferUndecoded"),
    )
    until(lambda: len(hook.got) >= 3, 30)
    time.sleep(2)  # and no more come
    messages: dict[str, list[list[str]]] = defaultdict(list)
    for path, authorization, body in hook.got:
        assert authorization == "Bearer s3cret"
        messages[path].append(
            sorted(one["labels"].get("ip", one["labels"]["alertname"]) for one in body["alerts"])
        )
    assert {path: sorted(found) for path, found in messages.items()} == {
        "/staff": [[f"10.0.0.{n}" for n in range(1, 6)], ["10.1.0.1"]],
        "/operators": [["SnifferPacketsCut", "SnifferUndecoded"]],
    }


@pytest.mark.slow
@needs_alertmanager
@pytest.mark.parametrize(
    ("cause", "effects", "others"),
    [
        (
            labelled("SnifferSensorDown"),
            [labelled("SnifferNoPackets", interface="eth1"), labelled("SnifferSinkFailing", sink="events")],
            [labelled("SnifferNewMiner", ip="10.0.0.7", tenant="a")],
        ),
        (
            labelled("SnifferInterfaceDown", interface="eth1"),
            [labelled("SnifferNoPackets", interface="eth1"), labelled("SnifferOneDirection")],
            [labelled("SnifferPacketsCut")],
        ),
        (
            labelled("SnifferNoPackets", interface="eth1"),
            [labelled("SnifferOneDirection")],
            [labelled("SnifferReloadFailed")],
        ),
        (
            labelled("SnifferWorkerDown", worker="1"),
            [labelled("SnifferSelfTestFailed"), labelled("SnifferPacketsDropped", interface="eth1")],
            [labelled("SnifferReloadFailed")],
        ),
        (
            labelled("SnifferManyPacketsDropped", interface="eth1"),
            [labelled("SnifferPacketsDropped", interface="eth1")],
            [labelled("SnifferUndecoded")],
        ),
        (
            labelled("SnifferHitsOverflow"),
            [labelled("SnifferSeriesLimitNear")],
            [labelled("SnifferConfirmedMining", confidence="confirmed")],
        ),
    ],
    ids=lambda value: value["alertname"] if isinstance(value, dict) else None,
)
def test_consequences_are_not_told(
    manager: Alertmanager,
    hook: Hook,
    cause: dict[str, str],
    effects: list[dict[str, str]],
    others: list[dict[str, str]],
) -> None:
    """What only follows from something worse on the same sensor is held back; the same on another sensor is not."""
    elsewhere = [{**effect, "instance": "west:9478"} for effect in effects]
    manager.tell(cause, *effects, *others, *elsewhere)
    names = {effect["alertname"] for effect in effects}
    told = {cause["alertname"], *(one["alertname"] for one in others)}

    def arrived() -> set[tuple[str, str]]:
        return {
            (one["labels"]["alertname"], one["labels"]["instance"])
            for _, _, body in hook.got
            for one in body["alerts"]
        }

    wanted = {(name, "east:9478") for name in told} | {(name, "west:9478") for name in names}
    if "SnifferNoPackets" in names:  # it holds back in turn what follows from it
        wanted.discard(("SnifferOneDirection", "west:9478"))
    until(lambda: wanted <= arrived(), 30)
    time.sleep(1.5)
    assert arrived() == wanted
    assert manager.suppressed() == names
