"""Ethereum's getwork methods over HTTP: wallets in the target, polling, and nodes that are asked once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from rows import ETHEREUM, H64, X64, about, altered, assert_sound, call, reply, say, say_over_http, told
from talk import CLIENT, SERVER, Talk, request, response

FAMILY = "eth-getwork-http"
TARGET = f"/?miner=30@{ETHEREUM}@OptionalRigName"
WORK = [X64, "0x" + "12" * 32, "0x00000000dbe6fece" + "0" * 48]
SHARE = ["0x00017b1001c34562", X64, "0x" + "34" * 32]
QUESTION = {"id": 1, "jsonrpc": "2.0", "method": "eth_getWork"}
SECOND = 1_000_000_000


def asks(document: Any, *fields: str, target: str = "/") -> tuple[int, bytes]:
    """A request."""
    return CLIENT, request(json.dumps(document), *fields, target=target)


def answers(document: Any) -> tuple[int, bytes]:
    """A response."""
    return SERVER, response(json.dumps(document))


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (asks(QUESTION, target=TARGET), {"message": "eth_getWork", "user": ETHEREUM,
          "worker": "OptionalRigName"}),
        (asks(QUESTION, target=f"/{ETHEREUM}"), {"message": "eth_getWork", "user": ETHEREUM, "worker": None}),
        (asks(QUESTION, "User-Agent: ethminer/0.19"),
         {"message": "eth_getWork", "user": None, "agent": "ethminer/0.19"}),
        (asks(QUESTION, "X-Mining-Hashrate: 60000000"), {"message": "eth_getWork", "hashrate": 6.0e7}),
        (asks(call("eth_submitWork", SHARE)), {"message": "eth_submitWork", "user": None}),
        (asks(call("eth_submitWork", SHARE), target=TARGET), {"message": "eth_submitWork", "user": ETHEREUM}),
        (asks(call("eth_submitHashrate", ["0x1d08a61", X64]), target=f"/{ETHEREUM}/45.5@rig3"),
         {"message": "eth_submitHashrate", "hashrate": 30_444_129.0, "worker": "rig3"}),
        (asks(call("eth_submitHashrate", ["0x0", X64]), target=TARGET),
         {"message": "eth_submitHashrate", "hashrate": 0.0}),
        (asks(call("eth_submitLogin", [f"{ETHEREUM}.rig", "x"])),
         {"message": "eth_submitLogin", "user": f"{ETHEREUM}.rig", "worker": "rig", "password": "x"}),
        (answers(reply(WORK)), {"message": "eth_getWork.reply", "hashes_per_share": about(5.0e9)}),
        (answers(reply([*WORK, "0x348ab2"], 0)), {"message": "eth_getWork.reply"}),
    ],
)  # fmt: skip
def test_one_message_alone(said: tuple[int, bytes], wanted: dict[str, Any]) -> None:
    """Shares, hashrates, work, and questions of somebody who is paid, are mining by themselves."""
    row = {
        "family": FAMILY,
        "algorithm": "ethash",
        "role": None,
        "ethereum.method": None,
        "ethereum.work": None,
        **wanted,
    }
    talk = say(said)
    assert told(talk, [row]) == [row]
    assert talk.mining[0].sender.value == ("client" if said[0] == CLIENT else "server")


def test_session() -> None:
    """Verdicts find their shares, and what the last work was worth."""
    share = asks(call("eth_submitWork", SHARE, 4), "Authorization: Basic dXNlci5yaWc6ZD02NA==", target=TARGET)
    talk = say(
        asks(QUESTION, target=TARGET), answers(reply(WORK)), share, answers(reply(True, 4)), share,
        answers(reply(False, 4)),
        asks(call("eth_submitHashrate", ["0x1", X64], 5), target=TARGET), answers(reply(True, 5)),
        asks(call("eth_syncing", [], 6)), answers(reply(False, 6)),
    )  # fmt: skip
    whose = {"user": ETHEREUM, "worker": "OptionalRigName"}
    worth = {**whose, "hashes_per_share": about(5.0e9), "difficulty": None}
    wanted = [
        {"message": "eth_getWork", **whose}, {"message": "eth_getWork.reply", **worth},
        {"message": "eth_submitWork", **worth}, {"message": "eth_submitWork.reply", "accepted": True,
         **worth},
        {"message": "eth_submitWork", **worth}, {"message": "eth_submitWork.reply", "accepted": False,
         **worth},
        {"message": "eth_submitHashrate", **whose},
        {"message": "eth_submitHashrate.reply", "accepted": None, **whose},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted


@pytest.mark.parametrize(
    ("seconds", "mines"),
    [([0, 10, 20, 30], True), ([0, 20, 40, 60], True), ([0, 30, 60, 90], False), ([0, 1, 2], False),
     ([0, 100, 101, 102, 103], True)],
)  # fmt: skip
def test_polling(seconds: list[int], mines: Any) -> None:
    """More than three questions within a minute are mining; fewer are a sign."""
    talk = Talk()
    for second in seconds:
        talk.say(CLIENT, asks(QUESTION)[1], time=second * SECOND)
    roles = [facts.values.get("mining.role") for facts in talk.facts if "mining.protocol" in facts.values]
    assert roles == ["backend"] * (len(seconds) - mines) + [None] * mines
    assert bool(talk.mining) == mines


def test_one_question() -> None:
    """One question to a node, and its answer, are signs of a pool's backend, and no mining."""
    talk = say(asks(QUESTION), answers(reply(WORK)))
    wanted = [
        {"message": "eth_getWork", "role": "backend"},
        {"message": "eth_getWork.reply", "role": "backend"},
    ]
    assert told(talk, wanted) == wanted
    assert talk.mining == []


