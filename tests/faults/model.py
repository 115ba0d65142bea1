"""The model of a fault test: its responses, and what they have to look like in the end."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from ui_message_stream.messages import TextPart, ToolPart, UIMessage

from tests.faults.plan import CLIENT_TOOL, Question, Tool
from tests.harness.fake_provider import RecordedRequest, Reply, message, text, tool_use

__all__ = [
    "HELLO",
    "PACE",
    "Model",
    "Piece",
    "is_whole",
    "is_whole_but_for_tools",
    "message_text",
    "open_calls",
    "output_of",
    "pieces",
]

#: Seconds between two pieces of text.
PACE = 0.04
#: The text of the question that follows each round in each chat.
HELLO = "hello"

_ARGUMENTS: dict[Tool, dict[str, object]] = {
    "charge": {"amount": 5},
    "look": {"city": "Bern"},
    "refund": {"amount": 5},
    "choose": {},
}

_PIECE = re.compile(r"([ab])(\d+)\.(\d+) ")


@dataclass(frozen=True)
class Piece:
    """A piece of text, such as `b3.2 `: number 3 of the text before the tools, of the second
    response that the model gave."""

    step: str
    number: int
    attempt: int


def pieces(text: str) -> list[Piece]:
    """Return the pieces of a text. Fails if it contains anything else."""
    assert not (rest := _PIECE.sub("", text)), f"not a piece: {rest!r}"
    return [
        Piece(step, int(number), int(attempt)) for step, number, attempt in _PIECE.findall(text)
    ]


class Model:
    """Responds to the fake provider's requests. Called in the provider's thread."""

    def __init__(self, on_request: Callable[[str, int], None]) -> None:
        """Create a model.

        Args:
            on_request: Called with the chat and the port that each request was sent to.
        """
        self.questions: dict[str, Question] = {}
        self._on_request = on_request
        self._attempts: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def reply(self, request: RecordedRequest) -> Reply:
        """Return the response to a request."""
        chat, _, word = request.last_text.partition(" ")
        port = int(request.headers["host"].rpartition(":")[2])
        self._on_request(chat, port)
        question = self.questions[chat]
        if word == HELLO:
            return Reply(message(text(f"Hello, {chat}.")))
        newest = request.json["messages"][-1]["content"]
        has_results = isinstance(newest, list) and newest[-1]["type"] == "tool_result"
        step = "b" if question.tools and not has_results else "a"
        self._attempts[chat][step] += 1
        attempt = self._attempts[chat][step]
        if step == "a":
            return Reply(message(text(*_text(step, question.after, attempt))), pace=PACE)
        calls = [
            tool_use(f"toolu_{name}_{chat}_{attempt}", name, _ARGUMENTS[name])
            for name in question.tools
        ]
        before = text(*_text(step, question.before, attempt))
        return Reply(message(before, *calls, stop_reason="tool_use"), pace=PACE)


def is_whole(response: UIMessage | None, question: Question) -> bool:
    """Whether a response is what the model said, once, with the outputs of all tools."""
    if response is None or not _has_whole_text(response, question):
        return False
    outputs = sorted(str(call.output) for call in _calls(response, "output-available"))
    return outputs == sorted(map(output_of, question.tools))


def is_whole_but_for_tools(response: UIMessage, question: Question) -> bool:
    """Whether a response is whole, but for a tool that was interrupted and shows that. A response
    that waits may go on afterwards."""
    calls = len(_calls(response, "output-available", "output-error"))
    return _has_whole_text(response, question) and question.waits and calls == len(question.tools)


def _has_whole_text(response: UIMessage, question: Question) -> bool:
    written = pieces(message_text(response))
    for step, count in (("b", question.before), ("a", question.after)):
        own = [piece for piece in written if piece.step == step]
        if [piece.number for piece in own] != list(range(count)):
            return False
        if len({piece.attempt for piece in own}) > 1:
            return False
    return True


def _calls(response: UIMessage, *states: str) -> list[ToolPart]:
    return [part for part in response.parts if isinstance(part, ToolPart) and part.state in states]


def message_text(message: UIMessage) -> str:
    """Return the text of a message."""
    return "".join(part.text for part in message.parts if isinstance(part, TextPart))


def output_of(tool_name: str) -> str:
    """Return the output that a tool has, wherever it runs."""
    return f"{tool_name} done"


def open_calls(response: UIMessage) -> list[ToolPart]:
    """Return the calls that wait for the client, or for the user."""
    return [
        part
        for part in response.parts
        if isinstance(part, ToolPart)
        and (
            part.state == "approval-requested"
            or (part.tool_name == CLIENT_TOOL and part.state == "input-available")
        )
    ]


def _text(step: str, count: int, attempt: int) -> list[str]:
    return [f"{step}{number}.{attempt} " for number in range(count)]
