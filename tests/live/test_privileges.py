"""The daemon without root: an ordinary user who holds CAP_NET_RAW and nothing else finds a miner on the wire."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from control.test_daemon import Daemon
from live.conftest import command
from live.test_daemon import finish, hits, mine

from sniffer.gate.compiled import CACHE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="AF_PACKET is Linux's"),
]

NOBODY = 65_534
CAP_NET_RAW = 1 << 13
ROOT = Path(__file__).parents[2]
AS_NOBODY = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs",
    "--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw", "--bounding-set=-all,+net_raw",
)  # fmt: skip


def status(pid: int) -> dict[str, str]:
    """What the kernel says of a process."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


class User(NamedTuple):
    """That user's own folder, and an interpreter that he can start, with the variables that it needs."""

    home: Path
    python: str
    environment: dict[str, str]


def interpreters() -> Iterator[tuple[str, dict[str, str]]]:
    """The interpreter of this test; one of the same version outside of anybody's home, with the same packages."""
    yield sys.executable, {}
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = shutil.which(version, path="/usr/local/bin:/usr/bin")
    if found:
        yield found, {"PYTHONPATH": os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])}


@pytest.fixture
def user(tmp_path: Path) -> User:
    """The user; skips where he cannot run this checkout."""
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    home = tmp_path / "home"
    home.mkdir()
    top = Path(tempfile.gettempdir()).resolve()
    for above in (tmp_path, *tmp_path.resolve().parents):
        if top not in above.parents:
            break
        above.chmod(above.stat().st_mode | 0o011)  # pytest made it for root alone
    kernels = home / "kernels"
    shutil.copytree(CACHE, kernels / CACHE.name)  # what is compiled already need not be compiled again
    for path in (home, *home.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    # A child of the child is what counts: setpriv still has all rights when it starts its own.
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import sniffer.cli'], check=True)"
    trouble = ""
    for python, extra in interpreters():
        environment = {**extra, "HOME": str(home), "NUMBA_CACHE_DIR": str(kernels)}
        tried = subprocess.run(
            [*AS_NOBODY, python, "-c", code],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            cwd=home,
        )
        if tried.returncode == 0:
            return User(home, python, environment)
        trouble = tried.stderr.strip().rpartition("\n")[2]
    pytest.skip(f"another user cannot run this checkout: {trouble}")


def test_cap_net_raw_is_enough(in_namespace: Callable[[Callable[[], None]], None], user: User) -> None:
    """With CAP_NET_RAW alone hits are found, with filter, promiscuous mode, chosen ring and the wish for card's stamps."""

    def body() -> None:
        command("ip link set lo up")
        daemon = Daemon(
            user.home,
            "--interface",
            "port",
            config="capture: {timestamps: hardware, workers: 2}\n",
            python=(*AS_NOBODY, user.python),
            **user.environment,
        )
        try:
            daemon.until(lambda: daemon.said("watching"), "the workers", 180)
            parent = status(daemon.process.pid)
            assert parent["Uid"].split() == [str(NOBODY)] * 4
            assert int(parent["CapEff"], 16) == CAP_NET_RAW
            assert int(parent["CapBnd"], 16) == CAP_NET_RAW
            workers = [status(pid) for pid in daemon.children()]
            assert [int(worker["CapEff"], 16) for worker in workers] == [0, 0]
            mine(("10.0.0.7", 40_000))
            daemon.until(lambda: hits(daemon, "10.0.0.7") == 3, "hits", 10)
            assert daemon.metric("sniffer_interface_up") == 1
            assert daemon.stop()[0] == 0
        finally:
            finish(daemon)
        sizes = [line for line in daemon.log() if line["event"] == "ring size chosen"]
        assert [line["interface"] for line in sizes] == ["port"]

    in_namespace(body)


def test_without_it_the_fault_says_what_to_do(
    in_namespace: Callable[[Callable[[], None]], None], user: User
) -> None:
    """The same user without the capability gets one line with a remedy and exit status 77, no traceback."""

    def body() -> None:
        command("ip link set lo up")
        nothing = [word.replace(",+net_raw", "") for word in AS_NOBODY]
        daemon = Daemon(user.home, "--interface", "port", python=(*nothing, user.python), **user.environment)
        try:
            assert daemon.process.wait(60) == 77
        finally:
            finish(daemon)
        text = (user.home / "log").read_text(encoding="utf-8")
        assert re.search(r"CAP_NET_RAW.*setcap cap_net_raw", text)
        assert "Traceback" not in text

    in_namespace(body)
