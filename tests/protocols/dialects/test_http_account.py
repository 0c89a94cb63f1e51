"""Heads of requests: whose program it is, its account, and a wallet in the target."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import ETHEREUM, MONERO, assert_sound, call, say, told
from talk import CLIENT, request

from sniffer.protocols.dialects.http_account import account, mines, target_account
from sniffer.protocols.facts import FACTS
from sniffer.protocols.messages import Head


def head(target: str = "/", user: str = "", password: str = "", **fields: str) -> Head:
    """The head of a request."""
    return Head(
        "POST", target, 0, {name.replace("_", "-"): value for name, value in fields.items()}, user, password
    )


@pytest.mark.parametrize(
    "agent",
    [
        "cgminer 3.7.2", "bfgminer/5.2.0", "bmminer/2.0.0", "sgminer/4.1.0", "ccminer/2.3.1",
        "cpuminer/2.5.1", "minerd",
        "cpuminer-opt-26.1-x64L", "cpuminer-multi/1.3.7", "ethminer/0.19", "ethminer-0.17",
        "kawpowminer/1.2.4", "nsgminer/0.9",
        "XMRig/6.21.0 (Windows NT 10.0)", "xmr-stak/2.10.8", "PhoenixMiner/5.5c", "GMiner/2.09",
        "lolMiner 1.76",
        "t-rex/0.26.8", "NBMiner/42.3", "teamredminer/0.10.9", "SRBMiner-MULTI/3.6.9", "Rigel/1.19.3",
        "BzMiner-v11.1.0",
        "Antminer S9", "whatsminer/v1.0", "Sia-Agent", "deepMiner", "decred-gominer/2.1.0", "gominer/1.0",
    ],
)  # fmt: skip
def test_programs_that_mine(agent: str) -> None:
    """A program that is known to mine is known by its name, in any case of letters."""
    assert mines(head(user_agent=agent))
    assert mines(head(user_agent=agent.swapcase()))
    talk = say((CLIENT, request(json.dumps(call("getwork", [])), f"User-Agent: {agent}")))
    assert talk.mining[0].values["mining.agent"] == agent


@pytest.mark.parametrize(
    "agent",
    [
        "", "Mozilla/5.0 (X11; Linux x86_64) cgminer", "curl/8.5.0", "python-requests/2.31", "data-miner/1.0",
        "miner", "Minecraft/1.20",
        "log-miner/2", "textminer/3", "examiner/1.0", "process-miner/4", "bitcoin-exporter/1.0",
        "Go-http-client/1.1",
    ],
)  # fmt: skip
def test_programs_that_do_not(agent: str) -> None:
    """Browsers, tools and miners of data are not known to mine."""
    assert not mines(head(user_agent=agent))


def test_fields_that_only_miners_send() -> None:
    """A field that only miners send tells whatever the name; without a head nothing is known."""
    assert mines(head(x_mining_extensions="midstate"))
    assert mines(head(x_mining_hashrate="0"))
    assert not mines(head(x_mining="1"))
    assert not mines(None)


@pytest.mark.parametrize(
    ("given_head", "wanted"),
    [
        (None, {}),
        (head(), {}),
        (head(user="user", password="pass"), {"user": "user", "password": "pass"}),
        (head(user="user.rig.1"), {"user": "user.rig.1", "worker": "rig.1"}),
        (head(user=MONERO), {"user": MONERO, "wallet_kind": "monero"}),
        (head(user="u", password="c=ltc,d=64"), {"user": "u", "password": "c=ltc,d=64", "coin": "LTC",
          "difficulty": 64.0}),
        (head(password="x"), {"password": "x"}),
        (head(user_agent="bitaxe/BM1366/v2"), {"agent": "bitaxe/BM1366/v2", "hardware": "Bitaxe Ultra"}),
        (head(x_mining_hashrate="1000000"), {"hashrate": 1e6}),
        (head(x_mining_hashrate="1.5e9"), {"hashrate": 1.5e9}),
        (head(x_mining_hashrate="0"), {"hashrate": 0.0}),
        (head(x_mining_hashrate="-1"), {}),
        (head(x_mining_hashrate="fast"), {}),
        (head(x_mining_hashrate="inf"), {}),
        (head(user="u" * 600, password="p" * 600), {"user": "u" * 512, "password": "p" * 512}),
    ],
)  # fmt: skip
def test_account(given_head: Head | None, wanted: dict[str, Any]) -> None:
    """User, worker, password, program and hashrate are read as they stand; the hashrate is decimal."""
    assert account(given_head) == {f"mining.{name}": value for name, value in wanted.items()}


def test_account_without_wishes() -> None:
    """A difficulty in the password is left out where it would pass for the pool's; the coin stays."""
    found = account(head(user="u", password="c=LTC,d=64"), wishes=False)
    assert found == {"mining.user": "u", "mining.password": "c=LTC,d=64", "mining.coin": "LTC"}


