"""The vocabulary: every stated fact is declared, and every message of mining meets a rule."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from rows import BLOB, ETHEREUM, H64, MONERO, X64, call, reply, ruleset, say, say_in_frames, say_over_http
from talk import CLIENT, SERVER, Talk

import sniffer
from sniffer.protocols.dialects import stratum
from sniffer.protocols.facts import ADDRESS_FACTS, FACTS, FLOW_FACTS, NAME_FACTS, SOURCES, source_of
from sniffer.protocols.families import FAMILIES
from sniffer.protocols.session import REMEMBERED

PACKAGE = Path(sniffer.__file__).parent
KINDS = {name.partition(".")[0] for name in FACTS}
WALLET = "B" + "A" * 59
KASPA = "kaspa:" + "q" * 61


def stated(path: Path) -> set[str]:
    """Names of facts in a module: keys of dictionaries inside functions, and of assignments to members."""
    names: set[str] = set()
    for function in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            keys = (
                node.keys
                if isinstance(node, ast.Dict)
                else [node.slice]
                if isinstance(node, ast.Subscript)
                else []
            )
            names |= {
                key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
            }
    return {name for name in names if name.partition(".")[0] in KINDS and "." in name}


def test_every_stated_fact_is_declared() -> None:
    """No module states a fact that is not declared."""
    modules = sorted((PACKAGE / "protocols").rglob("*.py"))
    found = {path.name: stated(path) for path in modules}
    assert {name: facts - FACTS.keys() for name, facts in found.items() if facts - FACTS.keys()} == {}
    assert len(set().union(*found.values())) > 30  # the search itself works


def test_every_fact_comes_from_somewhere() -> None:
    """For each fact it is said which protocols state it, and no line is about none."""
    assert {source_of(name) for name in FACTS} == set(SOURCES.values())
    assert {name.partition(".")[0] + "." for name in FACTS} == set(SOURCES)


def test_declarations() -> None:
    """Each fact has a type, an explanation and an example of that type; so have the special kinds."""
    for name, info in FACTS.items():
        assert info.type in (str, int, float, bool), name
        assert info.says, name
        assert info.example, name
        if info.type in (int, float):
            info.type(info.example)
        if info.type is bool:
            assert info.example in ("true", "false"), name
    assert set(ADDRESS_FACTS) <= set(NAME_FACTS) <= FACTS.keys()


def test_all_that_is_remembered_of_a_flow_can_be_asked() -> None:
    """For each fact that a session remembers there is one of the flow, of the same type."""
    assert set(FLOW_FACTS.values()) == REMEMBERED
    assert all(FACTS[name].type is FACTS[fact].type for name, fact in FLOW_FACTS.items())


ONE_OF_EACH: dict[str, Talk] = {
    "stratum-v1": say((CLIENT, call("mining.subscribe", ["x/1"]))),
    "stratum-equihash": say((SERVER, call("mining.set_target", ["0004" + "18" * 30]))),
    "stratum-kaspa": say((CLIENT, call("mining.authorize", [KASPA, "x"]))),
    "stratum-kawpow": say((SERVER, call("mining.set_target", ["00000000" + "ff" * 28]))),
    "stratum-alephium": say((SERVER, call("mining.notify", [{"headerBlob": "00"}]))),
    "stratum-conflux": say((CLIENT, call("mining.subscribe", ["w", ""], jsonrpc="2.0"))),
    "stratum-ironfish": say((SERVER, {"id": 1, "method": "mining.status", "body": {"name": "x"}})),
    "stratum-nervos": say((SERVER, call("mining.notify", ["1", H64, 2, H64, True]))),
    "stratum-sia": say((SERVER, call("mining.notify", ["1", "0x" + "1f" * 80, X64]))),
    "stratum-ergo": say((SERVER, call("mining.notify", ["j", H64, 651_234, True]))),
    "stratum-aleo": say((SERVER, call("mining.set_target", [18_446_744_073_709]))),
    "stratum-xelis": say((CLIENT, call("mining.authorize", ["xel:" + "q" * 60, "rig", "x"]))),
    "ethstratum": say((SERVER, call("mining.notify", ["j", X64, X64, X64, True]))),
    "ethstratum-1": say((CLIENT, call("mining.subscribe", ["x/1", "EthereumStratum/1.0.0"]))),
    "ethstratum-2": say((CLIENT, {"id": 1, "method": "mining.noop"})),
    "eth-proxy": say((CLIENT, call("eth_submitLogin", [ETHEREUM]))),
    "eth-getwork-http": say_over_http((CLIENT, call("eth_submitHashrate", ["0x1", X64]))),
    "getwork-http": say_over_http((CLIENT, call("getwork", []))),
    "gbt-http": say_over_http((CLIENT, call("getblocktemplate", [])), fields=["User-Agent: cgminer 3.7.2"]),
    "monero-daemon-mining": say_over_http((CLIENT, call("getblocktemplate", {"wallet_address": MONERO}))),
    "cryptonote": say((SERVER, call("job", {"blob": BLOB, "job_id": "1", "target": "b88d0600"}))),
    "grin": say((CLIENT, call("getjobtemplate"))),
    "beam": say((CLIENT, call("login", api_key="k"))),
    "qatum": say((SERVER, {"id": 2, "computorId": WALLET})),
    "nimiq-ws": say_in_frames((CLIENT, {"message": "register", "genesisHash": "x", "deviceId": 1})),
    "ws-miner": say_in_frames((CLIENT, {"type": "auth", "params": {"site_key": "x"}})),
    "btcagent": say((CLIENT, bytes.fromhex("7f01140011226367") + b"miner\0s1099\0")),
    "chia-pool": say_over_http((CLIENT, {"payload": {"launcher_id": X64, "proof_of_space": {}}})),
    "miner-api": say((CLIENT, {"command": "summary"})),
    "stratum-v2": say((CLIENT, bytes.fromhex(
        "00000033000000020002000100000010706f6f6c2e6578616d706c652e636f6d"
        "ce850662697461786506424d313337300776322e31332e3100"
    ))),
}  # fmt: skip
HEADER_ONLY = {
    "datum"
}  # a header that only its length and its key make likely: its reader has tests of its own


def test_one_of_each() -> None:
    """The table above has a message of every family."""
    assert ONE_OF_EACH.keys() | HEADER_ONLY == FAMILIES.keys()
    assert {name: talk.facts[-1].values["mining.protocol"] for name, talk in ONE_OF_EACH.items()} == {
        name: name for name in ONE_OF_EACH
    }


@pytest.mark.parametrize("family", sorted(ONE_OF_EACH))
def test_every_family_meets_a_rule(family: str) -> None:
    """A message of each family meets a rule of those that ship."""
    facts = ONE_OF_EACH[family].facts[-1]
    assert [rule.id for rule, _ in ruleset().match(facts.values)]


def test_headers_meet_a_rule() -> None:
    """Families that are known by a header only meet a rule, too, and be it one of the nursery."""
    for family in HEADER_ONLY:
        assert ruleset().match({"mining.protocol": family, "mining.message": "hello"})


@pytest.mark.parametrize(
    "method",
    sorted({*stratum.CLIENT_METHODS, *stratum.SERVER_METHODS, *stratum.WEAK_METHODS, *stratum.BODY_METHODS,
      "set_extranonce"}),
)  # fmt: skip
def test_every_method_meets_one_rule(method: str) -> None:
    """Each method of the Stratum kind is counted, and once."""
    found = ruleset().match(
        {"mining.protocol": "stratum-v1", "mining.message": method, "stratum.method": method}
    )
    assert len(found) == 1


WORK = reply([X64, X64, "0x00000000" + "ff" * 28])
SHARES: list[tuple[Any, ...]] = [
    ((CLIENT, call("mining.submit", ["a", "b", "00", "00", "00"], 4)), (SERVER, reply(True, 4))),
    (
        (CLIENT, call("eth_submitWork", ["0x00017b1001c34562", X64, X64], 4)),
        (SERVER, reply(True, 4)),
        (SERVER, WORK),
    ),
    (
        (CLIENT, call("submit", {"id": "s", "job_id": "1", "nonce": "d0030040", "result": H64}, 4)),
        (SERVER, reply({"status": "OK"}, 4)),
    ),
    ((CLIENT, call("submit", {"edge_bits": 29, "pow": [1] * 42, "job_id": 1}, 4)), (SERVER, reply("ok", 4))),
    (
        (CLIENT, call("solution", number="4", output="5d" * 104)),
        (SERVER, call("result", number="4", code=1, description="ok")),
    ),
    ((CLIENT, {"id": 4, "nonce": H64, "computorId": WALLET}), (SERVER, reply(True, 4))),
]


@pytest.mark.parametrize("said", SHARES)
def test_every_message_of_a_share_meets_a_rule(said: tuple[Any, ...]) -> None:
    """Shares, the verdicts on them and new work are counted in every family over lines."""
    talk = say(*said)
    assert len(talk.mining) == len(said)
    for facts in talk.mining:
        assert ruleset().match(facts.values), facts.message
