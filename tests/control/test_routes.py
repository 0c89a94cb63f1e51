"""What each path answers, through the real endpoint."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sniffer.control import page
from sniffer.control.http import Endpoint, Request, Response
from sniffer.control.routes import Snapshot, make_routes
from sniffer.sinks.hosts import HostBook
from sniffer.sinks.metrics import Health
from sniffer.sinks.networks import HostNames
from sniffer.size.hosts import SizeBook
from sniffer.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sniffer.control.words import Words

PLAIN, GZIP = Request("GET", gzip=False), Request("GET", gzip=True)
METRICS = b"# HELP sniffer_flows Flows.\n" + b"sniffer_flows 1\n" * 1000


def told(words: Words) -> dict[str, Any]:
    """An overview of a sensor that has seen nothing."""
    return page.overview(Health(), Totals(), HostBook(), SizeBook(HostNames()), words)


def ask(
    path: str,
    *,
    method: str = "GET",
    headers: str = "",
    ready: bool = True,
    reload: Callable[[], Awaitable[tuple[bool, str]]] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """One request to an endpoint with all routes; status, headers, body."""

    async def run() -> bytes:
        routes = make_routes(
            metrics=lambda: METRICS,
            overview=told,
            healthy=lambda: (True, "1 worker up"),
            ready=lambda: (ready, "watching eth1" if ready else "starting"),
            reload=reload,
        )
        endpoint = Endpoint("127.0.0.1:0", routes)
        await endpoint.start()
        reader, writer = await asyncio.open_connection(*endpoint.address)
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        await endpoint.close()
        return answer

    head, _, body = asyncio.run(run()).partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


def test_metrics() -> None:
    """Prometheus text format 0.0.4, as the content type says."""
    status, headers, body = ask("/metrics")
    assert (status, body) == (200, METRICS)
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_metrics_gzipped() -> None:
    """Compressed for those who ask, and caches are told that it depends."""
    _, headers, body = ask("/metrics", headers="Accept-Encoding: gzip\r\n")
    assert headers["content-encoding"] == "gzip"
    assert headers["vary"] == "accept-encoding"
    assert len(body) < len(METRICS) / 10
    assert gzip.decompress(body) == METRICS


def test_page_and_its_data() -> None:
    """The page comes with its policy, the data as JSON."""
    status, headers, body = ask("/")
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-security-policy"] == page.POLICY.lower()
    assert body.startswith(b"<!doctype html>")
    status, headers, body = ask("/-/hosts")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body)["hosts"] == []


@pytest.mark.parametrize("path", ["/", "/-/hosts"])
@pytest.mark.parametrize(
    ("query", "accept", "language"),
    [
        ("", "", "en"),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("?lang=en", "zh-CN", "en"),
        ("?lang=zh", "en-GB", "zh"),
        ("?lang=<script>", "fr", "en"),
    ],
)
def test_the_language_of_the_reader(path: str, query: str, accept: str, language: str) -> None:
    """A link decides, else the browser's wish; caches are told that it depends, and nothing of the query comes back."""
    lines = f"Accept-Language: {accept}\r\n" if accept else ""
    status, headers, body = ask(path + query, headers=lines)
    assert (status, headers["content-language"]) == (200, language)
    assert ("没有工作进程" in body.decode()) == (language == "zh")
    assert b"<script>&" not in body
    assert b"lang=<" not in body


@pytest.mark.parametrize(
    ("ready", "status", "line"), [(True, 200, b"watching eth1\n"), (False, 503, b"starting\n")]
)
def test_ready_only_when_it_could_detect(ready: bool, status: int, line: bytes) -> None:  # noqa: FBT001
    """Healthy means alive, ready means watching: they differ while starting."""
    assert ask("/-/ready", ready=ready)[::2] == (status, line)
    assert ask("/-/healthy", ready=ready)[::2] == (200, b"1 worker up\n")


def test_reload_is_off_unless_enabled() -> None:
    """403 with what to do about it; a GET is never a reload."""
    status, _, body = ask("/-/reload", method="POST")
    assert status == 403
    assert b"http.reload" in body
    assert b"SIGHUP" in body
    assert ask("/-/reload")[0] == 405


@pytest.mark.parametrize(("fine", "status"), [(True, 200), (False, 500)])
def test_reload_tells_the_truth(fine: bool, status: int) -> None:  # noqa: FBT001
    """Success only if the new rules are in use; otherwise the fault, in printable text."""

    async def reload() -> tuple[bool, str]:
        await asyncio.sleep(0)
        return fine, "rules/a.yaml:3:1: caf\u00e9"

    code, _, body = ask("/-/reload", method="POST", reload=reload)
    assert (code, body) == (status, b"rules/a.yaml:3:1: caf\\xe9\n")


# ── snapshots ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_snapshot_is_shared_for_a_second() -> None:
    """However many ask within a second, the text is rendered once; after it, anew."""
    now, rendered = [0.0], [0]

    def render() -> bytes:
        rendered[0] += 1
        return b"%d" % rendered[0]

    snapshot = Snapshot(render, "text/plain", clock=lambda: now[0])

    async def run() -> list[bytes]:
        bodies = []
        for moment in (0.0, 0.5, 0.99, 1.0, 1.5, 2.0):
            now[0] = moment
            bodies.append((await snapshot.answer(PLAIN)).body)
        return bodies

    assert asyncio.run(run()) == [b"1", b"1", b"1", b"2", b"2", b"3"]


def test_a_snapshot_is_compressed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """50 clients that ask for gzip at the same moment cost one compression; one that leaves does not spoil it."""
    calls = []
    real = gzip.compress

    def count(data: bytes, level: int, *, mtime: int) -> bytes:
        calls.append(threading.current_thread())
        return real(data, level, mtime=mtime)

    monkeypatch.setattr(gzip, "compress", count)
    snapshot = Snapshot(lambda: METRICS, "text/plain", clock=lambda: 0.0)

    async def run() -> list[Response]:
        first = asyncio.create_task(snapshot.answer(GZIP))
        await asyncio.sleep(0)
        first.cancel()
        return await asyncio.gather(*(snapshot.answer(GZIP) for _ in range(50)))

    answers = asyncio.run(run())
    assert len(calls) == 1
    assert calls[0] is not threading.main_thread()
    assert {gzip.decompress(answer.body) for answer in answers} == {METRICS}


def test_a_short_text_is_not_compressed() -> None:
    """Below a kilobyte compression costs more than it saves."""
    snapshot = Snapshot(lambda: b"short", "text/plain")
    assert asyncio.run(snapshot.answer(GZIP)).body == b"short"
