"""The syslog sink, against real servers: plain and TLS, slow, refusing, stalling, dying, lying."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import processes
import pytest
from authority import Authority, write_key
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from sniffer.config import Config, Syslog
from sniffer.errors import ConfigError
from sniffer.sinks import syslog
from sniffer.sinks.gap import make_gap
from sniffer.sinks.sink import Sink
from sniffer.sinks.syslog import SyslogServer, faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MESSAGE = re.compile(
    rb"<(?P<pri>\d{1,3})>1 (?P<time>\S+) (?P<host>[!-~]{1,255}) sniffer (?P<pid>\d+) (?P<id>[!-~]{1,32}) - (?P<text>.*)"
)

until = functools.partial(processes.until, seconds=15)


def line(number: int, kind: str = "alert", severity: int = 2, size: int = 0) -> bytes:
    """An event line."""
    event: dict[str, Any] = {"timestamp": "2026-11-23T08:00:00.123456+00:00", "event_type": kind, "n": number}
    if kind == "alert":
        event["alert"] = {"severity": severity}
    if size:
        event["x"] = "x" * size
    return json.dumps(event).encode() + b"\n"


def messages(stream: bytes) -> list[bytes]:
    """Whole messages of a stream of counted ones; what is behind the last whole one must be the beginning of one."""
    out = []
    at = 0
    while found := re.compile(rb"(\d{1,9}) ").match(stream, at):
        end = found.end() + int(found[1])
        if end > len(stream):
            break
        out.append(stream[found.end() : end])
        at = end
    assert re.fullmatch(rb"(\d{1,9}( .*)?)?", stream[at:], re.DOTALL)
    return out


def numbers(stream: bytes) -> list[int]:
    """Numbers of the lines in a stream."""
    return [json.loads(MESSAGE.fullmatch(one)["text"])["n"] for one in messages(stream) if b'"n"' in one]  # type: ignore[index]


class Server:
    """A syslog server; each connection is handled by ``serve`` in a thread, and what came is kept apart."""

    def __init__(self, serve: Callable[[Server, socket.socket, int], None] | None = None) -> None:
        self.streams: list[bytearray] = []
        self.tls: ssl.SSLContext | None = None
        self.faults: list[str] = []
        self._serve = serve or Server.read_all
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._run(self._accept)

    def _run(self, call: Callable[[], None]) -> None:
        thread = threading.Thread(target=call, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                number = len(self.streams)
                self.streams.append(bytearray())
                self._open.append(sock)
                self._run(functools.partial(self._talk, sock, number))

    def _talk(self, sock: socket.socket, number: int) -> None:
        try:
            with sock:
                if self.tls is not None:
                    sock = self.tls.wrap_socket(sock, server_side=True)
                self._serve(self, sock, number)
                sock.close()
        except OSError as fault:
            self.faults.append(str(fault))

    def read_all(self, sock: socket.socket, number: int) -> None:
        """Read until the other side has finished."""
        while data := sock.recv(65_536):
            self.streams[number] += data

    def close(self) -> None:
        """Stop listening; cut what is open."""
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    @property
    def numbers(self) -> list[int]:
        """Numbers of all lines that came whole."""
        return [number for stream in self.streams for number in numbers(bytes(stream))]


@pytest.fixture
def servers() -> Iterator[Callable[..., Server]]:
    """Starts servers, and closes them."""
    running: list[Server] = []

    def start(*arguments: Any) -> Server:
        running.append(Server(*arguments))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are short."""
    monkeypatch.setattr(syslog, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(syslog, "LONGEST_WAIT", 0.2)
    monkeypatch.setattr(syslog, "SEND_SECONDS", 0.5)
    monkeypatch.setattr(syslog, "CONNECT_SECONDS", 1.0)


def open_sink(port: int, *, max_lines: int = 10_000, **settings: Any) -> Sink:
    """A sink to a server of this machine."""
    target = SyslogServer(Syslog.model_validate({"server": f"127.0.0.1:{port}", **settings}))
    return Sink("syslog", target, gap=functools.partial(make_gap, sensor="north"), max_lines=max_lines)


def balanced(sink: Sink, given: int) -> bool:
    """Whether every line given, and every gap line written, is in exactly one count."""
    return sink.written + sink.dropped + sink.failed == sink.produced >= given


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "severity", "expected"),
    [("alert", 1, 2), ("alert", 2, 3), ("alert", 3, 4), ("alert", 4, 5), ("stats", 0, 6), ("gap", 0, 4)],
)
@pytest.mark.parametrize(("facility", "number"), [("local0", 16), ("local7", 23), ("daemon", 3)])
def test_messages_are_those_of_rfc_5424(
    kind: str, severity: int, expected: int, facility: str, number: int
) -> None:
    """Priority, time, host, program, process, kind of line, no structured data; the line as it is, counted in octets."""
    settings = Syslog.model_validate(
        {"server": "a.example:6514", "facility": facility, "hostname": "sensor1.example"}
    )
    text = line(7, kind, severity)
    (message,) = messages(SyslogServer(settings).frame(text))
    found = MESSAGE.fullmatch(message)
    assert found is not None
    assert int(found["pri"]) == number * 8 + expected
    assert found["time"] == b"2026-11-23T08:00:00.123456+00:00"
    assert (found["host"], found["id"], found["text"]) == (
        b"sensor1.example",
        kind.encode(),
        text.rstrip(b"\n"),
    )


