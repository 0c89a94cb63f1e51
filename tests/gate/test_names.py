"""The table of listed names."""

from __future__ import annotations

import time

import gate_frames as wire
import numpy as np
import pytest
from gate_twins import Twins
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.gate import names
from sniffer.gate.names import FRONT, LISTED, MALFORMED, MAX_LABELS, UNLISTED, NameTable, hash_name


def ask(table: NameTable, name: bytes) -> int:
    """What the kernel says of a name written out."""
    data = np.frombuffer(b"<" + name + b">", dtype=np.uint8).copy()
    return int(names.test_text(data, 1, 1 + len(name), table.slots, np.uint64(table.seed), table.everything))


def test_every_name_of_a_big_table_is_found_and_no_other() -> None:
    """A hundred thousand names: themselves, those below suffixes, none beside them."""
    listed = [(f"n{i}.pool{i % 1000}.example", i % 2 == 0) for i in range(100_000)]
    table = NameTable(listed, seed=77)
    for name, is_suffix in listed[::97]:
        assert ask(table, name.encode()) == LISTED
        assert ask(table, b"x." + name.encode()) == (LISTED if is_suffix else UNLISTED)
        assert ask(table, b"x" + name.encode()) == UNLISTED


def test_a_name_listed_twice_counts_as_the_wider_entry() -> None:
    """Exact and suffix together are a suffix, in either order."""
    for listed in ([("a.example", True), ("a.example", False)], [("a.example", False), ("a.example", True)]):
        table = NameTable(listed, seed=1)
        slots = table.slots[len(table.slots) // (FRONT + 1) :]
        assert (np.count_nonzero(slots), ask(table, b"b.a.example")) == (1, LISTED)


@pytest.mark.parametrize("name", [b"", b".", b"x" * 256])
def test_what_cannot_be_a_name_is_malformed(name: bytes) -> None:
    """Also where every name passes."""
    assert ask(NameTable([], seed=1), name) == MALFORMED
    assert ask(NameTable([], seed=1, everything=True), name) == MALFORMED


def test_an_empty_table_lists_nothing() -> None:
    """No name passes by accident."""
    table = NameTable([], seed=1)
    assert all(ask(table, f"n{i}.example".encode()) == UNLISTED for i in range(2000))


def test_the_seed_decides_where_names_lie() -> None:
    """What collides under one seed does not under another, so nobody outside can aim."""
    assert hash_name(b"pool.example", 1) != hash_name(b"pool.example", 2)


LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)
NAME = st.lists(LABEL, min_size=1, max_size=5).map(".".join)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(NAME, st.booleans()), max_size=80),
    st.lists(NAME, max_size=20),
    st.integers(0, 2**64 - 1),
)
def test_the_table_answers_as_a_comparison_of_names_does(
    listed: list[tuple[str, bool]], others: list[str], seed: int
) -> None:
    """Under any seed: listed names are found, so are names below suffixes, and no other."""
    exact, suffixes = {name for name, _ in listed}, {name for name, is_suffix in listed if is_suffix}
    table = NameTable(listed, seed=seed)
    for name in (*exact, *others, *(f"x.{name}" for name in exact)):
        labels = name.split(".")
        parents = {".".join(labels[i:]) for i in range(len(labels))}
        wanted = name in exact or not parents.isdisjoint(suffixes)
        assert ask(table, name.upper().encode()) == (LISTED if wanted else UNLISTED)


def test_kernel_and_plain_twin_hash_alike() -> None:
    """Names of every length, one behind another, get the hash that each has by itself, whatever is in their bytes."""
    text = ["", "a", "A.b", "x" * 255, "".join(map(chr, range(128))), "pool.example"]
    entries = np.arange(len(text), dtype=np.uint64) & np.uint64(1)
    data = np.frombuffer("".join(text).encode(), dtype=np.uint8)
    names.hash_names(data, np.cumsum([len(one) for one in text]), np.uint64(9), entries)
    assert entries.tolist() == [hash_name(one.encode(), 9) | i & 1 for i, one in enumerate(text)]


