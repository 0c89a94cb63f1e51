"""The test vectors of the protocol reference as packets through the whole engine: what is reported, and of whom."""

from __future__ import annotations

import base64
import itertools
import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import frames as build
import pytest

from sniffer.engine import Engine, EngineSettings
from sniffer.model import Confidence, Detection

if TYPE_CHECKING:
    from sniffer.ruleset import RuleSet

VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parent / "protocols" / "vectors.jsonl").read_text("utf-8").splitlines()
]
CLIENT, SERVER = "10.0.0.7", "203.0.113.9"
NOT_ALONE = ("weak", "flow-heuristic", "unverified")
"""Confidence of vectors that need more of their flow than themselves."""
NULS = ("sv2-plain-setup-bitaxe",)
"""Begin with NUL bytes: one a segment, where no handshake was seen, they are what keep-alive probes look like."""
WAYS = ("both sides", "one side", "handshake cut off")
CUTS = ("whole", "bytes", "split")


def payload(row: dict[str, Any]) -> bytes:
    """Bytes of a vector as they are on the wire; a WebSocket text in a frame of its side."""
    data = base64.b64decode(row["payload_b64"]) if "payload_b64" in row else row["payload_text"].encode()
    if row["transport"] != "ws-text":
        return data
    mask = 0x80 if row["direction"] == "c2s" else 0
    size = (
        bytes([mask | len(data)]) if len(data) < 126 else bytes([mask | 126]) + len(data).to_bytes(2, "big")
    )
    return b"\x81" + size + (bytes(4) if mask else b"") + data  # a key of zeros changes nothing


def pieces(row: dict[str, Any], cut: str) -> list[bytes]:
    """A vector in the segments of one way to cut it."""
    data = payload(row)
    if cut == "bytes":
        return [data[i : i + 1] for i in range(len(data))]
    if cut == "split" and row.get("split_at"):
        return [data[a:b] for a, b in itertools.pairwise([0, *row["split_at"], len(data)])]
    return [data]


def flow(row: dict[str, Any], way: str, cut: str, port: int) -> list[tuple[int, bytes]]:
    """Packets of a flow that says one vector."""
    ends = {"client": (CLIENT, port), "server": (SERVER, row.get("port") or 3_333)}
    if row["transport"] == "udp":
        return [(1_700_000_000 * 10**9, build.udp(ends["client"], ends["server"], payload(row)))]
    talk = build.Conversation(**ends, step=build.MILLISECOND)
    side = 0 if row["direction"] == "c2s" else 1
    if way != "handshake cut off":
        talk.open()
    for piece in pieces(row, cut):
        talk.send(side, piece, answered=way == "both sides")
    if way == "one side":
        keep = ends["client" if side == 0 else "server"][0]
        address = bytes(int(part) for part in keep.split("."))
        return [(time, frame) for time, frame in talk.frames if frame[26:30] == address]
    return talk.frames


def run(ruleset: RuleSet, way: str, cut: str) -> dict[str, list[Detection]]:
    """Hits of every vector, each in a flow of its own; an engine for many of them."""
    hits: dict[int, list[Detection]] = defaultdict(list)

    def hit(detection: Detection) -> None:
        place = detection.place
        client = place.source_port if place.source_port >= 20_000 else place.destination_port
        hits[client].append(detection)

    engine = Engine(
        ruleset,
        interfaces=["test"],
        settings=EngineSettings(gate_flows=1 << 14),
        hit=hit,
        event=lambda _: None,
    )
    for number, row in enumerate(VECTORS):
        engine.process(build.batch(flow(row, way, cut, 20_000 + 7 * number)))
    engine.finish()
    totals = engine.totals()
    assert totals.oddities["reader_failed"] == 0
    assert totals.packets == totals.passed + sum(totals.skipped.values())
    return {row["id"]: hits[20_000 + 7 * number] for number, row in enumerate(VECTORS)}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("way", WAYS)
def test_every_vector_is_reported_or_not(ruleset: RuleSet, way: str, cut: str) -> None:
    """Each mining vector is a hit of its family with its first message, of the right host; no other vector is one."""
    found = run(ruleset, way, cut)
    faults: list[tuple[Any, ...]] = []
    for row in VECTORS:
        hits, expect = found[row["id"]], row["expect"]
        if not expect["mining"]:
            faults += [(row["id"], hit.rule.id) for hit in hits if hit.confidence > Confidence.SUSPECTED]
            continue
        if str(row.get("confidence", "")).startswith(NOT_ALONE) or row.get("optional"):
            continue
        if row["id"] in NULS and (way, cut) == ("handshake cut off", "bytes"):
            continue
        told = [(hit.facts.protocol, hit.facts.message) for hit in hits]
        family = "pool-tls" if expect["protocol"] == "tls-to-pool" else expect["protocol"]
        messages = row.get("messages") or [expect["message"]]
        wanted = [(family, message) for message in messages]
        if not all(one in told for one in wanted):
            faults.append((row["id"], wanted, told))
        client, server = (
            (bytes([10, 0, 0, 7]), bytes([203, 0, 113, 9]))
            if expect["protocol"] != "miner-api" or row["transport"] == "udp"
            else (
                bytes([203, 0, 113, 9]),
                bytes([10, 0, 0, 7]),
            )  # the machine that is asked is the one that mines
        )
        faults += [
            (row["id"], hit.rule.id, hit.host)
            for hit in hits
            if hit.host != client or hit.server not in (server, None)
        ]
    assert faults == []
