"""UI messages → the request of a Messages API call."""
