"""What is said of networks, found by an address: the longest prefix that holds it decides.

In: networks, each with a value; packed addresses.  Out: the value, if any.
Never: a search through all networks: one look-up for each prefix length that occurs.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Generic, TypeVar

from sniffer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
V = TypeVar("V")


class PrefixTable(Generic[V]):
    """Longest-prefix look-up of packed addresses."""

    __slots__ = ("_by_size",)

    def __init__(self, rows: Iterable[tuple[Network | str, V]]) -> None:
        self._fill(_packed(rows))

    @classmethod
    def packed(cls, rows: Iterable[tuple[bytes, int, V]]) -> PrefixTable[V]:
        """The same of first addresses, packed, and lengths in bits: a hundred thousand of them take no second."""
        table = cls(())
        table._fill(rows)
        return table

    def _fill(self, rows: Iterable[tuple[bytes, int, V]]) -> None:
        tables: dict[int, dict[int, dict[bytes, V]]] = {4: {}, 16: {}}
        for packed, length, value in rows:
            tables[len(packed)].setdefault(length, {})[packed] = value
        self._by_size = {
            size: [(mask_of(size, length), table[length]) for length in sorted(table, reverse=True)]
            for size, table in tables.items()
        }

    def get(self, host: bytes) -> V | None:
        """The value of the longest prefix that holds the address."""
        number = int.from_bytes(host, "big")
        for mask, table in self._by_size.get(len(host), ()):
            value = table.get((number & mask).to_bytes(len(host), "big"))
            if value is not None:
                return value
        return None


def _packed(rows: Iterable[tuple[Network | str, V]]) -> Iterator[tuple[bytes, int, V]]:
    for written, value in rows:
        try:
            network = ipaddress.ip_network(written, strict=False) if isinstance(written, str) else written
        except ValueError as fault:
            raise UsageError(f"not a network: {fault}", remedy="write it like 10.0.0.0/8") from None
        yield network.network_address.packed, network.prefixlen, value


def mask_of(size: int, length: int) -> int:
    """The mask of a prefix of ``length`` bits over addresses of ``size`` bytes."""
    bits = size * 8
    return ((1 << length) - 1) << (bits - length)
