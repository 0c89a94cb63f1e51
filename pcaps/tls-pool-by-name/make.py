"""Miners inside TLS: nothing to read but the name of the pool in the ClientHello.

In: nothing.  Out: traffic.pcap beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from craft import (  # noqa: E402 - the stories share one folder of helpers
    CLIENT,
    SERVER,
    Capture,
    End,
    Tcp,
    background,
    client_hello,
    sealed,
    server_hello,
)

MINUTES = 6


def mine(capture: Capture, at: float, host: str, pool: End, name: str, *, post_quantum: bool = False) -> None:
    """A miner's TLS session: small records, work from the pool twice a minute, shares from the miner."""
    talk = Tcp(capture, (host, 45_000 + capture.random.getrandbits(10)), pool, at).open()
    hello = client_hello(capture, name, post_quantum=post_quantum)
    if post_quantum and hello.index(name.encode()) < talk.mss:
        raise AssertionError("the name was to lie in the second segment")
    talk.say(CLIENT, hello, hits=["pool-tls"]).say(SERVER, server_hello(capture))
    talk.say(CLIENT, sealed(capture, 74))
    end = at + MINUTES * 60 - 30
    while talk.wait(capture.between(10, 20)).at < end:
        if capture.random.random() < 0.5:
            talk.say(SERVER, sealed(capture, 420 + capture.random.getrandbits(6)))
        else:
            talk.say(CLIENT, sealed(capture, 190)).say(SERVER, sealed(capture, 70))
    talk.close()


def story() -> Capture:
    """Tell it."""
    capture = Capture(seed=3)
    mine(capture, 2.0, "10.20.7.31", ("203.0.113.130", 1300), "btcssl.f2pool.com")
    mine(capture, 3.5, "10.20.7.32", ("198.51.100.77", 10343), "xmr-eu1.nanopool.org", post_quantum=True)
    # One machine works for two pools at once.
    mine(capture, 5.0, "10.20.7.33", ("203.0.113.131", 8180), "etcssl.f2pool.com")
    mine(capture, 6.0, "10.20.7.33", ("203.0.113.140", 33_333), "mine.c3pool.com")
    background(capture, ["10.20.8.41", "10.20.8.42", "10.20.8.43", "10.20.7.31"], 20, MINUTES * 60)
    # A big hello for an ordinary name, so that size alone says nothing.
    talk = Tcp(capture, ("10.20.8.44", 45_777), ("192.0.2.200", 443), 40.0).open()
    talk.say(CLIENT, client_hello(capture, "shop.example.com", post_quantum=True)).say(
        SERVER, server_hello(capture)
    )
    talk.close()
    return capture


if __name__ == "__main__":
    story().write(FOLDER / "traffic.pcap")
