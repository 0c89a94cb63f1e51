"""What is doubtful about tenants: who lies within whom, and who has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffer.owners.checks import SHOWN, findings
from sniffer.owners.files import Sources, read_sources

if TYPE_CHECKING:
    from pathlib import Path


def found(folder: Path, text: str, *, nat: tuple[str, ...] = (), has_mappings: bool = False) -> list[str]:
    """Findings about a file: line, check, sentence."""
    file = folder / "tenants.csv"
    file.write_text(text)
    read = read_sources(Sources(files=(str(file),), nat=nat))
    return [f"{one.line} {one.check}: {one.what}" for one in findings(read, has_mappings=has_mappings)]


def test_networks_within_networks(tmp_path: Path) -> None:
    """The nearest network around that is somebody else's is told, and who has the inner one; one's own is not told."""
    text = (
        "tenant,prefix\nisp,10.0.0.0/8\nisp,10.1.0.0/16\npark,10.1.2.0/24\nflat,10.1.2.7/32\n"
        "v6,2001:db8::/32\nroom,2001:db8:1::/48\n"
    )
    assert found(tmp_path, text) == [
        "4 overlap: prefix 10.1.2.0/24 of 'park' lies in 10.1.0.0/16 of 'isp'; 'park' has it",
        "5 overlap: prefix 10.1.2.7/32 of 'flat' lies in 10.1.2.0/24 of 'park'; 'flat' has it",
        "7 overlap: prefix 2001:db8:1::/48 of 'room' lies in 2001:db8::/32 of 'v6'; 'room' has it",
    ]


def test_sessions_and_vlans_within_others(tmp_path: Path) -> None:
    """A pair within its S-VLAN, a session of one concentrator within the session anywhere."""
    text = "tenant,vlan,pppoe\na,100,7\nb,100.1,7@100.1\nc,200.1,7@02:00:00:00:00:01\na,100.2,\n"
    assert found(tmp_path, text) == [
        "3 overlap: vlan 100.1 of 'b' lies in vlan 100 of 'a'; 'b' has it",
        "3 overlap: pppoe 7@100.1 of 'b' lies in pppoe 7 of 'a'; 'b' has it",
        "4 overlap: pppoe 7@02:00:00:00:00:01 of 'c' lies in pppoe 7 of 'a'; 'c' has it",
    ]


def test_our_nat_is_looked_at_like_a_tenant(tmp_path: Path) -> None:
    """A tenant inside it has its addresses; the same network twice is told."""
    text = "tenant,prefix\na,203.0.113.7/32\nb,198.51.100.0/24\n"
    assert found(tmp_path, text, nat=("203.0.113.0/24", "198.51.100.0/24")) == [
        "2 overlap: prefix 203.0.113.7/32 of 'a' lies in 203.0.113.0/24 of 'unknown behind NAT'; 'a' has it",
        "3 overlap: prefix 198.51.100.0/24 of 'b' is also under ownership.nat; the tenant has it",
    ]


def test_keys_written_twice_and_tenants_without_any(tmp_path: Path) -> None:
    """Both are told; the latter not where mappings may name the tenant."""
    text = "tenant,prefix\na,10.0.0.0/8\na,10.0.0.0/8\nb,\n"
    twice = f"3 twice: prefix 10.0.0.0/8 of 'a' stands in {tmp_path}/tenants.csv:2 already"
    assert found(tmp_path, text) == [twice, "4 nothing: nothing is known of 'b'"]
    assert found(tmp_path, text, has_mappings=True) == [twice]


def test_a_flood_of_overlaps_is_cut(tmp_path: Path) -> None:
    """So many of a kind are told one by one, then that there are more."""
    rows = "".join(f"t{n},10.{n // 250}.{n % 250}.0/24\n" for n in range(1_000))
    told = found(tmp_path, f"tenant,prefix\nall,10.0.0.0/8\n{rows}")
    assert len(told) == SHOWN + 1
    assert told[-1].endswith("and more of this kind")
