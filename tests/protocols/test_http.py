"""HTTP/1: requests and responses one after the other, and the mining in their bodies and heads."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import CLIENT, SERVER, Talk, mangled, pieces, read_in, request, response

from sniffer.model import Data, End, Gap, Role
from sniffer.protocols import http
from sniffer.protocols.conversation import Verdict
from sniffer.protocols.http_head import MAX_HEAD

PORTS = (40_000, 8_332)
WORK = "0123456789abcdef" * 16
GETWORK = '{"id":0,"method":"getwork","params":[]}'
SUBMIT = json.dumps({"id": 0, "method": "getwork", "params": [WORK]})
REPLY = json.dumps({"id": 0, "error": None, "result": {"data": WORK, "target": "00" * 28 + "ffff0000"}})
TEMPLATE = '{"id":0,"method":"getblocktemplate","params":[{"capabilities":["coinbasetxn"]}]}'
PAGE = "<html>" + "mining.subscribe " * 50 + "</html>"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HELD = 65_536 + MAX_HEAD + 1_024
SEEDS = [
    request(GETWORK) + request(SUBMIT),
    response(REPLY) + response('{"id":0,"result":true,"error":null}'),
    request(verb="GET") + request(TEMPLATE, "User-Agent: cgminer/4.9"),
]


def chunked(*parts: str, trailer: str = "", fields: tuple[str, ...] = ()) -> bytes:
    """A response in chunks."""
    head = "\r\n".join(["HTTP/1.1 200 OK", *fields, "Transfer-Encoding: chunked", "", ""])
    return (head + "".join(f"{len(part):x}\r\n{part}\r\n" for part in parts) + f"0\r\n{trailer}\r\n").encode()


def packed(data: bytes, encoding: str = "gzip", *, status: bool = True) -> bytes:
    """A message with a body in a content encoding."""
    first = "HTTP/1.1 200 OK" if status else "POST / HTTP/1.1"
    return f"{first}\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def talk(**options: Any) -> Talk:
    """A flow to a node."""
    return Talk(ports=PORTS, **options)


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────────


def test_request_without_mining() -> None:
    """A request tells verb, host and agent; it is no mining, and the next may be another matter."""
    for size in (0, 1, 9):
        one = talk().say(CLIENT, request("", "User-Agent: curl/8.0", verb="GET"), size=size)
        (found,) = one.facts
        values = {"http.method": "GET", "http.host": "192.0.2.9", "http.user_agent": "curl/8.0"}
        assert (found.protocol, found.message, found.sender, found.values) == (
            "pool-http",
            "GET",
            Role.CLIENT,
            values,
        )
        assert (one.conversation.verdict, one.conversation.held) == (Verdict.AGAIN, 0)
        assert not one.conversation.is_named


def test_request_for_a_name() -> None:
    """A flow whose request names a host is named."""
    assert talk().say(CLIENT, b"GET / HTTP/1.1\r\nHost: pool.example.com\r\n\r\n").conversation.is_named


@pytest.mark.parametrize("size", [0, 1, 50])
def test_body_tells_of_mining(size: int) -> None:
    """A request for work is mining, its account comes from the head, and its reply belongs to it."""
    one = talk().say(CLIENT, request(GETWORK, "Authorization: Basic dS5yaWc6cHc="), size=size)
    one.say(SERVER, response(REPLY), size=size).say(CLIENT, request(SUBMIT), size=size)
    one.say(SERVER, response('{"id":0,"result":true,"error":null}'), size=size)
    assert [each.message for each in one.mining] == [
        "getwork", "getwork.reply", "getwork.submit", "getwork.submit.reply",
    ]  # fmt: skip
    asked, reply, _, verdict = one.mining
    assert (asked.protocol, asked.values["mining.user"], asked.values["mining.worker"]) == (
        "getwork-http",
        "u.rig",
        "rig",
    )
    assert reply.values["mining.hashes_per_share"] == pytest.approx(
        2.0**256 / int("ffff" + "00" * 28, 16), rel=0.99
    )
    assert verdict.values["mining.accepted"] is True
    assert one.conversation.verdict is Verdict.YES


def test_head_and_body_in_two_segments() -> None:
    """Between a head and its body a flow is not given up."""
    head, _, body = request(GETWORK).partition(b"\r\n\r\n")
    one = talk().say(CLIENT, head + b"\r\n\r\n")
    assert one.conversation.verdict is Verdict.MORE
    assert one.say(CLIENT, body).messages == ["getwork"]


@pytest.mark.parametrize("size", [0, 1, 100])
def test_requests_in_one_segment(size: int) -> None:
    """Requests follow one another without waiting, mining behind others, with line ends between them."""
    data = (
        request(verb="GET")
        + request("{}")
        + b"\r\n\n"
        + request(GETWORK)
        + request(verb="GET")
        + request(SUBMIT)
    )
    one = talk().say(CLIENT, data, size=size)
    assert [each.message for each in one.facts] == [
        "GET", "POST", "POST", "getwork", "GET", "POST", "getwork.submit",
    ]  # fmt: skip
    assert one.counted() == {}


def test_message_that_begins_behind_an_ordinary_one() -> None:
    """An ordinary message does not end the reading of one that has begun behind it in the same segment."""
    for cut in (-5, -len(GETWORK) - 9):
        data = request(verb="GET") + request(GETWORK)
        one = talk().say(CLIENT, data[:cut])
        assert one.conversation.verdict is Verdict.MORE
        assert one.say(CLIENT, data[cut:]).messages == ["getwork"]


def test_end_of_each_message() -> None:
    """A message knows the sequence number behind it, however much follows in the segment."""
    one = talk().say(CLIENT, request(GETWORK) + request(SUBMIT))
    ends = [len(request(GETWORK)), len(request(GETWORK) + request(SUBMIT))]
    assert [each.end for each in one.mining] == ends


def test_continue() -> None:
    """An interim response decides nothing: the body that the client holds back is read, and the response."""
    head, _, body = request(GETWORK, "Expect: 100-continue").partition(b"\r\n\r\n")
    one = talk().say(CLIENT, head + b"\r\n\r\n").say(SERVER, CONTINUE)
    assert one.conversation.verdict is Verdict.MORE
    one.say(CLIENT, body).say(SERVER, CONTINUE + response(REPLY))
    assert one.messages == ["getwork", "getwork.reply"]


def test_body_that_is_no_json() -> None:
    """A page or a form that quotes mining is no mining, and is not waited for."""
    for body in (PAGE, "a=b&method=getwork", '"getwork"', '{"method":"getwork"'):
        one = talk().say(CLIENT, request(body)).say(SERVER, response(body))
        assert one.messages == []
        assert one.conversation.verdict is Verdict.AGAIN
    one = talk().say(CLIENT, request(PAGE)[:-200])
    assert (one.conversation.verdict, one.conversation.held) == (Verdict.AGAIN, 0)


def test_head_tells_of_mining() -> None:
    """Fields that only miners and their servers send are mining without a body that can be read."""
    one = talk().say(
        CLIENT, request("", "X-Mining-Extensions: longpoll", "X-Mining-Hashrate: 5000", verb="GET")
    )
    assert one.mining[0].values["mining.hashrate"] == 5_000.0
    one = talk().say(SERVER, response("", "X-Stratum: stratum+tcp://pool.example.com:3333/"))
    assert one.mining[0].values["mining.pool"] == "pool.example.com:3333"
    one = talk().say(SERVER, response(PAGE, "X-Roll-NTime: expire=9"), size=200)
    assert one.messages == ["response"]


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────

FULL = response(REPLY)


@pytest.mark.parametrize("size", [0, 1, 40])
@pytest.mark.parametrize(
    "data",
    [
        chunked(REPLY),
        chunked(REPLY[:1], REPLY[1:30], REPLY[30:]),
        chunked(REPLY, trailer="X-Checksum: 1\r\n"),
        packed(gzip.compress(REPLY.encode(), mtime=0)),
        packed(zlib.compress(REPLY.encode()), "deflate"),
        response("\r\n " + REPLY + "\n"),
        b"HTTP/1.0 200 OK\n\n" + REPLY.encode(),
    ],
    ids=["one chunk", "chunks", "trailer", "gzip", "deflate", "white space", "until close"],
)
def test_bodies(data: bytes, size: int) -> None:
    """A body is read in chunks, with trailers, compressed and until the connection ends, in any pieces."""
    one = talk().say(CLIENT, request(GETWORK)).say(SERVER, data, size=size)
    assert one.messages == ["getwork", "getwork.reply"]
    assert one.counted() == {}


def test_message_behind_chunks() -> None:
    """What follows the last chunk is the next message."""
    one = talk().say(SERVER, chunked("<p>") + chunked(REPLY) + FULL)
    assert one.messages == ["getwork.reply"] * 2


def test_body_until_close_is_read_when_it_is_whole() -> None:
    """A body that ends with the connection is read when it is a whole text, not at the first bracket."""
    two = f'[{REPLY},{{"id":1,"result":"}}"}}]'
    for size in (0, 1, len(REPLY) + 1):
        one = talk().say(SERVER, b"HTTP/1.1 200 OK\r\n\r\n" + two.encode(), size=size)
        assert (one.messages, one.counted()) == (["getwork.reply"], {})


def test_body_until_close_ends() -> None:
    """What is left of such a body is read when the connection ends."""
    data = packed(gzip.compress(REPLY.encode())).replace(b"Content-Length", b"X-Length")
    one = talk().say(SERVER, data, size=9)
    assert one.messages == []
    assert [each.message for each in one.conversation.read(End(SERVER, 9))] == ["getwork.reply"]
    one = talk().say(SERVER, b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 90 + b"{")
    assert one.conversation.read(End(SERVER, 9)) == []
    assert one.conversation.verdict is Verdict.AGAIN


def test_many_endings_of_an_endless_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that keeps looking whole is tried a few times and kept within its bounds."""
    tried: list[bytes] = []
    monkeypatch.setattr(http, "parse", lambda text, _: tried.append(text))
    one = talk().say(SERVER, b"HTTP/1.1 200 OK\r\n\r\n{")
    for _ in range(7_000):
        one.say(SERVER, b'"a":[}]}')
        assert one.conversation.held <= HELD
    assert len(tried) == http.MAX_EAGER
    assert one.say(SERVER, bytes(20_000)).conversation.verdict is Verdict.AGAIN


