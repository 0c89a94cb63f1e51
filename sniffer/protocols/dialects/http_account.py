"""What the head of an HTTP request says of the miner: account, program, hashrate (protocols.md, sections 5.2 and 6).

In: the head of a request.  Out: facts; whether the program mines.
Never: a program's name as evidence by itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from sniffer.protocols import values as read
from sniffer.protocols.hardware import agent_values

if TYPE_CHECKING:
    from sniffer.model import Value
    from sniffer.protocols.messages import Head

MINER = re.compile(
    r"^(?:\w*(?:cg|bfg?|bm|sg|cc|eth|kawpow|xmr|ts)-?miner|cpuminer|minerd|xmrig|xmr-stak|phoenixminer|gminer|lolminer|t-rex"
    r"|nbminer|teamredminer|srbminer|rigel|bzminer|claymore|poclbm|phoenix|diablominer|guiminer|antminer|whatsminer|nsgminer"
    r"|cudaminer|ufasoft|bitforce|hashkill|diablo|sia-agent|(?:decred-)?gominer|deepminer|progpowminer|wildrig)",
    re.IGNORECASE,
)
EXTENSIONS: Final = "x-mining-extensions"
HASHRATE: Final = "x-mining-hashrate"
SERVER_FIELDS: Final = ("x-stratum", "x-long-polling", "x-roll-ntime", "x-reject-reason")
WALLET = re.compile(r"0x[0-9a-fA-F]{40}(?![0-9a-fA-F])")
RIG = re.compile(r"[@/.](?:\d+(?:\.\d+)?@)?([^@/&#?]+)")  # a hashrate may stand before it


def mines(head: Head | None) -> bool:
    """Whether the sender of a request is a mining program: by a field that only such send, or by its name."""
    if head is None:
        return False
    return (
        EXTENSIONS in head.fields
        or HASHRATE in head.fields
        or MINER.match(head.fields.get("user-agent", "")) is not None
    )


def account(head: Head | None, *, wishes: bool = True) -> dict[str, Value]:
    """User and password of the Basic scheme, the program, and the hashrate that it states.

    A share is worth what the server says: what the password wishes for is left out of it (not ``wishes``).
    """
    if head is None:
        return {}
    values: dict[str, Value] = {}
    if head.user:
        values.update(read.wallet_values(head.user))
        worker = read.worker_after_first_dot(head.user)
        if worker:
            values["mining.worker"] = worker
    if head.password:
        values["mining.password"] = head.password[: read.MAX_STRING]
        values.update(read.password_options(head.password))
    if not wishes:
        values.pop("mining.difficulty", None)
    values.update(agent_values(read.text(head.fields.get("user-agent"))))
    rate = read.hashrate(head.fields.get(HASHRATE))
    if rate is not None:
        values["mining.hashrate"] = rate
    return values


def target_account(head: Head | None) -> dict[str, Value]:
    """Wallet and worker in the target of a request: ``/?miner=30@WALLET@RIG``, ``/WALLET/RIG``, ``/WALLET/MHs@RIG``."""
    target = unquote(head.target) if head else ""
    found = WALLET.search(target)
    if not found:
        return {}
    values = read.wallet_values(found.group())
    rig = RIG.match(target, found.end())
    return {**values, "mining.worker": rig.group(1)[: read.MAX_STRING]} if rig else values
