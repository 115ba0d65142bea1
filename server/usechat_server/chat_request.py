"""Parses the body of a useChat request.

The rules are those of `DefaultChatTransport` (`ai/src/ui/http-chat-transport.ts`) and of
`AbstractChat.makeRequest` (`ai/src/ui/chat.ts`), which are the same in AI SDK 5, 6 and 7.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from ui_message_stream import json_codec
from ui_message_stream.errors import WireError, json_type
from ui_message_stream.messages import UIMessage
from ui_message_stream.schema import JSONObject
from ui_message_stream.versions import ClientVersion

from usechat_server.approvals import normalize_legacy_approvals
from usechat_server.client_history import sanitize_user_message
from usechat_server.client_version import history_client_version
from usechat_server.errors import InvalidRequest
from usechat_server.request_limits import check_chat_id, check_messages, check_values
from usechat_server.settings import Settings, cached_settings
from usechat_server.turn import Turn

__all__ = [
    "ChatRequest",
    "MessageIds",
    "message_ids",
    "new_message_id",
    "parse_json",
    "parse_object",
    "parse_request",
    "parse_stop_request",
    "request_digest",
    "turn_of",
    "validate_body",
]

#: Levels of a body around an output: itself, `messages`, a message, `parts` and a part.
_WRAPPERS = 5

_NEEDS_HISTORY = (
    "message: this server stores no chats, so it requires the whole history: send `messages`, as "
    "useChat does without prepareSendMessagesRequest"
)

_OLD_FORMAT = (
    "expected `parts`, got `content`: this is the format of AI SDK 4, or of a model's API. Upgrade "
    "the npm packages ai and @ai-sdk/react to AI SDK 5 or later."
)
_COMPLETION = (
    "This route is for useChat, which sends `messages`: the request has a `prompt`, as "
    "useCompletion sends it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A parsed body; the history may have to be loaded yet."""

    #: the client's id of the chat, else a new random one
    chat_id: str
    #: `submit-message`, `regenerate-message` or another text
    trigger: str
    #: the message that is edited, continued or regenerated; None: the newest one
    message_id: str | None
    #: the history, up to the message to respond to or to continue; None: it was not sent
    messages: list[UIMessage] | None
    #: the newest message, if the client sends only that; the rest is in the store
    message: UIMessage | None
    #: the body's other keys, or an instance of the app's own model
    body: Any
    #: the client version that the messages tell, as the client sent them; None: they tell none
    client_version: ClientVersion | None = None

    @property
    def is_regeneration(self) -> bool:
        """Whether an assistant message is to be regenerated."""
        # The documentation also spells it "regenerate-assistant-message".
        return self.trigger.startswith("regenerate")

    @property
    def newest(self) -> UIMessage | None:
        """The message to respond to or to continue, as the client has it; None: it sent none."""
        return self.messages[-1] if self.messages else self.message

    @property
    def continued(self) -> UIMessage | None:
        """The assistant message that is continued, as the client has it, or None."""
        newest = self.newest
        continues = newest is not None and newest.role == "assistant" and not self.is_regeneration
        return newest if continues else None


def parse_request(body: bytes, settings: Settings | None = None) -> ChatRequest:
    """Parse a body, whatever its content type.

    Args:
        body: The body.
        settings: The limits; by default those of the `USECHAT_*` variables.

    Raises:
        InvalidRequest: The text names the field.
        PayloadTooLarge: It has too many messages, parts or values.
    """
    settings = settings or cached_settings()
    fields = parse_object(body, settings)
    chat_id = _text(fields, "id")
    if chat_id:
        check_chat_id(chat_id)
    trigger = _text(fields, "trigger")
    message_id = _text(fields, "messageId")
    messages = message = None
    if (sent := fields.pop("messages", None)) is not None:
        messages = _messages(sent, settings)
    elif (sent := fields.pop("message", None)) is not None:
        check_messages([sent], settings)
        message = _message(sent, "message")
        if message.role == "system":
            raise InvalidRequest("message: expected one of the user or the assistant")
    elif "prompt" in fields and trigger is None:
        raise InvalidRequest(_COMPLETION)
    request = ChatRequest(
        chat_id=chat_id or secrets.token_urlsafe(16),
        trigger=trigger or "submit-message",
        message_id=message_id,
        messages=messages,
        message=message,
        body=fields,
        client_version=history_client_version(messages or ([message] if message else ())),
    )
    if trigger is None and _has_fields_of_ai_sdk_4(request.newest):
        raise InvalidRequest(f"messages: {_OLD_FORMAT}")
    if messages:
        _truncate_history(messages, message_id, regenerate=request.is_regeneration)
    return request


