"""Which frames pass, told as conversations.  Every conversation goes through both gates."""

from __future__ import annotations

import random

import gate_frames as wire
import pytest
import test_links
import test_patterns
import test_quic
import test_tunnels
from gate_frames import ACK, FIN, LOGIN, RST, Connection, Seen
from gate_twins import LISTED, Twins

from sniffer.gate import reasons, rows
from sniffer.gate.decide import MAX_NOW, MAX_PROBES, MAX_REORDER, SECOND, STRIDE
from sniffer.gate.flowtable import IDLE_SECONDS
from sniffer.gate.http_heads import HTTP_HEAD
from sniffer.gate.labels import HELLOS
from sniffer.gate.names import MAX_ALIASES
from sniffer.gate.quic import BUDGET

BINARY = b"\x80\x01\x02\x03" * 10
NOTIFY = b'{"id":null,"method":"mining.notify","params":["' + b"0" * 3000 + b'"]}\n'


def first_payload(data: bytes) -> str:
    """Reason for the first payload of a client whose handshake was seen."""
    one = Connection()
    return Twins([*LISTED, ("/miner/header", False)], flows=8).judge([*one.handshake(), one.up(data)])[-1]


def midway(*data: bytes) -> list[str]:
    """Reasons for payloads of a server whose handshake was not seen."""
    one, at, frames = Connection(), 5_000, []
    for each in data:
        frames.append(one.down(each, at=at))
        at += len(each)
    return Twins(flows=8).judge(frames)


# ── openings ─────────────────────────────────────────────────────────────────────────────────────────────

NOISE = random.Random(7).randbytes(300)

OPENINGS = {
    "object": (LOGIN, "json"),
    "array of objects": (b'[{"id":1}]\n', "json"),
    "line ends before it": (b"\r\n\r\n" + LOGIN, "json"),
    "blank before it": (b" " + LOGIN, "json"),
    "blank inside": (b'{ "id":1}\n', "json"),
    "sixteen blanks": (b" " * 16 + LOGIN, "json"),
    "seventeen blanks": (b" " * 17 + LOGIN, "unpromising"),
    "one brace": (b"{", "json"),
    "one line end": (b"\n", "json"),
    "array of numbers": (b"[1,2,3,4,5,6,7,8,9,10]\n", "unpromising"),
    "code": (b"{int i = 0; return i;}\n", "unpromising"),
    "few printable bytes": (b"hello\r\n", "tiny"),
    "beginning of a verb": (b"PO", "tiny"),
    "banner": (b"220 mail.example.com ESMTP\r\n", "unpromising"),
    "binary": (BINARY, "unpromising"),
    "SOCKS 5": (b"\x05\x01\x00", "proxy"),
    "SOCKS 5 with passwords": (b"\x05\x02\x00\x02", "proxy"),
    "SOCKS 5, one byte of it": (b"\x05", "proxy"),
    "SOCKS 5 without methods": (b"\x05\x00\x00\x00", "unpromising"),
    "SOCKS 5 with unknown methods": (b"\x05\x02\x77\x77", "unpromising"),
    "three bytes of anything": (b"\x80\x90\xa0", "tiny"),
    "PROXY binary": (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12), "proxy"),
    "HTTP/2 without TLS": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2"),
    "WebSocket text, masked": (bytes.fromhex("8185 01020304 7a20") + b"abc", "websocket"),
    "WebSocket text, not masked": (b"\x81\x02{}", "websocket"),
    "WebSocket text, long": (b"\x81\x7e\x01\0[" + bytes(30), "websocket"),
    "WebSocket text, very long": (b"\x82\x7f" + bytes(6) + b"\x02\0{" + bytes(30), "websocket"),
    "WebSocket text, a fragment": (b"\x01\x20{" + bytes(30), "websocket"),
    "WebSocket ping": (b"\x89\x04{abc", "unpromising"),
    "WebSocket, not JSON": (b"\x81\x05hello", "unpromising"),
    "BTCAgent": (bytes.fromhex("7f011400 1122") + b"cgminer\0s1099\0", "binary"),
    "a program": (b"\x7fELF\x02\x01\x01" + bytes(9), "unpromising"),
    "BTCAgent of an unknown type": (bytes.fromhex("7f211400 1122") + bytes(14), "unpromising"),
    "BTCAgent too long": (bytes.fromhex("7f01ffff 1122") + bytes(14), "unpromising"),
    "Stratum V2, set-up": (bytes.fromhex("000000330000 00 0200 0200") + bytes(45), "binary"),
    "Stratum V2, set-up done": (bytes.fromhex("000001060000 0200 00000000"), "binary"),
    "Stratum V2, a share": (bytes.fromhex("00801a180000") + bytes(24), "binary"),
    "Stratum V2, two shares": ((bytes.fromhex("00801a180000") + bytes(24)) * 2, "binary"),
    "Stratum V2, length that does not fit": (bytes.fromhex("00801a190000") + bytes(24), "unpromising"),
    "DATUM": (bytes([400 & 255 ^ 0x29, 400 >> 8 ^ 0x18, 0x87, 0xD7]) + bytes(400), "binary"),
    "DATUM too long": (bytes([400 & 255 ^ 0x29, 400 >> 8 ^ 0x18, 0x87, 0xD7]) + bytes(401), "unpromising"),
    "status of a miner": (b"STATUS=S,When=1,Code=11,Msg=Summary|SUMMARY,Elapsed=1|", "binary"),
    "Bitcoin": (bytes.fromhex("f9beb4d9") + b"version" + bytes(13), "peer"),
    "Bitcoin's magic and no command": (bytes.fromhex("f9beb4d9") + bytes(16), "unpromising"),
    "Monero": (bytes.fromhex("0121010101010101") + bytes(25), "peer"),
    "Ethereum": (b"\x01\x94\x04" + bytes(403), "peer"),
    "64 random bytes": (NOISE[:64], "noise"),
    "65 random bytes": (NOISE[:65], "unpromising"),
    "64 letters": (b"abcdefgh" * 8, "unpromising"),
    "234 random bytes": (NOISE[:234], "noise"),
    "170 random bytes": (NOISE[:170], "noise"),
    "Noise of 2019, opening": (b"\x20\0" + NOISE[:32], "noise"),
    "Noise of 2019, answer": (b"\xaa\0" + NOISE[:170], "noise"),
    "Noise of 2019, longer answer": (b"\xac\0" + NOISE[:172], "noise"),
    "sealed by TLS": (b"\x17\x03\x03\0\x20" + bytes(32), "unpromising"),
    "SOCKS 4": (b"\x04\x01\x0d\x05\xcb\x00\x71\x09user\x00", "proxy"),
    "SOCKS 4a": (b"\x04\x01\x0d\x05\x00\x00\x00\x01\x00pool.example\x00", "proxy"),
    "SOCKS 4, two bytes of it": (b"\x04\x01", "proxy"),
    "SOCKS 4, bind": (b"\x04\x02\x0d\x05\xcb\x00\x71\x09\x00", "unpromising"),
    "CONNECT": (b"CONNECT pool.example:3333 HTTP/1.1\r\n\r\n", "proxy"),
    "PROXY line": (b"PROXY TCP4 10.0.0.7 203.0.113.9 50000 3333\r\n", "proxy"),
}


