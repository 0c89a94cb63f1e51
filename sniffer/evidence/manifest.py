"""The manifest of a bundle: what is in it, by hash, and which bundle it follows.

In: the files of a bundle.  Out: ``manifest.json``, and the record that it holds.
Never: a name of a file that leads out of its folder.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from sniffer.evidence.chain import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME: Final = "manifest.json"
DIGEST: Final = "manifest.sha256"
SIGNATURE: Final = "manifest.sig"
FORMAT: Final = 1
MAX_SIZE: Final = 1 << 20
FILE_NAME: Final = re.compile(r"[a-z][a-z0-9.-]{0,63}")


class Listed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file."""

    name: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``manifest.json`` says."""

    format: int
    bundle: str  # name of the folder
    sequence: int
    recorded: str  # wall clock, UTC
    sensor: str
    program: str  # version
    previous: str  # SHA-256 of the manifest before this one
    signer: str  # public key that signs it, hexadecimal; "" where nobody does
    files: tuple[Listed, ...]


_decoder = msgspec.json.Decoder(Manifest)


def list_files(files: Mapping[str, bytes]) -> tuple[Listed, ...]:
    """The files of a bundle as a manifest has them."""
    return tuple(Listed(name, len(data), sha256(data)) for name, data in files.items())


def encode(record: object) -> bytes:
    """``manifest.json``, or another file of a bundle that people read as well as programs."""
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def decode(data: bytes) -> Manifest:
    """The record that it holds.

    Raises:
        ValueError: it is none.
    """
    try:
        manifest = _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if manifest.format != FORMAT:
        raise ValueError(f"it is of format {manifest.format}, this program knows {FORMAT}")
    names = [one.name for one in manifest.files]
    if len(set(names)) < len(names) or not all(FILE_NAME.fullmatch(name) for name in names):
        raise ValueError("a name in it is no name of a file of a bundle")
    return manifest


def digest_line(data: bytes) -> bytes:
    """``manifest.sha256``, as ``sha256sum -c`` reads it."""
    return f"{sha256(data)}  {NAME}\n".encode("ascii")
