"""Rings of the daemon: what the configuration says becomes settings; what the kernel refuses becomes a smaller ring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sniffer.capture import packet_socket, plan
from sniffer.capture.packet_socket import NoMemoryError, RingSettings
from sniffer.config import Capture
from sniffer.control import rings
from sniffer.control.rings import Rings
from sniffer.errors import AccessError

if TYPE_CHECKING:
    import socket


class Sock:
    """Stands for a socket."""

    closed = False
    interface = "fast"

    def dup(self) -> Sock:
        """A copy."""
        return Sock()

    def getsockname(self) -> tuple[str]:
        """Where it is bound to."""
        return (self.interface,)

    def close(self) -> None:
        """Remember it."""
        self.closed = True


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 8 GiB free; ``fast`` has 25 Gbit/s, others do not tell."""
    monkeypatch.setattr(plan, "free_memory", lambda: 8 << 30)
    monkeypatch.setattr(plan, "speed", lambda name: 25_000 if name == "fast" else 0)


def test_the_configuration_decides() -> None:
    """A size in the file is taken as it is; filter, stamps, snap length and block are handed on."""
    capture = Capture(
        ring_mib=7, block_kib=64, snaplen=128, filter="auto", timestamps="hardware", promiscuous=False
    )
    wanted = RingSettings(7, 64, promiscuous=False, snaplen=128, drop=True, hardware_time=True)
    assert Rings(capture, ["fast"]).plan("fast") == wanted


def test_each_interface_has_its_size() -> None:
    """By default the size goes by the speed of the interface and the number of workers, and no frame is left out."""
    alone = Rings(Capture(), ["fast", "slow"])
    assert alone.plan("fast") == RingSettings(256, shrinks=True)
    assert alone.plan("slow").ring_mib == 64
    assert Rings(Capture(workers=4), ["fast"]).plan("fast").ring_mib == 64


def test_a_size_is_chosen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rings that are there already do not make later ones smaller: a restarted worker has what it had."""
    daemon = Rings(Capture(), ["fast"])
    first = daemon.plan("fast")
    monkeypatch.setattr(plan, "free_memory", lambda: 64 << 20)
    assert daemon.plan("fast") == first


def test_less_memory_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the kernel has less, the ring is smaller and one line says so; the next worker asks for no more."""

    def open_small(name: str, chosen: RingSettings) -> Sock:
        if chosen.ring_mib > 32:
            raise NoMemoryError("the kernel has no memory", where=name, remedy="")
        return Sock()

    monkeypatch.setattr(packet_socket, "open_ring_socket", open_small)
    daemon = Rings(Capture(), ["fast"])
    for worker in range(2):
        assert daemon.open("fast", worker)[1] == RingSettings(32, shrinks=True)
    told = capsys.readouterr()
    assert (told.out + told.err).count("the kernel has less memory") == 1


def test_a_share_that_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket is left open when the kernel does not share packets out."""
    sock = Sock()

    def refuse(_sock: socket.socket, _by: str, _group: int | None) -> int:
        raise AccessError("the kernel does not share", where="fast", remedy="")

    monkeypatch.setattr(rings, "open_ring", lambda _, settings: (sock, settings))
    monkeypatch.setattr(rings, "share_out", refuse)
    with pytest.raises(AccessError, match="does not share"):
        Rings(Capture(workers=2), ["fast"]).open("fast")
    assert sock.closed


def test_the_ring_of_a_dead_worker_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's successor gets a copy of the same ring; a ring whose interface was removed is made anew."""
    made: list[Sock] = []

    def open_one(_name: str, settings: RingSettings) -> tuple[Sock, RingSettings]:
        made.append(Sock())
        return made[-1], settings

    monkeypatch.setattr(rings, "open_ring", open_one)
    daemon = Rings(Capture(), ["fast"])
    for worker in (0, 0, 1, 0):
        assert daemon.open("fast", worker)[0] not in made
    assert len(made) == 2
    made[0].interface = ""
    daemon.open("fast", 0)
    assert (len(made), made[0].closed) == (3, True)
    daemon.close()
    assert all(sock.closed for sock in made)
