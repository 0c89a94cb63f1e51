"""Ethereum's getwork methods over HTTP (protocols.md, section 5.2).

In: calls and replies over HTTP.  Out: readings.
Never: one question for work as mining, unless the target names a wallet: nodes are asked by many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from sniffer.protocols.dialects.eth_proxy import OVER_HTTP, EthProxy
from sniffer.protocols.dialects.http_account import account, mines, target_account
from sniffer.protocols.messages import Dialect, Reading

if TYPE_CHECKING:
    from sniffer.model import Value
    from sniffer.protocols.messages import Answer, Call
    from sniffer.protocols.session import Session

FAMILY: Final = OVER_HTTP
POLLED_WITHIN: Final = 60_000_000_000  # more than three questions in a minute are polling
ASKED: Final = "eth_getWork"
PROXY: Final = EthProxy()
BACKEND: Final = "backend"


class EthHttp(Dialect):
    """Reads what :class:`EthProxy` reads, in the light of the HTTP message around it."""

    def call(self, call: Call, session: Session) -> Reading | None:
        """Read a request."""
        found = PROXY.call(call, session)
        if found is None:
            return None
        named = target_account(call.http)
        head = account(call.http, wishes=not found.share)
        values: dict[str, Value] = {**head, **without_names(found.values), **named}
        reading = replace(found, family=FAMILY, values=values)
        if (
            found.message != ASKED
            or named
            or mines(call.http)
            or session.identified
            or is_polled(call, session)
        ):
            return reading
        return replace(reading, values={**values, "mining.role": BACKEND}, strong=False, hint=True)

    def answer(self, answer: Answer, session: Session) -> Reading | None:
        """Read work, or a verdict."""
        found = PROXY.answer(answer, session)
        if found is None:
            return None
        message = f"{ASKED}.reply" if found.message == "work-push" else found.message
        values = without_names(found.values)
        if answer.asked is not None and not session.identified:  # what was asked told too little
            return Reading(FAMILY, message, found.sender, {"mining.role": BACKEND}, hint=True)
        return replace(found, family=FAMILY, message=message, values=values)


def without_names(values: dict[str, Value]) -> dict[str, Value]:
    """Values without those that name the messages of the other dialect."""
    return {name: value for name, value in values.items() if not name.startswith("ethereum.")}


def is_polled(call: Call, session: Session) -> bool:
    """Whether this is the fourth question for work within a minute."""
    session.polls.append(call.time)
    times = session.polls
    return len(times) == times.maxlen and times[-1] - times[0] <= POLLED_WITHIN
