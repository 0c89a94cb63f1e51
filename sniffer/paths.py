"""Where things lie that ship with the program.

In: nothing.  Out: folders.
Never: the working directory as a source of rules: a stray folder must not change what is detected.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sniffer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


def rule_folders(named: Sequence[Path] | None, configured: Sequence[Path] | None = None) -> Sequence[Path]:
    """Folders of rules: those of the command line, else those of the configuration, else the shipped ones."""
    return tuple(named or configured or (shipped_rules(),))


def shipped_rules() -> Path:
    """The folder of the shipped rules: beside the package in a checkout, under ``share`` when installed."""
    beside = Path(__file__).parent.parent / "rules"
    installed = Path(sys.prefix) / "share" / "sniffer" / "rules"
    for folder in (beside, installed):
        if folder.is_dir():
            return folder
    raise InputError(
        "the shipped rules are missing", where=str(installed), remedy="name a folder with --rules DIR"
    )
