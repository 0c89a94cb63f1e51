"""Grin: cuckoo cycles (protocols.md, section 3.10).

In: calls and replies.  Out: readings.
Never: ``login``, ``job`` or ``submit`` by their names: the agent, the parts of a job and the cycle tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.dialects.cryptonote import FAMILY as CRYPTONOTE
from sniffer.protocols.hardware import agent_values
from sniffer.protocols.messages import Dialect, Reading

if TYPE_CHECKING:
    from sniffer.protocols.messages import Answer, Call
    from sniffer.protocols.session import Session

FAMILY: Final = "grin"
METHODS: Final = frozenset({"login", "getjobtemplate", "submit", "keepalive", "status"})
WEAK: Final = frozenset({"keepalive", "status"})
CYCLES: Final = range(24, 65)  # how many edges a cycle has: 42, on some coins 32 or 48
ALGORITHMS: Final = {29: "cuckarood29", 31: "cuckatoo31", 32: "cuckatoo32"}


class Grin(Dialect):
    """Reads the messages of Grin."""

    def call(self, call: Call, session: Session) -> Reading | None:
        """Read a request or notification."""
        params = call.params if isinstance(call.params, dict) else {}
        if call.method == "getjobtemplate":
            return Reading(FAMILY, call.method, Role.CLIENT, {})
        if call.method in WEAK:
            known = session.protocol == FAMILY
            return (
                Reading(FAMILY, call.method, Role.CLIENT, {}, strong=known) if known or not params else None
            )
        if call.method == "login" and "grin" in str(params.get("agent", "")).lower():
            return login(params)
        if call.method == "job" and is_job(params) and session.protocol != CRYPTONOTE:  # Tari has both
            return Reading(
                FAMILY, "job", Role.SERVER, job_values(params), job=str(params.get("job_id", ""))[:64]
            )
        if call.method == "submit" and is_solution(params):
            values: dict[str, Value] = {}
            algorithm = ALGORITHMS.get(params["edge_bits"])
            if algorithm:
                values["mining.algorithm"] = algorithm
            job = str(params.get("job_id", ""))[:64]
            return Reading(FAMILY, "submit", Role.CLIENT, values, share=True, job=job)
        return None

    def answer(self, answer: Answer, session: Session) -> Reading | None:
        """Read a reply; replies repeat the method."""
        named = answer.message.get("method")
        asked = named if isinstance(named, str) else answer.asked
        if asked not in METHODS:
            return None
        if isinstance(answer.result, dict) and is_job(answer.result):
            job = str(answer.result.get("job_id", ""))[:64]
            return Reading(FAMILY, "getjobtemplate.reply", Role.SERVER, job_values(answer.result), job=job)
        if session.protocol != FAMILY and (answer.asked is not None or not isinstance(named, str)):
            return None
        values: dict[str, Value] = {}
        if asked in ("login", "submit"):
            taken = answer.result == "ok" or str(answer.result).startswith("blockfound")
            values["mining.accepted"] = taken and not answer.error
        return Reading(
            FAMILY,
            f"{asked}.reply",
            Role.SERVER,
            values,
            strong=session.protocol == FAMILY,
            share=asked == "submit",
        )


def login(params: dict[str, Any]) -> Reading:
    """Read a login."""
    values: dict[str, Value] = {}
    user, password = read.text(params.get("login")), read.text(params.get("pass"))
    if user:
        values.update(read.wallet_values(user))
        worker = read.worker_after_first_dot(user)
        if worker:
            values["mining.worker"] = worker
    if password:
        values["mining.password"] = password
    values.update(agent_values(read.text(params.get("agent"))))
    return Reading(FAMILY, "login", Role.CLIENT, values)


def is_job(job: dict[str, Any]) -> bool:
    """Whether an object has the shape of a job."""
    return read.is_hex(job.get("pre_pow"), 64) and "job_id" in job and "difficulty" in job


def job_values(job: dict[str, Any]) -> dict[str, Value]:
    """Difficulty of a job."""
    value = read.difficulty(job.get("difficulty"))
    return {} if value is None else {"mining.difficulty": value}


def is_solution(params: dict[str, Any]) -> bool:
    """Whether parameters hold a cycle."""
    cycle = params.get("pow")
    return (
        isinstance(params.get("edge_bits"), int)
        and isinstance(cycle, list)
        and len(cycle) in CYCLES
        and all(isinstance(edge, int) for edge in cycle)
    )
