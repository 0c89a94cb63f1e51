"""Which algorithm a session works on."""

from __future__ import annotations

import pytest

from sniffer.size.algorithms import BY_COIN, algorithm_of, known, of_coins, worth_in

CASES: tuple[tuple[str, dict[str, str], str, tuple[str, ...], str], ...] = (
    ("stratum-v1", {}, "", (), ""),
    ("stratum-v1", {}, "sha256d", (), "sha256d"),
    ("stratum-v1", {}, "", ("LTC",), "scrypt"),
    ("stratum-v1", {}, "", ("LTC", "DOGE"), "scrypt"),
    ("stratum-v1", {}, "", ("BTC", "LTC"), ""),
    ("stratum-v1", {"mining.coin": "DOGE"}, "", (), "scrypt"),
    ("stratum-v1", {"mining.coin": "BTC"}, "", (), ""),  # what is paid out
    ("stratum-v1", {"mining.coin": "NOSUCH"}, "", (), ""),
    ("cryptonote", {"mining.algorithm": "rx/0"}, "", (), "randomx"),
    ("cryptonote", {"mining.algorithm": "cn/r"}, "", ("XMR",), "cn/r"),
    ("cryptonote", {}, "", ("XMR",), "randomx"),
    ("stratum-kaspa", {}, "", (), "kheavyhash"),
    ("stratum-v2", {}, "", ("LTC",), "sha256d"),
)


@pytest.mark.parametrize(("family", "told", "hardware", "coins", "algorithm"), CASES)
def test_the_best_evidence_counts(
    family: str, told: dict[str, str], hardware: str, coins: tuple[str, ...], algorithm: str
) -> None:
    """What the messages say before what the family is for, then the machine, then the pool, then an option."""
    assert algorithm_of(family, told, hardware=hardware, coins=coins) == algorithm


def test_no_coins_tell_nothing() -> None:
    """A pool without known coins, or with one that nobody knows."""
    assert of_coins(()) == of_coins(("?",)) == ""
    assert of_coins(["ltc"]) == BY_COIN["LTC"]


def test_litecoin_is_lighter() -> None:
    """Difficulty 1 of Bitcoin's protocol is 65 536 times less work in scrypt; families of their own are not touched."""
    assert worth_in("scrypt", "stratum-v1", 2.0**32) == 2.0**16
    assert worth_in("sha256d", "stratum-v1", 2.0**32) == worth_in("", "stratum-v1", 2.0**32) == 2.0**32
    assert worth_in("kheavyhash", "stratum-kaspa", 2.0**32) == 2.0**32


def test_known_names() -> None:
    """Those of coins, of families and of machines; no empty one, and none that only a message spells so."""
    assert {"sha256d", "randomx", "ethash", "kheavyhash", "scrypt"} <= known()
    assert not {"", "rx/0", "cn/r"} & known()
