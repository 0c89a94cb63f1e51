"""Capture files: pcap and pcapng, plain or gzip, from a file or a pipe.

In: a path, or ``-``.  Out: batches of everything that is readable, then, for a damaged file, an InputError.
Never: the whole file in memory; silence about a fault.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from sniffer.capture import walk
from sniffer.capture.window import OTHER_COMPRESSIONS, Fault, Window
from sniffer.errors import InputError
from sniffer.model import FRAME, Batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

SUPPORTED_LINKS: Final = frozenset({0, 1, 12, 14, 101, 108, 113, 228, 229, 276})
"""Link types that the gate reads: loopback, Ethernet, raw IP, Linux cooked 1 and 2 (tcpdump.org/linktypes.html)."""

MAX_INTERFACES: Final = 1_024
SUFFIXES: Final = (".pcap", ".pcapng", ".cap", ".dmp", ".ntar")
SECTION, INTERFACE = 0x0A0D0D0A, 1

PCAP_MAGICS: Final = {
    0xA1B2C3D4: (1_000, 16),
    0xA1B23C4D: (1, 16),
    0xA1B2CD34: (1_000, 24),  # "modified" pcap of old Linux kernels
}
"""Magic number to nanoseconds in a unit of the fraction, and bytes of a record header."""

STOPS: Final = {
    walk.RECORD_LENGTH: ("record_length", "a packet of {} bytes; no capture tool writes more than 262144"),
    walk.BLOCK_LENGTH: ("block_length", "a block of {} bytes, which cannot be"),
    walk.LENGTH_MISMATCH: ("block_length_mismatch", "a block whose two lengths differ ({} at its start)"),
    walk.NO_INTERFACE: ("unknown_interface", "a packet of interface {}, which the file does not describe"),
    walk.BEYOND_BLOCK: ("captured_beyond_block", "a packet of {} bytes, longer than its block"),
}
RETAKE: Final = "capture it again, or repair it with a pcap tool; what comes before was read"


class Savefile:
    """A Source over one capture file."""

    def __init__(self, path: str, *, batch_frames: int = 8_192, window: int = 4 << 20) -> None:
        """Open the file.

        Raises:
            InputError: it is missing, a directory, or may not be read.
        """
        self.path = path
        self.interfaces: list[str] = []
        self.packets = 0
        self._window = Window(path, max(window, 2 * walk.MAX_BLOCK))
        self._frames: NDArray[np.void] = np.zeros(batch_frames, dtype=FRAME)
        self._state = np.zeros(4, dtype=np.int64)
        self._table = np.zeros((0, walk.COLUMNS), dtype=np.int64)

    @property
    def size(self) -> int:
        """Bytes of the file; 0 when that cannot be known."""
        return self._window.size

    @property
    def position(self) -> int:
        """Bytes of the file read so far."""
        return self._window.consumed

    @property
    def unreadable(self) -> int:
        """Bytes from where reading had to stop to the end; 0 where that cannot be known (a pipe, gzip)."""
        window = self._window
        return 0 if window.packed else max(0, window.size - window.position)

    def close(self) -> None:
        """Close the file."""
        self._window.close()

    def batches(self) -> Iterator[Batch]:
        """Yield everything readable.

        Raises:
            InputError: at the fault, after everything before it was yielded.
        """
        window = self._window
        try:
            if not window.need(4):
                raise Fault("empty", "the file is empty") if window.end == 0 else Fault(
                    "not_a_capture", "shorter than any capture header", "name a pcap or pcapng file"
                )
            head = window.data[:4].tobytes()
            number = int.from_bytes(head, "little")
            if number == SECTION:
                yield from self._pcapng()
            elif number in PCAP_MAGICS:
                yield from self._pcap(big=False)
            elif int.from_bytes(head, "big") in PCAP_MAGICS:
                yield from self._pcap(big=True)
            else:
                raise not_a_capture(head)
        except Fault as fault:
            raise self._error(fault) from None

    def _error(self, fault: Fault) -> InputError:
        what = (
            f"offset {self._window.position} (record {self.packets + 1}): {fault.code} {fault.sentence}; "
            f"{self.packets} records processed"
        )
        return InputError(what, where=self.path, remedy=fault.remedy or RETAKE)

    def _batch(self) -> Batch:
        count = int(self._state[walk.FILLED])
        self.packets += count
        self._window.at = int(self._state[walk.AT])
        self._state[walk.FILLED] = 0
        return Batch(self._window.data, self._frames[:count])

    # ── pcap ─────────────────────────────────────────────────────────────────────────────────────────────

    def _pcap(self, *, big: bool) -> Iterator[Batch]:
        window = self._window
        if not window.need(24):
            raise Fault("truncated_header", "the file ends inside its header")
        magic, _, _, _, _, _, link = struct.unpack((">" if big else "<") + "IHHiIII", window.take(24))
        tick, header = PCAP_MAGICS[magic]
        link &= 0x03FF_FFFF  # the upper bits tell of frame check sequences
        if link not in SUPPORTED_LINKS:
            raise unsupported([link])
        self.interfaces.append(name_of(self.path))
        state = self._state
        while True:
            state[walk.AT] = window.at
            walk.walk_pcap(window.data, window.end, self._frames, state, big, tick, header, link)
            if state[walk.FILLED]:
                stop, detail = int(state[walk.STOP]), int(state[walk.DETAIL])
                yield self._batch()
            else:
                stop, detail = int(state[walk.STOP]), int(state[walk.DETAIL])
            if stop in STOPS:
                raise stopped(stop, detail)
            if stop == walk.MORE:
                if window.ended:
                    break
                window.refill()
        if window.at < window.end:
            raise Fault("cut_record", "the file ends inside a record")

    # ── pcapng ───────────────────────────────────────────────────────────────────────────────────────────

    def _pcapng(self) -> Iterator[Batch]:
        window, state = self._window, self._state
        big = False
        known = 0
        links: list[int] = []
        while True:
            state[walk.AT] = window.at
            walk.walk_pcapng(window.data, window.end, self._frames, state, big, self._table, known)
            stop, detail = int(state[walk.STOP]), int(state[walk.DETAIL])
            if state[walk.FILLED]:
                if not SUPPORTED_LINKS.intersection(links):
                    raise unsupported(links)
                yield self._batch()
            if stop in STOPS:
                if stop == walk.NO_INTERFACE and not known:
                    raise Fault("no_interface", "a packet before any interface was described")
                raise stopped(stop, detail)
            if stop == walk.MORE:
                if window.ended:
                    break
                window.refill()
            elif stop == walk.BLOCK:
                kind = int.from_bytes(window.data[window.at : window.at + 4].tobytes(), "big" if big else "little")
                if kind == SECTION:
                    big = self._section()
                    known = 0
                    self._table = np.zeros((0, walk.COLUMNS), dtype=np.int64)
                elif kind == INTERFACE:
                    links.append(self._interface(big, known))
                    known += 1
                else:
                    self._other_block(big)
        if window.at < window.end:
            raise Fault("cut_record", "the file ends inside a block")
        if links and not SUPPORTED_LINKS.intersection(links):
            raise unsupported(links)

    def _section(self) -> bool:
        """Read a section header; return whether its numbers are big-endian."""
        window = self._window
        if not window.need(28):
            raise Fault("truncated_header", "the file ends inside a section header")
        magic = window.data[window.at + 8 : window.at + 12].tobytes()
        if magic not in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a"):
            raise Fault("not_a_capture", "a section header without a byte-order mark", "name a pcap or pcapng file")
        big = magic[0] == 0x1A
        major, minor = struct.unpack_from(">HH" if big else "<HH", window.data, window.at + 12)
        if major != 1 or minor not in (0, 2):
            raise Fault("version", f"pcapng version {major}.{minor}; 1.0 and 1.2 are known", "convert it with a pcap tool")
        self._take_block(big)
        return big

    def _take_block(self, big: bool) -> bytes:  # noqa: FBT001
        """Read a small block whole and return its body."""
        window = self._window
        total = struct.unpack_from(">I" if big else "<I", window.data, window.at + 4)[0]
        if total < 12 or total & 3 or total > walk.MAX_BLOCK:
            raise Fault("block_length", f"a block of {total} bytes, which cannot be")
        if not window.need(total):
            raise Fault("cut_record", "the file ends inside a block")
        if struct.unpack_from(">I" if big else "<I", window.data, window.at + total - 4)[0] != total:
            raise Fault("block_length_mismatch", f"a block whose two lengths differ ({total} at its start)")
        return window.take(total)[8:-4]

    def _other_block(self, big: bool) -> None:  # noqa: FBT001
        """Step over a block of no interest, however large."""
        window = self._window
        total = struct.unpack_from(">I" if big else "<I", window.data, window.at + 4)[0]
        if total < 12 or total & 3:
            raise Fault("block_length", f"a block of {total} bytes, which cannot be")
        if not window.skip(total):
            raise Fault("cut_record", "the file ends inside a block")

    def _interface(self, big: bool, known: int) -> int:  # noqa: FBT001
        """Read an interface description into the table; return its link type."""
        body = self._take_block(big)
        if len(body) < 8:
            raise Fault("block_length", "an interface description of less than 20 bytes")
        if len(self.interfaces) >= MAX_INTERFACES:
            raise Fault("too_many_interfaces", f"more than {MAX_INTERFACES} interfaces", "split the file")
        order = ">" if big else "<"
        link, _, snaplen = struct.unpack_from(order + "HHI", body)
        options = read_options(body[8:], order)
        multiply, divide, shift = 1_000, 1, 0
        resolution = options.get(9, b"\x06")[:1] or b"\x06"
        power = resolution[0] & 0x7F
        if resolution[0] & 0x80:
            shift = power
            multiply = 1 if power else 1_000_000_000
        elif power <= 9:
            multiply = 10 ** (9 - power)
        else:
            multiply, divide = 1, 10 ** min(power - 9, 18)
        offset = struct.unpack(order + "q", options[14])[0] if len(options.get(14, b"")) == 8 else 0
        offset = max(-walk.LATEST // 10**9, min(offset, walk.LATEST // 10**9)) * 10**9
        name = options.get(2, b"").split(b"\0")[0].decode("utf-8", "replace")
        if known >= len(self._table):
            table = np.zeros((max(8, 2 * known), walk.COLUMNS), dtype=np.int64)
            table[:known] = self._table[:known]
            self._table = table
        self._table[known] = (link, snaplen, len(self.interfaces), multiply, divide, shift, offset)
        self.interfaces.append(name or f"{name_of(self.path)}:{known}")
        return int(link)


def name_of(path: str) -> str:
    """Interface name of a file that does not tell one."""
    return Path(path).name if path != "-" else "stdin"


def read_options(data: bytes, order: str) -> dict[int, bytes]:
    """Options of a block by code, the first of each (pcapng, section 3.5)."""
    out: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        code, size = struct.unpack_from(order + "HH", data, at)
        if code == 0:
            break
        out.setdefault(code, data[at + 4 : at + 4 + size])
        at += 4 + (size + 3 & ~3)
    return out


def not_a_capture(head: bytes) -> Fault:
    """Say what a file is that is no capture."""
    for magic, (name, tool) in OTHER_COMPRESSIONS.items():
        if head.startswith(magic[:4]):
            return Fault("compressed", f"the file is packed with {name}", f"unpack it: {tool} FILE | sniffer scan -")
    if head.startswith(b"\x1f\x8b"):
        return Fault("compressed", "the file is packed with gzip twice", "unpack it once")
    return Fault("not_a_capture", f"does not begin like a capture (0x{head.hex()})", "name a pcap or pcapng file")


def unsupported(links: list[int]) -> Fault:
    """Say which link type is not read."""
    names = ", ".join(str(link) for link in sorted(set(links)))
    return Fault("link_type", f"link type {names} is not supported", "capture on an Ethernet, cooked, raw IP or loopback interface")


def stopped(stop: int, detail: int) -> Fault:
    """The fault at which a walk stopped."""
    code, sentence = STOPS[stop]
    return Fault(code, sentence.format(detail))


def find_captures(paths: Iterable[str]) -> list[str]:
    """Capture files named by paths: files as they are, folders by the suffixes of captures, ``-`` for a pipe.

    Raises:
        InputError: a path does not exist, or a folder holds no capture.
    """
    out: list[str] = []
    for path in paths:
        place = Path(path)
        if path == "-" or not place.is_dir():
            out.append(path)
            continue
        found = sorted(
            str(file)
            for file in place.rglob("*")
            if file.is_file() and file.name.lower().removesuffix(".gz").endswith(SUFFIXES)
        )
        if not found:
            raise InputError("empty: no capture file in this folder", where=path, remedy=f"looked for {', '.join(SUFFIXES)}")
        out += found
    return out


def warm_up() -> None:
    """Compile (or load from disk) the walks."""
    data = np.zeros(64, dtype=np.uint8)
    frames = np.zeros(1, dtype=FRAME)
    state = np.zeros(4, dtype=np.int64)
    walk.walk_pcap(data, 0, frames, state, False, 1, 16, 1)
    walk.walk_pcapng(data, 0, frames, state, False, np.zeros((0, walk.COLUMNS), dtype=np.int64), 0)
