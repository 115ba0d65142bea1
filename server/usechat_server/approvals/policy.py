"""Whether a call needs a person's approval: what the tool says of it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from usechat_server.tools import FunctionTool
from usechat_server.turn import Turn

__all__ = ["Approve", "Ask", "Deny", "policy"]


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
