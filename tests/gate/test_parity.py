"""The gate and its plain twin decide alike, whatever comes."""

from __future__ import annotations

import contextlib
import random
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import gate_frames as wire
import pytest
from gate_twins import FIELDS, Twins
from hypothesis import given, settings
from hypothesis import strategies as st
from loadscript import script

from sniffer.batch import Batch
from sniffer.capture.savefile import SUFFIXES, Savefile
from sniffer.errors import InputError
from sniffer.gate import rows
from sniffer.model import Pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sniffer.gate.plain import Found

rewrap = script("scripts/rewrap.py")
quic = script("pcaps/initials.py")
WRAPPINGS = list(rewrap.WRAPPINGS.values())
CAPTURES = Path(__file__).parents[2] / ".." / "shared" / "captures"
PATTERNS = [
    Pattern(0, b"220 mail", "any", "any"),
    Pattern(0, b"HELLO-MINE v1", "any", "any"),
    Pattern(0, b"\x80\x80\x80", "any", "tcp"),
    Pattern(3, b" / HTTP/1.1", "any", "tcp"),
    Pattern(2, b"\0\0\0", "any", "udp"),
    Pattern(20, b"xxx", "any", "tcp"),
]
ENDS = ["10.0.0.7", "203.0.113.9", "0.0.0.0", "2001:db8::7", "2001:db8::9", "::", "192.0.2.1"]  # noqa: S104
MAX_FRAMES = 20_000  # of one capture: the plain twin takes its time


# ── garbage ──────────────────────────────────────────────────────────────────────────────────────────────

HOSTS = [
    "www.example.com",
    "pool.example",
    "a.b.POOL.example",
    "exact.example.org",
    "x.exact.example.org",
    "xpool.example",
]


def line(rng: random.Random) -> bytes:
    """A piece of a conversation in JSON lines."""
    start = rng.choice(
        [
            b"",
            b"\r\n",
            b" ",
            b"\n" * 15,
            b"\n" * 16,
            b"\n" * 17,
            b"[",
            b"[ \n",
            b'7"],"id":1}\n',
            b"\0",
            b"ab",
        ]
    )
    return start + rng.choice(
        [
            wire.LOGIN,
            b"{",
            b"{}",
            b"{ ",
            b'{ "id"',
            b"[]",
            b'{"a":[' + b"1," * 900 + b"1]}\n" + wire.LOGIN,
            b"",
        ]
    )


