"""The readers together: each knows its own openings and none those of another, and none trips."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import KEY, Talk, frame, line, mangled

from sniffer.model import Alternative, Chunk, Data, End, Gap
from sniffer.oddities import Oddities
from sniffer.protocols.datum import Datum
from sniffer.protocols.dns import DnsStream
from sniffer.protocols.http import Http
from sniffer.protocols.http2 import PREFACE, Http2
from sniffer.protocols.json_lines import JsonLines
from sniffer.protocols.management import ManagementText
from sniffer.protocols.noise import Noise
from sniffer.protocols.peers import Peers
from sniffer.protocols.reader import Channel, Fit, Reader, Start
from sniffer.protocols.readers import MESSAGE_READERS, READERS
from sniffer.protocols.stratum_v2 import StratumV2
from sniffer.protocols.tls import Tls
from sniffer.protocols.websocket import WebSocket

SUBSCRIBE = line({"id": 1, "method": "mining.subscribe", "params": ["x/1"]})
DEVICE = b"\x06bitaxe\x06BM1370\x00\x00"
SETUP = b"\0\2\0\2\0" + bytes(4) + b"\x0epool.example.c\xce\x85" + DEVICE
OPENINGS: list[tuple[type[Reader], bytes, int]] = [
    (DnsStream, b"\0\x1d\0\7\1\0\0\1\0\0\0\0\0\0\4pool\7example\0\0\1\0\1", 53),
    (JsonLines, SUBSCRIBE, 3_333),
    (JsonLines, b"\r\n\0 [" + SUBSCRIBE, 3_333),
    (JsonLines, b"\x7f\x02\x0f\x00" + bytes(11), 3_333),
    (Tls, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)), 443),
    (Http, b"POST / HTTP/1.1\r\nHost: pool.example.com\r\n\r\n", 80),
    (Http, b"HTTP/1.1 200 OK\r\n\r\n", 80),
    (WebSocket, frame(SUBSCRIBE), 80),
    (WebSocket, frame(SUBSCRIBE, key=KEY), 80),
    (Http2, PREFACE + bytes(9), 50_051),
    (StratumV2, b"\0\0\0" + len(SETUP).to_bytes(3, "little") + SETUP, 34_254),
    (StratumV2, b"\0\0\1\6\0\0\2\0\0\0\0\0", 34_254),
    (ManagementText, b"summary", 4_028),
    (ManagementText, b"STATUS=S,When=1,Msg=x|", 4_028),
    (Peers, bytes.fromhex("f9beb4d9") + b"version" + bytes(40), 8_333),
    (Peers, bytes.fromhex("0121010101010101") + bytes(25), 18_080),
    (Datum, bytes.fromhex("061987d7") + bytes(303), 28_915),
    (Noise, b"\xa7" + random.Random(3).randbytes(63), 3_336),
]
NAMES = [f"{number}-{kind.__name__}" for number, (kind, _, _) in enumerate(OPENINGS)]
HELD = 2 * 140_000


@pytest.mark.parametrize(("kind", "opening", "port"), OPENINGS, ids=NAMES)
def test_opening(kind: type[Reader], opening: bytes, port: int) -> None:
    """Each opening is claimed by its own reader, however much has come, and by none but the last resort."""
    start = Start(Channel(Oddities(), (40_000, port)), 0, midway=False)
    assert kind.probe(opening, start) is Fit.YES
    for end in range(1, len(opening) + 1):
        claims = [one for one in READERS if one.probe(opening[:end], start) is Fit.YES]
        assert claims[:1] in ([], [kind]), end
        assert set(claims[1:]) <= {READERS[-1]}, end


def test_registry() -> None:
    """Every reader has an opening here, and those that begin with any message are among them."""
    assert {kind for kind, _, _ in OPENINGS} == set(READERS)
    assert set(MESSAGE_READERS) <= set(READERS)


DATA = st.binary(max_size=40) | mangled([opening for _, opening, _ in OPENINGS])


@st.composite
def chunks(draw: st.DrawFn) -> Chunk:
    """Anything that a flow can bring."""
    side, data = draw(st.integers(0, 1)), draw(DATA)
    match draw(st.sampled_from(["data"] * 5 + ["gap", "end", "other"])):
        case "gap":
            return Gap(side, 0, 0)
        case "end":
            return End(side, 0)
        case "other":
            return Alternative(side, data, 0, 0)
        case _:
            return Data(side, data, 0, 0)


@settings(max_examples=300, deadline=None)
@given(
    said=st.lists(chunks(), max_size=12),
    port=st.sampled_from(sorted({port for _, _, port in OPENINGS})),
    midway=st.sampled_from([(), (0,), (0, 1)]),
    again=st.booleans(),
)
def test_any_flow(said: list[Chunk], port: int, midway: tuple[int, ...], *, again: bool) -> None:
    """Fuzz entry: openings of all protocols, damaged, mixed, torn and contradicted, never raise."""
    talk = Talk(ports=(40_000, port), midway=midway, again=again)
    for chunk in said:
        talk.conversation.read(chunk)
        assert talk.conversation.held <= HELD
