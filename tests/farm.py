"""Farms of known size, as a mirror port shows them: shares at random times, difficulties that change, faults of every day.

In: a seed and a kind of farm.  Out: frames, and the truth: hashes a second that the pool gives credit for.
Never: anything of the sensor but the builder of frames that the tests share.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import frames as build

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND = 10**9
START = 1_790_000_000 * SECOND
REJECTED = 0.02


@dataclass
class Dialect:
    """How one pool and its miners speak."""

    hello: Callable[[Farm], list[tuple[int, Any]]]  # side and message
    set_difficulty: Callable[[Farm, float], Any]  # of so many hashes a share; returns what the pool sends
    share: Callable[[Farm, int], Any]
    verdict: Callable[[int, bool], Any]
    quantum: float  # hashes a share that can be set


@dataclass
class Farm:
    """One farm.

    Args:
        seed: of everything that is random.
        dialect: by its name in DIALECTS.
        seconds: that it is watched for.
        pace: shares a second that the pool steers to.
        workers: machines behind the one connection.
        joined: seconds after the start at which the sensor begins to see.
        restarts: how often the connection is opened anew.
        sides: those that the mirror shows.
    """

    seed: int
    dialect: str = "stratum-v1"
    seconds: float = 2_400.0
    pace: float = 0.1
    workers: int = 1
    joined: float = 0.0
    restarts: int = 0
    sides: tuple[int, ...] = (0, 1)
    retarget: float = 180.0
    submitted: int = 0  # what the wire showed
    accepted: int = 0
    rejected: int = 0
    job: str = ""  # handed out last
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.speech = DIALECTS[self.dialect]
        self.rate = 10 ** self.random.uniform(3, 6) * self.speech.quantum  # hashes a second, all of it
        self._frames: list[tuple[int, bytes]] = []
        self._port = 40_000
        self._number = 10

    @property
    def truth(self) -> float:
        """Hashes a second that the pool gives credit for."""
        return self.rate * (1 - REJECTED)

    @property
    def end(self) -> int:
        """When the watching ends, nanoseconds."""
        return START + int(self.seconds * SECOND)

    def frames(self) -> list[tuple[int, bytes]]:
        """What the mirror shows."""
        length = self.seconds / (self.restarts + 1)
        for part in range(self.restarts + 1):
            self._connect(part * length, (part + 1) * length)
        return sorted(self._frames, key=lambda one: one[0])

    def _connect(self, begin: float, end: float) -> None:
        self._port += 1
        talk = build.Conversation(client=("10.0.0.7", self._port), step=0)
        talk.time = START + int(begin * SECOND)
        talk.open()
        for side, message in self.speech.hello(self):
            self._say(talk, side, message)
        worth = self._worth(self.pace * self.random.uniform(0.5, 2.0))
        self._say(talk, 1, self.speech.set_difficulty(self, worth))
        now, next_target = begin, begin + self.retarget
        while True:
            now += self.random.expovariate(self.rate / worth)
            while next_target < min(now, end):  # no share so far: the waiting begins anew, at the new worth
                talk.time = START + int(next_target * SECOND)
                worth = self._worth(self.pace * self.random.uniform(0.5, 2.0))
                self._say(talk, 1, self.speech.set_difficulty(self, worth))
                now = next_target + self.random.expovariate(self.rate / worth)
                next_target += self.retarget
            if now >= end:
                break
            talk.time = START + int(now * SECOND)
            self._share(talk)
        self._frames += [
            one
            for one in talk.frames
            if one[0] >= START + self.joined * SECOND and self._side(one[1]) in self.sides
        ]

    def _worth(self, pace: float) -> float:
        return max(round(self.rate / pace / self.speech.quantum), 1) * self.speech.quantum

    def _share(self, talk: build.Conversation) -> None:
        self._number += 1
        taken = self.random.random() >= REJECTED
        seen_from = START + self.joined * SECOND
        self.submitted += talk.time >= seen_from and 0 in self.sides
        self._say(talk, 0, self.speech.share(self, self._number))
        talk.time += 40 * build.MILLISECOND
        if talk.time >= seen_from and 1 in self.sides:
            self.accepted += taken
            self.rejected += not taken
        self._say(talk, 1, self.speech.verdict(self._number, taken))

    @staticmethod
    def _say(talk: build.Conversation, side: int, message: Any) -> None:
        talk.send(side, json.dumps(message) + "\n")

    @staticmethod
    def _side(frame: bytes) -> int:
        """Who sent a frame: the miner has the private address."""
        return 0 if frame[26] == 10 else 1

    def worker(self) -> str:
        """One of the machines."""
        return f"rig{self.random.randrange(self.workers)}"

    def digits(self, number: int) -> str:
        """Random bytes in hexadecimal."""
        return self.random.randbytes(number).hex()


def v1_hello(farm: Farm) -> list[tuple[int, Any]]:
    """Subscription and the authorisation of every machine."""
    subscribed = [
        [["mining.notify", farm.digits(4)], ["mining.set_difficulty", farm.digits(4)]],
        farm.digits(4),
        4,
    ]
    out: list[tuple[int, Any]] = [
        (0, {"id": 1, "method": "mining.subscribe", "params": ["bmminer/2.0.0"]}),
        (1, {"id": 1, "result": subscribed, "error": None}),
    ]
    for number in range(farm.workers):
        out.append((0, {"id": 2, "method": "mining.authorize", "params": [f"acct.rig{number}", "x"]}))
        out.append((1, {"id": 2, "result": True, "error": None}))
    return out


def v1_set(_farm: Farm, worth: float) -> Any:
    """The difficulty of what follows."""
    return {"id": None, "method": "mining.set_difficulty", "params": [worth / 2**32]}


def v1_share(farm: Farm, number: int) -> Any:
    """A share."""
    params = [f"acct.{farm.worker()}", farm.digits(4), farm.digits(4), farm.digits(4), farm.digits(4)]
    return {"id": number, "method": "mining.submit", "params": params}


def v1_verdict(number: int, taken: bool) -> Any:  # noqa: FBT001
    """The pool's answer."""
    return {"id": number, "result": taken or None, "error": None if taken else [21, "Job not found", None]}