@pytest.mark.parametrize(("data", "reason"), OPENINGS.values(), ids=OPENINGS.keys())
def test_a_first_payload_is_judged_by_its_opening(data: bytes, reason: str) -> None:
    """What opens like something that could be mining passes; what does not is judged at once."""
    assert first_payload(data) == reason


@pytest.mark.parametrize(
    "opening", [LOGIN, b"{", b"\x05\x01\x00", b"GET / HTTP/1.1\r\nHost: pool.example\r\n\r\n"]
)
def test_a_promising_payload_makes_the_flow_watched(opening: bytes) -> None:
    """From there on every packet of both directions passes."""
    one = Connection()
    twins = Twins(flows=8)
    later = [
        one.up(BINARY, at=len(opening)),
        one.down(BINARY),
        one.down(at=40, flags=ACK),
        one.up(flags=FIN | ACK),
    ]
    assert twins.judge([*one.handshake(), one.up(opening), *later])[4:] == ["watched"] * 4


def test_an_unpromising_flow_costs_nothing_more() -> None:
    """After its first payload nothing of it passes, not even JSON."""
    one = Connection()
    judged = Twins(flows=8).judge(
        [*one.handshake(), one.up(BINARY), one.down(LOGIN), one.up(LOGIN, at=40), one.up(flags=ACK)]
    )
    assert judged[3:] == ["unpromising", "judged", "judged", "no_payload"]


def test_one_byte_segments_of_a_line_pass_from_the_first() -> None:
    """A line in segments of one byte is read whole."""
    one = Connection()
    frames = [one.up(LOGIN[i : i + 1], at=i) for i in range(len(LOGIN))]
    judged = Twins(flows=8).judge([*one.handshake(), *frames])
    assert judged[3:] == ["json"] + ["watched"] * (len(LOGIN) - 1)


def test_data_in_the_syn_is_looked_at() -> None:
    """TCP Fast Open: the first payload rides on the SYN."""
    one = Connection()
    twins = Twins(flows=8)
    assert twins.judge([one.syn(LOGIN), one.syn_ack(), one.down(b"{")]) == ["json", "watched", "watched"]
    assert twins.passed[0].start == 1001


@pytest.mark.parametrize("probe", [b"\0", b"x", b"\n"])
def test_a_keep_alive_probe_says_nothing_about_a_flow(probe: bytes) -> None:
    """One byte just before the next expected one must not be taken for the first payload."""
    one = Connection()
    judged = Twins(flows=8).judge([*one.handshake(), one.up(probe, at=-1), one.up(LOGIN)])
    assert judged[3:] == ["unpromising", "json"]


def test_a_keep_alive_probe_of_a_flow_joined_midway_says_nothing_either() -> None:
    """However many: they are no reason to give up."""
    assert midway(*[b"\0"] * (2 * MAX_PROBES), LOGIN)[-1] == "json"


def test_a_first_payload_out_of_order_is_not_judged() -> None:
    """When a later segment comes first, nothing can be said before the first one is there."""
    one = Connection()
    judged = Twins(flows=8).judge([*one.handshake(), one.up(BINARY, at=1448), one.up(LOGIN)])
    assert judged[3:] == ["reordered", "watched"]


