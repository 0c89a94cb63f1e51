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


def rule_folders(
    named: Sequence[Path] | None, configured: Sequence[Path] | None = None, *, nursery: bool = False
) -> Sequence[Path]:
    """Folders of rules: those of the command line, else those of the configuration, else the shipped ones.

    Args:
        named: on the command line.
        configured: in the configuration.
        nursery: also the nurseries in them, and that of the shipped rules.
    """
    folders = tuple(named or configured or (shipped_rules(),))
    if not nursery:
        return folders
    homes = dict.fromkeys((*folders, shipped_rules()))
    return (*folders, *(home / "nursery" for home in homes if (home / "nursery").is_dir()))


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
