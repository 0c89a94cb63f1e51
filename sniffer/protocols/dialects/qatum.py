"""Qubic in the form of Qatum (protocols.md, section 3.11).

In: objects without a method, whose ``id`` is their type.  Out: readings.
Never: a wallet or computor that is not sixty capitals as evidence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.messages import Dialect, Reading

if TYPE_CHECKING:
    from sniffer.protocols.messages import Answer
    from sniffer.protocols.session import Session

FAMILY: Final = "qatum"
SUBSCRIBE, COMPUTOR, SEED, SUBMIT, HASHRATE, DIFFICULTY = 1, 2, 3, 4, 5, 6
ANSWERED: Final = {str(SUBSCRIBE): "subscribe", str(SUBMIT): "submit"}
IDENTITY = re.compile(r"[A-Z]{60}")


class Qatum(Dialect):
    """Reads the messages of Qatum."""

    def other(self, message: dict[str, Any], session: Session) -> Reading | None:
        """Read an object by its type."""
        kind = message.get("id")
        known = session.protocol == FAMILY
        match kind:
            case _ if kind == SUBSCRIBE and is_identity(message.get("wallet")):
                values: dict[str, Value] = read.wallet_values(message["wallet"])
                worker = read.text(message.get("worker"))
                if worker:
                    values["mining.worker"] = worker
                return Reading(FAMILY, "subscribe", Role.CLIENT, values)
            case _ if (
                kind == SUBMIT
                and is_identity(message.get("computorId"))
                and read.is_hex(message.get("nonce"), 16)
            ):
                return Reading(FAMILY, "submit", Role.CLIENT, {}, share=True)
            case _ if kind == HASHRATE and is_identity(message.get("computorId")) and "hashrate" in message:
                rate = read.hashrate(message["hashrate"])
                return Reading(
                    FAMILY, "hashrate", Role.CLIENT, {} if rate is None else {"mining.hashrate": rate}
                )
            case _ if kind == COMPUTOR and is_identity(message.get("computorId")):
                return Reading(FAMILY, "computorId", Role.SERVER, {})
            case _ if kind == SEED and (
                read.is_hex(message.get("seed"), 64, 64) or (known and "isEmpty" in message)
            ):
                return Reading(FAMILY, "seed", Role.SERVER, {}, strong=known)
            case _ if kind == DIFFICULTY and message.keys() == {"id", "difficulty"}:
                value = read.difficulty(message["difficulty"])
                values = {} if value is None else {"mining.difficulty": value}
                return Reading(FAMILY, "difficulty", Role.SERVER, values, strong=known)
            case _:
                return None

    def answer(self, answer: Answer, session: Session) -> Reading | None:
        """Read the answer to a subscription or a share."""
        asked = answer.asked or ANSWERED.get(str(answer.message.get("id")))
        if session.protocol != FAMILY or asked not in ANSWERED.values():
            return None
        values: dict[str, Value] = {"mining.accepted": answer.result is True and not answer.error}
        return Reading(FAMILY, f"{asked}.reply", Role.SERVER, values, share=asked == "submit")


def is_identity(value: Any) -> bool:
    """Whether a value is an identity of Qubic."""
    return isinstance(value, str) and IDENTITY.fullmatch(value) is not None
