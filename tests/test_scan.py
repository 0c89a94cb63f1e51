"""``sniffer scan`` as a user runs it: a process, its two outputs, its exit status."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import frames as build
import jsonschema
import pytest
from commandline import COMMAND

from sniffer.paths import shipped_rules
from sniffer.report import COMPILING
from sniffer.scan import Result, stats, warm_up
from sniffer.sinks.schema import event_schema
from sniffer.size.figures import Bounds, Figures

FARM = Path(__file__).parents[1] / "pcaps" / "farm-bitcoin-stratum" / "traffic.pcap"
SUBSCRIBE = '{"id": 1, "method": "mining.subscribe", "params": ["cgminer/4.11.1"]}\n'
AUTHORIZE = '{"id": 2, "method": "mining.authorize", "params": ["bc1qexample.rig1", "secret"]}\n'
NOTIFY = '{"id":null,"method":"mining.set_difficulty","params":[4096]}\n'


def sniffer(
    *arguments: str | Path, given: bytes = b"", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the command line."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(
        command, input=given, capture_output=True, timeout=120, check=False, env=environment
    )


def lines(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    """Standard output as JSON objects."""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def mining(tmp_path: Path) -> Path:
    """A capture with one miner."""
    talk = build.Conversation().open().send(0, SUBSCRIBE).send(0, AUTHORIZE).send(1, NOTIFY).close()
    file = tmp_path / "mining.pcap"
    file.write_bytes(build.pcap(talk.frames))
    return file


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    """Kernels are on disk, so that no scan says that it compiles."""
    warm_up()


@pytest.mark.slow
def test_the_first_scan_says_what_it_waits_for(mining: Path, tmp_path: Path) -> None:
    """One line when the gate has to be compiled, none when it is on disk; the same is found."""
    kept = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    first, second = (sniffer("scan", "--json", mining, environment=kept) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stderr.decode() == f"{COMPILING}\n"
    assert second.stderr == b""
    found = [[event.get("alert", {}).get("rule") for event in lines(done)] for done in (first, second)]
    assert found[0] == found[1]
    assert "stratum-v1-subscribe" in found[0]


def test_json(mining: Path) -> None:
    """Event lines, then one stats object whose books balance, and nothing else."""
    done = sniffer("scan", "--json", mining)
    assert (done.returncode, done.stderr) == (0, b"")
    *events, stats = lines(done)
    for event in events:
        jsonschema.validate(event, event_schema())
    assert [event["alert"]["rule"] for event in events] == [
        "stratum-v1-subscribe",
        "stratum-v1-authorize",
        "stratum-v1-difficulty",
    ]
    mined = events[1]["mining"]
    assert (mined["host_ip"], mined["server_ip"], mined["server_port"]) == ("10.0.0.7", "203.0.113.9", 3333)
    assert (mined["protocol"], mined["confidence"], mined["seen"]) == ("stratum-v1", "confirmed", "both")
    assert (mined["user"], mined["worker"], mined["agent"]) == ("bc1qexample.rig1", "rig1", "cgminer/4.11.1")
    assert events[0]["pcap_filename"] == "mining.pcap"
    books = stats["stats"]
    assert books["packets"] == books["passed"] + sum(books["skipped"].values()) == 11
    assert (books["hits"], books["hosts"], books["unreadable"]) == (3, 1, 0)
    assert books["expected"] == mining.stat().st_size


def told(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    """Event lines, but for the number of the flow, which each run draws anew."""
    return [{**event, "flow_id": 0} for event in lines(done) if event["event_type"] == "alert"]


def test_paranoid(mining: Path) -> None:
    """With every answer found twice the same is found, and nothing is said; where the index is broken, it is told."""
    plain, twice = sniffer("scan", "--json", mining), sniffer("scan", "--json", "--paranoid", mining)
    assert (twice.returncode, twice.stderr) == (0, b"")
    found = told(plain)
    assert len(found) == 3
    assert told(twice) == found
    breaks = "import sniffer.ruleset.matcher as m; m.RuleSet._index = lambda *_: None"
    code = f"{breaks}; from sniffer.cli import main; main()"
    command = [sys.executable, "-c", code, "scan", "--json", "--paranoid", str(mining)]
    broken = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert told(broken) == found
    assert lines(broken)[-1]["stats"]["oddities"]["matcher_differs"] == 3
    complaints = broken.stderr.decode().splitlines()
    assert [line.split(" about ")[1].split(":")[0] for line in complaints] == [
        "stratum-v1-authorize",
        "stratum-v1-difficulty",
        "stratum-v1-subscribe",
    ]


def test_rules_that_count(mining: Path, tmp_path: Path) -> None:
    """A rule that counts by host counts over the connections of one capture, by the tenant's number; not over two files."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "own.yaml").write_text(
        "- id: busy\n  title: busy host\n  severity: low\n  confidence: confirmed\n"
        "  match: {count: {at_least: 9, within: 60s, per: host, of: {fact: mining.message, exists: true},"
        " thresholds: [{tenant: acme, at_least: 3}]}}\n"
        "  examples: {hits: [{facts: {mining.message: x}, repeat: 9}], misses: [{facts: {mining.message: x}}]}\n"
    )
    config = tmp_path / "sniffer.yaml"
    for tenant, hits in (("acme", 1), ("other", 0)):
        config.write_text(f"tenants: [{{name: {tenant}, networks: [10.0.0.0/24]}}]\n")
        done = sniffer("scan", "--json", "--rules", rules, "--config", config, mining)
        assert done.returncode == 0, done.stderr
        *events, stats = lines(done)
        assert (stats["stats"]["hits"], stats["stats"]["sightings"]) == (hits, 3)
        assert [event["mining"]["message"] for event in events] == ["mining.set_difficulty"] * hits
        for event in events:
            assert event["mining"]["reasons"][-1] == "count within 60 s, by host"
    other = tmp_path / "other.pcap"
    talk = build.Conversation(client=("10.0.0.7", 50_000)).open().send(0, SUBSCRIBE).send(0, AUTHORIZE)
    other.write_bytes(build.pcap(talk.frames))
    config.write_text("tenants: [{name: acme, networks: [10.0.0.0/24]}]\n")
    for more, hits in (([], 1), (["--continuous"], 3)):
        done = sniffer("scan", "--json", "--rules", rules, "--config", config, *more, mining, other)
        assert lines(done)[-1]["stats"]["hits"] == hits


