"""What is in a bundle: an exhibit as files that people and programs read.

In: an Exhibit, the text of its rules, the state of the sensor.  Out: the bytes of each file; and from ``verdict.json`` a record.
Never: I/O, a secret, a string of the wire that is not escaped and cut.

    packets.pcapng   frames as captured, nanoseconds       rules.yaml      the rules that matched
    verdict.json     what was said, and by which rules     lists.json.gz   the lists that they refer to, if any
    timeline.jsonl   what was read, message by message     sensor.json     what the sensor was like at that time
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from sniffer.addresses import address_text
from sniffer.errors import printable
from sniffer.evidence import manifest as manifests
from sniffer.evidence import pcapng
from sniffer.evidence.rulestext import LISTS, RULES
from sniffer.sinks.event import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sniffer.evidence.exhibit import Exhibit
    from sniffer.evidence.rulestext import RulesText

PACKETS: Final = "packets.pcapng"
VERDICT: Final = "verdict.json"
TIMELINE: Final = "timeline.jsonl"
SENSOR: Final = "sensor.json"


class Said(msgspec.Struct, frozen=True):
    """What one rule said of the flow."""

    rule: str
    rev: int
    confidence: str
    host: str
    server: str
    server_port: int
    time: str
    event: msgspec.Raw  # the event line


class Beginning(msgspec.Struct, frozen=True):
    """How one side of the flow began: its SYN was seen, and is not among the packets."""

    source: str
    source_port: int
    destination: str
    destination_port: int
    first_sequence: int  # number of the first byte
    opened: bool  # this side opened the connection


class VerdictFile(msgspec.Struct, frozen=True):
    """``verdict.json``."""

    rules_version: str
    verdicts: tuple[Said, ...]  # the first is the trigger
    handshake: tuple[Beginning, ...]
    known_as: str  # name that DNS had given to the server's address, "" if none
    one_sided: bool  # answers were not waited for
    capture: str  # file that was read, "" when live
    interfaces: tuple[str, ...]
    frames: int
    frames_forgotten: int  # that came before the first one
    messages: int
    bounds_reached: bool  # there was more of the flow
    first: str  # packet time
    last: str


_decoder = msgspec.json.Decoder(VerdictFile)


def make_files(exhibit: Exhibit, rules: RulesText, sensor: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a bundle, without its manifest."""
    times = [frame.time for frame in exhibit.frames]
    told = VerdictFile(
        rules_version=exhibit.rules_version,
        verdicts=tuple(
            Said(
                one.rule, one.rev, one.confidence, one.host, one.server, one.server_port, timestamp(one.time),
                msgspec.Raw(one.line.strip()),
            )
            for one in exhibit.verdicts
        ),
        handshake=tuple(
            Beginning(
                address_text(one.source), one.source_port, address_text(one.destination), one.destination_port,
                one.start, one.opens,
            )
            for one in exhibit.handshake
        ),
        known_as=printable(exhibit.known_as, 256),
        one_sided=exhibit.one_sided,
        capture=printable(exhibit.filename),
        interfaces=tuple(printable(name, pcapng.MAX_NAME) for name in exhibit.interfaces),
        frames=len(exhibit.frames),
        frames_forgotten=exhibit.forgotten,
        messages=len(exhibit.messages),
        bounds_reached=exhibit.cut,
        first=timestamp(min(times, default=0)),
        last=timestamp(max(times, default=0)),
    )  # fmt: skip
    clock = {
        "wall": timestamp(exhibit.wall),
        "packets": timestamp(exhibit.packet_time),
        "ahead_of_packets_seconds": round((exhibit.wall - exhibit.packet_time) / 1e9, 6),
    }
    files = {
        PACKETS: pcapng.encode(exhibit.frames, exhibit.interfaces),
        VERDICT: manifests.encode(told),
        TIMELINE: b"".join(exhibit.messages),
        SENSOR: manifests.encode({**sensor, "clock": clock}),
        RULES: rules.rules,
    }
    if rules.lists:
        files[LISTS] = rules.lists
    return files


def read_verdict(data: bytes) -> VerdictFile:
    """The record in ``verdict.json``.

    Raises:
        ValueError: there is none.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ValueError(str(error)) from None
