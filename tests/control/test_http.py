"""The HTTP endpoint, spoken to over real sockets, in the clear and over TLS, by good clients and by bad ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import until

from sniffer.config import parse_listen
from sniffer.control.guard import Guard
from sniffer.control.http import PIECE, Endpoint, Request, Response, Route, takes_gzip
from sniffer.control.webconfig import load_web
from sniffer.errors import AccessError, OutputError, UsageError
from sniffer.garbage import not_collected
from sniffer.log import configure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from authority import Authority

BIG = b"0123456789abcde\n" * (1 << 20)  # 16 MiB: more than the socket buffers of a client that does not read


def hello(request: Request) -> Response:
    """A page."""
    return Response(200, f"hello {request.method} gzip={request.gzip}\n".encode())


async def later(_request: Request) -> Response:
    """A page that takes a while, and works."""
    await asyncio.sleep(0.01)
    return Response.text(200, "later")


def broken(_request: Request) -> Response:
    """A page with a fault of ours."""
    raise RuntimeError("secret detail\nof the inside")


ROUTES = {
    "/": Route(hello),
    "/later": Route(later),
    "/broken": Route(broken),
    "/big": Route(lambda _request: Response(200, BIG)),
    "/-/reload": Route(later, "POST"),
}


class Running:
    """An endpoint in a thread of its own; with the context of a client, over TLS."""

    def __init__(self, client: ssl.SSLContext | None = None, **options: Any) -> None:
        self.client = client
        self.loop = asyncio.new_event_loop()
        self.faults: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.faults.append(context))
        self.endpoint = Endpoint("127.0.0.1:0", ROUTES, **options)
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.do(self.endpoint.start)
        self.address = self.endpoint.address

    def do(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run something in the endpoint's loop."""

        async def run() -> None:
            await work()

        asyncio.run_coroutine_threadsafe(run(), self.loop).result(10)

    def stop(self) -> None:
        """End the endpoint and its loop."""
        self.do(self.endpoint.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()
        assert not self.faults  # of ours, which nobody would have seen

    def knock(self) -> socket.socket:
        """A connection without a handshake, on which nothing waits for longer than 10 s."""
        return socket.create_connection(self.address, 10)

    def connect(self) -> socket.socket:
        """A connection as the endpoint wants it."""
        raw = self.knock()
        if self.client is None:
            return raw
        return self.client.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)

    def ask(self, request: bytes) -> bytes:
        """Send bytes and return everything that comes back."""
        with self.connect() as client:
            client.sendall(request)
            return read_all(client)

    def get(self, path: str = "/") -> bytes:
        """A well-formed request."""
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


def read_all(client: socket.socket) -> bytes:
    """Everything until the other end closes."""
    out = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := client.recv(1 << 16):
            out += data
    return out


def status(answer: bytes) -> int:
    """Status code of an answer."""
    assert answer.startswith(b"HTTP/1.1 "), answer[:80]
    return int(answer[9:12])


def header(answer: bytes, name: str) -> str:
    """One header of an answer."""
    for line in answer.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")[1:]:
        key, _, value = line.partition(": ")
        if key.lower() == name:
            return value
    return ""


@pytest.fixture
def plain() -> Iterator[Running]:
    """An endpoint with short patience."""
    one = Running(head_seconds=1.0, send_seconds=2.0)
    yield one
    one.stop()


@pytest.fixture(params=["plain", "tls"])
def made(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Callable[..., Running]]:
    """Makes endpoints, in the clear and over TLS, and ends them."""
    running: list[Running] = []

    def make(**options: Any) -> Running:
        if request.param == "tls":
            options |= {"client": authority.client(), "guard": Guard(load_web(authority.folder / "tls.yml"))}
        running.append(Running(**options))
        return running[-1]

    yield make
    for one in running:
        one.stop()


@pytest.fixture
def running(made: Callable[..., Running]) -> Running:
    """An endpoint with short patience, in the clear and over TLS."""
    return made(head_seconds=1.0, send_seconds=2.0)


# ── good clients ─────────────────────────────────────────────────────────────────────────────────────────


