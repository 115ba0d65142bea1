"""An app whose tools wait for a person, and a page that answers as `useChat` does: with the whole
chat, as JSON, in the body of each request."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.requests import Request
from ui_message_stream.chunks import Chunk, ToolInputAvailable, parse_chunk
from ui_message_stream.messages import TextPart, UIMessage
from ui_message_stream.reducer import reduce
from usechat_server.providers.base import ModelCall, StepResult
from usechat_server.results import Usage
from usechat_server.tools import ClientTool, FunctionTool, ToolContext, tool

from tests.harness.live import LiveServer, chunks, text, user

__all__ = ["LOCATE", "Page", "Planned", "Planner", "tools_that_ask", "who"]

JSON = dict[str, Any]
#: A tool's name, and the input that the model gives it.
Planned = tuple[str, Any]

LOCATE = ClientTool("locate", "Where the person is.", {"type": "object", "properties": {}})


async def who(request: Request) -> str | None:
    """The user of a request: what a header says."""
    return request.headers.get("x-user")


def tools_that_ask(ran: list[tuple[str, JSON]]) -> list[FunctionTool | ClientTool]:
    """Two tools that need approval, one that does not, one of the page's. What runs is noted."""

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


class Planner:
    """A model that answers a person with tool calls, the tools' outputs with a text.

    What it calls is what the person's message says, as JSON: `[["send", {"to": "Ann"}]]`.
    """

    name = "planner"
    requires: frozenset[str] = frozenset()

    def __init__(self) -> None:
        #: what it was asked
        self.calls: list[ModelCall] = []
        self._ids = itertools.count(1)

    def check(self, call: ModelCall) -> None:
        pass

    def stream(self, call: ModelCall) -> _Stream:
        last = call.messages[-1]
        if last.role == "assistant" or not _plan(last):
            return _Stream(self, call, text("Done."), StepResult("stop"))
        planned = [
            ToolInputAvailable(tool_call_id=f"call_{next(self._ids)}", tool_name=name, input=value)
            for name, value in _plan(last)
        ]
        return _Stream(self, call, [planned], StepResult("tool-calls"))

    async def aclose(self) -> None:
        pass


def _plan(message: UIMessage) -> Sequence[Planned]:
    """What a message says to do; nothing if it was tampered with."""
    said = "".join(part.text for part in message.parts if isinstance(part, TextPart))
    try:
        return [(str(name), value) for name, value in json.loads(said)]
    except (TypeError, ValueError):
        return []


class _Stream:
    def __init__(
        self,
        model: Planner,
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
        self._end = result

    async def __aiter__(self) -> Any:
        self._model.calls.append(self._call)
        for batch in self._batches:
            yield batch
        self.result = self._end

    async def aclose(self) -> None:
        pass


@dataclass
class Page:
    """One chat of one person. `messages` is what `useChat` holds."""

    server: LiveServer
    chat_id: str = "c1"
    user: str | None = "ann"
    #: the release of the client
    client_version: str = "7.0.173"
    messages: list[JSON] = field(default_factory=list)

    def ask(self, *planned: Planned) -> None:
        """The person writes, and reads the answer."""
        said = user(json.dumps(planned), id=f"u{len(self.messages)}")
        self.messages.append(said)
        self.read(self.post({"messages": self.messages, "trigger": "submit-message"}))

    def answer(self, call: str, approved: bool, reason: str | None = None) -> None:
        """`addToolApprovalResponse`, for the open call of that tool."""
        part = self.call(call)
        assert part["state"] == "approval-requested"
        part["state"] = "approval-responded"
        part["approval"] |= {"approved": approved} | ({"reason": reason} if reason else {})

    def output(self, call: str, output: Any) -> None:
        """`addToolOutput`."""
        self.call(call).update(state="output-available", output=output)

    def call(self, tool_name: str) -> JSON:
        """The tool part of the last message."""
        found: list[JSON] = [
            part
            for part in self.messages[-1]["parts"]
            if part["type"] == f"tool-{tool_name}" or part.get("toolName") == tool_name
        ]
        [part] = found
        return part

    def body(self) -> JSON:
        """What a continuation sends: the answers that were given, in the whole chat."""
        return copy.deepcopy(
            {
                "id": self.chat_id,
                "messages": self.messages,
                "trigger": "submit-message",
                "messageId": self.messages[-1]["id"],
            }
        )

    def go_on(self) -> None:
        """Sends the answers and reads what comes of them."""
        self.read(self.post(self.body()))

    def post(self, body: Mapping[str, Any]) -> httpx.Response:
        """A request with any body, as this person."""
        headers = {"x-usechat-client": self.client_version} | (
            {"x-user": self.user} if self.user else {}
        )
        return self.server.request("POST", "/api/chat", {"id": self.chat_id, **body}, headers)

    def read(self, response: httpx.Response) -> None:
        """What the page makes of an answer."""
        assert response.status_code == 200, response.text
        stream = [parse_chunk(one) for one in chunks(response.text)]
        last = self.messages[-1]
        before = UIMessage.from_object(last) if last["role"] == "assistant" else None
        message = reduce(stream, before).to_object()
        if before is not None:
            self.messages.pop()
        self.messages.append(message)
