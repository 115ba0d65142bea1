"""What an operator sees of the server: log lines, and the references by which to find them."""
