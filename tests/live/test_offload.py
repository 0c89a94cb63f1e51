"""Frames that no wire ever carried: larger than the MTU, without a checksum, as offload leaves them."""

from __future__ import annotations

import socket
import struct
import sys
import time
from typing import TYPE_CHECKING

import frames as build
import pytest
from control.conftest import SUBMIT
from live.conftest import sender

from sniffer.capture.packet_socket import SOL_PACKET, RingSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffer.ruleset import RuleSet

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="AF_PACKET is Linux's"),
]

PACKET_VNET_HDR = 15
NEEDS_CHECKSUM, GSO_TCPV4 = 1, 1  # linux/virtio_net.h
SHARES = 200


def test_a_frame_that_was_merged(
    in_namespace: Callable[[Callable[[], None]], None], ruleset: RuleSet
) -> None:
    """A frame of many segments, its checksum left to the card, is read to its last line and counted as what it is."""

    def body() -> None:
        from sniffer.capture import live, ring  # noqa: PLC0415  # these compile
        from sniffer.engine import Engine, EngineSettings  # noqa: PLC0415
        from sniffer.gate import gate  # noqa: PLC0415

        ring.warm_up()
        gate.warm_up()
        source = live.LiveCapture.open(
            ["port"], RingSettings(8, 256, drop=True, hardware_time=True), timeout=0.1
        )
        hits = []
        settings = EngineSettings(gate_flows=1 << 10)
        engine = Engine(
            ruleset, interfaces=["port"], settings=settings, hit=hits.append, event=lambda _: None
        )
        talk = build.Conversation().open()
        opening = [frame for _, frame in talk.frames]
        talk.send(0, SUBMIT * SHARES)
        (merged, answer) = [frame for _, frame in talk.frames[len(opening) :]]
        assert len(merged) > 10_000
        with sender() as wire:
            for frame in opening:
                wire.send(frame)
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as offload:
                offload.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
                offload.bind(("tap", 0))
                # Headers of 54 bytes, segments of 1 448; the checksum of TCP begins at 34, its field 16 bytes on.
                head = struct.pack("=BBHHHH", NEEDS_CHECKSUM, GSO_TCPV4, 54, 1_448, 34, 16)
                offload.send(head + merged)
            wire.send(answer)
        silent, lengths = 3, []
        deadline = time.monotonic() + 20
        for batch in source.batches():
            assert time.monotonic() < deadline
            if batch is None:
                silent -= 1
                if not silent:
                    break
            else:
                engine.process(batch)
                lengths += batch.frames["length"].tolist()
        engine.finish()
        counts = source.statistics()["port"]
        source.close()
        assert max(lengths) == len(merged), "it was cut into segments on the way"
        assert (counts.merged, counts.unsummed, counts.stamped) == (1, 1, 0)
        assert counts.packets == 5
        assert sum(hit.facts.message == "mining.submit" for hit in hits) == SHARES

    in_namespace(body)
