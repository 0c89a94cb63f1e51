"""The Debian package: what is in it, and its whole life in a Debian of its own."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from deploy.conftest import CLEAN, ROOT, script
from deploy.test_bundle import STORY, expected_hosts, found_hosts

from sniffer import __version__
from sniffer.cli import app

pytestmark = [pytest.mark.live, pytest.mark.package]

OURS = re.compile(r"sniffer", re.IGNORECASE)


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, taken apart."""
    folder = tmp_path_factory.mktemp("unpacked") / "sniffer"
    subprocess.run(["dpkg-deb", "-R", package, folder], check=True)
    return folder


def test_no_path_of_the_machine_that_built_it(unpacked: Path) -> None:
    """No file names the checkout, the interpreter that built it, its home or its folder for scratch."""
    places = {str(ROOT), sys.prefix, sys.base_prefix, str(Path.home() / ".cache"), "/sniffer-build-"}
    places -= {"/usr"}  # where Debian's own Python is
    needles = [place.encode() for place in places]
    told = {
        str(file.relative_to(unpacked)): [needle for needle in needles if needle in file.read_bytes()]
        for file in unpacked.rglob("*")
        if file.is_file() and not file.is_symlink()
    }
    assert {file: found for file, found in told.items() if found} == {}


def test_links_and_scripts_lead_to_the_python_of_debian(unpacked: Path) -> None:
    """The environment's interpreter is /usr/bin/python3.11; the command starts by it; no other link leads outside."""
    links = {
        str(path.relative_to(unpacked)): str(path.readlink())
        for path in unpacked.rglob("*")
        if path.is_symlink()
    }
    assert links == {
        "opt/sniffer/bin/python3": "/usr/bin/python3.11",
        "usr/bin/sniffer": "/opt/sniffer/bin/sniffer",
    }
    first = (unpacked / "opt/sniffer/bin/sniffer").read_text(encoding="ascii").partition("\n")[0]
    assert first == "#!/opt/sniffer/bin/python3"
    assert "home = /usr/bin\n" in (unpacked / "opt/sniffer/pyvenv.cfg").read_text(encoding="ascii")


def test_every_module_is_translated(unpacked: Path) -> None:
    """Each module has its bytecode, which does not look at times and names the file where it will lie."""
    packages = unpacked / "opt/sniffer/lib/python3.11/site-packages"
    modules = list(packages.rglob("*.py"))
    assert len(modules) > 1_000
    for module in modules:
        code = module.parent / "__pycache__" / f"{module.stem}.cpython-311.pyc"
        assert code.read_bytes()[4:8] == b"\1\0\0\0", module  # PEP 552: by hash, unchecked
    code = packages / "sniffer" / "__pycache__" / "cli.cpython-311.pyc"
    assert b"/opt/sniffer/lib/python3.11/site-packages/sniffer/cli.py" in code.read_bytes()


def test_the_manual_page_has_every_command_and_option(unpacked: Path, tmp_path: Path) -> None:
    """Each command and option of the command line is on the page, which man and mandoc read without a warning."""
    page = tmp_path / "sniffer.1"
    page.write_bytes(gzip.decompress((unpacked / "usr/share/man/man1/sniffer.1.gz").read_bytes()))
    text = page.read_text(encoding="ascii").replace("\\-", "-")

    def walk(name: str, command: object) -> None:
        for below, one in getattr(command, "commands", {}).items():
            walk(f"{name} {below}".strip(), one)
        if not hasattr(command, "commands"):
            assert f".SS \\fB{name}\\fR [options]" in text
            for parameter in command.params:  # type: ignore[attr-defined]
                if parameter.param_type_name == "option":
                    assert all(f"\\fB{word}\\fR" in text for word in parameter.opts)

    walk("", typer.main.get_command(app))
    readers = {"mandoc": ["mandoc", "-Tlint", page], "man": ["man", "-l", "--warnings", page]}
    present = [command for program, command in readers.items() if shutil.which(program)]
    for command in present:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**CLEAN, "MANWIDTH": "80"}
        )
        complaints = done.stderr + (done.stdout if command[0] == "mandoc" else "")
        assert (done.returncode, complaints) == (0, "")
    if not present:
        pytest.skip("neither man nor mandoc is installed")


