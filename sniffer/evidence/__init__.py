"""Evidence: the packets behind an accusation, kept so that somebody else can check it.  Off unless it is asked for.

In: frames, messages and hits of flows in the worker.  Out: bundles, folders that hold everything the verdict rests on.
Never: a file written by a worker, a name that comes from the wire, a capture that waits for a disk.

    worker: witness.py ──Exhibit──▶ parent: recorder.py ──▶ store.py (bundle.py, chain.py) ──▶ verify.py, replay.py
"""
