"""What the kernel and a driver say of an interface, as findings."""

from __future__ import annotations

import socket
import struct
import sys
from typing import TYPE_CHECKING

import pytest

from sniffer.blindspots import Level
from sniffer.capture import interface
from sniffer.doctor import link
from sniffer.doctor.link import CardLosses, card_losses, is_listening_possible, look_at_link, promiscuous
from sniffer.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

UP, RUNNING = 0x1, 0x40
LRO, STRIPPED = 1 << 15, 1 << 8

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the requests are Linux's")


class Kernel:
    """Answers in place of the kernel and a driver; a driver that was not told a thing does not answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, flags: int = UP | RUNNING) -> None:
        self.flags = flags
        self.answers: dict[int, bytes] = {}
        monkeypatch.setattr(interface, "index_of", lambda _: 7)
        monkeypatch.setattr(interface, "link_type", lambda _: 1)
        monkeypatch.setattr(interface, "flags", lambda _: self.flags)
        monkeypatch.setattr(
            interface, "ethtool", lambda _, kind, size: self.answers.get(kind, b"")[:size] or None
        )

    def switch(self, kind: int, value: int) -> None:
        """Answer one of the requests for a number."""
        self.answers[kind] = struct.pack("=II", kind, value)

    def offloads(self, *, gro: int, flags: int) -> None:
        """Answer the requests for offloads."""
        for kind, value in (
            (link.GET_GRO, gro),
            (link.GET_FLAGS, flags),
            (link.GET_GSO, 1),
            (link.GET_TSO, 0),
        ):
            self.switch(kind, value)

    def found(self, check: str) -> tuple[Level, str, str] | None:
        """Level, sentence and remedy of a finding."""
        for one in look_at_link("eth1"):
            assert one.where == "eth1"
            assert bool(one.remedy) == (one.level > Level.OK)
            if one.check == check:
                return one.level, one.says, one.remedy
        return None


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """An interface that is up."""
    return Kernel(monkeypatch)


@pytest.mark.parametrize(
    ("flags", "level", "words", "remedy"),
    [
        (0, Level.FAULT, "is down", "ip link set eth1 up"),
        (RUNNING, Level.FAULT, "is down", "ip link set eth1 up"),
        (UP, Level.FAULT, "no carrier", "cable"),
        (UP | RUNNING, Level.OK, "up, with a carrier", ""),
    ],
)
def test_a_link_is_up_or_a_fault(kernel: Kernel, flags: int, level: Level, words: str, remedy: str) -> None:
    """Down and without a carrier are told apart, and nothing is listened to there."""
    kernel.flags = flags
    found = kernel.found("link")
    assert found is not None
    assert found[0] is level
    assert words in found[1]
    assert remedy in found[2]
    assert is_listening_possible(look_at_link("eth1")) == (level is Level.OK)


@pytest.mark.parametrize(
    ("speed", "says"),
    [(1_000, "1000 Mbit/s"), (100_000, "100000 Mbit/s"), (0xFFFF, None), (0xFFFF_FFFF, None), (0, None)],
)
def test_a_speed_is_told_where_the_driver_knows_it(kernel: Kernel, speed: int, says: str | None) -> None:
    """Speeds beyond 16 bits, too."""
    answer = bytearray(44)
    struct.pack_into("=H", answer, 12, speed & 0xFFFF)
    struct.pack_into("=H", answer, 28, speed >> 16)
    kernel.answers[interface.GET_SETTINGS] = bytes(answer)
    assert kernel.found("speed") == (None if says is None else (Level.OK, says, ""))


@pytest.mark.parametrize(
    ("gro", "flags", "level", "remedy"),
    [
        (0, STRIPPED, Level.OK, ""),
        (1, 0, Level.NOTE, "ethtool -K eth1 gro off"),
        (1, LRO, Level.NOTE, "ethtool -K eth1 gro off lro off"),
        (0, LRO | STRIPPED, Level.NOTE, "ethtool -K eth1 lro off"),
    ],
)
def test_merging_offloads_are_noted(kernel: Kernel, gro: int, flags: int, level: Level, remedy: str) -> None:
    """GRO and LRO change what is counted; the command that turns them off is told and not run."""
    kernel.offloads(gro=gro, flags=flags)
    found = kernel.found("offloads")
    assert found is not None
    assert (found[0], found[2]) == (level, remedy)
    assert found[1].startswith(
        f"gro {'on' if gro else 'off'}, lro {'on' if flags & LRO else 'off'}, gso on, tso off"
    )
    tags = kernel.found("vlan tags")
    assert tags is not None
    assert ("read from the ring" in tags[1]) == bool(flags & STRIPPED)


@pytest.mark.parametrize(("now", "level"), [(256, Level.NOTE), (4_096, Level.OK)])
def test_a_small_ring_of_the_card_is_noted(kernel: Kernel, now: int, level: Level) -> None:
    """With the command that raises it to what the card has."""
    kernel.answers[link.GET_RINGS] = struct.pack("=9I", link.GET_RINGS, 4_096, 0, 0, 9, now, 0, 0, 9)
    found = kernel.found("card ring")
    assert found is not None
    assert found[0] is level
    assert f"{now} of at most 4096" in found[1]
    assert found[2] == ("ethtool -G eth1 rx 4096" if level else "")


def test_a_driver_that_says_nothing_is_no_trouble(kernel: Kernel) -> None:
    """A tun device answers none of the requests."""
    assert [one.check for one in look_at_link("eth1")] == ["link"]
    kernel.answers[link.GET_RINGS] = bytes(36)
    assert kernel.found("card ring") is None


def test_a_name_of_nothing_is_told() -> None:
    """With the names that there are."""
    with pytest.raises(InputError, match="no such interface"):
        look_at_link("no-such-port")


def test_the_real_kernel_answers() -> None:
    """The loopback interface is asked as any other; flags, numbers and places of the requests are those of the kernel."""
    assert look_at_link("lo")[0].check == "link"


@pytest.mark.parametrize(("flags", "on"), [("0x1003", False), ("0x1103", True), ("nonsense", None)])
def test_promiscuous_mode_is_read(tmp_path: Path, flags: str, on: bool | None) -> None:  # noqa: FBT001  # a case
    """From the file of this interface; that of another network namespace's interface of the same name says nothing."""
    folder = tmp_path / "lo"
    folder.mkdir()
    index = socket.if_nametoindex("lo")
    (folder / "flags").write_text(flags + "\n")
    (folder / "ifindex").write_text(f"{index}\n")
    assert promiscuous("lo", tmp_path) is on
    (folder / "ifindex").write_text(f"{index + 1}\n")
    assert promiscuous("lo", tmp_path) is None
    assert promiscuous("no-such-port", tmp_path) is None


# ── losses ───────────────────────────────────────────────────────────────────────────────────────────────

TABLE = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 3200 25 0 0 0 0 0 0 3200 25 0 0 0 0 0 0
  eth1: 99999 1000 7 11 3 0 0 0 0 0 0 0 0 0 0 0
eth1.7:123 1 0 5 9 0 0 0 0 0 0 0 0 0 0 0
"""


@pytest.mark.parametrize(
    ("name", "errors", "drops"), [("eth1", 7, 11), ("eth1.7", 9, 5), ("lo", 0, 0), ("eth", 0, 0)]
)
def test_losses_of_the_card_are_read(name: str, errors: int, drops: int) -> None:
    """From the receiving side, also where the first number touches the name."""
    assert card_losses(name, TABLE) == CardLosses(errors, drops)


def test_losses_are_those_since_the_first_reading() -> None:
    """An interface that was made anew in between has lost nothing, not less than nothing."""
    assert CardLosses(9, 20).since(CardLosses(7, 11)) == CardLosses(2, 9)
    assert CardLosses(0, 0).since(CardLosses(7, 11)) == CardLosses(0, 0)
