"""A host is removed, and whoever asks for it learns how that went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from historyrows import T0, farm_page
from typer.testing import CliRunner

from sniffer.cli import app
from sniffer.config import Config
from sniffer.errors import InputError, OutputError, UsageError
from sniffer.history.forget import forget
from sniffer.history.query import Reader
from sniffer.history.recorder import History
from sniffer.history.rows import DAY

if TYPE_CHECKING:
    from pathlib import Path


def make(path: Path) -> tuple[Config, History]:
    """A history of five hosts."""
    config = Config.model_validate({"history": {"file": path}})
    history = History(config)
    history.offer(farm_page(5, T0))
    assert history.flush(10)
    return config, history


def test_one_host_goes(tmp_path: Path) -> None:
    """The others stay."""
    config, history = make(tmp_path / "history.db")
    history.close(10)
    assert forget(config, "10.0.0.3").startswith("10.0.0.3: 6 rows removed")
    with Reader(tmp_path / "history.db") as reader:
        assert len(reader.totals(T0, T0 + DAY, "host")) == 4
    with pytest.raises(InputError, match="has no host"):
        forget(config, "10.0.0.3")


def test_not_while_the_daemon_runs(tmp_path: Path) -> None:
    """It would write the host again."""
    config, history = make(tmp_path / "history.db")
    with pytest.raises(OutputError, match="another process"):
        forget(config, "10.0.0.3")
    history.close(10)


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    """No history, no such file, no address; no file is made."""
    with pytest.raises(UsageError):
        forget(Config(), "10.0.0.3")
    with pytest.raises(InputError):
        forget(Config.model_validate({"history": {"file": tmp_path / "history.db"}}), "10.0.0.3")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="is no address"):
        forget(Config.model_validate({"history": {"file": tmp_path / "history.db"}}), "everybody")


def test_the_command(tmp_path: Path) -> None:
    """As an operator types it."""
    _, history = make(tmp_path / "history.db")
    history.close(10)
    file = tmp_path / "sniffer.yaml"
    file.write_text(f"history:\n  file: {tmp_path / 'history.db'}\n", encoding="utf-8")
    told = CliRunner().invoke(app, ["history", "forget", "10.0.0.1", "--config", str(file)])
    assert told.output.startswith("10.0.0.1: 6 rows removed")
