"""The page at ``/``: is the sensor seeing anything, and who mines.

In: health, totals, the host book.  Out: an overview as a dict, as JSON for the page's script, as HTML.
Never: anything loaded from elsewhere, text that is not escaped, a script or style that the policy does not name by hash.

Works without a script too: what the script would fetch is in the page already.
"""

# ruff: noqa: RUF001
# Chinese text has Chinese commas.

from __future__ import annotations

import base64
import hashlib
import html
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sniffer import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffer.sinks.hosts import HostBook
    from sniffer.sinks.metrics import Health
    from sniffer.totals import Totals

ROWS: Final = 50
MANY_BLIND: Final = 0.5  # share of one-sided flows from which the page says so

STYLE: Final = """
:root{color-scheme:light dark;--bg:#fbfbfa;--ink:#1c1d1f;--dim:#6a6d73;--line:#e2e2df;--card:#fff;
--good:#1a7f4b;--bad:#c0392b;--warn:#a86400}
@media(prefers-color-scheme:dark){:root{--bg:#15171a;--ink:#e7e8ea;--dim:#979ba3;--line:#2c3036;--card:#1d2024;
--good:#4cc38a;--bad:#ff7b6b;--warn:#e6ac4c}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem;max-width:72rem;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,"Noto Sans SC","PingFang SC","Microsoft YaHei",sans-serif}
h1{font-size:1.35rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}
.dim{color:var(--dim)}.state{font-weight:600}.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.75rem;margin:1rem 0}
dl>div{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.6rem .8rem}
dt{color:var(--dim);font-size:.8rem}dd{margin:0;font-size:1.2rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.wide{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:.5rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.45rem .8rem;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--dim);font-size:.8rem;font-weight:500}tr:last-child td{border-bottom:0}
td.n{text-align:right;font-variant-numeric:tabular-nums}td.r{white-space:normal;min-width:14rem}
a{color:inherit}footer{margin-top:2rem;font-size:.85rem}
"""

