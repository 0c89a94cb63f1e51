"""What stands before the pages, through the real endpoint: certificates, passwords, headers, a rate."""

from __future__ import annotations

import asyncio
import base64
import http.client
import ssl
import threading
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING

import bcrypt
import pytest
from control.test_http import Running, header, read_all, status
from cryptography import x509
from processes import until

from sniffer.control.guard import Bucket, Guard
from sniffer.control.tls import names_of
from sniffer.control.webconfig import Web, load_web

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from authority import Authority

PASSWORD = "correct horse"
HASH = bcrypt.hashpw(PASSWORD.encode(), b"$2b$05$" + b"." * 22).decode()
TLS = "  cert_file: server.pem\n  key_file: server.key\n"
MUTUAL = f"tls_server_config:\n{TLS}  client_ca_file: ca.pem\n  client_auth_type: "


@pytest.fixture
def serve(authority: Authority, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Serves as a web configuration says, with the files of the authority at hand."""
    running: list[Running] = []

    def go(text: str, client: ssl.SSLContext | None = None) -> Running:
        file = authority.folder / f"{tmp_path.name}.yml"
        file.write_text(text)
        running.append(Running(client, guard=Guard(load_web(file))))
        return running[-1]

    yield go
    for one in running:
        one.stop()


def login(name: str, password: str) -> bytes:
    """The line of a request that says who asks."""
    return b"Authorization: Basic " + base64.b64encode(f"{name}:{password}".encode()) + b"\r\n"


def ask(running: Running, *lines: bytes, path: bytes = b"/") -> bytes:
    """One request."""
    return running.ask(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + b"".join(lines) + b"\r\n")


# ── certificates of clients ──────────────────────────────────────────────────────────────────────────────


def reach(running: Running) -> int:
    """Status that a client gets; 0 where it is not let in."""
    try:
        with running.connect() as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = read_all(client)
    except (ssl.SSLError, ConnectionError):
        return 0
    return status(answer) if answer else 0


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    """Another authority that nobody trusts; it knows ours."""
    from authority import Authority  # noqa: PLC0415

    return Authority(tmp_path / "stranger", "another authority")


@pytest.mark.parametrize(
    ("policy", "without", "foreign"),
    [("RequireAndVerifyClientCert", 0, 0), ("VerifyClientCertIfGiven", 200, 0), ("NoClientCert", 200, 200)],
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_policies(
    serve: Callable[..., Running],
    authority: Authority,
    stranger: Authority,
    policy: str,
    without: int,
    foreign: int,
    version: ssl.TLSVersion,
) -> None:
    """A certificate of the authority is let in; what happens without one, or with one of another, is the policy's."""
    text = MUTUAL + policy if policy != "NoClientCert" else f"tls_server_config:\n{TLS}"
    authority.issue("client", x509.DNSName("prometheus.example"))
    stranger.issue("client", x509.DNSName("prometheus.example"))
    running = serve(text)
    trusting = authority.client()
    borrowed = authority.client()
    borrowed.load_cert_chain(stranger.folder / "client.pem", stranger.folder / "client.key")
    for client, expected in ((authority.client("client"), 200), (trusting, without), (borrowed, foreign)):
        client.minimum_version = client.maximum_version = version
        running.client = client
        assert reach(running) == expected
    until(lambda: running.endpoint.rejected["tls"] == [without, foreign].count(0))


def test_an_expired_client_is_refused(serve: Callable[..., Running], authority: Authority) -> None:
    """Its certificate is of our authority, but of yesterday."""
    authority.issue("yesterday", x509.DNSName("a"), begins=-3, days=-1)
    running = serve(MUTUAL + "RequireAndVerifyClientCert", authority.client("yesterday"))
    assert reach(running) == 0


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((x509.DNSName("prometheus.example"),), 200),
        ((x509.DNSName("other.example"), x509.RFC822Name("noc@example.org")), 200),
        ((x509.UniformResourceIdentifier("spiffe://example.org/prometheus"),), 200),
        ((x509.IPAddress(ip_address("2001:db8::1")),), 200),
        ((x509.DNSName("other.example"),), 403),
        ((x509.DNSName("xprometheus.example"),), 403),
        ((x509.IPAddress(ip_address("2001:db8::2")),), 403),
    ],
)
def test_allowed_names(
    serve: Callable[..., Running], authority: Authority, names: tuple[x509.GeneralName, ...], expected: int
) -> None:
    """One name of the certificate must be on the list, letter by letter; of every kind."""
    authority.issue("named", *names)
    allowed = '[prometheus.example, noc@example.org, "spiffe://example.org/prometheus", "2001:DB8:0::1"]'
    text = f"{MUTUAL}RequireAndVerifyClientCert\n  client_allowed_sans: {allowed}\n"
    running = serve(text, authority.client("named"))
    assert reach(running) == expected
    assert running.endpoint.rejected["tls"] == (expected == 403)


