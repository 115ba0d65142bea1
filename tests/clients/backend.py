"""The server under test: several apps, each below its own path.

A client and a tool can wait for each other through events, below `/moments`.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import Mount
from usechat_server import (
    Agent,
    ClientTool,
    Settings,
    StreamWriter,
    ToolContext,
    ToolError,
    Turn,
    create_app,
    tool,
    usage_metadata,
)
from usechat_server.approvals import Approve, Deny
from usechat_server.loop import loop as agent_loop
from usechat_server.loop.spec import AgentTool
from usechat_server.mcp import mcp_stdio
from usechat_server.providers.retry import RetryPolicy
from usechat_server.results import RunResult

import tests.harness.mcp_server
from tests.clients.moments import LONG, event_of, moments_route
from tests.clients.scenario import SECRET

__all__ = ["agent", "app"]

# Longer waits would only make the tests slower.
agent_loop.DEFAULT_RETRY = RetryPolicy(first_wait=0.02)

weather = ClientTool(
    name="weather",
    description="The weather in a city.",
    input_schema={"type": "object", "properties": {"city": {"type": "string"}}},
)
#: The model of all agents.
MODEL = os.environ.get("USECHAT_TEST_MODEL", "claude-sonnet-5-5")
agent = Agent(MODEL, tools=[weather])


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
    """Waits for the event `go`."""
    context.data("progress", {"done": 0}, id="progress")
    try:
        async with asyncio.timeout(LONG):
            await event_of("go", context.chat_id).wait()
    except asyncio.CancelledError:
        event_of("cancelled", context.chat_id).set()
        raise
    context.data("progress", {"done": 1}, id="progress")
    return "gone"


@tool(needs_approval=True)
def transfer(amount: int) -> dict[str, int]:
    """Sends money."""
    return {"sent": amount}


def _payment_policy(arguments: Mapping[str, Any], turn: Turn) -> bool | Approve | Deny:
    amount: int = arguments["amount"]
    if amount < 10:
        return Approve("It is little.")
    return Deny("It is too much.") if amount > 1000 else True


@tool(needs_approval=_payment_policy)
def pay(amount: int) -> dict[str, int]:
    """Pays."""
    return {"paid": amount}


@tool(needs_approval=True)
async def wait_allowed(context: ToolContext) -> str:
    """Waits like `wait`, once it is approved."""
    output: str = await wait(context)
    return output


def _trigger_ended(result: RunResult) -> None:
    event_of("ended", result.turn.chat_id).set()


MCP = mcp_stdio(sys.executable, str(Path(tests.harness.mcp_server.__file__)), name="testing")
LOOP_TOOLS: list[AgentTool] = [weather, forecast, archive, broken, count, wait]
APPROVAL_TOOLS: list[AgentTool] = [weather, forecast, transfer, pay, wait_allowed]
front_end_agent = Agent(MODEL, tools=[*LOOP_TOOLS, transfer, pay])
confirm = ClientTool("confirm", "Sends money if the user confirms it.", {"type": "object"})
confirming_agent = Agent(MODEL, tools=[confirm])


async def _stream_agent(turn: Turn, writer: StreamWriter) -> None:
    await writer.merge(front_end_agent.stream(turn))


async def _run_confirmed_calls(turn: Turn, writer: StreamWriter) -> None:
    """The human in the loop of the AI SDK 5: the client's output is the user's consent, which the
    tool's output replaces."""
    for call in turn.continued.last_step_calls() if turn.continued else ():
        if call.tool_name == confirm.name and call.output == "Yes":
            call.output = {"sent": call.input["amount"]}
            writer.tool_output(call.tool_call_id, call.output)
    await writer.merge(confirming_agent.stream(turn))


#: Of the apps for unmodified frontends, each with a database of its own.
STORES = Path(tempfile.mkdtemp(prefix="usechat-front-ends-"))
atexit.register(shutil.rmtree, STORES, ignore_errors=True)


def _store(name: str) -> str:
    return f"sqlite:///{STORES / name}.db"


APPS = {
    "loop": create_app(Agent(MODEL, tools=[*LOOP_TOOLS, MCP]), on_finish=_trigger_ended),
    "limited": create_app(Agent(MODEL, tools=LOOP_TOOLS, max_steps=2)),
    "asking": create_app(Agent(MODEL, tools=APPROVAL_TOOLS)),
    "asking-client": create_app(Agent(MODEL, tools=APPROVAL_TOOLS, approvals="client-tool")),
    "resumable": create_app(
        Agent(MODEL, tools=LOOP_TOOLS), settings=Settings(resume=LONG), on_finish=_trigger_ended
    ),
    "stored": create_app(front_end_agent, store=_store("stored")),
    "per-turn": create_app(agent=lambda turn: front_end_agent, store=_store("per-turn")),
    "handler": create_app(handler=_stream_agent, store=_store("handler")),
    "dated": create_app(
        Agent(
            MODEL,
            tools=LOOP_TOOLS,
            start_metadata=lambda turn: {"createdAt": 1},
            metadata=usage_metadata,
        ),
        store=_store("dated"),
    ),
    "confirming": create_app(handler=_run_confirmed_calls, store=_store("confirming")),
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
        moments_route(),
        *(Mount(f"/{path}" if path else "/", mounted) for path, mounted in APPS.items()),
    ],
    lifespan=_lifespan,
)
