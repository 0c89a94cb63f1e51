"""Rules carry examples; this runs them through the real reader and matcher.

In: rules with examples of bytes or facts.  Out: a Problem for each example that does not do what it says.
Never: the network, a capture file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dpkt

from sniffer.errors import ConfigError, Problem
from sniffer.model import Data, End, Facts, Role
from sniffer.oddities import Oddities
from sniffer.protocols import dns, payload
from sniffer.protocols.conversation import Conversation
from sniffer.protocols.facts import FLOW_FACTS
from sniffer.protocols.messages import Origin
from sniffer.ruleset import load_rules
from sniffer.windows import SECOND, Windows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from sniffer.model import Pattern, Value
    from sniffer.ruleset import RuleSet
    from sniffer.ruleset.model import Example, Rule

CLIENT: Final[dict[str, Value]] = {"client.ip": "192.0.2.1", "client.port": 40_000}
HOST: Final = bytes([192, 0, 2, 1])
SERVER: Final[dict[str, Value]] = {"server.ip": "198.51.100.1", "server.port": 3333}


def facts_of(example: Example, patterns: Sequence[Pattern] = ()) -> Iterator[Facts]:
    """What the reader makes of an example: bytes of the client first, then of the server, or of the named protocol.

    An example that is repeated goes on in the same flow, ``every`` so often.

    ``patterns``: of the rules, since openings are told only where a rule names them.
    """
    conversation = Conversation(Oddities(), (int(CLIENT["client.port"]), int(SERVER["server.port"])))
    ends = [0, 0]
    for number in range(example.repeat):
        time = int(number * example.every * SECOND)
        yield from _named(example, time)
        if number == 0:
            yield from openings_of(example, patterns)
        for side, data in enumerate((example.client_bytes(), example.server_bytes())):
            if data:
                ends[side] += len(data)
                yield from conversation.read(Data(side, data, time, ends[side]))


def _named(example: Example, time: int) -> Iterator[Facts]:
    """Facts that are given as such, or by a protocol and a name."""
    if example.facts:
        yield Facts("example", "facts", Role.CLIENT, dict(example.facts), 0, time)
    if example.dns:
        question = dpkt.dns.DNS(id=1, qd=[dpkt.dns.DNS.Q(name=example.dns, type=dpkt.dns.DNS_A)])
        yield from dns.read_message(bytes(question), Origin(0, time, -1), Oddities()).facts
    if example.tls:
        yield Facts("pool-tls", "ClientHello", Role.CLIENT, {"tls.server_name": example.tls.lower()}, 0, time)
    if example.http:
        values: dict[str, Value] = {"http.method": "GET", "http.host": example.http.lower()}
        yield Facts("pool-http", "GET", Role.CLIENT, values, 0, time)


def openings_of(example: Example, patterns: Sequence[Pattern]) -> Iterator[Facts]:
    """How the bytes of an example open: as a flow that the client opened, and as one datagram of each side."""
    ports = (int(CLIENT["client.port"]), int(SERVER["server.port"]))
    openings = payload.Openings([one for one in patterns if one.is_over("tcp")], ports, opener=0)
    datagrams = [one for one in patterns if one.is_over("udp")]
    for side, data in ((0, example.client_bytes()), (1, example.server_bytes())):
        if data:
            yield from openings.read(Data(side, data, 0, len(data)))
            yield from openings.read(End(side, 0))
            for facts in payload.read_datagram(data, (ports[side], ports[1 - side]), datagrams, 0):
                facts.values["flow.transport"] = "udp"
                yield facts


def rules_that_hit(example: Example, ruleset: RuleSet) -> set[str]:
    """Identifiers of the rules that match an example."""
    defaults: dict[str, Value] = {**CLIENT, **SERVER, "flow.transport": "udp" if example.dns else "tcp"}
    found: set[str] = set()
    windows: Windows[str] = Windows()
    for facts in facts_of(example, ruleset.patterns):
        told = facts.told or {}
        flow = {name: told[fact] for name, fact in FLOW_FACTS.items() if fact in told}
        for rule, _ in ruleset.match({**defaults, **flow, **facts.values}):
            count = rule.count
            if count is None:
                found.add(rule.id)
            else:
                at_least = count.limit(HOST, "")
                found.update(windows.add(rule.id, at_least, count.within, facts.time, rule.id))
    return found


def load_checked(directories: Sequence[Path], tenants: Collection[str] | None = None) -> RuleSet:
    """Load rules (see :func:`~sniffer.ruleset.load_rules`) and run every example.

    Raises:
        ConfigError: with each fault of each file, and each example that does not do what it says.
    """
    ruleset = load_rules(directories, tenants)
    problems = check_examples(ruleset)
    if problems:
        raise ConfigError(problems)
    return ruleset


def check_examples(ruleset: RuleSet) -> list[Problem]:
    """Run every example of every rule."""
    return [problem for rule in ruleset.rules for problem in check_rule(rule, ruleset)]


def check_rule(rule: Rule, ruleset: RuleSet) -> Iterator[Problem]:
    """Run the examples of one rule."""
    for _, _, what in failures(rule, ruleset):
        yield Problem(rule.file, rule.line, 1, "example", what, "mend the example or the rule")


def failures(rule: Rule, ruleset: RuleSet) -> Iterator[tuple[str, int, str]]:
    """Examples of a rule that do not do what they say: ``hits`` or ``misses``, number, sentence."""
    for kind, wanted in (("hits", True), ("misses", False)):
        for number, example in enumerate(getattr(rule.examples, kind)):
            found = rules_that_hit(example, ruleset)
            if (rule.id in found) is not wanted:
                what = f"rule {rule.id}: example under {kind} " + (
                    f"does not hit (rules that do: {', '.join(sorted(found)) or 'none'})"
                    if wanted
                    else "hits all the same"
                )
                yield kind, number, what
