"""A scenario: the replies of the provider, the actions of the user, and the expected result.

Scenarios know nothing of the backend but its URL.
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
    "add_tool_error",
    "add_tool_output",
    "approve",
    "close_until",
    "deny",
    "edit",
    "lose_connection",
    "model_turn",
    "open_tab",
    "reasoning_part",
    "regenerate",
    "reload",
    "resume",
    "send",
    "send_no_message",
    "start",
    "start_regenerating",
    "stop",
    "stop_by_delete",
    "stop_on_server",
    "text_part",
    "tool_part",
    "trigger_event",
    "user_turn",
    "wait_for_event",
    "wait_for_text",
]

#: Part of every text of the provider that must not reach a client.
SECRET = "SECRET-4711"

#: One verb of the driver's `Actions`, and its argument.
Action = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One conversation. The client continues automatically when its own predicate says so."""

    name: str
    #: of the provider, one for each request
    replies: Sequence[Reply] = ()
    actions: Sequence[Action]
    #: the number of requests of the client
    requests: int = 1
    status: Literal["ready", "error"] = "ready"
    #: every status in order; None: not checked
    statuses: Sequence[str] | None = None
    #: parts of the last message; None: not checked
    parts: Sequence[JSON] | None = None
    #: roles of all messages
    roles: Sequence[str] = ("user", "assistant")
    #: the turns of each request to the provider; None: not checked
    provider_turns: Sequence[Sequence[JSON] | None] | None = None
    #: of the last response, if the release passes it to `onFinish`
    finish_reason: str | None = None
    #: indexes of the requests to the provider that the backend closed
    closed_requests: Sequence[int] = ()
    #: outputs that the client adds as soon as a tool is called
    client_tools: JSON | None = None
    #: the first release that supports it
    since: str = "5.0.0"
    #: whether useChat resumes as soon as it is created
    resume: bool = False
    #: the initial messages
    messages: Sequence[JSON] = ()
    #: the name of the backend's app
    app: str = ""
    #: whether all open tabs must show the same messages at the end
    same_in_all_tabs: bool = False
    #: the first release that behaves differently, so that it is skipped
    until: str | None = None
    #: whether it is that of a frontend that names no client version
    unmodified: bool = False
    #: the class of the client's transport, and the route that it uses
    transport: str = "DefaultChatTransport"
    route: str = "chat"
    #: what the frontend's requests are like, see `driver/front_ends.mjs`
    front_end: JSON | None = None


# Actions.


def send(text: str, *, files: Sequence[JSON] = (), metadata: JSON | None = None) -> Action:
    """Send a message and wait until the response has ended."""
    [message] = start(text, metadata=metadata).values()
    return {"send": {**message, **({"files": list(files)} if files else {})}}


def start(text: str, *, metadata: JSON | None = None) -> Action:
    """Send a message without waiting for the response."""
    return {"start": {"text": text, **({"metadata": metadata} if metadata else {})}}


def wait_for_text(text: str) -> Action:
    """Wait until the last message contains a text."""
    return {"seen": text}


def add_tool_output(tool: str, output: Any) -> Action:
    """Add an output to every open call of a tool."""
    return {"addOutput": {"tool": tool, "output": output}}


def add_tool_error(tool: str, text: str) -> Action:
    """Add an error to every open call of a tool."""
    return {"addOutput": {"tool": tool, "errorText": text}}


def edit(index: int, text: str) -> Action:
    """Replace a user message; the index counts user messages only."""
    return {"edit": {"index": index, "text": text}}


def approve(call: str | None = None) -> Action:
    """Approve one call, or all that wait for an approval."""
    return {"approve": {"call": call} if call else {}}


def deny(call: str | None = None, reason: str | None = None) -> Action:
    fields = {"call": call, "reason": reason}
    return {"deny": {name: value for name, value in fields.items() if value is not None}}


def trigger_event(name: str) -> Action:
    """Trigger an event that the backend waits for."""
    return {"moment": {"name": name, "method": "POST"}}


def wait_for_event(name: str) -> Action:
    """Wait for an event of the backend."""
    return {"moment": {"name": name}}


def close_until(*events: Action) -> Action:
    """Close the client, and open another one after these events."""
    return {"away": {"until": [action["moment"] for action in events]}}


regenerate: Action = {"regenerate": {}}
#: Send what has changed in a message, and wait: `sendMessage` without a message.
send_no_message: Action = {"sendNothing": {}}
#: Regenerate without waiting for the response.
start_regenerating: Action = {"startRegenerate": {}}
#: All connections of the tab break, and the client notices.
lose_connection: Action = {"lose": {}}
stop: Action = {"stop": {}}
resume: Action = {"resume": {}}
#: The stop route, then the client's own stop, as the documentation shows.
stop_on_server: Action = {"halt": {}}
#: The same as the example of the AI SDK has it: a DELETE of the stream, and nothing waits for it.
stop_by_delete: Action = {"drop": {}}
open_tab: Action = {"tab": {}}
reload: Action = {"reload": {}}

# Parts of a UI message.

STEP: JSON = {"type": "step-start"}


def text_part(text: str, state: str = "done") -> JSON:
    return {"type": "text", "text": text, "state": state}


def reasoning_part(text: str, metadata: JSON | None = None, state: str = "done") -> JSON:
    part = {"type": "reasoning", "text": text, "state": state}
    return {**part, "providerMetadata": {"anthropic": metadata}} if metadata else part


def tool_part(tool: str, call_id: str, state: str, **fields: Any) -> JSON:
    return {"type": f"tool-{tool}", "toolCallId": call_id, "state": state, **fields}


# Turns of a request to the provider.


def user_turn(*content: str | JSON) -> JSON:
    return {"role": "user", "content": _blocks(content)}


def model_turn(*content: str | JSON) -> JSON:
    return {"role": "assistant", "content": _blocks(content)}


def _blocks(content: Sequence[str | JSON]) -> list[JSON]:
    return [{"type": "text", "text": c} if isinstance(c, str) else c for c in content]
