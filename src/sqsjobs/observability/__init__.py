"""Readers of the events: log lines, metrics, and the health of a process."""
