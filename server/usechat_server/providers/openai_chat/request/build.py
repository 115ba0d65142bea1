"""UI messages → the messages of a request. The inverse of `response.translate`, for the history.

What servers are known to refuse is never part of a request: empty messages, a call without a result
or a result without a call, roles that do not alternate (the prompt templates of many open models
fail on them), damaged files.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from usechat_server.errors import InvalidRequest
from usechat_server.providers.base import ModelCall
from usechat_server.providers.history.reductions import NO_REDUCTION, Reduction
from usechat_server.providers.history.sendable import build_sendable
from usechat_server.providers.history.user_parts import (
    responded_to,
    steering_parts,
    user_content,
)
from usechat_server.providers.openai_chat.request.assistant import AssistantSteps, Step
from usechat_server.providers.openai_chat.request.content import content_of, file_block, merged
from usechat_server.providers.openai_chat.request.shortening import shorten
from usechat_server.tools import DeclaredTool

__all__ = ["build_request"]

#: The first and the last message must be the user's for many prompt templates. An app may greet
#: first, and a client may ask to continue from an assistant message.
_FIRST_USER_TEXT = "(The conversation begins with the assistant.)"
_LAST_USER_TEXT = "Continue."


def build_request(
    call: ModelCall,
    *,
    model: str,
    system_role: str = "system",
    reduction: Reduction = NO_REDUCTION,
) -> dict[str, Any]:
    """Return the model, the messages and the tools of a request.

    Args:
        call: The messages, the system prompt and the tools.
        model: The model's name.
        system_role: The role of the system prompt.
        reduction: What is left out of the history.

    Raises:
        ChatError: The messages cannot be sent; the text is for the user.
    """
    build = partial(_request_body, model=model, system_role=system_role, reduction=reduction)
    return build_sendable(call, build)


def _request_body(
    call: ModelCall, *, model: str, system_role: str, reduction: Reduction
) -> dict[str, Any]:
    tools = [tool for tool in call.tools if isinstance(tool, DeclaredTool)]
    to_block = partial(file_block, may_use_file=call.may_use_file)
    assistant = AssistantSteps({tool.name: tool for tool in tools}, to_block, reduction)
    conversation = _Conversation()
    newest = call.messages[-1] if call.messages else None
    question = responded_to(call.messages)
    new_message: dict[str, Any] | None = None
    for message in call.messages:
        if message.role == "user":
            has_files = reduction.keeps_files(
                is_newest=message is newest, is_question=message is question
            )
            content = user_content(
                message.parts, to_block, new=message is newest, has_files=has_files
            )
            if message is newest and reduction.max_bytes is not None:
                new_message = {"role": "user", "content": content_of(content)}
            else:
                conversation.add_user(content)
        elif message.role == "assistant":
            for step in assistant.steps(message):
                if step.steering is not None:
                    parts = steering_parts(step.steering)
                    has_files = not reduction.files
                    content = user_content(parts, to_block, new=False, has_files=has_files)
                    conversation.add_user(content)
                conversation.add_step(step)
    if reduction.max_bytes is not None:
        conversation.messages = shorten(conversation.messages, new_message, reduction.max_bytes)
    body: dict[str, Any] = {"model": model, "messages": conversation.complete()}
    if call.system and call.system.strip():
        body["messages"].insert(0, {"role": system_role, "content": call.system})
    if tools:
        body["tools"] = [_tool_definition(tool) for tool in tools]
    return body


class _Conversation:
    """The request's messages so far. Consecutive messages of one role are merged."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def add_user(self, content: list[dict[str, Any]]) -> None:
        if content:
            self.add({"role": "user", "content": content_of(content)})

    def add(self, message: dict[str, Any]) -> None:
        last = self.messages[-1] if self.messages else {}
        # An assistant's message with calls is followed by their results.
        if last.get("role") == message["role"] != "tool":
            content = merged(last["content"], message["content"])
            self.messages[-1] = {**last, **message, "content": content}
        else:
            self.messages.append(message)

    def add_step(self, step: Step) -> None:
        message = step.message()
        if message is not None:
            self.add(message)
        for result in step.results:
            self.add(result)
        self.add_user(step.files)

    def complete(self) -> list[dict[str, Any]]:
        """Return the messages, the first and the last of which are not the assistant's."""
        if not self.messages:
            raise InvalidRequest("There is no message to respond to.")
        if self.messages[0]["role"] == "assistant":
            self.messages.insert(0, {"role": "user", "content": _FIRST_USER_TEXT})
        if self.messages[-1]["role"] == "assistant":
            self.messages.append({"role": "user", "content": _LAST_USER_TEXT})
        return self.messages


def _tool_definition(tool: DeclaredTool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.input_schema,
        **tool.provider_options.get("openai", {}),
    }
    return {"type": "function", "function": function}
