"""A bundle judged again: its packets through the real pipeline, with the rules that it carries.

In: a bundle, wherever it lies.  Out: whether each verdict comes out again, and what came out.
Never: a rule, a list or a packet from anywhere else; a change of the bundle.

A SYN does not pass the gate, so it is not among the packets.  Where the sensor saw it, the bundle has its numbers, and a SYN with
these is put in front; that and the name by which a server was known are all that the pipeline gets besides the packets.
"""

from __future__ import annotations

import contextlib
import ipaddress
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from sniffer.addresses import address_text
from sniffer.batch import FRAME, Batch
from sniffer.capture.savefile import Savefile
from sniffer.engine import Engine, EngineSettings
from sniffer.errors import InputError, printable
from sniffer.evidence import bundle as bundles
from sniffer.evidence.rulestext import LISTS, RULES, RulesText, restored
from sniffer.evidence.verify import verify_bundle
from sniffer.learned import LONGEST, Lesson
from sniffer.model import TcpFlag

if TYPE_CHECKING:
    from pathlib import Path

    from sniffer.evidence.bundle import Beginning, Said, VerdictFile
    from sniffer.model import Detection

MAX_FILE: Final = 64 << 20
SECOND: Final = 1_000_000_000


class Outcome(NamedTuple):
    """One verdict, and what came of it."""

    said: Said
    found: tuple[str, ...]  # confidences at which the same rule accused the same host of the same server

    @property
    def is_reproduced(self) -> bool:
        """Whether it came out again, as sure as it was."""
        return self.said.confidence in self.found


class Replayed(NamedTuple):
    """What became of a bundle."""

    outcomes: tuple[Outcome, ...]
    packets: int
    others: int  # hits of these rules that no verdict of the bundle is about

    @property
    def is_reproduced(self) -> bool:
        """Whether every verdict came out again."""
        return all(outcome.is_reproduced for outcome in self.outcomes)


def replay(bundle: Path) -> Replayed:
    """Judge a bundle again.

    Raises:
        InputError: it is damaged, or is none.
        ConfigError: its rules cannot be read.
    """
    try:
        checked = verify_bundle(bundle)
        if checked.findings:
            raise InputError(
                f"the bundle is damaged: {checked.findings[0]}",
                where=str(bundle),
                remedy="sniffer evidence verify names everything that was changed",
            )
        told = bundles.read_verdict(_read(bundle / bundles.VERDICT))
        text = RulesText(_read(bundle / RULES), _read(bundle / LISTS) if (bundle / LISTS).exists() else b"")
        return _run(bundle, told, text)
    except (OSError, ValueError, struct.error) as error:
        what = f"the bundle cannot be read: {getattr(error, 'strerror', None) or error}"
        raise InputError(printable(what), where=str(bundle), remedy="name the folder of one") from None


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise ValueError(f"{path.name} is too large")
    return data


def _run(bundle: Path, told: VerdictFile, text: RulesText) -> Replayed:
    found: dict[tuple[str, str, str, int], dict[str, None]] = {}

    def hit(detection: Detection) -> None:
        server = address_text(detection.server) if detection.server is not None else ""
        key = (detection.rule.id, address_text(detection.host), server, detection.server_port)
        found.setdefault(key, {})[detection.confidence.label] = None

    interfaces: list[str] = []
    engine = Engine(
        restored(text, told.rules_version),
        interfaces=interfaces,
        settings=EngineSettings(gate_flows=1 << 10, one_sided=told.one_sided),
        hit=hit,
        event=lambda _line: None,
    )
    source = Savefile(str(bundle / bundles.PACKETS))
    packets = 0
    with contextlib.closing(source):
        for batch in source.batches():
            interfaces[:] = source.interfaces
            if not packets and len(batch.frames):
                _prime(engine, told, int(batch.frames["time"][0]))
            packets += len(batch.frames)
            engine.process(batch)
    engine.finish()
    keys = [(one.rule, one.host, one.server, one.server_port) for one in told.verdicts]
    outcomes = tuple(
        Outcome(one, tuple(found.get(key, ()))) for one, key in zip(told.verdicts, keys, strict=True)
    )
    return Replayed(outcomes, packets, len(set(found) - set(keys)))


def _prime(engine: Engine, told: VerdictFile, time: int) -> None:
    """Tell the pipeline what the sensor knew of the flow before its first packet."""
    beginnings = sorted(told.handshake, key=lambda one: not one.opened)
    if beginnings:
        engine.process(_handshake(beginnings, time))
    if told.known_as and told.verdicts and told.verdicts[0].server:
        address = ipaddress.ip_address(told.verdicts[0].server).packed
        engine.learn(Lesson(address, told.known_as, engine.now + LONGEST * SECOND))


def _handshake(beginnings: list[Beginning], time: int) -> Batch:
    """SYNs with the numbers that the sensor saw."""
    frames = [_syn(one) for one in beginnings]
    rows = np.zeros(len(frames), dtype=FRAME)
    sizes = [len(frame) for frame in frames]
    rows["offset"] = [sum(sizes[:number]) for number in range(len(sizes))]
    rows["captured"] = rows["length"] = sizes
    rows["link"], rows["time"] = 1, time
    return Batch(np.frombuffer(bytearray(b"".join(frames)), dtype=np.uint8), rows)


def _syn(one: Beginning) -> bytes:
    source, destination = (ipaddress.ip_address(text).packed for text in (one.source, one.destination))
    flags = TcpFlag.SYN if one.opened else TcpFlag.SYN | TcpFlag.ACK
    sequence = (one.first_sequence - 1) & 0xFFFFFFFF
    tcp = struct.pack(
        ">HHIIBBHHH", one.source_port, one.destination_port, sequence, 0, 0x50, flags, 65_535, 0, 0
    )
    if len(source) == 4:
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0)
        return bytes(12) + b"\x08\x00" + head + source + destination + tcp
    return (
        bytes(12) + b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + source + destination + tcp
    )
