"""Measures how many packets a second ``sniffer scan`` handles on one core, and checks that it finds what is there.

    python bench/run.py [--packets 2000000] [--rounds 5] [--folder DIR]

In: nothing but the project.  Out: a table of rounds and medians; status 1 when hits differ from what the mix holds.
Never: a figure from a warm-up round.

Whole processes are timed, pinned to one core: a scan of the mix, and, right before it, a scan of a capture of 1 000
packets, which costs the start-up alone.  The difference is the price of the packets.  The file lies in the page cache.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCAN = [sys.executable, "-c", "from sniffer.cli import main; main()", "scan", "--json"]


def make(path: Path, packets: int) -> dict[str, Any]:
    """Write a mix if it is not there yet; return what it holds."""
    if not path.exists():
        miners = "10" if packets >= 100_000 else "0"
        subprocess.run(
            [sys.executable, str(HERE / "mix.py"), str(path), "--packets", str(packets), "--miners", miners],
            check=True,
        )
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def scan(path: Path) -> tuple[float, float, list[dict[str, Any]]]:
    """Wall seconds, CPU seconds and output lines of one scan."""
    before = os.times()
    begun = time.perf_counter()
    done = subprocess.run([*SCAN, str(path)], capture_output=True, check=True)
    wall = time.perf_counter() - begun
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu, [json.loads(line) for line in done.stdout.splitlines()]


def differences(found: list[dict[str, Any]], mix: dict[str, Any]) -> list[str]:
    """How hits differ from what the mix holds."""
    wanted: dict[str, int] = {}
    for counts in mix["hosts"].values():
        for rule, count in counts.items():
            wanted[rule] = wanted.get(rule, 0) + count
    hits = found[-1]["stats"]["hits_by_rule"]
    out = [
        f"{rule}: {hits.get(rule, 0)} hits, {wanted.get(rule, 0)} messages"
        for rule in {*wanted, *hits}
        if hits.get(rule) != wanted.get(rule)
    ]
    hosts = {line["mining"]["host_ip"] for line in found[:-1]}
    if hosts != set(mix["hosts"]):
        out.append(f"hosts: {sorted(hosts)} for {sorted(mix['hosts'])}")
    return out


def processor() -> str:
    """Name of the processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")),
        "unknown",
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument(
        "--folder", type=Path, default=None, help="keep the captures here; default: a temporary folder"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sniffer-bench-") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        small, large = folder / "small.pcap", folder / f"mix-{arguments.packets}.pcap"
        make(small, 1_000)
        mix = make(large, arguments.packets)
        os.sched_setaffinity(0, {arguments.core})
        scan(small)  # compiles, if need be
        scan(large)  # fills the page cache
        print(
            f"{processor()}, core {arguments.core}; {mix['packets']} packets of {mix['mean_bytes']} bytes on average"
        )
        print("round   start-up s   scan s   million packets/s   by CPU time")
        by_wall, by_cpu, faults = [], [], []
        found: list[dict[str, Any]] = []
        for number in range(arguments.rounds):
            start, start_cpu, _ = scan(small)
            whole, whole_cpu, found = scan(large)
            by_wall.append(mix["packets"] / (whole - start) / 1e6)
            by_cpu.append(mix["packets"] / (whole_cpu - start_cpu) / 1e6)
            faults += differences(found, mix)
            print(f"{number + 1:5}   {start:10.2f}   {whole:6.2f}   {by_wall[-1]:17.2f}   {by_cpu[-1]:11.2f}")
        for name, rates in (("wall clock", by_wall), ("CPU time", by_cpu)):
            spread = f"lowest {min(rates):.2f}, highest {max(rates):.2f}"
            print(f"median by {name}: {statistics.median(rates):.2f} million packets/s ({spread})")
        stats = found[-1]["stats"]
        print(
            f"passed to Python: {100 * stats['passed'] / stats['packets']:.3f} % of packets; hits: {stats['hits']}"
        )
        for fault in faults:
            print(f"differs: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
