"""The live table: one worker of sniffer, and Suricata, on a veth pair that is flooded as fast as tcpreplay can.

    python bench/live.py [--seconds 20] [--rounds 3] [--kinds isp] [--pps N] [--packets 200000] [--json FILE]
    python bench/live.py --seconds 600 --rounds 1 --kinds syn --packets 20000000 --sensors sniffer     # is memory flat?

In: root, two cores, ``ip`` and ``unshare``; tcpreplay and Suricata come from bench/trixie.py.
Out: packets a second offered, captured, dropped; CPU of the sensor; addresses found; what was resident over time.
Never: a packet outside of a network namespace that this script made; the end of a process that it did not start.

The sender has one core, the sensor the other.  The kernel hands a frame over in the sender's context, so what that costs
is not in the sensor's CPU time, whichever sensor it is.  CPU time is taken from the moment the sensor is ready until the
ring is empty again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
import trixie
from measure import FailedError, conditions, spread
from run import make
from tools import SNIFFER, Suricata

if TYPE_CHECKING:
    from collections.abc import Callable

INSIDE = "SNIFFER_BENCH_NAMESPACE"
WIRE, PORT = "wire", "port"  # tcpreplay takes a name that begins with tap for something else
LISTEN = "127.0.0.1:9478"  # of the namespace's own loopback interface
TICKS = os.sysconf("SC_CLK_TCK")
READY_SECONDS = 120
WATCH_SECONDS = 5
LONG = 120  # seconds, from which on memory is shown over time


@dataclass(frozen=True)
class Counts:
    """What a sensor says of its capture."""

    captured: int
    dropped: int
    hosts: frozenset[str]


class Sensor(ABC):
    """A sensor that listens on the port."""

    name: str
    ready: bytes  # what its log says then

    def __init__(self, folder: Path, core: int) -> None:
        self.folder = folder
        self.log = folder / f"{type(self).__name__}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # set before anything else runs, so that threads and workers inherit it
                preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # noqa: PLW1509  # no threads here
            )

    @abstractmethod
    def command(self) -> list[str]:
        """The words that start it."""

    @abstractmethod
    def counts(self) -> Counts:
        """What it has counted; ends it."""

    def wait(self) -> None:
        """Wait until it listens.

        Raises:
            FailedError: it ended, or took too long.
        """
        deadline = time.monotonic() + READY_SECONDS
        while self.ready not in self.log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise FailedError(f"{self.name} does not listen: {self.last_line()}")
            time.sleep(0.05)

    def last_line(self) -> str:
        """What it said last."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"

    def cpu(self) -> float:
        """CPU seconds so far, of all its threads and its workers."""
        return sum(map(cpu_of, family(self.process.pid)))

    def peaks(self) -> list[float]:
        """MiB resident at most, of each of its processes."""
        return [memory_of(pid, "VmHWM") for pid in family(self.process.pid)]

    def resident(self) -> float:
        """MiB resident now, of all its processes."""
        return sum(memory_of(pid, "VmRSS") for pid in family(self.process.pid))

    def end(self) -> None:
        """Stop it, gently at first."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Sniffer(Sensor):
    """This project's daemon with one worker and its settings as they are."""

    name = "sniffer"
    ready = b"watching"
    capture = "workers: 1"  # what its configuration says of it

    def command(self) -> list[str]:
        """With a configuration that names a file for events."""
        self._events = self.folder / "events.json"
        self._events.unlink(missing_ok=True)
        file = self.folder / "sniffer.yaml"
        file.write_text(
            f"log: {{format: json}}\nevents: {{file: {self._events}}}\ncapture: {{{self.capture}}}\n",
            encoding="utf-8",
        )
        return [*SNIFFER, "run", "--config", str(file), "--interface", PORT, "--listen", LISTEN]

    def page(self) -> str:
        """Its metrics as they are now."""
        with urllib.request.urlopen(f"http://{LISTEN}/metrics", timeout=15) as answer:
            text: str = answer.read().decode()
        return text

    def counts(self) -> Counts:
        """From the metrics."""
        page = self.page()
        self.end()
        hosts = set()
        with self._events.open(encoding="utf-8") as lines:
            for line in map(json.loads, lines):
                if line["event_type"] == "alert":
                    hosts.add(line["mining"]["host_ip"])
        captured = int(total(page, "sniffer_capture_packets_total"))
        dropped = int(total(page, "sniffer_capture_drops_total"))
        return Counts(captured, dropped, frozenset(hosts))


