"""A changed web configuration, certificate or key: taken into use while the daemon runs, or the old ones stay.

In: the files of a :class:`~sniffer.control.webconfig.Web`, looked at every two seconds; a word to look now.  Out: a guard that goes
by them, log lines.
Never: half a change: certificate and key are two files, so a change counts once the files have stood still for one look.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from sniffer.control.webconfig import load_web
from sniffer.errors import SnifferError
from sniffer.log import logger

if TYPE_CHECKING:
    from pathlib import Path

    from sniffer.control.guard import Guard

LOOK_SECONDS: Final = 2.0
DAY: Final = 86_400.0
SOON: Final = 14 * DAY  # a certificate that ends within so long is said to, once a day


class Renewal:
    """Keeps a guard up to date with its files.

    Args:
        file: the web configuration file; None: there is nothing to look at.
        guard: made of it.
    """

    def __init__(self, file: Path | None, guard: Guard) -> None:
        self.fault = ""  # of the last try; empty: what is in use is what the files say
        self._file, self._guard = file, guard
        self._tried = self._seen = guard.web.stamp()
        self._warned = float("-inf")

    async def run(self) -> None:
        """Look at the files for ever."""
        while self._file is not None:
            self._warn()
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Take what has changed and stands still since the last look."""
        stamp = await asyncio.to_thread(self._guard.web.stamp)
        if stamp == self._seen and stamp != self._tried:
            await self.renew()
        self._seen = stamp

    async def renew(self) -> tuple[str, ...]:
        """Read the files now; return what speaks against them, which is then in the log, too."""
        if self._file is None:
            return ()
        self._tried = await asyncio.to_thread(self._guard.web.stamp)
        try:
            web = await asyncio.to_thread(load_web, self._file)
        except SnifferError as error:
            lines = tuple(line.removeprefix("error: ") for line in error.lines())
            for line in lines:
                logger().error(line)
            logger().error("the old web configuration stays in use", faults=len(lines))
            self.fault = lines[0]
            return lines
        self.fault = ""
        self._guard.use(web)
        self._tried = self._seen = web.stamp()
        logger().info("web configuration loaded", tls=web.context is not None, users=len(web.users))
        self._warn()
        return ()

    def _warn(self) -> None:
        """Say it when the certificate is about to end."""
        expires, now = self._guard.web.expires, time.time()
        if expires is None or expires - now > SOON or now - self._warned < DAY:
            return
        self._warned = now
        logger().warning(
            "the certificate of the endpoint ends soon: renew it",
            code="certificate_ends",
            days=round((expires - now) / DAY, 1),
        )
