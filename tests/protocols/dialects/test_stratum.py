"""Stratum of the Bitcoin family: requests, notifications, and what they tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from rows import H64, about, altered, assert_sound, call, reply, say, told
from talk import CLIENT, SERVER, Talk

V1 = "stratum-v1"
NOTIFY = ["274a-1", H64, "01000000", "ffffffff", [H64], "20000000", "1802a8d7", "5a0b5d6c", True]
SHARE = ["bc1qexample.rig7", "bf", "00000001", "504e86ed", "b2957c02"]
PAIRS = [[["mining.set_difficulty", "1"], ["mining.notify", "2"]], "00b61738", 4]


# ── one message alone ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("side", "document", "wanted"),
    [
        (CLIENT, call("mining.subscribe", ["cgminer/4.11.1"]), {"agent": "cgminer/4.11.1", "hardware": None}),
        (CLIENT, call("mining.subscribe", []), {"agent": None}),
        (CLIENT, call("mining.subscribe", [None, None]), {"agent": None, "pool": None}),
        (CLIENT, call("mining.subscribe", ["bitaxe/BM1370/v2.13.1"]),
         {"hardware": "Bitaxe Gamma", "proxy": None}),
        (CLIENT, call("mining.subscribe", ["Braiins OS 2019-06-05", None, "pool.example:3333", None]),
         {"agent": "Braiins OS 2019-06-05", "pool": "pool.example:3333"}),
        (CLIENT, call("mining.subscribe", ["x/1", "27dce2da", "pool.example", 3333]),
         {"pool": "pool.example:3333"}),
        (CLIENT, call("mining.subscribe", ["x/1", None, "pool.example", "70000"]), {"pool": "pool.example"}),
        (CLIENT, call("mining.subscribe", ["x/1", None, "not a.host", "3333"]), {"pool": None}),
        (CLIENT, call("mining.subscribe", ["NiceHash/1.0.0", "1662637786319", H64]), {"proxy": True}),
        (CLIENT, call("mining.subscribe", ["MRR-Hash/1.0.0"]), {"proxy": True}),
        (CLIENT, call("mining.subscribe", ["stratum-proxy/0.4"]), {"proxy": True}),
        (CLIENT, call("mining.authorize", ["bc1qexample0000.rig7", "x"]),
         {"user": "bc1qexample0000.rig7", "worker": "rig7", "password": "x", "wallet_kind": "bitcoin"}),
        (CLIENT, call("mining.authorize", ["account.rig.7"]),
         {"user": "account.rig.7", "worker": "rig.7", "password": None, "wallet_kind": None}),
        (CLIENT, call("mining.authorize", ["account", ""]),
         {"user": "account", "worker": None, "password": None}),
        (CLIENT, call("mining.authorize", ["account", "c=doge,d=65536"]),
         {"coin": "DOGE", "difficulty": 65536.0}),
        (CLIENT, call("mining.authorize", ["wallet", "rig7", "secret"]),
         {"worker": "rig7", "password": "secret"}),
        (CLIENT, call("mining.submit", SHARE), {"user": "bc1qexample.rig7", "worker": "rig7",
          "difficulty": None}),
        (CLIENT, call("mining.submit", [*SHARE, "00002000"]), {"user": "bc1qexample.rig7", "worker": "rig7"}),
        (CLIENT, call("mining.suggest_difficulty", [1024]), {"difficulty": 1024.0, "hashes_per_share": None}),
        (CLIENT, call("mining.suggest_target", ["00000000" + "f" * 56]), {"hashes_per_share": about(2**32)}),
        (CLIENT, call("mining.configure", [["version-rolling"], {"version-rolling.mask": "ffffffff"}]),
         {"pool": None}),
        (CLIENT, call("mining.configure", [["info", "minimum-difficulty"], {
            "info.connection-url": "stratum+tcp://pool.example:3333/x", "info.hw-version": "Antminer S9",
            "minimum-difficulty.value": 2048}]),
         {"pool": "pool.example:3333", "hardware": "Antminer S9", "difficulty": 2048.0}),
        (CLIENT, call("mining.extranonce.subscribe", []), {}),
        (CLIENT, call("mining.get_transactions", ["274d-13"], "txlist274d-13"), {}),
        (CLIENT, call("mining.capabilities", [{"notify": []}]), {}),
        (SERVER, call("mining.set_difficulty", [4096], None),
         {"difficulty": 4096.0, "hashes_per_share": 4096.0 * 2**32}),
        (SERVER, call("mining.set_difficulty", ["0.1"], None), {"difficulty": 0.1}),
        (SERVER, call("mining.set_difficulty", [-5], None), {"difficulty": None, "hashes_per_share": None}),
        (SERVER, call("mining.set_difficulty", [2e18], None), {"difficulty": None}),
        (SERVER, call("mining.notify", NOTIFY, None), {"difficulty": None, "hashes_per_share": None}),
        (SERVER, call("mining.notify", [*NOTIFY, "5a0b5d6d"], None), {"algorithm": None}),
        (SERVER, call("mining.notify", NOTIFY, None, algo="x16rv2"), {"algorithm": "x16rv2"}),
        (SERVER, call("mining.set_extranonce", ["08000002", 4], None), {}),
        (SERVER, call("mining.set_version_mask", ["1fffe000"], None), {}),
        (SERVER, call("mining.ping", [], None), {}),
        (SERVER, call("mining.reconnect", ["new.example", 3334, 5], None), {"pool": "new.example:3334"}),
    ],
)  # fmt: skip
def test_one_message_alone(side: int, document: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Each request and notification is mining by itself, from its direction alone, and tells its fields."""
    talk = say((side, document))
    row = {"message": document["method"], "family": V1, "stratum.method": document["method"], **wanted}
    assert told(talk, [row]) == [row]
    assert [facts.sender.value for facts in talk.mining] == ["client" if side == CLIENT else "server"]


