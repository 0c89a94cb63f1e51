"""The test vectors of the protocol reference (its section 15), delivered whole, byte by byte and cut where they say."""

from __future__ import annotations

import base64
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from sniffer.model import Data, Facts
from sniffer.oddities import Oddities
from sniffer.protocols.conversation import Conversation

VECTORS = Path(__file__).parent / "vectors.jsonl"
FAMILIES = {
    "stratum-v1", "stratum-equihash", "cryptonote", "ethstratum", "ethstratum-1", "ethstratum-2", "eth-proxy",
}  # fmt: skip
OPENERS = {  # a strong line of the same family, for vectors that may need one
    "stratum-v1": b'{"id":null,"method":"mining.set_difficulty","params":[8]}\n',
    "stratum-equihash": b'{"id":null,"method":"mining.set_target","params":["%s"]}\n'
    % (b"00" * 2 + b"ff" * 30),
    "cryptonote": b'{"jsonrpc":"2.0","method":"job","params":{"blob":"%s","job_id":"1","target":"b88d0600"}}\n'
    % (b"10" * 76),
}
FACT_OF = {
    "message": "mining.message", "agent": "mining.agent", "user": "mining.user", "worker": "mining.worker",
    "password": "mining.password", "difficulty": "mining.difficulty", "hashes_per_share": "mining.hashes_per_share",
    "hashrate": "mining.hashrate", "hardware": "mining.hardware", "accepted": "mining.accepted",
    "pool": "mining.pool", "coin": "mining.coin", "algo": "mining.algorithm",
}  # fmt: skip


def vectors(*, mining: bool) -> list[Any]:
    """Vectors of the plain TCP dialects that mine, or every vector over TCP, TLS and HTTP that does not."""
    rows = [json.loads(line) for line in VECTORS.read_text("utf-8").splitlines()]
    chosen = [
        row
        for row in rows
        if row["expect"]["mining"] is mining
        and row["transport"] in ("tcp", "http", "tls")
        and (not mining or (row["expect"]["protocol"] in FAMILIES and row["transport"] == "tcp"))
    ]
    return [pytest.param(row, id=row["id"]) for row in chosen]


def payload(row: dict[str, Any]) -> bytes:
    """Bytes of a vector."""
    return base64.b64decode(row["payload_b64"]) if "payload_b64" in row else row["payload_text"].encode()


def deliver(
    row: dict[str, Any], pieces: list[bytes], *, midway: bool, opener: bytes = b""
) -> tuple[list[Facts], Any]:
    """Read pieces as one direction of a flow; an opener comes first, from the server."""
    oddities = Oddities()
    conversation = Conversation(oddities)
    side = 0 if row["direction"] == "c2s" else 1
    out: list[Facts] = []
    if opener:
        conversation.read(Data(1, opener, 0, len(opener)))
    if midway:
        conversation.join_midway(side)
    at = 0
    for piece in pieces:
        at += len(piece)
        out += conversation.read(Data(side, piece, at, at))
    return out, conversation


def cuts(row: dict[str, Any]) -> dict[str, list[bytes]]:
    """The ways in which a vector is delivered."""
    data = payload(row)
    ways = {"whole": [data], "bytes": [data[i : i + 1] for i in range(len(data))]}
    if row.get("split_at"):
        marks = [0, *row["split_at"], len(data)]
        ways["split"] = [data[a:b] for a, b in itertools.pairwise(marks)]
    return ways


def merged(facts: list[Facts]) -> dict[str, Any]:
    """First value of every fact over the messages."""
    values: dict[str, Any] = {}
    for one in facts:
        for name, value in one.values.items():
            values.setdefault(name, value)
    return values


@pytest.mark.parametrize("row", vectors(mining=True))
def test_mining_vector(row: dict[str, Any]) -> None:
    """Each vector is recognised as mining, with its family, message and fields, however it is cut."""
    expect = row["expect"]
    opener = (
        OPENERS.get(expect["protocol"], b"")
        if "confidence" in row and "tags" not in row["confidence"]
        else b""
    )
    if row.get("partial_tail") or row.get("optional") or row["id"] == "v1-s-fragment-tail":
        pytest.skip("recognition is optional: the vector is part of a line")
    for way, pieces in cuts(row).items():
        facts, conversation = deliver(row, pieces, midway=row.get("phase") == "midstream", opener=opener)
        mining = [one for one in facts if one.mining]
        assert mining, way
        values = merged(mining)
        if "tags" not in row.get("confidence", ""):
            assert conversation.session.protocol == expect["protocol"], way
        values["mining.pool"] = values.get("mining.pool") or conversation.session.told.get("mining.pool")
        for field, wanted in expect.items():
            if field not in FACT_OF:
                continue
            found = values.get(FACT_OF[field])
            if isinstance(wanted, float | int) and not isinstance(wanted, bool):
                assert found == pytest.approx(wanted, rel=1e-3), (way, field)
            else:
                assert found == wanted, (way, field)
        assert [one.message for one in mining] == row.get("messages", [expect["message"]]), way


@pytest.mark.parametrize("row", vectors(mining=False))
def test_other_vector(row: dict[str, Any]) -> None:
    """Nothing that is not mining is taken for it, however it is cut, also when joined midway."""
    for way, pieces in cuts(row).items():
        for midway in (False, True):
            facts, _ = deliver(row, pieces, midway=midway)
            assert not [one for one in facts if one.mining], (way, midway)
