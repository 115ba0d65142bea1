"""RawSSE: events of plain JSON, for clients without the AI SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from ui_message_stream import chunks as c
from ui_message_stream import json_codec
from ui_message_stream.errors import json_type
from ui_message_stream.sse import DONE
from ui_message_stream.versions import ChunkVariant, ClientVersion, downgrade

from usechat_server.chat_request import ChatRequest, parse_object
from usechat_server.doors.base import PLAIN_CLIENT, Door, question_request
from usechat_server.doors.text import OpenCalls
from usechat_server.doors.text_blocks import TextBlocks
from usechat_server.errors import InvalidRequest
from usechat_server.request_limits import check_chat_id
from usechat_server.run_log.encoding import Encoding
from usechat_server.settings import Settings

__all__ = ["CHAT_HEADER", "EventStream", "RawSSE"]

#: The id of the chat, in requests and responses.
CHAT_HEADER = "x-chat-id"

_UNRESOLVED = "The response needs something that this client cannot do."
_HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}


@dataclass(frozen=True)
class RawSSE(Door):
    """`POST /api/sse`, for a client of one's own: `{"message": "…"}` in, events of JSON out. GET
    goes on with the response, for `EventSource` too.

        app = create_app(agent, doors=[RawSSE()])

    The header `x-chat-id` names the chat; without it, the response has the id of a new one.

    Args:
        path: The path of the route, below the prefix.
    """

    path: str = "/sse"

    has_chat = True
    can_resume = True

    def parse(self, request: Request, body: bytes, settings: Settings) -> ChatRequest:
        fields = parse_object(body, settings)
        message = fields.pop("message", None)
        if not isinstance(message, str):
            got = "nothing" if message is None else json_type(message)
            raise InvalidRequest(f"message: expected a string, got {got}")
        chat_id = request.headers.get(CHAT_HEADER)
        if chat_id is not None:
            check_chat_id(chat_id)
        return question_request(message, fields, chat_id)

    def encoding(self, request: Request, client_version: ClientVersion, chat_id: str) -> Encoding:
        # `EventSource` always says so. A line beside `data:` disturbs who splits at blank lines.
        has_ids = "text/event-stream" in request.headers.get("accept", "")
        # A client that comes back knows the id, which in a query may have any character.
        begins = request.method == "POST"
        return EventStream(client_version, chat_id=chat_id if begins else None, has_ids=has_ids)

    def chat_id(self, request: Request) -> str:
        """Return the chat whose response a GET goes on with.

        Args:
            request: The request.

        Raises:
            InvalidRequest: It names none.
        """
        chat_id = request.headers.get(CHAT_HEADER) or request.query_params.get("chat")
        if not chat_id:
            raise InvalidRequest(f"expected the id of a chat, in {CHAT_HEADER} or ?chat=")
        check_chat_id(chat_id)
        return chat_id


class EventStream:
    """One event of JSON for each thing that happens, then `[DONE]`. See `Encoding`.

    Each event is one line of data, and there are no comments, so that a client may split the stream
    at blank lines. A blank event keeps the connection alive: parsers of the standard do not
    dispatch it.
    """

    opening = b""
    keep_alive = b"\n\n"
    is_broken = False

    def __init__(
        self,
        client_version: ClientVersion = PLAIN_CLIENT,
        *,
        chat_id: str | None = None,
        has_ids: bool = False,
    ) -> None:
        """Create the encoding of one response.

        Args:
            client_version: What the events are made of.
            chat_id: The id of the chat, if it has one.
            has_ids: Whether events have ids, with which a client can come back.
        """
        self.client_version = client_version
        self.headers: Mapping[str, str] = (
            _HEADERS if chat_id is None else {**_HEADERS, CHAT_HEADER: chat_id}
        )
        self.cursor: str | None = "" if has_ids else None
        self._blocks = TextBlocks("\n\n")
        self._calls = OpenCalls()
        self._tool_names: dict[str, str] = {}

    def encode(self, chunks: Sequence[ChunkVariant]) -> bytes:
        frames: list[bytes] = []
        for variant in chunks:
            chunk = downgrade(variant, self.client_version)
            if isinstance(chunk, c.Finish) and isinstance(variant, c.Finish):
                chunk = variant  # old releases of the AI SDK know no reason
            if chunk is not None and (event := self._event(chunk)) is not None:
                frames.append(self._frame(event))
        return b"".join(frames)

    def end(self) -> bytes:
        return DONE

    def _frame(self, event: dict[str, Any]) -> bytes:
        data = b"data: %b\n\n" % json_codec.encode(event)
        return b"id: %b\n%b" % (self.cursor.encode(), data) if self.cursor else data

    def _event(self, chunk: c.Chunk) -> dict[str, Any] | None:
        """Return the event of a chunk; None: it has none."""
        if isinstance(chunk, c.TextDelta | c.TextStart | c.TextEnd):
            text = self._blocks.read(chunk)
            return {"type": "text", "value": text} if text else None
        if self._calls.are_left_by(chunk):
            text = chunk.error_text if isinstance(chunk, c.Error) else _UNRESOLVED
            return {"type": "error", "message": text}
        match chunk:
            case c.Start():
                return {"type": "start", "id": chunk.message_id}
            case c.ReasoningDelta():
                return {"type": "reasoning", "value": chunk.delta}
            case c.ToolInputStart():
                self._tool_names[chunk.tool_call_id] = chunk.tool_name
            case c.ToolInputAvailable():
                self._tool_names[chunk.tool_call_id] = chunk.tool_name
                return {"type": "tool_call", **self._call(chunk.tool_call_id), "input": chunk.input}
            case c.ToolOutputAvailable():
                call = self._call(chunk.tool_call_id)
                return {"type": "tool_result", **call, "output": chunk.output}
            case c.ToolOutputError() | c.ToolInputError():
                call = self._call(chunk.tool_call_id)
                return {"type": "tool_result", **call, "error": chunk.error_text}
            case c.SourceUrl():
                return {"type": "source", "url": chunk.url, "title": chunk.title}
            case c.File():
                return {"type": "file", "url": chunk.url, "mediaType": chunk.media_type}
            case c.Data():
                return {"type": "data", "name": chunk.name, "value": chunk.data}
            case c.Finish():
                return {"type": "finish", "reason": chunk.finish_reason}
            case c.Abort():
                return {"type": "abort"}
        return None

    def _call(self, call_id: str) -> dict[str, Any]:
        return {"id": call_id, "name": self._tool_names.get(call_id)}
