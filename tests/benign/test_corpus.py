"""The benign corpus (``sniffer/benign``): nobody in it may be accused, however a conversation is seen."""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias

import dpkt
import frames as build
import pytest
from enginerun import Run

from sniffer.benign.corpus import FILES, PORT, corpus, stories, talk_of
from sniffer.model import Confidence, Detection
from sniffer.scan import ScanSettings, scan_files
from sniffer.strictyaml import load_file

if TYPE_CHECKING:
    from pathlib import Path

    from sniffer.ruleset import RuleSet
    from sniffer.totals import Totals

Talk: TypeAlias = list[tuple[int, bytes]]  # side and bytes, in order
Frames: TypeAlias = list[tuple[int, bytes]]  # time and frame

STORIES = stories()
ENDS = (("10.0.0.7", 40_000), ("203.0.113.9", PORT))
SEGMENT = 1_448  # bytes of payload that fit into a usual frame
SMALL = 7


# ── how it is seen ───────────────────────────────────────────────────────────────────────────────────────


def seen(talk: Talk, port: int, *, opened: bool, size: int = SEGMENT) -> Frames:
    """Frames of a TCP connection that says all this."""
    conversation = build.Conversation(client=ENDS[0], server=(ENDS[1][0], port))
    if opened:
        conversation.open()
    for side, data in talk:
        for at in range(0, len(data), size):
            conversation.send(side, data[at : at + size])
    return conversation.close().frames if opened else conversation.frames


def one_side(frames: Frames, side: int) -> Frames:
    """The frames that one end sent."""
    source = bytes(map(int, ENDS[side][0].split(".")))
    return [(time, data) for time, data in frames if data[26:30] == source]


def ways(story: dict[str, Any]) -> dict[str, Frames]:
    """The ways in which a sensor may come to see a conversation."""
    talk, port = talk_of(story), story.get("port", ENDS[1][1])
    if story.get("udp"):
        ends = (ENDS[0], (ENDS[1][0], port))
        datagrams = [
            (10**18 + number * build.MILLISECOND, build.udp(ends[side], ends[1 - side], data))
            for number, (side, data) in enumerate(talk)
        ]
        return {
            "whole": datagrams,
            "client alone": one_side(datagrams, 0),
            "server alone": one_side(datagrams, 1),
        }
    whole, midway = seen(talk, port, opened=True), seen(talk, port, opened=False)
    return {
        "from the handshake": whole,
        "joined midway": midway,
        "joined late": seen(talk[len(talk) // 2 :], port, opened=False),
        "client alone": one_side(whole, 0),
        "client alone, joined midway": one_side(midway, 0),
        "server alone": one_side(whole, 1),
        "server alone, joined midway": one_side(midway, 1),
        "in small segments": seen(talk, port, opened=True, size=SMALL),
        "line by line": seen(
            [(side, line) for side, data in talk for line in data.splitlines(keepends=True)],
            port,
            opened=True,
        ),
    }


def run(ruleset: RuleSet, frames: Frames) -> tuple[list[Detection], Totals]:
    """Run frames through the pipeline: what was detected, and the books."""
    run = Run(ruleset)
    run.engine.process(build.batch(frames))
    run.engine.finish()
    return run.hits, run.engine.totals()


# ── what must hold ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("story", [pytest.param(story, id=story["name"]) for story in STORIES])
def test_nobody_is_accused(story: dict[str, Any], ruleset: RuleSet) -> None:
    """No mining is read from a benign conversation, however it is seen; no reader fails, the books balance."""
    accused: dict[str, list[str]] = {}
    for way, frames in ways(story).items():
        hits, totals = run(ruleset, frames)
        found = [
            f"{hit.rule.id} ({hit.confidence.label}, {hit.facts.message})"
            for hit in hits
            if hit.confidence >= Confidence.PROBABLE
        ]
        messages = totals.facts["mining.message"]
        if found or messages:
            accused[way] = [*found, f"{messages} mining messages"]
        assert totals.oddities["reader_failed"] == 0, way
        assert totals.packets == totals.passed + sum(totals.skipped.values()) == len(frames), way
        assert totals.hits == len(hits), way
    assert accused == {}, story["tells"]


@pytest.mark.parametrize("file", [pytest.param(file, id=file.stem) for file in FILES])
def test_file_is_well_formed(file: Path) -> None:
    """A file of the corpus is not empty, and each conversation says what it looks like and has steps."""
    stories = load_file(file).data
    assert stories
    for story in stories:
        assert set(story) <= {"name", "tells", "say", "port", "udp", "websocket", "deflate"}, story["name"]
        assert story["tells"]
        assert 1 <= len(story["say"]) <= 12, story["name"]
        assert all(data for _, data in talk_of(story)), story["name"]


def test_names_are_unique() -> None:
    """Each conversation of the corpus can be told by its name."""
    assert [name for name, times in Counter(story["name"] for story in STORIES).items() if times > 1] == []


def test_capture_of_all_of_them(ruleset: RuleSet, tmp_path: Path) -> None:
    """The capture that ``rules check`` reads holds each conversation under addresses of its own, and accuses nobody."""
    data, names = corpus()
    (tmp_path / "benign.pcap").write_bytes(data)
    result = scan_files([str(tmp_path / "benign.pcap")], ruleset, ScanSettings(), lambda _line: None)
    assert set(names.values()) == {story["name"] for story in STORIES}
    assert len(names) == 2 * 4 * len(STORIES)
    assert result.totals.packets == len(list(dpkt.pcap.Reader(io.BytesIO(data))))
    assert {host.confidence for host in result.hosts.values()} <= {Confidence.SUSPECTED}
    assert set(result.hosts) <= set(names)


def test_corpus_can_fail(ruleset: RuleSet) -> None:
    """The same steps, spoken by a miner and its pool, are accused in every way they are seen."""
    miner = {
        "name": "a miner",
        "say": [
            {"client": '{"id":1,"method":"mining.subscribe","params":["cgminer/4.11.1"]}'},
            {"server": '{"id":1,"result":[[["mining.notify","57a6f098"]],"57a6f098",4],"error":null}'},
            {"client": '{"id":4,"method":"mining.submit","params":["u.1","j","00","5a","b2"]}'},
            {"server": '{"id":null,"method":"mining.set_difficulty","params":[512]}'},
        ],
    }
    for way, frames in ways(miner).items():
        hits, _ = run(ruleset, frames)
        assert any(hit.confidence >= Confidence.PROBABLE for hit in hits), way
