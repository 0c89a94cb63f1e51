"""What it costs the parent to know how big everybody is: memory and processor for a hundred thousand sessions.

    python bench/sizes.py [--sessions 100000] [--accounts 5] [--shares 2000] [--seconds 60] [--without-history] [--json FILE]

In: nothing.  Out: resident memory of the parent, its share of a processor while shares come in, the sessions it keeps, rows in its
history; of the worker, that no share was lost on the way.
Never: traffic; the daemon replays a capture that is made here.

Connections have some accounts each, as behind a proxy, so that a worker reads all of them at once.  First every session comes
into being, as fast as shares come later; then shares of accounts by chance, each with the pool's verdict.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from ends import ACK, PSH, SYN, Ends
from live import cpu_of, memory_of, write
from measure import FailedError, conditions
from mix import Writer

LISTEN = "127.0.0.1:9479"
FRAMES = 2  # of a share: itself and its verdict
OPENING = 5  # frames of a connection before its first share
PATIENCE = 90.0
SCRAPE_EVERY = 15.0  # seconds, as in deploy/prometheus


def greeting(account: str) -> bytes:
    """Who the miner is."""
    return (
        json.dumps({"id": 2, "method": "mining.authorize", "params": [f"{account}.rig1", "x"]}).encode()
        + b"\n"
    )


def share(number: int, account: str, nonce: int) -> bytes:
    """A share."""
    params = [f"{account}.rig1", "bf", "00000001", "504e86ed", f"{nonce:08x}"]
    return json.dumps({"id": number, "method": "mining.submit", "params": params}).encode() + b"\n"


DIFFICULTY = b'{"id":null,"method":"mining.set_difficulty","params":[65536]}\n'


def make(path: Path, sessions: int, accounts: int, shares: int, seconds: int) -> int:
    """Write the capture; return how many shares are in it."""
    rng = random.Random(7)
    flows = [
        Ends(
            rng,
            1_024 + number % 60_000,
            3_333,
            version=4,
            client=(0x0A000000 + number).to_bytes(4, "big"),
            tagged=False,
        )
        for number in range(sessions // accounts)
    ]
    told = 0
    with path.open("wb") as file:
        writer = Writer(file, 10**9 // (shares * FRAMES))

        def hand_in(flow: int, account: int) -> None:
            nonlocal told
            told += 1
            ends = flows[flow]
            writer.put(ends.tcp(0, PSH | ACK, share(told, f"account{flow}x{account}", told & 0xFFFFFFFF)))
            writer.put(ends.tcp(1, PSH | ACK, b'{"id":%d,"result":true,"error":null}\n' % told))

        for number, ends in enumerate(flows):
            for side, flags, data in ((0, SYN, b""), (1, SYN | ACK, b""), (0, ACK, b"")):
                writer.put(ends.tcp(side, flags, data))
            writer.put(ends.tcp(0, PSH | ACK, greeting(f"account{number}x0")))
            writer.put(ends.tcp(1, PSH | ACK, DIFFICULTY))
            for account in range(accounts):
                hand_in(number, account)
        for _ in range(shares * seconds):
            hand_in(rng.randrange(len(flows)), rng.randrange(accounts))
        writer.flush()
    return told


def figure(name: str) -> float:
    """A sum over a family on the daemon's page."""
    with urllib.request.urlopen(f"http://{LISTEN}/metrics", timeout=30) as answer:
        page = answer.read().decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE))


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--accounts", type=int, default=5, help="of each address")
    parser.add_argument("--shares", type=int, default=2_000, help="a second")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--without-history", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    where = conditions(None)
    print(where)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        capture = folder / "sessions.pcap"
        wanted = make(capture, arguments.sessions, arguments.accounts, arguments.shares, arguments.seconds)
        print(
            f"{wanted} shares of {arguments.sessions} sessions, {arguments.accounts} an address, {capture.stat().st_size >> 20} MiB"
        )
        config = folder / "sniffer.yaml"
        config.write_text(
            "log: {level: info}\n"
            if arguments.without_history
            else f"history: {{file: {folder / 'history.db'}}}\n"
        )
        command = [
            str(Path(sys.executable).parent / "sniffer"), "run", "--config", str(config), "--replay", str(capture), "--speed", "1",
            "--listen", LISTEN,
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=(folder / "log").open("wb"))
        try:
            frames = wanted * FRAMES + arguments.sessions // arguments.accounts * OPENING
            lasts = frames / (arguments.shares * FRAMES)
            span = watch(process.pid, arguments.sessions, lasts, arguments.shares)
            lost = wanted - figure("sniffer_shares_total") / 2
            kept = figure("sniffer_sessions")
            peak = memory_of(process.pid, "VmHWM")
        except FailedError:
            print((folder / "log").read_text(errors="replace")[-2_000:], file=sys.stderr)
            raise
        finally:
            process.terminate()
            process.wait(30)
        rows = (folder / "history.db").stat().st_size >> 20 if not arguments.without_history else 0
    print(
        f"sessions kept {kept:.0f}; parent: peak {peak:.0f} MiB, {span:.1%} of a processor at {arguments.shares} shares a second; "
        f"shares missing {lost:.0f}; history {rows} MiB"
    )
    write(arguments.json, where, sessions=kept, peak=peak, processor=span, missing=lost)
    return 0


def watch(pid: int, sessions: int, lasts: float, shares: int) -> float:
    """The parent's share of a processor in the second part of ``lasts`` seconds, when every session is there."""
    deadline = time.monotonic() + PATIENCE + lasts
    while True:
        if time.monotonic() > deadline:
            raise FailedError("the daemon does not come to an end; see its log")
        try:
            handed_in = figure("sniffer_shares_total") / 2
            break
        except OSError:
            time.sleep(0.5)
    last = -1.0
    spans: list[tuple[float, float, float]] = []
    while handed_in > last or not handed_in:
        last = handed_in
        spans.append((time.monotonic(), cpu_of(pid), handed_in))
        time.sleep(SCRAPE_EVERY)
        handed_in = figure("sniffer_shares_total") / 2
        if time.monotonic() > deadline:
            raise FailedError("the daemon does not come to an end; see its log")
    steady = [span for span in spans if span[2] >= sessions][
        :-1
    ]  # within the last one the shares may have ended
    if len(steady) < 2:
        raise FailedError("too short to measure; choose more --seconds")
    begin, end = steady[0], steady[-1]
    rate = (end[2] - begin[2]) / (end[0] - begin[0])
    print(f"measured over {end[0] - begin[0]:.0f} s at {rate:.0f} of {shares} shares a second")
    return (end[1] - begin[1]) / (end[0] - begin[0])


if __name__ == "__main__":
    if os.getuid() == 0:
        os.umask(0o077)
    sys.exit(main())
