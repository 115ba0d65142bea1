"""What every provider's translation of the history needs: UI messages → parts of a request."""
