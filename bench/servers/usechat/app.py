"""usechat-server, as its README writes it."""

from usechat_server import Agent, create_app
from usechat_server.tools import ClientTool

SCHEMA = {"type": "object", "properties": {"body": {}}, "required": ["body"]}
app = create_app(
    Agent("claude-sonnet-4-5", max_tokens=4096, tools=[ClientTool("write", "Writes.", SCHEMA)])
)