def test_tenants_and_mappings(mining: Path, tmp_path: Path) -> None:
    """A capture is read with the tenants and logs of the configuration: events say whose the address was then."""
    (tmp_path / "tenants.csv").write_text("tenant,kind\nacme,campus\n")
    (tmp_path / "log.csv").write_text(
        "ip,from,until,user,tenant\n10.0.0.7,1600000000,1800000000,li,acme\nbad\n"
    )
    config = tmp_path / "sniffer.yaml"
    config.write_text(f"ownership: {{files: [{tmp_path}/tenants.csv], mappings: [{tmp_path}/log.csv]}}\n")
    done = sniffer("scan", "--json", "--config", config, mining)
    assert done.returncode == 0
    *events, _ = lines(done)
    assert [event["tenant"] for event in events] == [
        {"name": "acme", "kind": "campus", "subscriber": "li"}
    ] * 3
    assert b"log.csv: 1 lines are of no use" in done.stderr
    twice = sniffer("scan", "--json", "--private", "--jobs", "2", "--config", config, mining, mining)
    *events, _ = lines(twice)
    assert {event["tenant"]["subscriber"][:2] for event in events} == {"h:"}


def test_table(mining: Path) -> None:
    """By default a table with address, confidence and hits."""
    done = sniffer("scan", mining)
    assert done.returncode == 0
    text = done.stdout.decode()
    assert "10.0.0.7" in text
    assert "confirmed" in text
    assert "1 addresses, 3 hits in 11 packets of 1 files" in text


def test_sizes() -> None:
    """Hashrate, power and machines of those that mine: in the table, and in the stats object, the largest first."""
    one = lines(sniffer("scan", "--json", FARM))[-1]["stats"]["sizes"]
    assert [size["ip"] for size in one] == ["10.20.1.13", "10.20.1.11", "10.20.1.12"]
    assert [(size["submitted"], size["accepted"], size["rejected"]) for size in one] == [
        (36, 29, 7), (43, 43, 0), (35, 35, 0),
    ]  # fmt: skip
    assert one[2]["watts"] == {"low": None, "central": None, "high": None}  # nothing tells the algorithm
    rate = one[0]["hashrate"]["sha256d"]
    assert rate["low"] < 19.2e12 < rate["high"]
    text = sniffer("scan", FARM).stdout.decode()
    assert " 19.2 TH/s sha256d " in text
    assert " 1.2 kW " in text


