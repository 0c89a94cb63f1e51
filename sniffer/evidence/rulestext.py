"""The text of the rules behind a verdict, so that a bundle can be judged again without the folder they came from.

In: a rule set as workers get it; identifiers of rules.  Out: these rules as YAML, the lists that they refer to; and a set again.
Never: a rule that was not asked for; a comment (what a rule means is kept, not how its file was laid out).
"""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from sniffer.errors import ConfigError, Problem
from sniffer.ruleset.lists import RESOLVER_ADDRESSES, RESOLVER_NAMES
from sniffer.ruleset.load import pack, restore, unpack
from sniffer.strictyaml import Document, load

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sniffer.ruleset import RuleSet

RULES: Final = "rules.yaml"
LISTS: Final = "lists.json.gz"
ENDPOINTS: Final = ("pools", "benign", "host_patterns")
"""What begins a file that classes of endpoints (``@pool.strong``) are made of."""
MAX_LISTS: Final = 64 << 20  # bytes, unpacked


class RulesText(NamedTuple):
    """Rules and what they refer to, as they are kept."""

    rules: bytes  # YAML
    lists: bytes  # JSON, packed with gzip; b"" where the rules refer to none


def excerpt(dump: bytes, identifiers: Collection[str]) -> RulesText:
    """Rules of a set and the lists that they refer to.

    Raises:
        KeyError: the set has not all of these rules.
    """
    documents = list(unpack(dump))
    rules: dict[str, Any] = {}
    for document in documents:
        if isinstance(document.data, list):
            rules.update((rule["id"], rule) for rule in document.data if rule["id"] in identifiers)
    missing = sorted(set(identifiers) - set(rules))
    if missing:
        raise KeyError(", ".join(missing))
    text = yaml.safe_dump(list(rules.values()), sort_keys=False, allow_unicode=False, width=120)
    wanted = {name for rule in rules.values() for name in _names(rule["match"])}
    held = [
        {"file": document.file, "data": document.data}
        for document in documents
        if isinstance(document.data, dict) and _is_wanted(document.data, wanted)
    ]
    lists = json.dumps(held, separators=(",", ":")).encode("ascii") if held else b""
    return RulesText(text.encode("ascii"), gzip.compress(lists, mtime=0) if lists else b"")


def _names(node: Any) -> Iterator[str]:
    """Names of lists that a condition needs, without their ``@``."""
    if isinstance(node, dict):
        if node.get("fact") == "doh.resolver":
            yield from (RESOLVER_NAMES, RESOLVER_ADDRESSES)
        for value in node.values():
            yield from _names(value)
    elif isinstance(node, list):
        for value in node:
            yield from _names(value)
    elif isinstance(node, str) and node.startswith("@"):
        yield node[1:]


def _is_wanted(data: dict[str, Any], names: set[str]) -> bool:
    if "values" in data or "file" in data:
        return data.get("name") in names
    return bool(names) and any(key in data for key in ENDPOINTS)


def restored(text: RulesText, version: str = "") -> RuleSet:
    """The set that such a text describes.

    Raises:
        ConfigError: it describes none.
    """
    try:
        document = load(text.rules.decode("ascii"), RULES)
        held = json.loads(_unpacked(text.lists)) if text.lists else []
        lists = [Document(str(one["file"]), one["data"]) for one in held]
        return restore(pack(version, [*lists, document]))
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        what = f"cannot be read ({type(error).__name__})"
        raise ConfigError([Problem(RULES, 1, 1, "text", what, "the bundle is damaged")]) from None


def _unpacked(data: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    out = inflater.decompress(data, MAX_LISTS)
    if inflater.unconsumed_tail:
        raise ValueError("too large")
    return out
