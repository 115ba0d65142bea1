"""The AI SDK's UI message stream protocol, without I/O."""
