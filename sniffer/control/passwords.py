"""Who may read: names and passwords of HTTP basic authentication against bcrypt hashes.

In: an Authorization header and the address of the client.  Out: :class:`Verdict`.
Never: a hash computed in the event loop, more than one at a time, a longer queue for them than :data:`WAITING`, a password kept,
an answer from whose time could be told whether a name exists.

A password that was found right is remembered as a hash with a key of this process, so a scraper costs no bcrypt after its first
scrape, and is let in however many others guess.  Guesses are never remembered: each costs its place in the queue.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hmac
import os
import secrets
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import TYPE_CHECKING, Final

import bcrypt

if TYPE_CHECKING:
    from collections.abc import Mapping

WAITING: Final = 8  # passwords looked at or waiting for it
WAITING_OF_ONE: Final = 6  # of these from one address, so that another one finds room
REMEMBERED: Final = 1_000
MAX_PASSWORD: Final = 72  # bytes, of which bcrypt takes notice
ALPHABET: Final = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
DIGEST: Final = 31  # characters of a bcrypt hash behind its salt
GIVE_WAY: Final = 10  # niceness of the thread: packets do not wait for guesses


class Verdict(Enum):
    """What is made of a client's word."""

    YES = "yes"
    NO = "no"
    LATER = "later"  # too many wait already


class Passwords:
    """Looks at passwords, one after another, in a thread of its own."""

    def __init__(self) -> None:
        self._users: dict[bytes, bytes] = {}
        self._hashes: list[bytes] = []
        self._nobody: dict[bytes, bytes] = {}  # hashes that no password has, by what a hash begins with
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()  # the longest unused first
        self._waiting: dict[str, int] = {}  # by address of the client
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="passwords", initializer=_give_way)

    @property
    def is_on(self) -> bool:
        """Whether anybody has to show a password."""
        return bool(self._users)

    def use(self, users: Mapping[str, bytes]) -> None:
        """Take other users.  What was remembered holds for those whose hash is the same."""
        self._users = {name.encode(): hashed for name, hashed in users.items()}
        self._hashes = sorted(self._users.values())
        self._nobody = {begin: _unreachable(begin) for begin in {hashed[:7] for hashed in self._hashes}}

    async def check(self, header: bytes, peer: str) -> Verdict:
        """Judge an Authorization header.

        Args:
            header: its value; empty where there is none.
            peer: the client's address.
        """
        given = _read(header)
        if given is None:
            return Verdict.NO
        name, password = given
        known = self._users.get(name)
        hashed = known or self._stand_in(name)
        mark = self._mark(name, hashed, password)
        if mark in self._right:
            self._right.move_to_end(mark)
            return Verdict.YES
        of_peer = self._waiting.get(peer, 0)
        if of_peer >= WAITING_OF_ONE or sum(self._waiting.values()) >= WAITING:
            return Verdict.LATER
        work = self._pool.submit(_matches, password, hashed)
        self._waiting[peer] = of_peer + 1
        loop = asyncio.get_running_loop()
        # Counted down when the work is done, not when somebody stops waiting for it: the queue is what is bounded.
        work.add_done_callback(lambda _: self._done(loop, peer))
        right = await asyncio.wrap_future(work)
        if not right or known is None:
            return Verdict.NO
        self._right[mark] = None
        if len(self._right) > REMEMBERED:
            self._right.popitem(last=False)
        return Verdict.YES

    def close(self) -> None:
        """Let go of those that wait."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self, loop: asyncio.AbstractEventLoop, peer: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(self._leave, peer)

    def _leave(self, peer: str) -> None:
        left = self._waiting.pop(peer) - 1
        if left:
            self._waiting[peer] = left

    def _stand_in(self, name: bytes) -> bytes:
        """A hash for a name that does not exist, of the cost of some user's, the same whenever that name is given."""
        digest = hmac.digest(self._key, name, "sha256")
        return self._nobody[self._hashes[int.from_bytes(digest[:8]) % len(self._hashes)][:7]]

    def _mark(self, *parts: bytes) -> bytes:
        return hmac.digest(self._key, b"".join(len(part).to_bytes(4) + part for part in parts), "sha256")


def _read(header: bytes) -> tuple[bytes, bytes] | None:
    """Name and password of a header ``Basic …`` (RFC 7617)."""
    scheme, _, rest = header.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        name, colon, password = base64.b64decode(rest.strip(), validate=True).partition(b":")
    except binascii.Error:
        return None
    return (name, password) if colon else None


def _matches(password: bytes, hashed: bytes) -> bool:
    """Whether a password has this hash; what no hash was made of costs as much."""
    plausible = len(password) <= MAX_PASSWORD and b"\0" not in password
    same = bcrypt.checkpw(password if plausible else b"-", hashed)
    return same and plausible


def _unreachable(begin: bytes) -> bytes:
    """A well-formed hash of the kind and cost that its beginning says, no password's."""
    salt = bcrypt.gensalt(int(begin[4:6]))
    return begin + salt[7:] + "".join(secrets.choice(ALPHABET) for _ in range(DIGEST)).encode()


def _give_way() -> None:
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), GIVE_WAY)  # on Linux, of this thread alone
