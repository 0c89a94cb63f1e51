"""What a rule can ask about one fact: one function an operator, one line in the registry.

In: the operand as written in YAML, the type of the fact, the lists.  Out: a test of one value.
Never: a regular expression that backtracks; a test that raises.

An operator's ``make`` raises ValueError with a readable sentence when the operand does not suit.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import re2

from sniffer.model import Endpoint, Listed, Value
from sniffer.protocols.facts import NAME_FACTS
from sniffer.ruleset.domains import checked, normalise, splits

if TYPE_CHECKING:
    from sniffer.ruleset.lists import Lists

ADDRESS_FACTS: Final = ("client.ip", "server.ip")
LOWER_FACTS: Final = (
    *NAME_FACTS,
    "stratum.method",
    "stratum.reply",
    "cryptonote.method",
    "cryptonote.reply",
    "ethereum.method",
    "ethereum.reply",
    "payload.hex",
    "payload.side",
)
"""Facts that are lower case whatever the wire said."""
MAX_REGEX: Final = 1_024

Answer: TypeAlias = bool | Listed | tuple[Endpoint, Listed]
"""Yes or no; where a named list says yes, what it says."""
Test: TypeAlias = Callable[[Value], Answer]


class Operator(NamedTuple):
    """One operator."""

    make: Callable[[Any, type, Lists], Test]
    types: tuple[type, ...]  # of facts it can ask about
    says: str
    facts: tuple[str, ...] = ()  # if not empty: the only facts it can ask about


def entries_of(operand: Any) -> list[Any]:
    """What an operand lists; one that is no list is its only entry."""
    return operand if isinstance(operand, list) else [operand]


def _scalar(operand: Any, kind: type) -> Value:
    if kind is float and isinstance(operand, int) and not isinstance(operand, bool):
        return float(operand)
    if isinstance(operand, str | int | float | bool) and type(operand) is kind:
        return operand
    raise ValueError(f"expects a value of type {kind.__name__}, not {str(operand)[:80]!r}")


def _number(operand: Any) -> float:
    if isinstance(operand, bool) or not isinstance(operand, int | float):
        raise ValueError("expects a number")  # noqa: TRY004 -- every wrong operand is a ValueError
    return float(operand)


def _text(operand: Any) -> str:
    if not isinstance(operand, str) or not operand:
        raise ValueError("expects text")
    return operand


def _equals(operand: Any, kind: type, _lists: Lists) -> Test:
    wanted = _scalar(operand, kind)
    return lambda value: value == wanted


def _in(operand: Any, kind: type, lists: Lists) -> Test:
    if isinstance(operand, str) and operand.startswith("@"):
        members = frozenset(_scalar(member, kind) for member in lists.values(operand[1:]))
        listed = lists.listed(operand[1:])
        return lambda value: listed if value in members else False
    if not isinstance(operand, list) or not operand:
        raise ValueError("expects a list of values, or the @name of one")
    wanted = frozenset(_scalar(member, kind) for member in operand)
    return lambda value: value in wanted


def _starts_with(operand: Any, _kind: type, _lists: Lists) -> Test:
    text = _text(operand)
    return lambda value: str(value).startswith(text)


def _ends_with(operand: Any, _kind: type, _lists: Lists) -> Test:
    text = _text(operand)
    return lambda value: str(value).endswith(text)


def _contains(operand: Any, _kind: type, _lists: Lists) -> Test:
    text = _text(operand)
    return lambda value: text in str(value)


def _matches(operand: Any, _kind: type, _lists: Lists) -> Test:
    options = re2.Options()
    options.log_errors = False
    if len(_text(operand)) > MAX_REGEX:
        raise ValueError(f"expects at most {MAX_REGEX} characters")
    try:
        regex = re2.compile(operand, options)
    except re2.error as error:
        raise ValueError(f"is no regular expression of RE2: {regex_fault(error)}") from None
    if regex.search(""):
        raise ValueError("matches every value, even an empty one")
    return lambda value: regex.search(str(value)) is not None


def regex_fault(error: re2.error) -> str:
    """What RE2 says is wrong."""
    reason = error.args[0] if error.args else ""
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)


def _at_least(operand: Any, _kind: type, _lists: Lists) -> Test:
    limit = _number(operand)
    return lambda value: not isinstance(value, str) and value >= limit


def _at_most(operand: Any, _kind: type, _lists: Lists) -> Test:
    limit = _number(operand)
    return lambda value: not isinstance(value, str) and value <= limit


def _between(operand: Any, _kind: type, _lists: Lists) -> Test:
    if not isinstance(operand, list) or len(operand) != 2:
        raise ValueError("expects a list of two numbers")
    low, high = _number(operand[0]), _number(operand[1])
    if low > high:
        raise ValueError("expects the smaller number first")
    return lambda value: not isinstance(value, str) and low <= value <= high


def _domain_in(operand: Any, _kind: type, lists: Lists) -> Test:
    wanted: set[tuple[str, str]] = set()
    domains: dict[str, str] = {}  # and the list that each is in
    for entry in entries_of(operand):
        text = _text(entry)
        name = text[1:]
        if not text.startswith("@"):
            domains[checked(text)] = ""
        elif lists.is_endpoint_list(name):
            wanted |= lists.endpoint_classes(name)
        else:
            members = lists.values(name)
            is_checked = lists.type_of(name) == "domains"
            names = members if is_checked else [checked(_text(member)) for member in members]
            domains.update(dict.fromkeys(names, name))
    index = lists.index

    def test(value: Value) -> Answer:
        name = normalise(str(value))
        found = next((base for _, base in splits(name) if base in domains), "") if domains else ""
        endpoint = index.find(name) if wanted else None
        is_wanted = endpoint is not None and lists.class_of(endpoint) in wanted
        if endpoint is not None and is_wanted and len(endpoint.domain) > len(found):
            return endpoint, lists.listed_endpoint(endpoint)
        if not found:
            return False
        return lists.listed(domains[found], found) if domains[found] else True

    return test


def _network_in(operand: Any, _kind: type, lists: Lists) -> Test:
    networks: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, str]] = []  # and the list each is in
    for entry in entries_of(operand):
        text = _text(entry)
        name = text[1:] if text.startswith("@") else ""
        for member in lists.values(name) if name else [text]:
            try:
                networks.append((ipaddress.ip_network(str(member)), name))
            except ValueError as error:
                raise ValueError(f"expects networks: {error}") from None

    def test(value: Value) -> Answer:
        try:
            address = ipaddress.ip_address(str(value))
        except ValueError:
            return False
        for network, name in networks:
            if address in network:
                return lists.listed(name, str(network)) if name else True
        return False

    return test


def _exists(operand: Any, _kind: type, _lists: Lists) -> Test:
    if not isinstance(operand, bool):
        raise ValueError("expects true or false")  # noqa: TRY004 -- as above
    return lambda _value: operand


OPERATORS: Final[dict[str, Operator]] = {
    "equals": Operator(_equals, (str, int, float, bool), "is exactly this value"),
    "in": Operator(_in, (str, int, float), "is one of a list of values, or of a named list"),
    "starts_with": Operator(_starts_with, (str,), "begins with this text"),
    "ends_with": Operator(_ends_with, (str,), "ends with this text"),
    "contains": Operator(_contains, (str,), "holds this text"),
    "matches": Operator(_matches, (str,), "holds a match of this regular expression (RE2)"),
    "at_least": Operator(_at_least, (int, float), "is this number or more"),
    "at_most": Operator(_at_most, (int, float), "is this number or less"),
    "between": Operator(_between, (int, float), "lies between two numbers, both included"),
    "domain_in": Operator(
        _domain_in, (str,), "is one of these domains or below one; or belongs to a named list", NAME_FACTS
    ),
    "network_in": Operator(_network_in, (str,), "is an address in one of these networks", ADDRESS_FACTS),
    "exists": Operator(_exists, (str, int, float, bool), "was seen at all (false: was not)"),
}

LIST_OPERATORS: Final = {"domains": "domain_in", "networks": "network_in"}


def operator_for(word: str, operand: Any, lists: Lists) -> str:
    """The operator that is meant: ``in`` a list of networks or domains asks what such a list is for.

    Raises:
        ValueError: there is no such list.
    """
    if word == "in" and isinstance(operand, str) and operand.startswith("@"):
        return LIST_OPERATORS.get(lists.type_of(operand[1:]), word)
    return word
