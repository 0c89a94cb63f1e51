"""HTML and SVG of which no text can become markup.

In: names of elements, attributes, texts, elements.  Out: :class:`Markup`.
Never: text that is not escaped; only :func:`element` makes markup of strings, and it escapes them.
"""

from __future__ import annotations

import html
from typing import TypeAlias

VOID = frozenset({"meta", "br", "line", "rect", "path", "circle", "hr", "col"})
"""Elements without an end tag (HTML), or that are always empty here (SVG in HTML may close them so)."""

SPACES = " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
"""Not printable by Python's reckoning, and harmless."""


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Part: TypeAlias = "str | Markup | None"
Value: TypeAlias = "str | float | bool | None"


def escape(text: str) -> Markup:
    """Text as it may stand between tags and inside of quotes.

    Characters that no page shows (controls, lone surrogates) become U+FFFD: a file with them would not be valid.
    """
    if isinstance(text, Markup):
        return text
    shown = "".join(c if c.isprintable() or c in SPACES else "\N{REPLACEMENT CHARACTER}" for c in text)
    return Markup(html.escape(shown))


def element(name: str, /, *parts: Part, **attributes: Value) -> Markup:
    """One element.

    Args:
        name: of the element.
        parts: what stands inside: text, which is escaped, or markup.  None is nothing.
        attributes: ``class_`` stands for ``class``, and ``stroke_width`` for ``stroke-width``.  None and False: left out.
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in VOID and not parts:
        return Markup(f"<{name}{told}/>")
    return Markup(f"<{name}{told}>{joined(*parts)}</{name}>")


def joined(*parts: Part) -> Markup:
    """Parts one after the other."""
    return Markup("".join(escape(part) for part in parts if part is not None))


def _text(value: Value) -> str:
    if value is True:
        return ""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