@pytest.mark.parametrize(
    "text",
    [
        '{"params":["cgminer/4.11.1"],"id":1,"method":"mining.subscribe"}\n',
        '{"method" : "mining.subscribe" ,"id":null , "params":[ "cgminer/4.11.1" ]} \n',
        ' { "id": "auth", "params": ["cgminer\\/4.11.1"], "method": "Mining.Subscribe"}\r\n\r\n',
        '\n{"id":1,"\\u006dethod":"mining\\u002esubscribe","params":["cgminer/4.11.1"]}\n',
        '{"id":1,"method":"x","method":"mining.subscribe","params":["cgminer/4.11.1"]}\n',
        '{"id":1,"method":"mining.subscribe","method":"x","params":["cgminer/4.11.1"]}\n',
        '{"id":1,"method":"mining.subscribe","params":["x"],"params":["cgminer/4.11.1"]}\n',
        '{"id":1.5,"method":"mining.subscribe","params":["cgminer/4.11.1"],"jsonrpc":"2.0"}',
        '\0{"id":[],"method":"mining.subscribe","params":["cgminer/4.11.1"]}\n',
        '[{"id":1,"method":"mining.subscribe","params":["cgminer/4.11.1"]}]\n',
    ],
)  # fmt: skip
def test_any_spelling(text: str) -> None:
    """Order of keys, white space, escapes, case of the method, repeated keys and batches do not matter."""
    wanted = [{"message": "mining.subscribe", "agent": "cgminer/4.11.1"}]
    assert told(Talk().say(CLIENT, text), wanted) == wanted


def test_batch() -> None:
    """Requests in one array are read one by one, and their replies find them."""
    batch = [
        call("mining.subscribe", ["x/1"], 1),
        call("mining.authorize", ["a.b", "c"], 2),
        call("other", [], 3),
    ]
    talk = say((CLIENT, batch), (SERVER, [reply(True, 2), reply(None, 3), reply([None, "0029"], 1)]))
    assert talk.messages == [
        "mining.subscribe", "mining.authorize", "mining.authorize.reply", "mining.subscribe.reply",
    ]  # fmt: skip


