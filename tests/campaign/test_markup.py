"""Markup: no text becomes an element, an attribute or an entity."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from sniffer.campaign.markup import Markup, element, escape, joined


class Reader(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Remember text."""
        self.text += data


@given(st.text(), st.text())
def test_text_stays_text(inside: str, value: str) -> None:
    """One element goes in, one comes out, with the text and the attribute that were meant, whatever they hold."""
    seen = Reader(element("p", inside, title=value))
    assert [tag for tag, _ in seen.tags] == ["p"]
    assert list(seen.tags[0][1]) == ["title"]
    assert seen.text == escape(inside).replace("&lt;", "<").replace("&gt;", ">").replace(
        "&quot;", '"'
    ).replace("&#x27;", "'").replace("&amp;", "&")


@given(st.text())
def test_what_no_page_shows_is_marked(text: str) -> None:
    """Controls, direction marks and lone surrogates are U+FFFD: the file is valid UTF-8 and reads as it looks."""
    shown = escape(text)
    shown.encode()
    assert all(c.isprintable() or c in " \u00a0\u202f" for c in shown)


def test_markup_is_not_escaped_twice() -> None:
    """Elements stand in elements."""
    assert element("p", element("b", "a & b"), " < c") == "<p><b>a &amp; b</b> &lt; c</p>"
    assert joined("<", None, Markup("<br/>")) == "&lt;<br/>"


def test_concatenated_markup_is_text_again() -> None:
    """Only the functions here make markup: what was put together otherwise is escaped, which is the safe side."""
    assert element("p", Markup("<b>") + "x") == "<p>&lt;b&gt;x</p>"


def test_attributes() -> None:
    """Names as Python can have them, numbers to the hundredth, no and nothing left out."""
    told = element("rect", x=1.0, width=2 / 3, class_="bar", stroke_width=3, title=None, hidden=False)
    assert told == '<rect x="1" width="0.67" class="bar" stroke-width="3"/>'
