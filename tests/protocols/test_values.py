"""Difficulty, targets, hashrates, accounts and wallets."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import LIKELY
from talk import JSON

from sniffer.protocols import values


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(4096, 4096.0), ("0.1", 0.1), (4.0, 4.0), (0, None), (-5, None), (math.nan, None), (math.inf, None),
     (2e18, None), (True, None),
     ("x", None), (None, None), (10**400, None), ([1], None)],
)  # fmt: skip
def test_difficulty(given: object, wanted: float | None) -> None:
    """A difficulty is a finite number above 0 and at most 1e18, however it is written."""
    assert values.difficulty(given) == wanted


@pytest.mark.parametrize(
    ("target", "hashes"),
    [
        ("b88d0600", 10_000),
        ("711b0d00", 5_000),
        ("ffffff00", 256),
        ("a4703d0ad7a30000", 102_400),
        ("00000000", None),
        ("0xb88d0600", 10_000),
        ("0100000000000000", 2.0**64),
        ("b88d06", None),
        ("b88d06000", None),
        ("zzzzzzzz", None),
        (7, None),
    ],
)
def test_compact_target(target: object, hashes: float | None) -> None:
    """CryptoNote targets of four and eight bytes, little-endian (protocols.md, section 13)."""
    found = values.compact_target_hashes(target)
    assert found is None if hashes is None else found == pytest.approx(hashes, rel=1e-3)


@pytest.mark.parametrize(
    ("target", "hashes"),
    [("0004189374bc6a7ef9db22d0e5604189374bc6a7ef9db22d0e5604189374bc6a", 16_000),
     ("0x0000000225c17d04dad2965cc5a02a23e254c0c3f75d9178046aeb27ce1ca574", 2.0e9),
     ("0112e0be826d694b2e62d01511f12a6061fbaec8bc02357593e70e52ba", 4.0e9), ("0" * 64, None), ("zz", None)],
)  # fmt: skip
def test_target(target: str, hashes: float | None) -> None:
    """Big-endian targets, also with leading zeros stripped."""
    found = values.target_hashes(target)
    assert found is None if hashes is None else found == pytest.approx(hashes, rel=1e-3)


@pytest.mark.parametrize(
    ("login", "worker"),
    [
        ("wallet.paymentid.rig", "rig"),
        ("wallet.rig", "rig"),
        ("wallet.50000", None),
        ("wallet", None),
        (".x", None),
    ],
)
def test_cryptonote_worker(login: str, worker: str | None) -> None:
    """The last part names the worker, unless it is a difficulty."""
    assert values.worker_after_last_dot(login) == worker


@pytest.mark.parametrize(
    ("params", "named", "wanted"),
    [(["0xab.rig", "x"], None, {"mining.user": "0xab.rig", "mining.worker": "rig"}),
     (["0xab/rig/mail", "x"], "eth1.0", {"mining.user": "0xab/rig/mail", "mining.worker": "eth1.0"}),
     (["0xab/rig/mail"], None, {"mining.user": "0xab/rig/mail", "mining.worker": "rig"}),
     (["0xab.rig/mail@x.y"], "", {"mining.user": "0xab.rig/mail@x.y", "mining.worker": "rig"}),
     (["0xab/rig.1/mail"], None, {"mining.user": "0xab/rig.1/mail", "mining.worker": "rig.1"}),
     (["0xab.rig"], "0xab", {"mining.user": "0xab.rig", "mining.worker": "rig"}),
     (["0xab/"], None, {"mining.user": "0xab/"}),
     ([7], 7, {}), ([""], "rig", {"mining.worker": "rig"}),
     (["0xab"], "0xab", {"mining.user": "0xab"}), ([], "", {}), (None, None, {})],
)  # fmt: skip
def test_ethereum_account(params: object, named: object, wanted: dict[str, str]) -> None:
    """The separate worker wins, unless it repeats the wallet; else it is inside the login."""
    assert values.ethereum_account(params, named) == wanted


def test_password_options() -> None:
    """Payout coin and start difficulty are read out of passwords."""
    assert values.password_options("c=doge,mc=LTC/DOGE,d=65536,id=r") == {
        "mining.coin": "DOGE",
        "mining.difficulty": 65_536.0,
    }
    assert values.password_options("x") == {}


@pytest.mark.parametrize(
    ("password", "wanted"),
    [
        ("c=BTC", {"mining.coin": "BTC"}), ("mc=ltc/doge", {"mining.coin": "LTC/DOGE"}),
        ("d=65536", {"mining.difficulty": 65_536.0}),
        ("sd=0.5;c=x", {"mining.difficulty": 0.5, "mining.coin": "X"}), ("d=0", {}), ("d=1e19", {}),
        ("d=much", {}), ("id=r,n=5", {}),
        ("abc=BTC", {}), ("x", {}), ("123", {}), ("mail@example.com", {}), ("c=", {}),
        ("p c=BTC&d=8", {"mining.coin": "BTC", "mining.difficulty": 8.0}),
    ],
)  # fmt: skip
def test_options_in_passwords(password: str, wanted: dict[str, Any]) -> None:
    """Options stand alone or in a list, and are read only where they can be."""
    assert values.password_options(password) == wanted


@pytest.mark.parametrize(
    ("value", "rate"),
    [
        (0, 0.0), (1843, 1843.0), (1.5e9, 1.5e9), ("1000000", 1e6), ("1.5e9", 1.5e9), (-1, None),
        ("-1", None), (math.nan, None), (1e25, None),
        (True, None), (None, None), ("fast", None), ("0x1d08a61", None), ([5], None), (10**400, None),
        ("", None),
    ],
)  # fmt: skip
def test_hashrate(value: object, rate: float | None) -> None:
    """A hashrate is a finite number that is not below 0, also 0 itself, and decimal where it is text."""
    assert values.hashrate(value) == rate


@pytest.mark.parametrize(
    ("value", "rate"),
    [
        ("0x1d08a61", 30_444_129.0), ("0x" + "0" * 56 + "05f5e100", 1e8), ("500000", 5_242_880.0),
        ("0x0", 0.0), (60_000_000, 6e7),
        ("0x" + "f" * 64, None), ("0x" + "0" * 65, None), ("0x", None), ("fast", None), (None, None),
        (-1, None),
    ],
)  # fmt: skip
def test_hex_hashrate(value: object, rate: float | None) -> None:
    """Ethereum's methods write a hashrate in hexadecimal, with 0x or without."""
    assert values.hex_hashrate(value) == rate


