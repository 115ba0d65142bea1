"""A response that is stopped, and a chat that goes on after it."""

from __future__ import annotations

from typing import Any

from tests.clients.scenario import (
    STEP,
    Action,
    Scenario,
    model_turn,
    send,
    start,
    stop,
    text_part,
    user_turn,
    wait_for_text,
)
from tests.clients.scenarios.replies import cut_reply, reply
from tests.harness.common import JSON
from tests.harness.fake_provider import text

__all__ = ["stop_and_go_on"]


def stop_and_go_on(
    name: str, *, stop: Action = stop, metadata: JSON | None = None, **fields: Any
) -> Scenario:
    """Return a scenario in which the model has what the user has seen of the stopped response.

    Args:
        name: The name of the scenario.
        stop: What stops the response.
        metadata: The metadata of the user's messages.
        fields: Further fields of the scenario.
    """
    return Scenario(
        name=name,
        replies=[cut_reply(text("Hel"), then="hang"), reply(text("Fine"))],
        actions=[
            start("Hi", metadata=metadata),
            wait_for_text("Hel"),
            stop,
            send("Go on", metadata=metadata),
        ],
        requests=2,
        roles=["user", "assistant"] * 2,
        parts=[STEP, text_part("Fine")],
        provider_turns=[None, [user_turn("Hi"), model_turn("Hel"), user_turn("Go on")]],
        closed_requests=[0],
        **fields,
    )
