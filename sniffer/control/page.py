"""The page at ``/``: is the sensor seeing anything, and who mines.

In: health, totals, the host book, the size book, a language.  Out: an overview as a dict, as JSON for the page's script, as HTML.
Never: anything loaded from elsewhere, text that is not escaped, a script or style that the policy does not name by hash.

Works without a script too: what the script would fetch is in the page already.
"""

from __future__ import annotations

import base64
import hashlib
import html
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sniffer import __version__
from sniffer.blindspots import Level, findings, measure, worst
from sniffer.control.words import LANGUAGES, worth_telling
from sniffer.moments import moment
from sniffer.size.figures import texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sniffer.blindspots import Finding
    from sniffer.control.words import Words
    from sniffer.sinks.hosts import HostBook, HostRow
    from sniffer.sinks.metrics import Health
    from sniffer.size.figures import Figures
    from sniffer.size.hosts import SizeBook
    from sniffer.totals import Totals

ROWS: Final = 50
SHOWN_RULES: Final = 2  # of a host; the JSON has them all
NOTHING: Final = "\N{EN DASH}"

STYLE: Final = """
:root{color-scheme:light dark;--bg:#fbfbfa;--ink:#1c1d1f;--dim:#6a6d73;--line:#e2e2df;--card:#fff;
--good:#1a7f4b;--bad:#c0392b;--warn:#a86400}
@media(prefers-color-scheme:dark){:root{--bg:#15171a;--ink:#e7e8ea;--dim:#979ba3;--line:#2c3036;--card:#1d2024;
--good:#4cc38a;--bad:#ff7b6b;--warn:#e6ac4c}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem;max-width:84rem;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,"Noto Sans SC","PingFang SC","Microsoft YaHei",sans-serif}
h1{font-size:1.35rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}
.top{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:baseline;justify-content:space-between}
ul{margin:.5rem 0;padding:0;list-style:none}
li{background:var(--card);border:1px solid var(--line);border-left:.25rem solid var(--dim);border-radius:.5rem;
padding:.5rem .8rem;margin-bottom:.5rem}li.warning{border-left-color:var(--warn)}li.fault{border-left-color:var(--bad)}
li b{margin-right:.5rem}li span{color:var(--dim);display:block}
.dim{color:var(--dim)}.state{font-weight:600;text-decoration:none}.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.75rem;margin:1rem 0}
dl>div{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.6rem .8rem}
dt{color:var(--dim);font-size:.8rem}dd{margin:0;font-size:1.2rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.wide{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:.5rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.45rem .8rem;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--dim);font-size:.8rem;font-weight:500}tr:last-child td{border-bottom:0}
td{vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}td.r{white-space:normal;min-width:14rem}
td.h{white-space:normal;min-width:10.5rem}
@media(max-width:40rem){body{padding:1rem}dl{grid-template-columns:repeat(2,1fr);gap:.5rem}th,td{padding:.4rem .5rem}td.r,td.h{white-space:nowrap}}
a{color:inherit}a.good{color:var(--good)}a.bad{color:var(--bad)}a.warn{color:var(--warn)}footer{margin-top:2rem;font-size:.85rem}
"""

