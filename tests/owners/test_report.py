"""``sniffer tenants``: faults and overlaps before they matter, and whose an address is and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from commandline import sniffer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Tenants, a log of leases, a NAT."""
    (tmp_path / "tenants.csv").write_text(
        "tenant,site,kind,prefix,vlan,pppoe,mpls\n"
        "isp,,telecom,10.0.0.0/8,,,\npark,north,park,10.1.0.0/16,100.2001,4711,16001\n"
    )
    (tmp_path / "leases.csv").write_text(
        "address,from,until,user,tenant\n10.2.0.7,2026-11-23T08:00:00Z,2026-11-23T09:00:00Z,li,park\nnonsense\n"
    )
    file = tmp_path / "sniffer.yaml"
    file.write_text(
        f"ownership: {{files: [{tmp_path}/tenants.csv], mappings: [{tmp_path}/leases.csv], nat: [203.0.113.0/24]}}\n"
        "tenants: [{name: home, networks: [192.0.2.0/24], contact: noc@home.example}]\n"
    )
    return file


def test_check(config: Path, tmp_path: Path) -> None:
    """Overlaps are warnings, with who wins; logs are counted; nothing keeps the sensor from starting."""
    done = sniffer("tenants", "check", "--config", config)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(
        "tenants.csv:3:1: warning overlap: prefix 10.1.0.0/16 of 'park' lies in 10.0.0.0/8" in one
        for one in lines
    )
    assert any("leases.csv: 1 lines are of no use" in one for one in lines)
    assert lines[-1] == "fine: 3 tenants, known by 6 keys, 2 warnings"
    told = json.loads(sniffer("tenants", "check", "--config", config, "--json").stdout)
    assert (told["tenants"], told["keys"]) == (3, 6)
    assert told["mappings"][f"{tmp_path}/leases.csv"] == {"read": 1, "skipped": 1, "bad": 1}


def test_check_of_files(tmp_path: Path) -> None:
    """Files may be named; faults are told at their lines, with status 78."""
    file = tmp_path / "t.csv"
    file.write_text("tenant,kind,prefix\na,campos,10.0.0.0/8\n")
    done = sniffer("tenants", "check", file)
    assert done.returncode == 78
    assert f"{file}:2:1: error value: tenants.0.kind" in done.stdout
    assert "did you mean 'campus'?" in done.stdout
    file.write_text("tenant,kind,prefix\na,campus,10.0.0.0/8\n")
    assert sniffer("tenants", "check", file).stdout == "fine: 1 tenants, known by 1 keys\n"


@pytest.mark.parametrize(
    ("options", "tenant", "why"),
    [
        (["10.1.2.3"], "park", "prefix 10.1.0.0/16"),
        (["10.2.0.7", "--at", "2026-11-23T08:30:00Z"], "park", "mapping"),
        (["10.2.0.7", "--at", "2026-11-23T09:00:00Z"], "isp", "prefix 10.0.0.0/8"),
        (["10.9.0.1", "--vlan", "100.2001"], "park", "vlan 100.2001"),
        (["10.9.0.1", "--pppoe", "4711@100.7"], "park", "pppoe 4711"),
        (["10.9.0.1", "--mpls", "16001"], "park", "mpls 16001"),
        (["10.9.0.1", "--l2tp", "1.2"], "isp", "prefix 10.0.0.0/8"),
        (["203.0.113.9", "--port", "1024"], "unknown behind NAT", "nat 203.0.113.0/24"),
        (["192.0.2.1"], "home", "prefix 192.0.2.0/24"),
    ],
)
def test_of(config: Path, options: list[str], tenant: str, why: str) -> None:
    """Each claim is found, and said to be the reason."""
    told = json.loads(sniffer("tenants", "of", *options, "--config", config, "--json").stdout)
    assert (told["tenant"], told["why"]) == (tenant, why)


def test_of_for_people(config: Path) -> None:
    """A line for each thing that is known; the subscriber is a hash."""
    done = sniffer("tenants", "of", "10.2.0.7", "--at", "2026-11-23T08:30:00Z", "--config", config)
    told = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert told.pop("subscriber").startswith("h:")
    assert told == {
        "address": "10.2.0.7",
        "at": "2026-11-23 08:30:00",
        "tenant": "park",
        "site": "north",
        "kind": "park",
        "why": "mapping",
    }
    assert "warning: " in done.stderr
    nobody = sniffer("tenants", "of", "198.51.100.1", "--config", config)
    assert "tenant   nobody's" in nobody.stdout


@pytest.mark.parametrize(
    "options",
    [["10.1"], ["10.0.0.1", "--vlan", "5000"], ["10.0.0.1", "--at", "noon"], ["10.0.0.1", "--pppoe", "x"]],
)
def test_of_what_cannot_be(options: list[str]) -> None:
    """A fault of the command line is one line, with status 2."""
    done = sniffer("tenants", "of", *options)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
