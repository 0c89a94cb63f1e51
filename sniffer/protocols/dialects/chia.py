"""Chia's pool protocol where it is not encrypted: proof of space, little power (protocols.md, section 3.13).

In: objects in bodies of HTTP requests.  Out: readings.
Never: a farmer by its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.messages import Dialect, Reading

if TYPE_CHECKING:
    from sniffer.protocols.session import Session

FAMILY: Final = "chia-pool"
SIGNS_UP: Final = {"authentication_public_key", "authentication_token", "payout_instructions"}


class Chia(Dialect):
    """Reads partial proofs, and farmers that sign up."""

    def other(self, message: dict[str, Any], session: Session) -> Reading | None:
        """Read an object with a payload."""
        payload = message.get("payload")
        if not isinstance(payload, dict) or not read.is_hex(payload.get("launcher_id")):
            return None
        user = payload["launcher_id"][: read.MAX_STRING]
        values: dict[str, Value] = {"mining.user": user, "mining.wallet_kind": "chia"}
        if "proof_of_space" in payload:
            return Reading(FAMILY, "partial", Role.CLIENT, values, share=True)
        return Reading(FAMILY, "farmer", Role.CLIENT, values) if SIGNS_UP & payload.keys() else None
