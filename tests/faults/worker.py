"""The apps that the processes of a fault test serve, configured by environment variables:

- FAULT_SLOT: the name of the process
- FAULT_PROVIDER: base URL of the model
- FAULT_LEDGER: the file to which each tool appends a line when it begins and when it ends
- USECHAT_FAULT_MUTATION: what the server does without; see `mutations`
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal

from usechat_server import Agent, ClientTool, StreamWriter, Turn, create_app
from usechat_server.app import ChatApp
from usechat_server.tools import ToolContext, tool

from tests.faults import mutations
from tests.faults.model import HELLO, PACE, message_text, output_of

__all__ = ["agent_app", "handler_app"]

TOOL_SECONDS = 0.4


async def _run(name: str, context: ToolContext) -> str:
    _write(f"{name} {context.chat_id} begins")
    await asyncio.sleep(TOOL_SECONDS)
    _write(f"{name} {context.chat_id} ends")
    return output_of(name)


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


@tool(needs_approval=True)
async def refund(amount: int, context: ToolContext) -> str:
    """Pay the customer back: a side effect, which must happen once, and only if approved."""
    return await _run("refund", context)


choose = ClientTool("choose", "Let the user choose a seat.", {"type": "object", "properties": {}})


def agent_app() -> ChatApp:
    """Return an app with an agent. Clients that know no approvals get one without `refund`."""
    # Its import takes longer than the start of the rest, and a handler needs none.
    from anthropic import AsyncAnthropic

    _prepare()
    client = AsyncAnthropic(base_url=os.environ["FAULT_PROVIDER"], api_key="any")
    old = Agent("claude-sonnet-5-5", client=client, tools=[charge, look, choose])
    new = Agent("claude-sonnet-5-5", client=client, tools=[charge, look, choose, refund])

    def choose_agent(turn: Turn) -> Agent:
        return new if turn.client_version.major > 5 else old

    return create_app(agent=choose_agent)


def handler_app() -> ChatApp:
    """Return an app with a handler, which writes the pieces of text that the question asks for."""
    _prepare()

    async def write_pieces(turn: Turn, writer: StreamWriter) -> None:
        _, _, word = message_text(turn.messages[-1]).partition(" ")
        if word == HELLO:
            writer.text("Hello.")
            return
        for number in range(int(word)):
            writer.text(f"a{number}.1 ")
            await asyncio.sleep(PACE)

    return create_app(handler=write_pieces)


def _prepare() -> None:
    faulthandler.register(signal.SIGUSR1)  # for a process that does not end
    if name := os.environ.get("USECHAT_FAULT_MUTATION"):
        mutations.apply(name)
