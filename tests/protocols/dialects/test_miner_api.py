"""Management of miners: commands, answers and pages of machines, which are signs and no mining."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from rows import about, altered, assert_sound, call, reply, say, say_over_http, told
from talk import CLIENT, SERVER, Talk, request, response

FAMILY = "miner-api"
PORTS = (40_000, 4_028)
STATUS = {"STATUS": "S", "When": 1_719_800_000, "Code": 11, "Msg": "Summary", "Description": "cgminer 4.11.1"}
SUMMARY = {
    "STATUS": [STATUS],
    "SUMMARY": [{"Elapsed": 60, "GHS av": 13_500.5, "GHS 5s": "9", "Power": 1350}],
    "id": 1,
}
STAT = [
    "15.0 - ETH",
    "21",
    "182724;51;0",
    "30502;30457",
    "0;0;0",
    "off;off",
    "53;71",
    "eth.example:9999",
    "0;0;0;0",
]
XMRIG = {
    "id": "1", "worker_id": "rig7", "version": "6.22.0", "kind": "miner", "ua": "XMRig/6.22.0 (Linux x86_64)",
    "donate_level": 1, "algo": "rx/0", "connection": {"pool": "pool.example:3333", "accepted": 4},
    "hashrate": {"total": [1000.5, 999.0, None], "highest": 1200.0},
}  # fmt: skip
BITAXE = {
    "power": 17.2, "hashRate": 1180.4, "ASICModel": "BM1370", "stratumURL": "pool.example",
    "stratumPort": 21_496,
    "stratumUser": "bc1qexample0000.gamma", "hostname": "bitaxe",
}  # fmt: skip


def section(name: str, *parts: Any, **status: Any) -> dict[str, Any]:
    """An answer of cgminer's API with one section."""
    return {"STATUS": [{**STATUS, **status}], name: [*parts], "id": 1}


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"command": "summary"}, "summary"),
        ({"command": "devdetails"}, "devdetails"),
        ({"command": "summary+pools"}, "summary"),
        ({"command": "switchpool", "parameter": "1"}, "switchpool"),
        ({"cmd": "get_psu", "token": "x"}, "get_psu"),
        (call("miner_getstat1"), "miner_getstat1"),
        (call("miner_getstat2", psw="x"), "miner_getstat2"),
        (call("miner_reboot"), "miner_reboot"),
        (call("control_gpu", ["0", "1"]), "control_gpu"),
    ],
)  # fmt: skip
def test_command(document: dict[str, Any], message: str) -> None:
    """A command that hardly anything else has is a sign wherever it goes; who is asked is who mines."""
    row = {"message": message, "family": FAMILY}
    for text in (json.dumps(document), json.dumps(document) + "\n"):
        talk = say((CLIENT, text))
        assert told(talk, [row]) == [row]
        assert talk.facts[0].sender.value == "server"
        assert talk.mining == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"command": "version"}, "version"),
        ({"command": "pools"}, "pools"),
        ({"command": "stats", "parameter": "0"}, "stats"),
        ({"command": "restart"}, "restart"),
        ({"cmd": "get_version"}, "get_version"),
        ({"enc": 1, "data": "3kW0Zg=="}, "encrypted"),
    ],
)  # fmt: skip
def test_command_by_port(document: dict[str, Any], message: str) -> None:
    """A command that others have, too, is a sign on a port of miners, on either side, and nowhere else."""
    for ports in (PORTS, PORTS[::-1], (40_000, 4_433)):
        row = {"message": message, "family": FAMILY}
        assert told(say((CLIENT, document), ports=ports), [row]) == [row]
    assert say((CLIENT, document)).facts == []


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        (SUMMARY, {"message": "summary.reply", "agent": "cgminer 4.11.1", "hashrate": about(1.35005e13),
          "power": 1350.0}),
        (section("SUMMARY", {"MHS av": "3.5"}), {"hashrate": 3.5e6, "power": None}),
        (section("SUMMARY", {"TH av": 100, "Power": 0}), {"hashrate": 1.0e14, "power": None}),
        (section("SUMMARY", {"KHS 1m": 2, "GHS av": -1, "power": "3250"}),
         {"hashrate": 2000.0, "power": 3250.0}),
        (section("SUMMARY", {"GHS av": "fast", "Power": "much"}), {"hashrate": None, "power": None}),
        (section("SUMMARY"), {"message": "summary.reply", "hashrate": None}),
        (section("SUMMARY", "none"), {"message": "summary.reply", "hashrate": None}),
        (section("DEVS", {"ASC": 0, "MHS 5s": 3.4}, Description="sgminer 5"),
         {"message": "devs.reply", "hashrate": 3.4e6}),
        (section("VERSION", {"API": "3.7", "Type": "Antminer S19 Pro"}),
         {"message": "version.reply", "hardware": "Antminer S19 Pro"}),
        (section("STATS", {"Type": "Antminer S9"}, {"GHS av": 13_001}, Description="bmminer 1.0.0"),
         {"message": "stats.reply", "hardware": "Antminer S9", "agent": "bmminer 1.0.0"}),
        (section("DEVDETAILS", {"Model": "M30S"}), {"message": "devdetails.reply", "hardware": "M30S"}),
        (section("POOLS", {"URL": "stratum+tcp://pool.example:3333/", "User": "bc1qexample0000.rig"}),
         {"message": "pools.reply", "pool": "pool.example:3333", "user": "bc1qexample0000.rig",
          "worker": "rig"}),
        (section("POOLS", {"URL": 7, "User": None}), {"message": "pools.reply", "pool": None, "user": None}),
        (section("POOLS", {"URL": "stratum+tcp:///"}), {"message": "pools.reply", "pool": None}),
        (section("CONFIG", {"ASC Count": 3}, Description="whatsminer v1.1"), {"hardware": "Whatsminer"}),
        ({"STATUS": [{**STATUS, "STATUS": "E", "Msg": "Invalid command"}], "id": 1},
         {"message": "status.reply"}),
        ({"STATUS": [{"STATUS": "S", "When": 1}], "id": 1}, {"message": "status.reply", "agent": None}),
        ({"STATUS": "S", "When": 1, "Code": 131, "Msg": {"a": 1}, "Description": "whatsminer v1.1"},
         {"message": "status.reply", "hardware": "Whatsminer"}),
        ({"STATUS": "E", "When": 1, "Code": 14, "Msg": "invalid cmd"}, {"message": "status.reply"}),
        ({"summary": [SUMMARY], "pools": [section("POOLS", {"URL": "pool.example:3333"})], "id": 1},
         {"message": "summary.reply", "hashrate": about(1.35005e13), "pool": "pool.example:3333"}),
        (XMRIG, {"message": "summary.reply", "agent": "XMRig/6.22.0 (Linux x86_64)", "hashrate": 1000.5,
          "algorithm": "rx/0",
                 "worker": "rig7", "pool": "pool.example:3333", "power": None}),
        ({**XMRIG, "hashrate": {"total": [None]}, "connection": None},
         {"message": "summary.reply", "hashrate": None, "pool": None}),
        (BITAXE, {"message": "info.reply", "hardware": "Bitaxe Gamma", "hashrate": about(1.1804e12),
          "power": 17.2,
                  "user": "bc1qexample0000.gamma", "worker": "gamma", "pool": "pool.example:21496"}),
        ({**BITAXE, "ASICModel": "BM9999", "stratumPort": "x", "power": -1, "hashRate": None,
          "stratumUser": ""},
         {"hardware": "Bitaxe", "pool": "pool.example", "power": None, "hashrate": None, "user": None}),
    ],
)  # fmt: skip
def test_answer(document: dict[str, Any], wanted: dict[str, Any]) -> None:
    """What a machine says of itself is a sign: program, model, hashrate, power, account and pool."""
    row = {"family": FAMILY, "difficulty": None, **wanted}
    talks = [Talk().say(SERVER, json.dumps(document) + "\0"), say_over_http((SERVER, document))]
    for talk in talks:
        assert told(talk, [row]) == [row]
        assert talk.facts[0].sender.value == "client"
        assert talk.mining == []


