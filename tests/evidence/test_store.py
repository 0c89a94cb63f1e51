"""The folder of bundles: whole or not at all, within its quota, and its chain survives everything."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from evidence.making import ticking
from structlog.testing import capture_logs

from sniffer.errors import AccessError, InputError, OutputError
from sniffer.evidence import manifest as manifests
from sniffer.evidence.chain import NAME as CHAIN
from sniffer.evidence.chain import NOTHING, decode, read_lines, sha256
from sniffer.evidence.keys import load_public_key, load_signing_key
from sniffer.evidence.store import (
    Limits,
    RefusedError,
    Store,
    append_line,
    bundle_names,
    open_folder,
    time_of,
)
from sniffer.evidence.verify import verify_folder

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = {"packets.pcapng": b"packets", "verdict.json": b"{}"}
FREE = Limits(free_share=0.0)


def open_store(folder: Path, limits: Limits = FREE, **more: Any) -> Store:
    """A store with a clock of its own."""
    return Store(folder, limits, wall=ticking(), **more)


def test_a_bundle_is_a_folder(tmp_path: Path) -> None:
    """Its name is a number and a time; files are 0600, folders 0700; the manifest names every file by hash."""
    folder = tmp_path / "evidence"
    done = open_store(folder, sensor="east").write(FILES)
    assert bundle_names(folder) == [done.name] == ["00000001-20261123T080000Z"]
    bundle = folder / done.name
    assert folder.stat().st_mode & 0o777 == bundle.stat().st_mode & 0o777 == 0o700
    assert {file.name for file in bundle.iterdir()} == {*FILES, "manifest.json", "manifest.sha256"}
    assert {file.stat().st_mode & 0o777 for file in bundle.iterdir()} == {0o600}
    data = (bundle / "manifest.json").read_bytes()
    manifest = manifests.decode(data)
    assert (manifest.sequence, manifest.previous, manifest.sensor) == (1, NOTHING, "east")
    assert {one.name: one.sha256 for one in manifest.files} == {
        name: sha256(one) for name, one in FILES.items()
    }
    assert done.sha256 == sha256(data)
    told = subprocess.run(
        ["sha256sum", "-c", "manifest.sha256"], cwd=bundle, capture_output=True, text=True, check=False
    )
    assert told.stdout == "manifest.json: OK\n"


def test_the_chain_survives_a_restart(tmp_path: Path) -> None:
    """Each manifest has the hash of the one before it, also when another process wrote that."""
    first = open_store(tmp_path / "e").write(FILES)
    second = open_store(tmp_path / "e").write(FILES)
    assert (first.sequence, second.sequence) == (1, 2)
    manifest = manifests.decode((tmp_path / "e" / second.name / "manifest.json").read_bytes())
    assert manifest.previous == first.sha256
    assert verify_folder(tmp_path / "e").findings == ()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_verifies_what_is_signed(tmp_path: Path) -> None:
    """Key, public half and signature are those of openssl, by the commands of docs/evidence.md."""
    made = ("genpkey -algorithm ed25519 -out evidence.key", "pkey -in evidence.key -pubout -out evidence.pub")
    for command in made:
        subprocess.run(["openssl", *command.split()], cwd=tmp_path, check=True, capture_output=True)
    done = open_store(tmp_path / "e", key=load_signing_key(tmp_path / "evidence.key")).write(FILES)
    told = "pkeyutl -verify -pubin -inkey evidence.pub -rawin -in manifest.json -sigfile manifest.sig"
    page = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text(encoding="utf-8")
    assert all(f"openssl {command}\n" in page for command in (*made, told))
    bundle = tmp_path / "e" / done.name
    shutil.copy(tmp_path / "evidence.pub", bundle)
    found = subprocess.run(
        ["openssl", *told.split()], cwd=bundle, capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, "Signature Verified Successfully\n")
    (bundle / "evidence.pub").unlink()
    public = load_public_key(tmp_path / "evidence.pub")
    assert verify_folder(tmp_path / "e", public).findings == ()


def test_a_purge_leaves_a_line(tmp_path: Path) -> None:
    """A purged bundle is gone, the chain says who took it away and why, and the others verify."""
    store = open_store(tmp_path / "e")
    names = [store.write(FILES).name for _ in range(3)]
    held = store.held
    assert store.purge([names[1]], "a court's order", "0 (root)") == [names[1]]
    assert bundle_names(tmp_path / "e") == [names[0], names[2]]
    assert store.held < held
    last = decode(list(read_lines(tmp_path / "e" / CHAIN))[-1])
    assert last is not None
    assert (last.kind, last.bundle, last.reason, last.by) == (
        "purged",
        names[1],
        "a court's order",
        "0 (root)",
    )
    checked = verify_folder(tmp_path / "e")
    assert (checked.bundles, checked.purged, checked.findings) == (2, 1, ())
    assert open_store(tmp_path / "e").write(FILES).sequence == 4
    with pytest.raises(InputError, match="no such bundle"):
        store.purge([names[1]], "again", "x")


def test_two_who_write_do_not_quarrel(tmp_path: Path) -> None:
    """A purge from the command line while the daemon writes: the chain is one, and what is held is counted anew."""
    daemon, operator = open_store(tmp_path / "e"), open_store(tmp_path / "e")
    first = daemon.write(FILES)
    second = operator.write(FILES)
    operator.purge([first.name], "age", "x")
    third = daemon.write(FILES)
    assert (second.sequence, third.sequence) == (2, 3)
    assert daemon.held == open_store(tmp_path / "e").held
    assert verify_folder(tmp_path / "e").findings == ()


def test_old_ones_are_known_by_their_names(tmp_path: Path) -> None:
    """A bundle is older than a time if it was recorded before it."""
    store = open_store(tmp_path / "e")
    names = [store.write(FILES).name for _ in range(3)]
    middle = time_of(names[1])
    assert middle - time_of(names[0]) >= 1
    assert store.older_than(middle * 10**9) == names[:1]
    assert time_of("nonsense") == time_of("00000001-20261399T080000Z") == 0


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_quota_holds(tmp_path: Path) -> None:
    """When it is used up nothing more is written, and nothing that is there makes room."""
    limits = Limits(total=100 << 10, free_share=0.0)
    store = open_store(tmp_path / "e", limits)
    written = 0
    with pytest.raises(RefusedError, match="quota"):  # noqa: PT012
        while True:
            store.write(FILES)
            written += 1
    assert written == len(bundle_names(tmp_path / "e")) > 2
    assert store.held <= limits.total
    on_disk = sum(file.stat().st_blocks * 512 for file in (tmp_path / "e").rglob("*"))
    assert on_disk <= limits.total
    assert verify_folder(tmp_path / "e").findings == ()


def test_a_share_of_the_disk_stays_free(small_disk: Path) -> None:
    """On a disk of 256 KiB, with half of it to stay free, half of it stays free."""
    store = open_store(small_disk / "e", Limits(free_share=0.5))
    with pytest.raises(RefusedError, match="stay free"):  # noqa: PT012
        while True:
            store.write(FILES)
    disk = os.statvfs(small_disk)
    assert disk.f_bavail >= disk.f_blocks / 2
    assert bundle_names(small_disk / "e")


def test_a_full_disk_leaves_it_as_it_was(small_disk: Path) -> None:
    """When the disk is full in the middle of a bundle, the bundle is not there, and everything that was still is."""
    store = open_store(small_disk / "e", Limits(free_share=-99))  # it does not ask
    store.write(FILES)
    before = sorted(path.name for path in (small_disk / "e").iterdir())
    with pytest.raises(RefusedError, match="space"):
        store.write({"packets.pcapng": bytes(1 << 20)})
    with pytest.raises(RefusedError, match="stay free"):
        open_store(small_disk / "e").write({"packets.pcapng": bytes(1 << 20)})
    assert sorted(path.name for path in (small_disk / "e").iterdir()) == before
    store.write(FILES)
    assert verify_folder(small_disk / "e").findings == ()


def test_a_disk_that_cannot_be_written(small_disk: Path) -> None:
    """A file system that was mounted read-only refuses, and says so; nothing is raised but that."""
    store = open_store(small_disk / "e")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(RefusedError, match="Read-only"):
        store.write(FILES)
    with pytest.raises(OutputError, match="Read-only"):
        open_store(small_disk / "e")


def test_where_no_folder_can_be(tmp_path: Path) -> None:
    """A folder whose parent is missing, or that is a file, is told with what to do."""
    with pytest.raises(OutputError, match=r"evidence\.directory"):
        open_store(tmp_path / "missing" / "e")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        open_store(tmp_path / "file")
    with pytest.raises(InputError, match="--directory"):
        open_folder(tmp_path / "missing")


def test_permission_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not write there is told so, by the status for that."""

    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(AccessError, match="may not be written"):
        open_store(tmp_path / "e")


