"""The useChat request: what its body says, or a short text that says what is wrong with it.

The rules are those of `DefaultChatTransport` (`ai/src/ui/http-chat-transport.ts`) and of
`AbstractChat.makeRequest` (`ai/src/ui/chat.ts`), which are the same in AI SDK 5, 6 and 7.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope
from ui_message_stream import json_codec as jsontext
from ui_message_stream.messages import UIMessage
from ui_message_stream.schema import JSONObject, WireError
from ui_message_stream.versions import Floor

from usechat_server.approvals import with_answers
from usechat_server.providers.base import BadRequest
from usechat_server.settings import Settings
from usechat_server.turn import Turn

__all__ = [
    "ChatRequest",
    "new_message_id",
    "parse_request",
    "parse_stop",
    "read_body",
    "requested_floor",
    "turn_of",
]

_NEEDS_HISTORY = (
    "message: this server keeps no history, so it needs the whole chat: send `messages`, as "
    "useChat does without prepareSendMessagesRequest"
)


def requested_floor(scope: Scope, default: Floor) -> Floor:
    """The floor that the `x-usechat-floor` header names, else the default. Raises BadRequest."""
    for name, value in scope["headers"]:
        if name == b"x-usechat-floor":
            try:
                return Floor.parse(value.decode("latin-1").strip())
            except ValueError as error:
                raise BadRequest(f"x-usechat-floor: {error}") from None
    return default


async def read_body(scope: Scope, receive: Receive, settings: Settings) -> bytes:
    """The request's body. Raises BadRequest (413, 408), ClientDisconnect."""
    limit = settings.max_body_bytes
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            raise _too_large(limit)
    pieces: list[bytes] = []
    size = 0
    try:
        # One clock over the whole body: Next.js rewrites send 10 of 12 MB and then nothing.
        async with asyncio.timeout(settings.body_timeout):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                if size > limit:
                    raise _too_large(limit)
                if not message.get("more_body", False):
                    return b"".join(pieces)
    except TimeoutError:
        raise BadRequest(
            f"The request did not arrive within {settings.body_timeout:g} seconds.", 408
        ) from None


def _too_large(limit: int) -> BadRequest:
    size = f"{limit / 2**20:.4g} MB" if limit >= 2**20 else f"{limit} bytes"
    return BadRequest(f"The request is too large: at most {size} are allowed.", 413)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """What a body says, before anybody knows the chat's history."""

    #: the client's id of the chat, else a new one that nobody can guess
    chat_id: str
    #: `submit-message`, `regenerate-message` or what else the client sent
    trigger: str
    #: the message that is edited, continued or written anew; None where the newest one is meant
    message_id: str | None
    #: the whole chat, up to the message to answer or to continue; None: it was not sent
    messages: list[UIMessage] | None
    #: the newest message, where a page sends no other; the rest is for the server to know
    message: UIMessage | None
    #: the body's other keys, or what the app's own model made of them
    body: Any

    @property
    def regenerates(self) -> bool:
        """Whether an answer is to be written anew."""
        # The documentation also spells it "regenerate-assistant-message".
        return self.trigger.startswith("regenerate")

    @property
    def newest(self) -> UIMessage | None:
        """The message to answer or to continue, as the client has it; None: it sent none."""
        return self.messages[-1] if self.messages else self.message

    @property
    def continued(self) -> UIMessage | None:
        """The assistant message that is continued, as the client has it, or None."""
        newest = self.newest
        continues = newest is not None and newest.role == "assistant" and not self.regenerates
        return newest if continues else None


def parse_request(body: bytes) -> ChatRequest:
    """Reads a body, whatever its content type said. Raises BadRequest that names the place."""
    fields = _object(body)
    chat_id = _text(fields, "id")
    trigger = _text(fields, "trigger")
    message_id = _text(fields, "messageId")
    messages = message = None
    if (sent := fields.pop("messages", None)) is not None:
        messages = _messages(sent)
    elif (sent := fields.pop("message", None)) is not None:
        message = _message("message", sent)
        if message.role == "system":
            raise BadRequest("message: expected one of the user or the assistant")
    request = ChatRequest(
        chat_id=chat_id or secrets.token_urlsafe(16),
        trigger=trigger or "submit-message",
        message_id=message_id,
        messages=messages,
        message=message,
        body=fields,
    )
    if messages:
        _cut(messages, message_id, regenerate=request.regenerates)
    return request


