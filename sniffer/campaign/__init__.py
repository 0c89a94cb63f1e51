"""The campaign report: how much was mined in a period, by whom, and what the sensor could not see.

In: history rows, or event lines of many sensors.  Out: a page, tables, one object (docs/report.md).
Never: a figure without its bounds; a guess in place of what is unknown.
"""