@pytest.mark.parametrize(
    ("value", "hashes"),
    [
        ("28948022309329048855892746252171976963209391069768726095651290785380", 4.0e9),
        ("1", 2.0**256), (str(2**255), 2.0), ("0", None), (str(2**256), None), ("0" * 80 + "1", None),
        ("9" * 5_000, None), ("-5", None), ("1.5", None),
        ("0x10", None), ("", None), (5, None), (None, None), ("\u00b2", None),
    ],
)  # fmt: skip
def test_decimal_target(value: object, hashes: float | None) -> None:
    """Ergo writes targets in decimal digits, of any number that has 256 bits."""
    found = values.decimal_target_hashes(value)
    assert found is None if hashes is None else found == pytest.approx(hashes, rel=1e-3)


@pytest.mark.parametrize(
    ("value", "shortest", "longest", "wanted"),
    [
        ("ab", 1, 2, True), ("0xAB", 2, 2, True), ("0Xab", 1, 9, False), ("abc", 1, 2, False),
        ("a", 2, 2, False), ("0x", 1, 2, False), ("", 0, 2, False),
        ("0x0x", 1, 9, False), ("ab\n", 1, 9, False), (" ab", 1, 9, False), ("xyz", 1, 9, False),
        (171, 1, 9, False), (None, 1, 9, False),
    ],
)  # fmt: skip
def test_hexadecimal(value: object, shortest: int, longest: int, wanted: object) -> None:
    """Hexadecimal digits are counted without 0x, and nothing else may stand beside them."""
    assert values.is_hex(value, shortest, longest) == wanted


BASE58 = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNaXyZ"
MONERO = "48edfHu7V9Z84YzzMa6fUueoELZ9ZRXq9VetWzYGzKt52XU5xvqgzYnDK9URnRoJMk1j8nLwEVsaSWJ4fhdUyZijBGUicoD"


