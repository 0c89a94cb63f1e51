"""docs/runbooks/: a page for each alert, whole in both languages; its commands and queries are real ones."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest
import typer
from deploy.alertlist import METRIC, ROOT, metric_names, run, the_list

from sniffer.cli import app
from sniffer.config import Config
from sniffer.paths import shipped_rules
from sniffer.ruleset import load_rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = ROOT / "docs" / "runbooks"
NAMES = [alert.name for alert in the_list().alerts]
ENGLISH = ["What it means", "How to confirm", "What to do", "How to close", "False alarms"]
CHINESE = ["含义", "如何确认", "如何处理", "如何关闭", "常见误报"]
COMMAND = re.compile(r"(?:^|`)(?:sudo )?(sniffer [a-z][^`|;\n]*)", re.MULTILINE)
SETTING = re.compile(r"`((?:sensor|capture|networks|rules|hosts|events|http|log)\.[a-z_.0-9]+)")


def text_of(name: str) -> str:
    """A page."""
    return (FOLDER / f"{name}.md").read_text("utf-8")


def sections(text: str, level: str) -> dict[str, str]:
    """Titles of a level, and what stands under each."""
    parts = re.split(rf"^{level} (.+)$", text, flags=re.MULTILINE)
    return {title: body.strip(" -\n") for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def queries(name: str) -> list[str]:
    """PromQL of a page."""
    return re.findall(r"^```promql\n(.+?)\n```$", text_of(name), re.MULTILINE | re.DOTALL)


def commands(name: str) -> Iterator[str]:
    """Commands of ours on a page: in blocks for the shell, and in the text."""
    text = text_of(name)
    blocks = re.findall(r"^```sh\n(.+?)\n```$", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for block in blocks:
        yield from COMMAND.findall(block)
    yield from re.findall(r"`(?:sudo )?(sniffer [a-z][^`]*)`", prose)


def fault_of(command: str) -> str:
    """What is wrong with a command of ours; empty if it is one, with options that it has."""
    found: Any = typer.main.get_command(app)
    words = shlex.split(command)[1:]
    while hasattr(found, "commands"):
        if not words or words[0] not in found.commands:
            return f"{command}: no such command"
        found = found.commands[words.pop(0)]
    options = {name: one for one in found.params for name in (*one.opts, *one.secondary_opts)}
    places = sum(
        one.nargs if one.nargs > 0 else 99 for one in found.params if one.param_type_name == "argument"
    )
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            places -= 1
        elif word not in options:
            return f"{command}: no option {word}"
        elif not getattr(options[word], "is_flag", False) and words:
            words.pop(0)
    return "" if places >= 0 else f"{command}: too many words"


def test_each_alert_has_a_page_and_each_page_an_alert() -> None:
    """No alert leaves people alone, and no page outlives its alert; the index is the only other page."""
    assert sorted(file.stem for file in FOLDER.glob("*.md")) == sorted([*NAMES, "README"])


@pytest.mark.parametrize("name", NAMES)
def test_has_every_section_in_both_languages(name: str) -> None:
    """Title, five sections in English, the same five in Chinese, none of them empty; Chinese ones are in Chinese."""
    text = text_of(name)
    english, chinese = text.split("\n## 中文\n")
    assert english.startswith(f"# {name}\n")
    assert list(sections(english, "##")) == ENGLISH
    assert list(sections(chinese, "###")) == CHINESE
    assert all(sections(english, "##").values())
    assert all(re.search("[\u4e00-\u9fff]", body) for body in sections(chinese, "###").values())
    assert "promql" in sections(english, "##")["How to confirm"]


@pytest.mark.parametrize("name", NAMES)
def test_commands_exist(name: str) -> None:
    """Each command of ours that a page names is one, with the options that it has."""
    assert [fault for command in commands(name) if (fault := fault_of(command))] == []


@pytest.mark.parametrize("name", [*NAMES, "../alerts", "README"])
def test_metrics_exist(name: str) -> None:
    """Each metric on a page is one that sniffer exposes, or a recording rule."""
    assert set(METRIC.findall(text_of(name))) <= metric_names()


@pytest.mark.parametrize("name", NAMES)
def test_settings_exist(name: str) -> None:
    """Each setting on a page is one of the configuration."""
    for setting in SETTING.findall(text_of(name)):
        section, key = setting.rstrip(".").split(".", 1)
        assert key in type(getattr(Config(), section)).model_fields, setting


def test_rules_exist() -> None:
    """Rules that pages ask to be explained are shipped ones."""
    known = {rule.id for rule in load_rules([shipped_rules()]).rules}
    asked = {
        words[3]
        for name in NAMES
        for command in commands(name)
        if (words := command.split())[1:3] == ["rules", "explain"]
    }
    assert asked
    assert asked <= known


def test_queries_are_what_prometheus_takes(tmp_path: Path) -> None:
    """Every query of every page is PromQL without a fault."""
    rules = [
        {"record": f"{name}:{number}", "expr": query}
        for name in NAMES
        for number, query in enumerate(queries(name))
    ]
    assert len(rules) >= len(NAMES)
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(rules)} rules found" in run("promtool", "check", "rules", file)


@pytest.mark.parametrize("name", [*NAMES, "../alerts", "README"])
def test_links_lead_somewhere(name: str) -> None:
    """Links between pages lead to pages."""
    for target in re.findall(r"\]\(([^)#]+)", text_of(name)):
        assert (FOLDER / f"{name}.md").parent.joinpath(target).resolve().exists(), target


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("sniffer doctor --interface eth1 --seconds 20", ""),
        ("sniffer config check /etc/sniffer/sniffer.yaml", ""),
        ("sniffer run --replay", ""),
        ("sniffer rules list", ""),
        ("sniffer rules lint", "no such command"),
        ("sniffer doctor --interfaces eth1", "no option --interfaces"),
        ("sniffer version now", "too many words"),
        ("sniffer rules", "no such command"),
    ],
)
def test_commands_are_looked_at(command: str, fault: str) -> None:
    """The look at commands itself can fail."""
    assert fault in fault_of(command)
    assert bool(fault) == bool(fault_of(command))
