"""UI messages → the request. The inverse of `events`, for the history that comes back.

What the API refuses never gets into the request: empty text, a call without a result or a result
without a call, turns that do not alternate, thinking that is not signed. What a client says in the
`system` role is left out: the system prompt is the app's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ui_message_stream import jsontext
from ui_message_stream.messages import (
    FilePart,
    Part,
    ReasoningPart,
    SteeringMessagePart,
    StepStartPart,
    TextPart,
    ToolPart,
    UIMessage,
    parse_part,
)
from ui_message_stream.wire import WireError

from usechat_server.models.anthropic.calls import CallIds, tool_result, tool_use
from usechat_server.models.anthropic.files import file_block
from usechat_server.models.anthropic.server_tools import definition
from usechat_server.models.base import BadRequest, ModelCall

__all__ = ["request"]

Content = list[dict[str, Any]]

#: The API wants a person's turn first and last; an app may greet first, and a client may ask to go
#: on from an assistant's message.
_GREETED = {"type": "text", "text": "(The conversation begins with the assistant.)"}
_GO_ON = {"type": "text", "text": "Continue."}


def request(call: ModelCall, *, model: str, max_tokens: int) -> dict[str, Any]:
    """The body of the call that answers a history. Raises BadRequest."""
    turns = _Turns()
    for message in call.messages:
        if message.role == "user":
            turns.add("user", _user(message.parts, new=message is call.messages[-1]))
        elif message.role == "assistant":
            _assistant(message, turns)
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
    try:
        clean: dict[str, Any] = jsontext.replace_surrogates(made)
    except RecursionError:
        raise BadRequest("A tool's input or output is nested too deeply.") from None
    return clean


class _Turns:
    """The conversation so far; neighbours of one role are one turn."""

    def __init__(self) -> None:
        self.ids = CallIds()
        #: names of the tools that were called
        self.called: set[str] = set()
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
            raise BadRequest("There is no message to answer.")
        if self._turns[0]["role"] == "assistant":
            self._turns.insert(0, {"role": "user", "content": [_GREETED]})
        self.add("user", [_GO_ON] if self._turns[-1]["role"] == "assistant" else [])
        return self._turns


def _user(parts: Iterable[Part], *, new: bool) -> Content:
    """A person's turn. Raises BadRequest for what is new and cannot be sent; a file that was there
    before is named in its place, so that it does not end the conversation."""
    content: Content = []
    for part in parts:
        if isinstance(part, TextPart) and part.text.strip():
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, FilePart):
            try:
                content.append(file_block(part))
            except BadRequest:
                if new:
                    raise
                left = f"({part.filename or 'A file'} could not be read.)"
                content.append({"type": "text", "text": left})
    if new and not content:
        raise BadRequest("The message is empty.")
    return content


def _assistant(message: UIMessage, turns: _Turns) -> None:
    """The assistant's message: a turn for each step, and the results of its calls after it."""
    for parts in _steps(message.parts):
        step = _Step(turns.ids)
        for part in parts:
            if isinstance(part, SteeringMessagePart):
                turns.add("user", _user(_steering(part), new=False))
            elif translate := _PARTS.get(type(part)):
                translate(step, part)
        turns.add("assistant", step.ended())
        turns.add("user", step.results)
        turns.called.update(block["name"] for block in step.content if block["type"] == "tool_use")


def _steps(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """The parts of each model call, and each message that a person put in between by itself."""
    # Servers that mark no steps put an answer right behind the call that it is based on.
    marked = any(isinstance(part, StepStartPart) for part in parts)
    step: list[Part] = []
    for part in parts:
        answer = not marked and step and isinstance(step[-1], ToolPart)
        if isinstance(part, StepStartPart | SteeringMessagePart) or (
            answer and isinstance(part, TextPart | ReasoningPart)
        ):
            yield step
            step = []
        step.append(part)
        if isinstance(part, SteeringMessagePart):
            yield step
            step = []
    yield step


class _Step:
    """One model call: what the assistant said, and what came of its tool calls."""

    def __init__(self, ids: CallIds) -> None:
        self.content: Content = []
        self.results: Content = []
        self._ids = ids

    def text(self, part: TextPart) -> None:
        if part.text.strip():
            self.content.append({"type": "text", "text": part.text})

    def reasoning(self, part: ReasoningPart) -> None:
        """Thinking goes back as it was signed or encrypted; unsigned, the API refuses it."""
        known = (part.provider_metadata or {}).get("anthropic", {})
        signature, redacted = known.get("signature"), known.get("redactedData")
        if isinstance(redacted, str) and redacted:
            self.content.append({"type": "redacted_thinking", "data": redacted})
        elif isinstance(signature, str) and signature:
            block = {"type": "thinking", "thinking": part.text, "signature": signature}
            self.content.append(block)

    def tool(self, part: ToolPart) -> None:
        # Calls that another provider ran for itself mean nothing to this one.
        if part.provider_executed:
            return
        call_id = self._ids.take(part.tool_call_id)
        self.content.append(tool_use(part, call_id))
        self.results.append(tool_result(part, call_id))

    def ended(self) -> Content:
        """The turn's content. Thinking that led to nothing (a stop came) is refused at its end."""
        while self.content and self.content[-1]["type"] in ("thinking", "redacted_thinking"):
            self.content.pop()
        return self.content


#: Part → what it adds to its step. Parts that are not here never go to the model.
_PARTS: Mapping[type[Part], Callable[[_Step, Any], None]] = {
    TextPart: _Step.text,
    ReasoningPart: _Step.reasoning,
    ToolPart: _Step.tool,
}


def _steering(part: SteeringMessagePart) -> Iterator[Part]:
    for value in part.parts:
        with contextlib.suppress(WireError):
            yield parse_part(value)
