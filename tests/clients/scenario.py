"""What a scenario is made of: what the provider answers, what the person does, what must come out.

Nothing here knows a backend: it is a URL that a page posts to, and whose provider is the fake one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from unittest.mock import ANY

from tests.harness.common import JSON
from tests.harness.fake_provider import Reply

__all__ = [
    "ANY",
    "SECRET",
    "STEP",
    "Action",
    "Scenario",
    "answer",
    "approve",
    "away",
    "called",
    "deny",
    "edit",
    "fail",
    "halt",
    "happened",
    "happens",
    "model",
    "regenerate",
    "reload",
    "resume",
    "said",
    "seen",
    "send",
    "start",
    "stop",
    "tab",
    "thought",
    "user",
]

#: Stands in every text of the provider that must not reach a client.
SECRET = "SECRET-4711"

#: One verb of the driver's `Actions`, and its argument.
Action = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One conversation. The page continues by itself whenever a client's own predicate says so."""

    name: str
    #: what the provider answers to one request after another
    replies: Sequence[Reply] = ()
    actions: Sequence[Action]
    #: requests that the page made, in all
    requests: int = 1
    status: Literal["ready", "error"] = "ready"
    #: every status in turn; None: not looked at
    statuses: Sequence[str] | None = None
    #: parts of the last message; None: not looked at
    parts: Sequence[JSON] | None = None
    #: roles of all messages
    roles: Sequence[str] = ("user", "assistant")
    #: for each request to the provider its turns; None: not looked at
    asked: Sequence[Sequence[JSON] | None] | None = None
    #: what `onFinish` hears of the last answer, where the release tells it
    finish_reason: str | None = None
    #: requests to the provider that the backend itself closed
    hung_up: Sequence[int] = ()
    #: outputs that the page gives by itself as soon as a tool is called
    page_tools: JSON | None = None
    #: the first release whose own code can do it
    since: str = "5.0.0"
    #: whether useChat looks for an answer under way as soon as the page is opened
    resume: bool = False
    #: messages that the page starts with
    messages: Sequence[JSON] = ()
    #: which of the backend's apps the page talks to
    app: str = ""
    #: whether all tabs that are open at the end show the same
    same_in_all_tabs: bool = False
    #: the first release from which on it is not tried: its own code does otherwise
    until: str | None = None


# What a person does.


def send(text: str, *, files: Sequence[JSON] = ()) -> Action:
    """Sends a message and waits until the page is at rest."""
    return {"send": {"text": text, **({"files": list(files)} if files else {})}}


def start(text: str) -> Action:
    """Sends a message and goes on while the answer is on its way."""
    return {"start": {"text": text}}


def seen(text: str) -> Action:
    """Waits until a text stands anywhere in the last message."""
    return {"seen": text}


def answer(tool: str, output: Any) -> Action:
    """The page answers every open call of a tool."""
    return {"answer": {"tool": tool, "output": output}}


def fail(tool: str, text: str) -> Action:
    """The page says that a tool failed."""
    return {"answer": {"tool": tool, "errorText": text}}


def edit(index: int, text: str) -> Action:
    """Replaces the user message of that index among the user messages."""
    return {"edit": {"index": index, "text": text}}


def approve(call: str | None = None) -> Action:
    """The person allows what waits for it: one call, or all."""
    return {"approve": {"call": call} if call else {}}


def deny(call: str | None = None, reason: str | None = None) -> Action:
    fields = {"call": call, "reason": reason}
    return {"deny": {name: value for name, value in fields.items() if value is not None}}


def happens(moment: str) -> Action:
    """Lets a moment come for which the backend waits."""
    return {"moment": {"name": moment, "method": "POST"}}


def happened(moment: str) -> Action:
    """Waits for a moment of the backend."""
    return {"moment": {"name": moment}}


def away(*until: Action) -> Action:
    """Closes the page, and opens it again after these moments."""
    return {"away": {"until": [action["moment"] for action in until]}}


regenerate: Action = {"regenerate": {}}
stop: Action = {"stop": {}}
resume: Action = {"resume": {}}
#: The page's stop lines: the stop route, then the client's own stop.
halt: Action = {"halt": {}}
tab: Action = {"tab": {}}
reload: Action = {"reload": {}}

# Parts of a UI message.

STEP: JSON = {"type": "step-start"}


def said(text: str, state: str = "done") -> JSON:
    return {"type": "text", "text": text, "state": state}


def thought(text: str, metadata: JSON | None = None, state: str = "done") -> JSON:
    part = {"type": "reasoning", "text": text, "state": state}
    return {**part, "providerMetadata": {"anthropic": metadata}} if metadata else part


def called(tool: str, call_id: str, state: str, **fields: Any) -> JSON:
    return {"type": f"tool-{tool}", "toolCallId": call_id, "state": state, **fields}


# Turns of a request to the provider.


def user(*content: str | JSON) -> JSON:
    return {"role": "user", "content": _blocks(content)}


def model(*content: str | JSON) -> JSON:
    return {"role": "assistant", "content": _blocks(content)}


def _blocks(content: Sequence[str | JSON]) -> list[JSON]:
    return [{"type": "text", "text": c} if isinstance(c, str) else c for c in content]
