"""Pages of docs/ that repeat what the program says of itself: one module a page, each gives the page's lines.

In: vocabularies, shapes and help texts of the package.  Out: lines of Markdown.
Never: a sentence of its own about a fact, a rule, a setting, a metric or a command; those stand where the thing is defined.
"""

from __future__ import annotations

WRITTEN = "<!-- Written by scripts/make_docs.py; change what it reads, not this page. -->"


def cell(text: object) -> str:
    """Text inside a table."""
    return str(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
