"""The HTTP endpoint: a few fixed paths, bounded in connections, bytes and time; in the clear or over TLS.

In: requests of anybody who reaches the port, and a :class:`~sniffer.control.guard.Guard`.  Out: answers of :class:`Route` handlers.
Never: a file, a thread for a client, a traceback, a request read beyond its head, text of a request in an answer.

Each connection carries one request: with no second one there is nothing to smuggle and no idle client to keep.  When all
places are taken, the newcomer gets the place of the client that has owed its request head longest, that has its answer and
does not close, or that has left an answer unread for over a second; so 500 stalling clients do not keep a scraper out.  If nobody stalls, the newcomer gets 503.
A client takes its place when it is accepted, before any handshake, and owes handshake and head within one deadline (decision
0029).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import inspect
import ssl
import time
from asyncio import sslproto
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

import h11
import structlog

from sniffer.certificates import reason_of
from sniffer.config import parse_listen
from sniffer.control.guard import Guard
from sniffer.errors import AccessError, OutputError, UsageError, printable
from sniffer.sinks.metrics import REJECTIONS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

MAX_CONNECTIONS: Final = 64
MAX_HEAD: Final = 16 << 10  # bytes of request line and headers
MAX_PARAMETERS: Final = 64
HEAD_SECONDS: Final = 5.0  # for the handshake and the request head together
HANDLER_SECONDS: Final = 10.0
SEND_SECONDS: Final = 10.0
TIDY_INTERVAL: Final = 1.0  # seconds between two looks for what TLS connections leave behind
STALLED_SECONDS: Final = 1.0  # without progress, after which a newcomer may take the place
PIECE: Final = 64 << 10  # bytes handed to the transport at a time, so that bodies are shared and not copied
RECORD: Final = 16 << 10  # the same over TLS: the most that is encrypted at once
BACKLOG: Final = 256  # connections that wait in the kernel
AT_ONCE: Final = 16  # accepted before those that were are looked at: less than there are places
CLOSING_TURNS: Final = (
    8  # of the event loop: an accepted socket needs some to become a connection, and to be let go
)
METHODS: Final = frozenset({"GET", "HEAD", "POST"})
TEXT: Final = "text/plain; charset=utf-8"

log = structlog.get_logger("sniffer.http")

# ── what routes are made of ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler may know of a request."""

    method: str  # GET or POST (HEAD is asked as GET)
    gzip: bool  # the client takes gzip
    query: str = ""  # behind the ?
    languages: str = ""  # that the client prefers: its Accept-Language


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    status: int
    body: bytes
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def text(cls, status: int, line: str, *headers: tuple[str, str]) -> Response:
        """An answer of one line."""
        return cls(status, f"{line}\n".encode(), headers=headers)


class Route(NamedTuple):
    """What is done for one path."""

    handler: Callable[[Request], Response | Awaitable[Response]]
    method: str = "GET"  # GET (also HEAD) or POST


# ── the endpoint ─────────────────────────────────────────────────────────────────────────────────────────


class _Arrival(asyncio.StreamReaderProtocol):
    """A connection whose first bytes stay in the kernel until it is known who reads them: a handshake, or we."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Stop reading before it has begun."""
        cast("asyncio.ReadTransport", transport).pause_reading()
        super().connection_made(transport)


