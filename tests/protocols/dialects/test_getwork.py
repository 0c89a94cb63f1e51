"""getwork over HTTP: work, shares, long polls, and the fields that only miners and their servers send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from rows import H64, about, altered, assert_sound, call, reply, say, say_over_http, told
from talk import CLIENT, SERVER, Talk, request, response

FAMILY = "getwork-http"
DATA = "00000001" + "cd" * 124
WORK = {"midstate": H64, "data": DATA, "hash1": "00" * 64, "target": "ff" * 28 + "00" * 4}
BASIC = "Authorization: Basic dXNlci5yaWc6cGFzcw=="  # user.rig:pass
AGENT = "User-Agent: cpuminer/2.5.1"
EXTENSIONS = "X-Mining-Extensions: longpoll midstate rollntime submitold"


def asks(document: Any, *fields: str, target: str = "/") -> tuple[int, bytes]:
    """A request with a body."""
    return CLIENT, request(json.dumps(document), *fields, target=target)


def answers(document: Any, *fields: str, status: str = "200 OK") -> tuple[int, bytes]:
    """A response with a body."""
    return SERVER, response(json.dumps(document), *fields, status=status)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (asks(call("getwork", [])), {"message": "getwork", "user": None, "agent": None}),
        (asks({"method": "getwork", "id": 0}), {"message": "getwork"}),
        (asks({"id": 0, "params": [], "method": "GetWork"}, BASIC, AGENT, EXTENSIONS),
         {"message": "getwork", "user": "user.rig", "worker": "rig", "password": "pass",
          "agent": "cpuminer/2.5.1"}),
        (asks(call("getwork", [DATA]), BASIC), {"message": "getwork.submit", "user": "user.rig",
          "hashes_per_share": None}),
        (asks(call("getwork", ["ab" * 80])), {"message": "getwork.submit"}),
        (answers(reply(WORK)), {"message": "getwork.reply", "hashes_per_share": about(2**32),
          "accepted": None}),
        (answers(reply({**WORK, "target": "ff" * 26 + "00" * 6}), "X-Long-Polling: /LP",
          "X-Roll-NTime: expire=120"),
         {"message": "getwork.reply", "hashes_per_share": about(2.0**48)}),
        (answers(reply({"data": "ab" * 96, "target": "00" * 32})),
         {"message": "getwork.reply", "hashes_per_share": None}),
        ((CLIENT, request("", EXTENSIONS, BASIC, target="/LP", verb="GET")),
         {"message": "longpoll", "user": "user.rig"}),
        ((CLIENT, request("", "X-Mining-Hashrate: 1000000", target="/LP", verb="GET")),
         {"message": "longpoll", "hashrate": 1_000_000.0}),
        ((CLIENT, request("", EXTENSIONS, "X-Mining-Hashrate: fast")),
         {"message": "request", "hashrate": None}),
        ((SERVER, response("", "X-Roll-NTime: Y")), {"message": "response"}),
        (answers(reply(None), "X-Long-Polling: /LP"), {"message": "response"}),
        (answers(reply(None, 0, {"code": 0, "message": "No"}), "X-Stratum: stratum+tcp://pool.example:3333/"),
         {"message": "redirect", "family": "gbt-http", "pool": "pool.example:3333"}),
        (answers(reply(False), "X-Reject-Reason: stale"),
         {"message": "getwork.submit.reply", "accepted": False}),
    ],
)  # fmt: skip
def test_one_message_alone(said: tuple[int, bytes], wanted: dict[str, Any]) -> None:
    """Work, shares, long polls and the fields of miners are mining by themselves, from one direction."""
    row = {"family": FAMILY, **wanted}
    talk = say(said)
    assert told(talk, [row]) == [row]
    assert talk.mining[0].sender.value == ("client" if said[0] == CLIENT else "server")


def test_session() -> None:
    """Each verdict finds its share, its account and what the work was worth, whatever the password wishes."""
    wish = "Authorization: Basic dXNlci5yaWc6ZD02NA=="  # user.rig:d=64
    share = asks(call("getwork", [DATA]), wish)
    talk = say(
        asks(call("getwork", [], 0), wish, "User-Agent: cgminer 3.7.2"), answers(reply(WORK, 0)),
        share, answers(reply(True)), share, answers(reply(False)),
        share, answers(reply(True), "X-Reject-Reason: stale"),
        share, answers(reply(True, 1, {"code": -1, "message": "unknown work"})),
    )  # fmt: skip
    whose = {"user": "user.rig", "worker": "rig"}
    worth = {**whose, "difficulty": None, "hashes_per_share": about(2**32)}
    verdicts = [
        row
        for accepted in (True, False, False, False)
        for row in (
            {"message": "getwork.submit", **worth},
            {"message": "getwork.submit.reply", "accepted": accepted, **worth},
        )
    ]
    wanted = [
        {"message": "getwork", "difficulty": 64.0, "hashes_per_share": None, **whose},
        {"message": "getwork.reply", **worth},
        *verdicts,
    ]
    assert told(talk, wanted) == wanted
    assert talk.conversation.session.told["mining.agent"] == "cgminer 3.7.2"


def test_long_poll_of_templates() -> None:
    """A long poll in a session of block templates belongs to that."""
    template = asks(call("getblocktemplate", [{}]), AGENT)
    talk = say(template, (CLIENT, request("", EXTENSIONS, target="/LP", verb="GET")))
    wanted = [
        {"family": "gbt-http", "message": "getblocktemplate"},
        {"family": "gbt-http", "message": "longpoll"},
    ]
    assert told(talk, wanted) == wanted


@pytest.mark.parametrize("size", [1, 7, 100])
def test_in_pieces(size: int) -> None:
    """Head and body may come in any pieces."""
    talk = Talk().say(CLIENT, request(json.dumps(call("getwork", [DATA])), BASIC), size=size)
    wanted = [{"message": "getwork.submit", "user": "user.rig"}]
    assert told(talk, wanted) == wanted


@pytest.mark.parametrize(
    "said",
    [
        asks(call("getworkers", [])),
        asks(call("getWorkItem", [])),
        asks(call("getmininginfo", []), BASIC),
        asks(call("getblockchaininfo", []), BASIC),
        asks(call("getnetworkhashps", []), BASIC, "User-Agent: exporter/1.0"),
        asks(call("getwork", {"queue": "nightly"})),
        asks(call("getwork", ["done"])),
        asks(call("getwork", [7])),
        asks(call("getwork", ["ab" * 64])),
        asks(call("getwork", ["ab" * 81])),
        asks({"method": "call", "params": call("getwork", [DATA])}),
        asks({"index": {"_index": "proto"}, "message": call("getwork", [])}),
        answers(reply({"data": DATA})),
        answers(reply({"data": "https://example.com", "target": H64})),
        answers(reply({"data": DATA, "target": "release"})),
        answers(reply(True)),
        answers({"data": DATA, "target": H64}),
        (CLIENT, request("", "User-Agent: data-miner/1.0", verb="GET")),
        (CLIENT, request("", "User-Agent: Mozilla/5.0", target="/api/miners/x", verb="GET")),
        (CLIENT, request("", AGENT, verb="GET")),
        (CLIENT, request("", "X-Mining-Extension: x", verb="GET")),
        (CLIENT, request("", "X-Long-Polling: /LP", verb="GET")),
        (SERVER, response("", "X-Mining-Extensions: longpoll")),
        (SERVER, response("<html>{}</html>", "Server: nginx")),
    ],
)
def test_no_mining(said: tuple[int, bytes]) -> None:
    """Node RPC, work queues, exporters and programs that are called miners are not told at all."""
    assert say(said).messages == []


SEEDS = [
    (CLIENT, call("getwork", [])),
    (CLIENT, call("getwork", [DATA])),
    (SERVER, reply(WORK)),
    (SERVER, reply(True)),
    (SERVER, reply(None, 1, {"code": -1})),
]
FIELDS = [BASIC, EXTENSIONS, "X-Mining-Hashrate: 1e9"]


@settings(max_examples=150, deadline=None)
@given(altered(SEEDS))
def test_any_value_anywhere(said: list[tuple[int, Any]]) -> None:
    """With any value in the place of any other, nothing fails, and every fact has its type and can be."""
    assert_sound(say_over_http(*said, fields=FIELDS))
