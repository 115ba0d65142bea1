"""The response of a Messages API call → UI message chunks."""
