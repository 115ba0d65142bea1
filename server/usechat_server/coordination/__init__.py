"""Coordination of runs: which process owns the run of a chat, and how others read it."""