SCRIPT: Final = """
"use strict";
const id = name => document.getElementById(name);
async function refresh() {
  let told;
  try {
    const answer = await fetch("/-/hosts?lang=" + document.documentElement.lang, {cache: "no-store"});
    if (!answer.ok) throw new Error(answer.status);
    told = await answer.json();
  } catch {
    id("state").textContent = document.body.dataset.silent;
    id("state").className = "state bad";
    return;
  }
  id("state").textContent = told.state.text;
  id("state").className = "state " + told.state.level;
  for (const [name, value] of Object.entries(told.shown)) {
    const cell = id(name);
    if (cell) cell.textContent = value;
  }
  const body = id("hosts");
  body.replaceChildren(...told.hosts.map(host => {
    const row = document.createElement("tr");
    for (const [text, kind] of host.cells) {
      const cell = document.createElement("td");
      cell.textContent = text;
      cell.className = kind;
      row.append(cell);
    }
    return row;
  }));
  id("none").hidden = told.hosts.length > 0;
  id("blind").replaceChildren(...told.blind.map(one => {
    const line = document.createElement("li");
    line.className = one.level;
    const parts = [["b", one.name], ["", one.says], ["span", one.remedy]];
    for (const [kind, text] of parts) {
      const part = kind ? document.createElement(kind) : document.createTextNode(text);
      part.textContent = text;
      line.append(part);
    }
    return line;
  }));
  id("all").hidden = told.blind.length > 0;
}
setInterval(refresh, 3000);
"""


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'; "
    f"style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}"
)
HEADERS: Final = (
    ("Content-Security-Policy", POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
)


def overview(
    health: Health,
    totals: Totals,
    book: HostBook,
    sizes: SizeBook,
    words: Words,
    *,
    sensor: str = "",
    now: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """What the page shows, as plain data: numbers for programs, ``shown``, ``blind`` and ``cells`` as texts for people.

    Args:
        health: what the parent process knows.
        totals: sums over all workers.
        book: per-host counts.
        sizes: how big hosts are.
        words: the language of the texts.
        sensor: name of this sensor.
        now: seconds since 1970; None where packet time is not the time of day.
        clock: monotonic seconds, the book's time.
    """
    drops = sum(one.drops for one in totals.interfaces.values())
    last = max((one.last_packet for one in totals.interfaces.values()), default=0)
    active = sum(book.active(clock()).values())
    spots = measure(totals, now)
    found = worth_telling(findings(spots, one_sided=health.one_sided))
    level, code, names = _state(health, totals, found)
    return {
        "sensor": sensor,
        "version": __version__,
        "rules_version": health.rules_version,
        "state": {"level": level, "code": code, "text": words.states[code].format(names=", ".join(names))},
        "packets": totals.packets,
        "passed": totals.passed,
        "drops": drops,
        "last_packet": last / 1e9,
        "hits": totals.hits,
        "active_hosts": active,
        "shown": {
            "packets": _count(totals.packets),
            "passed": _count(totals.passed),
            "drops": _count(drops),
            "last_packet": _moment(last),
            "hits": _count(totals.hits),
            "active": _count(active),
            "flows": _count(totals.flows),
            "one_sided": f"{totals.one_sided_ratio:.0%}",
            "rules": _count(health.rules_loaded),
        },
        "blind": [
            {
                "check": one.check,
                "level": one.level.label,
                "where": one.where,
                "name": f"{name} {one.where}".rstrip(),
                "says": says,
                "remedy": remedy,
            }
            for one in found
            for name, says, remedy in (words.finding(one, spots),)
        ],
        "hosts": [_host(row, sizes.figures(row.network, row.tenant), words) for row in book.top(ROWS)],
    }


def _host(row: HostRow, size: Figures | None, words: Words) -> dict[str, Any]:
    told = texts_of(size, NOTHING)
    return {
        "ip": row.ip,
        "tenant": row.tenant,
        "hits": row.hits,
        "confidence": row.confidence.label,
        "severity": row.severity.label,
        "size": size,
        "last_hit": row.last_hit / 1e9,
        "rules": list(row.rules),
        "cells": [
            (row.ip, ""),
            (row.tenant, ""),
            (_count(row.hits), "n"),
            (words.confidences[row.confidence.label], ""),
            (words.severities[row.severity.label], ""),
            (told.hashrate, "h"),
            (told.power, "n"),
            (told.machines, "n"),
            (_moment(row.last_hit), ""),
            (_shortened(row.rules), "r"),
        ],
    }


def _state(health: Health, totals: Totals, found: Iterable[Finding]) -> tuple[str, str, list[str]]:
    """The sensor's state, the worst thing first: how bad, which sentence, and whom it names."""
    down = [name for name, worker in health.workers.items() if not worker.up]
    if down or not health.workers:
        return "bad", "no_worker", []
    gone = [name for name, up in health.interfaces.items() if not up]
    if gone:
        return "bad", "interface_down", gone
    if not totals.packets:
        return "warn", "no_packet", []
    if not health.selftest_ok:
        return "bad", "selftest", []
    if not health.reload_success:
        return "warn", "reload_failed", []
    level = worst(found)
    if level is Level.FAULT:
        return "bad", "blind", []
    return ("warn", "partly_blind", []) if level is Level.WARNING else ("good", "watching", [])


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _shortened(rules: tuple[str, ...]) -> str:
    more = f" … +{len(rules) - SHOWN_RULES}" if len(rules) > SHOWN_RULES else ""
    return ", ".join(rules[:SHOWN_RULES]) + more


def _moment(nanoseconds: int) -> str:
    return moment(nanoseconds, NOTHING) if nanoseconds > 0 else NOTHING


def as_json(told: dict[str, Any]) -> bytes:
    """The overview for the page's script."""
    return msgspec.json.encode(told)


def as_html(told: dict[str, Any], words: Words) -> bytes:
    """The overview as a page."""
    return "".join(_page(told, words)).encode()


def _page(told: dict[str, Any], words: Words) -> Iterator[str]:
    sensor, state, other = html.escape(told["sensor"]), told["state"], LANGUAGES[words.other]
    yield (
        f'<!doctype html>\n<html lang="{words.code}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>sniffer {sensor}</title>'
        f'<style>{STYLE}</style></head><body data-silent="{html.escape(words.silent)}">\n'
        f'<div class="top"><h1>sniffer <span class="dim">{sensor}</span></h1>'
        f'<a href="/?lang={other.code}" lang="{other.code}" hreflang="{other.code}">{other.name}</a></div>\n'
        f"<p>{html.escape(words.about)} · "
        f'<a id="state" href="#blind" class="state {state["level"]}">{html.escape(state["text"])}</a></p>\n<dl>'
    )
    for name, label in words.labels.items():
        yield f'<div><dt>{html.escape(label)}</dt><dd id="{name}">{html.escape(told["shown"][name])}</dd></div>'
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in words.columns)
    yield (
        f'</dl>\n<h2>{html.escape(words.hosts)}</h2>\n<div class="wide"><table><thead><tr>{heads}</tr></thead>'
        '<tbody id="hosts">'
    )
    for host in told["hosts"]:
        cells = "".join(f'<td class="{kind}">{html.escape(text)}</td>' for text, kind in host["cells"])
        yield f"<tr>{cells}</tr>"
    yield (
        f'</tbody></table></div>\n<p id="none" class="dim"{_hidden(told["hosts"])}>{html.escape(words.none)}</p>\n'
        f'<h2>{html.escape(words.blind)}</h2>\n<ul id="blind">'
    )
    for one in told["blind"]:
        name, says, remedy = (html.escape(one[part]) for part in ("name", "says", "remedy"))
        yield f'<li class="{one["level"]}"><b>{name}</b>{says}<span>{remedy}</span></li>'
    yield f'</ul>\n<p id="all" class="dim"{_hidden(told["blind"])}>{html.escape(words.sees_all)}</p>\n'
    links = " · ".join(f'<a href="{path}">{path}</a> {html.escape(what)}' for path, what in words.links)
    yield (
        f'<footer class="dim">{links}<br>sniffer {html.escape(told["version"])} · {html.escape(words.rules)} '
        f"{html.escape(told['rules_version'] or NOTHING)}</footer>\n<script>{SCRIPT}</script></body></html>\n"
    )


def _hidden(rows: list[Any]) -> str:
    return " hidden" if rows else ""
