"""The useChat request: what its body says, or a short text that says what is wrong with it.

The rules are those of `DefaultChatTransport` (`ai/src/ui/http-chat-transport.ts`) and of
`AbstractChat.makeRequest` (`ai/src/ui/chat.ts`), which are the same in AI SDK 5, 6 and 7.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from ui_message_stream import json_codec
from ui_message_stream.errors import WireError, json_type
from ui_message_stream.messages import UIMessage
from ui_message_stream.schema import JSONObject
from ui_message_stream.versions import ClientVersion

from usechat_server.approvals import normalize_legacy_approvals
from usechat_server.errors import InvalidRequest
from usechat_server.turn import Turn

__all__ = [
    "ChatRequest",
    "identity",
    "new_message_id",
    "parse_request",
    "parse_stop",
    "turn_of",
    "validated",
]

_NEEDS_HISTORY = (
    "message: this server keeps no history, so it needs the whole chat: send `messages`, as "
    "useChat does without prepareSendMessagesRequest"
)


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
    """Reads a body, whatever its content type said. Raises ChatError that names the place."""
    fields = _object(body)
    chat_id = _text(fields, "id")
    trigger = _text(fields, "trigger")
    message_id = _text(fields, "messageId")
    messages = message = None
    if (sent := fields.pop("messages", None)) is not None:
        messages = _messages(sent)
    elif (sent := fields.pop("message", None)) is not None:
        message = _message(sent, "message")
        if message.role == "system":
            raise InvalidRequest("message: expected one of the user or the assistant")
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


def turn_of(request: ChatRequest, user: str | None, client_version: ClientVersion) -> Turn:
    """The turn of a request that brings the whole chat. Raises ChatError."""
    if request.message is not None:
        raise InvalidRequest(_NEEDS_HISTORY)
    if request.messages is None:
        raise InvalidRequest("messages: expected a list, got null")
    if not request.messages:
        raise InvalidRequest("messages: expected at least one message of the user or the assistant")
    continued = request.continued
    return Turn(
        user=user,
        chat_id=request.chat_id,
        client_version=client_version,
        messages=[normalize_legacy_approvals(message) for message in request.messages],
        message_id=continued.id if continued else new_message_id(),
        trigger=request.trigger,
        body=request.body,
    )


def parse_stop(body: bytes) -> tuple[str | None, str | None]:
    """What a request to stop is about: a run's id, a message's id. None: whatever is active. The
    body may be empty. Raises ChatError."""
    fields = _object(body) if body.strip() else {}
    return _text(fields, "runId"), _text(fields, "messageId")


def new_message_id() -> str:
    """An id for a new assistant message, which nobody can guess."""
    return f"msg_{secrets.token_urlsafe(16)}"


def _object(body: bytes) -> JSONObject:
    if not body.strip():
        raise InvalidRequest("The request has no body: expected JSON.")
    try:
        value = json_codec.decode(body)
        # Only an escape can bring a lone surrogate; browsers send them for an emoji cut in half.
        if b"\\ud" in body or b"\\uD" in body:
            value = json_codec.replace_surrogates(value)
    except RecursionError:
        raise InvalidRequest("The request is not readable: JSON is nested too deeply.") from None
    except ValueError as error:
        raise InvalidRequest(f"The request is not readable as JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InvalidRequest(f"The request must be a JSON object, not {json_type(value)}.")
    return value


def _text(fields: JSONObject, name: str) -> str | None:
    value = fields.pop(name, None)
    if value is not None and not isinstance(value, str):
        raise InvalidRequest(f"{name}: expected a string, got {json_type(value)}")
    return value


def _messages(value: Any) -> list[UIMessage]:
    """The messages of user and assistant.

    `system` messages are dropped: what a page may change is not an instruction to the model. They
    are not refused, since a frontend may keep one in its list, and sends it with every request.
    """
    if not isinstance(value, list):
        raise InvalidRequest(f"messages: expected a list, got {json_type(value)}")
    messages = [_message(item, "messages", index) for index, item in enumerate(value)]
    return [message for message in messages if message.role != "system"]


def _message(value: Any, *path: str | int) -> UIMessage:
    try:
        if not isinstance(value, dict):
            raise WireError(expected="an object", got=json_type(value))
        return UIMessage.from_object(value)
    except WireError as error:
        raise InvalidRequest(str(error.within(*path))) from None


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


def validated(fields: dict[str, Any], model: type[BaseModel] | None) -> Any:
    """The fields as the model, or as they are without one. Raises ChatError, which names the
    field."""
    if model is None:
        return fields
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        # Without the value, which may be long, and pydantic's links.
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"])) or "body"
    said = first["msg"]
    raise InvalidRequest(f"{place}: {said[:1].lower()}{said[1:200]}")


def identity(request: ChatRequest) -> str:
    """A digest of what a request adds to its chat: equal for two that are to be answered once."""
    newest = request.newest
    said: list[Any] = [request.trigger]
    if newest is None:
        said.append(request.message_id)
    else:
        said += [newest.id, _calls(newest) if request.continued else _parts(newest)]
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _parts(message: UIMessage) -> list[Any]:
    return [part.to_object() for part in message.parts]


def _calls(message: UIMessage) -> list[Any]:
    """What a page has to say of an assistant message: its answers to the newest calls. All else may
    differ between a tab that streamed the message and one that loaded it."""
    return [_answer(part.to_object()) for part in message.last_step_calls()]


def _answer(part: dict[str, Any]) -> dict[str, Any]:
    names = ("toolCallId", "state", "output", "errorText")
    approval = part.get("approval") or {}
    answer = {name: part[name] for name in names if name in part}
    return {**answer, "approved": approval.get("approved"), "reason": approval.get("reason")}
