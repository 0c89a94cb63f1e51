"""The kernel filter in a real kernel: exactly what the program lets pass reaches the ring; the rest stays countable."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import frames as build
import pytest
from capture import cbpf
from live.conftest import command, sender, until_silent

from sniffer.capture import bpf
from sniffer.capture.packet_socket import WHOLE, RingSettings
from sniffer.capture.savefile import Savefile

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffer.capture.live import LiveCapture

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="AF_PACKET is Linux's"),
]

STORY = Path(__file__).parents[2] / "pcaps" / "busy-benign" / "traffic.pcap"
MARK = b"\x02\0\0\0\xaa"  # manufacturer of the frames of this test
CLIENT, SERVER = ("10.0.0.7", 50_000), ("203.0.113.9", 443)


def listen(settings: RingSettings) -> LiveCapture:
    """A capture on the port."""
    from sniffer.capture.live import LiveCapture  # noqa: PLC0415
    from sniffer.capture.ring import warm_up  # noqa: PLC0415  # compiles

    warm_up()
    return LiveCapture.open(["port"], settings, timeout=0.1)


def collect(source: LiveCapture) -> list[bytes]:
    """Frames of this test, until it is silent."""
    out = []
    for batch in until_silent(source):
        for row in batch.frames:
            data = batch.data[row["offset"] : row["offset"] + row["captured"]].tobytes()
            if data[6:11] == MARK:
                # The tag that the kernel took out goes back to where it was.
                tag = int(row["vlan_protocol"]) << 16 | int(row["vlan"])
                out.append(data[:12] + tag.to_bytes(4, "big") + data[12:] if row["vlan_protocol"] else data)
    return out


def mixed() -> list[bytes]:
    """A story with ordinary traffic, and frames of all kinds; each is from :data:`MARK` and at least 60 bytes long."""
    frames = [
        batch.data[row["offset"] : row["offset"] + row["captured"]].tobytes()
        for batch in Savefile(str(STORY)).batches()
        for row in batch.frames
    ]
    talk = build.Conversation(vlans=(5, 6)).open().send(0, b'{"id":1}\n').close()
    frames += [frame for _, frame in talk.frames]
    for vlans in ((), (5,), (5, 6), (5, 6, 7), (1, 2, 3, 4, 5)):
        for payload in (b"\x40" * 1_250, b"\xc3" * 1_250, b"\xc3" * 100):
            for port in (443, 53, 4789, 4028, 50_001):
                datagram = build.udp(CLIENT, ("203.0.113.9", port), payload)
                frames.append(build.ethernet(datagram[14:], vlans=vlans))
        frames += [build.ethernet(b"\x11" * 60, vlans=vlans, version=version) for version in (4, 6)]
    frames += [bytes(12) + kind.to_bytes(2, "big") + b"\x45" * 60 for kind in (*bpf.OPENED, 0x0806, 0x88CC)]
    frames += [bytes(12) + b"\0\x30" + point * 2 + b"\x03" * 60 for point in (b"\xaa", b"\x42", b"\x06")]
    chance = random.Random(7)
    frames += [bytes(12) + chance.randbytes(80) for _ in range(200)]
    return [
        frame[:6] + MARK + frame[11:].ljust(49, b"\0") for frame in frames if len(frame) <= 1_514 and frame
    ]


def without_tag(frame: bytes) -> bytes:
    """A frame as the filter sees it: the kernel has taken the outermost tag out."""
    return frame[:12] + frame[16:] if frame[12:14] in (b"\x81\0", b"\x88\xa8") else frame


def test_the_ring_holds_what_the_program_lets_pass(
    in_namespace: Callable[[Callable[[], None]], None],
) -> None:
    """Of some thousand frames of all kinds those arrive, in order and whole, that the program in plain Python keeps."""

    def body() -> None:
        source = listen(RingSettings(64, 64, drop=True))
        frames = mixed()
        program = bpf.build(1, WHOLE, drop=True)
        wanted = [frame for frame in frames if cbpf.run(program, without_tag(frame))]
        assert len(frames) // 10 < len(wanted) < len(frames)
        with sender() as wire:
            for frame in frames:
                wire.send(frame)
        got = collect(source)
        counts = source.statistics()["port"]
        source.close()
        assert got == wanted
        assert (counts.drops, counts.packets) == (0, len(wanted))
        assert counts.received == len(frames)
        assert counts.filtered == len(frames) - len(wanted)

    in_namespace(body)


def test_filter_and_snap_length_are_one_program(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """With both, what passes is cut, and what does not pass does not arrive; without a filter everything does."""

    def body() -> None:
        dns = build.udp(CLIENT, ("203.0.113.9", 53), bytes(1_000))
        video = build.udp(CLIENT, SERVER, bytes(1_000))
        dns, video = (frame[:6] + MARK + frame[11:] for frame in (dns, video))
        for drop, wanted in ((True, [dns[:128]]), (False, [dns[:128], video[:128]])):
            source = listen(RingSettings(4, 64, snaplen=128, drop=drop))
            with sender() as wire:
                wire.send(dns)
                wire.send(video)
            assert collect(source) == wanted
            source.close()

    in_namespace(body)


def test_counts_outlive_the_interface(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """A removed interface, whose counter is gone, takes nothing back from what was counted."""

    def body() -> None:
        source = listen(RingSettings(4, 64, drop=True))
        video = build.udp(CLIENT, SERVER, bytes(1_000))
        with sender() as wire:
            for _ in range(5):
                wire.send(video)
        collect(source)
        before = source.statistics()["port"]
        assert (before.received, before.filtered) == (5, 5)
        command("ip link del tap")
        collect(source)
        assert source.statistics()["port"] == before
        source.close()

    in_namespace(body)
