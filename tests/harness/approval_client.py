"""Tools that need approval, a model that calls them, and a client that sends what `useChat` does:
the whole chat as JSON in each request."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from ui_message_stream.chunks import Chunk, ToolInputAvailable, parse_chunk
from ui_message_stream.messages import TextPart, UIMessage
from ui_message_stream.reducer import reduce
from usechat_server.providers.base import ModelCall, StepResult
from usechat_server.results import Usage
from usechat_server.tools import ClientTool, FunctionTool, ToolContext, tool

from tests.harness.common import JSON
from tests.harness.live import LiveServer, chunks, text, user

__all__ = [
    "LOCATE",
    "ChatClient",
    "PlanModel",
    "PlannedCall",
    "approval_tools",
]

#: A tool's name and the input that the model gives it.
PlannedCall = tuple[str, Any]

LOCATE = ClientTool("locate", "Where the user is.", {"type": "object", "properties": {}})


def approval_tools(ran: list[tuple[str, JSON]]) -> list[FunctionTool | ClientTool]:
    """Return two tools that need approval, one that does not and a client-side tool. `ran` records
    the calls of the first two."""

    @tool(needs_approval=True)
    async def send(to: str, context: ToolContext, amount: int | float = 1, note: str = "") -> str:
        """Sends money."""
        ran.append(("send", {"to": to, "amount": amount, "note": note}))
        return f"sent to {to}"

    @tool(needs_approval=True)
    async def wipe(path: str) -> str:
        """Deletes a file."""
        ran.append(("wipe", {"path": path}))
        return f"deleted {path}"

    @tool
    async def read(path: str) -> str:
        """Reads a file."""
        return f"content of {path}"

    return [send, wipe, read, LOCATE]


class PlanModel:
    """A model that makes the tool calls which the user's message lists as JSON, for example
    `[["send", {"to": "Ann"}]]`, and then writes a text."""

    name = "plan"
    requires: frozenset[str] = frozenset()

    def __init__(self) -> None:
        #: the calls that began, in order
        self.calls: list[ModelCall] = []
        self._ids = itertools.count(1)

    def check(self, call: ModelCall) -> None:
        pass

    def stream(self, call: ModelCall) -> _Stream:
        last = call.messages[-1]
        if last.role == "assistant" or not _planned_calls(last):
            return _Stream(self, call, text("Done."), StepResult("stop"))
        batch = [
            ToolInputAvailable(tool_call_id=f"call_{next(self._ids)}", tool_name=name, input=value)
            for name, value in _planned_calls(last)
        ]
        return _Stream(self, call, [batch], StepResult("tool-calls"))

    async def aclose(self) -> None:
        pass


def _planned_calls(message: UIMessage) -> Sequence[PlannedCall]:
    """Return the tool calls that a message lists; none if a test tampered with it."""
    plan = "".join(part.text for part in message.parts if isinstance(part, TextPart))
    try:
        return [(str(name), value) for name, value in json.loads(plan)]
    except (TypeError, ValueError):
        return []


class _Stream:
    def __init__(
        self,
        model: PlanModel,
        call: ModelCall,
        batches: Sequence[Sequence[Chunk]],
        result: StepResult,
    ) -> None:
        self.result: StepResult | None = None
        self.details: dict[str, Any] = {}
        self.usage = Usage()
        self._model = model
        self._call = call
        self._batches = batches
        self._result = result

    async def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        self._model.calls.append(self._call)
        for batch in self._batches:
            yield batch
        self.result = self._result

    async def aclose(self) -> None:
        pass


@dataclass
class ChatClient:
    """One chat of one user. `messages` is what `useChat` holds."""

    server: LiveServer
    chat_id: str = "c1"
    user: str | None = "ann"
    #: release of the AI SDK; empty: the client does not name it
    client_version: str = "7.0.173"
    messages: list[JSON] = field(default_factory=list)

    def send(self, *planned: PlannedCall) -> None:
        """Send a message that makes the model call these tools, and read the response."""
        message = user(json.dumps(planned), id=f"u{len(self.messages)}")
        self.messages.append(message)
        self.receive(self.post({"messages": self.messages, "trigger": "submit-message"}))

    def decide(self, tool_name: str, approved: bool, reason: str | None = None) -> None:
        """Add a decision on the open call of a tool, as `addToolApprovalResponse` does."""
        part = self.tool_part(tool_name)
        assert part["state"] == "approval-requested"
        part["state"] = "approval-responded"
        part["approval"] |= {"approved": approved} | ({"reason": reason} if reason else {})

    def add_output(self, tool_name: str, output: Any) -> None:
        """Add the output of a call, as `addToolOutput` does."""
        self.tool_part(tool_name).update(state="output-available", output=output)

    def tool_part(self, tool_name: str) -> JSON:
        """Return the part of a tool's only call in the last message."""
        parts: list[JSON] = [
            part
            for part in self.messages[-1]["parts"]
            if part["type"] == f"tool-{tool_name}" or part.get("toolName") == tool_name
        ]
        [part] = parts
        return part

    def continuation(self) -> JSON:
        """Return the request body that continues the last message, with the whole chat."""
        return copy.deepcopy(
            {
                "id": self.chat_id,
                "messages": self.messages,
                "trigger": "submit-message",
                "messageId": self.messages[-1]["id"],
            }
        )

    def send_continuation(self) -> None:
        """Send the decisions and outputs, and read the response."""
        self.receive(self.post(self.continuation()))

    def post(self, body: Mapping[str, Any]) -> httpx.Response:
        """Send a request with any body, as this user."""
        named = {"x-usechat-client": self.client_version, "x-user": self.user}
        headers = {name: value for name, value in named.items() if value}
        return self.server.request("POST", "/api/chat", {"id": self.chat_id, **body}, headers)

    def receive(self, response: httpx.Response) -> None:
        """Update `messages` from a response, as `useChat` does."""
        assert response.status_code == 200, response.text
        stream = [parse_chunk(chunk) for chunk in chunks(response.text)]
        last = self.messages[-1]
        continued = UIMessage.from_object(last) if last["role"] == "assistant" else None
        message = reduce(stream, continued).to_object()
        if continued is not None:
            self.messages.pop()
        self.messages.append(message)
