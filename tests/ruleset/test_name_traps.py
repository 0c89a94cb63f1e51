"""Names that look like others: what a list takes, and what is found on the wire, from the frame to the match."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gate_frames as wire
import pytest
import rulefolder
from enginerun import Run
from gate_twins import Twins
from loadscript import script

from sniffer.ruleset import RuleSet, load_rules
from sniffer.strictyaml import load_file

if TYPE_CHECKING:
    from sniffer.model import Match

q = script("pcaps/initials.py")
TRAPS = load_file(Path(__file__).with_name("name_traps.yaml")).data
FACTS = {
    "dns": "dns.query",
    "tls": "tls.server_name",
    "quic": "tls.server_name",
    "http": "http.host",
    "connect": "connect.host",
}
EVERYWHERE = ["dns", "tls", "quic", "http"]


def spelled(text: str) -> str:
    """Text with its placeholders filled in."""
    return re.sub(r"<(\d+)>", lambda found: "a" * int(found[1]), text)


def listing(*values: str) -> str:
    """A list of domains."""
    quoted = json.dumps([spelled(value) for value in values], ensure_ascii=False)
    return f"name: traps\ntype: domains\nvalues: {quoted}\n"


QUESTION = rulefolder.RULE.format(match="{fact: dns.query, in: '@traps'}")


@pytest.mark.parametrize("row", TRAPS["entries"], ids=lambda row: ascii(row["write"])[:50])
def test_what_a_list_takes(row: dict[str, str], tmp_path: Path) -> None:
    """Each spelling becomes the one name it means, or is refused in words that tell what it is."""
    files = {"rules.yaml": QUESTION, "lists/traps.yaml": listing(row["write"])}
    if "becomes" in row:
        ruleset = load_rules([rulefolder.write(tmp_path, files)])
        assert ruleset.members("traps") == [spelled(row["becomes"])]
        assert ruleset.gate_names() == {spelled(row["becomes"]): True}
    else:
        found = rulefolder.problems(tmp_path, files)
        assert [(problem.code, problem.line) for problem in found] == [("value", 3)]
        assert row["fault"] in found[0].what


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    """One rule over every fact that names a host, with the lists of the traps."""
    asks = ", ".join(
        f'{{fact: {fact}, domain_in: ["@traps", "@pool"]}}' for fact in dict.fromkeys(FACTS.values())
    )
    pools = json.dumps({"category": "pool", "pools": [{"name": "Traps", "endpoints": TRAPS["pools"]}]})
    files = {
        "rules.yaml": rulefolder.RULE.format(match=f"{{any: [{asks}]}}"),
        "lists/traps.yaml": listing(*TRAPS["listed"]),
        "lists/benign.yaml": json.dumps({"benign": TRAPS["benign"]}),
        "lists/patterns.yaml": "name: unused\nvalues: [x]\n",
        "pools/pool.yaml": pools,
    }
    return load_rules([rulefolder.write(tmp_path_factory.mktemp("traps"), files)])


def frames(row: dict[str, Any], over: str) -> list[bytes]:
    """The frames that carry a name."""
    labels = [spelled(one).encode("latin-1") for one in row.get("labels") or row["name"].split(".")]
    name = b".".join(labels)
    if over == "dns":
        question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
        return [wire.datagram(wire.dns(question))]
    if over == "quic":
        identity = bytes.fromhex("8394c8f03e515708")
        return [
            wire.datagram(payload, dport=443) for payload in q.initials(wire.client_hello(name)[5:], identity)
        ]
    connection = wire.Connection(dport=443 if over == "tls" else 8080)
    if over == "tls":
        payload = wire.client_hello(name)
    elif over == "connect":
        target = name if re.search(rb":\d+$", name) else name + b":3333"
        payload = b"CONNECT " + target + b" HTTP/1.1\r\nHost: proxy.example\r\n\r\n"
    else:
        target = spelled(row.get("target", "/")).encode("latin-1")
        payload = wire.http_request(name).replace(b" / ", b" " + target + b" ")
    replies = {"connect": b"HTTP/1.1 200 OK\r\n\r\n"}
    answer = [connection.down(replies[over])] if over in replies else []
    return [*connection.handshake(), connection.up(payload), *answer]


def told(found: Match | None) -> tuple[str, str]:
    """Entry and list of a match."""
    return (found.listed.entry, found.listed.name) if found and found.listed else ("", "")


CASES = [(row, over) for row in TRAPS["wire"] for over in row.get("over", EVERYWHERE)]


@pytest.mark.parametrize(
    ("row", "over"),
    CASES,
    ids=[
        f"{over}-{ascii(row.get('target') or row.get('labels') or row['name'])[:50]}" for row, over in CASES
    ],
)
def test_what_is_found_on_the_wire(row: dict[str, Any], over: str, traps: RuleSet) -> None:
    """Both gates agree on every frame, and what comes out at the end is the entry that is meant, or nothing."""
    wanted = spelled(row["found"])
    expected = (wanted, row.get("list", "traps")) if wanted else ("", "")
    sent = wire.batch(frames(row, over))
    Twins(tuple(traps.gate_names().items())).judge_batch(sent)
    run = Run(traps)
    run.engine.process(sent)
    run.engine.finish()
    hits = [hit for hit in run.hits if FACTS[over] in hit.facts.values]
    assert told(hits[0].match if hits else None) == expected


@pytest.mark.parametrize(
    "row", [row for row in TRAPS["wire"] if "over" not in row], ids=lambda row: ascii(row["name"])[:50]
)
def test_both_matchers_answer_alike(row: dict[str, Any], traps: RuleSet) -> None:
    """The indexed matcher, its memory and the plain one give the same match for every name."""
    name = spelled(row["name"]).encode("latin-1").decode("ascii", "replace").lower()
    for fact in FACTS.values():
        answer = traps.match({fact: name})
        assert answer == traps.match({fact: name}) == traps.match_plainly({fact: name})
        assert told(answer[0][1] if answer else None)[0] == spelled(row["found"])
