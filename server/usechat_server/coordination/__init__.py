"""Which process owns which run: the interface, in memory, and over Redis."""
