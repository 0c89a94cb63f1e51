"""A window over a stream of bytes: the same few MiB of memory, twice, refilled in turn.

In: a stream.  Out: ``data[at:end]``, the next unread bytes.
Never: the whole file; a memory map, whose pages vanish under the reader when somebody cuts the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffer.capture.stream import Stream


class Window:
    """Unread bytes in memory, the rest of the stream behind them.

    Args:
        stream: where bytes come from.
        size: bytes held at a time; grows when :meth:`need` asks for more at once.
    """

    def __init__(self, stream: Stream, size: int) -> None:
        self.stream = stream
        self.data: NDArray[np.uint8] = np.zeros(max(size, 64), dtype=np.uint8)
        self._other: NDArray[np.uint8] = np.zeros(max(size, 64), dtype=np.uint8)
        self._lent = False
        self.at = self.end = 0
        self.ended = False
        self._offset = 0  # of data[0] in the stream

    @property
    def position(self) -> int:
        """Offset of the next unread byte in the stream."""
        return self._offset + self.at

    def head(self, size: int) -> bytes:
        """Copy the next ``size`` bytes, which :meth:`need` has promised."""
        return self.data[self.at : self.at + size].tobytes()

    def need(self, size: int) -> bool:
        """Have at least ``size`` unread bytes in memory; False when the stream ends before.

        Bytes handed out before become invalid, except those that were lent last.
        """
        if self.end - self.at < size:
            self._to_front(size)
        while self.end - self.at < size and not self.ended:
            self._refill()
        return self.end - self.at >= size

    def skip(self, size: int) -> bool:
        """Step over ``size`` bytes without keeping them; False when the stream ends before."""
        while size > self.end - self.at:
            size -= self.end - self.at
            self.at = self.end
            if not self.need(1):
                return False
        self.at += size
        return True

    def lend(self) -> None:
        """Keep what is in memory now as it is, until other bytes were lent after it."""
        self._lent = True

    def _to_front(self, size: int) -> None:
        left = self.data[self.at : self.end]  # a partial record at most
        if self._lent:
            self.data, self._other, self._lent = self._other, self.data, False
        else:
            left = left.copy()
        if size > len(self.data):
            self.data = np.zeros(size, dtype=np.uint8)
        self.data[: len(left)] = left
        self._offset += self.at
        self.at, self.end = 0, len(left)

    def _refill(self) -> None:
        count = self.stream.readinto(memoryview(self.data)[self.end :])  # type: ignore[arg-type]
        self.ended = count == 0
        self.end += count
