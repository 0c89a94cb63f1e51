"""The board: whole snapshots only, whenever the worker dies; bounded; nothing is left behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from sniffer.capture.packet_socket import Position
from sniffer.control.board import MAX_RINGS, Board
from sniffer.control.records import Snapshot
from sniffer.totals import InterfaceTotals, Totals

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memory files are Linux's")

WRITER = """
import sys
from sniffer.control.board import Board
from sniffer.control.records import Snapshot
from sniffer.totals import Totals
board = Board(int(sys.argv[1]))
n = 0
while True:
    n += 1
    names = {f"kind-{i}": n for i in range(200)}
    board.write(Snapshot(Totals(packets=n, bytes=n, skipped=names)))
    board.turn()
"""


def snapshot(packets: int) -> Snapshot:
    """Books in which every number is the same."""
    one = InterfaceTotals(packets, packets)
    return Snapshot(
        Totals(packets=packets, interfaces={"a": one}), {"a": True}, fault="x", positions=(Position(1, 2, 3),)
    )


def test_the_last_snapshot_is_read() -> None:
    """Nothing at first, then what was written last, by whoever maps the same memory."""
    ours = Board.make()
    theirs = Board(os.dup(ours.fileno()))
    assert (ours.read(), ours.turns, ours.written) == (None, 0, 0)
    for number in range(1, 4):
        theirs.write(snapshot(number))
        theirs.turn()
        assert ours.read() == snapshot(number)
        assert (ours.turns, ours.written) == (number, number)
    theirs.hold([7, 0, 9])
    theirs.close()
    assert ours.hands == (7, 0, 9, *[0] * (MAX_RINGS - 3))
    assert ours.read() == snapshot(3)
    ours.close()


def test_more_interfaces_than_there_is_room_for() -> None:
    """Of a file with a flood of interfaces the sums are told, and not each interface."""
    board = Board.make()
    many = {f"interface-{number}": InterfaceTotals(1, 2) for number in range(50_000)}
    board.write(Snapshot(Totals(packets=9, interfaces=many), dict.fromkeys(many, True)))
    assert board.read() == Snapshot(Totals(packets=9))
    board.close()


def test_no_death_leaves_half_a_snapshot() -> None:
    """Whenever a writer is killed, what stands there is whole; while it writes, what is read is whole, too."""
    chance = random.Random(1)
    for _ in range(8):
        board = Board.make()
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(board.fileno())], pass_fds=[board.fileno()]
        ) as writer:
            try:
                while not board.written:
                    time.sleep(0.01)
                end = time.monotonic() + 0.05 + chance.random() * 0.1
                while time.monotonic() < end:
                    check(board)
            finally:
                os.kill(writer.pid, signal.SIGKILL)
        check(board)
        found = board.read()
        assert found is not None
        assert found.totals.packets in (board.written, board.written + 1)
        board.close()


def check(board: Board) -> None:
    """What stands there is of one moment."""
    found = board.read()
    if found is not None:
        assert {found.totals.packets} == {found.totals.bytes} == set(found.totals.skipped.values())


def test_nothing_is_left_behind() -> None:
    """A board has no name in any file system, and its memory goes with its last descriptor."""
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    board = Board.make()
    assert os.readlink(f"/proc/self/fd/{board.fileno()}").startswith("/memfd:")  # noqa: PTH115
    board.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208
