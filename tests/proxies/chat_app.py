"""The app that the proxies stand in front of."""

from usechat_server import Agent, create_app

app = create_app(Agent("claude-sonnet-5-5"))
