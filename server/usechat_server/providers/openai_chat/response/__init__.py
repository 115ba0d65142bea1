"""The stream of a Chat Completions call → UI message chunks."""
