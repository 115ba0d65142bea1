"""The agent's loop over model calls and tools."""
