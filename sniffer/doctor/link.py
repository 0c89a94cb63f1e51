"""A mirror port as the kernel tells of it: up, carrier, speed, offloads, the card's own ring and losses.

In: the name of an interface.  Out: findings.
Never: a setting changed (every request here is one that anybody may make), an interface of another network namespace.

Sources: netdevice(7), linux/ethtool.h; /proc/net/dev, whose columns net/core/net-procfs.c fills.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Final, NamedTuple

from sniffer.blindspots import Finding, Level
from sniffer.capture import interface
from sniffer.capture.interface import IFF_RUNNING, IFF_UP

IFF_PROMISC: Final = 0x100

# Requests of linux/ethtool.h that only ask.
GET_RINGS: Final = 0x10
GET_TSO: Final = 0x1E
GET_GSO: Final = 0x23
GET_FLAGS: Final = 0x25
GET_GRO: Final = 0x2B
FLAG_VLAN_STRIPPED: Final = 1 << 8
FLAG_LRO: Final = 1 << 15

RINGS_SIZE: Final = 36  # struct ethtool_ringparam: nine 32-bit words


class CardLosses(NamedTuple):
    """What a card and its driver lost before any program could see it, since the interface exists."""

    errors: int = 0  # broken frames, and frames that found no room in the card
    drops: int = 0  # dropped by the driver or the stack

    def since(self, before: CardLosses) -> CardLosses:
        """What was lost since an earlier reading."""
        return CardLosses(max(self.errors - before.errors, 0), max(self.drops - before.drops, 0))


def look_at_link(name: str) -> list[Finding]:
    """Everything that the kernel tells of an interface.

    Raises:
        InputError: there is none of this name, or of a kind that the gate does not read.
    """
    interface.index_of(name)
    interface.link_type(name)
    found = [_state(name)]
    if found[0].level is Level.OK:
        found += _speed(name)
    return [*found, *_offloads(name), *_card_ring(name)]


def is_listening_possible(found: list[Finding]) -> bool:
    """Whether packets can arrive, by what :func:`look_at_link` found."""
    return all(one.level is not Level.FAULT for one in found)


# ── state ────────────────────────────────────────────────────────────────────────────────────────────────


def _state(name: str) -> Finding:
    flags = interface.flags(name)
    if not flags & IFF_UP:
        return Finding("link", Level.FAULT, "the interface is down", f"ip link set {name} up", name)
    if not flags & IFF_RUNNING:
        remedy = "look at the cable, the optics and the port of the switch"
        return Finding("link", Level.FAULT, "the interface is up and has no carrier", remedy, name)
    return Finding("link", Level.OK, "up, with a carrier", "", name)


def _speed(name: str) -> list[Finding]:
    speed = interface.speed(name)
    return [Finding("speed", Level.OK, f"{speed} Mbit/s", "", name)] if speed else []


def promiscuous(name: str, root: Path = Path("/sys/class/net")) -> bool | None:
    """Whether the interface takes frames for others just now; None where that cannot be known.

    The answer to ``SIOCGIFFLAGS`` leaves out what packet sockets have asked for; the file does not.
    """
    folder = root / name
    try:
        # The folder may show another network namespace than this process lives in.
        if int((folder / "ifindex").read_text("ascii")) != socket.if_nametoindex(name):
            return None
        return bool(int((folder / "flags").read_text("ascii"), 16) & IFF_PROMISC)
    except (OSError, ValueError):
        return None


# ── offloads ─────────────────────────────────────────────────────────────────────────────────────────────


def _offloads(name: str) -> list[Finding]:
    switches = {kind: _switch(name, kind) for kind in (GET_GRO, GET_GSO, GET_TSO)}
    flags = _switch(name, GET_FLAGS)
    if flags is None or switches[GET_GRO] is None:
        return []
    merging = [word for word, on in (("gro", switches[GET_GRO]), ("lro", flags & FLAG_LRO)) if on]
    says = ", ".join(
        f"{word} {'on' if on else 'off'}"
        for word, on in (
            ("gro", switches[GET_GRO]),
            ("lro", flags & FLAG_LRO),
            ("gso", switches[GET_GSO]),
            ("tso", switches[GET_TSO]),
        )
    )
    out = [Finding("offloads", Level.OK, says, "", name)]
    if merging:
        settings = " ".join(f"{word} off" for word in merging)
        says += ": packets are merged before they are read; hits stay right, packet counts are less than on the wire"
        out = [Finding("offloads", Level.NOTE, says, f"ethtool -K {name} {settings}", name)]
    tags = (
        "taken out by the card and read from the ring" if flags & FLAG_VLAN_STRIPPED else "left in the frames"
    )
    return [*out, Finding("vlan tags", Level.OK, tags, "", name)]


def _switch(name: str, kind: int) -> int | None:
    answer = interface.ethtool(name, kind, 8)
    return None if answer is None else int(struct.unpack_from("=I", answer, 4)[0])


# ── the card ─────────────────────────────────────────────────────────────────────────────────────────────


def _card_ring(name: str) -> list[Finding]:
    answer = interface.ethtool(name, GET_RINGS, RINGS_SIZE)
    if answer is None:
        return []
    words = struct.unpack("=9I", answer)
    most, now = words[1], words[5]
    if not most:
        return []
    says = f"{now} of at most {most} descriptors for receiving"
    if now >= most:
        return [Finding("card ring", Level.OK, says, "", name)]
    return [
        Finding(
            "card ring", Level.NOTE, f"{says}: bursts find less room", f"ethtool -G {name} rx {most}", name
        )
    ]


def card_losses(name: str, table: str | None = None) -> CardLosses:
    """Read what the card has lost so far.

    Args:
        name: of the interface.
        table: text of ``/proc/net/dev``; default: that of this thread's network namespace.
    """
    told = interface.counters(name, table)
    if len(told) < 5:
        return CardLosses()
    _bytes, _packets, errors, drops, overruns = told[:5]
    return CardLosses(max(errors, overruns), drops)  # drivers differ in whether one holds the other
