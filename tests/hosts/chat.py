"""A chat with Claude, as an app defines it."""

from usechat_server import Agent, create_app

app = create_app(Agent("claude-sonnet-5-5", max_tokens=100))
