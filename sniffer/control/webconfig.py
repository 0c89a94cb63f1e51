"""The web configuration file: TLS, passwords, headers and rate of the endpoint, in the format that Prometheus exporters share.

In: YAML in the format of exporter-toolkit's ``web.config.file`` (its docs/web-configuration.md).  Out: :class:`Web`, or
ConfigError with every fault of the file and of the files that it names.
Never: a setting that is taken and does nothing; a password, a hash or a key in a message.

What Python's ssl cannot do is a fault with a sentence about it.  ``http2`` is the one exception: it allows something, and the
endpoint may do without it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field

from sniffer.config import Duration, Section
from sniffer.control.tls import TlsSettings, make_context
from sniffer.errors import ConfigError, Problem
from sniffer.strictyaml import Document, load_file, validate

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

MIN_COST: Final = 5
MAX_COST: Final = 14  # a second of a processor for each guess
MAX_USERS: Final = 1_000
MAX_NAME: Final = 255  # characters
BCRYPT: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
MAKE_HASH: Final = "htpasswd -nBC 10 NAME"

# ── the shape ────────────────────────────────────────────────────────────────────────────────────────────

HeaderText = Annotated[str, Field(max_length=4_096, pattern=r"^[ -~]*$")]


class Headers(Section):
    """Headers that may be set; an empty one is not set."""

    content_security_policy: HeaderText = Field(default="", alias="Content-Security-Policy")
    x_frame_options: Literal["deny", "sameorigin", ""] = Field(default="", alias="X-Frame-Options")
    x_content_type_options: Literal["nosniff", ""] = Field(default="", alias="X-Content-Type-Options")
    x_xss_protection: HeaderText = Field(default="", alias="X-XSS-Protection")
    strict_transport_security: HeaderText = Field(default="", alias="Strict-Transport-Security")


class HttpServer(Section):
    """How HTTP is spoken."""

    http2: bool = True  # allowed; ours speaks HTTP/1.1
    headers: Headers = Field(default_factory=Headers)


class RateLimit(Section):
    """A bucket of requests that fills with time."""

    interval: Duration = 0.0  # seconds between two requests in the long run; 0: no limit
    burst: int = Field(default=0, ge=0, le=1_000_000)


class WebFile(Section):
    """The whole file."""

    tls_server_config: TlsSettings | None = None
    http_server_config: HttpServer = Field(default_factory=HttpServer)
    basic_auth_users: Any = None  # looked at apart: what is wrong there may be a password
    rate_limit: RateLimit = Field(default_factory=RateLimit)


# ── what becomes of it ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Web:
    """How the endpoint is guarded; without a file, not at all."""

    context: ssl.SSLContext | None = None
    allowed_names: frozenset[str] = frozenset()  # of client certificates; empty: any name
    users: dict[str, bytes] = field(default_factory=dict, repr=False)  # bcrypt hashes by name
    headers: tuple[tuple[str, str], ...] = ()
    interval: float = 0.0  # seconds between two requests in the long run; 0: no limit
    burst: int = 0
    expires: float | None = None  # seconds since 1970 at which the certificate ends
    files: tuple[Path, ...] = ()  # that it was made of

    def stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        """What tells whether a file has changed since; None for one that is not there."""
        return tuple(map(_stamp, self.files))


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def load_web(file: Path | None) -> Web:
    """Read the web configuration file and everything that it names; without one, an open endpoint.

    Raises:
        ConfigError: with every fault.
    """
    if file is None:
        return Web()
    document = load_file(file)
    problems: list[Problem] = []
    users, faults = _users(document)
    problems += faults
    try:
        shape = validate(document, WebFile, quote=False)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    made = None
    if shape.tls_server_config is not None:
        try:
            made = make_context(shape.tls_server_config, file.parent, document)
        except ConfigError as error:
            problems += error.problems
    limit = shape.rate_limit
    if limit.interval and not limit.burst:
        problems.append(
            document.problem(("rate_limit",), "value", "rate_limit: burst is 0: no request passes", "set burst, at least 1")
        )  # fmt: skip
    if problems:
        raise ConfigError(problems)
    return Web(
        context=made.context if made else None,
        allowed_names=made.allowed_names if made else frozenset(),
        users=users,
        headers=tuple(_headers(shape.http_server_config.headers)),
        interval=limit.interval,
        burst=limit.burst,
        expires=made.expires if made else None,
        files=(file, *(made.files if made else ())),
    )


def _headers(headers: Headers) -> Iterator[tuple[str, str]]:
    for name, value in headers.model_dump(by_alias=True).items():
        if value:
            yield name, value


def _users(document: Document) -> tuple[dict[str, bytes], list[Problem]]:
    """Names with their hashes, and what is wrong with them.  No message says what was given."""
    whole = document.data if isinstance(document.data, dict) else {}
    given = whole.get("basic_auth_users")
    place: tuple[str, ...] = ("basic_auth_users",)
    if given is None:
        return {}, []
    if not isinstance(given, dict):
        remedy = "write a line NAME: HASH for each user"
        return {}, [document.problem(place, "type", "basic_auth_users: names with hashes are wanted", remedy)]
    if len(given) > MAX_USERS:
        what = f"basic_auth_users: more than {MAX_USERS} users"
        return {}, [document.problem(place, "range", what, "use client certificates for so many")]
    users: dict[str, bytes] = {}
    problems = []
    for name, value in given.items():
        fault = _fault_of_name(name) or _fault_of_hash(value)
        if fault:
            problems.append(document.problem((*place, name), *fault))
        else:
            users[name] = str(value).encode()
    return users, problems


def _fault_of_name(name: str) -> tuple[str, str, str] | None:
    if not name or ":" in name or len(name) > MAX_NAME or not name.isprintable():
        what = f"a user's name has 1 to {MAX_NAME} printable characters and no colon"
        return "value", what, "choose another name"
    return None


def _fault_of_hash(value: object) -> tuple[str, str, str] | None:
    found = BCRYPT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        what = "is no bcrypt hash (that begins with $2y$, $2b$ or $2a$ and has 60 characters)"
        return "password", what, f"never write it in the clear; make a hash: {MAKE_HASH}"
    cost = int(found[1])
    if not MIN_COST <= cost <= MAX_COST:
        what = f"bcrypt cost is {cost}, wanted {MIN_COST} to {MAX_COST}"
        return "password", what, f"make a new hash: {MAKE_HASH}"
    return None
