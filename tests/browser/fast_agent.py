"""The demo agent with a faster model: quick enough for tests, slow enough to watch it stream."""

from usechat_server import Agent
from usechat_server.demo import demo_agent
from usechat_server.providers.demo import DemoModel


def agent() -> Agent:
    return demo_agent(DemoModel(pace=0.3))
