"""The server under test, as `usechat-server serve clients.backend:app` runs it: several apps, each
below a path of its own, and moments on which a page and a tool can wait for each other."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from usechat_server import (
    Agent,
    ClientTool,
    Settings,
    ToolContext,
    ToolError,
    Turn,
    create_app,
    tool,
)
from usechat_server.approvals import Approve, Deny
from usechat_server.loop.spec import AgentTool
from usechat_server.mcp import mcp_stdio
from usechat_server.results import RunResult
from usechat_server.runs import RetryPolicy, responder_factory

import tests.harness.mcp_server
from tests.clients.scenario import SECRET

__all__ = ["agent", "app"]

# Nobody is served better when the tests wait longer.
responder_factory._RETRY = RetryPolicy(first_wait=0.02)

#: Seconds that nothing takes unless it is broken.
LONG = 20.0

weather = ClientTool(
    name="weather",
    description="The weather in a city, as the page knows it.",
    input_schema={"type": "object", "properties": {"city": {"type": "string"}}},
)
agent = Agent("claude-sonnet-5-5", tools=[weather])


_moments: dict[tuple[str, str], asyncio.Event] = {}


def moment(name: str, chat: str) -> asyncio.Event:
    """Something that happens in a chat once."""
    return _moments.setdefault((name, chat), asyncio.Event())


async def _moment(request: Request) -> Response:
    """POST: it happens now. GET: answers when it has happened."""
    event = moment(**request.path_params)
    if request.method == "POST":
        event.set()
    async with asyncio.timeout(LONG):
        await event.wait()
    return PlainTextResponse("ok")


class Forecast(BaseModel):
    city: str
    degrees: int


@tool(title="Forecast", tool_metadata={"source": "test"})
def forecast(city: str) -> Forecast:
    """The forecast for a city."""
    return Forecast(city=city, degrees=21)


@tool
def archive(city: str) -> str:
    """The weather of last year."""
    raise ToolError(f"There is no archive of {city}.")


@tool
def broken(city: str) -> str:
    """Always fails."""
    raise RuntimeError(f"{SECRET}: no route to {city}")


@tool
async def count(upto: int) -> AsyncIterator[dict[str, int]]:
    """Counts."""
    for number in range(1, upto + 1):
        yield {"counted": number}


@tool
async def wait(context: ToolContext) -> str:
    """Waits until the page says go."""
    context.data("progress", {"done": 0}, id="progress")
    try:
        async with asyncio.timeout(LONG):
            await moment("go", context.chat_id).wait()
    except asyncio.CancelledError:
        moment("cancelled", context.chat_id).set()
        raise
    context.data("progress", {"done": 1}, id="progress")
    return "gone"


@tool(needs_approval=True)
def transfer(amount: int) -> dict[str, int]:
    """Sends money."""
    return {"sent": amount}


def _rule(arguments: Mapping[str, Any], turn: Turn) -> bool | Approve | Deny:
    amount: int = arguments["amount"]
    if amount < 10:
        return Approve("It is little.")
    return Deny("It is too much.") if amount > 1000 else True


@tool(needs_approval=_rule)
def pay(amount: int) -> dict[str, int]:
    """Pays."""
    return {"paid": amount}


@tool(needs_approval=True)
async def wait_allowed(context: ToolContext) -> str:
    """Waits, once a person has allowed it."""
    said: str = await wait(context)
    return said


def _finished(answer: RunResult) -> None:
    moment("ended", answer.turn.chat_id).set()


MODEL = "claude-sonnet-5-5"
MCP = mcp_stdio(sys.executable, str(Path(tests.harness.mcp_server.__file__)), name="testing")
LOOP: list[AgentTool] = [weather, forecast, archive, broken, count, wait]
ASKING: list[AgentTool] = [weather, forecast, transfer, pay, wait_allowed]
APPS = {
    "loop": create_app(Agent(MODEL, tools=[*LOOP, MCP]), on_finish=_finished),
    "limited": create_app(Agent(MODEL, tools=LOOP, max_steps=2)),
    "asking": create_app(Agent(MODEL, tools=ASKING)),
    "asking-page": create_app(Agent(MODEL, tools=ASKING, approvals="client-tool")),
    "resumable": create_app(
        Agent(MODEL, tools=LOOP), settings=Settings(resume=LONG), on_finish=_finished
    ),
    "": create_app(agent),
}


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for mounted in APPS.values():
            await stack.enter_async_context(mounted.lifespan(app))
        yield


app = Starlette(
    routes=[
        Route("/moments/{name}/{chat}", _moment, methods=["GET", "POST"]),
        *(Mount(f"/{path}" if path else "/", mounted) for path, mounted in APPS.items()),
    ],
    lifespan=_lifespan,
)
