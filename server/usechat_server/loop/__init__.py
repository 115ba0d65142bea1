"""The agent loop: model calls, the tools that they call, and the next model call."""
