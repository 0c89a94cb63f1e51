"""Numbers and names inside mining messages: difficulty, target, hashrate, account and worker.

In: values as decoded from JSON, of any type.  Out: the typed value, or None where it cannot be.
Never: an exception, a value that is not finite.
"""

from __future__ import annotations

import functools
import math
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sniffer.model import Value

MAX_DIFFICULTY: Final = 1e18
MAX_HASHRATE: Final = 1e24
MAX_STRING: Final = 512
HEX = re.compile(r"(?:0x)?[0-9a-fA-F]+")
BASE58: Final = "1-9A-HJ-NP-Za-km-z"
WALLETS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(rf"(?:{pattern})(?![0-9A-Za-z])"), kind)
    for pattern, kind in (
        (rf"[48][{BASE58}]{{94}}(?:[{BASE58}]{{11}})?", "monero"),
        (r"0x[0-9a-fA-F]{40}", "ethereum"),
        (rf"(?:bc1|tb1)[0-9a-z]{{11,71}}|[13][{BASE58}]{{25,34}}", "bitcoin"),
        (rf"ltc1[0-9a-z]{{11,71}}|[LM][{BASE58}]{{26,33}}", "litecoin"),
        (rf"D[{BASE58}]{{33}}", "dogecoin"),
        (rf"t[13][{BASE58}]{{33}}", "zcash"),
        (rf"R[{BASE58}]{{33}}", "ravencoin"),
        (r"kaspa:[a-z0-9]{61,63}", "kaspa"),
        (r"cfx:[a-z0-9]{40,44}", "conflux"),
        (r"xe[lt]:[a-z0-9]{50,70}", "xelis"),
        (r"ck[bt]1[a-z0-9]{40,120}", "nervos"),
        (r"aleo1[a-z0-9]{58}", "aleo"),
        (rf"9[{BASE58}]{{50}}", "ergo"),
        (r"NQ[0-9]{2}(?: ?[0-9A-Z]{4}){8}", "nimiq"),
        (r"[A-Z]{60}", "qubic"),
        (r"[0-9a-fA-F]{64}", "hexadecimal"),
        (rf"[{BASE58}]{{90,110}}", "cryptonote"),
    )
)
"""Shapes of wallets (protocols.md, 1.3); the last two are shared by many coins."""
PASSWORD_OPTION = re.compile(r"(?:^|[,;&\s])(c|mc|d|sd)=([^,;&\s]{1,32})")


def is_hex(value: Any, shortest: int = 1, longest: int = 1 << 20) -> bool:
    """Whether a value is a string of so many hexadecimal digits, an optional 0x not counted."""
    if not isinstance(value, str) or not HEX.fullmatch(value):
        return False
    return shortest <= len(value.removeprefix("0x")) <= longest


def hex_bytes(value: str) -> bytes:
    """Bytes of an even number of hexadecimal digits, with 0x in front or without."""
    return bytes.fromhex(value.removeprefix("0x"))


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
    """Hashes a second."""
    found = number(value)
    return found if found is not None and 0 <= found <= MAX_HASHRATE else None


def hex_hashrate(value: Any) -> float | None:
    """Hashes a second, where strings are hexadecimal (Ethereum's methods)."""
    return hashrate(int(value, 16) if is_hex(value, 1, 64) else value)


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
    raw = hex_bytes(value)
    target = int.from_bytes(raw, "little")
    return 2.0 ** (8 * len(raw)) / target if target else None


def decimal_target_hashes(value: Any) -> float | None:
    """Expected hashes behind a share, from a decimal number (Ergo)."""
    if not isinstance(value, str) or not value.isdecimal() or len(value) > 80:
        return None
    target = int(value)
    return 2.0**256 / target if 0 < target < 1 << 256 else None


@functools.lru_cache(maxsize=4_096)
def wallet_kind(user: str) -> str | None:
    """Kind of wallet that an account begins with."""
    return next((kind for pattern, kind in WALLETS if pattern.match(user)), None)


def wallet_values(user: str) -> dict[str, Value]:
    """Facts of an account: itself, and the kind of wallet that it is."""
    if not user:
        return {}
    kind = wallet_kind(user)
    named: dict[str, Value] = {"mining.user": user[:MAX_STRING]}
    return {**named, "mining.wallet_kind": kind} if kind else named


def worker_after_first_dot(user: str) -> str | None:
    """Worker of the Bitcoin family: the text behind the first dot (protocols.md, 1.3)."""
    return text(user.partition(".")[2])


def worker_after_last_dot(login: str) -> str | None:
    """Worker of the CryptoNote family: behind the last dot, unless that is a difficulty (protocols.md, 1.3)."""
    head, dot, last = login.rpartition(".")
    return text(last) if dot and head and not last.isdigit() else None


def ethereum_account(params: Any, worker: Any) -> dict[str, Value]:
    """User and worker of the eth-proxy family (protocols.md, 1.3): ``wallet.worker/mail``, ``wallet/worker/mail``."""
    out: dict[str, Value] = {}
    user = text(params[0]) if isinstance(params, list) and params else None
    if user:
        out.update(wallet_values(user))
    named = text(worker)
    wallet = re.split(r"[./]", user, maxsplit=1)[0] if user else None
    if named and named not in (user, wallet):
        out["mining.worker"] = named
    elif user:
        account, _, rest = user.partition("/")
        behind = worker_after_first_dot(account) or text(rest.partition("/")[0])
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
