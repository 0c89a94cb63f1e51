"""Capture files: every format is read, and nothing but an InputError ends a damaged one."""

from __future__ import annotations

import csv
import gzip
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dpkt
import pytest
from capture import craft
from capture.craft import (
    Frame,
    enhanced,
    interface,
    old_packet,
    option,
    pcap_header,
    pcap_record,
    section,
    simple,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sniffer.capture import walk
from sniffer.capture.savefile import Savefile, find_captures, size_of, warm_up
from sniffer.errors import InputError
from sniffer.gate.links import LINKS

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED = Path(__file__).parents[2] / ".." / "shared" / "captures"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the public captures are not here")

ORDERS = pytest.mark.parametrize("order", ["<", ">"])
WINDOWS = pytest.mark.parametrize("window", [64, 1_000, 4 << 20])
PAYLOADS = [bytes(range(60)), b"", b"x" * 1_514, b"\x01", bytes(9_000)]
SECOND = 1_000_000_000


@pytest.fixture(autouse=True, scope="module")
def _warm() -> None:
    warm_up()


def write(folder: Path, data: bytes, name: str = "a.pcap") -> Path:
    """Put a file into a folder."""
    path = folder / name
    path.write_bytes(data)
    return path


# ── pcap ─────────────────────────────────────────────────────────────────────────────────────────────────


@WINDOWS
@ORDERS
@pytest.mark.parametrize(("magic", "tick"), [(craft.MICRO, 1_000), (craft.NANO, 1), (craft.MODIFIED, 1_000)])
def test_every_kind_of_pcap_is_read(tmp_path: Path, window: int, order: str, magic: int, tick: int) -> None:
    """Micro, nano and modified files of both byte orders give the same frames, however small the window."""
    modified = magic == craft.MODIFIED
    data = pcap_header(order, magic) + b"".join(
        pcap_record(payload, 1_700_000_000 + number, number, order=order, modified=modified)
        for number, payload in enumerate(PAYLOADS)
    )
    frames, error = craft.read(write(tmp_path, data), window=window, batch_frames=3)
    assert error == ""
    assert frames == [
        Frame((1_700_000_000 + number) * SECOND + number * tick, payload, len(payload))
        for number, payload in enumerate(PAYLOADS)
    ]


def test_lengths_of_pcap_records(tmp_path: Path) -> None:
    """A frame keeps its length on the wire; one that claims less than was captured has what was captured."""
    data = pcap_header() + pcap_record(b"abc", length=1_000) + pcap_record(b"abcd", length=2)
    frames, error = craft.read(write(tmp_path, data))
    assert (error, [frame.length for frame in frames]) == ("", [1_000, 4])


def test_frame_check_bits_of_the_link_type_are_masked(tmp_path: Path) -> None:
    """The upper half of the link type field tells of check sequences, not of the link."""
    frames, error = craft.read(write(tmp_path, pcap_header(link=0x5400_0065) + pcap_record(b"E")))
    assert (error, frames[0].link) == ("", 101)


@pytest.mark.parametrize("link", sorted(LINKS))
def test_supported_links_are_read_from_both_formats(tmp_path: Path, link: int) -> None:
    """Each link type of the gate passes with its own number."""
    pcap = craft.read(write(tmp_path, pcap_header(link=link) + pcap_record(b"a")))
    pcapng = craft.read(write(tmp_path, section() + interface(link=link) + enhanced(b"a"), "b.pcapng"))
    assert [frames[0].link for frames, _ in (pcap, pcapng)] == [link, link]
    assert [error for _, error in (pcap, pcapng)] == ["", ""]


def test_a_pcap_file_without_records_has_none(tmp_path: Path) -> None:
    """A header alone is a whole file."""
    assert craft.read(write(tmp_path, pcap_header())) == ([], "")


# ── pcapng ───────────────────────────────────────────────────────────────────────────────────────────────


@WINDOWS
@ORDERS
def test_every_packet_block_is_read(tmp_path: Path, window: int, order: str) -> None:
    """Enhanced, simple and obsolete blocks of both byte orders; a simple one gets the time of the one before."""
    data = (
        section(order, options=option(1, b"a comment", order))
        + interface(order, snaplen=4)
        + enhanced(b"first", 5, order=order, options=option(1, b"said of a packet", order))
        + craft.block(0xBAD, b"unknown" * 1_000, order)
        + simple(b"four", 9, order=order)
        + old_packet(b"third", 6, order=order)
        + craft.block(5, b"statistics", order)
        + simple(b"xyz", order=order)
    )
    frames, error = craft.read(write(tmp_path, data), window=window)
    assert error == ""
    assert frames == [
        Frame(5_000, b"first", 5),
        Frame(5_000, b"four", 9),
        Frame(6_000, b"third", 5),
        Frame(6_000, b"xyz", 3),
    ]


def test_sections_of_both_byte_orders_in_one_file(tmp_path: Path) -> None:
    """Each section counts its own interfaces; frames refer to all of them in order."""
    data = (
        section("<")
        + interface(options=option(2, b"eth0"))
        + interface(link=113, options=option(2, "br\u00fccke\n".encode()))
        + enhanced(b"a", number=1)
        + section(">")
        + interface(">", link=101)
        + enhanced(b"b", order=">")
    )
    source = Savefile(str(write(tmp_path, data, "two.pcapng")))
    rows = [row[4:6] for batch in source.batches() for row in batch.frames.tolist()]
    assert rows == [(113, 1), (101, 2)]
    assert source.interfaces == ["eth0", "br\\xfccke\\x0a", "two.pcapng:2"]


RESOLUTIONS = {
    0: (7, 7 * SECOND),
    3: (1_234, 1_234_000_000),
    6: (1_234, 1_234_000),
    9: (1_234, 1_234),
    12: (1_234_999, 1_234),
    19: (2**64 - 1, 1_844_674_407),
    0x80: (3, 3 * SECOND),
    0x80 | 10: (1_024 + 512, 1_500_000_000),
    0x80 | 32: ((5 << 32) | 1 << 31, 5_500_000_000),
    0x80 | 63: (1 << 62, 500_000_000),
}


@ORDERS
@pytest.mark.parametrize(("resolution", "stamp", "time"), [(r, s, t) for r, (s, t) in RESOLUTIONS.items()])
def test_time_resolutions(tmp_path: Path, order: str, resolution: int, stamp: int, time: int) -> None:
    """if_tsresol in powers of ten and of two, from seconds to parts of a nanosecond."""
    options = option(9, bytes([resolution]), order)
    data = section(order) + interface(order, options=options) + enhanced(b"a", stamp, order=order)
    frames, error = craft.read(write(tmp_path, data))
    assert (error, frames[0].time) == ("", time)


@pytest.mark.parametrize(
    ("offset", "stamp", "time"),
    [
        (10, 1_000_000, 11 * SECOND),
        (-1, 3_000_000, 2 * SECOND),
        (-(2**63), 0, 0),
        (2**63 - 1, 2**64 - 1, 1 << 62),
        (0, 2**64 - 1, 1 << 62),
        (-5, 1_000_000, 0),
    ],
)
def test_time_offsets_are_added_and_clamped(tmp_path: Path, offset: int, stamp: int, time: int) -> None:
    """if_tsoffset counts seconds; what does not fit is cut down to the first or last time there is."""
    options = option(14, offset.to_bytes(8, "little", signed=True))
    frames, _ = craft.read(write(tmp_path, section() + interface(options=options) + enhanced(b"a", stamp)))
    assert frames[0].time == time


def test_frames_of_other_links_come_along(tmp_path: Path) -> None:
    """With one supported interface the frames of the others are delivered; the gate counts them."""
    data = section() + interface(link=127) + interface() + enhanced(b"radio") + enhanced(b"wire", number=1)
    frames, error = craft.read(write(tmp_path, data))
    assert (error, [frame.link for frame in frames]) == ("", [127, 1])


# ── damaged files ────────────────────────────────────────────────────────────────────────────────────────

RECORD = pcap_record(b"x" * 40)
NG = section() + interface()
PACKET = enhanced(b"y" * 40)
BAD: dict[str, tuple[bytes, str, int]] = {
    # what: (bytes, code, records before it)
    "nothing": (b"", "empty", 0),
    "one byte": (b"\xd4", "truncated_header", 0),
    "three bytes": (b"\xd4\xc3\xb2", "truncated_header", 0),
    "text": (b"GET / HTTP/1.1\r\n\r\n", "not_a_capture", 0),
    "zeros": (bytes(100), "not_a_capture", 0),
    "magic of another tool": (b"\x1c\x00\x01\xac" + bytes(40), "not_a_capture", 0),
    "snoop": (b"snoop\0\0\0" + bytes(16), "not_a_capture", 0),
    "pcap header cut": (pcap_header()[:23], "truncated_header", 0),
    "magic alone": (pcap_header()[:4], "truncated_header", 0),
    "pcap 2.3": (pcap_header(version=(2, 3)) + RECORD, "version", 0),
    "pcap 543.0": (pcap_header(version=(543, 0)) + RECORD, "version", 0),
    "link type 9999": (pcap_header(link=9_999) + RECORD, "link_type", 0),
    "link type 147": (pcap_header(link=147) + RECORD, "link_type", 0),
    "record header cut": (pcap_header() + RECORD + RECORD[:15], "cut_record", 1),
    "record cut": (pcap_header() + RECORD + RECORD[:-1], "cut_record", 1),
    "one byte behind the last record": (pcap_header() + RECORD + b"\0", "cut_record", 1),
    "record of 4 GiB": (
        pcap_header() + RECORD + struct.pack("<IIII", 1, 1, 0xFFFF_FFF0, 60),
        "record_length",
        1,
    ),
    "record of 262145 bytes": (pcap_header() + pcap_record(bytes(262_145)), "record_length", 0),
    "record of the other byte order": (pcap_header() + pcap_record(b"x" * 40, order=">"), "record_length", 0),
    "modified record cut": (pcap_header(magic=craft.MODIFIED) + RECORD[:20], "cut_record", 0),
    "section cut": (section()[:27], "truncated_header", 0),
    "section magic wrong": (section().replace(b"\x4d\x3c\x2b\x1a", b"\x4d\x3c\x2b\x1b"), "byte_order", 0),
    "section version 2.0": (section(version=(2, 0)), "version", 0),
    "section version 1.1": (section(version=(1, 1)), "version", 0),
    "section length 12": (craft.block(0x0A0D0D0A, section()[8:24], length=12), "block_length", 0),
    "section lengths differ": (
        craft.block(0x0A0D0D0A, section()[8:24], trailer=32),
        "block_length_mismatch",
        0,
    ),
    "second section cut": (NG + PACKET + section()[:20], "cut_record", 1),
    "block length 0": (NG + PACKET + craft.block(6, bytes(20), length=0), "block_length", 1),
    "block length 8": (NG + PACKET + craft.block(99, b"", length=8), "block_length", 1),
    "block length 61": (NG + PACKET + craft.block(6, bytes(48), length=61), "block_length", 1),
    "block length 0xfffffff0": (
        NG + PACKET + craft.block(6, bytes(48), length=0xFFFF_FFF0),
        "block_length",
        1,
    ),
    "other block of 0xfffffff0": (NG + PACKET + craft.block(9, b"", length=0xFFFF_FFF0), "block_length", 1),
    "other block of 1 GiB, cut": (NG + PACKET + craft.block(9, b"", length=1 << 30), "cut_record", 1),
    "enhanced block too short": (NG + craft.block(6, bytes(16)), "block_length", 0),
    "obsolete block too short": (NG + craft.block(2, bytes(16)), "block_length", 0),
    "simple block too short": (NG + craft.block(3, b""), "block_length", 0),
    "packet lengths differ": (
        NG + PACKET + craft.block(6, PACKET[8:-4], trailer=0),
        "block_length_mismatch",
        1,
    ),
    "other lengths differ": (NG + PACKET + craft.block(9, b"abcd", trailer=20), "block_length_mismatch", 1),
    "interface lengths differ": (
        section() + craft.block(1, bytes(8), trailer=24),
        "block_length_mismatch",
        0,
    ),
    "interface too short": (section() + craft.block(1, bytes(4)), "block_length", 0),
    "interface of 17 MiB": (section() + craft.block(1, bytes(8), length=17 << 20), "block_length", 0),
    "interface cut": (section() + interface(options=bytes(40))[:-9], "cut_record", 0),
    "packet before any interface": (section() + PACKET, "no_interface", 0),
    "interfaces end with their section": (NG + PACKET + section() + PACKET, "no_interface", 1),
    "interface 7 of 1": (NG + PACKET + enhanced(b"a", number=7), "unknown_interface", 1),
    "interface 65535 of 1": (NG + old_packet(b"a", number=65_535), "unknown_interface", 0),
    "1025 interfaces": (section() + interface() * 1_025 + PACKET, "too_many_interfaces", 0),
    "1025 interfaces in 1025 sections": (NG * 1_025, "too_many_interfaces", 0),
    "captured more than the block": (
        NG + PACKET + enhanced(b"a", length=500, captured=500),
        "captured_beyond_block",
        1,
    ),
    "simple packet more than the block": (NG + simple(b"abcd", 500), "captured_beyond_block", 0),
    "captured more than on the wire": (
        NG + PACKET + enhanced(b"abcd", length=2),
        "captured_beyond_length",
        1,
    ),
    "captured 4 GiB": (NG + PACKET + enhanced(b"a", captured=0xFFFF_FFFF), "record_length", 1),
    "option beyond its block": (section() + interface(options=b"\x02\0\x20\0abcd"), "option_length", 0),
    "resolution 10^-127": (section() + interface(options=option(9, b"\x7f")), "time_resolution", 0),
    "resolution 2^-127": (section() + interface(options=option(9, b"\xff")), "time_resolution", 0),
    "no supported interface": (section() + interface(link=147) * 2, "link_type", 0),
    "packet cut": (NG + PACKET + PACKET[:-1], "cut_record", 1),
    "rubbish behind the end": (NG + PACKET + b"rub", "cut_record", 1),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(30), "compressed", 0),
    "xz": (b"\xfd7zXZ\0" + bytes(30), "compressed", 0),
    "lz4": (b"\x04\x22\x4d\x18" + bytes(30), "compressed", 0),
    "bzip2": (b"BZh9" + bytes(30), "compressed", 0),
    "zip": (b"PK\x03\x04" + bytes(30), "compressed", 0),
    "gzip twice": (gzip.compress(gzip.compress(pcap_header() + RECORD)), "compressed", 0),
    "zstd in gzip": (gzip.compress(b"\x28\xb5\x2f\xfd" + bytes(30)), "compressed", 0),
    "gzip of nothing": (gzip.compress(b""), "empty", 0),
    "gzip header cut": (gzip.compress(pcap_header())[:7], "gzip_cut", 0),
    "gzip checksum wrong": (gzip.compress(pcap_header() + RECORD)[:-8] + bytes(8), "gzip_broken", 1),
    "gzip, then text": (gzip.compress(pcap_header() + RECORD) + b"text", "gzip_broken", 1),
    "gzip, then half a member": (
        gzip.compress(pcap_header() + RECORD) + gzip.compress(RECORD)[:9],
        "gzip_cut",
        1,
    ),
    "gzip method unknown": (b"\x1f\x8b\x07" + bytes(40), "gzip_broken", 0),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_read_up_to_its_fault(tmp_path: Path, what: str) -> None:
    """One line names file, offset, record, code and remedy; everything before the fault is delivered."""
    data, code, before = BAD[what]
    path = write(tmp_path, data)
    frames, error = craft.read(path)
    assert len(frames) == before
    assert error.startswith(f"error: {path}: offset ")
    assert f"(record {before + 1}): {code} " in error
    assert f"; {before} record{'' if before == 1 else 's'} processed; " in error


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (pcap_header() + RECORD * 3 + RECORD[:-1], 24 + 3 * 56),
        (NG + PACKET * 2 + craft.block(6, bytes(20), length=0), 48 + 2 * 72),
        (NG + PACKET + craft.block(9, bytes(300_000), trailer=0), 48 + 72),
        (section() + interface(link=147) + PACKET, 28),
    ],
)
@WINDOWS
def test_the_offset_is_that_of_the_faulty_record(
    tmp_path: Path, window: int, data: bytes, offset: int
) -> None:
    """Offsets count from the start of the file whatever the window."""
    _, error = craft.read(write(tmp_path, data), window=window)
    assert f": offset {offset} (record " in error


