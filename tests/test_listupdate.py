"""``sniffer rules update``: what is written, what is refused, and that it is whole or nothing."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from commandline import sniffer

from sniffer.errors import ConfigError, InputError, OutputError, UsageError
from sniffer.examples import load_checked
from sniffer.listupdate import Source, guess, update
from sniffer.paths import shipped_rules
from sniffer.ruleset import load_rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sniffer.listupdate import Change

TODAY = date(2026, 11, 27)
YAML = """# Ours.  Ask Li before changing it.
name: feed
type: domains
origin: a mailing list   # not public
updated: 2026-10-01      # as of then
file: feed.txt
"""
RULE = """
- id: feed
  title: Names of our own
  severity: high
  confidence: probable
  match: {fact: dns.query, in: "@feed"}
  examples:
    hits: [{dns: a.keep.example}]
    misses: [{dns: www.example.org}]
"""
OLD = ["keep.example", "old.example"]


def own(folder: Path, entries: list[str] | None = None, *, yaml: str = YAML, name: str = "feed.txt") -> Path:
    """A folder of rules of an operator."""
    (folder / "lists").mkdir(parents=True)
    (folder / "rules.yaml").write_text(RULE)
    (folder / "lists/feed.yaml").write_text(yaml)
    (folder / "lists" / name).write_text("".join(f"{entry}\n" for entry in entries or OLD))
    return folder


def tree(folder: Path) -> Mapping[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(
    folder: Path, text: str, *, name: str = "feed.txt", kind: str = "", column: str = "", **more: object
) -> Change:
    """Update from a file with this text."""
    new = folder.parent / name
    new.write_text(text)
    (change,) = update(Source(new, kind, column), [folder], TODAY, **more)  # type: ignore[arg-type]
    return change


def refused(folder: Path, text: str, **more: object) -> list[str]:
    """What is said where nothing is written: code, line, what."""
    before = tree(folder)
    with pytest.raises(ConfigError) as caught:
        run(folder, text, **more)  # type: ignore[arg-type]
    assert tree(folder) == before
    return [f"{one.code} {one.line} {one.what}" for one in caught.value.problems]


def test_new_entries_take_the_place_of_the_old(tmp_path: Path) -> None:
    """The difference is told, the list holds what the file says, the date is set, and every other word stays."""
    folder = own(tmp_path / "rules")
    change = run(folder, "# theirs\r\nNew.example.\r\nkeep.example\r\nkeep.example\r\n")
    assert (change.name, change.added, change.removed, change.unchanged) == (
        "feed", ["new.example"], ["old.example"], ["keep.example"],
    )  # fmt: skip
    assert (folder / "lists/feed.txt").read_text() == "keep.example\nnew.example\n"
    assert (folder / "lists/feed.yaml").read_text() == YAML.replace("2026-10-01", "2026-11-27")
    ruleset = load_checked([folder])
    assert ruleset.members("feed") == ["keep.example", "new.example"]
    ((_, match),) = ruleset.match({"dns.query": "x.new.example"})
    assert match.listed.updated == "2026-11-27"
    assert {path.name for path in folder.rglob("*")} == {"lists", "rules.yaml", "feed.yaml", "feed.txt"}


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    """The same answer, and the folder as it was."""
    folder = own(tmp_path / "rules")
    before = tree(folder)
    change = run(folder, "keep.example\nnew.example\n", dry_run=True)
    assert change.added == ["new.example"]
    assert tree(folder) == before


FORMATS = [
    ("feed.txt", "keep.example\nnew.example\n", "", ""),
    ("feed.csv", "id,domain\n1,keep.example\n2,new.example\n", "", "domain"),
    ("feed.csv", "domain\nkeep.example\nnew.example\n", "", ""),
    ("feed.hosts", "127.0.0.1 localhost\n0.0.0.0 keep.example new.example\n", "", ""),
    ("feed", "0.0.0.0\tkeep.example\n0.0.0.0\tnew.example\n", "", ""),
    ("feed", "id;domain\n1;keep.example\n2;new.example\n", "", "domain"),
    ("feed", "# x, y\nkeep.example\nnew.example\n", "", ""),
    ("feed.txt", "0.0.0.0 keep.example\n0.0.0.0 new.example\n", "hosts", ""),
]


@pytest.mark.parametrize(("name", "text", "kind", "column"), FORMATS)
def test_every_format_is_taken(name: str, text: str, kind: str, column: str, tmp_path: Path) -> None:
    """Told, or guessed by suffix and first line."""
    change = run(own(tmp_path / "rules"), text, name=name, kind=kind, column=column)
    assert (change.added, change.removed, change.unchanged) == (
        ["new.example"],
        ["old.example"],
        ["keep.example"],
    )


def test_guesses(tmp_path: Path) -> None:
    """A suffix goes before the first line."""
    assert [guess(tmp_path / name, text) for name, text in (
        ("hosts", "# x\n\n::1 localhost"), ("hosts.txt", "0.0.0.0 a"), ("a.csv", "a"), ("a.txt", "a,b"), ("a", "a b"), ("a", ""),
    )] == ["hosts", "hosts", "csv", "text", "text", "text"]  # fmt: skip


@pytest.mark.parametrize(
    ("head", "entries", "wanted"),
    [
        ("format: csv\ncolumn: name", ["id,name", "1,keep.example"], "name\nkeep.example\nnew.example\n"),
        ("format: csv", ["name", "keep.example"], None),
        ("format: hosts", ["0.0.0.0 keep.example"], "0.0.0.0 keep.example\n0.0.0.0 new.example\n"),
    ],
)
def test_the_list_keeps_its_format(head: str, entries: list[str], wanted: str | None, tmp_path: Path) -> None:
    """Whatever the new entries came in, what is written is what the list's own file says it is."""
    folder = own(tmp_path / "rules", entries, yaml=YAML + head + "\n")
    run(folder, "keep.example\nnew.example\n")
    assert wanted in (None, (folder / "lists/feed.txt").read_text())
    assert load_rules([folder]).members("feed") == ["keep.example", "new.example"]


