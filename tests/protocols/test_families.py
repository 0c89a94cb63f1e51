"""The families of protocols: their names, and what difficulty 1 is worth in each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import about, call, say
from talk import CLIENT, SERVER

from sniffer.protocols.families import FAMILIES, GENERAL, hashes_of

NAMED = {  # protocols.md, section 15; ``tls-to-pool`` is seen by its name, and is no family
    "stratum-v1", "stratum-equihash", "stratum-kaspa", "stratum-kawpow", "stratum-alephium",
    "stratum-conflux", "stratum-ironfish",
    "stratum-nervos", "stratum-sia", "stratum-ergo", "stratum-aleo", "stratum-xelis", "ethstratum",
    "ethstratum-1", "ethstratum-2",
    "eth-proxy", "eth-getwork-http", "getwork-http", "gbt-http", "monero-daemon-mining", "cryptonote", "grin",
    "beam", "qatum",
    "nimiq-ws", "ws-miner", "stratum-v2", "btcagent", "datum", "chia-pool", "miner-api",
}  # fmt: skip


def test_names() -> None:
    """The families are those of the reference, and each says what it is."""
    assert set(FAMILIES) == NAMED
    assert GENERAL in FAMILIES
    assert all(family.says for family in FAMILIES.values())


@pytest.mark.parametrize(
    ("family", "difficulty", "hashes"),
    [
        ("stratum-v1", 65_536, 2.8147e14), ("stratum-v1", 4_096, 17_592_186_044_416),
        ("stratum-v1", 0.5, 2.147e9),
        ("stratum-kaspa", 4_096, 1.7592e13), ("stratum-alephium", 1, 2**34), ("stratum-nervos", 1, 2**32),
        ("stratum-sia", 1, 2**32),
        ("ethstratum-1", 2, 8.59e9), ("ethstratum-1", 0.5, 2.147e9), ("btcagent", 8_192, 2.0**45),
        ("beam", 198.5, 198.5),
        ("monero-daemon-mining", 3.5e11, 3.5e11),
        *[(family, 1, None) for family in ("stratum-ergo", "stratum-conflux", "stratum-equihash",
          "stratum-aleo", "stratum-xelis")],
        *[(family, 1, None) for family in ("grin", "qatum", "nimiq-ws", "ws-miner", "chia-pool", "miner-api",
          "cryptonote")],
    ],
)  # fmt: skip
def test_worth_of_difficulty(family: str, difficulty: float, hashes: float | None) -> None:
    """Difficulty is worth what section 13 says, and nothing where that is not agreed on."""
    assert hashes_of(difficulty, family) == (None if hashes is None else about(hashes))
    assert hashes_of(None, family) is None


@given(st.sampled_from(sorted(FAMILIES)), st.floats(1e-300, 1e18))
def test_any_difficulty(family: str, difficulty: float) -> None:
    """Twice the difficulty is worth twice the hashes, in every family."""
    one, two = hashes_of(difficulty, family), hashes_of(2 * difficulty, family)
    assert (one is None) == (two is None) == (FAMILIES[family].hashes is None)
    assert one is None or two is None or two == 2 * one


def test_a_family_tells_its_coin_and_algorithm() -> None:
    """What follows from the family is told with each message, unless the message tells it otherwise."""
    for name, family in FAMILIES.items():
        assert family.values.keys() <= {"mining.coin", "mining.algorithm"}, name
        assert all(family.values.values()), name
    talk = say(
        (SERVER, call("mining.notify", ["7", [1, 2, 3, 4], 9])),
        (CLIENT, call("mining.authorize", ["a", "c=LTC"])),
    )
    told = [(facts.values["mining.coin"], facts.values["mining.algorithm"]) for facts in talk.mining]
    assert told == [("KAS", "kheavyhash"), ("LTC", "kheavyhash")]
