"""The test vectors of the protocol reference (its section 15): read whole, byte by byte and cut where they say."""

from __future__ import annotations

import base64
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from talk import KEY, SERVER, Talk, frame

from sniffer.oddities import Oddities
from sniffer.protocols import management
from sniffer.protocols.families import FAMILIES
from sniffer.protocols.messages import Origin

if TYPE_CHECKING:
    from sniffer.model import Facts

VECTORS = [
    json.loads(line) for line in (Path(__file__).parent / "vectors.jsonl").read_text("utf-8").splitlines()
]
OPENERS = {  # a strong line of the same family, for vectors that may need one
    "stratum-v1": '{"id":null,"method":"mining.set_difficulty","params":[8]}\n',
    "stratum-equihash": '{"id":null,"method":"mining.set_target","params":["%s"]}\n' % ("00" * 2 + "ff" * 30),
    "stratum-kawpow": '{"id":null,"method":"mining.set_target","params":["%s"]}\n' % ("00" * 4 + "ff" * 28),
    "stratum-ironfish": '{"id":1,"method":"mining.set_target","body":{"target":"%s"}}\n' % ("00" * 4 + "ff" * 28),
    "stratum-xelis": '{"id":null,"method":"mining.set_difficulty","params":[8]}\n',
    "cryptonote": '{"jsonrpc":"2.0","method":"job","params":{"blob":"%s","job_id":"1","target":"b88d0600"}}\n'
    % ("10" * 76),
    "grin": '{"id":"Stratum","jsonrpc":"2.0","method":"job","params":{"difficulty":1,"job_id":5,"pre_pow":"%s"}}\n'
    % ("00" * 64),
}  # fmt: skip
FACT_OF = {
    "message": "mining.message", "agent": "mining.agent", "user": "mining.user", "worker": "mining.worker",
    "password": "mining.password", "difficulty": "mining.difficulty", "hashes_per_share": "mining.hashes_per_share",
    "hashrate": "mining.hashrate", "hardware": "mining.hardware", "accepted": "mining.accepted",
    "pool": "mining.pool", "coin": "mining.coin", "algo": "mining.algorithm", "sni": "tls.server_name",
    "alpn": "tls.alpn", "ja3": "tls.ja3", "ja4": "tls.ja4",
}  # fmt: skip
AS_PARTS = {"btcagent-mixed": ["mining.subscribe", "REGISTER_WORKER"]}  # the reference names the first only
OPTIONAL = {  # recognition from this payload alone is allowed, not required: sizes that other protocols share, half a line
    "sv2-act1", "sv2-act2", "sv2-braiins2019-act1", "v1-s-fragment-tail",
}  # fmt: skip


def vectors(*, mining: bool) -> list[Any]:
    """Vectors of one kind."""
    return [pytest.param(row, id=row["id"]) for row in VECTORS if row["expect"]["mining"] is mining]


def payload(row: dict[str, Any]) -> bytes:
    """Bytes of a vector as they are on the wire."""
    data = base64.b64decode(row["payload_b64"]) if "payload_b64" in row else row["payload_text"].encode()
    if row["transport"] == "ws-text":
        return frame(data, key=KEY if row["direction"] == "c2s" else b"")
    return data


def cuts(row: dict[str, Any]) -> dict[str, list[bytes]]:
    """The ways in which a vector is delivered."""
    data = payload(row)
    ways = {"whole": [data], "bytes": [data[i : i + 1] for i in range(len(data))]}
    if row.get("split_at"):
        marks = [0, *row["split_at"], len(data)]
        ways["split"] = [data[a:b] for a, b in itertools.pairwise(marks)]
    return ways


def deliver(row: dict[str, Any], pieces: list[bytes], *, midway: bool, opener: str = "") -> Talk:
    """Read pieces as one direction of a flow; an opener comes first, from the server."""
    side = 0 if row["direction"] == "c2s" else 1
    talk = Talk(midway=(0, 1) if midway else (), ports=(40_000, row.get("port", 3_333)))
    if opener:
        talk.say(SERVER, opener)
        talk.facts.clear()
    for piece in pieces:
        talk.say(side, piece)
    return talk


def datagram(row: dict[str, Any]) -> list[Facts]:
    """Read a vector of UDP."""
    return management.read_datagram(payload(row), (50_000, row["port"]), Origin(0, 0, -1), Oddities())


def merged(facts: list[Facts]) -> dict[str, Any]:
    """First value of every fact over the messages."""
    values: dict[str, Any] = {}
    for one in facts:
        for name, value in one.values.items():
            values.setdefault(name, value)
    return values


def check(row: dict[str, Any], facts: list[Facts], told: dict[str, Any], way: str) -> None:
    """Hold facts against what a vector expects."""
    expect = row["expect"]
    values = {**told, **merged(facts)}
    for field, wanted in expect.items():
        if field not in FACT_OF:
            continue
        found = values.get(FACT_OF[field])
        if isinstance(wanted, float | int) and not isinstance(wanted, bool):
            assert found == pytest.approx(wanted, rel=1e-3), (way, field)
        elif field != "message":
            assert found == wanted, (way, field)
    messages = AS_PARTS.get(row["id"]) or row.get("messages") or [expect["message"]]
    assert [one.message for one in facts] == messages, way
    if expect["protocol"] in FAMILIES:
        assert facts[-1].protocol == expect["protocol"], way


@pytest.mark.parametrize("midway", [False, True], ids=["from-start", "midway"])
@pytest.mark.parametrize("row", vectors(mining=True))
def test_mining_vector(row: dict[str, Any], *, midway: bool) -> None:
    """Each vector gives its family, messages and fields, however it is cut, also where the start was not seen."""
    if row["id"] in OPTIONAL:
        pytest.skip("recognition from this payload alone is optional")
    if row["transport"] == "udp":
        check(row, datagram(row), {}, "datagram")
        return
    opener = OPENERS.get(row["expect"]["protocol"], "") if row.get("confidence") == "weak" else ""
    for way, pieces in cuts(row).items():
        talk = deliver(row, pieces, midway=midway, opener=opener)
        is_name = row["expect"]["protocol"] == "tls-to-pool"
        facts = talk.facts if is_name else [one for one in talk.facts if "mining.protocol" in one.values]
        check(row, facts, talk.conversation.session.told, way)


@pytest.mark.parametrize("midway", [False, True], ids=["from-start", "midway"])
@pytest.mark.parametrize("row", vectors(mining=False))
def test_other_vector(row: dict[str, Any], *, midway: bool) -> None:
    """Nothing that is not mining is taken for it, however it is cut, also where the start was not seen."""
    for way, pieces in cuts(row).items():
        assert deliver(row, pieces, midway=midway).messages == [], way