# ── killed anywhere ──────────────────────────────────────────────────────────────────────────────────────

CALLS = ("open", "write", "fsync", "mkdir", "rename", "unlink", "rmdir", "ftruncate", "truncate", "close")


def dies_at(point: int, work: Callable[[], None]) -> int:
    """Do some work in a child process that is killed at a system call; return its wait status.

    A write that it is killed in has written half of its bytes.
    """
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    left = point
    try:
        for name in CALLS:
            real = getattr(os, name)

            def call(*arguments: Any, _real: Any = real, _name: str = name, **named: Any) -> Any:
                nonlocal left
                left -= 1
                if left == 0:
                    if _name == "write":
                        _real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                    os.kill(os.getpid(), signal.SIGKILL)
                return _real(*arguments, **named)

            setattr(os, name, call)
        work()
    except BaseException:  # noqa: BLE001
        os._exit(1)
    os._exit(0)


def test_killed_anywhere_it_is_the_old_or_the_new(tmp_path: Path) -> None:
    """A process that is killed at any of its system calls leaves whole bundles only, and a chain that goes on."""
    points = 0
    kept = set()
    for point in range(1, 1_000):
        folder = tmp_path / str(point)
        store = open_store(folder, key=Ed25519PrivateKey.from_private_bytes(bytes(32)))
        first, second = store.write(FILES), store.write(FILES)

        def work(folder: Path = folder, first: str = first.name) -> None:
            child = Store(folder, FREE)
            child.write(FILES)
            child.purge([first], "killed", "test")
            child.write(FILES)

        status = dies_at(point, work)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            break
        points += 1
        again = Store(folder, FREE)
        names = bundle_names(folder)
        assert second.name in names
        assert not [path for path in folder.iterdir() if path.name.startswith(".")]
        checked = verify_folder(folder)
        assert checked.findings == (), (point, checked.findings)
        kept.add((first.name in names, len(names)))
        assert again.held == Store(folder, FREE).held
        done = again.write(FILES)
        assert done.sequence == max(int(name[:8]) for name in names) + 1
        assert verify_folder(folder).findings == ()
    assert points >= 60
    assert kept == {(True, 2), (True, 3), (False, 2), (False, 3)}


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """The same for a process that writes on and on, and is killed at some time."""
    for number in range(10):
        folder = tmp_path / str(number)
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                store = Store(folder, FREE)
                while True:
                    store.write(FILES)
            os._exit(1)
        time.sleep(0.02 + 0.013 * number)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        Store(folder, FREE).write(FILES)
        assert verify_folder(folder).findings == ()


