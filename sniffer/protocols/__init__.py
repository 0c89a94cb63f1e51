"""What is said on the wire: one file a protocol, no I/O."""
