"""Object: a JSON document while it is written, for `useObject`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import RootModel
from starlette.requests import Request
from ui_message_stream import chunks as c
from ui_message_stream import json_codec
from ui_message_stream.versions import ChunkVariant, ClientVersion, downgrade

from usechat_server.agent import Agent
from usechat_server.chat_request import ChatRequest, parse_json
from usechat_server.doors.base import PLAIN_CLIENT, Door, question_request
from usechat_server.doors.text import TEXT_HEADERS, OpenCalls
from usechat_server.doors.text_blocks import TextBlocks
from usechat_server.run_log.encoding import Encoding
from usechat_server.settings import Settings

__all__ = ["JSONDocument", "Object"]

#: How an object, an array and a string begin. What models say beside an output begins otherwise.
_BEGINNINGS = ("{", "[", '"')


@dataclass(frozen=True)
class Object(Door):
    """`POST /api/object`, for `useObject`: any JSON value in, the agent's `output=` out.

        app = create_app(Agent(model, output=Recipe), doors=[Object()])

    The value is the user's message: a string as it is, all else as JSON. An object is `turn.body`
    as well. A request stands for itself: there is no history, and nothing is stored. The run ends
    with its connection, and a response that fails is broken off.

    Args:
        path: The path of the route, below the prefix.
    """

    path: str = "/object"

    def check(self, agent: Agent) -> None:
        super().check(agent)
        output = agent.spec.output
        if output is None:
            raise ValueError("doors: Object() requires an agent with output=")
        if issubclass(output, RootModel):  # any other model is an object
            schema = output.model_json_schema()
            if not _may_be_document(schema, schema.get("$defs", {})):
                raise ValueError(
                    "doors: Object() requires an output= that is an object, an array or a string, "
                    f"and {output.__name__} is none"
                )

    def parse(self, request: Request, body: bytes, settings: Settings) -> ChatRequest:
        # `submit(undefined)` sends no body.
        value = parse_json(body, settings) if body.strip() else None
        text = value if isinstance(value, str) else json_codec.encode(value).decode()
        return question_request(text, value if isinstance(value, dict) else {})

    def encoding(self, request: Request, client_version: ClientVersion, chat_id: str) -> Encoding:
        return JSONDocument(client_version)


def _may_be_document(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], seen: frozenset[str] = frozenset()
) -> bool:
    """Whether a value of a JSON Schema may begin as a document does."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return name not in seen and _may_be_document(definitions[name], definitions, seen | {name})
    if alternatives := schema.get("anyOf") or schema.get("oneOf"):
        return any(_may_be_document(each, definitions, seen) for each in alternatives)
    return schema.get("type") not in ("number", "integer", "boolean", "null")


class JSONDocument:
    """The one JSON document in a response. See `Encoding`.

    It is the text of a step that begins as a document. What a model says before it calls tools is
    left out. A second document cannot be sent, since the first one cannot be taken back: then, as
    after any failure, and after an end inside of the document, the response is broken off.
    """

    headers = TEXT_HEADERS
    opening = b""
    cursor: str | None = None

    def __init__(self, client_version: ClientVersion = PLAIN_CLIENT) -> None:
        self.client_version = client_version
        self.is_broken: bool = False
        self._blocks = TextBlocks()
        self._calls = OpenCalls()
        #: what was sent of the document
        self._document: list[str] = []
        #: whether the text of the current step is the document; None: it has none so far
        self._is_document: bool | None = None

    @property
    def keep_alive(self) -> bytes:
        # Later there may be a string that is not complete.
        return b"" if self._document else b" "

    def encode(self, chunks: Sequence[ChunkVariant]) -> bytes:
        texts: list[str] = []
        for variant in chunks:
            chunk = downgrade(variant, self.client_version)
            if isinstance(chunk, c.TextDelta | c.TextStart | c.TextEnd):
                texts.append(self._text(self._blocks.read(chunk)))
            elif isinstance(chunk, c.StartStep):
                self._is_document = None
            elif chunk is not None and self._calls.are_left_by(chunk):
                self.is_broken = True
            elif isinstance(chunk, c.Abort | c.Finish):
                self.is_broken = self.is_broken or not self._is_whole()
        return "".join(texts).encode()

    def end(self) -> bytes:
        return b""

    def _text(self, text: str) -> str:
        """Return what belongs to the document."""
        if self._is_document is None:
            text = text.lstrip()
            if not text:
                return ""
            self._is_document = text.startswith(_BEGINNINGS)
            if self._is_document and self._document:
                self.is_broken = True
        if not self._is_document or self.is_broken:
            return ""
        self._document.append(text)
        return text

    def _is_whole(self) -> bool:
        try:
            json_codec.decode("".join(self._document).encode())
        except ValueError:
            return False
        return True
