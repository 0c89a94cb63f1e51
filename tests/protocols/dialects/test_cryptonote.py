"""CryptoNote: logins, jobs and shares of Monero's kind, and everything else that is called so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from rows import BLOB, H64, MONERO, about, altered, assert_sound, call, reply, say, say_in_frames, told
from talk import CLIENT, SERVER, Talk

from sniffer.protocols.session import MAX_JOBS

XMRIG = "XMRig/6.26.0 (Linux x86_64) libuv/1.48.0 gcc/11.4.0"
JOB = {"blob": BLOB, "job_id": "7", "target": "b88d0600", "height": 3, "seed_hash": H64}
LOGIN = {"login": MONERO, "pass": "x", "agent": XMRIG}
SHARE = {"id": "s1", "job_id": "7", "nonce": "d0030040", "result": H64}
OK = reply({"status": "OK"}, 2)


def login(*, number: Any = 1, **members: Any) -> tuple[int, dict[str, Any]]:
    """A login with some members added or, where they are None, left out."""
    given_members = {**LOGIN, **members}
    return CLIENT, call(
        "login", {name: value for name, value in given_members.items() if value is not None}, number
    )


def job(**members: Any) -> tuple[int, dict[str, Any]]:
    """New work."""
    return SERVER, {"jsonrpc": "2.0", "method": "job", "params": {**JOB, **members}}


def logged_in(session: str, number: Any = 1, **members: Any) -> tuple[int, dict[str, Any]]:
    """The reply to a login, with the first job in it."""
    return SERVER, reply({"id": session, "job": {**JOB, **members}, "status": "OK"}, number)


def share(number: Any = 2, **members: Any) -> tuple[int, dict[str, Any]]:
    """A share."""
    return CLIENT, call("submit", {**SHARE, **members}, number)


# ── logins ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ({}, {"user": MONERO, "wallet_kind": "monero", "password": "x", "agent": XMRIG, "worker": None,
          "proxy": None}),
        ({"rigid": "rack2"}, {"worker": "rack2"}),
        ({"rigid": "rack2", "login": f"{MONERO}.office"}, {"user": f"{MONERO}.office", "worker": "rack2"}),
        ({"rigid": ""}, {"worker": None}),
        ({"login": f"{MONERO}.office-pc"}, {"worker": "office-pc", "wallet_kind": "monero"}),
        ({"login": f"{MONERO}.{H64}.ryzen"}, {"worker": "ryzen"}),
        ({"login": f"{MONERO}.50000"}, {"worker": None}),
        ({"login": f"{MONERO}+50000"}, {"user": f"{MONERO}+50000", "worker": None, "wallet_kind": "monero"}),
        ({"login": "kvetak.worker1", "agent": "xmr/1.0"}, {"worker": "worker1", "wallet_kind": None}),
        ({"agent": None}, {"agent": None, "user": MONERO}),
        ({"agent": None, "login": "account", "rigid": "r"}, {"user": "account", "worker": "r"}),
        ({"agent": None, "login": "account", "algo": ["rx/0"]}, {"user": "account"}),
        ({"agent": None, "login": H64}, {"wallet_kind": "hexadecimal"}),
        ({"agent": "xmrig-proxy/6.21.0 (Linux)"}, {"proxy": True}),
        ({"agent": "xmr-node-proxy/0.0.3"}, {"proxy": True}),
        ({"agent": "deepMiner"}, {"agent": "deepMiner"}),
        ({"mode": "self-select", "algo": ["rx/0"]}, {"algorithm": None, "hashrate": None}),
        ({"algo": ["rx/0", "rx/wow"], "algo-perf": {"rx/0": 1843.5, "rx/wow": 9}},
         {"algorithm": "rx/0", "hashrate": 1843.5}),
        ({"algo": ["rx/0"], "algo-perf": {"rx/0": "1843"}}, {"algorithm": "rx/0", "hashrate": 1843.0}),
        ({"algo": ["rx/0"], "algo-perf": {"rx/0": -5}}, {"algorithm": None, "hashrate": None}),
        ({"algo": ["rx/0"], "algo-perf": {"rx/wow": 5}}, {"algorithm": None, "hashrate": None}),
        ({"pass": ""}, {"password": None}),
    ],
)  # fmt: skip
def test_login(members: dict[str, Any], wanted: dict[str, Any]) -> None:
    """A login tells account, worker, password and program, from the client's direction alone."""
    row = {"message": "login", "family": "cryptonote", "cryptonote.method": "login", **wanted}
    talk = say(login(**members))
    assert told(talk, [row]) == [row]
    assert talk.mining[0].sender.value == "client"


