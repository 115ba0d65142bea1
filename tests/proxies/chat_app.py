"""The app behind the proxies."""

from usechat_server import Agent, create_app

app = create_app(Agent("claude-sonnet-5-5"))
