"""What an agent string gives away about the machine behind it.

In: an agent as sent.  Out: a model or kind of machine, or None.
Never: a guess; the table is protocols.md, sections 2.4 and 14.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sniffer.model import Value

AGENTS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), machine)
    for pattern, machine in (
        (r"^(Antminer [^|/]+)\|LUXminer", r"\1 (LuxOS)"),
        (r"bosminer-plus[^ ]*?-am\d-s(\d+[a-z]*)", r"Antminer S\1 (Braiins OS+)"),
        (r"^bmminer/[^/]+/(Antminer [^/]+)", r"\1"),
        (r"^bmminer\b", "Antminer"),
        (r"^(Antminer [A-Z]\w+\+*(?: ?(?:Pro|XP|Hyd|Imm|j|k)\b\+*\.?)*)", r"\1"),
        (r"^whatsminer", "Whatsminer"),
        (r"^IceRiverMiner", "IceRiver KS"),
        (r"^(?:GodMiner|bitmain$|antminer$)", "Antminer KS"),
        (r"^(?:sm-miner|apollo)", "FutureBit Apollo"),
        (r"^PowerPlay", "ePIC"),
        (r"^xminer-", "Antminer (VNish)"),
        (r"^bitaxe/BM1397", "Bitaxe Max"),
        (r"^bitaxe/BM1366", "Bitaxe Ultra"),
        (r"^bitaxe/BM1368", "Bitaxe Supra"),
        (r"^bitaxe/BM1370", "Bitaxe Gamma"),
        (r"^bitaxe", "Bitaxe"),
        (r"^NerdMiner", "NerdMiner"),
        (r"^(Nerd[^/]+)/", r"\1"),
        (r"^(LuckyMiner|NMAxe|GekkoAxe[^/]*|Zyber8S|bitdsk)\b", r"\1"),
        (r"^(SparkMiner|NMMiner|BitsyMiner|HAN_SOLOminer|(?:ESP32 )?TacoMiner)\b", r"\1"),
    )
)


def agent_values(agent: str | None) -> dict[str, Value]:
    """Facts of an agent string: itself, and the machine it tells of."""
    if not agent:
        return {}
    machine = hardware(agent)
    return {"mining.agent": agent, "mining.hardware": machine} if machine else {"mining.agent": agent}


@lru_cache(maxsize=4_096)
def hardware(agent: str) -> str | None:
    """Name the machine that an agent string tells of (cached: twenty expressions are asked, and farms have one agent)."""
    for pattern, machine in AGENTS:
        found = pattern.search(agent)
        if found:
            return found.expand(machine).strip()
    return None