@ORDERS
def test_a_file_cut_anywhere_gives_its_first_frames(tmp_path: Path, order: str) -> None:
    """Cut at each offset, both formats deliver a prefix of their frames and say so unless nothing is missing."""
    for whole in (
        pcap_header(order) + b"".join(pcap_record(bytes([i]) * i, i, order=order) for i in range(1, 6)),
        section(order) + interface(order) + enhanced(b"abc", 9, order=order) + simple(b"de", order=order)
        + section(order) + interface(order) + old_packet(b"f", order=order),
    ):  # fmt: skip
        path = write(tmp_path, whole)
        frames, error = craft.read(path)
        assert error == ""
        complete = 0
        for size in range(len(whole)):
            path.write_bytes(whole[:size])
            some, error = craft.read(path, window=64)
            assert some == frames[: len(some)]
            complete += error == ""
        assert complete <= 6  # only where a record ends


GOOD = [
    pcap_header() + b"".join(pcap_record(bytes([i]) * i, i) for i in range(1, 9)),
    pcap_header(">", craft.MODIFIED) + pcap_record(b"abc", order=">", modified=True) * 3,
    NG + PACKET + interface(options=option(9, b"\x89") + option(14, bytes(8)) + option(2, b"e")) + simple(b"abc")
    + enhanced(b"abc", 1 << 40, 1) + section(">") + interface(">") + old_packet(b"abc", order=">"),
    gzip.compress(pcap_header() + RECORD * 9),
]  # fmt: skip


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    whole=st.sampled_from(GOOD),
    flips=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    cut=st.integers(1, 500),
    window=st.sampled_from([64, 4 << 20]),
)
def test_changed_bytes_end_in_frames_or_an_input_error(
    tmp_path: Path, whole: bytes, flips: list[tuple[int, int]], cut: int, window: int
) -> None:
    """Whatever bytes are changed, frames lie inside their batch and nothing but an InputError comes out."""
    data = bytearray(whole[:cut])
    for place, value in flips:
        data[place % len(data)] = value
    frames, error = craft.read(write(tmp_path, bytes(data)), window=window)
    assert error or sum(len(frame.data) for frame in frames) <= 1 << 20