def test_what_was_torn_is_told(tmp_path: Path) -> None:
    """A bundle that was being written is removed at the next start, with a line about it."""
    open_store(tmp_path / "e").write(FILES)
    (tmp_path / "e" / ".new-00000002").mkdir()
    (tmp_path / "e" / ".new-00000002" / "packets.pcapng").write_bytes(b"half")
    with capture_logs() as told:
        open_store(tmp_path / "e")
    assert [(line["event"], line["folders"]) for line in told] == [("evidence_torn_removed", 1)]
    assert not (tmp_path / "e" / ".new-00000002").exists()


@pytest.mark.parametrize("bad", [b"\0" * 100 + b"\n", b"nonsense\n", None])
def test_a_chain_that_is_lost_is_begun_anew(tmp_path: Path, bad: bytes | None) -> None:
    """A foreign, damaged or missing chain is set aside, the bundles are taken into a new one, and that is told for ever."""
    store = open_store(tmp_path / "e")
    names = [store.write(FILES).name for _ in range(3)]
    chain = tmp_path / "e" / CHAIN
    if bad is None:
        chain.unlink()
    else:
        chain.write_bytes(bad)
    with capture_logs() as told:
        done = store.write(FILES)
    assert done.sequence == 4
    assert [line["event"] for line in told] == ["evidence_chain_set_aside"]
    assert bundle_names(tmp_path / "e") == [*names, done.name]
    findings = verify_folder(tmp_path / "e").findings
    assert [(one.file, "was lost" in one.what) for one in findings] == [(CHAIN, True)]


def test_foreign_folders_are_left_alone(tmp_path: Path) -> None:
    """A folder that is named like a bundle and is none is told, and not taken into the chain."""
    open_store(tmp_path / "e").write(FILES)
    (tmp_path / "e" / "00000009-20261123T080000Z").mkdir()
    (tmp_path / "e" / "notes").mkdir()
    with capture_logs() as told:
        assert open_store(tmp_path / "e").write(FILES).sequence == 2
    assert [line["event"] for line in told] == ["evidence_foreign"]
    assert (tmp_path / "e" / "notes").is_dir()


def test_lines_are_appended(tmp_path: Path) -> None:
    """Each as it is, to a file of mode 0600; a link in its place is not followed."""
    file = tmp_path / "log"
    append_line(file, b"one\n")
    append_line(file, b"two\n")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"one\ntwo\n", 0o600)
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(OSError, match="symbolic"):
        append_line(tmp_path / "link", b"x")