@pytest.mark.parametrize(
    ("distance", "reason"), [(1, "reordered"), (MAX_REORDER - 1, "reordered"), (MAX_REORDER, "unpromising")]
)
def test_out_of_order_has_a_limit(distance: int, reason: str) -> None:
    """What lies further from the start than any window is judged as it is."""
    one = Connection()
    assert Twins(flows=8).judge([*one.handshake(), one.up(BINARY, at=distance)])[-1] == reason


# ── joined in the middle ─────────────────────────────────────────────────────────────────────────────────


def test_a_server_whose_every_segment_opens_a_line_is_found_midway() -> None:
    """One direction alone, no handshake."""
    assert midway(LOGIN, LOGIN) == ["json", "watched"]


def test_the_tail_of_a_line_and_the_head_of_the_next_are_enough() -> None:
    """A segment that starts within a line and holds its end."""
    assert midway(b'f0","20000000","1d00ffff","504e86ed",false]}\n{"id":null') == ["json_inside"]
    assert midway(b'f0","20000000","1d00ffff","504e86ed",false]}\r\n') == ["json_inside"]


@pytest.mark.parametrize("mss", [100, 536, 1448])
def test_a_long_line_joined_anywhere_is_found_at_its_end_at_the_latest(mss: int) -> None:
    """Cut a stream of 3 kB lines at any byte, deliver in segments: found within one line."""
    stream = NOTIFY * 3
    for cut in range(1, len(NOTIFY), 53):
        pieces = [stream[i : i + mss] for i in range(cut, len(stream), mss)]
        judged = midway(*pieces)
        found = next(i for i, reason in enumerate(judged) if reason in {"json", "json_inside", "tiny"})
        assert found * mss <= len(NOTIFY), (cut, judged[:5])


def test_braces_without_lines_of_json_are_not_enough() -> None:
    """Source text and style sheets, met midway, do not pass."""
    sheet = b"a { color: red }\nb { color: blue }\n" * 30 + b"c"
    assert midway(sheet, sheet) == ["unpromising"] * 2


def test_patience_with_a_flow_joined_midway_has_an_end() -> None:
    """After so many unpromising payloads the flow is judged."""
    judged = midway(*[BINARY] * (MAX_PROBES + 2), LOGIN)
    assert judged == ["unpromising"] * MAX_PROBES + ["judged"] * 3


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"eu1.pool.example", "tls_listed"),
        (b"POOL.Example", "tls_listed"),
        (b"pool.example.", "tls_listed"),
        (b"exact.example.org", "tls_listed"),
        (b"x.exact.example.org", "tls_unlisted"),
        (b"xpool.example", "tls_unlisted"),
        (b"www.example.com", "tls_unlisted"),
        (None, "tls_unlisted"),
    ],
)
def test_a_client_hello_passes_by_its_server_name(name: bytes | None, reason: str) -> None:
    """Suffix entries stand for all names below them, whole labels only; other entries for themselves."""
    assert first_payload(wire.client_hello(name)) == reason


@pytest.mark.parametrize("name", [b"eu1.pool.example", b"www.example.com"])
def test_a_client_hello_cut_anywhere_passes_until_its_name_is_there(name: bytes) -> None:
    """Wherever the first segment ends, either the name was decided rightly or the flow is watched."""
    hello = wire.client_hello(name)
    complete = hello.index(name) + len(name)
    whole = "tls_listed" if b"pool" in name else "tls_unlisted"
    for size in range(1, len(hello)):
        assert first_payload(hello[:size]) == (whole if size >= complete else "tls_partial"), size


@pytest.mark.parametrize("record", [1, 2, 3, 4, 5, 40, 100])
def test_a_client_hello_in_small_records_is_watched(record: int) -> None:
    """A name that is not in the first record needs the whole stream to be read."""
    assert first_payload(wire.client_hello(b"eu1.pool.example", record=record)) == "tls_partial"


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        (b"pool.example", "http_listed"),
        (b"www.POOL.example:8080", "http_listed"),
        (b"www.example.com", "http_unlisted"),
        (None, "http_unlisted"),
    ],
)
def test_an_http_request_passes_by_its_host(host: bytes | None, reason: str) -> None:
    """The Host field, without its port."""
    assert first_payload(wire.http_request(host)) == reason


def test_an_http_request_cut_before_its_host_passes() -> None:
    """Wherever the first segment ends before the end of the host; before the fourth letter it is a tiny payload."""
    request = wire.http_request(b"pool.example", before=b"X: y\r\n")
    complete = request.index(b"pool.example") + len(b"pool.example")
    for size in range(1, len(request)):
        expected = "tiny" if size < 4 else "http_partial" if size <= complete else "http_listed"
        assert first_payload(request[:size]) == expected, size


