"""eth-proxy: Ethereum's getwork methods as lines over TCP (protocols.md, section 5.1).

In: calls and replies.  Out: readings.
Never: a node's own methods (``eth_mining``, ``eth_hashrate``, ``eth_getFilterChanges`` …) as mining.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.messages import Dialect, Reading

if TYPE_CHECKING:
    from sniffer.protocols.messages import Answer, Call
    from sniffer.protocols.session import Session

FAMILY: Final = "eth-proxy"
METHODS: Final = {
    name.lower(): name for name in ("eth_submitLogin", "eth_getWork", "eth_submitWork", "eth_submitHashrate")
}


OVER_HTTP: Final = "eth-getwork-http"
SHARE: Final = "eth_submitwork"
SHARE_ID: Final = (
    4  # of Claymore and its kin; 1 to 3 are the greeting's, 5, 6 and 9 are for work and hashrate
)
FIRST_SHARE_ID: Final = 40  # of ethminer


class EthProxy(Dialect):
    """Reads the messages of the eth-proxy dialect."""

    def call(self, call: Call, session: Session) -> Reading | None:
        """Read a request."""
        name = METHODS.get(call.method)
        if name is None or not (
            isinstance(call.params, list) or (name == "eth_getWork" and call.params is None)
        ):
            return None
        values: dict[str, Value] = {"ethereum.method": call.method}
        params = call.params or []
        if name == "eth_submitLogin":
            values.update(read.ethereum_account(params, call.message.get("worker")))
            password = read.text(params[1]) if len(params) > 1 else None
            if password:
                values["mining.password"] = password
        else:
            worker = read.text(call.message.get("worker"))
            if worker and not read.wallet_kind(worker):
                values["mining.worker"] = worker
        if name == "eth_submitHashrate":
            rate = read.hex_hashrate(params[0]) if params else None
            if rate is not None:
                values["mining.hashrate"] = rate
        return Reading(FAMILY, name, Role.CLIENT, values, share=name == "eth_submitWork")

    def answer(self, answer: Answer, session: Session) -> Reading | None:
        """Read a reply, or work that is pushed in the form of one."""
        asked = answer.asked
        if asked is not None and asked not in METHODS:
            return None
        work = answer.result
        if is_work(work):
            target = work[2]
            values: dict[str, Value] = {"ethereum.work": target}
            hashes = read.target_hashes(target)
            if hashes is not None:
                values["mining.hashes_per_share"] = hashes
            if asked == "eth_getwork":
                return Reading(FAMILY, "eth_getWork.reply", Role.SERVER, values)
            return Reading(FAMILY, "work-push", Role.SERVER, values)
        if asked is None and is_verdict(answer):
            asked = SHARE
        if asked is None or session.protocol not in (FAMILY, OVER_HTTP):
            return None
        values = {"ethereum.reply": asked}
        if asked in (SHARE, "eth_submitlogin"):
            values["mining.accepted"] = answer.result is True and not answer.error
        share = asked == SHARE
        return Reading(FAMILY, f"{METHODS[asked]}.reply", Role.SERVER, values, share=share)


def is_verdict(answer: Answer) -> bool:
    """Whether a bare reply is to a share, where requests cannot be seen: by the numbers that miners give to shares."""
    number = answer.message.get("id")
    is_share = isinstance(number, int) and (number == SHARE_ID or number >= FIRST_SHARE_ID)
    return answer.alone and isinstance(answer.result, bool) and is_share


def is_work(work: Any) -> bool:
    """Whether a result is work: header, seed, target, and a target that can be one (protocols.md, section 0).

    ``eth_getFilterChanges`` also answers with lists of hashes; the third of those is not below 2^240.
    """
    if not isinstance(work, list) or not 3 <= len(work) <= 4:
        return False
    if not all(read.is_hex(part, 64, 64) and part[:2] == "0x" for part in work[:3]):
        return False
    return 1 << 160 < int(work[2], 16) < 1 << 240
