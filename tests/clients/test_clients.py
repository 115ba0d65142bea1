"""Every scenario with every published client, over sockets, against the running server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.clients.conversation import NEWEST, RELEASES, Conversation, Conversations, Target
from tests.clients.scenario import (
    SECRET,
    STEP,
    Scenario,
    resume,
    start,
    stop,
    text_part,
    trigger_event,
    wait_for_text,
)
from tests.clients.scenarios import SCENARIOS
from tests.harness.fake_provider import FakeProvider, Pause, Reply, message, text
from tests.harness.node import CLIENTS, NodeProcess
from tests.harness.serving import serve

TARGETS = [
    *(Target(release, release) for release in RELEASES),
    *(Target(release, None) for release in RELEASES),
    *(Target(release, release, hook=True) for release in NEWEST),
    *(Target(release, None, hook=True) for release in NEWEST),
]


@pytest.fixture(scope="module")
def conversations() -> Iterator[Conversations]:
    with (
        FakeProvider() as provider,
        serve("tests.clients.backend:app", "usechat", env=environment(provider)) as served,
        NodeProcess(CLIENTS / "driver" / "main.mjs") as node,
    ):
        yield Conversations(node, provider, served.url)


@pytest.mark.parametrize("hook", [False, True])
def test_the_client_discards_the_output_of_a_failed_call(
    conversations: Conversations, *, hook: bool
) -> None:
    """Only the newest clients can; older ones get an error (see FAULTS)."""
    partial = [*message(text("Hel"))[:-3], Pause()]
    scenario = Scenario(
        name="again",
        replies=[Reply(partial, then="reset"), Reply(message(text("Well")))],
        actions=[start("Hi"), wait_for_text("Hel"), trigger_event("shown"), wait_for_text("Well")],
    )
    conversation = conversations.start(scenario, Target(NEWEST[-1], NEWEST[-1], hook=hook))
    conversations.wait_for_event("shown", conversation)
    conversations.provider.release()
    transcript = conversation.transcript()
    assert transcript["status"] == "ready"
    assert len(transcript["requests"]) == 1
    [_, response] = transcript["messages"]
    assert parts_of(response) == [STEP, text_part("Well")]


def environment(provider: FakeProvider) -> Mapping[str, str]:
    return {"ANTHROPIC_BASE_URL": provider.url, "ANTHROPIC_API_KEY": "any"}


def supported_scenarios(target: Target) -> list[Scenario]:
    """Return the scenarios that the client supports.

    Those of unmodified frontends are for clients that name no version; useChat without one is for
    nothing else.
    """
    release = RELEASES.index(target.release)
    is_silent = target.client_version is None
    return [
        scenario
        for scenario in SCENARIOS
        if (is_silent if scenario.unmodified else not (is_silent and target.hook))
        and RELEASES.index(scenario.since) <= release
        and (scenario.until is None or release < RELEASES.index(scenario.until))
    ]


@pytest.fixture(scope="module")
def target(request: pytest.FixtureRequest) -> Target:
    chosen: Target = request.param
    return chosen


@pytest.fixture(scope="module")
def conversations_by_name(
    conversations: Conversations, target: Target
) -> Mapping[str, Conversation]:
    """Start all scenarios of a client, concurrently."""
    return {
        scenario.name: conversations.start(scenario, target)
        for scenario in supported_scenarios(target)
    }


@pytest.mark.parametrize(
    ("target", "scenario"),
    [
        pytest.param(target, scenario, id=f"{target} {scenario.name}")
        for target in TARGETS
        for scenario in supported_scenarios(target)
    ],
    indirect=["target"],
    # Otherwise each test would start all scenarios again.
    scope="module",
)
def test_scenario(
    target: Target, scenario: Scenario, conversations_by_name: Mapping[str, Conversation]
) -> None:
    conversation = conversations_by_name[scenario.name]
    check_transcript(target, scenario, conversation)
    if scenario.provider_turns is not None:
        check_provider_turns(scenario, conversation.turns())


def check_transcript(target: Target, scenario: Scenario, conversation: Conversation) -> None:
    """Check what the client made of a scenario."""
    transcript = conversation.transcript()
    messages = transcript["messages"]
    assert len(transcript["requests"]) == scenario.requests
    assert transcript["status"] == scenario.status, transcript["error"]
    if scenario.statuses is not None and not target.hook:  # React may skip a short one
        assert transcript["statuses"] == list(scenario.statuses)
    assert [message["role"] for message in messages] == list(scenario.roles)
    assert len({message["id"] for message in messages}) == len(messages)
    if scenario.parts is not None:
        assert parts_of(messages[-1]) == list(scenario.parts)
    for index in scenario.closed_requests:
        assert conversation.provider_requests[index].closed.wait(20), (
            "the provider's connection stays open"
        )
    if scenario.same_in_all_tabs:
        assert all(other == messages for other in transcript["others"])
    check_finish(scenario, transcript)
    check_error(transcript)


def check_provider_turns(scenario: Scenario, turns: list[Any]) -> None:
    assert scenario.provider_turns is not None
    assert len(turns) == len(scenario.provider_turns)
    for turn, expected in zip(turns, scenario.provider_turns, strict=True):
        assert expected is None or turn == expected


def check_finish(scenario: Scenario, transcript: Any) -> None:
    """Check what `onFinish` received for the last response, as far as the release passes it."""
    if not transcript["finishes"]:
        # Old releases do not call it after a stop or an error.
        assert scenario.status == "error" or scenario.actions[-1] in (stop, resume)
        return
    finish = transcript["finishes"][-1]
    assert finish.get("isError", scenario.status == "error") == (scenario.status == "error")
    assert finish.get("isAbort", scenario.actions[-1] == stop) == (scenario.actions[-1] == stop)
    if scenario.finish_reason:
        assert finish.get("finishReason", scenario.finish_reason) == scenario.finish_reason


def check_error(transcript: Any) -> None:
    """Check that an error has a helpful text, without details of the provider."""
    assert SECRET not in repr(transcript)
    if transcript["status"] != "error":
        assert transcript["error"] is None
        return
    text = transcript["error"]["message"]
    assert transcript["errors"][-1]["message"] == text
    assert 10 < len(text) < 300
    assert not set("<>{}") & set(text)
    last = transcript["requests"][-1]
    if last["status"] != 200:
        assert text == last["refusal"], "the client uses the body as the message"


def parts_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of a message without fields that only some releases keep."""
    parts = message["parts"]
    parts = [_common(part) for part in parts if part.get("text") != "" and part["type"] != "custom"]
    while parts and parts[-1] == STEP:
        parts.pop()
    return parts


def _common(part: dict[str, Any]) -> dict[str, Any]:
    dropped = {"title", "toolMetadata", "callProviderMetadata", "preliminary"}
    if part["type"] == "reasoning":
        dropped = {"id"}
    if part.get("state") == "output-error":
        dropped |= {"input", "rawInput"}
    if not part.get("providerExecuted"):
        dropped |= {"providerExecuted"}
    return {key: value for key, value in part.items() if key not in dropped}


@pytest.mark.parametrize("release", NEWEST)
def test_a_client_that_resumes_when_it_is_created(
    conversations: Conversations, release: str
) -> None:
    scenario = Scenario(name="open", actions=[], resume=True)
    transcript = conversations.start(scenario, Target(release, None, hook=True)).transcript()
    assert [(r["method"], r["status"]) for r in transcript["requests"]] == [("GET", 204)]
    assert transcript["status"] == "ready"
    assert transcript["messages"] == []
