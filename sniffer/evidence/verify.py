"""Whether bundles are as they were written: every hash, the chain, the signature; what is not is named.

In: a folder of evidence, or one bundle wherever it lies.  Out: findings, each with bundle, file and what is wrong.
Never: a change of anything, a file followed out of its bundle, trust in what a bundle says of its own size.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sniffer.evidence import manifest as manifests
from sniffer.evidence.chain import NAME as CHAIN
from sniffer.evidence.chain import NOTHING, Entry, decode, encode, link_of, locked, read_lines, sha256
from sniffer.evidence.keys import is_signed
from sniffer.evidence.store import bundle_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sniffer.evidence.manifest import Listed, Manifest

OF_MANIFEST: Final = (manifests.NAME, manifests.DIGEST, manifests.SIGNATURE)
CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written."""

    bundle: str  # "" where it concerns the chain
    file: str
    what: str

    def __str__(self) -> str:
        place = "/".join(part for part in (self.bundle, self.file) if part)
        return f"{place}: {self.what}"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at, and what was found."""

    bundles: int
    findings: tuple[Finding, ...]
    purged: int = 0
    signers: tuple[str, ...] = ()  # public keys, hexadecimal
    unsigned: int = 0


def verify_folder(folder: Path, key: bytes | None = None) -> Checked:
    """Check every bundle of a folder, and the chain.

    Args:
        folder: of evidence.
        key: public key that must have signed; None: the one that each manifest names.

    Raises:
        OSError: it cannot be read.
    """
    with locked(folder, exclusive=False):
        entries, findings = _read_chain(folder)
        names = bundle_names(folder)
        known = {entry.bundle: entry for entry in entries if entry.kind == "bundle"}
        purged = {entry.bundle for entry in entries if entry.kind == "purged"}
        findings += _follow(entries)
        signers: dict[str, None] = {}
        unsigned = 0
        for name in names:
            expected = known.get(name)
            found, manifest = _verify(folder / name, key, expected)
            findings += found
            if expected is None:
                findings.append(Finding(name, "", f"is not in {CHAIN}"))
            if name in purged:
                findings.append(Finding(name, "", "was purged, and is there"))
            if manifest is not None and manifest.signer:
                signers[manifest.signer] = None
            unsigned += manifest is not None and not manifest.signer
        missing = sorted(set(known) - set(names) - purged)
        findings += [Finding(name, "", "is missing, and was not purged") for name in missing]
    return Checked(len(names), tuple(findings), len(purged), tuple(signers), unsigned)


def verify_bundle(bundle: Path, key: bytes | None = None) -> Checked:
    """Check one bundle; where it lies in a folder of evidence, its place in the chain as well.

    Raises:
        OSError: it cannot be read.
    """
    entries = _read_chain(bundle.parent)[0]
    mine = [entry for entry in entries if entry.kind == "bundle" and entry.bundle == bundle.name]
    found, manifest = _verify(bundle, key, mine[0] if mine else None)
    findings = [*found, *([] if mine or not entries else [Finding(bundle.name, "", f"is not in {CHAIN}")])]
    signer = manifest.signer if manifest else ""
    return Checked(1, tuple(findings), signers=(signer,) if signer else (), unsigned=int(not signer))


# ── the chain ────────────────────────────────────────────────────────────────────────────────────────────


def _read_chain(folder: Path) -> tuple[list[Entry], list[Finding]]:
    entries: list[Entry] = []
    findings: list[Finding] = []
    link = NOTHING
    for number, line in enumerate(read_lines(folder / CHAIN), 1):
        entry = decode(line) if line.endswith(b"\n") else None
        if entry is None:
            findings.append(Finding("", CHAIN, f"line {number} is no entry"))
            link = ""
            continue
        entries.append(entry)
        if encode(entry) != line or (link and entry.link != link_of(entry, link)):
            what = f"line {number} was changed, or does not follow the line before it"
            findings.append(Finding("", CHAIN, what))
        link = entry.link
    return entries, findings


def _follow(entries: list[Entry]) -> Iterator[Finding]:
    """Whether each bundle continues the one before it."""
    sequence, head = 0, NOTHING
    manifests_of = {entry.bundle: entry.manifest for entry in entries if entry.kind == "bundle"}
    for entry in entries:
        if entry.kind == "rebuilt":
            yield Finding("", CHAIN, f"was lost, and begun anew at {entry.time}: {entry.reason}")
            sequence, head = -1, ""
        elif entry.kind == "purged":
            if manifests_of.get(entry.bundle) not in (entry.manifest, None) and entry.manifest != NOTHING:
                yield Finding(entry.bundle, manifests.NAME, "had been changed when the bundle was purged")
        else:
            if sequence >= 0 and (entry.sequence != sequence + 1 or entry.previous != head):
                yield Finding(entry.bundle, "", "does not continue the bundle before it: the chain is broken")
            sequence, head = entry.sequence, entry.manifest


# ── a bundle ─────────────────────────────────────────────────────────────────────────────────────────────


def _verify(bundle: Path, key: bytes | None, expected: Entry | None) -> tuple[list[Finding], Manifest | None]:
    findings: list[Finding] = []

    def complain(file: str, what: str) -> None:
        findings.append(Finding(bundle.name, file, what))

    there = {entry.name: entry for entry in os.scandir(bundle)}
    data = _read(bundle, manifests.NAME, there)
    if data is None:
        complain(manifests.NAME, "is missing, or no file of a manifest's size")
        return findings, None
    digest = _read(bundle, manifests.DIGEST, there)
    is_told = digest == manifests.digest_line(data)
    is_known = expected is None or expected.manifest == sha256(data)
    if digest is None:
        complain(manifests.DIGEST, "is missing, or too large")
    elif not is_told and expected is not None and is_known:
        complain(manifests.DIGEST, "was changed")
    elif not is_told:
        complain(manifests.NAME, f"was changed, or {manifests.DIGEST} was: they do not agree")
    if not is_known:
        complain(manifests.NAME, f"was changed: {CHAIN} has another hash of it")
    try:
        manifest = manifests.decode(data)
    except ValueError as error:
        complain(manifests.NAME, f"cannot be read: {error}")
        return findings, None
    if expected is not None and manifest.bundle != bundle.name:
        complain(manifests.NAME, f"is that of {manifest.bundle}")
    if expected is not None and is_known and manifest.previous != expected.previous:
        complain(manifests.NAME, f"continues another bundle than {CHAIN} says")
    _verify_signature(manifest, data, _read(bundle, manifests.SIGNATURE, there), key, complain)
    for listed in manifest.files:
        what = _fault_of(bundle, listed, there)
        if what:
            complain(listed.name, what)
    named = {listed.name for listed in manifest.files} | set(OF_MANIFEST)
    for name in sorted(set(there) - named):
        complain(name, "is not in the manifest")
    return findings, manifest


def _verify_signature(
    manifest: Manifest,
    data: bytes,
    signature: bytes | None,
    key: bytes | None,
    complain: Callable[[str, str], None],
) -> None:
    signer = bytes.fromhex(manifest.signer) if _is_hex(manifest.signer) else b""
    if not manifest.signer and signature is None:
        if key is not None:
            complain(manifests.SIGNATURE, "is missing: the bundle is not signed")
    elif signature is None:
        complain(manifests.SIGNATURE, "is missing, and the manifest names a signer")
    elif key is not None and signer != key:
        complain(manifests.NAME, "is signed with another key")
    elif not is_signed(signer, signature, data):
        complain(manifests.SIGNATURE, "does not fit the manifest: one of both was changed")


def _is_hex(text: str) -> bool:
    return len(text) == 64 and all(digit in "0123456789abcdef" for digit in text)


def _fault_of(bundle: Path, listed: Listed, there: dict[str, os.DirEntry[str]]) -> str:
    """What is wrong with a file, "" for nothing."""
    entry = there.get(listed.name)
    if entry is None:
        return "is missing"
    if not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
        return "is no regular file"
    size = entry.stat(follow_symlinks=False).st_size
    if size != listed.bytes:
        return f"has {size} bytes in place of {listed.bytes}"
    digest = hashlib.sha256()
    with (bundle / listed.name).open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return "" if digest.hexdigest() == listed.sha256 else "was changed: its hash is another"


def _read(bundle: Path, name: str, there: dict[str, os.DirEntry[str]]) -> bytes | None:
    """A small regular file."""
    entry = there.get(name)
    if entry is None or not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
        return None
    if entry.stat(follow_symlinks=False).st_size > manifests.MAX_SIZE:
        return None
    return (bundle / name).read_bytes()