@pytest.mark.parametrize(
    ("wallet", "kind"),
    [
        (MONERO, "monero"), ("8" + MONERO[1:], "monero"), (MONERO + "1" * 11, "monero"),
        ("0x4b999ba68e017854ffb6b494bc2ddb9ef02bd745", "ethereum"),
        ("0x4B999BA68E017854FFB6B494BC2DDB9EF02BD745", "ethereum"),
        ("bc1qexample0000", "bitcoin"), ("bc1p" + "q" * 58, "bitcoin"),
        ("tb1qumezefzdeqqwn5zfvgdrhxjzc5ylr39uhuxcz4", "bitcoin"),
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "bitcoin"), ("3LsTTSsSy17xuoShcMHuRgGBxKn1AHgeVN", "bitcoin"),
        ("ltc1qexample0000", "litecoin"), ("L" + BASE58[:33], "litecoin"), ("M" + BASE58[:33], "litecoin"),
        ("DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L", "dogecoin"), ("t1fAhZF5aUJdY7CikGULHmeYk7id8qmvbAd", "zcash"),
        ("t3" + BASE58[:33], "zcash"),
        ("RJ1pWcBkVPS2DSzgB5Rk3BbYxLpCUgNaUw", "ravencoin"), ("kaspa:" + "q" * 61, "kaspa"),
        ("kaspa:" + "q" * 63, "kaspa"),
        ("cfx:aarc9abycue0hhzgyrr53m6cxedgccrmmyybjgh4xg", "conflux"),
        ("xel:ys4peuzztwl67rzhsdu0yxfzwcfmgt85uu53hycpeeary7n8qvysqmxznt0", "xelis"),
        ("ckb1qyq2znu0gempdahctxsm49sa9jdzq9vnka7qt9ntff", "nervos"), ("aleo1" + "q" * 58, "aleo"),
        ("9" + "h" * 50, "ergo"),
        ("NQ07 0000 0000 0000 0000 0000 0000 0000 0000", "nimiq"), ("NQ07" + "0" * 32, "nimiq"),
        ("B" + "A" * 59, "qubic"),
        ("ab" * 32, "hexadecimal"), ("z" * 95, "cryptonote"),
    ],
)  # fmt: skip
def test_wallet(wallet: str, kind: str) -> None:
    """A wallet is known by its shape, alone or with a worker behind it, and not with more letters."""
    for rest in ("", ".rig", "/rig", "+5000", "@rig", ".deadbeef.x"):
        assert values.wallet_kind(wallet + rest) == kind
    assert values.wallet_values(f"{wallet}.rig") == {
        "mining.user": f"{wallet}.rig",
        "mining.wallet_kind": kind,
    }
    assert values.wallet_kind(f"!{wallet}") is None
    assert values.wallet_kind(wallet + "Z" * 120) is None


@pytest.mark.parametrize(
    "account",
    [
        "account", "alice@example.com", "root", "user.rig1", "12345", "0x12", "0x" + "g" * 40,
        "0x" + "a" * 41, "bc1", "bc1qshort", "bc2qexample0000",
        "1" * 20, "1" + "0" * 30, "D" + "l" * 33, "DESKTOP-4F2A", "Rig-Rack-Row-Room-House-Street-Town",
        "t2" + BASE58[:33], "kaspa:", "kaspa:QQ" + "q" * 60,
        "cfx:short", "NQ07 0000", "nq07" + "0" * 32, "A" * 59, "A" * 61, "a" * 60, "ab" * 31 + "a", "ab" * 33,
        "4" + "0" * 94, MONERO[:80],
        "5" * 89 + "0", "deadbeef" * 16, "monero", "9" + "h" * 49,
    ],
)  # fmt: skip
def test_no_wallet(account: str) -> None:
    """Accounts, names, and letters that no wallet has, or of another number, are no wallets."""
    assert values.wallet_kind(account) is None
    assert values.wallet_values(account) == {"mining.user": account}


def test_long_and_empty_accounts() -> None:
    """An account is told up to a bound, and an empty one is not told."""
    assert values.wallet_values("u" * 1_000) == {"mining.user": "u" * values.MAX_STRING}
    assert values.wallet_values("") == {}
    assert values.text("u" * 1_000) == "u" * values.MAX_STRING
    assert values.text("") is None


@pytest.mark.parametrize(
    ("user", "worker"),
    [("a.b", "b"), ("a.b.c", "b.c"), ("a", None), ("a.", None), (".b", "b"), ("a/b", None), ("", None),
     (".", None)],
)  # fmt: skip
def test_bitcoin_worker(user: str, worker: str | None) -> None:
    """What stands behind the first dot names the worker."""
    assert values.worker_after_first_dot(user) == worker


READERS = [
    values.difficulty, values.hashrate, values.hex_hashrate, values.target_hashes,
    values.compact_target_hashes, values.decimal_target_hashes,
    values.number,
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(JSON | LIKELY | st.text("0123456789abcdefx.-+eE_ ", max_size=70))
def test_any_value(value: object) -> None:
    """Of any value at all, a number that is read is finite, and one that counts hashes is above 0."""
    for reader in READERS:
        found = reader(value)
        assert found is None or (isinstance(found, float) and math.isfinite(found))
        assert found is None or reader is values.number or found >= 0
    assert 0 < (values.difficulty(value) or 1) <= 1e18
    found = values.text(value)
    assert found is None or 0 < len(found) <= values.MAX_STRING
    assert values.ethereum_account(value, value).keys() <= {
        "mining.user",
        "mining.worker",
        "mining.wallet_kind",
    }
    if isinstance(value, str):
        assert values.wallet_values(value).keys() <= {"mining.user", "mining.wallet_kind"}
        assert values.password_options(value).keys() <= {"mining.coin", "mining.difficulty"}
