"""`needs_approval`: whether the user has to approve a tool call, and what a policy may return."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from usechat_server.turn import Turn

__all__ = ["ApprovalPolicy", "Approve", "Ask", "Deny", "NeedsApproval"]


@dataclass(frozen=True, slots=True)
class Ask:
    """The user has to approve the call.

    Attributes:
        reason: Why, shown to the user (AI SDK 7.0.82 and later).
    """

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Approve:
    """The app approved the call itself.

    Attributes:
        reason: Why, for the client.
    """

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Deny:
    """The app denied the call itself.

    Attributes:
        reason: Why, for the model and the client.
    """

    reason: str | None = None


#: A function of a call's arguments, by name, and the turn. True means Ask(), False that the call
#: runs without an approval.
ApprovalPolicy = Callable[
    [Mapping[str, Any], Turn],
    bool | Approve | Ask | Deny | Awaitable[bool | Approve | Ask | Deny],
]

#: The same for all calls of a tool, or a function that decides about each.
NeedsApproval = bool | ApprovalPolicy
