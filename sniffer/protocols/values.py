"""Numbers and names inside mining messages: difficulty, target, hashrate, account and worker.

In: values as decoded from JSON, of any type.  Out: the typed value, or None where it cannot be.
Never: an exception, a value that is not finite.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sniffer.model import Value

MAX_DIFFICULTY: Final = 1e18
MAX_HASHRATE: Final = 1e24
MAX_STRING: Final = 512
HASHES_PER_DIFFICULTY: Final = 2.0**32
"""Of the Bitcoin family (protocols.md, section 13); coins that scale differently are refined by their dialect."""

HEX = re.compile(r"(?:0x)?[0-9a-fA-F]+")
WALLET = re.compile(
    r"(?:[48][1-9A-HJ-NP-Za-km-z]{94}(?:[1-9A-HJ-NP-Za-km-z]{11})?"  # Monero, integrated addresses
    r"|0x[0-9a-fA-F]{40}|bc1[0-9a-z]{11,71}|ltc1[0-9a-z]{11,71}|[13LMRDt][1-9A-HJ-NP-Za-km-z]{25,34}"
    r"|[1-9A-HJ-NP-Za-km-z]{90,110}|[0-9a-fA-F]{64})(?![0-9A-Za-z])"
)
PASSWORD_OPTION = re.compile(r"(?:^|[,;&\s])(c|mc|d|sd)=([^,;&\s]{1,32})")


def is_hex(value: Any, shortest: int = 1, longest: int = 1 << 20) -> bool:
    """Whether a value is a string of so many hexadecimal digits, an optional 0x not counted."""
    if not isinstance(value, str) or not HEX.fullmatch(value):
        return False
    digits = len(value) - 2 if value[:2] in ("0x", "0X") else len(value)
    return shortest <= digits <= longest


def text(value: Any) -> str | None:
    """A string that says something, bounded in length."""
    return value[:MAX_STRING] if isinstance(value, str) and value else None


def number(value: Any) -> float | None:
    """A finite number, also one written as a string."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value[:40])
        except ValueError:
            return None
    if isinstance(value, int) and abs(value) > 1 << 1000:
        return None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def difficulty(value: Any) -> float | None:
    """A share difficulty that can be: above 0, at most 1e18 (protocols.md, section 13)."""
    found = number(value)
    return found if found is not None and 0 < found <= MAX_DIFFICULTY else None


def hashrate(value: Any) -> float | None:
    """Hashes a second, a number or a hexadecimal string."""
    found = float(int(value, 16)) if is_hex(value, 1, 64) else number(value) or 0.0
    return found if 0 < found <= MAX_HASHRATE else None


def target_hashes(value: Any) -> float | None:
    """Expected hashes behind a share, from a 256-bit big-endian target (leading zeros may be stripped)."""
    if not is_hex(value, 8, 64):
        return None
    target = int(value, 16)
    return 2.0**256 / target if target else None


def compact_target_hashes(value: Any) -> float | None:
    """Expected hashes behind a CryptoNote share, from a target of 4 or 8 bytes, little-endian."""
    if not (is_hex(value, 8, 8) or is_hex(value, 16, 16)):
        return None
    raw = bytes.fromhex(value)
    target = int.from_bytes(raw, "little")
    return 2.0 ** (8 * len(raw)) / target if target else None


def worker_after_first_dot(user: str) -> str | None:
    """Worker of the Bitcoin family: the text behind the first dot (protocols.md, 1.3)."""
    return text(user.partition(".")[2])


def worker_after_last_dot(login: str) -> str | None:
    """Worker of the CryptoNote family: behind the last dot, unless that is a difficulty (protocols.md, 1.3)."""
    head, dot, last = login.rpartition(".")
    return text(last) if dot and head and not last.isdigit() else None


def ethereum_account(params: Any, worker: Any) -> dict[str, Value]:
    """User and worker of the eth-proxy family (protocols.md, 1.3): ``wallet.worker`` or ``wallet/worker/mail``."""
    out: dict[str, Value] = {}
    user = text(params[0]) if isinstance(params, list) and params else None
    if user:
        out["mining.user"] = user
    named = text(worker)
    wallet = re.split(r"[./]", user, maxsplit=1)[0] if user else None
    if named and named not in (user, wallet):
        out["mining.worker"] = named
    elif user:
        behind = text(user.split("/")[1]) if "/" in user else worker_after_first_dot(user)
        if behind:
            out["mining.worker"] = behind
    return out


def password_options(password: str) -> dict[str, Value]:
    """What a password of a multi-algorithm pool asks for: payout coin and difficulty (protocols.md, 1.3)."""
    out: dict[str, Value] = {}
    for key, value in PASSWORD_OPTION.findall(password):
        if key in ("c", "mc") and "mining.coin" not in out:
            out["mining.coin"] = value.upper()
        elif key in ("d", "sd"):
            wanted = difficulty(value)
            if wanted:
                out["mining.difficulty"] = wanted
    return out
