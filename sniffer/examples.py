"""Rules carry examples; this runs them through the real reader and matcher.

In: rules with examples of bytes or facts.  Out: a Problem for each example that does not do what it says.
Never: the network, a capture file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dpkt

from sniffer.errors import ConfigError, Problem
from sniffer.model import Data, Facts, Role
from sniffer.oddities import Oddities
from sniffer.protocols import dns
from sniffer.protocols.conversation import Conversation
from sniffer.protocols.messages import Origin
from sniffer.ruleset import load_rules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from sniffer.model import Value
    from sniffer.ruleset import RuleSet
    from sniffer.ruleset.model import Example, Rule

CLIENT: Final[dict[str, Value]] = {"client.ip": "192.0.2.1", "client.port": 40_000}
SERVER: Final[dict[str, Value]] = {"server.ip": "198.51.100.1", "server.port": 3333}


def facts_of(example: Example) -> Iterator[Facts]:
    """What the reader makes of an example: bytes of the client first, then of the server, or of the named protocol."""
    if example.facts:
        yield Facts("example", "facts", Role.CLIENT, dict(example.facts), 0, 0)
    if example.dns:
        question = dpkt.dns.DNS(id=1, qd=[dpkt.dns.DNS.Q(name=example.dns, type=dpkt.dns.DNS_A)])
        yield from dns.read_message(bytes(question), Origin(0, 0, -1), Oddities()).facts
    if example.tls:
        yield Facts("pool-tls", "ClientHello", Role.CLIENT, {"tls.server_name": example.tls.lower()}, 0, 0)
    if example.http:
        values: dict[str, Value] = {"http.method": "GET", "http.host": example.http.lower()}
        yield Facts("pool-http", "GET", Role.CLIENT, values, 0, 0)
    conversation = Conversation(Oddities(), (int(CLIENT["client.port"]), int(SERVER["server.port"])))
    for side, data in ((0, example.client_bytes()), (1, example.server_bytes())):
        if data:
            yield from conversation.read(Data(side, data, 0, len(data)))


def rules_that_hit(example: Example, ruleset: RuleSet) -> set[str]:
    """Identifiers of the rules that match an example."""
    defaults: dict[str, Value] = {**CLIENT, **SERVER, "flow.transport": "udp" if example.dns else "tcp"}
    return {rule.id for facts in facts_of(example) for rule, _ in ruleset.match({**defaults, **facts.values})}


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
    for kind, wanted in (("hits", True), ("misses", False)):
        for example in getattr(rule.examples, kind):
            found = rules_that_hit(example, ruleset)
            if (rule.id in found) is wanted:
                continue
            what = f"rule {rule.id}: example under {kind} " + (
                f"does not hit (rules that do: {', '.join(sorted(found)) or 'none'})"
                if wanted
                else "hits all the same"
            )
            yield Problem(rule.file, rule.line, 1, "example", what, "mend the example or the rule")
