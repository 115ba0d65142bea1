"""A tab of a browser that shows a chat as useChat with `resume: true` does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

import httpx
import msgspec
from ui_message_stream.messages import Part, ToolPart, UIMessage

from tests.faults import plan
from tests.faults.deployment import Process
from tests.faults.model import open_calls, output_of
from tests.faults.stream import Stream

__all__ = ["TabClient"]

#: Seconds after which a request is sent again that did not succeed.
RETRY_SECONDS = 0.2


class TabClient:
    """The client. It reloads the chat after an error, until the response has ended."""

    def __init__(
        self,
        chat: str,
        tab: plan.Tab,
        choose_process: Callable[[], Process],
        on_chunk: Callable[[dict[str, Any]], None],
    ) -> None:
        """Create a tab that is not open yet.

        Args:
            chat: The chat.
            tab: What its user does.
            choose_process: Returns the process that the next request is sent to.
            on_chunk: Called with each chunk that it is shown.
        """
        self.chat = chat
        self.plan = tab
        self.streams: list[Stream] = []
        #: the processes that its requests were sent to
        self.processes: set[str] = set()
        #: statuses of requests for the chat that failed; 0: there was no response
        self.failed_loads: list[tuple[float, int]] = []
        #: what it got when it asked for a stream to resume, before there was one
        self.mounted: Stream | None = None
        #: the chat as it was loaded last
        self.loaded: Any = None
        #: the messages that it has sent with outputs and decisions
        self.resolved: list[UIMessage] = []
        self._choose_process = choose_process
        self._on_chunk = on_chunk
        self._received = 0

    @property
    def shows_error(self) -> bool:
        """Whether the client shows an error, or that the response was interrupted."""
        return any(stream.shows_error for stream in self.streams)

    async def converse(self, text: str, message_id: str, answer_seconds: float) -> None:
        """Send a question, and answer what the response waits for, some time after it was asked."""
        await self.ask(text, message_id)
        while (message := self._message()) is not None and open_calls(message):
            await asyncio.sleep(answer_seconds)
            await self._continue(message)

    async def ask(self, text: str, message_id: str) -> None:
        """Send a question, as often as it takes, and read the response to its end. First, the tab
        asks for a stream to resume, as it does whenever it is opened."""
        self.mounted = await self._stream("GET", f"/api/chat/{self.chat}/stream")
        self.streams.clear()
        parts = [{"type": "text", "text": text}]
        message = {"id": message_id, "role": "user", "parts": parts}
        body = {
            "id": self.chat,
            "message": message,
            "trigger": "submit-message",
            "messageId": message_id,
        }
        while True:
            stream = await self._stream("POST", "/api/chat", body)
            if stream.status == 200 or await self._knows(message_id):
                break
            await asyncio.sleep(RETRY_SECONDS)
        if not stream.has_good_end:
            await self.follow()

    async def follow(self) -> None:
        """Load the chat and read the stream until the response has ended."""
        while True:
            self.loaded = await self.load(resume=True)
            if self.loaded is not None and not self.loaded["activeRunId"]:
                return
            stream = await self._stream("GET", f"/api/chat/{self.chat}/stream")
            if stream.has_good_end:
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def load(self, *, resume: bool = False) -> Any:
        """Return the stored chat; None if it does not exist. Sent as often as it takes."""
        while True:
            status = 0
            with suppress(httpx.HTTPError):
                async with self._client() as client:
                    url = self._url(self._connect(), f"/api/chat/{self.chat}")
                    response = await client.get(url, params={"resume": "1"} if resume else None)
                status = response.status_code
                if status == 200:
                    return response.json()
                if status == 404:
                    return None
            self.failed_loads.append((monotonic(), status))
            await asyncio.sleep(RETRY_SECONDS)

    def _message(self) -> UIMessage | None:
        """Return the response as it is shown when it has ended; None: there is none."""
        if self.streams[-1].has_good_end:
            return self.streams[-1].message()
        last = self.loaded["messages"][-1]
        return UIMessage.from_object(last) if last["role"] == "assistant" else None

    async def _continue(self, message: UIMessage) -> None:
        """Send the outputs and decisions that a response waits for, as often as it takes, and read
        the rest of the response."""
        calls = open_calls(message)
        parts: list[Part] = [
            _resolve(part) if isinstance(part, ToolPart) and part in calls else part
            for part in message.parts
        ]
        message = msgspec.structs.replace(message, parts=parts)
        self.resolved.append(message)
        body = {
            "id": self.chat,
            "message": message.to_object(),
            "trigger": "submit-message",
            "messageId": message.id,
        }
        while True:
            stream = await self._stream("POST", "/api/chat", body, continued=message)
            if stream.status == 200 or not await self._waits():
                break
            await asyncio.sleep(RETRY_SECONDS)
        if not stream.has_good_end:
            await self.follow()

    async def _waits(self) -> bool:
        """Whether the response still waits for the client or the user."""
        chat = await self.load()
        return bool(open_calls(UIMessage.from_object(chat["messages"][-1])))

    async def _knows(self, message_id: str) -> bool:
        """Whether the chat contains a message."""
        chat = await self.load()
        return chat is not None and any(each["id"] == message_id for each in chat["messages"])

    async def _stream(
        self, method: str, path: str, body: Any = None, continued: UIMessage | None = None
    ) -> Stream:
        """Read a response until it ends, the connection is lost, or the user reloads the tab."""
        process = self._connect()
        stream = Stream(method, process.name, monotonic(), continued=continued)
        self.streams.append(stream)
        with suppress(httpx.HTTPError):
            async with (
                self._client() as client,
                client.stream(method, self._url(process, path), json=body) as response,
            ):
                stream.status = response.status_code
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    stream.text = (await response.aread()).decode()
                else:
                    await self._read(stream, response)
        stream.ended = monotonic()
        return stream

    async def _read(self, stream: Stream, response: httpx.Response) -> None:
        async for line in response.aiter_lines():
            if line == "data: [DONE]":
                stream.is_complete = True
            elif line.startswith("data: "):
                chunk = json.loads(line.removeprefix("data: "))
                stream.chunks.append(chunk)
                stream.times.append(monotonic())
                self._on_chunk(chunk)
                if (reload := self.plan.reloads) and chunk["type"] == reload.chunk_type:
                    self._received += 1
                    if self._received == reload.count:
                        return

    def _connect(self) -> Process:
        process = self._choose_process()
        self.processes.add(process.name)
        return process

    def _url(self, process: Process, path: str) -> str:
        return f"http://127.0.0.1:{process.client.port}{path}"

    def _client(self) -> httpx.AsyncClient:
        headers = {"x-usechat-client": self.plan.client_version, "connection": "close"}
        return httpx.AsyncClient(trust_env=False, timeout=None, headers=headers)


def _resolve(call: ToolPart) -> ToolPart:
    """Return a call with the client's output, or the user's approval."""
    if call.approval is None:
        return msgspec.structs.replace(
            call, state="output-available", output=output_of(call.tool_name)
        )
    approval = msgspec.structs.replace(call.approval, approved=True)
    return msgspec.structs.replace(call, state="approval-responded", approval=approval)
