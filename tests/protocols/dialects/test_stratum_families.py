"""Which coin a message of the Stratum kind gives away, and what only that coin's messages tell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import ETHEREUM, H64, X64, about, altered, assert_sound, call, reply, say, told
from talk import CLIENT, SERVER

V1, EQUIHASH, KASPA, KAWPOW = "stratum-v1", "stratum-equihash", "stratum-kaspa", "stratum-kawpow"
ALEPHIUM, CONFLUX, IRONFISH, NERVOS = (
    "stratum-alephium",
    "stratum-conflux",
    "stratum-ironfish",
    "stratum-nervos",
)
SIA, ERGO, ALEO, XELIS = "stratum-sia", "stratum-ergo", "stratum-aleo", "stratum-xelis"
ETH, ETH1, ETH2 = "ethstratum", "ethstratum-1", "ethstratum-2"
NAMES = {  # what follows from the family alone: coin, algorithm
    V1: (None, None), EQUIHASH: (None, "equihash"), KASPA: ("KAS", "kheavyhash"), KAWPOW: (None, "kawpow"),
    ALEPHIUM: ("ALPH", "blake3"), CONFLUX: ("CFX", "octopus"), IRONFISH: ("IRON", None),
    NERVOS: ("CKB", "eaglesong"),
    SIA: ("SC", "blake2b"), ERGO: ("ERG", "autolykos2"), ALEO: ("ALEO", "aleo"), XELIS: ("XEL", "xelishash"),
    ETH: (None, "ethash"), ETH1: (None, "ethash"), ETH2: (None, "ethash"),
}  # fmt: skip

KASPA_WALLET = "kaspa:qqkrl0er5ka5snd55gr9rcf6rlpx8nln8gf3jxf83w4dc0khfqmauy6qs83zm"
CONFLUX_WALLET = "cfx:aarc9abycue0hhzgyrr53m6cxedgccrmmyybjgh4xg"
XELIS_WALLET = "xel:ys4peuzztwl67rzhsdu0yxfzwcfmgt85uu53hycpeeary7n8qvysqmxznt0"
NERVOS_WALLET = "ckb1qyq2znu0gempdahctxsm49sa9jdzq9vnka7qt9ntff"
ERGO_WALLET = "9" + "h" * 50
ALEO_WALLET = "aleo1" + "q" * 58
ZCASH_WALLET = "t1fAhZF5aUJdY7CikGULHmeYk7id8qmvbAd"
LOW = "00000000ffff" + "0" * 52  # a target of coins that are hashed by the billion
HIGH = "0004189374bc6a7ef9db22d0e5604189374bc6a7ef9db22d0e5604189374bc6a"
BIG = "28948022309329048855892746252171976963209391069768726095651290785380"
JOB = {"jobId": "515a01", "fromGroup": 0, "toGroup": 3, "headerBlob": "00a1", "txsBlob": "00", "height": 1}


def body(method: str, inside: Any, number: Any = 1) -> dict[str, Any]:
    """A message of Iron Fish."""
    return {"id": number, "method": method, "body": inside}


@pytest.mark.parametrize(
    ("side", "document", "family", "wanted"),
    [
        # Zcash and its kin
        (CLIENT, call("mining.subscribe", ["EWBF 0.3.4b", None, "eu1-zcash.flypool.org", "3333"]), EQUIHASH,
         {"agent": "EWBF 0.3.4b", "pool": "eu1-zcash.flypool.org:3333"}),
        (CLIENT, call("mining.subscribe", ["MagicBean/1.0.0", None, "pool.example.com", 1337]), EQUIHASH,
         {"pool": "pool.example.com:1337"}),
        (CLIENT, call("mining.subscribe", ["miniZ/2.0", None, "btg.pool.example", 4000]), EQUIHASH, {}),
        (CLIENT, call("mining.authorize", [f"{ZCASH_WALLET}.rig4", "x"]), EQUIHASH,
         {"user": f"{ZCASH_WALLET}.rig4", "worker": "rig4", "wallet_kind": "zcash", "password": "x"}),
        (SERVER, call("mining.set_target", [HIGH]), EQUIHASH, {"hashes_per_share": about(16_000)}),
        (SERVER, call("mining.set_target", ["00028f5c" + "28" * 28]), EQUIHASH,
         {"hashes_per_share": about(25_600)}),
        (SERVER, call("mining.set_target", ["003c" + "3c" * 30]), EQUIHASH,
         {"hashes_per_share": about(1_088)}),
        (SERVER, call("mining.notify", ["14", "04000000", H64, H64, "00" * 32, "61ed7c58", "83837b1c", True]),
         EQUIHASH,
         {"hashes_per_share": None}),
        (SERVER, call("mining.notify", ["14", "00000020", H64, H64, "00" * 32, "61ed7c58", "83837b1c", True]),
         EQUIHASH, {}),
        (SERVER, call("mining.notify", ["1", "04000000", H64, H64, "00" * 32, "61", "1c", True, "144_5",
           "BgoldPoW"]),
         EQUIHASH, {"algorithm": "144_5"}),
        (SERVER, call("mining.notify", ["1", "20000000", H64, H64, "00" * 32, "61", "1c", False, "192_7",
           "ZERO_PoW"]),
         EQUIHASH, {"algorithm": "192_7"}),
        (CLIENT, call("mining.submit", ["w.rig", "j", "a9cc405a", "3e27", "fd4005" + "17" * 1344]), EQUIHASH,
         {"user": "w.rig", "worker": "rig"}),
        (CLIENT, call("mining.submit", ["w.rig", "j", "a9cc405a", "3e27", "64" + "17" * 100]), EQUIHASH, {}),
        # KawPow
        (SERVER, call("mining.set_target", [LOW]), KAWPOW, {"hashes_per_share": about(4.295e9)}),
        (SERVER, call("mining.notify", ["b4d1", H64, H64, LOW, True, 1_234_567, "1b00abcd"]), KAWPOW,
         {"hashes_per_share": about(4.295e9)}),
        (CLIENT, call("mining.submit", ["RJ1pWcBkVPS2DSzgB5Rk3BbYxLpCUgNaUw.rig1", "b4d1",
           "0x64290b0000a1b2c3", X64, X64]),
         KAWPOW, {"worker": "rig1", "wallet_kind": "ravencoin"}),
        (CLIENT, call("mining.subscribe", ["kawpowminer/1.2.4"], jsonrpc="2.0"), V1,
         {"agent": "kawpowminer/1.2.4"}),
        (CLIENT, call("mining.subscribe", ["GMiner/2.09", None, "rvnt.minermore.com", "4505"]), V1,
         {"pool": "rvnt.minermore.com:4505"}),
        # Kaspa
        (CLIENT, call("mining.subscribe", ["GodMiner/2.0.0"]), V1, {"hardware": "Antminer KS"}),
        (CLIENT, call("mining.subscribe", ["IceRiverMiner-v1.1"]), V1, {"hardware": "IceRiver KS"}),
        (CLIENT, call("mining.authorize", [f"{KASPA_WALLET}.ks0", "x"]), KASPA,
         {"user": f"{KASPA_WALLET}.ks0", "worker": "ks0", "wallet_kind": "kaspa"}),
        (CLIENT, call("mining.submit", [f"{KASPA_WALLET}.ks0", "7", "0x0029a1b2c3d4e5f6"]), KASPA,
         {"worker": "ks0"}),
        (SERVER, reply([True, "EthereumStratum/1.0.0"]), KASPA, {"message": "mining.subscribe.reply"}),
        (SERVER, call("set_extranonce", ["0029"], None), KASPA, {}),
        (SERVER, call("set_extranonce", ["0029", 6]), KASPA, {}),
        (SERVER, call("mining.notify", ["7", [2769687437080476293, 2642455852654975590, 1637, 2**63],
           1671131211034]), KASPA,
         {"hashes_per_share": None}),
        (SERVER, {"method": "mining.notify", "params": ["12", "ab" * 40]}, KASPA, {}),
        # Alephium
        (SERVER, call("mining.notify", [JOB] * 16, None), ALEPHIUM, {}),
        (CLIENT, call("mining.submit", {**JOB, "nonce": "00" * 24, "worker": "1abc.rig"}), ALEPHIUM,
         {"user": "1abc.rig", "worker": "rig"}),
        (CLIENT, call("alph_submitHashrate", ["0x1d08a61", "0x01"]), ALEPHIUM,
         {"hashrate": 30_444_129.0, "stratum.method": "alph_submithashrate"}),
        (SERVER, call("mining.set_extranonce", ["515a"], None), V1, {}),
        # Conflux
        (CLIENT, call("mining.subscribe", ["miner1", ""], jsonrpc="2.0"), CONFLUX,
         {"user": "miner1", "agent": None, "worker": None}),
        (SERVER, call("mining.notify", ["86", "2302785", X64, "0x55e63b88c2" + "0" * 48], xn="30"), CONFLUX,
         {"hashes_per_share": about(5.0e7)}),
        (CLIENT, call("mining.submit", [f"{CONFLUX_WALLET}.r1", "86", "0x3000a1b2c3d4e5f6", X64]), CONFLUX,
         {"user": f"{CONFLUX_WALLET}.r1", "worker": "r1", "wallet_kind": "conflux"}),
        # Iron Fish
        (CLIENT, body("mining.subscribe", {"version": 2, "agent": "teamredminer/0.10.9", "publicAddress": H64,
           "name": "rig"}),
         IRONFISH, {"user": H64, "worker": "rig", "agent": "teamredminer/0.10.9",
          "wallet_kind": "hexadecimal"}),
        (CLIENT, body("mining.subscribe", {"version": 3, "agent": "lolMiner/1.85beta",
           "publicAddress": "ADDR.WORKER"}),
         IRONFISH, {"user": "ADDR.WORKER", "worker": "WORKER"}),
        (SERVER, body("mining.subscribed", {"clientId": 5, "xn": "0005"}), IRONFISH, {}),
        (SERVER, body("mining.subscribed", {"clientId": 5, "graffiti": "x"}), IRONFISH, {}),
        (SERVER, body("mining.set_target", {"target": "00000000494cff9a" + "0" * 48}), IRONFISH,
         {"hashes_per_share": about(1.5e10)}),
        (SERVER, body("mining.notify", {"miningRequestId": 5, "header": "00" * 180}), IRONFISH, {}),
        (CLIENT, body("mining.submit", {"miningRequestId": 5, "randomness": "0005" + "0" * 12}), IRONFISH,
         {"accepted": None, "user": None}),
        (SERVER, body("mining.submitted", {"id": 2, "result": True}), IRONFISH, {"accepted": True}),
        (SERVER, body("mining.submitted", {"id": 2, "result": False, "message": "Duplicate"}), IRONFISH,
         {"accepted": False}),
        (SERVER, body("mining.status", {"name": "pool", "hashRate": 5}), IRONFISH, {"hashrate": None}),
        (CLIENT, body("mining.get_status", {"publicAddress": H64}), IRONFISH, {}),
        (SERVER, body("mining.disconnect", {"reason": "banned"}), IRONFISH, {}),
        # Nervos, Siacoin, Ergo, Aleo, Xelis
        (CLIENT, call("mining.subscribe", ["ckbminer-v1.0.0", None, "ckb.uupool.cn", "10861"]), V1,
         {"pool": "ckb.uupool.cn:10861"}),
        (CLIENT, call("mining.authorize", [f"{NERVOS_WALLET}.worker1", "x"]), NERVOS,
         {"worker": "worker1", "wallet_kind": "nervos"}),
        (SERVER, call("mining.notify", ["17282f", H64, 2_230_102, H64, True]), NERVOS, {}),
        (SERVER, call("mining.notify", ["49", "0x" + "1f" * 80, "0x" + LOW]), SIA,
         {"hashes_per_share": about(4.295e9)}),
        (CLIENT, call("mining.authorize", [f"{ERGO_WALLET}.rig", "x"]), ERGO,
         {"worker": "rig", "wallet_kind": "ergo"}),
        (SERVER, call("mining.notify", ["0", "651234", H64, "", "", 2, BIG, "", True]), ERGO,
         {"hashes_per_share": about(4.0e9)}),
        (SERVER, call("mining.notify", ["0", "651234", H64, "", "", 2, BIG, "", True], algo="autolykos-v2"),
         ERGO,
         {"algorithm": "autolykos-v2"}),
        (SERVER, call("mining.notify", ["j", H64, 651_234, True]), ERGO, {"hashes_per_share": None}),
        (SERVER, call("mining.notify", ["j", H64, "651234", False]), ERGO, {}),
        (CLIENT, call("mining.subscribe", ["agent/1", "AleoStratum/1.0.0", None]), ALEO,
         {"agent": "agent/1"}),
        (CLIENT, call("mining.authorize", [f"{ALEO_WALLET}.rig", "x"]), ALEO,
         {"worker": "rig", "wallet_kind": "aleo"}),
        (SERVER, call("mining.set_target", [18_446_744_073_709]), ALEO, {"hashes_per_share": None}),
        (SERVER, call("mining.notify", ["j", "0001", ALEO_WALLET, True]), ALEO, {}),
        (CLIENT, call("mining.submit", ["w", "j", "00" * 8, "cafe", "01" * 600]), ALEO, {"user": "w"}),
        (CLIENT, call("mining.authorize", [XELIS_WALLET, "rig7", "x"]), XELIS,
         {"user": XELIS_WALLET, "worker": "rig7", "password": "x", "wallet_kind": "xelis"}),
        (CLIENT, call("mining.submit", [XELIS_WALLET, "7", "13639ca53f21df75b94a"]), XELIS,
         {"user": XELIS_WALLET}),
        # EthereumStratum
        (CLIENT, call("mining.subscribe", ["PhoenixMiner/5.5c", "EthereumStratum/1.0.0"]), ETH1,
         {"agent": "PhoenixMiner/5.5c"}),
        (SERVER, reply([["mining.notify", "ae6812eb", "EthereumStratum/1.0.0"], "080c"]), ETH1,
         {"message": "mining.subscribe.reply"}),
        (SERVER, call("mining.notify", ["bf0488aa", H64, H64, True], None), ETH1, {"hashes_per_share": None}),
        (CLIENT, call("mining.submit", ["username", "bf0488aa", "6a909d9bbc0f"]), ETH1, {"user": "username"}),
        (SERVER, call("mining.notify", ["bf0488aa", X64, X64, "0x0000000225c17d04" + "0" * 48, True]), ETH,
         {"hashes_per_share": about(2.0e9)}),
        (CLIENT, call("mining.subscribe", ["x/1", "EthereumStratum/2.0.0"]), ETH2, {"agent": "x/1"}),
        (CLIENT, call("mining.hello", {"agent": "ethminer-0.17", "host": "pool.example", "port": "4d2"}),
         ETH2,
         {"agent": "ethminer-0.17", "pool": "pool.example:1234"}),
        (SERVER, reply({"proto": "EthereumStratum/2.0.0", "encoding": "gzip"}, 0), ETH2,
         {"message": "mining.hello.reply"}),
        (SERVER, call("mining.set", {"epoch": "dc", "target": "0112e0be826d" + "6" * 46, "algo": "ethash"}),
         ETH2,
         {"hashes_per_share": about(4.0e9), "algorithm": "ethash"}),
        (SERVER, call("mining.notify", ["bf0488aa", "6526d5", H64, "0"]), ETH2, {}),
        (CLIENT, call("mining.submit", ["bf0488aa", "68765fccd712", "w-123"]), ETH2,
         {"user": None, "worker": None}),
        (CLIENT, call("mining.hashrate", ["500000", "w-123"]), ETH2, {"hashrate": 5_242_880.0}),
        (CLIENT, {"id": 50, "method": "mining.noop"}, ETH2, {}),
        (SERVER, {"id": 51, "method": "mining.bye"}, ETH2, {}),
        (SERVER, call("mining.reconnect", {"host": "new.example", "port": "d80", "resume": "1"}), V1,
         {"pool": "new.example:3456"}),
        # no family of their own: Handshake, Decred, Kadena
        (SERVER, call("mining.notify", ["9d", H64, H64, H64, H64, H64, H64, "00000000", "1a00", "5f",
           "00" * 8, True]),
         V1, {"hashes_per_share": None}),
        (SERVER, call("mining.notify", ["1", "2302785", "651234", True]), V1, {}),
        (SERVER, call("mining.notify", ["0", H64, "00", "ab", "cd", 2, BIG, "", True]), V1,
         {"hashes_per_share": None}),
        (CLIENT, call("mining.submit", ["cafe", "0123456789abcdef", "0x0029a1b2c3d4e5f6"]), V1,
         {"user": "cafe"}),
        (SERVER, call("mining.notify", ["76df", "00" * 32, "ab" * 120, "07000000", [], "07000000", "", "5f",
           True]), V1, {}),
        (CLIENT, call("mining.subscribe", ["decred-gominer/2.1.0"], jsonrpc="1.0"), V1,
         {"agent": "decred-gominer/2.1.0"}),
    ],
)  # fmt: skip
def test_one_message_shows_the_coin(
    side: int, document: dict[str, Any], family: str, wanted: dict[str, Any]
) -> None:
    """Each message that only one coin has shows its family alone, and tells what is in it."""
    coin, algorithm = NAMES[family]
    row = {
        "message": document.get("method"),
        "family": family,
        "coin": coin,
        "algorithm": algorithm,
        **wanted,
    }
    assert told(say((side, document)), [row]) == [row]


@pytest.mark.parametrize(
    ("said", "families"),
    [
        ([call("mining.set_difficulty", [1]), call("mining.notify", [JOB])], [V1, ALEPHIUM]),
        ([call("mining.set_target", [LOW]), call("mining.notify", ["1", H64, 22, H64, True])],
         [KAWPOW, NERVOS]),
        ([call("mining.set_target", [LOW]), call("mining.notify", ["j", H64, 651_234, True])],
         [KAWPOW, ERGO]),
        ([call("mining.set_target", [HIGH]), body("mining.notify", {"header": "00"})], [EQUIHASH, IRONFISH]),
        ([call("mining.notify", [JOB]), call("mining.notify", ["j", H64, "x"])], [ALEPHIUM, ALEPHIUM]),
        ([call("mining.notify", [JOB]), call("mining.set_target", [HIGH])], [ALEPHIUM, ALEPHIUM]),
        ([call("mining.notify", [JOB]), call("mining.set_difficulty", [4])], [ALEPHIUM, ALEPHIUM]),
    ],
)  # fmt: skip
def test_new_work_is_the_surest_sign(said: list[dict[str, Any]], families: list[str]) -> None:
    """New work corrects what other messages made believe; nothing makes a coin unknown again."""
    talk = say(*[(SERVER, document) for document in said])
    assert [facts.values["mining.protocol"] for facts in talk.mining] == families
    assert talk.conversation.session.protocol == families[-1]


@pytest.mark.parametrize(
    ("before", "share", "difficulty", "hashes"),
    [
        ([call("mining.set_difficulty", [65_536])], ["a", "b", "00", "00", "00"], 65_536.0, 2.8147e14),
        ([call("mining.set_difficulty", [4_096])], [KASPA_WALLET, "7", "0x0029"], 4_096.0, 1.7592e13),
        ([call("mining.set_difficulty", [2]), call("mining.notify", ["b", H64, H64, True])],
         ["a", "b", "6a909d9bbc0f"],
         2.0, 8.59e9),
        ([call("mining.set_difficulty", [0.5])], ["a", "b", "6a909d9bbc0f"], 0.5, 2.147e9),
        ([call("mining.set_difficulty", [1]), call("mining.notify", [JOB])], {**JOB, "nonce": "00"}, 1.0,
         2.0**34),
        ([call("mining.set_difficulty", [1])], {**JOB, "nonce": "00"}, 1.0, 2.0**34),
        ([call("mining.set_difficulty", [3]), call("mining.notify", ["1", "0x" + "1f" * 80, "0x" + LOW])],
         ["a", "b", "00", "00", "00"], None, 4.295e9),
        ([call("mining.set_target", [HIGH])], ["t.rig", "j", "a9", "3e", "fd4005" + "17" * 1344], None,
         16_000),
        ([call("mining.set_difficulty", [8]), call("mining.notify",
           ["0", "6", H64, "", "", 2, BIG, "", True])],
         [ERGO_WALLET, "0", "00", "00", "00"], None, 4.0e9),
        ([call("mining.notify", ["1", "2302785", X64, "0x55e63b88c2" + "0" * 48])],
         [CONFLUX_WALLET, "1", "0x30", X64],
         None, 5.0e7),
        ([call("mining.set_difficulty", [100])], [ALEO_WALLET, "1", "00", "00", "00"], 100.0, None),
        ([call("mining.set_difficulty", [100])], [CONFLUX_WALLET, "1", "0x30", X64], 100.0, None),
        ([call("mining.set_difficulty", [100])], [XELIS_WALLET, "7", "13639ca53f21df75b94a"], 100.0, None),
        ([call("mining.set_target", ["0" * 64])], ["a", "b", "00", "00", "00"], None, None),
    ],
)  # fmt: skip
def test_worth_of_a_share(
    before: list[dict[str, Any]], share: Any, difficulty: float | None, hashes: float | None
) -> None:
    """Difficulty 1 and targets mean what they mean in the family, also where that shows only behind them."""
    talk = say(*[(SERVER, document) for document in before], (CLIENT, call("mining.submit", share, 9)))
    talk.say(SERVER, '{"id":9,"result":true}\n')
    for facts in talk.mining[-2:]:
        assert facts.values.get("mining.difficulty") == difficulty
        assert facts.values.get("mining.hashes_per_share") == (None if hashes is None else about(hashes))
    assert [facts.message for facts in talk.mining[-2:]] == ["mining.submit", "mining.submit.reply"]


def test_iron_fish_session() -> None:
    """In a session of Iron Fish its messages count without parameters, too, and its errors are verdicts."""
    talk = say(
        (CLIENT, body("mining.subscribe", {"version": 1, "publicAddress": H64})),
        (SERVER, {"id": 2, "method": "mining.wait_for_work"}),
        (SERVER, body("mining.set_target", {"target": "00000000494cff9a" + "0" * 48}, 3)),
        (CLIENT, body("mining.submit", {"miningRequestId": 5, "randomness": "00" * 8}, 2)),
        (SERVER, body("mining.submitted", {"id": 2, "result": True}, 4)),
        (CLIENT, {"id": 3, "method": "mining.get_status"}),
        (SERVER, {"id": 23433, "error": {"id": 63, "message": "Duplicate share"}}),
        (SERVER, {"id": 5, "method": "mining.disconnect"}),
    )  # fmt: skip
    wanted = [
        {"message": "mining.subscribe"}, {"message": "mining.wait_for_work"},
        {"message": "mining.set_target"},
        {"message": "mining.submit", "hashes_per_share": about(1.5e10), "accepted": None},
        {"message": "mining.submitted", "hashes_per_share": about(1.5e10), "accepted": True},
        {"message": "mining.get_status"},
        {"message": "mining.submit.reply", "hashes_per_share": about(1.5e10), "accepted": False},
        {"message": "mining.disconnect"},
    ]  # fmt: skip
    assert told(talk, wanted) == wanted
    assert {facts.values["mining.protocol"] for facts in talk.mining} == {IRONFISH}
    roles = [facts.sender.value[0] for facts in talk.mining]
    assert roles == ["c", "s", "s", "c", "s", "c", "s", "s"]


@pytest.mark.parametrize(
    ("side", "document"),
    [
        (CLIENT, body("mining.get_status", {})),
        (CLIENT, {"id": 3, "method": "mining.get_status"}),
        (SERVER, {"id": 3, "method": "mining.disconnect"}),
        (SERVER, call("mining.status", {"truck": 3})),
        (SERVER, body("job", {"header": "00"})),
        (CLIENT, body("subscribe", {"agent": "x/1", "publicAddress": H64})),
        (CLIENT, call("alph_submitHashrate", "0x1")),
        (CLIENT, call("alph_submitHashrate", {})),
        (CLIENT, call("alph_getBlock", ["0x1"])),
        (SERVER, call("set_extranonce", [None, 6])),
        (SERVER, call("set_extranonce", {"extranonce": "0029"})),
        (SERVER, reply([False, "EthereumStratum/1.0.0"])),
        (SERVER, reply({"proto": "h2", "encoding": "gzip"})),
        (SERVER, reply({"protocol": "EthereumStratum/2.0.0"})),
        (CLIENT, call("connect", [KASPA_WALLET, ETHEREUM, ZCASH_WALLET])),
    ],
)  # fmt: skip
def test_no_mining(side: int, document: dict[str, Any]) -> None:
    """What only resembles a message of a coin is not told at all."""
    assert say((side, document)).messages == []


SEEDS = [
    (SERVER, call("mining.notify", ["1", "04000000", H64, H64, "00" * 32, "61", "1c", True, "144_5", "x"])),
    (SERVER, call("mining.notify", ["b4d1", H64, H64, LOW, True, 1_234_567, "1b00abcd"])),
    (SERVER, call("mining.notify", ["7", [2769687437080476293, 1, 2, 3], 1671131211034])),
    (SERVER, call("mining.notify", ["86", "2302785", X64, "0x55e63b88c2" + "0" * 48], algo="x")),
    (SERVER, call("mining.notify", ["49", "0x" + "1f" * 80, "0x" + LOW])),
    (SERVER, call("mining.notify", ["0", "651234", H64, "", "", 2, BIG, "", True])),
    (SERVER, {"id": 1, "method": "mining.notify", "params": {"headerBlob": 1}, "body": {"header": "00"}}),
    (SERVER, body("mining.set_target", {"target": LOW})),
    (SERVER, body("mining.submitted", {"id": 2, "result": True})),
    (CLIENT, body("mining.subscribe", {"agent": "x/1", "publicAddress": H64, "name": "rig"})),
    (CLIENT, call("mining.submit", {**JOB, "nonce": "00", "worker": "1abc.rig"})),
    (CLIENT, call("mining.submit", [KASPA_WALLET, "7", "0x0029a1b2c3d4e5f6"])),
    (SERVER, call("mining.set_difficulty", [1])),
]
MEMBERS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([H64, X64, LOW, BIG, "04000000", "0", "", JOB, [1, 2, 3, 4]])
)


@settings(max_examples=150, deadline=None)
@given(altered(SEEDS), st.lists(MEMBERS, max_size=12))
def test_any_value_anywhere(said: list[tuple[int, Any]], params: list[Any]) -> None:
    """With any value in the place of any other, nothing fails, and every fact has its type and can be."""
    both = [(side, call(f"mining.{name}", params)) for side, name in ((SERVER, "notify"), (CLIENT, "submit"))]
    assert_sound(say(*said, *both))
