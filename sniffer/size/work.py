"""What a flow has done for a pool, from one record to the next: the tally that a worker keeps of each.

In: facts of mining messages, in order; packets of their flow.  Out: :class:`Work`, a row for each account and five minutes.
Never: a share that counts twice; hashes of shares whose worth is not known; an account in clear text unless it may be shown.

Which shares count for an estimate: those that the pool accepted, where its verdicts are seen; those handed in, where they
cannot be, because one direction is missing or the protocol has none.  A sum of hashes begins where the worth of a share
became known, so that the first difficulty that was seen begins the time it is divided by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from sniffer.errors import printable
from sniffer.model import Role
from sniffer.protocols.session import account_of
from sniffer.size.algorithms import ROLLING, algorithm_of, worth_in
from sniffer.size.power import hardware_algorithm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sniffer.flows.table import Flow
    from sniffer.model import Facts, Value
    from sniffer.protocols.session import Session

BUCKET: Final = 300_000_000_000  # nanoseconds of packet time that one row is about
MAX_ROWS: Final = 512  # of one flow, while the parent does not read: accounts times buckets
MAX_WORKERS: Final = 4_096  # that one flow names
PATIENCE: Final = 8  # shares without any verdict, after which verdicts are not waited for
SILENT: Final = ("btcagent", "chia-pool", "datum")
"""Families in which a pool gives no verdict on a share, or none that is read."""
TEXTS: Final = {
    "coin": "mining.coin",
    "pool": "mining.pool",
    "agent": "mining.agent",
    "hardware": "mining.hardware",
}
LONGEST: Final = 128  # characters of a text from the wire


class Work(msgspec.Struct, array_like=True, gc=False):
    """What one account of one flow did within one bucket, since the last record about it."""

    host: bytes  # packed
    server: bytes
    server_port: int
    protocol: str
    account: str  # as it may be shown; "" unknown
    tenant: str
    flow: int
    first: int = 0  # packet times, nanoseconds since 1970
    last: int = 0
    submitted: int = 0
    accepted: int = 0
    rejected: int = 0
    counted: int = 0  # shares that count for an estimate and whose worth is known
    hashes: float = 0.0  # behind these
    squares: float = 0.0  # sum of the squares of what each is worth
    unknown: int = 0  # shares that count, of unknown worth
    known_since: int = 0  # packet time from which on the worth is known; 0: it is not
    difficulty: float | None = None  # the last that a share had
    stated: dict[
        str, float
    ] = {}  # hashes a second that machines state themselves, by worker as it may be shown
    workers: list[str] = []  # named here for the first time in this flow, as they may be shown
    devices: int = 1  # machines behind the flow so far
    seen: int = 0  # 1: client, 2: server, 3: both
    algorithm: str = ""
    coin: str = ""
    pool: str = ""  # known by its name, or as the message names it
    domain: str = ""  # of the server
    agent: str = ""
    hardware: str = ""
    bytes_up: int = 0  # on the wire, from the host
    bytes_down: int = 0


class Tally:
    """The account of one flow that mines.

    Args:
        flow: the flow.
        mines: the side that mines, 0 or 1.
        tenant_at: tells whose the side that mines was at a packet time, "" if nobody's.
        domain: name of the server, "" unknown.
        pool: its pool, "" unknown.
        coins: what that pool is known for.
        hide: how an account or a worker may be shown.
        changed: called when there is something to fetch, until it is fetched.
    """

    __slots__ = (
        "_ahead", "_blind", "_changed", "_coins", "_domain", "_flow", "_hidden", "_hide", "_known_since", "_mines", "_pending", "_pool", "_rolls", "_rows",
        "_tenant_at", "_user", "_verdicts", "_waits", "bytes",
    )  # fmt: skip

    def __init__(
        self,
        flow: Flow,
        mines: int,
        *,
        tenant_at: Callable[[int], str],
        domain: str,
        pool: str,
        coins: Sequence[str],
        hide: Callable[[str], str],
        changed: Callable[[Tally], None],
    ) -> None:
        self._flow, self._mines, self._tenant_at = flow, mines, tenant_at
        self._domain, self._pool, self._coins = domain, pool, tuple(coins)
        self._hide, self._changed = hide, changed
        self._hidden: dict[str, str] = {}
        self._user = ("", "")  # as it was named last, and the account that this is
        self._rows: dict[tuple[str, int], Work] = {}
        self._waits = False  # to be fetched
        self._known_since = 0
        self._verdicts = False  # one was seen
        self._pending: list[float] = []  # worth of shares that wait for the first verdict; 0 unknown
        self._blind = False  # no verdict has come for so long that none is waited for
        self._ahead = False  # the last share has counted, and may get its verdict yet
        self._rolls = False  # the version field is rolled
        self.bytes = [0, 0]  # by side, not yet in a row

    @property
    def host(self) -> bytes:
        """The address that mines, packed."""
        return self._flow.ends[self._mines][0]

    def note(self, facts: Facts, session: Session) -> None:
        """Enter a mining message."""
        values, told = facts.values, facts.told or {}
        self._rolls = self._rolls or facts.message in ROLLING
        user = values.get("mining.user", told.get("mining.user"))
        if not facts.shares and user is None and "mining.hashrate" not in values:
            return  # the greeting: whose it is will be told in a moment
        row = self._row(facts, session, user if isinstance(user, str) else "")
        row.last = max(row.last, facts.time)
        row.seen |= 1 if facts.sender is Role.CLIENT else 2
        row.bytes_up += self.bytes[self._mines]
        row.bytes_down += self.bytes[1 - self._mines]
        self.bytes = [0, 0]
        machines = values.get("mining.workers")
        if isinstance(machines, int):
            row.devices = max(row.devices, machines)
        for name, fact in TEXTS.items():
            text = values.get(fact, told.get(fact))
            if isinstance(text, str) and not (name == "pool" and self._pool):
                setattr(row, name, printable(text)[:LONGEST])
        row.algorithm = self._algorithm(facts)
        worth = self._worth(facts, row)
        self._note_worker(row, values)
        if facts.shares:
            self._note_shares(row, facts, session, worth)
        if not self._waits:
            self._waits = True
            self._changed(self)

    def take(self) -> list[Work]:
        """Hand over what there is."""
        rows, self._rows, self._waits = list(self._rows.values()), {}, False
        return rows

    # ── one message ──────────────────────────────────────────────────────────────────────────────────────

    def _row(self, facts: Facts, session: Session, user: str) -> Work:
        """The row that a message belongs to."""
        if self._user[0] != user:
            worker = facts.values.get("mining.worker") if "mining.user" in facts.values else None
            self._user = user, account_of(user, worker)
        account = self._user[1]
        bucket = facts.time // BUCKET
        row = self._rows.get((account, bucket))
        if row is None and len(self._rows) >= MAX_ROWS:  # nobody reads: the last one goes on
            row = next(reversed(self._rows.values()))
        if row is None:
            host, server = self._flow.ends[self._mines], self._flow.ends[1 - self._mines]
            row = self._rows[account, bucket] = Work(
                host=host[0],
                server=server[0],
                server_port=server[1],
                protocol=session.protocol,
                account=self._shown(account),
                tenant=self._tenant_at(facts.time),
                flow=self._flow.id,
                first=facts.time,
                pool=self._pool,
                domain=self._domain,
            )
        row.known_since = self._known_since
        return row

    def _shown(self, text: str) -> str:
        """An account or a worker as it may be shown."""
        shown = self._hidden.get(text)
        if shown is None:
            shown = printable(self._hide(text))[:LONGEST] if text else ""
            if len(self._hidden) >= MAX_WORKERS:
                self._hidden.clear()
            self._hidden[text] = shown
        return shown

    def _algorithm(self, facts: Facts) -> str:
        told = facts.told or {}
        hardware = told.get("mining.hardware")
        of_machine = hardware_algorithm(hardware) if isinstance(hardware, str) else ""
        return algorithm_of(
            facts.protocol, told, hardware="sha256d" if self._rolls else of_machine, coins=self._coins
        )

    def _worth(self, facts: Facts, row: Work) -> float:
        """Hashes behind the share of a message, 0 unknown; the first that is known begins the time of the estimate."""
        hashes = facts.values.get("mining.hashes_per_share")
        if not isinstance(hashes, float):
            return 0.0
        is_wish = facts.sender is Role.CLIENT and not facts.shares
        if not self._known_since and not is_wish:
            self._known_since = row.known_since = facts.time
            if facts.shares:
                return 0.0  # where time begins with a share, this one is not within it
        difficulty = facts.values.get("mining.difficulty")
        if isinstance(difficulty, float) and not is_wish:
            row.difficulty = difficulty
        return worth_in(row.algorithm, facts.protocol, hashes)

    def _note_worker(self, row: Work, values: dict[str, Value]) -> None:
        worker, rate = values.get("mining.worker"), values.get("mining.hashrate")
        shown = self._hidden.get(worker) if isinstance(worker, str) else ""
        if isinstance(worker, str) and shown is None:
            shown = self._shown(worker)
            if len(row.workers) < MAX_WORKERS:
                row.workers.append(shown)
        if isinstance(rate, float):
            row.stated = {**row.stated, shown or "": rate}

    def _note_shares(self, row: Work, facts: Facts, session: Session, worth: float) -> None:
        verdict = facts.values.get("mining.accepted")
        number = facts.shares
        if isinstance(verdict, bool):
            self._verdicts = True
            self._pending.clear()
            if verdict:
                row.accepted += number
                count(row, number - self._ahead, worth)
            else:
                row.rejected += number
            self._ahead = False
            return
        row.submitted += number
        if self._verdicts:
            return
        server = 1 - self._mines
        waits = session.heard[server] or session.spoke[server]
        if waits and not self._blind and facts.protocol not in SILENT:
            self._pending.append(worth)
            if len(self._pending) < PATIENCE:
                return
            self._blind = True
            for one in self._pending:
                count(row, 1, one)
            self._pending.clear()
        else:
            count(row, number, worth)
        self._ahead = True


class Tallies:
    """Begins tallies.

    Args:
        changed: called with a tally when there is something to fetch from it, until it is fetched.
        hide: how an account or a worker may be shown.
    """

    def __init__(self, changed: Callable[[Tally], None], hide: Callable[[str], str]) -> None:
        self._changed, self._hide = changed, hide

    def begin(
        self,
        flow: Flow,
        mines: int,
        *,
        tenant_at: Callable[[int], str],
        domain: str,
        pool: str,
        coins: Sequence[str],
    ) -> Tally:
        """The tally of a flow that turns out to mine; as in :class:`Tally`."""
        return Tally(
            flow,
            mines,
            tenant_at=tenant_at,
            domain=domain,
            pool=pool,
            coins=coins,
            hide=self._hide,
            changed=self._changed,
        )


def count(row: Work, number: int, worth: float) -> None:
    """Let shares of one worth count for the estimate."""
    if worth and number > 0:
        row.counted += number
        row.hashes += number * worth
        row.squares += number * worth * worth
    else:
        row.unknown += max(number, 0)
