"""The useChat request: its body as a Turn, or a short text that says what is wrong with it.

The rules are those of `DefaultChatTransport` (`ai/src/ui/http-chat-transport.ts`) and of
`AbstractChat.makeRequest` (`ai/src/ui/chat.ts`), which are the same in AI SDK 5, 6 and 7.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope
from ui_message_stream import jsontext
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import Floor
from ui_message_stream.wire import JSONObject, WireError

from usechat_server.models.base import BadRequest
from usechat_server.settings import Settings
from usechat_server.turn import Turn

__all__ = ["new_message_id", "parse_turn", "read_body", "requested_floor"]

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


def parse_turn(body: bytes, user: str | None, floor: Floor) -> Turn:
    """Reads a body, whatever its content type said. Raises BadRequest that names the place."""
    fields = _object(body)
    chat_id = _text(fields, "id")
    trigger = _text(fields, "trigger") or "submit-message"
    named = _text(fields, "messageId")
    if "messages" not in fields and "message" in fields:
        raise BadRequest(_NEEDS_HISTORY)
    history = _messages(fields.pop("messages", None))
    # The documentation also spells it "regenerate-assistant-message".
    regenerate = trigger.startswith("regenerate")
    _cut(history, named, regenerate=regenerate)
    if not history:
        raise BadRequest("messages: expected at least one message of the user or the assistant")
    last = history[-1]
    continues = last.role == "assistant" and not regenerate
    return Turn(
        user=user,
        chat_id=chat_id or secrets.token_urlsafe(16),
        floor=floor,
        messages=history,
        message_id=last.id if continues else new_message_id(),
        trigger=trigger,
        body=fields,
    )


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
    messages = []
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise BadRequest(f"messages[{index}]: expected an object, got {_kind(item)}")
        try:
            message = UIMessage.from_object(item)
        except WireError as error:
            raise BadRequest(_place(f"messages[{index}]", str(error))) from None
        if message.role != "system":
            messages.append(message)
    return messages


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
