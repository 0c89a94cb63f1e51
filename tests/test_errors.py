"""What operators are told: one readable line each, whatever was in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.errors import (
    EXIT_FAILURE,
    EXIT_HITS,
    EXIT_OK,
    STATUSES,
    AccessError,
    ConfigError,
    InputError,
    OutputError,
    Problem,
    SnifferError,
    UsageError,
    WorkerError,
    printable,
)


@given(st.text(), st.integers(4, 300))
def test_printable(text: str, limit: int) -> None:
    """Any text becomes printable ASCII within the limit."""
    out = printable(text, limit)
    assert len(out) <= limit
    assert all(" " <= c <= "~" for c in out)


@given(st.text(), st.text(), st.text())
def test_one_line(what: str, where: str, remedy: str) -> None:
    """An error is one line, even with line ends and escapes in its parts."""
    (line,) = SnifferError(what, where=where, remedy=remedy).lines()
    assert line.startswith("error: ")
    assert line.isprintable()


@pytest.mark.parametrize(
    ("kind", "status"),
    [(UsageError, 2), (InputError, 66), (WorkerError, 70), (OutputError, 74), (AccessError, 77)],
)
def test_exit_status(kind: type[SnifferError], status: int) -> None:
    """Each kind of error has the exit status of the documentation."""
    assert kind("x").exit_status == status


def test_every_exit_status_is_explained() -> None:
    """What the documentation says of statuses leaves no kind of error out."""
    kinds = {kind.exit_status for kind in (SnifferError, *SnifferError.__subclasses__())}
    assert kinds | {EXIT_OK, EXIT_FAILURE, EXIT_HITS} == set(STATUSES)


def test_many_problems() -> None:
    """Problems are sorted by place, shown once, at most twenty a file, with the number of the others."""
    problems = [Problem("a.yaml", line, 1, "code", "wrong") for line in range(30, 0, -1)] * 2
    lines = ConfigError([*problems, Problem("b.yaml", 7, 3, "code", "wrong", "mend it")]).lines()
    assert lines[0] == "error: a.yaml:1:1: code wrong"
    assert "error: b.yaml:7:3: code wrong; mend it" in lines
    assert lines[-1] == "error: a.yaml: 10 more problems not shown"
    assert len(lines) == 22
