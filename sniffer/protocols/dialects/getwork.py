"""getwork over HTTP: work as 128 bytes of header (protocols.md, section 6).

In: calls, replies and heads of HTTP messages.  Out: readings.
Never: ``getwork`` as a part of another method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.dialects.http_account import EXTENSIONS, HASHRATE, SERVER_FIELDS, account
from sniffer.protocols.messages import Dialect, Reading

if TYPE_CHECKING:
    from sniffer.protocols.messages import Answer, Call, Head
    from sniffer.protocols.session import Session

FAMILY: Final = "getwork-http"
DATA_DIGITS: Final = range(160, 513)  # 256 of Bitcoin; some coins have longer headers
LONG_POLL: Final = "longpoll"
REJECTED: Final = "x-reject-reason"


class Getwork(Dialect):
    """Reads getwork, and the fields of heads that only miners and their servers send."""

    def call(self, call: Call, session: Session) -> Reading | None:
        """Read a request."""
        if call.method != "getwork" or not isinstance(call.params, list | None):
            return None
        data = call.params[0] if call.params else None
        if data is None:
            return Reading(FAMILY, "getwork", Role.CLIENT, account(call.http))
        values = account(call.http, wishes=False)
        return Reading(FAMILY, "getwork.submit", Role.CLIENT, values, share=True) if is_data(data) else None

    def answer(self, answer: Answer, session: Session) -> Reading | None:
        """Read work, or the verdict on it."""
        result = answer.result
        if (
            isinstance(result, dict)
            and is_data(result.get("data"))
            and read.is_hex(result.get("target"), 64, 64)
        ):
            values: dict[str, Value] = {}
            hashes = read.target_hashes(read.hex_bytes(result["target"])[::-1].hex())
            if hashes is not None:
                values["mining.hashes_per_share"] = hashes
            return Reading(FAMILY, "getwork.reply", Role.SERVER, values)
        if session.protocol == FAMILY and answer.asked == "getwork" and isinstance(result, bool):
            refused = answer.http is not None and REJECTED in answer.http.fields
            values = {"mining.accepted": result and not refused and not answer.error}
            return Reading(FAMILY, "getwork.submit.reply", Role.SERVER, values, share=True)
        return None

    def head(self, head: Head, session: Session) -> Reading | None:
        """Read a head whose body told nothing."""
        family = session.protocol if session.protocol.endswith("-http") else FAMILY
        if head.verb and (EXTENSIONS in head.fields or HASHRATE in head.fields):
            is_poll = head.verb == "GET"
            return Reading(family, LONG_POLL if is_poll else "request", Role.CLIENT, account(head))
        if head.verb or not any(name in head.fields for name in SERVER_FIELDS):
            return None
        pool = head.fields.get("x-stratum", "").partition("://")[2].rstrip("/")
        if pool:
            return Reading("gbt-http", "redirect", Role.SERVER, {"mining.pool": pool[:255]})
        if REJECTED in head.fields:
            return Reading(
                FAMILY, "getwork.submit.reply", Role.SERVER, {"mining.accepted": False}, share=True
            )
        return Reading(family, "response", Role.SERVER, {})


def is_data(value: Any) -> bool:
    """Whether a value is a block header, padded for the hash."""
    return read.is_hex(value) and len(value) in DATA_DIGITS and len(value) % 32 == 0
