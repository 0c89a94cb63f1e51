"""Addresses, packed and as text.

In: 4 or 16 bytes, or text.  Out: the other.  Never: a name, a look-up.
"""

from __future__ import annotations

import functools
import ipaddress
import socket


@functools.lru_cache(maxsize=4_096)
def address_text(packed: bytes) -> str:
    """An address as text; those of the busiest hosts are remembered."""
    if len(packed) == 4:
        return socket.inet_ntoa(packed)
    return str(ipaddress.ip_address(packed))


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