def payload(rng: random.Random) -> bytes:
    """Something that a TCP segment may carry."""
    host = rng.choice(HOSTS).encode()
    makers: list[Callable[[], bytes]] = [
        lambda: line(rng),
        lambda: wire.client_hello(
            rng.choice([host, host + b".", b"", b".", None, b"x" * 256]),
            record=rng.choice([1, 3, 4, 60, 1 << 14]),
        ),
        lambda: wire.client_hello(host, before=b"\0\x33\x04\x00" + bytes(1024)),
        lambda: wire.client_hello(host, before=b"\0\x0a\0\0" * rng.choice([1, 62, 63, 64])),
        lambda: wire.http_request(
            host + rng.choice([b"", b":80", b". "]),
            method=rng.choice([b"GET", b"POST", b"PUT", b"FOO", b"CONNECT"]),
        ),
        lambda: wire.http_request(
            host, before=b"X: " + b"y" * rng.choice([10, 4040, 4060, 4096, 5000]) + b"\r\n"
        ),
        lambda: wire.http_request(None),
        lambda: (
            wire.http_request(
                host,
                method=rng.choice([b"GET", b"POST"]),
                before=rng.choice(
                    [b"", b"Content-Type: x/JSON\r\n", b"X-Mining-Hashrate: 1\r\n", b"UPGRADE: websocket\n"]
                ),
            )
            + rng.choice([b"", b"{", line(rng), b"2c\r\n" + line(rng), b"hello"])
        ),
        lambda: (
            rng.choice([b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 101 x\r\nUpgrade: WebSocket\r\n"])
            + rng.choice(
                [b"", b"Content-Type: a/json\r\n", b"Content-Encoding: gzip\r\n", b"X-Stratum: a\r\n"]
            )
            + rng.choice([b"\r\n", b"\n", b"", b"\r"])
            + rng.choice([b"", b'{"id":1}', b'{"a":1}', b"[{", b'f\r\n{"result', b"{", b'{"\\u'])
        ),
        lambda: wire.server_hello(version=rng.choice([0x0303, 0x0304]), record=rng.choice([3, 60, 1 << 14])),
        lambda: (
            rng.choice([b"\x81", b"\x01", b"\x82"])
            + rng.choice(
                [b"\x05{abcd", b"\x85\1\2\3\4zabcd", b"\xfe\1\0\1\2\3\4Z", b"\x7f" + bytes(8) + b"[", b"\1{"]
            )
        ),
        lambda: (
            rng.choice(
                [
                    b"\x7f\x01\x14\0",
                    b"\x7f\x02\0\0",
                    bytes.fromhex("00801a180000") + bytes(rng.choice([24, 25, 40])),
                ]
            )
            + rng.randbytes(rng.choice([0, 2, 14]))
        ),
        lambda: (
            rng.choice(
                [
                    bytes.fromhex("00000033000000020002"),
                    bytes.fromhex("0000010600000200"),
                    b"\xb9\x19\x87\xd7",
                ]
            )
            + bytes(rng.choice([0, 1, 45, 300]))
        ),
        lambda: rng.choice(
            [
                bytes.fromhex("f9beb4d9") + b"version",
                bytes.fromhex("0121010101010101"),
                b"\x01\x94\x04" + bytes(403),
            ]
        ),
        lambda: rng.randbytes(rng.choice([34, 64, 170, 172, 174, 234])),
        lambda: b"\x17\x03\x03\0\x20" + bytes(rng.choice([0, 32])),
        lambda: len(message(rng)).to_bytes(2, "big") + message(rng),
        lambda: rng.choice(
            [
                b"\x05\x01\0",
                b"\x05\x09",
                b"\x05",
                b"\x04\x01\x0d\x05\1\2\3\4x\0",
                b"\x04",
                b"PROXY TCP4 1",
                b"CONNECT a:1 HTTP/1.1\r\n\r\n",
            ]
        ),
        lambda: rng.choice(
            [
                b"\0",
                b"\n",
                b"hello\r\n",
                b"220 mail.example ESMTP\r\n",
                b"SSH-2.0-x\r\n",
                b"HTTP/1.1 200 OK\r\n\r\n",
            ]
        ),
        lambda: rng.randbytes(rng.choice([0, 1, 2, 3, 8, 16, 17, 100])),
    ]
    made = rng.choice(makers)()
    return made[: rng.randrange(len(made) + 1)] if rng.random() < 0.3 else made


def message(rng: random.Random) -> bytes:
    """A DNS message, perhaps hostile."""
    name: str | bytes = rng.choice(HOSTS)
    if rng.random() < 0.3:
        name = rng.choice(
            [
                b"\xc0\x0c",
                b"\xc0\x00",
                b"\1a\xc0\x0c",
                b"\x40",
                b"\xbf\1",
                b"\x3f" + b"a" * 63,
                b"\1." + wire.labels("com"),
                b"\0",
                b"\3a.b\7example\0",
                b"\1a" * 127 + b"\0",
                b"\1a" * 128 + b"\0",
                b"\xff\xff",
            ]
        )
    answers = [
        rng.choice(
            [
                (1, b"\1\2\3\4"),
                (5, b"\xc0\x0c"),
                (5, wire.labels(rng.choice(HOSTS))),
                (5, b"\1x\xc0\x0c"),
                (5, b""),
                (16, b"z" * 40),
                (5, b"\xc0\x40"),
            ]
        )
        for _ in range(rng.choice([0, 0, 1, 2, 5, 70]))
    ]
    made = wire.dns(
        name,
        answers,
        flags=rng.choice([None, None, 0x8180, 0x2000, 0x7800, rng.getrandbits(16)]),
        questions=rng.choice([1, 1, 1, 1, 0, 2]),
    )
    return made[: rng.randrange(len(made) + 1)] if rng.random() < 0.3 else made


def initial(rng: random.Random) -> bytes:
    """A QUIC Initial, or something like it."""
    hello = wire.client_hello(rng.choice(HOSTS).encode(), before=b"\0\x33\x04\0" + bytes(1024))[5:]
    cut = rng.randrange(1, len(hello))
    pieces = rng.choice(
        [[(0, cut)], [(cut, len(hello))], [(0, 500), (400, 1000)], [(cut // 2, cut), (0, cut)]]
    )
    identity = rng.choice([b"8 bytes ", b"8 others", b"a longer one"])
    version = rng.choice([quic.V1, quic.V1, quic.V2])
    return bytes(quic.initials(hello, identity, cuts=[pieces], version=version)[0])


def transport(rng: random.Random) -> tuple[int, bytes]:
    """A protocol number and what follows the IP header."""
    if rng.random() < 0.03:
        return 17, wire.udp(initial(rng), rng.choice([50_000, 443]), 443)
    if rng.random() < 0.02:
        return 17, wire.udp(line(rng), 50_000, rng.choice([4028, 14235, 443]))
    if rng.random() < 0.2:
        sport, dport = rng.choice([(50_000, 53), (53, 50_000), (443, 443)])
        return 17, wire.udp(
            message(rng), sport, dport, length=rng.choice([None, None, None, 0, 7, 8, 9, 65_535])
        )
    if rng.random() < 0.05:
        return rng.choice([1, 0, 59, 50, 255]), rng.randbytes(30)
    ports = [
        (50_000, 3333),
        (3333, 50_000),
        (50_001, 443),
        (443, 50_001),
        (3333, 3333),
        (50_002, 53),
        (53, 50_002),
    ]
    sport, dport = rng.choice(ports)
    flags = rng.choice(
        [
            wire.SYN,
            wire.SYN | wire.ACK,
            wire.ACK,
            wire.ACK,
            0x18,
            0x18,
            0x18,
            0x18,
            wire.FIN | wire.ACK,
            wire.RST,
            rng.getrandbits(8),
        ]
    )
    seq = rng.choice([0, 1, 2, 1000, 1001, 1001, 1001, 1005, 70_000, 0xFFFFFFFF, rng.getrandbits(32)])
    data = payload(rng) if not flags & wire.SYN or rng.random() < 0.2 else b""
    return 6, wire.tcp(
        data, sport, dport, seq=seq, flags=flags, options=rng.choice([b"", b"", b"\1" * 12, b"\0" * 40])
    )


def extension(rng: random.Random) -> tuple[int, bytes]:
    """An IPv6 extension header, without its first byte."""
    kind = rng.choice([0, 43, 60, 135, 51, 44])
    if kind == 44:
        return 44, b"\0" + rng.choice([b"\0\0", b"\0\0", b"\0\1", b"\0\x08"]) + bytes(4)
    words = rng.choice([0, 1, 3])
    return kind, bytes([words]) + bytes((words + 2) * 4 - 2 if kind == 51 else (words + 1) * 8 - 2)


def frame(rng: random.Random, clock: int) -> wire.Seen:
    """A frame: mostly sound, sometimes bent, sometimes noise."""
    protocol, content = transport(rng)
    ends = rng.choice(
        [
            ("10.0.0.7", "203.0.113.9"),
            ("203.0.113.9", "10.0.0.7"),
            ("10.0.0.7", "10.0.0.7"),
            ("0.0.0.0", "255.255.255.255"),  # noqa: S104
        ]
    )
    if rng.random() < 0.25:
        six = rng.choice(
            [
                ("2001:db8::7", "2001:db8::9"),
                ("2001:db8::9", "2001:db8::7"),
                ("2001:db8::7", "2001:db8:0:1::7"),
                ("::", "::"),
            ]
        )
        extensions = [extension(rng) for _ in range(rng.choice([0, 0, 0, 1, 2, 15, 16, 17]))]
        ethertype, packet = (
            0x86DD,
            wire.ipv6(
                content,
                *six,
                protocol=protocol,
                extensions=extensions,
                length=rng.choice([None, None, None, 0, 10, 9000]),
            ),
        )
    else:
        ethertype = 0x0800
        packet = wire.ipv4(
            content,
            *ends,
            protocol=protocol,
            options=rng.choice([b"", b"", b"\1" * 8, b"\0" * 40]),
            total=rng.choice([None, None, None, None, None, 0, 19, 40, 9000]),
            fragment=rng.choice([0x4000, 0x4000, 0x4000, 0, 0x2000, 1]),
        )
    if ethertype == 0x0800 and rng.random() < 0.1:
        packet = cut(rng, packet)
    if rng.random() < 0.2:
        with contextlib.suppress(ValueError, struct.error, IndexError):  # the packet itself may be bent
            wrapping = rng.choice(WRAPPINGS)
            inner = rewrap.as_version(packet, wrapping.inner) if wrapping.inner else packet
            return bent(rng, clock, wrapping.wrap(inner, rng.randrange(10)), wrapping.link)
    link = rng.choice([1] * 12 + [113, 276, 0, 108, 12, 101, 228, 229, 14, 147])
    if link == 1:
        tags = [
            (rng.choice([0x8100, 0x88A8, 0x9100]), rng.getrandbits(16))
            for _ in range(rng.choice([0, 0, 0, 1, 2, 3, 8, 9]))
        ]
        data = wire.ethernet(packet, rng.choice([ethertype] * 9 + [0x0806]), tags)
    elif link == 113:
        data = bytes(14) + ethertype.to_bytes(2, "big") + packet
    elif link == 276:
        data = ethertype.to_bytes(2, "big") + bytes(18) + packet
    elif link in (0, 108):
        family = rng.choice([2, 10, 24, 28, 30, 99])
        data = family.to_bytes(4, rng.choice(["little", "big"])) + packet
    else:
        data = packet
    return bent(rng, clock, data, link)


def cut(rng: random.Random, packet: bytes) -> bytes:
    """A fragment of an IPv4 packet, cut so that others of its kind may fit or overlap."""
    head, data = packet[: (packet[0] & 15) * 4], packet[(packet[0] & 15) * 4 :]
    if not 20 <= len(head) <= len(packet):
        return packet
    first = rng.choice([0, 0, 16, 24])
    last = rng.choice([16, 24, 24, len(data)])
    if first >= last:
        return packet
    changed = bytearray(head + data[first:last])
    changed[2:4] = len(changed).to_bytes(2, "big")
    changed[6:8] = (first >> 3 | (last < len(data)) << 13).to_bytes(2, "big")
    return bytes(changed)


def bent(rng: random.Random, clock: int, data: bytes, link: int) -> wire.Seen:
    """A frame as it was sent, or damaged."""
    length = len(data)
    bend = rng.random()
    if bend < 0.15:
        data = data[: rng.randrange(len(data) + 1)]
    elif bend < 0.35:
        changed = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 8])):
            changed[rng.randrange(min(len(changed), 120))] = rng.choice([0, 0xFF, rng.getrandbits(8)])
        data = bytes(changed)
    elif bend < 0.4:
        data += rng.randbytes(rng.choice([1, 6, 46]))
        length = len(data)
    elif bend < 0.42:
        data = rng.randbytes(rng.choice([0, 1, 13, 14, 60, 300]))
        length = len(data)
    tag = rng.choice([(0, 0)] * 8 + [(0x2064, 0x8100), (7, 0x88A8)])
    return wire.Seen(data, clock, link, rng.choice([length, length, length + 100, 1]), tag)


def garbage(rng: random.Random, count: int) -> Iterator[wire.Seen]:
    """Frames whose clock mostly ticks and sometimes leaps."""
    clock = wire.START
    for _ in range(count):
        clock += rng.choice([0, 1000, wire.SECOND, 100 * wire.SECOND, -wire.SECOND])
        leap = rng.random()
        if leap < 0.002:
            clock += rng.choice([-100, 2 * 86_400, -(10**9), 10**9]) * wire.SECOND
        elif leap < 0.003:
            clock = rng.choice([0, -(2**63), 2**63 - 1, wire.START])
        clock = min(max(clock, -(2**63)), 2**63 - 1)
        yield frame(rng, clock)


def test_they_record_the_same_fields() -> None:
    """Nothing that the gate writes into a row is left out of the comparison."""
    assert set(FIELDS) == set(rows.ROW.names or ())


@pytest.mark.parametrize("flows", [8, 16, 4096])
@pytest.mark.parametrize("seed", range(4))
def test_they_agree_on_garbage(seed: int, flows: int) -> None:
    """Sound, bent and senseless frames, flow tables that overflow, verdicts that come back: one answer."""
    rng = random.Random(seed * 100 + flows)
    twins = Twins(flows=flows, every_name=seed == 3)
    twins.know_server(wire.packed("203.0.113.9"), (1 << 62) if seed == 1 else 0)
    twins.list_patterns(PATTERNS if seed == 2 else ())
    reasons_met: set[str] = set()
    for each in ENDS:
        twins.watch_host(wire.packed(each))
    for _ in range(20):
        reasons_met.update(twins.judge(garbage(rng, rng.choice([1, 31, 32, 33, 100, 300]))))
        twins.watch_host(wire.packed(rng.choice(ENDS)))
        for each in twins.passed:
            if rng.random() < 0.1:
                twins.note_mining(each)
            if each.slot >= 0 and rng.random() < 0.3:
                twins.set_stage(
                    each, rng.choice([rows.JUDGED, rows.REQUESTS, rows.MINING, rows.SETTLED, rows.FRESH])
                )
        twins.compare_tables()
    assert len(reasons_met) > 38, "the generator must reach most of the decisions"


def test_they_agree_when_flows_have_to_make_room() -> None:
    """Ten thousand flows through sixteen slots: the same ones go, in the same order."""
    rng = random.Random(5)
    twins = Twins(flows=16)
    for round_ in range(100):
        frames = []
        for i in range(100):
            one = wire.Connection(sport=rng.randrange(1, 200), dport=rng.choice([3333, 443]))
            data = rng.choice(
                [
                    one.syn(),
                    one.syn_ack(),
                    one.up(wire.LOGIN),
                    one.up(b"\x80" * 20),
                    one.up(wire.client_hello()),
                    one.down(b"{"),
                ]
            )
            frames.append(wire.Seen(data, wire.START + (round_ * 100 + i) * rng.choice([1, 3]) * wire.SECOND))
        twins.judge(frames)
        for each in twins.passed:
            twins.set_stage(each, rng.choice([rows.WATCHED, rows.MINING, rows.JUDGED]))
        twins.compare_tables()
    assert all(twins.gate.evicted()[kind] for kind in ("idle", "embryonic", "undecided", "judged", "watched"))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=120), max_size=5), st.sampled_from([0, 1, 12, 113, 276]))
