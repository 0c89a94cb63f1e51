"""A file in the place of another."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from sniffer.errors import OutputError
from sniffer.replace import replace_file

if TYPE_CHECKING:
    from pathlib import Path


def test_mode_and_owner_stay(tmp_path: Path) -> None:
    """Who could read the old file can read the new one, and nobody else."""
    file = tmp_path / "list.txt"
    file.write_bytes(b"old")
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 1234, 4321)
    before = file.stat()
    replace_file(file, b"new")
    after = file.stat()
    assert file.read_bytes() == b"new"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino  # who has the old one open reads on in it
    assert list(tmp_path.iterdir()) == [file]


def test_a_new_file_can_be_read_by_all(tmp_path: Path) -> None:
    """The daemon is another user than the one who writes its lists."""
    replace_file(tmp_path / "list.txt", b"new")
    assert stat.S_IMODE((tmp_path / "list.txt").stat().st_mode) == 0o644


def test_a_link_stays_one(tmp_path: Path) -> None:
    """What it leads to is replaced."""
    (tmp_path / "file.txt").write_bytes(b"old")
    (tmp_path / "link.txt").symlink_to("file.txt")
    replace_file(tmp_path / "link.txt", b"new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "file.txt").read_bytes() == b"new"


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    """A folder in the place of the file, or none around it: the reason is told, and no half file stays."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "inside").touch()
    with pytest.raises(OutputError) as caught:
        replace_file(folder, b"new")
    assert "cannot be written" in str(caught.value)
    assert list(tmp_path.iterdir()) == [folder]
    with pytest.raises(OutputError, match="No such file"):
        replace_file(tmp_path / "none" / "list.txt", b"new")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files stands for it."""
    import resource  # noqa: PLC0415
    import signal  # noqa: PLC0415

    file = tmp_path / "list.txt"
    file.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
        with pytest.raises(OutputError, match="File too large"):
            replace_file(file, bytes(2_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]
