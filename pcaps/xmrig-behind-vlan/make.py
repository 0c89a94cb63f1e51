"""Three xmrig miners, each behind VLAN tags: one tag, two tags, and one tag around IPv6.

In: nothing.  Out: traffic.pcap beside this file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from craft import CLIENT, SERVER, Capture, End, Tcp, background  # noqa: E402 - the stories share one folder of helpers

if TYPE_CHECKING:
    from collections.abc import Sequence

MINUTES = 8
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def compact(**members: Any) -> str:
    """A message as xmrig and its pools write it."""
    return json.dumps(members, separators=(",", ":"))


def wallet(capture: Capture) -> str:
    """Letters in the shape of a Monero address; nobody's."""
    return "4" + "".join(BASE58[capture.random.getrandbits(16) % 58] for _ in range(94))


def work(capture: Capture, number: int) -> dict[str, Any]:
    """A job of the RandomX era (protocols.md, 4.3)."""
    return {
        "blob": "1010" + capture.hex(74),
        "job_id": f"{number:012x}",
        "target": "b88d0600",
        "algo": "rx/0",
        "height": 3_550_000 + number,
        "seed_hash": capture.hex(32),
    }


def greet(talk: Tcp, agent: str, rig: str) -> str:
    """Log in; the first job lies inside the reply.  Returns the session that the pool names."""
    capture = talk.capture
    session = f"{capture.hex(4)}-{capture.hex(2)}"
    params = {
        "login": wallet(capture),
        "pass": "x",
        "agent": agent,
        "rigid": rig,
        "algo": ["rx/0", "rx/wow", "cn/r"],
    }
    talk.say(CLIENT, compact(id=1, jsonrpc="2.0", method="login", params=params), hits=["cryptonote-login"])
    result = {"id": session, "job": work(capture, 1), "extensions": ["algo", "keepalive"], "status": "OK"}
    talk.say(SERVER, compact(jsonrpc="2.0", id=1, error=None, result=result), hits=["cryptonote-login-reply"])
    return session


def hand_in(talk: Tcp, session: str, number: int, job: int, *, good: bool) -> None:
    """A share and its verdict."""
    capture = talk.capture
    result = capture.hex(29) + "000000"
    params = {"id": session, "job_id": f"{job:012x}", "nonce": capture.hex(4), "result": result}
    talk.say(
        CLIENT, compact(id=number, jsonrpc="2.0", method="submit", params=params), hits=["cryptonote-submit"]
    )
    verdict: dict[str, Any] = {"error": None, "result": {"status": "OK"}}
    if not good:
        verdict = {"error": {"code": -1, "message": "Low difficulty share"}}
    talk.say(SERVER, compact(id=number, jsonrpc="2.0", **verdict), hits=["cryptonote-share-verdict"])


def keep_alive(talk: Tcp, session: str, number: int) -> None:
    """The miner says that it is there, the pool says that it knows."""
    message = compact(id=number, jsonrpc="2.0", method="keepalived", params={"id": session})
    talk.say(CLIENT, message, hits=["cryptonote-session"])
    reply = compact(id=number, jsonrpc="2.0", error=None, result={"status": "KEEPALIVED"})
    talk.say(SERVER, reply, hits=["cryptonote-session"])


def mine(
    capture: Capture, host: str, pool: End, vlans: Sequence[int], agent: str, rig: str, *, pace: float
) -> None:
    """One machine: log in, a share every ``pace`` seconds or so, a job every minute, a keep-alive in between."""
    talk = Tcp(
        capture, (host, 50_000 + capture.random.getrandbits(10)), pool, capture.between(0.5, 5), vlans
    ).open()
    session = greet(talk, agent, rig)
    number, job = 2, 1
    for minute in range(MINUTES):
        end = talk.at + 60
        while talk.wait(capture.between(pace / 2, pace * 3 / 2)).at < end - 10:
            hand_in(talk, session, number, job, good=number % 9 != 0)
            number += 1
        if minute % 2:
            keep_alive(talk, session, number)
            number += 1
        job += 1
        talk.at = max(talk.at, end)
        push = compact(jsonrpc="2.0", method="job", params=work(capture, job))
        # Now and then a job lies over two segments.
        talk.say(SERVER, push, hits=["cryptonote-job"], cuts=[100] if job % 3 == 0 else [])
    talk.close()


def story() -> Capture:
    """Tell it."""
    capture = Capture(seed=2)
    linux = "XMRig/6.26.0 (Linux x86_64) libuv/1.48.0 gcc/11.4.0"
    windows = "XMRig/6.26.0 (Windows NT 10.0; Win64; x64) libuv/1.48.0 msvc/2022"
    mine(capture, "10.20.5.21", ("198.51.100.44", 3333), [120], linux, "rack2-07", pace=12)
    mine(capture, "10.20.5.22", ("198.51.100.44", 443), [300, 121], windows, "office-pc", pace=20)
    mine(capture, "2001:db8:20:5::23", ("2001:db8:f00::44", 3333), [120], linux, "rack2-08", pace=15)
    background(capture, ["10.20.6.31", "10.20.6.32"], 8, MINUTES * 60)
    return capture


if __name__ == "__main__":
    story().write(FOLDER / "traffic.pcap")
