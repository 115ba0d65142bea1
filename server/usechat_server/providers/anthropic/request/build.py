"""UI messages → the request body. The inverse of `response.translate`, for the history.

What the API is known to refuse is never part of a request: empty text, a call without a result or
a result without a call, roles that do not alternate, unsigned thinking, damaged files. Messages of
the client in the `system` role are left out: the system prompt belongs to the app.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from ui_message_stream.messages import FilePart, UIMessage

from usechat_server.errors import InvalidRequest
from usechat_server.providers.anthropic.message_record import read_record
from usechat_server.providers.anthropic.request.assistant import ContentBlocks, assistant_steps
from usechat_server.providers.anthropic.request.files import file_block
from usechat_server.providers.anthropic.request.limits import leave_out_files
from usechat_server.providers.anthropic.request.shortening import shorten
from usechat_server.providers.anthropic.tools import tool_definition
from usechat_server.providers.base import ModelCall
from usechat_server.providers.history.reductions import NO_REDUCTION, Reduction
from usechat_server.providers.history.sendable import build_sendable
from usechat_server.providers.history.tool_calls import ToolCallIds
from usechat_server.providers.history.user_parts import (
    check_reference,
    responded_to,
    steering_parts,
    user_content,
)
from usechat_server.tools import DeclaredTool

__all__ = ["build_request"]

#: The first and the last message must be the user's. An app may greet first, and a client may ask
#: to continue from an assistant message.
_FIRST_USER_BLOCK = {"type": "text", "text": "(The conversation begins with the assistant.)"}
_LAST_USER_BLOCK = {"type": "text", "text": "Continue."}

_CODE_ONLY = "This kind of file cannot be read here. Send an image, a PDF or a text file."


def build_request(
    call: ModelCall,
    *,
    model: str,
    max_tokens: int,
    reduction: Reduction = NO_REDUCTION,
    code_files: bool = True,
) -> dict[str, Any]:
    """Return the request body for a model call.

    Args:
        call: The messages, the system prompt and the tools.
        model: The model's name.
        max_tokens: The most tokens of the response.
        reduction: What is left out of the history.
        code_files: Whether there is code execution, for files that only code can read.

    Raises:
        ChatError: The messages cannot be sent; the text is for the user.
    """
    build = partial(
        _request_body,
        model=model,
        max_tokens=max_tokens,
        reduction=reduction,
        code_files=code_files,
    )
    return build_sendable(call, build)


def _request_body(
    call: ModelCall, *, model: str, max_tokens: int, reduction: Reduction, code_files: bool
) -> dict[str, Any]:
    tools = [tool for tool in call.tools if isinstance(tool, DeclaredTool)]
    conversation = _Conversation(
        {tool.name: tool for tool in tools},
        reduction,
        partial(_file_block, code_files=code_files, may_use_file=call.may_use_file),
    )
    newest = call.messages[-1] if call.messages else None
    question = responded_to(call.messages)
    new_blocks: ContentBlocks = []
    for message in call.messages:
        if message.role == "user":
            content = user_content(
                message.parts,
                conversation.file_block,
                new=message is newest,
                has_files=reduction.keeps_files(
                    is_newest=message is newest, is_question=message is question
                ),
            )
            new_blocks = content if message is newest else []
            conversation.add("user", content)
        elif message.role == "assistant":
            _add_assistant_message(message, conversation, newest=message is newest)
    messages = conversation.complete()
    if call.prove is not None:
        _leave_out_uploads(messages, call.may_use_file)
    leave_out_files(messages, new_blocks)
    if reduction.max_bytes is not None:
        messages = shorten(messages, reduction.max_bytes, new_blocks=len(new_blocks))
    body: dict[str, Any] = {"model": model, "max_tokens": max_tokens, "messages": messages}
    if call.system and call.system.strip():
        body["system"] = call.system
    if call.tools:
        body["tools"] = [tool_definition(tool) for tool in call.tools]
    elif conversation.called_tools:
        # The API refuses calls in the history of a request that defines no tools.
        body["tools"] = [
            {"name": name, "input_schema": {"type": "object"}}
            for name in sorted(conversation.called_tools)
        ]
        body["tool_choice"] = {"type": "none"}
    container_id = None if reduction.container else _latest_container_id(call)
    if container_id is not None:
        body["container"] = container_id
    return body


class _Conversation:
    """The request's messages so far. Consecutive messages of one role are merged."""

    def __init__(
        self,
        tools: Mapping[str, DeclaredTool],
        reduction: Reduction,
        file_block: Callable[[FilePart], dict[str, Any]],
    ) -> None:
        self.ids = ToolCallIds()
        self.tools = tools
        self.reduction = reduction
        self.file_block = file_block
        #: names of the tools that were called
        self.called_tools: set[str] = set()
        #: whether the provider paused in the last message and continues it
        self.paused = False
        self._messages: list[dict[str, Any]] = []

    def add(self, role: str, content: ContentBlocks) -> None:
        if not content:
            return
        if self._messages and self._messages[-1]["role"] == role:
            self._messages[-1]["content"] += content
        else:
            self._messages.append({"role": role, "content": content})

    def complete(self) -> list[dict[str, Any]]:
        """Return the messages, the first and the last of which are the user's."""
        if not self._messages:
            raise InvalidRequest("There is no message to respond to.")
        if self._messages[0]["role"] == "assistant":
            self._messages.insert(0, {"role": "user", "content": [_FIRST_USER_BLOCK]})
        if self._messages[-1]["role"] == "assistant" and not self.paused:
            self.add("user", [_LAST_USER_BLOCK])
        return self._messages


