"""UI messages → the request of a Chat Completions call."""
