"""getblocktemplate and what belongs to it: solo miners, and the backends of pools (protocols.md, section 6; BIP 22, 23).

In: calls and replies over HTTP.  Out: readings; of a program that is no miner only hints, with its role.
Never: what monitors ask a node: ``getmininginfo``, ``getnetworkhashps``, ``getblockchaininfo``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.dialects.http_account import account, mines
from sniffer.protocols.messages import Dialect, Reading

if TYPE_CHECKING:
    from sniffer.protocols.messages import Answer, Call
    from sniffer.protocols.session import Session

FAMILY: Final = "gbt-http"
METHODS: Final = frozenset(
    {"getblocktemplate", "submitblock", "getauxblock", "createauxblock", "submitauxblock"}
)
SUBMISSIONS: Final = frozenset({"submitblock", "submitauxblock"})
BACKEND: Final = "backend"
"""Role of a program that asks for templates and is no known miner: solo mining, or the node behind a pool."""
OWN_KEYS: Final = frozenset({"coinbasevalue", "coinbasetxn", "longpollid", "vbrequired"})
"""Keys of a template that a block does not have (BIP 22)."""


class Gbt(Dialect):
    """Reads block templates."""

    def call(self, call: Call, session: Session) -> Reading | None:
        """Read a request."""
        if call.method not in METHODS or not (isinstance(call.params, list | None) or call.cut):
            return None
        share = call.method in SUBMISSIONS or (call.method == "getauxblock" and bool(call.params))
        values = account(call.http, wishes=not share)
        hands_in = call.method != "submitblock" or call.cut or is_block(call.params)
        if hands_in and (mines(call.http) or session.identified):
            return Reading(FAMILY, call.method, Role.CLIENT, values, share=share)
        return Reading(FAMILY, call.method, Role.CLIENT, {**values, "mining.role": BACKEND}, hint=True)

    def answer(self, answer: Answer, session: Session) -> Reading | None:
        """Read a template, or the verdict on a block."""
        if answer.asked is not None and answer.asked not in METHODS:
            return None
        if is_template(answer.result):
            values: dict[str, Value] = {}
            if answer.asked is not None and not session.identified:
                return Reading(
                    FAMILY, f"{answer.asked}.reply", Role.SERVER, {"mining.role": BACKEND}, hint=True
                )
            hashes = read.target_hashes(answer.result.get("target"))
            if hashes is not None:
                values["mining.hashes_per_share"] = hashes
            return Reading(FAMILY, "getblocktemplate.reply", Role.SERVER, values)
        if session.protocol != FAMILY or answer.asked is None:
            return None
        if answer.asked in SUBMISSIONS or isinstance(answer.result, bool):
            taken = answer.result in (None, True) and not answer.error
            return Reading(
                FAMILY, f"{answer.asked}.reply", Role.SERVER, {"mining.accepted": taken}, share=True
            )
        return Reading(FAMILY, f"{answer.asked}.reply", Role.SERVER, {})


def is_block(params: Any) -> bool:
    """Whether parameters begin with a block in hexadecimal."""
    return isinstance(params, list) and bool(params) and read.is_hex(params[0], 160)


def is_template(result: Any) -> bool:
    """Whether a result has the keys of a block template."""
    return (
        isinstance(result, dict)
        and read.is_hex(result.get("previousblockhash"), 64, 64)
        and "version" in result
        and bool(OWN_KEYS & result.keys())
    )
