"""What stands between a client and the pages: TLS, names of certificates, passwords, a rate.

In: a :class:`~sniffer.control.webconfig.Web`, which may be replaced while clients are served.  Out: whether a request is let in.
Never: a page; a wait in the event loop.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sniffer.control.passwords import Passwords, Verdict
from sniffer.control.tls import names_of
from sniffer.control.webconfig import Web

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping


class Bucket:
    """Requests that may come at once, refilled with time."""

    def __init__(self, interval: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Make a full one: ``burst`` requests, one more every ``interval`` seconds; interval 0: without end."""
        self._interval, self._burst, self._clock = interval, burst, clock
        self._left, self._filled = float(burst), clock()

    def take(self) -> bool:
        """Take one request out; False if there is none."""
        if not self._interval:
            return True
        now = self._clock()
        self._left = min(self._left + (now - self._filled) / self._interval, self._burst)
        self._filled = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Guard:
    """Lets clients in, or not."""

    def __init__(self, web: Web | None = None) -> None:
        """Guard as a web configuration says; without one everybody is let in."""
        self._passwords = Passwords()
        self.use(web or Web())

    def use(self, web: Web) -> None:
        """Guard in another way from now on; connections that are up stay up."""
        self.web = web
        self._passwords.use(web.users)
        self._bucket = Bucket(web.interval, web.burst)

    @property
    def context(self) -> ssl.SSLContext | None:
        """For new connections; None: plain HTTP."""
        return self.web.context

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """That every answer gets; they take the place of our own."""
        return self.web.headers

    async def admit(self, authorization: bytes, peer: str, certificate: Mapping[str, Any]) -> HTTPStatus:
        """Judge a request: OK, or what it is refused with.

        Args:
            authorization: that header; empty where there is none.
            peer: address of the client.
            certificate: that the client has shown, as ``getpeercert()`` tells it; empty where it has not.
        """
        if not self._bucket.take():
            return HTTPStatus.TOO_MANY_REQUESTS
        if self.web.allowed_names and not self.web.allowed_names & names_of(certificate):
            return HTTPStatus.FORBIDDEN
        if not self._passwords.is_on:
            return HTTPStatus.OK
        return ANSWERS[await self._passwords.check(authorization, peer)]

    def close(self) -> None:
        """Let go of those that wait."""
        self._passwords.close()


ANSWERS = {
    Verdict.YES: HTTPStatus.OK,
    Verdict.NO: HTTPStatus.UNAUTHORIZED,
    Verdict.LATER: HTTPStatus.TOO_MANY_REQUESTS,
}
