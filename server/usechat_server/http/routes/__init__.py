"""What the server answers to: one file a resource."""