@pytest.mark.parametrize(("ends", "reason"), [(HTTP_HEAD - 1, "http_listed"), (HTTP_HEAD, "http_unlisted")])
def test_the_host_is_looked_for_up_to_a_limit(ends: int, reason: str) -> None:
    """The byte behind the host must lie within the first 4 KiB; a longer head is given up."""
    host = b"pool.example"
    plain_size = wire.http_request(host, before=b"X: \r\n").index(host) + len(host)
    request = wire.http_request(host, before=b"X: " + b"y" * (ends - plain_size) + b"\r\n")
    assert request.index(host) + len(host) == ends
    assert first_payload(request) == reason


JSON = b"Content-Type: application/json\r\n"
BODY = b'{"id":0,"method":"getwork","params":[]}'


def post(fields: bytes = b"", body: bytes = b"") -> bytes:
    """A POST request with these fields and this body."""
    return wire.http_request(method=b"POST", before=fields) + body


def reply(fields: bytes = b"", body: bytes = b"", status: bytes = b"200 OK") -> bytes:
    """A response."""
    return b"HTTP/1.1 " + status + b"\r\nServer: x\r\n" + fields + b"\r\n" + body


MESSAGES = {
    "a POST with JSON": (post(b"", BODY), "http_mining"),
    "a POST whose JSON follows": (post(JSON), "http_mining"),
    "a POST whose body follows, untyped": (post(), "http_mining"),
    "a POST whose form follows": (post(b"content-type: application/x-www-form-urlencoded\r\n"), "http_unlisted"),
    "a POST with a form": (post(b"", b"a=1&b=2"), "http_unlisted"),
    "a POST with JSON in a chunk": (post(JSON, b"2c\r\n" + BODY + b"\r\n0\r\n\r\n"), "http_mining"),
    "a POST with something else in a chunk": (post(JSON, b"2c\r\nhello\r\n"), "http_unlisted"),
    "a POST whose head goes on": (post()[:-2], "http_partial"),
    "a long GET whose head goes on": (
        wire.http_request(before=b"Cookie: " + b"c" * 1_200 + b"\r\n")[:-2],
        "http_unlisted",
    ),
    "a short GET whose head goes on": (wire.http_request()[:-2], "http_partial"),
    "a miner's field": (wire.http_request(before=b"X-Mining-Extensions: longpoll\r\n"), "http_mining"),
    "a miner's field in other case": (wire.http_request(before=b"x-MINING-hashrate: 1\r\n"), "http_mining"),
    "a call for WebSocket": (wire.http_request(before=b"Upgrade:  WebSocket\r\n"), "websocket"),
    "a call for HTTP/2": (wire.http_request(before=b"Upgrade: h2c\r\n"), "http_unlisted"),
    "a listed path": (b"GET /miner/header?x=1 HTTP/1.1\r\nHost: a\r\n\r\n", "http_mining"),
    "a path below a listed one": (b"GET /miner/header/1 HTTP/1.1\r\nHost: a\r\n\r\n", "http_unlisted"),
    "a path without end": (b"GET /" + b"x" * 200 + b" HTTP/1.1\r\nHost: a\r\n\r\n", "http_unlisted"),
}  # fmt: skip
REPLIES = {
    "a page": (reply(b"Content-Type: text/html\r\n", b"<html>"), "http_unlisted"),
    "work": (reply(JSON, b'{"result":["0x1"]}'), "http_mining"),
    "work in a chunk of a page": (
        reply(b"Content-Type: text/html\r\nTransfer-Encoding: chunked\r\n", b'f2\r\n{"id":1}'),
        "http_mining",
    ),
    "a document": (reply(JSON, b'{"name":"x"}'), "http_unlisted"),
    "a list of answers": (reply(JSON, b'[ {"jsonrpc":"2.0"}]'), "http_mining"),
    "a list of numbers": (reply(JSON, b"[1,2]"), "http_unlisted"),
    "a key behind an escape": (reply(JSON, b'{"\\u0069d":1}'), "http_mining"),
    "a body that follows": (reply(JSON), "http_mining"),
    "a page that follows": (reply(b"Content-Type: text/html\r\n"), "http_unlisted"),
    "compressed JSON": (reply(JSON + b"Content-Encoding: gzip\r\n", b"\x1f\x8b\x08"), "http_mining"),
    "a compressed page": (reply(b"Content-Encoding: gzip\r\n", b"\x1f\x8b\x08"), "http_unlisted"),
    "a server of work": (reply(b"X-Long-Polling: /LP\r\n", b"x"), "http_mining"),
    "a way to a pool": (reply(b"X-Stratum: stratum+tcp://pool.example:3333\r\n", b"x"), "http_mining"),
    "consent to WebSocket": (reply(b"Upgrade: websocket\r\n", b"", b"101 Switching Protocols"), "websocket"),
    "a short head that goes on": (reply()[:-2], "http_partial"),
    "a long head that goes on": (reply(b"Set-Cookie: " + b"c" * 1_200 + b"\r\n")[:-2], "http_unlisted"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "reason"), MESSAGES.values(), ids=MESSAGES.keys())
def test_an_http_request_passes_by_signs_of_mining(data: bytes, reason: str) -> None:
    """JSON that is handed in, fields that only miners send, paths of their programs, and WebSocket."""
    assert first_payload(data) == reason