def equihash_hello(farm: Farm) -> list[tuple[int, Any]]:
    """As ZIP 301 has it."""
    return [
        (0, {"id": 1, "method": "mining.subscribe", "params": ["EWBF 0.3.4b", None, "pool.example", "3333"]}),
        (1, {"id": 1, "result": [None, farm.digits(12)], "error": None}),
        (0, {"id": 2, "method": "mining.authorize", "params": ["acct.rig0", "x"]}),
        (1, {"id": 2, "result": True, "error": None}),
    ]


def equihash_set(_farm: Farm, worth: float) -> Any:
    """A target, big-endian."""
    return {"id": None, "method": "mining.set_target", "params": [f"{int(2**256 / worth):064x}"]}


def equihash_share(farm: Farm, number: int) -> Any:
    """A solution."""
    params = ["acct.rig0", farm.digits(4), farm.digits(4), farm.digits(20), "fd4005" + farm.digits(1_344)]
    return {"id": number, "method": "mining.submit", "params": params}


def cryptonote_job(farm: Farm, worth: float) -> dict[str, Any]:
    """A job of some worth."""
    target = int(2**64 / worth).to_bytes(8, "little").hex()
    return {
        "blob": farm.digits(76),
        "job_id": farm.digits(6),
        "target": target,
        "algo": "rx/0",
        "height": 3_000_000,
    }


def cryptonote_hello(farm: Farm) -> list[tuple[int, Any]]:
    """Login; its answer has the first job."""
    params = {"login": "acct", "pass": "x", "agent": "XMRig/6.21.0", "algo": ["rx/0"]}
    job = cryptonote_job(farm, farm.rate)
    answer = {"id": "5a1f", "job": job, "status": "OK"}
    return [
        (0, {"id": 1, "jsonrpc": "2.0", "method": "login", "params": params}),
        (1, {"id": 1, "jsonrpc": "2.0", "error": None, "result": answer}),
    ]


def cryptonote_set(farm: Farm, worth: float) -> Any:
    """A new job."""
    job = cryptonote_job(farm, worth)
    farm.job = job["job_id"]
    return {"jsonrpc": "2.0", "method": "job", "params": job}


def cryptonote_share(farm: Farm, number: int) -> Any:
    """A share of the job that was handed out last."""
    params = {"id": "5a1f", "job_id": farm.job, "nonce": farm.digits(4), "result": farm.digits(32)}
    return {"id": number, "jsonrpc": "2.0", "method": "submit", "params": params}


def cryptonote_verdict(number: int, taken: bool) -> Any:  # noqa: FBT001
    """The pool's answer."""
    if taken:
        return {"id": number, "jsonrpc": "2.0", "error": None, "result": {"status": "OK"}}
    return {"id": number, "jsonrpc": "2.0", "error": {"code": -1, "message": "Low difficulty share"}}


DIALECTS = {
    "stratum-v1": Dialect(v1_hello, v1_set, v1_share, v1_verdict, 2.0**32),
    "stratum-equihash": Dialect(equihash_hello, equihash_set, equihash_share, v1_verdict, 1.0),
    "cryptonote": Dialect(cryptonote_hello, cryptonote_set, cryptonote_share, cryptonote_verdict, 1.0),
}

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "slow": {"pace": 0.02},
    "fast": {"pace": 0.3, "seconds": 1_300.0},
    "equihash": {"dialect": "stratum-equihash"},
    "cryptonote": {"dialect": "cryptonote", "pace": 0.05},
    "proxy": {"workers": 40},
    "restarted": {"restarts": 3},
    "joined": {"joined": 700.0},
    "answers only": {"sides": (1,)},
    "cryptonote joined": {"dialect": "cryptonote", "joined": 500.0},
}
