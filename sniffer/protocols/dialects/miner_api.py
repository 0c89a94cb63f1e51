"""Management of miners in the local network: who asks a machine how it is, and what it answers (protocols.md, 10).

In: objects, and heads of HTTP messages.  Out: hints.  The machine that is asked is the one that mines: it is called
the client, whichever side spoke.
Never: a claim that it mines now.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sniffer.model import Role, Value
from sniffer.protocols import values as read
from sniffer.protocols.hardware import agent_values, hardware
from sniffer.protocols.messages import Dialect, Reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sniffer.protocols.messages import Answer, Call, Head
    from sniffer.protocols.session import Session

FAMILY: Final = "miner-api"
ASKER, MACHINE = Role.SERVER, Role.CLIENT
COMMAND_KEYS: Final = {"command", "cmd", "parameter", "param", "token", "new_api"}
COMMANDS: Final = frozenset(
    {
        "summary", "version", "devs", "edevs", "devdetails", "pools", "stats", "estats", "config", "coin", "lcd", "notify",
        "asc", "asccount", "pga", "pgacount", "gpu", "gpucount", "switchpool", "addpool", "enablepool", "disablepool",
        "removepool", "poolpriority", "ascset", "setconfig", "privileged", "check", "litestats", "fans", "temps", "tunerstatus",
        "get_version", "get_token", "get_miner_info", "get_psu", "get_error_code", "status", "restart", "quit",
    }
)  # fmt: skip
OWN: Final = frozenset(
    {
        "summary", "edevs", "devdetails", "estats", "litestats", "asccount", "pgacount", "ascset", "switchpool",
        "poolpriority", "tunerstatus", "get_miner_info", "get_psu",
    }
)  # fmt: skip
"""Commands that hardly anything else has; the others count on a port of miners."""
PORTS: Final = frozenset({4028, 4029, 4030, 4048, 4068, 4433, 8359})
CLAYMORE: Final = re.compile(r"miner_(?:getstat[12]|getfile|file|reboot|restart)|control_gpu")
UNITS: Final = {"TH": 1e12, "GH": 1e9, "MH": 1e6, "KH": 1e3}
RATE: Final = re.compile(r"(TH|GH|MH|KH)S? (?:av|5s|1m)", re.IGNORECASE)
PATHS: Final = {  # of requests, by what answers
    "/1/summary": "xmrig", "/2/summary": "xmrig", "/api/system/info": "Bitaxe", "/cgi-bin/get_system_info.cgi": "Antminer",
    "/cgi-bin/stats.cgi": "Antminer", "/cgi-bin/get_miner_status.cgi": "Antminer", "/mcb/status": "Goldshell",
    "/mcb/cgminer": "Goldshell",
}  # fmt: skip
EPIC_PORT: Final = 4028
GRPC: Final = "/braiins.bos"
PROGRAMS: Final = ("xmrig",)  # of the above those that are no machine


class MinerApi(Dialect):
    """Reads questions to miners, and their answers."""

    def call(self, call: Call, session: Session) -> Reading | None:
        """Read a question of the form that Claymore began."""
        return hint(call.method, ASKER) if CLAYMORE.fullmatch(call.method) else None

    def answer(self, answer: Answer, session: Session) -> Reading | None:
        """Read the answer to such a question."""
        asked = answer.asked or ""
        return hint(f"{asked}.reply", MACHINE) if CLAYMORE.fullmatch(asked) and answer.result else None

    def other(self, message: dict[str, Any], session: Session) -> Reading | None:
        """Read a command, or an answer to one."""
        command = message.get("command", message.get("cmd"))
        if isinstance(command, str) and message.keys() <= COMMAND_KEYS:
            return read_command(command, session.ports)
        if (
            message.get("enc") == 1
            and isinstance(message.get("data"), str)
            and PORTS.intersection(session.ports)
        ):
            return hint("encrypted", ASKER)  # Whatsminer: commands that change something
        if is_status(message.get("STATUS")):
            return read_status(message)
        joined = [part[0] for part in message.values() if is_answer(part)]
        if joined:  # of several commands in one
            return read_status({name: part for one in joined for name, part in one.items()})
        if "ASICModel" in message and "hashRate" in message:
            return read_bitaxe(message)
        if "hashrate" in message and "connection" in message and "donate_level" in message:
            return read_xmrig(message)
        return None

    def head(self, head: Head, session: Session) -> Reading | None:
        """Read a request for a page that machines have."""
        if head.path.startswith(GRPC):
            return hint("grpc", ASKER, {"mining.hardware": "Braiins OS"})
        answers = PATHS.get(head.path.lower()) if head.verb else None
        if head.verb and head.path == "/summary" and EPIC_PORT in session.ports:
            answers = "ePIC"
        if answers is None:
            return None
        asks_token = head.fields.get("authorization", "").startswith("Bearer ")
        if answers in PROGRAMS:
            return hint("summary", ASKER, {"mining.agent": answers}) if asks_token else None
        return hint(head.path.rpartition("/")[2], ASKER, {"mining.hardware": answers})


def hint(message: str, sender: Role, values: dict[str, Value] | None = None) -> Reading:
    """A hint of this family."""
    return Reading(FAMILY, message, sender, values or {}, hint=True)


def read_command(command: str, ports: Iterable[int]) -> Reading | None:
    """Read a command of cgminer's API and of those that took it over; several are joined by a plus."""
    first = command.partition("+")[0]
    known = COMMANDS if PORTS.intersection(ports) else OWN
    return hint(first, ASKER) if first in known else None


