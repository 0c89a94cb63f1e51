"""Private facts: hidden under a key, clear without one."""

from __future__ import annotations

import pickle
import re

import pytest

from sniffer.errors import UsageError
from sniffer.sinks.privacy import Privacy


def test_hides_under_a_key() -> None:
    """A hash is h: and 16 hexadecimal digits, and does not hold the text."""
    hidden = Privacy(b"k" * 32).hide("bc1qexample.rig1")
    assert re.fullmatch(r"h:[0-9a-f]{16}", hidden)


def test_same_text_same_hash() -> None:
    """One key recognises an account again; another key, another hash; another text, another hash."""
    one, other = Privacy(b"first"), Privacy(b"second")
    assert one.hide("wallet") == Privacy(b"first").hide("wallet")
    assert len({one.hide("wallet"), other.hide("wallet"), one.hide("wallet2")}) == 3


def test_clear_text_without_a_key() -> None:
    """None shows what was seen."""
    assert Privacy(None).hide("wallet") == "wallet"


def test_every_text_has_a_hash() -> None:
    """A lone surrogate and a key longer than the hash function takes are no error."""
    assert Privacy(b"k" * 500).hide("\ud800").startswith("h:")


def test_refuses_an_empty_key() -> None:
    """An empty key would be a plain hash, which can be looked up."""
    with pytest.raises(UsageError, match="empty"):
        Privacy(b"")


def test_does_not_print_its_key() -> None:
    """The key stays out of logs; the object goes to other processes whole."""
    privacy = Privacy(b"very secret")
    assert "secret" not in repr(privacy)
    assert pickle.loads(pickle.dumps(privacy)) == privacy  # noqa: S301


def test_leaves_out() -> None:
    """Left out, nothing is shown of a text."""
    privacy = Privacy(None, leave_out=True)
    assert (privacy.hide("wallet"), privacy.shows) == ("", False)
    assert Privacy(None).shows
