"""Nodes of coins talking to one another: a fact, and no mining (protocols.md, section 11).

In: the first bytes of one direction.  Out: one fact, the network.
Never: a block, a transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sniffer.protocols.reader import Fit, Reader

if TYPE_CHECKING:
    from sniffer.model import Data, Facts
    from sniffer.protocols.reader import Start

NEEDED: Final = 8
MAGICS: Final = {
    "f9beb4d9": "bitcoin", "0b110907": "bitcoin-testnet", "fabfb5da": "bitcoin-regtest",
    "0a03cf40": "bitcoin-signet", "e3e1f3e8": "bitcoin-cash", "fbc0b6db": "litecoin", "c0c0c0c0": "dogecoin",
    "bf0c6bbd": "dash", "24e92764": "zcash",
}  # fmt: skip
LEVIN: Final = bytes.fromhex("0121010101010101")
RLPX_SIZES: Final = range(0x100, 0x300)
RLPX_KEY: Final = 4  # uncompressed point on a curve


class Peers(Reader):
    """Tells the network, and stops."""

    @classmethod
    def probe(cls, head: bytes, start: Start) -> Fit:
        """The first message between two nodes."""
        if start.midway:
            return Fit.NO
        if len(head) < NEEDED:
            known = (LEVIN, *(bytes.fromhex(magic) for magic in MAGICS))
            return Fit.MORE if any(one.startswith(head[: len(one)]) for one in known) else Fit.NO
        return Fit.YES if network(head) else Fit.NO

    def feed(self, chunk: Data) -> list[Facts]:
        """Tell the network."""
        self.finish()
        return [self.name("coin-p2p", "hello", {"p2p.network": network(chunk.data)}, chunk)]


def network(head: bytes) -> str:
    """Name of the network whose nodes greet each other like this; "" for none."""
    magic = MAGICS.get(head[:4].hex(), "")
    if magic:
        return magic if 0x61 <= head[4] <= 0x7A else ""  # then a command in letters
    if head.startswith(LEVIN):
        return "monero"
    size = int.from_bytes(head[:2], "big")
    return "ethereum" if size in RLPX_SIZES and size == len(head) - 2 and head[2] == RLPX_KEY else ""
