"""Run tools as the agent loop does, without a model."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from ui_message_stream.chunks import Data
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION
from usechat_server.tools import FunctionTool, ToolContext, ToolOutput
from usechat_server.turn import Turn

__all__ = ["TURN", "ToolRunner", "tool_outputs"]

TURN = Turn(
    user="ann",
    chat_id="chat-1",
    client_version=DEFAULT_CLIENT_VERSION,
    messages=[UIMessage(id="u1", role="user", parts=[])],
    message_id="a1",
)


class ToolRunner:
    """Runs tools one after another and records what they write."""

    def __init__(self, turn: Turn = TURN) -> None:
        self.turn = turn
        #: the data parts of all calls
        self.data: list[Data] = []
        #: the outputs of the last call, preliminary ones included
        self.outputs: list[ToolOutput] = []

    def context(self) -> ToolContext:
        return ToolContext(self.turn, "call-1", self.data.append, idempotency_key="key-1")

    async def run(self, tool: FunctionTool, **arguments: Any) -> Any:
        """Return the final output of a call. Raises what the tool raises."""
        self.outputs = []
        async with aclosing(tool.run(tool.parse(arguments), self.context())) as outputs:
            async for output in outputs:
                self.outputs.append(output)
        assert [output.preliminary for output in self.outputs[-1:]] == [False]
        return self.outputs[-1].value


async def tool_outputs(tool: FunctionTool, **arguments: Any) -> list[Any]:
    """Return all outputs of a call, in order."""
    runner = ToolRunner()
    await runner.run(tool, **arguments)
    return [output.value for output in runner.outputs]
