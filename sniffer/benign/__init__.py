"""Traffic that a careless detector would take for mining: nobody in it may be accused.

In: nothing.  Out: conversations, as data (``*.yaml``) and as bytes (:mod:`sniffer.benign.corpus`).
Never: a capture of somebody's traffic; everything here is made up or taken from a specification.
"""