# ── replies ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("verdict", "accepted"),
    [
        ({"result": True, "error": None}, True),
        ({"result": True}, True),
        ({"error": None, "result": True, "jsonrpc": "2.0"}, True),
        ({"result": False, "error": None}, False),
        ({"result": None, "error": None}, False),
        ({"result": 1, "error": None}, False),
        ({"result": None, "error": [20, "Other", None]}, False),
        ({"result": None, "error": [21, "Job not found", ""]}, False),
        ({"result": None, "error": [21, "Stale job!"]}, False),
        ({"result": None, "error": [22, "Duplicate share", None]}, False),
        ({"result": None, "error": [23, "Low difficulty share", None]}, False),
        ({"result": None, "error": [24, "Unauthorized worker", None]}, False),
        ({"result": None, "error": [25, "Not subscribed", None]}, False),
        ({"result": True, "error": [23, "Low difficulty share", None]}, False),
        ({"result": None, "error": {"code": 22, "message": "duplicate share"}}, False),
        ({"error": {"code": 21, "message": "Job not found", "traceback": None}}, False),
        ({"result": None, "error": "Stale"}, False),
        ({"result": True, "error": None, "reject-reason": "Above target 2"}, False),
        ({"result": False, "error": None, "reject-reason": "Stale"}, False),
        ({"method": "mining.submit", "result": True, "error": None}, True),
        ({"method": "mining.submit", "error": [21, "Job not found", None]}, False),
    ],
)  # fmt: skip
def test_verdict(verdict: dict[str, Any], accepted: bool) -> None:  # noqa: FBT001
    """A share is accepted if the result is true, and neither an error nor a reason to reject is beside it."""
    talk = say((CLIENT, call("mining.submit", SHARE, 4)), (SERVER, {"id": 4, **verdict}))
    wanted = [
        {"message": "mining.submit", "accepted": None},
        {"message": "mining.submit.reply", "stratum.reply": "mining.submit", "accepted": accepted,
         "user": "bc1qexample.rig7", "worker": "rig7"},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted


@pytest.mark.parametrize("number", [4, "4", 4.0, "auth", 0, "", -1, 2**60])
def test_reply_finds_its_request(number: Any) -> None:
    """A reply belongs to the first request that waits under its id, of whatever type, used again or not."""
    talk = say(
        (CLIENT, call("mining.submit", ["a.1", *SHARE[1:]], number)),
        (CLIENT, call("mining.submit", ["a.2", *SHARE[1:]], number)),
        (SERVER, reply(True, number)), (SERVER, reply(False, number)), (SERVER, reply(True, number)),
    )  # fmt: skip
    wanted = [
        {"message": "mining.submit", "worker": "1"}, {"message": "mining.submit", "worker": "2"},
        {"message": "mining.submit.reply", "worker": "1", "accepted": True},
        {"message": "mining.submit.reply", "worker": "2", "accepted": False},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted


@pytest.mark.parametrize(
    ("asked", "answer", "wanted"),
    [
        (call("mining.subscribe", ["x/1"]), reply(PAIRS), {"message": "mining.subscribe.reply"}),
        (call("mining.subscribe", ["x/1"]), reply(None, error=[20, "x", None]),
         {"message": "mining.subscribe.reply"}),
        (call("mining.authorize", ["a.b"]), reply(True),
         {"message": "mining.authorize.reply", "accepted": True, "user": "a.b", "worker": "b"}),
        (call("mining.authorize", ["a.b"]), reply(None, error=[24, "Unauthorized worker", None]),
         {"message": "mining.authorize.reply", "accepted": False}),
        (call("mining.authorize", ["a.b"]), reply(False),
         {"message": "mining.authorize.reply", "accepted": False}),
        (call("mining.configure", [["x"], {}]), reply({"version-rolling": True}),
         {"message": "mining.configure.reply"}),
        (call("mining.extranonce.subscribe", []), reply(True),
         {"message": "mining.extranonce.subscribe.reply", "accepted": None}),
        (call("mining.suggest_difficulty", [1]), reply(True), {"message": "mining.suggest_difficulty.reply"}),
        (call("mining.get_transactions", ["j"]), reply([]), {"message": "mining.get_transactions.reply"}),
    ],
)  # fmt: skip
def test_reply(asked: dict[str, Any], answer: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Every reply to a request that was seen is read, whatever its result."""
    rows = [{"message": asked["method"]}, {"stratum.reply": asked["method"], **wanted}]
    assert told(say((CLIENT, asked), (SERVER, answer)), rows) == rows


def test_pool_asks_the_miner() -> None:
    """Questions of the pool are answered by the miner: its agent, and its pong."""
    talk = say(
        (SERVER, call("mining.set_difficulty", [8])),
        (SERVER, call("client.get_version", [], 7)), (CLIENT, reply("Antminer S21 Pro/Mon", 7)),
        (SERVER, call("mining.ping", [], 8)), (CLIENT, reply("pong", 8)),
    )  # fmt: skip
    wanted = [
        {"message": "mining.set_difficulty"}, {"message": "client.get_version"},
        {"message": "client.get_version.reply", "agent": "Antminer S21 Pro/Mon",
         "hardware": "Antminer S21 Pro"},
        {"message": "mining.ping"}, {"message": "mining.ping.reply"},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted
    assert [facts.sender.value for facts in talk.mining] == ["server", "server", "client", "server", "client"]


# ── what a share is worth ────────────────────────────────────────────────────────────────────────────────


def test_difficulty_in_force() -> None:
    """A share, and the verdict on it, carry the difficulty that was set when the share was sent."""
    talk = say(
        (CLIENT, call("mining.suggest_difficulty", [1], 1)),
        (CLIENT, call("mining.authorize", ["a.b", "d=2"], 2)),
        (CLIENT, call("mining.submit", SHARE, 3)),
        (SERVER, call("mining.set_difficulty", [512])),
        (CLIENT, call("mining.submit", SHARE, 4)),
        (SERVER, call("mining.set_difficulty", [1024])),
        (SERVER, reply(True, 3)), (SERVER, reply(True, 4)),
        (CLIENT, call("mining.submit", SHARE, 5)), (SERVER, reply(False, 5)),
        (SERVER, reply(None, 6, [21, "Job not found", None])),
    )  # fmt: skip
    worth = [
        (facts.message.removeprefix("mining."), facts.values.get("mining.difficulty"))
        for facts in talk.mining
        if "submit" in facts.message
    ]
    assert worth == [
        ("submit", None), ("submit", 512.0), ("submit.reply", None), ("submit.reply", 512.0),
        ("submit", 1024.0), ("submit.reply", 1024.0), ("submit.reply", 1024.0),
    ]  # fmt: skip
    assert talk.conversation.session.told["mining.difficulty"] == 1024.0


def test_wishes_are_not_in_force() -> None:
    """A difficulty that the miner asks for is told, but no share is worth it."""
    talk = say((CLIENT, call("mining.suggest_difficulty", [512])), (CLIENT, call("mining.submit", SHARE, 2)))
    wanted = [{"message": "mining.suggest_difficulty", "difficulty": 512.0},
              {"message": "mining.submit", "difficulty": None, "hashes_per_share": None}]  # fmt: skip
    assert told(talk, wanted) == wanted
    assert "mining.difficulty" not in talk.conversation.session.told


def test_verdicts_from_the_pool_alone() -> None:
    """Where only the pool is heard, its bare verdicts count, behind the numbers of the greeting."""
    talk = say(
        (SERVER, reply(True, 2)), (SERVER, reply(True, 4)), (SERVER, call("mining.set_difficulty", [8])),
        (SERVER, reply(True, 3)), (SERVER, reply(True, 5)), (SERVER, reply(False, 6)),
    )  # fmt: skip
    wanted = [
        {"message": "mining.submit.reply", "accepted": True, "difficulty": None},
        {"message": "mining.set_difficulty", "accepted": None, "difficulty": 8.0},
        {"message": "mining.submit.reply", "accepted": True, "difficulty": 8.0},
        {"message": "mining.submit.reply", "accepted": False, "difficulty": 8.0},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted


# ── who mines ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("users", "accounts", "workers"),
    [
        (["a.1", "a.1"], None, None),
        (["a.1", "a.2"], None, 2),
        (["a.1", "b.1"], 2, 2),
        (["a.1", "b.1", "c"], 3, 3),
        (["a", "a.1"], None, 2),
        (["0x12/r1/mail", "0x12/r2/mail"], None, 2),
    ],
)  # fmt: skip
def test_accounts_and_machines(users: list[str], accounts: int | None, workers: int | None) -> None:
    """Accounts and machines of one connection are counted; several machines are a proxy."""
    said = [(CLIENT, call("mining.authorize", [user, "x"], number)) for number, user in enumerate(users)]
    values = say(*said).mining[-1].values
    found = [values.get(f"mining.{name}") for name in ("accounts", "workers", "proxy")]
    assert found == [accounts, workers, True if workers else None]


def test_session_remembers() -> None:
    """What was told once is known for the rest of the flow."""
    talk = say(
        (CLIENT, call("mining.subscribe", ["bitaxe/BM1366/v2.13.1", None, "pool.example", "3333"])),
        (CLIENT, call("mining.authorize", ["bc1qexample0000.rig7", "c=LTC"], 2)),
        (SERVER, call("mining.set_difficulty", [512])),
    )  # fmt: skip
    assert talk.conversation.session.told == {
        "mining.agent": "bitaxe/BM1366/v2.13.1", "mining.hardware": "Bitaxe Ultra",
        "mining.pool": "pool.example:3333",
        "mining.user": "bc1qexample0000.rig7", "mining.worker": "rig7", "mining.wallet_kind": "bitcoin",
        "mining.password": "c=LTC", "mining.coin": "LTC", "mining.difficulty": 512.0,
        "mining.hashes_per_share": 512.0 * 2**32,
    }  # fmt: skip


# ── what waits for a strong message ──────────────────────────────────────────────────────────────────────


WEAK = [
    (SERVER, call("client.reconnect", ["new.example", "3334", 0], None)),
    (SERVER, call("client.show_message", ["Welcome"], None)),
    (SERVER, call("client.get_version", [], 9)),
    (SERVER, call("mining.print", [1, "Welcome"], None)),
    (CLIENT, call("mining.pong", None, None)),
    (CLIENT, call("agent.get_capabilities", [], 12)),
]


@pytest.mark.parametrize(("side", "document"), WEAK)
def test_names_that_others_use(side: int, document: dict[str, Any]) -> None:
    """A name that others use, too, counts beside a strong message, before or behind it, and not alone."""
    strong = (SERVER, call("mining.set_difficulty", [8], None))
    assert say((side, document)).facts == []
    for talk in (say((side, document), strong), say(strong, (side, document))):
        assert sorted(talk.messages) == sorted([document["method"], "mining.set_difficulty"])
        senders = {facts.message: facts.sender.value for facts in talk.mining}
        assert senders[document["method"]] == ("client" if side == CLIENT else "server")
    assert say(
        strong, (side, {**document, "params": {"after": 5}, "method": "client.reconnect"})
    ).messages == ["mining.set_difficulty"]


def test_where_to_go() -> None:
    """A pool that sends its miners elsewhere names the new address."""
    talk = say((SERVER, call("mining.ping", [])), WEAK[0])
    wanted = [{"message": "mining.ping"}, {"message": "client.reconnect", "pool": "new.example:3334"}]
    assert told(talk, wanted) == wanted


def test_weak_messages_of_another_kind_are_not_told() -> None:
    """What waited for a strong message of its own family is dropped when one of another family comes."""
    work = reply(["0x" + "12" * 32, "0x" + "34" * 32, "0x00000000" + "ff" * 28], 0)
    talk = say((SERVER, call("client.show_message", ["Welcome"])), (SERVER, work))
    assert talk.messages == ["work-push"]


# ── what is no mining ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("side", "document"),
    [
        (CLIENT, call("server.version", ["electrum/4.5.5", ["1.4", "1.4"]], 0)),
        (CLIENT, call("blockchain.headers.subscribe", [])),
        (CLIENT, call("blockchain.scripthash.subscribe", [H64])),
        (SERVER, call("blockchain.headers.subscribe", [{"height": 798834, "hex": "00" * 80}])),
        (CLIENT, call("mempool.get_fee_histogram", [])),
        (CLIENT, call("mining.fleet.status", {"truck": 12}, 17)),
        (CLIENT, call("mining.start", {"log": "orders.xes", "algorithm": "alpha"}, 4)),
        (CLIENT, call("mining.stop", ["shaft 3"])),
        (CLIENT, call("mining.subscribed.list", ["x"])),
        (CLIENT, call("data.mining.subscribe", ["x"])),
        (CLIENT, call("mining", ["subscribe"])),
        (CLIENT, call("subscribe", ["ticker"])),
        (CLIENT, call("submit", ["a.b", "bf", "00000001", "504e86ed", "b2957c02"])),
        (CLIENT, call("authorize", ["user", "secret"])),
        (CLIENT, call("login", ["root", "secret"])),
        (CLIENT, call("pong", [], 9)),
        (SERVER, call("notify", NOTIFY)),
        (SERVER, call("set_difficulty", ["hard"])),
        (SERVER, call("set_target", [21.5], 8)),
        (SERVER, call("set_extranonce", ["not hexadecimal"])),
        (SERVER, call("client.reconnect", {"after": 5})),
        (SERVER, call("client.restart", [])),
        (SERVER, call("mining.notify", ["x"], None)),
        (SERVER, call("mining.notify", "the truck has come", None)),
        (SERVER, call("mining.notify", None)),
        (CLIENT, call("mining.submit", ["report"])),
        (CLIENT, call("mining.submit", {})),
        (CLIENT, call("mining.authorize", [])),
        (CLIENT, call("mining.authorize", [{"user": "x"}])),
        (CLIENT, call("mining.configure", ["dark"])),
        (SERVER, call("mining.set_difficulty", [])),
        (SERVER, call("mining.set_difficulty", [{"level": 3}])),
        (SERVER, call("mining.disconnect", ["truck 3"])),
        (CLIENT, call("mining.get_status", ["truck 3"])),
        (CLIENT, {"@timestamp": "2026-05-01", "message": json.dumps(call("mining.subscribe", ["x/1"]))}),
        (CLIENT, {"log": call("mining.subscribe", ["x/1"])}),
        (CLIENT, {"jsonrpc": "2.0", "method": "call", "params": call("mining.submit", SHARE)}),
        (CLIENT, {"id": 1, "methods": "mining.subscribe", "params": ["x/1"]}),
        (CLIENT, {"id": 1, "method": ["mining.subscribe"], "params": ["x/1"]}),
        (CLIENT, {"id": 1, "command": "mining.subscribe", "params": ["x/1"]}),
        (CLIENT, {"query": "subscription { mining.notify }", "variables": None}),
        (CLIENT, ["mining.subscribe", ["x/1"]]),
        (CLIENT, [call("mining.subscribe", ["x/1"]), "and then"]),
        (CLIENT, [[call("mining.subscribe", ["x/1"])]]),
        (CLIENT, "mining.subscribe\n"),
        (CLIENT, '{"id":1,"method":"mining.subscribe","params":["x/1"'),
        (CLIENT, ":bob!b@h PRIVMSG #mining :try " + json.dumps(call("mining.subscribe", [])) + "\r\n"),
    ],
)  # fmt: skip
def test_no_mining(side: int, document: Any) -> None:
    """Services that share a name, a shape or a word with Stratum are not told at all."""
    assert say((side, document)).messages == []


# ── anything at all ──────────────────────────────────────────────────────────────────────────────────────


SEEDS = [
    (CLIENT, call("mining.subscribe", ["bitaxe/BM1366/v2.13.1", None, "pool.example", "3333"])),
    (CLIENT, call("mining.authorize", ["bc1qexample.rig7", "d=64,c=LTC"], 2)),
    (
        CLIENT,
        call("mining.configure", [["info"], {"info.connection-url": "x://y.z", "info.hw-version": "S9"}]),
    ),
    (CLIENT, call("mining.submit", SHARE, 4)),
    (CLIENT, call("mining.suggest_target", ["00" + "ff" * 31])),
    (CLIENT, call("mining.hello", {"agent": "x/1", "host": "pool.example", "port": "4d2"})),
    (CLIENT, call("alph_submitHashrate", ["0x1d08a61", "0x1"])),
    (SERVER, call("mining.set_difficulty", [512], None)),
    (SERVER, call("mining.set_target", {"target": "00" * 4 + "ff" * 28})),
    (SERVER, call("mining.set", {"target": "ff" * 28, "algo": "ethash"})),
    (SERVER, call("mining.notify", NOTIFY, None, algo="x")),
    (SERVER, call("mining.submitted", {"id": 4, "result": True})),
    (SERVER, call("mining.reconnect", {"host": "new.example", "port": "d80"})),
    (SERVER, call("client.reconnect", ["new.example", 3334, 5])),
    (SERVER, reply(True, 4)),
    (SERVER, reply(PAIRS)),
]


@settings(max_examples=200, deadline=None)
@given(altered(SEEDS))
def test_any_value_anywhere(said: list[tuple[int, Any]]) -> None:
    """With any value in the place of any other, nothing fails, and every fact has its type and can be."""
    assert_sound(say(*said))
