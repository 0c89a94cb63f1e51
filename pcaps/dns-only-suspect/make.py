"""A host that looks pools up and never connects, among hosts that ask for ordinary names.

In: nothing.  Out: traffic.pcap beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from craft import Capture, ask, background  # noqa: E402 - the stories share one folder of helpers

SUSPECT = "10.20.9.40"
BOTH = ("pool-dns", "pool-dns")
QUERIES: tuple[tuple[str, str, list[tuple[str, str]]], ...] = (
    ("xmr-eu1.nanopool.org", "A", [("A", "203.0.113.21"), ("A", "203.0.113.22")]),
    ("xmr-eu1.nanopool.org", "AAAA", [("AAAA", "2001:db8:f00::21")]),
    ("mine.c3pool.com", "A", [("A", "203.0.113.23")]),
    ("BtC.f2PoOl.cOm", "A", [("A", "203.0.113.24")]),  # letters at random, as resolvers do against forgers
    ("stratum.antpool.com", "A", [("CNAME", "edge7.balancer.example"), ("A", "203.0.113.25")]),
    ("solo.ckpool.org", "A", []),  # no such name: asking is what counts
)
ORDINARY = (
    "pool.ntp.org",
    "0.pool.ntp.org",
    "2.debian.pool.ntp.org",
    "www.example.com",
    "notf2pool.com",
    "nanopool.org.example",
    "swimming-pool.example",
    "stratum.example",
)


def story() -> Capture:
    """Tell it."""
    capture = Capture(seed=4)
    for round_ in range(2):
        for number, (name, kind, answers) in enumerate(QUERIES):
            at = 20 + round_ * 120 + number * 7 + capture.between(0, 1)
            ask(capture, at, SUSPECT, name, answers, kind=kind, hits=BOTH)
    # A name of one's own in front of a pool: the question says nothing, the answer gives it away.
    hidden = [("CNAME", "eu.emcd.io"), ("A", "203.0.113.26")]
    ask(capture, 70.5, SUSPECT, "work.example.net", hidden, hits=("", "pool-dns"))
    for number in range(160):
        host = f"10.20.9.{41 + number % 5}"
        name = ORDINARY[number % len(ORDINARY)]
        kind = "AAAA" if number % 3 == 0 else "A"
        answers = [("AAAA", "2001:db8:1::7") if kind == "AAAA" else ("A", "192.0.2.17")]
        ask(capture, 1.5 * number + capture.between(0, 1), host, name, answers, kind=kind)
    background(capture, ["10.20.9.41", SUSPECT], 6, 240)
    return capture


if __name__ == "__main__":
    story().write(FOLDER / "traffic.pcap")
