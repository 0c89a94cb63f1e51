"""TLS of the endpoint: from settings and files to a context, with everything checked first.

In: the section ``tls_server_config``, the folder that its file names start from.  Out: :class:`Made`, or ConfigError with every
fault at its place.
Never: a file that :mod:`sniffer.certificates` finds fault with; TLS below 1.2; a client certificate that is asked for and not
verified.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from sniffer.certificates import load_authorities, load_pair
from sniffer.config import Section
from sniffer.errors import ConfigError
from sniffer.strictyaml import suggest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sniffer.certificates import Flaw
    from sniffer.errors import Problem
    from sniffer.strictyaml import Document

PROTOCOLS: Final = ["http/1.1"]

VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
OLD_VERSIONS: Final = ("TLS10", "TLS11")
CURVES: Final = {
    "X25519": "X25519",
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
}
"""Names of Go's curves, and OpenSSL's."""

CIPHERS: Final = {
    f"TLS_ECDHE_{kind}_WITH_{name}": f"ECDHE-{kind}-{openssl}"
    for kind in ("ECDSA", "RSA")
    for name, openssl in (
        ("AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
        ("AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
        ("AES_128_CBC_SHA", "AES128-SHA"),
        ("AES_256_CBC_SHA", "AES256-SHA"),
    )
}
"""Go's suites of TLS 1.2 with forward secrecy, and OpenSSL's names for them."""
ALWAYS_ON: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""Suites of TLS 1.3: as in Go, a list of suites does not choose among them."""

UNVERIFIED: Final = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
POLICIES: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


class TlsSettings(Section):
    """``tls_server_config``.  What needs more than a type is looked at by :func:`make_context`."""

    cert: Any = None  # these three are refused, whatever they hold
    key: Any = None
    client_ca: Any = None
    cert_file: str = ""
    key_file: str = ""
    client_auth_type: str = ""
    client_ca_file: str = ""
    client_allowed_sans: tuple[str, ...] | None = None
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """A context, and what else is to be known of it."""

    context: ssl.SSLContext
    allowed_names: frozenset[str]
    expires: float  # seconds since 1970
    files: tuple[Path, ...]


def make_context(settings: TlsSettings, folder: Path, document: Document) -> Made:
    """A context for a server.

    Args:
        settings: the section.
        folder: that relative file names start from.
        document: the file, for places.

    Raises:
        ConfigError: with every fault.
    """
    return _Maker(settings, folder, document).make()


def names_of(certificate: Mapping[str, Any]) -> set[str]:
    """Subject alternative names of a peer's certificate as ``getpeercert()`` tells it; addresses in their usual spelling."""
    out = set()
    for kind, name in certificate.get("subjectAltName", ()):
        if kind == "IP Address":
            try:
                out.add(str(ip_address(name.strip())))
            except ValueError:
                continue
        elif kind in ("DNS", "email", "URI"):
            out.add(name)
    return out


