"""What can be wrong with a capture file: one closed list of codes, sentences and remedies.

In: a code and the place.  Out: an :class:`~sniffer.errors.InputError` that reads
``FILE: offset N (record M): CODE sentence; M-1 records processed; remedy``.
Never: a fault without a remedy.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sniffer.errors import InputError

_AGAIN: Final = "copy or record the file again; what lies before the fault has been read"
_REPAIR: Final = "what lies before the fault has been read; editcap or pcapfix may save some of the rest"
_CONVERT: Final = "convert it with editcap -F pcapng"


class Entry(NamedTuple):
    """What is wrong, and what to do about it; ``{}`` stands for a detail."""

    says: str
    remedy: str


FAULTS: Final[dict[str, Entry]] = {
    # the file itself
    "missing": Entry("no such file", "check the path"),
    "permission": Entry(
        "the file may not be read", "change its mode or owner, or run as a user who may read it"
    ),
    "directory": Entry("this is a directory", "name the files in it"),
    "unreadable": Entry("reading failed ({})", "check the path and the disk"),
    "no_captures": Entry(
        "no capture file in this directory", "name the files themselves; looked for were {}"
    ),
    "empty": Entry("the file is empty", "record it again; the capturing program wrote nothing"),
    "not_a_capture": Entry(
        "the first bytes ({}) are neither pcap nor pcapng", _CONVERT + ", or check the path"
    ),
    "truncated_header": Entry("the file ends inside its header", _AGAIN),
    "version": Entry("format version {} is not known", _CONVERT),
    "byte_order": Entry("section header with the byte-order magic {}", _REPAIR),
    # packed
    "compressed": Entry("the data are packed with {}", "unpack them first"),
    "gzip_ratio": Entry(
        "the gzip data unpack to more than {} times their size", "if you trust the file, gunzip it first"
    ),
    "gzip_cut": Entry("the gzip data end too early", _AGAIN),
    "gzip_broken": Entry("the gzip data are damaged ({})", _AGAIN),
    # records and blocks
    "cut_record": Entry("the file ends inside a record", "usual after a crash or a full disk; " + _AGAIN),
    "record_length": Entry("a packet of {} bytes, 262144 is the most", _REPAIR),
    "captured_beyond_length": Entry("more bytes captured than the packet had on the wire", _REPAIR),
    "captured_beyond_block": Entry("more bytes captured than the block holds", _REPAIR),
    "block_length": Entry("a block of {} bytes cannot be", _REPAIR),
    "block_length_mismatch": Entry("the lengths at the block's start and end differ", _REPAIR),
    "option_length": Entry("an option reaches beyond its block", _REPAIR),
    # interfaces
    "no_interface": Entry("a packet before any interface was described", _REPAIR),
    "unknown_interface": Entry("a packet of interface {}, which was not described", _REPAIR),
    "too_many_interfaces": Entry("more than {} interfaces", "write fewer capture files into one"),
    "time_resolution": Entry("time stamps in units of {} seconds", "convert it with editcap -F nsecpcap"),
    "link_type": Entry(
        "link type {} is not read",
        "capture Ethernet, Linux cooked, raw IP, PPP, 802.11 or loopback (tcpdump -y)",
    ),
}


class Fault(Exception):  # noqa: N818 - becomes an InputError where file and record are known
    """A fault of a capture file, on its way to where the place is known.

    Args:
        code: a key of :data:`FAULTS`.
        detail: what the sentence, or else the remedy, asks for.
        remedy: one that fits better than the usual.
        offset: where it is, if not at the next unread byte.
    """

    def __init__(
        self, code: str, detail: object = "", *, remedy: str = "", offset: int | None = None
    ) -> None:
        super().__init__(code)
        self.code, self.detail, self.remedy, self.offset = code, detail, remedy, offset


def input_error(
    fault: Fault, path: str, *, offset: int = 0, record: int = 1, packed: bool = False
) -> InputError:
    """Tell an operator of a fault.

    Args:
        fault: what is wrong.
        path: the file as the operator named it.
        offset: bytes before the faulty record, in the unpacked data if ``packed``.
        record: number of the faulty packet record, from 1; all before it have been delivered.
        packed: the file is read through gzip.
    """
    entry = FAULTS[fault.code]
    where = f"offset {offset if fault.offset is None else fault.offset}{' unpacked' if packed else ''}"
    processed = f"{record - 1} record{'' if record == 2 else 's'} processed"
    return InputError(
        f"{where} (record {record}): {fault.code} {entry.says.format(fault.detail)}; {processed}",
        where=path,
        remedy=fault.remedy or entry.remedy.format(fault.detail),
    )
