"""Which member of the stratum family a message shows (protocols.md, section 3.0).

In: a call and its session.  Out: a family name.
Never: a change back from a specific family to the general one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sniffer.protocols import values as read

if TYPE_CHECKING:
    from sniffer.protocols.session import Call, Session

FAMILY: Final = "stratum-v1"
EQUIHASH: Final = "stratum-equihash"
ETH1: Final = "ethstratum-1"
ETH2: Final = "ethstratum-2"
ETH_OLD: Final = "ethstratum"  # the form of old pools: five parameters, three of them with 0x

ETH2_METHODS: Final = frozenset(
    {"mining.hello", "mining.noop", "mining.hashrate", "mining.bye", "mining.set"}
)
EQUIHASH_HINT = re.compile(
    r"ewbf|magicbean|minizlib|miniz\b|nheqminer|zogminer|silentarmy|optiminer|dstm|\bzm/|zcash|\bzec\b|zec[.-]|equihash"
    r"|flypool|zhash|zclassic|zencash|horizen|bitcoin-?gold|btg[.-]",
    re.IGNORECASE,
)
ZCASH_ADDRESS = re.compile(r"t[13][1-9A-HJ-NP-Za-km-z]{33}(?![0-9A-Za-z])")


def known(session: Session) -> str:
    """The family that the session is known to speak, or the general one."""
    return session.protocol if session.protocol.startswith(("stratum-", "ethstratum")) else FAMILY


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
