"""Addresses that DNS answers gave to names: what is learned, for how long, and what is not."""

from __future__ import annotations

import ipaddress

from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer import learned
from sniffer.learned import Addresses, Lesson
from sniffer.oddities import Oddities
from sniffer.protocols.dns import Resolution

ENDS = ("client", "resolver")
GLOBAL = ipaddress.ip_address("203.0.114.7").packed
SECOND = learned.SECOND


def pool_of(name: str) -> str:
    """The pool of a listed name."""
    return name.partition(".")[2] if name.endswith("pool.example") else ""


def ask(table: Addresses, name: str, now: int = 0, number: int = 7) -> None:
    """A question passes by."""
    table.note(Resolution(number, False, (name,), ()), ENDS, now, pool_of=pool_of, one_sided=False)


def answer(
    table: Addresses,
    *names: str,
    address: bytes = GLOBAL,
    seconds: int = 60,
    now: int = 0,
    number: int = 7,
    one_sided: bool = False,
) -> list[Lesson]:
    """An answer passes by."""
    resolution = Resolution(number, True, names, ((address, seconds),))
    return table.note(resolution, ENDS, now, pool_of=pool_of, one_sided=one_sided)


def test_answer_to_a_question_is_learned() -> None:
    """The address has the name that was asked for, as long as the answer says."""
    table = Addresses(Oddities())
    ask(table, "btc.pool.example")
    assert answer(table, "btc.pool.example") == [Lesson(GLOBAL, "btc.pool.example", 60 * SECOND)]
    assert table.name_of(GLOBAL, 60 * SECOND) == "btc.pool.example"
    assert table.name_of(GLOBAL, 61 * SECOND) == ""


def test_time_to_live_has_bounds() -> None:
    """A zero counts for half a minute, and no answer for more than a day."""
    table = Addresses(Oddities())
    ask(table, "btc.pool.example")
    assert answer(table, "btc.pool.example", seconds=0)[0].until == 30 * SECOND
    ask(table, "btc.pool.example")
    assert answer(table, "btc.pool.example", seconds=1 << 31)[0].until == 86_400 * SECOND


def test_unasked_answer_is_not_learned() -> None:
    """Nobody is accused by an answer without a question, except where questions cannot be seen."""
    oddities = Oddities()
    table = Addresses(oddities)
    assert answer(table, "btc.pool.example") == []
    ask(table, "btc.pool.example", number=8)
    assert answer(table, "btc.pool.example", number=7) == []
    ask(table, "btc.pool.example", now=0, number=9)
    assert answer(table, "btc.pool.example", now=40 * SECOND, number=9) == []
    assert oddities.counts["dns_unasked"] == 3
    assert answer(table, "btc.pool.example", one_sided=True)


def test_listed_alias_of_an_unlisted_name() -> None:
    """Where only an alias is listed, the gate has not shown the question: the answer counts, by the alias."""
    table = Addresses(Oddities())
    assert answer(table, "www.tenant.example", "eu.pool.example")
    assert table.name_of(GLOBAL, 0) == "eu.pool.example"


def test_unlisted_names_are_not_learned() -> None:
    """An address is remembered only for a name that a rule looks for."""
    table = Addresses(Oddities())
    ask(table, "www.example.com")
    assert answer(table, "www.example.com") == []
    assert len(table) == 0


def test_addresses_that_serve_nobody() -> None:
    """Sinkholes and groups are not learned; a private address may be a farm's proxy."""
    table = Addresses(Oddities())
    ask(table, "btc.pool.example")
    assert answer(table, "btc.pool.example", address=ipaddress.ip_address("10.0.0.1").packed)
    for text in (str(ipaddress.IPv4Address(0)), "127.0.0.1", "224.0.0.1", "169.254.1.1", "255.255.255.255", "::", "::1", "fe80::1", "ff02::1"):  # fmt: skip
        ask(table, "btc.pool.example")
        assert answer(table, "btc.pool.example", address=ipaddress.ip_address(text).packed) == [], text


def test_front_of_many_pools_is_forgotten() -> None:
    """An address that more than three pools share says nothing of whom it serves."""
    table = Addresses(Oddities())
    for number in range(5):
        name = f"btc.{number}pool.example"
        ask(table, name)
        found = answer(table, name)
        assert bool(found) is (number < 3)
        assert bool(table.name_of(GLOBAL, 0)) is (number < 3)


def test_table_has_a_bound() -> None:
    """The oldest address makes room, and is counted."""
    oddities = Oddities()
    table = Addresses(oddities)
    for number in range(learned.MAX_ADDRESSES + 10):
        ask(table, "btc.pool.example")
        answer(table, "btc.pool.example", address=(0x2D000000 + number).to_bytes(4, "big"))
    assert len(table) == learned.MAX_ADDRESSES
    assert oddities.counts["learned_limit"] == 10
    assert table.name_of((0x2D000000).to_bytes(4, "big"), 0) == ""
    for number in range(learned.MAX_QUESTIONS + 10):
        ask(table, f"{number}.pool.example")
    assert len(table._questions) == learned.MAX_QUESTIONS


def test_resolvers_are_known_by_list() -> None:
    """A listed resolver is known by its address, until the list says otherwise."""
    table = Addresses(Oddities())
    assert table.list_resolvers(["1.1.1.1/32", "2606:4700:4700::1111/128"]) == [
        ipaddress.ip_address("1.1.1.1").packed,
        ipaddress.ip_address("2606:4700:4700::1111").packed,
    ]
    assert table.resolver_of(ipaddress.ip_address("1.1.1.1").packed) == "1.1.1.1"
    table.list_resolvers([])
    assert table.resolver_of(ipaddress.ip_address("1.1.1.1").packed) == ""


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from(["btc.pool.example", "www.example.com", "a.pool.example"]),
            st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16),
            st.integers(0, 1 << 32),
            st.integers(0, 100 * SECOND),
        ),
        max_size=20,
    )
)
def test_whatever_is_said(said: list[tuple[bool, str, bytes, int, int]]) -> None:
    """Whatever DNS says, an address has a name only of the list, only while it lasts, and only if it can serve."""
    table = Addresses(Oddities())
    for is_answer, name, address, seconds, now in said:
        if not is_answer:
            ask(table, name, now)
            continue
        for found, _, until in answer(table, name, address=address, seconds=seconds, now=now):
            assert pool_of(name)
            assert learned.can_serve(found)
            assert table.name_of(found, until + 1) == "" or until < table._learned[found].until