def test_answer_to_a_question() -> None:
    """The answer to a question of Claymore's form is told once the question was seen, and not alone."""
    talk = say((CLIENT, call("miner_getstat1", number=0)), (SERVER, reply(STAT, 0)))
    wanted = [{"message": "miner_getstat1"}, {"message": "miner_getstat1.reply", "family": FAMILY}]
    assert told(talk, wanted) == wanted
    assert say((SERVER, reply(STAT, 0))).facts == []
    assert say((CLIENT, call("miner_getstat1", number=0)), (SERVER, reply(None, 0))).messages == [
        "miner_getstat1"
    ]


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("target", "field", "wanted"),
    [
        ("/2/summary", "Authorization: Bearer SECRET",
         {"message": "summary", "agent": "xmrig", "hardware": None}),
        ("/1/summary", "Authorization: Bearer SECRET", {"message": "summary", "agent": "xmrig"}),
        ("/api/system/info", "Accept: */*", {"message": "info", "hardware": "Bitaxe"}),
        ("/cgi-bin/get_system_info.cgi", 'Authorization: Digest username="root"', {"hardware": "Antminer"}),
        ("/cgi-bin/stats.cgi", 'Authorization: Digest username="root"',
         {"message": "stats.cgi", "hardware": "Antminer"}),
        ("/cgi-bin/get_miner_status.cgi", "Accept: */*", {"hardware": "Antminer"}),
        ("/mcb/status", "Accept: */*", {"message": "status", "hardware": "Goldshell"}),
        ("/mcb/cgminer?cgminercmd=devs", "Accept: */*", {"message": "cgminer", "hardware": "Goldshell"}),
        ("/MCB/Status", "Accept: */*", {"hardware": "Goldshell"}),
        ("/braiins.bos.v1.MinerService/GetMinerStats", "Accept: */*",
         {"message": "grpc", "hardware": "Braiins OS"}),
    ],
)  # fmt: skip
def test_page(target: str, field: str, wanted: dict[str, Any]) -> None:
    """A request for a page that only machines have is a sign of the machine that is asked."""
    talk = say((CLIENT, request("", field, target=target, verb="GET")))
    row = {"family": FAMILY, **wanted}
    assert told(talk, [row]) == [row]
    assert talk.facts[-1].sender.value == "server"
    assert talk.mining == []


