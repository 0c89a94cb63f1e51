"""The tables.

In: nothing.  Out: SQL.  Never: a table that only one place knows of: store.py writes, query.py reads, both by these names.

Every text is kept once, in ``words``, and named by number elsewhere; number 0 is "".  ``span`` is 300, 3600 or 86400: how
many seconds from ``start`` on a row is of.  ``run`` tells one life of the daemon from another (its
beginning, ns): what two of them counted in one hour adds up.
"""

from __future__ import annotations

import re
from typing import Final

VERSION: Final = 1  # PRAGMA user_version
APPLICATION: Final = 0x736E6966  # PRAGMA application_id: "snif"

SUMS: Final = (
    "seconds", "shares", "hashes", "squares", "unknown", "stated", "told_shares", "told_hashes", "told_squares",
    "joules_low", "joules", "joules_high", "powered",
)  # fmt: skip
"""Columns of samples that add up."""

TABLES: Final = """
CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE);
INSERT INTO words VALUES (0, '');

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    host INTEGER NOT NULL, server INTEGER NOT NULL, server_port INTEGER NOT NULL, protocol INTEGER NOT NULL,
    account INTEGER NOT NULL, tenant INTEGER NOT NULL, begun INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL,
    submitted INTEGER NOT NULL, accepted INTEGER NOT NULL, rejected INTEGER NOT NULL, unknown INTEGER NOT NULL,
    difficulty REAL, stated REAL, devices INTEGER NOT NULL, seen INTEGER NOT NULL,
    algorithm INTEGER NOT NULL, coin INTEGER NOT NULL, pool INTEGER NOT NULL, domain INTEGER NOT NULL,
    agent INTEGER NOT NULL, hardware INTEGER NOT NULL,
    bytes_up INTEGER NOT NULL, bytes_down INTEGER NOT NULL,
    UNIQUE (host, server, server_port, protocol, account, tenant, begun)
);
CREATE INDEX sessions_last ON sessions (last);

CREATE TABLE samples (
    span INTEGER NOT NULL, start INTEGER NOT NULL, session INTEGER NOT NULL,
    seconds REAL NOT NULL, shares INTEGER NOT NULL, hashes REAL NOT NULL, squares REAL NOT NULL,
    unknown INTEGER NOT NULL, stated REAL, told_shares INTEGER NOT NULL, told_hashes REAL NOT NULL,
    told_squares REAL NOT NULL, joules_low REAL, joules REAL, joules_high REAL, powered REAL NOT NULL,
    PRIMARY KEY (span, start, session)
) WITHOUT ROWID;

CREATE TABLE detections (
    span INTEGER NOT NULL, start INTEGER NOT NULL,
    host INTEGER NOT NULL, tenant INTEGER NOT NULL, rule INTEGER NOT NULL, severity INTEGER NOT NULL,
    confidence INTEGER NOT NULL, begun INTEGER NOT NULL,
    hits INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (span, start, host, tenant, rule, severity, confidence, begun)
) WITHOUT ROWID;

CREATE TABLE traffic (
    span INTEGER NOT NULL, start INTEGER NOT NULL, host INTEGER NOT NULL, tenant INTEGER NOT NULL, run INTEGER NOT NULL,
    bytes INTEGER NOT NULL, mining_bytes INTEGER NOT NULL,
    PRIMARY KEY (span, start, host, tenant, run)
) WITHOUT ROWID;

CREATE TABLE health (
    start INTEGER NOT NULL, run INTEGER NOT NULL,
    seconds REAL NOT NULL, packets INTEGER NOT NULL, dropped INTEGER NOT NULL, one_sided REAL NOT NULL,
    hidden_tls INTEGER NOT NULL, up INTEGER NOT NULL,
    PRIMARY KEY (start, run)
) WITHOUT ROWID;

CREATE TABLE tenants (
    name TEXT PRIMARY KEY, site TEXT NOT NULL, district TEXT NOT NULL, kind TEXT NOT NULL, contact TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE cases (
    id INTEGER PRIMARY KEY,
    host INTEGER NOT NULL, tenant INTEGER NOT NULL, state TEXT NOT NULL, confidence TEXT NOT NULL,
    opened INTEGER NOT NULL, last INTEGER NOT NULL, stopped INTEGER, relapses INTEGER NOT NULL,
    moved_from INTEGER, moved_to INTEGER, score INTEGER NOT NULL, reasons TEXT NOT NULL, profile TEXT NOT NULL,
    UNIQUE (host, tenant)
);
CREATE INDEX cases_last ON cases (last);

CREATE TABLE case_events (
    case_id INTEGER NOT NULL, at INTEGER NOT NULL, what TEXT NOT NULL,
    other INTEGER, score INTEGER NOT NULL, reasons TEXT NOT NULL,
    PRIMARY KEY (case_id, at, what)
) WITHOUT ROWID;

CREATE TABLE notes (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""

NAMES: Final = frozenset(re.findall(r"CREATE (?:TABLE|INDEX) (\w+)", TABLES))
"""Tables and indexes that a whole file has."""
