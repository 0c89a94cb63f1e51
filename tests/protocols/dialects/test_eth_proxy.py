"""eth-proxy: Ethereum's work over lines, and the questions of wallets and nodes that look like it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from rows import ETHEREUM, H64, X64, about, altered, assert_sound, call, reply, say, told
from talk import CLIENT, SERVER, Talk

FAMILY = "eth-proxy"
TARGET = "0x0000000225c17d04dad2965cc5a02a23e254c0c3f75d9178046aeb27ce1ca574"
WORK = [X64, "0x" + "12" * 32, TARGET]
SHARE = ["0x00017b1001c34562", X64, "0x" + "34" * 32]
PUSH = (SERVER, reply(WORK, 0))


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        (call("eth_submitLogin", [ETHEREUM], worker=ETHEREUM),
         {"user": ETHEREUM, "worker": None, "wallet_kind": "ethereum", "password": None}),
        (call("eth_submitLogin", [ETHEREUM, "mail@example.com"], worker="rig1", jsonrpc="2.0"),
         {"user": ETHEREUM, "worker": "rig1", "password": "mail@example.com"}),
        (call("eth_submitLogin", [f"{ETHEREUM}/worker1/mail", "x"], worker="eth1.0"), {"worker": "eth1.0"}),
        (call("eth_submitLogin", [f"{ETHEREUM}/worker1/mail", "x"]),
         {"worker": "worker1", "user": f"{ETHEREUM}/worker1/mail"}),
        (call("eth_submitLogin", [f"{ETHEREUM}.rig7/mail@example.com"], worker=""), {"worker": "rig7"}),
        (call("eth_submitLogin", [f"{ETHEREUM}.rig7"], worker=ETHEREUM), {"worker": "rig7"}),
        (call("eth_submitLogin", [ETHEREUM], worker=7), {"worker": None}),
        (call("eth_submitLogin", ["account.rig"]), {"user": "account.rig", "worker": "rig",
          "wallet_kind": None}),
        (call("eth_submitLogin", []), {"user": None}),
        (call("eth_getWork", []), {}),
        ({"id": 5, "method": "eth_getWork"}, {}),
        (call("eth_submitWork", SHARE), {"worker": None, "accepted": None}),
        (call("eth_submitWork", SHARE, worker="rig1"), {"worker": "rig1"}),
        (call("eth_submitWork", SHARE, worker=ETHEREUM), {"worker": None}),
        (call("eth_submitHashrate", ["0x1d08a61", X64]), {"hashrate": 30_444_129.0}),
        (call("eth_submitHashrate", ["0x" + "0" * 56 + "05f5e100", X64], worker="rig1"),
         {"hashrate": 1.0e8, "worker": "rig1"}),
        (call("eth_submitHashrate", ["0x0", X64]), {"hashrate": 0.0}),
        (call("eth_submitHashrate", [60_000_000, X64]), {"hashrate": 6.0e7}),
        (call("eth_submitHashrate", ["0x" + "f" * 64, X64]), {"hashrate": None}),
        (call("eth_submitHashrate", ["fast", X64]), {"hashrate": None}),
        (call("eth_submitHashrate", []), {"hashrate": None}),
    ],
)  # fmt: skip
def test_request(document: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Each of the four methods is mining by itself, from the client's direction alone."""
    method = document["method"]
    row = {
        "message": method,
        "family": FAMILY,
        "ethereum.method": method.lower(),
        "algorithm": "ethash",
        **wanted,
    }
    for said in (document, {**document, "method": method.upper()}, [document]):
        talk = say((CLIENT, said))
        assert told(talk, [row]) == [row]
        assert talk.mining[0].sender.value == "client"


def test_any_spelling() -> None:
    """Keys in any order and escapes in any place make no difference."""
    text = (
        '{"worker": "e\\u0074h1.0", "params": ["0xab\\/worker1\\/mail", "x"],'
        ' "id": 2, "method": "eth\\u005fsubmitLogin"}\n\n'
    )
    wanted = [{"message": "eth_submitLogin", "user": "0xab/worker1/mail", "worker": "eth1.0"}]
    assert told(Talk().say(CLIENT, text), wanted) == wanted


