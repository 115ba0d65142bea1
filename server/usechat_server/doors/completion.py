"""Completion: one response to one prompt, for `useCompletion`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from ui_message_stream import chunks as c
from ui_message_stream.errors import json_type
from ui_message_stream.sse import DONE, HEADERS, comment, frames
from ui_message_stream.versions import ChunkVariant, ClientVersion, downgrade

from usechat_server.chat_request import ChatRequest, parse_object
from usechat_server.doors.base import PLAIN_CLIENT, Door, question_request
from usechat_server.doors.text import OpenCalls, PlainText
from usechat_server.doors.text_blocks import TextBlocks
from usechat_server.errors import InvalidRequest
from usechat_server.run_log.encoding import Encoding
from usechat_server.settings import Settings

__all__ = ["Completion", "CompletionStream"]

#: Between two blocks of text: the client appends all of them to one string.
_SEPARATOR = "\n\n"
_UNRESOLVED = "The response needs something that this client cannot do."


@dataclass(frozen=True)
class Completion(Door):
    """`POST /api/completion`, for `useCompletion`: `{"prompt": "…"}` in, the text out.

        app = create_app(agent, doors=[Completion()])

    With `streamProtocol: 'text'`, the client uses the address `/api/completion?protocol=text`.
    A request stands for itself: there is no history, and nothing is stored. The run ends with its
    connection.

    Args:
        path: The path of the route, below the prefix.
    """

    path: str = "/completion"

    def parse(self, request: Request, body: bytes, settings: Settings) -> ChatRequest:
        fields = parse_object(body, settings)
        prompt = fields.pop("prompt", None)
        if not isinstance(prompt, str):
            got = "nothing" if prompt is None else json_type(prompt)
            raise InvalidRequest(f"prompt: expected a string, got {got}")
        return question_request(prompt, fields)

    def encoding(self, request: Request, client_version: ClientVersion, chat_id: str) -> Encoding:
        protocol = request.query_params.get("protocol", "data")
        if protocol == "data":
            return CompletionStream(client_version)
        if protocol == "text":
            return PlainText(client_version, _SEPARATOR)
        raise InvalidRequest(f"protocol: expected data or text, got {protocol[:100]}")


class CompletionStream:
    """A UI message stream with one block that has the text of all blocks. See `Encoding`.

    `useCompletion` validates every chunk and uses the deltas of all blocks, and `error`.
    """

    headers: Mapping[str, str] = HEADERS
    is_broken = False
    cursor: str | None = None

    def __init__(self, client_version: ClientVersion = PLAIN_CLIENT) -> None:
        self.client_version = client_version
        self.opening: bytes = comment("stream-open")
        self.keep_alive: bytes = comment()
        self._blocks = TextBlocks(_SEPARATOR)
        self._calls = OpenCalls()
        self._has_text = False

    def encode(self, chunks: Sequence[ChunkVariant]) -> bytes:
        sent: list[c.Chunk] = []
        for variant in chunks:
            chunk = downgrade(variant, self.client_version)
            if isinstance(chunk, c.TextDelta | c.TextStart | c.TextEnd):
                if text := self._blocks.read(chunk):
                    sent += self._text(text)
            elif isinstance(chunk, c.Start):
                sent += [c.Start(message_id=chunk.message_id), c.StartStep()]
            elif chunk is not None and self._calls.are_left_by(chunk):
                error = chunk if isinstance(chunk, c.Error) else c.Error(error_text=_UNRESOLVED)
                sent += [*self._text_end(), error]
            elif isinstance(chunk, c.Finish | c.Abort):
                sent += [*self._text_end(), c.FinishStep(), chunk]
        return frames(sent, self.client_version)

    def end(self) -> bytes:
        return DONE

    def _text(self, text: str) -> list[c.Chunk]:
        start = [] if self._has_text else [c.TextStart(id="text")]
        self._has_text = True
        return [*start, c.TextDelta(id="text", delta=text)]

    def _text_end(self) -> list[c.Chunk]:
        return [c.TextEnd(id="text")] if self._has_text else []
