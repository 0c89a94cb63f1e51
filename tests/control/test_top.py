"""``sniffer top``: a table from a running daemon, whatever that daemon does."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import json
import os
import pty
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from authority import Authority
from rich.console import Console

from sniffer.control.top import AnswerError, Daemon, Top, address_of, age
from sniffer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TOP = [sys.executable, "-c", "from sniffer.cli import main; main()", "top"]


def host(ip: str, hits: int, last: float, **different: Any) -> dict[str, Any]:
    """An address as the daemon tells it."""
    return {
        "ip": ip, "tenant": "", "hits": hits, "confidence": "confirmed", "severity": "high", "last_hit": last,
        "rules": ["stratum-v1-submit"], "size": None, "cells": [], **different,
    }  # fmt: skip


def answer(*hosts: dict[str, Any], packets: int = 1_000, **different: Any) -> dict[str, Any]:
    """The daemon's answer."""
    return {
        "sensor": "north", "version": "1", "state": {"level": "good", "text": "watching"}, "packets": packets,
        "drops": 3, "hits": 12, "active_hosts": 2, "shown": {}, "hosts": list(hosts), **different,
    }  # fmt: skip


class Endpoint:
    """A server that answers what it is told to."""

    def __init__(self, tls: ssl.SSLContext | None = None, password: str = "") -> None:
        self.status = 200
        self.body: bytes = json.dumps(answer()).encode()
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                word = "Basic " + base64.b64encode(password.encode()).decode()
                status = 401 if password and self.headers.get("Authorization") != word else outer.status
                self.send_response(status)
                self.send_header("Location", "http://192.0.2.1/")
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(outer.body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=functools.partial(self.server.serve_forever, 0.05), daemon=True).start()

    def tell(self, told: object) -> None:
        """Answer this from now on."""
        self.body = json.dumps(told).encode()

    def close(self) -> None:
        """Stop."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A daemon's endpoint."""
    one = Endpoint()
    yield one
    with contextlib.suppress(OSError):
        one.close()


def text(top: Top, rows: int = 100, width: int = 200) -> str:
    """What is shown."""
    screen = Console(width=width)
    with screen.capture() as shown:
        screen.print(top.render(rows, width))
    return shown.get()


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────


def test_addresses_in_order_with_their_columns(endpoint: Endpoint) -> None:
    """Address and tenant, hits, confidence, severity, age of the last hit, rules; most hits or latest first."""
    endpoint.tell(
        answer(
            host("10.0.0.7", 5, 900.0, tenant="acme"),
            host("10.0.0.8", 90, 100.0, confidence="probable"),
            host("10.0.0.9", 7, 995.0, rules=["a", "b", "c", "d"]),
        )
    )
    for by, order in (("hits", "8 9 7"), ("last", "9 7 8")):
        top = Top(Daemon(endpoint.url), by, wall=lambda: 1_000.0)  # type: ignore[arg-type]
        top.poll()
        shown = text(top)
        assert re.findall(r"^10\.0\.0\.(\d)", shown, re.MULTILINE) == order.split()
        assert re.search(r"10\.0\.0\.7 \(acme\) +5 +confirmed +high +1 m ago +stratum-v1-submit", shown)
        assert re.search(r"10\.0\.0\.8 +90 +probable +high +15 m ago", shown)
        assert re.search(r"10\.0\.0\.9 +7 .* 5 s ago +a, b, c \+1", shown)
    assert "sniffer north" in shown
    assert "watching" in shown
    assert "1,000 packets, 3 dropped, 12 hits, 2 addresses in the last hour" in shown
    assert set(endpoint.asked) == {"/-/hosts"}


SIZE = {
    "submitted": 9, "accepted": 9, "rejected": 0, "devices": 3,
    "hashrate": {"sha256d": {"low": 9e13, "central": 9.53e13, "high": 1e14}},
    "watts": {"low": 2_900, "central": None, "high": 3_900},
}  # fmt: skip


def test_sizes_where_they_are_known_and_have_room(endpoint: Endpoint) -> None:
    """Hashrate, power and machines, a dash where unknown; no such columns where none is known or the terminal is narrow."""
    small = host("10.0.0.8", 3, 900.0)
    endpoint.tell(answer(host("10.0.0.7", 5, 900.0, size=SIZE), small))
    top = Top(Daemon(endpoint.url), wall=lambda: 1_000.0)
    top.poll()
    shown = text(top)
    assert re.search(r"severity +hashrate +power +machines +last hit", shown)
    assert re.search(r"10\.0\.0\.7 .* high +95\.3 TH/s sha256d +2\.9 kW - 3\.9 kW +3 +1 m ago", shown)
    assert re.search(r"10\.0\.0\.8 .* high +- +- +- +1 m ago", shown)
    assert "hashrate" not in text(top, width=80)
    endpoint.tell(answer(small))
    top.poll()
    assert "hashrate" not in text(top)


