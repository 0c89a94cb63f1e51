"""The daemon on a real interface: a miner on the wire becomes a sample; drops and removals do not stop it."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import frames as build
import pytest
from control.conftest import SUBMIT
from control.test_daemon import Daemon
from live.conftest import command, make_pair, sender

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="AF_PACKET is Linux's"),
]


def mine(client: tuple[str, int], shares: int = 3, vlans: tuple[int, ...] = ()) -> int:
    """Put a mining session onto the wire; return its packets."""
    talk = build.Conversation(client=client, vlans=vlans).open()
    for _ in range(shares):
        talk.send(0, SUBMIT)
    with sender() as wire:
        for _, frame in talk.frames:
            wire.send(frame.ljust(60, b"\0"))
    return len(talk.frames)


def finish(daemon: Daemon) -> None:
    """End a daemon whatever a test has come to."""
    if daemon.process.poll() is None:
        daemon.process.kill()
    daemon.process.wait(10)
    if daemon.process.stdout is not None:
        daemon.process.stdout.close()


def hits(daemon: Daemon, address: str) -> float:
    """Share submissions counted for an address."""
    return daemon.metric(f'sniffer_host_hits_total{{ip="{address}",rule="stratum-v1-submit"[^}}]*}}')


def cpu_seconds(pid: int) -> float:
    """Time that a process has computed."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_miner_on_the_wire(in_namespace: Callable[[Callable[[], None]], None], tmp_path: Path) -> None:
    """Packets on the port become hits of an address, tagged or not; TERM drains what is in the ring."""

    def body() -> None:
        command("ip link set lo up")
        daemon = Daemon(tmp_path, "--interface", "port", config="capture: {ring_mib: 8}\n")
        try:
            daemon.until(lambda: daemon.said("watching"), "the worker")
            sent = mine(("10.0.0.7", 40_000)) + mine(("10.0.0.8", 40_001), vlans=(7,))
            daemon.until(lambda: hits(daemon, "10.0.0.7") == 3, "hits", 10)
            daemon.until(lambda: hits(daemon, "10.0.0.8") == 3, "tagged hits", 10)
            daemon.until(lambda: daemon.metric("sniffer_capture_packets_total") == sent, "books", 10)
            assert daemon.metric("sniffer_interface_up") == 1
            assert daemon.metric("sniffer_capture_drops_total") == 0
            mine(("10.0.0.9", 40_002))
            status, took = daemon.stop()
            assert (status, took < 5) == (0, True)
        finally:
            finish(daemon)
        lines = [json.loads(line) for line in daemon.events.read_bytes().splitlines()]
        alerts = {line["mining"]["host_ip"]: line for line in lines if line["event_type"] == "alert"}
        assert set(alerts) == {"10.0.0.7", "10.0.0.8", "10.0.0.9"}
        assert alerts["10.0.0.8"]["vlan"] == [7]
        assert alerts["10.0.0.7"]["in_iface"] == "port"

    in_namespace(body)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_the_kernel_filter_drops_is_told(
    in_namespace: Callable[[Callable[[], None]], None], tmp_path: Path, workers: int
) -> None:
    """With the filter on, what it dropped is estimated, once however many workers share the port, and logged at the end."""

    def body() -> None:
        command("ip link set lo up")
        config = f"capture: {{ring_mib: 8, workers: {workers}, filter: auto}}\n"
        daemon = Daemon(tmp_path, "--interface", "port", config=config)
        try:
            daemon.until(lambda: daemon.said("watching"), "the workers")
            with sender() as wire:
                for number in range(300):
                    wire.send(build.udp(("10.0.0.7", 50_000 + number), ("203.0.113.9", 9_999), bytes(200)))
            sent = sum(mine((f"10.0.0.{number}", 40_000 + number)) for number in range(8))
            daemon.until(lambda: daemon.metric("sniffer_capture_packets_total") == sent, "books", 10)
            filtered = "sniffer_capture_filtered_estimate_total"
            daemon.until(lambda: daemon.metric(filtered) == 300, "the estimate", 5)
            time.sleep(2.5)  # more snapshots of each
            assert daemon.metric(filtered) == 300
            for name in ("merged", "unsummed", "hardware_stamped"):
                assert daemon.metric(f"sniffer_capture_{name}_total") == 0
            assert daemon.stop()[0] == 0
            (last,) = (line for line in daemon.log() if line["event"] == "stopped")
            assert (last["filtered"], last["merged"], last["captured"]) == (300, 0, sent)
        finally:
            finish(daemon)

    in_namespace(body)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_that_is_made_anew(
    in_namespace: Callable[[Callable[[], None]], None], tmp_path: Path, workers: int
) -> None:
    """A removed interface is told; when it is back, the same workers read it within three seconds, each its share."""

    def body() -> None:
        command("ip link set lo up")
        config = f"capture: {{ring_mib: 8, workers: {workers}}}\n"
        daemon = Daemon(tmp_path, "--interface", "port", config=config)
        try:
            daemon.until(lambda: daemon.said("watching"), "the worker")
            processes = daemon.children()
            assert len(processes) == workers
            command("ip link del tap")
            daemon.until(lambda: daemon.said("the interface is gone"), "the loss", 10)
            daemon.until(lambda: daemon.metric("sniffer_interface_up") == 0, "the metric", 10)
            make_pair()
            began = time.monotonic()
            daemon.until(lambda: daemon.said("the interface is back"), "the return", 10)
            daemon.until(lambda: daemon.metric("sniffer_interface_up") == 1, "the metric", 10)
            assert time.monotonic() - began < 4
            assert daemon.metric("sniffer_capture_reopens_total") == 1
            for number in range(7, 15):
                mine((f"10.0.0.{number}", 40_000 + number))
            for number in range(7, 15):
                daemon.until(lambda ip=f"10.0.0.{number}": hits(daemon, ip) == 3, "hits", 10)
            assert daemon.children() == processes
            assert daemon.stop()[0] == 0
        finally:
            finish(daemon)

    in_namespace(body)


