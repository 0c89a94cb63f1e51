"""Lists in other people's formats: what is read, and which line is at fault."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import rulefolder
from hypothesis import given
from hypothesis import strategies as st

from sniffer.errors import ConfigError
from sniffer.ruleset import load_rules, restore
from sniffer.ruleset.datafile import FORMATS, LOCAL_NAMES, MAX_ENTRIES, MAX_SIZE, read_data

if TYPE_CHECKING:
    from pathlib import Path

RULE = rulefolder.RULE.format(match="{fact: dns.query, in: '@feed'}")

READ = [
    ("text", "", "a.example\nb.example\n", ["a.example", "b.example"]),
    ("text", "", "# by us\n\n  a.example  \n\tb.example # why\n#c.example\nd.example#e", ["a.example", "b.example", "d.example#e"]),
    ("text", "", "\ufeffa.example\r\nb.example\r\n", ["a.example", "b.example"]),
    ("text", "", "a.example\rb.example", ["a.example", "b.example"]),
    ("text", "", "no end of line", ["no end of line"]),
    ("csv", "", "domain\na.example\nb.example\n", ["a.example", "b.example"]),
    ("csv", "domain", "id,domain,seen\n1,a.example,x\n2,b.example,y\n", ["a.example", "b.example"]),
    ("csv", "domain", "id;domain\n1;a.example\n", ["a.example"]),
    ("csv", "domain", "id\tdomain\n1\ta.example\n", ["a.example"]),
    ("csv", "domain", "# made by us, daily\n\n id , domain \n1, a.example \n\n# 2,b.example\n3,\n4,c.example,more\n", ["a.example", "c.example"]),
    ("csv", "the, name", '"the, name",x\r\n"a ""b"" c",1\r\n"d\r\ne",2\r\nf,3\r\n', ['a "b" c', "d\ne", "f"]),
    ("hosts", "", "# hosts\n127.0.0.1 localhost\n::1 ip6-localhost ip6-loopback\n0.0.0.0 a.example # ad\n0.0.0.0\tb.example c.example\n", ["a.example", "b.example", "c.example"]),
    ("hosts", "", "fe80::1%lo0 localhost\n0.0.0.0 0.0.0.0\n:: a.example\r\n", ["a.example"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "heading", "text", "entries"), READ)
def test_entries(kind: str, heading: str, text: str, entries: list[str]) -> None:
    """Comments, blank lines, byte order marks and line ends of other systems are no entries."""
    assert read_data(text, "feed", kind, heading).data == entries


FAULTY = [
    ("text", "", "", [("empty", 1, "holds no entry")]),
    ("text", "", "# nothing\n\n", [("empty", 1, "holds no entry")]),
    ("text", "", "a.example\nb\x00c\n", [("character", 2, "U+0000")]),
    ("text", "", "a.example\r\n\r\n\x1b[2J", [("character", 3, "U+001B")]),
    ("csv", "domain", "", [("empty", 1, "holds no entry")]),
    ("csv", "domain", "domain\n", [("empty", 1, "holds no entry")]),
    ("csv", "domian", "# x\nid,domain\n1,a.example\n", [("column", 2, "did you mean 'domain'")]),
    ("csv", "", "id,domain\n1,a.example\n", [("column", 1, "name one of id, domain")]),
    ("csv", "domain", "id,domain\n1\n2,b.example\n3\n", [("value", 2, "has 1 columns"), ("value", 4, "has 1 columns")]),
    ("csv", "domain", 'id,domain\n1,"a.example\n2,b.example\n', [("syntax", 3, "is no CSV")]),
    ("csv", "domain", 'id,domain\n1,"a"b\n', [("syntax", 2, "is no CSV")]),
    ("csv", "x", "x\n" + "a" * 200_000, [("syntax", 2, "is no CSV")]),
    ("hosts", "", "a.example\n0.0.0.0\n0.0.0.0 b.example", [("value", 1, "no line of a hosts file"), ("value", 2, "no line")]),
    ("hosts", "", "127.0.0.1 localhost\n", [("empty", 1, "holds no entry")]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "heading", "text", "wanted"), FAULTY)
def test_faults(kind: str, heading: str, text: str, wanted: list[tuple[str, int, str]]) -> None:
    """Each fault is told with its line and a remedy, all at once."""
    with pytest.raises(ConfigError) as caught:
        read_data(text, "feed", kind, heading)
    found = caught.value.problems
    assert [(one.code, one.line) for one in found] == [(code, line) for code, line, _ in wanted]
    for one, (_, _, words) in zip(found, wanted, strict=True):
        assert words in f"{one.what}; {one.remedy}"
        assert (one.file, bool(one.remedy)) == ("feed", True)


@given(st.text(max_size=300), st.sampled_from(FORMATS), st.sampled_from(["", "a", "domain"]))
def test_any_text_gives_entries_or_faults(text: str, kind: str, heading: str) -> None:
    """Nothing else comes out, and no entry is blank or spans lines unless a CSV cell does."""
    found, faults = None, []
    try:
        found = read_data(text, "feed", kind, heading)
    except ConfigError as error:
        faults = error.problems
    assert faults or found.data
    if found is None:
        return
    for number, entry in enumerate(found.data):
        assert entry == entry.strip() != ""
        assert 1 <= found.position((number,))[0] <= text.count("\n") + text.count("\r") + 1
        assert kind != "hosts" or (entry not in LOCAL_NAMES and len(entry.split()) == 1)


# ── named by a list ──────────────────────────────────────────────────────────────────────────────────────


def feed(folder: Path, data: str | bytes, head: str = "file: feed.txt") -> Path:
    """A folder with a list that names a data file, and a rule that asks for the list."""
    rulefolder.write(folder, {"rules.yaml": RULE, "lists/feed.yaml": f"name: feed\ntype: domains\n{head}\n"})
    (folder / "lists/feed.txt").write_bytes(data if isinstance(data, bytes) else data.encode())
    return folder


def test_a_list_in_a_file_of_its_own(tmp_path: Path) -> None:
    """Its entries are those of a list that is written in YAML; a set that is restored needs no file."""
    folder = feed(
        tmp_path, "B.example.\nmünchen.example\n", "file: feed.txt\norigin: us\nupdated: 2026-11-01"
    )
    ruleset = load_rules([folder])
    for one in (ruleset, restore(ruleset.dump())):
        assert one.members("feed") == ["b.example", "xn--mnchen-3ya.example"]
        ((_, match),) = one.match({"dns.query": "a.b.example"})
        assert (match.listed.origin, match.listed.updated) == ("us", "2026-11-01")
    (folder / "lists/feed.txt").write_text("c.example\n")
    assert load_rules([folder]).version != ruleset.version


@pytest.mark.parametrize(
    ("kind", "text", "values"),
    [("ports", "3333\n5000-5002 # a range\n", [3333, 5000, 5001, 5002]), ("networks", "10.0.0.0/8\n192.0.2.1\n", ["10.0.0.0/8", "192.0.2.1/32"]), ("strings", "xmrig/6 (x)\n", ["xmrig/6 (x)"])],
)  # fmt: skip
def test_every_type_of_list_can_have_one(kind: str, text: str, values: list[object], tmp_path: Path) -> None:
    """Ports, networks and strings as well as names."""
    folder = feed(tmp_path, text)
    (folder / "lists/feed.yaml").write_text(f"name: feed\ntype: {kind}\nfile: feed.txt\n")
    (folder / "rules.yaml").write_text(rulefolder.RULE.format(match="{fact: dns.query, equals: a.example}"))
    assert load_rules([folder]).members("feed") == values


def test_a_bad_entry_is_told_with_its_line(tmp_path: Path) -> None:
    """In the data file; the first twenty, then how many more there are."""
    lines = ["ok.example", "# why", "*.example", "192.0.2.1", "", "b.example"]
    found = rulefolder.refused(feed(tmp_path, "\n".join(lines)))
    path = str(tmp_path / "lists/feed.txt")
    assert [(one.file, one.line, one.code) for one in found] == [(path, 3, "value"), (path, 4, "value")]
    feed(tmp_path, "\n".join(f"bad {number}" for number in range(1_000)))
    with pytest.raises(ConfigError) as caught:
        load_rules([tmp_path])
    told = caught.value.lines()
    assert len(told) == 21
    assert f"{path}:1:1: value" in told[0]
    assert "980 more problems" in told[20]


HEADS = [
    ("file: feed.txt\nvalues: [a.example]", "list", 4, "has both"),
    ("file: none.txt", "missing", 1, "no such file"),
    ("file: ../../feed.txt", "outside", 3, "outside the folder"),
    ("file: /etc/hosts", "outside", 3, "outside the folder"),
    ("file: link.txt", "outside", 3, "outside the folder"),
    ("file: circle.txt", "outside", 3, "outside the folder"),
    ('file: "feed.txt\\0"', "outside", 3, "outside the folder"),
    ("file: .", "directory", 1, "is a folder"),
    ("file: pipe.txt", "special", 1, "no regular file"),
    ("file: 7", "type", 3, "file"),
    ("file: ''", "range", 3, "file"),
    ("file: feed.txt\nformat: xml", "value", 4, "format"),
    ("file: feed.txt\ncolumn: domain", "list", 4, "no columns"),
    ("file: feed.txt\nformat: csv\ncolumn: other", "column", 1, "no column 'other'"),
    ("file: feed.txt\nupdated: yesterday", "value", 4, "updated"),
    ("file: feed.txt\nupdated: 2026-13-01", "value", 4, "updated"),
    ("file: feed.txt\nupdated: 20261101", "type", 4, "updated"),
    ("file: feed.txt\norigin: " + "x" * 201, "range", 4, "origin"),
    ("fiel: feed.txt", "shape", 1, "none of the keys"),
]


@pytest.mark.parametrize(("head", "code", "line", "words"), HEADS, ids=[head[0][:40] for head in HEADS])
def test_faults_of_the_reference(head: str, code: str, line: int, words: str, tmp_path: Path) -> None:
    """A file that is not there, leads out of the folder or is none; and no second fault for the rule that asks for it."""
    import os  # noqa: PLC0415

    folder = feed(tmp_path / "rules", "a.example\n", head)
    (tmp_path / "feed.txt").write_text("a.example\n")
    (folder / "lists/link.txt").symlink_to("../../feed.txt")
    (folder / "lists/circle.txt").symlink_to("circle.txt")
    os.mkfifo(folder / "lists/pipe.txt")
    found = rulefolder.refused(folder)
    assert (code, line) == (found[0].code, found[0].line)
    assert words in f"{found[0].what}; {found[0].remedy}"
    assert len([one for one in found if "@feed" not in one.what]) == 1


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    """As volume mounts have them."""
    folder = feed(tmp_path, "a.example\n", "file: link.txt")
    (folder / "lists/link.txt").symlink_to("feed.txt")
    assert load_rules([folder]).members("feed") == ["a.example"]


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    """UTF-16, and what is larger than any list."""
    (found,) = rulefolder.refused(feed(tmp_path, "a.example\n".encode("utf-16")))
    assert (found.code, found.line) == ("encoding", 1)
    (found,) = rulefolder.refused(feed(tmp_path, b"a.example\n" * (MAX_SIZE // 10 + 1)))
    assert (found.code, found.what) == ("size", f"is larger than {MAX_SIZE >> 20} MiB")


def test_a_million_entries_are_refused(tmp_path: Path) -> None:
    """Quickly, at the line where the limit is passed."""
    folder = feed(tmp_path, "".join(f"n{number}.example\n" for number in range(1_000_000 - 1)))
    start = time.process_time()
    (found,) = rulefolder.refused(folder)
    assert time.process_time() - start < 2
    assert (found.code, found.line) == ("size", MAX_ENTRIES + 1)


@pytest.mark.slow
def test_a_hundred_thousand_names_load_in_time(tmp_path: Path) -> None:
    """Within the second and a half of CPU that a set may take; a worker has them in half of that."""
    folder = feed(tmp_path / "many", "".join(f"p{i}.pool{i % 977}.invalid\n" for i in range(100_000)))
    load_rules([feed(tmp_path / "warm", "a.example\n")])
    start = time.process_time()
    ruleset = load_rules([folder])
    loaded = time.process_time()
    restore(ruleset.dump())
    assert loaded - start < 1.5
    assert time.process_time() - loaded < 0.75
