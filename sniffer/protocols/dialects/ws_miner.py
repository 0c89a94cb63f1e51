"""Miners in browsers: the dialect of Coinhive and its clones, over WebSocket (protocols.md, section 8).

In: objects without a method, with ``type`` and ``params``.  Out: readings.
Never: ``auth``, ``job`` or ``submit`` by their names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.dialects.cryptonote import is_job, job_of, job_values
from sniffer.protocols.messages import Dialect, Reading

if TYPE_CHECKING:
    from sniffer.protocols.session import Session

FAMILY: Final = "ws-miner"
WEAK: Final = ("error", "banned")


class WsMiner(Dialect):
    """Reads the messages of miners in browsers."""

    def other(self, message: dict[str, Any], session: Session) -> Reading | None:
        """Read an object by its ``type``."""
        params = message.get("params")
        if message.get("type") in WEAK and session.protocol == FAMILY:
            return Reading(FAMILY, message["type"], Role.SERVER, {})
        if not isinstance(params, dict):
            return None
        match message.get("type"):
            case "auth" if isinstance(params.get("site_key"), str):
                return Reading(FAMILY, "auth", Role.CLIENT, read.wallet_values(params["site_key"]))
            case "authed" if isinstance(params.get("hashes"), int) and "token" in params:
                return Reading(FAMILY, "authed", Role.SERVER, {})
            case "job" if is_job(params):
                return Reading(FAMILY, "job", Role.SERVER, job_values(params), job=job_of(params))
            case "submit" if is_share(params):
                return Reading(FAMILY, "submit", Role.CLIENT, {}, share=True, job=job_of(params))
            case "hash_accepted" if isinstance(params.get("hashes"), int):
                values: dict[str, Value] = {"mining.accepted": True}
                return Reading(FAMILY, "hash_accepted", Role.SERVER, values, share=True)
            case _:
                return None


def is_share(params: dict[str, Any]) -> bool:
    """Whether parameters have the shape of a share."""
    nonce = params.get("nonce")
    return (
        isinstance(params.get("job_id"), str | int)
        and read.is_hex(nonce, 8, 16)
        and read.is_hex(params.get("result"), 64, 64)
    )
