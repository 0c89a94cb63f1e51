"""Sinks of a running daemon that go wrong: hits are counted all the same, and what was lost is told."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import frames as build
import pytest
from control.conftest import SUBMIT
from control.test_daemon import Daemon
from live.test_daemon import finish

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

WRITTEN, FAILED, DROPPED = (f"sniffer_sink_{what}_total" for what in ("written", "failed", "dropped"))
OFTEN = "  repeat_interval: 1s\n"  # the capture is played again and again, and each lap has new flows


@pytest.fixture
def miners(tmp_path: Path) -> Path:
    """A capture of one second in which 200 hosts each submit a share: a line for each, every time it is played."""
    frames = []
    for number in range(200):
        talk = build.Conversation(client=(f"10.0.{number // 100}.{number % 100 + 1}", 40_000)).open()
        frames += talk.send(0, SUBMIT).frames
    file = tmp_path / "miners.pcap"
    file.write_bytes(build.pcap(sorted(frames)))
    return file


def watching(tmp_path: Path, miners: Path, events: str, config: str = "") -> Daemon:
    """A daemon whose event file is another one."""
    file = tmp_path / "own.yaml"
    file.write_text(f"log: {{format: json}}\nevents:\n  file: {events}\n{OFTEN}{config}")
    daemon = Daemon(tmp_path, "--config", file, "--replay", miners, "--loop", "--speed", "1")
    daemon.until(lambda: daemon.said("watching"), "the worker")
    return daemon


def test_a_full_disk_and_room_again(tmp_path: Path, miners: Path, small_disk: Path) -> None:
    """Lines fail, hits go on, stderr stays quiet; with room the file goes on; gap lines add up to what is missing."""
    path = small_disk / "events.json"
    daemon = watching(tmp_path, miners, str(path))
    try:
        daemon.until(lambda: daemon.metric(f'{FAILED}{{sink="events"}}') > 200, "a full disk", 120)
        assert daemon.metric('sniffer_sink_up{sink="events"}') == 0
        hits = daemon.metric("sniffer_hits_total")
        before = len(daemon.log())
        time.sleep(12)
        assert daemon.metric("sniffer_hits_total") > hits
        assert len(daemon.log()) - before <= 4
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        daemon.until(lambda: daemon.metric('sniffer_sink_up{sink="events"}') == 1, "room", 20)
        assert daemon.said("event_write_resumed")
        assert daemon.stop()[0] == 0
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        (stats,) = [line["stats"]["sinks"]["events"] for line in lines if line["event_type"] == "stats"][-1:]
        told = sum(line["gap"]["failed"] for line in lines if line["event_type"] == "gap")
        assert told >= stats["failed"] > 200
    finally:
        finish(daemon)


def test_a_folder_that_goes_and_comes_back(tmp_path: Path, miners: Path) -> None:
    """Without its folder lines fail within seconds; with it they are written again within five, without a signal."""
    folder = tmp_path / "events"
    folder.mkdir()
    path = folder / "events.json"
    daemon = watching(tmp_path, miners, str(path))
    try:
        daemon.until(path.exists, "the file")
        moved = folder.rename(tmp_path / "moved")
        daemon.until(lambda: daemon.metric(f'{FAILED}{{sink="events"}}') > 0, "the first loss", 10)
        moved.rename(folder)
        began = time.monotonic()
        daemon.until(lambda: daemon.metric('sniffer_sink_up{sink="events"}') == 1, "the file again", 10)
        assert time.monotonic() - began < 5
        path.rename(folder / "events.old")
        daemon.until(path.exists, "a new file", 5)
        assert daemon.stop()[0] == 0
    finally:
        finish(daemon)
    for file in (folder / "events.old", path):
        assert all(json.loads(line) for line in file.read_bytes().splitlines())


def test_a_standard_output_that_nobody_reads(tmp_path: Path, miners: Path) -> None:
    """A full pipe: lines wait, then are dropped; hits go on as if nothing were; the end comes in time."""
    daemon = watching(tmp_path, miners, '"-"')
    try:
        daemon.until(lambda: daemon.metric('sniffer_sink_waiting{sink="events"}') > 100, "a full pipe", 60)
        hits, packets = daemon.metric("sniffer_hits_total"), daemon.metric("sniffer_capture_packets_total")
        daemon.until(lambda: daemon.metric("sniffer_hits_total") > hits + 100, "hits", 20)
        assert daemon.metric("sniffer_capture_packets_total") > packets
        status, took = daemon.stop()
        assert status == 0
        assert took < 9
    finally:
        finish(daemon)


def test_a_server_that_reads_nothing(tmp_path: Path, miners: Path) -> None:
    """A syslog server that accepts and stalls: the file has every line, hits go on, readiness stays."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = f"127.0.0.1:{listener.getsockname()[1]}"
        path = tmp_path / "all.json"
        daemon = watching(tmp_path, miners, str(path), f"syslog: {{server: '{server}'}}\n")
        try:
            waiting = 'sniffer_sink_waiting{sink="syslog"}'
            daemon.until(lambda: daemon.metric(waiting) > 300, "a server that stalls", 120)
            assert daemon.ask("/-/ready")[0] == 200
            written = daemon.metric(f'{WRITTEN}{{sink="events"}}')
            daemon.until(lambda: daemon.metric(f'{WRITTEN}{{sink="events"}}') > written + 100, "lines", 20)
            assert daemon.metric(f'{DROPPED}{{sink="events"}}') == 0
            assert daemon.stop()[0] == 0
        finally:
            finish(daemon)
        stats = json.loads(path.read_bytes().splitlines()[-1])["stats"]["sinks"]
        assert stats["events"]["written"] == path.read_bytes().count(b"\n") - 1
        assert stats["events"]["failed"] == stats["events"]["dropped"] == 0
