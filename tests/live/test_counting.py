"""Rules that count, over a real link: however many workers share the packets, the hits are those of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import frames as build
import pytest
from live.test_live_stories import link, play  # noqa: F401  # the fixture is found by its name

from sniffer.ruleset import load_rules
from sniffer.scan import ScanSettings, scan_files, warm_up

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

SECOND = 10**9
SUBMIT = '{"params": ["bc1qexample.rig1", "bf", "00000001", "504e86ed", "b2957c02"], "id": 4, "method": "mining.submit"}\n'
RULE = """
- id: by-PER
  title: many shares
  severity: high
  confidence: confirmed
  match: {count: {at_least: 8, within: 2s, per: PER, of: {fact: stratum.method, equals: mining.submit}}}
  examples:
    hits: [{facts: {stratum.method: mining.submit}, repeat: 8}]
    misses: [{facts: {stratum.method: mining.submit}, repeat: 7}]
"""
BURSTS = 4
SENT = {"10.0.0.1": 2, "10.0.0.2": 3, "10.0.0.3": 5, "10.0.0.4": 9}
"""How many shares each of a host's three connections sends in a burst of half a second; bursts are five seconds apart."""
WANTED = {
    "10.0.0.2": {"by-host": BURSTS * 2},
    "10.0.0.3": {"by-host": BURSTS * 8},
    "10.0.0.4": {"by-host": BURSTS * 20, "by-flow": BURSTS * 3 * 2},
}


def write(folder: Path) -> tuple[Path, Path]:
    """Rules that count by host and by flow; a capture of four hosts with three connections each."""
    rules = folder / "rules"
    rules.mkdir()
    (rules / "own.yaml").write_text(RULE.replace("PER", "host") + RULE.replace("PER", "flow"))
    frames = []
    for host, shares in SENT.items():
        for number in range(3):
            begun = 1_700_000_000 * SECOND + number * SECOND // 100
            talk = build.Conversation(client=(host, 40_000 + number), time=begun, step=1_000_000).open()
            for burst in range(BURSTS):
                for share in range(shares):
                    talk.time = begun + (burst * 5 + 1) * SECOND + share * SECOND // 20
                    talk.send(0, SUBMIT)
            frames += talk.frames
    capture = folder / "shares.pcap"
    capture.write_bytes(build.pcap(sorted(frames)))
    return rules, capture


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_hits_of_counting_rules(workers: int, link: None, tmp_path: Path) -> None:  # noqa: ARG001, F811
    """Sent as they were recorded, messages make the hits that a scan of the file finds, by host and by flow."""
    rules, capture = write(tmp_path)
    warm_up()
    scanned = scan_files([str(capture)], load_rules([rules]), ScanSettings(), lambda _: None)
    assert {".".join(map(str, ip)): dict(host.hits) for ip, host in scanned.hosts.items()} == WANTED
    assert play(capture, tmp_path, workers=workers, rules=rules, speed=1.0) == WANTED
