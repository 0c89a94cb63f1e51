"""Which listed name an address was given, in DNS answers that passed by; and addresses of known resolvers.

In: questions and answers of DNS, as read; addresses.  Out: the name of an address, while its time to live lasts.
Never: a question of its own; an answer that nobody was seen to ask for; an address that many pools share.

An answer counts if its question was seen, unless the sensor sees one direction only, or only another name in the
answer is listed (then the gate has not shown the question).
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sniffer.oddities import Oddities
    from sniffer.protocols.dns import Resolution

SECOND: Final = 1_000_000_000
MAX_ADDRESSES: Final = 16_384
MAX_QUESTIONS: Final = 8_192
ANSWERED_WITHIN: Final = 30 * SECOND
SHORTEST: Final = 30  # seconds; programs use an answer a little longer than it says
LONGEST: Final = 86_400
BROADCAST: Final = b"\xff" * 4
MAX_POOLS: Final = 3  # at one address: with more it is a front that says nothing of whom it serves


class Lesson(NamedTuple):
    """What was just learned of an address."""

    address: bytes  # packed
    name: str
    until: int  # on the engine's clock


class Learned(NamedTuple):
    """What is known of an address."""

    name: str
    until: int  # on the engine's clock
    pools: frozenset[str]


class Addresses:
    """Addresses by which servers are known."""

    def __init__(self, oddities: Oddities) -> None:
        self._oddities = oddities
        self._learned: OrderedDict[bytes, Learned] = OrderedDict()  # by the time at which they were last told
        self._questions: OrderedDict[tuple[object, ...], int] = OrderedDict()
        self._resolvers: dict[bytes, str] = {}

    def list_resolvers(self, networks: Iterable[str]) -> list[bytes]:
        """Replace the known resolvers by the addresses of a list; return them packed."""
        found = [ipaddress.ip_network(network) for network in networks]
        self._resolvers = {one.network_address.packed: str(one.network_address) for one in found}
        return [*self._resolvers]

    def note(
        self,
        resolution: Resolution,
        ends: tuple[object, ...],
        now: int,
        *,
        pool_of: Callable[[str], str],
        one_sided: bool,
    ) -> list[Lesson]:
        """Take note of a question, or learn from an answer.

        Args:
            resolution: what was read.
            ends: whoever asks and whoever is asked, the same for a question and its answer.
            now: on the engine's clock.
            pool_of: the pool that a name belongs to, "" for none.
            one_sided: questions need not have been seen.

        Returns:
            What was learned.
        """
        key = (ends, resolution.identifier, resolution.names[0])
        if not resolution.is_answer:
            self._questions[key] = now
            if len(self._questions) > MAX_QUESTIONS:
                self._questions.popitem(last=False)
            return []
        named = [(name, pool) for name in resolution.names if (pool := pool_of(name))]
        if not named:
            return []
        asked = self._questions.get(key)
        seen = asked is not None and now - asked <= ANSWERED_WITHIN
        if not seen and not one_sided and named[0][0] == resolution.names[0]:
            self._oddities.count("dns_unasked")
            return []
        name, pool = named[0]
        out = []
        for address, seconds in resolution.addresses:
            lesson = Lesson(address, name, now + min(max(seconds, SHORTEST), LONGEST) * SECOND)
            if can_serve(address) and self.learn(lesson, pool, now):
                out.append(lesson)
        return out

    def learn(self, lesson: Lesson, pool: str, now: int) -> bool:
        """Remember an address of a pool; return whether it says anything (a front of many pools does not)."""
        address, name, until = lesson
        known = self._learned.pop(address, None)
        if known is not None and known.until < now:
            known = None
        pools = (known.pools if known else frozenset()) | {pool}
        self._learned[address] = Learned(name, max(until, known.until if known else 0), pools)
        if len(self._learned) > MAX_ADDRESSES:
            self._oddities.count("learned_limit")
            self._learned.popitem(last=False)
        return len(pools) <= MAX_POOLS

    def name_of(self, address: bytes, now: int) -> str:
        """The listed name that an address has now, or ""."""
        known = self._learned.get(address)
        return known.name if known and known.until >= now and len(known.pools) <= MAX_POOLS else ""

    def resolver_of(self, address: bytes) -> str:
        """An address as text, if it is that of a known resolver."""
        return self._resolvers.get(address, "")

    def __len__(self) -> int:
        return len(self._learned)


def can_serve(address: bytes) -> bool:
    """Whether an address can be that of a server.  A private one can: farms put proxies in front of pools."""
    one = ipaddress.ip_address(address)
    return not (
        one.is_unspecified or one.is_loopback or one.is_multicast or one.is_link_local or address == BROADCAST
    )
