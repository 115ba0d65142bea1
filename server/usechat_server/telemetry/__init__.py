"""Telemetry: the log line that each run writes."""
