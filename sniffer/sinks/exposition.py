"""Pieces of the Prometheus text format 0.0.4, for families that are rendered by hand.

In: names, help, label values.  Out: text.
Never: a line break out of a value.
"""

from __future__ import annotations


def head(out: list[str], name: str, kind: str, says: str) -> None:
    """Begin a family: HELP and TYPE."""
    out.append(f"# HELP sniffer_{name} {says}\n# TYPE sniffer_{name} {kind}")


def escaped(value: str) -> str:
    """A label value as the format wants it."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
