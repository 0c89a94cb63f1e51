"""How big: from mining messages to shares, hashes, machines, watts.

    facts ──▶ tally (worker) ──Work──▶ sessions (parent) ──▶ estimates by host, algorithm and tenant ──▶ power, energy

In: facts of mining messages.  Out: sessions, estimates with their bands, rows for the history.
Never: a figure where what it rests on is not known; a share that counts twice.
"""
