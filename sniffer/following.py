"""What is known of one flow while it is read.

In: nothing; whoever reads the flow fills it in.  Out: the name of its server, whether it is settled.
Never: work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sniffer.gate import rows
from sniffer.owners.keys import NO_LABELS
from sniffer.reporter import Reports

if TYPE_CHECKING:
    from sniffer.owners.keys import Labels
    from sniffer.protocols.conversation import Conversation
    from sniffer.protocols.payload import Openings
    from sniffer.size.work import Tally


@dataclass(slots=True)
class Followed:
    """A flow that is being read."""

    conversation: Conversation
    openings: Openings | None = None  # where a rule may ask about them
    server: Server | None = None  # where one end is known by its address
    told_server: bool = False
    reports: Reports = field(default_factory=Reports)
    tally: Tally | None = None  # of shares, once it mines
    watch_due: int = 0  # when its host is to be watched again; 0: it is not yet
    stage: int = rows.WATCHED
    chunks: int = 0  # read so far
    labels: Labels = NO_LABELS  # of the packets of both sides
    labelled: list[bool] = field(default_factory=lambda: [False, False])  # sides whose labels were read
    opens: bool = False  # the gate passes it because a side opens as a rule says, whatever the stage was

    @property
    def known_as(self) -> str:
        """The name that DNS gave to one end, "" if none."""
        return self.server.name if self.server and self.server.fact == "address.name" else ""

    @property
    def server_name(self) -> str:
        """Name of the server, as a proxy was asked for it, or as DNS answered; "" unknown."""
        return self.conversation.target or self.known_as

    @property
    def is_unsettled(self) -> bool:
        """Whether an opening is still read, or a hit waits for its answer."""
        return bool(self.reports.waiting) or (self.openings is not None and self.openings.is_open)


class Server(NamedTuple):
    """An end that is known by its address before the flow says anything."""

    side: int
    fact: str  # of SERVER_PROTOCOLS
    name: str