def test_they_agree_on_noise(noise: list[bytes], link: int) -> None:
    """Any bytes at all."""
    twins = Twins(flows=8)
    twins.judge([wire.Seen(each, link=link) for each in noise])
    twins.compare_tables()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.binary(min_size=1, max_size=80)
            | st.text(max_size=40).map(str.encode)
            | st.sampled_from([b"HELLO-MINE v1 wallet=abc", b"HELLO", b"\x80\x80", b"\x80" * 40, b"y" * 30]),
        ),
        max_size=8,
    ),
    st.booleans(),
)
def test_they_agree_on_any_conversation(turns: list[tuple[bool, bytes]], handshake: bool) -> None:  # noqa: FBT001
    """Any payloads, from either side, with or without a handshake before them."""
    twins = Twins(flows=8, patterns=PATTERNS)
    one = wire.Connection()
    at = [0, 0]
    frames = one.handshake() if handshake else []
    for up, data in turns:
        frames.append(one.up(data, at=at[0]) if up else one.down(data, at=at[1]))
        at[0 if up else 1] += len(data)
    twins.judge(frames)
    twins.compare_tables()


@pytest.mark.parametrize("gap", [0, 3])
def test_they_agree_wherever_a_frame_is_cut(gap: int) -> None:
    """Every prefix of a frame, also as the last bytes of the batch: no difference, no read beyond its end."""
    rng = random.Random(11)
    bases = [
        wire.ethernet(
            wire.ipv4(wire.tcp(wire.client_hello(b"a.pool.example"), dport=443), options=b"\1" * 8),
            0x0800,
            [(0x88A8, 5), (0x8100, 6)],
        ),
        wire.ethernet(
            wire.ipv6(
                wire.tcp(wire.LOGIN, options=b"\1" * 12),
                extensions=[(0, b"\0" * 7), (44, b"\0" * 7), (51, b"\1" + b"\0" * 10)],
            ),
            0x86DD,
        ),
        wire.ethernet(
            wire.ipv4(
                wire.udp(wire.dns("www.example.com", [(5, wire.labels("x.pool.example"))]), 53, 5000),
                protocol=17,
            ),
            0x0800,
        ),
        wire.ethernet(wire.ipv4(wire.tcp(wire.http_request(b"pool.example"))), 0x0800),
    ]
    for base in bases:
        twins = Twins(flows=8)
        cuts = [wire.Seen(base[:size], length=rng.choice([0, len(base)])) for size in range(len(base) + 1)]
        twins.judge_batch(wire.batch(cuts, gap=gap))
        for cut in cuts[:: 1 if gap else 5]:
            twins.judge_batch(wire.batch([cut], gap=gap))


