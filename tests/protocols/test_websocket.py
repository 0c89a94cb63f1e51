"""WebSocket: frames behind an upgrade and without one, and the messages of mining in them."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import CLIENT, KEY, SERVER, Talk, frame, line, mangled, pieces, read_in, request, response

from sniffer.model import Gap, Role
from sniffer.protocols.conversation import MAX_READERS, Verdict
from sniffer.protocols.websocket import MAX_FOREIGN, MAX_LOST, MAX_MESSAGE

FIN, RSV1 = 0x80, 0x40
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
AUTH = json.dumps(
    {"type": "auth", "params": {"site_key": "6ssKey", "type": "anonymous", "user": None, "goal": 0}}
)
SUBMIT = json.dumps({"type": "submit", "params": {"job_id": "1", "nonce": "f4c80e00", "result": "ab" * 32}})
AUTHED = json.dumps({"type": "authed", "params": {"token": "", "hashes": 0}})
JOB = json.dumps({"type": "job", "params": {"job_id": "1", "blob": "10" * 76, "target": "ffffff00"}})
ACCEPTED = json.dumps({"type": "hash_accepted", "params": {"hashes": 256}})
OTHER = json.dumps({"type": "auth_required", "ha_version": "2024.1"})
SUBSCRIBE = line({"id": 1, "method": "mining.subscribe", "params": ["x/1"]})
UPGRADE = request("", "Upgrade: WebSocket", "Connection: Upgrade", target="/proxy", verb="GET")
HELD = 2 * (MAX_MESSAGE + MAX_MESSAGE + 32)


def switch(*fields: str) -> bytes:
    """The server agrees to the upgrade."""
    return "\r\n".join(["HTTP/1.1 101 Switching Protocols", "upgrade: WebSocket", *fields, "", ""]).encode()


DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"


def said(payload: bytes | str, first: int = FIN | TEXT) -> bytes:
    """A frame of the client."""
    return frame(payload, key=KEY, first=first)


def upgraded(*fields: str) -> Talk:
    """A flow whose upgrade was agreed to."""
    talk = Talk(ports=(40_000, 80)).say(CLIENT, UPGRADE).say(SERVER, switch(*fields))
    talk.facts.clear()
    return talk


class Packer:
    """One side of permessage-deflate."""

    def __init__(self, *, forgets: bool = False) -> None:
        self.forgets = forgets
        self.stream = zlib.compressobj(wbits=-15)

    def pack(self, text: str | bytes) -> bytes:
        """A message, compressed."""
        if self.forgets:
            self.stream = zlib.compressobj(wbits=-15)
        data = text.encode() if isinstance(text, str) else text
        return (self.stream.compress(data) + self.stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(
            b"\0\0\xff\xff"
        )


CLIENT_SIDE = said(AUTH) + said("", FIN | PING) + said(SUBMIT)
SERVER_SIDE = frame(AUTHED) + frame("x", first=FIN | PONG) + frame(JOB) + frame(ACCEPTED)
MESSAGES = ["auth", "submit", "authed", "job", "hash_accepted"]


# ── an upgrade ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [0, 1, 50])
def test_messages_behind_an_upgrade(size: int) -> None:
    """Behind an upgrade the messages of both sides are read, masked or not, in pieces of any size."""
    talk = Talk(ports=(40_000, 80)).say(CLIENT, UPGRADE, size=size).say(SERVER, switch(), size=size)
    assert talk.conversation.verdict is Verdict.MORE
    talk.say(CLIENT, CLIENT_SIDE, size=size).say(SERVER, SERVER_SIDE, size=size)
    assert talk.messages == MESSAGES
    assert {one.protocol for one in talk.mining} == {"ws-miner"}
    assert [one.sender for one in talk.mining] == [Role.CLIENT] * 2 + [Role.SERVER] * 3
    assert talk.mining[0].values["mining.user"] == "6ssKey"
    assert talk.mining[3].values["mining.hashes_per_share"] == pytest.approx(256)
    assert talk.facts[0].values["http.method"] == "GET"
    assert (talk.conversation.verdict, talk.conversation.held, talk.counted()) == (Verdict.YES, 0, {})


def test_frames_in_the_segment_of_the_upgrade() -> None:
    """Frames may stand in the segment of the request and in that of its answer."""
    talk = Talk().say(CLIENT, UPGRADE + CLIENT_SIDE).say(SERVER, switch() + SERVER_SIDE)
    assert talk.messages == MESSAGES


def test_end_of_each_message() -> None:
    """A message knows the sequence number behind its frame."""
    talk = upgraded().say(CLIENT, CLIENT_SIDE)
    assert [one.end for one in talk.facts] == [len(UPGRADE + said(AUTH)), len(UPGRADE + CLIENT_SIDE)]


@pytest.mark.parametrize("side", [CLIENT, SERVER])
def test_one_side_of_an_upgrade(side: int) -> None:
    """One side of an upgrade is enough to know the frames behind it."""
    talk = Talk().say(
        side, (UPGRADE if side == CLIENT else switch()) + (said(SUBSCRIBE) if side == CLIENT else frame(JOB))
    )
    assert len(talk.messages) == 1


def test_refused_upgrade_and_another() -> None:
    """Behind an upgrade that was refused another may follow, and be agreed to."""
    talk = Talk().say(CLIENT, UPGRADE).say(SERVER, response("wait", status="503 Busy"))
    talk.say(CLIENT, UPGRADE).say(SERVER, switch()).say(CLIENT, CLIENT_SIDE).say(SERVER, SERVER_SIDE)
    assert talk.messages == MESSAGES


@pytest.mark.parametrize(
    "payload", [SUBSCRIBE, SUBSCRIBE.strip(), SUBSCRIBE + b"\n ping\n" + SUBSCRIBE, b" " + SUBSCRIBE]
)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_lines_in_frames(payload: bytes, opcode: int) -> None:
    """The dialects of lines are read in messages, too: one without its end, or several lines."""
    talk = upgraded().say(CLIENT, said(payload, FIN | opcode))
    assert talk.messages == ["mining.subscribe"] * payload.count(b"mining")
    assert talk.counted() == {}


# ── without the upgrade ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("midway", [(), (CLIENT, SERVER)], ids=["from the start", "midway"])
@pytest.mark.parametrize("size", [0, 1, 50])
def test_upgrade_that_was_not_seen(size: int, midway: tuple[int, ...]) -> None:
    """Without the upgrade a stream that begins with a frame of JSON is WebSocket."""
    talk = Talk(midway=midway).say(SERVER, SERVER_SIDE, size=size).say(CLIENT, CLIENT_SIDE, size=size)
    assert sorted(talk.messages) == sorted(MESSAGES)


@pytest.mark.parametrize(
    "data",
    [
        frame("hello, world") + frame(JOB),
        frame(b"{not json}") + frame(JOB),
        frame('{"a":1') + frame(JOB),
        frame("", first=FIN | PING) + frame(JOB),
        frame("{", first=FIN | TEXT) + frame(JOB),
        b"\xc1" + frame(JOB)[1:],
        b"\x81\x7f\xff" + bytes(7) + b"{" + bytes(90),
        frame(JOB)[4:] + frame(JOB),
        b"\x88\x02\x03\xe8" + frame(JOB),
    ],
    ids=["words", "no JSON", "broken", "ping", "bracket", "compressed", "2^64", "middle", "close"],
)
def test_what_is_no_stream_of_frames(data: bytes) -> None:
    """Without the upgrade a stream that begins with anything else is not read."""
    for size in (0, 1):
        assert Talk().say(SERVER, data, size=size).messages == []


# ── frames ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("length", [125, 126, 65_535, 65_536])
def test_lengths(length: int) -> None:
    """Each form of a length is read, up to messages of 64 KiB."""
    text = SUBSCRIBE.strip() + b" " * (length - len(SUBSCRIBE.strip()))
    for size in (0, 9_000):
        talk = upgraded().say(CLIENT, said(text), size=size).say(SERVER, frame(text), size=size)
        assert (talk.messages, talk.conversation.held) == (["mining.subscribe"] * 2, 0)


@pytest.mark.parametrize("size", [0, 1, 9])
def test_fragments(size: int) -> None:
    """A message in fragments is joined, each under a key of its own, with control frames in between."""
    parts = [
        frame(AUTH[:10], key=b"abcd", first=TEXT),
        said("ping", FIN | PING),
        frame(AUTH[10:11], key=b"\0\0\0\0", first=CONTINUATION),
        frame("", key=b"efgh", first=CONTINUATION),
        said("", FIN | PONG),
        frame(AUTH[11:], key=b"ijkl", first=FIN | CONTINUATION),
        said(SUBMIT),
    ]
    assert upgraded().say(CLIENT, b"".join(parts), size=size).messages == ["auth", "submit"]
    assert Talk().say(CLIENT, b"".join(parts), size=size).messages == ["auth", "submit"]


def test_fragments_that_do_not_fit() -> None:
    """The rest of a message whose beginning is missing is dropped; a new message ends the one before."""
    rest, begun = frame(AUTHED[9:], first=FIN | CONTINUATION), frame("{", first=TEXT)
    talk = upgraded().say(SERVER, rest + begun + begun + frame(JOB) + rest + frame(ACCEPTED))
    assert (talk.messages, talk.counted()) == (["job", "hash_accepted"], {})


@pytest.mark.parametrize(
    "broken",
    [
        said(AUTH, FIN | 3),
        said(AUTH, FIN | 0x20 | TEXT),
        said(AUTH, FIN | 0x10 | TEXT),
        said("ping", PING),
        said("x" * 126, FIN | PING),
        frame(AUTH),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["opcode", "second bit", "third bit", "ping in fragments", "long ping", "not masked", "text"],
)
def test_frame_that_cannot_be(broken: bytes) -> None:
    """A frame that cannot be is counted; reading begins anew with the next segment that a frame can begin."""
    for size in (0, 1):
        talk = upgraded().say(CLIENT, said(AUTH)).say(CLIENT, broken, size=size)
        assert talk.messages == ["auth"]
        assert talk.counted()["websocket_malformed"] >= 1
    talk = upgraded().say(CLIENT, said(AUTH)).say(CLIENT, broken + said(SUBMIT)).say(CLIENT, said(SUBMIT))
    assert talk.messages == ["auth", "submit"]


def test_close() -> None:
    """Nothing is read behind a frame that closes, in its segment."""
    assert upgraded().say(CLIENT, said(AUTH) + said(b"\x03\xe8", FIN | CLOSE) + said(SUBMIT)).messages == [
        "auth"
    ]


# ── compression ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("agreed", "client_forgets", "server_forgets"),
    [
        (DEFLATE, False, False),
        (f"{DEFLATE}; client_no_context_takeover", True, False),
        (f"{DEFLATE}; Server_No_Context_Takeover; client_max_window_bits=15", False, True),
        (f"{DEFLATE}; server_no_context_takeover; client_no_context_takeover", True, True),
    ],
    ids=["both remember", "client forgets", "server forgets", "both forget"],
)
@pytest.mark.parametrize("size", [0, 1])
def test_compressed_messages(agreed: str, size: int, *, client_forgets: bool, server_forgets: bool) -> None:
    """Compressed messages are read, also leaning on those before, in fragments and beside plain ones."""
    client, server = Packer(forgets=client_forgets), Packer(forgets=server_forgets)
    first = client.pack(AUTH)
    talk = upgraded(agreed)
    talk.say(
        CLIENT,
        said(first[:7], RSV1 | TEXT) + said("", FIN | PING) + said(first[7:], FIN | CONTINUATION),
        size=size,
    )
    talk.say(SERVER, frame(server.pack(AUTHED), first=FIN | RSV1 | TEXT) + frame(JOB), size=size)
    talk.say(
        SERVER,
        b"".join(frame(server.pack(text), first=FIN | RSV1 | TEXT) for text in (JOB, JOB, ACCEPTED)),
        size=size,
    )
    talk.say(CLIENT, b"".join(said(client.pack(SUBMIT), FIN | RSV1 | BINARY) for _ in range(3)), size=size)
    assert talk.messages == ["auth", "authed", "job", "job", "job", "hash_accepted", *["submit"] * 3]
    assert (talk.counted(), talk.conversation.held) == ({}, 0)


@pytest.mark.parametrize(
    "packed", [Packer().pack(b'{"a":"' + bytes(9_000_000) + b'"}'), b"\xff" * 40], ids=["bomb", "rubbish"]
)
def test_compression_that_cannot_be_read(packed: bytes) -> None:
    """A bomb or rubbish is counted and tells nothing; a message behind it that leans on nothing is read."""
    talk = upgraded(DEFLATE).say(
        CLIENT, said(packed, FIN | RSV1 | TEXT) + said(Packer().pack(AUTH), FIN | RSV1 | TEXT)
    )
    assert talk.messages == ["auth"]
    assert talk.counted() == {"inflate_failed": 1}


def test_stream_that_ends_with_each_message() -> None:
    """A sender may end its stream with each message: the next begins a new one."""
    talk = upgraded(DEFLATE)
    for text in (AUTHED, JOB, ACCEPTED):
        packer = zlib.compressobj(wbits=-15)
        talk.say(
            SERVER, frame(packer.compress(text.encode()) + packer.flush() + b"\0", first=FIN | RSV1 | TEXT)
        )
    assert (talk.messages, talk.counted()) == (["authed", "job", "hash_accepted"], {})


def test_message_that_leans_on_a_lost_one() -> None:
    """Behind a gap a message that leans on what was lost is counted, one that does not is read."""
    packer = Packer()
    talk = upgraded(DEFLATE)
    talk.say(SERVER, frame(packer.pack(JOB), first=FIN | RSV1 | TEXT))
    lean = frame(packer.pack(JOB), first=FIN | RSV1 | TEXT)
    talk.conversation.read(Gap(SERVER, 0, 0))
    talk.say(SERVER, frame(AUTHED) + lean + frame(Packer().pack(ACCEPTED), first=FIN | RSV1 | TEXT))
    assert talk.messages == ["job", "authed", "hash_accepted"]
    assert talk.counted() == {"inflate_failed": 1}


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("length", [MAX_MESSAGE + 1, 300_000])
@pytest.mark.parametrize("size", [0, 1_400])
def test_long_frame(length: int, size: int) -> None:
    """A frame of more than 64 KiB is counted and passed over without being held, and the next is read."""
    data = said(AUTH) + said(b"{" + bytes(length - 1)) + said("x", FIN | CONTINUATION) + said(SUBMIT)
    talk = upgraded()
    for at in range(0, len(data), size or len(data)):
        talk.say(CLIENT, data[at : at + (size or len(data))])
        assert talk.conversation.held <= 1_500
    assert (talk.messages, talk.counted()) == (["auth", "submit"], {"websocket_limit": 1})


def test_frame_of_any_length() -> None:
    """A frame that claims 2^63 bytes is counted once, and nothing of it is held."""
    talk = upgraded().say(CLIENT, said(AUTH) + bytes([0x82, 0xFF, 0x80]) + bytes(7) + KEY)
    for _ in range(100):
        talk.say(CLIENT, bytes(1_400))
        assert talk.conversation.held == 0
    assert talk.counted() == {"websocket_limit": 1}


def test_fragments_without_end() -> None:
    """No more than 64 KiB are held of a message in fragments; it is counted once, and the next is read."""
    talk = upgraded().say(SERVER, frame(b"{", first=TEXT))
    assert talk.conversation.held == 1
    for _ in range(200):
        talk.say(SERVER, frame(bytes(1_000), first=CONTINUATION))
        assert talk.conversation.held <= MAX_MESSAGE
    talk.say(SERVER, frame(b"}", first=FIN | CONTINUATION) + frame(JOB))
    assert (talk.messages, talk.counted()) == (["job"], {"websocket_limit": 1})


def test_empty_frames() -> None:
    """Thousands of empty frames hide nothing in a flow that mines, and end one that does not."""
    flood = said("") * 5_000 + said("", FIN | PING) * 5_000
    talk = upgraded().say(CLIENT, said(AUTH) + flood + said(SUBMIT))
    assert (talk.messages, talk.conversation.held) == (["auth", "submit"], 0)
    assert upgraded().say(CLIENT, flood + said(SUBMIT)).messages == []


def test_messages_without_mining() -> None:
    """Messages that are not mining are listened to for a while, and then the flow is given up."""
    talk = upgraded().say(CLIENT, said(OTHER) * MAX_FOREIGN)
    assert talk.say(CLIENT, said(AUTH)).messages == ["auth"]
    talk = upgraded()
    for _ in range(MAX_READERS * (MAX_FOREIGN + 2)):
        talk.say(CLIENT, said(OTHER)).say(SERVER, frame(OTHER))
    assert talk.conversation.verdict is Verdict.NO


def test_words_among_messages() -> None:
    """Behind an upgrade, text that is no JSON is passed over."""
    talk = upgraded().say(
        CLIENT, said("2probe") + said(b"\xff\xfe", FIN | BINARY) + said('42["x"]') + said(AUTH)
    )
    assert (talk.messages, talk.counted()) == (["auth"], {})


@pytest.mark.parametrize(
    "begun",
    [said(SUBMIT)[:20], said(SUBMIT[:9], TEXT), said(b"{" * 70_000)[:1_400]],
    ids=["frame", "fragment", "long"],
)
def test_after_a_gap(begun: bytes) -> None:
    """Behind a gap, what was begun is dropped; reading goes on where a segment opens with a frame of JSON."""
    talk = upgraded().say(CLIENT, said(AUTH) + begun)
    talk.conversation.read(Gap(CLIENT, 0, 0))
    assert talk.conversation.held == 0
    talk.say(CLIENT, said(SUBMIT)[30:]).say(CLIENT, b"").say(
        CLIENT, said(SUBMIT) + said(SUBMIT[9:], FIN | CONTINUATION)
    )
    assert (talk.messages, talk.counted().get("websocket_malformed")) == (["auth", "submit"], None)


def test_nothing_behind_a_gap() -> None:
    """Behind a gap no frame is waited for without end."""
    talk = Talk().say(SERVER, frame(OTHER))
    talk.conversation.read(Gap(SERVER, 0, 0))
    for _ in range(MAX_LOST + 1):
        talk.say(SERVER, b"\xff" * 1_400)
    assert talk.conversation.verdict is Verdict.NO


# ── fuzz entries ─────────────────────────────────────────────────────────────────────────────────────────

PACKER = Packer()
SEEDS = [
    CLIENT_SIDE,
    SERVER_SIDE + frame(JOB[:40], first=TEXT) + frame(JOB[40:], first=FIN | CONTINUATION),
    b"".join(frame(PACKER.pack(text), first=FIN | RSV1 | TEXT) for text in (AUTHED, JOB, JOB)),
    said(SUBSCRIBE * 3),
]


@settings(max_examples=200, deadline=None)
@given(data=mangled(SEEDS), sizes=pieces(), is_known=st.booleans(), is_lost=st.booleans())
def test_damaged_frames(data: bytes, sizes: list[int], *, is_known: bool, is_lost: bool) -> None:
    """Fuzz entry: damaged frames never raise and stay within the bounds, with and without upgrade and gap."""
    talk = upgraded(DEFLATE) if is_known else Talk()
    for at in range(0, len(data), sizes[0]):
        talk.say(SERVER, data[at : at + sizes[0]])
        assert talk.conversation.held <= HELD
    if is_lost:
        talk.conversation.read(Gap(SERVER, 0, 0))
    assert talk.say(SERVER, data).conversation.held <= HELD


PARTS = [
    said(AUTH), said(SUBMIT), said(OTHER), said("words"), said("", FIN | PING), said(SUBSCRIBE * 2),
    said(AUTH[:9], TEXT), said(AUTH[9:], FIN | CONTINUATION), said(b"{" + bytes(70_000)),
]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=6), pieces())
def test_cuts_do_not_matter(parts: list[bytes], sizes: list[int]) -> None:
    """Fuzz entry: frames in any order say the same whole and in any pieces."""
    data: Any = UPGRADE + b"".join(parts)
    assert read_in(sizes, CLIENT, data).said == Talk().say(CLIENT, data).said
