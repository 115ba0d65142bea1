"""Tools called as the agent's loop calls them."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from ui_message_stream.chunks import Data
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION
from usechat_server.tools import FunctionTool, ToolContext, ToolOutput
from usechat_server.turn import Turn

__all__ = ["TURN", "Calls", "outputs"]

TURN = Turn(
    user="ann",
    chat_id="chat-1",
    client_version=DEFAULT_CLIENT_VERSION,
    messages=[UIMessage(id="u1", role="user", parts=[])],
    message_id="a1",
)


class Calls:
    """Calls of tools in one chat, and what they wrote meanwhile."""

    def __init__(self) -> None:
        self.written: list[Data] = []
        self.seen: list[ToolOutput] = []

    def context(self) -> ToolContext:
        return ToolContext(TURN, "call-1", self.written.append)

    async def run(self, tool: FunctionTool, **given: Any) -> Any:
        """The output of a call. Raises what the tool does."""
        self.seen = []
        async with aclosing(tool.run(tool.parse(given), self.context())) as made:
            async for output in made:
                self.seen.append(output)
        assert [output.preliminary for output in self.seen[-1:]] == [False]
        return self.seen[-1].value


async def outputs(tool: FunctionTool, **given: Any) -> list[Any]:
    """All outputs of a call, in order."""
    calls = Calls()
    await calls.run(tool, **given)
    return [output.value for output in calls.seen]
