"""Which path answers what: metrics, page, health, reload.

In: functions of the daemon that tell or do something.  Out: routes for :class:`~sniffer.control.http.Endpoint`.
Never: the same text rendered twice within a second, however many ask.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sniffer.control import page
from sniffer.control.http import Response, Route
from sniffer.control.words import LANGUAGES, choose
from sniffer.errors import printable
from sniffer.sinks.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sniffer.control.http import Request
    from sniffer.control.words import Words

FRESH_SECONDS: Final = 1.0
WORTH_COMPRESSING: Final = 1024  # bytes
JSON: Final = "application/json"
HTML: Final = "text/html; charset=utf-8"


class Snapshot:
    """A rendered text that everybody who asks within a moment shares, compressed at most once.

    Args:
        render: makes the text.
        content_type: of the text.
        headers: sent along.
        seconds: how long one rendering is good for.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        render: Callable[[], bytes],
        content_type: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        seconds: float = FRESH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._render, self._type, self._headers = render, content_type, headers
        self._seconds, self._clock = seconds, clock
        self._made = float("-inf")
        self._plain = b""
        self._packed: asyncio.Task[bytes] | None = None

    async def answer(self, request: Request) -> Response:
        """The text, gzipped if the client takes that and it is worth it."""
        now = self._clock()
        if now - self._made >= self._seconds:
            self._plain, self._packed = self._render(), None
            self._made = now
        headers = (*self._headers, ("Vary", "Accept-Encoding"))
        if not request.gzip or len(self._plain) < WORTH_COMPRESSING:
            return Response(200, self._plain, self._type, headers)
        if self._packed is None:  # in a thread: compressing gives up the interpreter lock
            self._packed = asyncio.create_task(asyncio.to_thread(gzip.compress, self._plain, 1, mtime=0))
        # Shielded: the first client that goes away must not take the others' answer with it.
        packed = await asyncio.shield(self._packed)
        return Response(200, packed, self._type, (*headers, ("Content-Encoding", "gzip")))


class Translated:
    """One snapshot for each language; the client's wish decides.

    Args:
        render: makes the text in a language.
        content_type: of the text.
        headers: sent along.
    """

    def __init__(
        self,
        render: Callable[[Words], bytes],
        content_type: str,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self._snapshots = {
            code: Snapshot(
                partial(render, words),
                content_type,
                headers=(*headers, ("Content-Language", code), ("Vary", "Accept-Language")),
            )
            for code, words in LANGUAGES.items()
        }

    async def answer(self, request: Request) -> Response:
        """The text in the language of this request."""
        return await self._snapshots[choose(request.query, request.languages).code].answer(request)


def make_routes(
    *,
    metrics: Callable[[], bytes],
    overview: Callable[[Words], dict[str, Any]],
    healthy: Callable[[], tuple[bool, str]],
    ready: Callable[[], tuple[bool, str]],
    reload: Callable[[], Awaitable[tuple[bool, str]]] | None = None,
) -> dict[str, Route]:
    """Routes of the daemon.

    Args:
        metrics: text of ``/metrics`` (:func:`sniffer.sinks.metrics.render`).
        overview: what the page shows, in a language (:func:`sniffer.control.page.overview`).
        healthy: whether the process works, and a line about it.
        ready: whether it could detect something now, and a line about it.
        reload: loads rules again and tells whether the new ones are in use; None: not allowed over HTTP.
    """

    def told(ask: Callable[[], tuple[bool, str]]) -> Route:
        def handler(_request: Request) -> Response:
            fine, line = ask()
            return Response.text(200 if fine else 503, printable(line))

        return Route(handler)

    async def reload_rules(_request: Request) -> Response:
        if reload is None:
            return Response.text(
                403, "reload over HTTP is off; set http.reload to true, or send SIGHUP to the daemon"
            )
        fine, line = await reload()
        return Response.text(200 if fine else 500, printable(line, 600))

    hosts = Translated(lambda words: page.as_json(overview(words)), JSON)
    landing = Translated(lambda words: page.as_html(overview(words), words), HTML, page.HEADERS)
    return {
        "/": Route(landing.answer),
        "/metrics": Route(Snapshot(metrics, CONTENT_TYPE).answer),
        "/-/hosts": Route(hosts.answer),
        "/-/healthy": told(healthy),
        "/-/ready": told(ready),
        "/-/reload": Route(reload_rules, "POST"),
    }
