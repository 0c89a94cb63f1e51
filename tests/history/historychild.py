"""A process that writes pages and tells of each that is on the disk, until it is killed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT.parent)]

from historyrows import T0, farm_page  # noqa: E402

from sniffer.history.cases import CaseBook  # noqa: E402
from sniffer.history.lock import Lock  # noqa: E402
from sniffer.history.records import Bounds  # noqa: E402
from sniffer.history.store import Store  # noqa: E402

if __name__ == "__main__":
    path, first = Path(sys.argv[1]), int(sys.argv[2])
    lock = Lock(path)
    store = Store(path, Bounds(3_650 * 86_400, 3_600, 1 << 30), run=first)
    book = CaseBook(
        86_400, 86_400, entries=store.load_cases(), find=store.find_case, next_id=store.next_case()
    )
    number = first
    while True:
        page = farm_page(40, T0 + 300 * number, begun=T0 + first)
        store.write(page, book.feed)
        os.write(1, b"%d\n" % number)
        store.tidy(page.now)
        number += 1
