"""Coordination of many processes over Redis."""
