"""Machines that agents give away."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.protocols.hardware import agent_values, hardware


@pytest.mark.parametrize(
    ("agent", "machine"),
    [
        ("Antminer S9", "Antminer S9"),
        ("Antminer S21 Pro/Mon Jan 1", "Antminer S21 Pro"),
        ("Antminer S21+/x", "Antminer S21+"),
        ("Antminer S19 XP Hyd./x", "Antminer S19 XP Hyd."),
        ("Antminer S19j Pro+|LUXminer 2026.3.30|BHB42612|", "Antminer S19j Pro+ (LuxOS)"),
        ("Antminer L7/1", "Antminer L7"),
        ("bmminer/2.0.0/Antminer S9/14000", "Antminer S9"),
        ("bmminer/2.0.0", "Antminer"),
        (
            "2022-09-27-0-26ba61b9-22.08.1-plus;bosminer-plus-am1-s9 0.9.0-26ba61b9",
            "Antminer S9 (Braiins OS+)",
        ),
        ("2022-09-27-0-26ba61b9-22.08.1-plus;bosminer-plus-am2-s17 0.9.0", "Antminer S17 (Braiins OS+)"),
        ("xminer-1.2.7", "Antminer (VNish)"),
        ("PowerPlay-BM/1.0", "ePIC"),
        ("PowerPlay-BMS/1.24.0", "ePIC"),
        ("whatsminer/v1.1", "Whatsminer"),
        ("GodMiner/2.0.0", "Antminer KS"),
        ("bitmain", "Antminer KS"),
        ("antminer", "Antminer KS"),
        ("IceRiverMiner-v1.1", "IceRiver KS"),
        ("sm-miner v8.16.67.1 2020-09-23, msp ver 0x8168", "FutureBit Apollo"),
        ("apollo-miner 2.0.3 msp ver 0xd167", "FutureBit Apollo"),
        ("apollo", "FutureBit Apollo"),
        ("bitaxe/BM1397/v2", "Bitaxe Max"),
        ("bitaxe/BM1366/v2", "Bitaxe Ultra"),
        ("bitaxe/BM1368/v2", "Bitaxe Supra"),
        ("bitaxe/BM1370/v2.13.1", "Bitaxe Gamma"),
        ("BITAXE/bm1370/v2.13.1", "Bitaxe Gamma"),
        ("bitaxe v2.2", "Bitaxe"),
        ("NerdMinerV2/V1.8.3", "NerdMiner"),
        ("NerdQAxe++/BM1370/v1.0.34", "NerdQAxe++"),
        ("NerdOCTAXE-\u03b3/BM1370/v1.0.34", "NerdOCTAXE-\u03b3"),
        ("LuckyMiner/1.0", "LuckyMiner"),
        ("bitdsk/1", "bitdsk"),
        ("Zyber8S/1", "Zyber8S"),
        ("NMAxe/1", "NMAxe"),
        ("GekkoAxe-GT/1", "GekkoAxe-GT"),
        ("SparkMiner/1", "SparkMiner"),
        ("NMMiner/1", "NMMiner"),
        ("ESP32 TacoMiner/1", "ESP32 TacoMiner"),
        ("BitsyMiner/1", "BitsyMiner"),
        ("HAN_SOLOminer/1", "HAN_SOLOminer"),
    ],
)
def test_machine(agent: str, machine: str) -> None:
    """An agent that gives a machine away names it."""
    assert hardware(agent) == machine
    assert agent_values(agent) == {"mining.agent": agent, "mining.hardware": machine}


@pytest.mark.parametrize(
    "agent",
    [
        "cgminer/4.11.1", "bfgminer/5.4.2", "cpuminer/2.5.1", "ccminer/2.3.1", "sgminer/4.1.0",
        "PhoenixMiner/5.5c", "GMiner/2.09",
        "lolMiner 1.76", "t-rex/0.26.8", "XMRig/6.21.0 (Windows NT 10.0; Win64; x64)", "xmr-stak/2.10.8",
        "NiceHash/1.0.0",
        "MRR-Hash/1.0.0", "btccom-agent/1.0.0", "xmrig-proxy/6.21.0", "deepMiner", "Braiins OS 2019-06-05",
        "bosminer-plus-tuner 0.9.0", "Nerds", "my Antminer S9", "whats miner", "abitaxe", "bmminers",
        "bitmain2", "x",
    ],
)  # fmt: skip
def test_no_machine(agent: str) -> None:
    """An agent that only names a program gives no machine away."""
    assert agent_values(agent) == {"mining.agent": agent}


def test_no_agent() -> None:
    """Without an agent nothing is told."""
    assert agent_values(None) == {}
    assert agent_values("") == {}


STARTS = [
    "Antminer ",
    "bmminer/1/Antminer ",
    "bitaxe",
    "Nerd",
    "GekkoAxe",
    "x;bosminer-plus-am1-s",
    "Antminer S9|LUXminer",
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(STARTS), st.text(max_size=40))
def test_any_agent(start: str, rest: str) -> None:
    """Whatever stands in an agent, the machine is none, or a name no longer than the agent and a word."""
    machine = hardware(start + rest)
    assert machine is None or 0 < len(machine) <= len(start + rest) + len(" (Braiins OS+)")
