"""How an address is shown: inside or not, under which label.

In: packed addresses; networks from the configuration.  Out: yes or no, a label.
Never: how the network of an address is found; that is :mod:`sniffer.prefixes`.  Nor whose it is: :mod:`sniffer.owners`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sniffer.addresses import address_text
from sniffer.errors import UsageError
from sniffer.prefixes import PrefixTable, mask_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sniffer.prefixes import Network

OUTSIDE: Final = "_outside"  # in place of every address that may not be written
MAX_WRITTEN: Final = 32_768  # addresses whose text is kept
UNICAST_V4: Final = range(1, 224)  # first bytes that a host can have (RFC 5735: 0/8, class D and E it cannot)


class HostNames:
    """Decides how an address may appear.

    Args:
        inside: monitored networks.  Empty: every address that a host can have.
        ipv6_prefix: length of the networks that IPv6 addresses are counted by.

    Raises:
        UsageError: a network or the prefix length cannot be.
    """

    def __init__(
        self,
        *,
        inside: Sequence[Network | str] = (),
        ipv6_prefix: int = 64,
    ) -> None:
        if not 1 <= ipv6_prefix <= 128:
            raise UsageError(
                f"an IPv6 prefix of {ipv6_prefix} bits", remedy="choose 1 to 128, usually 64 or 56"
            )
        self._inside = PrefixTable((network, True) for network in inside) if inside else None
        self._written: dict[bytes, str] = {}
        self._prefix = ipv6_prefix
        self._mask = mask_of(16, ipv6_prefix)

    def is_inside(self, host: bytes) -> bool:
        """Whether the address may become a label."""
        if self._inside is not None:
            return bool(self._inside.get(host))
        if len(host) == 4:
            return host[0] in UNICAST_V4
        return len(host) == 16 and host[0] != 0xFF and any(host)

    def network(self, host: bytes) -> bytes:
        """What hits are counted by: the address, or the first address of its IPv6 network."""
        if len(host) != 16:
            return host
        return (int.from_bytes(host, "big") & self._mask).to_bytes(16, "big")

    def written(self, host: bytes) -> str:
        """How an address may be written: as what it is counted by, or that it is outside."""
        text = self._written.get(host)
        if text is None:
            if len(self._written) >= MAX_WRITTEN:
                self._written.clear()
            text = self.label(self.network(host)) if self.is_inside(host) else OUTSIDE
            self._written[host] = text
        return text

    def label(self, network: bytes) -> str:
        """How it is written: ``192.0.2.7``, ``2001:db8::/64``."""
        text = address_text(network)
        return f"{text}/{self._prefix}" if len(network) == 16 and self._prefix < 128 else text
