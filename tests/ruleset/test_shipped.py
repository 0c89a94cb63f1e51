"""The rules that ship: what they hit, what they never hit, and that each carries its proof."""

from __future__ import annotations

import csv
import functools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sniffer.examples import check_examples
from sniffer.model import Confidence
from sniffer.paths import shipped_rules
from sniffer.ruleset import RuleSet, load_rules

if TYPE_CHECKING:
    from sniffer.model import Value

TABLES = Path(__file__).parents[2] / ".." / "shared" / "reference"
NAMES = ("dns.query", "dns.answer", "tls.server_name", "http.host", "connect.host")
WANTED = [
    "stratum-v1-subscribe",
    "stratum-v1-authorize",
    "stratum-v1-submit",
    "stratum-v1-options",
    "stratum-v1-notify",
    "stratum-v1-difficulty",
    "stratum-v1-pool-message",
    "stratum-v1-subscription",
    "stratum-v1-share-verdict",
    "stratum-v1-reply",
    "cryptonote-login",
    "cryptonote-login-reply",
    "cryptonote-job",
    "cryptonote-submit",
    "cryptonote-share-verdict",
    "cryptonote-session",
    "eth-proxy-login",
    "eth-proxy-getwork",
    "eth-proxy-work",
    "eth-proxy-submit",
    "eth-proxy-hashrate",
    "eth-proxy-reply",
    "pool-dns",
    "pool-dns-weak",
    "pool-tls",
    "pool-tls-port",
    "pool-tls-weak",
    "pool-http",
    "pool-http-port",
    "pool-http-weak",
    "pool-connect",
    "pool-connect-port",
    "pool-connect-weak",
    "browser-miner-dns",
    "browser-miner-tls",
    "malware-proxy-dns",
    "malware-proxy-tls",
    "developer-fee-dns",
    "developer-fee-tls",
    "miner-management-dns",
    "miner-management-tls",
    "browser-miner-weak",
    "malware-proxy-weak",
    "developer-fee-weak",
    "miner-management-weak",
]


@functools.cache
def shipped() -> RuleSet:
    """The rules that ship."""
    return load_rules([shipped_rules()])


def name_hits(name: str, port: int) -> set[str]:
    """Identifiers of the rules that a name meets, wherever it is seen."""
    return {
        rule.id
        for fact in NAMES
        for rule, _ in shipped().match(
            {fact: name, "server.port": port, "connect.port": port, "flow.transport": "tcp"}
        )
    }


def test_every_rule_is_there() -> None:
    """Names that dashboards and reports rely on do not vanish."""
    assert set(WANTED) - {rule.id for rule in shipped().rules} == set()


def test_every_example_does_what_it_says() -> None:
    """Each rule hits its hits and misses its misses, through the real reader."""
    assert [str(problem) for problem in check_examples(shipped())] == []


def test_every_rule_says_what_it_sees_and_misses() -> None:
    """Whoever reads a rule learns its limits."""
    assert [rule.id for rule in shipped().rules if not (rule.sees and rule.misses)] == []


def test_every_rule_says_since_when_and_where_to_read() -> None:
    """Each rule has a birthday, and names a public specification or source."""
    assert [rule.id for rule in shipped().rules if not (rule.since and rule.references)] == []


def test_a_name_alone_never_confirms() -> None:
    """Only messages that were read are proof; a DNS question is not more than a sign."""
    for rule in shipped().rules:
        facts = {clause.fact for clause in rule.condition.clauses()}
        if facts & set(NAMES):
            assert rule.confidence < Confidence.CONFIRMED, rule.id
        if facts & {"dns.query", "dns.answer"}:
            assert rule.confidence is Confidence.SUSPECTED, rule.id


def test_endpoints_out_of_service_are_no_more_than_a_sign() -> None:
    """A pool that has closed can be asked for by anybody; no rule takes that for likely."""
    defunct = [e for e in shipped().endpoints if e.status == "defunct" or e.category == "defunct_pool"]
    assert len(defunct) > 300
    for endpoint in defunct:
        for fact in NAMES:
            for rule, _ in shipped().match(
                {fact: endpoint.domain, "server.port": 3333, "connect.port": 3333}
            ):
                assert rule.confidence is Confidence.SUSPECTED, (endpoint.domain, rule.id)


@pytest.mark.parametrize("port", [443, 3333])
def test_every_endpoint_meets_one_rule(port: int) -> None:
    """No entry of the pool lists is dead, and none is counted twice, wherever its name is seen."""
    counts = {
        (endpoint.domain, fact): len(
            shipped().match({fact: endpoint.domain, "server.port": port, "connect.port": port})
        )
        for endpoint in shipped().endpoints
        for fact in NAMES
    }
    assert {key: count for key, count in counts.items() if count != 1} == {}


