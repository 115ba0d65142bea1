"""The log of a run: its chunks, as any number of readers follow them."""
