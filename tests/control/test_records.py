"""Records between parent and worker survive the way, in whatever pieces they come."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenants import owners

from sniffer.capture.packet_socket import Position, RingSettings
from sniffer.children import Unframer
from sniffer.control import records
from sniffer.control.records import (
    Ended,
    Finished,
    HitDelta,
    Job,
    Lost,
    Mapped,
    NewRules,
    News,
    NewSocket,
    Ready,
    ReplayJob,
    RulesInUse,
    Stop,
    frame,
)
from sniffer.counts import Sighting
from sniffer.owners.timeline import Change

TO_WORKER = [
    Job(
        b"rules",
        ("eth0",),
        (3,),
        (RingSettings(8, drop=True),),
        board=5,
        positions=(Position(77, 3, 12),),
        hands=(4, 0),
        key=b"k" * 32,
        owners=owners(("a", "10.0.0.0/8 2001:db8::/32"), nat=("203.0.113.0/24",)),
    ),
    Job(b"rules", replay=ReplayJob("a.pcap", 2.0, loop=True)),
    NewRules(2, b"dump", owners(("b", "10.0.0.0/8"))),
    Mapped(
        (Change("hold", b"\x0a\0\0\7", 32, 5, 7, "h:ab", "a", b"\x0a\0\0\1", "s", 1024, 2047),), complete=True
    ),
    NewSocket("eth0", RingSettings(1, shrinks=True)),
    Stop(),
]
FROM_WORKER = [
    Ready(),
    News(
        (HitDelta(b"\x0a\0\0\7", "stratum-v1-submit", 3, 3, 17, 1_700_000_000_000_000_000, "a"),), (b"{}\n",)
    ),
    News(
        sightings=(
            Sighting(
                b"\x0a\0\0\7", "r", "ab", 3, 2, 20, 60 * 10**9, 1_700_000_000 * 10**9, 1 << 47, 1, b"{}\n"
            ),
        )
    ),
    RulesInUse(2, "no"),
    Lost("eth0"),
    Ended(("error: a",), 66),
    Finished(("error: a",), 66, stopped=True),
]


@pytest.mark.parametrize("record", TO_WORKER, ids=lambda record: type(record).__name__)
def test_to_the_worker(record: records.ToWorker) -> None:
    """Every record for the worker arrives as it was sent."""
    (body,) = Unframer().feed(frame(record))
    assert records.to_worker.decode(body) == record


@pytest.mark.parametrize("record", FROM_WORKER, ids=lambda record: type(record).__name__)
def test_from_the_worker(record: records.FromWorker) -> None:
    """Every record of the worker arrives as it was sent."""
    (body,) = Unframer().feed(frame(record))
    assert records.from_worker.decode(body) == record


@given(st.lists(st.integers(1, 40), max_size=60))
def test_in_any_pieces(cuts: list[int]) -> None:
    """However the stream is cut, the same records come out."""
    stream = b"".join(frame(record) for record in FROM_WORKER)
    unframer, out, at = Unframer(), [], 0
    for cut in [*cuts, len(stream)]:
        out += unframer.feed(stream[at : at + cut])
        at += cut
    assert [records.from_worker.decode(body) for body in out] == FROM_WORKER


@given(st.binary(max_size=60))
def test_garbage_is_no_record(garbage: bytes) -> None:
    """Bytes that are no record raise what the supervisor expects, and nothing else."""
    try:
        record = records.from_worker.decode(garbage)
    except (msgspec.MsgspecError, ValueError):
        return
    assert isinstance(record, msgspec.Struct)
