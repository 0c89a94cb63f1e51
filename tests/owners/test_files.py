"""Files of tenants: CSV and YAML say the same; every fault is told at its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sniffer.errors import ConfigError, Problem
from sniffer.owners import files
from sniffer.owners.files import InlineTenant, Sources, read_sources
from sniffer.owners.keys import BEHIND_NAT, KINDS
from sniffer.owners.table import Owner, Owners

if TYPE_CHECKING:
    from pathlib import Path

CSV = """\ufefftenant;site;district;kind;contact;prefix;vlan;pppoe;l2tp;mpls
# a comment
acme;north gate;\u57ce\u4e1c;park;noc@acme.example;10.0.0.0/8 2001:db8::/32;100.2010;4711@02:00:00:00:00:01;17.4711;16001
acme;;;;;10.7.0.0/16;;;;
"beta";;;household;;;100;4712 4713@100.2010;99999;
"""
YAML = """
tenants:
- tenant: acme
  site: north gate
  district: \u57ce\u4e1c
  kind: park
  contact: noc@acme.example
  prefix: [10.0.0.0/8, "2001:db8::/32"]
  vlan: "100.2010"
  pppoe: 4711@02:00:00:00:00:01
  l2tp: "17.4711"
  mpls: 16001
- {tenant: acme, prefix: 10.7.0.0/16}
- tenant: beta
  kind: household
  vlan: 100
  pppoe: [4712, 4713@100.2010]
  l2tp: 99999
