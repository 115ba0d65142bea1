"""The conversation of a recording with our model, as the reference has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import httpx2
from ui_message_stream.chunks import (
    Chunk,
    FinishReason,
    FinishStep,
    StartStep,
    ToolInputAvailable,
    ToolOutputAvailable,
)
from ui_message_stream.messages import UIMessage
from ui_message_stream.reducer import Reducer
from ui_message_stream.versions import ChunkVariant, ClientVersion, VersionedChunk, downgrade
from ui_message_stream.writer import Writer
from usechat_server.errors import ModelError
from usechat_server.providers.base import Model, ModelCall
from usechat_server.tools import ClientTool

from tests.server.providers.normal_form import Chunks

__all__ = ["OUTPUT", "Conversation", "RecordedConversation", "flatten"]

#: The output of every tool of the app.
OUTPUT = "done"

#: Chunks without content.
_FRAME_TYPES = {"start", "start-step", "finish-step"}
_NEXT_MESSAGE = {"role": "user", "parts": [{"type": "text", "text": "Go on."}]}


class Conversation(Protocol):
    """A recording."""

    @property
    def responses(self) -> list[list[str]]:
        """Each response's payloads."""
        ...

    @property
    def question(self) -> dict[str, Any]:
        """A user message that the recording can be the response to."""
        ...

    @property
    def client_tools(self) -> list[str]:
        """Names of the tools that the app or the client executes."""
        ...

    def pauses_after(self, response: int) -> bool:
        """Whether a response ended because the provider wants to be called again."""
        ...


class RecordedConversation:
    """A conversation with one of our models whose provider replays a recording.

    Args:
        recording: The recording.
        client_version: The client that reads the chunks.
        path: The end of the path of the provider's requests.
        create_model: Creates the model, whose client uses this transport.
    """

    def __init__(
        self,
        recording: Conversation,
        client_version: ClientVersion,
        path: str,
        create_model: Callable[[httpx2.AsyncBaseTransport], Model],
    ) -> None:
        #: the bodies of the requests
        self.requests: list[Any] = []
        #: the chunks, in the form of `flatten` for the reference's
        self.chunks: Chunks = []
        self._recording = recording
        self._client_version = client_version
        #: the conversation so far
        self.messages = [UIMessage.from_object(recording.question)]
        self._tools = [
            ClientTool(name, name, {"type": "object"}) for name in recording.client_tools
        ]
        self._path = path
        self._model = create_model(httpx2.MockTransport(self._respond))

    async def run(self, turns: Sequence[int]) -> None:
        """Hold the conversation. `turns` has the number of responses of each turn."""
        reason = None
        for number, responses in enumerate(turns, 1):
            writer = Writer(message_id=f"answer-{number}", client_version=self._client_version)
            reducer = Reducer()
            end = len(self.requests) + responses
            while len(self.requests) < end:
                try:
                    reason = await self._step(writer, reducer)
                except ModelError:
                    self.chunks.append({"type": "error"})
                    return
            writer.finish(reason)
            next_message = {**_NEXT_MESSAGE, "id": f"more-{number}"}
            self.messages += [reducer.message, UIMessage.from_object(next_message)]
        self.chunks.append({"type": "finish", "finishReason": reason})

    async def _step(self, writer: Writer, reducer: Reducer) -> FinishReason:
        """Call the model once, and return the finish reason. Raises ModelError."""
        messages = [*self.messages, reducer.message] if reducer.message.parts else self.messages
        self._collect(writer.write(StartStep()), reducer)
        stream = self._model.stream(ModelCall(messages=messages, tools=self._tools))
        calls: list[Chunk] = []
        async for batch in stream:
            for chunk in batch:
                if isinstance(chunk, ToolInputAvailable) and not chunk.provider_executed:
                    calls.append(
                        ToolOutputAvailable(tool_call_id=chunk.tool_call_id, output=OUTPUT)
                    )
                variants = (
                    writer.write_variant(chunk)
                    if isinstance(chunk, VersionedChunk)
                    else writer.write(chunk)
                )
                self._collect(variants, reducer)
        for output in calls:
            writer.write(output)
            reducer.feed(output)
        self._collect(writer.write(FinishStep()), reducer)
        assert stream.result is not None
        if not self._recording.pauses_after(len(self.requests) - 1):
            self.chunks.append({"type": "finish-step"})
        return stream.result.finish_reason

    def _collect(self, variants: Sequence[ChunkVariant], reducer: Reducer) -> None:
        for variant in variants:
            sent = downgrade(variant, self._client_version)
            if sent is not None:
                reducer.feed(sent)
                if sent.type not in _FRAME_TYPES:
                    self.chunks.append(sent.to_object())

    def _respond(self, request: httpx2.Request) -> httpx2.Response:
        if not request.url.path.endswith(self._path):
            return httpx2.Response(404, json={})
        lines = self._recording.responses[len(self.requests)]
        self.requests.append(json.loads(request.content))
        body = "".join(f"data: {line}\n\n" for line in lines)
        return httpx2.Response(200, text=body, headers={"content-type": "text/event-stream"})


def flatten(turns: list[dict[str, Any]], recording: Conversation) -> Chunks:
    """The reference's turns as one stream: their chunks, an end after each step (unless the
    provider only paused), and the end of the last. Outputs of the app's tools are left out."""
    chunks: Chunks = []
    steps = 0
    for chunk in (chunk for turn in turns for chunk in turn["chunks"]):
        if chunk["type"] == "finish-step":
            steps += 1
            if recording.pauses_after(steps - 1):
                continue
        by_the_app = chunk.get("output") == OUTPUT and not chunk.get("providerExecuted")
        if chunk["type"] not in ("start", "start-step", "finish") and not by_the_app:
            chunks.append(chunk)
    chunks += [chunk for chunk in turns[-1]["chunks"] if chunk["type"] == "finish"]
    return chunks
