"""Difficulty, targets, accounts and machines."""

from __future__ import annotations

import math

import pytest

from sniffer.protocols import values
from sniffer.protocols.hardware import hardware


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(4096, 4096.0), ("0.1", 0.1), (4.0, 4.0), (0, None), (-5, None), (math.nan, None), (math.inf, None), (2e18, None), (True, None),
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
        ("b88d06", None),
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
    ("agent", "machine"),
    [("Antminer S21 Pro/Mon", "Antminer S21 Pro"), ("bmminer/2.0.0/Antminer S9/14000", "Antminer S9"), ("whatsminer/v1.1", "Whatsminer"),
     ("Antminer S19j Pro+|LUXminer 2026.3|B|", "Antminer S19j Pro+ (LuxOS)"), ("GodMiner/2.0.0", "Antminer KS"), ("cgminer/4.11.1", None)],
)  # fmt: skip
def test_hardware(agent: str, machine: str | None) -> None:
    """Agents that give a machine away, and one that does not."""
    assert hardware(agent) == machine
