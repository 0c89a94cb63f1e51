"""Ordered streams out of the TCP packets that the gate passes.

``stream.py`` puts one direction in order; ``table.py`` keeps the flows, bounded in number and in bytes.
In: packets.  Out: chunks.  Never: protocols, names, rules.
"""
