"""The Python backend for React's useChat."""
