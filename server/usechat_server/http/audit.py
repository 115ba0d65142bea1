"""The audit log: one line for each refused sign-in, decision about a tool call, and chat that was
renamed or deleted."""

from __future__ import annotations

import logging
from typing import Any

from starlette.types import Scope
from ui_message_stream import json_codec

from usechat_server.telemetry.request import request_id
from usechat_server.turn import Turn

__all__ = ["audit", "audit_decisions"]

logger: logging.Logger = logging.getLogger("usechat.audit")


def audit(event: str, scope: Scope, **fields: Any) -> None:
    """Log an event. The line ends with its fields as JSON; `record.audit` has them too.

    Args:
        event: What happened.
        scope: The request that caused it.
        **fields: What it was about. Empty ones are left out.
    """
    client = scope.get("client")
    known = {
        **fields,
        "client": client[0] if client else None,
        "method": scope["method"],
        "path": scope["path"][:200],
        "request": request_id(),
    }
    known = {name: value for name, value in known.items() if value is not None}
    text = json_codec.encode(known).decode()
    logger.info("%s %s", event, text, extra={"audit": {"event": event, **known}})


def audit_decisions(turn: Turn, scope: Scope) -> None:
    """Log the decisions about tool calls that a request brought."""
    calls = [] if turn.continued is None else turn.continued.last_step_calls()
    tools = {call.tool_call_id: call.tool_name for call in calls}
    for call_id, decision in turn.decisions.items():
        audit(
            "approval given" if decision.approved else "approval denied",
            scope,
            user=turn.user,
            chat=turn.chat_id,
            tool=tools.get(call_id),
            toolCallId=call_id,
            reason=decision.reason and decision.reason[:200],
        )
