"""Beam: BeamHash (protocols.md, section 3.10).

In: calls; replies come as calls named ``result``.  Out: readings.
Never: ``login`` or ``job`` by their names: the key, the input and the output tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.messages import Dialect, Reading

if TYPE_CHECKING:
    from sniffer.protocols.messages import Call
    from sniffer.protocols.session import Session

FAMILY: Final = "beam"
TAKEN: Final = {"login": 0, "solution": 1}  # codes of success


class Beam(Dialect):
    """Reads the messages of Beam."""

    def call(self, call: Call, session: Session) -> Reading | None:
        """Read a message; its parts stand at the top level."""
        message = call.message
        number = str(message.get("id", ""))[:64]
        match call.method:
            case "login" if isinstance(message.get("api_key"), str):
                return Reading(FAMILY, "login", Role.CLIENT, account_values(message["api_key"]))
            case "job" if read.is_hex(message.get("input"), 64, 64) and "difficulty" in message:
                return Reading(FAMILY, "job", Role.SERVER, job_values(message), job=number)
            case "solution" if read.is_hex(message.get("output"), 64):
                return Reading(FAMILY, "solution", Role.CLIENT, {}, share=True, job=number)
            case "cancel" if message.keys() <= {"method", "id", "jsonrpc"}:
                return Reading(FAMILY, "cancel", Role.SERVER, {}, strong=session.protocol == FAMILY)
            case "result" if isinstance(message.get("code"), int) and "description" in message:
                return result(message, number, session)
            case _:
                return None


def account_values(key: str) -> dict[str, Value]:
    """Account and worker."""
    values: dict[str, Value] = read.wallet_values(key) if key else {}
    worker = read.worker_after_first_dot(key)
    return {**values, "mining.worker": worker} if worker else values


def job_values(job: dict[str, Any]) -> dict[str, Value]:
    """Difficulty of a job: a packed number (protocols.md, section 13)."""
    value = unpacked(job["difficulty"])
    return {} if value is None else {"mining.difficulty": value}


def unpacked(packed: Any) -> float | None:
    """Difficulty out of a byte of exponent and three of mantissa."""
    if not isinstance(packed, int) or isinstance(packed, bool) or not 0 <= packed < 1 << 32:
        return None
    return read.difficulty(((1 << 24) | (packed & 0xFFFFFF)) * 2.0 ** ((packed >> 24) - 24))


def result(message: dict[str, Any], number: str, session: Session) -> Reading:
    """Read the answer to a login or a solution."""
    asked = "login" if number == "login" else "solution"
    is_greeting = "nonceprefix" in message or "forkheight" in message
    values: dict[str, Value] = {"mining.accepted": message["code"] == TAKEN[asked]}
    strong = session.protocol == FAMILY or is_greeting
    share = asked == "solution"
    return Reading(
        FAMILY, f"{asked}.reply", Role.SERVER, values, strong=strong, share=share, job=number if share else ""
    )
