"""Chats that the server keeps: messages, approvals and what each turn cost."""
