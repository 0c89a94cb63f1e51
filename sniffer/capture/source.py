"""What every source of frames offers.

In: nothing.  Out: the protocol :class:`Source`.  Never: work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sniffer.batch import Batch


class Source(Protocol):
    """Delivers frames in batches."""

    @property
    def interfaces(self) -> Sequence[str]:
        """Names that ``FRAME.interface`` refers to by index; may grow while batches come."""

    def batches(self) -> Iterator[Batch | None]:
        """Yield batches in order; None when nothing arrived for a while, so that the caller can let time pass."""

    def close(self) -> None:
        """Let go of file or socket."""
