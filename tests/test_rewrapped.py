"""Captures said once more in every wrapping, from one direction, late, cut, in fragments, out of order: the same miners."""

from __future__ import annotations

import csv
import ipaddress
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import frames as build
import pytest
from enginerun import Run
from loadscript import script

from sniffer.gate import labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sniffer.model import Detection
    from sniffer.ruleset import RuleSet

ROOT = Path(__file__).parents[1]
CAPTURES = ROOT.parent / "shared" / "captures"
STORIES = [
    path
    for path in sorted((ROOT / "pcaps").glob("*/traffic.pcap"))
    if path.parent.name not in ("busy-benign", "dns-only-suspect")
]
rewrap = script("scripts/rewrap.py")
RAW = 101
SPEAKING = frozenset(
    [
        "mining.subscribe",
        "mining.authorize",
        "mining.submit",
        "mining.notify",
        "mining.set_difficulty",
        "mining.set_target",
        "mining.extranonce.subscribe",
        "mining.get_transactions",
        "mining.configure",
        "mining.suggest_difficulty",
        "login",
        "login.reply",
        "submit",
        "job",
        "eth_submitLogin",
        "eth_getWork",
        "eth_submitWork",
        "eth_submitHashrate",
        "work-push",
        "eth_getWork.reply",
        "getwork",
        "getblocktemplate",
        "ClientHello",
    ]
)
"""Messages that are mining, or name a pool, by themselves: one of them in sight is enough."""
SEGMENTS = (1, 7, 100)
pytestmark = pytest.mark.slow


class Miner(NamedTuple):
    """Who mines where, by what protocol."""

    host: str
    server: str
    port: int
    protocol: str


class Seen(NamedTuple):
    """What the sensor made of packets."""

    hits: list[Detection]
    encapsulations: set[tuple[str, ...]]

    @property
    def miners(self) -> set[Miner]:
        """Everybody who was reported with a server."""
        return {miner_of(hit) for hit in self.hits if hit.server is not None}


def miner_of(hit: Detection) -> Miner:
    """The miner that a hit reports."""
    host, server = (str(ipaddress.ip_address(address or b"")) for address in (hit.host, hit.server))
    return Miner(host, server, hit.server_port, hit.facts.protocol)


def sense(ruleset: RuleSet, packets: Iterable[tuple[int, bytes]], link: int) -> Seen:
    """Read packets; the books balance and no reader fails."""
    run = Run(ruleset, gate_flows=1 << 14)
    engine = run.engine
    waiting = list(packets)
    for first in range(0, len(waiting), 4_096):
        engine.process(build.batch(waiting[first : first + 4_096], link=link))
    engine.finish()
    totals = engine.totals()
    assert totals.oddities["reader_failed"] == 0
    assert totals.packets == len(waiting) == totals.passed + sum(totals.skipped.values())
    return Seen(run.hits, {hit.place.layers for hit in run.hits})


def captures() -> list[Any]:
    """The project's own stories, and the public captures of mining where they lie beside it."""
    found = [*STORIES, *sorted((CAPTURES / "mining").glob("*.pcap*"))]
    return [
        pytest.param(path, id=path.parent.name if path.name == "traffic.pcap" else path.stem)
        for path in found
    ]


def six(address: str) -> str:
    """An address as a wrapping that takes only IPv6 has it."""
    return address if ":" in address else str(rewrap.mapped(address))


CACHE: dict[Path, tuple[list[Any], Seen]] = {}


def original(path: Path, ruleset: RuleSet) -> tuple[list[Any], Seen]:
    """Packets of a capture without their wrapping, and what the sensor makes of them."""
    if path not in CACHE:
        packets = rewrap.read(path)
        CACHE[path] = packets, sense(ruleset, packets, RAW)
    return CACHE[path]


# ── wrappings ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", captures())
def test_every_wrapping(path: Path, ruleset: RuleSet) -> None:
    """In each wrapping the innermost addresses are reported, the same miners, and the path of wrappings is named."""
    packets, seen = original(path, ruleset)
    for name, wrapping in rewrap.WRAPPINGS.items():
        mine = packets
        if wrapping.inner == 4:
            mine = [packet for packet in packets if packet.data[0] >> 4 == 4]
        wanted = seen.miners
        if wrapping.inner == 6:
            wanted = {Miner(six(one.host), six(one.server), one.port, one.protocol) for one in wanted}
        elif wrapping.inner == 4:
            wanted = {one for one in wanted if ":" not in one.host}
        found = sense(ruleset, rewrap.wrapped(mine, name), wrapping.link)
        assert found.miners == wanted, name
        for layers in found.encapsulations:
            assert set(layers) <= set(labels.LAYER_NAMES), name


# ── other ways to see the same ───────────────────────────────────────────────────────────────────────────


def both(packets: Sequence[Any], size: int) -> list[Any]:
    """Segments of a size, out of order, with repetitions."""
    cut: list[Any] = rewrap.duplicate(rewrap.reorder(rewrap.resegment(packets, size), 5), 7)
    return cut


