"""Block templates of a Monero node over HTTP: solo mining without stratum (protocols.md, sections 4.3 and 12).

In: calls and replies over HTTP.  Out: readings.
Never: what wallets ask a node: ``get_info``, ``get_balance`` …
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.dialects.http_account import account
from sniffer.protocols.messages import Dialect, Reading

if TYPE_CHECKING:
    from sniffer.protocols.messages import Answer, Call
    from sniffer.protocols.session import Session

FAMILY: Final = "monero-daemon-mining"
TEMPLATE: Final = {"getblocktemplate", "get_block_template"}
SUBMIT: Final = {"submitblock", "submit_block"}
JSON_RPC: Final = "/json_rpc"
BLOB_DIGITS: Final = 140


class MoneroDaemon(Dialect):
    """Reads block templates of Monero."""

    def call(self, call: Call, session: Session) -> Reading | None:
        """Read a request."""
        params = call.params
        if (
            call.method in TEMPLATE
            and isinstance(params, dict)
            and isinstance(params.get("wallet_address"), str)
        ):
            values = {**account(call.http), **read.wallet_values(params["wallet_address"])}
            return Reading(FAMILY, call.method, Role.CLIENT, values)
        if call.method not in SUBMIT or not (session.protocol == FAMILY or is_json_rpc(call)):
            return None
        if not (isinstance(params, list) and params and read.is_hex(params[0], BLOB_DIGITS)):
            return None
        return Reading(FAMILY, call.method, Role.CLIENT, account(call.http), share=True)

    def answer(self, answer: Answer, session: Session) -> Reading | None:
        """Read a template, or the verdict on a block."""
        result = answer.result
        if is_template(result):
            values: dict[str, Value] = {}
            value = read.difficulty(result.get("difficulty"))
            if value is not None:
                values["mining.difficulty"] = value
            asked = answer.asked if answer.asked in TEMPLATE else "getblocktemplate"
            return Reading(FAMILY, f"{asked}.reply", Role.SERVER, values)
        if session.protocol == FAMILY and answer.asked in SUBMIT:
            taken = isinstance(result, dict) and result.get("status") == "OK" and not answer.error
            return Reading(
                FAMILY, f"{answer.asked}.reply", Role.SERVER, {"mining.accepted": taken}, share=True
            )
        return None


def is_json_rpc(call: Call) -> bool:
    """Whether a request goes where Monero's nodes listen: the same method exists for Bitcoin's."""
    return call.http is not None and call.http.path == JSON_RPC


def is_template(result: Any) -> bool:
    """Whether a result is a block template of a CryptoNote node."""
    return (
        isinstance(result, dict)
        and read.is_hex(result.get("blocktemplate_blob"), BLOB_DIGITS)
        and "difficulty" in result
        and ("reserved_offset" in result or "prev_hash" in result)
    )
