"""The app that each process of a fault test serves, configured by environment variables:

- FAULT_SLOT: the name of the process
- FAULT_PROVIDER: base URL of the model
- FAULT_LEDGER: the file to which each tool appends a line when it begins and when it ends
- USECHAT_FAULT_MUTATION: what the server does without; see `mutations`
"""

from __future__ import annotations

import asyncio
import os

from anthropic import AsyncAnthropic
from usechat_server import Agent, create_app
from usechat_server.app import ChatApp
from usechat_server.tools import ToolContext, tool

from tests.faults import mutations

__all__ = ["chat"]

TOOL_SECONDS = 0.4


async def _run(name: str, context: ToolContext) -> str:
    _write(f"{name} {context.chat_id} begins")
    await asyncio.sleep(TOOL_SECONDS)
    _write(f"{name} {context.chat_id} ends")
    return f"{name} done"


def _write(line: str) -> None:
    with open(os.environ["FAULT_LEDGER"], "a") as ledger:  # noqa: PTH123
        ledger.write(f"{line} {os.environ['FAULT_SLOT']}\n")


@tool
async def charge(amount: int, context: ToolContext) -> str:
    """Charge the customer: a side effect, which must not happen twice."""
    return await _run("charge", context)


@tool(idempotent=True)
async def look(city: str, context: ToolContext) -> str:
    """Look up the weather, which may happen twice."""
    return await _run("look", context)


def chat() -> ChatApp:
    """Return the app."""
    if name := os.environ.get("USECHAT_FAULT_MUTATION"):
        mutations.apply(name)
    client = AsyncAnthropic(base_url=os.environ["FAULT_PROVIDER"], api_key="any")
    return create_app(Agent("claude-sonnet-5-5", client=client, tools=[charge, look]))
