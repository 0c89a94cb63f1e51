"""Which member of the stratum family a message shows (protocols.md, section 3.0).

In: a call and its session.  Out: a family name.
Never: a change back from a specific family to the general one.

New work is the surest sign, because each coin has a layout of its own: it corrects what other messages made believe.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final

from sniffer.protocols import values as read
from sniffer.protocols.families import GENERAL

if TYPE_CHECKING:
    from sniffer.protocols.messages import Call
    from sniffer.protocols.session import Session

EQUIHASH: Final = "stratum-equihash"
KASPA: Final = "stratum-kaspa"
KAWPOW: Final = "stratum-kawpow"
ALEPHIUM: Final = "stratum-alephium"
CONFLUX: Final = "stratum-conflux"
IRONFISH: Final = "stratum-ironfish"
NERVOS: Final = "stratum-nervos"
SIA: Final = "stratum-sia"
ERGO: Final = "stratum-ergo"
ALEO: Final = "stratum-aleo"
XELIS: Final = "stratum-xelis"
ETH1: Final = "ethstratum-1"
ETH2: Final = "ethstratum-2"
ETH_OLD: Final = "ethstratum"  # the form of old pools: five parameters, three of them with 0x
AGENT: Final = "btcagent"

ETH2_METHODS: Final = frozenset(
    {"mining.hello", "mining.noop", "mining.hashrate", "mining.bye", "mining.set"}
)
EQUIHASH_HINT = re.compile(
    r"ewbf|magicbean|minizlib|miniz\b|nheqminer|zogminer|silentarmy|optiminer|dstm|\bzm/|zcash|\bzec\b|zec[.-]|equihash"
    r"|flypool|zhash|zclassic|zencash|horizen|bitcoin-?gold|btg[.-]",
    re.IGNORECASE,
)
WALLETS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), family)
    for pattern, family in (
        (r"kaspa:[a-z0-9]{61,63}\b|kaspa:", KASPA),
        (r"cfx:", CONFLUX),
        (r"xe[lt]:", XELIS),
        (r"ckb1[a-z0-9]{40,}|ckt1[a-z0-9]{40,}", NERVOS),
        (r"aleo1[a-z0-9]{58}", ALEO),
        (r"9[1-9A-HJ-NP-Za-km-z]{50}(?![0-9A-Za-z])", ERGO),
        (r"t[13][1-9A-HJ-NP-Za-km-z]{33}(?![0-9A-Za-z])", EQUIHASH),
    )
)
VARIANT = re.compile(r"[0-9]{2,3}_[0-9]")  # of Equihash, as 144_5
SOLUTION: Final = ("fd", "64")  # how many bytes follow: 100 (144,5), 400 (192,7), 1344 (200,9)
DECIMAL = re.compile(r"[0-9]{20,80}")
HEIGHT = re.compile(r"[0-9]{1,8}")  # of a chain


def known(session: Session) -> str:
    """The family that the session is known to speak, or the general one."""
    return session.protocol if session.protocol.startswith(("stratum-", "ethstratum", AGENT)) else GENERAL


def family_of(call: Call, session: Session) -> str:
    """The most specific family that this message and the session show."""
    family = known(session)
    params = call.params if isinstance(call.params, list) else []
    if "body" in call.message and "params" not in call.message:
        return IRONFISH
    if call.method == "mining.notify":
        shown = family_of_notify(params)
        return shown if shown != GENERAL else family
    if family != GENERAL:
        return family
    if call.method in ETH2_METHODS and (call.method != "mining.set" or isinstance(call.params, dict)):
        return ETH2
    match call.method:
        case "mining.subscribe":
            return family_of_subscribe(params, call.message)
        case "mining.authorize":
            return family_of_wallet(params)
        case "mining.set_target":
            return family_of_target(params)
        case "mining.submit":
            return family_of_submit(call.params)
        case "set_extranonce":
            return KASPA
        case "alph_submithashrate":
            return ALEPHIUM
        case _:
            return GENERAL


def family_of_wallet(params: list[Any]) -> str:
    """Family by the coin that an address belongs to."""
    user = params[0] if params else None
    return family_of_account(user) if isinstance(user, str) else GENERAL


@functools.lru_cache(maxsize=4_096)
def family_of_account(user: str) -> str:
    """Family by what an account begins with (cached: every share names it)."""
    return next((family for pattern, family in WALLETS if pattern.match(user)), GENERAL)


def family_of_subscribe(params: list[Any], message: dict[str, Any]) -> str:
    """Family by the parameters of ``mining.subscribe``."""
    version = params[1] if len(params) > 1 else None
    if isinstance(version, str):
        if version.startswith("EthereumStratum/"):
            return ETH2 if version.startswith("EthereumStratum/2") else ETH1
        if version.startswith("AleoStratum/"):
            return ALEO
        if not version and len(params) == 2 and "jsonrpc" in message:
            return CONFLUX
    if isinstance(params[0] if params else None, str) and params[0].startswith("btccom-agent/"):
        return AGENT
    if len(params) >= 4 and any(
        isinstance(p, str) and EQUIHASH_HINT.search(p) for p in (params[0], params[2])
    ):
        return EQUIHASH
    return GENERAL


def family_of_target(params: list[Any]) -> str:
    """Family by the parameter of ``mining.set_target``: coins hashed by the billion have eight zeros and more."""
    target = params[0] if params else None
    if isinstance(target, int) and not isinstance(target, bool):
        return ALEO
    if not read.is_hex(target, 64, 64):
        return GENERAL
    return KAWPOW if str(target).startswith("00000000") else EQUIHASH


def family_of_notify(params: list[Any]) -> str:
    """Family by the parameters of ``mining.notify``."""

    def are_hex(digits: int, *places: int, prefix: str = "") -> bool:
        return all(read.is_hex(params[i], digits, digits) and params[i].startswith(prefix) for i in places)

    def is_plain(*places: int) -> bool:
        return not any(str(params[i]).startswith("0x") for i in places)

    count = len(params)
    if count and all(isinstance(part, dict) and "headerBlob" in part for part in params):
        return ALEPHIUM
    if count in (2, 3) and read.is_hex(params[1], 80, 80) and is_plain(1):
        return KASPA
    match count:
        case 3 if isinstance(params[1], list) and len(params[1]) == 4:
            return KASPA
        case 3 if are_hex(160, 1, prefix="0x") and are_hex(64, 2, prefix="0x"):
            return SIA
        case 4:
            return family_of_four(params)
        case 5 if are_hex(64, 1, 2, 3, prefix="0x"):
            return ETH_OLD
        case 5 if are_hex(64, 1, 3) and is_plain(1, 3) and isinstance(params[2], int):
            return NERVOS
        case 7 if are_hex(64, 1, 2, 3) and isinstance(params[4], bool) and isinstance(params[5], int):
            return KAWPOW
        case 9 if params[3] == params[4] == "" and DECIMAL.fullmatch(str(params[6])):
            return ERGO
        case _ if count >= 8 and params[1] in ("04000000", "00000004", "00000020") and are_hex(64, 2):
            return EQUIHASH
        case _ if count >= 9 and VARIANT.fullmatch(str(params[8])):
            return EQUIHASH
        case _:
            return GENERAL


def family_of_four(params: list[Any]) -> str:
    """Family by the parameters of ``mining.notify``, four of them."""
    if isinstance(params[2], str) and params[2].startswith("aleo1"):
        return ALEO
    if str(params[2]).startswith("0x") and str(params[3]).startswith("0x") and str(params[1]).isdecimal():
        return CONFLUX
    if isinstance(params[3], bool) and read.is_hex(params[1], 64, 64) and HEIGHT.fullmatch(str(params[2])):
        return ERGO
    if read.is_hex(params[2], 1, 64):
        if read.is_hex(params[1], 64, 64) and isinstance(params[3], bool):
            return ETH1
        if params[3] in ("0", "1") and read.is_hex(params[1], 1, 16) and len(params[2]) > 32:
            return ETH2
    return GENERAL


def family_of_submit(params: Any) -> str:
    """Family by the parameters of ``mining.submit``."""
    if isinstance(params, dict):
        return ALEPHIUM if {"nonce", "fromGroup"} <= params.keys() else GENERAL
    if not isinstance(params, list) or not all(isinstance(p, str) for p in params):
        return GENERAL
    wallet = family_of_wallet(params)
    if wallet not in (GENERAL, EQUIHASH):
        return wallet
    if len(params) >= 5:
        if all(p.startswith("0x") for p in params[2:5]):
            return KAWPOW
        if read.is_hex(params[4], 200) and params[4].startswith(SOLUTION):
            return EQUIHASH
        if read.is_hex(params[4], 1_000):
            return ALEO
    if len(params) == 3 and read.is_hex(params[2], 8, 16) and not params[2].startswith("0x"):
        return ETH1
    if (
        len(params) == 3
        and read.is_hex(params[0])
        and read.is_hex(params[1], 8, 16)
        and not read.is_hex(params[2])
    ):
        return ETH2  # job, nonce, and a name that the pool gave to the machine
    return wallet