def _file_block(
    part: FilePart, *, code_files: bool, may_use_file: Callable[[str], bool] | None
) -> dict[str, Any]:
    check_reference(part, "anthropic", may_use_file)
    block = file_block(part)
    if block["type"] == "container_upload" and not code_files:
        raise InvalidRequest(_CODE_ONLY)
    return block


def _add_assistant_message(
    message: UIMessage, conversation: _Conversation, *, newest: bool
) -> None:
    """Add each step of an assistant message, followed by the results of its tool calls."""
    steps = assistant_steps(
        message,
        conversation.ids,
        conversation.tools,
        newest=newest,
        reduction=conversation.reduction,
    )
    for step in steps:
        if step.steering is not None:
            content = user_content(
                steering_parts(step.steering),
                conversation.file_block,
                new=False,
                has_files=not conversation.reduction.files,
            )
            conversation.add("user", content)
        conversation.add("assistant", step.content)
        conversation.add("user", step.tool_results)
        # An empty step, such as one that was stopped, changes nothing.
        conversation.paused = step.paused or (conversation.paused and not step.content)
        conversation.called_tools.update(
            block["name"] for block in step.content if block["type"] == "tool_use"
        )


def _latest_container_id(call: ModelCall) -> str | None:
    """Return the container that the model's code used last, if it may still exist and is proven to
    be this chat's: a client could name another chat's."""
    records = [read_record(message) for message in call.messages]
    containers = [
        record.container
        for record in records
        if record.container is not None
        and _may_use_container(record.container.id, record.container.proof, call)
    ]
    return containers[-1].id if containers and containers[-1].may_be_restored() else None


def _leave_out_uploads(
    messages: Iterable[dict[str, Any]], may_use_file: Callable[[str], bool] | None
) -> None:
    """Replace what a client may have written into the record of a response: files for the code."""
    for message in messages:
        if message["role"] == "assistant":
            message["content"] = [
                {"type": "text", "text": "(A file of the code.)"}
                if block["type"] == "container_upload"
                and not (may_use_file and may_use_file(str(block.get("file_id"))))
                else block
                for block in message["content"]
            ]


def _may_use_container(container_id: str, proof: str, call: ModelCall) -> bool:
    if call.prove is None:
        return True
    expected = call.prove(container_id).encode()
    if hmac.compare_digest(proof.encode("utf-8", "replace"), expected):
        return True
    return call.may_use_file is not None and call.may_use_file(container_id)