def test_answers(running: Running) -> None:
    """Status, type, exact length, one request a connection."""
    answer = running.get()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"hello GET gzip=False\n"
    assert header(answer, "content-length") == str(len(body))
    assert header(answer, "connection") == "close"
    assert header(answer, "x-content-type-options") == "nosniff"
    assert header(answer, "content-type") == "text/plain; charset=utf-8"


def test_head_has_no_body(running: Running) -> None:
    """HEAD says how long the page would be and sends none of it."""
    answer = running.ask(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status(answer) == 200
    assert answer.endswith(b"\r\n\r\n")
    assert int(header(answer, "content-length")) == len(b"hello GET gzip=False\n")


def test_sends_a_large_page_whole(running: Running) -> None:
    """16 MiB arrive unchanged."""
    assert running.get("/big").partition(b"\r\n\r\n")[2] == BIG


def test_old_and_slow_but_honest(running: Running) -> None:
    """HTTP/1.0, a query, and a head that comes byte by byte within the deadline are served."""
    assert status(running.ask(b"GET /?a=1&b=2 HTTP/1.0\r\n\r\n")) == 200
    with running.connect() as client:
        for byte in b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n":
            client.sendall(bytes([byte]))
            time.sleep(0.005)
        assert status(read_all(client)) == 200


def test_many_good_clients_at_once(running: Running) -> None:
    """50 clients at the same time all get their page."""
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(running.get("/later"))) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status(answer) for answer in answers] == [200] * 50


# ── requests that are refused ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"GET /absent HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET //metrics HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET /%2e%2e/ HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET /later/..;/ HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET /" + b"a" * 255 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET /?" + b"name[]=&" * 100_00 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"GET /?" + b"a&" * 65 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405),
        (b"GET /-/reload HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"CONNECT example.org:80 HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA\x00B: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET /" + b"a" * (1 << 20), 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 10_000 + b"\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200 + b"\r\n\r\n", 400),
    ],
)
def test_refuses(running: Running, request_: bytes, expected: int) -> None:
    """What is not a request for one of our pages gets a short, plain no."""
    with running.connect() as client:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            client.sendall(request_)
        answer = read_all(client)
    assert status(answer) == expected
    assert len(answer) < 500
    assert status(running.get()) == 200


def test_one_request_a_connection(running: Running) -> None:
    """Of 10 000 pipelined requests the first is answered; nothing of the others is."""
    with running.connect() as client:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 10_000)
        answer = read_all(client)
    assert answer.count(b"HTTP/1.1 ") <= 1  # on a connection that is reset, even the first may be lost
    assert status(running.get()) == 200


@pytest.mark.parametrize(
    "line",
    [
        b"Origin: http://evil.example",
        b"Referer: http://evil.example/",
        b"X-Forwarded-Host: evil.example",
        b"Access-Control-Request-Method: evil.example",
        b"Cookie: evil.example",
        b"Accept-Language: evil.example",
        b"Authorization: evil.example",
    ],
)
def test_nothing_is_reflected(running: Running, line: bytes) -> None:
    """No header, host, path or query of a request comes back in an answer, and no other site is let in by CORS."""
    for path in (b"/", b"/evil.example", b"/?evil.example"):
        answer = running.ask(b"GET " + path + b" HTTP/1.1\r\nHost: evil.example\r\n" + line + b"\r\n\r\n")
        assert b"evil" not in answer
        assert b"access-control" not in answer.lower()


def test_an_unread_body_does_not_cost_the_answer(running: Running) -> None:
    """A POST that announces 10 GiB and starts to send is answered at once, its body left unread."""
    with running.connect() as client:
        client.sendall(
            b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 10737418240\r\n\r\n" + b"x" * 5000
        )
        assert status(read_all(client)) == 200


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (b"", 200),
        (b"Origin: http://x\r\n", 200),
        (b"Origin: http://evil.example\r\n", 403),
        (b"Origin: null\r\n", 403),
        (b"Sec-Fetch-Site: cross-site\r\n", 403),
        (b"Sec-Fetch-Site: same-origin\r\nOrigin: http://x\r\n", 200),
    ],
)
def test_other_sites_cannot_post(running: Running, headers: bytes, expected: int) -> None:
    """A form on another web site cannot make a browser reload the sensor's rules."""
    answer = running.ask(b"POST /-/reload HTTP/1.1\r\nHost: x\r\n" + headers + b"Content-Length: 0\r\n\r\n")
    assert status(answer) == expected
    assert b"evil" not in answer


