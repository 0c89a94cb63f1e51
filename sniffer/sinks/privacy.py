"""Accounts, worker names and passwords as keyed hashes, or not at all.

In: text that a miner sent.  Out: the same text, ``h:`` and 16 hexadecimal digits, or nothing.
Never: a hash without a key (wallets are public, so a plain hash could be looked up).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from sniffer.errors import UsageError

PRIVATE: Final = (
    "mining.user", "mining.worker", "mining.password",
    "flow.user", "flow.worker", "flow.password",
    "payload.text", "payload.hex",
)  # fmt: skip
"""Facts that say who mines, or with what secret; or that may, since nobody knows the protocol."""

DIGEST_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Privacy:
    """How private facts are shown.

    Args:
        key: the same text gives the same hash under the same key.  None: clear text.
        leave_out: they are not shown at all.

    Raises:
        UsageError: the key is empty, which would be a hash without a key.
    """

    key: bytes | None = field(repr=False)
    leave_out: bool = False

    def __post_init__(self) -> None:
        if self.key is not None and not self.key:
            raise UsageError(
                "the privacy key is empty", remedy="make one with: head -c 32 /dev/urandom > FILE"
            )

    @property
    def shows(self) -> bool:
        """Whether private facts are shown as they are."""
        return self.key is None and not self.leave_out

    def hide(self, text: str) -> str:
        """Return ``text`` as it may be shown; empty where it may not."""
        if self.leave_out:
            return ""
        if self.key is None:
            return text
        key = hashlib.blake2s(self.key).digest()  # BLAKE2s takes at most 32 bytes (RFC 7693)
        seen = text.encode("utf-8", "surrogatepass")
        return f"h:{hashlib.blake2s(seen, digest_size=DIGEST_BYTES, key=key).hexdigest()}"
