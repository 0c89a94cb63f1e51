"""A reload under a flood: how long it takes, what is dropped meanwhile, and what it costs in memory.

    python bench/reload.py [--names 100000] [--pps 300000] [--seconds 16] [--rounds 3] [--ring-mib 64] [--json FILE]

In: root, two cores, ``ip``, ``unshare`` and tcpreplay (bench/trixie.py).
Out: for each round, with a reload and without one by turns: packets a second offered, dropped; seconds from the signal until
every worker matches the new rules; MiB of the worker resident before, at most, and after.
Never: a packet outside of a network namespace that this script made; the end of a process that it did not start.

The rules are the shipped ones.  A third into the flood a list of so many names comes beside them, and the daemon is told to
load its rules again.  The sender has one core; parent, worker and the child that loads share the other.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
from growth import write_pools
from live import INSIDE, Sniffer, enter_to_send, family, make_pair, memory_of, parser_of, replay, total, write
from measure import FailedError, conditions
from run import make

from sniffer.paths import shipped_rules

if TYPE_CHECKING:
    import argparse

PATIENCE = 60
NAMES_A_FILE = 20_000


class Reloaded(Sniffer):
    """The daemon with rules in a folder of its own."""

    def __init__(self, folder: Path, core: int, ring: int) -> None:
        self.capture = f"workers: 1, ring_mib: {ring}"
        self.rules = folder / "rules"
        shutil.rmtree(self.rules, ignore_errors=True)
        shutil.copytree(shipped_rules(), self.rules)
        super().__init__(folder, core)

    def command(self) -> list[str]:
        """As for the live table, but for rules and ring."""
        return [*super().command(), "--rules", str(self.rules)]

    def metric(self, name: str) -> float:
        """Sum of the samples of a family."""
        return total(self.page(), name)

    def add_names(self, count: int) -> None:
        """A list of so many names."""
        names = [f"host: p{number}.pool{number % 977}.invalid" for number in range(count)]
        for first in range(0, count, NAMES_A_FILE):
            file = self.rules / "pools" / f"bench-{first}.yaml"
            write_pools(file, "pool", names[first : first + NAMES_A_FILE])


def one_round(capture: Path, folder: Path, arguments: argparse.Namespace, *, reload: bool) -> dict[str, Any]:
    """Start the daemon, flood it, have it reload in the middle, count, end it."""
    sensor = Reloaded(folder, arguments.core, arguments.ring_mib)
    took: list[float] = []
    resident: list[float] = []
    enough = threading.Event()

    def have_it_reload() -> None:
        time.sleep(arguments.seconds / 3)
        begun = time.monotonic()
        sensor.process.send_signal(signal.SIGHUP)
        while time.monotonic() < begun + PATIENCE and not enough.wait(0.2):
            if sensor.metric("sniffer_rules_generation") == 2:
                took.append(time.monotonic() - begun)
                return

    try:
        sensor.wait()
        time.sleep(1)
        (worker,) = family(sensor.process.pid)[1:]

        def watch_memory() -> None:
            while not enough.wait(0.05):
                resident.append(memory_of(worker, "VmRSS"))

        sensor.add_names(arguments.names)
        before = memory_of(worker, "VmRSS")
        helpers = [threading.Thread(target=watch_memory)]
        if reload:
            helpers.append(threading.Thread(target=have_it_reload))
        for helper in helpers:
            helper.start()
        try:
            sent, seconds = replay(
                capture, arguments.seconds, arguments.pps, arguments.sender_core, lambda: None
            )
            time.sleep(2)
        finally:
            enough.set()
            for helper in helpers:
                helper.join()
        restarts = sensor.metric("sniffer_worker_restarts_total")
        counts = sensor.counts()
    finally:
        sensor.end()
    return {
        "reload": reload,
        "offered": sent,
        "offered_per_second": sent / seconds,
        "captured": counts.captured,
        "dropped": counts.dropped,
        "unaccounted": sent - counts.captured - counts.dropped,
        "restarts": restarts,
        "reload_seconds": took[0] if took else None,
        "before_mib": before,
        "most_mib": max(resident, default=0.0),
        "after_mib": resident[-1] if resident else 0.0,
    }


def show(one: dict[str, Any]) -> None:
    """A line for a round."""
    took = one["reload_seconds"]
    print(
        f"  {'reload' if one['reload'] else 'none':8} {one['offered_per_second'] / 1e3:8.0f} k packets/s  "
        f"dropped {one['dropped']:8} ({100 * one['dropped'] / one['offered']:.3f} %)  "
        f"unaccounted {one['unaccounted']}  restarts {one['restarts']:.0f}  "
        f"reload {f'{took:.2f} s' if took else '-':>7}  "
        f"worker MiB {one['before_mib']:.0f}, at most {one['most_mib']:.0f}, then {one['after_mib']:.0f}"
    )


def arguments_of() -> argparse.Namespace:
    """What is asked for."""
    parser = parser_of(__doc__, pps=300_000)
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ring-mib", type=int, default=64)
    parser.add_argument("--kind", default="isp", help="of bench/mix.py")
    return parser.parse_args()


def main() -> int:
    """Measure and print, in a namespace of our own."""
    arguments = arguments_of()
    if INSIDE not in os.environ:
        return enter_to_send()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # rows come seconds apart
    where = conditions(arguments.core)
    print(f"{where}; {arguments.names} names, ring of {arguments.ring_mib} MiB")
    rounds: list[dict[str, Any]] = []
    try:
        make_pair()
        with tempfile.TemporaryDirectory(prefix="sniffer-reload-") as temporary:
            capture = Path(temporary) / f"{arguments.kind}.pcap"
            make(capture, arguments.kind, arguments.packets)
            for number in range(arguments.rounds):
                for reload in (number % 2 == 0, number % 2 == 1):
                    rounds.append(one_round(capture, Path(temporary), arguments, reload=reload))
                    show(rounds[-1])
    except FailedError as error:
        print(f"not measured: {error}")
        return 1
    write(arguments.json, where, rounds=rounds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
