"""The gate: compiled, one pass over a batch; decides for every frame whether it passes or why not.

In: batches, the names that rules look for, verdicts about flows.  Out: packets that may matter, counts.
Never: a Python object for a frame that does not pass; an exception for a frame's sake; memory that grows.

    gate.py          what the rest of the program sees
    decide.py        the pass over a batch
    headers.py       from the first byte of a frame to its payload
    flowtable.py     what is known of each flow
    openings.py      what a payload opens like
    names.py         listed names in DNS, TLS and HTTP, by hash
    hashing.py       keyed hashes of flows and names
    reasons.py       why a frame passes or not: a closed list
    rows.py          the records that kernels write
    compiled.py      how kernels are compiled and kept
    plain.py         the same decisions, readably; with plain_headers.py and plain_payloads.py
"""
