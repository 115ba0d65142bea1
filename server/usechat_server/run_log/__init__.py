"""Where a run's chunks live."""
