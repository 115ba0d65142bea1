"""The scenarios over other providers: each with one of the clients, in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.conversation import Conversations, Target
from tests.clients.scenario import Scenario
from tests.clients.scenarios import SCENARIOS
from tests.clients.test_clients import TARGETS, check_transcript, supported_scenarios
from tests.harness.fake_openai import FakeOpenAI
from tests.harness.node import CLIENTS, NodeProcess
from tests.harness.serving import serve

#: What only Claude sends: signed and encrypted thinking, two texts in one response, its own bytes.
CLAUDES = (
    *("thinking", "thinking is streamed", "redacted thinking", "tool after thinking and text"),
    *("automatic client-side tool", "emoji cut in half"),
)

SUPPORTED = [(target, supported_scenarios(target)) for target in TARGETS]


def pairs() -> Iterator[tuple[Target, Scenario]]:
    """Yield each scenario with a client, so that all clients have about the same number."""
    counts = dict.fromkeys(TARGETS, 0)
    for scenario in SCENARIOS:
        targets = [target for target, scenarios in SUPPORTED if scenario in scenarios]
        if targets and scenario.name not in CLAUDES:
            target = min(targets, key=counts.__getitem__)
            counts[target] += 1
            yield target, scenario


@pytest.fixture(scope="module")
def conversations() -> Iterator[Conversations]:
    with FakeOpenAI() as provider:
        environment = {
            "USECHAT_TEST_MODEL": "openai-chat:gpt-fake",
            "OPENAI_BASE_URL": f"{provider.url}/v1",
            "OPENAI_API_KEY": "any",
        }
        with (
            serve("tests.clients.backend:app", "usechat", env=environment) as served,
            NodeProcess(CLIENTS / "driver" / "main.mjs") as node,
        ):
            yield Conversations(node, provider, served.url)


@pytest.mark.parametrize(
    ("target", "scenario"),
    [pytest.param(target, each, id=f"{each.name} {target}") for target, each in pairs()],
)
def test_scenario_over_chat_completions(
    conversations: Conversations, target: Target, scenario: Scenario
) -> None:
    check_transcript(target, scenario, conversations.start(scenario, target))
