"""The ring on a real kernel: every packet once, with its length and tag; drops are told; interfaces come and go."""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from live.conftest import command, sender, until_silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffer.capture.live import LiveCapture

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="AF_PACKET is Linux's"),
]

TEST_TYPE = b"\x88\xb5"  # EtherType for local experiments (IEEE 802)
Runner = "Callable[[Callable[[], None]], None]"
SMALL = 4  # MiB


def frame(number: int, size: int = 60, tags: bytes = b"") -> bytes:
    """A frame that carries its number; ``size`` without tags."""
    head = b"\xff" * 6 + b"\x02\0\0\0\0\1" + tags + TEST_TYPE + struct.pack("!I", number)
    return head.ljust(size + len(tags), b"\xa5")


def listen(*names: str, mib: int = SMALL, **settings: int) -> LiveCapture:
    """A capture on interfaces."""
    from sniffer.capture.live import LiveCapture  # noqa: PLC0415
    from sniffer.capture.packet_socket import RingSettings  # noqa: PLC0415
    from sniffer.capture.ring import warm_up  # noqa: PLC0415

    warm_up()
    return LiveCapture.open(names, RingSettings(mib, 64, **settings), timeout=0.1)


def collect(
    source: LiveCapture, *, silent: int = 3, seconds: float = 20
) -> list[tuple[int, int, int, int, int]]:
    """(number, length, captured, tag, protocol of the tag) of each test frame, until it is silent."""
    out = []
    for batch in until_silent(source, silent=silent, seconds=seconds):
        for row in batch.frames:
            data = batch.data[row["offset"] : row["offset"] + row["captured"]].tobytes()
            if data[12:14] == TEST_TYPE:
                (number,) = struct.unpack_from("!I", data, 14)
                values = (row["length"], row["captured"], row["vlan"], row["vlan_protocol"])
                out.append((number, *map(int, values)))
            assert abs(int(row["time"]) - time.time_ns()) < 20 * 10**9
    return out


