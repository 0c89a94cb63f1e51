"""A mirror that shows one direction of each connection: the pool's of one, the miner's of the other.

In: nothing.  Out: traffic.pcap beside this file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from craft import (  # noqa: E402 - the stories share one folder of helpers
    CLIENT,
    SERVER,
    Capture,
    Tcp,
    client_hello,
    sealed,
    server_hello,
)

MINUTES = 6


def compact(**members: Any) -> str:
    """A message without spaces."""
    return json.dumps(members, separators=(",", ":"))


def notify(capture: Capture, job: int) -> str:
    """New work of the Bitcoin family (protocols.md, 2.2)."""
    halves = "0100000001" + "00" * 32 + "ffffffff" + capture.hex(40), capture.hex(70) + "00000000"
    branches = [capture.hex(32) for _ in range(8)]
    tail = ["20000000", "17021a91", f"{0x6A22C000 + job * 30:08x}", job % 6 == 0]
    return compact(
        id=None, method="mining.notify", params=[f"{job:x}", capture.hex(32), *halves, branches, *tail]
    )


def from_the_pool(capture: Capture) -> None:
    """Work for a Bitcoin miner; what it answers takes another way.  The sensor joins within a line."""
    talk = Tcp(capture, ("10.20.11.60", 41_200), ("198.51.100.9", 3333), 1.0, shown=[SERVER])
    line = notify(capture, 0)
    talk.say(SERVER, line[len(line) // 2 :].encode() + b"\n")
    for job in range(1, 2 * MINUTES):
        talk.wait(30)
        # What the miner says in between is not shown, but moves the numbers that the pool acknowledges.
        talk.say(CLIENT, "." * 110).say(CLIENT, "." * 110)
        if job % 5 == 0:
            line = compact(id=None, method="mining.set_difficulty", params=[8192 * job])
            talk.say(SERVER, line, hits=["stratum-v1-difficulty"])
        talk.say(SERVER, notify(capture, job), hits=["stratum-v1-notify"])


def from_the_miner(capture: Capture) -> None:
    """Shares and hashrates of an eth-proxy miner; the pool's answers take another way."""
    talk = Tcp(capture, ("10.20.11.61", 42_300), ("198.51.100.70", 4444), 4.0, shown=[CLIENT])
    rig = "0x" + capture.hex(32)
    number = 40
    while talk.wait(capture.between(6, 14)).at < MINUTES * 60:
        talk.say(SERVER, "." * 240)
        if number % 3 == 0:
            line = compact(id=9, jsonrpc="2.0", method="eth_submitHashrate", params=["0x5f5e100", rig])
            talk.say(CLIENT, line, hits=["eth-proxy-hashrate"])
        else:
            params = ["0x" + capture.hex(8), "0x" + capture.hex(32), "0x" + capture.hex(32)]
            line = compact(id=number, jsonrpc="2.0", method="eth_submitWork", params=params, worker="rig4")
            talk.say(CLIENT, line, hits=["eth-proxy-submit"])
        number += 1


def ordinary(capture: Capture) -> None:
    """One direction of ordinary TLS sessions."""
    for number in range(12):
        shown = [SERVER] if number % 2 else [CLIENT]
        ends = (f"10.20.12.{20 + number}", 43_000 + number), ("192.0.2.33", 443)
        talk = Tcp(capture, *ends, capture.between(0, 300), shown=shown).open()
        talk.say(CLIENT, client_hello(capture, f"www{number}.example.com")).say(SERVER, server_hello(capture))
        talk.say(CLIENT, sealed(capture, 130)).say(SERVER, sealed(capture, 2_000)).close()


def story() -> Capture:
    """Tell it."""
    capture = Capture(seed=6)
    from_the_pool(capture)
    from_the_miner(capture)
    ordinary(capture)
    return capture


if __name__ == "__main__":
    story().write(FOLDER / "traffic.pcap")
