"""The demo at a pace at which tests do not have to wait, and can still watch."""

from usechat_server import Agent
from usechat_server.demo import demo_agent
from usechat_server.providers.demo import DemoModel


def agent() -> Agent:
    return demo_agent(DemoModel(pace=0.3))
