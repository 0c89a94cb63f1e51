"""Grin: cuckoo cycles, told apart from everything else with logins, jobs and submissions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from rows import BLOB, H64, altered, assert_sound, call, reply, say, told
from talk import CLIENT, SERVER, Talk

FAMILY = "grin"
LOGIN = {"login": "account.rig1", "pass": "secret", "agent": "grin-miner"}
WORK = {"difficulty": 3, "height": 16_375, "job_id": 5, "pre_pow": "0001" * 60}
SHARE = {
    "edge_bits": 29,
    "height": 16_375,
    "job_id": 5,
    "nonce": 8_895_699_060_858_340_771,
    "pow": list(range(42)),
}
JOB = (SERVER, call("job", WORK, "Stratum"))
SUBMIT = (CLIENT, call("submit", SHARE, "0"))


def said(method: str, result: Any = None, error: Any = None) -> tuple[int, dict[str, Any]]:
    """A reply, which repeats the method; with an error it has no result."""
    end = {"error": error} if error else {"result": result, "error": None}
    return SERVER, {"id": "0", "jsonrpc": "2.0", "method": method, **end}


@pytest.mark.parametrize(
    ("side", "document", "wanted"),
    [
        (CLIENT, call("login", LOGIN, "0"), {"user": "account.rig1", "worker": "rig1", "password": "secret",
          "agent": "grin-miner"}),
        (CLIENT, call("login", {**LOGIN, "agent": "GrinGoldMiner/3", "login": "account", "pass": ""}, "0"),
         {"user": "account", "worker": None, "password": None}),
        (CLIENT, call("login", {"agent": "grin-miner"}, "0"), {"user": None}),
        (CLIENT, call("getjobtemplate", None, "0"), {}),
        (CLIENT, {"id": "0", "method": "getjobtemplate"}, {}),
        (*JOB, {"difficulty": 3.0, "hashes_per_share": None, "algorithm": "cuckoo"}),
        (SERVER, call("job", {**WORK, "difficulty": "7"}, "Stratum"), {"difficulty": 7.0}),
        (SERVER, call("job", {**WORK, "difficulty": 0}, "Stratum"), {"difficulty": None}),
        (*SUBMIT, {"algorithm": "cuckarood29", "difficulty": None, "accepted": None}),
        (CLIENT, call("submit", {**SHARE, "edge_bits": 31}, "0"), {"algorithm": "cuckatoo31"}),
        (CLIENT, call("submit", {**SHARE, "edge_bits": 32, "pow": [0] * 32}, "0"),
         {"algorithm": "cuckatoo32"}),
        (CLIENT, call("submit", {**SHARE, "edge_bits": 24}, "0"), {"algorithm": "cuckoo"}),
        (*said("getjobtemplate", WORK), {"message": "getjobtemplate.reply", "difficulty": 3.0}),
    ],
)  # fmt: skip
def test_one_message_alone(side: int, document: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Logins, work and solutions are mining by themselves, from their direction alone."""
    row = {"message": document["method"], "family": FAMILY, "coin": "GRIN", **wanted}
    for one in (document, [document]):
        talk = say((side, one))
        assert told(talk, [row]) == [row]
        assert talk.mining[0].sender.value == ("client" if side == CLIENT else "server")


def test_any_spelling() -> None:
    """Keys in any order and the method in any case make no difference."""
    text = '{"params":{"pass":"p","login":"u","agent":"Grin\\u002dMiner"},"method":"LOGIN","id":0} \r\n'
    assert told(Talk().say(CLIENT, text), [{"user": "u", "agent": "Grin-Miner"}]) == [
        {"user": "u", "agent": "Grin-Miner"}
    ]


