"""Faults of capture files: one readable line each."""

from __future__ import annotations

import pytest

from sniffer.capture.faults import FAULTS, Fault, input_error


@pytest.mark.parametrize("code", FAULTS)
def test_every_fault_reads_as_one_line(code: str) -> None:
    """File, offset, record, code, sentence, what was processed, and what to do about it."""
    error = input_error(Fault(code, 77), "a.pcap", offset=12, record=3)
    (line,) = error.lines()
    start, what = f"error: a.pcap: offset 12 (record 3): {code} ", FAULTS[code].says.format(77)
    assert line.startswith(start + what + "; 2 records processed; ")
    assert line.isprintable()
    assert len(error.remedy) > 10
    assert error.exit_status == 66


def test_an_offset_of_unpacked_data_says_so() -> None:
    """The offset of a packed file is one of the data inside it; one record is not two."""
    what = input_error(Fault("cut_record", offset=5), "a.gz", record=2, packed=True).what
    assert (
        what == "offset 5 unpacked (record 2): cut_record the file ends inside a record; 1 record processed"
    )