def test_lines_arrive_in_order(servers: Callable[..., Server]) -> None:
    """5 000 lines of many sizes over one connection, each once."""
    server = servers()
    sink = open_sink(server.port)
    for number in range(5_000):
        assert sink.write(line(number, size=number % 700))
    sink.close(10)
    until(lambda: len(server.numbers) == 5_000)
    assert server.numbers == list(range(5_000))
    assert len(server.streams) == 1
    assert (sink.written, sink.dropped, sink.failed) == (5_000, 0, 0)


# ── servers that misbehave ───────────────────────────────────────────────────────────────────────────────


def test_without_a_server_lines_wait_and_are_bounded(servers: Callable[..., Server]) -> None:
    """Refused: the caller goes on at once, the outbox holds what it may, the log has one line; then all of it arrives."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with capture_logs() as logged:
        sink = open_sink(port, max_lines=100)
        began = time.monotonic()
        for number in range(20_000):
            sink.write(line(number))
        assert time.monotonic() - began < 5
        until(lambda: not sink.up)
        time.sleep(0.5)
    assert sink.waiting <= 100 + 256
    assert len(logged) == 1
    assert logged[0]["error"] == "Connection refused"
    server = servers()
    sink._target._port = server.port  # type: ignore[attr-defined]
    assert sink.flush(10)
    sink.close(5)
    assert sink.dropped > 19_000
    until(lambda: server.streams and len(messages(bytes(server.streams[0]))) == sink.written)
    assert server.numbers == sorted(set(server.numbers))
    events = [json.loads(MESSAGE.fullmatch(one)["text"]) for one in messages(bytes(server.streams[0]))]  # type: ignore[index]
    assert sum(event["gap"]["dropped"] for event in events if "gap" in event) == sink.dropped
    assert balanced(sink, 20_000)


def test_a_server_that_dies_again_and_again(servers: Callable[..., Server]) -> None:
    """Each connection is cut after some bytes, within a message: no message comes in part and is lost, none comes twice."""

    def cut(server: Server, sock: socket.socket, number: int) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        while len(server.streams[number]) < 20_011 and (data := sock.recv(997)):
            server.streams[number] += data

    server = servers(cut)
    sink = open_sink(server.port)
    for number in range(800):
        sink.write(line(number, size=900))
    until(lambda: not sink.waiting, seconds=60)
    sink.close(5)
    got = server.numbers
    assert got == sorted(set(got))
    assert len(server.streams) > 3
    assert len(got) <= sink.written <= 800
    assert balanced(sink, 800)


def test_a_server_that_closes_while_nothing_is_sent(servers: Callable[..., Server]) -> None:
    """A connection that the server has closed is noticed before the next line: nothing is lost."""

    def one_message(server: Server, sock: socket.socket, number: int) -> None:
        server.streams[number] += sock.recv(65_536)

    server = servers(one_message)
    sink = open_sink(server.port)
    for number in range(5):
        sink.write(line(number))
        assert sink.flush(5)
        until(lambda number=number: server.numbers == list(range(number + 1)))
        time.sleep(0.05)  # for the end of the connection to come
    sink.close()
    assert (sink.written, sink.failed) == (5, 0)
    assert len(server.streams) >= 5


def test_a_server_that_stalls(servers: Callable[..., Server]) -> None:
    """It accepts and reads nothing: given up after some seconds, tried again; the caller never waits; all is counted."""
    stop = threading.Event()

    def stall(_server: Server, sock: socket.socket, _number: int) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stop.wait(60)

    server = servers(stall)
    with capture_logs() as logged:
        sink = open_sink(server.port, max_lines=500)
        began = time.monotonic()
        for number in range(20_000):
            sink.write(line(number, size=3_000))
        assert time.monotonic() - began < 5
        until(lambda: len(server.streams) >= 2, seconds=30)
        began = time.monotonic()
        sink.close(1)
        assert time.monotonic() - began < 3
    stop.set()
    assert sink.dropped > 15_000
    assert "takes nothing more" in logged[0]["error"]
    assert balanced(sink, 20_000)


@pytest.mark.slow
def test_a_message_that_breaks_every_connection_is_given_up(servers: Callable[..., Server]) -> None:
    """After three connections the first line in hand counts as failed, so that the others get through."""
    stop = threading.Event()

    def allergic(server: Server, sock: socket.socket, number: int) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        while data := sock.recv(4_096):
            server.streams[number] += data
            if b"poison" in server.streams[number]:
                stop.wait(60)  # and reads no more

    server = servers(allergic)
    sink = open_sink(server.port)
    poison = json.dumps(
        {"timestamp": "2026-11-23T08:00:00.123456+00:00", "event_type": "stats", "poison": "x" * 8_000_000}
    ).encode()
    sink.write(line(1))
    sink.write(poison + b"\n")
    sink.write(line(2))
    until(lambda: sink.written >= 2 and not sink.waiting, seconds=60)
    assert sink.failed == 1
    sink.close(5)
    stop.set()
    assert balanced(sink, 3)
    until(lambda: 2 in server.numbers)
    assert server.numbers == [1, 2]


def test_a_server_that_talks_is_not_listened_to(servers: Callable[..., Server]) -> None:
    """Whatever it sends is thrown away and changes nothing."""

    def chatty(server: Server, sock: socket.socket, number: int) -> None:
        sock.sendall(b"220 welcome\r\n" * 50)
        server.read_all(sock, number)

    server = servers(chatty)
    sink = open_sink(server.port)
    for number in range(50):
        sink.write(line(number))
        assert sink.flush(5)
    sink.close()
    until(lambda: len(server.numbers) == 50)
    assert sink.written == 50


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────────────


def tls_server(servers: Callable[..., Server], certificate: tuple[Path, Path], **more: Any) -> Server:
    """A server with a certificate."""
    server = servers(*more.pop("serve", ()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if "wants" in more:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(more["wants"])
    server.tls = context
    return server


def test_over_tls(servers: Callable[..., Server], tmp_path: Path) -> None:
    """A server whose certificate the named authority signed gets every line; the end is an orderly one."""
    authority = Authority(tmp_path)
    server = tls_server(servers, authority.issue("server"))
    sink = open_sink(server.port, protocol="tls", ca_file=str(authority.file))
    for number in range(2_000):
        sink.write(line(number, size=number % 500))
    sink.close(10)
    until(lambda: len(server.numbers) == 2_000)
    assert server.numbers == list(range(2_000))
    assert server.faults == []
    assert (sink.written, sink.failed, sink.dropped) == (2_000, 0, 0)


@pytest.mark.parametrize("what", ["other authority", "other name", "expired", "no authority named", "no TLS"])
def test_a_server_that_cannot_be_verified_gets_nothing(
    servers: Callable[..., Server], tmp_path: Path, what: str
) -> None:
    """Not a byte of an event; the log says why; lines wait."""
    authority = Authority(tmp_path)
    signer = Authority(tmp_path / "other") if what == "other authority" else authority
    names = (x509.DNSName("elsewhere.example"),) if what == "other name" else ()
    certificate = signer.issue("server", *names, begins=-3, days=-1 if what == "expired" else 30)
    server = servers() if what == "no TLS" else tls_server(servers, certificate)
    settings = {} if what == "no authority named" else {"ca_file": str(authority.file)}
    with capture_logs() as logged:
        sink = open_sink(server.port, protocol="tls", **settings)
        sink.write(line(1))
        until(lambda: logged)
        until(lambda: len(server.streams) >= 2)
        sink.close(1)
    assert not any(b"alert" in stream for stream in server.streams)
    words = {
        "other name": "certificate is not accepted: IP address mismatch",
        "expired": "certificate has expired",
        "no TLS": "",
    }
    assert words.get(what, "certificate is not accepted") in logged[0]["error"]
    assert (sink.written, sink.dropped) == (0, 1)


def test_a_name_other_than_the_address(servers: Callable[..., Server], tmp_path: Path) -> None:
    """``server_name`` says what the certificate has to be for."""
    authority = Authority(tmp_path)
    server = tls_server(servers, authority.issue("server", x509.DNSName("logs.example")))
    sink = open_sink(server.port, protocol="tls", ca_file=str(authority.file), server_name="logs.example")
    sink.write(line(1))
    sink.close(5)
    until(lambda: server.numbers == [1])


def test_our_own_certificate(servers: Callable[..., Server], tmp_path: Path) -> None:
    """A server that asks for one takes ours, and is not reached without; after a reopen the files are read again."""
    authority = Authority(tmp_path)
    server = tls_server(servers, authority.issue("server"), wants=authority.file)
    certificate, key = Authority(tmp_path / "stranger").issue("client")
    sink = open_sink(
        server.port,
        protocol="tls",
        ca_file=str(authority.file),
        cert_file=str(certificate),
        key_file=str(key),
    )
    sink.write(line(1))
    until(lambda: len(server.faults) > 1)
    assert server.numbers == []
    assert (sink.written, sink.waiting) == (
        0,
        1,
    )  # TLS 1.3 would have had it sent to a server that refuses it
    key.chmod(0o666)
    with capture_logs() as logged:
        sink.reopen()
        until(lambda: any("is open to every user of this machine" in one["error"] for one in logged))
    for new, old in zip(authority.issue("client"), (certificate, key), strict=True):
        new.replace(old)
    sink.reopen()
    sink.write(line(2))
    until(lambda: server.numbers == [1, 2])
    sink.close(5)
    assert (sink.written, sink.failed, sink.dropped) == (2, 0, 0)


def test_a_handshake_that_stalls(servers: Callable[..., Server], tmp_path: Path) -> None:
    """It accepts and says nothing: given up, tried again, and the close comes in time."""
    stop = threading.Event()
    server = servers(lambda _server, _sock, _number: stop.wait(60))
    with capture_logs() as logged:
        sink = open_sink(server.port, protocol="tls", ca_file=str(Authority(tmp_path).file))
        sink.write(line(1))
        until(lambda: len(server.streams) >= 2)
        began = time.monotonic()
        sink.close(0.5)
        assert time.monotonic() - began < 2
    stop.set()
    assert "does not answer" in logged[0]["error"]
    assert balanced(sink, 1)


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────


def codes(**settings: Any) -> list[tuple[str, str]]:
    """Key and sentence of each fault of the files."""
    config = Config.model_validate({"syslog": {"server": "a.example:6514", "protocol": "tls", **settings}})
    return [(fault.place[1], fault.what) for fault in faults(config)]


def test_faults_of_certificates_are_told_before_the_start(tmp_path: Path) -> None:
    """Missing, no PEM, expired, another's key, locked, open to everybody: each with its file and a remedy."""
    authority = Authority(tmp_path)
    good, key = (str(file) for file in authority.issue("client"))
    other = str(authority.issue("other-client")[1])
    late, late_key = (str(file) for file in authority.issue("late", begins=-3, days=-1))
    secret = ec.generate_private_key(ec.SECP256R1())
    locked = str(authority.issue("locked", key=secret)[0])
    locked_key = str(write_key(tmp_path / "locked.key", secret, b"secret"))
    loose, loose_key = authority.issue("loose")
    loose_key.chmod(0o604)
    junk = tmp_path / "junk.pem"
    junk.write_text("nothing\n")
    assert codes() == []
    assert codes(ca_file=str(authority.file), cert_file=good, key_file=key) == []
    for settings, code, words in (
        ({"ca_file": str(tmp_path / "absent.pem")}, "ca_file", f"{tmp_path}/absent.pem: no such file"),
        ({"ca_file": str(junk)}, "ca_file", "holds no certificate"),
        ({"cert_file": str(junk), "key_file": key}, "cert_file", "holds no certificate"),
        (
            {"cert_file": good, "key_file": str(tmp_path / "absent.key")},
            "key_file",
            f"{tmp_path}/absent.key: no such file",
        ),
        ({"cert_file": good, "key_file": str(junk)}, "key_file", "is open to every user of this machine"),
        (
            {"cert_file": good, "key_file": other},
            "key_file",
            f"does not belong to the first certificate of {good}",
        ),
        ({"cert_file": late, "key_file": late_key}, "cert_file", "has expired on"),
        ({"cert_file": locked, "key_file": locked_key}, "key_file", "the key is encrypted"),
        (
            {"cert_file": str(loose), "key_file": str(loose_key)},
            "key_file",
            "is open to every user of this machine",
        ),
    ):
        found = codes(**settings)
        assert found, settings
        assert {key for key, _ in found} == {code}
        assert any(words in what for _, what in found)
    with pytest.raises(ConfigError) as caught:
        SyslogServer(
            Syslog.model_validate({"server": "a.example:1", "protocol": "tls", "ca_file": str(junk)})
        )
    assert caught.value.exit_status == 78
    assert all(problem.remedy for problem in caught.value.problems)