"""


def read(folder: Path, **texts: str) -> Owners:
    """What files say: name_suffix=text."""
    return read_sources(Sources(files=written(folder, **texts))).owners


def written(folder: Path, **texts: str) -> tuple[str, ...]:
    """Files of this content."""
    out = []
    for name, text in texts.items():
        path = folder / name.replace("_", ".")
        path.write_text(text, encoding="utf-8")
        out.append(str(path))
    return tuple(out)


def refused(folder: Path, **texts: str) -> list[Problem]:
    """What is wrong with files."""
    with pytest.raises(ConfigError) as caught:
        read(folder, **texts)
    return caught.value.problems


def test_csv_and_yaml_say_the_same(tmp_path: Path) -> None:
    """Every kind of key in both; lines of one tenant add to each other."""
    owners = read(tmp_path, a_csv=CSV)
    assert owners == read(tmp_path, a_yaml=YAML)
    assert owners.tenants == (
        Owner("acme", "north gate", "\u57ce\u4e1c", "park", "noc@acme.example"),
        Owner("beta", kind="household"),
    )
    assert [f"{key} {n}" for key, n in owners.prefixes] == [
        "10.0.0.0/8 0",
        "2001:db8::/32 0",
        "10.7.0.0/16 0",
    ]
    assert [f"{key} {n}" for key, n in owners.vlans] == ["100.2010 0", "100 1"]
    assert [f"{key} {n}" for key, n in owners.pppoe] == [
        "4711@02:00:00:00:00:01 0",
        "4712 1",
        "4713@100.2010 1",
    ]
    assert [f"{key} {n}" for key, n in owners.l2tp] == ["17.4711 0", "99999 1"]
    assert owners.mpls == ((16001, 0),)


def test_the_configuration_is_joined(tmp_path: Path) -> None:
    """Tenants of the configuration come first; a file may add to them, and not contradict."""
    inline = (InlineTenant(Owner("acme", site="north gate"), ("192.0.2.0/24",)),)
    sources = Sources(inline, written(tmp_path, a_csv=CSV), ("203.0.113.0/24",), ("10.0.0.0/8",))
    owners = read_sources(sources).owners
    assert str(owners.prefixes[0][0]) == "192.0.2.0/24"
    assert owners.tenants[0].kind == "park"
    assert owners.names == ["acme", "beta", BEHIND_NAT]
    contrary = (InlineTenant(Owner("acme", site="south gate"), ()),)
    with pytest.raises(
        ConfigError, match="site of 'acme' is 'north gate' here and 'south gate' in tenants:1"
    ):
        read_sources(Sources(contrary, sources.files))


def test_every_fault_is_told_at_its_line(tmp_path: Path) -> None:
    """All of all files at once."""
    found = refused(
        tmp_path,
        a_csv="tenant,kind,prefix,vlan\na,campos,10.0.0.0/8,\nb,,10.0.0.0/40,5000\n,,10.1.0.0/16,\nc,,,,,\n",
        b_csv="name,prefix,prefix\na,10.0.0.0/8,\n",
        c_yaml="tenants:\n- tenant: a\n  vlan: 100.2010\n- {tenant: b, colour: red}\n- {prefix: 10.0.0.0/8}\n",
        d_yaml="tenants: [",
        e_txt="",
    )
    told = [f"{problem.file.rpartition('/')[2]}:{problem.line} {problem.code}" for problem in found]
    assert told == [
        "a.csv:5 value",
        "b.csv:1 column",
        "b.csv:1 column",
        "b.csv:1 column",
        "c.yaml:3 value",
        "c.yaml:4 unknown_key",
        "c.yaml:5 missing_key",
        "d.yaml:1 syntax",
        "e.txt:1 name",
    ]
    found = refused(
        tmp_path, a_csv="tenant,kind,prefix,vlan\na,campos,10.0.0.0/8,\nb,,10.0.0.0/40,5000\n,,10.1.0.0/16,\n"
    )
    assert [problem.line for problem in found] == [2, 3, 3, 4]
    assert found[0].remedy == "did you mean 'campus'?"


def test_a_key_has_one_tenant(tmp_path: Path) -> None:
    """Two with the same are a fault, with both places, across files; the same tenant may say it twice."""
    (problem,) = refused(
        tmp_path,
        a_csv="tenant,prefix,mpls\na,10.0.0.0/8,7\n",
        b_csv="tenant,prefix,mpls\nb,10.0.0.0/8,\na,,7\n",
    )
    assert (problem.code, problem.line) == ("duplicate", 2)
    assert "prefix 10.0.0.0/8 belongs to 'b' here and to 'a' in " in problem.what
    assert problem.what.endswith("a.csv:2")


def test_a_tenant_is_in_one_place(tmp_path: Path) -> None:
    """A second site is a second tenant: reports go by name."""
    (problem,) = refused(tmp_path, a_csv="tenant,site,prefix\na,north,10.0.0.0/8\na,south,10.0.0.0/16\n")
    assert (problem.code, problem.line) == ("contradiction", 3)


def test_the_name_of_nobody_is_taken(tmp_path: Path) -> None:
    """A tenant cannot be called what addresses of our NAT are called."""
    (problem,) = refused(tmp_path, a_csv=f"tenant,prefix\n{BEHIND_NAT},10.0.0.0/8\n")
    assert "what addresses of our NAT are called" in problem.what


def test_all_kinds(tmp_path: Path) -> None:
    """Every kind that the documentation names."""
    rows = "".join(f"{kind},{kind}\n" for kind in KINDS)
    assert [one.kind for one in read(tmp_path, a_csv=f"tenant,kind\n{rows}").tenants] == list(KINDS)


def test_a_flood_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many tenants, or keys, are one fault, not memory without end."""
    monkeypatch.setattr(files, "MAX_TENANTS", 10)
    monkeypatch.setattr(files, "MAX_CLAIMS", 40)
    rows = "".join(f"t{n},10.0.{n}.0/24\n" for n in range(100))
    found = refused(tmp_path, a_csv=f"tenant,prefix\n{rows}")
    assert [(problem.code, problem.line) for problem in found] == [("size", 12), ("size", 42)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(
    st.one_of(
        st.text(max_size=200),
        st.lists(
            st.lists(
                st.sampled_from([*KINDS, "a", "10.0.0.0/8", "100.1", "7", "", '"', "\u57ce", "\x1b"]),
                max_size=6,
            ).map(",".join),
            max_size=8,
        ).map(lambda rows: "tenant,kind,prefix,vlan,mpls\n" + "\n".join(rows)),
    ),
    st.sampled_from(["a_csv", "a_yaml"]),
)
def test_any_text(tmp_path: Path, text: str, name: str) -> None:
    """A file is read, or refused with places in it; nothing else."""
    text = text.encode("utf-8", "replace").decode()
    problems: list[Problem] = []
    owners = Owners()
    try:
        owners = read(tmp_path, **{name: text})
    except ConfigError as error:
        problems = error.problems
    lines = text.count("\n") + text.count("\r") + 1
    assert all(1 <= problem.line <= lines for problem in problems)
    assert all(owner.tenant for owner in owners.tenants)
