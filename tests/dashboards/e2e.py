"""From packets to what people see: daemon, Prometheus, rules, an alert, dashboards, pictures.  ``make e2e`` runs it.

    python tests/dashboards/e2e.py [--docs] [--out FOLDER]

In: nothing but this checkout and installed programs (prometheus, chromium, node, npm, a Chinese font).
Out: progress, a summary, six pictures in build/e2e/ or FOLDER; status 0 if all holds, else 1.  ``--docs`` also writes the pictures of the
documentation, docs/pictures/ (with pngquant).  Never: a process left behind, more than five minutes, a port of others.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]

import browser  # noqa: E402 -- from beside this file
import model  # noqa: E402
import page  # noqa: E402
import prometheus  # noqa: E402
import render  # noqa: E402
from ask import Answer, Window, answers, as_json, choices, missing  # noqa: E402
from loadscript import script  # noqa: E402
from prometheus import Prometheus  # noqa: E402
from stage import MINER, sensor, stories  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 300  # seconds, for everything
SPEED = 5.0  # ten minutes of story in two
SCRAPE = 3.0
QUIET = 15.0  # Prometheus has started and scraped by then
SENSOR = "park-east-1"  # what Prometheus calls the sensor
NEW_MINER = "SnifferNewMiner"
ALERT_SECONDS = 120.0
LAST_HIT_SECONDS = 60.0  # after the end of the replay
PICTURES = model.ROOT / "docs" / "pictures"


class FailedError(Exception):
    """Something does not hold."""


def say(text: str) -> None:
    """A line of progress, with the time since the start."""
    print(f"{time.monotonic() - BEGAN:5.0f} s  {text}", flush=True)


BEGAN = time.monotonic()


# ── what is needed ───────────────────────────────────────────────────────────────────────────────────────


def absent() -> list[str]:
    """What is missing on this machine, each with the remedy."""
    out = []
    if prometheus.PROGRAM is None:
        out.append(prometheus.ABSENT)
    if browser.PROGRAM is None:
        out.append(browser.ABSENT)
    if lacks := page.absent():
        out.append(lacks)
    fonts = shutil.which("fc-list")
    listed = (
        subprocess.run([fonts, ":lang=zh"], capture_output=True, text=True, check=True).stdout
        if fonts
        else ""
    )
    if not listed.strip():
        out.append(
            "no font with Chinese characters is installed here (apt-get install fontconfig fonts-noto-cjk)"
        )
    if not list(model.RULES.glob("*.yml")):
        out.append(f"{model.RULES} has no rule file, so no alert can fire (scripts/make_alerts.py)")
    return out


@contextlib.contextmanager
def bounded(seconds: int) -> Iterator[None]:
    """End after so many seconds, or when told to, in a way that ends every process that was started."""

    def stop(number: int, _frame: object) -> NoReturn:
        why = f"not done after {seconds} s" if number == signal.SIGALRM else "told to stop"
        raise FailedError(why)

    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


@contextlib.contextmanager
def building(log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The render page is built in a process of its own, beside the replay."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "page.py")], stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # npm, which takes its time, and Vite end with it
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
                time.sleep(0.5)
                os.killpg(process.pid, signal.SIGKILL)


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────


def load_rules(server: Prometheus) -> None:
    """Every shipped rule is loaded and evaluates."""
    server.until(lambda: all(rule["health"] == "ok" for rule in server.rules()), "the rules to be evaluated")
    rules = server.rules()
    say(f"rules: {len(rules)} are evaluated, from {len(list(model.RULES.glob('*.yml')))} files")


def wait_for_alert(server: Prometheus) -> None:
    """The alert about a new miner fires."""

    def firing() -> list[dict[str, Any]]:
        return [one for one in server.alerts(NEW_MINER) if one["state"] == "firing"]

    server.until(firing, f"the alert {NEW_MINER}", ALERT_SECONDS)
    say(f"alert: {NEW_MINER} fires for {', '.join(sorted(one['labels']['ip'] for one in firing()))}")


def wait_for_stories(server: Prometheus, lasts: float) -> None:
    """All hits that the stories expect are in Prometheus."""
    expected = sum(hits.total() for hits in script("tests/test_demo.py").wanted().values())
    say(f"replay: {lasts:.0f} s until {expected} hits of the stories are there …")

    def hits() -> float:
        return sum(sample.value for sample in server.query("sum(sniffer_host_hits_total)"))

    server.until(lambda: hits() >= expected, f"{expected} hits", lasts + LAST_HIT_SECONDS)
    if hits() != expected:
        raise FailedError(f"{hits():.0f} hits in Prometheus, {expected} in the stories")
    say(f"hits: {expected}, as the stories expect")


def ask_all(server: Prometheus, window: Window) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Every query of every dashboard; what the render page reads, and what has no data."""
    told, empty = {}, []
    for name in model.NAMES:
        for language in model.LANGUAGES:
            dashboard = model.load(name, language)
            values = choices(server, dashboard, {"ip": MINER} if "ip" in dashboard.variables else {})
            found: list[Answer] = answers(server, dashboard, window, values)
            empty += missing(found)
            told[dashboard.file] = as_json(dashboard, window, values, found)
            with_data = {answer.query.panel["id"] for answer in found if answer.has_data}
            say(
                f"{dashboard.file}: {len(found)} queries, {len(with_data)} of {len(dashboard.panels)} panels have data"
            )
    return told, [f"no data: {place}" for place in empty]


