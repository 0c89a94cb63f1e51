"""The benchmark's traffic: the same bytes each time, readable by another decoder, and what is in it is found."""

from __future__ import annotations

import re
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import dpkt
import pytest
from loadscript import script

from sniffer.addresses import address_text
from sniffer.scan import Scanner, ScanSettings

if TYPE_CHECKING:
    from pathlib import Path

    from sniffer.ruleset import RuleSet

mix = script("bench/mix.py")
KINDS = sorted(mix.KINDS)
PACKETS = 20_000
MINERS = 4
SUBMIT = re.compile(rb'"method": "(mining\.)?submit"')


def made(folder: Path, kind: str, seed: int = 1) -> tuple[Path, dict[str, Any]]:
    """A capture of a kind, and what is to be found in it."""
    path = folder / f"{kind}.pcap"
    return path, mix.make(path, kind, PACKETS, miners=MINERS, seed=seed)


def frames(path: Path) -> list[bytes]:
    """Frames as another reader of captures sees them."""
    with path.open("rb") as file:
        return [frame for _, frame in dpkt.pcap.Reader(file)]


def transport(frame: bytes) -> dpkt.tcp.TCP | dpkt.udp.UDP:
    """What another decoder finds inside of addresses."""
    network = dpkt.ethernet.Ethernet(frame).data
    assert isinstance(network, dpkt.ip.IP | dpkt.ip6.IP6), "neither IPv4 nor IPv6"
    assert isinstance(network.data, dpkt.tcp.TCP | dpkt.udp.UDP), "neither TCP nor UDP"
    return network.data


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_arguments_give_the_same_bytes(tmp_path: Path, kind: str) -> None:
    """Two runs write one capture and one expectation; another seed writes another capture."""
    first, expected = made(tmp_path / "first", kind)
    second, again = made(tmp_path / "second", kind)
    assert first.read_bytes() == second.read_bytes()
    assert expected == again
    assert made(tmp_path / "third", kind, seed=2)[0].read_bytes() != first.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_another_decoder_reads_it(tmp_path: Path, kind: str) -> None:
    """Every frame is TCP or UDP for dpkt; the sums of the expectation are those of the frames."""
    path, expected = made(tmp_path, kind)
    read = frames(path)
    assert len(read) == expected["packets"]
    assert round(sum(map(len, read)) / len(read), 1) == expected["mean_bytes"]
    assert path.stat().st_size == expected["bytes"]
    submitted = sum(bool(SUBMIT.search(bytes(transport(frame).data))) for frame in read)
    wanted: Counter[str] = Counter()
    for counts in expected["hosts"].values():
        wanted.update(counts)
    assert submitted == wanted["stratum-v1-submit"] + wanted["cryptonote-submit"] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_there_is_found(tmp_path: Path, kind: str, ruleset: RuleSet) -> None:
    """A scan finds each message that the expectation names, at its address and by its rule, and no other."""
    path, expected = made(tmp_path, kind)
    scanner = Scanner(ruleset, ScanSettings())
    scanner.scan(str(path))
    assert scanner.result.faults == []
    hosts = {address_text(address): dict(host.hits) for address, host in scanner.result.hosts.items()}
    assert hosts == expected["hosts"]


def test_the_mixes_are_what_they_are_called(tmp_path: Path) -> None:
    """Shares of mining, of DNS, of SYN and of small frames."""
    share = {
        kind: mix.make(tmp_path / f"{kind}.pcap", kind, PACKETS)["mining_packets"] / PACKETS
        for kind in ("mining1", "mining10")
    }
    assert share["mining1"] == pytest.approx(0.01, rel=0.5)  # a miner more or less
    assert share["mining10"] == pytest.approx(0.10, rel=0.1)
    floods = {kind: frames(made(tmp_path, kind)[0]) for kind in ("small", "syn", "dns")}
    assert sum(len(frame) == 60 for frame in floods["small"]) > 0.9 * PACKETS
    flags = Counter(transport(frame).flags for frame in floods["syn"])
    assert flags[dpkt.tcp.TH_SYN] > 0.9 * PACKETS
    ports = Counter(53 in (transport(frame).sport, transport(frame).dport) for frame in floods["dns"])
    assert ports[True] > 0.8 * PACKETS


def test_a_full_disk_is_told_before_it_is_full(tmp_path: Path) -> None:
    """More packets than the disk holds: the error says how much, where, and what to do."""
    with pytest.raises(mix.NoRoomError, match=r"take about .* GB, .* GB are free in .*; ask for fewer"):
        mix.make(tmp_path / "isp.pcap", "isp", 10**13)


def test_a_sensor_that_overlooks_something_is_told() -> None:
    """Hits that are missing, hits too many and addresses that are missing, each in a sentence."""
    tools = script("bench/run.py").available_tools
    expected = {"hosts": {"10.0.0.1": {"a": 2}, "10.0.0.2": {"b": 1}}}
    stats = {"stats": {"hits": 3, "hits_by_rule": {"a": 2, "b": 1}}}
    lines = [{"mining": {"host_ip": "10.0.0.1"}}, {"mining": {"host_ip": "10.0.0.2"}}]
    assert tools.differences([*lines, stats], expected) == []
    stats["stats"]["hits_by_rule"] = {"a": 1, "c": 1}
    assert tools.differences([lines[0], stats], expected) == [
        "a: 1 hits, 2 messages",
        "b: 0 hits, 1 messages",
        "c: 1 hits, 0 messages",
        "addresses: 1 not found, 0 not there",
    ]


def test_what_a_process_costs() -> None:
    """Time, CPU time and output of a command; one that fails is no figure."""
    measure = script("bench/measure.py")
    work = "print(sum(range(3_000_000)), end='')"
    cost = measure.measure([sys.executable, "-c", work])
    assert cost.output == b"4499998500000"
    assert 0.005 < cost.cpu < 30
    assert cost.wall > 0.005
    assert cost.peak > 1
    with pytest.raises(measure.FailedError, match="ended with status 3: no"):
        measure.measure([sys.executable, "-c", "import sys; print('no'); sys.exit(3)"])


def test_times_are_those_of_the_packets_alone() -> None:
    """The start-up is taken off, and ratios compare what ran in the same round."""
    run = script("bench/run.py")

    def row(wholes: list[float], start: float) -> Any:
        tool = run.Tool("x", lambda _path: [], lambda _output, _expected: run.Finding(""))
        made = run.Measured(tool, 1_001_000)
        made.wholes = [run.Cost(wall=cpu, cpu=cpu, peak=1, output=b"") for cpu in wholes]
        made.starts = [run.Cost(wall=start, cpu=start, peak=1, output=b"") for _ in wholes]
        return made

    ours, theirs = row([1.5, 2.5], 0.5), row([4.25, 8.25], 0.25)
    assert ours.cpu == pytest.approx([1, 2])
    assert theirs.ratios(ours) == pytest.approx([4, 4])
