"""What tests of the dashboards share: the helpers beside them, and a Prometheus that has seen the stories."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ask import Window
from prometheus import Prometheus
from stage import MINER, MINER_HITS, sensor, stories

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEED = 40.0  # ten minutes of story in 15 seconds
QUIET = 12.0  # Prometheus has started and scraped by then, also on a busy machine


@pytest.fixture(scope="session")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, Window]]:
    """A Prometheus that scraped each second while the stories were played, and what it has seen."""
    folder = tmp_path_factory.mktemp("stage")
    capture, lasts = stories(folder, SPEED, QUIET)
    with sensor(folder, capture, SPEED) as address, Prometheus(folder, [address]) as server:
        start = time.time()
        time.sleep(lasts)
        server.until(
            lambda: server.query(f'sum(sniffer_host_hits_total{{ip="{MINER}"}}) >= {MINER_HITS}'),
            "the hits of the stories",
        )
        yield server, Window(start, time.time(), scrape=1.0)
