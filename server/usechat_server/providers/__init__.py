"""Model backends: one folder a provider, two translations each (history and events)."""