def test_answer_to_head() -> None:
    """An answer to HEAD has no body, whatever its length says; the next message stands behind its head."""
    one = talk().say(CLIENT, request(verb="HEAD") + request(GETWORK))
    one.say(SERVER, b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + FULL)
    assert one.messages == ["getwork", "getwork.reply"]


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_status_without_a_body(status: str) -> None:
    """Statuses that forbid a body end with their head."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: 900\r\n\r\n".encode()
    assert talk().say(SERVER, head + FULL).messages == ["getwork.reply"]


def test_compressed_request() -> None:
    """A request may be compressed, too."""
    one = talk().say(CLIENT, packed(gzip.compress(GETWORK.encode()), status=False))
    assert one.messages == ["getwork"]


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(b'{"method":"getwork","x":"' + bytes(9_000_000) + b'"}'),
        gzip.compress(GETWORK.encode())[:-20],
    ],
    ids=["bomb", "cut"],
)
def test_body_that_cannot_be_opened(body: bytes) -> None:
    """A bomb is counted, tells nothing, and does not hide the request behind it."""
    one = talk().say(CLIENT, packed(body, status=False) + request(GETWORK))
    assert one.messages == ["getwork"]
    assert one.counted() in ({"inflate_failed": 1}, {"json_broken": 1})


@pytest.mark.parametrize("size", [0, 1_400])
def test_long_body(size: int) -> None:
    """Of a body over 64 KiB the first members are read, nothing is kept, and the next message is found."""
    body = json.dumps({"id": 0, "method": "submitblock", "params": ["00" * 500_000]})
    one = talk()
    for each in (request(body, "User-Agent: cgminer/4.9"), request(verb="GET"), request(body)):
        for at in range(0, len(each), size or len(each)):
            one.say(CLIENT, each[at : at + (size or len(each))])
            assert one.conversation.held <= HELD
    assert [each.message for each in one.facts] == ["POST", "submitblock", "GET", "POST", "submitblock"]
    assert one.conversation.held == 0


def test_member_far_inside_a_long_body() -> None:
    """Of a body that is too long only the first 4 KiB are searched."""
    body = json.dumps({"id": 0, "params": ["00" * 5_000], "method": "submitblock", "x": "00" * 50_000})
    assert talk().say(CLIENT, request(body, "User-Agent: cgminer/4.9")).messages == []


# ── limits and damage ────────────────────────────────────────────────────────────────────────────────────


def test_head_that_never_ends() -> None:
    """A head of more than 16 KiB is counted and given up, and no more than that is held."""
    one = talk()
    for _ in range(30):
        one.say(CLIENT, b"GET / HTTP/1.1\r\n" + b"A: " + b"b" * 1_000 + b"\r\n")
        assert one.conversation.held <= MAX_HEAD + 1_100
    assert one.counted() == {"http_limit": 1}
    assert (one.conversation.held, one.conversation.verdict) == (0, Verdict.NO)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nContent-Length: 5, 6\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1;" + b"x" * 300,
    ],
    ids=["version", "negative", "two lengths", "chunk", "chunk of 2^63", "chunk line"],
)
def test_message_that_contradicts_itself(data: bytes) -> None:
    """A version, a length or a chunk that cannot be is counted, and nothing behind it is read."""
    for size in (0, 1):
        one = talk().say(CLIENT, data + request(GETWORK), size=size)
        assert (one.messages, one.counted()) == ([], {"http_malformed": 1})


def test_both_lengths() -> None:
    """Chunks win over a length beside them."""
    data = chunked(REPLY, fields=("Content-Length: 3",))
    assert talk().say(SERVER, data + FULL).messages == ["getwork.reply"] * 2


def test_many_requests_without_answers() -> None:
    """Requests whose answers are never seen do not add up."""
    one = talk().say(CLIENT, request(verb="GET") * 2_000)
    assert (len(one.facts), one.conversation.held) == (2_000, 0)


def test_flow_that_once_asked_for_work() -> None:
    """A flow with a sign of mining is listened to for another 64 messages, then it is ordinary."""
    one = talk().say(CLIENT, request(TEMPLATE))
    assert (one.messages, one.conversation.verdict) == (["getblocktemplate"], Verdict.MORE)
    one.say(CLIENT, request(verb="GET") * 64)
    assert one.conversation.verdict is Verdict.MORE
    assert one.say(CLIENT, request(verb="GET")).conversation.verdict is Verdict.AGAIN


@pytest.mark.parametrize("again", [False, True])
def test_middle_of_a_stream(*, again: bool) -> None:
    """Joined in the middle of a body, reading begins with the next segment that a message opens."""
    one = talk(midway=(CLIENT, SERVER), again=again).say(CLIENT, "rest of a form").say(SERVER, "</html>")
    one.say(CLIENT, request(GETWORK)).say(SERVER, FULL)
    assert one.messages == ["getwork", "getwork.reply"]


def test_middle_of_a_body_in_json() -> None:
    """Joined at a body in JSON, the message behind it is read, though lines of JSON are another protocol."""
    one = talk(midway=(CLIENT,)).say(CLIENT, GETWORK + "\r\n" + request(GETWORK).decode())
    assert one.messages == ["getwork"]


@pytest.mark.parametrize("begun", [request(GETWORK)[:-10], request(GETWORK)[:30]], ids=["body", "head"])
def test_after_a_gap(begun: bytes) -> None:
    """Behind a gap, what was begun is dropped, and reading goes on where a segment begins with a message."""
    one = talk().say(CLIENT, begun)
    assert 0 < one.conversation.held <= len(begun)
    one.conversation.read(Gap(CLIENT, 0, 0))
    assert one.conversation.held == 0
    one.say(CLIENT, "st of it}").say(CLIENT, request(SUBMIT))
    assert one.messages == ["getwork.submit"]


def test_nothing_behind_a_gap() -> None:
    """Behind a gap no message is waited for without end."""
    one = talk().say(CLIENT, request(GETWORK)[:-10])
    one.conversation.read(Gap(CLIENT, 0, 0))
    for _ in range(300):
        one.say(CLIENT, b"x" * 1_400)
    assert one.conversation.verdict is Verdict.NO
    assert one.say(CLIENT, request(GETWORK)).messages == []


def test_refused_upgrade() -> None:
    """Where an upgrade is refused, the next request on the connection is read."""
    one = talk().say(CLIENT, request("", "Upgrade: websocket", "Connection: Upgrade", verb="GET"))
    one.say(SERVER, response("no", status="400 Bad Request")).say(CLIENT, request(GETWORK)).say(SERVER, FULL)
    assert one.messages == ["getwork", "getwork.reply"]
    one = talk().say(CLIENT, request("", "Upgrade: websocket", verb="GET")).say(SERVER, response("no"))
    assert one.say(CLIENT, b"\x82\x05hello").say(CLIENT, request(GETWORK)).counted() == {}


# ── fuzz entries ─────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=200, deadline=None)
@given(data=mangled(SEEDS), sizes=pieces(), is_lost=st.booleans())
def test_damaged_messages(data: bytes, sizes: list[int], *, is_lost: bool) -> None:
    """Fuzz entry: damaged messages never raise and stay within the bounds, before and behind a gap."""
    one = read_in(sizes, CLIENT, data, ports=PORTS)
    if is_lost:
        one.conversation.read(Gap(CLIENT, 0, 0))
    for side in (SERVER, CLIENT):
        one.conversation.read(Data(side, data, 0, len(data)))
        assert one.conversation.held <= HELD


PARTS = [
    request(GETWORK), request(SUBMIT), request(verb="GET"), request("{}"), request(PAGE), request(TEMPLATE),
    request("", "X-Mining-Extensions: x", verb="GET"),
    packed(gzip.compress(SUBMIT.encode(), mtime=0), status=False),
    FULL, chunked(REPLY), chunked("<p>", "</p>", trailer="A: b\r\n"), response(PAGE), CONTINUE,
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=6), pieces())
def test_cuts_do_not_matter(parts: list[bytes], sizes: list[int]) -> None:
    """Fuzz entry: messages in any order say the same whole and in any pieces."""
    data = b"".join(parts)
    whole, cut = talk().say(CLIENT, data), read_in(sizes, CLIENT, data, ports=PORTS)
    assert whole.said == cut.said
    assert whole.counted() == {}