@pytest.mark.parametrize(
    ("shell", "file"),
    [
        ("bash", "bash-completion/completions/sniffer"),
        ("zsh", "zsh/vendor-completions/_sniffer"),
        ("fish", "fish/vendor_completions.d/sniffer.fish"),
    ],
)
def test_completions_are_scripts_of_their_shell(unpacked: Path, shell: str, file: str) -> None:
    """Each shell reads its script without a complaint; where it is not installed, the script at least speaks of sniffer."""
    path = unpacked / "usr/share" / file
    assert "_SNIFFER_COMPLETE" in path.read_text(encoding="utf-8")
    if shutil.which(shell):
        done = subprocess.run([shell, "-n", path], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_same_bundle_is_the_same_package(package: Path, bundle: Path, tmp_path: Path) -> None:
    """A second build has the same bytes."""
    again = script("make_deb.py", bundle, "--out", tmp_path)
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(package.read_bytes()).digest()


class Debian:
    """A Debian, and ways to work in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *words: str, user: str = "root", status: int = 0) -> str:
        """Run a command in it; return what it says."""
        done = subprocess.run(
            ["chroot", f"--userspec={user}", self.root, *words],
            env={**CLEAN, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def install(self, package: Path, *options: str) -> str:
        """Install a package file."""
        shutil.copy(package, self.root / "srv" / package.name)
        told = self.run("dpkg", *options, "--install", f"/srv/{package.name}")
        (self.root / "srv" / package.name).unlink()
        return told

    def files(self) -> set[str]:
        """Every path, without dpkg's own books and what is anybody's."""
        found = set()
        for folder, folders, names in os.walk(self.root):
            here = Path(folder).relative_to(self.root)
            if str(here) in {"var/lib/dpkg", "proc", "sys", "dev", "tmp"}:
                folders.clear()
                continue
            found |= {str(here / name) for name in (*folders, *names)}
        return found


def second_version(unpacked: Path, folder: Path) -> Path:
    """The package of a later version, which brings another configuration."""
    later = folder / "later"
    shutil.copytree(unpacked, later, symlinks=True)
    control = later / "DEBIAN" / "control"
    text = control.read_text(encoding="ascii")
    control.write_text(text.replace(f"Version: {__version__}\n", "Version: 99.0\n"), encoding="ascii")
    with (later / "etc/sniffer/sniffer.yaml").open("a", encoding="utf-8") as file:
        file.write("# A later version has more to say.\n")
    target = folder / "later.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", later, target],
        check=True,
        capture_output=True,
    )
    return target


def test_its_life_in_a_debian(debian: Path, package: Path, unpacked: Path, tmp_path: Path) -> None:
    """Installed it works for an ordinary user, an upgrade keeps what was changed, and a purge leaves nothing."""
    system = Debian(debian)
    before = system.files()
    told = system.install(package)
    assert "capture.interfaces" in told  # what to do next
    assert system.run("dpkg", "--verify", "sniffer") == ""

    nobody = "nobody:nogroup"
    assert system.run("sniffer", "version", user=nobody).startswith(f"sniffer {__version__}, rules ")
    assert "fine: " in system.run("sniffer", "config", "check", "/etc/sniffer/sniffer.yaml", user=nobody)
    shutil.copy(STORY / "traffic.pcap", debian / "srv" / "traffic.pcap")
    lines = system.run("sniffer", "scan", "--json", "/srv/traffic.pcap", user=nobody)
    assert found_hosts(lines) == expected_hosts() != set()
    (debian / "srv" / "traffic.pcap").unlink()
    for file in (
        "lib/systemd/system/sniffer.service",
        "etc/logrotate.d/sniffer",
        "usr/share/bash-completion/completions/sniffer",
        "usr/share/zsh/vendor-completions/_sniffer",
        "usr/share/fish/vendor_completions.d/sniffer.fish",
        "usr/share/doc/sniffer/copyright",
        "usr/share/doc/sniffer/changelog.gz",
        "usr/share/doc/sniffer/examples/sniffer.yaml",
        "usr/share/doc/sniffer/docs/install.md",
    ):
        assert (debian / file).is_file(), file
    # minbase leaves manual pages out only where it is told to.
    assert system.run("dpkg-query", "--listfiles", "sniffer").count("/usr/share/man/man1/sniffer.1.gz") == 1

    # What a service and root's own runs leave.
    for folder in ("cache", "lib", "log"):
        (debian / "var" / folder / "private" / "sniffer" / "kernels-0").mkdir(parents=True)
        (debian / "var" / folder / "sniffer").symlink_to("private/sniffer")
    kernels = debian / "opt/sniffer/lib/python3.11/site-packages/sniffer/__pycache__/kernels-0"
    kernels.mkdir()
    changed = debian / "etc/sniffer/sniffer.yaml"
    changed.write_text("capture: {interfaces: [eth1]}\n", encoding="utf-8")

    system.install(second_version(unpacked, tmp_path), "--force-confdef", "--force-confold")
    assert system.run("dpkg-query", "--show", "--showformat=${Version}", "sniffer") == "99.0"
    assert changed.read_text(encoding="utf-8") == "capture: {interfaces: [eth1]}\n"
    assert not kernels.exists()
    assert not (debian / "var/cache/private/sniffer/kernels-0").exists()
    assert system.run("sniffer", "config", "check", "/etc/sniffer/sniffer.yaml", user=nobody)

    system.run("dpkg", "--remove", "sniffer")
    assert changed.exists()
    assert not (debian / "opt/sniffer").exists()
    assert not (debian / "usr/bin/sniffer").is_symlink()

    system.run("dpkg", "--purge", "sniffer")
    after = system.files()
    assert sorted(path for path in after - before if OURS.search(path)) == []
    assert sorted(before - after) == []
    assert system.run("dpkg-query", "--list", "sniffer*", status=1) == ""
