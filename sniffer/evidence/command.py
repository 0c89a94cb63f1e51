"""``sniffer evidence``: list, verify, replay and purge bundles.

In: a folder or a bundle, options.  Out: tables or JSON on stdout, an exit status.
Never: a reading that the access log does not tell of.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from sniffer.config import load_config
from sniffer.errors import EXIT_FAILURE, EXIT_OK, InputError, UsageError, printable
from sniffer.evidence import access
from sniffer.evidence import bundle as bundles
from sniffer.evidence import manifest as manifests
from sniffer.evidence.bundle import read_verdict
from sniffer.evidence.keys import load_public_key, load_signing_key, public_of
from sniffer.evidence.replay import replay
from sniffer.evidence.store import BUNDLE, SECOND, Store, bundle_names, open_folder
from sniffer.evidence.verify import Checked, verify_bundle, verify_folder
from sniffer.report import console, plain_table
from sniffer.rulereport import as_json as tell_as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sniffer.config import Config


def tell(line: str) -> None:
    """A line on stdout, in printable ASCII."""
    sys.stdout.write(printable(line, 600) + "\n")


def folder_of(directory: Path | None, config: Config) -> Path:
    """The folder that is meant.

    Raises:
        UsageError: none is named.
    """
    found = directory or config.evidence.directory
    if found is None:
        raise UsageError(
            "no folder of evidence is named",
            remedy="give --directory D, or --config F with evidence.directory",
        )
    return open_folder(found)


def bundle_at(named: str, find_folder: Callable[[], Path]) -> Path:
    """A bundle: a folder, or a name or number in the folder of evidence, which is looked for only then.

    Raises:
        InputError: there is none.
    """
    path = Path(named)
    if path.is_dir():
        return path.resolve()
    folder = find_folder()
    for name in bundle_names(folder):
        if name == named or (named.isdecimal() and int(name.partition("-")[0]) == int(named)):
            return folder / name
    raise InputError(
        "there is no such bundle",
        where=printable(named),
        remedy="sniffer evidence list shows those that there are",
    )


# ── list ─────────────────────────────────────────────────────────────────────────────────────────────────


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """What each bundle says of itself; damaged ones say so."""
    for name in bundle_names(folder):
        row: dict[str, Any] = {"bundle": name}
        try:
            told = read_verdict((folder / name / bundles.VERDICT).read_bytes())
            manifest = manifests.decode((folder / name / manifests.NAME).read_bytes())
            first = told.verdicts[0]
        except (OSError, ValueError, IndexError):
            yield {**row, "damaged": True}
            continue
        yield {
            **row,
            "sequence": manifest.sequence,
            "recorded": manifest.recorded,
            "host": first.host,
            "server": first.server,
            "server_port": first.server_port,
            "confidence": first.confidence,
            "rules": [one.rule for one in told.verdicts],
            "frames": told.frames,
            "bytes": sum(one.bytes for one in manifest.files),
            "signed": bool(manifest.signer),
        }


def print_list(folder: Path, *, as_json: bool) -> int:
    """Show every bundle on a line."""
    access.note(folder, "list")
    found = list(rows(folder))
    if as_json:
        tell_as_json(found)
        return EXIT_OK
    table = plain_table(
        "bundle", "address", "server", "confidence", "rules", "frames", "KiB", "signed", right="KiB"
    )
    for row in found:
        if "damaged" in row:
            table.add_row(row["bundle"], "damaged: see sniffer evidence verify")
            continue
        shown = (
            row["bundle"], row["host"], f"{row['server']}:{row['server_port']}" if row["server"] else "",
            row["confidence"], ", ".join(row["rules"]), row["frames"], row["bytes"] >> 10, "yes" if row["signed"] else "no",
        )  # fmt: skip
        table.add_row(*(escape(printable(one)) for one in shown))
    screen = console()
    if found:
        screen.print(table)
        screen.print()
    screen.print(f"{len(found)} bundles in {escape(printable(folder))}")
    return EXIT_OK


# ── verify ───────────────────────────────────────────────────────────────────────────────────────────────


def print_verified(
    named: str | None, directory: Path | None, config_file: Path | None, key: Path | None, *, as_json: bool
) -> int:
    """Check one bundle or all; status 1 where something is not as it was written."""
    config = load_config(config_file)
    signing = load_signing_key(config.evidence.signing_key_file) if key is None else None
    public = load_public_key(key) if key is not None else public_of(signing) if signing is not None else None
    if named is not None:
        bundle = bundle_at(named, lambda: folder_of(directory, config))
        access.note(bundle.parent, "verify", [bundle.name])
        checked = verify_bundle(bundle, public)
    else:
        folder = folder_of(directory, config)
        access.note(folder, "verify")
        checked = verify_folder(folder, public)
    if as_json:
        tell_as_json(_as_dict(checked, public))
    else:
        for finding in checked.findings:
            tell(f"fault: {finding}")
        tell(_summary(checked, public))
    return EXIT_FAILURE if checked.findings else EXIT_OK


def _as_dict(checked: Checked, key: bytes | None) -> dict[str, Any]:
    return {
        "bundles": checked.bundles,
        "purged": checked.purged,
        "findings": [{"bundle": one.bundle, "file": one.file, "what": one.what} for one in checked.findings],
        "signers": list(checked.signers),
        "unsigned": checked.unsigned,
        "key_compared": key is not None,
    }


def _summary(checked: Checked, key: bytes | None) -> str:
    state = f"{len(checked.findings)} faults" if checked.findings else "as they were written"
    told = f"{checked.bundles} bundles, {checked.purged} purged: {state}"
    if checked.unsigned:
        told += f"; {checked.unsigned} not signed"
    if checked.signers:
        compared = "the key that was given" if key is not None else "compared with no key: give --key FILE"
        told += f"; signed by {', '.join(signer[:16] for signer in checked.signers)}... ({compared})"
    return told


# ── replay ───────────────────────────────────────────────────────────────────────────────────────────────


def print_replayed(named: str, directory: Path | None, config_file: Path | None, *, as_json: bool) -> int:
    """Judge a bundle again, from itself alone; status 1 where a verdict does not come out again."""
    bundle = bundle_at(named, lambda: folder_of(directory, load_config(config_file)))
    access.note(bundle.parent, "replay", [bundle.name])
    done = replay(bundle)
    if as_json:
        verdicts = [
            {
                **{
                    name: getattr(one.said, name) for name in ("rule", "rev", "host", "server", "server_port")
                },
                "confidence": one.said.confidence,
                "found": list(one.found),
                "reproduced": one.is_reproduced,
            }
            for one in done.outcomes
        ]
        whole = {
            "bundle": bundle.name,
            "packets": done.packets,
            "reproduced": done.is_reproduced,
            "verdicts": verdicts,
        }
        tell_as_json(whole)
        return EXIT_OK if done.is_reproduced else EXIT_FAILURE
    for one in done.outcomes:
        said = one.said
        server = f" with {said.server}:{said.server_port}" if said.server else ""
        told = (
            "comes out again"
            if one.is_reproduced
            else f"does NOT come out again ({', '.join(one.found) or 'nothing'})"
        )
        tell(f"{said.rule} rev {said.rev}: {said.host}{server}, {said.confidence}: {told}")
    result = "every verdict comes out again" if done.is_reproduced else "not every verdict comes out again"
    tell(f"{bundle.name}: {done.packets} packets, {len(done.outcomes)} verdicts: {result}")
    return EXIT_OK if done.is_reproduced else EXIT_FAILURE


# ── purge ────────────────────────────────────────────────────────────────────────────────────────────────


def purge(
    named: Sequence[str], directory: Path | None, config: Config, older_than: float | None, reason: str
) -> int:
    """Take bundles away: those that are named, or those that are older than they are to be kept."""
    folder = folder_of(directory, config)
    if named and not reason:
        raise UsageError("bundles that are named are purged for a reason", remedy="give --reason TEXT")
    if named and older_than is not None:
        raise UsageError("--older-than and names exclude each other", remedy="choose one")
    store = Store(folder)
    if named:
        names = [one if BUNDLE.fullmatch(one) else bundle_at(one, lambda: folder).name for one in named]
    else:
        seconds = config.evidence.keep if older_than is None else older_than
        names = store.older_than(time.time_ns() - int(seconds * SECOND))
        reason = reason or f"older than {seconds / 86_400:g} days"
    access.note(folder, "purge", names, reason)
    gone = store.purge(names, reason, access.who()) if names else []
    tell(f"{len(gone)} bundles purged")
    return EXIT_OK
