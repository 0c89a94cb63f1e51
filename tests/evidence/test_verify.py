"""Verification: whatever is not as it was written is named."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from evidence.making import Stage, files_of, session, ticking
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.evidence import manifest as manifests
from sniffer.evidence.chain import NAME as CHAIN
from sniffer.evidence.keys import public_of
from sniffer.evidence.store import Limits, Store
from sniffer.evidence.verify import Finding, verify_bundle, verify_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sniffer.ruleset import RuleSet

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture(scope="module")
def pristine(ruleset: RuleSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three bundles of real sessions, signed."""
    folder = tmp_path_factory.mktemp("pristine") / "e"
    store = Store(folder, Limits(free_share=0.0), key=KEY, wall=ticking())
    for port in range(3):
        (one,) = Stage(ruleset).read(session(client=("10.0.0.7", 40_000 + port)).batch()).finish()
        store.write(files_of(one, ruleset))
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(pristine, tmp_path / "e")


def second(folder: Path) -> Path:
    """The bundle in the middle."""
    return sorted(folder.glob("0*"))[1]


def files(found: tuple[Finding, ...]) -> set[tuple[str, str]]:
    """Which files of which bundles."""
    return {(one.bundle, one.file) for one in found}


def flip(file: Path, position: int, bit: int) -> None:
    """Turn one bit of a file."""
    data = bytearray(file.read_bytes())
    data[position] ^= 1 << bit
    file.write_bytes(data)