def test_a_port_that_goes_down_and_up(
    in_namespace: Callable[[Callable[[], None]], None], tmp_path: Path
) -> None:
    """However often the port goes down, the worker stays, rests meanwhile, and reads on within a second."""

    def body() -> None:
        command("ip link set lo up")
        daemon = Daemon(tmp_path, "--interface", "port", config="capture: {ring_mib: 8}\n")
        try:
            daemon.until(lambda: daemon.said("watching"), "the worker")
            processes = daemon.children()
            for _ in range(20):
                command("ip link set port down")
                command("ip link set port up")
            command("ip link set port down")
            daemon.until(lambda: daemon.metric("sniffer_interface_up") == 0, "the metric", 10)
            used = cpu_seconds(processes[0])
            time.sleep(2)
            assert cpu_seconds(processes[0]) - used < 0.5
            command("ip link set port up")
            daemon.until(lambda: daemon.metric("sniffer_interface_up") == 1, "the metric", 10)
            mine(("10.0.0.7", 40_000))
            daemon.until(lambda: hits(daemon, "10.0.0.7") == 3, "hits", 3)
            assert daemon.children() == processes
            assert daemon.metric("sniffer_capture_reopens_total") == 0
            assert daemon.stop()[0] == 0
        finally:
            finish(daemon)

    in_namespace(body)


def test_a_killed_worker_on_the_wire(
    in_namespace: Callable[[Callable[[], None]], None], tmp_path: Path
) -> None:
    """The successor of a killed worker reads the port; nothing that was counted is lost."""

    def body() -> None:
        command("ip link set lo up")
        daemon = Daemon(tmp_path, "--interface", "port", config="capture: {ring_mib: 8}\n")
        try:
            daemon.until(lambda: daemon.said("watching"), "the worker")
            mine(("10.0.0.7", 40_000))
            daemon.until(lambda: hits(daemon, "10.0.0.7") == 3, "hits", 10)
            os.kill(daemon.children()[0], signal.SIGKILL)
            daemon.until(lambda: daemon.metric("sniffer_worker_restarts_total") == 1, "the death", 10)
            daemon.until(lambda: daemon.ask("/-/ready")[0] == 200, "the successor", 20)
            mine(("10.0.0.8", 40_001))
            daemon.until(lambda: hits(daemon, "10.0.0.8") == 3, "new hits", 10)
            assert hits(daemon, "10.0.0.7") == 3
            assert daemon.stop()[0] == 0
        finally:
            finish(daemon)

    in_namespace(body)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("way", ["killed", "stuck"])