def test_a_fault_of_ours_is_a_plain_500(running: Running) -> None:
    """No traceback, no detail; the next request is served."""
    answer = running.get("/broken")
    assert status(answer) == 500
    assert b"secret" not in answer
    assert b"Traceback" not in answer
    assert status(running.get()) == 200


def test_a_cut_request_is_never_served(plain: Running) -> None:
    """A client that goes away within the head gets nothing."""
    with plain.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b""


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_get_an_answer_or_nothing(garbage: bytes) -> None:
    """Whatever is sent: silence or one well-formed answer, never anything else, and the endpoint lives."""
    one = shared_endpoint()
    with one.connect() as client:
        client.sendall(garbage)
        client.shutdown(socket.SHUT_WR)
        answer = read_all(client)
    assert not answer or 200 <= status(answer) < 600


_shared: dict[bool, Running] = {}


def shared_endpoint(authority: Authority | None = None) -> Running:
    """One endpoint for all examples of a property; with an authority, over TLS."""
    key = authority is not None
    if key not in _shared:
        guard = Guard(load_web(authority.folder / "tls.yml")) if authority else None
        _shared[key] = Running(head_seconds=1.0, guard=guard)
    return _shared[key]


@pytest.fixture(scope="module", autouse=True)
def _end_shared_endpoint() -> Iterator[None]:
    yield
    while _shared:
        _shared.popitem()[1].stop()


# ── hostile clients ──────────────────────────────────────────────────────────────────────────────────────


def test_a_slow_head_meets_its_deadline(running: Running) -> None:
    """A head that trickles in without end is cut off after head_seconds, however often a byte comes."""
    with running.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        started = time.monotonic()
        client.settimeout(0.05)
        answer = b""
        while not answer and time.monotonic() - started < 5:
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                client.sendall(b"a")
            with contextlib.suppress(TimeoutError):
                answer = client.recv(4096)
        assert status(answer) == 408
        assert 0.8 < time.monotonic() - started < 2.5
    assert running.endpoint.rejected["slow"] == 1


def hold(running: Running, number: int, start: bytes) -> list[socket.socket]:
    """Open connections that send the start of something and then nothing."""
    clients = []
    for _ in range(number):
        client = running.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(start)
        clients.append(client)
    return clients


def release(clients: list[socket.socket]) -> None:
    """Let go of connections."""
    for client in clients:
        client.close()


def test_slow_loris_does_not_keep_a_scraper_out(running: Running) -> None:
    """500 half-sent requests: no more than 64 are held, and each good scrape in between takes less than a second."""
    clients = hold(running, 250, b"GET / HTTP/1.1\r\nHost")
    worst = 0.0
    for _ in range(10):
        clients += hold(running, 25, b"GET / HTTP/1.1\r\nHost")
        started = time.monotonic()
        assert status(running.get()) == 200
        worst = max(worst, time.monotonic() - started)
        assert len(running.endpoint._connections) <= 64
    assert worst < 1
    release(clients)
    started = time.monotonic()
    assert status(running.get()) == 200
    assert time.monotonic() - started < 1


