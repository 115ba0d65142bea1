"""What the loop and the routes need of approvals, whatever remembers them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ui_message_stream.chunks import ToolInputAvailable

from usechat_server.tools import FunctionTool
from usechat_server.turn import Decision, Turn

__all__ = ["LIFETIME", "ApprovalRequest", "Approvals", "Approve", "Ask", "Deny", "policy"]

#: Seconds that a person has for an answer. What is approved is what is on the page at that moment,
#: so this only bounds how long an open question is remembered.
LIFETIME = 24 * 60 * 60.0


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A question that was put to a person."""

    #: every client from AI SDK 6 on sends it back with the answer
    approval_id: str
    #: the AI SDK's own signature of the call; None: there is no secret that others know
    signature: str | None = None


class Approvals(Protocol):
    """Issues approvals and takes each once: for a pending call that this server issued to this
    user in this chat, with the input unchanged, within its time."""

    async def request(self, turn: Turn, call: ToolInputAvailable) -> ApprovalRequest:
        """Begins to wait for an answer to this call."""
        ...

    async def redeem(self, turn: Turn) -> Mapping[str, Decision]:
        """Tool call id → the person's answer, for each call that the continued message answers now.

        Each of them is used up, denied ones too. Raises ChatError if any of them does not count:
        then nothing may run.
        """
        ...


@dataclass(frozen=True, slots=True)
class Ask:
    """A person has to approve the call."""

    #: why, for that person (AI SDK 7.0.82 and later)
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Approve:
    """The app approved the call itself."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Deny:
    """The app denied the call itself."""

    #: why, for the model and the page
    reason: str | None = None


async def policy(
    tool: FunctionTool, arguments: Mapping[str, Any], turn: Turn
) -> Ask | Approve | Deny | None:
    """What `needs_approval` says of a call with these parsed arguments; None: it just runs.

    A function gets the arguments and the turn, and returns a bool, Ask, Approve or Deny, or an
    awaitable of one. Raises what it raises, and TypeError for anything else that it returns: a call
    that nobody could judge must not run.
    """
    said: Any = tool.needs_approval
    if callable(said):
        said = said(arguments, turn)
        if inspect.isawaitable(said):
            said = await said
    if isinstance(said, Ask | Approve | Deny):
        return said
    if not isinstance(said, bool):
        raise TypeError(
            f"needs_approval of {tool.name} returned {type(said).__name__}: expected a bool, Ask, "
            "Approve or Deny"
        )
    return Ask() if said else None
