"""Capture files: pcap and pcapng, plain or gzip, from a file, a pipe or standard input.

In: a path, or ``-``.  Out: batches of everything that is readable, then, for a damaged file, an InputError.
Never: the whole file in memory; silence about a fault.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sniffer.batch import FRAME, Batch
from sniffer.capture import blocks, walk
from sniffer.capture.faults import Fault, input_error
from sniffer.capture.stream import GZIP, OTHER_PACKINGS, File, Gunzip
from sniffer.capture.walk import warm_up
from sniffer.capture.window import Window
from sniffer.errors import printable
from sniffer.gate.links import LINKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

__all__ = ["MAX_INTERFACES", "Savefile", "find_captures", "warm_up"]

MAX_INTERFACES: Final = 1_024
SUFFIXES: Final = (".pcap", ".pcapng", ".cap", ".dmp", ".ntar")

PCAP_HEADER: Final = 24
PCAP_MAGICS: Final = {
    0xA1B2C3D4: (1_000, 16),
    0xA1B23C4D: (1, 16),
    0xA1B2CD34: (1_000, 24),  # "modified" pcap of old Linux kernels
}
"""Magic number to nanoseconds in a unit of the fraction, and bytes of a record header."""

STOPS: Final = {
    walk.RECORD_LENGTH: "record_length",
    walk.BEYOND_LENGTH: "captured_beyond_length",
    walk.BEYOND_BLOCK: "captured_beyond_block",
    walk.BLOCK_LENGTH: "block_length",
    walk.LENGTH_MISMATCH: "block_length_mismatch",
    walk.NO_INTERFACE: "no_interface",
    walk.UNKNOWN_INTERFACE: "unknown_interface",
}
"""Faults at which a walk stops."""


class Savefile:
    """A Source over one capture file, opened when the first batch is asked for.

    Args:
        path: the file, or ``-`` for standard input.
        batch_frames: frames in a batch at most.
        window: bytes of the file held at a time; more only while one longer record needs it.
    """

    def __init__(self, path: str, *, batch_frames: int = 8_192, window: int = 4 << 20) -> None:
        self.path = path
        self.interfaces: list[str] = []
        self.packets = 0  # delivered so far
        self.size = size_of(path)  # bytes of the file, packed or not; 0 when that cannot be known
        self._size = window
        self._file: File | None = None
        self._window: Window | None = None
        self._packed = False
        self._position = 0
        self._frames: NDArray[Any] = np.zeros(batch_frames, dtype=FRAME)
        self._lent: NDArray[Any] = np.zeros(batch_frames, dtype=FRAME)
        self._state: NDArray[np.int64] = np.zeros(walk.WORDS, dtype=np.int64)

    @property
    def position(self) -> int:
        """Bytes of the file consumed so far, of the packed file if it is packed."""
        return self._file.position if self._file else self._position

    @property
    def unreadable(self) -> int:
        """Bytes from where reading has come to, to the end; 0 where that cannot be known (a pipe, gzip)."""
        return 0 if self._packed or self._window is None else max(0, self.size - self._window.position)

    def close(self) -> None:
        """Close the file and let go of its window; harmless when repeated."""
        if self._file:
            self._position = self._file.position
            self._file.close()
            self._file = None

    def batches(self) -> Iterator[Batch]:
        """Yield everything readable, once.

        A batch stays as it is while the next one is made, and no longer (:func:`sniffer.capture.ahead.ahead`).

        Raises:
            InputError: at a fault, after everything before it was yielded.
        """
        try:
            self._file = File(self.path)
            self.size = self._file.size
            yield from self._formats(self._file)
        except Fault as fault:
            offset = self._window.position if self._window else 0
            raise input_error(
                fault, self.path, offset=offset, record=self.packets + 1, packed=self._packed
            ) from None
        finally:
            self.close()

    def _formats(self, file: File) -> Iterator[Batch]:
        self._packed = file.peek(len(GZIP)) == GZIP
        window = self._window = Window(Gunzip(file) if self._packed else file, self._size)
        if not window.need(4):
            raise Fault("truncated_header" if window.end else "empty")
        head = window.head(4)
        if int.from_bytes(head, "big") == walk.SECTION_HEADER:
            return self._pcapng(window)
        for order in ("<", ">"):
            if struct.unpack(order + "I", head)[0] in PCAP_MAGICS:
                return self._pcap(window, order)
        raise not_a_capture(head)

    def _batch(self, window: Window) -> Iterator[Batch]:
        """Yield what a walk has filled, if anything, and step over it."""
        count = int(self._state[walk.FILLED])
        window.at = int(self._state[walk.AT])
        if count:
            self.packets += count
            window.lend()
            self._frames, self._lent = self._lent, self._frames
            yield Batch(window.data, self._lent[:count])

    # ── pcap ─────────────────────────────────────────────────────────────────────────────────────────────

    def _pcap(self, window: Window, order: str) -> Iterator[Batch]:
        if not window.need(PCAP_HEADER):
            raise Fault("truncated_header")
        magic, major, minor, link = struct.unpack(order + "IHH12xI", window.head(PCAP_HEADER))
        tick, header = PCAP_MAGICS[magic]
        link &= 0xFFFF  # the upper bits tell of frame check sequences
        if (major, minor) != (2, 4):
            raise Fault("version", f"{major}.{minor}")
        if link not in LINKS:
            raise Fault("link_type", link)
        window.at += PCAP_HEADER
        self.interfaces.append(name_of(self.path))
        state, big = self._state, order == ">"
        while True:
            state[walk.AT] = window.at
            why = walk.walk_pcap(window.data, window.end, self._frames, state, big, tick, header, link)
            need, detail = int(state[walk.NEED]), int(state[walk.DETAIL])
            yield from self._batch(window)
            if why in STOPS:
                raise Fault(STOPS[why], detail)
            if why == walk.MORE and not window.need(need):
                break
        if window.at < window.end:
            raise Fault("cut_record")

    # ── pcapng ───────────────────────────────────────────────────────────────────────────────────────────

    def _pcapng(self, window: Window) -> Iterator[Batch]:
        table = np.zeros((MAX_INTERFACES, walk.COLUMNS), dtype=np.int64)
        state, order, base, known = self._state, "<", 0, 0
        links: dict[int, int] = {}  # link type to the offset of the first interface that has it
        while True:
            state[walk.AT] = window.at
            big = order == ">"
            why = walk.walk_pcapng(window.data, window.end, self._frames, state, big, table, base, known)
            need, detail = int(state[walk.NEED]), int(state[walk.DETAIL])
            yield from self._batch(window)
            if why in STOPS:
                raise Fault(STOPS[why], detail)
            if why == walk.SECTION:
                order = self._section(window)
                base, known = len(self.interfaces), 0
            elif why == walk.INTERFACE:
                offset = window.position
                interface = self._interface(window, order)
                table[base + known] = interface.row
                known += 1
                links.setdefault(interface.link, offset)
            elif why == walk.SKIP:
                skip_block(window, detail, order)
            elif why == walk.MORE and not window.need(need):
                break
        if window.at < window.end:
            raise Fault("cut_record")
        if links and LINKS.isdisjoint(links):
            raise Fault("link_type", ", ".join(map(str, sorted(links))), offset=min(links.values()))

    def _section(self, window: Window) -> str:
        if not window.need(blocks.SECTION_SIZE):
            raise Fault("cut_record" if window.position else "truncated_header")
        head = window.head(blocks.SECTION_SIZE)
        order = blocks.section_order(head)
        (total,) = struct.unpack_from(order + "I", head, 4)
        if total < blocks.SECTION_SIZE or total % 4 or total > walk.MAX_BLOCK:
            raise Fault("block_length", total)
        skip_block(window, total, order)
        return order

    def _interface(self, window: Window, order: str) -> blocks.Interface:
        (total,) = struct.unpack_from(order + "I", window.head(8), 4)
        if total < blocks.INTERFACE_SIZE or total > walk.MAX_PACKET_BLOCK:
            raise Fault("block_length", total)
        if len(self.interfaces) == MAX_INTERFACES:
            raise Fault("too_many_interfaces", MAX_INTERFACES)
        if not window.need(total):
            raise Fault("cut_record")
        block = window.head(total)
        if block[4:8] != block[-4:]:
            raise Fault("block_length_mismatch")
        interface = blocks.read_interface(block, order)
        window.at += total
        self.interfaces.append(interface.name or f"{name_of(self.path)}:{len(self.interfaces)}")
        return interface


def skip_block(window: Window, total: int, order: str) -> None:
    """Step over a block of ``total`` bytes, however large, and compare its two lengths.

    Raises:
        Fault: cut_record, block_length_mismatch.
    """
    offset = window.position
    if not window.skip(total - 4) or not window.need(4):
        raise Fault("cut_record", offset=offset)
    if struct.unpack(order + "I", window.head(4))[0] != total:
        raise Fault("block_length_mismatch", offset=offset)
    window.at += 4


def not_a_capture(head: bytes) -> Fault:
    """Say what a file is that begins with ``head`` and is no capture."""
    for magic, (name, tool) in OTHER_PACKINGS.items():
        if head.startswith(magic):
            return Fault("compressed", name, remedy=f"unpack it first: {tool} FILE | sniffer scan -")
    if head.startswith(GZIP):
        return Fault("compressed", "gzip twice", remedy="unpack it first: gzip -dc FILE | sniffer scan -")
    return Fault("not_a_capture", f"0x{head.hex()}")


def size_of(path: str) -> int:
    """Bytes of a regular file, else 0."""
    try:
        return Path(path).stat().st_size if path != "-" and Path(path).is_file() else 0
    except (OSError, ValueError):
        return 0


def name_of(path: str) -> str:
    """Interface name of a file that does not tell one."""
    return printable(Path(path).name, blocks.MAX_NAME) if path != "-" else "stdin"


def find_captures(paths: Iterable[str]) -> list[str]:
    """Capture files named by paths: files as they are, directories by the suffixes of captures, ``-`` as it is.

    Directories are searched to any depth, in sorted order; :data:`SUFFIXES` and ``.gz`` of these count, in any case.

    Raises:
        InputError: a path does not exist, or a directory may not be read or holds no capture.
    """
    out: list[str] = []
    for path in paths:
        if path == "-":
            out.append(path)
            continue
        try:
            found = [str(file) for file in walk_directory(Path(path))] if Path(path).is_dir() else [path]
            Path(found[0] if found else path).stat()
        except (FileNotFoundError, NotADirectoryError, ValueError):
            raise input_error(Fault("missing"), path) from None
        except PermissionError:
            raise input_error(Fault("permission"), path) from None
        except OSError as error:
            raise input_error(Fault("unreadable", error.strerror), path) from None
        if not found:
            raise input_error(Fault("no_captures", ", ".join(SUFFIXES) + " and .gz of these"), path)
        out += found
    return out


def walk_directory(directory: Path) -> Iterator[Path]:
    """Captures below a directory; links to directories are not followed, so that there is an end."""
    for entry in sorted(directory.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            yield from walk_directory(entry)
        elif entry.name.lower().removesuffix(".gz").endswith(SUFFIXES) and entry.is_file():
            yield entry