def turn_of(request: ChatRequest, user: str | None, client_version: ClientVersion) -> Turn:
    """Return the turn of a request that contains the whole history.

    Raises:
        InvalidRequest: It does not.
    """
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
        messages=[
            sanitize_user_message(message)
            if message.role == "user"
            else normalize_legacy_approvals(message)
            for message in request.messages
        ],
        message_id=continued.id if continued else new_message_id(),
        trigger=request.trigger,
        body=request.body,
    )


def parse_stop_request(
    body: bytes, settings: Settings | None = None
) -> tuple[str | None, str | None]:
    """Return the ids of the run and of the message to stop; None: whichever is active.

    Besides `runId` and `messageId` it reads the body that the AI SDK's documentation has: the id of
    the active stream, and the assistant message as the client has it.

    Args:
        body: It may be empty.
        settings: The limits; by default those of the `USECHAT_*` variables.

    Raises:
        InvalidRequest: The text names the field.
        PayloadTooLarge: It has too many values.
    """
    fields = parse_object(body, settings or cached_settings()) if body.strip() else {}
    run_id = _text(fields, "runId") or _text(fields, "activeStreamId")
    message_id = _text(fields, "messageId")
    if (snapshot := fields.get("assistantMessage")) is not None:
        if not isinstance(snapshot, dict):
            raise InvalidRequest(f"assistantMessage: expected an object, got {json_type(snapshot)}")
        message_id = message_id or _text(snapshot, "id")
    return run_id, message_id


def new_message_id() -> str:
    """Return a random id for a new assistant message."""
    return f"msg_{secrets.token_urlsafe(16)}"


def parse_object(body: bytes, settings: Settings) -> JSONObject:
    """Return the JSON object that a body is.

    Raises:
        InvalidRequest: It is none.
        PayloadTooLarge: It has too many values.
    """
    if not body.strip():
        raise InvalidRequest("The request has no body: expected JSON.")
    value = parse_json(body, settings)
    if not isinstance(value, dict):
        raise InvalidRequest(f"The request must be a JSON object, not {json_type(value)}.")
    return value


def parse_json(body: bytes, settings: Settings) -> Any:
    """Return the JSON value that a body is, whatever its content type.

    Raises:
        InvalidRequest: It is none.
        PayloadTooLarge: It has too many values.
    """
    check_values(body, settings)
    try:
        value = _decode(body)
        # Only an escape can produce a lone surrogate: browsers send one for half an emoji.
        if b"\\ud" in body or b"\\uD" in body:
            value = json_codec.replace_surrogates(value)
    except json_codec.NestedTooDeeply as error:
        raise InvalidRequest(f"The request is not readable: {error}.") from None
    except ValueError as error:
        raise InvalidRequest(f"The request is not readable as JSON: {error}.") from None
    return value


def _decode(body: bytes) -> Any:
    """Decode a body. What is nested too deeply in a message becomes a note, wherever it came from:
    otherwise the chat could not go on. Elsewhere it is an error."""
    try:
        return json_codec.decode(body, wrappers=_WRAPPERS)
    except json_codec.NestedTooDeeply as error:
        too_deep = error
    try:
        value = json_codec.decode_pruned(body, wrappers=_WRAPPERS)
    except ValueError:
        raise too_deep from None
    history = ("messages", "message")
    others = {k: v for k, v in value.items() if k not in history} if type(value) is dict else value
    if json_codec.TOO_DEEP.encode() in json_codec.encode(others):
        raise too_deep
    return value


def _text(fields: JSONObject, name: str) -> str | None:
    value = fields.pop(name, None)
    if value is not None and not isinstance(value, str):
        raise InvalidRequest(f"{name}: expected a string, got {json_type(value)}")
    return value


