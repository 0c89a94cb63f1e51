"""sniffer: recognises cryptocurrency mining on a mirror port, passively."""

__version__ = "0.1.0"