@pytest.mark.parametrize(
    "text",
    [
        '{"method": "login", "params": {"login": "a", "pass": "x", "agent": "xmr/1.0"}, "id": 1}\r\n',
        '{"params":{"agent":"xmr\\/1.0","pass":"x","login":"a"},"jsonrpc":"2.0","id":"1","method":"login"}\n',
        '{"id":null,"method":"LOGIN","params":{"login":"a","pass":"x","agent":"xmr/1.0"}}\n',
        '{"\\u006dethod":"log\\u0069n","params":{"login":"","login":"a","pass":"x","agent":"xmr/1.0"}}',
        '[{"id":1,"method":"login","params":{"login":"a","pass":"x","agent":"xmr/1.0"}}]\n',
        '{"id":1,"method":"login","body":{"login":"a","pass":"x","agent":"xmr/1.0"}}\n',
    ],
)  # fmt: skip
def test_any_spelling(text: str) -> None:
    """Order of keys, white space, escapes, case of the method, repeated keys and batches do not matter."""
    wanted = [{"message": "login", "user": "a", "agent": "xmr/1.0", "password": "x"}]
    assert told(Talk().say(CLIENT, text), wanted) == wanted


# ── the pool ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("target", "difficulty"),
    [
        ("b88d0600", 10_000), ("711b0d00", 5_000), ("dc460300", 20_000), ("69ba0000", 90_001),
        ("91fd0600", 9_375),
        ("70a50700", 8_571), ("7b5e0400", 15_000), ("ffffff00", 256), ("a4703d0ad7a30000", 102_400),
        ("00000000", None), ("0100000000000000", None),
    ],
)  # fmt: skip
def test_job(target: str, difficulty: float | None) -> None:
    """New work tells what its shares are worth, from the pool's direction alone, where that can be."""
    hashes = None if difficulty is None else about(difficulty)
    row = {
        "message": "job",
        "family": "cryptonote",
        "difficulty": hashes,
        "hashes_per_share": hashes,
        "algorithm": "rx/0",
    }
    for said in (job(target=target, algo="rx/0"), job(target=target, algo="rx/0", job_id=7)):
        talk = say(said)
        assert told(talk, [row]) == [row]
        assert talk.mining[0].sender.value == "server"


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        (logged_in("s1")[1], {"message": "login.reply", "difficulty": about(10_000), "proxy": None}),
        (logged_in("s1", algo="rx/0")[1], {"message": "login.reply", "algorithm": "rx/0"}),
        (reply({"id": "1", "job": {"blob": BLOB, "target": "69ba0000"}, "status": "OK"}),
         {"message": "login.reply", "difficulty": about(90_001)}),
        (logged_in("s1", blocktemplate_blob="00", reserved_offset=130)[1],
         {"message": "login.reply", "proxy": True}),
        (reply({"status": "KEEPALIVED"}, 3), {"message": "keepalived.reply"}),
    ],
)  # fmt: skip
def test_reply_of_its_own_shape(document: dict[str, Any], wanted: dict[str, Any]) -> None:
    """A reply with work, or with the word for being kept alive, is mining though nobody saw its request."""
    row = {"family": "cryptonote", "accepted": None, **wanted}
    assert told(say((SERVER, document)), [row]) == [row]


