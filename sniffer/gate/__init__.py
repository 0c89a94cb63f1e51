"""The gate: compiled, one pass over a batch; decides for every frame whether it passes or why not.

In: batches, the names that rules look for, verdicts about flows.  Out: packets that may matter, counts.
Never: a Python object for a frame that does not pass; an exception for a frame's sake; memory that grows.

    gate.py          what the rest of the program sees
    decide.py        the pass over a batch
    headers.py       from the first byte of a frame to its payload, with links.py and tunnels.py for what wraps it
    kinds.py         what may come next inside a frame, and the wrappings that are noted
    labels.py        names of wrappings, and of what else is counted beside reasons
    fragments.py     IP fragments, kept until their datagram is whole
    flowtable.py     what is known of each flow
    servers.py       servers that are known by their address
    hosts.py         hosts that mine: how much they carry in all, from one frame in 64
    openings.py      what a payload opens like; http_heads.py, what an HTTP head gives away
    names.py         listed names in DNS and TLS, by hash
    patterns.py      bytes that rules look for where a side or a datagram begins
    repeats.py       segments that come twice, the sign of double mirroring
    quic.py          the hello inside QUIC Initials, opened by ciphers.py
    hashing.py       keyed hashes of flows and names
    reasons.py       why a frame passes or not: a closed list
    rows.py          the records that kernels write
    area.py          memory for what does not lie in one piece in the batch
    compiled.py      how kernels are compiled and kept; compiler.py, how many become one piece of machine code
    plain.py         the same decisions, readably; the other plain_*.py are its parts
"""
