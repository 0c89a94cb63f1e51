"""Block templates: solo miners, the backends of pools, and those who only ask a node how it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from rows import H64, about, altered, assert_sound, call, reply, say, say_over_http, told
from talk import CLIENT, SERVER, request, response

FAMILY = "gbt-http"
MINER = "User-Agent: cpuminer/2.5.1"
EXTENSIONS = "X-Mining-Extensions: longpoll midstate"
BASIC = "Authorization: Basic dXNlci5yaWc6ZD02NA=="  # user.rig:d=64
BLOCK = "00000020" * 24
TEMPLATE = {
    "version": 536_870_912, "previousblockhash": "00" * 32, "transactions": [], "coinbasevalue": 625_000_000,
    "target": "00000000ffff" + "0" * 52, "curtime": 1_689_514_400, "bits": "1d00ffff", "height": 798_834,
}  # fmt: skip
AUX = {
    "hash": H64,
    "chainid": 98,
    "previousblockhash": H64,
    "coinbasevalue": 1,
    "bits": "1d00ffff",
    "height": 3,
}


def asks(document: Any, *fields: str) -> tuple[int, bytes]:
    """A request."""
    return CLIENT, request(json.dumps(document), *fields)


def answers(document: Any) -> tuple[int, bytes]:
    """A response."""
    return SERVER, response(json.dumps(document))


METHODS = [
    ("getblocktemplate", [{"capabilities": ["coinbasetxn"]}]),
    ("getblocktemplate", []),
    ("submitblock", [BLOCK]),
    ("getauxblock", []),
    ("getauxblock", [H64, "ab" * 100]),
    ("createauxblock", ["bc1qexample"]),
    ("submitauxblock", [H64, "ab" * 100]),
]


@pytest.mark.parametrize(("method", "params"), METHODS)
@pytest.mark.parametrize("field", [MINER, EXTENSIONS, "X-Mining-Hashrate: 5", "User-Agent: cgminer 3.7.2"])
def test_miner(method: str, params: Any, field: str) -> None:
    """What a mining program asks of a node is mining, and tells its account."""
    talk = say(asks(call(method, params), field, BASIC))
    wanted = [{"message": method, "family": FAMILY, "user": "user.rig", "worker": "rig", "role": None}]
    assert told(talk, wanted) == wanted
    assert len(talk.mining) == 1


@pytest.mark.parametrize(("method", "params"), [*METHODS, ("submitblock", ["done"])])
@pytest.mark.parametrize("field", ["User-Agent: python-requests/2.31", "X-Nothing: 1"])
def test_backend(method: str, params: Any, field: str) -> None:
    """The same from any other program is a sign of a pool's backend, and no mining."""
    talk = say(asks(call(method, params), field, BASIC))
    wanted = [{"message": method, "family": FAMILY, "role": "backend", "user": "user.rig"}]
    assert told(talk, wanted) == wanted
    assert talk.mining == []


def test_block_that_is_none() -> None:
    """A submission without a block in it is no mining, whatever the program."""
    assert say(asks(call("submitblock", ["done"]), MINER)).mining == []


