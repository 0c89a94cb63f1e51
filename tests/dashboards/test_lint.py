"""The JSON of the dashboards: Grafana takes it, its queries ask for what is there, both languages are one dashboard."""

from __future__ import annotations

import re
from typing import Any

import model
import pytest
from deploy.alertlist import metric_names
from model import LANGUAGES, NAMES, Dashboard

from sniffer.strictyaml import load_file

PANEL_TYPES = {"timeseries", "stat", "table", "bargauge"}
PROMETHEUS_OWN = {"up"}  # every Prometheus has it for what it scrapes
BUILT_IN = {"__rate_interval", "__interval", "__range", "__url_time_range", "__value", "__all"}
UNITS = {"none", "short", "pps", "bps", "s", "percentunit", "dateTimeAsIso", "watt", "kwatth", "Hs"}
GRID = 24
LONGEST_UID = 40  # Grafana refuses longer ones

ALL = [(name, language) for name in NAMES for language in LANGUAGES]


@pytest.fixture(params=ALL, ids=["-".join(one) for one in ALL])
def dashboard(request: pytest.FixtureRequest) -> Dashboard:
    """Each dashboard in each language."""
    return model.load(*request.param)


def links_of(dashboard: Dashboard) -> list[str]:
    """Where the dashboard leads to: from its head, its panels, its columns."""
    found = [link["url"] for link in dashboard.json["links"]]
    for panel in dashboard.panels:
        config = panel["fieldConfig"]
        found += [link["url"] for link in config["defaults"].get("links", [])]
        for override in config["overrides"]:
            found += [
                link["url"] for one in override["properties"] if one["id"] == "links" for link in one["value"]
            ]
    return found


def test_every_file_is_one_of_the_dashboards() -> None:
    """The folder holds each dashboard in each language, and nothing that Grafana would load by mistake."""
    expected = sorted(model.load(*one).file + ".json" for one in ALL)
    assert sorted(path.name for path in model.FOLDER.iterdir()) == expected


def test_identifiers_are_unique_and_stay() -> None:
    """Links of people and of chat messages go by uid: each is its own and is what it was; there is no id of a server."""
    made = {one: model.load(*one).json for one in ALL}
    assert {one["uid"] for one in made.values()} == {
        "sniffer-overview", "sniffer-overview-zh",
        "sniffer-address", "sniffer-address-zh",
        "sniffer-sensor", "sniffer-sensor-zh",
    }  # fmt: skip
    assert all(len(one["uid"]) <= LONGEST_UID for one in made.values())
    assert not any("id" in one for one in made.values())
    assert len({one["title"] for one in made.values()}) == len(made)


def test_schema_is_one_that_grafana_11_reads(dashboard: Dashboard) -> None:
    """The classic model, of Grafana 11: later versions raise it by themselves, an earlier one would lose panels."""
    assert dashboard.json["schemaVersion"] == 39
    assert dashboard.json["time"]["to"] == "now"
    ids = [panel["id"] for panel in dashboard.panels]
    assert len(set(ids)) == len(ids)


def test_panels_are_of_four_types(dashboard: Dashboard) -> None:
    """Only panels that every Grafana has built in."""
    assert {panel["type"] for panel in dashboard.panels} <= PANEL_TYPES


def test_every_panel_explains_itself(dashboard: Dashboard) -> None:
    """Title, description, unit, and a data source that people choose."""
    for panel in dashboard.panels:
        assert panel["title"].strip(), panel
        assert len(panel["description"]) > len(panel["title"]), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        for holder in (panel, *panel["targets"]):
            assert holder["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
    assert dashboard.variables["datasource"]["type"] == "datasource"


def test_panels_do_not_overlap_and_leave_no_hole(dashboard: Dashboard) -> None:
    """Each place of the grid has one panel; a line is as wide as the screen."""
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard.panels:
        at = panel["gridPos"]
        assert at["x"] >= 0
        assert at["x"] + at["w"] <= GRID
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]
    lowest = max(y for _, y in taken) + 1
    assert len(taken) == GRID * lowest


def test_queries_ask_for_metrics_that_exist(dashboard: Dashboard) -> None:
    """Each name is exported by the daemon, recorded by our rules, or Prometheus' own."""
    known = metric_names() | PROMETHEUS_OWN
    for query in dashboard.queries():
        asked = model.metrics_of(query.target["expr"])
        assert asked, query.place
        assert asked <= known, query.place
    for variable in dashboard.variables.values():
        if variable["type"] == "query":
            assert set(re.findall(r"sniffer_\w+", variable["definition"])) <= known


def test_the_reader_of_names_finds_what_is_not_there() -> None:
    """A misspelt metric is found, wherever it stands; words inside of label values are no metrics."""
    expr = 'sum by (a) (rate(sniffer_one{b=~"up{x}"}[5m])) / sniffer_two_totel{c="d"} > bool 0'
    assert model.metrics_of(expr) == {"sniffer_one", "sniffer_two_totel"}


def test_every_metric_in_a_query_has_a_selector(dashboard: Dashboard) -> None:
    """No query reads sensors that were not chosen: each name is followed by a selector with the sensor's."""
    for query in dashboard.queries():
        expr = query.target["expr"]
        names = re.findall(r"\b(?:sniffer_\w+|up\b)", re.sub(r'"[^"]*"', '""', expr))
        assert len(names) == len(re.findall(r'\{instance=~"\$instance"', expr)), query.place


