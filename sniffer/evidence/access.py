"""Who has read what: ``access.jsonl`` in the folder of evidence.

In: a command, the bundles that it is about.  Out: a line.
Never: a reading of evidence that is not written down first; a line for a copy that lies elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from typing import TYPE_CHECKING, Final

import msgspec

from sniffer.errors import AccessError, printable
from sniffer.evidence.chain import NAME as CHAIN
from sniffer.evidence.store import append_line
from sniffer.sinks.event import timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAME: Final = "access.jsonl"
NOBODY: Final = 0xFFFFFFFF  # what the kernel says where nobody has logged in
SHOWN: Final = 20  # bundles that are named


def who() -> str:
    """Who runs this process: the user, and who had logged in before becoming it."""
    uid = os.getuid()
    login = uid
    with contextlib.suppress(OSError, ValueError), open("/proc/self/loginuid", encoding="ascii") as file:  # noqa: PTH123
        login = int(file.read())
    told = user(uid)
    return told if login in (uid, NOBODY) else f"{told}, logged in as {user(login)}"


def user(uid: int) -> str:
    """A user by number and name."""
    try:
        return printable(f"{uid} ({pwd.getpwuid(uid).pw_name})")
    except KeyError:
        return str(uid)


def note(folder: Path, command: str, bundles: Sequence[str] = (), reason: str = "") -> None:
    """Write down that somebody reads evidence.

    Args:
        folder: of evidence; where there is none, as around a copy, nothing is written.
        command: what is done.
        bundles: those that it is about; none: all.
        reason: why, if that was said.

    Raises:
        AccessError: it cannot be written, so that nothing may be read.
    """
    if not (folder / CHAIN).exists():
        return
    record = {
        "time": timestamp(time.time_ns()),
        "uid": os.getuid(),
        "who": who(),
        "command": command,
        **(
            {"bundles": [printable(one) for one in bundles[:SHOWN]], "count": len(bundles)} if bundles else {}
        ),
        **({"reason": printable(reason)} if reason else {}),
    }
    try:
        append_line(folder / NAME, msgspec.json.encode(record) + b"\n")
    except OSError as fault:
        raise AccessError(
            f"the access log cannot be written ({fault.strerror}), so nothing is read",
            where=str(folder / NAME),
            remedy="run as root or as the user of the service; or copy the bundle elsewhere and work on the copy",
        ) from None
