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


class Fault(NamedTuple):
    """What is wrong, and what to do about it."""

    says: str
    remedy: str


FAULTS: Final[dict[str, Fault]] = {
    # the file itself
    "missing": Fault("no such file", "check the path"),
    "permission": Fault("the file may not be read", "change its mode or owner, or run as a user who may read it"),
    "directory": Fault("this is a directory", "name the files in it, or scan the directory"),
    "unreadable": Fault("reading failed: {detail}", "check the disk and the path"),
    "no_captures": Fault(
        "no capture files in this directory", "name the files themselves; looked for are {detail} and .gz of these"
    ),
    "empty": Fault("the file is empty", "record it again; the capturing program wrote nothing"),
    "not_a_capture": Fault(
        "the first bytes ({detail}) are neither pcap nor pcapng", "convert it with editcap -F pcapng, or check the path"
    ),
    "truncated_header": Fault("the file ends inside its header", "record or copy the file again"),
    "version": Fault("format version {detail} is not known", "convert it with editcap -F pcapng"),
    "byte_order": Fault("section header with byte-order magic {detail}", _REPAIR),
    # compression
    "compressed": Fault("the data are packed with {detail}", "unpack the file first: {tool}"),
    "gzip_ratio": Fault(
        "gzip data that unpack to more than {detail} times their size", "if you trust the file, unpack it with gunzip first"
    ),
    "gzip_cut": Fault("the gzip data end too early", _AGAIN),
    "gzip_broken": Fault("the gzip data are damaged ({detail})", _AGAIN),
    # records and blocks
    "cut_record": Fault("the file ends inside a record", "usual after a crash or while still being written; " + _AGAIN),
    "record_length": Fault("record of {detail} bytes, the most is 262144", _REPAIR),
    "captured_beyond_length": Fault("more bytes captured than the frame had on the wire", _REPAIR),
    "block_length": Fault("block length {detail} cannot be", _REPAIR),
    "block_length_mismatch": Fault("the block's two lengths differ", _REPAIR),
    "captured_beyond_block": Fault("more bytes captured than the block holds", _REPAIR),
    "option_length": Fault("an option reaches beyond its block", _REPAIR),
    # interfaces
    "no_interface": Fault("a packet before any interface was described", _REPAIR),
    "unknown_interface": Fault("a packet of interface {detail}, which was not described", _REPAIR),
    "too_many_interfaces": Fault("more than {detail} interfaces", "split the file with editcap or tcpdump"),
    "time_resolution": Fault("time stamps in units of {detail} s", "convert it with editcap -F nsecpcap"),
    "link_type": Fault(
        "link type {detail} is not read", "capture on Ethernet, Linux cooked, BSD loopback or raw IP (tcpdump -y)"
    ),
}


def fault(
    code: str, path: str, *, offset: int = 0, record: int = 1, detail: object = "", tool: str = "", packed: bool = False
) -> InputError:
    """Make the exception for ``code``.

    Args:
        code: a key of :data:`FAULTS`.
        path: the file as the operator named it.
        offset: bytes before the faulty record, of the unpacked data if ``packed``.
        record: number of the faulty packet record, counted from 1; all before it have been delivered.
        detail: number or words that the sentence asks for.
        tool: command line that the remedy asks for.
        packed: the file is read through gzip.
    """
    says, remedy = FAULTS[code]
    sentence = says.format(detail=detail)
    unpacked = " (offset in the unpacked data)" if packed else ""
    processed = f"{record - 1} record{'' if record == 2 else 's'} processed"
    return InputError(
        f"offset {offset} (record {record}): {code} {sentence}{unpacked}; {processed}",
        where=path,
        remedy=remedy.format(detail=detail, tool=tool),
    )
