"""Event lines to the operator's own syslog server: RFC 5424 messages over TCP or TLS, counted by octets.

In: event lines.  Out: one message a line, its text the line as it is; a new connection after each that broke.
Never: a server that nobody configured, a certificate that is not verified, a datagram, an answer that is believed.

    LENGTH SP <PRI>1 SP TIMESTAMP SP HOSTNAME SP sniffer SP PROCID SP EVENT_TYPE SP - SP LINE

*Written* means handed to this machine's TCP: syslog knows no receipt (RFC 6587, section 3.1), so what a dying server had
not read is lost unseen.  Of a message that was only handed over in part the server has nothing, so it goes out again over
the next connection; one that broke several connections is given up.  Without a connection lines wait in the outbox.

Sources: RFC 5424 (messages), RFC 6587 section 3.4.1 and RFC 5425 (frames), RFC 5425 section 4 (TLS).
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import ssl
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from sniffer.certificates import load_authorities, load_pair
from sniffer.config import parse_server
from sniffer.errors import ConfigError, Fault, Problem, printable
from sniffer.sinks.sink import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.certificates import Flaw
    from sniffer.config import Config, Syslog

CONNECT_SECONDS: Final = 5.0  # for each address, and for each step of a TLS handshake
VERDICT_SECONDS: Final = 0.5  # in which a server refuses a certificate, if it does
SEND_SECONDS: Final = 10.0  # without the server taking a byte
UNANSWERED_MS: Final = 30_000  # bytes may lie unacknowledged for so long
FIRST_WAIT: Final = 1.0  # seconds between two connections; doubled each time
LONGEST_WAIT: Final = 60.0
MAX_TRIES: Final = 3  # connections that one message may break
SEND_BUFFER: Final = 64 << 10  # bytes: what a dying server can take along is bounded by it
CLOSING_SECONDS: Final = 0.2

FACILITIES: Final = {
    "user": 1, "daemon": 3, "security": 4, "audit": 13, "alert": 14,
    **{f"local{number}": 16 + number for number in range(8)},
}  # fmt: skip
"""Numbers of RFC 5424, table 1, that an operator may want."""

SEVERITIES: Final = {1: 2, 2: 3, 3: 4, 4: 5}
"""Of EVE (1 is critical) to RFC 5424, table 2: critical, error, warning, notice."""

WARNING: Final = 4
INFORMATIONAL: Final = 6


class _Alert(msgspec.Struct):
    severity: int = 4


class _Head(msgspec.Struct):
    """What a message needs to know of its line."""

    timestamp: str
    event_type: str
    alert: _Alert | None = None


log = structlog.get_logger("sniffer.syslog")
_heads = msgspec.json.Decoder(_Head)


def make_target(config: Config) -> SyslogServer | None:
    """The server that the configuration names.

    Raises:
        ConfigError: certificates or keys cannot be used.
    """
    return SyslogServer(config.syslog) if config.syslog.server is not None else None


def faults(config: Config) -> Iterator[Fault]:
    """What is wrong with the certificates and keys."""
    if config.syslog.server is None:
        return
    for flaw in _look(config.syslog)[1]:
        yield Fault(("syslog", flaw.setting), str(flaw), flaw.remedy)


class SyslogServer:
    """A connection that is made anew whenever it breaks.

    Args:
        settings: whose server, and how.

    Raises:
        ConfigError: certificates or keys cannot be used.
    """

    def __init__(self, settings: Syslog) -> None:
        self._settings = settings
        self._host, self._port = parse_server(settings.server or "")
        self.place = f"{settings.server} ({settings.protocol})"
        self._context = make_context(settings)
        hostname = printable(settings.hostname or socket.gethostname(), 255).replace(" ", "_") or "-"
        self._facility = FACILITIES[settings.facility]
        self._origin = f"{hostname} sniffer {os.getpid()}"
        self._sock: socket.socket | None = None
        self._waits = 0  # connections that broke or failed one after the other
        self._tries = 0  # of these, how many while the first line in hand was under way

    def deliver(self, lines: list[bytes]) -> Outcome:
        """Send lines, over a new connection if need be."""
        done = 0
        try:
            if self._sock is not None and self._has_hung_up(self._sock):
                self._disconnect()
            if self._sock is None:
                self._sock = self._connect()
            frames = [self.frame(line) for line in lines]
            for done in _sent(self._sock, frames):  # noqa: B007  # how far it came, also when it breaks
                pass
        except (OSError, ValueError) as fault:  # ValueError: a name that cannot be one
            return self._lost(done, lines, fault)
        if lines:
            self._waits = self._tries = 0
        return Outcome(done)

    def frame(self, line: bytes) -> bytes:
        """A line as one counted message."""
        head = _heads.decode(line)
        if head.event_type == "alert":
            severity = SEVERITIES[head.alert.severity if head.alert is not None else 4]
        else:
            severity = WARNING if head.event_type == "gap" else INFORMATIONAL
        priority = self._facility * 8 + severity
        message = (
            f"<{priority}>1 {head.timestamp} {self._origin} {head.event_type} - ".encode()
            + line.rstrip(b"\n")
        )
        return b"%d %s" % (len(message), message)

    def reopen(self) -> None:
        """Connect anew, with the certificates as they are by now; if those are wrong, with the old ones."""
        try:
            self._context = make_context(self._settings)
        except ConfigError as error:
            log.error("the old certificates stay in use", sink="syslog", error=error.lines()[0])  # noqa: TRY400
        self._disconnect()

    def close(self) -> None:
        """Say good-bye."""
        self._disconnect()

    def _connect(self) -> socket.socket:
        sock = socket.create_connection((self._host, self._port), CONNECT_SECONDS)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)
            if self._context is not None:
                name = self._settings.server_name or self._host
                sock = self._context.wrap_socket(sock, server_hostname=name)
                _await_verdict(sock)
            sock.settimeout(SEND_SECONDS)
        except BaseException:
            sock.close()
            raise
        return sock

    @staticmethod
    def _has_hung_up(sock: socket.socket) -> bool:
        """Whether the server has closed the connection: what is sent after that is lost without a word."""
        sock.setblocking(False)
        try:
            return sock.recv(4_096) == b""  # anything else is no part of syslog
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        finally:
            sock.settimeout(SEND_SECONDS)

    def _lost(self, done: int, lines: list[bytes], fault: Exception) -> Outcome:
        broke_a_connection = bool(lines) and self._sock is not None
        self._disconnect()
        if done:
            self._waits = self._tries = 0
        wait = min(FIRST_WAIT * 2**self._waits, LONGEST_WAIT) * random.uniform(0.8, 1.2)  # noqa: S311
        self._waits = min(self._waits + 1, 10)
        self._tries += broke_a_connection
        failed = int(self._tries >= MAX_TRIES)
        if failed:
            self._tries = 0
        return Outcome(done, failed, _words(fault), wait)

    def _disconnect(self) -> None:
        sock, self._sock = self._sock, None
        if sock is None:
            return
        with contextlib.suppress(OSError, ValueError), sock:
            sock.settimeout(CLOSING_SECONDS)
            if isinstance(sock, ssl.SSLSocket):
                sock.unwrap()  # a server cannot tell a connection without this from one that was cut
            sock.shutdown(socket.SHUT_WR)


def _await_verdict(sock: socket.socket) -> None:
    """Wait a moment for what the server says to our certificate, or to there being none.

    In TLS 1.3 a client is done before the server has looked at that (RFC 8446, section 2): without this, the first lines go
    to a server that is about to refuse them.  A server that accepts sends session tickets at once, or nothing.
    """
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    if not poll.poll(VERDICT_SECONDS * 1_000):
        return
    sock.setblocking(False)
    with contextlib.suppress(ssl.SSLWantReadError):  # tickets are no data
        if sock.recv(4_096) == b"":
            raise ConnectionResetError("the server has closed the connection")


def _sent(sock: socket.socket, frames: list[bytes]) -> Iterator[int]:
    """Send frames; tell after each step how many have been handed over as a whole."""
    data = memoryview(b"".join(frames))
    at = whole = 0
    end = len(frames[0]) if frames else 0
    while at < len(data):
        at += sock.send(data[at:])
        while whole < len(frames) and at >= end:
            whole += 1
            end += len(frames[whole]) if whole < len(frames) else 0
        yield whole


def _words(fault: Exception) -> str:
    """A fault in words."""
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"the server's certificate is not accepted: {fault.verify_message}"
    if isinstance(fault, TimeoutError):
        return "the server does not answer, or takes nothing more"
    if isinstance(fault, ssl.SSLError):
        return f"TLS: {fault.reason or fault}"
    return str(getattr(fault, "strerror", None) or fault)


# ── certificates ─────────────────────────────────────────────────────────────────────────────────────────


def make_context(settings: Syslog) -> ssl.SSLContext | None:
    """What TLS needs: the server is always verified; None without TLS.

    Raises:
        ConfigError: with each file that cannot be used.
    """
    context, flaws = _look(settings)
    if flaws:
        raise ConfigError(
            [Problem(one.file or "syslog", 1, 1, one.setting, one.what, one.remedy) for one in flaws]
        )
    return context


def _look(settings: Syslog) -> tuple[ssl.SSLContext | None, list[Flaw]]:
    """The context, and what is wrong with the files that it is made of."""
    if settings.protocol != "tls":
        return None, []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # this verifies certificate and name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    flaws: list[Flaw] = []
    if settings.ca_file is None:
        context.load_default_certs()
    else:
        flaws += load_authorities(context, settings.ca_file)
    if settings.cert_file is not None and settings.key_file is not None:
        flaws += load_pair(context, settings.cert_file, settings.key_file)[1]
    return context, flaws
