"""What is compared: for each sensor the command that reads a capture, and how to read what it found.

In: folders.  Out: a :class:`Tool` each, or the reason why it cannot be had here.
Never: a sensor with more switched on than it needs to find mining.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trixie

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
SNIFFER = (sys.executable, "-c", "from sniffer.cli import main; main()")
SLOW_PACKETS = 100_000
"""Of tools that keep everything about each packet, and take minutes and gigabytes for millions."""


@dataclass(frozen=True)
class Finding:
    """What a sensor found."""

    text: str  # for the table
    faults: tuple[str, ...] = ()  # how it differs from what is there; ours must have none


@dataclass(frozen=True)
class Tool:
    """A sensor.

    Args:
        name: for the table.
        command: the words that read a capture.
        found: reads what was found, from the output and the expectation.
        memory: address space it may take, bytes; 0: no limit.
        most: packets it is given at most; 0: all.
        before: is called ahead of each run.
    """

    name: str
    command: Callable[[Path], list[str]]
    found: Callable[[bytes, dict[str, Any]], Finding]
    memory: int = 0
    most: int = 0
    before: Callable[[], None] = field(default=lambda: None)


def of(hosts: set[str], expected: dict[str, Any], rest: str = "") -> str:
    """How many of the addresses there are were found."""
    return f"{len(hosts & set(expected['hosts']))} of {len(expected['hosts'])} addresses{rest}"


# ── ours ─────────────────────────────────────────────────────────────────────────────────────────────────


def differences(found: list[dict[str, Any]], expected: dict[str, Any]) -> list[str]:
    """How the output of a scan differs from what is there."""
    wanted: dict[str, int] = {}
    for counts in expected["hosts"].values():
        for rule, count in counts.items():
            wanted[rule] = wanted.get(rule, 0) + count
    hits = found[-1]["stats"]["hits_by_rule"]
    out = [
        f"{rule}: {hits.get(rule, 0)} hits, {wanted.get(rule, 0)} messages"
        for rule in sorted({*wanted, *hits})
        if hits.get(rule, 0) != wanted.get(rule, 0)
    ]
    hosts = {line["mining"]["host_ip"] for line in found[:-1]}
    if hosts != set(expected["hosts"]):
        missing, more = set(expected["hosts"]) - hosts, hosts - set(expected["hosts"])
        out.append(f"addresses: {len(missing)} not found, {len(more)} not there")
    return out


def found_by_sniffer(output: bytes, expected: dict[str, Any]) -> Finding:
    """Event lines, then the stats."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith(b"{")]
    faults = tuple(differences(lines, expected))
    hosts = {line["mining"]["host_ip"] for line in lines[:-1]}
    stats = lines[-1]["stats"]
    text = of(hosts, expected, f", {stats['hits']} messages" + (" - DIFFERS" if faults else ", every one"))
    return Finding(text, faults)


def sniffer() -> Tool:
    """This project."""
    return Tool("sniffer", lambda path: [*SNIFFER, "scan", "--json", str(path)], found_by_sniffer)


def header_walk() -> Tool:
    """The limit that compiled Python comes to when it does nothing."""
    return Tool(
        "header walk",
        lambda path: [sys.executable, str(HERE / "limit.py"), str(path)],
        lambda _output, _expected: Finding("nothing, it does not look"),
    )


# ── Suricata ─────────────────────────────────────────────────────────────────────────────────────────────


class Suricata:
    """Suricata with the rules and settings of ``bench/suricata``; its alerts go to a folder of ours."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._words = trixie.command(programs, "suricata")
        self._etc = programs / "root/etc/suricata"
        self.log = folder / "suricata"
        self.log.mkdir(parents=True, exist_ok=True)
        self._names = self.log / "pools.lst"
        subprocess.run([sys.executable, str(HERE / "pools.py"), str(self._names)], check=True)

    @property
    def alerts(self) -> Path:
        """Where alerts go."""
        return self.log / "eve.json"

    def command(self, *source: str) -> list[str]:
        """The words that run it on a source of packets."""
        settings = {
            "classification-file": self._etc / "classification.config",
            "reference-config-file": self._etc / "reference.config",
            "threshold-file": self._etc / "threshold.config",
            "datasets.pools.type": "string",
            "datasets.pools.load": self._names,
        }
        return [
            *self._words,
            *("-c", str(HERE / "suricata/suricata.yaml"), "-S", str(HERE / "suricata/mining.rules")),
            *("-l", str(self.log), "-k", "none"),
            *(word for name, value in settings.items() for word in ("--set", f"{name}={value}")),
            *source,
        ]

    def forget(self) -> None:
        """Drop the alerts of an earlier run."""
        self.alerts.unlink(missing_ok=True)

    def told(self) -> tuple[set[str], int]:
        """Addresses of the alerts, and how many there are: a line for each pair of addresses and rule."""
        hosts: set[str] = set()
        count = 0
        with self.alerts.open(encoding="utf-8") as lines:
            for line in lines:
                alert = json.loads(line)
                hosts |= {short(alert["src_ip"]), short(alert["dest_ip"])}
                count += 1
        return hosts, count

    def found(self, _output: bytes, expected: dict[str, Any]) -> Finding:
        """Addresses among those there are, and how many alerts."""
        hosts, count = self.told()
        return Finding(of(hosts, expected, f", {count} alerts"))


def short(address: str) -> str:
    """An address as we spell it; Suricata writes IPv6 in full."""
    if ":" not in address:
        return address
    import ipaddress  # noqa: PLC0415  # few alerts are about IPv6

    return str(ipaddress.ip_address(address))


AS_SHIPPED = (
    *("--set", "app-layer.protocols.tls.encryption-handling=default"),
    *("--set", "stream.bypass=no", "--set", "stream.midstream=no"),
)


def suricata(programs: Path, folder: Path, name: str = "Suricata 7", *settings: str) -> Tool:
    """The field's yardstick."""
    made = Suricata(programs, folder)
    return Tool(
        name,
        lambda path: made.command("--runmode", "single", "-r", str(path), *settings),
        made.found,
        memory=12 << 30,
        before=made.forget,
    )


# ── others ───────────────────────────────────────────────────────────────────────────────────────────────

MINING_FLOWS = re.compile(rb"^\s*Mining\s+packets:\s*\d+\s+bytes:\s*\d+\s+flows:\s*(\d+)", re.MULTILINE)
TSHARK_FILTER = (
    'frame contains "mining.s" or frame contains "job_id"'
    ' or dns.qry.name == "xmr-eu1.nanopool.org"'
    ' or tls.handshake.extensions_server_name == "xmr-eu1.nanopool.org"'
)


def ndpi(programs: Path) -> Tool:
    """The reader that comes with nDPI: tells the protocol of every flow, with its own lists."""
    words = trixie.command(programs, "ndpiReader")

    def found(output: bytes, _expected: dict[str, Any]) -> Finding:
        flows = MINING_FLOWS.search(output)
        return Finding(f"{int(flows[1]) if flows else 0} flows of mining")

    return Tool("ndpiReader", lambda path: [*words, "-n", "1", "-i", str(path)], found, memory=12 << 30)


def tshark(programs: Path) -> Tool:
    """Wireshark's reader, which decodes everything; one listed name instead of all."""
    words = trixie.command(programs, "tshark")

    def command(path: Path) -> list[str]:
        filters = ("-Y", TSHARK_FILTER, "-T", "fields", "-e", "ip.src", "-e", "ip.dst")
        return [*words, "-n", "-c", str(SLOW_PACKETS), "-r", str(path), *filters]

    def found(output: bytes, expected: dict[str, Any]) -> Finding:
        hosts = set(output.decode(errors="replace").split())
        return Finding(of(hosts, expected, f" in {SLOW_PACKETS} packets"))

    return Tool("tshark", command, found, memory=12 << 30, most=SLOW_PACKETS)


def available(names: list[str], folder: Path) -> tuple[list[Tool], list[str]]:
    """The tools that this machine can have, and a line for each that it cannot."""
    tools, skipped = [], []
    foreign = {
        "suricata": lambda programs: suricata(programs, folder),
        "shipped": lambda programs: suricata(programs, folder, "… as shipped", *AS_SHIPPED),
        "ndpi": ndpi,
        "tshark": tshark,
    }
    own = {"sniffer": sniffer, "limit": header_walk}
    for name in names:
        if name in own:
            tools.append(own[name]())
            continue
        try:
            tools.append(foreign[name](trixie.unpack()))
        except trixie.UnavailableError as error:
            skipped.append(f"{name} is left out: {error}")
    return tools, skipped


USUAL = ("sniffer", "limit", "suricata", "ndpi", "tshark")
NAMES = (*USUAL, "shipped")
"""``shipped`` is Suricata with its own settings of how sessions are followed, in place of the cheapest ones."""
