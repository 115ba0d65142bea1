"""UI messages → the request. The inverse of `events`, for the history that comes back.

What the API refuses never gets into the request: empty text, a call without a result or a result
without a call, turns that do not alternate, thinking that is not signed. What a client says in the
`system` role is left out: the system prompt is the app's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ui_message_stream import json_codec
from ui_message_stream.errors import WireError
from ui_message_stream.messages import (
    FilePart,
    Part,
    SteeringMessagePart,
    TextPart,
    UIMessage,
    parse_part,
)

from usechat_server.errors import ChatError, InvalidRequest
from usechat_server.providers.anthropic.message_record import read_record
from usechat_server.providers.anthropic.request.assistant import steps
from usechat_server.providers.anthropic.request.files import file_block
from usechat_server.providers.anthropic.request.tool_blocks import CallIds
from usechat_server.providers.anthropic.tools import definition
from usechat_server.providers.base import ModelCall
from usechat_server.tools import DeclaredTool

__all__ = ["request"]

Content = list[dict[str, Any]]

#: The API wants a person's turn first and last; an app may greet first, and a client may ask to go
#: on from an assistant's message.
_GREETED = {"type": "text", "text": "(The conversation begins with the assistant.)"}
_GO_ON = {"type": "text", "text": "Continue."}


def request(call: ModelCall, *, model: str, max_tokens: int) -> dict[str, Any]:
    """The body of the call that answers a history. Raises ChatError."""
    try:
        made = _request(call, model, max_tokens)
        clean: dict[str, Any] = json_codec.replace_surrogates(made)
    except RecursionError:
        raise InvalidRequest("A tool's input or output is nested too deeply.") from None
    return clean


def _request(call: ModelCall, model: str, max_tokens: int) -> dict[str, Any]:
    tools = [tool for tool in call.tools if isinstance(tool, DeclaredTool)]
    turns = _Turns({tool.name: tool for tool in tools})
    for message in call.messages:
        if message.role == "user":
            turns.add("user", _user(message.parts, new=message is call.messages[-1]))
        elif message.role == "assistant":
            _assistant(message, turns, newest=message is call.messages[-1])
    made: dict[str, Any] = {"model": model, "max_tokens": max_tokens, "messages": turns.ended()}
    if call.system and call.system.strip():
        made["system"] = call.system
    if call.tools:
        made["tools"] = [definition(tool) for tool in call.tools]
    elif turns.called:
        # The API refuses calls in the history of a request that defines no tools.
        made["tools"] = [
            {"name": name, "input_schema": {"type": "object"}} for name in sorted(turns.called)
        ]
        made["tool_choice"] = {"type": "none"}
    if container := _container(call.messages):
        made["container"] = container
    return made


class _Turns:
    """The conversation so far; neighbours of one role are one turn."""

    def __init__(self, tools: Mapping[str, DeclaredTool]) -> None:
        self.ids = CallIds()
        self.tools = tools
        #: names of the tools that were called
        self.called: set[str] = set()
        #: whether the provider paused in the last turn, to go on with it
        self.paused = False
        self._turns: list[dict[str, Any]] = []

    def add(self, role: str, content: Content) -> None:
        if not content:
            return
        if self._turns and self._turns[-1]["role"] == role:
            self._turns[-1]["content"] += content
        else:
            self._turns.append({"role": role, "content": content})

    def ended(self) -> list[dict[str, Any]]:
        """The turns as the API wants them: a person's first and last."""
        if not self._turns:
            raise InvalidRequest("There is no message to answer.")
        if self._turns[0]["role"] == "assistant":
            self._turns.insert(0, {"role": "user", "content": [_GREETED]})
        if self._turns[-1]["role"] == "assistant" and not self.paused:
            self.add("user", [_GO_ON])
        return self._turns


def _user(parts: Iterable[Part], *, new: bool) -> Content:
    """A person's turn. Raises ChatError for what is new and cannot be sent; a file that was there
    before is named in its place, so that it does not end the conversation."""
    content: Content = []
    for part in parts:
        if isinstance(part, TextPart) and part.text.strip():
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, FilePart):
            try:
                content.append(file_block(part))
            except ChatError:
                if new:
                    raise
                left = f"({part.filename or 'A file'} could not be read.)"
                content.append({"type": "text", "text": left})
    if new and not content:
        raise InvalidRequest("The message is empty.")
    return content


def _assistant(message: UIMessage, turns: _Turns, *, newest: bool) -> None:
    """The assistant's message: a turn for each step, and the results of its calls after it."""
    for step in steps(message, turns.ids, turns.tools, newest=newest):
        if step.steering is not None:
            turns.add("user", _user(_steering(step.steering), new=False))
        turns.add("assistant", step.content)
        turns.add("user", step.results)
        # A step that brought nothing (a stop came) leaves it as it was.
        turns.paused = step.paused or (turns.paused and not step.content)
        turns.called.update(block["name"] for block in step.content if block["type"] == "tool_use")


def _container(messages: Iterable[UIMessage]) -> str | None:
    """Where the model's code ran last, and what it made still is."""
    found = [kept for message in messages if (kept := read_record(message).container) is not None]
    return found[-1].id if found and found[-1].lives() else None


def _steering(part: SteeringMessagePart) -> Iterator[Part]:
    for value in part.parts:
        with contextlib.suppress(WireError):
            yield parse_part(value)