@pytest.mark.parametrize(
    ("target", "hashes"),
    [
        (TARGET, 2.0e9),
        ("0x00000000dbe6fecebdedd5beb573440e5a884d1b2fbf06fcce912adcb8d8422e", 5.0e9),
        ("0x00000000ffb34c02420e9948eacd78cf33b059a88ade1ff0614f7f3b6a6c3ae4", 4.3e9),
    ],
)  # fmt: skip
def test_work(target: str, hashes: float) -> None:
    """Work, with a height or without, is mining by itself, and tells what a share is worth."""
    for work in ([*WORK[:2], target], [*WORK[:2], target, "0x348ab2"]):
        for document in (
            reply(work, 0),
            {"result": work, "jsonrpc": "2.0", "id": 0, "height": 9, "algo": "ethash"},
        ):
            wanted = [
                {
                    "message": "work-push",
                    "family": FAMILY,
                    "hashes_per_share": about(hashes),
                    "ethereum.work": target,
                }
            ]
            talk = say((SERVER, document))
            assert told(talk, wanted) == wanted
            assert talk.mining[0].sender.value == "server"


def test_session() -> None:
    """Replies find their requests; shares and verdicts carry what the last work was worth."""
    worth = {"hashes_per_share": about(2.0e9)}
    later = [*WORK[:2], "0x00000000dbe6fece" + "0" * 48]
    talk = say(
        (CLIENT, call("eth_submitLogin", [ETHEREUM], 1, worker="rig1")),
        (SERVER, {"id": 1, "jsonrpc": "2.0", "result": True}),
        (CLIENT, call("eth_getWork", [], "5")), (SERVER, reply(WORK, "5")),
        (CLIENT, call("eth_submitWork", SHARE, 40)), (SERVER, reply(later, 0)), (SERVER, reply(True, 40)),
        (CLIENT, call("eth_submitWork", SHARE, 40)), (SERVER, reply(False, 40)),
        (CLIENT, call("eth_submitWork", SHARE, 41)),
        (SERVER, reply(None, 41, {"code": -1, "message": "stale"})),
        (CLIENT, call("eth_submitHashrate", ["0x1", X64], 9)), (SERVER, reply(True, 9)),
    )  # fmt: skip
    now = {"hashes_per_share": about(5.0e9)}
    wanted = [
        {"message": "eth_submitLogin"},
        {"message": "eth_submitLogin.reply", "ethereum.reply": "eth_submitlogin", "accepted": True,
         "user": ETHEREUM},
        {"message": "eth_getWork"}, {"message": "eth_getWork.reply", **worth},
        {"message": "eth_submitWork", **worth}, {"message": "work-push", **now},
        {"message": "eth_submitWork.reply", "accepted": True, **worth},
        {"message": "eth_submitWork", **now}, {"message": "eth_submitWork.reply", "accepted": False, **now},
        {"message": "eth_submitWork", **now}, {"message": "eth_submitWork.reply", "accepted": False, **now},
        {"message": "eth_submitHashrate"}, {"message": "eth_submitHashrate.reply", "accepted": None},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [(reply(True), True), (reply(False), False), (reply(None, error={"code": -1, "message": "Invalid login"}),
      False)],
)  # fmt: skip
def test_login_verdict(answer: dict[str, Any], accepted: Any) -> None:
    """The pool says whether it takes the account."""
    wanted = [{}, {"message": "eth_submitLogin.reply", "accepted": accepted}]
    assert told(say((CLIENT, call("eth_submitLogin", [ETHEREUM])), (SERVER, answer)), wanted) == wanted