REFUSED = [
    ("", "empty 1 holds no entry"),
    ("# nothing\n", "empty 1 holds no entry"),
    ("keep.example\ncom\n", "value 2 'com' is no domain name of two labels or more"),
    ("keep.example\n*.new.example\n", "value 2 '*.new.example' is no domain name of two labels or more"),
    ("keep.example\n192.0.2.1\n", "value 2 '192.0.2.1' is an address, not a name"),
    ("keep.example\n2001:db8::1\n", "value 2 '2001:db8::1' is an address, not a name"),
    ("keep.example\nco.uk\n", "implausible 2 co.uk is a public suffix: everybody's names lie below it"),
    ("keep.example\n\nDuckDNS.org.\n", "implausible 3 duckdns.org is a public suffix: everybody's names lie below it"),
    ("keep.example\nxn--55qx5d.cn\n", "implausible 2 xn--55qx5d.cn is a public suffix: everybody's names lie below it"),
    ("pool.ntp.org\nkeep.example\n", "implausible 1 pool.ntp.org is on the benign list"),
    ("keep.example\nNTP.org\n", "implausible 2 ntp.org has 0.debian.pool.ntp.org of the benign list below it"),
    ("new.example\nother.example\n", "example 2 rule feed: example under hits does not hit (rules that do: none)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), REFUSED)
def test_an_implausible_list_is_refused(text: str, wanted: str, tmp_path: Path) -> None:
    """With line and reason; nothing is written, and --force does not help."""
    folder = own(tmp_path / "rules")
    assert refused(folder, text) == [wanted]
    assert refused(folder, text, force=True) == [wanted]


def test_all_that_is_implausible_is_told_at_once(tmp_path: Path) -> None:
    """Also names that are benign by a list of the operator's own."""
    folder = own(tmp_path / "rules", [f"n{number}.example" for number in range(20)])
    (folder / "lists/harmless.yaml").write_text("benign: [ours.example]\n")
    assert refused(folder, "keep.example\nco.uk\nntp.org\nours.example\n") == [
        "implausible 1 holds 4 entries, @feed has 20: less than half",
        "implausible 2 co.uk is a public suffix: everybody's names lie below it",
        "implausible 3 ntp.org has 0.debian.pool.ntp.org of the benign list below it",
        "implausible 4 ours.example is on the benign list",
    ]


def test_faults_name_the_files_as_the_operator_knows_them(tmp_path: Path) -> None:
    """Also those that a trial of the rules finds, which is made elsewhere."""
    folder = own(tmp_path / "rules")
    with pytest.raises(ConfigError) as caught:
        run(folder, "new.example\nother.example\n")
    assert [one.file for one in caught.value.problems] == [str(folder / "rules.yaml")]


def test_less_than_half_needs_force(tmp_path: Path) -> None:
    """Half is believed, one fewer is not, unless it is meant."""
    names = ["keep.example", *(f"n{number}.example" for number in range(9))]
    folder = own(tmp_path / "rules", names)
    few = "\n".join(names[:4])
    assert refused(folder, few) == ["implausible 1 holds 4 entries, @feed has 10: less than half"]
    assert len(run(folder, few, force=True).removed) == 6
    again = own(tmp_path / "again", names)
    assert len(run(again, "\n".join(names[:5])).removed) == 5


def test_every_address_is_no_network(tmp_path: Path) -> None:
    """A list of networks that holds all of them would match everybody."""
    folder = own(
        tmp_path / "rules",
        ["10.0.0.0/8"],
        yaml="name: feed\ntype: networks\nfile: feed.txt\nupdated: 2026-01-01\n",
    )
    (folder / "rules.yaml").write_text(
        RULE.replace("dns.query", "server.ip").replace("dns: a.keep.example", "facts: {server.ip: 10.0.0.1}")
    )
    assert refused(folder, "10.0.0.0/8\n::/0\n") == ["implausible 2 ::/0 is every address there is"]
    assert run(folder, "10.0.0.0/8\n192.0.2.7\n").added == ["192.0.2.7/32"]


def test_ranges_of_ports_stay_ranges(tmp_path: Path) -> None:
    """What is written is what was meant."""
    folder = own(tmp_path / "rules", ["700"], yaml="name: feed\ntype: ports\nfile: feed.txt\n")
    (folder / "rules.yaml").write_text(
        RULE.replace("dns.query", "server.port").replace("dns: a.keep.example", "facts: {server.port: 700}")
    )
    change = run(folder, "700\n4000-4010\n")
    assert (change.added, (folder / "lists/feed.txt").read_text()) == (["4000-4010"], "4000-4010\n700\n")


def test_what_a_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    """A comma is fine in CSV, a comment sign is lost in plain text: that is noticed before anything is written."""
    folder = own(tmp_path / "rules", ["xmrig"], yaml="name: feed\nfile: feed.txt\n")
    (folder / "rules.yaml").write_text(
        RULE.replace("dns.query", "mining.agent").replace(
            "dns: a.keep.example", "facts: {mining.agent: xmrig}"
        )
    )
    (problem,) = refused(folder, 'agent\nxmrig\n"a #1"\n', name="feed.csv")
    assert "a file of format text cannot hold these entries" in problem


def test_a_list_without_a_date_gets_one(tmp_path: Path) -> None:
    """At its end; where there is no place for one, the operator is told what to write."""
    folder = own(tmp_path / "rules", yaml="name: feed\ntype: domains\nfile: feed.txt")
    run(folder, "keep.example\nnew.example\n")
    assert (
        folder / "lists/feed.yaml"
    ).read_text() == "name: feed\ntype: domains\nfile: feed.txt\nupdated: 2026-11-27\n"
    flow = own(tmp_path / "flow", yaml="{name: feed, type: domains, file: feed.txt}\n")
    assert "no place for one" in refused(flow, "keep.example\n")[0]
    dated = own(
        tmp_path / "dated", yaml='{name: feed, type: domains, updated: "2026-01-02", file: feed.txt}\n'
    )
    run(dated, "keep.example\n")
    assert (
        dated / "lists/feed.yaml"
    ).read_text() == "{name: feed, type: domains, updated: 2026-11-27, file: feed.txt}\n"


def test_the_first_update_writes_the_data_file(tmp_path: Path) -> None:
    """A list may be declared before there is anything in it."""
    folder = own(tmp_path / "rules")
    (folder / "lists/feed.txt").unlink()
    assert run(folder, "keep.example\n").added == ["keep.example"]
    assert load_checked([folder]).members("feed") == ["keep.example"]


def test_an_update_mends_a_list_with_faults(tmp_path: Path) -> None:
    """What can be read of the old one is compared; the rules load again afterwards."""
    folder = own(tmp_path / "rules", ["keep.example", "*.bad.example"])
    with pytest.raises(ConfigError):
        load_rules([folder])
    change = run(folder, "keep.example\nnew.example\n")
    assert (change.added, change.removed, change.unchanged) == (["new.example"], [], ["keep.example"])
    assert load_rules([folder]).members("feed") == ["keep.example", "new.example"]


def test_a_folder_updates_the_lists_that_its_files_are_named_after(tmp_path: Path) -> None:
    """All or none."""
    folder = own(tmp_path / "rules")
    (folder / "lists/more.yaml").write_text(
        "name: more\ntype: domains\nfile: more.txt\nupdated: 2026-01-01\n"
    )
    (folder / "lists/more.txt").write_text("x.example\n")
    source = tmp_path / "source"
    source.mkdir()
    (source / "feed.txt").write_text("keep.example\nnew.example\n")
    (source / "More.csv").write_text("name\nx.example\ny.example\n")
    (source / "README.md").write_text("not a list")
    (source / ".hidden.txt").write_text("not a list")
    before = tree(folder)
    (source / "more.hosts").write_text("0.0.0.0 x.example\n")
    with pytest.raises(UsageError, match="two files are named"):
        update(Source(source), [folder], TODAY)
    (source / "more.hosts").unlink()
    (source / "feed.txt").write_text("keep.example\nco.uk\n")
    with pytest.raises(ConfigError):
        update(Source(source), [folder], TODAY)
    assert tree(folder) == before
    (source / "feed.txt").write_text("keep.example\nnew.example\n")
    assert [one.name for one in update(Source(source), [folder], TODAY, name="feed")] == ["feed"]
    assert [(one.name, one.added) for one in update(Source(source), [folder], TODAY)] == [
        ("more", ["y.example"]), ("feed", []),
    ]  # fmt: skip


def test_shipped_rules_are_never_written(tmp_path: Path) -> None:
    """Neither alone nor beside a folder of one's own; the remedy says where to write."""
    new = tmp_path / "stratum-ports.txt"
    new.write_text("3333\n")
    with pytest.raises(UsageError, match="shipped rules are not written to; name a folder of your own"):
        update(Source(new), [shipped_rules()], TODAY)
    folder = own(tmp_path / "rules")
    with pytest.raises(UsageError, match="no list @stratum-ports of your own"):
        update(Source(new), [shipped_rules(), folder], TODAY)
    feed = tmp_path / "feed.txt"
    feed.write_text("keep.example\nnew.example\n")
    (change,) = update(Source(feed), [shipped_rules(), folder], TODAY)
    assert change.added == ["new.example"]


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    """No file, no folder, no format, no list of this name: what, where, and what to do."""
    folder = own(tmp_path / "rules")
    with pytest.raises(InputError, match="no such file"):
        update(Source(tmp_path / "none"), [folder], TODAY)
    with pytest.raises(InputError, match="holds no file"):
        update(Source(folder), [folder], TODAY)
    with pytest.raises(UsageError, match="no such folder"):
        update(Source(folder), [tmp_path / "none"], TODAY)
    with pytest.raises(UsageError, match="there is no format 'xml'; choose one of text, csv, hosts"):
        run(folder, "a.example\n", kind="xml")
    with pytest.raises(UsageError, match="did you mean 'feed'"):
        run(folder, "a.example\n", name="feeds.txt")
    assert refused(folder, "id,name\n1,a.example\n", name="feed.csv") == [
        "column 1 has 2 columns, and none is named"
    ]


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Without the rights of root, which may write everywhere."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_a_folder_that_may_not_be_written_is_told() -> None:
    """As an error of output, with what to do; the lists are as they were."""
    with tempfile.TemporaryDirectory() as open_to_all:  # pytest's own folders are closed to others
        place = Path(open_to_all)
        place.chmod(0o777)
        folder = own(place / "rules")
        (folder / "lists").chmod(0o555)
        before = tree(folder)
        with nobody(), pytest.raises(OutputError, match="write permission"):
            run(folder, "keep.example\n")
        assert tree(folder) == before
        (folder / "lists").chmod(0o755)


def test_on_the_command_line(tmp_path: Path) -> None:
    """The difference and what to do next; the list with its date; status 78 and readable lines for a refusal."""
    folder = own(tmp_path / "rules")
    feed = tmp_path / "feed.txt"
    feed.write_text("keep.example\n" + "".join(f"n{number}.example\n" for number in range(30)))
    dry = sniffer("rules", "update", "--from", feed, "--rules", folder, "--dry-run")
    done = sniffer("rules", "update", "--from", feed, "--rules", folder, "--list", "@feed")
    assert (dry.returncode, done.returncode, dry.stderr, done.stderr) == (0, 0, "", "")
    assert [line.strip() for line in done.stdout.splitlines()[:4]] == [
        "@feed: 31 entries, 2 before",
        "30 added",
        "+ n0.example",
        "+ n1.example",
    ]
    assert "and 10 more" in done.stdout
    assert "- old.example" in done.stdout
    assert "systemctl reload sniffer" in done.stdout
    assert "without --dry-run" in dry.stdout
    shown = sniffer("rules", "lists", "--rules", folder, "--json")
    (row,) = json.loads(shown.stdout)
    today = row.pop("updated")
    assert date.fromisoformat(today) >= TODAY
    assert row == {
        "name": "feed",
        "type": "domains",
        "entries": 31,
        "origin": "a mailing list",
        "file": str(folder / "lists/feed.txt"),
    }
    table = sniffer("rules", "lists", "--rules", folder).stdout
    assert all(word in table for word in ("@feed", "domains", "31", today, "a mailing list", "feed.txt"))
    feed.write_text("co.uk\n")
    bad = sniffer("rules", "update", "--from", feed, "--rules", folder, "--force")
    assert (bad.returncode, bad.stdout) == (78, "")
    assert bad.stderr.startswith(f"error: {feed}:1:1: implausible co.uk is a public suffix")
    assert sniffer("rules", "update", "--from", tmp_path / "none", "--rules", folder).returncode == 66
    assert sniffer("rules", "update", "--from", feed).returncode == 2


def test_the_configuration_can_name_the_folder(tmp_path: Path) -> None:
    """So that the lists that the daemon reads are those that are written."""
    folder = own(tmp_path / "rules")
    (tmp_path / "sniffer.yaml").write_text(json.dumps({"rules": {"directories": [str(folder)]}}))
    (tmp_path / "feed.txt").write_text("keep.example\nnew.example\n")
    done = sniffer("rules", "update", "--from", tmp_path / "feed.txt", "--config", tmp_path / "sniffer.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "lists/feed.txt").read_text() == "keep.example\nnew.example\n"
