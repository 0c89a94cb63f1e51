"""What a rule can ask about one fact: one function an operator, one line in the registry.

In: the operand as written in YAML, the type of the fact, the lists.  Out: a test of one value.
Never: a regular expression that backtracks; a test that raises.

An operator's ``make`` raises ValueError with a readable sentence when the operand does not suit.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

import re2

from sniffer.model import Endpoint, Value
from sniffer.ruleset.domains import is_below, normalise
from sniffer.ruleset.lists import Lists

Answer: TypeAlias = bool | Endpoint
Test: TypeAlias = Callable[[Value], Answer]


class Operator(NamedTuple):
    """One operator."""

    make: Callable[[Any, type, Lists], Test]
    types: tuple[type, ...]  # of facts it can ask about
    says: str


def _scalar(operand: Any, kind: type) -> Value:
    if kind is float and isinstance(operand, int) and not isinstance(operand, bool):
        return float(operand)
    if isinstance(operand, kind) and not (kind is int and isinstance(operand, bool)):
        return operand  # type: ignore[no-any-return]
    raise ValueError(f"expects a value of type {kind.__name__}")


def _number(operand: Any) -> float:
    if isinstance(operand, bool) or not isinstance(operand, int | float):
        raise ValueError("expects a number")
    return operand


def _text(operand: Any) -> str:
    if not isinstance(operand, str) or not operand:
        raise ValueError("expects text")
    return operand


def _equals(operand: Any, kind: type, _lists: Lists) -> Test:
    wanted = _scalar(operand, kind)
    return lambda value: value == wanted


def _in(operand: Any, kind: type, lists: Lists) -> Test:
    if isinstance(operand, str) and operand.startswith("@"):
        members = lists.values(operand[1:])
        wanted = frozenset(_scalar(member, kind) for member in members)
    elif isinstance(operand, list) and operand:
        wanted = frozenset(_scalar(member, kind) for member in operand)
    else:
        raise ValueError("expects a list of values, or the @name of one")
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
    try:
        regex = re2.compile(_text(operand), options)
    except re2.error as error:
        raise ValueError(f"is no regular expression of RE2: {error}") from None
    return lambda value: regex.search(str(value)) is not None


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
    entries = operand if isinstance(operand, list) else [operand]
    wanted: set[tuple[str, str]] = set()
    domains: set[str] = set()
    for entry in entries:
        text = _text(entry)
        if not text.startswith("@"):
            domains.add(normalise(text))
        elif lists.is_endpoint_list(text[1:]):
            wanted |= lists.endpoint_classes(text[1:])
        else:
            domains.update(normalise(_text(member)) for member in lists.values(text[1:]))
    index = lists.index

    def test(value: Value) -> Answer:
        name = normalise(str(value))
        if domains and any(is_below(name, domain) for domain in domains):
            return True
        endpoint = index.find(name) if wanted else None
        return endpoint if endpoint is not None and lists.class_of(endpoint) in wanted else False

    return test


def _network_in(operand: Any, _kind: type, lists: Lists) -> Test:
    entries = operand if isinstance(operand, list) else [operand]
    networks = []
    for entry in entries:
        text = _text(entry)
        for member in lists.values(text[1:]) if text.startswith("@") else [text]:
            try:
                networks.append(ipaddress.ip_network(str(member)))
            except ValueError as error:
                raise ValueError(f"expects networks: {error}") from None

    def test(value: Value) -> bool:
        try:
            address = ipaddress.ip_address(str(value))
        except ValueError:
            return False
        return any(address in network for network in networks)

    return test


def _exists(operand: Any, _kind: type, _lists: Lists) -> Test:
    if not isinstance(operand, bool):
        raise ValueError("expects true or false")
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
    "domain_in": Operator(_domain_in, (str,), "is one of these domains or below one; or belongs to a named list"),
    "network_in": Operator(_network_in, (str,), "is an address in one of these networks"),
    "exists": Operator(_exists, (str, int, float, bool), "was seen at all (false: was not)"),
}
