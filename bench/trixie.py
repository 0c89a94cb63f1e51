"""Programs of Debian trixie in a folder of their own: what the benchmark compares with, whatever this machine runs.

    python bench/trixie.py [--folder build/trixie]

In: the machine's own apt, for its mirror, its proxy and its keys.  Out: a folder with Suricata 7, ndpiReader, tshark
and tcpreplay, about 300 MB; the command that runs one of them.
Never: a package installed on this machine, a maintainer script run, a mirror written down anywhere.

The packages are fetched and checked by apt, unpacked and not installed.  A program is run by trixie's own loader with
trixie's own libraries, so neither root nor a chroot is needed, and captures are found under their own names.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

SUITE = "trixie"
PACKAGES = ("suricata", "libndpi-bin", "tshark", "tcpreplay")
PROGRAMS = ("suricata", "ndpiReader", "tshark", "tcpreplay")
DONE = ".unpacked"
HOME = Path(__file__).parents[1] / "build" / SUITE
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
"""Where Debian keeps the keys of all its releases."""


class UnavailableError(Exception):
    """The programs cannot be had here; says why, and what to do."""


def run(*command: str) -> str:
    """Run a command and return what it prints.

    Raises:
        UnavailableError: there is no such command, or it failed.
    """
    try:
        done = subprocess.run(command, capture_output=True, check=False, text=True)
    except FileNotFoundError:
        raise UnavailableError(
            f"no {command[0]} on this machine; on Debian and its kin it is there"
        ) from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise UnavailableError(f"{command[0]} failed: {said}")
    return done.stdout


def mirror() -> str:
    """The archive of Debian that this machine's apt uses.

    Raises:
        UnavailableError: apt knows none.
    """
    # Labels tell the archive from the one of security updates, which has no whole release.
    listed = run("apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages")
    for line in listed.splitlines():
        label, _, address = line.partition(" ")
        if label == "Debian":
            return address
    raise UnavailableError("apt knows no archive of Debian; run apt-get update first, on Debian")


def apt_options(state: Path) -> list[str]:
    """Let apt keep lists and packages in a folder, and believe that nothing is installed."""
    settings = {
        "Dir::State": state,
        "Dir::State::lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
        "Dir::Cache::archives": state / "archives",
        "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",  # the folder is ours, apt's own user may not write there
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def unpacked(folder: Path = HOME) -> bool:
    """Whether the folder has these packages already."""
    done = folder / DONE
    return done.exists() and done.read_text(encoding="utf-8").split() == list(PACKAGES)


def unpack(folder: Path = HOME) -> Path:
    """Fetch and unpack the packages, unless that was done before; return the folder.

    Raises:
        UnavailableError: apt or dpkg is missing, or the mirror does not have the packages.
    """
    if unpacked(folder):
        return folder
    state, root = folder / "apt", folder / "root"
    for part in (state / "lists/partial", state / "archives/partial", root):
        part.mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    keys = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    (state / "sources.list").write_text(f"deb {keys}{mirror()} {SUITE} main\n", encoding="utf-8")
    options = apt_options(state)
    run("apt-get", *options, "update")
    run("apt-get", *options, "--yes", "--download-only", "install", "base-files", *PACKAGES)
    archives = sorted(
        (state / "archives").glob("*.deb"),
        key=lambda file: not file.name.startswith("base-files_"),  # it has the links from /lib to /usr/lib
    )
    for archive in archives:
        run("dpkg-deb", "--extract", str(archive), str(root))
        archive.unlink()
    (folder / DONE).write_text("\n".join(PACKAGES), encoding="utf-8")
    return folder


def command(folder: Path, program: str) -> list[str]:
    """The words that run a program of the folder.

    Raises:
        UnavailableError: the folder does not have it.
    """
    root = folder / "root"
    found = [*root.glob(f"usr/bin/{program}"), *root.glob(f"usr/sbin/{program}")]
    loaders = sorted(root.glob("usr/lib*/ld-linux*.so.*")) or sorted(root.glob("usr/lib/*/ld-linux*.so.*"))
    if not found or not loaders:
        raise UnavailableError(
            f"{folder} has no {program}; remove the folder, and bench/trixie.py makes it anew"
        )
    libraries = ":".join(str(path) for path in sorted(root.glob("usr/lib/*-linux-*")))
    return [str(loaders[0]), "--library-path", libraries, str(found[0])]


def main() -> int:
    """Unpack, and say what there is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=HOME)
    folder = parser.parse_args().folder
    try:
        unpack(folder)
        for program in PROGRAMS:
            print(" ".join(command(folder, program)))
    except UnavailableError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
