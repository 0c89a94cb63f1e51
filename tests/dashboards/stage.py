"""What the dashboards are tried on: the real daemon on the traffic stories.

In: the stories under pcaps/, a folder.  Out: a daemon that replays them, whose metrics a Prometheus can scrape.
Never: a process that outlives the test; a packet on a wire.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from control.test_daemon import Daemon
from model import ROOT
from processes import end

if TYPE_CHECKING:
    from collections.abc import Iterator
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


@contextmanager
def sensor(folder: Path, capture: Path, speed: float) -> Iterator[str]:
    """The daemon on a capture; the address of its metrics.

    Args:
        folder: for its configuration, event lines and log.
        capture: what it replays.
        speed: 1 as recorded.
    """
    daemon = Daemon(folder, "--replay", capture, "--speed", f"{speed:g}", config=TENANTS)
    try:
        daemon.until(lambda: daemon.said("watching"), "the worker", START_SECONDS)
        yield str(next(line["listen"] for line in daemon.log() if line["event"] == "started"))
    finally:
        end(daemon.process, STOP_SECONDS)
        if daemon.process.stdout is not None:
            daemon.process.stdout.close()
