"""What one flow has told about mining so far, and the facts of each message in that light.

In: parsed messages of both directions, in order of arrival.  Out: facts of mining messages.
Never: bytes, I/O, a rule's opinion.

A dialect reads one message and says what it is.  *Strong* messages are mining by themselves (protocols.md,
section 0); *weak* ones have a shape that other services share: they count only once a strong one was read in the
same flow, and are held until then.  *Hints* are signs that identify nothing: told at once, as facts of their own.

Replies are matched to requests by id; where the request was not seen, only a shape that speaks for itself counts.
Several accounts in one flow are kept apart by the names that a pool gives to its sessions; each share carries the
difficulty that is in force for it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from sniffer.model import Facts, Role, Value
from sniffer.protocols.facts import FLOW_FACTS
from sniffer.protocols.families import FAMILIES, GENERAL, hashes_of
from sniffer.protocols.messages import Answer, Call, Dialect, Origin, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sniffer.oddities import Oddities

MAX_IDS: Final = 256
MAX_HELD: Final = 8
MAX_BATCH: Final = 64
MAX_SESSIONS: Final = 4_096  # in one flow: BTCAgent has up to 65 535, proxies of CryptoNote hundreds
MAX_ACCOUNTS: Final = 256
MAX_JOBS: Final = 32
MAX_POLLS: Final = 4
MAX_ANSWERED: Final = 16
ACCOUNT: Final = ("mining.user", "mining.worker", "mining.wallet_kind")
WHOSE: Final = (*ACCOUNT, "mining.agent")
DIFFICULTY: Final = ("mining.difficulty", "mining.hashes_per_share")
REMEMBERED: Final = frozenset(FLOW_FACTS.values())
WISHED: Final = REMEMBERED.difference(DIFFICULTY)
"""What is remembered of a request for other terms: that it was made does not put them in force."""


class Asked(msgspec.Struct, frozen=True):
    """A request that waits for its reply."""

    method: str
    values: Mapping[str, Value]  # account and difficulty of the request
    share: int = 0  # what a share said, to know it again when it is sent twice; 0: no share


class Held(msgspec.Struct, frozen=True):
    """A weak message that waits for a strong one."""

    reading: Reading
    origin: Origin
    asked: Asked | None


class Difficulty(msgspec.Struct, frozen=True):
    """What a share is worth: as the pool sets it, and in hashes; either may be unknown."""

    set: float | None
    hashes: float | None


UNKNOWN: Final = Difficulty(None, None)
STRATUM: Final = ("stratum-", "ethstratum", "btcagent")  # how the families begin that share their replies


class Session:
    """The state of one flow."""

    __slots__ = (
        "_accounts", "_answered", "_asked", "_held", "_last", "_oddities", "_parts", "_so_far", "_unanswered", "_workers", "client",
        "difficulty", "heard", "jobs", "polls", "ports", "protocol", "sessions", "signs", "spoke", "targets", "told",
    )  # fmt: skip

    def __init__(self, oddities: Oddities, ports: tuple[int, int] = (0, 0)) -> None:
        self._oddities = oddities
        self.ports = ports  # of side 0 and side 1
        self._held: list[Held] = []
        self._asked: tuple[dict[Any, deque[Asked]], dict[Any, deque[Asked]]] = ({}, {})
        self._unanswered = [0, 0]  # how many those are
        self._accounts: OrderedDict[str, None] = OrderedDict()
        self._workers: OrderedDict[str, None] = OrderedDict()
        self._parts: OrderedDict[str, None] = OrderedDict()  # of nonces: a machine each
        self._answered: deque[Any] = deque(maxlen=MAX_ANSWERED)  # numbers of shares that have their verdict
        self._last: tuple[Value, Value | None] | None = None  # user and worker that were named last
        self.protocol = ""  # the most specific family so far; "" until a strong message was read
        self.client: int | None = None  # the side that mines
        self.heard = [False, False]
        self.spoke = [False, False]  # a mining message was read from this side
        self.told: dict[str, Value] = {}
        self._so_far: Mapping[
            str, Value
        ] = {}  # the same, as of the last message: never changed, only replaced
        self.signs = 0  # weak messages and hints so far: they keep an unidentified flow alive
        self.polls: deque[int] = deque(
            maxlen=MAX_POLLS
        )  # times of questions that only their number makes mining
        self.sessions: OrderedDict[str, dict[str, Value]] = (
            OrderedDict()
        )  # by the pool's name: whose they are
        self.difficulty = UNKNOWN  # in force, as far as sessions have none of their own
        self.targets: OrderedDict[str, Difficulty] = OrderedDict()  # in force, by session
        self.jobs: OrderedDict[str, Difficulty] = OrderedDict()  # in force, by job

    @property
    def identified(self) -> bool:
        """Whether a strong message was read."""
        return bool(self.protocol)

    # ── messages in JSON ─────────────────────────────────────────────────────────────────────────────────

    def read(
        self,
        document: Any,
        names: Sequence[str],
        origin: Origin,
        dialects: Sequence[Dialect],
        *,
        cut: bool = False,
    ) -> list[Facts]:
        """Read one document.

        Args:
            document: the parsed text: an object, or an array of objects (JSON-RPC batch).
            names: values of the top-level key ``method`` (more than one if it was repeated).
            origin: where it came from.
            dialects: who may know it, the more specific first.
            cut: only scalar members are known.
        """
        self.heard[origin.side] = True
        if isinstance(document, list):
            if not document or not all(isinstance(part, dict) for part in document):
                return []  # an array with words between its objects is no batch
            if len(document) > MAX_BATCH:
                self._oddities.count("json_batch_limit")
            out: list[Facts] = []
            for part in document[:MAX_BATCH]:
                method = part.get("method")
                out += self.read(part, (method,) if isinstance(method, str) else (), origin, dialects)
            return out
        if not isinstance(document, dict):
            return []
        if names and not repeats_method(document):
            return self._call(document, names, origin, dialects, cut=cut)
        return self._answer(document, origin, dialects)

    def read_head(self, origin: Origin, dialects: Sequence[Dialect]) -> list[Facts]:
        """Read an HTTP message by its head alone."""
        for dialect in dialects:
            reading = dialect.head(origin.http, self) if origin.http else None
            if reading:
                return self.take(reading, origin)
        return []

    def _call(
        self,
        message: dict[str, Any],
        names: Sequence[str],
        origin: Origin,
        dialects: Sequence[Dialect],
        *,
        cut: bool,
    ) -> list[Facts]:
        params = message["body"] if "params" not in message and "body" in message else message.get("params")
        for name in names:
            call = Call(name[:64].lower(), params, message, cut, origin.time, origin.http)
            for dialect in dialects:
                reading = dialect.call(call, self)
                if reading:
                    return self._ask(reading, message, call.method, origin)
        if "result" not in message:
            self._remember(message, names[-1][:64].lower(), origin.side, {})
            return []
        return self._answer(message, origin, dialects)  # some servers repeat the method in the reply

    def _ask(self, reading: Reading, message: dict[str, Any], method: str, origin: Origin) -> list[Facts]:
        """Take a request, and remember it for its reply; a share that is sent again counts once."""
        share = 0
        if reading.share and reading.sender is Role.CLIENT:
            share = hash(repr(message)) or 1
            if self._waits(message, origin.side, share):
                return self.take(replace(reading, shares=0), origin)
        facts = self.take(reading, origin)
        self._remember(message, method, origin.side, self._account_of(reading, facts), share)
        return facts

    def _waits(self, message: dict[str, Any], side: int, share: int) -> bool:
        """Whether this very share waits for its verdict already."""
        number = number_of(message)
        return number is not None and any(one.share == share for one in self._asked[side].get(number, ()))

    def _account_of(self, reading: Reading, facts: list[Facts]) -> Mapping[str, Value]:
        """What the reply to a request should know of it."""
        values = facts[-1].values if facts else reading.values
        kept = (*WHOSE, *DIFFICULTY) if reading.share else WHOSE
        return {name: values[name] for name in kept if name in values}

    def _remember(
        self,
        message: dict[str, Any],
        method: str,
        side: int,
        values: Mapping[str, Value],
        share: int = 0,
    ) -> None:
        key = number_of(message)
        if key is None:
            return
        table = self._asked[side]
        asked = Asked(method, values, share)
        if key in table:
            table[key].append(asked)
        else:
            table[key] = deque((asked,))
        self._unanswered[side] += 1
        if self._unanswered[side] > MAX_IDS:
            self._oddities.count("id_table_limit")
            self._take_request(side, next(iter(table)))

    def _request_of(self, message: dict[str, Any], side: int) -> Asked | None:
        """The request that a reply of this side answers."""
        number = number_of(message)
        return None if number is None else self._take_request(1 - side, number)

    def _take_request(self, side: int, key: str | float) -> Asked | None:
        """The oldest request of this side with this number."""
        table = self._asked[side]
        waiting = table.get(key)
        if not waiting:
            return None
        asked = waiting.popleft()
        self._unanswered[side] -= 1
        if not waiting:
            del table[key]
        return asked

    def _answer(self, message: dict[str, Any], origin: Origin, dialects: Sequence[Dialect]) -> list[Facts]:
        is_reply = "result" in message or "error" in message
        if not is_reply:
            for dialect in dialects:
                reading = dialect.other(message, self)
                if reading:
                    if reading.sender is Role.CLIENT:
                        return self._ask(reading, message, reading.message.lower(), origin)
                    return self.take(reading, origin)
        asked = self._request_of(message, origin.side)
        if asked is None and not is_reply:
            return []
        answer = Answer(
            asked.method if asked else None,
            message.get("result"),
            message.get("error"),
            message,
            not self.heard[1 - origin.side],
            origin.http,
        )
        weak = None
        for dialect in dialects:
            reading = dialect.answer(answer, self)
            if reading and reading.strong:
                return self.take(self._once(reading, answer, asked), origin, asked)
            weak = weak or reading
        return self.take(self._once(weak, answer, asked), origin, asked) if weak else []

    def _once(self, reading: Reading, answer: Answer, asked: Asked | None) -> Reading:
        """The reading of a reply; a second verdict on a share, where shares are seen, is about none."""
        if not reading.share or answer.alone:
            return reading
        number = number_of(answer.message)
        if asked is None and number is not None and number in self._answered:
            return replace(reading, shares=0)
        self._answered.append(number)
        return reading

    # ── readings ─────────────────────────────────────────────────────────────────────────────────────────

    def take(self, reading: Reading, origin: Origin, asked: Asked | None = None) -> list[Facts]:
        """Enter a reading into the session and return the facts that may be told now."""
        side = origin.side
        if reading.hint:
            self.signs += 1
            sender = reading.sender or Role.CLIENT
            values = {"mining.protocol": reading.family, "mining.message": reading.message, **reading.values}
            return [Facts(reading.family, reading.message, sender, values, side, origin.time, origin.end)]
        if not reading.strong and not self.identified:
            self.signs += 1
            if len(self._held) < MAX_HELD:
                self._held.append(Held(reading, origin, asked))
            return []
        held = self._held
        if reading.strong:
            self.spoke[side] = True
            if reading.sender is not None:
                self.client = side if reading.sender is Role.CLIENT else 1 - side
            if self.protocol in ("", GENERAL) or reading.family != GENERAL:
                self.protocol = reading.family
        out: list[Facts] = []
        if held:
            self._held = []
            out += [
                self._facts(one.reading, one.origin, one.asked)
                for one in held
                if are_kin(one.reading.family, self.protocol)
            ]
        if reading.strong or are_kin(reading.family, self.protocol):
            out.append(self._facts(reading, origin, asked))
        return out

    def _facts(self, reading: Reading, origin: Origin, asked: Asked | None) -> Facts:
        family = reading.family
        if family == GENERAL and self.protocol.startswith(STRATUM):
            family = self.protocol
        sender = reading.sender
        if sender is None:
            sender = Role.CLIENT if self.client == origin.side else Role.SERVER
        values: dict[str, Value] = {
            "mining.protocol": family,
            "mining.message": reading.message,
            **reading.values,
        }
        for name, value in FAMILIES[family].values.items():
            values.setdefault(name, value)
        self._note_account(reading, values, asked)
        self._note_difficulty(reading, values, family, asked)
        remembered = WISHED if reading.sender is Role.CLIENT and not reading.share else REMEMBERED
        told, is_news = self.told, False
        for name, value in values.items():
            if name in remembered and told.get(name) != value:
                told[name] = value
                is_news = True
        if is_news:
            self._so_far = dict(told)
        return Facts(
            family,
            reading.message,
            sender,
            values,
            origin.side,
            origin.time,
            origin.end,
            mining=True,
            told=self._so_far,
            shares=reading.shares if reading.share else 0,
        )

    def _note_account(self, reading: Reading, values: dict[str, Value], asked: Asked | None) -> None:
        """Whose message this is, and how many accounts and machines the flow has shown."""
        if reading.session:
            for name, value in self.sessions.get(reading.session, {}).items():
                values.setdefault(name, value)
        if asked:
            for name, value in asked.values.items():
                if name in ACCOUNT:
                    values.setdefault(name, value)
        if reading.names:
            self.name_session(reading.names, asked.values if asked else reading.values)
        user, worker = values.get("mining.user"), values.get("mining.worker")
        if isinstance(user, str) and (user, worker) != self._last:
            self._last = user, worker
            remember(self._workers, user)
            remember(self._accounts, account_of(user, worker))
        if reading.part:
            remember(self._parts, reading.part)
        machines = max(len(self.sessions), len(self._workers), len(self._parts))
        if len(self._accounts) > 1:
            values["mining.accounts"] = len(self._accounts)
        if machines > 1:
            values["mining.workers"] = machines
            values["mining.proxy"] = True

    def name_session(self, name: str, values: Mapping[str, Value]) -> None:
        """Note whose session a name of the pool stands for."""
        self.sessions[name] = {each: values[each] for each in WHOSE if each in values}
        self.sessions.move_to_end(name)
        if len(self.sessions) > MAX_SESSIONS:
            self._oddities.count("session_table_limit")
            self.sessions.popitem(last=False)

    def _note_difficulty(
        self, reading: Reading, values: dict[str, Value], family: str, asked: Asked | None
    ) -> None:
        """Keep what the pool sets; give each share, and the verdict on it, what is in force for it."""
        if reading.share:
            self._give_difficulty(reading, values, family, asked)
            return
        stated, hashes = (values.get(name) for name in DIFFICULTY)
        if reading.sender is Role.CLIENT or not (isinstance(stated, float) or isinstance(hashes, float)):
            return  # nothing, or a wish
        force = Difficulty(
            stated if isinstance(stated, float) else None, hashes if isinstance(hashes, float) else None
        )
        if force.hashes is None and (worth := hashes_of(force.set, family)) is not None:
            values["mining.hashes_per_share"] = worth
        if reading.job:
            self.jobs[reading.job] = force
            self.jobs.move_to_end(reading.job)
            if len(self.jobs) > MAX_JOBS:
                self.jobs.popitem(last=False)
        if reading.session and not reading.job:
            self.target_session(reading.session, force)
        else:
            self.difficulty = force  # of the last job, too: for verdicts whose shares are not seen

    def _give_difficulty(
        self, reading: Reading, values: dict[str, Value], family: str, asked: Asked | None
    ) -> None:
        if asked is not None:
            for name, value in asked.values.items():
                if name in DIFFICULTY:
                    values.setdefault(name, value)
            return
        force = self.jobs.get(reading.job) or self.targets.get(reading.session)
        if force is None:  # where jobs say it, that of a job nobody saw is not known
            force = UNKNOWN if reading.job and self.jobs else self.difficulty
        # The family may have become known since, and with it what its difficulty is worth.
        hashes = force.hashes if force.hashes is not None else hashes_of(force.set, family)
        if force.set is not None:
            values.setdefault("mining.difficulty", force.set)
        if hashes is not None:
            values.setdefault("mining.hashes_per_share", hashes)

    def target_session(self, name: str, force: Difficulty) -> None:
        """Set the difficulty of one session."""
        self.targets[name] = force
        self.targets.move_to_end(name)
        if len(self.targets) > MAX_SESSIONS:
            self.targets.popitem(last=False)


def number_of(message: Mapping[str, Any]) -> str | float | None:
    """The number by which a reply is matched to its request; None: it has none."""
    number = message.get("id")
    if isinstance(number, str):
        return number[:64]
    return number if isinstance(number, int | float) else None


def account_of(user: str, worker: Value | None) -> str:
    """The account of a user as a miner sent it: without options behind a slash, and without its worker."""
    account = user.partition("/")[0]
    return account.removesuffix(f".{worker}") if isinstance(worker, str) else account


def are_kin(one: str, other: str) -> bool:
    """Whether two families are the same, or of the kind that share their replies."""
    return one == other or (one.startswith(STRATUM) and other.startswith(STRATUM))


def repeats_method(message: dict[str, Any]) -> bool:
    """Whether a message with a method is a reply all the same: some servers say again what was asked (Grin)."""
    is_reply = "result" in message or bool(message.get("error"))
    return is_reply and not ("params" in message or "body" in message)


def remember(table: OrderedDict[str, None], name: str) -> None:
    """Add a name to a bounded set."""
    table[name] = None
    if len(table) > MAX_ACCOUNTS:
        table.popitem(last=False)
