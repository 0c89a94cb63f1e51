"""Batches made ahead: while one is judged, a thread makes the next.

In: the batches of a source whose last one stays valid while the next is made.  Out: the same, in the same order.
Never: more than one batch ahead; a fault told before what was readable in front of it.

Reading a file takes about half as long as judging what is in it, and both are done without Python's lock.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sniffer.batch import Batch


def ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield batches, each while the next is in the making.

    Whoever stops early waits for the one in the making: not for sources that may have to wait long for theirs.

    Raises:
        InputError: as the source does, behind everything that it yielded before.
    """
    with ThreadPoolExecutor(1, "ahead") as pool:
        made = pool.submit(next, batches, None)
        while (batch := made.result()) is not None:
            made = pool.submit(next, batches, None)
            yield batch
