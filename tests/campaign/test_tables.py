"""Tables and the object: the same figures as the page, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import jsonschema
from hypothesis import given
from hypothesis import strategies as st

from sniffer.campaign import tables
from sniffer.campaign.model import report_schema

if TYPE_CHECKING:
    from sniffer.campaign.model import Report


def read(table: bytes) -> list[dict[str, str]]:
    """Rows as a spreadsheet reads them."""
    return list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"))))


def test_the_object_has_a_schema(report: Report) -> None:
    """What is printed is what ``sniffer schema report`` says, and nothing else."""
    schema = report_schema()
    told = json.loads(tables.as_json(report))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(told, schema)
    assert told["totals"]["shares"] == report.totals.shares


def test_every_table_has_the_rows_of_the_report(report: Report) -> None:
    """Rows of rankings, addresses, cases and holes as they are; hashrates and days a row for each algorithm."""
    found = {name: read(table) for name, table in tables.as_csv(report).items()}
    lengths = {name: len(rows) for name, rows in found.items()}
    assert lengths == {
        "report": lengths["report"], "hashrate": 3, "ranking": 3, "addresses": 4, "work": 6, "cases": 4, "days": 5, "holes": 2,
    }  # fmt: skip
    figures = {row["figure"]: row["value"] for row in found["report"]}
    assert figures["totals.shares"] == "6727"
    assert figures["unknown.shares"] == "7"
    assert figures["blind.down_seconds"] == "21600"
    assert found["ranking"][0]["name"] == "north"
    assert float(found["ranking"][0]["kwh_value"]) == 40
    assert found["addresses"][3]["kwh_value"] == ""
    assert found["cases"][2]["reasons"] == "account-private; gap 5400; rate 1.02"


def test_a_formula_is_a_text() -> None:
    """A miner that calls itself =cmd|... does not run on the desk of an official."""
    for text in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"):
        (row,) = read(tables._csv(("name",), [(text,)]))
        assert row["name"].startswith("'")
    assert tables._harmless(-5) == -5


@given(st.text())
def test_any_text_is_one_cell(text: str) -> None:
    """Quotes, line feeds and lone surrogates stay inside of it."""
    rows = list(csv.reader(io.StringIO(tables._csv(("a", "b"), [(text, 1)]).decode("utf-8-sig"), newline="")))
    assert len(rows) == 2
    assert rows[1][1] == "1"
    assert not rows[1][0].startswith(tables.FORMULAS)