def test_names_of_nonsense() -> None:
    """A certificate without names has none, nor has one with an address that is none."""
    assert names_of({}) == set()
    assert names_of({"subjectAltName": (("IP Address", "<invalid>"), ("DirName", ((("a", "b"),),)))}) == set()


# ── passwords ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", [b"/", b"/later", b"/-/reload", b"/absent"])
def test_every_path_is_behind_the_password(serve: Callable[..., Running], path: bytes) -> None:
    """Without one nothing is told, not even which paths there are; with it they answer as ever."""
    running = serve(f"basic_auth_users: {{prometheus: {HASH}}}")
    for lines in ((), (login("prometheus", "wrong"),), (login("nobody", PASSWORD),)):
        answer = ask(running, *lines, path=path)
        assert status(answer) == 401
        assert header(answer, "www-authenticate") == 'Basic realm="sniffer", charset="UTF-8"'
        assert answer.partition(b"\r\n\r\n")[2] == b"name and password, please\n"
    assert running.endpoint.rejected["password"] == 3
    expected = {b"/": 200, b"/later": 200, b"/-/reload": 405, b"/absent": 404}[path]
    assert status(ask(running, login("prometheus", PASSWORD), path=path)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("secure", [False, True])
def test_a_thousand_guesses_at_once(
    serve: Callable[..., Running],
    authority: Authority,
    secure: bool,  # noqa: FBT001
) -> None:
    """1 000 bad passwords in parallel: most hear 429 or 503, and a good scrape is answered within a second."""
    strong = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(9)).decode()
    text = f"basic_auth_users: {{prometheus: {strong}}}\n"
    if secure:
        text += f"tls_server_config:\n{TLS}"
    running = serve(text, authority.client() if secure else None)
    good = login("prometheus", PASSWORD)
    assert status(ask(running, good)) == 200
    answers: list[int] = []
    worst = 0.0

    def guess(first: int) -> None:
        for number in range(first, first + 20):
            try:
                answer = ask(running, login("prometheus", f"wrong {number}"))
            except (ssl.SSLError, OSError):
                answer = b""
            answers.append(status(answer) if answer else 0)

    threads = [threading.Thread(target=guess, args=(20 * number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        started = time.monotonic()
        assert status(ask(running, good)) == 200
        worst = max(worst, time.monotonic() - started)
    for thread in threads:
        thread.join()
    assert worst < 1
    assert len(answers) == 1_000
    assert answers.count(429) > 500
    assert set(answers) <= {0, 401, 429, 503}
    assert running.endpoint.rejected["rate"] >= answers.count(429)


# ── headers and rate ─────────────────────────────────────────────────────────────────────────────────────


def test_headers_take_the_place_of_ours(serve: Callable[..., Running]) -> None:
    """What is configured is in every answer, once; an answer of refusal included."""
    running = serve(
        "http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n    X-Content-Type-Options: nosniff\n"
        "    Strict-Transport-Security: max-age=1\n"
    )
    for path in (b"/", b"/absent"):
        head = ask(running, path=path).partition(b"\r\n\r\n")[0].lower()
        assert head.count(b"x-content-type-options: nosniff") == 1
        assert head.count(b"x-frame-options: sameorigin") == 1
        assert b"strict-transport-security: max-age=1" in head


def test_a_rate(serve: Callable[..., Running]) -> None:
    """So many at once, then 429 until time has passed."""
    running = serve("rate_limit: {interval: 300ms, burst: 3}")
    got = [status(ask(running)) for _ in range(5)]
    assert got == [200, 200, 200, 429, 429]
    time.sleep(0.35)
    assert [status(ask(running)) for _ in range(2)] == [200, 429]
    assert running.endpoint.rejected["rate"] == 3


def test_a_bucket() -> None:
    """It never holds more than its size, and fills with time."""
    now = [0.0]
    bucket = Bucket(2.0, 2, clock=lambda: now[0])
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now[0] = 3.0
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 1_000.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    endless = Bucket(0.0, 0)
    assert all(endless.take() for _ in range(1_000))


# ── other people's clients ───────────────────────────────────────────────────────────────────────────────


def test_the_library_of_python(serve: Callable[..., Running], authority: Authority) -> None:
    """http.client, mutual TLS and a password: a page."""
    authority.issue("client", x509.DNSName("prometheus.example"))
    running = serve(
        f"{MUTUAL}RequireAndVerifyClientCert\nbasic_auth_users: {{prometheus: {HASH}}}",
        authority.client("client"),
    )
    assert running.client is not None
    connection = http.client.HTTPSConnection(
        "localhost", running.address[1], context=running.client, timeout=10
    )
    word = base64.b64encode(f"prometheus:{PASSWORD}".encode()).decode()
    connection.request("GET", "/", headers={"Authorization": f"Basic {word}"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"hello GET gzip=False\n")
    connection.close()


def test_an_open_guard_lets_everybody_in() -> None:
    """Without a file nothing is asked."""
    guard = Guard(Web())
    assert asyncio.run(guard.admit(b"", "192.0.2.1", {})) == 200
    assert guard.context is None
    guard.close()
