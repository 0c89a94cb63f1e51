"""A file in the place of another: whole or not at all.

In: a path and bytes.  Out: the file on the disk, with the mode and the owner of the one before.
Never: half a file under its name, whenever the power goes.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from sniffer.errors import OutputError

NEW_MODE = 0o644


def replace_file(path: Path, data: bytes) -> None:
    """Write beside the file, have it on the disk, then rename.

    A link stays one: what it leads to is replaced.

    Raises:
        OutputError: the folder, the disk or the owner does not let us; the old file is as it was.
    """
    target = path.resolve()
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                _make_alike(target, stream.fileno())
                os.fsync(stream.fileno())
            Path(name).replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        sync_folder(target.parent)
    except OSError as error:
        remedy = "give this user write permission for the folder, or run as the owner of the file"
        raise OutputError(f"cannot be written ({error.strerror})", where=str(path), remedy=remedy) from None


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk.

    Raises:
        OSError: that cannot be done.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_alike(target: Path, descriptor: int) -> None:
    """Give a file the owner and the mode of the one whose place it takes."""
    try:
        old = target.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, NEW_MODE)
        return
    new = os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))  # after the owner: a change of that takes bits away