# ── a server of another make ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.live
@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_rsyslog_takes_it(tmp_path: Path, *, secure: bool) -> None:
    """rsyslogd, plain and over TLS, has every line, with priority, host and kind of line as they were sent."""
    if shutil.which("rsyslogd") is None:
        pytest.skip("needs rsyslogd (Debian: rsyslog, rsyslog-gnutls)")
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    tls = (
        f'defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="{authority.file}" '
        f'defaultNetstreamDriverCertFile="{certificate}" defaultNetstreamDriverKeyFile="{key}"'
    )
    mode = 'streamDriver.Name="gtls" streamDriver.Mode="1" streamDriver.AuthMode="anon"'
    config = tmp_path / "rsyslog.conf"
    out = tmp_path / "out"
    config.write_text(
        f'global(workDirectory="{tmp_path}" maxMessageSize="16k" {tls if secure else ""})\n'
        f'module(load="imtcp" {mode if secure else ""})\n'
        f'input(type="imtcp" address="127.0.0.1" port="{port}")\n'
        'template(name="t" type="string" string="%pri% %hostname% %app-name% %msgid% %msg%\\n")\n'
        f'action(type="omfile" file="{out}" template="t")\n'
    )
    command = ["rsyslogd", "-n", "-i", str(tmp_path / "pid"), "-f", str(config)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        settings = {"protocol": "tls", "ca_file": str(authority.file)} if secure else {}
        sink = open_sink(port, hostname="sensor1", **settings)
        lines = [line(number, size=number * 10 % 6_000) for number in range(1_000)]
        for one in lines:
            sink.write(one)
        until(lambda: sink.written == 1_000, seconds=30)
        sink.close(5)
        until(lambda: out.exists() and out.read_bytes().count(b"\n") == 1_000, seconds=30)
    finally:
        process.terminate()
        process.wait(20)
    assert out.read_bytes() == b"".join(b"131 sensor1 sniffer alert " + one for one in lines)