def draw_all(told: dict[str, dict[str, Any]], out: Path) -> list[str]:
    """A picture of each dashboard; what is wrong with them."""
    wrong = []
    with render.drawing(out / "work") as drawer:
        for name, one in told.items():
            drawn = drawer.draw(name, one)
            picture = out / f"{name}.png"
            picture.write_bytes(drawn.picture)
            wrong += [f"{name}: {fault}" for fault in drawn.faults()]
            say(f"{picture}: {len(drawn.panels)} panels, {len(drawn.picture) // 1024} KiB")
    return wrong


def write_docs(pictures: Path) -> None:
    """The pictures of the documentation, with 256 colours: a third of the size, and nobody sees it."""
    program = shutil.which("pngquant")
    if program is None:
        raise FailedError("pngquant is not installed here (apt-get install pngquant)")
    PICTURES.mkdir(exist_ok=True)
    for picture in sorted(pictures.glob("*.png")):
        out = PICTURES / picture.name
        subprocess.run(
            [program, "--force", "--strip", "--speed", "1", "--output", out, "--", picture], check=True
        )
        say(f"{out.relative_to(model.ROOT)}: {out.stat().st_size // 1024} KiB")


def run(out: Path) -> list[str]:
    """Everything; what does not hold."""
    work = out / "work"
    shutil.rmtree(work, ignore_errors=True)
    for picture in out.glob("*.png"):
        picture.unlink()
    work.mkdir(parents=True)
    with building(work / "build.log") as build:
        capture, lasts = stories(work, SPEED, QUIET)
        with sensor(work, capture, SPEED) as address:
            say(f"sensor: replays the stories, {SPEED:g} times as fast, metrics on {address}")
            scrape = [{"targets": [address], "labels": {"instance": SENSOR}}]
            more = {"scrape_configs": [{"job_name": "sniffer", "static_configs": scrape}]}
            rules = sorted(model.RULES.glob("*.yml"))
            with Prometheus(work / "prometheus", rules=rules, interval=f"{SCRAPE:g}s", more=more) as server:
                start = time.time()
                say(f"prometheus: scrapes every {SCRAPE:g} s, {server.url}")
                load_rules(server)
                wait_for_alert(server)
                wait_for_stories(server, lasts)
                told, wrong = ask_all(server, Window(start, time.time(), SCRAPE))
        if build.poll() is None:
            say("render: waits for the page to be built …")
        if build.wait():
            raise FailedError((work / "build.log").read_text(encoding="utf-8", errors="replace").strip())
    return wrong + draw_all(told, out)


def main() -> int:
    """Run, and say what holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--docs", action="store_true", help="also write docs/pictures/")
    default = model.ROOT / "build" / "e2e"
    parser.add_argument("--out", type=Path, default=default, help="folder for pictures and logs")
    arguments = parser.parse_args()
    wrong = absent()
    if not wrong:
        try:
            with bounded(LIMIT):
                wrong = run(arguments.out)
                if arguments.docs and not wrong:
                    write_docs(arguments.out)
        except (FailedError, AssertionError, subprocess.SubprocessError, OSError) as error:
            wrong = [str(error)]
        except KeyboardInterrupt:
            wrong = ["interrupted"]
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    say(f"{len(wrong)} faults" if wrong else f"all holds; the pictures are in {arguments.out}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
