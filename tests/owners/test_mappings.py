"""Lines of accounting, DHCP and NAT logs: what each says, and what is refused."""

from __future__ import annotations

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.owners.mappings import MAX_LINE, LineReader, read_time
from sniffer.owners.timeline import OPEN, PORTS, Change, Timeline
from sniffer.sinks.privacy import Privacy

NOON = 1_795_435_200
SECOND = 10**9
KEY = b"k" * 32


def read(*lines: str | bytes) -> list[Change]:
    """What lines say, subscribers as they are."""
    reader = LineReader(str)
    found = (reader.read(line.encode() if isinstance(line, str) else line) for line in lines)
    return [change for change in found if change is not None]


def packed(text: str) -> bytes:
    """An address."""
    return ipaddress.ip_address(text).packed


def test_radius_accounting() -> None:
    """Start, Interim-Update and Stop, as FreeRADIUS has them in JSON."""
    start, alive, stop = read(
        '{"Acct-Status-Type":"Start","User-Name":"li@isp.example","Framed-IP-Address":"10.0.0.7",'
        '"Acct-Session-Id":"A1","Event-Timestamp":"2026-11-23T12:00:00Z","NAS-Port":7}',
        '{"Acct-Status-Type":"Interim-Update","User-Name":"li@isp.example","Framed-IP-Address":"10.0.0.7",'
        '"Acct-Session-Id":"A1","Event-Timestamp":"2026-11-23T13:00:00Z","Acct-Session-Time":3600}',
        '{"Acct-Status-Type":"Stop","User-Name":"li@isp.example","Framed-IP-Address":"10.0.0.7",'
        '"Acct-Session-Id":"A1","Event-Timestamp":1795442400,"Acct-Session-Time":7200,"tenant":"isp"}',
    )
    assert (start.what, start.start, start.end, start.subscriber) == (
        "hold",
        NOON * SECOND,
        OPEN,
        "li@isp.example",
    )
    assert (alive.what, alive.start, alive.end) == ("alive", NOON * SECOND, (NOON + 3600) * SECOND)
    assert (stop.what, stop.start, stop.end, stop.tenant) == (
        "stop",
        NOON * SECOND,
        (NOON + 7200) * SECOND,
        "isp",
    )
    assert len({one.session for one in (start, alive, stop)}) == 1


def test_the_numbers_of_radius() -> None:
    """Acct-Status-Type may be a number; Accounting-On is about nobody's address."""
    lines = [f'{{"acct_status_type":{n},"ip":"10.0.0.7","time":{NOON}}}' for n in (1, 3, 2, 7, 8)]
    assert [one.what for one in read(*lines)] == ["hold", "alive", "stop"]


def test_leases_of_kea() -> None:
    """The lease file of Kea is read as it is: assigned, declined, and let go."""
    found = read(
        "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id",
        f"10.0.0.7,02:00:00:00:00:01,,3600,{NOON + 3600},1,0,0,,0,,0",
        f"10.0.0.8,02:00:00:00:00:02,,3600,{NOON + 3600},1,0,0,,1,,0",
        f"10.0.0.9,02:00:00:00:00:03,,0,{NOON},1,0,0,,0,,0",
    )
    assert found == [
        Change("hold", packed("10.0.0.7"), 32, NOON * SECOND, (NOON + 3600) * SECOND, "02:00:00:00:00:01")
    ]


def test_a_log_of_dhcp() -> None:
    """ACK holds for the time of the lease, RELEASE ends it."""
    ack, release = read(
        f'{{"event":"DHCPACK","ip":"10.0.0.7","mac":"02:00:00:00:00:01","time":{NOON},"lease_time":600}}',
        f'{{"event":"DHCPRELEASE","ip":"10.0.0.7","mac":"02:00:00:00:00:01","time":{NOON + 60}}}',
    )
    assert (ack.end - ack.start, release.what, release.end) == (600 * SECOND, "stop", (NOON + 60) * SECOND)
    timeline = Timeline(9)
    timeline.apply([ack, release])
    assert timeline.find(packed("10.0.0.7"), 0, (NOON + 59) * SECOND)
    assert not timeline.find(packed("10.0.0.7"), 0, (NOON + 60) * SECOND)


