"""Where frames come from: capture files, a kernel ring, a replay.

In: a file or an interface.  Out: batches.  Never: a look inside a frame; that is the gate's.
"""
