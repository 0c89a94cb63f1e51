"""The CryptoNote family: Monero and what xmrig-style miners and pools speak (protocols.md, section 4).

In: calls and replies.  Out: readings.
Never: a method name as evidence by itself: ``login``, ``job`` and ``submit`` exist everywhere; the shapes of blob,
target, nonce and result tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.hardware import agent_values
from sniffer.protocols.session import Reading

if TYPE_CHECKING:
    from sniffer.protocols.session import Answer, Call, Session

FAMILY: Final = "cryptonote"
BLOB_DIGITS: Final = 140
METHODS: Final = frozenset({"login", "submit", "keepalived", "getjob", "block_template"})


class Cryptonote:
    """Reads the messages of the CryptoNote family."""

    def call(self, call: Call, session: Session) -> Reading | None:
        """Read a request or notification."""
        params = call.params
        if not isinstance(params, dict):
            return None
        values: dict[str, Value] = {"cryptonote.method": call.method}
        match call.method:
            case "login":
                return login(params, values)
            case "job" if is_job(params):
                return Reading(FAMILY, "job", Role.SERVER, values | job_values(params))
            case "submit" if is_submission(params):
                return Reading(FAMILY, "submit", Role.CLIENT, values)
            case "block_template" if read.is_hex(params.get("blob"), BLOB_DIGITS):
                return Reading(FAMILY, "block_template", Role.CLIENT, values)
            case "keepalived" | "getjob" if isinstance(params.get("id"), str):
                return Reading(FAMILY, call.method, Role.CLIENT, values, strong=session.protocol == FAMILY)
            case _:
                return None

    def answer(self, answer: Answer, session: Session) -> Reading | None:
        """Read a reply, by the request it belongs to or by its shape."""
        result = answer.result if isinstance(answer.result, dict) else {}
        asked = answer.asked
        if asked is not None and asked not in METHODS:
            return None
        job = result.get("job")
        if isinstance(job, dict) and is_job(job, with_id=False):
            if asked == "getjob":
                return Reading(FAMILY, "getjob.reply", Role.SERVER, reply_values("getjob") | job_values(job))
            return Reading(FAMILY, "login.reply", Role.SERVER, reply_values("login") | job_values(job))
        if asked == "getjob" and is_job(result):
            return Reading(FAMILY, "getjob.reply", Role.SERVER, reply_values("getjob") | job_values(result))
        status = result.get("status")
        if status == "KEEPALIVED":
            return Reading(FAMILY, "keepalived.reply", Role.SERVER, reply_values("keepalived"))
        if session.protocol not in ("", FAMILY):
            return None
        if asked is not None and session.protocol == FAMILY:
            values = reply_values(asked)
            if asked in ("login", "submit"):
                values["mining.accepted"] = status == "OK" and not answer.error
            return Reading(FAMILY, f"{asked}.reply", Role.SERVER, values)
        if status == "OK" and not answer.error and asked in (None, "submit"):
            values = reply_values("submit") | {"mining.accepted": True}
            return Reading(FAMILY, "submit.reply", Role.SERVER, values, strong=False)
        return None


def login(params: dict[str, Any], values: dict[str, Value]) -> Reading | None:
    """Read a login: an account and a password, and something that only a miner sends."""
    user, password = params.get("login"), params.get("pass")
    if not isinstance(user, str) or not isinstance(password, str):
        return None
    agent = read.text(params.get("agent"))
    if user:
        values["mining.user"] = user[: read.MAX_STRING]
    worker = read.text(params.get("rigid")) or read.worker_after_last_dot(user)
    if worker:
        values["mining.worker"] = worker
    if password:
        values["mining.password"] = password[: read.MAX_STRING]
    values.update(agent_values(agent))
    algorithms = params.get("algo")
    rates = params.get("algo-perf")
    if isinstance(algorithms, list) and algorithms and isinstance(rates, dict):
        rate = read.hashrate(rates.get(algorithms[0])) if isinstance(algorithms[0], str) else None
        if rate is not None:
            values["mining.algorithm"] = algorithms[0][:64]
            values["mining.hashrate"] = rate
    strong = (
        bool(agent)
        or isinstance(algorithms, list)
        or "rigid" in params
        or read.WALLET.match(user) is not None
    )
    return Reading(FAMILY, "login", Role.CLIENT, values, strong=strong)


def is_job(job: dict[str, Any], *, with_id: bool = True) -> bool:
    """Whether an object has the shape of a job."""
    target = job.get("target")
    return (
        read.is_hex(job.get("blob"), BLOB_DIGITS)
        and (read.is_hex(target, 8, 8) or read.is_hex(target, 16, 16))
        and (not with_id or isinstance(job.get("job_id"), str | int))
    )


def job_values(job: dict[str, Any]) -> dict[str, Value]:
    """Difficulty and algorithm of a job."""
    values: dict[str, Value] = {}
    hashes = read.compact_target_hashes(job.get("target"))
    if hashes is not None:
        values["mining.difficulty"] = values["mining.hashes_per_share"] = hashes
    algorithm = read.text(job.get("algo"))
    if algorithm:
        values["mining.algorithm"] = algorithm
    return values


def is_submission(params: dict[str, Any]) -> bool:
    """Whether parameters have the shape of a share."""
    nonce = params.get("nonce")
    return (
        isinstance(params.get("id"), str)
        and isinstance(params.get("job_id"), str | int)
        and (read.is_hex(nonce, 8, 8) or read.is_hex(nonce, 16, 16))
        and read.is_hex(params.get("result"), 64, 64)
    )


def reply_values(asked: str) -> dict[str, Value]:
    """Facts of a reply to ``asked``."""
    return {"cryptonote.reply": asked}
