"""Ring blocks: every packet of a block becomes a row; no block, however wrong, leads outside."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.batch import FRAME
from sniffer.capture import interface, packet_socket, ring
from sniffer.capture.packet_socket import NoMemoryError, RingSettings, Statistics, open_ring_socket
from sniffer.errors import AccessError, InputError

if TYPE_CHECKING:
    import socket

    from numpy.typing import NDArray

BLOCK = 4_096
HEAD = 48
MAC = 82


def packet(
    payload: bytes,
    *,
    step: int | None = None,
    kind: int = 0,
    status: int = 0,
    tci: int = 0,
    tpid: int = 0,
    time: int = 7,
) -> bytes:
    """A packet as the kernel lays it out (struct tpacket3_hdr, struct sockaddr_ll, the frame)."""
    size = (MAC + len(payload) + 7) & ~7
    head = struct.pack(
        "<IIIIIIHHIIHH8x",
        size if step is None else step, 1_700_000_000 + time, 123_456_789, len(payload), len(payload) + 4, status,
        MAC, MAC + 14, 0, tci, tpid, 0,
    )  # fmt: skip
    address = struct.pack("<HHiHBB8x", 17, 8, 3, 1, kind, 6)
    return (head + address).ljust(MAC, b"\0") + payload + bytes(size - MAC - len(payload))


def block(*packets: bytes, count: int | None = None, first: int = HEAD) -> bytes:
    """A block: its head, then packets."""
    head = struct.pack("<IIIIII", 1, 0, 1, len(packets) if count is None else count, first, 0).ljust(
        HEAD, b"\0"
    )
    return (head + b"".join(packets)).ljust(BLOCK, b"\0")


def walk(
    data: bytes, *, start: int = 0, room: int = 64, largest: int = 2_000
) -> tuple[NDArray[np.void], list[int]]:
    """Rows of a block, and the state behind them."""
    words = np.frombuffer(bytearray(data), dtype=np.uint32)
    frames = np.zeros(room, dtype=FRAME)
    state = np.zeros(ring.WORDS, dtype=np.int64)
    ring.walk_block(words, start, BLOCK, frames, 5, 1, largest, state)
    return frames[: state[ring.FILLED]], state.tolist()


def test_every_packet_becomes_a_row() -> None:
    """Time, place, lengths, link and interface come from the headers."""
    payloads = [b"a" * 60, b"b" * 61, b"c" * 1_500]
    data = block(*(packet(payload, time=n) for n, payload in enumerate(payloads)))
    rows, state = walk(data)
    assert state == [3, 0, 0, 0, 0, 0]
    for number, (row, payload) in enumerate(zip(rows, payloads, strict=True)):
        assert data[row["offset"] : row["offset"] + row["captured"]] == payload
        assert row["length"] == len(payload) + 4
        assert row["time"] == (1_700_000_000 + number) * 10**9 + 123_456_789
        assert (row["link"], row["interface"], row["vlan_protocol"]) == (1, 5, 0)


@pytest.mark.parametrize(
    ("status", "tci", "tpid", "expected"),
    [
        (ring.VLAN_VALID | ring.VLAN_TPID_VALID, 5, 0x88A8, (5, 0x88A8)),
        (ring.VLAN_VALID, 0x2005, 0, (0x2005, 0x8100)),
        (ring.VLAN_VALID | ring.VLAN_TPID_VALID, 0, 0x8100, (0, 0x8100)),
        (0, 5, 0x8100, (0, 0)),
    ],
)
def test_a_tag_that_the_kernel_took_out_is_told(
    status: int, tci: int, tpid: int, expected: tuple[int, int]
) -> None:
    """The tag is in the row when the kernel says that there was one, also the tag of VLAN 0."""
    rows, _ = walk(block(packet(b"x" * 60, status=status, tci=tci, tpid=tpid)))
    assert (rows[0]["vlan"], rows[0]["vlan_protocol"]) == expected


def test_traces_of_offload_are_counted() -> None:
    """Frames with a time of the card, without a checksum, or larger than the link can carry are rows like others."""
    data = block(
        packet(b"a" * 60, status=ring.TIME_OF_HARDWARE | 1),
        packet(b"b" * 60, status=ring.CHECKSUM_NOT_READY | ring.TIME_OF_HARDWARE),
        packet(b"c" * 1_597),  # 1 601 bytes on the wire
        packet(b"d" * 1_596),
    )
    rows, state = walk(data, largest=1_600)
    assert len(rows) == 4
    assert state[ring.STAMPED :] == [2, 1, 1]


def test_what_this_machine_sends_is_left_out() -> None:
    """Outgoing packets are counted and not delivered."""
    rows, state = walk(block(packet(b"in"), packet(b"out", kind=ring.PACKET_OUTGOING), packet(b"in")))
    assert len(rows) == 2
    assert state[ring.OUTGOING] == 1


def test_a_block_in_the_middle_of_the_ring() -> None:
    """Offsets count from the start of the ring."""
    data = block() + block(packet(b"second block"))
    rows, _ = walk(data, start=BLOCK)
    assert data[rows[0]["offset"] :][:12] == b"second block"


@pytest.mark.parametrize(
    ("data", "rows", "broken"),
    [
        pytest.param(block(count=3), 0, 3, id="packets promised, none there"),
        pytest.param(block(packet(b"a", step=0), count=4), 1, 3, id="step of zero"),
        pytest.param(block(packet(b"a", step=8_192), packet(b"b")), 1, 1, id="step behind the block"),
        pytest.param(block(packet(b"a"), first=0xFFFF_FFF0), 0, 1, id="first packet far away"),
        pytest.param(block(packet(b"a"), first=BLOCK - 16), 0, 1, id="first packet at the edge"),
    ],
)
def test_nonsense_is_counted(data: bytes, rows: int, broken: int) -> None:
    """What cannot be is counted as broken; what came before it is kept."""
    found, state = walk(data)
    assert (len(found), state[ring.BROKEN]) == (rows, broken)


def test_more_packets_than_rows() -> None:
    """Rows are never written beyond their array."""
    rows, state = walk(block(*(packet(b"x") for _ in range(5))), room=2)
    assert (len(rows), state[ring.BROKEN]) == (2, 3)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 2**32 - 1), st.integers(0, 200))
def test_no_block_leads_outside(garbage: bytes, first: int, count: int) -> None:
    """Whatever a block holds, rows lie inside it."""
    data = block(garbage, count=count, first=first if first % 3 else HEAD)
    rows, state = walk(data)
    ends = rows["offset"].astype(np.int64) + rows["captured"]
    assert (ends <= BLOCK).all()
    assert state[ring.FILLED] + state[ring.OUTGOING] + state[ring.BROKEN] <= count


def test_no_such_interface() -> None:
    """The fault names the interfaces that exist."""
    with pytest.raises(InputError, match=r"interfaces of this machine: .*lo") as caught:
        open_ring_socket("no-such-port", RingSettings())
    assert caught.value.exit_status == 66


def test_no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CAP_NET_RAW the fault says how to get it."""

    def refuse(*_: object) -> socket.socket:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(packet_socket, "link_type", lambda _: 1)
    monkeypatch.setattr(packet_socket.socket, "socket", refuse)
    with pytest.raises(AccessError, match="setcap cap_net_raw") as caught:
        open_ring_socket("lo", RingSettings())
    assert caught.value.exit_status == 77


