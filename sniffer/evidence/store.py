"""The folder of all bundles: one at a time is added whole, or taken away with a word why.

In: the files of a bundle.  Out: a folder with a name out of a counter and a time, its line in the chain.
Never: half a bundle under its name, whenever the power goes; more bytes than the quota; the last share of the disk.

    00000001-20261123T080000Z/   a bundle            chain.jsonl   every bundle there was, and what became of it
    .new-00000002/               one being written   access.jsonl  who has read what
    .gone-…/                     one being removed   lock          held while something changes
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from sniffer import __version__
from sniffer.errors import AccessError, InputError, OutputError, printable
from sniffer.evidence import manifest as manifests
from sniffer.evidence.chain import NAME as CHAIN
from sniffer.evidence.chain import NOTHING, Chain, Entry, appending, locked, sha256, write_whole
from sniffer.evidence.keys import public_of
from sniffer.evidence.manifest import Manifest
from sniffer.replace import sync_folder
from sniffer.sinks.event import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

BUNDLE: Final = re.compile(r"(\d{8,12})-(\d{8}T\d{6}Z)")
NEW: Final = ".new-"
GONE: Final = ".gone-"
BLOCK: Final = 4_096  # what a file or a folder takes at least
SECOND: Final = 1_000_000_000
TIME: Final = "%Y%m%dT%H%M%SZ"

log = structlog.get_logger("sniffer.evidence")


class RefusedError(Exception):
    """A bundle was not written; the folder is as it was."""


class Limits(NamedTuple):
    """How much of the disk may be used."""

    total: int = 1 << 30  # bytes of all bundles
    free_share: float = 0.05  # of the disk, that stays free


class Written(NamedTuple):
    """A bundle that is on the disk."""

    name: str
    sequence: int
    sha256: str  # of its manifest
    size: int


def bundle_names(folder: Path) -> list[str]:
    """Names of all bundles, the oldest first.

    Raises:
        OSError: the folder cannot be read.
    """
    return sorted(entry.name for entry in os.scandir(folder) if BUNDLE.fullmatch(entry.name))


def time_of(name: str) -> int:
    """When a bundle was recorded, by its name: seconds since 1970, wall clock.  0 where that is no time."""
    found = BUNDLE.fullmatch(name)
    try:
        return int(datetime.strptime(found[2], TIME).replace(tzinfo=UTC).timestamp()) if found else 0
    except ValueError:
        return 0


def takes(size: int) -> int:
    """Bytes that a file of a size takes on the disk, at most."""
    return (size + BLOCK - 1) // BLOCK * BLOCK


class Store:
    """One folder, for whoever adds or takes away.

    Args:
        folder: made with mode 0700 if it is not there; the folder around it must be.
        limits: how much of the disk may be used.
        key: signs manifests; None: they are not signed.
        sensor: its name.
        wall: nanoseconds since 1970.

    Raises:
        AccessError: it may not be written.
        OutputError: it cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits | None = None,
        *,
        key: Ed25519PrivateKey | None = None,
        sensor: str = "",
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        self.folder, self.limits, self.sensor = folder, limits or Limits(), sensor
        self.held = 0  # bytes on the disk
        self._key, self._wall = key, wall
        self._chain = Chain(folder)
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)  # noqa: PTH102
                sync_folder(folder.parent)
            with locked(folder, exclusive=True):
                self._recover()
        except PermissionError:
            remedy = "give the service's user the right to write there"
            raise AccessError(
                "evidence folder may not be written", where=str(folder), remedy=remedy
            ) from None
        except OSError as fault:
            what = f"evidence folder cannot be used: {fault.strerror}"
            raise OutputError(
                what, where=str(folder), remedy="set evidence.directory to another path"
            ) from None

    # ── after a kill, a power cut, or somebody else's hand ───────────────────────────────────────────────

    def _recover(self) -> None:
        torn = [entry.name for entry in os.scandir(self.folder) if entry.name.startswith((NEW, GONE))]
        for name in torn:
            self._remove(name)
        if torn:
            log.warning("evidence_torn_removed", folders=len(torn), first=printable(torn[0]))
        self._read_chain()
        for name in bundle_names(self.folder):
            if name in self._chain.purged:  # whoever purged it was stopped
                self._take_away(name)
            elif int(name.partition("-")[0]) > self._chain.sequence:
                self._adopt(name)
        self._weigh()

    def _read_chain(self) -> None:
        told = ""
        try:
            self._chain.catch_up()
        except ValueError as fault:
            told = str(fault)
        if not told:
            return
        path, number = self.folder / CHAIN, 1
        while (aside := self.folder / f"{CHAIN}.bad-{number}").exists():
            number += 1
        with contextlib.suppress(FileNotFoundError):
            path.rename(aside)
        log.error("evidence_chain_set_aside", file=printable(path), fault=printable(told), aside=aside.name)
        self._chain = Chain(self.folder)
        self._chain.add(Entry("rebuilt", timestamp(self._wall()), reason=f"the file before is {aside.name}"))

    def _adopt(self, name: str) -> None:
        """Take a bundle into the chain whose line was not written any more, or is lost."""
        try:
            data = (self.folder / name / manifests.NAME).read_bytes()
            found = manifests.decode(data)
        except (OSError, ValueError):
            log.error("evidence_foreign", bundle=printable(name))  # noqa: TRY400
            return
        self._chain.add(Entry("bundle", found.recorded, found.sequence, name, sha256(data), found.previous))

    def _weigh(self) -> None:
        """Count what is on the disk."""
        self.held = takes(self._chain.size)
        for name in bundle_names(self.folder):
            self.held += self._weight(name)

    def _weight(self, name: str) -> int:
        with contextlib.suppress(OSError):
            files = os.scandir(self.folder / name)
            return BLOCK + sum(takes(entry.stat(follow_symlinks=False).st_size) for entry in files)
        return 0

    def _catch_up(self) -> None:
        """See what others have done since this store last looked."""
        try:
            if self._chain.catch_up():
                self._weigh()
        except ValueError:
            self._recover()

    # ── one more ─────────────────────────────────────────────────────────────────────────────────────────

    def write(self, files: Mapping[str, bytes]) -> Written:
        """Write a bundle, and have it on the disk.

        Raises:
            RefusedError: there is no room for it, or the disk refuses.
        """
        try:
            with locked(self.folder, exclusive=True):
                self._catch_up()
                return self._write(files)
        except OSError as fault:
            raise RefusedError(str(fault.strerror or fault)) from None

    def _write(self, files: Mapping[str, bytes]) -> Written:
        now = self._wall()
        sequence = self._chain.sequence + 1
        name = f"{sequence:08d}-{datetime.fromtimestamp(now / SECOND, UTC).strftime(TIME)}"
        signer = public_of(self._key).hex() if self._key else ""
        manifest = Manifest(
            format=manifests.FORMAT,
            bundle=name,
            sequence=sequence,
            recorded=timestamp(now),
            sensor=self.sensor,
            program=__version__,
            previous=self._chain.head,
            signer=signer,
            files=manifests.list_files(files),
        )
        data = manifests.encode(manifest)
        whole = {**files, manifests.NAME: data, manifests.DIGEST: manifests.digest_line(data)}
        if self._key is not None:
            whole[manifests.SIGNATURE] = self._key.sign(data)
        size = BLOCK + sum(takes(len(one)) for one in whole.values())
        self._ask_for(size + 2 * BLOCK)
        temporary = f"{NEW}{sequence:08d}"
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.folder / temporary)
        try:
            self._fill(self.folder / temporary, whole)
            (self.folder / temporary).rename(self.folder / name)
            sync_folder(self.folder)
            digest = sha256(data)
            self._chain.add(Entry("bundle", timestamp(now), sequence, name, digest, self._chain.head))
        except OSError:
            self._remove(temporary)
            self._take_away(name)
            raise
        self.held += size
        return Written(name, sequence, digest, size)

    @staticmethod
    def _fill(folder: Path, files: Mapping[str, bytes]) -> None:
        os.mkdir(folder, 0o700)  # noqa: PTH102
        for name, data in files.items():
            descriptor = os.open(
                folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
            try:
                write_whole(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(folder)

    def _ask_for(self, size: int) -> None:
        """Whether there is room for so many bytes.

        Raises:
            RefusedError: there is none.
        """
        limits = self.limits
        if self.held + size > limits.total:
            raise RefusedError(f"the quota of {limits.total >> 20} MiB is used up")
        disk = os.statvfs(self.folder)
        left = disk.f_bavail * disk.f_frsize - size
        if left < limits.free_share * disk.f_blocks * disk.f_frsize:
            raise RefusedError(f"less than {limits.free_share:.0%} of the disk would stay free")

    # ── away ─────────────────────────────────────────────────────────────────────────────────────────────

    def purge(self, names: Sequence[str], reason: str, by: str) -> list[str]:
        """Take bundles away; a line in the chain says so first.  Returns those that went.

        Raises:
            InputError: there is no such bundle.
            OutputError: the disk refuses; those that went before are gone.
        """
        gone = []
        try:
            with locked(self.folder, exclusive=True):
                self._catch_up()
                there = set(bundle_names(self.folder))
                for name in names:
                    if name not in there:
                        remedy = "sniffer evidence list shows those that there are"
                        raise InputError("there is no such bundle", where=name, remedy=remedy)
                    self._purge(name, reason, by)
                    gone.append(name)
        except OSError as fault:
            what = f"a bundle cannot be purged: {fault.strerror}"
            raise OutputError(what, where=str(self.folder), remedy="make room, or run as its owner") from None
        return gone

    def _purge(self, name: str, reason: str, by: str) -> None:
        manifest = self.folder / name / manifests.NAME
        try:
            digest = sha256(manifest.read_bytes())
        except OSError:
            digest = NOTHING
        self._chain.add(
            Entry(
                "purged",
                timestamp(self._wall()),
                int(name.partition("-")[0]),
                name,
                digest,
                reason=printable(reason),
                by=printable(by),
            )
        )
        weight = self._weight(name)
        self._take_away(name)
        self.held -= weight

    def _take_away(self, name: str) -> None:
        """Remove a bundle: from one moment to the next it has not its name any more."""
        with contextlib.suppress(FileNotFoundError):
            (self.folder / name).rename(self.folder / f"{GONE}{name}")
            sync_folder(self.folder)
            self._remove(f"{GONE}{name}")

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            shutil.rmtree(self.folder / name)

    def older_than(self, wall: int) -> list[str]:
        """Names of bundles that were recorded before a time, nanoseconds since 1970."""
        return [name for name in bundle_names(self.folder) if time_of(name) * SECOND < wall]


def open_folder(folder: Path) -> Path:
    """A folder that must be one of evidence.

    Raises:
        InputError: it is none.
        AccessError: it may not be read.
    """
    try:
        if not folder.is_dir():
            raise InputError(
                "there is no such folder of evidence", where=str(folder), remedy="name one with --directory"
            )
        bundle_names(folder)
    except PermissionError:
        remedy = "run as root, or as the user of the service"
        raise AccessError("evidence may not be read", where=str(folder), remedy=remedy) from None
    return folder


def append_line(path: Path, line: bytes) -> None:
    """Add a line to a file of a folder of evidence.

    Raises:
        OSError: it cannot be written.
    """
    with appending(path) as descriptor:
        write_whole(descriptor, line)
