"""Manifests: what they say, and what is none."""

from __future__ import annotations

import msgspec
import pytest

from sniffer.evidence.chain import NOTHING, sha256
from sniffer.evidence.manifest import Manifest, decode, digest_line, encode, list_files

ONE = Manifest(1, "00000001-20261123T080000Z", 1, "t", "s", "0", NOTHING, "", list_files({"a.txt": b"abc"}))


def test_it_reads_what_it_writes() -> None:
    """A manifest is the same after writing and reading, and names size and hash of each file."""
    assert decode(encode(ONE)) == ONE
    assert (ONE.files[0].bytes, ONE.files[0].sha256) == (3, sha256(b"abc"))


def test_the_digest_is_as_sha256sum_reads_it() -> None:
    """Hash, two blanks, name."""
    assert digest_line(b"x") == f"{sha256(b'x')}  manifest.json\n".encode()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"format": 2}, "format 2"),
        ({"files": list_files({"../a": b""})}, "no name"),
        ({"files": list_files({"a": b""}) * 2}, "no name"),
        ({"files": list_files({".hidden": b""})}, "no name"),
    ],
)
def test_what_it_may_not_say(change: dict[str, object], what: str) -> None:
    """Another format, a path that leads out, a name twice are refused."""
    with pytest.raises(ValueError, match=what):
        decode(encode(msgspec.structs.replace(ONE, **change)))


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 5_000, b"\xff"])
def test_nonsense_is_told(data: bytes) -> None:
    """What is no manifest is a ValueError, whatever it is."""
    with pytest.raises(ValueError, match=r"."):
        decode(data)