def test_a_kernel_without_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that the kernel refuses is not mistaken for a lack of memory; the socket is closed."""
    closed = []

    class Refusing:
        def setsockopt(self, level: int, option: int, _value: object) -> None:
            if (level, option) == (packet_socket.socket.SOL_SOCKET, packet_socket.SO_ATTACH_FILTER):
                raise OSError(errno.EINVAL, "Invalid argument")

        def close(self) -> None:
            closed.append(self)

    monkeypatch.setattr(packet_socket.socket, "socket", lambda *_: Refusing())
    monkeypatch.setattr(packet_socket, "link_type", lambda _: 1)
    with pytest.raises(AccessError, match=r"refuses the filter.*capture\.filter to none") as caught:
        open_ring_socket("lo", RingSettings(drop=True))
    assert not isinstance(caught.value, NoMemoryError)
    assert len(closed) == 1


def test_unsupported_kind_of_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interface whose frames the gate cannot read is refused before anything is opened."""
    monkeypatch.setattr(interface, "_ask", lambda *_: bytes(16) + (24).to_bytes(2, "little"))
    with pytest.raises(InputError, match="hardware type 24"):
        interface.link_type("lo")


def open_at_most(mib: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the kernel have memory for rings up to a size; returns a list of the sizes that are tried."""
    tried = []

    def open_small(name: str, chosen: RingSettings) -> str:
        tried.append(chosen.ring_mib)
        if chosen.ring_mib > mib:
            raise NoMemoryError("the kernel has no memory", where=name, remedy="lower capture.ring_mib")
        return "socket"

    monkeypatch.setattr(packet_socket, "open_ring_socket", open_small)
    return tried


def test_a_ring_takes_what_the_kernel_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ring whose size nobody asked for is halved until the kernel has the memory; its settings say so."""
    tried = open_at_most(8, monkeypatch)
    sock, chosen = packet_socket.open_ring("lo", RingSettings(64, snaplen=200, shrinks=True))
    assert (sock, chosen, tried) == (
        "socket",
        RingSettings(8, snaplen=200, shrinks=True),
        [64, 32, 16, 8],
    )


@pytest.mark.parametrize(("shrinks", "last"), [(True, 1), (False, 64)])
def test_no_memory_at_all(monkeypatch: pytest.MonkeyPatch, shrinks: bool, last: int) -> None:  # noqa: FBT001
    """A size that was asked for is not changed, and the least is not undercut: the fault says what to lower."""
    tried = open_at_most(0, monkeypatch)
    with pytest.raises(NoMemoryError, match=r"lower capture\.ring_mib") as caught:
        packet_socket.open_ring("lo", RingSettings(64, shrinks=shrinks))
    assert (tried[-1], caught.value.exit_status) == (last, 77)


def test_counts_of_two_sockets_add_up() -> None:
    """What an interface delivered through one socket and then another is one sum; the estimate never is negative."""
    first, second = Statistics(1, 2, 3, 40, 5, 6, 7), Statistics(packets=10, received=5)
    assert first + second == Statistics(11, 2, 3, 45, 5, 6, 7)
    assert ((first + second).filtered, second.filtered) == (34, 0)


@pytest.mark.parametrize(
    ("mib", "kib", "blocks"), [(64, 1_024, 64), (1, 64, 16), (1, 4_096, 2), (1_024, 4_096, 256)]
)
def test_geometry(mib: int, kib: int, blocks: int) -> None:
    """A ring has two blocks at least; all fit offsets of 32 bits."""
    geometry = RingSettings(mib, kib)
    assert geometry.blocks == blocks
    assert geometry.blocks * geometry.block_bytes < 1 << 32


def test_the_loopback_is_there() -> None:
    """Interfaces are found by name; their frames have a link type."""
    assert "lo" in interface.interface_names()
    assert interface.index_of("lo") >= 1
    assert interface.link_type("lo") == 1
    assert not interface.is_up("no-such-port")
    assert interface.mtu("lo") >= 1_500
    assert interface.received("lo") >= 0
    assert (interface.mtu("no-such-port"), interface.received("no-such-port")) == (0, 0)
    assert (interface.speed("lo"), interface.speed("no-such-port")) == (0, 0)
