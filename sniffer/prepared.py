"""A rule set with all that is made of it before it can be used, so that it is taken in one step.

In: a rule set, the word that names are hashed with.  Out: :class:`Prepared`.
Never: a change of anything that is in use: this may run in another thread than the engine that will take it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from sniffer.addresses import address_text
from sniffer.gate.names import NameTable
from sniffer.protocols.dialects.miner_api import PATHS
from sniffer.protocols.facts import FLOW_FACTS
from sniffer.ruleset.lists import RESOLVER_ADDRESSES, RESOLVER_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffer.model import Value
    from sniffer.ruleset import RuleSet

Party: TypeAlias = "tuple[bytes, int]"
"""One end of a flow: its address, packed, and its port."""
EndFact: TypeAlias = "Callable[[Party, Party, str], Value]"
ENDS: Final[dict[str, EndFact]] = {
    "client.ip": lambda client, _server, _transport: address_text(client[0]),
    "client.port": lambda client, _server, _transport: client[1],
    "server.ip": lambda _client, server, _transport: address_text(server[0]),
    "server.port": lambda _client, server, _transport: server[1],
    "flow.transport": lambda _client, _server, transport: transport,
}
"""Facts of every message, out of its ends and its transport; only those are made that a rule asks about."""


class Prepared(NamedTuple):
    """A rule set, ready to be used."""

    ruleset: RuleSet
    ends: list[tuple[str, EndFact]]  # facts about the ends of a flow that some rule asks for
    told: list[tuple[str, str]]  # facts of the flow that some rule asks for, and what each repeats
    resolvers: frozenset[str]  # names of known resolvers
    resolver_addresses: tuple[str, ...]
    names: NameTable  # what the gate lets through


def prepare(ruleset: RuleSet, seed: int | None = None) -> Prepared:
    """Make of a rule set what engine and gate need.

    Args:
        ruleset: the rules.
        seed: 64-bit word that names are hashed with, that of the gate which will use them; None: a new one.
    """
    resolvers = frozenset(map(str, ruleset.members(RESOLVER_NAMES)))
    listed = [
        *ruleset.gate_names().items(),
        *((name, True) for name in resolvers),
        *((path, False) for path in PATHS),
    ]
    return Prepared(
        ruleset=ruleset,
        ends=[(fact, of) for fact, of in ENDS.items() if fact in ruleset.asked],
        told=[(name, fact) for name, fact in FLOW_FACTS.items() if name in ruleset.asked],
        resolvers=resolvers,
        resolver_addresses=tuple(map(str, ruleset.members(RESOLVER_ADDRESSES))),
        names=NameTable(
            listed,
            seed=secrets.randbits(64) if seed is None else seed,
            everything=ruleset.wants_every_name,
        ),
    )
