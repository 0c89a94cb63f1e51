"""The CryptoNote family: Monero and what xmrig-style miners and pools speak (protocols.md, section 4).

In: calls and replies.  Out: readings.
Never: a method name as evidence by itself: ``login``, ``job`` and ``submit`` exist everywhere; the shapes of blob,
target, nonce and result tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.dialects.stratum_replies import SHARE_ERROR_TEXT
from sniffer.protocols.hardware import agent_values
from sniffer.protocols.messages import Dialect, Reading

if TYPE_CHECKING:
    from sniffer.protocols.messages import Answer, Call
    from sniffer.protocols.session import Session

FAMILY: Final = "cryptonote"
PROXY: Final = "-proxy"
BLOB_DIGITS: Final = 140
METHODS: Final = frozenset({"login", "submit", "keepalived", "getjob", "getwork", "block_template"})
GIVES_JOB: Final = ("login", "getjob", "getwork")


class Cryptonote(Dialect):
    """Reads the messages of the CryptoNote family."""

    def call(self, call: Call, session: Session) -> Reading | None:
        """Read a request or notification."""
        params = call.params
        if not isinstance(params, dict):
            return None
        values: dict[str, Value] = {"cryptonote.method": call.method}
        is_known = session.protocol == FAMILY
        match call.method:
            case "login":
                return login(params, values)
            case "job" if is_job(job := inner_job(params)) or (is_known and "job_id" in job):
                values |= job_values(job)
                return Reading(FAMILY, "job", Role.SERVER, values, session=named(params), job=job_of(job))
            case "submit" if is_submission(params) or (is_known and {"job_id", "nonce"} <= params.keys()):
                return Reading(
                    FAMILY,
                    "submit",
                    Role.CLIENT,
                    values,
                    share=True,
                    session=named(params),
                    job=job_of(params),
                    part=part_of(params, session),
                )
            case "block_template" if read.is_hex(params.get("blob"), BLOB_DIGITS):
                return Reading(FAMILY, "block_template", Role.CLIENT, values)
            case "keepalived" | "getjob" | "getwork" if isinstance(params.get("id"), str):
                return Reading(
                    FAMILY, call.method, Role.CLIENT, values, strong=is_known, session=named(params)
                )
            case _:
                return None

    def answer(self, answer: Answer, session: Session) -> Reading | None:
        """Read a reply, by the request it belongs to or by its shape."""
        result = answer.result if isinstance(answer.result, dict) else {}
        asked = answer.asked
        if asked is not None and asked not in METHODS:
            return None
        job = result.get("job")
        is_known = session.protocol == FAMILY
        if isinstance(job, dict) and (is_job(job, with_id=False) or (is_known and asked in GIVES_JOB)):
            reply = asked if asked in GIVES_JOB else "login"
            return Reading(
                FAMILY,
                f"{reply}.reply",
                Role.SERVER,
                reply_values(reply) | job_values(job),
                names=named(result) if reply == "login" else "",
                job=job_of(job),
            )
        if asked in GIVES_JOB and is_job(result):
            values = reply_values(asked) | job_values(result)
            return Reading(FAMILY, f"{asked}.reply", Role.SERVER, values, job=job_of(result))
        status = result.get("status")
        if status == "KEEPALIVED":
            return Reading(FAMILY, "keepalived.reply", Role.SERVER, reply_values("keepalived"))
        if session.protocol not in ("", FAMILY):
            return None
        if asked is not None and is_known:
            values = reply_values(asked)
            if asked in ("login", "submit"):
                values["mining.accepted"] = status == "OK" and not answer.error
            return Reading(FAMILY, f"{asked}.reply", Role.SERVER, values, share=asked == "submit")
        is_taken = status == "OK" and not answer.error
        if (is_taken and asked in (None, "submit")) or (is_known and is_refusal(answer.error)):
            values = reply_values("submit") | {"mining.accepted": is_taken}
            return Reading(FAMILY, "submit.reply", Role.SERVER, values, strong=False, share=True)
        return None


def part_of(params: dict[str, Any], session: Session) -> str:
    """The byte of a nonce by which a proxy tells its machines apart (xmrig-proxy in NiceHash mode: the last of four)."""
    nonce = params.get("nonce")
    is_proxy = PROXY in str(session.told.get("mining.agent", "")).lower()
    return str(nonce)[6:8] if is_proxy and read.is_hex(nonce, 8, 8) else ""


def login(params: dict[str, Any], values: dict[str, Value]) -> Reading | None:
    """Read a login: an account and a password, and something that only a miner sends."""
    user, password = params.get("login"), params.get("pass")
    if not isinstance(user, str) or not isinstance(password, str):
        return None
    agent = read.text(params.get("agent"))
    if user:
        values.update(read.wallet_values(user))
    worker = read.text(params.get("rigid")) or read.worker_after_last_dot(user)
    if worker:
        values["mining.worker"] = worker
    if password:
        values["mining.password"] = password[: read.MAX_STRING]
    values.update(agent_values(agent))
    if agent and "proxy" in agent.lower():
        values["mining.proxy"] = True
    algorithms = params.get("algo")
    rates = params.get("algo-perf")
    if isinstance(algorithms, list) and algorithms and isinstance(rates, dict):
        rate = read.hashrate(rates.get(algorithms[0])) if isinstance(algorithms[0], str) else None
        if rate is not None:
            values["mining.algorithm"] = algorithms[0][:64]
            values["mining.hashrate"] = rate
    strong = (
        bool(agent) or isinstance(algorithms, list) or "rigid" in params or read.wallet_kind(user) is not None
    )
    return Reading(FAMILY, "login", Role.CLIENT, values, strong=strong)


def is_job(job: dict[str, Any], *, with_id: bool = True) -> bool:
    """Whether an object has the shape of a job, of one machine or of a proxy."""
    target = job.get("target")
    if with_id and not isinstance(job.get("job_id"), str | int):
        return False
    if (
        read.is_hex(job.get("blocktemplate_blob"), BLOB_DIGITS)
        and {"reserved_offset", "target_diff"} <= job.keys()
    ):
        return True
    return read.is_hex(job.get("blob"), BLOB_DIGITS) and (
        read.is_hex(target, 8, 8) or read.is_hex(target, 16, 16)
    )


def inner_job(params: dict[str, Any]) -> dict[str, Any]:
    """The job in the parameters of one: themselves, or a member (Quantus)."""
    job = params.get("job")
    return job if isinstance(job, dict) else params


def is_refusal(error: Any) -> bool:
    """Whether an error can only be about a share."""
    text = error.get("message") if isinstance(error, dict) else error
    return isinstance(text, str) and SHARE_ERROR_TEXT.search(text) is not None


def job_values(job: dict[str, Any]) -> dict[str, Value]:
    """Difficulty and algorithm of a job."""
    values: dict[str, Value] = {}
    hashes = read.difficulty(read.compact_target_hashes(job.get("target")) or job.get("target_diff"))
    if hashes is not None:
        values["mining.difficulty"] = values["mining.hashes_per_share"] = hashes
    algorithm = read.text(job.get("algo"))
    if algorithm:
        values["mining.algorithm"] = algorithm
    if "reserved_offset" in job and ("blocktemplate_blob" in job or "client_nonce_offset" in job):
        values["mining.proxy"] = True  # the pool deals with a proxy: one connection for many machines
    return values


def named(params: dict[str, Any]) -> str:
    """The pool's name for a session."""
    name = params.get("id")
    return name[:64] if isinstance(name, str) else ""


def job_of(params: dict[str, Any]) -> str:
    """Name of the job that a message is about."""
    return str(params.get("job_id", ""))[:64]


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
