"""The response of a Messages API call to UI message chunks."""
