"""``sniffer top``: who mines, from a running daemon, again and again.

In: the daemon's own ``/-/hosts``.  Out: a table that fills a terminal; elsewhere one table; or the daemon's answer as JSON.
Never: a request to anything but that address, through no proxy; text of the answer that a terminal would obey.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from sniffer.certificates import load_authorities
from sniffer.config import load_config, parse_listen
from sniffer.control.table import WIDTH_OF_A_PIPE, Line, make_table
from sniffer.errors import SnifferError, UsageError, printable
from sniffer.size.figures import Figures, Texts, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Order: TypeAlias = Literal["hits", "last"]

PATH: Final = "/-/hosts"
SECONDS: Final = 5.0  # for an answer
MAX_ANSWER: Final = 16 << 20
MAX_PASSWORD: Final = 4_096
AROUND: Final = (
    6  # lines of a terminal that are not addresses: state, counts (both may need two), head, cursor
)
ANY: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # nothing is bound here
STYLES: Final = {"good": "green", "warn": "yellow", "bad": "bold red"}
SPANS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"))

# ── what the daemon tells ────────────────────────────────────────────────────────────────────────────────


class State(msgspec.Struct):
    """The sensor's state in words."""

    level: str
    text: str


class Host(msgspec.Struct):
    """An address with hits."""

    ip: str
    tenant: str
    hits: int
    confidence: str
    severity: str
    last_hit: float  # seconds since 1970, of the packet
    rules: list[str]
    size: Figures | None


class Told(msgspec.Struct):
    """What is needed of the daemon's answer (:func:`sniffer.control.page.overview`)."""

    sensor: str
    state: State
    packets: int
    drops: int
    hits: int
    active_hosts: int
    hosts: list[Host]


class AnswerError(SnifferError):
    """The daemon did not answer, or something else did."""


class Daemon:
    """A running daemon, by its address.

    Args:
        url: such as ``http://127.0.0.1:9478``.
        ca: certificate of whoever signed the daemon's; None: whom this machine trusts.
        user: for a daemon that asks for a password.
        password: of this user.

    Raises:
        UsageError: the address or the certificate is none.
    """

    def __init__(self, url: str, *, ca: Path | None = None, user: str = "", password: str = "") -> None:
        if not url.startswith(("http://", "https://")):
            raise UsageError(
                f"not an address: {printable(url, 80)}", remedy="write it like http://127.0.0.1:9478"
            )
        self.url = url.rstrip("/")
        if ca is not None and (flaws := load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ca)):
            raise UsageError(flaws[0].what, where=flaws[0].file, remedy=flaws[0].remedy)
        tls = ssl.create_default_context(cafile=ca)
        self._opener = urllib.request.OpenerDirector()  # no proxy, no redirection, no file:
        for handler in (
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(context=tls),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
        ):
            self._opener.add_handler(handler)
        self._headers = {"Accept": "application/json"}
        if user:
            word = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
            self._headers["Authorization"] = f"Basic {word}"

    def ask(self) -> bytes:
        """The answer, as it is.

        Raises:
            AnswerError: there is none.
        """
        try:
            request = urllib.request.Request(self.url + PATH, headers=self._headers)  # noqa: S310  # checked above
            with self._opener.open(request, timeout=SECONDS) as answer:
                body: bytes = answer.read(MAX_ANSWER + 1)
        except urllib.error.HTTPError as fault:
            fault.close()
            raise self._refused(fault.code) from None
        except (OSError, ValueError, http.client.HTTPException) as fault:
            raise self._silent(fault) from None
        if len(body) > MAX_ANSWER:
            raise self._stranger()
        return body

    def look(self) -> Told:
        """The answer, understood.

        Raises:
            AnswerError: there is none, or not a daemon's.
        """
        return self.understood(self.ask())

    def understood(self, body: bytes) -> Told:
        """What an answer says.

        Raises:
            AnswerError: it is not a daemon's.
        """
        try:
            return msgspec.json.decode(body, type=Told)
        except msgspec.DecodeError:
            raise self._stranger() from None

    def _refused(self, code: int) -> AnswerError:
        if code == 401:
            what, remedy = (
                "the daemon asks for a user and a password",
                "give --user NAME --password-file FILE",
            )
        elif code == 404:
            return self._stranger()
        else:
            what, remedy = f"the daemon answers with status {code}", "see the daemon's log"
        return AnswerError(what, where=self.url, remedy=remedy)

    def _stranger(self) -> AnswerError:
        remedy = "name the address of the daemon's endpoint with --url (http.listen in its configuration)"
        return AnswerError("something answers, but not sniffer", where=self.url, remedy=remedy)

    def _silent(self, fault: Exception) -> AnswerError:
        reason = getattr(fault, "reason", fault)
        if isinstance(reason, ssl.SSLCertVerificationError):
            what = f"the daemon's certificate is not accepted: {reason.verify_message}"
            return AnswerError(what, where=self.url, remedy="name who signed it with --ca FILE")
        if isinstance(reason, ssl.SSLError):
            return AnswerError(
                "no TLS is spoken there", where=self.url, remedy="write http:// in place of https://"
            )
        if isinstance(reason, (http.client.HTTPException, ConnectionResetError)):
            remedy = "write https:// in place of http://, if the daemon has TLS"
            return AnswerError("what answers speaks no HTTP", where=self.url, remedy=remedy)
        words = (
            "it takes too long"
            if isinstance(reason, TimeoutError)
            else getattr(reason, "strerror", None) or reason
        )
        remedy = "is the daemon running?  --url names its endpoint (http.listen in its configuration)"
        return AnswerError(f"no answer from the daemon: {words}", where=self.url, remedy=remedy)