@dataclass(eq=False, slots=True)
class _Connection:
    """One client, and what it owes us."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    raw: asyncio.WriteTransport  # below any TLS
    progress: float  # monotonic seconds when it last did what we waited for
    context: ssl.SSLContext | None = None
    hears: bool = False  # it can be told something: there is no handshake, or it is over
    waits_for_head: bool = True
    sending: bool = False
    answered: bool = False  # all was handed over; only the goodbye is missing
    task: asyncio.Task[None] | None = field(default=None)


class Endpoint:
    """Serves routes on one address, within the running event loop.

    Args:
        listen: ``HOST:PORT``, see :func:`~sniffer.config.parse_listen`.
        routes: by path.
        guard: whom to let in, and how; None: everybody, in the clear.
        max_connections: clients served at the same time.
        head_seconds: in which handshake and request head must be complete.
        send_seconds: in which the answer must be taken.

    Raises:
        UsageError: ``listen`` is not an address and a port.
    """

    def __init__(
        self,
        listen: str,
        routes: Mapping[str, Route],
        *,
        guard: Guard | None = None,
        max_connections: int = MAX_CONNECTIONS,
        head_seconds: float = HEAD_SECONDS,
        send_seconds: float = SEND_SECONDS,
    ) -> None:
        try:
            self._host, self._port = parse_listen(listen)
        except ValueError as fault:
            raise UsageError(str(fault), remedy="write it like 127.0.0.1:9478") from None
        self.listen = listen
        self.guard = guard or Guard()
        self.rejected: dict[str, int] = dict.fromkeys(REJECTIONS, 0)
        self._routes = routes
        self._max, self._head_seconds, self._send_seconds = max_connections, head_seconds, send_seconds
        self._connections: dict[_Connection, None] = {}  # in order of arrival
        self._server: asyncio.Server | None = None
        self._untidy, self._next_tidying = 0, 0.0  # TLS connections that have ended since; when to look next

    async def start(self) -> None:
        """Listen.

        Raises:
            AccessError: the port needs a privilege.
            OutputError: the address is in use, or is not ours.
        """
        try:
            loop = asyncio.get_running_loop()
            # Each TLS connection has a buffer of this size; asyncio's 256 KiB would be 16 MiB for clients that say nothing.
            sslproto.SSLProtocol.max_size = 2 * RECORD
            self._server = await loop.create_server(
                self._arrive, self._host or None, self._port, backlog=AT_ONCE
            )
            for listening in self._server.sockets:
                with listening.dup() as same:  # asyncio has one number for both
                    same.listen(BACKLOG)
        except PermissionError:
            raise AccessError(
                f"port {self._port} may not be opened", where=self.listen, remedy="choose a port above 1023"
            ) from None
        except (OSError, OverflowError, UnicodeError) as fault:
            in_use = isinstance(fault, OSError) and fault.errno == errno.EADDRINUSE
            raise OutputError(
                "the address is in use" if in_use else "the address cannot be listened on",
                where=self.listen,
                remedy="stop the other program, or set http.listen to another port"
                if in_use
                else "set http.listen to an address of this machine",
            ) from None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port in fact (port 0 was asked: the one that was given); ("", 0) while not listening."""
        if self._server is None or not self._server.sockets:
            return "", 0
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def close(self) -> None:
        """Stop listening and let go of every client, also of those whose connection was accepted just now."""
        if self._server is None:
            return
        self._server.close()
        for _ in range(CLOSING_TURNS):
            tasks = [one.task for one in self._connections if one.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)
        await self._server.wait_closed()
        self.guard.close()

    # ── one connection ───────────────────────────────────────────────────────────────────────────────────

    def _arrive(self) -> _Arrival:
        loop = asyncio.get_running_loop()
        return _Arrival(asyncio.StreamReader(limit=MAX_HEAD, loop=loop), self._serve, loop=loop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        context = self.guard.context
        connection = _Connection(
            reader,
            writer,
            writer.transport,
            time.monotonic(),
            context,
            hears=context is None,
            task=asyncio.current_task(),
        )
        if len(self._connections) >= self._max and not self._make_room():
            self.rejected["busy"] += 1
            self._dismiss(connection)
            return
        self._connections[connection] = None
        try:
            await self._talk(connection)
        except (OSError, asyncio.CancelledError):
            pass  # the client went, or had to; nothing is owed
        finally:
            self._connections.pop(connection, None)
            if connection.context is not None:
                self._tidy()
            if connection.context is not None or writer.transport.get_write_buffer_size():
                writer.transport.abort()  # over TLS, who was served has been taken leave of already
            else:
                writer.close()

    def _tidy(self) -> None:
        """After many TLS connections have Python look for circles: asyncio makes one of each, of some 100 KiB."""
        self._untidy += 1
        now = time.monotonic()
        if self._untidy >= self._max and now >= self._next_tidying:
            self._untidy, self._next_tidying = 0, now + TIDY_INTERVAL
            gc.collect()

    def _make_room(self) -> bool:
        """Let go of the client that stalls longest, or of one that has its answer; False if there is none."""
        now = time.monotonic()
        found = (
            self._first(lambda one: one.waits_for_head and one.progress < now - STALLED_SECONDS / 2)
            or self._first(lambda one: one.answered and not one.raw.get_write_buffer_size())
            or self._first(lambda one: one.sending and one.progress < now - STALLED_SECONDS)
            or self._first(lambda one: one.waits_for_head)
        )
        if found is None:
            return False
        del self._connections[found]
        if found.waits_for_head:
            self._dismiss(found)
        elif not found.answered:
            found.writer.transport.abort()
        self.rejected["busy"] += not found.answered
        if found.task is not None:
            found.task.cancel()
        return True

    def _first(self, kind: Callable[[_Connection], bool]) -> _Connection | None:
        """The client of a kind that came first."""
        return next(filter(kind, self._connections), None)

    def _dismiss(self, connection: _Connection) -> None:
        """Say 503 without waiting whether it is heard."""
        if not connection.hears:
            connection.writer.transport.abort()
            return
        answer = Response.text(503, "too many connections", ("Retry-After", "1"))
        connection.writer.write(self._head(answer, h11.Connection(h11.SERVER)) + answer.body)
        connection.writer.close()

    async def _talk(self, connection: _Connection) -> None:
        wire = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        try:
            async with asyncio.timeout(self._head_seconds):
                await self._begin(connection)
                request = await self._read_head(wire, connection.reader)
        except TimeoutError:
            self.rejected["slow"] += 1
            if not connection.hears:
                return
            answer, with_body = Response.text(408, "the request head took too long"), True
        except ssl.SSLError as fault:
            self.rejected["tls"] += 1
            self._tell_of_handshake(fault, connection.writer)
            return
        except h11.RemoteProtocolError as fault:
            self.rejected["malformed"] += 1
            answer, with_body = _plain(fault.error_status_hint or 400), True
        else:
            if request is None:  # cut off: never served
                return
            connection.waits_for_head = False
            answer, with_body = await self._answer(request, connection), request.method != b"HEAD"
        connection.waits_for_head, connection.sending, connection.progress = False, True, time.monotonic()
        async with asyncio.timeout(self._send_seconds):
            await self._send(connection, self._head(answer, wire), answer.body if with_body else b"")

    @staticmethod
    async def _begin(connection: _Connection) -> None:
        """Begin to read; over TLS, once hands have been shaken."""
        if connection.context is None:
            connection.writer.transport.set_write_buffer_limits(0)  # what is drained is in the kernel's hands
            cast("asyncio.ReadTransport", connection.writer.transport).resume_reading()
            return
        # What waits, waits in the clear and encrypted; asyncio would let half a megabyte of it.
        connection.writer.transport.set_write_buffer_limits(RECORD)
        await connection.writer.start_tls(connection.context)
        connection.writer.transport.set_write_buffer_limits(RECORD)
        connection.hears = True

    @staticmethod
    async def _read_head(wire: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
        while True:
            event = wire.next_event()
            if isinstance(event, h11.Request):
                return event
            if event is not h11.NEED_DATA:
                return None
            data = await reader.read(4096)
            wire.receive_data(data)
            if not data:
                return None

    async def _send(self, connection: _Connection, head: bytes, body: bytes) -> None:
        writer = connection.writer
        piece = PIECE if connection.context is None else RECORD
        writer.write(head + body[: piece - len(head)])
        sent = piece - len(head)
        await writer.drain()
        view = memoryview(body)
        while sent < len(body):
            connection.progress = time.monotonic()
            writer.write(view[sent : sent + piece])
            sent += piece
            await writer.drain()
        connection.answered = True
        if connection.context is not None:  # the last word of TLS, and the client's
            writer.close()
            await writer.wait_closed()
            return
        writer.write_eof()
        # An unread body would turn our close into a reset, which can overtake the answer: read a little of it.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STALLED_SECONDS):
                for _ in range(16):
                    if not await connection.reader.read(MAX_HEAD):
                        break

    # ── one answer ───────────────────────────────────────────────────────────────────────────────────────

    async def _answer(self, request: h11.Request, connection: _Connection) -> Response:
        method = request.method.decode("ascii", "replace")
        headers = {name: value for name, value in request.headers if name in WANTED}
        refusal = await self._refusal(headers, connection.writer)
        if refusal is not None:
            return refusal
        if request.http_version not in (b"1.0", b"1.1"):
            return _plain(400)
        path, _, query = request.target.decode("ascii", "replace").partition("?")
        if method not in METHODS:
            return _not_allowed("GET, HEAD, POST")
        route = self._routes.get(path)
        if route is None:
            return _plain(404)
        if method != route.method and not (method == "HEAD" and route.method == "GET"):
            return _not_allowed("GET, HEAD" if route.method == "GET" else route.method)
        if query.count("&") >= MAX_PARAMETERS:
            return _plain(400)
        if route.method == "POST" and not _same_site(headers):
            return Response.text(403, "requests from pages of other sites are refused")
        try:
            async with asyncio.timeout(HANDLER_SECONDS):
                gzip = takes_gzip(headers.get(b"accept-encoding", b""))
                languages = headers.get(b"accept-language", b"").decode("ascii", "replace")
                answer = route.handler(Request(route.method, gzip, query, languages))
                return await answer if inspect.isawaitable(answer) else answer
        except TimeoutError:
            return _plain(503)
        except Exception as fault:  # noqa: BLE001
            # One bad page must not take the endpoint with it; a traceback would not fit the one line of the log.
            log.error("http_handler_failed", path=path, error=printable(repr(fault)))  # noqa: TRY400
            return _plain(500)

    async def _refusal(self, headers: Mapping[bytes, bytes], writer: asyncio.StreamWriter) -> Response | None:
        """What a client hears that is not let in; None for one that is."""
        certificate: dict[str, Any] = writer.get_extra_info("peercert") or {}
        status = await self.guard.admit(headers.get(b"authorization", b""), _peer(writer), certificate)
        if status == HTTPStatus.OK:
            return None
        if status == HTTPStatus.UNAUTHORIZED:
            self.rejected["password"] += 1
            return Response.text(status, "name and password, please", ("WWW-Authenticate", REALM))
        if status == HTTPStatus.FORBIDDEN:
            self.rejected["tls"] += 1
            return Response.text(status, "the client certificate has no name that is let in")
        self.rejected["rate"] += 1
        return Response.text(status, "too many requests", ("Retry-After", "1"))

    @staticmethod
    def _tell_of_handshake(fault: ssl.SSLError, writer: asyncio.StreamWriter) -> None:
        """Say why a handshake failed, now and then: the client may have heard nothing."""
        reason = printable(reason_of(fault))
        log.warning("tls_handshake_failed", code="tls_handshake", client=_peer(writer), reason=reason)

    def _head(self, answer: Response, wire: h11.Connection) -> bytes:
        return _head(answer, wire, self.guard.headers)


REALM: Final = 'Basic realm="sniffer", charset="UTF-8"'
WANTED: Final = frozenset(
    {b"accept-encoding", b"accept-language", b"authorization", b"host", b"origin", b"sec-fetch-site"}
)
ALWAYS: Final = (
    ("Connection", "close"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)


def _peer(writer: asyncio.StreamWriter) -> str:
    """The client's address; empty if it has gone."""
    found = writer.get_extra_info("peername")
    return str(found[0]) if found else ""


def _plain(status: int) -> Response:
    return Response.text(status, HTTPStatus(status).phrase.lower())


def _not_allowed(methods: str) -> Response:
    return Response.text(405, "method not allowed", ("Allow", methods))


def _same_site(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request comes from no web page, or from one of ours: browsers say where a form was sent from."""
    if headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
        return False
    origin = headers.get(b"origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin.decode("ascii", "replace")).netloc.encode() == headers.get(b"host")
    except ValueError:
        return False


def takes_gzip(accept: bytes) -> bool:
    """Whether an Accept-Encoding header allows gzip (RFC 9110, section 12.5.3)."""
    for part in accept.lower().split(b","):
        coding, _, parameter = part.partition(b";")
        if coding.strip() in (b"gzip", b"x-gzip", b"*"):
            name, _, weight = parameter.strip().partition(b"=")
            return not (name.strip() == b"q" and weight.strip().strip(b"0.") == b"")
    return False


def _head(answer: Response, wire: h11.Connection, configured: Sequence[tuple[str, str]]) -> bytes:
    """Status line and headers; what is configured takes the place of what is ours."""
    replaced = {name.lower() for name, _ in configured}
    headers = [
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(answer.body))),
        *(one for one in (*ALWAYS, *answer.headers) if one[0].lower() not in replaced),
        *configured,
    ]
    reason = HTTPStatus(answer.status).phrase
    if wire.our_state is not h11.SEND_RESPONSE and wire.our_state is not h11.IDLE:
        wire = h11.Connection(h11.SERVER)  # after a malformed request this side is in order all the same
    return wire.send(h11.Response(status_code=answer.status, headers=headers, reason=reason)) or b""
