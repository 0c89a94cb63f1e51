"""Named lists: classes of endpoints, and lists that are written down."""

from __future__ import annotations

import pytest

from sniffer.model import Endpoint, Listed
from sniffer.ruleset.lists import ListRow, Lists, NamedList


def endpoint(domain: str, strength: str, category: str = "pool", status: str = "unknown") -> Endpoint:
    """An endpoint."""
    return Endpoint(domain, suffix=True, pool="p", strength=strength, category=category, status=status)


LISTS = Lists(
    {"own-ports": NamedList("ports", [1], "us", "2026-11-01", "a.txt"), "pool": NamedList("strings", ["x"])},
    [
        endpoint("a.example", "strong"),
        endpoint("b.example", "weak", "devfee"),
        endpoint("c.example", "strong", "devfee", "defunct"),
        endpoint("d.example", "mixed", "defunct_pool"),
    ],
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("devfee", True), ("devfee.strong", True), ("devfee.weak", True), ("devfee.best", False), ("defunct", True),
        ("defunct_pool", False), ("own-ports", False), ("nothing", False), ("pool.strong", True), ("", False),
        ("pool", False),
    ],
)  # fmt: skip
def test_endpoint_lists_need_not_be_written(name: str, *, expected: bool) -> None:
    """A category, alone or with a strength, is a list; one that is written down under this name goes before it."""
    assert LISTS.is_endpoint_list(name) is expected


def test_what_is_out_of_service_is_a_class_of_its_own() -> None:
    """A closed endpoint belongs to @defunct, not to its category."""
    assert [LISTS.class_of(one) for one in LISTS.endpoints] == [
        ("pool", "strong"),
        ("devfee", "weak"),
        ("defunct", ""),
        ("defunct", ""),
    ]
    assert LISTS.endpoint_classes("defunct") == {("defunct", "")}
    assert LISTS.endpoint_classes("devfee") == {("devfee", "weak"), ("devfee", "mixed"), ("devfee", "strong")}
    assert LISTS.endpoint_classes("devfee.weak") == {("devfee", "weak")}


def test_types_and_values() -> None:
    """A list knows what it holds; one that is not there is named with those that are."""
    assert (LISTS.type_of("own-ports"), LISTS.type_of("devfee.strong"), LISTS.type_of("pool")) == (
        "ports",
        "domains",
        "strings",
    )
    assert LISTS.values("own-ports") == [1]
    with pytest.raises(ValueError, match=r"no list @own-port$"):
        LISTS.values("own-port")


def test_known_names_lead_somewhere() -> None:
    """Every name that is offered can be referred to, and no other."""
    assert LISTS.known() == [
        "@defunct", "@devfee", "@devfee.mixed", "@devfee.strong", "@devfee.weak", "@own-ports", "@pool", "@pool.mixed",
        "@pool.strong", "@pool.weak",
    ]  # fmt: skip
    assert all(LISTS.knows(name[1:]) for name in LISTS.known())
    assert not LISTS.knows("own-port")


def test_overview() -> None:
    """Every list that rules may refer to, with what is known of it."""
    assert list(LISTS.overview()) == [
        ListRow("own-ports", "ports", 1, "us", "2026-11-01", "a.txt"),
        ListRow("pool", "strings", 1),
        ListRow("defunct", "domains", 2),
        ListRow("devfee.weak", "domains", 1),
        ListRow("pool.strong", "domains", 1),
    ]


def test_entries_know_their_list() -> None:
    """A written list tells origin and date, an endpoint its class and where it was seen."""
    assert LISTS.listed("own-ports", "1") == Listed("own-ports", "1", "us", "2026-11-01")
    seen = Endpoint(
        "a.example", suffix=True, pool="p", strength="strong", category="pool", seen_on="crawl-2026-04"
    )
    assert LISTS.listed_endpoint(seen) == Listed("pool.strong", "a.example", seen_on="crawl-2026-04")