def test_page_by_port() -> None:
    """A page with a name of everybody's is a sign on the port of machines that have it, and nowhere else."""
    asked = (CLIENT, request("", target="/summary", verb="GET"))
    wanted = [{"message": "summary", "hardware": "ePIC"}]
    assert told(say(asked, ports=PORTS), wanted) == wanted
    assert say(asked, ports=(40_000, 8_080)).messages == []


# ── what is no management of miners ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("side", "document"),
    [
        (CLIENT, {"command": "status"}),
        (CLIENT, {"command": "summarize"}),
        (CLIENT, {"command": "summary", "room": "kitchen"}),
        (CLIENT, {"command": ["summary"]}),
        (CLIENT, {"cmd": "get_playlist"}),
        (CLIENT, {"action": "summary"}),
        (CLIENT, call("getstat1")),
        (CLIENT, call("miner_getstat3")),
        (CLIENT, call("data_miner_getstat1")),
        (CLIENT, call("summary")),
        (SERVER, {"STATUS": "OK"}),
        (SERVER, {"STATUS": "S", "When": 1}),
        (SERVER, {"STATUS": [{"STATUS": "S"}]}),
        (SERVER, {"STATUS": ["S", "E"]}),
        (SERVER, {"status": [STATUS]}),
        (SERVER, {"jobs": [{"STATUS": "running"}], "id": 1}),
        (SERVER, {"hashRate": 5, "power": 3}),
        (SERVER, {"ASICModel": "BM1370"}),
        (SERVER, {"hashrate": {"total": [1]}, "connection": {}}),
        (SERVER, {"pool": "example", "hashrate": "1.2 PH/s",
          "workers": [{"name": "rig1", "difficulty": 65_536}]}),
        (SERVER, {"enc": 2, "data": "abc"}),
        (SERVER, reply(["15.0", "21"], 0)),
    ],
)  # fmt: skip
def test_no_sign(side: int, document: dict[str, Any]) -> None:
    """Commands of players and robots, dashboards of pools and other states are not told at all."""
    assert say((side, document)).facts == []


@pytest.mark.parametrize(
    ("target", "field"),
    [
        ("/2/summary", "Accept: */*"),
        ("/2/summary", "Authorization: Basic dTpw"),
        ("/summary", "Accept: */*"),
        ("/status", "Accept: */*"),
        ("/api/system/information", "Accept: */*"),
        ("/static/mcb/status", "Accept: */*"),
        ("/cgi-bin/stats", "Accept: */*"),
    ],
)  # fmt: skip
def test_no_page(target: str, field: str) -> None:
    """Pages that everybody has are not told."""
    assert say((CLIENT, request("", field, target=target, verb="GET"))).messages == []
    assert say((SERVER, response("", "Content-Location: /mcb/status"))).messages == []


SEEDS = [
    (CLIENT, {"command": "summary", "parameter": "1"}),
    (CLIENT, {"enc": 1, "data": "abc"}),
    (CLIENT, call("miner_getstat1", number=1)),
    (SERVER, reply(STAT)),
    (SERVER, SUMMARY),
    (SERVER, section("POOLS", {"URL": "pool.example:3333", "User": "a.b", "Type": "Antminer S9"})),
    (SERVER, {"STATUS": "S", "When": 1, "Msg": "x", "Description": "whatsminer"}),
    (SERVER, {"summary": [SUMMARY], "pools": [SUMMARY]}),
    (SERVER, XMRIG),
    (SERVER, BITAXE),
]


@settings(max_examples=200, deadline=None)
@given(altered(SEEDS))
def test_any_value_anywhere(said: list[tuple[int, Any]]) -> None:
    """With any value in the place of any other, nothing fails, and every fact has its type and can be."""
    assert_sound(say(*said, ports=PORTS))
