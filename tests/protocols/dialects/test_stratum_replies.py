"""Replies of the Stratum kind: those that speak for themselves, and those that need mining beside them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from rows import H64, X64, altered, assert_sound, call, reply, say, told
from talk import CLIENT, SERVER

OPENER = call("mining.set_difficulty", [8], None)
PAIR = ["mining.notify", "ae6812eb4cd7735a302a8a9dd95cf71f"]
ALEO_WALLET = "aleo1" + "q" * 58


@pytest.mark.parametrize(
    ("document", "message", "family"),
    [
        (reply([[["mining.notify", "1"], ["mining.set_difficulty", "2"]], "00b61738", 4], 0), "subscribe",
         "stratum-v1"),
        (reply([[["mining.set_difficulty", "2"], ["mining.notify", "1"]], "865dd8ac", 8]), "subscribe",
         "stratum-v1"),
        (reply([[["mining.notify", "5b48fbdf"]], "ba83465b", 8], 154), "subscribe", "stratum-v1"),
        (reply([[["mining.set_difficulty", "0.000031"], ["mining.notify", "00"]], "d7eb83fe", 4],
          "mining.subscribe"),
         "subscribe", "stratum-v1"),
        (reply([PAIR, "00", 8], 8), "subscribe", "stratum-v1"),
        (reply([PAIR, "", 4], jsonrpc="2.0"), "subscribe", "stratum-v1"),
        (reply([[["something.else", "1"], ["mining.set_difficulty", "2"]], "00", 4]), "subscribe",
         "stratum-v1"),
        (reply([[*PAIR, "EthereumStratum/1.0.0"], "080c"]), "subscribe", "ethstratum-1"),
        (reply([True, "EthereumStratum/1.0.0"]), "subscribe", "stratum-kaspa"),
        (reply({"proto": "EthereumStratum/2.0.0", "resume": "1"}, 0), "hello", "ethstratum-2"),
        (reply({"version-rolling": True, "version-rolling.mask": "1fffe000"}, 2), "configure", "stratum-v1"),
        (reply({"version-rolling": False}, None), "configure", "stratum-v1"),
    ],
)  # fmt: skip
def test_speaks_for_itself(document: dict[str, Any], message: str, family: str) -> None:
    """A reply with a shape of its own is mining alone, though nobody has seen what it answers."""
    wanted = [{"message": f"mining.{message}.reply", "family": family, "stratum.reply": f"mining.{message}"}]
    talk = say((SERVER, document))
    assert told(talk, wanted) == wanted
    assert talk.mining[0].sender.value == "server"


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        (reply([None, "0029", 6]), {"message": "mining.subscribe.reply"}),
        (reply([None, "64290b"]), {"message": "mining.subscribe.reply"}),
        (reply([None, "e66c000000000000bbb0a52bb340bc35"]), {"message": "mining.subscribe.reply"}),
        (reply(["04d567b212", "04d567b212"]), {"message": "mining.subscribe.reply"}),
        (reply(["mining.notify", "F9390100000000000000000000000000"], 89),
         {"message": "mining.subscribe.reply"}),
        (reply(["", "30c874c31a2f2fbb02dbcb2db0b7a41641b3be88abb9b7f33d6bcc8839ca", 30, H64]),
         {"message": "mining.subscribe.reply", "family": "stratum-xelis"}),
        (reply(["00a1", "0001", ALEO_WALLET]), {"message": "mining.subscribe.reply",
          "family": "stratum-aleo"}),
        (reply(None, "txlist26eb-2", [20, "Unknown method 'mining.get_transactions'", None]),
         {"message": "mining.get_transactions.reply"}),
        (reply(None, 139, [-9, 'Cannot call "mining.subscribe" - invalid signature', None]),
         {"message": "mining.subscribe.reply"}),
        (reply(None, 16, [24, "Unauthorized-worker", None]),
         {"message": "mining.authorize.reply", "accepted": None}),
        (reply(None, 4, [21, "Job not found", ""]), {"message": "mining.submit.reply", "accepted": False}),
        (reply(None, 4, [22, "Duplicate share"]), {"message": "mining.submit.reply", "accepted": False}),
        (reply(None, 4, [23, "Low difficulty share", None]),
         {"message": "mining.submit.reply", "accepted": False}),
        (reply(None, 4, {"code": 21, "message": "Job not found", "traceback": None}),
         {"message": "mining.submit.reply", "accepted": False}),
        ({"id": 23433, "error": {"id": 63, "message": "Duplicate share"}},
         {"message": "mining.submit.reply", "accepted": False}),
        (reply(None, 618, "Stale"), {"message": "mining.submit.reply", "accepted": False}),
        (reply(False, 8, **{"reject-reason": "Above target 2"}),
         {"message": "mining.submit.reply", "accepted": False}),
        (reply(True, 8, **{"reject-reason": "Stale"}), {"message": "mining.submit.reply", "accepted": False}),
        (reply(True, 5), {"message": "mining.submit.reply", "accepted": True}),
        (reply(False, "share-5"), {"message": "mining.submit.reply", "accepted": False}),
    ],
)  # fmt: skip
def test_needs_mining_beside_it(document: dict[str, Any], wanted: dict[str, Any]) -> None:
    """A reply of a shape that others share counts beside a strong message, on either side of it only."""
    row = {"family": "stratum-v1", **wanted}
    for rows, said in (
        ([{"message": "mining.set_difficulty"}, row], [(SERVER, OPENER), (SERVER, document)]),
        ([row, {"message": "mining.set_difficulty"}], [(SERVER, document), (SERVER, OPENER)]),
    ):
        assert told(say(*said), rows) == rows
    alone = say((SERVER, document))
    assert alone.facts == []
    assert alone.conversation.session.signs == 1


@pytest.mark.parametrize(
    "agent", ["cgminer/4.11.1", "Rigel/1.19.3-nicehash", "lolMiner 1.76", "BzMiner-v11.1.0"]
)
def test_agent_in_a_reply(agent: str) -> None:
    """A miner that is asked for its version gives its agent, though nobody has seen the question."""
    talk = say((CLIENT, reply(agent, 7)), (CLIENT, call("mining.submit", ["a", "b", "00", "00", "00"])))
    wanted = [
        {"message": "client.get_version.reply", "agent": agent},
        {"message": "mining.submit", "agent": None},
    ]
    assert told(talk, wanted) == wanted
    assert {facts.sender.value for facts in talk.mining} == {"client"}


@pytest.mark.parametrize(
    ("asked", "result", "message", "family", "accepted"),
    [
        (call("mining.subscribe", ["x/1"]), [None, "e66c000000000000bbb0a52bb340bc35"], "subscribe",
         "stratum-equihash", None),
        (call("mining.subscribe", ["x/1"]), [None, "64290b"], "subscribe", "stratum-v1", None),
        (call("mining.subscribe", ["x", "EthereumStratum/1.0.0"]), [None, H64[:32]], "subscribe",
         "ethstratum-1", None),
        (call("mining.subscribe", ["x/1"]), [None, "0029", 6], "subscribe", "stratum-v1", None),
        (call("mining.subscribe", ["miner1", ""], jsonrpc="2.0"), True, "subscribe", "stratum-conflux", None),
        (call("mining.subscribe", ["x/1", "EthereumStratum/2.0.0"]), "s-12345", "subscribe", "ethstratum-2",
         None),
        (call("mining.authorize", ["a.b", "x"]), "w-123", "authorize", "stratum-v1", True),
        (call("mining.authorize", ["a.b", "x"]), None, "authorize", "stratum-v1", False),
        (call("mining.submit", ["cfx:a", "86", "0x30", X64]), [True], "submit", "stratum-conflux", True),
        (call("mining.submit", ["cfx:a", "86", "0x30", X64]), [False], "submit", "stratum-conflux", False),
        (call("mining.submit", ["cfx:a", "86", "0x30", X64]), "accepted", "submit", "stratum-conflux", False),
        (call("mining.hashrate", ["500000", "w-123"]), None, "hashrate", "ethstratum-2", None),
    ],
)  # fmt: skip
def test_verdicts_of_coins(
    asked: dict[str, Any], result: Any, message: str, family: str, accepted: Any
) -> None:
    """Coins say yes in their own way: with a list, with a name for a login."""
    talk = say((CLIENT, asked), (SERVER, reply(result)))
    wanted = {"message": f"mining.{message}.reply", "family": family, "accepted": accepted}
    assert told(talk, [{}, wanted]) == [{}, wanted]


def test_bare_id_is_success() -> None:
    """In EthereumStratum/2.0.0 a good reply has nothing but its id, and a bad one an error."""
    share = ["bf0488aa", "68765fccd712", "w-123"]
    talk = say(
        (CLIENT, call("mining.submit", share, 31)), (SERVER, {"id": 31}),
        (CLIENT, call("mining.submit", share, 32)),
        (SERVER, {"id": 32, "error": {"code": 406, "message": "Bad nonce"}}),
        (CLIENT, {"id": 50, "method": "mining.noop"}), (SERVER, {"id": 50}), (SERVER, {"id": 51}),
    )  # fmt: skip
    wanted = [
        {"message": "mining.submit"}, {"message": "mining.submit.reply", "accepted": True},
        {"message": "mining.submit"}, {"message": "mining.submit.reply", "accepted": False},
        {"message": "mining.noop"}, {"message": "mining.noop.reply", "accepted": None},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted


def test_bare_verdict_of_a_request_that_was_not_mining() -> None:
    """Where the client is heard, too, a bare verdict on something else is no verdict on a share."""
    share = call("mining.submit", ["a", "b", "00", "00", "00"], 4)
    talk = say(
        (CLIENT, share), (CLIENT, call("ping", [], 5)), (SERVER, reply(True, 5)), (SERVER, reply(True, 6))
    )
    assert talk.messages == ["mining.submit"]


@pytest.mark.parametrize(
    "document",
    [
        reply("ok"),
        reply(None),
        reply({}),
        reply([]),
        reply([None]),
        reply([[]]),
        reply([["notify", "1"], "00", 4]),
        reply([["blockchain.headers.subscribe", "1"], "00"]),
        reply(["mining.notify"]),
        reply(["mining.notify", "not hexadecimal"]),
        reply([[12, 128812], [4, 92524], [2, 6478638]], 5),
        reply(["ElectrumX 1.16.0", "1.4"], 0),
        reply([X64, X64, X64]),
        reply({"status": "up", "version": "1.2"}),
        reply({"extensions": ["version-rolling"]}),
        reply({"proto": ["EthereumStratum/2.0.0"]}),
        reply("Welcome! Donations to miners: mining.subscribe is not supported here", 2),
        reply(None, 0, [20, "Parse error", None]),
        reply(None, 1, [29, "Invalid username", None]),
        reply(None, 1, [25, "Not subscribed", None]),
        reply(None, 4, [404, "Not found", None]),
        reply(None, 4, [21, {"text": "Job not found"}]),
        reply(None, 4, [21]),
        reply(None, 4, {"code": -32601, "message": "Method not found"}),
        reply(None, 4, {"code": -32603, "message": "duplicate key value violates unique constraint"}),
        reply(None, 4, "Permission denied"),
        reply(True, 2),
        reply(True, 0),
        {"id": 1},
        {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Procedure not found."}, "result": None},
    ],
)
def test_no_mining(document: dict[str, Any]) -> None:
    """Replies of other services are neither mining nor told beside it."""
    assert say((SERVER, document)).facts == []
    assert say((SERVER, document), (SERVER, OPENER)).messages == ["mining.set_difficulty"]


SEEDS = [
    (SERVER, OPENER),
    (CLIENT, call("mining.submit", ["a", "b", "00", "00", "00"], 4)),
    (CLIENT, call("mining.subscribe", ["x/1"], 1)),
    (SERVER, call("client.get_version", [], 7)),
    (CLIENT, reply("cgminer/4.11.1", 7)),
    (SERVER, reply([[["mining.notify", "1"], ["mining.set_difficulty", "2"]], "00b61738", 4])),
    (SERVER, reply({"version-rolling": True, "proto": "EthereumStratum/2.0.0"})),
    (SERVER, reply([None, "e66c000000000000bbb0a52bb340bc35"], 1)),
    (SERVER, reply(None, 4, [21, "Job not found", None])),
    (SERVER, reply(None, 5, {"code": 23, "message": "Low difficulty share"})),
    (SERVER, reply(True, 6)),
]


@settings(max_examples=200, deadline=None)
@given(altered(SEEDS))
def test_any_value_anywhere(said: list[tuple[int, Any]]) -> None:
    """With any value in the place of any other, nothing fails, and every fact has its type and can be."""
    assert_sound(say(*said))
