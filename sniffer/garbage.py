"""The garbage collector and the allocator, told what Python cannot know: when looking is in vain, who shares a heap.

In: nothing.  Out: nothing.
Never: an end to collecting: a process that makes waste gets rid of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

M_ARENA_MAX: Final = -8  # mallopt(3)
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


@contextlib.contextmanager
def not_collected() -> Iterator[None]:
    """For what has no circles and is kept: no look for waste while it is made, nor among it right afterwards.

    Looking took a third of the time of loading long lists, and a tenth of a second after it; in a worker no packet is read meanwhile.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            # Both together make everything old that is young, without looking at it.
            gc.freeze()
            gc.unfreeze()
            gc.enable()


def collect_seldom() -> None:
    """For a process that keeps most of what it makes: books with a hundred thousand entries that have no circles.

    Looking for waste among them took a fifth of the parent's time.
    """
    gc.set_threshold(*SELDOM)


def share_one_heap() -> bool:
    """Have all threads of this process allocate from one heap (glibc); return whether that could be had.

    Else each thread has one of its own, and what one makes and another lets go of is kept for the first: rule set after
    rule set, a worker would come to hold three.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1))
    except (OSError, AttributeError):  # another C library
        return False