def watch_ends(twins: Twins, one: Batch, each: Found) -> None:
    """Take a packet that passed for mining: have both of its ends watched, and its flow."""
    twins.note_mining(each)
    width = 4 if each.family == 4 else 16
    for place in () if each.memory else (each.source, each.destination):
        twins.watch_host(one.data[place : place + width].tobytes())


# ── captures ─────────────────────────────────────────────────────────────────────────────────────────────


def captures() -> list[object]:
    """Every public capture."""
    if not CAPTURES.exists():
        return []
    files = sorted(each for each in CAPTURES.rglob("*") if set(each.suffixes) & set(SUFFIXES))
    return [pytest.param(each, id=str(each.relative_to(CAPTURES))) for each in files]


@pytest.mark.skipif(not CAPTURES.exists(), reason="the public captures are not beside this project")
@pytest.mark.parametrize("path", captures())
def test_they_agree_on_every_capture(path: Path) -> None:
    """Real traffic, and captures that were made to hurt."""
    twins = Twins()
    left = MAX_FRAMES
    with contextlib.suppress(InputError):  # damaged on purpose: what can be read is compared
        for one in Savefile(str(path)).batches():
            twins.judge_batch(Batch(one.data, one.frames[:left]))
            for each in twins.passed:
                watch_ends(twins, one, each)
            left -= len(one.frames[:left])
            if left == 0:
                break
    twins.compare_tables()
