"""Requests, responses and routes."""
