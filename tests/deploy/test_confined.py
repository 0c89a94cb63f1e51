"""The daemon under what the unit forbids, without a service manager: user, capability, mounts, system calls."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from control.test_daemon import Daemon
from deploy.unit import allowed_calls, settings
from live.conftest import command, in_namespace  # noqa: F401  # a fixture
from live.test_daemon import finish, hits, mine
from live.test_privileges import AS_NOBODY, User, status, user  # noqa: F401  # a fixture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="namespaces are Linux's"),
]

MOUNTS = """
set -e
mount --bind "$0" "$0"
mount -o remount,bind,ro /
mount -o remount,bind,ro /sys
mount -t proc -o subset=pid,hidepid=invisible,nosuid,nodev,noexec proc /proc
exec "$@"
"""
"""ProtectSystem=strict, ProtectProc=invisible, ProcSubset=pid: only the folder $0 can be written to."""

FILTER = """
import ctypes, json, os, sys
library = ctypes.CDLL("libseccomp.so.2")
library.seccomp_init.restype = ctypes.c_void_p
context = ctypes.c_void_p(library.seccomp_init(0x0005_0000 | 1))  # all others: EPERM
for name in json.loads(sys.argv[1]):
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number >= 0:  # it is one of this machine's
        assert library.seccomp_rule_add(context, 0x7FFF_0000, number, 0) == 0, name
assert library.seccomp_load(context) == 0
os.execv(sys.argv[2], sys.argv[2:])
"""
"""SystemCallFilter=, loaded by the same library as systemd's; then the command."""

CALL = re.compile(r"^\d+ +(\w+)\((.*)$")
BEGIN = re.compile(r'^"[^"]+", \["[^"]+", "-c", "from sniffer\.cli ')
HARMLESS = {"mbind"}
"""Refused, and nothing is lost: numpy's linear algebra, of which no use is made, wants a place for its buffer."""


@pytest.fixture(autouse=True)
def _programs() -> None:
    for program in ("strace", "unshare", "setpriv", "systemd-analyze"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("no mount namespace here")


def confined(user: User, trace: Path, calls: set[str]) -> tuple[str, ...]:  # noqa: F811
    """The words before a command that runs it as the unit would, with a trace of its calls in a file."""
    return (
        *("strace", "-D", "-f", "-qq", "-s", "60", "-e", "signal=none", "-o", str(trace)),
        *("unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNTS, str(user.home)),
        *(*AS_NOBODY, user.python, "-c", FILTER, json.dumps(sorted(calls))),
    )


def calls_of_the_daemon(trace: Path) -> Iterator[tuple[str, str]]:
    """Calls and what became of them, from when the daemon itself was started."""
    begun = False
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        found = CALL.match(line)
        if found is None:
            continue
        name, rest = found.groups()
        begun = begun or (name == "execve" and BEGIN.match(rest) is not None)
        if begun:
            yield name, rest


def test_the_unit_forbids_nothing_that_is_needed(
    in_namespace: Callable[[Callable[[], None]], None],  # noqa: F811
    user: User,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Cold start, two workers, hits, a scrape, a reload and the end: no call is refused, nothing is written elsewhere."""
    calls = allowed_calls()
    trace = tmp_path / "trace"
    trace.touch()
    environment = dict(user.environment)
    for setting in settings("Environment"):
        name, _, value = setting.partition("=")
        environment[name] = value.replace("%C/sniffer", str(user.home / "cold"))
    (user.home / "cold").mkdir()
    os.chown(user.home / "cold", 65_534, 65_534)

    def body() -> None:
        command("ip link set lo up")
        daemon = Daemon(
            user.home,
            *("--interface", "port"),
            config="capture: {workers: 2, filter: auto}\n",
            python=(*confined(user, trace, calls), user.python),
            **environment,
        )
        try:
            daemon.until(lambda: daemon.said("watching"), "the workers", 400)
            workers = [status(pid) for pid in daemon.children()]
            assert [worker["Seccomp"] for worker in workers] == ["2", "2"]
            assert all(worker["Cpus_allowed_list"].isdigit() for worker in workers)
            mine(("10.0.0.7", 40_000))
            daemon.until(lambda: hits(daemon, "10.0.0.7") == 3, "hits", 20)
            daemon.process.send_signal(signal.SIGHUP)
            daemon.until(lambda: daemon.metric("sniffer_rules_generation") == 2, "the reload", 60)
            assert daemon.stop()[0] == 0
        finally:
            finish(daemon)

    in_namespace(body)
    made = list(calls_of_the_daemon(trace))
    used = {name for name, _ in made}
    assert {"setpriority", "sched_setaffinity", "capset", "prlimit64", "execve"} <= used
    assert used - calls - HARMLESS == set()
    refused = {name for name, rest in made if "EPERM" in rest or "EROFS" in rest}
    assert refused - HARMLESS == set()
