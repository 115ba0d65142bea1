"""What frontends that others wrote do, unmodified: they name no client version, and the server
has a store and no settings.

They are the examples of vercel/ai, vercel/chatbot, pydantic/ai-chat-ui, assistant-ui and AI
Elements, as far as they differ in their requests and in what they need from a response.
"""

from __future__ import annotations

from typing import Any

from tests.clients.scenario import (
    ANY,
    STEP,
    Scenario,
    add_tool_output,
    approve,
    deny,
    edit,
    model_turn,
    regenerate,
    reload,
    send,
    start,
    stop_by_delete,
    text_part,
    tool_part,
    trigger_event,
    user_turn,
    wait_for_text,
)
from tests.clients.scenarios.approvals import TEN, sent, transfer
from tests.clients.scenarios.replies import (
    PARIS,
    SUNNY,
    WEATHER,
    file,
    reply,
    tool_call_reply,
    tool_result,
)
from tests.clients.scenarios.stopping import stop_and_go_on
from tests.harness.fake_provider import text, tool_use

__all__ = ["FRONT_ENDS"]

#: Only the newest message is sent; the metadata has a schema with a required field.
NEWEST_MESSAGE = {"sends": "newest", "requiredMetadata": "createdAt"}
CREATED = {"createdAt": 1_700_000_000_000}
#: The newest message, but the whole history after a decision, without a trigger.
CHATBOT = {
    "sends": "newestOrAll",
    "body": {"selectedChatModel": "some/model", "selectedVisibilityType": "private"},
}
#: The default requests with fields of the page's own.
CHAT_UI = {"body": {"model": "some:model", "builtinTools": ["search"], "effort": "medium"}}
#: The whole history, with instructions and the client's tools.
ASSISTANT = {
    "sends": "all",
    "body": {"system": "Be brief.", "tools": {"clock": {"parameters": {"type": "object"}}}},
}


def unmodified(front_end: Any = None, *, app: str = "stored", **fields: Any) -> Scenario:
    return Scenario(app=app, unmodified=True, front_end=front_end, **fields)


def approvals(front_end: Any, name: str, *, app: str = "stored") -> Scenario:
    """Return a scenario of a denial, then an approval in the next message."""
    return unmodified(
        front_end,
        app=app,
        name=f"approvals in {name}",
        since="6.0.0",
        replies=[
            tool_call_reply(transfer("toolu_1")),
            reply(text("As you like")),
            tool_call_reply(transfer("toolu_2")),
            reply(text("Sent")),
        ],
        actions=[send("Pay"), deny(reason="Too dear."), send("Pay now"), approve()],
        requests=4,
        roles=["user", "assistant"] * 2,
        parts=[STEP, sent("toolu_2"), STEP, text_part("Sent")],
        provider_turns=[
            None,
            [ANY, ANY, user_turn(tool_result("Too dear.", is_error=True))],
            None,
            [*[ANY] * 6, user_turn(tool_result({"sent": 10}, "toolu_2"))],
        ],
    )


