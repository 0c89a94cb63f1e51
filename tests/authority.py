"""Authorities and certificates that tests make for themselves."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

SIGNS = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
"""What an authority's key is for."""


def name(common: str) -> x509.Name:
    """A subject."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def write_key(path: Path, key: Key, passphrase: bytes = b"", mode: int = 0o600) -> Path:
    """A private key in PEM."""
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how))
    path.chmod(mode)
    return path


class Authority:
    """Signs certificates."""

    def __init__(self, folder: Path, common: str = "test authority") -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._name, self._key = name(common), ec.generate_private_key(ec.SECP256R1())
        self.file = folder / "ca.pem"
        certificate = self._sign(self._name, self._key, [], is_authority=True)
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(
        self,
        subject: x509.Name,
        key: Key,
        names: list[x509.GeneralName],
        *,
        is_authority: bool = False,
        begins: int = -1,
        days: int = 90,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=begins))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if is_authority:
            builder = builder.add_extension(SIGNS, critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def client(self, stem: str = "") -> ssl.SSLContext:
        """What a client needs that trusts this authority, and perhaps shows a certificate."""
        context = ssl.create_default_context(cafile=str(self.file))
        if stem:
            context.load_cert_chain(self.folder / f"{stem}.pem", self.folder / f"{stem}.key")
        return context

    def issue(
        self, stem: str, *names: x509.GeneralName, key: Key | None = None, begins: int = -1, days: int = 90
    ) -> tuple[Path, Path]:
        """A certificate and its key: ``stem.pem``, ``stem.key``; valid from ``begins`` to ``days`` days from now."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        where: list[x509.GeneralName] = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        certificate = self._sign(name(stem), key, list(names) or where, begins=begins, days=days)
        path = self.folder / f"{stem}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path, write_key(self.folder / f"{stem}.key", key)
