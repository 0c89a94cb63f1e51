"""Measures what grows and what must not: cost by live flows and by listed names, memory, time to the first result.

    python bench/growth.py [--parts flows,names,flood,start] [--packets 2000000] [--rounds 3] [--core N] [--json FILE]

In: nothing but the project.  Out: a table for each part.
Never: a figure of two runs that read different captures, except where their difference is the question.

flows   CPU per packet with 1 000 to 1 000 000 live flows, the packets spread over all of them by chance, so that each
        finds its flow in memory that no cache holds; in frames of 64 bytes, where that shows most, and of 860
names   CPU per packet with 10 to 100 000 listed names, on traffic that is nearly all DNS
flood   peak memory of a scan while SYN segments of new flows keep coming
start   seconds until a scan of 100 packets has ended: kernels on disk, and no kernels at all, as on the first run ever
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import Cost, conditions, measure, pin, spread
from run import make
from tools import SNIFFER

from sniffer.paths import shipped_rules  # loads nothing that would count as a child's memory

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
FLOWS = (1_000, 10_000, 100_000, 1_000_000)
SIZES = (60, 856)
NAMES = (10, 1_000, 10_000, 100_000)
NAMES_A_FILE = 2_500
FLOODS = (1, 2, 4, 8)  # times half of --packets
PARTS = ("flows", "names", "flood", "start")


def scan(path: Path, **environment: str) -> Cost:
    """Scan a capture in a process of its own."""
    return measure([*SNIFFER, "scan", "--json", str(path)], environment=environment)


def timed(path: Path, rules: Path | None, skip: int) -> None:
    """Run a capture through an engine in this process; print what its packets cost, the first ``skip`` left out.

    What a start costs grows with the lists, and varies by more than what is asked here: it is not in the figure.
    """
    import time  # noqa: PLC0415

    # Imported by the process that measures only: a parent with these in it would count as its children's memory.
    from sniffer.capture import savefile  # noqa: PLC0415
    from sniffer.engine import Engine, EngineSettings  # noqa: PLC0415
    from sniffer.gate.gate import warm_up  # noqa: PLC0415
    from sniffer.ruleset import load_rules  # noqa: PLC0415

    warm_up()
    savefile.warm_up()
    engine = Engine(
        load_rules([rules or shipped_rules()]),
        interfaces=["bench"],
        settings=EngineSettings(),
        hit=lambda _: None,
        event=lambda _: None,
    )
    packets = left_out = 0
    begun = time.process_time()
    for batch in savefile.Savefile(str(path)).batches():
        if packets <= skip:
            begun, left_out = time.process_time(), packets
        engine.process(batch)
        packets += len(batch.frames)
    engine.finish()
    spent = time.process_time() - begun
    totals = engine.totals()
    document = {"ns": spent / (packets - left_out) * 1e9, "flows": totals.flows, "hits": totals.hits}
    print(json.dumps(document))


def packet_cost(path: Path, *, rules: Path | None = None, skip: int = 0) -> tuple[Cost, dict[str, Any]]:
    """What a packet costs behind the first ``skip``, in a process of its own; and what that process cost in all."""
    words = [sys.executable, __file__, "--timed", str(path), str(rules or ""), str(skip)]
    cost = measure(words)
    return cost, json.loads(cost.output.splitlines()[-1])


# ── flows ────────────────────────────────────────────────────────────────────────────────────────────────


def write_flows(path: Path, flows: int, packets: int, size: int) -> None:
    """A capture: the first segment of each flow, then segments of flows by chance."""
    # Imported by the process that writes only: a parent with numpy in it would count as its children's memory.
    import numpy as np  # noqa: PLC0415
    from ends import ACK, PSH  # noqa: PLC0415
    from mix import BENCH_NETWORK, BLOCK, SERVERS, TCP, Writer, as_rows, blank, words  # noqa: PLC0415

    rng = random.Random(flows)

    def segments(which: Any, turn: int) -> Any:
        frames, rest = blank(len(which)), np.zeros(len(which), dtype=TCP)
        frames["protocol"], frames["length"] = 6, size - 14
        frames["source"] = BENCH_NETWORK + (which & 0x1FFFF)
        frames["source_port"] = 1_024 + (which >> 17)
        frames["destination"], frames["destination_port"] = SERVERS + 1, 443
        rest["sequence"], rest["size"], rest["flags"] = 1 + turn * (size - 54), 0x50, PSH | ACK
        rest["payload"] = np.void(b"\x17\x03\x03\x03\x20\x99")
        frames["rest"] = rest.view("V22")
        rows = np.zeros((len(which), size), dtype=np.uint8)
        rows[:, :60] = as_rows(frames)
        return rows

    with path.open("wb") as file:
        out = Writer(file, 1_000)
        for first in range(0, flows, BLOCK):
            out.put_rows(segments(np.arange(first, min(first + BLOCK, flows), dtype=np.uint32), 0))
        for first in range(0, packets, BLOCK):
            out.put_rows(segments(words(rng, min(BLOCK, packets - first)) % flows, 1 + first // BLOCK))


def by_flows(folder: Path, packets: int, rounds: int) -> list[dict[str, Any]]:
    """CPU per packet by live flows, once they are all there."""
    print("\nflows: CPU of a packet by live flows")
    print(
        f"  {'flows':>9} {'bytes':>6} {'ns a packet':>22} {'times the fewest':>20} {'peak MiB':>9} {'live':>9}"
    )
    out = []
    for size in SIZES:
        paths = {flows: folder / f"flows-{flows}-{size}.pcap" for flows in FLOWS}
        for flows, path in paths.items():
            words = [sys.executable, __file__, "--write", str(path)]
            subprocess.run([*words, str(flows), str(packets), str(size)], check=True)
            packet_cost(path, skip=flows)  # not counted
        costs: dict[int, list[float]] = {flows: [] for flows in FLOWS}
        peaks, live = {}, {}
        for _ in range(rounds):
            for flows, path in paths.items():
                whole, figures = packet_cost(path, skip=flows)
                costs[flows].append(figures["ns"])
                peaks[flows], live[flows] = whole.peak, figures["flows"]
        for flows in FLOWS:
            times = [many / few for many, few in zip(costs[flows], costs[FLOWS[0]], strict=True)]
            print(
                f"  {flows:9} {size + 4:6} {spread(costs[flows], 0):>22} {spread(times):>20} "
                f"{peaks[flows]:9.0f} {live[flows]:9}"
            )
            row = {"flows": flows, "bytes": size + 4, "ns": costs[flows], "peak_mib": peaks[flows]}
            out.append({**row, "live": live[flows]})
        for path in paths.values():
            path.unlink()
    return out


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────


def write_rules(folder: Path, count: int) -> None:
    """The shipped rules with another list of pools, in which is the name that the traffic asks for."""
    shutil.copytree(shipped_rules(), folder, ignore=shutil.ignore_patterns("pools", "host-patterns.yaml"))
    pools = folder / "pools"
    pools.mkdir()
    for category in CATEGORIES:  # rules ask for a list of each
        write_pools(pools / f"{category}.yaml", category, [f"host: {category.replace('_', '-')}.invalid"])
    names = ["host: xmr-eu1.nanopool.org"]
    names += [
        f"{('host', 'suffix')[i % 2]}: p{i}.pool{i % 977}.invalid" for i in range(count - 1 - len(CATEGORIES))
    ]
    for first in range(0, len(names), NAMES_A_FILE):
        write_pools(pools / f"pool-{first:06}.yaml", "pool", names[first : first + NAMES_A_FILE])


def write_pools(file: Path, category: str, names: list[str]) -> None:
    """A list of pools."""
    entries = "".join(f"  - {name}\n    strength: strong\n" for name in names)
    file.write_text(f"category: {category}\npools:\n- name: Bench\n  endpoints:\n{entries}", encoding="utf-8")


CATEGORIES = (
    "solo_pool",
    "hashrate_market",
    "devfee",
    "browser_miner",
    "proxy_malware",
    "miner_management",
    "defunct_pool",
)


def by_names(folder: Path, packets: int, rounds: int) -> list[dict[str, Any]]:
    """CPU per packet by listed names."""
    path = folder / "names.pcap"
    expected = make(path, "dns", packets)
    messages = sum(sum(counts.values()) for counts in expected["hosts"].values())
    rules = {count: folder / f"rules-{count}" for count in NAMES}
    for count, place in rules.items():
        write_rules(place, count)
        packet_cost(path, rules=place)  # not counted
    costs: dict[int, list[float]] = {count: [] for count in NAMES}
    wholes: dict[int, list[Cost]] = {count: [] for count in NAMES}
    hits = set()
    for _ in range(rounds):
        for count, place in rules.items():
            whole, figures = packet_cost(path, rules=place)
            costs[count].append(figures["ns"])
            wholes[count].append(whole)
            hits.add(figures["hits"])
    print("\nnames: CPU of a packet by listed names, traffic of DNS")
    print(f"  {'names':>9} {'ns a packet':>22} {'times the fewest':>20} {'start s':>8} {'peak MiB':>9}")
    out = []
    for count in NAMES:
        times = [many / few for many, few in zip(costs[count], costs[NAMES[0]], strict=True)]
        starts = [
            whole.cpu - ns * packets / 1e9 for whole, ns in zip(wholes[count], costs[count], strict=True)
        ]
        peak = max(whole.peak for whole in wholes[count])
        print(
            f"  {count:9} {spread(costs[count], 0):>22} {spread(times):>20} "
            f"{statistics.median(starts):8.2f} {peak:9.0f}"
        )
        out.append({"names": count, "ns": costs[count], "start_seconds": starts, "peak_mib": peak})
    if hits != {messages}:
        print(f"  differs: {sorted(hits)} hits, {messages} messages")
    path.unlink()
    return out


# ── memory and start ─────────────────────────────────────────────────────────────────────────────────────


def by_flood(folder: Path, packets: int, rounds: int) -> list[dict[str, Any]]:
    """Peak memory by how many new flows there were."""
    print("\nflood: peak memory of a scan by SYN segments, each of a new flow")
    print(f"  {'flows':>9} {'peak MiB':>22}")
    out = []
    for times in FLOODS:
        path = folder / "flood.pcap"
        make(path, "syn", times * packets // 2)
        peaks = [scan(path).peak for _ in range(min(rounds, 2))]
        path.unlink()
        print(f"  {times * packets // 2:9} {spread(peaks, 0):>22}")
        out.append({"flows": times * packets // 2, "peak_mib": peaks})
    return out


def first_result(folder: Path, _packets: int, rounds: int) -> list[dict[str, Any]]:
    """Seconds of wall clock and CPU until 100 packets are scanned."""
    path = folder / "hundred.pcap"
    make(path, "isp", 100)
    scan(path)
    warm, first = [], []
    for number in range(rounds):
        warm.append(scan(path))
        empty = folder / f"kernels-{number}"
        empty.mkdir()
        first.append(scan(path, NUMBA_CACHE_DIR=str(empty)))
        shutil.rmtree(empty)
    print("\nstart: seconds until a scan of 100 packets has ended")
    print(f"  {'':24} {'wall clock':>24} {'CPU':>24}")
    out = []
    for name, costs in (("kernels on disk", warm), ("first run ever", first)):
        wall, cpu = [cost.wall for cost in costs], [cost.cpu for cost in costs]
        print(f"  {name:24} {spread(wall):>24} {spread(cpu):>24}")
        out.append({"what": name, "wall": wall, "cpu": cpu})
    return out


def main() -> int:
    """Measure and print."""
    if sys.argv[1:2] == ["--write"]:
        path, *numbers = sys.argv[2:]
        write_flows(Path(path), *map(int, numbers))
        return 0
    if sys.argv[1:2] == ["--timed"]:
        path, rules, skip = sys.argv[2:]
        timed(Path(path), Path(rules) if rules else None, int(skip))
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="with commas")
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--json", type=Path, help="write everything that was measured into this file")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # rows come minutes apart
    pin(arguments.core)
    where = conditions(arguments.core)
    print(f"{where}; {arguments.rounds} rounds, median (lowest to highest)")
    measures: dict[str, Callable[[Path, int, int], list[dict[str, Any]]]] = {
        "flows": by_flows,
        "names": by_names,
        "flood": by_flood,
        "start": first_result,
    }
    results = {}
    for part in arguments.parts.split(","):
        if part not in measures:
            parser.error(f"--parts: no {part}; choose from {','.join(PARTS)}")
        with tempfile.TemporaryDirectory(prefix="sniffer-growth-") as folder:
            results[part] = measures[part](Path(folder), arguments.packets, arguments.rounds)
    if arguments.json:
        arguments.json.write_text(json.dumps({"conditions": where, **results}, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