@given(data=st.binary(max_size=300))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_random_bytes_behind_a_header_end_in_frames_or_an_input_error(tmp_path: Path, data: bytes) -> None:
    """Rubbish where records are expected is a fault with a place, or happens to be records."""
    for head in (pcap_header(), NG):
        frames, error = craft.read(write(tmp_path, head + data), window=64)
        assert error or frames or not data


# ── the file itself ──────────────────────────────────────────────────────────────────────────────────────


def test_faults_of_the_path_have_their_own_codes(tmp_path: Path) -> None:
    """Missing, directory and unusable paths raise when the first batch is asked for."""
    assert " missing " in craft.read(tmp_path / "none.pcap")[1]
    assert " missing " in craft.read(write(tmp_path, b"") / "below.pcap")[1]
    assert " directory " in craft.read(tmp_path)[1]
    assert " unreadable " in craft.read("a\0b")[1]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    """The code is permission."""
    path = write(tmp_path, pcap_header())
    path.chmod(0)
    assert " permission " in craft.read(path)[1]


def test_a_refusal_by_the_kernel_is_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where the tests run as root: EACCES of open() becomes the code permission."""

    def refuse(*_: Any) -> int:
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path, pcap_header())
    monkeypatch.setattr(os, "open", refuse)
    error = craft.read(path)[1]
    monkeypatch.undo()
    assert " permission " in error


def test_a_hostile_file_name_is_escaped(tmp_path: Path) -> None:
    """Newline and escape in a name do not reach the terminal, and an undecodable name can be read."""
    path = tmp_path / os.fsdecode(b"a\n\x1b[31m%s\xff.pcap")
    path.write_bytes(pcap_header() + RECORD[:9])
    _, error = craft.read(path)
    assert error.isascii()
    assert error.isprintable()
    assert "cut_record" in error


def test_a_pipe_is_read_as_it_comes(tmp_path: Path) -> None:
    """A FIFO that gives few bytes at a time yields the same frames as the file."""
    data = GOOD[2]
    expected, _ = craft.read(write(tmp_path, data))
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def feed() -> None:
        with fifo.open("wb", buffering=0) as pipe:
            for at in range(0, len(data), 7):
                pipe.write(data[at : at + 7])

    feeder = threading.Thread(target=feed)
    feeder.start()
    frames, error = craft.read(fifo)
    feeder.join()
    assert (frames, error) == (expected, "")


def test_standard_input_is_read() -> None:
    """``-`` names standard input, which may be packed."""
    program = (
        "from sniffer.capture.savefile import Savefile\n"
        "source = Savefile('-')\n"
        "print(sum(len(batch.frames) for batch in source.batches()), source.interfaces, source.size)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=GOOD[3],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.decode().split() == ["9", "['stdin']", "0"]


@pytest.mark.parametrize("truncate", [0, 24, 30, 1_000])
def test_a_file_cut_while_it_is_read_ends_cleanly(tmp_path: Path, truncate: int) -> None:
    """Whoever shortens the file under the reader causes an InputError, no signal."""
    path = write(tmp_path, pcap_header() + RECORD * 1_000)
    source = Savefile(str(path), batch_frames=10, window=600)
    count = 0
    with pytest.raises(InputError, match=" cut_record "):  # noqa: PT012 - the loop is what raises
        for batch in source.batches():
            count += len(batch.frames)
            os.truncate(path, truncate)
    assert 0 < count < 1_000


def test_progress_and_books(tmp_path: Path) -> None:
    """Size, position and what is unreadable add up."""
    data = pcap_header() + RECORD * 100
    source = Savefile(str(write(tmp_path, data)))
    assert (source.size, source.position, source.unreadable) == (len(data), 0, 0)
    assert sum(len(batch.frames) for batch in source.batches()) == 100
    assert (source.position, source.unreadable, source.packets) == (len(data), 0, 100)
    source.close()
    damaged = Savefile(str(write(tmp_path, data + struct.pack("<IIII", 0, 0, 1 << 30, 0) + bytes(84))))
    with pytest.raises(InputError):
        list(damaged.batches())
    assert damaged.unreadable == 100


def test_position_of_a_packed_file_is_that_of_the_packed_bytes(tmp_path: Path) -> None:
    """Progress compares like with like."""
    path = write(tmp_path, gzip.compress(pcap_header() + RECORD * 1_000))
    source = Savefile(str(path))
    assert sum(len(batch.frames) for batch in source.batches()) == 1_000
    assert source.position == source.size == path.stat().st_size


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    """Two readers of one file do not disturb one another."""
    path = write(tmp_path, GOOD[2])
    assert craft.read(path) == craft.read(path)


@pytest.mark.parametrize("shape", ["large block", "million blocks", "large options", "bomb", "gzip bomb"])
def test_memory_and_time_do_not_grow_with_the_file(tmp_path: Path, shape: str) -> None:
    """Reading costs at most 64 MiB above the program at rest, whatever the file holds."""
    path = tmp_path / "big.pcapng"
    if shape == "large block":
        size = 512 << 20
        with path.open("wb") as file:
            file.write(NG + struct.pack("<II", 9, size))
            file.seek(size - 12, 1)
            file.write(struct.pack("<I", size) + PACKET)
    elif shape == "million blocks":
        path.write_bytes(NG + craft.block(9, b"") * 1_000_000 + PACKET)
    elif shape == "large options":
        path.write_bytes(NG + enhanced(b"y", options=option(1, b"c" * 65_535) * 200))
    elif shape == "bomb":
        path.write_bytes(NG + craft.block(6, bytes(24), length=16 << 20))
    else:
        record = pcap_record(bytes(262_144))
        path.write_bytes(gzip.compress(pcap_header() + record * 1_024, 9, mtime=0))
    program = (
        "import resource, sys, time\n"
        "from sniffer.capture.savefile import Savefile, warm_up\n"
        "from sniffer.errors import InputError\n"
        "warm_up()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "source, error = Savefile(sys.argv[1]), ''\n"
        "try:\n"
        "    for batch in source.batches(): pass\n"
        "except InputError as fault:\n"
        "    error = str(fault).split(': ')[3].split()[0]\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(after - before, time.process_time(), source.packets, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    grown, _, packets, *error = done.stdout.decode().split()
    assert int(grown) <= 64 << 10  # KiB
    expected = {"bomb": ["0", "cut_record"], "gzip bomb": [packets, "gzip_ratio"]}
    assert [packets, *error] == expected.get(shape, ["1"])
    assert int(packets) < 1_024


# ── against others ───────────────────────────────────────────────────────────────────────────────────────


def dpkt_frames(path: Path) -> list[tuple[float, bytes]]:
    """Times and bytes as dpkt reads them."""
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        return list(dpkt.pcap.UniversalReader(file))


@pytest.mark.parametrize("number", [0, 2])
def test_dpkt_reads_the_same_from_crafted_files(tmp_path: Path, number: int) -> None:
    """A second reader agrees on time and bytes (of one section with enhanced packets, which is what it knows)."""
    data = GOOD[0] if number == 0 else NG + b"".join(enhanced(bytes([i]) * i, i << 31) for i in range(9))
    path = write(tmp_path, data)
    frames, error = craft.read(path)
    expected = dpkt_frames(path)
    assert error == ""
    assert [frame.data for frame in frames] == [packet for _, packet in expected]
    assert [frame.time for frame in frames] == pytest.approx(
        [time * SECOND for time, _ in expected], abs=1_000
    )


def public() -> list[dict[str, str]]:
    """Rows of the list of public captures."""
    if not SHARED.is_dir():
        return []
    with (SHARED / "manifest.csv").open() as file:
        return list(csv.DictReader(file))


@needs_shared
def test_public_captures_have_as_many_packets_as_they_should() -> None:
    """Every public capture of a link type that is read gives the number of packets another tool counted."""
    checked = 0
    wrong = []
    for row in public():
        frames, error = craft.read(SHARED / row["file"])
        if "link_type" in error or not row["link_type"]:
            continue
        checked += 1
        if error or len(frames) != int(row["packets"]):
            wrong.append((row["file"], row["packets"], len(frames), error))
    assert wrong == []
    assert checked > 500


@needs_shared
def test_dpkt_reads_the_same_from_public_captures() -> None:
    """Where dpkt reads a public capture, it reads the same bytes at the same times."""
    checked = 0
    for row in public():
        path = SHARED / row["file"]
        frames, error = craft.read(path)
        try:
            expected = dpkt_frames(path)
        except (ValueError, dpkt.Error):
            continue
        if error or (row["capture_format"] == "pcapng" and len(expected) != len(frames)):
            continue  # dpkt skips simple packet blocks and further sections
        checked += 1
        assert [frame.data for frame in frames] == [packet for _, packet in expected], row["file"]
        if any(frame.interface for frame in frames):
            continue  # dpkt counts all times in the units of the first interface
        times = [min(float(time) * SECOND, walk.LATEST) for time, _ in expected]
        assert [frame.time for frame in frames] == pytest.approx(times, abs=2_000), row["file"]
    assert checked > 450


# ── finding files ────────────────────────────────────────────────────────────────────────────────────────


def test_captures_are_found_in_sorted_order(tmp_path: Path) -> None:
    """Files stay as named, directories give their captures to any depth, other files are left out."""
    names = ["b/z.PCAP", "b/c/a.pcapng.gz", "a.cap", "c.dmp", "notes.txt", "b/x.gz", "d.pcap.gz"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    os.mkfifo(tmp_path / "fifo.pcap")
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    found = find_captures(["-", str(tmp_path / "notes.txt"), str(tmp_path)])
    assert found[:2] == ["-", str(tmp_path / "notes.txt")]
    assert [str(Path(file).relative_to(tmp_path)) for file in found[2:]] == [
        "a.cap",
        "b/c/a.pcapng.gz",
        "b/z.PCAP",
        "c.dmp",
        "d.pcap.gz",
    ]


def test_what_cannot_be_found_is_said(tmp_path: Path) -> None:
    """Missing paths and directories without a capture are faults of the operator's input."""
    for path, code in (
        (str(tmp_path), "no_captures"),
        (str(tmp_path / "x.pcap"), "missing"),
        ("a\0b", "missing"),
    ):
        with pytest.raises(InputError, match=f" {code} "):
            find_captures([path])


def test_size_of_what_has_none(tmp_path: Path) -> None:
    """Pipes, standard input and missing files have no size."""
    assert [size_of(path) for path in ("-", str(tmp_path / "none"), str(tmp_path), "a\0b")] == [0, 0, 0, 0]