def test_every_packet_arrives_once(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """20 000 frames of many sizes: each once, in order, with its length; the kernel's count agrees."""

    def body() -> None:
        source = listen("port", mib=64)
        got = []
        with sender() as wire:
            for begin in range(0, 20_000, 2_000):
                for number in range(begin, begin + 2_000):
                    wire.send(frame(number, 60 + number % 1_440))
                got += collect(source, silent=1)
        got += collect(source)
        counts = source.statistics()["port"]
        source.close()
        assert [(number, length, captured) for number, length, captured, _, _ in got] == [
            (number, 60 + number % 1_440, 60 + number % 1_440) for number in range(20_000)
        ]
        assert (counts.packets, counts.drops) == (20_000, 0)

    in_namespace(body)


def test_tags_are_kept(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """A tag that the kernel takes out of the frame is told beside it; an inner one stays in the frame."""

    def body() -> None:
        source = listen("port")
        with sender() as wire:
            wire.send(frame(0))
            wire.send(frame(1, tags=b"\x81\x00\x20\x05"))
            wire.send(frame(2, tags=b"\x88\xa8\x00\x07"))
            wire.send(frame(3, tags=b"\x81\x00\x00\x00"))
        got = collect(source)
        source.close()
        assert got == [
            (0, 60, 60, 0, 0),
            (1, 60, 60, 0x2005, 0x8100),
            (2, 60, 60, 7, 0x88A8),
            (3, 60, 60, 0, 0x8100),
        ]

    in_namespace(body)


def test_snaplen_cuts_and_tells(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """Frames are cut to the snap length; their length on the wire is told."""

    def body() -> None:
        source = listen("port", snaplen=128)
        with sender() as wire:
            wire.send(frame(0, 1_000))
            wire.send(frame(1, 100))
        got = collect(source)
        source.close()
        assert [row[:3] for row in got] == [(0, 1_000, 128), (1, 100, 100)]

    in_namespace(body)


def test_an_overrun_is_told_exactly(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """Packets that found no room are counted: sent = read + dropped, to the last one."""

    def body() -> None:
        source = listen("port", mib=1)
        with sender() as wire:
            for number in range(5_000):
                wire.send(frame(number, 1_400))
        got = collect(source)
        with sender() as wire:  # and it reads on when there is room again
            for number in range(5_000, 5_010):
                wire.send(frame(number))
        got += collect(source)
        counts = source.statistics()["port"]
        source.close()
        assert counts.drops > 1_000
        assert counts.packets == 5_010
        assert len(got) + counts.drops == 5_010
        assert [row[0] for row in got[-10:]] == list(range(5_000, 5_010))

    in_namespace(body)


def test_what_is_sent_is_not_captured(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """Frames that leave through the captured interface are not read; on the loopback each comes once."""

    def body() -> None:
        command("ip link set lo up")
        source = listen("tap", "lo")
        with sender() as wire:
            wire.send(frame(0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind(("127.0.0.1", 0))
            receiver.sendto(b"once", receiver.getsockname())
        assert collect(source) == []
        counts = source.statistics()
        source.close()
        assert (counts["tap"].packets, counts["lo"].packets) == (0, 1)

    in_namespace(body)


def test_frames_for_others_are_captured(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """A mirror port delivers what is addressed to others."""

    def body() -> None:
        source = listen("port")
        with sender() as wire:
            wire.send(b"\x02\xaa\xaa\xaa\xaa\xaa" + frame(5)[6:])
        got = collect(source)
        source.close()
        assert [row[0] for row in got] == [5]

    in_namespace(body)


def test_down_and_up_again(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """While the port is down nothing spins; when it is up again, reading goes on within a second."""

    def body() -> None:
        source = listen("port")
        command("ip link set port down")
        used = time.thread_time()
        collect(source, silent=20)
        assert time.thread_time() - used < 0.1
        assert not source.up()["port"]
        command("ip link set port up")
        deadline = time.monotonic() + 5
        while not source.up()["port"]:  # the carrier of the pair takes its moment
            assert time.monotonic() < deadline
        began = time.monotonic()
        with sender() as wire:
            wire.send(frame(9))
        for batch in source.batches():
            if batch is not None and any(
                batch.data[row["offset"] + 12 : row["offset"] + 14].tobytes() == TEST_TYPE
                for row in batch.frames
            ):
                break
            assert time.monotonic() - began < 1
        assert source.lost == []
        source.close()

    in_namespace(body)


def test_a_new_interface_of_the_old_name(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """A removed interface is noticed; through a new socket reading goes on, and counts do not fall."""

    def body() -> None:
        from live.conftest import make_pair  # noqa: PLC0415

        from sniffer.capture.packet_socket import RingSettings, open_ring_socket  # noqa: PLC0415

        source = listen("port")
        with sender() as wire:
            wire.send(frame(1))
        assert len(collect(source)) == 1
        command("ip link del tap")
        collect(source, silent=15)
        assert source.lost == ["port"]
        make_pair()
        collect(source, silent=15)
        assert source.lost == ["port"], "the old socket does not hear the new interface"
        source.replace("port", open_ring_socket("port", RingSettings(SMALL, 64)))
        with sender() as wire:
            wire.send(frame(2))
        assert [row[0] for row in collect(source)] == [2]
        assert source.lost == []
        assert source.statistics()["port"].packets == 2
        source.close()

    in_namespace(body)


def test_a_ring_from_another_process(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """A descriptor is enough to map a ring: who opens the socket and who reads it may differ."""

    def body() -> None:
        from sniffer.capture.live import LiveCapture  # noqa: PLC0415
        from sniffer.capture.packet_socket import RingSettings, open_ring_socket  # noqa: PLC0415

        settings = RingSettings(SMALL, 64)
        with open_ring_socket("port", settings) as sock:
            copy = socket.socket(fileno=os.dup(sock.fileno()))
            source = LiveCapture([(copy, "port", settings)], timeout=0.1)
        with sender() as wire:
            wire.send(frame(3))
        assert [row[0] for row in collect(source)] == [3]
        source.close()

    in_namespace(body)


def test_two_ports_are_read_in_the_order_of_time(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """Frames that arrive now on one port and now on the other come in the order of their times."""

    def body() -> None:
        from live.conftest import make_pair  # noqa: PLC0415

        make_pair("other")
        source = listen("port", "other-port", mib=8)
        rows = []
        with sender() as one, sender("other-tap") as two:

            def talk() -> None:
                for number in range(400):
                    (one if number % 2 else two).send(frame(number))
                    time.sleep(0.002)

            talking = threading.Thread(target=talk)
            talking.start()
            for batch in until_silent(source, silent=10):
                rows += batch.frames[["time", "interface"]].tolist()
            talking.join()
        source.close()
        assert len(rows) == 400
        assert [sum(number == which for _, number in rows) for which in (0, 1)] == [200, 200]
        times = [time for time, _ in rows]
        assert times == sorted(times)
        assert max(times) - min(times) > 500_000_000  # several blocks of each

    in_namespace(body)


def test_a_quiet_port_holds_up_no_other(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """While one port is silent, or down, the other is read within half a second, and a flood of it loses nothing."""

    def body() -> None:
        from live.conftest import make_pair  # noqa: PLC0415

        make_pair("other")
        source = listen("port", "other-port", mib=8)
        for state in ("silent", "down"):
            if state == "down":
                command("ip link set other-port down")
            began = time.monotonic()
            with sender() as wire:
                wire.send(frame(1))
                for batch in until_silent(source, silent=20):
                    if len(batch.frames):
                        break
                assert time.monotonic() - began < 0.6
                for number in range(3_000):
                    wire.send(frame(number, 1_000))
                assert len(collect(source)) == 3_000
        assert source.statistics()["port"].drops == 0
        source.close()

    in_namespace(body)