def address_of(config: Path | None) -> str:
    """The address of the daemon that a configuration makes, seen from this machine."""
    host, port = parse_listen(load_config(config).http.listen)
    host = ANY.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def read_password(file: Path) -> str:
    """The first line of a file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_PASSWORD).decode().split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as fault:
        words = getattr(fault, "strerror", None) or "it is not text"
        raise UsageError(f"the password cannot be read: {words}", where=str(file)) from None


# ── what is shown ────────────────────────────────────────────────────────────────────────────────────────


class Top:
    """The table, poll by poll.

    Args:
        daemon: to ask.
        by: order of the addresses.
        clock: monotonic seconds.
        wall: seconds since 1970.
    """

    def __init__(
        self,
        daemon: Daemon,
        by: Order = "hits",
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._daemon, self._by, self._clock, self._wall = daemon, by, clock, wall
        self._told: Told | None = None
        self._at = 0.0
        self._rate: float | None = None  # packets a second between the last two polls
        self._fault: AnswerError | None = None

    def poll(self) -> None:
        """Ask the daemon.

        Raises:
            AnswerError: it does not answer, and never did.
        """
        try:
            told = self._daemon.look()
        except AnswerError as fault:
            if self._told is None:
                raise
            self._fault, self._rate = fault, None
            return
        now = self._clock()
        before, since, self._fault = self._told, now - self._at, None
        # Fewer packets than before: another life of the daemon.
        known = before is not None and since > 0 and told.packets >= before.packets
        self._rate = (told.packets - before.packets) / since if known and before is not None else None
        self._told, self._at = told, now

    def render(self, rows: int, width: int) -> Group:
        """As of the last poll, with so many addresses at most, for a terminal of so many characters."""
        told = self._told
        if told is None:
            return Group()
        key: Callable[[Host], float] = (
            (lambda host: host.hits) if self._by == "hits" else (lambda host: host.last_hit)
        )
        hosts = sorted(told.hosts, key=key, reverse=True)
        shown = hosts[: max(rows, 1)]
        now = self._wall()
        lines = [
            Line(
                shown_text(host.ip),
                shown_text(host.tenant),
                host.hits,
                shown_text(host.confidence),
                shown_text(host.severity),
                Texts(*map(shown_text, texts_of(host.size))),
                age(now - host.last_hit),
                [shown_text(rule) for rule in host.rules],
            )
            for host in shown
        ]
        more = f"; {len(hosts) - len(shown)} more addresses" if len(hosts) > len(shown) else ""
        rate = "" if self._rate is None else f", {self._rate:,.0f} a second"
        counts = (
            f"{told.packets:,} packets{rate}, {told.drops:,} dropped, {told.hits:,} hits, "
            f"{told.active_hosts:,} addresses in the last hour{more}"
        )
        if self._fault is None:
            state, style = shown_text(told.state.text), STYLES.get(told.state.level, "")
        else:
            state, style = f"{shown_text(self._fault.what)}; trying again", STYLES["bad"]
        head = Text(f"sniffer {shown_text(told.sensor)}, {shown_text(self._daemon.url)}: ").append(
            state, style
        )
        return Group(
            head, Text(counts), make_table(lines, title="", caption="", last="last hit", width=width)
        )


def show(top: Top, *, once: bool, interval: float) -> None:
    """Show the table until Ctrl-C on a terminal; one of it elsewhere.

    Raises:
        AnswerError: the daemon does not answer the first time.
    """
    screen = Console(highlight=False)
    top.poll()
    if once or not screen.is_terminal:
        if not screen.is_terminal:
            screen.width = WIDTH_OF_A_PIPE
        screen.print(top.render(sys.maxsize, screen.width))
        return
    with Live(
        top.render(screen.height - AROUND, screen.width), console=screen, screen=True, auto_refresh=False
    ) as live:
        while True:
            time.sleep(interval)
            top.poll()
            live.update(top.render(screen.height - AROUND, screen.width), refresh=True)


def as_json(daemon: Daemon) -> str:
    """The daemon's answer without what is there for its page only.

    Raises:
        AnswerError: there is none, or not a daemon's.
    """
    body = daemon.ask()
    daemon.understood(body)
    told: dict[str, Any] = json.loads(body)
    told.pop("shown", None)
    for host in told["hosts"]:
        host.pop("cells", None)
    return json.dumps(told, indent=2)


def age(seconds: float) -> str:
    """How long ago something was; a dash for what has yet to come (a capture says so)."""
    if not 0 <= seconds < 10_000 * 86_400:
        return "-"
    for span, unit in SPANS:
        if seconds >= span:
            return f"{int(seconds // span)} {unit} ago"
    return f"{int(seconds)} s ago"


def shown_text(text: str) -> str:
    """Text of the answer: what a terminal would obey, or cannot show, is escaped."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return printable(text)
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text[:200])
