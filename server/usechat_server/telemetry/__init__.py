"""Telemetry: the log line, the spans and the metrics of runs, and the ids of requests."""
