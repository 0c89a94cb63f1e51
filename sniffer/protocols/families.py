"""The families of mining protocols, by the names of protocols.md, section 15.

In: nothing.  Out: what follows from a family alone: coin, algorithm, and what difficulty 1 is worth.
Never: a guess: where several coins share a family, it tells none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sniffer.model import Value

GENERAL: Final = "stratum-v1"
"""Also used where the dialect is not yet visible."""


@dataclass(frozen=True, slots=True)
class Family:
    """One family."""

    says: str
    coin: str = ""
    algorithm: str = ""
    hashes: float | None = (
        2.0**32
    )  # behind a share of difficulty 1 (protocols.md, section 13); None: not agreed on
    values: dict[str, Value] = field(init=False)

    def __post_init__(self) -> None:
        known = {"mining.coin": self.coin, "mining.algorithm": self.algorithm}
        object.__setattr__(self, "values", {name: value for name, value in known.items() if value})


FAMILIES: Final[dict[str, Family]] = {
    "stratum-v1": Family("Stratum V1 of the Bitcoin family, or not yet told apart"),
    "stratum-equihash": Family("Zcash and its kin (ZIP 301)", algorithm="equihash", hashes=None),
    "stratum-kaspa": Family("Kaspa", "KAS", "kheavyhash"),
    "stratum-kawpow": Family("Ravencoin and other KawPow or ProgPow coins", algorithm="kawpow"),
    "stratum-alephium": Family("Alephium", "ALPH", "blake3", 2.0**34),
    "stratum-conflux": Family("Conflux", "CFX", "octopus", hashes=None),
    "stratum-ironfish": Family("Iron Fish", "IRON"),
    "stratum-nervos": Family("Nervos", "CKB", "eaglesong"),
    "stratum-sia": Family("Siacoin", "SC", "blake2b"),
    "stratum-ergo": Family("Ergo", "ERG", "autolykos2", hashes=None),
    "stratum-aleo": Family("Aleo", "ALEO", "aleo", hashes=None),
    "stratum-xelis": Family("Xelis", "XEL", "xelishash", hashes=None),
    "ethstratum": Family("Ethereum pools of the form between the versions", algorithm="ethash"),
    "ethstratum-1": Family("EthereumStratum/1.0.0", algorithm="ethash"),
    "ethstratum-2": Family("EthereumStratum/2.0.0 (EIP-1571)", algorithm="ethash"),
    "eth-proxy": Family("Ethereum's getwork methods in lines", algorithm="ethash"),
    "eth-getwork-http": Family("Ethereum's getwork methods over HTTP", algorithm="ethash"),
    "cryptonote": Family("Monero and what xmrig-style programs speak", hashes=None),
    "grin": Family("Grin", "GRIN", "cuckoo", hashes=None),
    "beam": Family("Beam", "BEAM", "beamhash", hashes=1.0),
    "qatum": Family("Qubic", "QUBIC", hashes=None),
    "nimiq-ws": Family("Nimiq", "NIM", "argon2d", hashes=None),
    "ws-miner": Family("miners in browsers", hashes=None),
    "getwork-http": Family("getwork over HTTP"),
    "gbt-http": Family("getblocktemplate over HTTP"),
    "monero-daemon-mining": Family("block templates of a Monero node", "XMR", "rx/0", hashes=1.0),
    "stratum-v2": Family("Stratum V2", algorithm="sha256d"),
    "btcagent": Family("BTCAgent, many machines behind one connection"),
    "datum": Family("OCEAN DATUM", "BTC", "sha256d"),
    "chia-pool": Family("Chia pool, proof of space", "XCH", hashes=None),
    "miner-api": Family("management of miners", hashes=None),
}
"""Every family that a reader may name.  Names of pools (``pool-dns``, ``pool-tls`` …) are no families."""


def hashes_of(difficulty: float | None, family: str) -> float | None:
    """Expected hashes behind a share of this difficulty."""
    scale = FAMILIES[family].hashes
    return difficulty * scale if difficulty is not None and scale is not None else None
