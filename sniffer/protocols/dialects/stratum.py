"""Stratum V1 in all its families: Bitcoin, Equihash, KawPow, Kaspa, Alephium, Conflux, Iron Fish, EthereumStratum ….

In: calls and replies.  Out: readings, with the most specific family that a message shows.
Never: the prefix ``mining.`` as evidence: the list of methods is exact (protocols.md, sections 0, 2, 3, 5.3, 5.4).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.dialects.stratum_families import (
    AGENT,
    CONFLUX,
    EQUIHASH,
    ERGO,
    ETH2,
    ETH_OLD,
    IRONFISH,
    KAWPOW,
    SIA,
    family_of,
    known,
)
from sniffer.protocols.dialects.stratum_replies import accepted, by_shape, version_reply, weak_by_shape
from sniffer.protocols.hardware import agent_values, hardware
from sniffer.protocols.messages import Dialect, Reading

if TYPE_CHECKING:
    from sniffer.protocols.messages import Answer, Call
    from sniffer.protocols.session import Session

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
) | {"alph_submithashrate"}
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
SPELLED: Final = {"alph_submithashrate": "alph_submitHashrate"}  # names that are not all lower case
WEAK_METHODS: Final = {  # names that others use, too
    "client.reconnect": Role.SERVER,
    "client.show_message": Role.SERVER,
    "client.get_version": Role.SERVER,
    "mining.print": Role.SERVER,
    "mining.pong": Role.CLIENT,
    "agent.get_capabilities": Role.CLIENT,
}
BODY_METHODS: Final = {  # with ``body`` in the place of ``params``: Iron Fish (protocols.md, 3.7)
    "mining.disconnect": Role.SERVER,
    "mining.get_status": Role.CLIENT,
    "mining.status": Role.SERVER,
}
WITHOUT_PARAMETERS: Final = frozenset(
    {"mining.noop", "mining.subscribe", "mining.bye", "mining.wait_for_work", *BODY_METHODS}
)
PROXY_AGENT: Final = re.compile(r"proxy|btccom-agent|^MRR-|MiningRigRentals|^NiceHash/", re.IGNORECASE)
TARGET_IN_NOTIFY: Final = {KAWPOW: 3, CONFLUX: 3, SIA: 2, ETH_OLD: 3}  # which parameter it is


class Stratum(Dialect):
    """Reads the messages of the stratum family."""

    def call(self, call: Call, session: Session) -> Reading | None:
        """Read a request or notification."""
        method = call.method
        if method in WEAK_METHODS:
            if not (isinstance(call.params, list) or call.cut or method == "mining.pong"):
                return None
            return Reading(known(session), method, WEAK_METHODS[method], weak_values(call), strong=False)
        if method == "set_extranonce":
            if not (isinstance(call.params, list) and call.params and read.is_hex(call.params[0])):
                return None
            return Reading(family_of(call, session), method, Role.SERVER, {"stratum.method": method})
        if method in CLIENT_METHODS:
            sender = Role.CLIENT
        elif method in SERVER_METHODS:
            sender = Role.SERVER
        elif method in BODY_METHODS and (session.protocol == IRONFISH or has_body(call)):
            sender = BODY_METHODS[method]
        else:
            return None
        if not has_shape(call):
            return None
        values: dict[str, Value] = {"stratum.method": method}
        family = family_of(call, session)
        fill = FILL.get(method)
        if fill:
            fill(call, family, values)
        message = SPELLED.get(method, method)
        return Reading(family, message, sender, values, share=method in ("mining.submit", "mining.submitted"))

    def answer(self, answer: Answer, session: Session) -> Reading | None:
        """Read a reply, by the request it belongs to or by its shape."""
        asked = answer.asked
        if asked == "client.get_version":
            return version_reply(answer, session)
        if asked is not None and not (asked in CLIENT_METHODS or asked == "mining.ping"):
            return None
        shaped = by_shape(answer, session)
        if asked is None:
            is_other = session.protocol not in ("", known(session))
            return shaped or (None if is_other else weak_by_shape(answer, session))
        family = shaped.family if shaped else known(session)
        values: dict[str, Value] = {"stratum.reply": asked}
        if asked in ("mining.submit", "mining.authorize"):
            values["mining.accepted"] = accepted(answer)
        message = f"{SPELLED.get(asked, asked)}.reply"
        return Reading(family, message, None, values, share=asked == "mining.submit")


# ── calls ────────────────────────────────────────────────────────────────────────────────────────────────


def has_body(call: Call) -> bool:
    """Whether there is a ``body`` that says something."""
    body = call.message.get("body")
    return isinstance(body, dict) and bool(body)


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


def fill_subscribe(call: Call, family: str, values: dict[str, Value]) -> None:
    """Agent and pool, from a list of parameters or from an object."""
    if isinstance(call.params, dict):
        agent, user, worker = (read.text(call.params.get(key)) for key in ("agent", "publicAddress", "name"))
        values.update(agent_values(agent))
        put_account(values, user, worker)
        return
    params = call.params if isinstance(call.params, list) else []
    first = read.text(params[0]) if params else None
    if family == CONFLUX and isinstance(params[1] if len(params) > 1 else None, str):
        put_account(values, first)  # the worker stands where others name their program
    else:
        values.update(agent_values(first))
        if first and (family == AGENT or PROXY_AGENT.search(first)):
            values["mining.proxy"] = True
    put_pool(values, params[2] if len(params) > 2 else None, params[3] if len(params) > 3 else None)


def fill_hello(call: Call, family: str, values: dict[str, Value]) -> None:
    """Agent and pool of ``mining.hello``."""
    if isinstance(call.params, dict):
        values.update(agent_values(read.text(call.params.get("agent"))))
        fill_reconnect(call, family, values)


def fill_reconnect(call: Call, _family: str, values: dict[str, Value]) -> None:
    """The pool to go to: host and port in a list, or in an object, where the port is hexadecimal (EIP-1571)."""
    params = call.params
    if isinstance(params, dict):
        port = params.get("port")
        if isinstance(port, str) and read.is_hex(port, 1, 4):
            port = int(port, 16)
        put_pool(values, params.get("host"), port)
    elif isinstance(params, list) and len(params) > 1:
        put_pool(values, params[0], params[1])


def fill_configure(call: Call, _family: str, values: dict[str, Value]) -> None:
    """What a miner says of itself and asks for beside the extensions (BIP 310): pool, machine, least difficulty."""
    stated = call.params[1] if isinstance(call.params, list) and len(call.params) > 1 else None
    if not isinstance(stated, dict):
        return
    url, machine = (read.text(stated.get(f"info.{key}")) for key in ("connection-url", "hw-version"))
    put_pool(values, url.rpartition("://")[2].partition("/")[0] if url else None, None)
    if machine:
        values["mining.hardware"] = hardware(machine) or machine[:64]
    wanted = read.difficulty(stated.get("minimum-difficulty.value"))
    if wanted is not None:
        values["mining.difficulty"] = wanted


def fill_authorize(call: Call, _family: str, values: dict[str, Value]) -> None:
    """Account, worker, password and what the password asks for; Xelis names the worker apart."""
    params = call.params if isinstance(call.params, list) else []
    worker = read.text(params[1]) if len(params) == 3 else None
    put_account(values, read.text(params[0]) if params else None, worker)
    password = read.text(params[-1]) if len(params) > 1 else None
    if password:
        values["mining.password"] = password
        values.update(read.password_options(password))


def fill_submit(call: Call, family: str, values: dict[str, Value]) -> None:
    """Account and worker, which most families repeat in every share."""
    if isinstance(call.params, dict):
        put_account(values, read.text(call.params.get("worker")))
        return
    params = call.params if isinstance(call.params, list) else []
    if family not in (ETH2, IRONFISH) and len(params) >= 2:
        put_account(values, read.text(params[0]))


def fill_difficulty(call: Call, _family: str, values: dict[str, Value]) -> None:
    """Share difficulty; one that cannot be is left out."""
    found = read.difficulty(call.params[0]) if isinstance(call.params, list) and call.params else None
    if found is not None:
        values["mining.difficulty"] = found


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
    params = call.params if isinstance(call.params, list) else []
    place = TARGET_IN_NOTIFY.get(family)
    hashes = read.target_hashes(params[place]) if place is not None and len(params) > place else None
    if family == ERGO and len(params) > 6:
        hashes = read.decimal_target_hashes(params[6])
    if hashes is not None:
        values["mining.hashes_per_share"] = hashes
    named = params[8] if family == EQUIHASH and len(params) > 8 else call.message.get("algo")
    if algorithm := read.text(named):
        values["mining.algorithm"] = algorithm


def fill_submitted(call: Call, _family: str, values: dict[str, Value]) -> None:
    """The verdict on a share, where it comes as a call of its own (Iron Fish)."""
    if isinstance(call.params, dict) and isinstance(call.params.get("result"), bool):
        values["mining.accepted"] = call.params["result"]


def fill_hashrate(call: Call, _family: str, values: dict[str, Value]) -> None:
    """Hashrate as the miner states it, hexadecimal."""
    found = read.hex_hashrate(call.params[0]) if isinstance(call.params, list) and call.params else None
    if found is not None:
        values["mining.hashrate"] = found


FILL: Final = {
    "alph_submithashrate": fill_hashrate,
    "mining.configure": fill_configure,
    "mining.reconnect": fill_reconnect,
    "mining.subscribe": fill_subscribe,
    "mining.hello": fill_hello,
    "mining.authorize": fill_authorize,
    "mining.submit": fill_submit,
    "mining.submitted": fill_submitted,
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
    if call.method == "client.reconnect":
        fill_reconnect(call, "", values)
    return values


def put_account(values: dict[str, Value], user: str | None, worker: str | None = None) -> None:
    """Add the account and the worker."""
    if user:
        values.update(read.wallet_values(user))
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