def test_books_balance_whatever_becomes_of_workers(
    in_namespace: Callable[[Callable[[], None]], None], tmp_path: Path, workers: int, way: str
) -> None:
    """Workers die or hang in mid-traffic: each packet that was sent is counted as read, dropped or lost, exactly once.

    What the dead had counted stays counted, and the next one reads on in the same ring.
    """

    def body() -> None:
        command("ip link set lo up")
        config = f"capture: {{ring_mib: 32, block_kib: 64, workers: {workers}}}\n"
        daemon = Daemon(tmp_path, "--interface", "port", config=config)
        sent = 0
        enough = threading.Event()

        def talk() -> None:
            nonlocal sent
            with sender() as wire:
                while not enough.is_set():
                    for number in range(64):
                        client = (f"10.1.{sent >> 8 & 0xFF}.{number + 1}", 50_000 + sent % 5_000)
                        wire.send(build.tcp(client, ("203.0.113.9", 443), build.ACK, 1, 1, bytes(400)))
                        sent += 1
                    time.sleep(0.005)

        try:
            daemon.until(lambda: daemon.said("watching"), "the workers")
            talking = threading.Thread(target=talk)
            talking.start()
            try:
                for restarts in (1, 2):
                    time.sleep(1.5)
                    os.kill(daemon.children()[0], signal.SIGKILL if way == "killed" else signal.SIGSTOP)
                    wanted = restarts
                    daemon.until(
                        lambda: daemon.metric("sniffer_worker_restarts_total") == wanted,  # noqa: B023  # used at once
                        "the death",
                        15,
                    )
                    daemon.until(lambda: daemon.ask("/-/ready")[0] == 200, "the successor", 20)
                time.sleep(1)
            finally:
                enough.set()
                talking.join()
            daemon.until(lambda: daemon.metric("sniffer_capture_offered_total") >= sent, "all packets", 10)
            time.sleep(1.5)  # and none is counted again
            read, dropped, lost, offered = daemon.metrics(
                *(f"sniffer_capture_{name}_total" for name in ("packets", "drops", "lost", "offered"))
            )
            passed, skipped = daemon.metrics("sniffer_gate_passed_total", "sniffer_gate_skipped_total")
            assert read + dropped + lost == offered == sent, (read, dropped, lost, sent)
            assert passed + skipped == read
            assert lost < 2 * 64 * 1_024 / 454  # of each death a block of 64 KiB at most
            mine(("10.0.0.8", 40_001))
            daemon.until(lambda: hits(daemon, "10.0.0.8") == 3, "hits", 10)
            assert daemon.stop()[0] == 0
            (last,) = (line for line in daemon.log() if line["event"] == "stopped")
            assert last["dropped"] == lost
        finally:
            finish(daemon)

    in_namespace(body)


def test_a_stopped_worker_of_two_is_replaced(
    in_namespace: Callable[[Callable[[], None]], None], tmp_path: Path
) -> None:
    """A worker that hangs is replaced within some seconds, the other works on, and afterwards nothing is lost."""

    def body() -> None:
        command("ip link set lo up")
        config = "capture: {ring_mib: 8, workers: 2}\n"
        daemon = Daemon(tmp_path, "--interface", "port", config=config)
        try:
            daemon.until(lambda: daemon.said("watching"), "the workers")
            before = daemon.children()
            assert len(before) == 2
            os.kill(before[0], signal.SIGSTOP)
            began = time.monotonic()
            daemon.until(lambda: daemon.metric("sniffer_worker_restarts_total") == 1, "its successor", 20)
            assert time.monotonic() - began < 6  # three seconds on a machine with nothing else to do
            daemon.until(lambda: daemon.metric("sniffer_worker_up") == 2, "both", 20)
            after = daemon.children()
            assert before[0] not in after
            assert before[1] in after
            addresses = [f"10.0.1.{number}" for number in range(1, 17)]
            sent = sum(mine((address, 41_000 + number)) for number, address in enumerate(addresses))
            daemon.until(lambda: daemon.metric("sniffer_capture_packets_total") >= sent, "books", 10)
            daemon.until(lambda: all(hits(daemon, address) == 3 for address in addresses), "all hits", 10)
            assert daemon.metric("sniffer_selftest_ok") == 1
            assert daemon.stop()[0] == 0
        finally:
            finish(daemon)

    in_namespace(body)
