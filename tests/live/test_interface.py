"""What is told of an interface is told of the one in this network namespace, and needs no privilege."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from live.conftest import command, sender

from sniffer.capture import interface

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="AF_PACKET is Linux's"),
]


def test_speed_mtu_and_counter(in_namespace: Callable[[Callable[[], None]], None]) -> None:
    """A veth pair says 10 Gbit/s, changes its MTU, counts what it received; a removed one says nothing."""

    def body() -> None:
        assert interface.speed("port") == 10_000
        assert interface.mtu("port") == 1_500
        command("ip link set port mtu 9000")
        assert interface.mtu("port") == 9_000
        assert interface.received("port") == 0
        with sender() as wire:
            for _ in range(3):
                wire.send(bytes(60))
        assert interface.received("port") == 3
        command("ip link del tap")
        assert (interface.speed("port"), interface.mtu("port"), interface.received("port")) == (0, 0, 0)

    in_namespace(body)
