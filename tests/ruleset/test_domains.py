"""Host names: whole labels, the most specific entry, benign names, web labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.model import Endpoint
from sniffer.ruleset.domains import DomainIndex, HostPattern, checked, normalise, splits


def endpoint(
    domain: str, strength: str = "strong", *, suffix: bool = True, category: str = "pool"
) -> Endpoint:
    """An endpoint of a pool that is named like its domain."""
    return Endpoint(domain, suffix, domain, strength, category)


PATTERNS = [
    HostPattern("*", "^(www|docs|m)$", "weak", "pool"),
    HostPattern("*", "^(api|stats)$", "weak", "pool"),
    HostPattern("*", r"^(stratum|solo)([.-].*)?$", "mixed", "pool"),
    HostPattern("big.example", "^[a-z]+-(eu|us)$", "strong", "pool"),
    HostPattern("big.example", "^[a-z]+$", "mixed", "pool"),
    HostPattern("exchange.example", "^[a-z]{2}[.]ss$", "strong", "pool"),
    HostPattern("rigs.example", "^api$", "strong", "miner_management"),
]
INDEX = DomainIndex(
    [
        endpoint("big.example", "weak"),
        endpoint("one.example", "strong", suffix=False),
        endpoint("all.example", "strong"),
        endpoint("deep.all.example", "mixed"),
        endpoint("pool.exchange.example", "mixed", suffix=False),
        endpoint("rigs.example", "mixed", category="miner_management"),
        endpoint("xn--bcher-kva.example", "strong"),
        endpoint("miner.dyndns.example", "strong", suffix=False),
        endpoint("same.example", "strong"),
    ],
    PATTERNS,
    ["exchange.example", "shop.all.example", "pool.ntp.org", "dyndns.example", "same.example"],
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # whole labels
        ("all.example", "strong"), ("a.all.example", "strong"), ("a.b.c.all.example", "strong"),
        ("ball.example", None), ("all.example.evil.test", None), ("example", None), ("", None), (".", None),
        # exact names
        ("one.example", "strong"), ("a.one.example", None), ("xone.example", None),
        # the most specific wins
        ("deep.all.example", "mixed"), ("a.deep.all.example", "mixed"),
        # case, trailing dot, IDNA
        ("A.ALL.Example.", "strong"), ("b\u00fccher.example", "strong"), ("B\u00dcCHER.example", "strong"),
        ("a.xn--bcher-kva.example", "strong"), ("\ud800.example", None), ("a" * 300 + ".all.example", None),
        # benign
        ("pool.ntp.org", None), ("0.pool.ntp.org", None), ("de.pool.ntp.org.", None),
        ("shop.all.example", None), ("a.shop.all.example", None), ("dyndns.example", None), ("x.dyndns.example", None),
        ("miner.dyndns.example", "strong"), ("a.miner.dyndns.example", None),
        ("exchange.example", None), ("api.exchange.example", None), ("pool.exchange.example", "mixed"),
        ("same.example", None), ("a.same.example", None),
        # patterns
        ("btc-eu.big.example", "strong"), ("btc.big.example", "mixed"), ("big.example", "weak"),
        ("a.b.big.example", "weak"), ("us.ss.exchange.example", "strong"), ("usa.ss.exchange.example", None),
        ("stratum.big.example", "mixed"), ("stratum-7.x.big.example", "mixed"),
        # web labels, also where a pattern of the pool would take them
        ("www.big.example", "weak"), ("www.all.example", "weak"), ("www.eu.all.example", "weak"),
        ("api.all.example", "weak"), ("m.deep.all.example", "weak"), ("wwwx.all.example", "strong"),
        ("api.rigs.example", "strong"), ("www.rigs.example", "mixed"),
    ],
)  # fmt: skip
def test_find(name: str, expected: str | None) -> None:
    """Each name gets the strength it has by itself, or nothing."""
    found = INDEX.find(name)
    assert (found.strength if found else None) == expected


def test_answer_does_not_depend_on_the_question_before() -> None:
    """The last answer is remembered for its own name only."""
    names = ["all.example", "pool.ntp.org", "all.example", "www.all.example", "all.example"]
    assert [bool(INDEX.find(name)) for name in names] == [True, False, True, True, True]


def is_below(name: str, domain: str) -> bool:
    """Whether a name is a domain or lies below it, by whole labels."""
    return name == domain or name.endswith("." + domain)


LABELS = st.lists(st.sampled_from(["a", "www", "pool", "example", "all", "org"]), min_size=1, max_size=4)
NAMES = LABELS.map(".".join)


@given(st.lists(st.tuples(NAMES, st.booleans()), max_size=6), st.lists(NAMES, max_size=3), NAMES)
def test_index_equals_a_walk_over_all_entries(
    entries: list[tuple[str, bool]], benign: list[str], name: str
) -> None:
    """Dictionaries give what comparing every entry gives."""
    endpoints = {(domain, suffix): endpoint(domain, suffix=suffix) for domain, suffix in entries}
    found = DomainIndex(endpoints.values(), (), benign).find(name)
    candidates: list[tuple[int, int, Endpoint | None]] = [
        (len(one.domain), 0 if one.suffix else 1, one)
        for one in endpoints.values()
        if (is_below(name, one.domain) if one.suffix else name == one.domain)
    ]
    candidates += [(len(one), 2, None) for one in benign if is_below(name, one)]
    expected = max(candidates, key=lambda c: c[:2], default=(0, 0, None))[2]
    assert found == expected


@given(st.text(max_size=300))
def test_normalise_never_raises(name: str) -> None:
    """Whatever stood on the wire, a name comes out, and it is its own normal form unless it is no name at all."""
    found = normalise(name)
    assert len(found) <= 4 * 255
    INDEX.find(name)


def test_a_name_that_is_too_long_is_none() -> None:
    """It is not cut: its first 255 characters may end in a listed name."""
    name = "a" * 63 + "." + "b" * 178 + ".all.example"
    assert len(name) == 254
    assert INDEX.find(name) is not None
    assert INDEX.find(f"{name}.evil.example") is None
    assert normalise(f"{name}.evil.example") == ""


@given(st.text(max_size=80))
def test_checked_names_are_ascii(name: str) -> None:
    """What is accepted into a list can be hashed by the gate."""
    try:
        found = checked(name)
    except ValueError:
        return
    assert found.isascii()
    assert found == checked(found)


def test_splits() -> None:
    """Parents come from the most specific on."""
    assert list(splits("a.b.c")) == [("", "a.b.c"), ("a", "b.c"), ("a.b", "c")]


def test_names_cover_everything_that_can_be_found() -> None:
    """What the index can find, the gate is told to let through."""
    names = dict.fromkeys((name for name, below in INDEX.names() if not below), False)
    names.update((name, True) for name, below in INDEX.names() if below)
    for name in (
        "one.example",
        "a.deep.all.example",
        "us.ss.exchange.example",
        "miner.dyndns.example",
        "b.rigs.example",
    ):
        assert INDEX.find(name) is None or any(
            names.get(base, False) or (not left and base in names) for left, base in splits(name)
        )
        assert any(base in names for _, base in splits(name))