def test_rows_are_bounded(endpoint: Endpoint) -> None:
    """No more addresses than there is room for; the others are counted."""
    endpoint.tell(answer(*(host(f"10.0.0.{number}", number, 1.0) for number in range(50))))
    top = Top(Daemon(endpoint.url))
    top.poll()
    shown = text(top, rows=10)
    assert shown.count("10.0.0.") == 10
    assert "40 more addresses" in shown


def test_packets_a_second(endpoint: Endpoint) -> None:
    """From two polls; unknown with the first, and after the daemon was started anew."""
    now = [0.0]
    top = Top(Daemon(endpoint.url), clock=lambda: now[0])
    shown = []
    for second, packets in ((0.0, 1_000), (2.0, 4_000), (4.0, 100), (5.0, 350)):
        now[0] = second
        endpoint.tell(answer(packets=packets))
        top.poll()
        shown.append(re.findall(r"packets, ([\d,]+) a second", text(top)))
    assert shown == [[], ["1,500"], [], ["250"]]


def test_a_daemon_that_goes_and_comes_back(endpoint: Endpoint) -> None:
    """What was last known stays, with a line that says so; it goes on when the daemon does."""
    endpoint.tell(answer(host("10.0.0.7", 5, 900.0)))
    top = Top(Daemon(endpoint.url))
    top.poll()
    endpoint.status = 503
    top.poll()
    shown = text(top)
    assert "status 503; trying again" in shown
    assert "10.0.0.7" in shown
    endpoint.status = 200
    top.poll()
    assert "trying again" not in text(top)


def test_nothing_that_a_terminal_would_obey(endpoint: Endpoint) -> None:
    """Escape sequences, markup, line ends and marks of direction are shown as text."""
    evil = "\x1b[2J\x07[red]x[/red]\r\n\u202e"
    endpoint.tell(
        answer(
            host(
                evil,
                5,
                900.0,
                tenant=evil,
                confidence=evil,
                severity=evil,
                rules=[evil],
                size={**SIZE, "hashrate": {evil: SIZE["hashrate"]["sha256d"]}},
            ),
            sensor=evil,
            state={"level": evil, "text": evil},
        )
    )
    top = Top(Daemon(endpoint.url))
    top.poll()
    shown = text(top)
    assert not set("\x1b\x07\r\u202e") & set(shown)
    assert "[red]x[/red]" in shown.replace("\n", "")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s ago"), (59.9, "59 s ago"), (60, "1 m ago"), (7_200, "2 h ago"), (200_000, "2 d ago"), (-1, "-"),
     (1e18, "-"), (float("nan"), "-")],
)  # fmt: skip
def test_ages(seconds: float, words: str) -> None:
    """The largest whole unit; a dash for times that cannot be."""
    assert age(seconds) == words


# ── answers that are none ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"<html>", "not sniffer"),
        (200, b"{}", "not sniffer"),
        (200, b'{"hosts":[7]}', "not sniffer"),
        (200, b"[" * 100_000, "not sniffer"),
        (200, b" " * (17 << 20), "not sniffer"),
        (404, b"", "not sniffer"),
        (401, b"", "asks for a user and a password"),
        (302, b"", "status 302"),
        (500, b"", "status 500"),
    ],
)
def test_what_answers_otherwise(endpoint: Endpoint, status: int, body: bytes, words: str) -> None:
    """One line that says what, where and what to do; status 1; no redirection is followed."""
    endpoint.status, endpoint.body = status, body
    with pytest.raises(AnswerError, match=words) as caught:
        Top(Daemon(endpoint.url)).poll()
    assert caught.value.exit_status == 1
    assert endpoint.url in str(caught.value)
    assert caught.value.remedy