@pytest.mark.parametrize(
    ("target", "worker"),
    [
        (f"/?miner=30@{ETHEREUM}@OptionalRigName", "OptionalRigName"),
        (f"/?miner=30%40{ETHEREUM}%40OptionalRigName", "OptionalRigName"),
        (f"/{ETHEREUM}/rig1", "rig1"),
        (f"/{ETHEREUM}/45.5@rig3", "rig3"),
        (f"/{ETHEREUM}/45@rig3/", "rig3"),
        (f"/{ETHEREUM}.rig7", "rig7"),
        (f"/{ETHEREUM}.rig.7", "rig.7"),
        (f"/{ETHEREUM}/rig7/mail@example.com", "rig7"),
        (f"/{ETHEREUM}/rig1?pool=x&y=2", "rig1"),
        (f"/{ETHEREUM}/rig1#top", "rig1"),
        (f"/{ETHEREUM}", None),
        (f"/{ETHEREUM}/", None),
        (f"/?wallet={ETHEREUM}&rig=1", None),
    ],
)  # fmt: skip
def test_wallet_in_the_target(target: str, worker: str | None) -> None:
    """The wallet stands anywhere in the target, and the rig behind it, perhaps behind its hashrate."""
    wanted = {"mining.user": ETHEREUM, "mining.wallet_kind": "ethereum", "mining.worker": worker}
    assert target_account(head(target)) == {name: value for name, value in wanted.items() if value}


@pytest.mark.parametrize(
    "target", ["/", "/0x12", f"/{ETHEREUM}0", f"/{ETHEREUM[:-1]}", "/rig1", f"/{ETHEREUM[2:]}"]
)
def test_no_wallet_in_the_target(target: str) -> None:
    """Shorter and longer numbers are no wallets."""
    assert target_account(head(target)) == {}
    assert target_account(None) == {}


def test_on_the_wire() -> None:
    """The account of a request is told with its message."""
    fields = [
        "Authorization: Basic " + base64.b64encode(b"bc1qexample0000.rig:d=64").decode(),
        "X-Mining-Hashrate: 1000",
    ]
    talk = say((CLIENT, request(json.dumps(call("getwork", [])), *fields)))
    wanted = [
        {"message": "getwork", "user": "bc1qexample0000.rig", "worker": "rig", "password": "d=64",
         "hashrate": 1000.0,
         "wallet_kind": "bitcoin", "difficulty": 64.0},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted


TEXT = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=40)


@settings(max_examples=200, deadline=None)
@given(TEXT, TEXT, TEXT, TEXT | st.floats().map(str))
def test_any_head(target: str, user: str, agent: str, rate: str) -> None:
    """Whatever stands in a head, nothing fails, and every fact has its type and can be."""
    given_head = head(f"/{target}{ETHEREUM}{target}", user, user, user_agent=agent, x_mining_hashrate=rate)
    found = {**account(given_head), **target_account(given_head), "mining.proxy": mines(given_head)}
    for name, value in found.items():
        assert type(value) is FACTS[name].type
        assert not isinstance(value, float) or (math.isfinite(value) and value >= 0)
    basic = base64.b64encode(f"{user}:{user}".encode()).decode()
    assert_sound(say((CLIENT, request("{}", f"Authorization: Basic {basic}", f"X-Mining-Hashrate: {rate}"))))