def test_pool_alone() -> None:
    """Where only the pool is heard, bare verdicts count under the ids that miners give to shares."""
    verdicts = [(SERVER, reply(True, number)) for number in (1, 2, 3, 5, 6, 9, "4")]
    talk = say(
        (SERVER, reply(True, 4)), PUSH, *verdicts, (SERVER, reply(True, 4)), (SERVER, reply(False, 44))
    )
    wanted = [
        {"message": "work-push", "family": FAMILY},
        {"message": "eth_submitWork.reply", "family": FAMILY, "accepted": True,
         "hashes_per_share": about(2.0e9)},
        {"message": "eth_submitWork.reply", "family": FAMILY, "accepted": False,
         "hashes_per_share": about(2.0e9)},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted
    for number in (4, 44):
        asked = (CLIENT, call("eth_syncing", [], 4))
        assert say(PUSH, asked, (SERVER, reply(False, number))).messages == ["work-push"]


def test_accounts_and_machines() -> None:
    """Two rigs of one wallet are two machines of one account; two wallets are two accounts."""
    logins = [f"{ETHEREUM}/r1/mail", f"{ETHEREUM}/r2/mail", "0x" + "5" * 40 + ".r1"]
    talk = say(
        *[(CLIENT, call("eth_submitLogin", [user, "x"], number)) for number, user in enumerate(logins)]
    )
    wanted = [{"accounts": None, "workers": None, "proxy": None},
     {"accounts": None, "workers": 2, "proxy": True},
              {"accounts": 2, "workers": 3, "proxy": True}]  # fmt: skip
    wanted = [{"message": "eth_submitLogin", **row} for row in wanted]
    assert told(talk, wanted) == wanted


@pytest.mark.parametrize(
    ("side", "document"),
    [
        (CLIENT, call("eth_blockNumber", [])),
        (CLIENT, call("eth_mining", [])),
        (CLIENT, call("eth_hashrate", [])),
        (CLIENT, call("eth_coinbase", [])),
        (CLIENT, call("eth_subscribe", ["newHeads"])),
        (CLIENT, call("eth_getFilterChanges", ["0x1"])),
        (CLIENT, call("eth_sendRawTransaction", [X64])),
        (CLIENT, call("eth_submitTransaction", [X64])),
        (CLIENT, call("eth_getBalance", [ETHEREUM, "latest"])),
        (CLIENT, call("net_version", [])),
        (CLIENT, call("miner_start", [4])),
        (CLIENT, call("submitWork", SHARE)),
        (CLIENT, call("getWork", [])),
        (CLIENT, call("eth_getWork", {"shift": "night"})),
        (CLIENT, call("eth_submitWork", {"task": 7})),
        (CLIENT, call("eth_submitLogin", None)),
        (CLIENT, {"method": "call", "params": call("eth_submitWork", SHARE)}),
        (SERVER, call("eth_subscription", {"subscription": "0x9c",
           "result": {"difficulty": "0x0", "nonce": "0x0"}})),
        (SERVER, reply([X64, X64, X64])),
        (SERVER, reply([X64, X64, "0x" + "0" * 24 + "f" * 40])),
        (SERVER, reply([X64, X64])),
        (SERVER, reply([X64, X64, TARGET, "0x1", "0x2"])),
        (SERVER, reply([H64, H64, TARGET[2:]])),
        (SERVER, reply([X64[:-2], X64, TARGET])),
        (SERVER, reply([None, None, TARGET])),
        (SERVER, reply({"0": X64, "1": X64, "2": TARGET})),
        (SERVER, reply(X64)),
        (SERVER, reply(True, 2)),
        (SERVER, call("work", [X64, X64, TARGET])),
    ],
)  # fmt: skip
def test_no_mining(side: int, document: dict[str, Any]) -> None:
    """What nodes, wallets and exchanges say to one another is not told at all."""
    assert say((side, document)).messages == []


def test_hashes_that_somebody_asked_for() -> None:
    """Three hashes in answer to another question are no work, even where the third could be a target."""
    asked = [(CLIENT, call("eth_getFilterChanges", ["0x1"], 4)), (SERVER, reply(WORK, 4))]
    assert say(*asked).messages == []
    assert say(PUSH, *asked).messages == ["work-push"]


SEEDS = [
    (CLIENT, call("eth_submitLogin", [f"{ETHEREUM}/r/mail", "x"], worker="rig1")),
    (CLIENT, call("eth_getWork", [], 5)),
    (CLIENT, call("eth_submitWork", SHARE, 4, worker="rig1")),
    (CLIENT, call("eth_submitHashrate", ["0x1d08a61", X64], 9)),
    (SERVER, reply(WORK, 5)),
    (SERVER, reply(True, 4)),
    (SERVER, reply(False, 4, {"code": -1})),
]


@settings(max_examples=200, deadline=None)
@given(altered(SEEDS))
def test_any_value_anywhere(said: list[tuple[int, Any]]) -> None:
    """With any value in the place of any other, nothing fails, and every fact has its type and can be."""
    assert_sound(say(*said))
