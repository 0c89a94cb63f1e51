"""A headless Chromium that opens pages of ours, tells what they say, and takes pictures.

In: addresses on loopback.  Out: values of JavaScript expressions, PNG.  Never: a request beyond loopback, a profile that
is kept, a browser that outlives the test.

Spoken is the DevTools protocol, over two pipes (``--remote-debugging-pipe``): JSON messages that end with a zero byte.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

from processes import end

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
ABSENT = "chromium is not installed here (apt-get install chromium)"
ANSWER_SECONDS = 60.0
STOP_SECONDS = 10.0
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--force-device-scale-factor=1",
    # Names are resolved nowhere: a page that asks somebody else fails, and does so here.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe", "about:blank",
)  # fmt: skip


# The browser reads from descriptor 3 and writes to 4, whatever ours are called.
LAUNCH = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for number, end in enumerate(ends, 3):
    os.dup2(end, number)
    os.close(end)
os.execv(sys.argv[3], sys.argv[3:])
"""


class BrowserError(AssertionError):
    """The browser has ended, does not answer, or refuses."""


class Browser:
    """Chromium with one page, from ``with`` to its end.

    Args:
        folder: for its profile and log.
        width: of the page in pixels.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self.width = width
        self.faults: list[str] = []  # what pages have written to their console as errors
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._to = self._from = -1
        self._received = b""
        self._number = 0
        self._session = ""

    def __enter__(self) -> Self:
        if PROGRAM is None:
            raise BrowserError(ABSENT)
        self._folder.mkdir(parents=True, exist_ok=True)
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        with (self._folder / "browser.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", LAUNCH, str(theirs_in), str(theirs_out),
                 PROGRAM, f"--user-data-dir={self._folder / 'profile'}", *OPTIONS],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(theirs_in, theirs_out),
            )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            (page,) = [one for one in self._call("Target.getTargets")["targetInfos"] if one["type"] == "page"]
            attached = self._call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
            self._session = attached["sessionId"]
            self._call("Page.enable")
            self._call("Runtime.enable")
            self._resize(1000)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        process, self._process = self._process, None
        for descriptor in (self._to, self._from):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        if process is not None:
            end(process, STOP_SECONDS)

    # ── what it does ─────────────────────────────────────────────────────────────────────────────────────

    def open(self, url: str) -> None:
        """Go to a page."""
        self._call("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is, as JSON can hold it."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def until(self, expression: str, seconds: float = 60.0) -> Any:
        """Wait until an expression is true, and return it.

        Raises:
            BrowserError: it was not, in so many seconds; or the page has written an error.
        """
        deadline = time.monotonic() + seconds
        while not (value := self.value(expression)):
            if self.faults or time.monotonic() > deadline:
                raise BrowserError(f"the page never said {expression}; its errors: {self.faults}")
            time.sleep(0.1)
        return value

    def picture(self, height: int) -> bytes:
        """PNG of the page from its top to a height in pixels."""
        self._resize(height)
        time.sleep(0.3)  # a frame or two at the new size
        answer = self._call("Page.captureScreenshot", format="png", optimizeForSpeed=False)
        return base64.b64decode(answer["data"])

    def _resize(self, height: int) -> None:
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=self.width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    # ── the protocol ─────────────────────────────────────────────────────────────────────────────────────

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        try:
            os.write(self._to, json.dumps(message).encode() + b"\0")
        except OSError as error:
            raise BrowserError(f"{PROGRAM} has ended: {self._log()}") from error
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            answer = self._next(deadline, method)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])
            self._notice(answer)

    def _next(self, deadline: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._received:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._from], [], [], left)[0]:
                raise BrowserError(f"{PROGRAM} does not answer to {method}: {self._log()}")
            read = os.read(self._from, 1 << 20)
            if not read:
                raise BrowserError(f"{PROGRAM} has ended: {self._log()}")
            self._received += read
        message, _, self._received = self._received.partition(b"\0")
        return dict(json.loads(message))

    def _notice(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.faults.append(details.get("exception", {}).get("description") or details["text"])
        elif event.get("method") == "Runtime.consoleAPICalled" and parameters["type"] == "error":
            said = [str(one.get("value", one.get("description", ""))) for one in parameters["args"]]
            self.faults.append(" ".join(said))

    def _log(self) -> str:
        return (self._folder / "browser.log").read_text(encoding="utf-8", errors="replace")[-2000:]