def _messages(value: Any, settings: Settings) -> list[UIMessage]:
    """Return the messages of the user and the assistant.

    `system` messages are dropped, since a client could forge them. They are not refused: a frontend
    may keep one in its list and send it with every request.
    """
    if not isinstance(value, list):
        raise InvalidRequest(f"messages: expected a list, got {json_type(value)}")
    check_messages(value, settings)
    messages = [_message(item, "messages", index) for index, item in enumerate(value)]
    return [message for message in messages if message.role != "system"]


def _message(value: Any, *path: str | int) -> UIMessage:
    try:
        if not isinstance(value, dict):
            raise WireError(expected="an object", got=json_type(value))
        if _has_old_format(value):
            raise WireError(_OLD_FORMAT)
        return UIMessage.from_object(value)
    except WireError as error:
        raise InvalidRequest(str(error.within(*path))) from None


def _has_old_format(message: JSONObject) -> bool:
    """Whether the text of a message is in `content`, which an app may also have beside `parts`.

    From 4.2 on, AI SDK 4 sends `parts` too, but no ids, and tool calls as "tool-invocation".
    """
    if "content" not in message:
        return False
    parts = message.get("parts")
    if not isinstance(parts, list) or "id" not in message:
        return True
    return any(isinstance(part, dict) and part.get("type") == "tool-invocation" for part in parts)


def _has_fields_of_ai_sdk_4(message: UIMessage | None) -> bool:
    """Whether a message has what `sendExtraMessageFields` of AI SDK 4 adds to its parts. Its
    requests have no trigger; an app's own fields can have these names too."""
    extra = (message and message.extra) or {}
    return "content" in extra and "createdAt" in extra


def _truncate_history(
    history: list[UIMessage], message_id: str | None, *, regenerate: bool
) -> None:
    """Remove the messages after the one to respond to or to continue.

    Clients send none, except after the approval of a call in an older message: that message is
    continued, and the later ones are sent too (from 6.0.290 and 7.0.113 on).
    """
    for index in reversed(range(len(history))):
        if history[index].id == message_id:
            replaced = regenerate and history[index].role == "assistant"
            del history[index if replaced else index + 1 :]
            return


def validate_body(fields: dict[str, Any], model: type[BaseModel] | None) -> Any:
    """Return the fields as an instance of the model; without a model, as they are.

    Raises:
        InvalidRequest: The text names the first field that is not valid.
    """
    if model is None:
        return fields
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        # Without the value, which may be long, and without links to pydantic's documentation.
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"])) or "body"
    message = first["msg"]
    raise InvalidRequest(f"{place}: {message[:1].lower()}{message[1:200]}")


def request_digest(request: ChatRequest) -> str:
    """Return a digest of what a request adds to its chat: the same for a repeated request."""
    newest = request.newest
    added: list[Any] = [request.trigger]
    if newest is None:
        added.append(request.message_id)
    elif request.continued:
        # Nothing else: it may differ between a tab that streamed the message and one that loaded
        # it.
        added += [newest.id, [_call_result(call.to_object()) for call in newest.last_step_calls()]]
    else:
        added += [newest.id, [part.to_object() for part in newest.parts]]
    text = json.dumps(added, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class MessageIds(NamedTuple):
    """The messages that a request is about. They tell whether its client left the chat's run."""

    #: those whose response is to be written again: the response's id, or that of the question
    regenerated: frozenset[str] = frozenset()
    #: those that a new message of the user follows or replaces
    superseded: frozenset[str] = frozenset()


def message_ids(request: ChatRequest) -> MessageIds:
    """Return the ids of the messages that a request is about."""
    newest = request.newest
    if request.is_regeneration:
        question = newest.id if newest is not None and newest.role == "user" else None
        ids = (request.message_id, question)
        return MessageIds(regenerated=frozenset(each for each in ids if each is not None))
    if newest is None or newest.role != "user":
        return MessageIds()
    messages = request.messages or [newest]
    return MessageIds(superseded=frozenset(message.id for message in messages))


def _call_result(part: dict[str, Any]) -> dict[str, Any]:
    """Return what a client adds to a tool call: its output, or the decision about it."""
    names = ("toolCallId", "state", "output", "errorText")
    approval = part.get("approval") or {}
    result = {name: part[name] for name in names if name in part}
    return {**result, "approved": approval.get("approved"), "reason": approval.get("reason")}
