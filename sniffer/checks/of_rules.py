"""Checks of rules.

In: what was loaded.  Out: what should be mended.
Never: a guess; that one rule shadows another is said only where every message of the one is a hit of the other.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sniffer.benign.corpus import corpus
from sniffer.checks.finding import Level, check
from sniffer.checks.widths import Evidence, evidence_of, implies
from sniffer.engine import EngineSettings
from sniffer.examples import failures, rules_that_hit
from sniffer.model import Confidence
from sniffer.paths import shipped_rules
from sniffer.ruleset.conditions import is_carried
from sniffer.ruleset.load import rule_files
from sniffer.scan import ScanSettings, scan_files, warm_up
from sniffer.strictyaml import load_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sniffer.checks.finding import Found, Subject
    from sniffer.model import Value
    from sniffer.ruleset import RuleSet
    from sniffer.ruleset.model import Rule

FLOWS: Final = 1 << 14  # more than the corpus has conversations
NAMED: Final = 3  # conversations, in a finding
NURSERY: Final = "nursery"  # folder of rules without a public capture


@check(
    "example-fails",
    Level.ERROR,
    "an example does not do what it says, through the real reader",
    "mend the example or the rule",
)
def example_fails(subject: Subject) -> Iterator[Found]:
    """Examples that should hit and do not, or should miss and hit."""
    for rule in subject.ruleset.rules:
        for kind, number, what in failures(rule, subject.ruleset):
            yield subject.at(rule, what, "examples", kind, number)


@check(
    "benign-hit",
    Level.ERROR,
    "a rule that claims more than a sign fires on the benign corpus",
    "ask for more, or claim no more than `suspected`",
)
def benign_hit(subject: Subject) -> Iterator[Found]:
    """Rules that accuse somebody in traffic that only looks like mining."""
    for rule, names in fired_on_benign(subject):
        if rule.confidence > Confidence.SUSPECTED:
            yield subject.at(rule, f"rule {rule.id} fires on benign traffic: {names}", "match")


@check(
    "benign-sign",
    Level.NOTE,
    "a rule that claims no more than a sign fires on the benign corpus",
    "nobody is accused by a sign; make sure that it is wanted all the same",
)
def benign_sign(subject: Subject) -> Iterator[Found]:
    """Rules whose sign is also in benign traffic."""
    for rule, names in fired_on_benign(subject):
        if rule.confidence <= Confidence.SUSPECTED:
            yield subject.at(rule, f"rule {rule.id} fires on benign traffic: {names}", "match")


_fired: dict[str, dict[str, set[str]]] = {}
"""What the last rule set fired on, by its version: two checks ask."""


def fired_on_benign(subject: Subject) -> Iterator[tuple[Rule, str]]:
    """Rules that fire on the benign corpus, and the conversations: the whole pipeline reads it, as ``scan`` would."""
    ruleset = subject.ruleset
    if ruleset.version not in _fired:
        _fired.clear()
        warm_up(subject.tell)
        _fired[ruleset.version] = read_benign(ruleset)
    fired = _fired[ruleset.version]
    for rule in ruleset.rules:
        names = sorted(fired.get(rule.id, ()))
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            yield rule, ", ".join(f"“{name}”" for name in names[:NAMED]) + more


def read_benign(ruleset: RuleSet) -> dict[str, set[str]]:
    """Names of the conversations that each rule fires on, by its id; kernels are there already."""
    capture, names = corpus()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "benign.pcap")
        path.write_bytes(capture)
        settings = ScanSettings(engine=EngineSettings(gate_flows=FLOWS))
        result = scan_files([str(path)], ruleset, settings, lambda _line: None)
    fired: dict[str, set[str]] = {}
    for address, host in result.hosts.items():
        for rule in host.hits:
            fired.setdefault(rule, set()).add(names[address])
    return fired


@check(
    "shadowed",
    Level.WARNING,
    "another rule of the same or higher severity and confidence hits every message that this one hits",
    "leave it out, or let it say more than the other",
)
def shadowed(subject: Subject) -> Iterator[Found]:
    """Rules that add nothing to another one."""
    ruleset = subject.ruleset
    rules = {rule.id: rule for rule in ruleset.rules}
    for rule in ruleset.rules:
        # Whoever hits all that a rule hits must hit its examples: that leaves few to compare.
        others = set.intersection(*(rules_that_hit(example, ruleset) for example in rule.examples.hits))
        for other in sorted(others - {rule.id}):
            if shadows(rules[other], rule, ruleset):
                yield subject.at(
                    rule, f"rule {rule.id} is shadowed by {other}: it hits whatever this one hits"
                )
                break


def shadows(wide: Rule, narrow: Rule, ruleset: RuleSet) -> bool:
    """Whether one rule makes another one needless; of two that ask the same, the later is."""
    if wide.severity < narrow.severity or wide.confidence < narrow.confidence or wide.count is not None:
        return False
    if not implies(narrow.condition, wide.condition, ruleset.lists):
        return False
    same = (wide.severity, wide.confidence) == (narrow.severity, narrow.confidence) and implies(
        wide.condition, narrow.condition, ruleset.lists
    )
    return not same or ruleset.rules.index(wide) < ruleset.rules.index(narrow)


@check(
    "weak-name-proof",
    Level.ERROR,
    "a rule claims more than the names it asks for can prove: a DNS question or a web site is a sign, a pool's host makes "
    "likely, only messages confirm",
    "lower the confidence, or ask for stronger names or for messages as well",
)
def weak_name_proof(subject: Subject) -> Iterator[Found]:
    """Rules that take a name for proof."""
    for rule in subject.ruleset.rules:
        found = evidence_of(rule.condition, subject.ruleset.lists)
        if not Evidence.SIGN <= found <= Evidence.LIKELY:
            continue
        most = Confidence.PROBABLE if found is Evidence.LIKELY else Confidence.SUSPECTED
        if rule.confidence > most:
            what = f"rule {rule.id} claims {rule.confidence.label} where names alone can give {most.label}"
            yield subject.at(rule, what, "confidence")


ENDS: Final = (
    ("10.0.0.7", "203.0.113.9"),
    ("192.0.2.1", "198.51.100.1"),
    ("2001:db8::1", "2001:db8:ffff::2"),
    ("fe80::1", "ff02::1"),
)
PORTS: Final = ((1, 65_535), (40_000, 443), (51_234, 3_333), (65_535, 1))


def bare_messages() -> Iterator[Mapping[str, Value]]:
    """Messages that say nothing, between various ends."""
    for (client, server), (from_port, to_port), transport in itertools.product(ENDS, PORTS, ("tcp", "udp")):
        yield {
            "client.ip": client,
            "client.port": from_port,
            "server.ip": server,
            "server.port": to_port,
            "flow.transport": transport,
        }


@check(
    "matches-everything",
    Level.ERROR,
    "a rule hits messages whatever they say, and whoever sends them",
    "ask about something that only miners say",
)
def matches_everything(subject: Subject) -> Iterator[Found]:
    """Rules that hit each of some messages that say nothing."""
    hits = [{rule.id for rule, _ in subject.ruleset.match(facts)} for facts in bare_messages()]
    for rule in subject.ruleset.rules:
        if all(rule.id in found for found in hits):
            yield subject.at(rule, f"rule {rule.id} hits every message that says nothing against it", "match")


@check(
    "no-evidence",
    Level.WARNING,
    "a rule asks only about addresses, ports, absence or what is not mining, and claims more than a sign",
    "ask about a message or a name as well, or claim no more than `suspected`",
)
def no_evidence(subject: Subject) -> Iterator[Found]:
    """Rules that accuse without evidence of mining."""
    for rule in subject.ruleset.rules:
        evidence = evidence_of(rule.condition, subject.ruleset.lists)
        if evidence is Evidence.NONE and rule.confidence > Confidence.SUSPECTED:
            what = f"rule {rule.id} claims {rule.confidence.label} and asks about nothing that tells mining"
            yield subject.at(rule, what, "match")


@check(
    "nursery-claims",
    Level.ERROR,
    "a rule of the nursery, which nobody has tried on public traffic, claims more than a sign",
    "claim no more than `suspected`, or test it on a capture and move it out of the nursery",
)
def nursery_claims(subject: Subject) -> Iterator[Found]:
    """Rules that accuse before they are grown."""
    for rule in subject.ruleset.rules:
        if Path(rule.file).parent.name == NURSERY and rule.confidence > Confidence.SUSPECTED:
            yield subject.at(
                rule, f"rule {rule.id} claims {rule.confidence.label} in the nursery", "confidence"
            )


@check(
    "passes-all-names",
    Level.WARNING,
    "a rule for which the gate must pass every DNS question, ClientHello and HTTP head",
    "ask for listed names (equals, in, domain_in) or for a mining message as well",
)
def passes_all_names(subject: Subject) -> Iterator[Found]:
    """Rules that are right, and costly."""
    for rule in subject.ruleset.rules:
        if not is_carried(rule.condition):
            what = f"rule {rule.id} can match without a listed name and without a mining message"
            yield subject.at(rule, what, "match")


@check(
    "id-lookalike",
    Level.WARNING,
    "two ids that differ only in hyphens: people and dashboards will mix them up",
    "rename one",
)
def id_lookalike(subject: Subject) -> Iterator[Found]:
    """Ids that look the same."""
    first: dict[str, str] = {}
    for rule in subject.ruleset.rules:
        other = first.setdefault(rule.id.replace("-", ""), rule.id)
        if other != rule.id:
            yield subject.at(rule, f"rule {rule.id} looks like {other}", "id")


@check(
    "id-reused",
    Level.WARNING,
    "an id of a shipped rule stands for another question: counts and dashboards mix the two",
    "rename it",
)
def id_reused(subject: Subject) -> Iterator[Found]:
    """Rules of one's own under the name of a shipped one."""
    home = shipped_rules()
    own = {Path(document.file).resolve() for document in subject.documents}
    for path in rule_files(home):
        if path.parent != home or path.resolve() in own:
            continue
        for shipped in load_file(path).data:
            for rule in subject.ruleset.rules:
                if rule.id == shipped["id"] and subject.written(rule)["match"] != shipped["match"]:
                    yield subject.at(
                        rule, f"rule {rule.id} is also the id of a shipped rule ({path.name})", "id"
                    )


@check(
    "words-missing",
    Level.NOTE,
    "a rule does not say what it sees, what it misses, or where to read about it",
    "write sees, misses and references: whoever gets the alert will ask",
)
def words_missing(subject: Subject) -> Iterator[Found]:
    """Rules that explain themselves badly."""
    for rule in subject.ruleset.rules:
        absent = [word for word in ("sees", "misses", "references") if not getattr(rule, word)]
        if absent:
            yield subject.at(rule, f"rule {rule.id} has no {' and no '.join(absent)}")


@check(
    "since-missing",
    Level.NOTE,
    "a rule does not say since when it exists",
    'write since: "VERSION" or since: YYYY-MM-DD',
)
def since_missing(subject: Subject) -> Iterator[Found]:
    """Rules without a birthday."""
    for rule in subject.ruleset.rules:
        if not rule.since:
            yield subject.at(rule, f"rule {rule.id} does not say since when it exists")