class _Maker:
    """Goes through the settings once and collects what is wrong."""

    def __init__(self, settings: TlsSettings, folder: Path, document: Document) -> None:
        self._problems: list[Problem] = []
        self._settings, self._folder, self._document = settings, folder, document
        self._files: list[Path] = []

    def make(self) -> Made:
        settings = self._settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(PROTOCOLS)
        context.options |= ssl.OP_NO_RENEGOTIATION
        if not settings.prefer_server_cipher_suites:
            context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        self._refuse_inline()
        self._set_versions(context)
        self._set_ciphers(context)
        self._set_curve(context)
        expires = self._load_certificate(context)
        self._set_clients(context)
        if self._problems:
            raise ConfigError(self._problems)
        names = frozenset(map(_usual, settings.client_allowed_sans or ()))
        return Made(context, names, expires, tuple(self._files))

    def _complain(self, key: str, code: str, what: str, remedy: str) -> None:
        self._problems.append(
            self._document.problem(("tls_server_config", key), code, f"{key}: {what}", remedy)
        )

    def _refuse_inline(self) -> None:
        for key in ("cert", "key", "client_ca"):
            if getattr(self._settings, key) is not None:
                remedy = f"put it into a file and name that: {key}_file"
                self._complain(key, "unsupported", "Python's ssl reads files only", remedy)

    # ── versions, ciphers, curves ────────────────────────────────────────────────────────────────────────

    def _set_versions(self, context: ssl.SSLContext) -> None:
        least, most = self._version("min_version"), self._version("max_version")
        if least is None or most is None:
            return
        if least > most:
            self._complain("min_version", "value", "is above max_version", "choose versions in order")
            return
        context.minimum_version, context.maximum_version = least, most

    def _version(self, key: str) -> ssl.TLSVersion | None:
        name = getattr(self._settings, key)
        if name in OLD_VERSIONS:
            what = f"{name} is broken (RFC 8996) and not served"
            self._complain(key, "unsupported", what, "choose TLS12 or TLS13")
        elif name not in VERSIONS:
            self._complain(key, "value", "unknown version", suggest(name, list(VERSIONS)))
        return VERSIONS.get(name)

    def _set_ciphers(self, context: ssl.SSLContext) -> None:
        names = self._settings.cipher_suites
        known = [*CIPHERS, *ALWAYS_ON]
        unknown = [name for name in names if name not in known]
        for name in unknown:
            what = "a suite that is unknown, or without forward secrecy"
            self._complain("cipher_suites", "value", what, suggest(name, known))
        if unknown or not names:
            return
        chosen = [CIPHERS[name] for name in names if name in CIPHERS]
        if chosen:
            try:
                context.set_ciphers(":".join(chosen))
            except ssl.SSLError:
                what = "OpenSSL of this machine has none of these"
                self._complain("cipher_suites", "unsupported", what, "leave it out")
        elif self._settings.min_version != "TLS13":
            what = "names suites of TLS 1.3 only, and TLS 1.2 is allowed"
            self._complain("cipher_suites", "value", what, "set min_version: TLS13, or add suites of TLS 1.2")

    def _set_curve(self, context: ssl.SSLContext) -> None:
        names = self._settings.curve_preferences
        unknown = [name for name in names if name not in CURVES]
        for name in unknown:
            self._complain("curve_preferences", "value", "unknown curve", suggest(name, list(CURVES)))
        if len(names) > 1:
            what = "Python's ssl takes one curve, not an order of several"
            self._complain(
                "curve_preferences", "unsupported", what, "name one, or leave it out for OpenSSL's choice"
            )
        elif names and not unknown:
            try:
                context.set_ecdh_curve(CURVES[names[0]])
            except (ssl.SSLError, ValueError):
                what = "OpenSSL of this machine does not take this curve"
                self._complain("curve_preferences", "unsupported", what, "name another, or leave it out")

    # ── files ────────────────────────────────────────────────────────────────────────────────────────────

    def _named(self, key: str) -> Path | None:
        """The file that a setting names; None if it names none, which has been said then."""
        name = getattr(self._settings, key)
        if not name:
            self._complain(key, "missing_key", "a file name is wanted", "name a PEM file")
            return None
        path: Path = self._folder / name
        self._files.append(path)
        return path

    def _tell(self, flaws: list[Flaw]) -> None:
        for flaw in flaws:
            self._complain(flaw.setting, flaw.code, str(flaw), flaw.remedy)

    def _load_certificate(self, context: ssl.SSLContext) -> float:
        """Load certificate and key; return when the certificate ends."""
        expires, flaws = load_pair(context, self._named("cert_file"), self._named("key_file"))
        self._tell(flaws)
        return expires

    # ── clients ──────────────────────────────────────────────────────────────────────────────────────────

    def _set_clients(self, context: ssl.SSLContext) -> None:
        settings = self._settings
        policy = settings.client_auth_type or "NoClientCert"
        if policy in UNVERIFIED:
            what = f"{policy} asks for a certificate and does not verify it, which proves nothing; Python's ssl cannot do so"
            remedy = "RequireAndVerifyClientCert or VerifyClientCertIfGiven, with client_ca_file"
            self._complain("client_auth_type", "unsupported", what, remedy)
            return
        if policy not in POLICIES:
            self._complain("client_auth_type", "value", "unknown policy", suggest(policy, list(POLICIES)))
            return
        if settings.client_allowed_sans is not None and policy != "RequireAndVerifyClientCert":
            remedy = "set client_auth_type: RequireAndVerifyClientCert"
            self._complain(
                "client_allowed_sans", "value", "needs clients that must show a certificate", remedy
            )
        if settings.client_allowed_sans == ():
            what = "is an empty list: no client would be let in"
            self._complain("client_allowed_sans", "value", what, "name those that are, or leave it out")
        if policy == "NoClientCert":
            if settings.client_ca_file:
                what = "is given, and clients are not asked for certificates"
                remedy = "set client_auth_type: RequireAndVerifyClientCert"
                self._complain("client_ca_file", "value", what, remedy)
            return
        authorities = self._named("client_ca_file")
        if authorities is not None:
            self._tell(load_authorities(context, authorities, "client_ca_file"))
            context.verify_mode = POLICIES[policy]


def _usual(name: str) -> str:
    """An address in its usual spelling, anything else as it is."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name