def turn_of(request: ChatRequest, user: str | None, floor: Floor) -> Turn:
    """The turn of a request that brings the whole chat. Raises BadRequest."""
    if request.message is not None:
        raise BadRequest(_NEEDS_HISTORY)
    if request.messages is None:
        raise BadRequest("messages: expected a list, got null")
    if not request.messages:
        raise BadRequest("messages: expected at least one message of the user or the assistant")
    continued = request.continued
    return Turn(
        user=user,
        chat_id=request.chat_id,
        floor=floor,
        messages=[with_answers(message) for message in request.messages],
        message_id=continued.id if continued else new_message_id(),
        trigger=request.trigger,
        body=request.body,
    )


def parse_stop(body: bytes) -> tuple[str | None, str | None]:
    """What a request to stop is about: a run's id, a message's id. None: whatever is active. The
    body may be empty. Raises BadRequest."""
    fields = _object(body) if body.strip() else {}
    return _text(fields, "runId"), _text(fields, "messageId")


def new_message_id() -> str:
    """An id for a new assistant message, which nobody can guess."""
    return f"msg_{secrets.token_urlsafe(16)}"


def _object(body: bytes) -> JSONObject:
    if not body.strip():
        raise BadRequest("The request has no body: expected JSON.")
    try:
        value = jsontext.decode(body)
        # Only an escape can bring a lone surrogate; browsers send them for an emoji cut in half.
        if b"\\ud" in body or b"\\uD" in body:
            value = jsontext.replace_surrogates(value)
    except RecursionError:
        raise BadRequest("The request is not readable: JSON is nested too deeply.") from None
    except ValueError as error:
        raise BadRequest(f"The request is not readable as JSON: {error}.") from None
    if not isinstance(value, dict):
        raise BadRequest(f"The request must be a JSON object, not {_kind(value)}.")
    return value


def _text(fields: JSONObject, name: str) -> str | None:
    value = fields.pop(name, None)
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"{name}: expected a string, got {_kind(value)}")
    return value


def _messages(value: Any) -> list[UIMessage]:
    """The messages of user and assistant.

    `system` messages are dropped: what a page may change is not an instruction to the model. They
    are not refused, since a frontend may keep one in its list, and sends it with every request.
    """
    if not isinstance(value, list):
        raise BadRequest(f"messages: expected a list, got {_kind(value)}")
    messages = [_message(f"messages[{index}]", item) for index, item in enumerate(value)]
    return [message for message in messages if message.role != "system"]


def _message(place: str, value: Any) -> UIMessage:
    if not isinstance(value, dict):
        raise BadRequest(f"{place}: expected an object, got {_kind(value)}")
    try:
        return UIMessage.from_object(value)
    except WireError as error:
        raise BadRequest(_place(place, str(error))) from None


def _cut(history: list[UIMessage], named: str | None, *, regenerate: bool) -> None:
    """Ends the history with the message to answer or to continue.

    The clients send it so, but for one case: an approval in an older message, with later ones
    behind it, is answered by continuing the older one (from 6.0.290 and 7.0.113 on).
    """
    for index in reversed(range(len(history))):
        if history[index].id == named:
            replaced = regenerate and history[index].role == "assistant"
            del history[index if replaced else index + 1 :]
            return


_KINDS = {
    "str": "a string",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
}
_PART = re.compile(r"(parts\[\d+\]|parts): ")
_EXPECTED = re.compile(r"Expected `([^`]+)`(?:, got `([^`]+)`)?")
_MISSING = re.compile(r"Object missing required field `(.+)`")


def _place(message: str, error: str) -> str:
    """A WireError's text as `messages[0].parts[1].text: expected a string, got an integer`."""
    text, _, inside = error.partition(" - at `$")
    path = [message]
    if part := _PART.match(text):
        path.append(part[1])
        text = text[part.end() :]
    if inside:
        path.append(inside.strip("`."))
    if missing := _MISSING.fullmatch(text):
        path.append(missing[1])
        text = "missing"
    elif expected := _EXPECTED.fullmatch(text):
        kinds = [_KINDS.get(kind, kind) for kind in expected[1].split(" | ") if kind != "null"]
        text = f"expected {' or '.join(kinds)}"
        if got := expected[2]:
            text += f", got {_KINDS.get(got, got)}"
    return f"{'.'.join(path)}: {text[:1].lower()}{text[1:200]}"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    return _KINDS.get("array" if isinstance(value, list) else type(value).__name__, "a number")
