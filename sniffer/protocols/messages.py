"""What passes between the readers of bytes, the dialects and the session.

In: nothing.  Out: plain records, and what a dialect is asked.
Never: bytes, I/O, ports.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sniffer.model import Role, Value
    from sniffer.protocols.session import Session


class Head(NamedTuple):
    """The head of an HTTP/1 message."""

    verb: str = ""  # "" in a response
    target: str = ""
    status: int = 0  # 0 in a request
    fields: Mapping[str, str] = MappingProxyType({})  # by name in lower case; of a repeated one the first
    user: str = ""  # of the Basic scheme (RFC 7617)
    password: str = ""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


class Origin(msgspec.Struct, frozen=True):
    """Where a message came from."""

    side: int  # which end of the flow sent it
    time: int  # of its last byte, nanoseconds
    end: int  # sequence number just behind it, -1 for datagrams
    http: Head | None = None  # head of the HTTP message that it is, or is the body of


class Call(msgspec.Struct, frozen=True):
    """A request or notification."""

    method: str  # lower case
    params: Any  # list, dict, None …; ``body`` where a dialect uses that key
    message: dict[str, Any]
    cut: bool = False  # the line was too long: only scalar members are known
    time: int = 0  # nanoseconds
    http: Head | None = None  # of the request that it is the body of


class Answer(msgspec.Struct, frozen=True):
    """A reply."""

    asked: str | None  # method of the request, lower case, if it was seen
    result: Any
    error: Any
    message: dict[str, Any]
    alone: bool  # the other direction has never been heard, so the request cannot have been seen
    http: Head | None = None  # of the response that it is the body of


class Reading(msgspec.Struct, frozen=True):
    """What a dialect makes of one message."""

    family: str
    message: str
    sender: Role | None  # None: the side opposite to the one that asked
    values: dict[str, Value]
    strong: bool = True  # mining by itself; a weak one needs a strong one beside it
    hint: bool = False  # a sign of its own, told at once, that identifies nothing
    share: bool = False  # a share or the verdict on one: carries the difficulty in force
    shares: int = 1  # how many, where it is about shares
    part: str = ""  # of a share's nonce: what tells the machines behind one session apart
    session: str = ""  # the pool's name for the session that this message belongs to
    names: str = ""  # the name that this reply gives to the session that asked
    job: str = ""  # the job that this message hands out or answers


class Dialect:
    """What a session asks of a dialect; ``dialects/`` has one module each.  Knowing nothing is the default."""

    def call(self, call: Call, session: Session) -> Reading | None:  # noqa: ARG002
        """Read a request or notification."""
        return None

    def answer(self, answer: Answer, session: Session) -> Reading | None:  # noqa: ARG002
        """Read a reply, by the request it belongs to or by its shape."""
        return None

    def other(self, message: dict[str, Any], session: Session) -> Reading | None:  # noqa: ARG002
        """Read an object that is neither: no method, no result, no error."""
        return None

    def head(self, head: Head, session: Session) -> Reading | None:  # noqa: ARG002
        """Read the head of an HTTP message whose body told nothing."""
        return None
