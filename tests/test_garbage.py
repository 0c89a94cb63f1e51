"""When the garbage collector looks."""

from __future__ import annotations

import gc

import pytest

from sniffer.garbage import SELDOM, seldom_collected


def test_it_looks_seldom_for_a_while_only() -> None:
    """What was set before is set again, whatever happens meanwhile; it is never off."""
    before = gc.get_threshold()
    with seldom_collected():
        assert gc.get_threshold() == SELDOM
        assert gc.isenabled()
    assert gc.get_threshold() == before
    with pytest.raises(KeyError), seldom_collected():
        raise KeyError
    assert gc.get_threshold() == before
