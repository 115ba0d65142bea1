"""What `usechat-server serve` adds to uvicorn, and its worker processes."""
