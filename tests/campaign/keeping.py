"""From a campaign to a history that can be asked, by the project's own way: recorder, file, reader.

In: a campaign, a folder.  Out: an open reader.
Never: a page that the recorder refused and nobody offered again.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sniffer.config import Config
from sniffer.history.query import Reader
from sniffer.history.recorder import History

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from simulator import Campaign

PATIENCE = 120.0


def settings(campaign: Campaign, folder: Path) -> Config:
    """A configuration that keeps all of a campaign."""
    return Config.model_validate(
        {
            "history": {"file": str(folder / "history.sqlite"), "max_size": "4GiB", "keep": "400d"},
            "cases": {"stop_after": campaign.plan.stop_after},
        }
    )


@contextmanager
def history_of(campaign: Campaign, folder: Path) -> Iterator[Reader]:
    """Write all pages, then open what there is."""
    config = settings(campaign, folder)
    book = History(config)
    try:
        for page in campaign.pages():
            while not book.offer(page):
                assert book.flush(PATIENCE)
    finally:
        book.close(PATIENCE)
    assert book.failed == 0
    with Reader(folder / "history.sqlite") as reader:
        yield reader
