"""Stratum V1: the Bitcoin family, Equihash (ZIP 301), EthereumStratum/1.0.0 and /2.0.0 (EIP-1571).

In: calls and replies.  Out: readings, with the most specific family that a message shows.
Never: the prefix ``mining.`` as evidence: the list of methods is exact (protocols.md, sections 0, 2, 3.1, 5.3, 5.4).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.hardware import hardware
from sniffer.protocols.session import Reading

if TYPE_CHECKING:
    from sniffer.protocols.session import Answer, Call, Session

FAMILY: Final = "stratum-v1"
EQUIHASH: Final = "stratum-equihash"
ETH1: Final = "ethstratum-1"
ETH2: Final = "ethstratum-2"
ETH_OLD: Final = "ethstratum"  # the form of old pools: five parameters, three of them with 0x

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
ETH2_METHODS: Final = frozenset(
    {"mining.hello", "mining.noop", "mining.hashrate", "mining.bye", "mining.set"}
)

LAST_GREETING: Final = 3  # subscribe, authorize and extranonce.subscribe have the first numbers
SHARE_ERRORS: Final = (21, 22, 23)
SHARE_ERROR_TEXT = re.compile(
    r"stale|duplicate|low diff|job not found|above target|invalid (?:share|solution|nonce)", re.IGNORECASE
)
NAMED_METHOD = re.compile(r"""["'](mining\.[a-z_.]{3,30})["']""")
AGENT = re.compile(r"[A-Za-z][\w.+ -]*?[/ -]v?\d[\w.+-]*")
EQUIHASH_HINT = re.compile(
    r"ewbf|magicbean|minizlib|miniz\b|nheqminer|zogminer|silentarmy|optiminer|dstm|\bzm/|zcash|\bzec\b|zec[.-]|equihash"
    r"|flypool|zhash|zclassic|zencash|horizen|bitcoin-?gold|btg[.-]",
    re.IGNORECASE,
)
ZCASH_ADDRESS = re.compile(r"t[13][1-9A-HJ-NP-Za-km-z]{33}(?![0-9A-Za-z])")


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


def known(session: Session) -> str:
    """The family that the session is known to speak, or the general one."""
    return session.protocol if session.protocol.startswith(("stratum-", "ethstratum")) else FAMILY


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


def family_of(call: Call, session: Session) -> str:
    """The most specific family that this message and the session show (protocols.md, 3.0)."""
    family = known(session)
    if family != FAMILY:
        return family
    params = call.params if isinstance(call.params, list) else []
    if call.method in ETH2_METHODS and (call.method != "mining.set" or isinstance(call.params, dict)):
        return ETH2
    match call.method:
        case "mining.subscribe":
            return family_of_subscribe(params)
        case "mining.authorize" if params and isinstance(params[0], str) and ZCASH_ADDRESS.match(params[0]):
            return EQUIHASH
        case "mining.set_target" if (
            params and read.is_hex(params[0], 64, 64) and not params[0].startswith("00000000")
        ):
            return EQUIHASH  # coins hashed by the billion have targets with eight zeros and more
        case "mining.notify":
            return family_of_notify(params)
        case "mining.submit":
            return family_of_submit(params)
        case _:
            return FAMILY


def family_of_subscribe(params: list[Any]) -> str:
    """Family by the parameters of ``mining.subscribe``."""
    version = params[1] if len(params) > 1 else None
    if isinstance(version, str) and version.startswith("EthereumStratum/"):
        return ETH2 if version.startswith("EthereumStratum/2") else ETH1
    if len(params) >= 4 and any(
        isinstance(p, str) and EQUIHASH_HINT.search(p) for p in (params[0], params[2])
    ):
        return EQUIHASH
    return FAMILY


def family_of_notify(params: list[Any]) -> str:
    """Family by the parameters of ``mining.notify``."""
    if (
        len(params) >= 8
        and params[1] in ("04000000", "00000004", "00000020")
        and read.is_hex(params[2], 64, 64)
    ):
        return EQUIHASH
    if len(params) == 4 and read.is_hex(params[2], 1, 64):
        if read.is_hex(params[1], 64, 64) and isinstance(params[3], bool):
            return ETH1
        if params[3] in ("0", "1") and read.is_hex(params[1], 1, 16) and len(params[2]) > 32:
            return ETH2
    if len(params) == 5 and all(read.is_hex(p, 64, 64) and p.startswith("0x") for p in params[1:4]):
        return ETH_OLD
    return FAMILY


def family_of_submit(params: list[Any]) -> str:
    """Family by the parameters of ``mining.submit``."""
    if len(params) >= 5 and read.is_hex(params[4], 200):
        return EQUIHASH
    if (
        len(params) == 3
        and all(isinstance(p, str) for p in params)
        and ":" not in params[0]
        and read.is_hex(params[2], 8, 16)
        and not params[2].startswith("0x")
    ):
        return ETH1
    return FAMILY


def fill_subscribe(call: Call, _family: str, values: dict[str, Value]) -> None:
    """Agent and pool, from a list of parameters or from an object."""
    if isinstance(call.params, dict):
        agent, user, worker = (read.text(call.params.get(key)) for key in ("agent", "publicAddress", "name"))
        put_agent(values, agent)
        put_account(values, user, worker)
        return
    params = call.params if isinstance(call.params, list) else []
    put_agent(values, read.text(params[0]) if params else None)
    put_pool(values, params[2] if len(params) > 2 else None, params[3] if len(params) > 3 else None)


def fill_hello(call: Call, _family: str, values: dict[str, Value]) -> None:
    """Agent and pool of ``mining.hello``; its port is hexadecimal."""
    if isinstance(call.params, dict):
        put_agent(values, read.text(call.params.get("agent")))
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


def put_agent(values: dict[str, Value], agent: str | None) -> None:
    """Add the agent and the machine it tells of."""
    if agent:
        values["mining.agent"] = agent
        machine = hardware(agent)
        if machine:
            values["mining.hardware"] = machine


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


# ── replies ──────────────────────────────────────────────────────────────────────────────────────────────


def accepted(answer: Answer) -> bool:
    """Whether a share or login was taken (protocols.md, 2.2): ckpool says no beside ``"error": null``.

    EIP-1571 has no result in a good reply: the bare id stands for success.
    """
    refused = answer.error or "reject-reason" in answer.message
    return not refused and (answer.result is True or "result" not in answer.message)


def by_shape(answer: Answer, session: Session) -> Reading | None:
    """Replies that speak for themselves."""
    result = answer.result
    if isinstance(result, dict) and "version-rolling" in result:
        return Reading(known(session), "mining.configure.reply", None, {"stratum.reply": "mining.configure"})
    if isinstance(result, dict) and str(result.get("proto", "")).startswith("EthereumStratum/"):
        return Reading(ETH2, "mining.hello.reply", None, {"stratum.reply": "mining.hello"})
    if not isinstance(result, list) or not result:
        return None
    first = result[0]
    if first is True and len(result) > 1 and str(result[1]).startswith("EthereumStratum/"):
        return Reading(known(session), "mining.subscribe.reply", None, {"stratum.reply": "mining.subscribe"})
    pair = first[0] if isinstance(first, list) and first and isinstance(first[0], list) else first
    if isinstance(pair, list) and len(pair) >= 2 and pair[0] in ("mining.notify", "mining.set_difficulty"):
        family = ETH1 if len(pair) > 2 and str(pair[2]).startswith("EthereumStratum/") else known(session)
        return Reading(family, "mining.subscribe.reply", None, {"stratum.reply": "mining.subscribe"})
    if (
        len(result) == 2
        and first is None
        and read.is_hex(result[1], 24, 64)
        and known(session) in (FAMILY, EQUIHASH)
        and answer.asked == "mining.subscribe"
    ):
        return Reading(EQUIHASH, "mining.subscribe.reply", None, {"stratum.reply": "mining.subscribe"})
    return None


def weak_by_shape(answer: Answer, session: Session) -> Reading | None:
    """Replies to requests that were not seen, of a shape that other services share."""
    reply = weak_reply_to(answer)
    if reply is None:
        return None
    values: dict[str, Value] = {"stratum.reply": reply}
    if reply == "mining.submit":
        values["mining.accepted"] = accepted(answer)
    if reply == "client.get_version":
        return version_reply(answer, session)
    return Reading(known(session), f"{reply}.reply", None, values, strong=False)


def weak_reply_to(answer: Answer) -> str | None:
    """The request that a reply of a weak shape most likely belongs to."""
    result, error = answer.result, answer.error
    named = NAMED_METHOD.search(str(error)[:200]) if error else None
    if named:
        return named.group(1)
    if isinstance(error, dict):
        error = [error.get("code"), error.get("message")]
    if isinstance(error, list) and len(error) >= 2 and isinstance(error[1], str):
        if error[0] == 24:
            return "mining.authorize"
        return "mining.submit" if error[0] in SHARE_ERRORS else None
    if isinstance(error, str) and SHARE_ERROR_TEXT.search(error):
        return "mining.submit"
    if "reject-reason" in answer.message and result is False:
        return "mining.submit"
    if isinstance(result, list) and 2 <= len(result) <= 4:
        if result[0] == "mining.notify" and read.is_hex(result[1]):
            return "mining.subscribe"
        first = result[0]
        if (first in (None, "") or (read.is_hex(first) and first[:2] != "0x")) and read.is_hex(
            result[1], 2, 64
        ):
            return "mining.subscribe"
    if isinstance(result, str) and AGENT.fullmatch(result) and error is None:
        return "client.get_version"
    # A bare verdict: of a share, where its request cannot have been seen and its number is not one of the greeting's.
    number = answer.message.get("id")
    greeting = isinstance(number, int) and number <= LAST_GREETING
    return (
        "mining.submit" if isinstance(result, bool) and answer.alone and not error and not greeting else None
    )


def version_reply(answer: Answer, session: Session) -> Reading | None:
    """The miner's answer to ``client.get_version``: its agent."""
    values: dict[str, Value] = {"stratum.reply": "client.get_version"}
    put_agent(values, read.text(answer.result))
    return Reading(known(session), "client.get_version.reply", Role.CLIENT, values, strong=False)
