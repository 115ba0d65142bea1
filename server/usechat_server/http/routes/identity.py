"""When two requests are the same one: a double click, a retry, two tabs that answer one call."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ui_message_stream.messages import UIMessage

from usechat_server.approvals.decisions import last_step
from usechat_server.chat_request import ChatRequest

__all__ = ["identity"]


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
    return [_answer(part.to_object()) for part in last_step(message)]


def _answer(part: dict[str, Any]) -> dict[str, Any]:
    names = ("toolCallId", "state", "output", "errorText")
    approval = part.get("approval") or {}
    answer = {name: part[name] for name in names if name in part}
    return {**answer, "approved": approval.get("approved"), "reason": approval.get("reason")}
