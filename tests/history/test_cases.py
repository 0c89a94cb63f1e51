"""The case book: stories, bounds, and the same answer however it is asked."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from historyrows import T0, address, farm_page, health, sample, session

from sniffer.history import cases
from sniffer.history.cases import CaseBook, Change, Entry, _pattern
from sniffer.history.records import Bounds
from sniffer.history.rows import BUCKET, DAY, HOUR, SECOND, Detection, Page, Sample, Session
from sniffer.history.store import Store
from sniffer.history.writer import load_book, write_page

STEP = 1_800
STORIES = yaml.safe_load((Path(__file__).parent / "cases.yaml").read_text(encoding="utf-8"))
DETAILS = {"gap", "overlap", "rate", "rate-differs", "account-shared"}  # reasons with a number


class Host(NamedTuple):
    """One of a story."""

    address: str
    like: dict[str, Any]

    def account(self, hours: float) -> str:
        """The one that it shows."""
        shown = [account for since, account in self.like.get("accounts", ()) if since <= hours]
        return str(shown[-1] if shown else self.like.get("account", ""))


def hosts_of(story: dict[str, Any]) -> dict[str, Host]:
    """By name, with an address each."""
    named: dict[str, dict[str, Any]] = {}
    for name, like in story["hosts"].items():
        kind, star, count = name.partition("*")
        for number in range(1, int(count) + 1) if star else ("",):
            named[f"{kind}{number}"] = like
    return {name: Host(address(number), like) for number, (name, like) in enumerate(named.items(), 1)}


def tell(story: dict[str, Any], hosts: dict[str, Host], step: int = STEP) -> list[Page]:
    """A story as pages."""
    pages = []
    for offset in range(0, int(story["until"] * HOUR) + 1, step):
        hours = offset / HOUR
        if any(since < hours < until for since, until in story.get("blind", ())):
            continue
        down = any(since < hours < until for since, until in story.get("down", ()))
        sessions: list[Session] = []
        samples: list[Sample] = []
        hits: list[Detection] = []
        for host in () if down else hosts.values():
            like = host.like
            for since, until in like["mines"]:
                if not since <= hours <= until:
                    continue
                account, tenant = host.account(hours), like.get("tenant", "north")
                changes = [start for start, _ in like.get("accounts", ()) if since < start <= hours]
                first = int(max([since, *changes]) * HOUR)
                if like.get("by", "sessions") != "sessions":
                    hour = (T0 + offset) // HOUR * HOUR
                    confidence = "confirmed" if like["by"] == "detections" else "suspected"
                    hits.append(
                        Detection(
                            host.address, tenant, "rule", "high", confidence, hour, 1,
                            max(hour, T0 + first) * SECOND, (T0 + offset) * SECOND, T0,
                        )
                    )  # fmt: skip
                    continue
                same = {
                    "tenant": tenant,
                    "account": account,
                    "begun": (T0 + int(since * HOUR)) * SECOND,
                }
                sessions.append(
                    session(
                        host.address, first=(T0 + first) * SECOND, last=(T0 + offset) * SECOND, seen=like.get("seen", "both"),
                        agent=like.get("agent", "cgminer/4.11.1"), pool=like.get("pool", "antpool"),
                        algorithm=like.get("algorithm", "sha256d"), **same,
                    )
                )  # fmt: skip
                hashes = float(like.get("rate", 1e14)) * BUCKET
                samples.append(
                    sample(
                        host.address,
                        (T0 + offset) // BUCKET * BUCKET,
                        hashes=hashes,
                        squares=hashes**2 / 10,
                        **same,
                    )
                )
        pages.append(
            Page(
                (T0 + offset) * SECOND,
                tuple(sessions),
                tuple(samples),
                tuple(hits),
                (),
                (health((T0 + offset) // BUCKET * BUCKET, up=not down),),
            )
        )
    return pages


def feed(book: CaseBook, pages: list[Page]) -> tuple[dict[int, Entry], list[Change]]:
    """What the book says to a story."""
    entries: dict[int, Entry] = {}
    changes: list[Change] = []
    for page in pages:
        decision = book.feed(page)
        entries.update({entry.id: entry for entry in decision.entries})
        changes += decision.changes
    return entries, changes


@pytest.mark.parametrize("story", STORIES, ids=[story["story"] for story in STORIES])
def test_story(story: dict[str, Any]) -> None:
    """Each story of cases.yaml ends as it says."""
    hosts = hosts_of(story)
    names = {host.address: name for name, host in hosts.items()}
    entries, changes = feed(CaseBook(DAY, 14 * DAY), tell(story, hosts))
    name_of = {number: names[entry.host] for number, entry in entries.items()}
    if "expect" in story:
        told: dict[str, list[str]] = {name_of[number]: [entry.state] for number, entry in entries.items()}
        for change in sorted(changes, key=lambda one: (one.at, one.what != "opened")):
            hours = (change.at // SECOND - T0) / HOUR
            other = f" {name_of[change.other]}" if change.other is not None else ""
            why = " ".join(("", *change.reasons)) if change.what == "relapsed" else ""
            told[name_of[change.entry]].append(f"{change.what}{other} {hours:g}{why}")
        assert told == story["expect"]
    moves = {name_of[entry.id]: name_of[entry.moved_from] for entry in entries.values() if entry.moved_from}
    if isinstance(story.get("moves"), int):
        assert len(moves) == len(set(moves.values())) == story["moves"]
    elif "moves" in story:
        assert moves == story["moves"]
    by_name = {name_of[number]: entry for number, entry in entries.items()}
    for name, reasons in story.get("reasons", {}).items():
        assert [one.partition(" ")[0] for one in by_name[name].reasons] == reasons
        assert cases.ENOUGH <= by_name[name].score <= 95
    for name, confidence in story.get("confidence", {}).items():
        assert by_name[name].confidence == confidence
    for state, count in story.get("states", {}).items():
        assert sum(entry.state == state for entry in entries.values()) == count


@pytest.mark.parametrize("story", STORIES, ids=[story["story"] for story in STORIES])
def test_a_restart_changes_no_story(story: dict[str, Any], tmp_path: Path) -> None:
    """The book is loaded from its tables after each tenth page and goes on as if nothing had been."""
    hosts = hosts_of(story)
    pages = tell(story, hosts)
    whole, changes = feed(CaseBook(DAY, 14 * DAY), pages)
    store = Store(tmp_path / "history.db", Bounds(90 * DAY, 2 * DAY, 1 << 30))
    found: list[Change] = []
    for begin in range(0, len(pages), 10):
        book = load_book(store, DAY, 14 * DAY)
        for page in pages[begin : begin + 10]:
            write_page(store, book, page)
            found += book._changes
        store.save_cases(book.flush())
    assert [(one.entry, one.at, one.what) for one in found if one.what != "moved"] == [
        (one.entry, one.at, one.what) for one in changes if one.what != "moved"
    ]
    moves = {(entry.id, entry.moved_from) for entry in whole.values()}
    assert {(entry.id, entry.moved_from) for entry in store.load_cases()} == moves
    store.close()


@pytest.mark.parametrize("story", STORIES[:9], ids=[story["story"] for story in STORIES[:9]])
def test_the_pace_of_pages_changes_no_story(story: dict[str, Any]) -> None:
    """Every five minutes or every hour: states are the same."""
    hosts = hosts_of(story)
    states = [
        {entry.host: (entry.state, entry.relapses) for entry in feed(CaseBook(DAY, 14 * DAY), tell(story, hosts, step))[0].values()}
        for step in (BUCKET, STEP, HOUR)
    ]  # fmt: skip
    assert states[0] == states[1] == states[2]


def test_the_same_page_again_is_no_news() -> None:
    """Nor is an older one."""
    book = CaseBook(DAY, DAY)
    pages = [farm_page(5, T0 + number * BUCKET) for number in range(5)]
    _, changes = feed(book, pages)
    assert len(changes) == 5
    _, changes = feed(book, [pages[-1], pages[2], pages[-1]])
    assert changes == []


def test_a_clock_that_is_put_back_leaves_no_host_in_the_future() -> None:
    """A page from the year 2096, and then the right time: hosts still stop."""
    book = CaseBook(DAY, DAY)
    feed(book, [farm_page(3, T0), farm_page(3, T0 + 70 * 365 * DAY)])
    _, changes = feed(book, [Page((T0 + number * HOUR) * SECOND) for number in range(1, 40)])
    assert [change.what for change in changes] == ["stopped"] * 3


def test_memory_is_bounded() -> None:
    """A flood of hosts: those that stopped go first, and are found again in the file."""
    kept: dict[tuple[str, str], Entry] = {}
    book = CaseBook(DAY, DAY, most=100, find=lambda host, tenant: kept.get((host, tenant)))

    def put(page: Page) -> list[Change]:
        decision = book.feed(page)
        kept.update({(entry.host, entry.tenant): entry for entry in decision.entries})
        return decision.changes

    put(farm_page(90, T0))
    for number in range(1, 30):
        put(Page((T0 + number * HOUR) * SECOND))
    assert [entry.state for entry in kept.values()] == ["stopped"] * 90
    new = [session(f"192.0.2.{number}", first=(T0 + 30 * HOUR) * SECOND, last=(T0 + 30 * HOUR) * SECOND) for number in range(60)]  # fmt: skip
    put(Page((T0 + 30 * HOUR) * SECOND, tuple(new)))
    assert len(book) <= 100
    assert book.evicted == 52
    assert all((f"192.0.2.{number}", "north") in book._entries for number in range(60))
    changes = put(farm_page(90, T0 + 31 * HOUR, begun=T0 + 1, since=T0 + 31 * HOUR))
    assert [change.what for change in changes if change.what != "stopped"] == ["relapsed"] * 90
    assert len({entry.id for entry in kept.values()}) == 150
    assert len(book) <= 100
    assert len(book._buckets) <= 100
    assert len(book._waiting) <= 100
    assert sum(1 if isinstance(users, Entry) else len(users) for users in book._shared.values()) <= 200


def test_words_of_a_profile_are_bounded() -> None:
    """A host that shows a new account, program and pool every minute keeps the last eight of each."""
    book = CaseBook(DAY, DAY)
    for number in range(100):
        one = session(
            account=f"h:{number}", agent=f"a{number}", pool=f"p{number}", last=(T0 + number) * SECOND
        )
        entries = book.feed(Page((T0 + number) * SECOND, (one,))).entries
    assert entries[0].profile.accounts == tuple(f"h:{number}" for number in range(92, 100))
    assert len(entries[0].profile.agents) == len(entries[0].profile.pools) == 8
    assert len(book._shared) == 8


def test_an_account_of_many_is_remembered_up_to_a_bound() -> None:
    """Then it says nothing; and the time that it takes does not explode."""
    story = {
        "hosts": {
            "O*1500": {"mines": [[0, 10]], "account": "h:market"},
            "N*1500": {"mines": [[10.5, 40]], "account": "h:market"},
        },
        "until": 36,
    }
    book = CaseBook(DAY, DAY)
    started = time.process_time()
    _, changes = feed(book, tell(story, hosts_of(story)))
    assert time.process_time() - started < 30
    assert not [change for change in changes if change.what == "moved"]
    assert all(isinstance(users, Entry) or len(users) <= cases.MAX_SHARED for users in book._shared.values())


def test_chance_alone_moves_nobody() -> None:
    """Hosts with accounts of their own that come and go as they like."""
    dice = random.Random(3)
    story: dict[str, Any] = {"hosts": {}, "until": 400}
    for number in range(150):
        begin = dice.uniform(0, 300)
        story["hosts"][f"A{number}"] = {
            "mines": [[begin, begin + dice.uniform(1, 80)]],
            "account": f"h:{number}",
        }
    _, changes = feed(CaseBook(DAY, 14 * DAY), tell(story, hosts_of(story)))
    assert not [change for change in changes if change.what == "moved"]


@pytest.mark.parametrize(
    ("account", "pattern"),
    [
        ("wallet.rig01", "~wallet.rig#"),
        ("bc1qar0srrr.w-7", "~bc#qar#srrr.w-#"),
        ("h:0123456789abcdef", ""),
        ("123456", ""),
        ("worker", ""),
        ("rig1", ""),
    ],
)
def test_patterns(account: str, pattern: str) -> None:
    """Of names in clear text that count up; a hash has none, nor have names without letters or digits."""
    assert _pattern(account) == pattern


def test_each_reason_is_explained() -> None:
    """The table of compare() has each code that a reason can begin with."""
    text = (CaseBook.compare.__doc__ or "") + (cases.__doc__ or "")
    told = {
        reason.partition(" ")[0]
        for story in STORIES
        for entry in feed(CaseBook(DAY, 14 * DAY), tell(story, hosts_of(story)))[0].values()
        for reason in entry.reasons
    }
    assert told
    assert {code for code in told if code not in text} == set()
