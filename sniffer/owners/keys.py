"""What a tenant can be known by, as it is written and as it is compared.

In: text from files and options.  Out: plain tuples, which travel between processes; and text again.
Never: a guess: ``100.2010`` without quotes is a number in YAML, and another one than was meant, so numbers with a point
are refused.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

Kind: TypeAlias = Literal[
    "park", "data-centre", "power-plant", "telecom", "internet-company", "internet-cafe", "campus",
    "government", "household", "other",
]  # fmt: skip
KINDS: Final[tuple[str, ...]] = get_args(Kind)

BEHIND_NAT: Final = "unknown behind NAT"
"""The tenant of an address of our own NAT, when no mapping says who was behind it."""

MAX_VLAN: Final = 4_095
MAX_SESSION: Final = 0xFFFF
MAX_LONG_SESSION: Final = 0xFFFF_FFFF
MAX_LABEL: Final = (1 << 20) - 1
ANY: Final = -1

MAC: Final = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}")
NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,9}")


class Prefix(NamedTuple):
    """A network."""

    packed: bytes  # its first address
    length: int  # bits

    def __str__(self) -> str:
        return f"{ipaddress.ip_address(self.packed)}/{self.length}"


class Vlan(NamedTuple):
    """A pair of tags one inside the other, or the outermost tag alone."""

    outer: int
    inner: int = ANY

    def __str__(self) -> str:
        return str(self.outer) if self.inner == ANY else f"{self.outer}.{self.inner}"


class Pppoe(NamedTuple):
    """A session of PPPoE (RFC 2516); its number is unique to an access concentrator only."""

    session: int
    vlan: Vlan | None = None  # where it is looked for; None: anywhere
    mac: bytes = b""  # of the access concentrator; b"": any

    def __str__(self) -> str:
        place = f"@{self.vlan}" if self.vlan else f"@{self.mac.hex(':')}" if self.mac else ""
        return f"{self.session}{place}"


class L2tp(NamedTuple):
    """A session of L2TP: tunnel and session in version 2 (RFC 2661), the session alone in version 3 (RFC 3931)."""

    tunnel: int
    session: int

    def __str__(self) -> str:
        return str(self.session) if self.tunnel == ANY else f"{self.tunnel}.{self.session}"


Key: TypeAlias = Prefix | Vlan | Pppoe | L2tp | int
"""An MPLS label is a plain number."""


# ── what a packet has of these ───────────────────────────────────────────────────────────────────────────


class Labels(NamedTuple):
    """Labels of access sessions around a packet, outermost first (:mod:`sniffer.owners.labels` reads them)."""

    pppoe: tuple[tuple[int, tuple[bytes, ...]], ...] = ()  # session, and the hardware addresses around it
    l2tp: tuple[tuple[int, int], ...] = ()  # tunnel (-1: version 3 has none) and session
    mpls: tuple[int, ...] = ()

    def merged(self, other: Labels) -> Labels:
        """Those of both: the two directions of a flow may have labels of their own."""
        if not any(self) or self == other:
            return other
        return Labels(
            tuple(dict.fromkeys((*self.pppoe, *other.pppoe))),
            tuple(dict.fromkeys((*self.l2tp, *other.l2tp))),
            tuple(dict.fromkeys((*self.mpls, *other.mpls))),
        )


NO_LABELS: Final = Labels()


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────


def written(value: Any) -> str:
    """A key as text.

    Raises:
        ValueError: it is neither text nor a whole number.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError('expected text; put it between quotes: "100.2010"')  # noqa: TRY004  # for pydantic
    return str(value).strip()


def number(text: str, most: int, what: str) -> int:
    """A whole number up to ``most``.

    Raises:
        ValueError: it is none.
    """
    if not NUMBER.fullmatch(text) or int(text) > most:
        raise ValueError(f"expected {what}, 0 to {most}")
    return int(text)


def read_prefix(value: Any) -> Prefix:
    """A network such as ``10.0.0.0/8``, or an address.

    Raises:
        ValueError: it is none, or has bits behind its prefix.
    """
    text = written(value)
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f'expected a network such as "10.0.0.0/8": {error}') from None
    return Prefix(network.network_address.packed, network.prefixlen)


def read_vlan(value: Any) -> Vlan:
    """``S.C``, a pair of tags; or one number, the outermost tag.

    Raises:
        ValueError: it is neither.
    """
    outer, point, inner = written(value).partition(".")
    wanted = 'a VLAN such as "100.2001" or "100"'
    return Vlan(number(outer, MAX_VLAN, wanted), number(inner, MAX_VLAN, wanted) if point else ANY)


def read_pppoe(value: Any) -> Pppoe:
    """``SESSION``, ``SESSION@S.C``, ``SESSION@S`` or ``SESSION@MAC`` of the access concentrator.

    Raises:
        ValueError: it is none of these.
    """
    text, at, place = written(value).partition("@")
    session = number(text, MAX_SESSION, "a PPPoE session")
    if not at:
        return Pppoe(session)
    if MAC.fullmatch(place):
        return Pppoe(session, None, bytes.fromhex(place.replace(":", "")))
    return Pppoe(session, read_vlan(place))


def read_l2tp(value: Any) -> L2tp:
    """``TUNNEL.SESSION``, or ``SESSION`` of version 3.

    Raises:
        ValueError: it is neither.
    """
    first, point, second = written(value).partition(".")
    if not point:
        return L2tp(ANY, number(first, MAX_LONG_SESSION, "an L2TPv3 session"))
    wanted = 'tunnel and session such as "17.4711"'
    return L2tp(number(first, MAX_SESSION, wanted), number(second, MAX_SESSION, wanted))


def read_mpls(value: Any) -> int:
    """A label of MPLS.

    Raises:
        ValueError: it is none.
    """
    return number(written(value), MAX_LABEL, "an MPLS label")
