"""UI messages to the request of a Messages API call."""