WAYS: dict[str, Callable[[Sequence[Any]], list[Any]]] = {
    **{f"segments of {size}": lambda packets, size=size: rewrap.resegment(packets, size) for size in SEGMENTS},
    "fragments of 128": lambda packets: rewrap.fragment(packets, 128),
    "fragments of 512": lambda packets: rewrap.fragment(packets, 512),
    "out of order": lambda packets: rewrap.reorder(packets, 1),
    "out of order, cut": lambda packets: both(packets, 100),
    "repeated": lambda packets: rewrap.duplicate(packets, 2),
    "fragments out of order": lambda packets: rewrap.reorder(rewrap.fragment(packets, 256), 3),
    "cut, then in fragments": lambda packets: rewrap.fragment(rewrap.resegment(packets, 100), 64),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", captures())
def test_the_same_in_other_pieces(path: Path, way: str, ruleset: RuleSet) -> None:
    """However the same bytes are cut and ordered, the same miners are reported."""
    packets, seen = original(path, ruleset)
    found = sense(ruleset, WAYS[way](packets), RAW)
    if "out of order" not in way:
        assert found.miners == seen.miners
        return
    # Which family it is may be told by a message that now comes later.  A piece of a hello that comes behind the
    # answer to it is beyond what any network does: then the name is lost.
    named = {one[:3] for one in seen.miners if one.protocol == "pool-tls"} if "cut" in way else set()
    assert {one[:3] for one in found.miners} | named == {one[:3] for one in seen.miners}


def speaks(
    hits: Iterable[Detection], *, times: set[int] | None = None, by: str = ""
) -> set[tuple[str, str, int]]:
    """Miners of whom a message is in sight that tells by itself."""
    out = set()
    for hit in hits:
        if hit.server is None or hit.facts.message not in SPEAKING:
            continue
        if (times is None or hit.facts.time in times) and (not by or by == hit.facts.sender.value):
            out.add(miner_of(hit)[:3])
    return out


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("path", captures())
def test_one_direction(path: Path, side: str, ruleset: RuleSet) -> None:
    """From one direction alone, everybody is reported of whom this direction says anything that tells by itself."""
    packets, seen = original(path, ruleset)
    miners = seen.miners
    hosts = {one.host for one in miners} - {one.server for one in miners}
    if not hosts:
        pytest.skip("everybody is both client and server here")
    mine = rewrap.only(packets, hosts, sending=side == "client")
    found = {one[:3] for one in sense(ruleset, mine, RAW).miners}
    wanted = {one for one in speaks(seen.hits, by=side) if one[0] in hosts}
    assert found >= wanted
    assert found <= {one[:3] for one in miners}


@pytest.mark.parametrize("after", [1, 3, 6])
@pytest.mark.parametrize("path", captures())
def test_joined_late(path: Path, after: int, ruleset: RuleSet) -> None:
    """Whoever comes late reports everybody who still says something that tells by itself."""
    packets, seen = original(path, ruleset)
    late = rewrap.join(packets, after)
    found = {one[:3] for one in sense(ruleset, late, RAW).miners}
    wanted = {
        one
        for one in speaks(seen.hits, times={packet.time for packet in late})
        if one not in handshakes(seen.hits, late)
    }
    assert found >= wanted
    assert found <= {one[:3] for one in seen.miners}


def handshakes(hits: Iterable[Detection], late: Iterable[Any]) -> set[tuple[str, str, int]]:
    """Miners of whom nothing but a name, in a hello that is over, could tell."""
    times = {packet.time for packet in late}
    names: defaultdict[tuple[str, str, int], list[bool]] = defaultdict(list)
    for hit in hits:
        if hit.server is not None:
            names[miner_of(hit)[:3]].append(hit.facts.mining and hit.facts.time in times)
    return {one for one, told in names.items() if not any(told)}


@pytest.mark.skipif(not CAPTURES.exists(), reason="the public captures are not beside this project")
@pytest.mark.parametrize("side", ["client", "server"])
def test_ground_truth_from_one_direction(side: str, ruleset: RuleSet) -> None:
    """Every flow of the published ground truth whose messages on this side tell by themselves is reported from it."""
    telling = (
        "mining.",
        "login",
        "submit",
        "job",
        "cn-job",
        "eth",
        "getwork",
        "getblocktemplate",
        "gbt-template",
    )
    with (CAPTURES / "mining_flows.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["dialect"] != "coinhive-wss"]
    missed = []
    for name in sorted({row["file"] for row in rows}):
        packets = rewrap.read(CAPTURES / name)
        mine = [row for row in rows if row["file"] == name]
        for clients in ({row["client_ip"]} for row in mine):
            found = {
                one[:3]
                for one in sense(ruleset, rewrap.only(packets, clients, sending=side == "client"), RAW).miners
            }
            missed += [
                row
                for row in mine
                if {row["client_ip"]} == clients
                and any(word in row[f"{side}_messages"] for word in telling)
                and (row["client_ip"], row["server_ip"], int(row["server_port"])) not in found
            ]
    assert missed == []