def test_sizes_of_several_files(tmp_path: Path) -> None:
    """Shares add up over files and processes, rates and machines do not; pieces of one capture are one."""
    for name in "ab":
        shutil.copy(FARM, tmp_path / f"{name}.pcap")
    one = lines(sniffer("scan", "--json", FARM))[-1]["stats"]["sizes"]
    for jobs in ("1", "2"):
        two = lines(sniffer("scan", "--json", "--jobs", jobs, tmp_path))[-1]["stats"]["sizes"]
        for before, after in zip(one, two, strict=True):
            assert after["submitted"] == 2 * before["submitted"]
            assert {**after, "submitted": 0, "accepted": 0, "rejected": 0} == {
                **before, "submitted": 0, "accepted": 0, "rejected": 0,
            }  # fmt: skip


def test_sizes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of addresses that mine takes no more room than the limit; those that are known go on; the line has the largest."""
    monkeypatch.setattr("sniffer.scan.MAX_HOSTS", 50)
    monkeypatch.setattr("sniffer.scan.MAX_SIZES", 10)
    nothing, result = Bounds(None, None, None), Result()
    for _ in range(2):
        for number in range(1_000):
            result.add_sizes([(number.to_bytes(4, "big"), Figures(number, 0, 0, 1, {}, nothing))])
    assert len(result.sizes) == 50
    told = stats(result)["stats"]["sizes"]
    assert [size["submitted"] for size in told] == list(range(98, 78, -2))


def test_overhead(tmp_path: Path) -> None:
    """Power is that at the meter, as the configuration has it."""
    config = tmp_path / "sniffer.yaml"
    config.write_text("size: {overhead: 1.1}\n")
    plain, more = (
        lines(sniffer("scan", "--json", *options, FARM))[-1]["stats"]["sizes"][0]["watts"]["central"]
        for options in ([], ["--config", config])
    )
    assert more == pytest.approx(1.1 * plain, rel=1e-4)


def test_damaged_file(mining: Path) -> None:
    """A cut capture is read as far as it goes: what was found is printed, then one line of what is wrong, status 66."""
    mining.write_bytes(mining.read_bytes()[:-7])
    done = sniffer("scan", "--json", mining)
    assert done.returncode == 66
    assert lines(done)[-1]["stats"]["hits"] == 3
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(f"error: {mining}: offset ")
    assert "cut_record" in line
    assert "10 records processed" in line


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["scan", "missing.pcap"], 66, "missing"),
        (["scan"], 2, "error: "),
        (["scan", "--jobs", "0", "x"], 2, "error: "),
        (["scan", "--rules", "nowhere", "missing.pcap"], 78, "no such folder"),
        (["scan", "--config", "nowhere.yaml", "missing.pcap"], 78, "no such file"),
        (["rules", "explain", "stratum-v1-submi"], 2, "stratum-v1-submit"),
        (["schema", "nothing"], 2, "config, rules, event or report"),
        (["run"], 2, "no interface"),
        (["run", "--loop", "--interface", "lo"], 2, "--loop needs"),
        (["frobnicate"], 2, "error: "),
    ],
)
def test_bad_use(arguments: list[str], status: int, text: str) -> None:
    """Each mistake gives one readable line and its own status, never a traceback."""
    done = sniffer(*arguments)
    assert done.returncode == status
    assert text in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_pipe_and_gzip(mining: Path) -> None:
    """A capture from a pipe, packed or not, gives the same hits."""
    plain = mining.read_bytes()
    for given in (plain, gzip.compress(plain)):
        done = sniffer("scan", "--json", "-", given=given)
        assert done.returncode == 0, done.stderr
        assert lines(done)[-1]["stats"]["hits"] == 3


def test_jobs_and_folders(mining: Path) -> None:
    """Several processes give the same events in the same order as one; a folder stands for its captures."""
    for number in range(3):
        (mining.parent / f"copy{number}.pcap").write_bytes(mining.read_bytes())
    one, two = (sniffer("scan", "--json", "--jobs", jobs, mining.parent) for jobs in ("1", "2"))
    strip = lambda done: [{**line, "flow_id": 0} for line in lines(done)[:-1]]  # noqa: E731
    assert strip(one) == strip(two)
    assert lines(two)[-1]["stats"]["hits"] == lines(one)[-1]["stats"]["hits"] == 12


def test_pieces_of_one_capture(tmp_path: Path) -> None:
    """With --continuous a session goes on from one file to the next; without, each file starts afresh."""
    talk = build.Conversation().open().send(0, SUBSCRIBE + AUTHORIZE[:20])
    (tmp_path / "a.pcap").write_bytes(build.pcap(talk.frames))
    talk.frames.clear()
    talk.send(0, AUTHORIZE[20:])
    (tmp_path / "b.pcap").write_bytes(build.pcap(talk.frames))
    assert lines(sniffer("scan", "--json", tmp_path))[-1]["stats"]["hits"] == 1
    assert lines(sniffer("scan", "--json", "--continuous", tmp_path))[-1]["stats"]["hits"] == 2


def test_fail_on_hit_and_private(mining: Path) -> None:
    """Status 3 when something was found, and account names only as hashes."""
    done = sniffer("scan", "--json", "--fail-on-hit", "--private", mining)
    assert done.returncode == 3
    assert b"bc1qexample" not in done.stdout
    assert b"secret" not in done.stdout


def test_suppressed_hits(mining: Path, tmp_path: Path) -> None:
    """They are in the books and in a line below the table, and nowhere else; an entry that has expired is told, once."""
    rules = tmp_path / "rules"
    rules.mkdir()
    shutil.copy(shipped_rules() / "stratum-v1.yaml", rules)
    plain = lines(sniffer("scan", "--json", "--rules", rules, mining))[-1]["stats"]
    until = (datetime.now(UTC) + timedelta(days=9)).date()
    (rules / "allow.yaml").write_text(
        f"allow:\n- {{network: 10.0.0.0/8, rule: stratum-v1-subscribe, reason: a test, until: {until}}}\n"
        "- {address: 10.0.0.7, reason: the whole host, until: 2023-11-01}\n"
    )
    done = sniffer("scan", "--json", "--rules", rules, mining)
    told = lines(done)
    stats = told[-1]["stats"]
    assert stats["suppressed"] == {"stratum-v1-subscribe": 1}
    assert stats["hits"] + 1 == plain["hits"]
    assert "stratum-v1-subscribe" not in {line["alert"]["rule"] for line in told[:-1]}
    assert done.stderr.decode() == f"warning: {rules}/allow.yaml, entry 2: has expired on 2023-11-01\n"
    table = sniffer("scan", "--rules", rules, mining).stdout.decode()
    assert "1 more hits are suppressed: stratum-v1-subscribe 1" in table
    (rules / "allow.yaml").write_text(f"allow:\n- {{tenant: lab, reason: a test, until: {until}}}\n")
    config = tmp_path / "sniffer.yaml"
    config.write_text("tenants: [{name: lab, networks: [10.0.0.0/8]}]\n")
    done = sniffer("scan", "--json", "--fail-on-hit", "--rules", rules, "--config", config, mining)
    assert (done.returncode, lines(done)[-1]["stats"]["hits"]) == (0, 0)
    config.write_text("tenants: [{name: labs, networks: [10.0.0.0/8]}]\n")
    done = sniffer("scan", "--rules", rules, "--config", config, mining)
    assert done.returncode == 78
    assert b"there is no tenant 'lab'; did you mean 'labs'?" in done.stderr


def test_rules_commands() -> None:
    """The shipped rules pass their own check, are listed, and explain themselves."""
    assert b"no errors, no warnings" in sniffer("rules", "check").stdout
    assert b"stratum-v1-submit" in sniffer("rules", "list").stdout
    assert b"mining.submit" in sniffer("rules", "explain", "stratum-v1-submit").stdout
    assert sniffer("rules", "test", "pool-dns").returncode == 0
    assert b"rules" in sniffer("version").stdout


@pytest.mark.parametrize("what", ["config", "rules", "event"])
def test_schema(what: str) -> None:
    """Each schema is a JSON object that a validator accepts."""
    done = sniffer("schema", what)
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), dict)
