"""Replies of the stratum family: those that speak for themselves, and those that need a strong message beside them.

In: a reply.  Out: a Reading, or None.
Never: a bare ``true`` as mining by itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.dialects.stratum_families import (
    ALEO,
    EQUIHASH,
    ETH1,
    ETH2,
    KASPA,
    XELIS,
    known,
)
from sniffer.protocols.families import GENERAL
from sniffer.protocols.hardware import agent_values
from sniffer.protocols.messages import Reading

if TYPE_CHECKING:
    from sniffer.protocols.messages import Answer
    from sniffer.protocols.session import Session

LAST_GREETING: Final = 3  # subscribe, authorize and extranonce.subscribe have the first numbers
SHARE_ERRORS: Final = (21, 22, 23)
SHARE_ERROR_TEXT = re.compile(
    r"stale|duplicate|low diff|job not found|above target|invalid (?:share|solution|nonce|job)|block expired",
    re.IGNORECASE,
)
NAMED_METHOD = re.compile(r"""["'](mining\.[a-z_.]{3,30})["']""")
AGENT = re.compile(r"[A-Za-z][\w.+ -]*?[/ -]v?\d[\w.+-]*")


def accepted(answer: Answer) -> bool:
    """Whether a share or login was taken (protocols.md, 2.2): ckpool says no beside ``"error": null``.

    EIP-1571 has no result in a good reply: the bare id stands for success; to a login it answers with a name.
    Conflux answers with a list.
    """
    refused = answer.error or "reject-reason" in answer.message
    is_named = answer.asked == "mining.authorize" and isinstance(answer.result, str)
    is_true = answer.result is True or answer.result == [True]
    return not refused and (is_true or is_named or "result" not in answer.message)


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
        return Reading(KASPA, "mining.subscribe.reply", None, {"stratum.reply": "mining.subscribe"})
    pairs = first if isinstance(first, list) and first and isinstance(first[0], list) else [first]
    for pair in pairs:
        if (
            isinstance(pair, list)
            and len(pair) >= 2
            and pair[0] in ("mining.notify", "mining.set_difficulty")
        ):
            family = ETH1 if len(pair) > 2 and str(pair[2]).startswith("EthereumStratum/") else known(session)
            return Reading(family, "mining.subscribe.reply", None, {"stratum.reply": "mining.subscribe"})
    if (
        len(result) == 2
        and first is None
        and read.is_hex(result[1], 24, 64)
        and known(session) in (GENERAL, EQUIHASH)
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
    family = known(session)
    if family == GENERAL and isinstance(answer.result, list):
        family = family_of_subscription(answer.result)
    return Reading(family, f"{reply}.reply", None, values, strong=False, share=reply == "mining.submit")


def family_of_subscription(result: list[Any]) -> str:
    """Family by the parts of a subscription that no list of methods opens."""
    if len(result) == 4 and result[0] == "" and read.is_hex(result[3], 64, 64):
        return XELIS
    return ALEO if len(result) == 3 and str(result[2]).startswith("aleo1") else GENERAL


def weak_reply_to(answer: Answer) -> str | None:
    """The request that a reply of a weak shape most likely belongs to."""
    result, error = answer.result, answer.error
    named = NAMED_METHOD.search(str(error)[:200]) if error else None
    if named:
        return named.group(1)
    if isinstance(error, dict):
        text = error.get("message")
        if "code" not in error and isinstance(text, str) and SHARE_ERROR_TEXT.search(text):
            return "mining.submit"  # Iron Fish (protocols.md, 3.7)
        error = [error.get("code"), text]
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
    values = {"stratum.reply": "client.get_version", **agent_values(read.text(answer.result))}
    return Reading(known(session), "client.get_version.reply", Role.CLIENT, values, strong=False)
