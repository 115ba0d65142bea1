"""pydantic-ai's adapter, as its documentation mounts it, with the tools of the suite."""

from pydantic_ai import Agent, DeferredToolRequests, ToolReturn
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import ExternalToolset
from pydantic_ai.ui.vercel_ai import VercelAIAdapter
from pydantic_ai.ui.vercel_ai.response_types import DataChunk
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

SCHEMA = {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}
agent = Agent(
    AnthropicModel("claude-sonnet-4-5"),
    output_type=[str, DeferredToolRequests],
    toolsets=[
        ExternalToolset([ToolDefinition(name="browser_time", parameters_json_schema=SCHEMA)])
    ],
)


@agent.tool_plain
def look_up(word: str) -> str:
    return f"{word}: a word"


@agent.tool_plain
def forget(word: str) -> None:
    return None


@agent.tool_plain
def fail(word: str) -> str:
    raise RuntimeError(f"conformance-secret: {word}")


@agent.tool_plain
def report(word: str) -> ToolReturn:
    return ToolReturn(word, metadata=[DataChunk(type="data-word", id="word", data={"word": word})])


@agent.tool_plain(requires_approval=True)
def send_postcard(to: str) -> str:
    return f"sent to {to}"


async def chat(request: Request) -> Response:
    return await VercelAIAdapter.dispatch_request(request, agent=agent, sdk_version=6)


app = Starlette(routes=[Route("/api/chat", chat, methods=["POST"])])
