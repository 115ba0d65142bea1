"""A provider that fails, before the answer and in the middle of it."""

from __future__ import annotations

from tests.clients.scenario import (
    ANY,
    SECRET,
    STEP,
    Scenario,
    called,
    regenerate,
    said,
    send,
    user,
)
from tests.clients.scenarios.replies import HALF, cut, file, replied
from tests.harness.fake_provider import Reply, error_event, http_error, message, text

__all__ = ["FAULTS"]

#: Asks the provider's SDK to try again at once.
AT_ONCE = {"retry-after-ms": "1"}
OVERLOADED = http_error(529, "overloaded_error", SECRET, headers=AT_ONCE)


def always(reply: Reply) -> list[Reply]:
    """What fails however often it is tried: where the page was shown nothing yet, or can forget it,
    it is tried again."""
    return [reply] * 3


FAULTS = [
    Scenario(
        name="error before the answer",
        replies=[http_error(401, "authentication_error", SECRET)],
        actions=[send("Hi")],
        status="error",
        roles=["user", "assistant"],
    ),
    Scenario(
        name="retry after an error",
        replies=[http_error(400, "invalid_request_error", SECRET), replied(text("Hello"))],
        actions=[send("Hi"), regenerate],
        requests=2,
        parts=[STEP, said("Hello")],
    ),
    Scenario(
        name="overloaded, then well",
        replies=[OVERLOADED, replied(text("Hello"))],
        actions=[send("Hi")],
        parts=[STEP, said("Hello")],
        asked=[[user("Hi")]] * 2,
    ),
    Scenario(
        name="overloaded within the stream, before anything is shown",
        replies=[
            Reply([*message()[:1], error_event("overloaded_error", SECRET)]),
            replied(text("Hello")),
        ],
        actions=[send("Hi")],
        parts=[STEP, said("Hello")],
        asked=[[user("Hi")]] * 2,
    ),
    Scenario(
        name="overloaded in the middle",
        replies=always(
            Reply([*message(text("Hel"))[:-3], error_event("overloaded_error", SECRET)])
        ),
        actions=[send("Hi")],
        status="error",
        parts=[STEP, said("Hel")],
    ),
    Scenario(
        name="reset in the middle",
        replies=always(cut(text("Hel"), then="reset")),
        actions=[send("Hi")],
        status="error",
        parts=[STEP, said("Hel")],
    ),
    Scenario(
        name="end without a stop reason",
        replies=always(cut(text("Hel"), then="eof")),
        actions=[send("Hi")],
        status="error",
        parts=[STEP, said("Hel")],
    ),
    Scenario(
        name="end within a tool input",
        replies=always(cut(HALF, then="close")),
        actions=[send("Weather?")],
        status="error",
        parts=[STEP, called("weather", "toolu_1", "output-error", errorText=ANY)],
    ),
    Scenario(
        name="a file that no model reads",
        actions=[send("Look", files=[file("a.zip", "application/zip", b"PK\x03\x04\0")])],
        status="error",
        statuses=["ready", "submitted", "error"],
        roles=["user"],
        asked=[],
    ),
]