def total(page: str, name: str) -> float:
    """Sum of the samples of a family on a page of metrics."""
    return sum(map(float, re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", page, re.MULTILINE)))


class LiveSuricata(Sensor):
    """Suricata with AF_PACKET, one thread and the ring of the same size."""

    name = "Suricata 7"
    ready = b"Engine started"

    def command(self) -> list[str]:
        """With the settings that captures are read with."""
        self._made = Suricata(trixie.HOME, self.folder)
        self._made.forget()
        return self._made.command("--runmode", "single", f"--af-packet={PORT}")

    def counts(self) -> Counts:
        """From what it says at its end."""
        self.end()
        said = self.log.read_text(encoding="utf-8", errors="replace")
        found = re.search(rf"{PORT}: packets: (\d+), drops: (\d+)", said)
        if found is None:
            raise FailedError(f"{self.name} does not tell what it captured: {self.last_line()}")
        hosts, _ = self._made.told()
        # The kernel's count of packets has the dropped ones in it.
        dropped = int(found[2])
        return Counts(int(found[1]) - dropped, dropped, frozenset(hosts))


def family(pid: int) -> list[int]:
    """A process and its children."""
    out = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        out += [
            one
            for child in (task / "children").read_text(encoding="ascii").split()
            for one in family(int(child))
        ]
    return out


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and of the children it has waited for."""
    fields = (
        Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    )
    return sum(map(int, fields[11:15])) / TICKS


def memory_of(pid: int, what: str) -> float:
    """MiB that a process has resident (VmRSS) or had at most (VmHWM)."""
    found = re.search(rf"{what}:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    return int(found[1]) / 1_024 if found else 0.0


def command(line: str) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(line.split(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise FailedError(f"{line}: {done.stderr.strip()}")


def may_enter(what: str) -> bool:
    """Whether a namespace can be made here; where not, says that ``what`` is left out, and why."""
    if os.geteuid() or not shutil.which("unshare") or not shutil.which("ip"):
        print(f"{what}left out: it needs root, unshare (util-linux) and ip (iproute2)")
        return False
    return True


def enter() -> int:
    """Run this script again, in a network namespace of its own; return its status."""
    words = ["unshare", "--net", sys.executable, *sys.argv]
    return subprocess.run(words, env={**os.environ, INSIDE: "1"}, check=False).returncode


def enter_to_send() -> int:
    """As :func:`enter`, from where a namespace can be made and tcpreplay be had; elsewhere says what is missing."""
    if not may_enter(""):
        return 0
    if not shutil.which("tcpreplay"):
        try:
            trixie.unpack()  # now, since there is no network inside
        except trixie.UnavailableError as error:
            print(f"left out: no tcpreplay: {error}")
            return 0
    return enter()


def make_pair() -> None:
    """``wire`` and ``port``: what goes into the one comes out of the other; nothing else is on it."""
    command("ip link set lo up")
    command(f"ip link add {WIRE} type veth peer name {PORT}")
    for name in (WIRE, PORT):
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1", encoding="ascii")
        command(f"ip link set {name} up")


def sender() -> list[str]:
    """The words that begin a run of tcpreplay: trixie's, or this machine's.

    Raises:
        FailedError: there is none.
    """
    try:
        return trixie.command(trixie.HOME, "tcpreplay")
    except trixie.UnavailableError as error:
        own = shutil.which("tcpreplay")
        if own is None:
            raise FailedError(f"no tcpreplay: {error}") from None
        return [own]


SENT = re.compile(r"Actual: (\d+) packets \(\d+ bytes\) sent in ([\d.]+) seconds")


def replay(capture: Path, seconds: int, pps: int, core: int, watch: Callable[[], None]) -> tuple[int, float]:
    """Send a capture again and again, and ``watch`` meanwhile; return packets and seconds."""
    pace = [f"--pps={pps}", "--pps-multi=64"] if pps else ["--topspeed"]
    words = [
        *sender(),
        f"--intf1={WIRE}",
        *pace,
        "--preload-pcap",
        "--no-flow-stats",
        "--loop=0",
        f"--duration={seconds}",
        str(capture),
    ]
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # noqa: PLW1509  # no threads here
    ) as process:
        deadline = time.monotonic() + seconds + 120
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(min(WATCH_SECONDS, seconds / 4))
            watch()
        process.kill()  # nothing happens where it has ended
        said = process.communicate()[0]
    found = SENT.search(said)
    if found is None:
        raise FailedError(f"tcpreplay sent nothing: {said.strip()[-300:]}")
    return int(found[1]), float(found[2])


def one_round(
    kind: type[Sensor], capture: Path, folder: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Start a sensor, flood it, count, end it."""
    sensor = kind(folder, arguments.core)
    try:
        sensor.wait()
        time.sleep(1)
        before = sensor.cpu()
        begun, resident = time.monotonic(), [(0.0, sensor.resident())]

        def watch() -> None:
            resident.append((round(time.monotonic() - begun, 1), sensor.resident()))

        sent, seconds = replay(capture, arguments.seconds, arguments.pps, arguments.sender_core, watch)
        time.sleep(2)  # the ring empties, and what is counted once a second is told
        cpu, peaks = sensor.cpu() - before, sensor.peaks()
        counts = sensor.counts()
    finally:
        sensor.end()
    return {
        "offered": sent,
        "offered_per_second": sent / seconds,
        "captured": counts.captured,
        "dropped": counts.dropped,
        "unaccounted": sent - counts.captured - counts.dropped,
        "cpu_seconds_per_million": cpu / sent * 1e6,
        "cpu_share": cpu / seconds,
        "peak_mib": peaks,
        "resident_mib": resident,
        "hosts": sorted(counts.hosts),
    }


def measure_kind(kind: str, sensors: list[type[Sensor]], folder: Path, arguments: argparse.Namespace) -> Any:
    """Measure the sensors in turn; print a row for each."""
    capture = folder / f"{kind}.pcap"
    expected = make(capture, kind, arguments.packets)
    rows: dict[str, list[dict[str, Any]]] = {sensor.name: [] for sensor in sensors}
    for number in range(arguments.rounds):
        for i in range(len(sensors)):
            sensor = sensors[(i + number) % len(sensors)]
            rows[sensor.name].append(one_round(sensor, capture, folder, arguments))
    print(f"\n{kind}, live, {arguments.seconds} s, {expected['mean_bytes']} bytes on average")
    print(
        f"  {'':12} {'M packets/s offered':>22} {'dropped, %':>24} {'CPU s per million packets':>26} "
        f"{'CPU, % of a core':>24} {'peak MiB':>9}  addresses"
    )
    for name, rounds in rows.items():

        def column(key: str, scale: float, rounds: list[dict[str, Any]] = rounds) -> list[float]:
            return [one[key] * scale for one in rounds]

        drops = [100 * (one["offered"] - one["captured"]) / one["offered"] for one in rounds]
        hosts = len(set(rounds[-1]["hosts"]) & set(expected["hosts"]))
        print(
            f"  {name:12} {spread(column('offered_per_second', 1e-6)):>22} {spread(drops):>24} "
            f"{spread(column('cpu_seconds_per_million', 1), 3):>26} {spread(column('cpu_share', 100), 0):>24} "
            f"{'+'.join(f'{peak:.0f}' for peak in rounds[-1]['peak_mib']):>9}  {hosts} of {len(expected['hosts'])}"
        )
        if arguments.seconds >= LONG:
            print(f"  {'':12} MiB resident by seconds: {over_time(rounds[-1]['resident_mib'])}")
        odd = [one["unaccounted"] for one in rounds if one["unaccounted"]]
        if odd:
            print(f"  {'':12} packets neither captured nor dropped, by its own count: {odd}")
    return rows


def over_time(samples: list[tuple[float, float]], most: int = 12) -> str:
    """Some of many samples, the first and the last among them."""
    steps = [round(i * (len(samples) - 1) / (most - 1)) for i in range(most)]
    return ", ".join(f"{samples[i][0]:.0f} s {samples[i][1]:.0f}" for i in sorted(set(steps)))


def parser_of(says: str | None, *, pps: int) -> argparse.ArgumentParser:
    """What every script can be asked that floods a link; ``pps`` if nothing is said."""
    parser = argparse.ArgumentParser(description=says, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = sorted(os.sched_getaffinity(0))
    parser.add_argument("--packets", type=int, default=200_000, help="of the capture that is sent in a loop")
    parser.add_argument("--pps", type=int, default=pps, help="packets a second; 0: as fast as can be")
    parser.add_argument("--core", type=int, default=cores[-1], help="of the sensor")
    parser.add_argument("--sender-core", type=int, default=cores[0])
    parser.add_argument("--json", type=Path, help="write everything that was measured into this file")
    return parser


def write(path: Path | None, where: str, **measured: Any) -> None:
    """Write what was measured, and where, into the file that was asked for."""
    if path is not None:
        path.write_text(json.dumps({"conditions": where, **measured}, indent=1), encoding="utf-8")


def arguments_of() -> argparse.Namespace:
    """What is asked for."""
    parser = parser_of(__doc__, pps=0)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", default="isp", help="of bench/mix.py, with commas")
    parser.add_argument("--sensors", default="sniffer,suricata", help="with commas")
    return parser.parse_args()


def main() -> int:
    """Measure and print, in a namespace of our own."""
    arguments = arguments_of()
    if INSIDE not in os.environ:
        if not may_enter("the live table is "):
            return 0
        try:
            trixie.unpack()  # now, since there is no network inside
        except trixie.UnavailableError as error:
            print(f"Suricata is left out: {error}")
        return enter()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # rows come minutes apart
    where = conditions(arguments.core)
    try:
        make_pair()
        known = {"sniffer": Sniffer, **({"suricata": LiveSuricata} if trixie.unpacked() else {})}
        sensors = [known[name] for name in arguments.sensors.split(",") if name in known]
        with tempfile.TemporaryDirectory(prefix="sniffer-live-") as temporary:
            print(f"{where}; {arguments.rounds} rounds, median (lowest to highest)")
            kinds = {
                kind: measure_kind(kind, sensors, Path(temporary), arguments)
                for kind in arguments.kinds.split(",")
            }
    except FailedError as error:
        print(f"no live table: {error}")
        return 1
    write(arguments.json, where, kinds=kinds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
