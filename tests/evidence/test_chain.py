"""The list of bundles: lines are only added, each follows the one before it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from sniffer.evidence.chain import NAME, NOTHING, Chain, Entry, decode, locked, read_lines, sha256

if TYPE_CHECKING:
    from pathlib import Path


def entry(number: int, previous: str = NOTHING) -> Entry:
    """A line about a bundle."""
    return Entry("bundle", "2026-11-23T08:00:00+00:00", number, f"{number:08d}-x", f"{number:064x}", previous)


def test_lines_follow_each_other(tmp_path: Path) -> None:
    """Each line is tied to the one before it; another chain on the same file goes on where this one is."""
    chain = Chain(tmp_path)
    chain.catch_up()
    chain.add(entry(1))
    other = Chain(tmp_path)
    other.catch_up()
    assert (other.sequence, other.head, other.size) == (1, f"{1:064x}", chain.size)
    other.add(entry(2, other.head))
    assert not chain.catch_up()
    assert chain.sequence == 2
    first, second = map(json.loads, read_lines(tmp_path / NAME))
    bare = json.dumps({**second, "link": ""}, separators=(",", ":")).encode() + b"\n"
    assert second["link"] == sha256(first["link"].encode() + bare)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_a_purge_is_noticed(tmp_path: Path) -> None:
    """What somebody else has purged is told once; the head stays where it was."""
    chain, other = Chain(tmp_path), Chain(tmp_path)
    chain.add(entry(1))
    other.catch_up()
    other.add(Entry("purged", "t", 1, entry(1).bundle))
    assert chain.catch_up()
    assert not chain.catch_up()
    assert chain.purged == {entry(1).bundle}
    assert chain.head == f"{1:064x}"


def test_half_a_line_is_taken_back(tmp_path: Path) -> None:
    """A line that somebody was stopped in is cut off; the others stay."""
    chain = Chain(tmp_path)
    chain.add(entry(1))
    whole = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole + b'{"kind":"bun')
    chain.catch_up()
    assert (tmp_path / NAME).read_bytes() == whole


def test_what_is_no_chain_is_told(tmp_path: Path) -> None:
    """A line that is no entry, and a file that has become shorter, are faults."""
    chain = Chain(tmp_path)
    chain.add(entry(1))
    (tmp_path / NAME).write_bytes(b"")
    with pytest.raises(ValueError, match="shorter"):
        chain.catch_up()
    (tmp_path / NAME).write_bytes(b"[]\n")
    with pytest.raises(ValueError, match="no entry"):
        Chain(tmp_path).catch_up()


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that the disk takes a part of is taken back, and the next one follows the last whole one."""
    chain = Chain(tmp_path)
    chain.add(entry(1))
    whole = (tmp_path / NAME).read_bytes()
    write = os.write

    def some(descriptor: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:-10])

    monkeypatch.setattr(os, "write", some)
    with pytest.raises(OSError, match="space"):
        chain.add(entry(2))
    monkeypatch.undo()
    assert (tmp_path / NAME).read_bytes() == whole
    chain.add(entry(2, chain.head))
    assert Chain(tmp_path).catch_up() is False


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[" * 5_000, b'{"kind":"x","time":""}', b'{"kind":"bundle","time":"","more":1}']
)
def test_nonsense_is_no_entry(line: bytes) -> None:
    """Whatever a line holds, the answer is an entry or none."""
    assert decode(line) is None


def test_readers_do_without_a_lock(tmp_path: Path) -> None:
    """A copy without a lock can be read; who writes makes one."""
    with locked(tmp_path, exclusive=False):
        assert not (tmp_path / "lock").exists()
    with locked(tmp_path, exclusive=True):
        assert (tmp_path / "lock").exists()