def test_session_of_a_miner() -> None:
    """Templates say what a share is worth, whatever the password wishes; each block gets its verdict."""
    block = asks(call("submitblock", [BLOCK], 2), MINER, BASIC)
    talk = say(
        asks(call("getblocktemplate", [{}], 1), MINER, BASIC), answers(reply(TEMPLATE, 1)),
        block, answers(reply(None, 2)), block, answers(reply(True, 2)), block, answers(reply("high-hash", 2)),
        block, answers(reply(None, 2, {"code": -22, "message": "Block decode failed"})),
        asks(call("getblocktemplate", [{}], 3), MINER),
        answers(reply(None, 3, {"code": -10, "message": "syncing"})),
    )  # fmt: skip
    worth = {"hashes_per_share": about(4.295e9), "difficulty": None}
    verdicts = [
        row
        for accepted in (True, True, False, False)
        for row in (
            {"message": "submitblock", **worth},
            {"message": "submitblock.reply", "accepted": accepted, "user": "user.rig", **worth},
        )
    ]
    wanted = [
        {"message": "getblocktemplate", "difficulty": 64.0}, {"message": "getblocktemplate.reply", **worth},
        *verdicts,
        {"message": "getblocktemplate"}, {"message": "getblocktemplate.reply", "hashes_per_share": None},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted


def test_merged_mining() -> None:
    """Blocks of a chain that is mined along are asked for and handed in, with their verdicts."""
    talk = say(
        asks(call("getblocktemplate", [], 0), MINER), answers(reply(TEMPLATE, 0)),
        asks(call("getauxblock", [], 1), MINER), answers(reply(AUX, 1)),
        asks(call("getauxblock", [H64, "ab" * 100], 2), MINER), answers(reply(True, 2)),
        asks(call("createauxblock", ["bc1q"], 3), MINER), answers(reply(AUX, 3)),
        asks(call("submitauxblock", [H64, "ab" * 100], 4), MINER), answers(reply(False, 4)),
    )  # fmt: skip
    wanted = [
        {"message": "getblocktemplate"}, {"message": "getblocktemplate.reply"},
        {"message": "getauxblock", "hashes_per_share": None},
        {"message": "getauxblock.reply", "accepted": None},
        {"message": "getauxblock", "hashes_per_share": about(4.295e9)},
        {"message": "getauxblock.reply", "accepted": True},
        {"message": "createauxblock"}, {"message": "createauxblock.reply", "accepted": None},
        {"message": "submitauxblock"}, {"message": "submitauxblock.reply", "accepted": False},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted


def test_session_of_a_backend() -> None:
    """Of a program that is no miner, question and template are signs; nothing of it is mining."""
    talk = say(
        asks(call("getblocktemplate", [{"rules": ["segwit"]}], 1)), answers(reply(TEMPLATE, 1)),
        asks(call("submitblock", [BLOCK], 2)), answers(reply(None, 2)),
        asks(call("getauxblock", [], 3)), answers(reply(AUX, 3)),
    )  # fmt: skip
    wanted = [
        {"message": "getblocktemplate", "role": "backend"},
        {"message": "getblocktemplate.reply", "role": "backend"},
        {"message": "submitblock", "role": "backend"}, {"message": "getauxblock", "role": "backend"},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted
    assert talk.mining == []


def test_long_bodies() -> None:
    """A block or a template of any size is known by how it begins."""
    big = {**TEMPLATE, "longpollid": "x", "transactions": [{"data": "ab" * 100_000}]}
    big["transactions"] = big.pop("transactions")
    talk = say(
        asks(call("submitblock", ["ab" * 100_000]), MINER), answers({"result": big, "error": None, "id": 9})
    )
    assert talk.messages == ["submitblock", "getblocktemplate.reply"]
    assert len(talk.mining) == 2


@pytest.mark.parametrize("own", ["coinbasevalue", "coinbasetxn", "longpollid", "vbrequired"])
def test_template_alone(own: str) -> None:
    """A template is mining by itself where its question was not seen, by a key that no block has."""
    base = {name: value for name, value in TEMPLATE.items() if name != "coinbasevalue"}
    wanted = [
        {
            "message": "getblocktemplate.reply",
            "family": FAMILY,
            "hashes_per_share": about(4.295e9),
            "role": None,
        }
    ]
    assert told(say(answers(reply({**base, own: 0}))), wanted) == wanted
    assert say(answers(reply(base))).messages == []


@pytest.mark.parametrize(
    "said",
    [
        *[asks(call(method, []), MINER) for method in ("getmininginfo", "getnetworkhashps",
          "getblockchaininfo", "getblock")],
        asks(call("getblocktemplate", {"name": "invoice"})),
        asks(call("getblocktemplates", [])),
        asks(call("blocktemplate", [])),
        asks(call("submitblocks", [BLOCK])),
        asks({"query": "query { getblocktemplate }"}),
        asks({"params": call("getblocktemplate", [])}),
        answers(reply({"blocks": 1, "difficulty": 3, "networkhashps": 4})),
        answers(reply({"hash": H64, "height": 798_834, "nonce": 1, "bits": "1d00ffff", "version": 2,
           "previousblockhash": H64})),
        answers(reply({**TEMPLATE, "previousblockhash": "none"})),
        answers(reply(AUX)),
        answers(reply(None)),
        answers({**TEMPLATE}),
    ],
)  # fmt: skip
def test_no_mining(said: tuple[int, bytes]) -> None:
    """Monitors of nodes, explorers of blocks and templates of other things are not told at all."""
    assert say(said).messages == []


def test_answer_to_something_else() -> None:
    """In the session of a miner, answers to what monitors ask are not told."""
    talk = say(asks(call("getblocktemplate", [], 1), MINER), asks(call("getmininginfo", [], 2)),
     answers(reply({"blocks": 1}, 2)),
               asks(call("getblock", [H64], 3)), answers(reply(TEMPLATE, 3)))  # fmt: skip
    assert talk.messages == ["getblocktemplate"]


SEEDS = [
    *[(CLIENT, call(method, params)) for method, params in METHODS],
    (SERVER, reply(TEMPLATE)), (SERVER, reply(AUX)), (SERVER, reply(None)), (SERVER, reply("high-hash")),
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(altered(SEEDS))
def test_any_value_anywhere(said: list[tuple[int, Any]]) -> None:
    """With any value in the place of any other, nothing fails, and every fact has its type and can be."""
    assert_sound(say_over_http(*said, fields=[BASIC]))
    assert_sound(say_over_http(*said, fields=[BASIC, MINER]))
