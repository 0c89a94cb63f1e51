"""The garbage collector, told when looking is in vain.

In: nothing.  Out: nothing.
Never: an end to collecting: a process that makes waste gets rid of it.
"""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SELDOM: Final = (20_000, 20, 100)  # Python's own: 700, 10, 10


@contextlib.contextmanager
def seldom_collected() -> Iterator[None]:
    """For work that makes many objects that stay: modules, rules, what a compiler knows.

    Looking for waste among them took an eighth of the time of compiling and a sixth of a start.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