SCRIPT: Final = """
"use strict";
const id = name => document.getElementById(name);
async function refresh() {
  let told;
  try {
    const answer = await fetch("/-/hosts", {cache: "no-store"});
    if (!answer.ok) throw new Error(answer.status);
    told = await answer.json();
  } catch {
    id("state").textContent = "no answer from the daemon / 守护进程无响应";
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

LABELS: Final = {
    "packets": "Packets / 数据包",
    "passed": "Read further / 进入分析",
    "drops": "Dropped by the kernel / 内核丢包",
    "last_packet": "Last packet (UTC) / 最近数据包",
    "hits": "Hits / 命中",
    "active": "Hosts in the last hour / 一小时内主机",
    "flows": "Flows / 连接",
    "one_sided": "One-sided flows / 单向连接",
    "rules": "Rules / 规则",
}
COLUMNS: Final = (
    "Address / 地址", "Tenant / 租户", "Hits / 命中", "Confidence / 可信度", "Severity / 级别",
    "Last hit (UTC) / 最近命中", "Rules / 规则",
)  # fmt: skip
CONFIDENCES: Final = {
    "confirmed": "confirmed / 已确认",
    "probable": "probable / 很可能",
    "suspected": "suspected / 疑似",
}
SEVERITIES: Final = {
    "critical": "critical / 严重",
    "high": "high / 高",
    "medium": "medium / 中",
    "low": "low / 低",
}


def overview(
    health: Health,
    totals: Totals,
    book: HostBook,
    *,
    sensor: str = "",
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """What the page shows, as plain data: numbers for programs, ``shown`` and ``cells`` as texts for people.

    Args:
        health: what the parent process knows.
        totals: sums over all workers.
        book: per-host counts.
        sensor: name of this sensor.
        clock: monotonic seconds, the book's time.
    """
    drops = sum(one.drops for one in totals.interfaces.values())
    last = max((one.last_packet for one in totals.interfaces.values()), default=0)
    active = sum(book.active(clock()).values())
    level, text = _state(health, totals, drops)
    return {
        "sensor": sensor,
        "version": __version__,
        "rules_version": health.rules_version,
        "state": {"level": level, "text": text},
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
        "hosts": [
            {
                "ip": row.ip,
                "tenant": row.tenant,
                "hits": row.hits,
                "confidence": row.confidence.label,
                "severity": row.severity.label,
                "last_hit": row.last_hit / 1e9,
                "rules": list(row.rules),
                "cells": [
                    (row.ip, ""),
                    (row.tenant, ""),
                    (_count(row.hits), "n"),
                    (CONFIDENCES[row.confidence.label], ""),
                    (SEVERITIES[row.severity.label], ""),
                    (_moment(row.last_hit), ""),
                    (", ".join(row.rules), "r"),
                ],
            }
            for row in book.top(ROWS)
        ],
    }


def _state(health: Health, totals: Totals, drops: int) -> tuple[str, str]:
    """The sensor's state in one line: the worst thing first."""
    down = [name for name, worker in health.workers.items() if not worker.up]
    if down or not health.workers:
        return "bad", "no worker is running: nothing is seen / 没有工作进程，无法检测"
    gone = [name for name, up in health.interfaces.items() if not up]
    if gone:
        return "bad", f"interface down / 接口断开: {', '.join(gone)}"
    if not totals.packets:
        return "warn", "no packet yet / 尚未收到数据包"
    if not health.reload_success:
        return (
            "warn",
            "last reload of rules failed, the rules before it are in use / 规则重载失败，沿用旧规则",
        )
    if drops:
        return "warn", "watching; the kernel dropped packets / 正在检测，内核曾丢包"
    if totals.one_sided_ratio > MANY_BLIND:
        return "warn", "watching; most flows are heard in one direction only / 正在检测，多数连接只见单向"
    return "good", "watching / 正在检测"


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _moment(nanoseconds: int) -> str:
    if nanoseconds <= 0:
        return "–"
    try:
        return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError):  # packet times are whatever a capture says
        return "–"


def as_json(told: dict[str, Any]) -> bytes:
    """The overview for the page's script."""
    return msgspec.json.encode(told)


def as_html(told: dict[str, Any]) -> bytes:
    """The overview as a page."""
    shown = told["shown"]
    cards = "".join(
        f'<div><dt>{html.escape(label)}</dt><dd id="{name}">{html.escape(shown[name])}</dd></div>'
        for name, label in LABELS.items()
    )
    rows = "".join(
        "<tr>"
        + "".join(f'<td class="{kind}">{html.escape(text)}</td>' for text, kind in host["cells"])
        + "</tr>"
        for host in told["hosts"]
    )
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in COLUMNS)
    state = told["state"]
    none = " hidden" if told["hosts"] else ""
    sensor = html.escape(told["sensor"])
    rules_version = html.escape(told["rules_version"] or "–")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>sniffer {sensor}</title><style>{STYLE}</style></head><body>
<h1>sniffer <span class="dim">{sensor}</span></h1>
<p>Cryptocurrency mining seen on the mirror port / <span lang="zh">镜像端口上的挖矿流量</span> ·
<span id="state" class="state {state["level"]}">{html.escape(state["text"])}</span></p>
<dl>{cards}</dl>
<h2>Offending addresses / <span lang="zh">挖矿地址</span></h2>
<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody id="hosts">{rows}</tbody></table></div>
<p id="none" class="dim"{none}>No mining seen so far / <span lang="zh">暂未发现挖矿</span></p>
<footer class="dim"><a href="/metrics">/metrics</a> · <a href="/-/hosts">/-/hosts</a> · <a href="/-/healthy">/-/healthy</a> ·
<a href="/-/ready">/-/ready</a> · sniffer {html.escape(told["version"])} · rules / <span lang="zh">规则</span> {rules_version}</footer>
<script>{SCRIPT}</script></body></html>
""".encode()