FRONT_ENDS = [
    unmodified(
        NEWEST_MESSAGE,
        name="the newest message only, with required metadata",
        replies=[reply(text(word)) for word in ("One", "Two", "Three")],
        actions=[send("Hi", metadata=CREATED), regenerate, send("More", metadata=CREATED)],
        requests=3,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Three")],
        provider_turns=[
            [user_turn("Hi")],
            [user_turn("Hi")],
            [user_turn("Hi"), model_turn("Two"), user_turn("More")],
        ],
    ),
    unmodified(
        NEWEST_MESSAGE,
        name="a reload of a page that sends the newest message only",
        replies=[tool_call_reply(tool_use("toolu_w", "wait")), reply(text("Done"))],
        actions=[
            start("Wait", metadata=CREATED),
            wait_for_text("progress"),
            reload,
            wait_for_text("progress"),
            trigger_event("go"),
            wait_for_text("Done"),
        ],
        requests=2,
    ),
    stop_and_go_on(
        "stop without a request, then go on", app="stored", unmodified=True, front_end=CHAT_UI
    ),
    stop_and_go_on(
        "stop by DELETE, then go on",
        stop=stop_by_delete,
        metadata=CREATED,
        app="stored",
        unmodified=True,
        front_end=NEWEST_MESSAGE,
    ),
    # With what its schema requires at the start, a page takes further metadata.
    unmodified(
        NEWEST_MESSAGE,
        app="dated",
        name="required metadata from the server, and the usage",
        replies=[tool_call_reply(), reply(text("Sunny")), reply(text("Fine"))],
        actions=[
            send("Weather?", metadata=CREATED),
            add_tool_output("weather", SUNNY),
            send("Thanks", metadata=CREATED),
        ],
        requests=3,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
    ),
    unmodified(
        CHATBOT,
        name="a body without a trigger",
        replies=[reply(text("One")), reply(text("Two"))],
        actions=[send("Hi"), edit(0, "Hello")],
        requests=2,
        parts=[STEP, text_part("Two")],
        provider_turns=[[user_turn("Hi")], [user_turn("Hello")]],
    ),
    approvals(CHATBOT, "a body without a trigger"),
    approvals(CHAT_UI, "a body with the page's own fields"),
    approvals(ASSISTANT, "a body with everything"),
    approvals(None, "an agent that is chosen per turn", app="per-turn"),
    approvals(None, "a handler", app="handler"),
    unmodified(
        ASSISTANT,
        name="a client-side tool and a tool with progress",
        replies=[
            tool_call_reply(WEATHER, tool_use("toolu_2", "count", {"upto": 2})),
            reply(text("Sunny")),
        ],
        actions=[send("Weather?"), add_tool_output("weather", SUNNY)],
        requests=2,
        parts=[
            STEP,
            tool_part("weather", "toolu_1", "output-available", input=PARIS, output=SUNNY),
            tool_part(
                "count", "toolu_2", "output-available", input={"upto": 2}, output={"counted": 2}
            ),
            STEP,
            text_part("Sunny"),
        ],
    ),
    unmodified(
        CHAT_UI,
        name="files, and a tool that fails",
        replies=[
            tool_call_reply(tool_use("toolu_1", "archive", PARIS)),
            reply(text("There is none")),
        ],
        actions=[send("Read", files=[file("a.txt", "text/plain", b"Hello")])],
        parts=[
            STEP,
            tool_part(
                "archive", "toolu_1", "output-error", errorText="There is no archive of Paris."
            ),
            STEP,
            text_part("There is none"),
        ],
    ),
    # A page may show `part.approval` of a denied part: the app's own decisions leave none.
    *(
        unmodified(
            app=app,
            name=f"a call that the policy denies, {app}",
            replies=[
                tool_call_reply(tool_use("toolu_1", "pay", {"amount": 5000})),
                reply(text("Too much")),
            ],
            actions=[send("Pay")],
            parts=[
                STEP,
                tool_part("pay", "toolu_1", "output-error", errorText="It is too much."),
                STEP,
                text_part("Too much"),
            ],
            provider_turns=[
                None,
                [ANY, ANY, user_turn(tool_result("It is too much.", is_error=True))],
            ],
        )
        for app in ("stored", "per-turn", "handler")
    ),
    unmodified(
        app="confirming",
        name="a confirmation that the tool's output replaces",
        replies=[tool_call_reply(tool_use("toolu_1", "confirm", TEN)), reply(text("Sent"))],
        actions=[send("Pay"), add_tool_output("confirm", "Yes")],
        requests=2,
        parts=[
            STEP,
            tool_part("confirm", "toolu_1", "output-available", input=TEN, output={"sent": 10}),
            STEP,
            text_part("Sent"),
        ],
    ),
    unmodified(
        app="confirming",
        name="a confirmation in the stored history",
        replies=[
            tool_call_reply(tool_use("toolu_1", "confirm", TEN)),
            reply(text("Sent")),
            reply(text("Fine")),
        ],
        actions=[send("Pay"), add_tool_output("confirm", "Yes"), send("Thanks")],
        requests=3,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
        provider_turns=[
            None,
            [ANY, ANY, user_turn(tool_result({"sent": 10}))],
            [ANY, ANY, user_turn(tool_result({"sent": 10})), ANY, ANY],
        ],
    ),
]