@pytest.mark.parametrize(("data", "reason"), REPLIES.values(), ids=REPLIES.keys())
def test_a_response_alone_passes_by_signs_of_mining(data: bytes, reason: str) -> None:
    """Where the mirror shows only servers, their answers are looked at, each of them."""
    assert midway(data) == [reason]
    page = reply(b"", b"<html>")
    assert midway(page, data) == ["http_unlisted", reason]


def test_each_request_of_an_http_connection_is_looked_at() -> None:
    """Keep-alive: an unlisted host now, a listed one later; answers do not pass."""
    one = Connection()
    frames = [
        one.up(wire.http_request()),
        one.down(b"HTTP/1.1 200 OK\r\n\r\n" + LOGIN),
        one.up(wire.http_request(b"pool.example"), at=60),
    ]
    assert Twins(flows=8).judge([*one.handshake(), *frames])[3:] == [
        "http_unlisted",
        "unpromising",
        "http_listed",
    ]


def test_a_proxy_request_later_on_an_http_connection_is_looked_at() -> None:
    """CONNECT may follow other requests."""
    one = Connection()
    frames = [one.up(wire.http_request()), one.up(b"CONNECT pool.example:443 HTTP/1.1\r\n\r\n", at=60)]
    assert Twins(flows=8).judge([*one.handshake(), *frames])[3:] == ["http_unlisted", "proxy"]


POINTER = b"\xc0\x0c"
DNS = {
    "question listed": (wire.dns("eu1.pool.example"), "dns_listed"),
    "question unlisted": (wire.dns("www.example.com"), "dns_unlisted"),
    "alias leads to a listed name": (
        wire.dns("www.example.com", [(5, wire.labels("eu1.Pool.example"))]),
        "dns_listed",
    ),
    "second alias": (
        wire.dns(
            "www.example.com",
            [(5, wire.labels("cdn.example.net")), (5, b"\2eu" + wire.labels("pool.example"))],
        ),
        "dns_listed",
    ),
    "alias by pointer": (wire.dns("a.pool.example", [(5, b"\1x" + POINTER)], flags=0x8180), "dns_listed"),
    "answer without alias": (wire.dns("www.example.com", [(1, b"\1\2\3\4")]), "dns_unlisted"),
    "pointer to itself": (wire.dns(POINTER), "dns_malformed"),
    "label too long": (wire.dns(b"\x40" + b"a" * 64 + b"\0"), "dns_malformed"),
    "name too long": (wire.dns(b"\1a" * 128 + b"\0"), "dns_malformed"),
    "two questions": (wire.dns(questions=2), "dns_malformed"),
    "no question": (wire.dns(questions=0), "dns_unlisted"),
    "the root": (wire.dns(b"\0"), "dns_unlisted"),
    "cut short": (wire.dns()[:11], "dns_malformed"),
    "empty": (b"", "dns_malformed"),
}


@pytest.mark.parametrize(("message", "reason"), DNS.values(), ids=DNS.keys())
def test_a_dns_message_passes_by_its_names(message: bytes, reason: str) -> None:
    """Question and aliases count, from either side; a message that contradicts itself is counted as such."""
    for ports in ((50_000, 53), (53, 50_000)):
        frame = wire.datagram(message, *ports)
        assert Twins(flows=8).judge([frame]) == [reason]


@pytest.mark.parametrize(
    ("place", "reason"), [(MAX_ALIASES, "dns_listed"), (MAX_ALIASES + 1, "dns_unlisted")]
)
def test_aliases_are_tested_up_to_a_limit(place: int, reason: str) -> None:
    """No chain of aliases is that long; a message made to cost time is."""
    chain = [(5, wire.labels("www.example.com"))] * (place - 1) + [(5, wire.labels("pool.example"))]
    frame = wire.datagram(wire.dns("a.example", chain), 53, 50_000)
    assert Twins(flows=8).judge([frame]) == [reason]


def test_every_name_passes_where_a_rule_asks_for_it() -> None:
    """Some rule tests names by a pattern: then the gate may not choose."""
    one = Connection()
    query = wire.datagram(wire.dns())
    judged = Twins(flows=8, every_name=True).judge([query, *one.handshake(), one.up(wire.client_hello())])
    assert (judged[0], judged[-1]) == ("dns_listed", "tls_listed")


def test_other_datagrams_do_not_pass() -> None:
    """UDP that is not DNS."""
    frame = wire.datagram(wire.dns("pool.example"), 50_000, 5353)
    assert Twins(flows=8).judge([frame]) == ["udp_other"]


# ── verdicts and new connections ─────────────────────────────────────────────────────────────────────────


def judged_connection() -> tuple[Twins, Connection]:
    """A connection that was found not to be mining."""
    twins, one = Twins(flows=8), Connection()
    assert twins.judge([*one.handshake(), one.up(BINARY)])[-1] == "unpromising"
    return twins, one


def test_a_new_connection_on_old_ports_is_judged_afresh() -> None:
    """A SYN with another number, whatever was known of the ports."""
    twins, _ = judged_connection()
    new = Connection(client_start=77_000, server_start=88_000)
    assert twins.judge([*new.handshake(), new.up(LOGIN)])[-1] == "json"


def test_a_syn_sent_again_changes_nothing() -> None:
    """The same number is the same connection."""
    twins, one = judged_connection()
    assert twins.judge([one.syn(), one.syn_ack(), one.up(LOGIN, at=40)])[-1] == "judged"