def test_variables_are_declared_and_used(dashboard: Dashboard) -> None:
    """Nothing is asked with a variable that is not chosen at the head, and nothing is chosen in vain."""
    declared = set(dashboard.variables)
    used: set[str] = set()
    for query in dashboard.queries():
        used |= variables(query.target)
        used |= variables(query.panel["datasource"])
    for variable in dashboard.variables.values():
        used |= model.variables_of(variable.get("definition", ""))
    for url in links_of(dashboard):
        used |= model.variables_of(url)
    assert used - BUILT_IN == declared


def variables(value: dict[str, Any]) -> set[str]:
    """Variables that any text of an object uses."""
    return set().union(*(model.variables_of(str(text)) for text in value.values()))


def test_links_lead_to_dashboards_of_the_same_language(dashboard: Dashboard) -> None:
    """Each link names a uid that is shipped, in the reader's language; from the overview one comes to both others."""
    shipped = {model.load(name, dashboard.language).json["uid"] for name in NAMES}
    found = {url.removeprefix("/d/").split("?")[0] for url in links_of(dashboard)}
    assert found == shipped - {dashboard.json["uid"]}


def test_the_address_of_a_row_is_taken_along() -> None:
    """A click on an address opens its own dashboard with this address, encoded: IPv6 prefixes have a slash."""
    for language in LANGUAGES:
        drill = [url for url in links_of(model.load("overview", language)) if "var-ip=" in url]
        assert drill
        assert all("var-ip=${__value.raw:percentencode}&" in url for url in drill)
        assert "ip" in model.load("address", language).variables


def test_legends_name_labels_that_the_query_keeps(dashboard: Dashboard) -> None:
    """A legend shows labels by which its query sums; another would be empty on the screen."""
    for query in dashboard.queries():
        for label in re.findall(r"\{\{(\w+)\}\}", query.target["legendFormat"]):
            assert re.search(rf"by \([^)]*\b{label}\b", query.target["expr"]), query.place


def test_columns_of_tables_come_from_their_queries(dashboard: Dashboard) -> None:
    """A column is a label that every query of the table keeps, or one of the queries; the order is by a column."""
    for panel in dashboard.panels:
        if panel["type"] != "table":
            continue
        rename = panel["transformations"][-1]["options"]["renameByName"]
        letters = {target["refId"] for target in panel["targets"]}
        for field in rename:
            value = re.fullmatch(r"Value #(\w)", field)
            if value:
                assert value[1] in letters, panel["title"]
            else:
                for target in panel["targets"]:
                    assert re.search(rf"by \([^)]*\b{field}\b", target["expr"]), (panel["title"], field)
        assert len(set(rename.values())) == len(rename), panel["title"]
        assert panel["options"]["sortBy"][0]["displayName"] in rename.values()
        named = {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}
        assert named == set(rename.values()), panel["title"]


def without_words(dashboard: Dashboard) -> Any:
    """The dashboard without what people read, so that both languages can be compared."""
    words = ("title", "description", "label", "tooltip", "text", "displayName", "noValue")
    if_language = re.compile(r"-zh\b")

    def strip(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            if set(value) == {"id", "value"} and value["id"] == "displayName":
                return "displayName"
            if key == "renameByName":
                return list(value)
            return {name: strip(one, name) for name, one in value.items() if name not in words}
        if isinstance(value, list):
            return [strip(one) for one in value]
        if key == "options" and isinstance(value, str):
            return "name of a series or column"
        if key == "legendFormat":
            return re.findall(r"\{\{\w+\}\}", value)
        if key == "tags" or value in LANGUAGES:
            return "language"
        return if_language.sub("", value) if isinstance(value, str) else value

    return strip(dashboard.json)


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_are_one_dashboard(name: str) -> None:
    """The Chinese one has the same panels at the same places with the same queries; only words differ."""
    english, chinese = (model.load(name, language) for language in LANGUAGES)
    assert without_words(english) == without_words(chinese)
    for one, other in zip(english.panels, chinese.panels, strict=True):
        assert [target["expr"] for target in one["targets"]] == [
            target["expr"] for target in other["targets"]
        ]
        assert one["gridPos"] == other["gridPos"]


@pytest.mark.parametrize("name", NAMES)
def test_chinese_is_chinese(name: str) -> None:
    """Every title and description of the Chinese dashboard has Chinese in it, and none of the English one has."""
    chinese = re.compile("[\u4e00-\u9fff]")
    for language in LANGUAGES:
        dashboard = model.load(name, language)
        texts = [dashboard.json["title"], dashboard.json["description"]]
        texts += [text for panel in dashboard.panels for text in (panel["title"], panel["description"])]
        assert all(bool(chinese.search(text)) == (language == "zh") for text in texts), texts


def test_titles_are_said_once_a_dashboard(dashboard: Dashboard) -> None:
    """A panel is known by its title: no two share one."""
    titles = [panel["title"] for panel in dashboard.panels]
    assert len(set(titles)) == len(titles)


def test_provisioning_reads_the_folder_of_the_documentation() -> None:
    """The provider reads dashboards from files, the data source has the uid that we name to people."""
    folder = model.ROOT / "deploy" / "grafana" / "provisioning"
    (provider,) = load_file(folder / "dashboards" / "sniffer.yaml").data["providers"]
    (source,) = load_file(folder / "datasources" / "sniffer.yaml").data["datasources"]
    page = (model.ROOT / "docs" / "dashboards.md").read_text(encoding="utf-8")
    assert provider["type"] == "file"
    assert provider["options"]["path"] in page
    assert (source["uid"], source["type"]) == ("sniffer-prometheus", "prometheus")
    assert source["uid"] in page
