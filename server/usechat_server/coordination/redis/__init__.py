"""Many processes over Redis: whose turn a chat's run is, and its log where all of them read it."""
