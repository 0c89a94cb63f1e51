"""An interpreter of classic BPF in plain Python, for the instructions that filters here are made of.

In: a program, a frame.  Out: how many bytes of it the kernel would keep; 0 is a dropped frame.
Never: the code under test; numbers of instructions are spelled out from linux/bpf_common.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BPF_LD, BPF_LDX, BPF_JMP, BPF_RET = 0, 1, 5, 6
BPF_IMM, BPF_ABS, BPF_IND, BPF_MSH = 0x00, 0x20, 0x40, 0xA0
BPF_W, BPF_H, BPF_B = 0x00, 0x08, 0x10
BPF_JA, BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET = 0x00, 0x10, 0x20, 0x30, 0x40
SIZES = {BPF_W: 4, BPF_H: 2, BPF_B: 1}


def run(program: Sequence[tuple[int, int, int, int]], frame: bytes) -> int:
    """Bytes to keep; a load behind the end of the frame returns 0, as in the kernel."""
    a = x = at = 0
    while True:
        code, yes, no, k = program[at]
        at += 1
        kind, mode = code & 0x07, code & 0xE0
        if kind == BPF_RET:
            return k
        if kind == BPF_JMP:
            test = code & 0xF0
            if test == BPF_JA:
                at += k
                continue
            holds = {BPF_JEQ: a == k, BPF_JGT: a > k, BPF_JGE: a >= k, BPF_JSET: bool(a & k)}[test]
            at += yes if holds else no
            continue
        if kind == BPF_LDX and mode == BPF_IMM:
            x = k
            continue
        place = k + (x if mode == BPF_IND else 0)
        size = SIZES[code & 0x18]
        if place + size > len(frame):
            return 0
        value = int.from_bytes(frame[place : place + size], "big")
        if kind == BPF_LDX:
            assert mode == BPF_MSH
            x = 4 * (value & 15)
        else:
            assert kind == BPF_LD
            assert mode in (BPF_ABS, BPF_IND)
            a = value