BENIGN = [
    "pool.ntp.org",
    "0.pool.ntp.org",
    "1.de.pool.ntp.org",
    "2.android.pool.ntp.org",
    "api.binance.com",
    "www.binance.com",
    "www.bitmain.com",
    "mempool.space",
    "www.liverpool.ac.uk",
    "carpool.com",
    "notf2pool.com",
    "f2pool.com.evil.example",
    "f2pool.co",
    "xn2pool.org",
    "www.example.org",
    "localhost",
    "nanopool.com",
    "supportxmr.org",
    "cognito-idp.us-east-1.amazonaws.com",
    "d111111abcdef8.cloudfront.net",
    "foo.duckdns.org",
    "stratum.io",
    "www.btc.com",
    "account.luxor.tech",
    "192.0.2.1",
]


@pytest.mark.parametrize("port", [53, 443, 3333])
@pytest.mark.parametrize("name", BENIGN)
def test_benign_names_meet_no_rule(name: str, port: int) -> None:
    """Time servers, exchanges, shops, look-alikes: nothing, wherever the name is seen and whatever the port."""
    assert name_hits(name, port) == set()


@pytest.mark.skipif(not TABLES.is_dir(), reason="the reference tables are not beside this tree")
def test_every_name_of_the_benign_table_meets_no_rule() -> None:
    """The whole table of names that must not match, and names below them, on a web port and on a mining port."""
    with (TABLES / "benign_domains.csv").open(encoding="utf-8", newline="") as file:
        names = [row["domain"] for row in csv.DictReader(file)]
    assert len(names) > 300
    listed = {endpoint.domain for endpoint in shipped().endpoints}
    found = {
        (name, rule)
        for name in names
        for candidate in (name, f"www.{name}", name.upper() + ".")
        if candidate not in listed
        for port in (443, 3333)
        for rule in name_hits(candidate, port)
    }
    assert found == set()


@pytest.mark.skipif(not TABLES.is_dir(), reason="the reference tables are not beside this tree")
def test_every_pattern_finds_its_example() -> None:
    """Each host name pattern gives its own example the strength it claims."""
    with (TABLES / "pool_host_patterns.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["base_domain"] != "*"]
    index = shipped().lists.index
    exact = {endpoint.domain for endpoint in shipped().endpoints}
    wrong = []
    for row in rows:
        endpoint = index.find(row["example"])
        if endpoint is None or (row["example"] not in exact and endpoint.strength != row["confidence"]):
            wrong.append((row["example"], row["confidence"], endpoint and endpoint.strength))
    assert wrong == []


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"stratum.method": "mining.submit"}, {"stratum-v1-submit"}),
        ({"stratum.reply": "mining.submit", "mining.accepted": True}, {"stratum-v1-share-verdict"}),
        ({"stratum.reply": "mining.authorize"}, {"stratum-v1-reply"}),
        ({"stratum.reply": "mining.hello"}, {"stratum-v1-subscription"}),
        ({"stratum.method": "mining.start"}, set()),
        ({"cryptonote.method": "job"}, {"cryptonote-job"}),
        ({"ethereum.method": "eth_getwork"}, {"eth-proxy-getwork"}),
        ({"ethereum.work": "0x00"}, {"eth-proxy-work"}),
        ({"mining.user": "somebody", "mining.protocol": "stratum-v1"}, set()),
        ({"tls.server_name": "btc.f2pool.com", "server.port": 443}, {"pool-tls"}),
        ({"tls.server_name": "www.f2pool.com", "server.port": 443}, {"pool-tls-weak"}),
        ({"tls.server_name": "rvn.suprnova.cc", "server.port": 443}, {"pool-tls-weak"}),
        ({"tls.server_name": "rvn.suprnova.cc", "server.port": 4444}, {"pool-tls-port"}),
        ({"dns.query": "host.example", "dns.answer": "btc.f2pool.com"}, {"pool-dns"}),
        ({"connect.host": "donate.v2.xmrig.com", "connect.port": 443}, {"developer-fee-connect"}),
    ],
)  # fmt: skip
def test_what_a_message_meets(facts: dict[str, Value], expected: set[str]) -> None:
    """One message meets one rule: counts of rules add up to counts of messages."""
    assert {rule.id for rule, _ in shipped().match(facts)} == expected


def test_each_method_has_one_rule() -> None:
    """No method of a dialect is counted twice, and none that the reader knows is left out."""
    from sniffer.protocols.dialects import cryptonote, eth_proxy, stratum  # noqa: PLC0415 -- only this test reads code

    methods = {
        "stratum.method": {
            *stratum.CLIENT_METHODS,
            *stratum.SERVER_METHODS,
            *stratum.WEAK_METHODS,
            "set_extranonce",
        },
        "stratum.reply": {*stratum.CLIENT_METHODS},
        "cryptonote.method": {*cryptonote.METHODS, "job"},
        "cryptonote.reply": set(cryptonote.METHODS),
        "ethereum.method": set(eth_proxy.METHODS),
        "ethereum.reply": set(eth_proxy.METHODS),
    }
    counts = {
        (fact, name): len(shipped().match({fact: name})) for fact, names in methods.items() for name in names
    }
    assert {key: count for key, count in counts.items() if count != 1} == {}