def test_session() -> None:
    """A whole session: every reply finds its request and knows whose it is."""
    whose = {"user": MONERO, "worker": "rack2", "wallet_kind": "monero"}
    talk = say(
        login(rigid="rack2"), logged_in("s1"),
        share(2), (SERVER, OK),
        (CLIENT, call("keepalived", {"id": "s1"}, 3)), (SERVER, reply({"status": "KEEPALIVED"}, 3)),
        (CLIENT, call("getjob", {"id": "s1"}, 4)), (SERVER,
         reply({**JOB, "target": "dc460300", "job_id": "8"}, 4)),
        share("5", job_id="8"), (SERVER, reply(None, "5", {"code": -1, "message": "Low difficulty share"})),
        (CLIENT, call("block_template", {"id": "s1", "job_id": "8", "blob": BLOB}, 6)),
        (SERVER, reply({"status": "OK"}, 6)),
    )  # fmt: skip
    wanted = [
        {"message": "login", "cryptonote.reply": None, **whose},
        {"message": "login.reply", "cryptonote.reply": "login", "difficulty": about(10_000), **whose},
        {"message": "submit", "difficulty": about(10_000), **whose},
        {"message": "submit.reply", "accepted": True, "difficulty": about(10_000), **whose},
        {"message": "keepalived", **whose}, {"message": "keepalived.reply", "accepted": None, **whose},
        {"message": "getjob", **whose}, {"message": "getjob.reply", "difficulty": about(20_000), **whose},
        {"message": "submit", "difficulty": about(20_000), **whose},
        {"message": "submit.reply", "accepted": False, "difficulty": about(20_000), **whose},
        {"message": "block_template"}, {"message": "block_template.reply", "accepted": None},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted


@pytest.mark.parametrize(
    ("verdict", "accepted"),
    [
        ({"result": {"status": "OK"}, "error": None}, True),
        ({"result": {"status": "OK"}}, True),
        ({"result": {"status": "OK"}, "error": {"code": -1, "message": "Block expired"}}, False),
        ({"result": {"status": "REJECTED"}, "error": None}, False),
        ({"result": None, "error": {"code": -1, "message": "Duplicate share"}}, False),
        ({"error": {"code": -1, "message": "Unauthenticated"}}, False),
        ({"error": "Low difficulty share"}, False),
        ({"result": True, "error": None}, False),
    ],
)  # fmt: skip
def test_verdict(verdict: dict[str, Any], accepted: Any) -> None:
    """A share is accepted if its status is OK and no error stands beside it."""
    wanted = [{"message": "submit"}, {"message": "submit.reply", "accepted": accepted}]
    assert told(say(share(9), (SERVER, {"id": 9, **verdict})), wanted) == wanted


@pytest.mark.parametrize(
    ("error", "accepted"),
    [
        ({"code": -1, "message": "Invalid payment address provided"}, False),
        (None, True),
    ],
)  # fmt: skip
def test_login_without_work(error: Any, accepted: Any) -> None:
    """A login that is answered without work is refused or accepted by its status."""
    talk = say(login(), (SERVER, reply(None if error else {"id": "s1", "status": "OK"}, 1, error)))
    wanted = [{"message": "login"}, {"message": "login.reply", "accepted": accepted, "user": MONERO}]
    assert told(talk, wanted) == wanted


def test_pool_alone() -> None:
    """Where only the pool is heard, its verdicts count, and are worth what the last work was."""
    talk = say(
        (SERVER, OK), job(), (SERVER, OK), job(target="dc460300", job_id="8"), (SERVER, OK),
        (SERVER, {"id": 3, "jsonrpc": "2.0", "error": {"code": -1, "message": "Low difficulty share"}}),
        (SERVER, {"id": 4, "error": "Block expired"}),
        (SERVER, {"id": 5, "error": {"code": -1, "message": "Unauthenticated"}}),
    )  # fmt: skip
    wanted = [
        {"message": "submit.reply", "accepted": True, "difficulty": None}, {"message": "job"},
        {"message": "submit.reply", "accepted": True, "difficulty": about(10_000)}, {"message": "job"},
        {"message": "submit.reply", "accepted": True, "difficulty": about(20_000)},
        {"message": "submit.reply", "accepted": False, "difficulty": about(20_000)},
        {"message": "submit.reply", "accepted": False},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted


def test_each_share_is_worth_what_its_job_was() -> None:
    """A late share of an old job keeps the difficulty of that job; of a job that nobody saw none is known."""
    talk = say(job(job_id="a"), job(job_id="b", target="dc460300"), share(2, job_id="a"),
     share(3, job_id="b"),
               (SERVER, reply({"status": "OK"}, 3)), (SERVER, OK), share(4, job_id="c"))  # fmt: skip
    worth = [facts.values.get("mining.difficulty") for facts in talk.mining[2:]]
    assert worth == [about(10_000), about(20_000), about(20_000), about(10_000), None]


def test_job_that_is_sent_again_is_kept() -> None:
    """Of many jobs the last are kept, and one that is sent again is among the last."""
    others = [job(job_id=f"o{number}", target="dc460300") for number in range(MAX_JOBS)]
    talk = say(
        job(job_id="a"),
        *others[:-1],
        job(job_id="a"),
        others[-1],
        share(2, job_id="a"),
        share(3, job_id="o0"),
    )
    assert [facts.values.get("mining.difficulty") for facts in talk.mining[-2:]] == [about(10_000), None]


def test_several_sessions_in_one_connection() -> None:
    """Behind a proxy, shares and keep-alives find their account by the pool's name for the session."""
    talk = say(
        login(number=1, login="a.one"), login(number=2, login="b.two"), logged_in("s2", 2),
        logged_in("s1", 1),
        share(3, id="s2"), share(4, id="s1"), (SERVER, reply({"status": "OK"}, 4)), share(5, id="s3"),
        (CLIENT, call("keepalived", {"id": "s2"}, 6)),
    )  # fmt: skip
    wanted = [
        {"user": "a.one", "accounts": None, "proxy": None},
        {"user": "b.two", "accounts": 2, "workers": 2, "proxy": True},
        {"message": "login.reply", "user": "b.two", "worker": "two"},
        {"message": "login.reply", "user": "a.one", "worker": "one"},
        {"message": "submit", "user": "b.two"}, {"message": "submit", "user": "a.one", "agent": XMRIG},
        {"message": "submit.reply", "user": "a.one"}, {"message": "submit", "user": None, "workers": 2},
        {"message": "keepalived", "user": "b.two"},
    ]  # fmt: skip
    wanted = [{"message": "login", **row} for row in wanted]
    assert told(talk, wanted) == wanted


# ── other coins ──────────────────────────────────────────────────────────────────────────────────────────


def test_quantus() -> None:
    """Work without a blob is read once a login was."""
    inner = {"job_id": "8", "mining_hash": H64}
    said = [
        login(login="qzk"), (SERVER, reply({"id": "s1", "job": {**inner, "job_id": "7"}, "status": "OK"})),
        (SERVER, {"jsonrpc": "2.0", "method": "job", "params": {"clean_jobs": True, "job": inner}}),
        (CLIENT, call("submit", {"id": "s1", "job_id": "8", "nonce": "00" * 64}, 2)), (SERVER, OK),
    ]  # fmt: skip
    wanted = [{"message": "login"}, {"message": "login.reply"}, {"message": "job"},
              {"message": "submit", "user": "qzk"},
              {"message": "submit.reply", "accepted": True}]  # fmt: skip
    assert told(say(*said), wanted) == wanted
    assert say(*said[1:]).messages == []


def test_tari() -> None:
    """Keys in alphabetical order, and work for graphs, stay with the login's family."""
    graphs = {
        "algo": "cuckaroo",
        "difficulty": 10,
        "edgebits": 29,
        "job_id": "8",
        "noncebytes": 8,
        "pre_pow": H64,
        "proofsize": 42,
    }
    talk = say(
        (CLIENT, {"id": 1, "jsonrpc": "2.0", "method": "login",
          "params": {"agent": "graxil/0.3", "algo": ["sha3x"],
                                                                              "login": "14abc",
                                                                              "pass": "x"}}),
        (SERVER, {"jsonrpc": "2.0", "method": "job", "params": graphs}),
        (CLIENT, call("submit", {"id": "s1", "job_id": "8", "nonce": "00" * 8, "pow": [1] * 42}, 2)),
        (SERVER, OK),
    )  # fmt: skip
    wanted = [{"message": "login"}, {"message": "job", "algorithm": "cuckaroo"}, {"message": "submit"},
              {"message": "submit.reply", "accepted": True}]  # fmt: skip
    assert told(talk, wanted) == wanted
    assert {facts.values["mining.protocol"] for facts in talk.mining} == {"cryptonote"}


def test_bytom() -> None:
    """The dialect that asks for work by getwork is read once a login was."""
    talk = say(login(login="bm1abc", agent="bytom/1"), (CLIENT, call("getwork", {"id": "s1"}, 2)),
               (SERVER, reply(JOB, 2)), share(3, nonce="00" * 8),
               (SERVER, reply({"status": "OK"}, 3)))  # fmt: skip
    assert talk.messages == ["login", "getwork", "getwork.reply", "submit", "submit.reply"]
    assert say((CLIENT, call("getwork", {"id": "s1"}, 2))).messages == []


def test_work_for_a_proxy() -> None:
    """Work for a proxy is a whole block template, and names its difficulty."""
    work = {
        "blocktemplate_blob": BLOB,
        "reserved_offset": 130,
        "client_nonce_offset": 134,
        "target_diff": 500,
        "job_id": "p",
    }
    wanted = [
        {"message": "job", "difficulty": 500.0, "hashes_per_share": 500.0, "proxy": True},
        {"message": "login.reply", "difficulty": 500.0, "hashes_per_share": 500.0, "proxy": True},
    ]
    talk = say((SERVER, call("job", work)), (SERVER, reply({"id": "s1", "job": work, "status": "OK"})))
    assert told(talk, wanted) == wanted
    for name in ("reserved_offset", "target_diff", "job_id"):
        less = {key: value for key, value in work.items() if key != name}
        assert say((SERVER, call("job", less))).messages == []


def test_over_websocket() -> None:
    """The same lines are read in messages of WebSocket, without line ends."""
    talk = say_in_frames(login(), logged_in("s1"), share(2), (SERVER, OK))
    assert talk.messages == ["login", "login.reply", "submit", "submit.reply"]
    assert {facts.values["mining.protocol"] for facts in talk.mining} == {"cryptonote"}


# ── what is no mining ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("side", "document"),
    [
        login(agent=None, login="alice@example.com"),
        login(agent=None, login="alice", **{"pass": ""}),
        login(agent="", login="alice"),
        (CLIENT, call("login", ["root", "secret"])),
        (CLIENT, call("login", {"username": "root", "password": "secret", "agent": "x/1"})),
        (CLIENT, call("login", {"login": MONERO, "agent": XMRIG})),
        (CLIENT, call("login", {"login": [MONERO], "pass": "x", "agent": XMRIG})),
        (CLIENT, call("login", {"algo": "HS256", "pKey": H64[:32], "nonce": "N1g287gL8YOwDZr",
           "signature": H64})),
        (CLIENT, call("user.login", {"username": "Admin", "password": "zabbix"})),
        (CLIENT, call("call", {"service": "common", "method": "login", "args": ["db", "admin", "pw"]}, 12)),
        (CLIENT, call("call", ["0" * 32, "session", "login", {"username": "root", "password": "x"}])),
        (CLIENT, {"op": "login", "args": [{"apiKey": "x", "passphrase": "y", "sign": "z"}]}),
        (CLIENT, {"login": MONERO, "pass": "x", "agent": XMRIG}),
        (CLIENT, {"event": "login", "params": LOGIN}),
        (CLIENT, {"message": json.dumps(login()[1])}),
        (SERVER, {"jsonrpc": "2.0", "method": "job",
          "params": {"job_id": "7712", "image": "debian:12", "target": "release"}}),
        job(blob="10" * 32),
        job(blob="not hexadecimal " * 10),
        job(target="release"),
        job(target="b88d06"),
        job(target=H64),
        job(target=423_352),
        job(job_id=None),
        (SERVER, {"method": "job", "params": [JOB]}),
        (SERVER, {"method": "jobs", "params": JOB}),
        (SERVER, {"job": JOB}),
        (SERVER, reply({"job": {"id": 7, "state": "running", "target": "all"}})),
        (SERVER, reply({"jobs": [JOB]})),
        (CLIENT, call("submit", {"id": "node-4", "job_id": "7712", "result": "done"}, 7)),
        share(nonce="d003"), share(nonce=3_489_857), share(result="done"), share(result=H64[:-2]),
        share(job_id=None),
        share(id=7),
        (CLIENT, call("submit", {"form": "contact", "nonce": "d0030040", "result": "ok"})),
        (CLIENT, call("keepalived", {"id": "s1"}, 3)),
        (CLIENT, call("keepalived", [], 3)),
        (CLIENT, call("getjob", {"id": "17"}, 3)),
        (CLIENT, call("block_template", {"template": "header.html"}, 3)),
        (CLIENT, call("block_template", {"blob": "00" * 60}, 3)),
        (SERVER, OK),
        (SERVER, reply({"status": "ok"})),
        (SERVER, reply({"status": "keepalived"})),
        (SERVER, reply(None, 3, {"code": -1, "message": "Low difficulty share"})),
        (CLIENT, call("getbalance", {"id": "s1"})),
        (CLIENT, call("initialize", {"processId": 4242, "capabilities": {}})),
        (SERVER, call("textDocument/publishDiagnostics", {"uri": "file:///a.py", "diagnostics": []})),
        (CLIENT, {"type": "start", "payload": {"query": "subscription { job { id target blob } }"}}),
        (CLIENT, {"cmd": "submit", "scene": "castle.blend", "frames": "1-250", "job_id": 7}),
        (SERVER, {"event": "job", "data": {"id": 7, "nonce": "d0030040", "result": H64}}),
    ],
)  # fmt: skip
def test_no_mining(side: int, document: dict[str, Any]) -> None:
    """Routers, exchanges, build and render farms, and other services with these names are not told at all."""
    assert say((side, document)).messages == []


def test_answer_to_something_else() -> None:
    """A status of OK for a request that was no share is no verdict, in whatever flow."""
    talk = say(job(), (CLIENT, call("backup", {"id": "x"}, 3)), (SERVER, reply({"status": "OK"}, 3)))
    assert talk.messages == ["job"]
    assert say(job(), (SERVER, reply(True, 5)), (SERVER, reply(["", "00ab"], 6))).messages == ["job"]
    refusal = reply(None, 3, {"code": -1, "message": "duplicate key value violates unique constraint"})
    assert say((SERVER, refusal), job()).messages == ["job"]


SEEDS = [
    login(rigid="r", algo=["rx/0"], **{"algo-perf": {"rx/0": 5}}),
    (CLIENT, call("login", {**LOGIN, "login": f"{MONERO}.{H64}.x"}, "1")),
    logged_in("s1"),
    job(algo="rx/0", blocktemplate_blob="00", reserved_offset=1),
    (SERVER, {"method": "job", "params": {"job": JOB, "id": "s1"}}),
    share(),
    share(3, nonce="00" * 8),
    (SERVER, OK),
    (SERVER, reply({"status": "KEEPALIVED"}, 3)),
    (SERVER, reply(None, 2, {"code": -1, "message": "Low difficulty share"})),
    (CLIENT, call("keepalived", {"id": "s1"}, 3)),
    (CLIENT, call("getjob", {"id": "s1"}, 2)),
    (SERVER, reply(JOB, 2)),
    (CLIENT, call("block_template", {"id": "s1", "blob": BLOB}, 3)),
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(altered(SEEDS))
def test_any_value_anywhere(said: list[tuple[int, Any]]) -> None:
    """With any value in the place of any other, nothing fails, and every fact has its type and can be."""
    assert_sound(say(*said))
