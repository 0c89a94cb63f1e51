"""One conversation of JSON lines: which messages are mining, and what they told so far.

In: parsed messages of both directions, in order of arrival.  Out: facts of mining messages.
Never: bytes, I/O, a rule's opinion.

A dialect reads one message and says what it is.  *Strong* messages are mining by themselves (protocols.md,
section 0); *weak* ones have a shape that other services share: they count only once a strong one was read in the
same flow, and are held until then.  Replies are matched to requests by id; where the request was not seen, only a
shape that speaks for itself counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from sniffer.model import Facts, Role, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sniffer.oddities import Oddities

MAX_IDS: Final = 256
MAX_HELD: Final = 8
MAX_BATCH: Final = 64
REMEMBERED: Final = (
    "mining.user",
    "mining.worker",
    "mining.password",
    "mining.agent",
    "mining.hardware",
    "mining.pool",
    "mining.coin",
    "mining.algorithm",
    "mining.difficulty",
    "mining.hashes_per_share",
)


class Call(NamedTuple):
    """A request or notification."""

    method: str  # lower case
    params: Any  # list, dict, None …; ``body`` where a dialect uses that key
    message: dict[str, Any]
    cut: bool  # the line was too long: only scalar members of the top level are known


class Answer(NamedTuple):
    """A reply."""

    asked: str | None  # method of the request, lower case, if it was seen
    result: Any
    error: Any
    message: dict[str, Any]
    alone: bool  # the other direction has never been heard, so the request cannot have been seen


class Reading(NamedTuple):
    """What a dialect makes of one message."""

    family: str
    message: str
    sender: Role | None  # None: the side opposite to the one that asked
    values: dict[str, Value]
    strong: bool = True


class Held(NamedTuple):
    """A weak message that waits for a strong one."""

    reading: Reading
    side: int
    time: int
    end: int


class Dialect(Protocol):
    """What a session asks of a dialect (``dialects/`` has one module each)."""

    def call(self, call: Call, session: Session) -> Reading | None:
        """Read a request or notification."""

    def answer(self, answer: Answer, session: Session) -> Reading | None:
        """Read a reply, by the request it belongs to or by its shape."""


class Session:
    """The state of one conversation of JSON lines."""

    __slots__ = (
        "_asked",
        "_dialects",
        "_held",
        "_oddities",
        "client",
        "heard",
        "protocol",
        "spoke",
        "told",
        "weak",
    )

    def __init__(self, dialects: Sequence[Dialect], oddities: Oddities) -> None:
        self._dialects = dialects
        self._oddities = oddities
        self._held: list[Held] = []
        self._asked: tuple[dict[Any, list[str]], dict[Any, list[str]]] = ({}, {})
        self.protocol = ""  # the most specific family so far; "" until a strong message was read
        self.client: int | None = None  # the side that mines
        self.heard = [False, False]
        self.spoke = [False, False]  # a mining message was read from this side
        self.told: dict[str, Value] = {}
        self.weak = 0  # weak messages so far: they keep an unidentified flow alive

    @property
    def identified(self) -> bool:
        """Whether a strong message was read."""
        return bool(self.protocol)

    def read(
        self, document: Any, names: Sequence[str], side: int, time: int, end: int, *, cut: bool
    ) -> list[Facts]:
        """Read one line's document.

        Args:
            document: the parsed line: an object, or an array of objects (JSON-RPC batch).
            names: values of the top-level key ``method`` (more than one if it was repeated).
            side: which end sent it.
            time: of its last byte, nanoseconds.
            end: sequence number just behind it.
            cut: only scalar members of the top level are known.
        """
        self.heard[side] = True
        if isinstance(document, list):
            if len(document) > MAX_BATCH:
                self._oddities.count("json_batch_limit")
            out: list[Facts] = []
            for part in document[:MAX_BATCH]:
                if isinstance(part, dict):
                    method = part.get("method")
                    part_names = (method,) if isinstance(method, str) else ()
                    out += self.read(part, part_names, side, time, end, cut=False)
            return out
        if not isinstance(document, dict):
            return []
        reading = self._call(document, names, side, cut=cut) if names else self._answer(document, side)
        return self._take(reading, side, time, end) if reading else []

    def _call(self, message: dict[str, Any], names: Sequence[str], side: int, *, cut: bool) -> Reading | None:
        params = message["body"] if "params" not in message and "body" in message else message.get("params")
        for name in names:
            call = Call(name[:64].lower(), params, message, cut)
            for dialect in self._dialects:
                reading = dialect.call(call, self)
                if reading:
                    self._remember(message.get("id"), call.method, side)
                    return reading
        if "result" not in message:
            self._remember(message.get("id"), names[-1][:64].lower(), side)
            return None
        return self._answer(message, side)  # some servers repeat the method in the reply

    def _remember(self, number: Any, method: str, side: int) -> None:
        if number is None or not isinstance(number, str | int | float):
            return
        table = self._asked[side]
        methods = table.setdefault(number if not isinstance(number, str) else number[:64], [])
        if len(methods) < MAX_IDS:
            methods.append(method)
        if len(table) > MAX_IDS:
            self._oddities.count("id_table_limit")
            del table[next(iter(table))]

    def _answer(self, message: dict[str, Any], side: int) -> Reading | None:
        number = message.get("id")
        asked = None
        if isinstance(number, str | int | float):
            table = self._asked[1 - side]
            key = number if not isinstance(number, str) else number[:64]
            methods = table.get(key)
            if methods:
                asked = methods.pop(0)
                if not methods:
                    del table[key]
        if asked is None and "result" not in message and "error" not in message:
            return None
        answer = Answer(asked, message.get("result"), message.get("error"), message, not self.heard[1 - side])
        weak = None
        for dialect in self._dialects:
            reading = dialect.answer(answer, self)
            if reading and reading.strong:
                return reading
            weak = weak or reading
        return weak

    def _take(self, reading: Reading, side: int, time: int, end: int) -> list[Facts]:
        if not reading.strong and not self.identified:
            self.weak += 1
            if len(self._held) < MAX_HELD:
                self._held.append(Held(reading, side, time, end))
            return []
        held, self._held = self._held, []
        if reading.strong:
            self.spoke[side] = True
            if reading.sender is not None:
                self.client = side if reading.sender is Role.CLIENT else 1 - side
            if self.protocol in ("", "stratum-v1") or not reading.family.startswith("stratum-v1"):
                self.protocol = reading.family
        return [self._facts(*one) for one in held] + [self._facts(reading, side, time, end)]

    def _facts(self, reading: Reading, side: int, time: int, end: int) -> Facts:
        self.told.update((name, reading.values[name]) for name in REMEMBERED if name in reading.values)
        family = reading.family
        if (
            self.protocol != family
            and family == "stratum-v1"
            and self.protocol.startswith(("stratum-", "ethstratum"))
        ):
            family = self.protocol
        sender = reading.sender
        if sender is None:
            sender = Role.CLIENT if self.client == side else Role.SERVER
        values: dict[str, Value] = {
            "mining.protocol": family,
            "mining.message": reading.message,
            **reading.values,
        }
        return Facts(family, reading.message, sender, values, side, time, end, mining=True)
