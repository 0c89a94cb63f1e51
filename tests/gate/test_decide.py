"""Which frames pass, told as conversations.  Every conversation goes through both gates."""

from __future__ import annotations

import gate_frames as wire
import pytest
from gate_frames import ACK, FIN, LOGIN, RST, Connection, Seen
from gate_twins import Twins

from sniffer.gate import reasons, rows
from sniffer.gate.decide import MAX_NOW, MAX_PROBES, MAX_REORDER, SECOND, STRIDE
from sniffer.gate.flowtable import IDLE_SECONDS
from sniffer.gate.names import HTTP_HEAD, MAX_ALIASES

BINARY = b"\x80\x01\x02\x03" * 10
NOTIFY = b'{"id":null,"method":"mining.notify","params":["' + b"0" * 3000 + b'"]}\n'


def first_payload(data: bytes) -> str:
    """Reason for the first payload of a client whose handshake was seen."""
    one = Connection()
    return Twins(flows=8).judge([*one.handshake(), one.up(data)])[-1]


def midway(*data: bytes) -> list[str]:
    """Reasons for payloads of a server whose handshake was not seen."""
    one, at, frames = Connection(), 5_000, []
    for each in data:
        frames.append(one.down(each, at=at))
        at += len(each)
    return Twins(flows=8).judge(frames)


# ── openings ─────────────────────────────────────────────────────────────────────────────────────────────

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
    "SOCKS 5 without methods": (b"\x05\x00\x00", "unpromising"),
    "SOCKS 5 with unknown methods": (b"\x05\x01\x77", "unpromising"),
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
        frame = wire.ethernet(wire.ipv4(wire.udp(message, *ports), protocol=17), 0x0800)
        assert Twins(flows=8).judge([frame]) == [reason]


@pytest.mark.parametrize(
    ("place", "reason"), [(MAX_ALIASES, "dns_listed"), (MAX_ALIASES + 1, "dns_unlisted")]
)
def test_aliases_are_tested_up_to_a_limit(place: int, reason: str) -> None:
    """No chain of aliases is that long; a message made to cost time is."""
    chain = [(5, wire.labels("www.example.com"))] * (place - 1) + [(5, wire.labels("pool.example"))]
    frame = wire.ethernet(wire.ipv4(wire.udp(wire.dns("a.example", chain), 53, 50_000), protocol=17), 0x0800)
    assert Twins(flows=8).judge([frame]) == [reason]


def test_every_name_passes_where_a_rule_asks_for_it() -> None:
    """Some rule tests names by a pattern: then the gate may not choose."""
    one = Connection()
    query = wire.ethernet(wire.ipv4(wire.udp(wire.dns()), protocol=17), 0x0800)
    judged = Twins(flows=8, every_name=True).judge([query, *one.handshake(), one.up(wire.client_hello())])
    assert (judged[0], judged[-1]) == ("dns_listed", "tls_listed")


def test_other_datagrams_do_not_pass() -> None:
    """UDP that is not DNS."""
    frame = wire.ethernet(wire.ipv4(wire.udp(wire.dns("pool.example"), 50_000, 5353), protocol=17), 0x0800)
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
    for stage, reason in ((rows.MINING, "watched"), (rows.JUDGED, "judged"), (rows.HTTP, "unpromising")):
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


def test_every_reason_can_be_met() -> None:
    """No reason in the list is a dead letter."""
    one, other = Connection(), Connection(sport=50_001)
    ip, eth = wire.ipv4(wire.tcp(LOGIN)), wire.ethernet
    twins = Twins()
    met = set(twins.judge([*one.handshake(), one.up(LOGIN), one.up(LOGIN)]))
    met |= set(twins.judge([*other.handshake(), other.up(BINARY), other.up(BINARY)]))
    met |= {reason for data, _ in OPENINGS.values() for reason in [first_payload(data)]}
    met |= {first_payload(wire.client_hello(name)) for name in (b"pool.example", b"a.example")}
    met |= {first_payload(wire.client_hello()[:20]), first_payload(wire.http_request()[:9])}
    met |= {first_payload(wire.http_request(name)) for name in (b"pool.example", b"a.example")}
    met |= set(midway(b'1]}\n{"id"' + b"1" * 20))
    met |= set(Twins().judge([*Connection().handshake(), Connection().up(BINARY, at=9)]))
    met |= set(
        Twins().judge([eth(wire.ipv4(wire.udp(message), protocol=17), 0x0800) for message, _ in DNS.values()])
    )
    met |= set(
        twins.judge(
            [
                eth(wire.ipv4(wire.udp(b"", 1, 2), protocol=17), 0x0800),
                eth(wire.ipv4(b"", protocol=1), 0x0800),
                eth(b"", 0x0806),
                eth(wire.ipv4(b"", fragment=0x2000), 0x0800),
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