@pytest.mark.parametrize(
    "said",
    [
        *[
            asks(call(f"eth_{name}", []))
            for name in ("blockNumber", "mining", "hashrate", "coinbase", "syncing", "call")
        ],
        asks(call("eth_getBalance", [ETHEREUM, "latest"])),
        asks(call("eth_getBalance", [ETHEREUM, "latest"]), target=TARGET),
        asks(call("eth_getBlockByNumber", ["0x1b4", True]), "User-Agent: ethminer/0.19"),
        asks(call("eth_submitWork", {"task": 7})),
        asks({"method": "call", "params": call("eth_submitWork", SHARE)}),
        (CLIENT, request("", target=f"/address/{ETHEREUM}", verb="GET")),
        answers(reply([X64, X64, X64])),
        answers(reply([H64, H64, H64])),
        answers(reply(True)),
        answers(reply("0x1d08a61")),
    ],
)
def test_no_mining(said: tuple[int, bytes]) -> None:
    """What wallets and explorers ask a node is not told at all, wherever a wallet stands in it."""
    assert say(said).messages == []


def test_hashes_that_somebody_asked_for() -> None:
    """Three hashes in answer to another question are no work."""
    assert say(asks(call("eth_getFilterChanges", ["0x1"], 4)), answers(reply(WORK, 4))).messages == []


SEEDS = [
    (CLIENT, QUESTION),
    (CLIENT, call("eth_submitLogin", [ETHEREUM], worker="rig")),
    (CLIENT, call("eth_submitWork", SHARE)),
    (CLIENT, call("eth_submitHashrate", ["0x1d08a61", X64])),
    (SERVER, reply(WORK)),
    (SERVER, reply(True)),
]


@settings(max_examples=150, deadline=None)
@given(altered(SEEDS))
def test_any_value_anywhere(said: list[tuple[int, Any]]) -> None:
    """With any value in the place of any other, nothing fails, and every fact has its type and can be."""
    assert_sound(say_over_http(*said, target=TARGET))
    assert_sound(say_over_http(*said))