def test_nat() -> None:
    """An outside address and its ports belong to an inside address."""
    block, flow = read(
        "event,time,outside,ports,inside",
        f"allocate,{NOON},203.0.113.1,1024-2047,100.64.0.9",
        f"free,{NOON + 5}.25,203.0.113.1,1500,100.64.0.9",
    )
    assert (block.low, block.high, block.inside) == (1024, 2047, packed("100.64.0.9"))
    assert (flow.what, flow.low, flow.high, flow.end) == ("stop", 1500, 1500, NOON * SECOND + 5_250_000_000)


def test_from_and_until() -> None:
    """Without an event a line holds from one time to another; IPv6 by prefix."""
    (one,) = read(
        "address,from,until,user,tenant",
        "# a comment",
        "",
        "2001:db8:7::/56,2026-11-23T12:00:00+08:00,2026-11-23 13:00:00+08:00,li,isp",
    )
    assert (one.length, one.end - one.start, one.start) == (56, 3600 * SECOND, (NOON - 8 * 3600) * SECOND)
    assert (one.low, one.high) == (0, PORTS - 1)


def test_subscribers_are_hashed_by_the_key_of_accounts() -> None:
    """The name is gone as soon as the line is read; User-Name comes before the hardware address."""
    privacy = Privacy(KEY)
    reader = LineReader(privacy.hide)
    one = reader.read(b'{"ip":"10.0.0.7","time":1,"User-Name":"li","Calling-Station-Id":"02:00:00:00:00:01"}')
    assert one is not None
    assert one.subscriber == privacy.hide("li") != "li"
    gone = LineReader(Privacy(None, leave_out=True).hide).read(b'{"ip":"10.0.0.7","time":1,"user":"li"}')
    assert gone is not None
    assert gone.subscriber == ""


@pytest.mark.parametrize(
    "line",
    [
        "10.0.0.7,1,2",
        "{",
        "{}",
        '{"ip":"10.0.0.7"}',
        '{"ip":"10.0.0.999","time":1}',
        '{"ip":"10.0.0.7","time":"yesterday"}',
        '{"ip":"10.0.0.7","time":1e300}',
        '{"ip":"10.0.0.7","time":-5}',
        '{"ip":"10.0.0.7","time":1,"event":"dance"}',
        '{"ip":"10.0.0.7","from":9,"until":8}',
        '{"ip":"10.0.0.7","time":1,"ports":"9-8"}',
        '{"ip":"10.0.0.7","time":1,"ports":"65536"}',
        '{"ip":"10.0.0.7","time":1,"inside":"x"}',
        '{"ip":"10.0.0.7","event":"stop"}',
        '{"a":' * 20 + "1" + "}" * 20,
        "{" + "x" * MAX_LINE,
        b'{"ip":"\xff"}',
        b"\xff,\xfe",
    ],
)
def test_lines_of_no_use(line: str | bytes) -> None:
    """Each is refused with a reason, which quotes nothing that cannot be printed."""
    with pytest.raises(ValueError, match=r".") as caught:
        read(line)
    assert str(caught.value).isprintable()


def test_rows_must_fit_their_headings() -> None:
    """A row with other columns than the headings is refused; new headings take effect."""
    reader = LineReader(str)
    assert reader.read(b"address,time") is None
    with pytest.raises(ValueError, match="has 3 columns, not 2"):
        reader.read(b"10.0.0.7,1,x")
    assert reader.read(b"time,address") is None
    found = reader.read(b"1,10.0.0.7")
    assert found is not None
    assert found.start == SECOND


@given(
    st.one_of(
        st.binary(max_size=200), st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace"))
    )
)
def test_any_line(line: bytes) -> None:
    """Whatever stands in a log, it is read or refused."""
    reader = LineReader(str)
    reader.read(b"address,time,event,user,ports,inside,until")
    for one in (line, b"10.0.0.7," + line, b'{"ip":"10.0.0.7","time":' + line + b"}"):
        with contextlib.suppress(ValueError):
            found = reader.read(one)
            if found is not None:
                Timeline(3).apply([found])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("1795435200.5", NOON + 0.5),
        ("2026-11-23T12:00:00Z", NOON),
        ("2026-11-23T12:00:00", NOON),
        ("2026-11-23T20:00:00+08:00", NOON),
    ],
)
def test_times(text: str, seconds: float) -> None:
    """Seconds since 1970, or date and time; without a zone UTC."""
    assert read_time(text) == int(seconds * SECOND)
