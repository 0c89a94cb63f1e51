"""Management of miners that is not JSON: cgminer's API in text, and datagrams of machines (protocols.md, section 10).

In: the first bytes of a direction, or one datagram.  Out: hints.
Never: a claim that a machine mines now; a command whose name is everybody's, away from the ports of miners.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Data
from sniffer.protocols.dialects.miner_api import (
    ASKER,
    COMMANDS,
    MACHINE,
    PORTS,
    MinerApi,
    hint,
    section_values,
)
from sniffer.protocols.hardware import agent_values
from sniffer.protocols.json_text import parse
from sniffer.protocols.reader import Fit, Reader
from sniffer.protocols.session import Session

if TYPE_CHECKING:
    from sniffer.model import Facts, Value
    from sniffer.oddities import Oddities
    from sniffer.protocols.messages import Origin, Reading
    from sniffer.protocols.reader import Start

MAX_COMMAND: Final = 64
MAX_ANSWER: Final = 16_384
COMMAND: Final = re.compile(rb"([a-z_+]{3,20})(?:\|[^\r\n\0]{0,40})?[\r\n\0 ]*")
STATUS: Final = b"STATUS="
MACHINE_PORTS: Final = {14235: "Antminer", 14236: "Antminer", 8888: "Whatsminer"}
REPORT: Final = re.compile(r"(?:IP:)?\d{1,3}(?:\.\d{1,3}){3},?(?:MAC:)?[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}")
DISCOVERY: Final = re.compile(r"(?:cg|bfg|sg)miner-\w+-\d")
DISCOVERED: Final = re.compile(r"(?:cgm|bfg|sgm)-\w+-\d+-")
DIALECT: Final = MinerApi()


class ManagementText(Reader):
    """Reads a command, or an answer, of cgminer's API in text: no line end closes either, a zero byte the answer."""

    __slots__ = ("_text",)

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._text = b""

    @classmethod
    def probe(cls, head: bytes, start: Start) -> Fit:
        """A command on a port of miners, or the word that every answer begins with."""
        if STATUS.startswith(head[: len(STATUS)]):
            return Fit.YES if len(head) > len(STATUS) else Fit.MORE
        if not PORTS.intersection(start.channel.ports) or not head.isascii() or len(head) > MAX_COMMAND:
            return Fit.NO
        return Fit.YES if command(head) else Fit.MORE if COMMAND.fullmatch(head) else Fit.NO

    def feed(self, chunk: Data) -> list[Facts]:
        """Read what came."""
        self._text += chunk.data
        if not self._text.startswith(STATUS):
            name = command(self._text)
            self.finish()
            return self.channel.session.take(hint(name, ASKER), self.origin(chunk)) if name else []
        if not self._text.rstrip(b"\n").endswith(b"\0") and len(self._text) <= MAX_ANSWER:
            return []
        return self._answer(chunk)

    def _answer(self, chunk: Data) -> list[Facts]:
        values = text_values(self._text)
        self.finish()
        if not values:
            return []
        return self.channel.session.take(hint("status.reply", MACHINE, values), self.origin(chunk))

    def end(self, time: int) -> list[Facts]:
        """Read an answer that only the end of the connection closes."""
        return self._answer(Data(self.side, b"", time, -1))

    @property
    def held(self) -> int:
        """Bytes of an unfinished answer."""
        return len(self._text)


def command(head: bytes) -> str:
    """The command that a text is, or ""."""
    found = COMMAND.fullmatch(head)
    name = found.group(1).decode("ascii").partition("+")[0] if found else ""
    return name if name in COMMANDS else ""


def text_values(text: bytes) -> dict[str, Value]:
    """Facts of an answer in text: ``STATUS=S,When=…,Msg=…|SUMMARY,GHS av=…|``; empty when it is none."""
    sections = text.decode("utf-8", "replace").rstrip("\0\n").split("|")
    parts = [dict(pair.partition("=")[::2] for pair in section.split(",")[:64]) for section in sections[:8]]
    if not {"STATUS", "When", "Msg"} <= parts[0].keys():
        return {}
    values: dict[str, Value] = {"mining.agent": "cgminer", **agent_values(parts[0].get("Description"))}
    for part in parts[1:]:
        values.update(section_values(part))
    return values


def read_datagram(payload: bytes, ports: tuple[int, int], origin: Origin, oddities: Oddities) -> list[Facts]:
    """Read one datagram to or from a port of :data:`MACHINE_PORTS`, or of another tool that sends JSON."""
    session = Session(oddities, ports)
    text = payload[:MAX_ANSWER].decode("utf-8", "replace").strip("\0\r\n ")
    kind = next((MACHINE_PORTS[port] for port in ports if port in MACHINE_PORTS), "")
    if kind and REPORT.match(text):
        return session.take(hint("ip-report", MACHINE, {"mining.hardware": kind}), origin)
    if DISCOVERY.match(text):
        return session.take(hint("discovery", ASKER), origin)
    if DISCOVERED.match(text):
        return session.take(hint("discovery.reply", MACHINE), origin)
    document: Any = parse(payload[:MAX_ANSWER], oddities) if payload[:1] == b"{" else None
    if not isinstance(document, dict):
        return []
    reading = DIALECT.other(document, session) or nmminer(document)
    return session.take(reading, origin) if reading else []


def nmminer(message: dict[str, Any]) -> Reading | None:
    """Read what NMMiner tells of itself."""
    keys = {key.lower() for key in message}
    if not {"hashrate", "share"} <= keys and not {"hashrate", "pooldiff"} <= keys:
        return None
    return hint("status", MACHINE, {"mining.agent": "NMMiner"})
