"""The app behind the proxies."""

from usechat_server import Agent, RawSSE, Text, create_app

app = create_app(Agent("claude-sonnet-5-5"), doors=[Text(), RawSSE()])
