"""One host out of the history: because somebody asked for it, or because it was a mistake.

In: the configuration, an address.  Out: rows and texts that are gone, also from the empty parts of the file.
Never: while the daemon runs, which remembers what it has written; a new file where there is none.
"""

from __future__ import annotations

import ipaddress
import sqlite3
from typing import TYPE_CHECKING

from sniffer.errors import InputError, OutputError, UsageError, printable
from sniffer.history.lock import Lock
from sniffer.history.query import Reader
from sniffer.history.records import Bounds
from sniffer.history.store import Store

if TYPE_CHECKING:
    from sniffer.config import Config


def forget(config: Config, host: str) -> str:
    """Remove all rows of a host; return what is to be said about it.

    Raises:
        UsageError: there is no such address, or the configuration has no history.
        InputError: there is no history yet, it is none, or it has no such host.
        OutputError: the daemon is running, or the file cannot be written.
    """
    path = config.history.file
    if path is None:
        raise UsageError("the configuration has no history.file", remedy="name it with --config FILE")
    label = _label(host)
    Reader(path).close()
    lock = Lock(path)
    try:
        settings = config.history
        store = Store(path, Bounds(settings.keep, settings.detail, settings.max_size))
        try:
            rows = store.forget(label)
        finally:
            store.close()
    except (sqlite3.Error, OSError) as fault:
        raise OutputError(f"nothing was removed: {fault}", where=str(path), remedy="try again") from None
    finally:
        lock.release()
    if not rows:
        raise InputError(f"the history has no host {printable(label)}", where=str(path))
    return (
        f"{label}: {rows} rows removed. Backups, and files set aside beside the history, still have theirs."
    )


def _label(host: str) -> str:
    """An address as the history shows it."""
    try:
        address, slash, length = host.partition("/")
        return str(ipaddress.ip_network(host)) if slash and length else str(ipaddress.ip_address(address))
    except ValueError:
        raise UsageError(f"{printable(host, 80)} is no address", remedy="192.0.2.7, 2001:db8::/64") from None
