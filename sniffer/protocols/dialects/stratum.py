"""Stratum V1: the Bitcoin family, Equihash (ZIP 301), EthereumStratum/1.0.0 and /2.0.0 (EIP-1571).

In: calls and replies.  Out: readings, with the most specific family that a message shows.
Never: the prefix ``mining.`` as evidence: the list of methods is exact (protocols.md, sections 0, 2, 3.1, 5.3, 5.4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.dialects.families import ETH2, ETH_OLD, family_of, known
from sniffer.protocols.dialects.stratum_replies import accepted, by_shape, version_reply, weak_by_shape
from sniffer.protocols.hardware import agent_values
from sniffer.protocols.session import Reading

if TYPE_CHECKING:
    from sniffer.protocols.session import Answer, Call, Session

CLIENT_METHODS: Final = frozenset(
    "mining." + name
    for name in [
        "subscribe",
        "authorize",
        "submit",
        "configure",
        "extranonce.subscribe",
        "suggest_difficulty",
        "suggest_target",
        "get_transactions",
        "hello",
        "noop",
        "capabilities",
        "hashrate",
    ]
)
SERVER_METHODS: Final = frozenset(
    "mining." + name
    for name in [
        "notify",
        "set_difficulty",
        "set_target",
        "set_extranonce",
        "set_version_mask",
        "set",
        "ping",
        "reconnect",
        "subscribed",
        "submitted",
        "wait_for_work",
        "bye",
    ]
)
WITHOUT_PARAMETERS: Final = frozenset(
    {"mining.noop", "mining.subscribe", "mining.bye", "mining.wait_for_work"}
)
WEAK_METHODS: Final = frozenset({"client.reconnect", "client.show_message", "client.get_version"})


class Stratum:
    """Reads the messages of the stratum family."""

    def call(self, call: Call, session: Session) -> Reading | None:
        """Read a request or notification."""
        method = call.method
        if method in WEAK_METHODS:
            if not (isinstance(call.params, list) or call.cut):
                return None
            return Reading(known(session), method, Role.SERVER, weak_values(call), strong=False)
        if method == "set_extranonce":
            if not (isinstance(call.params, list) and call.params and read.is_hex(call.params[0])):
                return None
            return Reading(known(session), method, Role.SERVER, {"stratum.method": method})
        if method in CLIENT_METHODS:
            sender = Role.CLIENT
        elif method in SERVER_METHODS:
            sender = Role.SERVER
        else:
            return None
        if not has_shape(call):
            return None
        values: dict[str, Value] = {"stratum.method": method}
        family = family_of(call, session)
        fill = FILL.get(method)
        if fill:
            fill(call, family, values)
        return Reading(family, method, sender, values)

    def answer(self, answer: Answer, session: Session) -> Reading | None:
        """Read a reply, by the request it belongs to or by its shape."""
        asked = answer.asked
        if asked == "client.get_version":
            return version_reply(answer, session)
        if asked is not None and not (asked in CLIENT_METHODS or asked == "mining.ping"):
            return None
        shaped = by_shape(answer, session)
        if asked is None:
            return shaped or weak_by_shape(answer, session)
        family = shaped.family if shaped else known(session)
        values: dict[str, Value] = {"stratum.reply": asked}
        if asked in ("mining.submit", "mining.authorize"):
            values["mining.accepted"] = accepted(answer)
        return Reading(family, f"{asked}.reply", None, values)


# ── calls ────────────────────────────────────────────────────────────────────────────────────────────────


def has_shape(call: Call) -> bool:
    """Whether the parameters have the type that the method needs.

    A name alone is not enough: ``{"method": "mining.notify", "params": ["x"]}`` is a document about mining.
    """
    params = call.params
    if call.cut:
        return True
    if isinstance(params, dict):
        return bool(params) or call.method in WITHOUT_PARAMETERS
    if not isinstance(params, list):
        return (params is None and call.method in WITHOUT_PARAMETERS) or (
            call.method == "mining.subscribe" and isinstance(params, str)
        )
    match call.method:
        case "mining.notify":
            return len(params) >= 2 or (len(params) == 1 and isinstance(params[0], dict))
        case "mining.submit":
            return len(params) >= 2
        case "mining.authorize":
            return bool(params) and isinstance(params[0], str)
        case (
            "mining.set_difficulty"
            | "mining.set_target"
            | "mining.suggest_difficulty"
            | "mining.suggest_target"
        ):
            return len(params) >= 1 and isinstance(params[0], str | int | float)
        case "mining.configure":
            return bool(params) and isinstance(params[0], list)
        case _:
            return True


def fill_subscribe(call: Call, _family: str, values: dict[str, Value]) -> None:
    """Agent and pool, from a list of parameters or from an object."""
    if isinstance(call.params, dict):
        agent, user, worker = (read.text(call.params.get(key)) for key in ("agent", "publicAddress", "name"))
        values.update(agent_values(agent))
        put_account(values, user, worker)
        return
    params = call.params if isinstance(call.params, list) else []
    values.update(agent_values(read.text(params[0]) if params else None))
    put_pool(values, params[2] if len(params) > 2 else None, params[3] if len(params) > 3 else None)


def fill_hello(call: Call, _family: str, values: dict[str, Value]) -> None:
    """Agent and pool of ``mining.hello``; its port is hexadecimal."""
    if isinstance(call.params, dict):
        values.update(agent_values(read.text(call.params.get("agent"))))
        port = call.params.get("port")
        if isinstance(port, str) and read.is_hex(port, 1, 4):
            port = int(port, 16)
        put_pool(values, call.params.get("host"), port)


def fill_authorize(call: Call, _family: str, values: dict[str, Value]) -> None:
    """Account, worker, password and what the password asks for."""
    params = call.params if isinstance(call.params, list) else []
    put_account(values, read.text(params[0]) if params else None)
    password = read.text(params[-1]) if len(params) > 1 else None
    if password:
        values["mining.password"] = password
        values.update(read.password_options(password))


def fill_submit(call: Call, family: str, values: dict[str, Value]) -> None:
    """Account and worker, which this family repeats in every share (except EthereumStratum/2.0.0)."""
    params = call.params if isinstance(call.params, list) else []
    if family != ETH2 and len(params) >= 2:
        put_account(values, read.text(params[0]))


def fill_difficulty(call: Call, _family: str, values: dict[str, Value]) -> None:
    """Share difficulty; one that cannot be is left out."""
    found = read.difficulty(call.params[0]) if isinstance(call.params, list) and call.params else None
    if found is not None:
        values["mining.difficulty"] = found
        values["mining.hashes_per_share"] = found * read.HASHES_PER_DIFFICULTY


def fill_target(call: Call, _family: str, values: dict[str, Value]) -> None:
    """Share target: a list with one hexadecimal number, or an object that holds it."""
    params = call.params
    target = params.get("target") if isinstance(params, dict) else params[0] if params else None
    hashes = read.target_hashes(target)
    if hashes is not None:
        values["mining.hashes_per_share"] = hashes


def fill_set(call: Call, _family: str, values: dict[str, Value]) -> None:
    """Target and algorithm of EIP-1571."""
    if isinstance(call.params, dict):
        fill_target(call, _family, values)
        algorithm = read.text(call.params.get("algo"))
        if algorithm:
            values["mining.algorithm"] = algorithm


def fill_notify(call: Call, family: str, values: dict[str, Value]) -> None:
    """Target, where new work carries it."""
    if family == ETH_OLD and isinstance(call.params, list) and len(call.params) > 3:
        hashes = read.target_hashes(call.params[3])
        if hashes is not None:
            values["mining.hashes_per_share"] = hashes


def fill_hashrate(call: Call, _family: str, values: dict[str, Value]) -> None:
    """Hashrate as the miner states it, hexadecimal."""
    found = read.hashrate(call.params[0]) if isinstance(call.params, list) and call.params else None
    if found is not None:
        values["mining.hashrate"] = found


FILL: Final = {
    "mining.subscribe": fill_subscribe,
    "mining.hello": fill_hello,
    "mining.authorize": fill_authorize,
    "mining.submit": fill_submit,
    "mining.notify": fill_notify,
    "mining.set_difficulty": fill_difficulty,
    "mining.suggest_difficulty": fill_difficulty,
    "mining.set_target": fill_target,
    "mining.suggest_target": fill_target,
    "mining.set": fill_set,
    "mining.hashrate": fill_hashrate,
}


def weak_values(call: Call) -> dict[str, Value]:
    """Values of a method whose name is generic."""
    values: dict[str, Value] = {"stratum.method": call.method}
    if call.method == "client.reconnect" and isinstance(call.params, list) and len(call.params) > 1:
        put_pool(values, call.params[0], call.params[1])
    return values


def put_account(values: dict[str, Value], user: str | None, worker: str | None = None) -> None:
    """Add the account and the worker."""
    if user:
        values["mining.user"] = user
        worker = worker or read.worker_after_first_dot(user)
        if worker:
            values["mining.worker"] = worker


def put_pool(values: dict[str, Value], host: Any, port: Any) -> None:
    """Add the pool's address, where the message names it."""
    name = read.text(host)
    if not name or "." not in name or any(c.isspace() for c in name):
        return
    number = (
        port
        if isinstance(port, int)
        else int(port)
        if isinstance(port, str) and port.isdecimal() and len(port) < 6
        else 0
    )
    values["mining.pool"] = f"{name}:{number}" if 0 < number < 65_536 and ":" not in name else name
