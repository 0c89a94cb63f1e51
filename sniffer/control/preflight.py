"""Everything that ``run`` does short of opening the interface, so that a service can ask before it starts.

In: a configuration file.  Out: a line that says what is fine, or ConfigError with every fault of every part.
Never: a file made, a connection, a port that stays taken; an end at the first fault.

A part is one function of :data:`PARTS`: it yields what is fine, and faults of settings; it may raise ConfigError for faults of
other files.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Final

from sniffer.config import parse_listen, privacy_key, read_config
from sniffer.control import outlets
from sniffer.control.webconfig import load_web
from sniffer.errors import ConfigError, Fault, printable
from sniffer.evidence import recorder as evidence_recorder
from sniffer.history import recorder
from sniffer.paths import rule_folders
from sniffer.sinks import textfile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from sniffer.config import Config
    from sniffer.errors import Problem


def check(file: Path | None) -> str:
    """Check a configuration and what it names.

    Returns:
        What was found fine.

    Raises:
        ConfigError: with every fault.
    """
    config, document = read_config(file)
    problems: list[Problem] = []
    told: list[str] = []
    for part in PARTS:
        try:
            for found in part(config):
                if isinstance(found, Fault):
                    what = f"{'.'.join(found.place)}: {found.what}"
                    problems.append(document.problem(found.place, found.place[1], what, found.remedy))
                else:
                    told.append(found)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return f"fine: {', '.join(told)}"


def _rules(config: Config) -> Iterator[str]:
    from sniffer.control.reload import load  # noqa: PLC0415  # readers and rules: a second

    loaded = load(rule_folders(None, config.rules.directories), config.sources)
    yield f"{len(loaded.rules)} rules ({loaded.version})"
    if loaded.owners.tenants:
        yield f"{len(loaded.owners.tenants)} tenants"
    if config.capture.interfaces:
        yield f"interfaces {', '.join(config.capture.interfaces)}"


def _key(config: Config) -> Iterator[str]:
    privacy_key(config.events)
    if config.events.key_file is not None:
        yield "privacy key"


def _sinks(config: Config) -> Iterator[str | Fault]:
    faults = list(outlets.faults(config))
    yield from faults
    if not faults:
        if config.events.file is not None:
            yield f"events to {printable(config.events.file)}"
        if config.syslog.server is not None:
            yield f"syslog to {config.syslog.server} ({config.syslog.protocol})"


def _endpoint(config: Config) -> Iterator[str | Fault]:
    """Whether the address is one of this machine, and the port may be opened; a port in use is that of the daemon."""
    listen = config.http.listen
    host, port = parse_listen(listen)
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, number) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
    except (OSError, UnicodeError) as error:
        code = error.errno if isinstance(error, OSError) else 0
        if code == errno.EACCES:
            what, remedy = f"port {port} may not be opened", "choose a port above 1023"
        elif code == errno.EADDRINUSE:
            what = remedy = ""
        else:
            what = f"{listen} cannot be listened on"
            remedy = "name an address of this machine"
        if what:
            yield Fault(("http", "listen"), what, remedy)
            return
    yield f"metrics on {listen}"


def _textfile(config: Config) -> Iterator[str | Fault]:
    faults = list(textfile.faults(config))
    yield from faults
    if config.metrics.textfile is not None and not faults:
        yield f"metrics to {printable(config.metrics.textfile)}"


def _history(config: Config) -> Iterator[str | Fault]:
    faults = list(recorder.faults(config))
    yield from faults
    if config.history.file is not None and not faults:
        yield f"history in {printable(config.history.file)}"


def _evidence(config: Config) -> Iterator[str | Fault]:
    faults = list(evidence_recorder.faults(config))
    yield from faults
    if config.evidence.directory is not None and not faults:
        signed = ", signed" if config.evidence.signing_key_file is not None else ""
        yield f"evidence to {printable(config.evidence.directory)}{signed}"


def _web(config: Config) -> Iterator[str]:
    load_web(config.http.web_config_file)
    if config.http.web_config_file is not None:
        yield f"guarded by {printable(config.http.web_config_file)}"


PARTS: Final[tuple[Callable[[Config], Iterable[str | Fault]], ...]] = (
    _rules,
    _key,
    _sinks,
    _endpoint,
    _web,
    _textfile,
    _history,
    _evidence,
)
"""What is checked, in this order: a new part of the daemon that can be configured wrongly has a function here."""
