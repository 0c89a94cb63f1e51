"""What an operator is told when something is wrong: what, where, what to do.

In: faults of files, rules, configuration, permissions.
Out: exceptions that print as one readable line each and carry the exit status.
Never: anything a packet caused.  The wire does not raise; it is counted (``oddities.py``).

    SnifferError
    ├── UsageError          2   the command line contradicts itself
    ├── InputError         66   a capture cannot be read (any further)
    ├── WorkerError        70   a worker process died for good
    ├── OutputError        74   results cannot be written
    ├── AccessError        77   the kernel refuses a socket
    └── ConfigError        78   configuration or rules are wrong; holds every Problem found
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_HITS = 3

STATUSES = {
    0: "fine",
    1: "run-time failure",
    2: "usage: the command line contradicts itself",
    3: "hits found, with `--fail-on-hit`",
    66: "input cannot be read, or not any further",
    70: "a worker died for good",
    74: "output failed",
    77: "no permission",
    78: "configuration or rules are wrong",
}
"""What each exit status means."""


def printable(text: object, limit: int = 200) -> str:
    """Return ``text`` in printable ASCII, at most ``limit`` characters, safe for a terminal or a log line."""
    escaped = str(text)
    if not (escaped.isascii() and escaped.isprintable()):
        escaped = escaped.encode("ascii", "backslashreplace").decode("ascii")
        escaped = "".join(c if " " <= c <= "~" else f"\\x{ord(c):02x}" for c in escaped)
    return escaped if len(escaped) <= limit else escaped[: limit - 3] + "..."


class SnifferError(Exception):
    """A fault an operator can mend.

    Args:
        what: the fault, without a final full stop.
        where: file, interface or setting it was found at.
        remedy: what to do about it.
    """

    exit_status: ClassVar[int] = EXIT_FAILURE

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.remedy = what, where, remedy

    def lines(self) -> list[str]:
        """One line for each fault, ready for stderr."""
        place = f"{printable(self.where)}: " if self.where else ""
        advice = f"; {printable(self.remedy, 300)}" if self.remedy else ""
        return [f"error: {place}{printable(self.what, 600)}{advice}"]

    def __str__(self) -> str:
        return "\n".join(self.lines())


class UsageError(SnifferError):
    """The command line contradicts itself."""

    exit_status = 2


class InputError(SnifferError):
    """A capture cannot be read, or not any further."""

    exit_status = 66


class WorkerError(SnifferError):
    """A worker process ended and may not be started again."""

    exit_status = 70


class OutputError(SnifferError):
    """Results cannot be written."""

    exit_status = 74


class AccessError(SnifferError):
    """The kernel refuses what is asked."""

    exit_status = 77


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault of a rule, list or configuration file, with its place (lines and columns count from 1)."""

    file: str
    line: int
    column: int
    code: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        advice = f"; {printable(self.remedy, 300)}" if self.remedy else ""
        return f"error: {printable(self.file)}:{self.line}:{self.column}: {self.code} {printable(self.what, 400)}{advice}"


class Fault(NamedTuple):
    """What is wrong with the value of a setting; whoever has the file makes a :class:`Problem` of it."""

    place: tuple[str, str]  # section and key
    what: str
    remedy: str


class ConfigError(SnifferError):
    """Configuration or rules are wrong.  Holds every problem that was found, not only the first."""

    exit_status = 78
    SHOWN: ClassVar[int] = 20

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__(self.problems[0].what if self.problems else "nothing is wrong")

    def lines(self) -> list[str]:
        """At most :attr:`SHOWN` lines of each file, then how many more there are."""
        shown: dict[str, int] = {}
        out = []
        for problem in self.problems:
            shown[problem.file] = shown.get(problem.file, 0) + 1
            if shown[problem.file] <= self.SHOWN:
                out.append(str(problem))
        out += [
            f"error: {printable(file)}: {count - self.SHOWN} more problems not shown"
            for file, count in shown.items()
            if count > self.SHOWN
        ]
        return out
