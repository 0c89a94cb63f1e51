"""Three ASIC miners on Bitcoin stratum V1, ten minutes, both directions.

In: nothing.  Out: traffic.pcap beside this file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from craft import CLIENT, SERVER, Capture, Tcp, background  # noqa: E402 - the stories share one folder of helpers

if TYPE_CHECKING:
    from collections.abc import Callable

POOL = ("203.0.113.9", 3333)
MINUTES = 10


def spaced(**members: Any) -> str:
    """A message as programs of the cgminer line write it."""
    return json.dumps(members)


def compact(**members: Any) -> str:
    """A message as most pools write it."""
    return json.dumps(members, separators=(",", ":"))


def notify(capture: Capture, job: int, *, clean: bool) -> str:
    """New work (protocols.md, 2.2): job, previous hash, two halves of the coinbase, branches, version, bits, time."""
    previous = capture.hex(24) + "00000000" * 2
    coinbase = (
        "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff35"
        + capture.hex(30)
    )
    outputs = "ffffffff02" + capture.hex(60) + "00000000"
    branches = [capture.hex(32) for _ in range(6)]
    stamp = f"{0x6A22C000 + job * 30:08x}"
    work = [f"{job:x}-7", previous, coinbase, outputs, branches, "20000000", "17021a91", stamp, clean]
    return compact(id=None, method="mining.notify", params=work)


def share(capture: Capture, user: str, job: int, number: int) -> str:
    """A share, with rolled version bits (BIP 310)."""
    params = [
        user,
        f"{job:x}-7",
        capture.hex(8),
        f"{0x6A22C000 + job * 30 + 3:08x}",
        capture.hex(4),
        "00c00000",
    ]
    return spaced(params=params, id=number, method="mining.submit")


def greet_antminer(talk: Tcp, user: str) -> int:
    """Configure, subscribe, authorize: cgminer's order and numbers.  Returns the next number."""
    mask = [["version-rolling"], {"version-rolling.mask": "ffffffff"}]
    talk.say(CLIENT, spaced(id=0, method="mining.configure", params=mask), hits=["stratum-v1-options"])
    answer = {"version-rolling": True, "version-rolling.mask": "1fffe000"}
    talk.say(SERVER, compact(id=0, result=answer, error=None), hits=["stratum-v1-reply"])
    agent = "bmminer/2.0.0/Antminer S19j Pro/110000"
    talk.say(CLIENT, spaced(id=1, method="mining.subscribe", params=[agent]), hits=["stratum-v1-subscribe"])
    welcome(talk, 1)
    talk.say(
        CLIENT, spaced(id=2, method="mining.authorize", params=[user, "x"]), hits=["stratum-v1-authorize"]
    )
    talk.say(SERVER, compact(id=2, result=True, error=None), hits=["stratum-v1-reply"])
    return 3


def greet_cgminer(talk: Tcp, user: str) -> int:
    """Subscribe and authorize in one segment, then a wish for extra nonces and for a difficulty."""
    talk.say(
        CLIENT,
        spaced(id=1, method="mining.subscribe", params=["cgminer/4.11.1"]),
        spaced(id=2, method="mining.authorize", params=[user, "d=65536"]),
        hits=["stratum-v1-subscribe", "stratum-v1-authorize"],
    )
    welcome(talk, 1)
    talk.say(SERVER, compact(id=2, result=True, error=None), hits=["stratum-v1-reply"])
    talk.say(
        CLIENT, spaced(id=3, method="mining.extranonce.subscribe", params=[]), hits=["stratum-v1-options"]
    )
    talk.say(SERVER, compact(id=3, result=True, error=None), hits=["stratum-v1-reply"])
    talk.say(
        CLIENT, spaced(id=4, method="mining.suggest_difficulty", params=[65536]), hits=["stratum-v1-options"]
    )
    return 5


