"""The interface that the loop and the routes use for approvals, and the results of a policy."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ui_message_stream.chunks import ToolInputAvailable

from usechat_server.tools import Approve, Ask, Deny, FunctionTool
from usechat_server.turn import Decision, Turn

__all__ = ["LIFETIME", "ApprovalRequest", "Approvals", "Approve", "Ask", "Deny", "evaluate_policy"]

#: Seconds until an approval request expires. The user approves what the client shows at that
#: moment, so this only bounds how long a pending request is remembered.
LIFETIME = 24 * 60 * 60.0


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A pending request to the user to approve a tool call."""

    #: every client from AI SDK 6 on sends it back with the decision
    approval_id: str
    #: the AI SDK's own signature of the call; None: the server has no secret to sign it with
    signature: str | None = None


class Approvals(Protocol):
    """Issues approval requests and redeems each decision once.

    A decision is valid for a pending call that this server issued to this user in this chat, with
    the input unchanged, until it expires.
    """

    async def request(self, turn: Turn, call: ToolInputAvailable) -> ApprovalRequest:
        """Issue an approval request for this call."""
        ...

    async def redeem(self, turn: Turn) -> Mapping[str, Decision]:
        """Consume the decisions that the continued message brings, denials too. Those of a stored
        chat are checked and consumed when the store begins the turn.

        Returns:
            Tool call id → the user's decision.

        Raises:
            ChatError: One of the decisions is not valid: then none of the calls may run.
        """
        ...

    def prover(self, turn: Turn) -> Callable[[str], str] | None:
        """Return a function that proves that an id came from this server, in this chat.

        Returns:
            None if the history is stored: then it is the server's own.
        """
        ...


async def evaluate_policy(
    tool: FunctionTool, arguments: Mapping[str, Any], turn: Turn
) -> Ask | Approve | Deny | None:
    """Evaluate a tool's `needs_approval` for one call.

    Args:
        tool: The tool; its `needs_approval` is a bool, or a function of the arguments and the turn
            that returns a bool, Ask, Approve or Deny, or an awaitable of one.
        arguments: The parsed arguments of the call.
        turn: The turn that the call belongs to.

    Returns:
        What to do before the call runs; None: it runs without an approval.

    Raises:
        TypeError: The function returned something else: without a decision the call must not run.
        Exception: Whatever the function raises.
    """
    result: Any = tool.needs_approval
    if callable(result):
        result = result(arguments, turn)
        if inspect.isawaitable(result):
            result = await result
    if isinstance(result, Ask | Approve | Deny):
        return result
    if not isinstance(result, bool):
        raise TypeError(
            f"needs_approval of {tool.name} returned {type(result).__name__}: expected a bool, Ask,"
            " Approve or Deny"
        )
    return Ask() if result else None
