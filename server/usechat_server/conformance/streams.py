"""Check the bytes of one response."""

from __future__ import annotations

from ui_message_stream.checker import Finding, check
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ClientVersion

from usechat_server.conformance.catalog import RULES
from usechat_server.conformance.results import Problem

__all__ = ["check_stream"]


def check_stream(
    body: bytes,
    client_version: ClientVersion | None = None,
    *,
    message: UIMessage | None = None,
    place: str = "",
) -> list[Problem]:
    """Check the body of a response.

    Args:
        body: The whole body.
        client_version: The oldest client that must be able to read it; 5.0.92 by default.
        message: The assistant message that the response continues, if any.
        place: Which response it is, such as "request 2".

    Returns:
        The problems, in the order of the events.
    """
    return [_problem(each, place) for each in check(body, client_version, message=message)]


def _problem(finding: Finding, place: str) -> Problem:
    event = f"event {finding.event}" if finding.event else "end of the response"
    return Problem(
        finding.rule,
        RULES[finding.rule].severity,
        finding.text,
        f"{place}, {event}" if place else event,
        finding.fatal or "",
    )