def greet_whatsminer(talk: Tcp, user: str) -> int:
    """Subscribe and authorize, nothing else."""
    talk.say(
        CLIENT,
        spaced(id=1, method="mining.subscribe", params=["whatsminer/v1.1"]),
        hits=["stratum-v1-subscribe"],
    )
    welcome(talk, 1)
    talk.say(
        CLIENT, spaced(id=2, method="mining.authorize", params=[user, "123"]), hits=["stratum-v1-authorize"]
    )
    talk.say(SERVER, compact(id=2, result=True, error=None), hits=["stratum-v1-reply"])
    return 3


def welcome(talk: Tcp, number: int) -> None:
    """The pool's reply to subscribe."""
    pairs = [["mining.set_difficulty", talk.capture.hex(4)], ["mining.notify", talk.capture.hex(4)]]
    result = [pairs, talk.capture.hex(4), 8]
    talk.say(SERVER, compact(id=number, result=result, error=None), hits=["stratum-v1-subscription"])


def mine(
    capture: Capture,
    host: str,
    user: str,
    greet: Callable[[Tcp, str], int],
    *,
    pace: float,
    reject_every: int = 0,
) -> None:
    """One machine: greets, gets work every half minute, hands in a share every ``pace`` seconds or so."""
    talk = Tcp(capture, (host, 40_000 + capture.random.getrandbits(10)), POOL, capture.between(0.5, 4)).open()
    number = greet(talk, user)
    difficulty = compact(id=None, method="mining.set_difficulty", params=[65536])
    # Two lines in one segment: so pools begin.
    hits = ["stratum-v1-difficulty", "stratum-v1-notify"]
    talk.say(SERVER, difficulty, notify(capture, 1, clean=True), hits=hits)
    job, shares, next_job, next_share = 1, 0, talk.at + 30, talk.at + capture.between(2, pace)
    while talk.at < MINUTES * 60:
        if next_job <= next_share:
            job += 1
            talk.at = max(talk.at, next_job)
            line = notify(capture, job, clean=job % 8 == 0)
            # Every fifth line lies over two segments, cut inside a key word.
            cuts = [line.index("notify") + 3] if job % 5 == 0 else []
            talk.say(SERVER, line, hits=["stratum-v1-notify"], cuts=cuts)
            if job == 9:
                talk.say(SERVER, compact(id=None, method="client.show_message", params=["Maintenance at 10:00 UTC"]),
                         hits=["stratum-v1-pool-message"])  # fmt: skip
            if job == 12:
                talk.say(SERVER, compact(id=None, method="mining.set_difficulty", params=[131072]),
                         hits=["stratum-v1-difficulty"])  # fmt: skip
            next_job += 30
            continue
        talk.at = max(talk.at, next_share)
        shares += 1
        line = share(capture, user, job, number)
        talk.say(CLIENT, line, hits=["stratum-v1-submit"])
        if shares == 3:
            # The acknowledgement got lost behind the mirror: the same bytes again, and no second hit.
            talk.repeat(CLIENT, line.encode() + b"\n")
        rejected = reject_every and shares % reject_every == 0
        error = [21, "Job not found", None] if rejected else None
        talk.say(
            SERVER, compact(id=number, result=not rejected, error=error), hits=["stratum-v1-share-verdict"]
        )
        if shares % 4 == 0:
            talk.wait(0.5).probe(CLIENT)
        number += 1
        next_share = talk.at + capture.between(pace / 2, pace * 3 / 2)
    talk.close()


def story() -> Capture:
    """Tell it."""
    capture = Capture(seed=1)
    account = "bc1q" + "farmexampleaccount" + "0" * 20
    mine(capture, "10.20.1.11", f"{account}.s19-01", greet_antminer, pace=14)
    mine(capture, "10.20.1.12", f"{account}.s9-07", greet_cgminer, pace=18)
    mine(capture, "10.20.1.13", "farmexample.m30s13", greet_whatsminer, pace=16, reject_every=5)
    background(capture, ["10.20.2.21", "10.20.2.22", "10.20.2.23"], 9, MINUTES * 60)
    return capture


if __name__ == "__main__":
    story().write(FOLDER / "traffic.pcap")