def test_a_new_connection_is_known_by_the_servers_answer_alone() -> None:
    """A sensor that sees one direction only sees no SYN without ACK."""
    twins, one = Twins(flows=8), Connection()
    assert twins.judge([one.syn_ack(), one.down(BINARY)]) == ["no_payload", "unpromising"]
    new = Connection(server_start=88_000)
    assert twins.judge([one.down(BINARY, at=40), new.syn_ack(), new.down(LOGIN)]) == [
        "judged",
        "no_payload",
        "json",
    ]


def test_an_answer_to_a_call_that_was_seen_does_not_undo_a_judgement() -> None:
    """SYN with data, judged, then its SYN and ACK."""
    one = Connection()
    judged = Twins(flows=8).judge(
        [
            one.syn(wire.http_request()),
            one.syn_ack(),
            one.down(LOGIN),
            one.up(wire.http_request(b"pool.example"), at=60),
        ]
    )
    assert judged == ["http_unlisted", "no_payload", "unpromising", "http_listed"]


def test_a_verdict_moves_the_flow() -> None:
    """YES keeps it passing, NO ends it, HTTP leaves only requests."""
    one = Connection()
    for stage, reason in ((rows.MINING, "watched"), (rows.JUDGED, "judged"), (rows.REQUESTS, "unpromising")):
        twins = Twins(flows=8)
        twins.judge([*one.handshake(), one.up(LOGIN)])
        twins.set_stage(twins.passed[-1], stage)
        assert twins.judge([one.down(LOGIN)]) == [reason]


def test_bare_acknowledgements_pass_only_while_an_answer_is_awaited() -> None:
    """A settled flow passes payload, gaps and the ends of connections."""
    one = Connection()
    twins = Twins(flows=8)
    twins.judge([*one.handshake(), one.up(LOGIN)])
    twins.set_stage(twins.passed[-1], rows.SETTLED)
    cut = one.down(LOGIN)[:54]
    frames = [
        one.down(flags=ACK),
        one.down(LOGIN),
        one.down(flags=FIN | ACK),
        one.up(flags=RST),
        Seen(cut, length=54 + len(LOGIN)),
    ]
    assert twins.judge(frames) == ["no_payload", "watched", "watched", "watched", "watched"]
    new = Connection(client_start=77_000)
    assert twins.judge([new.syn(), new.down(flags=ACK)]) == ["watched", "watched"], (
        "the new peer has yet to answer"
    )


def test_a_verdict_for_a_flow_that_had_to_go_is_dropped() -> None:
    """Its slot belongs to another flow by then."""
    twins = Twins(flows=8)
    twins.judge([Connection().up(LOGIN)])
    old = twins.passed[0]
    twins.judge([Connection(sport=port).up(LOGIN) for port in range(1, 100)])
    twins.set_stage(old, rows.MINING)
    twins.compare_tables()
    assert rows.MINING not in twins.gate.flows.flows["stage"]


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_flow_idle_for_long_starts_afresh() -> None:
    """A judgement is not for ever."""
    twins, one = judged_connection()
    late = wire.START + (IDLE_SECONDS + 1) * SECOND
    assert twins.judge([Seen(one.up(LOGIN, at=40), late)]) == ["json"]


@pytest.mark.parametrize("leap", [-(10**6), -61, 86_401, 10**9])
def test_a_leap_of_the_clock_costs_no_flow(leap: int) -> None:
    """Time goes on from where it was, and the leap is counted."""
    one = Connection()
    twins = Twins(flows=8)
    twins.judge([*one.handshake(), one.up(LOGIN)])
    assert twins.judge([Seen(one.down(BINARY), wire.START + leap * SECOND)]) == ["watched"]
    assert (twins.gate.clock_jumps, twins.gate.now) == (1, 0)


def test_forged_times_cannot_wind_the_clock_up() -> None:
    """The clock stands still after thirty years of packet time, whatever the frames say."""
    frame = Connection().up(LOGIN)
    day = 86_400 * SECOND
    times = [wire.START + step * day for step in range(24_000)]
    times += [2**63 - 1, -(2**63), 0, 2**63 - 1]
    twins = Twins(flows=8)
    twins.judge([Seen(frame, time) for time in times])
    assert twins.gate.now == MAX_NOW


# ── books ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("count", [0, 1, STRIDE - 1, STRIDE, STRIDE + 1, 3 * STRIDE + 5])
def test_every_frame_has_one_reason(count: int) -> None:
    """Passed and skipped add up to seen, for batches of any length."""
    one = Connection()
    kinds = [one.up(LOGIN), b"", one.up(flags=ACK), wire.ethernet(b"x" * 40, 0x0806), one.syn()]
    twins = Twins(flows=8)
    for _ in range(2):
        twins.judge([kinds[i % len(kinds)] for i in range(count)])
    gate = twins.gate
    assert gate.passed + sum(gate.skipped().values()) == gate.frames == 2 * count


