"""Which release of `ai` a client is, as far as its requests tell.

The requests of all current releases look the same. Older ones name themselves in the `user-agent`
header, and a history with parts that only newer releases have comes from one of these.

Source: `ai/src/ui/http-chat-transport.ts` and `ai/src/ui/ui-messages.ts` of the published packages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ui_message_stream.messages import (
    CustomPart,
    Part,
    ReasoningFilePart,
    SteeringMessagePart,
    TextPart,
    ToolPart,
    UIMessage,
)
from ui_message_stream.versions import OLDEST_CLIENT_VERSION, ClientVersion, missing

__all__ = [
    "SILENT_CLIENT_VERSION",
    "history_client_version",
    "user_agent_client_version",
    "with_approvals",
]

#: Without these a tool that needs approval cannot be used at all, so they are sent to every client
#: that does not declare its version.
_APPROVAL = ("tool-approval-request", "tool-output-denied")


def with_approvals(client_version: ClientVersion) -> ClientVersion:
    """Return a client version that gets approval requests, however old it is."""
    return client_version.with_chunk_types(*missing(_APPROVAL, client_version))


#: Of clients that give no sign: every release of AI SDK 5, 6 and 7 can read what they get, except
#: for approval requests.
SILENT_CLIENT_VERSION = with_approvals(OLDEST_CLIENT_VERSION)

_V6 = ClientVersion(6)
_V7 = ClientVersion(7)
_CITATIONS = ClientVersion(7, 0, 138)
_STEERING = ClientVersion(7, 0, 163)

#: "ai-sdk/6.0.116 runtime/browser"; a prerelease knows less than the release.
_USER_AGENT = re.compile(r"(?:^|\s)ai-sdk/(\d+\.\d+\.\d+)(?=\s|$)", re.ASCII)

#: The kinds of custom parts that this server sends. Others may be older than the client: the app
#: loaded them from somewhere.
_OWN_KINDS = "anthropic."

_APPROVAL_STATES = ("approval-requested", "approval-responded", "output-denied")


def user_agent_client_version(user_agent: str) -> ClientVersion | None:
    """Return the release that a `user-agent` header names; None: it names none of this protocol."""
    match = _USER_AGENT.search(user_agent)
    try:
        return ClientVersion.parse(match[1]) if match else None
    except ValueError:
        return None


def history_client_version(messages: Iterable[UIMessage]) -> ClientVersion | None:
    """Return the first release that can have written the messages; None: every release can."""
    releases = [
        release
        for message in messages
        if message.role == "assistant"
        for part in message.parts
        if (release := _first_release(part)) is not None
    ]
    return max(releases, default=None)


def _first_release(part: Part) -> ClientVersion | None:
    """Return the first release that has such a part; None: every release has it."""
    if isinstance(part, ToolPart):
        if part.approval is not None and part.approval.is_automatic:
            return _V7
        return _V6 if part.approval is not None or part.state in _APPROVAL_STATES else None
    if isinstance(part, TextPart):
        return None if part.citations is None else _CITATIONS
    if isinstance(part, CustomPart):
        return _V7 if part.kind.startswith(_OWN_KINDS) else None
    if isinstance(part, SteeringMessagePart):
        return _STEERING
    return _V7 if isinstance(part, ReasoningFilePart) else None
