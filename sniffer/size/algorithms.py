"""Which hash algorithm a session works on, and what difficulty 1 is worth in it.

In: what was told of a session, one piece of evidence after the other.  Out: an algorithm, or "" where nothing tells.
Never: a guess: Bitcoin's protocol carries Litecoin's work too, 65 536 times lighter.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from sniffer.protocols.families import FAMILIES, GENERAL
from sniffer.size.power import rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sniffer.model import Value

BY_COIN: Final = {
    "BTC": "sha256d", "BCH": "sha256d", "BSV": "sha256d", "FB": "sha256d", "NMC": "sha256d", "PPC": "sha256d",
    "XEC": "sha256d", "LTC": "scrypt", "DOGE": "scrypt", "BEL": "scrypt", "DASH": "x11",
    "ZEC": "equihash", "ZEN": "equihash", "ARRR": "equihash", "ETC": "etchash", "ETH": "ethash", "ETHW": "ethash",
    "RVN": "kawpow", "CLORE": "kawpow", "NEOX": "kawpow", "ERG": "autolykos2", "CFX": "octopus", "KAS": "kheavyhash",
    "XMR": "randomx", "ALPH": "blake3", "CKB": "eaglesong", "SC": "blake2b", "KDA": "blake2s", "DCR": "blake256",
    "HNS": "blake2b+sha3", "RTM": "ghostrider", "ALEO": "aleo", "XEL": "xelishash", "BEAM": "beamhash", "GRIN": "cuckoo",
}  # fmt: skip
"""Coins that one algorithm mines (protocols.md, section 13; pools.csv)."""

SPELLED: Final = {"rx/0": "randomx", "sha256": "sha256d", "equihash200_9": "equihash"}
"""The names by which machines and pools call an algorithm, where they are not ours."""

WORTH: Final = {
    "scrypt": 2.0**16, "ghostrider": 2.0**16, "neoscrypt": 2.0**27,
    "x16r": 2.0**24, "x16rv2": 2.0**24, "keccak": 2.0**24, "blake": 2.0**24, "groestl": 2.0**24, "fugue": 2.0**24,
}  # fmt: skip
"""Hashes behind a share of difficulty 1 where the general protocol of Bitcoin's family is spoken, if not 2^32."""

ROLLING: Final = ("mining.configure", "mining.configure.reply", "mining.set_version_mask")
"""Messages about rolling the version field (BIP 310), which is done for double SHA-256 alone."""

PAYOUT: Final = "BTC"
"""As an option in a password it names what is paid out, whatever is mined."""


def named(algorithm: object) -> str:
    """An algorithm by the name that this package has for it, "" for none."""
    return SPELLED.get(algorithm, algorithm) if isinstance(algorithm, str) else ""


@cache
def known() -> frozenset[str]:
    """The algorithms that this package knows anything of."""
    families = {named(family.algorithm) for family in FAMILIES.values()}
    return frozenset({*BY_COIN.values(), *WORTH, *families, *(row.algorithm for row in rows())} - {""})


def of_coins(coins: Iterable[str]) -> str:
    """The algorithm that mines all of these coins, "" where there is none such."""
    found = {BY_COIN.get(coin.upper(), "") for coin in coins}
    return found.pop() if len(found) == 1 else ""


def algorithm_of(
    family: str, told: Mapping[str, Value], *, hardware: str = "", coins: Iterable[str] = ()
) -> str:
    """The algorithm of a session, by what tells it best.

    Args:
        family: of its protocol.
        told: what its messages have told, by the names of facts.
        hardware: the algorithm of the machine that they give away, "" unknown.
        coins: what its pool is known for.
    """
    coin = told.get("mining.coin")
    options = () if coin == PAYOUT or not isinstance(coin, str) else (coin,)
    return (
        named(told.get("mining.algorithm"))
        or named(FAMILIES[family].algorithm)
        or hardware
        or of_coins(coins)
        or of_coins(options)
    )


def worth_in(algorithm: str, family: str, hashes: float) -> float:
    """Hashes behind a share, where the family alone gave ``hashes`` and the algorithm is known by now."""
    return hashes * WORTH.get(algorithm, 2.0**32) / 2.0**32 if family == GENERAL else hashes