def passes_front(table: NameTable, name: bytes) -> bool:
    """Whether the filter in front of the slots lets a name through, told from its description."""
    front = table.slots[: len(table.slots) // (FRONT + 1)]
    h = hash_name(name, table.seed)
    word = int(front[(h >> 8) % len(front)])
    return bool(word >> (h >> 58) & word >> (h >> 52 & 63) & 1)


@pytest.mark.parametrize("count", [10, 1_000, 32_769, 100_000, 131_072])
def test_few_names_get_behind_the_filter(count: int) -> None:
    """A flood of strange names: the filter ends the look-up for nine in ten, however full it is; listed ones pass."""
    listed = [f"n{i}.pool{i % 977}.example" for i in range(count)]
    table = NameTable([(name, True) for name in listed], seed=5)
    assert all(passes_front(table, name.encode()) for name in listed[:: count // 10])
    strange = sum(passes_front(table, b"n%d.elsewhere.example" % i) for i in range(20_000))
    assert strange < 2_000
    assert table.slots[: len(table.slots) // (FRONT + 1)].nbytes <= max(16, 2 * count)


def test_listing_names_is_compiled_work() -> None:
    """A table of a hundred thousand names takes less than half of what hashing them in Python would."""
    listed = [(f"n{i}.pool{i % 1000}.example", i % 2 == 0) for i in range(100_000)]
    NameTable([], seed=1)
    start = time.process_time()
    NameTable(listed, seed=1)
    built = time.process_time()
    for name, _ in listed:
        hash_name(name.encode(), 1)
    assert built - start < (time.process_time() - built) / 2


def test_a_crowded_table_grows_until_every_name_can_be_found() -> None:
    """Hashes made to fall into one run do not get lost."""
    hashes = np.array([(i << 22) | (5 << 8) | 2 for i in range(1, 200)], dtype=np.uint64)
    assert not names.lay_out(np.zeros(1024 // FRONT + 1024, dtype=np.uint64), hashes)
    table = names.build(hashes)
    assert len(table) == (1 << 16) // FRONT + (1 << 16)
    assert all(names.is_listed(table, h, True) for h in hashes)


def test_hostile_dns_messages_are_decided_in_no_time() -> None:
    """The longest names, chains of pointers, 65 535 records promised: below 50 microseconds each."""
    chain = b"\1a" * 100 + b"\0" + b"".join(b"\1b\xc0" + bytes([12 + 2 * i]) for i in range(16))
    hostile = [
        wire.dns(b"\1a" * 127 + b"\0", [(5, b"\xc0\x0c")] * 64, flags=0x8180),
        wire.dns("www.example.com", [(5, b"\1a" * 127 + b"\0")] * 200, flags=0x8180),
        wire.dns(chain),
        wire.dns()[:6] + b"\xff\xff" + wire.dns()[8:],
    ]
    table = NameTable([("pool.example", True)], seed=3)
    labels = np.zeros(MAX_LABELS, dtype=np.int64)
    for message in hostile:
        data = np.frombuffer(message, dtype=np.uint8).copy()
        best = 1.0
        for _ in range(20):
            begin = time.perf_counter()
            names.test_dns(data, 0, len(data), table.slots, np.uint64(3), False, labels)
            best = min(best, time.perf_counter() - begin)
        assert best < 50e-6


def test_names_with_capitals_dots_and_high_bytes_are_compared_alike() -> None:
    """Both gates fold ASCII only, and a dot inside a DNS label parts nothing."""
    hosts = [
        b"POOL.EXAMPLE",
        b"pool.example..",
        b"\xe9.pool.example",
        b"pool\x00.example",
        b"p\xd6\xd6l.example",
    ]
    frames = []
    for host in hosts:
        one = wire.Connection(sport=1000 + len(frames))
        frames += [*one.handshake(), one.up(wire.client_hello(host))]
    assert Twins().judge(frames)[3::4] == [
        "tls_listed",
        "tls_unlisted",
        "tls_listed",
        "tls_unlisted",
        "tls_unlisted",
    ]
    query = wire.dns(b"\x0ceu1.pool.exa\4mple\0")
    dotted = wire.dns(b"\x10eu1.pool.example\0")
    judged = Twins().judge([wire.datagram(each) for each in (query, dotted)])
    assert judged == ["dns_unlisted", "dns_unlisted"]
