"""What a reader of one direction is, and what both directions of a flow share.

In: nothing.  Out: the contract of every reader, in ``conversation.py`` and in the registry ``readers.py``.
Never: a protocol.

A reader says of the first bytes of a direction whether they are its own (:meth:`Reader.probe`), and is then fed
whatever comes.  When it has finished it may hand bytes back: then the direction is identified afresh, which is how an
upgrade works, or a wrapping that was taken off.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sniffer.model import Facts, Role
from sniffer.protocols.messages import Origin
from sniffer.protocols.session import Session
from sniffer.protocols.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sniffer.model import Data, Value
    from sniffer.oddities import Oddities
    from sniffer.protocols.dns import Resolution
    from sniffer.protocols.messages import Head

MAX_EXCHANGES: Final = 32


class Fit(enum.Enum):
    """Whether first bytes belong to a protocol."""

    YES = "yes"
    NO = "no"
    MORE = "more"  # so far they may


class Exchange(enum.Enum):
    """How far an upgrade to WebSocket has got."""

    NONE = "none"
    ASKED = "asked"
    AGREED = "agreed"


@dataclass(slots=True)
class Channel:
    """What the readers of both directions of a flow know together."""

    oddities: Oddities
    ports: tuple[int, int] = (0, 0)  # of side 0 and side 1
    session: Session = field(init=False)
    is_named: bool = False  # a host name, which explains the flow, was read
    target: str = ""  # host that a proxy was asked to reach
    asker: int = -1  # the side that sends HTTP requests; -1: none was seen
    is_ordinary: bool = False  # HTTP with nothing of mining in it: the next request may be another matter
    awaits: int = -1  # the side that is going to say who it is; -1: none
    resolutions: list[Resolution] = field(default_factory=list)  # out of DNS, for whoever keeps addresses
    requests: deque[Head] = field(
        default_factory=lambda: deque(maxlen=MAX_EXCHANGES)
    )  # without response as yet
    turns: Turns = field(default_factory=Turns)  # of an encrypted flow
    upgrade: Exchange = Exchange.NONE
    deflates: str = ""  # what the server agreed to about compression of WebSocket messages

    def __post_init__(self) -> None:
        self.session = Session(self.oddities, self.ports)


@dataclass(frozen=True, slots=True)
class Start:
    """Where a direction is about to be read from."""

    channel: Channel
    side: int
    midway: bool  # the first bytes are not the first of the stream


class Reader(ABC):
    """Reads one direction of one flow."""

    __slots__ = ("channel", "finished", "midway", "rest", "side")

    def __init__(self, start: Start) -> None:
        self.channel = start.channel
        self.side = start.side
        self.midway = start.midway
        self.finished = False
        self.rest = b""  # what came behind the end, for another reader

    @classmethod
    @abstractmethod
    def probe(cls, head: bytes, start: Start) -> Fit:
        """Say whether a direction that begins with ``head`` (not empty) is this reader's."""

    @abstractmethod
    def feed(self, chunk: Data) -> list[Facts]:
        """Read what came."""

    def lose(self) -> None:
        """Bytes are missing here.  Most protocols cannot be taken up again."""
        self.finished = True

    def end(self, time: int) -> list[Facts]:  # noqa: ARG002
        """No more bytes will come."""
        return []

    @property
    def held(self) -> int:
        """Bytes of unfinished messages."""
        return 0

    # ── for readers ──────────────────────────────────────────────────────────────────────────────────────

    def finish(self, rest: bytes = b"") -> list[Facts]:
        """Stop reading; ``rest`` goes to whoever can read it."""
        self.finished = True
        self.rest = rest
        return []

    def origin(self, chunk: Data, behind: int = 0, http: Head | None = None) -> Origin:
        """Where a message came from that ends ``behind`` bytes before the end of a chunk."""
        return Origin(self.side, chunk.time, chunk.end_before(behind), http)

    def name(
        self,
        protocol: str,
        message: str,
        values: Mapping[str, Value],
        chunk: Data,
        *,
        sender: Role = Role.CLIENT,
        again: bool = False,
    ) -> Facts:
        """Facts about a name, or about anything else that is no mining message."""
        return Facts(protocol, message, sender, dict(values), self.side, chunk.time, chunk.end, again=again)