def test_session() -> None:
    """Replies say again what was asked; verdicts know the account, and what the job was worth."""
    talk = say(
        (CLIENT, call("login", LOGIN, "0")), said("login", "ok"),
        (CLIENT, call("getjobtemplate", None, "0")),
        said("getjobtemplate", {**WORK, "job_id": 4, "difficulty": 1}),
        JOB, SUBMIT, said("submit", "ok"),
        (CLIENT, call("submit", {**SHARE, "job_id": 4}, "0")), said("submit", "blockfound - 23025af9"),
        SUBMIT, said("submit", error={"code": -32503, "message": "Solution submitted too late"}),
        SUBMIT, said("submit", None, {"code": -32501, "message": "Share rejected due to low difficulty"}),
        (CLIENT, call("keepalive", None, "0")), said("keepalive", "ok"),
        (CLIENT, call("status", None, "0")), said("status",
         {"id": "5", "height": 1, "difficulty": 9, "accepted": 2}),
    )  # fmt: skip
    wanted = [
        {"message": "login"}, {"message": "login.reply", "accepted": True, "user": "account.rig1",
         "worker": "rig1"},
        {"message": "getjobtemplate"}, {"message": "getjobtemplate.reply", "difficulty": 1.0,
         "accepted": None},
        {"message": "job", "difficulty": 3.0},
        {"message": "submit", "difficulty": 3.0}, {"message": "submit.reply", "accepted": True,
         "difficulty": 3.0},
        {"message": "submit", "difficulty": 1.0}, {"message": "submit.reply", "accepted": True,
         "difficulty": 1.0},
        {"message": "submit", "difficulty": 3.0}, {"message": "submit.reply", "accepted": False,
         "difficulty": 3.0},
        {"message": "submit", "difficulty": 3.0}, {"message": "submit.reply", "accepted": False,
         "difficulty": 3.0},
        {"message": "keepalive"}, {"message": "keepalive.reply", "accepted": None},
        {"message": "status"}, {"message": "status.reply", "accepted": None, "difficulty": None},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted
    assert "".join(facts.sender.value[0] for facts in talk.mining) == "cscs" + "s" + "cs" * 6


def test_pool_alone() -> None:
    """Where only the pool is heard, replies name what they answer; they count once work was seen."""
    talk = say(said("login", "ok"), said("submit", "ok"), JOB, said("submit", "ok"),
               said("submit", error={"code": -32501, "message": "low"}))  # fmt: skip
    wanted = [
        {"message": "login.reply", "accepted": True},
        {"message": "submit.reply", "accepted": True, "difficulty": None},
        {"message": "job"}, {"message": "submit.reply", "accepted": True, "difficulty": 3.0},
        {"message": "submit.reply", "accepted": False, "difficulty": 3.0},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted
    assert {facts.sender.value for facts in talk.mining} == {"server"}


def test_refused_login() -> None:
    """A login that is refused is told as refused, with an error or with another word than ok."""
    both = {**said("login", "ok")[1], "error": {"code": -1, "message": "banned"}}
    refusal = said("login", error={"code": -32500, "message": "Login first"})
    for answer in (refusal, said("login", "no"), (SERVER, both)):
        wanted = [{"message": "login"}, {"message": "login.reply", "accepted": False}]
        assert told(say((CLIENT, call("login", LOGIN, "0")), answer), wanted) == wanted


def test_weak_messages_of_another_family() -> None:
    """A keep-alive in a session of another kind is not told as one of Grin's."""
    work = call("job", {"blob": BLOB, "job_id": "7", "target": "b88d0600"})
    keepalive = (CLIENT, call("keepalive", {}, 3))
    assert say((SERVER, work), keepalive).messages == ["job"]
    assert say(keepalive, (SERVER, work)).messages == ["job"]
    assert say(keepalive, JOB).messages == ["keepalive", "job"]
    assert say((CLIENT, call("status", {"order": 7}, 3)), JOB).messages == ["job"]


@pytest.mark.parametrize(
    ("side", "document"),
    [
        (CLIENT, call("keepalive", {}, 3)),
        (CLIENT, call("status", None, 3)),
        (CLIENT, call("status", {"job": 7}, 3)),
        (CLIENT, call("login", {"login": "alice", "pass": "secret"}, "0")),
        (CLIENT, call("login", ["grin-miner"], "0")),
        (CLIENT, call("login", {"user": "alice", "agent": 7}, "0")),
        said("login", "ok"), said("submit", "ok"), said("keepalive", "ok"),
        said("getjobtemplate", None), said("getjobtemplate", {"name": "nightly", "steps": []}),
        said("login", error={"code": 401, "message": "Unauthorized"}),
        (SERVER, call("job", {"job_id": 5, "difficulty": "hard", "level": 3})),
        (SERVER, call("job", {**WORK, "pre_pow": "00"})),
        (SERVER, call("job", {"pre_pow": H64, "difficulty": 3})),
        (SERVER, call("job", {"pre_pow": H64, "job_id": 3})),
        (CLIENT, call("submit", {**SHARE, "pow": [1, 2, 3]}, "0")),
        (CLIENT, call("submit", {**SHARE, "pow": ["x"] * 42}, "0")),
        (CLIENT, call("submit", {**SHARE, "edge_bits": "29"}, "0")),
        (CLIENT, call("submit", {"job_id": 5, "pow": list(range(42))}, "0")),
        (CLIENT, call("submit", list(range(42)), "0")),
        (SERVER, reply("ok")),
        (SERVER, reply({"pre_pow": H64, "job_id": 1, "difficulty": 1})),
        (CLIENT, call("getjob", {}, "0")),
        (CLIENT, call("getjobtemplates", None, "0")),
        (CLIENT, {"cmd": "getjobtemplate"}),
        (CLIENT, {"edge_bits": 29, "pow": list(range(42))}),
    ],
)  # fmt: skip
def test_no_mining(side: int, document: dict[str, Any]) -> None:
    """Job queues, games and other services with these names are not told at all."""
    assert say((side, document)).messages == []


SEEDS = [
    (CLIENT, call("login", LOGIN, "0")), JOB, SUBMIT, said("login", "ok"), said("getjobtemplate", WORK),
    said("submit", "ok"), said("submit", error={"code": -1, "message": "low"}),
    (CLIENT, call("keepalive", {}, "0")), (CLIENT, call("getjobtemplate", None, "0")),
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(altered(SEEDS))
def test_any_value_anywhere(what: list[tuple[int, Any]]) -> None:
    """With any value in the place of any other, nothing fails, and every fact has its type and can be."""
    assert_sound(say(*what))