@pytest.mark.parametrize(
    ("payload", "counted"),
    [
        (wire.client_hello(b"pool.example"), "readable"),
        (wire.client_hello(b"www.example.com"), "readable"),
        (wire.client_hello(None), "hidden"),
        (wire.client_hello()[:60], "split"),
        (wire.client_hello()[:43] + b"\xff" + wire.client_hello()[44:], None),
        (wire.server_hello(), None),
    ],
    ids=["listed", "unlisted", "no name", "cut", "contradictory", "of a server"],
)
@pytest.mark.parametrize("known", [False, True], ids=["some server", "a known server"])
def test_a_client_hello_is_counted_by_what_becomes_of_its_name(
    payload: bytes, counted: str | None, *, known: bool
) -> None:
    """Once for each connection, whether or not its server is known by its address."""
    twins = Twins()
    if known:
        twins.know_server(wire.packed(wire.POOL), 60 * SECOND)
    one = Connection()
    twins.judge([*one.handshake(), one.up(payload)])
    expected = dict.fromkeys(HELLOS, 0)
    if counted:
        expected[counted] = 1
    assert twins.gate.hellos() == expected


# ── hellos of servers, DNS over TCP, known servers ───────────────────────────────────────────────────────


def test_a_server_whose_certificate_can_be_read_is_watched() -> None:
    """TLS 1.2 shows it, TLS 1.3 does not; where the client named an unlisted host, nobody looks."""
    one = Connection()
    for version, reason, stage in (
        (0x0303, "tls_certificate", "watched"),
        (0x0304, "tls_unlisted", "judged"),
    ):
        hello = wire.server_hello(version=version)
        later = one.down(b"\x16\x03\x03" + bytes(40), at=len(hello))
        twins = Twins(flows=8)
        frames = [*one.handshake(), one.up(wire.client_hello(None)), one.down(hello), later]
        assert twins.judge(frames)[3:] == ["tls_unlisted", reason, stage]
    frames = [*one.handshake(), one.up(wire.client_hello()), one.down(wire.server_hello(version=0x0303))]
    assert Twins(flows=8).judge(frames)[3:] == ["tls_unlisted", "judged"]


def over_dns(data: bytes) -> str:
    """Reason for a first payload to port 53."""
    one = Connection(dport=53)
    return Twins(flows=8).judge([*one.handshake(), one.up(data)])[-1]


def framed(*messages: bytes) -> bytes:
    """Messages as DNS over TCP has them."""
    return b"".join(len(each).to_bytes(2, "big") + each for each in messages)


DNS_STREAMS = {
    "a question": (framed(wire.dns()), "dns_unlisted"),
    "a listed question": (framed(wire.dns("pool.example")), "dns_listed"),
    "a listed question behind others": (
        framed(wire.dns(), wire.dns(), wire.dns("pool.example")),
        "dns_listed",
    ),
    "an alias": (framed(wire.dns(answers=[(5, wire.labels("pool.example"))])), "dns_listed"),
    "a service": (framed(wire.dns(answers=[(65, b"\0\1" + wire.labels("pool.example"))])), "dns_listed"),
    "the length alone": (framed(wire.dns())[:2], "dns_partial"),
    "half a length": (framed(wire.dns())[:1], "dns_partial"),
    "half a message": (framed(wire.dns(answers=[(1, bytes(4))]))[:40], "dns_partial"),
    "half a listed message": (framed(wire.dns("pool.example", [(1, bytes(4))]))[:-9], "dns_listed"),
    "no DNS": (b"\0\x0c" + b"x" * 12, "dns_malformed"),
    "of no length": (bytes(8), "dns_malformed"),
}


@pytest.mark.parametrize(("data", "reason"), DNS_STREAMS.values(), ids=DNS_STREAMS.keys())
def test_dns_over_tcp_passes_by_its_names(data: bytes, reason: str) -> None:
    """Message by message, also those that share a segment; what goes on in the next one is watched."""
    assert over_dns(data) == reason


def test_dns_over_tcp_is_looked_at_message_by_message() -> None:
    """An unlisted question does not end the examination."""
    one = Connection(dport=53)
    first, second = framed(wire.dns()), framed(wire.dns("pool.example"))
    frames = [*one.handshake(), one.up(first), one.up(second, at=len(first))]
    assert Twins(flows=8).judge(frames)[3:] == ["dns_unlisted", "dns_listed"]


def to_server(*, until: int = 100 * SECOND, late: int = 0) -> list[str]:
    """Reasons for what goes to and comes from a server that is known by its address."""
    twins = Twins(flows=8)
    twins.know_server(wire.packed(wire.POOL), until)
    one = Connection()
    clock = [Seen(each, wire.START + late * SECOND) for each in (one.up(BINARY), one.down(BINARY))]
    return twins.judge([Seen(wire.ethernet(b"", 0x0806), wire.START), *clock])[1:]


def test_a_flow_with_a_known_server_passes_whatever_it_says() -> None:
    """As long as the address counts, in both directions and versions of IP."""
    assert to_server() == ["server", "watched"]
    assert to_server(late=100) == ["server", "watched"]
    assert to_server(late=101) == ["unpromising", "unpromising"]
    twins = Twins(flows=8)
    twins.know_server(wire.packed("2001:db8:1::9"), SECOND)
    frame = wire.ethernet(wire.ipv6(wire.tcp(BINARY)), 0x86DD)
    assert twins.judge([frame]) == ["server"]


