"""Listening: what goes through ring and engine becomes findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import frames as build
import pytest

from sniffer.blindspots import Finding, Level, measure
from sniffer.capture.packet_socket import Statistics
from sniffer.doctor.link import CardLosses
from sniffer.doctor.listening import Heard, findings_of, listen
from sniffer.engine import EngineSettings
from sniffer.totals import InterfaceTotals, Totals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sniffer.batch import Batch
    from sniffer.ruleset import RuleSet

SUBMIT = '{"params":["w.1","bf","00000001","504e86ed","b2957c02"],"id":4,"method":"mining.submit"}\n'
FLOWS = 30
CLIENT = bytes([10, 0, 0, 7])


class Wire:
    """A capture whose batches a test has made; after them it is silent."""

    interfaces: Sequence[str] = ("eth1",)

    def __init__(self, *batches: Batch, drops: int = 0) -> None:
        self._batches, self._drops = batches, drops

    def batches(self) -> Iterator[Batch | None]:
        """What was made, then nothing for ever."""
        yield from self._batches
        while True:
            yield None

    def statistics(self) -> Mapping[str, Statistics]:
        """Drops as a test wants them."""
        return {"eth1": Statistics(0, self._drops, 0)}


def hear(ruleset: RuleSet, *batches: Batch, drops: int = 0) -> Heard:
    """Listen for a moment."""
    settings = EngineSettings(gate_flows=1 << 12)
    return listen(Wire(*batches, drops=drops), ruleset, settings, 0.05, lambda _gone, _packets: None)


def named(found: list[Finding], check: str) -> Finding:
    """The one finding of a name."""
    (one,) = (one for one in found if one.check == check)
    return one


def talks(*, sides: tuple[int, ...] = (0, 1), vlans: tuple[int, ...] = ()) -> Batch:
    """Many connections, of which the mirror shows some sides."""
    frames: list[tuple[int, bytes]] = []
    for port in range(FLOWS):
        talk = build.Conversation(client=("10.0.0.7", 40_000 + port), vlans=vlans).open()
        talk.send(0, SUBMIT).send(1, '{"id":4,"result":true,"error":null}\n')
        at = 14 + 4 * len(vlans) + 12  # of the source address
        frames += ((time, frame) for time, frame in talk.frames if int(frame[at : at + 4] != CLIENT) in sides)
    return build.batch(frames)


def test_both_directions_and_what_is_mined(ruleset: RuleSet) -> None:
    """A healthy mirror: no finding is worse than a note but the age of the packets, and the miner is told."""
    heard = hear(ruleset, talks(vlans=(7, 8)))
    found = findings_of(heard)
    assert named(found, "directions").level is Level.OK
    assert named(found, "content").says == f"{FLOWS} TCP flows"
    assert named(found, "tags and tunnels").says == f"vlan {7 * FLOWS}, qinq {7 * FLOWS}"
    assert named(found, "mining").says == f"{heard.totals.hits} hits of 1 addresses while listening"
    assert heard.totals.hits >= FLOWS


@pytest.mark.parametrize("side", [0, 1])
def test_a_lost_direction_is_told(ruleset: RuleSet, side: int) -> None:
    """Whichever it is; where it is so by design, it is no trouble."""
    heard = hear(ruleset, talks(sides=(side,)))
    told = named(findings_of(heard), "directions")
    assert (told.level, told.says) == (
        Level.WARNING,
        f"100 % of {FLOWS} TCP flows with data are heard in one direction only",
    )
    assert named(findings_of(heard, one_sided=True), "directions").level is Level.OK


def test_silence_is_a_fault(ruleset: RuleSet) -> None:
    """Nothing is said of what did not come."""
    found = findings_of(hear(ruleset))
    assert named(found, "traffic").level is Level.FAULT
    assert {one.check for one in found} == {"listening", "traffic"}


def test_drops_of_the_kernel_are_told(ruleset: RuleSet) -> None:
    """As a share of what was offered."""
    batch = talks()
    told = named(findings_of(hear(ruleset, batch, drops=len(batch.frames))), "drops")
    assert (told.level, told.where) == (Level.FAULT, "eth1")
    assert "(50.0 %)" in told.says


def test_a_port_that_shows_broadcasts_only_is_told(ruleset: RuleSet) -> None:
    """An ordinary port in place of a mirror port is the commonest mistake."""
    noise = [(10**18 + n, build.udp(("10.0.0.1", 68), ("255.255.255.255", 67), bytes(300))) for n in range(9)]
    told = named(findings_of(hear(ruleset, build.batch(noise))), "content")
    assert told.level is Level.WARNING
    assert told.says == "no TCP flow among 9 packets"


@pytest.mark.parametrize(
    ("on", "level"),
    [(True, Level.OK), (False, Level.WARNING), (None, Level.OK)],
    ids=["on", "off", "unknown"],
)
def test_promiscuous_mode_is_told(on: bool | None, level: Level) -> None:  # noqa: FBT001  # a case
    """Off is a warning, with what to set."""
    totals = Totals()
    heard = Heard(1.0, totals, measure(totals), promiscuous={"eth1": on})
    told = named(findings_of(heard), "promiscuous")
    assert (told.level, bool(told.remedy)) == (level, level > Level.OK)


@pytest.mark.parametrize(
    ("lost", "level"),
    [(CardLosses(), Level.OK), (CardLosses(1, 0), Level.WARNING), (CardLosses(0, 1), Level.WARNING)],
)
def test_losses_of_the_card_are_told(lost: CardLosses, level: Level) -> None:
    """They are in no count of the socket."""
    totals = Totals()
    told = named(findings_of(Heard(1.0, totals, measure(totals), card={"eth1": lost})), "card")
    assert (told.level, told.where, bool(told.remedy)) == (level, "eth1", level > Level.OK)


@pytest.mark.parametrize(("stamped", "level"), [(0, Level.NOTE), (5, Level.OK)])
def test_time_stamps_of_the_card_are_told_where_asked_for(stamped: int, level: Level) -> None:
    """A card that was asked for time stamps and gives none is a note, with what to do; unasked, nothing is said."""
    totals = Totals(packets=9, interfaces={"eth1": InterfaceTotals(9, 900, stamped=stamped)})
    heard = Heard(1.0, totals, measure(totals))
    told = named(findings_of(heard, card_time=True), "time stamps")
    assert (told.level, told.where, bool(told.remedy)) == (level, "eth1", level > Level.OK)
    assert f"{stamped} of 9 packets" in told.says
    assert "time stamps" not in {one.check for one in findings_of(heard)}


def test_progress_is_told(ruleset: RuleSet) -> None:
    """Seconds go on, packets are counted, and it ends in time."""
    steps: list[tuple[float, int]] = []
    batch = talks()
    wire, settings = Wire(batch), EngineSettings(gate_flows=1 << 12)
    heard = listen(wire, ruleset, settings, 0.02, lambda gone, packets: steps.append((gone, packets)))
    assert steps == sorted(steps)
    assert steps[-1][1] == len(batch.frames)
    assert 0.02 <= heard.seconds < 5