def test_nobody_there_and_no_proxy() -> None:
    """One line, status 1, no traceback; a proxy of the environment is not asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    environment = {**os.environ, "http_proxy": "http://192.0.2.1:9", "no_proxy": ""}
    done = subprocess.run(
        [*TOP, "--url", url], capture_output=True, text=True, check=False, env=environment, timeout=30
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {url}: no answer from the daemon: Connection refused; ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_server_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts and says nothing: given up after some seconds; it speaks something else: said."""
    monkeypatch.setattr("sniffer.control.top.SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(AnswerError, match="takes too long"):
            Daemon(f"http://{url}").ask()

        def speak() -> None:
            for _ in range(3):
                sock, _ = listener.accept()
                with sock, contextlib.suppress(OSError):
                    sock.recv(100)
                    sock.sendall(b"220 mail.example ESMTP\r\n")

        thread = threading.Thread(target=speak)
        thread.start()
        for scheme, words in (("http", "speaks no HTTP"), ("https", "no TLS")):
            with pytest.raises(AnswerError, match=words):
                Daemon(f"{scheme}://{url}").ask()
        thread.join(10)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1", "127.0.0.1:9478", ""])
def test_only_http(url: str) -> None:
    """Anything else is refused before it is opened."""
    with pytest.raises(UsageError, match="not an address"):
        Daemon(url)


def test_through_tls_and_a_password(tmp_path: Path) -> None:
    """With --ca, --user and --password-file it is shown; without one of them a line says which is missing."""
    authority = Authority(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.issue("server"))
    endpoint = Endpoint(tls, password="noc:pass word")
    endpoint.tell(answer(host("10.0.0.7", 5, 900.0)))
    secret = tmp_path / "password"
    secret.write_text("pass word\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*TOP, "--url", endpoint.url, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    word = ("--user", "noc", "--password-file", str(secret))
    done = run("--ca", str(authority.file), *word)
    assert (done.returncode, done.stderr) == (0, "")
    assert "10.0.0.7" in done.stdout
    for arguments, status, words in (
        (word, 1, "certificate is not accepted"),
        (("--ca", str(authority.file)), 1, "asks for a user and a password"),
        (("--ca", str(authority.file), *word[:2]), 2, "need each other"),
        (("--ca", str(secret), *word), 2, "holds no certificate"),
        (("--ca", str(authority.file), "--user", "noc", "--password-file", "/nowhere"), 2, "cannot be read"),
    ):
        done = run(*arguments)
        assert done.returncode == status
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
    endpoint.close()


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("127.0.0.1:9478", "http://127.0.0.1:9478"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        (":9000", "http://127.0.0.1:9000"),
        ("[::]:9478", "http://[::1]:9478"),
        ("[2001:db8::1]:9478", "http://[2001:db8::1]:9478"),
    ],
)
def test_where_the_configuration_has_it_listen(tmp_path: Path, listen: str, url: str) -> None:
    """From --config: an address of this machine in place of all of them."""
    file = tmp_path / "sniffer.yaml"
    file.write_text(f"http: {{listen: '{listen}'}}\n")
    assert address_of(file) == url


# ── as it is run ─────────────────────────────────────────────────────────────────────────────────────────


def test_as_json(endpoint: Endpoint) -> None:
    """The daemon's answer, without what only its page needs."""
    endpoint.tell(answer(host("10.0.0.7", 5, 900.0)))
    done = subprocess.run(
        [*TOP, "--url", endpoint.url, "--json"], capture_output=True, check=False, timeout=30
    )
    told = json.loads(done.stdout)
    assert (done.returncode, told["packets"], told["hosts"][0]["ip"]) == (0, 1_000, "10.0.0.7")
    assert "shown" not in told
    assert "cells" not in told["hosts"][0]


def on_a_terminal(
    endpoint: Endpoint, until: Callable[[str], bool], number: signal.Signals
) -> tuple[str, int]:
    """Run it on a terminal of 80 by 20 until it shows something, then send a signal: what it showed, its status."""
    process, terminal = pty.fork()
    if not process:
        signal.signal(
            signal.SIGINT, signal.SIG_DFL
        )  # a shell that runs tests in the background has it ignored
        os.environ.update(TERM="xterm", COLUMNS="80", LINES="20")
        os.execv(sys.executable, [*TOP, "--url", endpoint.url, "--interval", "0.5"])  # noqa: S606
    shown = b""
    deadline = time.monotonic() + 30
    try:
        while not until(shown.decode(errors="replace")):
            assert time.monotonic() < deadline, shown.decode(errors="replace")
            if select.select([terminal], [], [], 0.2)[0]:
                shown += os.read(terminal, 65_536)
    finally:
        os.kill(process, number)
        end = time.monotonic() + 30
        with contextlib.suppress(OSError):
            while time.monotonic() < end and select.select([terminal], [], [], 5)[0]:
                shown += os.read(terminal, 65_536)
        os.kill(process, signal.SIGKILL)  # nothing happens where it has ended
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        os.close(terminal)
    return shown.decode(errors="replace"), status


@pytest.mark.slow
def test_on_a_terminal(endpoint: Endpoint) -> None:
    """It is drawn again as the daemon's numbers change, no higher than the terminal; it survives the daemon; Ctrl-C ends it with 0."""
    hosts = [host(f"10.0.0.{number}", number, 1.0) for number in range(50)]
    endpoint.tell(answer(*hosts))
    state = {"asked": 0}

    def enough(shown: str) -> bool:
        if "1,000 packets" in shown and not state["asked"]:
            state["asked"] = 1
            endpoint.tell(answer(*hosts, packets=77_000))
        if "77,000 packets" in shown and state["asked"] == 1:
            state["asked"] = 2
            endpoint.status = 503
        return "trying again" in shown

    shown, status = on_a_terminal(endpoint, enough, signal.SIGINT)
    assert status == 0
    frame = shown[: shown.index("77,000")]
    assert 1 <= len(set(re.findall(r"10\.0\.0\.\d+", frame))) <= 14
    assert shown.rstrip().endswith("\x1b[?1049l") or "\x1b[?1049l" in shown  # the terminal is given back
