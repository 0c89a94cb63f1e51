"""Sinks: what leaves the sensor: event lines, per-host counts, metrics."""
