"""Real public captures with ground truth, where they lie beside the project."""

from __future__ import annotations

import csv
import ipaddress
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sizerun import SizeRun

from sniffer.addresses import address_text
from sniffer.capture.savefile import Savefile
from sniffer.engine import Engine, EngineSettings
from sniffer.errors import InputError
from sniffer.model import Confidence, Detection

if TYPE_CHECKING:
    from sniffer.ruleset import RuleSet

CAPTURES = Path(__file__).parent.parent / ".." / "shared" / "captures"
FAMILIES = {
    "stratum-v1": "stratum-v1",
    "stratum-v1-set_target": "stratum-equihash",
    "cryptonote": "cryptonote",
    "eth-getwork-json": "eth-proxy",
}
pytestmark = pytest.mark.skipif(
    not CAPTURES.exists(), reason="the public captures are not beside this project"
)


def rows(name: str) -> list[dict[str, str]]:
    """Rows of a table of the captures."""
    if not CAPTURES.exists():
        return []
    with (CAPTURES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def files(kind: str) -> list[str]:
    """Captures of one kind."""
    return [row["file"] for row in rows("manifest.csv") if row["file"].startswith(kind + "/")]


def read(name: str, ruleset: RuleSet) -> tuple[list[Detection], Any, InputError | None]:
    """Hits, books and fault of one capture."""
    source = Savefile(str(CAPTURES / name))
    hits: list[Detection] = []
    engine = Engine(
        ruleset,
        interfaces=source.interfaces,
        settings=EngineSettings(gate_flows=1 << 14),
        hit=hits.append,
        event=lambda _: None,
    )
    fault = None
    try:
        for batch in source.batches():
            engine.process(batch)
    except InputError as error:
        fault = error
    engine.finish()
    source.close()
    return hits, engine.totals(), fault


@pytest.mark.parametrize("name", files("mining"))
def test_mining_capture(name: str, ruleset: RuleSet) -> None:
    """Every mining client of the plain TCP dialects is reported: right host, server, port and family, confirmed."""
    hits, totals, fault = read(name, ruleset)
    assert fault is None
    assert totals.packets == totals.passed + sum(totals.skipped.values())
    found: dict[tuple[str, str, int], set[tuple[str, Confidence]]] = defaultdict(set)
    for hit in hits:
        if hit.server is not None:
            server = str(ipaddress.ip_address(hit.server))
            key = (str(ipaddress.ip_address(hit.host)), server, hit.server_port)
            found[key].add((hit.facts.protocol, hit.confidence))
    wanted = [row for row in rows("mining_flows.csv") if row["file"] == name and row["dialect"] in FAMILIES]
    for row in wanted:
        seen = found[row["client_ip"], row["server_ip"], int(row["server_port"])]
        assert (FAMILIES[row["dialect"]], Confidence.CONFIRMED) in seen, row


@pytest.mark.parametrize("kind", ["benign", "encap", "hostile"])
def test_other_captures(kind: str, ruleset: RuleSet) -> None:
    """Nobody is accused in benign and encapsulated traffic, nothing hostile breaks the reader, and the books balance."""
    accused = []
    for name in files(kind):
        hits, totals, _ = read(name, ruleset)
        assert totals.packets == totals.passed + sum(totals.skipped.values()), name
        assert not totals.oddities["reader_failed"], name
        accused += [(name, hit.rule.id) for hit in hits if hit.confidence >= Confidence.PROBABLE]
    if kind != "hostile":
        assert not accused


SHARES = ("mining.submit", "submit", "eth_submitWork")
LOGINS = ("mining.authorize", "login", "eth_submitLogin")
TAKEN = ("result-true", "cn-status")


def counted(text: str, names: tuple[str, ...]) -> int:
    """How many messages of some names a cell of the ground truth has, such as ``submit:18 login:1``."""
    counts = (part.rpartition(":") for part in text.split())
    return sum(int(number) for name, _, number in counts if name in names)


@pytest.mark.parametrize("name", files("mining"))
def test_shares_and_verdicts(name: str, ruleset: RuleSet) -> None:
    """Shares and verdicts of each mining flow are those of the ground truth, retransmissions removed: no more, no fewer."""
    source = Savefile(str(CAPTURES / name))
    run = SizeRun(ruleset, interfaces=source.interfaces).feed(source.batches())
    run.finish()
    source.close()
    found: dict[tuple[str, str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for session in run.sessions:
        key = address_text(session.key.host), address_text(session.key.server), session.key.port
        for place, count in enumerate((session.submitted, session.accepted, session.rejected)):
            found[key][place] += count
    wanted: dict[tuple[str, str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows("mining_flows.csv"):
        if row["file"] != name or row["dialect"] not in FAMILIES:
            continue
        shares = counted(row["client_messages"], SHARES)
        taken = counted(row["server_messages"], TAKEN) - counted(row["client_messages"], LOGINS)
        key = row["client_ip"], row["server_ip"], int(row["server_port"])
        for place, count in enumerate((shares, max(taken, 0), shares - max(taken, 0))):
            wanted[key][place] += count
    assert {key: counts for key, counts in found.items() if any(counts)} == {
        key: counts for key, counts in wanted.items() if any(counts)
    }
