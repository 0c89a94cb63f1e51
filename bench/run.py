"""The table of ``make bench``: what sniffer costs on each kind of traffic, and what others cost on the same files.

    python bench/run.py [--kinds isp,syn,…] [--tools sniffer,suricata,…] [--packets 2000000] [--rounds 3]
                        [--folder DIR] [--core N | --free] [--json FILE] [--live] [--growth]

In: nothing but the project; Debian's packages for the others, which bench/trixie.py fetches where it can.
Out: a table; the same for machines with --json; status 1 when sniffer's hits differ from what a capture holds.
Never: a figure from a run that is not counted; a figure of one tool from other files than those of the next.

In each round every tool reads a capture of 1 000 packets, which costs its start-up alone, and then the large one; the
difference is the price of the packets.  The order of the tools turns from round to round.  The files lie in the page
cache; all run pinned to one core, unless --free.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import tools as available_tools
from measure import Cost, FailedError, conditions, measure, pin, spread
from tools import Finding, Tool

HERE = Path(__file__).parent
KINDS = ("isp", "mining1", "mining10", "dns", "quic", "small", "syn")
SMALL = 1_000


class Measured:
    """What one tool cost on one kind of traffic, round by round."""

    def __init__(self, tool: Tool, packets: int) -> None:
        self.tool = tool
        self.packets = min(packets, tool.most) if tool.most else packets
        self.starts: list[Cost] = []
        self.wholes: list[Cost] = []
        self.found = Finding("")
        self.failed = ""

    def round(self, small: Path, large: Path, expected: dict[str, Any]) -> None:
        """Run it once on each capture; a tool that fails is not run again."""
        if self.failed:
            return
        try:
            costs = []
            for path in (small, large):
                self.tool.before()
                costs.append(measure(self.tool.command(path), memory=self.tool.memory))
        except FailedError as error:
            self.failed = str(error)
            return
        self.starts.append(costs[0])
        self.wholes.append(costs[1])
        self.found = self.tool.found(costs[1].output, expected)

    @property
    def cpu(self) -> list[float]:
        """CPU seconds per million packets, of each round."""
        return self._per_million([cost.cpu for cost in self.wholes], [cost.cpu for cost in self.starts])

    @property
    def wall(self) -> list[float]:
        """Seconds per million packets, of each round."""
        return self._per_million([cost.wall for cost in self.wholes], [cost.wall for cost in self.starts])

    def _per_million(self, wholes: list[float], starts: list[float]) -> list[float]:
        # The start-up is much the same in every round, and one of them may be disturbed: its median is taken off.
        start = statistics.median(starts) if starts else 0.0
        return [(whole - start) / (self.packets - SMALL) * 1e6 for whole in wholes]

    def ratios(self, ours: Measured) -> list[float]:
        """How many times the CPU time of ours, round by round."""
        return times(self.cpu, ours.cpu)

    def waits(self, ours: Measured) -> list[float]:
        """How many times as long as ours by the wall clock, round by round."""
        return times(self.wall, ours.wall)


def times(theirs: list[float], ours: list[float]) -> list[float]:
    """Ratios of the rounds of two tools."""
    return [their / own for their, own in zip(theirs, ours, strict=False) if own > 0]


def make(path: Path, kind: str, packets: int) -> dict[str, Any]:
    """Write a capture if it is not there yet; return what it holds.

    Raises:
        FailedError: there is no room for it.
    """
    words = [str(path), "--kind", kind, "--packets", str(packets)]
    done = subprocess.run([sys.executable, str(HERE / "mix.py"), *words], check=False)
    if done.returncode:
        raise FailedError(f"no capture of kind {kind} with {packets} packets")
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def measure_kind(kind: str, tools: list[Tool], folder: Path, packets: int, rounds: int) -> dict[str, Any]:
    """Measure every tool on one kind of traffic; print the rows and return them."""
    small, large = folder / f"{kind}-{SMALL}.pcap", folder / f"{kind}-{packets}.pcap"
    make(small, kind, SMALL)
    expected = make(large, kind, packets)
    rows = [Measured(tool, expected["packets"]) for tool in tools]
    for row in rows:  # not counted: compiles, and fills the page cache
        measure(row.tool.command(small), good=range(256))
    with large.open("rb") as file:
        while file.read(1 << 24):
            pass
    for number in range(rounds):
        for i in range(len(rows)):
            rows[(i + number) % len(rows)].round(small, large, expected)
    print(f"\n{kind}: {expected['packets']} packets, {expected['mean_bytes']} bytes on average")
    print(
        f"  {'':12} {'CPU s per million packets':>26} {'times sniffer':>24} "
        f"{'M packets/s by the clock':>26} {'time, times sniffer':>24} "
        f"{'start s':>8} {'peak MiB':>9}  found"
    )
    ours = next((row for row in rows if row.tool.name == "sniffer"), None)
    for row in rows:
        print_row(row, ours)
    return {
        "kind": kind,
        "packets": expected["packets"],
        "mean_bytes": expected["mean_bytes"],
        "tools": {row.tool.name: as_data(row, ours) for row in rows},
    }


def print_row(row: Measured, ours: Measured | None) -> None:
    """One line of the table."""
    if not row.wholes:
        print(f"  {row.tool.name:12} no figure: {row.failed}")
        return
    rates = [1 / seconds if seconds > 0 else float("inf") for seconds in row.wall]
    cpu, wall = (
        (spread(row.ratios(ours)), spread(row.waits(ours)))
        if ours and row is not ours and row.ratios(ours) and row.waits(ours)
        else ("", "")
    )
    print(
        f"  {row.tool.name:12} {spread(row.cpu, 3):>26} {cpu:>24} {spread(rates):>26} {wall:>24} "
        f"{statistics.median(cost.cpu for cost in row.starts):8.2f} "
        f"{max(cost.peak for cost in row.wholes):9.0f}  {row.found.text}"
        + (f"; then it failed: {row.failed}" if row.failed else "")
    )
    for fault in row.found.faults:
        print(f"  {'':12} differs: {fault}")


def as_data(row: Measured, ours: Measured | None) -> dict[str, Any]:
    """One line of the table, for machines."""
    return {
        "packets": row.packets,
        "cpu_seconds_per_million": row.cpu,
        "wall_seconds_per_million": row.wall,
        "times_sniffer": row.ratios(ours) if ours else [],
        "wall_times_sniffer": row.waits(ours) if ours else [],
        "start_cpu_seconds": [cost.cpu for cost in row.starts],
        "peak_mib": [cost.peak for cost in row.wholes],
        "found": row.found.text,
        "differs": list(row.found.faults),
        "failed": row.failed,
    }


def arguments_of() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", default=",".join(KINDS), help="of bench/mix.py, with commas")
    parser.add_argument("--tools", default=",".join(available_tools.USUAL), help="with commas")
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--free", action="store_true", help="pin nothing: speed by the clock with all cores")
    parser.add_argument("--folder", type=Path, help="keep the captures here; default: a temporary folder")
    parser.add_argument("--json", type=Path, help="write everything that was measured into this file")
    parser.add_argument("--live", action="store_true", help="also bench/live.py: a veth pair, root needed")
    parser.add_argument("--growth", action="store_true", help="also bench/growth.py: flows, names, start-up")
    arguments = parser.parse_args()
    for word, known in (("kinds", KINDS), ("tools", available_tools.NAMES)):
        unknown = set(getattr(arguments, word).split(",")) - set(known)
        if unknown:
            parser.error(f"--{word}: no {', '.join(sorted(unknown))}; choose from {','.join(known)}")
    return arguments


def main() -> int:
    """Measure and print."""
    arguments = arguments_of()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # rows come minutes apart
    if not arguments.free:
        pin(arguments.core)
    where = conditions(None if arguments.free else arguments.core)
    with tempfile.TemporaryDirectory(prefix="sniffer-bench-") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        tools, skipped = available_tools.available(arguments.tools.split(","), Path(temporary))
        print(f"{where}; {arguments.rounds} rounds, median (lowest to highest)")
        for line in skipped:
            print(line)
        results = []
        for kind in arguments.kinds.split(","):
            try:
                results.append(measure_kind(kind, tools, folder, arguments.packets, arguments.rounds))
            except FailedError as error:
                print(f"\n{kind}: no figures: {error}")
            if not arguments.folder:  # seven large captures are more than a disk may hold
                for path in folder.glob(f"{kind}-*"):
                    path.unlink()
    if arguments.json:
        document = {"conditions": where, "left_out": skipped, "rounds": arguments.rounds, "kinds": results}
        arguments.json.write_text(json.dumps(document, indent=1), encoding="utf-8")
    more = [name for name in ("live", "growth") if getattr(arguments, name)]
    statuses = [
        subprocess.run([sys.executable, str(HERE / f"{name}.py")], check=False).returncode for name in more
    ]
    wrong = any(tool["differs"] for kind in results for tool in kind["tools"].values())
    missing = len(results) < len(arguments.kinds.split(","))
    return 1 if wrong or missing or any(statuses) else 0


if __name__ == "__main__":
    raise SystemExit(main())
