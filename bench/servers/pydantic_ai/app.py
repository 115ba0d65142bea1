"""pydantic-ai's adapter, as its documentation mounts it."""

from pydantic_ai import Agent, DeferredToolRequests
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import ExternalToolset
from pydantic_ai.ui.vercel_ai import VercelAIAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

SCHEMA = {"type": "object", "properties": {"body": {}}, "required": ["body"]}
agent = Agent(
    AnthropicModel("claude-sonnet-4-5"),
    output_type=[str, DeferredToolRequests],
    toolsets=[ExternalToolset([ToolDefinition(name="write", parameters_json_schema=SCHEMA)])],
)


async def chat(request: Request) -> Response:
    return await VercelAIAdapter.dispatch_request(request, agent=agent)


app = Starlette(routes=[Route("/api/chat", chat, methods=["POST"])])
