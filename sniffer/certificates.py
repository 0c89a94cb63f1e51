"""Certificates and keys in files: looked at before OpenSSL takes them, so that a fault has the same words wherever it is found.

In: a context, PEM files by the settings that name them.  Out: the context with what they hold, or every :class:`Flaw`.
Never: a key that is open to everybody, that needs a passphrase, or that belongs to another certificate; a certificate that is
over or not yet valid; a question on the terminal; a word of a key in a message.
"""

from __future__ import annotations

import stat
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from sniffer.errors import ConfigError
from sniffer.strictyaml import read_bytes

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

MAX_FILE: Final = 1 << 20  # bytes of a certificate, a key, a list of authorities
WHEN: Final = "%Y-%m-%d %H:%M UTC"


class Flaw(NamedTuple):
    """What is wrong with a file; whoever has the setting that names it knows the place."""

    setting: str
    code: str
    file: str  # "" where the setting holds something else than a name
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}" if self.file else self.what


class Leaf(NamedTuple):
    """What is needed of a certificate."""

    public: bytes
    expires: float  # seconds since 1970


class _Named:
    """A file that a setting names, and what is wrong with it."""

    def __init__(self, setting: str, path: Path) -> None:
        self._setting, self.path = setting, path
        self.flaws: list[Flaw] = []

    def complain(self, code: str, what: str, remedy: str) -> None:
        self.flaws.append(Flaw(self._setting, code, str(self.path), what, remedy))

    def read(self) -> bytes | None:
        """What it holds; None if that cannot be had, which is among the flaws then."""
        if "-----BEGIN" in str(self.path):  # not repeated in a message: it may be the key
            what = "holds the text of a file, not its name"
            self.flaws.append(Flaw(self._setting, "value", "", what, "name the file"))
            return None
        try:
            return read_bytes(self.path, MAX_FILE)
        except ConfigError as error:
            for one in error.problems:
                self.complain(one.code, one.what, one.remedy)
            return None


def load_authorities(context: ssl.SSLContext, path: Path, setting: str = "ca_file") -> list[Flaw]:
    """Have a context believe those who are in a file, and only those.

    Args:
        context: that believes nobody yet.
        path: of certificates; what stands around them does not count.
        setting: that names the file.
    """
    file = _Named(setting, path)
    if file.read() is None:
        return file.flaws
    try:
        context.load_verify_locations(path)
        found = context.cert_store_stats()["x509"]  # a list of what is revoked is taken, too
    except OSError:  # OpenSSL's faults are such
        found = 0
    if not found:
        remedy = "name the file with the certificate of the authority that signs those of the other side"
        file.complain("certificate", "holds no certificate in PEM", remedy)
    return file.flaws


def load_pair(
    context: ssl.SSLContext, certificate: Path | None, key: Path | None
) -> tuple[float, list[Flaw]]:
    """Have a context show a certificate.  Of a pair that lacks one, the other is looked at.

    Args:
        context: to load it into.
        certificate: what ``cert_file`` names: our own, then those between it and the root.
        key: what ``key_file`` names.

    Returns:
        When the certificate ends, in seconds since 1970 (0: not known), and every fault.
    """
    ours = _Named("cert_file", certificate) if certificate is not None else None
    its_key = _Named("key_file", key) if key is not None else None
    leaf = _parse_certificate(ours) if ours is not None else None
    public = _parse_key(its_key) if its_key is not None else None
    if ours is not None and its_key is not None and leaf is not None and public is not None:
        if public != leaf.public:
            what = f"does not belong to the first certificate of {ours.path}"
            remedy = (
                "name the key that the certificate was made for; in a chain one's own certificate comes first"
            )
            its_key.complain("key_mismatch", what, remedy)
        if not ours.flaws and not its_key.flaws:
            _load(context, ours, its_key.path)
    flaws = [flaw for file in (ours, its_key) if file is not None for flaw in file.flaws]
    return leaf.expires if leaf is not None else 0.0, flaws


def _load(context: ssl.SSLContext, certificate: _Named, key: Path) -> None:
    try:
        # Without an answer to the question for a passphrase OpenSSL would ask on the terminal.
        context.load_cert_chain(certificate.path, key, password=lambda: "")
    except OSError as error:
        what = f"OpenSSL refuses it: {reason_of(error)}"
        certificate.complain("certificate", what, "make a new key and certificate")


def _parse_certificate(file: _Named) -> Leaf | None:
    """The first certificate of a file."""
    data = file.read()
    if data is None:
        return None
    try:
        first = x509.load_pem_x509_certificates(data)[0]
        begins, ends = first.not_valid_before_utc, first.not_valid_after_utc
        leaf = Leaf(_plain(first.public_key()), ends.timestamp())
    except (ValueError, UnsupportedAlgorithm):
        remedy = "name the file that begins with BEGIN CERTIFICATE"
        file.complain("certificate", "holds no certificate in PEM", remedy)
        return None
    now = time.time()
    if now > leaf.expires:
        file.complain("expired", f"the certificate has expired on {ends:{WHEN}}", "renew it")
    elif now < begins.timestamp():
        remedy = "look at the clock of this machine, or wait"
        file.complain("not_yet_valid", f"the certificate begins on {begins:{WHEN}}", remedy)
    return leaf


def _parse_key(file: _Named) -> bytes | None:
    """The public half of the key in a file."""
    data = file.read()
    if data is None:
        return None
    if _is_open_to_all(file.path):
        what = "the key is open to every user of this machine"
        file.complain("mode", what, "chmod 640, and the sensor's group; then think of a new key")
    try:
        return _plain(load_pem_private_key(data, None).public_key())
    except TypeError:
        what = "the key is encrypted, and nobody is there to give the passphrase"
        file.complain("encrypted", what, "openssl pkey -in KEY -out NEW takes it off; chmod 640 NEW")
    except (ValueError, UnsupportedAlgorithm):
        remedy = "name the file that begins with BEGIN PRIVATE KEY"
        file.complain("key", "holds no private key in PEM", remedy)
    return None


def _is_open_to_all(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & stat.S_IRWXO)
    except OSError:  # it was there a moment ago; who loads it will say so
        return False


def _plain(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def reason_of(error: OSError) -> str:
    """What OpenSSL says, in words."""
    reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
    return str(reason).lower().replace("_", " ")
