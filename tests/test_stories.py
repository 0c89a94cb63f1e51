"""Traffic stories: each folder of ``pcaps/`` is whole, reproducible, harmless, and what the sensor says of it."""

from __future__ import annotations

import importlib.util
import ipaddress
import re
import sys
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dpkt
import pytest
import yaml

from sniffer.batch import Batch
from sniffer.capture.savefile import Savefile
from sniffer.engine import Engine, EngineSettings
from sniffer.model import Confidence, Detection
from sniffer.prepared import prepare
from sniffer.ruleset import restore

if TYPE_CHECKING:
    from types import ModuleType

    from sniffer.ruleset import RuleSet

ROOT: Final = Path(__file__).parent.parent
STORIES: Final = sorted(path.parent.name for path in (ROOT / "pcaps").glob("*/make.py"))
LARGEST: Final = 300 * 1_024
START: Final = 1_795_420_800  # 2026-11-23T08:00:00Z
HOST_KEYS: Final = {"ip", "confidence", "protocol", "hits"}
SERVER_KEYS: Final = {"server_ip", "server_port"}
ADDRESSES: Final = [
    ipaddress.ip_network(text)
    for text in ("10.20.0.0/16", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]


def expectation(name: str) -> dict[str, Any]:
    """A story's ``expect.yml``."""
    document = yaml.safe_load((ROOT / "pcaps" / name / "expect.yml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


@cache
def script(name: str) -> ModuleType:
    """A story's ``make.py``, loaded."""
    path = ROOT / "pcaps" / name / "make.py"
    spec = importlib.util.spec_from_file_location("story_" + name.replace("-", "_"), path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = before
    return module


def frames(name: str) -> list[tuple[float, bytes]]:
    """Times and frames of a story, as another program reads them."""
    with (ROOT / "pcaps" / name / "traffic.pcap").open("rb") as file:
        return list(dpkt.pcap.Reader(file))


def addresses(frame: bytes) -> list[bytes]:
    """Packed addresses of a frame's IP or ARP header, behind its tags."""
    at = 12
    while frame[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    kind, at = frame[at : at + 2], at + 2
    if kind == b"\x08\x00":
        return [frame[at + 12 : at + 16], frame[at + 16 : at + 20]]
    if kind == b"\x86\xdd":
        return [frame[at + 8 : at + 24], frame[at + 24 : at + 40]]
    assert kind == b"\x08\x06"
    return [frame[at + 14 : at + 18], frame[at + 24 : at + 28]]


def test_all_stories_are_there() -> None:
    """The six stories that the manual tells of are there."""
    assert STORIES == [
        "busy-benign",
        "dns-only-suspect",
        "farm-bitcoin-stratum",
        "one-sided-mirror",
        "tls-pool-by-name",
        "xmrig-behind-vlan",
    ]
    overview = (ROOT / "pcaps" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(([\w-]+)/README\.md\)", overview)) == set(STORIES)


@pytest.mark.parametrize("name", STORIES)
def test_expectation_is_well_formed(name: str, ruleset: RuleSet) -> None:
    """An expectation names real addresses, rules that exist, a confidence, and positive counts; nothing unknown."""
    document = expectation(name)
    assert set(document) == {"hosts", "nothing_else"}
    assert document["nothing_else"] is True
    rules = {rule.id for rule in ruleset.rules}
    seen = set()
    for host in document["hosts"]:
        assert set(host) >= HOST_KEYS
        assert set(host) - HOST_KEYS in (set(), SERVER_KEYS)
        assert str(ipaddress.ip_address(host["ip"])) == host["ip"]
        assert host["ip"] not in seen
        seen.add(host["ip"])
        assert host["confidence"] in {level.label for level in Confidence}
        assert re.fullmatch(r"[a-z0-9-]+", host["protocol"])
        assert host["hits"]
        assert set(host["hits"]) <= rules
        assert all(type(count) is int and count > 0 for count in host["hits"].values())
        if "server_ip" in host:
            assert str(ipaddress.ip_address(host["server_ip"])) == host["server_ip"]
            assert type(host["server_port"]) is int
            assert 0 < host["server_port"] < 65_536


@pytest.mark.parametrize("name", STORIES)
def test_expectation_is_what_the_author_meant(name: str) -> None:
    """Counts are those that the script adds up while it writes the messages, host by host and rule by rule."""
    meant = {host: dict(counts) for host, counts in script(name).story().hits.items()}
    assert {host["ip"]: host["hits"] for host in expectation(name)["hosts"]} == meant


@pytest.mark.parametrize("name", STORIES)
def test_script_makes_the_capture(name: str, tmp_path: Path) -> None:
    """A story's script writes its capture again, byte for byte."""
    again = tmp_path / "traffic.pcap"
    script(name).story().write(again)
    # Not one assertion on the bytes: their difference would fill screens.
    same = again.read_bytes() == (ROOT / "pcaps" / name / "traffic.pcap").read_bytes()
    assert same, f"python pcaps/{name}/make.py writes other bytes than traffic.pcap has"


@pytest.mark.parametrize("name", STORIES)
def test_capture_is_harmless(name: str) -> None:
    """A story is small, starts at the agreed time, and shows nobody's address."""
    assert (ROOT / "pcaps" / name / "traffic.pcap").stat().st_size <= LARGEST
    read = frames(name)
    times = [time for time, _ in read]
    assert times == sorted(times)
    assert START <= times[0] < START + 60
    assert times[-1] < START + 3_600
    for _, frame in read:
        for mac in (frame[:6], frame[6:12]):
            assert mac[0] & 3 == 2 or mac == b"\xff" * 6
        for packed in addresses(frame):
            address = ipaddress.ip_address(packed)
            assert any(address in network for network in ADDRESSES), address


@pytest.mark.parametrize("name", STORIES)
def test_manual_tells_who_mines(name: str) -> None:
    """A story's README names every host that is accused, or the range it lies in, and is short."""
    text = (ROOT / "pcaps" / name / "README.md").read_text(encoding="utf-8")
    assert 14 <= len(text.splitlines()) <= 32
    for host in expectation(name)["hosts"]:
        assert host["ip"] in text
        assert host["confidence"] in text


@pytest.mark.parametrize("name", STORIES)
def test_batches_decide_nothing(name: str, ruleset: RuleSet) -> None:
    """The hits are the same, and as sure, whether the frames come in one batch or one by one."""
    told: list[list[tuple[object, ...]]] = []
    for size in (1, 7, 1 << 20):
        hits: list[tuple[object, ...]] = []
        source = Savefile(str(ROOT / "pcaps" / name / "traffic.pcap"))
        engine = Engine(
            ruleset,
            interfaces=source.interfaces,
            settings=EngineSettings(gate_flows=1 << 12),
            hit=lambda d, hits=hits: hits.append((d.rule.id, d.host, d.facts.time, d.confidence, d.seen)),  # type: ignore[misc]
            event=lambda _: None,
        )
        for batch in source.batches():
            for first in range(0, len(batch.frames), size):
                engine.process(Batch(batch.data, batch.frames[first : first + size]))
        engine.finish()
        source.close()
        told.append(hits)
    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize("name", STORIES)
def test_reloads_change_nothing(name: str, ruleset: RuleSet) -> None:
    """With the same rules taken afresh every few frames, in mid-session, hits and lines are the same, each once."""
    told: list[list[tuple[object, ...]]] = []
    for size in (1 << 20, 5):
        said: list[tuple[object, ...]] = []

        def hit(detection: Detection, said: list[tuple[object, ...]] = said) -> None:
            said.append((detection.rule.id, detection.host, detection.facts.time, detection.confidence))

        def event(detection: Detection, said: list[tuple[object, ...]] = said) -> None:
            said.append(("line", detection.rule.id, detection.place.source, detection.count))

        sets = [prepare(rules, 7) for rules in (ruleset, restore(ruleset.dump()))]
        source = Savefile(str(ROOT / "pcaps" / name / "traffic.pcap"))
        settings = EngineSettings(gate_flows=1 << 12)
        engine = Engine(sets[0], interfaces=source.interfaces, settings=settings, hit=hit, event=event)
        for batch in source.batches():
            for number, first in enumerate(range(0, len(batch.frames), size)):
                engine.process(Batch(batch.data, batch.frames[first : first + size]))
                engine.set_rules(sets[number % 2])
        engine.finish()
        source.close()
        told.append(said)
    assert told[0] == told[1]


@pytest.mark.parametrize("name", STORIES)
def test_sensor_says_what_the_story_expects(name: str, ruleset: RuleSet) -> None:
    """The sensor finds every message of every miner, each once, as sure as it may be, and accuses nobody else."""
    hits: dict[str, Counter[str]] = defaultdict(Counter)
    surest: dict[str, tuple[Confidence, str]] = {}
    servers: dict[str, set[tuple[str, int]]] = defaultdict(set)

    def hit(detection: Detection) -> None:
        host = str(ipaddress.ip_address(detection.host))
        hits[host][detection.rule.id] += 1
        surest[host] = max(
            surest.get(host, (Confidence.SUSPECTED, "")), (detection.confidence, detection.facts.protocol)
        )
        if detection.server is not None:
            servers[host].add((str(ipaddress.ip_address(detection.server)), detection.server_port))

    source = Savefile(str(ROOT / "pcaps" / name / "traffic.pcap"))
    settings = EngineSettings(gate_flows=1 << 12)
    engine = Engine(ruleset, interfaces=source.interfaces, settings=settings, hit=hit, event=lambda _: None)
    for batch in source.batches():
        engine.process(batch)
    engine.finish()
    source.close()

    hosts = expectation(name)["hosts"]
    assert {host: dict(counts) for host, counts in hits.items()} == {
        host["ip"]: host["hits"] for host in hosts
    }
    for host in hosts:
        level, protocol = surest[host["ip"]]
        assert (level.label, protocol) == (host["confidence"], host["protocol"])
        if "server_ip" in host:
            assert servers[host["ip"]] == {(host["server_ip"], host["server_port"])}
    totals = engine.totals()
    assert totals.packets == totals.passed + sum(totals.skipped.values()) == len(frames(name))
