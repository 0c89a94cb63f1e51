"""A changed certificate, key or password: taken by itself, whole, or the old one stays."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest
from authority import Authority
from structlog.testing import capture_logs

from sniffer.control.guard import Guard
from sniffer.control.renewal import Renewal
from sniffer.control.webconfig import load_web

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "hunter2-in-the-clear"
TEXT = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"
USERS = f"basic_auth_users: {{a: {bcrypt.hashpw(b'x', b'$2b$05$' + b'.' * 22).decode()}}}\n"


class Kept:
    """A configuration, its guard and what keeps it up to date."""

    def __init__(self, folder: Path, days: int = 90) -> None:
        self.authority = Authority(folder / "web")
        self.authority.issue("server", days=days)
        self.file = self.authority.folder / "web.yml"
        self.file.write_text(TEXT)
        self.guard = Guard(load_web(self.file))
        self.renewal = Renewal(self.file, self.guard)

    def look(self, times: int = 2) -> list[Any]:
        """Look so often; what was logged."""
        with capture_logs() as lines:
            for _ in range(times):
                asyncio.run(self.renewal.look())
        return lines


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """One that is in order."""
    one = Kept(tmp_path)
    yield one
    one.guard.close()


def test_nothing_happens_where_nothing_changes(kept: Kept) -> None:
    """The same object stays in use."""
    before = kept.guard.web
    assert kept.look(5) == []
    assert kept.guard.web is before


def test_a_new_certificate_is_taken(kept: Kept) -> None:
    """Once both of its files have stood still for one look; half of it is never tried."""
    before = kept.guard.web
    new, key = kept.authority.issue("new")
    shutil.copy(new, kept.authority.folder / "server.pem")
    assert kept.look(1) == []  # the key is still the old one
    shutil.copy(key, kept.authority.folder / "server.key")
    assert kept.look(1) == []
    assert kept.guard.web is before
    assert [line["event"] for line in kept.look(3)] == ["web configuration loaded"]
    assert kept.guard.web is not before


def test_a_broken_one_keeps_the_old(kept: Kept) -> None:
    """It is said once, with no secret in it; what comes after it is taken."""
    before = kept.guard.web
    kept.file.write_text(f"{TEXT}basic_auth_users: {{a: {SECRET}, b: {SECRET}}}\n")
    lines = kept.look(5)
    assert [line["log_level"] for line in lines] == ["error"] * 3
    assert "web.yml:2:20: password" in lines[0]["event"]
    assert SECRET not in str(lines)
    assert "password" in kept.renewal.fault
    assert kept.guard.web is before
    kept.file.write_text(TEXT + USERS)
    assert [line["event"] for line in kept.look(3)] == ["web configuration loaded"]
    assert kept.renewal.fault == ""
    assert set(kept.guard.web.users) == {"a"}


def test_what_was_taken_back_is_in_order_again(kept: Kept) -> None:
    """A file that is put back as it was clears the fault."""
    kept.file.rename(kept.file.with_suffix(".away"))
    assert "no such file" in str(kept.look(3))
    assert kept.renewal.fault
    kept.file.with_suffix(".away").rename(kept.file)
    kept.look(3)
    assert kept.renewal.fault == ""


def test_asked_to_it_looks_at_once(kept: Kept) -> None:
    """A reload does not wait for the second look, and tells what is wrong."""
    kept.file.write_text(TEXT + USERS)
    assert asyncio.run(kept.renewal.renew()) == ()
    assert set(kept.guard.web.users) == {"a"}
    kept.file.write_text("tls_server_config: {}\n")
    assert len(asyncio.run(kept.renewal.renew())) == 2
    assert set(kept.guard.web.users) == {"a"}
    assert kept.look(3) == []  # said already


def test_without_a_file_there_is_nothing_to_do() -> None:
    """No look, no fault."""
    renewal = Renewal(None, Guard())
    asyncio.run(asyncio.wait_for(renewal.run(), 1))
    assert asyncio.run(renewal.renew()) == ()


@pytest.mark.parametrize(("days", "warned"), [(3, 1), (90, 0)])
def test_a_certificate_that_ends_soon_is_told(tmp_path: Path, days: int, warned: int) -> None:
    """Once a day, with the days that are left."""
    one = Kept(tmp_path, days)
    with capture_logs() as lines:
        one.renewal._warn()
        one.renewal._warn()
    assert [line["days"] for line in lines] == [pytest.approx(days, abs=0.1)] * warned
    one.guard.close()
