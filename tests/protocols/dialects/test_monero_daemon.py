"""Block templates of a Monero node: solo miners, and the wallets and monitors that ask the same node."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from rows import BLOB, H64, MONERO, altered, assert_sound, call, reply, say, say_over_http, told
from talk import CLIENT, SERVER, request, response

FAMILY = "monero-daemon-mining"
BLOCK = "1010" + "ab" * 100
TEMPLATE = {
    "blocktemplate_blob": BLOCK, "blockhashing_blob": BLOB, "difficulty": 350_000_000_000,
    "height": 3_000_000,
    "prev_hash": H64, "reserved_offset": 130, "status": "OK",
}  # fmt: skip
WALLET = {"wallet_address": MONERO, "reserve_size": 8}


def asks(document: Any, *fields: str, target: str = "/json_rpc") -> tuple[int, bytes]:
    """A request."""
    return CLIENT, request(json.dumps(document), *fields, target=target)


def answers(document: Any) -> tuple[int, bytes]:
    """A response."""
    return SERVER, response(json.dumps(document))


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (asks(call("getblocktemplate", WALLET, "0", jsonrpc="2.0")),
         {"message": "getblocktemplate", "user": MONERO, "wallet_kind": "monero"}),
        (asks(call("get_block_template", WALLET), "User-Agent: XMRig/6.21.0"),
         {"message": "get_block_template", "user": MONERO, "agent": "XMRig/6.21.0"}),
        (asks(call("getblocktemplate", {"wallet_address": "short"}), target="/x"),
         {"user": "short", "wallet_kind": None}),
        (asks(call("submitblock", [BLOCK])), {"message": "submitblock", "user": None}),
        (asks(call("submit_block", [BLOCK]), target="/json_rpc?x=1"), {"message": "submit_block"}),
        (answers(reply(TEMPLATE, "0")),
         {"message": "getblocktemplate.reply", "difficulty": 3.5e11, "hashes_per_share": 3.5e11}),
        (answers(reply({**TEMPLATE, "difficulty": 0})),
         {"message": "getblocktemplate.reply", "difficulty": None}),
        (answers(reply({"blocktemplate_blob": BLOCK, "difficulty": "7", "prev_hash": H64})),
         {"difficulty": 7.0}),
    ],
)  # fmt: skip
def test_one_message_alone(said: tuple[int, bytes], wanted: dict[str, Any]) -> None:
    """Templates for a wallet, and blocks that are handed in, are mining by themselves."""
    row = {"family": FAMILY, "coin": "XMR", "algorithm": "rx/0", **wanted}
    talk = say(said)
    assert told(talk, [row]) == [row]
    assert talk.mining[0].sender.value == ("client" if said[0] == CLIENT else "server")


@pytest.mark.parametrize(
    ("template", "submit"), [("getblocktemplate", "submitblock"), ("get_block_template", "submit_block")]
)
def test_session(template: str, submit: str) -> None:
    """Verdicts find their blocks, which are worth what the template says."""
    block = asks(call(submit, [BLOCK], 2), target="/")
    talk = say(
        asks(call(template, WALLET, 1), target="/"), answers(reply(TEMPLATE, 1)),
        block, answers(reply({"status": "OK"}, 2)),
        block, answers(reply(None, 2, {"code": -7, "message": "Block not accepted"})),
        block, answers(reply({"status": "BUSY"}, 2)),
        asks(call("get_info", None, 3)), answers(reply({"status": "OK"}, 3)),
    )  # fmt: skip
    verdicts = [
        row
        for accepted in (True, False, False)
        for row in (
            {"message": submit, "difficulty": 3.5e11},
            {"message": f"{submit}.reply", "accepted": accepted, "difficulty": 3.5e11},
        )
    ]
    wanted = [
        {"message": template},
        {"message": f"{template}.reply", "user": MONERO, "difficulty": 3.5e11},
        *verdicts,
    ]
    assert told(talk, wanted) == wanted


@pytest.mark.parametrize(
    "said",
    [
        asks(call("get_info", None, "0")),
        asks(call("get_balance", {"account_index": 0})),
        asks(call("get_address", {"wallet_address": MONERO})),
        asks(call("get_block", {"height": 912_345})),
        asks(call("get_block_template", {"reserve_size": 8})),
        asks(call("get_block_template", {"wallet_address": None})),
        asks(call("get_block_template", [MONERO])),
        asks(call("get_block_template", None)),
        asks(call("submit_block", ["x"])),
        asks(call("submit_block", [])),
        asks(call("submit_block", {"block": BLOCK})),
        asks(call("submit_block", [BLOCK]), target="/"),
        asks(call("submit_blocks", [BLOCK])),
        (CLIENT, request("", target="/getheight", verb="GET")),
        (CLIENT, request("", target="/getinfo", verb="GET")),
        answers(reply({"blocktemplate_blob": "00", "difficulty": 1, "prev_hash": H64})),
        answers(reply({"blocktemplate_blob": BLOCK, "prev_hash": H64})),
        answers(reply({"blocktemplate_blob": BLOCK, "difficulty": 1})),
        answers(reply({"blob": BLOB, "difficulty": 1, "prev_hash": H64, "status": "OK"})),
        answers(reply({"height": 3, "difficulty": 350_000_000_000, "top_block_hash": H64, "status": "OK"})),
        answers(reply({"status": "OK"})),
    ],
)
def test_no_mining(said: tuple[int, bytes]) -> None:
    """What wallets, explorers and monitors ask a node, and its answers, are no mining."""
    assert say(said).messages == []


def test_block_for_another_chain() -> None:
    """The same method elsewhere is a block for Bitcoin's node: a sign of a backend, and not of Monero."""
    wanted = [{"family": "gbt-http", "message": "submitblock", "role": "backend"}]
    assert told(say(asks(call("submitblock", [BLOCK]), target="/")), wanted) == wanted


SEEDS = [
    (CLIENT, call("getblocktemplate", WALLET)),
    (CLIENT, call("submit_block", [BLOCK])),
    (SERVER, reply(TEMPLATE)),
    (SERVER, reply({"status": "OK"})),
    (SERVER, reply(None, 1, {"code": -7})),
]


@settings(max_examples=150, deadline=None)
@given(altered(SEEDS))
def test_any_value_anywhere(said: list[tuple[int, Any]]) -> None:
    """With any value in the place of any other, nothing fails, and every fact has its type and can be."""
    assert_sound(say_over_http(*said, target="/json_rpc"))
