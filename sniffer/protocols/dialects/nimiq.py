"""Nimiq over WebSocket (protocols.md, section 3.9).

In: objects without a method, with ``message``.  Out: readings.
Never: ``register``, ``share`` or ``error`` by their names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.messages import Dialect, Reading

if TYPE_CHECKING:
    from sniffer.protocols.session import Session

FAMILY: Final = "nimiq-ws"
WEAK: Final = {  # sender by message; they mean something only in a session that mines
    "registered": Role.SERVER,
    "balance": Role.SERVER,
    "new-block": Role.SERVER,
    "error": Role.SERVER,
    "payout": Role.CLIENT,
}
OLD: Final = {"target", "extraData"}  # in settings that do not have the target in its compact form
PROOFS: Final = {"blockHeader", "minerAddrProof"}
BLOCK = re.compile(r"[A-Za-z0-9+/]{100,}={0,2}")


class Nimiq(Dialect):
    """Reads the messages of Nimiq."""

    def other(self, message: dict[str, Any], session: Session) -> Reading | None:
        """Read an object by its ``message``."""
        match message.get("message"):
            case "register" if "genesisHash" in message and "deviceId" in message:
                return Reading(FAMILY, "register", Role.CLIENT, register_values(message))
            case "settings" if "nonce" in message and ("targetCompact" in message or message.keys() >= OLD):
                return Reading(FAMILY, "settings", Role.SERVER, target_values(message))
            case "share" if "block" in message or message.keys() >= PROOFS:
                strong = session.protocol == FAMILY or is_share(message)
                return Reading(FAMILY, "share", Role.CLIENT, {}, strong=strong, share=True)
            case str(name) if name in WEAK:
                return Reading(FAMILY, name, WEAK[name], {}, strong=session.protocol == FAMILY)
            case _:
                return None


def register_values(message: dict[str, Any]) -> dict[str, Value]:
    """Wallet and device."""
    values: dict[str, Value] = {}
    user = read.text(message.get("address"))
    if user:
        values.update(read.wallet_values(user))
    device = message.get("deviceId")
    worker = (
        read.text(str(device)) if isinstance(device, int | str) and not isinstance(device, bool) else None
    )
    if worker:
        values["mining.worker"] = worker
    return values


def is_share(message: dict[str, Any]) -> bool:
    """Whether a message holds a block with its nonce, or something as long as a block or the head of one."""
    block = message.get("block", message.get("blockHeader"))
    is_long = isinstance(block, str) and BLOCK.fullmatch(block) is not None
    return is_long or {"block", "nonce"} <= message.keys()


def target_values(message: dict[str, Any]) -> dict[str, Value]:
    """Hashes behind a share, from a target in the compact form of Bitcoin, or as a number."""
    compact = message.get("targetCompact")
    if compact is None:
        whole = read.number(message.get("target"))
        return {"mining.hashes_per_share": 2.0**256 / whole} if whole and 1 <= whole < 2.0**256 else {}
    if not isinstance(compact, int) or isinstance(compact, bool) or not 0 < compact < 1 << 32:
        return {}
    exponent, mantissa = compact >> 24, compact & 0xFFFFFF
    target = mantissa << 8 * (exponent - 3) if exponent >= 3 else mantissa >> 8 * (3 - exponent)
    return {"mining.hashes_per_share": 2.0**256 / target} if 0 < target < 1 << 256 else {}
