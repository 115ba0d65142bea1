"""Apps for the tests of several processes, configured by environment variables:

- PROVIDER: base URL of the model
- TOOL_RUNS: file to which each tool appends a line when it begins and when it ends
- TOOL_GATE: a tool runs as long as this file exists
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from anthropic import AsyncAnthropic
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from usechat_server import Agent, create_app
from usechat_server.app import ChatApp
from usechat_server.tools import ToolContext, tool

from tests.harness.live import ScriptedModel

__all__ = ["agent", "chat", "plain"]

agent = Agent(ScriptedModel())


async def _pid(request: Request) -> Response:
    return PlainTextResponse(str(os.getpid()))


#: Responds with the id of its process.
plain = Starlette(routes=[Route("/", _pid)])


def _run(name: str, context: ToolContext) -> str:
    runs, gate = Path(os.environ["TOOL_RUNS"]), Path(os.environ["TOOL_GATE"])
    _write(runs, f"{name} {context.tool_call_id} begins")
    while gate.exists() and not context.cancelled:
        time.sleep(0.02)
    _write(runs, f"{name} {context.tool_call_id} ends")
    return f"{name} done"


def _write(runs: Path, line: str) -> None:
    with runs.open("a") as file:
        file.write(f"{line}\n")


@tool
def charge(amount: int, context: ToolContext) -> str:
    """Charge the customer."""
    return _run("charge", context)


@tool(idempotent=True)
def look(city: str, context: ToolContext) -> str:
    """Look up the weather."""
    return _run("look", context)


def chat() -> ChatApp:
    """Return an app of Claude with a tool that must not run twice and one that may."""
    client = AsyncAnthropic(base_url=os.environ["PROVIDER"], api_key="any", max_retries=0)
    return create_app(Agent("claude-sonnet-5-5", client=client, tools=[charge, look]))