def test_clients_that_never_read_are_cut_off(made: Callable[..., Running]) -> None:
    """64 clients ask for 16 MiB and read nothing: none of it is copied for them, and after send_seconds they are gone."""
    running = made(send_seconds=4.0)
    clients = hold(running, 64, b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
    until(lambda: sum(one.sending for one in list(running.endpoint._connections)) == 64)
    held = sum(one.writer.transport.get_write_buffer_size() for one in list(running.endpoint._connections))
    assert 0 < held <= 64 * 3 * PIECE
    until(lambda: not running.endpoint._connections)
    release(clients)


def test_clients_that_never_read_lose_their_place(made: Callable[..., Running]) -> None:
    """With every place taken by a client that left its page unread for a second, a scrape comes through all the same."""
    patient = made(send_seconds=60.0)
    clients = hold(patient, 64, b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
    until(lambda: sum(one.sending for one in patient.endpoint._connections) == 64)
    time.sleep(1.1)
    try:
        assert len(patient.endpoint._connections) == 64
        assert [status(patient.get()) for _ in range(5)] == [200] * 5
        assert patient.endpoint.rejected["busy"] >= 1
    finally:
        release(clients)


def test_beyond_the_cap_is_503() -> None:
    """When every place is taken by clients that are being served, the next one hears 503 and is let go."""
    release_page = threading.Event()

    async def wait(_request: Request) -> Response:
        await asyncio.get_running_loop().run_in_executor(None, release_page.wait, 10)
        return Response.text(200, "done")

    one = Running(max_connections=3)
    try:
        one.endpoint._routes = {**ROUTES, "/wait": Route(wait)}
        clients = hold(one, 3, b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: [client.waits_for_head for client in one.endpoint._connections] == [False] * 3)
        with one.connect() as late:
            answer = read_all(late)
        assert status(answer) == 503
        assert header(answer, "retry-after") == "1"
        assert one.endpoint.rejected["busy"] == 1
        release_page.set()
        assert [status(read_all(client)) for client in clients] == [200, 200, 200]
        release(clients)
    finally:
        release_page.set()
        one.stop()


@pytest.mark.parametrize("secure", [False, True])
def test_close_lets_go_of_everybody(secure: bool, authority: Authority) -> None:  # noqa: FBT001
    """Closing does not wait for clients that stall, in a handshake or in a request."""
    guard = Guard(load_web(authority.folder / "tls.yml") if secure else None)
    one = Running(client=authority.client() if secure else None, guard=guard)
    clients = [*hold(one, 5, b"GET / HT"), *(one.knock() for _ in range(5))]
    until(lambda: len(one.endpoint._connections) == 10)
    started = time.monotonic()
    one.stop()
    assert time.monotonic() - started < 2
    with pytest.raises(OSError, match="refused"):
        one.connect()
    release(clients)


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def secure(authority: Authority) -> Iterator[Running]:
    """An endpoint with TLS and short patience."""
    guard = Guard(load_web(authority.folder / "tls.yml"))
    one = Running(authority.client(), guard=guard, head_seconds=1.0, send_seconds=2.0)
    yield one
    one.stop()


def test_nothing_is_said_before_the_handshake(secure: Running) -> None:
    """A request in the clear gets no answer, and no page; it is counted."""
    with secure.knock() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"hello" not in read_all(client)
    until(lambda: secure.endpoint.rejected["tls"] == 1)
    assert status(secure.get()) == 200


def test_a_handshake_that_fails_is_told_now_and_then(
    secure: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flood of them is counted one by one, and one line says why."""
    configure("json", "info")
    for number in range(100):
        with secure.knock() as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            read_all(client)
        until(lambda number=number: secure.endpoint.rejected["tls"] == number + 1)  # type: ignore[misc]
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["event"], line["reason"], line["client"]) == (
        "tls_handshake_failed",
        "http request",
        "127.0.0.1",
    )


def test_a_handshake_meets_the_deadline_of_the_head(secure: Running) -> None:
    """Handshake and head together: a client that spreads both out has no more time than one that does not."""
    started = time.monotonic()
    with secure.knock() as client:
        assert read_all(client) == b""
    assert 0.8 < time.monotonic() - started < 2.5
    assert secure.endpoint.rejected["slow"] == 1
    until(lambda: not secure.endpoint._connections)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
def test_old_versions_are_refused(secure: Running, version: ssl.TLSVersion) -> None:
    """TLS 1.0 and 1.1 fail in the handshake, even with a client that allows everything."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.set_ciphers("ALL:@SECLEVEL=0")
    client.minimum_version = client.maximum_version = version
    with secure.knock() as raw, pytest.raises((ssl.SSLError, ConnectionError)):
        client.wrap_socket(raw)
    until(lambda: secure.endpoint.rejected["tls"] == 1)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_new_versions_are_served(secure: Running, version: ssl.TLSVersion) -> None:
    """TLS 1.2 and 1.3, and HTTP/1.1 is what is agreed on."""
    assert secure.client is not None
    secure.client.minimum_version = secure.client.maximum_version = version
    secure.client.set_alpn_protocols(["h2", "http/1.1"])
    client = secure.connect()
    assert isinstance(client, ssl.SSLSocket)
    with client:
        assert client.selected_alpn_protocol() == "http/1.1"
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status(read_all(client)) == 200


def test_renegotiation_is_refused(secure: Running) -> None:
    """A client cannot have the server calculate again and again on one connection (TLS 1.2)."""
    host, port = secure.address
    with subprocess.Popen(
        ["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(b"R\n")
        client.stdin.flush()
        said = client.stdout.read()
    assert b"RENEGOTIATING" in said
    assert b"no renegotiation" in said
    assert status(secure.get()) == 200


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_in_a_handshake(authority: Authority, garbage: bytes) -> None:
    """Whatever is sent in place of a handshake: an alert or nothing, and the endpoint lives."""
    one = shared_endpoint(authority)
    with one.knock() as client:
        client.sendall(garbage)
        client.shutdown(socket.SHUT_WR)
        answer = read_all(client)
    assert not answer or answer[:1] == b"\x15"


def test_two_hundred_stalled_handshakes_delay_nobody(authority: Authority) -> None:
    """200 clients that never shake hands: scrapes in between take no more than 100 ms longer than without them."""
    one = Running(authority.client(), guard=Guard(load_web(authority.folder / "tls.yml")))
    stalled: list[socket.socket] = []

    def scrape() -> float:
        started = time.monotonic()
        assert status(one.get()) == 200
        return time.monotonic() - started

    try:
        with (
            not_collected()
        ):  # a look through all that ten thousand tests have loaded takes longer than a scrape
            alone = [scrape() for _ in range(20)]
            beside = []
            for number in range(200):
                stalled.append(one.knock())
                if number % 2:
                    stalled[-1].sendall(
                        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
                    )  # a hello that goes no further
                if number % 10 == 9:
                    beside.append(scrape())
        assert len(one.endpoint._connections) <= 64
        assert sorted(beside)[10] < sorted(alone)[10] + 0.1
        assert max(beside) < max(alone) + 0.5
        assert one.endpoint.rejected["busy"] >= 130
    finally:
        release(stalled)
        one.stop()


SERVER = """
import asyncio, resource, sys
from pathlib import Path
from sniffer.control.guard import Guard
from sniffer.control.http import Endpoint, Response, Route
from sniffer.control.webconfig import load_web

BIG = b"x" * (2 << 20)

def resident(_request):
    with open("/proc/self/statm") as file:
        return Response.text(200, str(int(file.read().split()[1]) * resource.getpagesize()))

async def main():
    routes = {"/": Route(resident), "/big": Route(lambda _: Response(200, BIG))}
    endpoint = Endpoint("127.0.0.1:0", routes, guard=Guard(load_web(Path(sys.argv[1]))))
    await endpoint.start()
    print(*endpoint.address, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.slow
def test_floods_over_tls_leave_memory_flat(authority: Authority) -> None:
    """Thousands of clients that stall in the handshake, and hundreds that never read: 32 MiB at most, and no more each time."""
    client = authority.client()
    command = [sys.executable, "-c", SERVER, authority.folder / "tls.yml"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        host, port = server.stdout.readline().split()

        def knock() -> socket.socket:
            return socket.create_connection((host, int(port)), 10)

        def resident() -> int:
            with client.wrap_socket(knock(), server_hostname="localhost") as one:
                one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                return int(read_all(one).split()[-1])

        def flood() -> int:
            for _ in range(3):
                clients = [knock() for _ in range(500)]
                release(clients)
            held = [knock() for _ in range(60)]
            for one in held:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            held = [client.wrap_socket(one, server_hostname="localhost") for one in held]
            for one in held:
                one.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(1.5)
            found = resident()
            release(held)
            return found

        try:
            before = resident()
            floods = [flood() for _ in range(6)]
        finally:
            server.terminate()
    assert max(floods) < before + (32 << 20)
    assert floods[-1] <= max(floods[1:-1]) + max(max(floods) // 100, 1 << 20)  # an arena of the allocator


def test_a_client_that_does_not_take_leave_is_let_go(secure: Running) -> None:
    """Who has its page over TLS and neither closes nor says goodbye holds its place for send_seconds at most."""
    clients = [secure.connect() for _ in range(5)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    until(lambda: sum(one.sending for one in list(secure.endpoint._connections)) == 5)
    started = time.monotonic()
    until(lambda: not secure.endpoint._connections)
    assert time.monotonic() - started < 4
    assert [status(read_all(client)) for client in clients] == [200] * 5
    release(clients)


def test_another_certificate_from_one_connection_to_the_next(secure: Running, authority: Authority) -> None:
    """A guard that is told to use another context does so for the next client; the one before is served to its end."""
    authority.issue("renewed")
    file = authority.folder / "renewed.yml"
    file.write_text("tls_server_config: {cert_file: renewed.pem, key_file: renewed.key}\n")
    client = secure.connect()
    assert isinstance(client, ssl.SSLSocket)
    with client:
        before = client.getpeercert()
        secure.endpoint.guard.use(load_web(file))
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status(read_all(client)) == 200
    after = secure.connect()
    assert isinstance(after, ssl.SSLSocket)
    with after:
        assert before is not None
        assert after.getpeercert()["serialNumber"] != before["serialNumber"]


# ── where to listen ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("127.0.0.1:9478", ("127.0.0.1", 9478)),
        ("[::1]:9478", ("::1", 9478)),
        (":9478", ("", 9478)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_parses_addresses(listen: str, expected: tuple[str, int]) -> None:
    """Host and port, brackets around IPv6."""
    assert parse_listen(listen) == expected


@pytest.mark.parametrize(
    "listen", ["9478", "host", "host:", "host:http", "host:65536", "::1:9478", "host:-1", "host:٣"]
)
def test_refuses_what_is_no_address(listen: str) -> None:
    """A fault of the configuration is one readable line with a remedy."""
    with pytest.raises(ValueError, match=r"brackets|not HOST:PORT"):
        parse_listen(listen)
    with pytest.raises(UsageError) as caught:
        Endpoint(listen, {})
    assert "127.0.0.1:9478" in caught.value.remedy


def test_a_port_in_use_says_so() -> None:
    """Status 74, with what to do about it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = Endpoint(f"127.0.0.1:{taken.getsockname()[1]}", {})
        with pytest.raises(OutputError, match="in use") as caught:
            asyncio.run(endpoint.start())
    assert caught.value.exit_status == 74
    assert "another port" in caught.value.remedy


@pytest.mark.parametrize("listen", ["192.0.2.1:0", "no-such-host.invalid:0"])
def test_an_address_of_another_machine_says_so(listen: str) -> None:
    """Status 74 as well, for an address and for a name."""
    with pytest.raises(OutputError, match="cannot be listened on"):
        asyncio.run(Endpoint(listen, {}).start())


def test_a_privileged_port_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 77, with what to do about it."""

    async def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_server", refuse)
    with pytest.raises(AccessError, match="port 80") as caught:
        asyncio.run(Endpoint("127.0.0.1:80", {}).start())
    assert caught.value.exit_status == 77


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (b"gzip", True),
        (b"deflate, GZIP;q=0.5", True),
        (b"*", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000", False),
        (b"gzip;q=0.001", True),
        (b"identity", False),
        (b"", False),
    ],
)
def test_who_takes_gzip(accept: bytes, expected: bool) -> None:  # noqa: FBT001
    """Accept-Encoding as RFC 9110 means it, weight 0 included."""
    assert takes_gzip(accept) is expected