def is_status(status: Any) -> bool:
    """Whether a value is the STATUS part of an answer of cgminer's API."""
    if isinstance(status, str):
        return status in ("S", "E", "I", "W", "F")
    return (
        isinstance(status, list)
        and bool(status)
        and isinstance(status[0], dict)
        and {"STATUS", "When"} <= status[0].keys()
    )


def is_answer(part: Any) -> bool:
    """Whether a member is a list that begins with an answer of cgminer's API."""
    first = part[0] if isinstance(part, list) and part else None
    status = first.get("STATUS") if isinstance(first, dict) else None
    return isinstance(status, list) and is_status(status)


def read_status(message: dict[str, Any]) -> Reading | None:
    """Read an answer of cgminer's API: program, hashrate, power."""
    status = message["STATUS"]
    if isinstance(status, str):
        if "When" not in message or not ("Msg" in message or "Description" in message):
            return None
        status = [message]
    sections = [
        name
        for name, part in message.items()
        if name.isupper() and name != "STATUS" and isinstance(part, list)
    ]
    values = agent_values(read.text(status[0].get("Description")))
    for name in sections:
        parts = message[name]
        if parts and isinstance(parts[0], dict):
            values.update(section_values(parts[0]))
    named = sections[0].lower() if sections else "status"
    return hint(f"{named}.reply", MACHINE, values)


def section_values(part: dict[str, Any]) -> dict[str, Value]:
    """Hashrate, power and model in a section of an answer."""
    values: dict[str, Value] = {}
    for name, value in part.items():
        found = RATE.fullmatch(name)
        rate = read.number(value) if found else None
        if found and rate is not None and "mining.hashrate" not in values:
            stated = read.hashrate(rate * UNITS[found.group(1).upper()])
            if stated is not None:
                values["mining.hashrate"] = stated
    power = read.number(part.get("Power", part.get("power")))
    if power is not None and power > 0:
        values["mining.power"] = power
    model = read.text(part.get("Type", part.get("Model")))
    if model:
        values["mining.hardware"] = hardware(model) or model[:64]
    values.update(account_values(part.get("User"), part.get("URL"), None))
    return values


def account_values(user: Any, pool: Any, port: Any) -> dict[str, Value]:
    """Account, worker and pool that a machine is set to."""
    values: dict[str, Value] = {}
    user, pool = read.text(user), read.text(pool)
    if user:
        values.update(read.wallet_values(user))
        worker = read.worker_after_first_dot(user)
        if worker:
            values["mining.worker"] = worker
    name = pool.rpartition("://")[2].rstrip("/") if pool else ""
    if name:
        values["mining.pool"] = f"{name}:{port}" if isinstance(port, int) and 0 < port < 65_536 else name
    return values


def read_bitaxe(message: dict[str, Any]) -> Reading:
    """Read what a Bitaxe says of itself."""
    values: dict[str, Value] = {"mining.hardware": hardware(f"bitaxe/{message['ASICModel']}") or "Bitaxe"}
    rate = read.number(message.get("hashRate"))
    stated = read.hashrate(rate * UNITS["GH"]) if rate is not None else None
    if stated is not None:
        values["mining.hashrate"] = stated
    power = read.number(message.get("power"))
    if power is not None and power > 0:
        values["mining.power"] = power
    account = (message.get(name) for name in ("stratumUser", "stratumURL", "stratumPort"))
    return hint("info.reply", MACHINE, {**values, **account_values(*account)})


def read_xmrig(message: dict[str, Any]) -> Reading:
    """Read what xmrig says of itself."""
    values: dict[str, Value] = agent_values(read.text(message.get("ua")))
    rates = message["hashrate"].get("total") if isinstance(message["hashrate"], dict) else None
    rate = read.hashrate(rates[0]) if isinstance(rates, list) and rates else None
    if rate is not None:
        values["mining.hashrate"] = rate
    algorithm = read.text(message.get("algo"))
    if algorithm:
        values["mining.algorithm"] = algorithm
    worker = read.text(message.get("worker_id"))
    if worker:
        values["mining.worker"] = worker
    connection = message["connection"]
    pool = connection.get("pool") if isinstance(connection, dict) else None
    return hint("summary.reply", MACHINE, {**values, **account_values(None, pool, None)})
