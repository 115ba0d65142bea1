"""Failures of the provider, before the response and within it."""

from __future__ import annotations

from tests.clients.scenario import (
    ANY,
    SECRET,
    STEP,
    Scenario,
    regenerate,
    send,
    text_part,
    tool_part,
    user_turn,
)
from tests.clients.scenarios.replies import HALF, cut_reply, file, reply
from tests.harness.fake_provider import Reply, error_event, http_error, message, text

__all__ = ["FAULTS"]

#: Makes the provider's SDK retry at once.
AT_ONCE = {"retry-after-ms": "1"}
OVERLOADED = http_error(529, "overloaded_error", SECRET, headers=AT_ONCE)


def always(reply: Reply) -> list[Reply]:
    """Return the replies of a failure that persists: calls are retried unless the client has
    received output that it cannot discard."""
    return [reply] * 3


FAULTS = [
    Scenario(
        name="error before the response",
        replies=[http_error(401, "authentication_error", SECRET)],
        actions=[send("Hi")],
        status="error",
        roles=["user", "assistant"],
    ),
    Scenario(
        name="retry after an error",
        replies=[
            Reply([*message()[:1], error_event("invalid_request_error", SECRET)]),
            reply(text("Hello")),
        ],
        actions=[send("Hi"), regenerate],
        requests=2,
        parts=[STEP, text_part("Hello")],
    ),
    Scenario(
        name="overloaded, then a response",
        replies=[OVERLOADED, reply(text("Hello"))],
        actions=[send("Hi")],
        parts=[STEP, text_part("Hello")],
        provider_turns=[[user_turn("Hi")]] * 2,
    ),
    Scenario(
        name="overloaded within the stream, before any output",
        replies=[
            Reply([*message()[:1], error_event("overloaded_error", SECRET)]),
            reply(text("Hello")),
        ],
        actions=[send("Hi")],
        parts=[STEP, text_part("Hello")],
        provider_turns=[[user_turn("Hi")]] * 2,
    ),
    Scenario(
        name="overloaded in the middle",
        replies=always(
            Reply([*message(text("Hel"))[:-3], error_event("overloaded_error", SECRET)])
        ),
        actions=[send("Hi")],
        status="error",
        parts=[STEP, text_part("Hel")],
    ),
    Scenario(
        name="reset in the middle",
        replies=always(cut_reply(text("Hel"), then="reset")),
        actions=[send("Hi")],
        status="error",
        parts=[STEP, text_part("Hel")],
    ),
    Scenario(
        name="end without a stop reason",
        replies=always(cut_reply(text("Hel"), then="eof")),
        actions=[send("Hi")],
        status="error",
        parts=[STEP, text_part("Hel")],
    ),
    Scenario(
        name="end within a tool input",
        replies=always(cut_reply(HALF, then="close")),
        actions=[send("Weather?")],
        status="error",
        parts=[STEP, tool_part("weather", "toolu_1", "output-error", errorText=ANY)],
    ),
    Scenario(
        name="an unsupported file",
        actions=[send("Look", files=[file("a.zip", "application/zip", b"PK\x03\x04\0")])],
        status="error",
        statuses=["ready", "submitted", "error"],
        roles=["user"],
        provider_turns=[],
    ),
]