def datagram(port: int, data: bytes) -> str:
    """Reason for a datagram."""
    return Twins().judge([wire.datagram(data, 40_000, port)])[0]


DATAGRAMS = {
    "Antminer tells its address": (14235, b"192.168.1.57,AC:1F:6B:00:11:22", "management"),
    "the same on another port": (14200, b"192.168.1.57,AC:1F:6B:00:11:22", "udp_other"),
    "cgminer is called": (4028, b"cgminer-FTW-4028", "management"),
    "not text": (4028, BINARY, "udp_other"),
    "too short": (4028, b"abc", "udp_other"),
}


@pytest.mark.parametrize(("port", "data", "reason"), DATAGRAMS.values(), ids=DATAGRAMS.keys())
def test_datagrams_of_miners_and_their_tools_pass(port: int, data: bytes, reason: str) -> None:
    """By port and by being text."""
    assert datagram(port, data) == reason


def test_every_reason_can_be_met() -> None:
    """No reason in the list is a dead letter."""
    one, other = Connection(), Connection(sport=50_001)
    ip, eth = wire.ipv4(wire.tcp(LOGIN)), wire.ethernet
    twins = Twins()
    met = set(twins.judge([*one.handshake(), one.up(LOGIN), one.up(LOGIN)]))
    met |= set(twins.judge([*other.handshake(), other.up(BINARY), other.up(BINARY)]))
    met |= {first_payload(wire.client_hello(name)) for name in (b"pool.example", b"a.example")}
    met |= {first_payload(wire.client_hello()[:20]), first_payload(wire.http_request()[:9])}
    met |= {first_payload(wire.http_request(name)) for name in (b"pool.example", b"a.example")}
    met |= {first_payload(data) for data, _ in MESSAGES.values()}
    met |= {over_dns(data) for data, _ in DNS_STREAMS.values()}
    met |= {datagram(*case[:2]) for case in DATAGRAMS.values()} | {to_server()[0]}
    met |= set(midway(wire.server_hello(version=0x0303)))
    met |= set(midway(b'1]}\n{"id"' + b"1" * 20))
    met |= set(Twins().judge([*Connection().handshake(), Connection().up(BINARY, at=9)]))
    met |= {first_payload(data) for data, _ in OPENINGS.values()}
    met |= set(Twins().judge([wire.datagram(message) for message, _ in DNS.values()]))
    met |= {reason for _, _, reason in test_links.SKIPPED.values()}
    met |= {reason for _, reason in test_tunnels.FEW.values()}
    met |= {reason for _, reason in test_quic.MET.values()}
    met |= set(
        Twins(patterns=[test_patterns.HELLO]).judge(
            [*Connection().handshake(), Connection().up(test_patterns.OPEN)]
        )
    )
    met |= set(test_quic.judge(*[test_quic.MET["a hello"][0]] * 2))
    met |= set(
        twins.judge(
            [
                wire.datagram(b"", 1, 2),
                eth(wire.ipv4(b"", protocol=1), 0x0800),
                eth(b"", 0x0806),
                eth(wire.ipv4(b"", fragment=0x2000), 0x0800),
                eth(wire.ipv4(bytes(8), fragment=0x2000), 0x0800),
                Seen(b"", link=147),
                b"",
                eth(ip, 0x0800, [(0x8100, 1)] * 9),
                eth(ip[:19], 0x0800),
                eth(b"\x41" + ip[1:], 0x0800),
                eth(bytes(39), 0x86DD),
                eth(bytes(40), 0x86DD),
                eth(ip[:39], 0x0800),
                eth(wire.ipv4(bytes(7), protocol=17), 0x0800),
            ]
        )
    )
    flood = Twins().gate
    flood.judge(wire.batch([test_quic.frame(test_quic.MET["half a hello"][0])] * (BUDGET + 1)))
    met |= {reasons.REASONS[verdict].name for verdict in flood.verdicts.tolist()}
    assert met == {reason.name for reason in reasons.REASONS}


def test_an_attack_of_syns_does_not_cost_a_watched_flow() -> None:
    """A hundred thousand calls from everywhere through eight slots: the flow that was being read still is."""
    one = Connection()
    twins = Twins(flows=8)
    twins.judge([*one.handshake(), one.up(LOGIN)])
    for first in range(0, 100_000, 10_000):
        frames = [
            Connection(client=f"198.18.{i >> 8 & 255}.{i & 255}", sport=1 + i % 60_000).syn()
            for i in range(first, first + 10_000)
        ]
        twins.gate.judge(wire.batch(frames))
    one_later = wire.batch([one.down(LOGIN)])
    assert twins.gate.judge(one_later) == 1
    assert twins.gate.evicted()["watched"] == 0
    assert twins.gate.evicted()["embryonic"] > 90_000


def test_no_combination_of_flags_hides_a_payload() -> None:
    """SYN with FIN, all flags, no flags: the payload is looked at."""
    for flags in range(256):
        frame = wire.ethernet(wire.ipv4(wire.tcp(LOGIN, flags=flags)), 0x0800)
        assert Twins(flows=8).judge([frame]) == ["json"], flags