def test_what_is_whole_is_said_to_be(pristine: Path) -> None:
    """Bundles, signers and what is unsigned are counted; nothing is found."""
    checked = verify_folder(pristine, public_of(KEY))
    assert (checked.bundles, checked.findings, checked.unsigned) == (3, (), 0)
    assert checked.signers == (public_of(KEY).hex(),)
    assert verify_bundle(second(pristine)).findings == ()


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_is_named(data: st.DataObject, pristine: Path) -> None:
    """Any bit of any file of a bundle: the finding names bundle and file, with the chain and from the bundle alone."""
    bundle = second(pristine)
    file = bundle / data.draw(st.sampled_from(sorted(path.name for path in bundle.iterdir())))
    whole = file.read_bytes()
    try:
        flip(file, data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7)))
        found = verify_folder(pristine).findings
        assert (bundle.name, file.name) in files(found), found
        assert {one.bundle for one in found} == {bundle.name}
        if file.name not in {manifests.NAME, manifests.SIGNATURE}:
            assert files(found) == {(bundle.name, file.name)}
        assert (bundle.name, file.name) in files(verify_bundle(bundle).findings)
    finally:
        file.write_bytes(whole)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_copy_without_the_chain_is_enough(
    data: st.DataObject, pristine: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A bundle that was carried elsewhere, unsigned even, tells of a flipped bit in any of its files."""
    copy = tmp_path_factory.mktemp("copy") / "carried"
    shutil.copytree(second(pristine), copy)
    (copy / manifests.SIGNATURE).unlink()
    manifest = json.loads((copy / manifests.NAME).read_bytes())
    text = json.dumps({**manifest, "signer": ""}).encode()
    (copy / manifests.NAME).write_bytes(text)
    (copy / manifests.DIGEST).write_bytes(manifests.digest_line(text))
    assert verify_bundle(copy).findings == ()
    file = copy / data.draw(st.sampled_from(sorted(path.name for path in copy.iterdir())))
    flip(file, data.draw(st.integers(0, file.stat().st_size - 1)), data.draw(st.integers(0, 7)))
    assert any(file.name in f"{one.file} {one.what}" for one in verify_bundle(copy).findings)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_in_the_chain_is_noticed(data: st.DataObject, pristine: Path) -> None:
    """Any bit of any line of the chain leads to a finding."""
    chain = pristine / CHAIN
    whole = chain.read_bytes()
    try:
        flip(chain, data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7)))
        assert CHAIN in {one.file for one in verify_folder(pristine).findings}
    finally:
        chain.write_bytes(whole)


SPOILED: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a file is missing": (
        lambda bundle: (bundle / "packets.pcapng").unlink(),
        "packets.pcapng",
        "is missing",
    ),
    "a file is added": (lambda bundle: (bundle / "note").write_text("x"), "note", "not in the manifest"),
    "a folder is added": (lambda bundle: (bundle / "more").mkdir(), "more", "not in the manifest"),
    "a file is longer": (
        lambda bundle: (bundle / "rules.yaml").write_bytes((bundle / "rules.yaml").read_bytes() + b"\n"),
        "rules.yaml",
        "bytes in place of",
    ),
    "the manifest is missing": (
        lambda bundle: (bundle / "manifest.json").unlink(),
        "manifest.json",
        "is missing",
    ),
    "the digest is missing": (
        lambda bundle: (bundle / "manifest.sha256").unlink(),
        "manifest.sha256",
        "is missing",
    ),
    "the signature is missing": (
        lambda bundle: (bundle / "manifest.sig").unlink(),
        "manifest.sig",
        "is missing",
    ),
    "the manifest is enormous": (
        lambda bundle: (bundle / "manifest.json").write_bytes(bytes(2 << 20)),
        "manifest.json",
        "no file of a manifest's size",
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_what_is_missing_or_too_much(name: str, folder: Path) -> None:
    """It is named, and nothing of the other bundles is."""
    spoil, file, what = SPOILED[name]
    bundle = second(folder)
    spoil(bundle)
    found = verify_folder(folder).findings
    assert {one.bundle for one in found} == {bundle.name}
    assert any(one.file == file and what in one.what for one in found), found
    assert str(found[0]).startswith(bundle.name)


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    """A link in the place of a file is no file of the bundle, even if what it leads to is right."""
    file = second(folder) / "packets.pcapng"
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    (found,) = verify_folder(folder).findings
    assert (found.file, found.what) == ("packets.pcapng", "is no regular file")


def test_a_bundle_that_vanished(folder: Path) -> None:
    """A bundle that is in the chain and was not purged is missing."""
    bundle = second(folder)
    shutil.rmtree(bundle)
    (found,) = verify_folder(folder).findings
    assert (found.bundle, found.what) == (bundle.name, "is missing, and was not purged")


def test_a_bundle_that_was_put_in(folder: Path) -> None:
    """A bundle that the chain does not have, made of another, is found out."""
    shutil.copytree(second(folder), folder / "00000009-20261123T080000Z")
    found = verify_folder(folder).findings
    assert {one.bundle for one in found} == {"00000009-20261123T080000Z"}
    assert any("is not in chain.jsonl" in one.what for one in found)


def test_a_link_of_the_chain_that_is_broken(folder: Path) -> None:
    """A line that was taken out is noticed at the next line and at the bundle behind it."""
    lines = (folder / CHAIN).read_bytes().splitlines(keepends=True)
    (folder / CHAIN).write_bytes(lines[0] + lines[2])
    found = verify_folder(folder).findings
    whats = " ".join(one.what for one in found)
    assert "the chain is broken" in whats
    assert "does not follow the line before it" in whats
    assert (second(folder).name, "") in files(found)


def test_a_chain_written_anew_needs_the_key(folder: Path) -> None:
    """Somebody who writes all hashes anew, without the key, is found out by the signature."""
    bundle = second(folder)
    (bundle / "sensor.json").write_bytes(b"{}\n")
    manifest = manifests.decode((bundle / manifests.NAME).read_bytes())
    data = manifests.encode(manifest).replace(b'"sensor": ""', b'"sensor": "x"')
    (bundle / manifests.NAME).write_bytes(data)
    (bundle / manifests.DIGEST).write_bytes(manifests.digest_line(data))
    assert (bundle.name, manifests.SIGNATURE) in files(verify_folder(folder).findings)


def test_the_key_must_be_the_right_one(folder: Path) -> None:
    """Against another key every bundle is a finding; against one, an unsigned bundle is, too."""
    other = public_of(Ed25519PrivateKey.generate())
    assert {one.what for one in verify_folder(folder, other).findings} == {"is signed with another key"}
    Store(folder, Limits(free_share=0.0)).write({"verdict.json": b"{}"})
    (found,) = verify_folder(folder, public_of(KEY)).findings
    assert "not signed" in found.what
    assert verify_folder(folder).unsigned == 1


def test_a_purge_hides_no_change(folder: Path) -> None:
    """A bundle that had been changed before it was purged is told from its tombstone."""
    bundle = second(folder)
    (bundle / manifests.NAME).write_bytes(b"{}")
    Store(folder, Limits(free_share=0.0)).purge([bundle.name], "age", "x")
    (found,) = verify_folder(folder).findings
    assert (found.bundle, found.file) == (bundle.name, manifests.NAME)


def test_a_purged_bundle_that_is_back(folder: Path, tmp_path: Path) -> None:
    """A bundle that was purged and is there again is told."""
    bundle = second(folder)
    shutil.copytree(bundle, tmp_path / "copy")
    Store(folder, Limits(free_share=0.0)).purge([bundle.name], "age", "x")
    shutil.copytree(tmp_path / "copy", bundle)
    (found,) = verify_folder(folder).findings
    assert found.what == "was purged, and is there"
