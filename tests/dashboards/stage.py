"""What the dashboards are tried on: the real daemon on the traffic stories.

In: the stories under pcaps/, a folder.  Out: a daemon that replays them, whose metrics a Prometheus can scrape.
Never: a process that outlives the test; a packet on a wire.
"""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING, Self

from model import ROOT
from prometheus import free_port

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000_000
START_SECONDS = 90.0  # a machine that has never run it compiles the gate first
STOP_SECONDS = 20.0
MINER = "10.20.1.11"  # the address with the most hits
MINER_HITS = 116  # of all its rules, as its story expects

# Customers of the stories' networks, so that tenants are there to be ranked; 10.20.9.40 is nobody's.
TENANTS = """\
tenants:
  - {name: hosting-hall-1, networks: [10.20.1.0/24]}
  - {name: office-park, networks: [10.20.5.0/24, "2001:db8:20:5::/64"]}
  - {name: student-flats, networks: [10.20.7.0/24]}
  - {name: workshop-11, networks: [10.20.11.0/24]}
"""


def stories(folder: Path, speed: float, quiet: float) -> tuple[Path, float]:
    """All stories in one capture whose last packet has the time at which a replay that starts now delivers it.

    Last hits are packet time: with the stamps of the stories they would lie in another week than the scrapes.  The first
    packet comes alone: what is counted before the first scrape, no rate sees.

    Args:
        folder: where the capture is written.
        speed: of the replay, 1 as recorded.
        quiet: seconds between the first packet and the others.

    Returns:
        The capture, and how long its replay takes, in seconds.
    """
    capture = folder / "stories.pcap"
    subprocess.run([sys.executable, ROOT / "pcaps" / "merge.py", capture], check=True)
    data = bytearray(capture.read_bytes())
    at, places = 24, []
    while at < len(data):
        seconds, nanoseconds, length = struct.unpack_from("<III", data, at)
        places.append((at, seconds * SECOND + nanoseconds))
        at += 16 + length
    lasts = (places[-1][1] - places[0][1]) / SECOND / speed + quiet
    shift = time.time_ns() + int(lasts * SECOND) - places[-1][1]
    for number, (at, stamp) in enumerate(places):
        early = 0 if number else int(quiet * speed * SECOND)
        struct.pack_into("<II", data, at, *divmod(stamp + shift - early, SECOND))
    capture.write_bytes(data)
    return capture, lasts


class Sensor:
    """The daemon on a capture, from ``with`` to its end.

    Args:
        folder: for its configuration, event lines and log.
        capture: what it replays.
        speed: 1 as recorded, 0 as fast as possible.
    """

    def __init__(self, folder: Path, capture: Path, speed: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.address = f"127.0.0.1:{free_port()}"
        self._log = folder / "sensor.log"
        config = folder / "sniffer.yaml"
        config.write_text(f"{TENANTS}\nevents:\n  file: {folder / 'events.json'}\n", encoding="utf-8")
        self._command = [
            sys.executable, "-c", "from sniffer.cli import main; main()", "run",
            "--config", str(config), "--listen", self.address,
            "--replay", str(capture), "--speed", str(speed),
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise AssertionError(f"the sensor does not serve metrics:\n{self.log}")
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://{self.address}/-/healthy", timeout=5),
        ):  # our own address
            return True
        return False

    @property
    def log(self) -> str:
        """What it has written."""
        return self._log.read_text(encoding="utf-8", errors="replace")
