"""A real Prometheus, for tests of what it makes of the metrics: scrapes, rules, alerts.

In: a folder of its own, addresses to scrape, rule files.  Out: what its HTTP API answers.
Never: a port or a file outside of its folder that is already in use; a process that outlives the test.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from processes import end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

PROGRAM = shutil.which("prometheus")
ABSENT = "prometheus is not installed here (apt-get install prometheus)"
START_SECONDS = 30.0
STOP_SECONDS = 20.0


class Sample(NamedTuple):
    """One series of an answer: at one time, or over a range."""

    labels: dict[str, str]
    value: float  # the latest
    values: tuple[tuple[float, float], ...] = ()  # (seconds since 1970, value) of a range


class PrometheusError(AssertionError):
    """Prometheus has refused a query, or cannot be asked."""


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Prometheus:
    """A Prometheus that runs from ``with`` to its end, or from :meth:`start` to :meth:`stop`.

    Args:
        folder: for its configuration, its data and its log; made if it is not there.
        targets: addresses (``127.0.0.1:9478``) to scrape ``/metrics`` of, as the job ``sniffer``.
        rules: rule files; globs are taken as they are.
        interval: of scrapes and of evaluations.
        more: more of the configuration: its keys take the place of those made from the rest.
    """

    def __init__(
        self,
        folder: Path,
        targets: Iterable[str] = (),
        rules: Iterable[Path | str] = (),
        *,
        interval: str = "1s",
        more: Mapping[str, Any] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.address}"
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "prometheus.log"
        self._config = folder / "prometheus.yml"
        config = {
            "global": {
                "scrape_interval": interval,
                "scrape_timeout": interval,
                "evaluation_interval": interval,
            },
            "rule_files": [str(one) for one in rules],
            "scrape_configs": [{"job_name": "sniffer", "static_configs": [{"targets": list(targets)}]}],
            **(more or {}),
        }
        self._config.write_text(json.dumps(config, indent=1), encoding="utf-8")  # JSON is YAML

    # ── its life ─────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> Self:
        """Start it, and wait until it answers.

        Raises:
            PrometheusError: it ended at once, or does not answer in time; with its log.
        """
        if PROGRAM is None:
            raise PrometheusError(ABSENT)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    PROGRAM,
                    f"--config.file={self._config}",
                    f"--storage.tsdb.path={self.folder / 'data'}",
                    f"--web.listen-address={self.address}",
                    "--web.enable-lifecycle",
                    "--log.level=warn",
                ],
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self.until(self._is_ready, "Prometheus", START_SECONDS)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End it; nothing, if it does not run."""
        process, self._process = self._process, None
        if process is not None:
            end(process, STOP_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """What it has written."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def _is_ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise PrometheusError(f"Prometheus has ended:\n{self.log}")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
        return False

    @staticmethod
    def until(holds: Callable[[], object], what: str, seconds: float = 30.0) -> None:
        """Wait until something holds.

        Raises:
            PrometheusError: it did not, in so many seconds.
        """
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise PrometheusError(f"waited {seconds:.0f} s for {what}")
            time.sleep(0.2)

    # ── questions ────────────────────────────────────────────────────────────────────────────────────────

    def ask(self, path: str, **parameters: str | float) -> Any:
        """``data`` of an answer of the API (``query``, ``rules``, ``targets`` …).

        Raises:
            PrometheusError: an error, in its own words.
        """
        url = f"{self.url}/api/v1/{path}"
        if parameters:
            url += "?" + urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  # our own address
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise PrometheusError(
                    f"{path} {parameters}: {error.read().decode(errors='replace')}"
                ) from error
        except OSError as error:
            raise PrometheusError(f"{path} {parameters}: {error}\n{self.log}") from error

    def query(self, expr: str, at: float | None = None) -> list[Sample]:
        """The series of an expression now, or at a time (seconds since 1970)."""
        found = self.ask("query", query=expr, **({} if at is None else {"time": at}))
        if found["resultType"] in ("scalar", "string"):
            return [Sample({}, float(found["result"][1]))]
        return [Sample(one["metric"], float(one["value"][1])) for one in found["result"]]

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Sample]:
        """The series of an expression from a time to another (seconds since 1970)."""
        found = self.ask("query_range", query=expr, start=start, end=end, step=step)
        out = []
        for one in found["result"]:
            values = tuple((float(moment), float(value)) for moment, value in one["values"])
            out.append(Sample(one["metric"], values[-1][1], values))
        return out

    def alerts(self, name: str | None = None) -> list[dict[str, Any]]:
        """Alerts that are pending or firing: ``labels``, ``annotations``, ``state``, ``value``."""
        found = self.ask("alerts")["alerts"]
        return [one for one in found if name in (None, one["labels"]["alertname"])]

    def rules(self) -> list[dict[str, Any]]:
        """All rules, with ``health`` (``unknown`` before the first evaluation, ``ok``, ``err``) and ``lastError``."""
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]

    def targets(self) -> list[dict[str, Any]]:
        """What it scrapes, with ``health`` and ``lastError``."""
        return list(self.ask("targets", state="active")["activeTargets"])
