"""Functions as `needs_approval`, and the effect of each result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from usechat_server import Agent, create_app
from usechat_server.approvals import Approve, Ask, Deny
from usechat_server.settings import Settings
from usechat_server.tools import tool
from usechat_server.turn import Turn

from tests.harness.approval_client import ChatClient, PlanModel
from tests.harness.common import user_from_header
from tests.harness.live import LiveServer

Arguments = Mapping[str, Any]


def limit(arguments: Arguments, turn: Turn) -> bool:
    return bool(arguments["amount"] > 10)


async def boss(arguments: Arguments, turn: Turn) -> Approve | Deny | Ask:
    if turn.user == "boss":
        return Approve("The boss may.")
    if turn.user == "eve":
        return Deny("Eve may not.")
    return Ask("More than usual.")


def broken(arguments: Arguments, turn: Turn) -> bool:
    raise RuntimeError("the database of limits is unavailable: SECRET")


def vague(arguments: Arguments, turn: Turn) -> Any:
    return "yes"


@pytest.fixture(scope="module")
def policy_app() -> Iterator[tuple[Callable[..., ChatClient], list[int]]]:
    paid: list[int] = []

    def make(name: str, needs_approval: Any) -> Any:
        def pay(amount: int = 1) -> str:
            paid.append(amount)
            return f"paid {amount}"

        return tool(pay, name=name, needs_approval=needs_approval)

    tools = [make(f.__name__, f) for f in (limit, boss, broken, vague)]
    app = create_app(
        Agent(PlanModel(), tools=tools), user=user_from_header, anonymous=True, settings=Settings()
    )
    with LiveServer(app) as server:
        yield lambda **fields: ChatClient(server, **fields), paid


CASES = [
    ("limit", "ann", 10, "output-available"),
    ("limit", "ann", 11, "approval-requested"),
    ("boss", "boss", 99, "output-available"),
    ("boss", "eve", 1, "output-denied"),
    ("boss", "ann", 1, "approval-requested"),
    ("broken", "ann", 1, "output-error"),
    ("vague", "ann", 1, "output-error"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}, {case[1]}, {case[2]}")
def test_the_policy_decides_about_a_call(
    policy_app: tuple[Callable[..., ChatClient], list[int]], case: tuple[str, str, int, str]
) -> None:
    name, user, amount, state = case
    new_client, paid = policy_app
    paid.clear()
    client = new_client(user=user, chat_id=f"{name} {user} {amount}")
    client.send((name, {"amount": amount}))
    call = client.tool_part(name)
    assert call["state"] == state
    assert paid == ([amount] if state == "output-available" else [])
    assert "SECRET" not in repr(client.messages)
    if name == "boss":
        reasons = {"boss": "The boss may.", "eve": "Eve may not."}
        assert call["approval"].get("reason") == reasons.get(user)
        assert call["approval"].get("isAutomatic", False) == (user != "ann")
        if user == "ann":
            assert call["approval"]["requestReason"] == "More than usual."
    if state != "approval-requested":
        assert client.messages[-1]["parts"][-1]["text"] == "Done.", "the model continues"


@pytest.mark.parametrize("client_version", ["", "6.0.0", "6.0.326"])
def test_before_ai_sdk_7_an_automatic_decision_shows_only_by_its_effect(
    policy_app: tuple[Callable[..., ChatClient], list[int]], client_version: str
) -> None:
    """These clients have no approval for it, which a part in `output-denied` must have."""
    new_client, _ = policy_app
    for user, state in (("boss", "output-available"), ("eve", "output-error")):
        client = new_client(user=user, chat_id=f"{user} {client_version}")
        client.client_version = client_version
        client.send(("boss", {"amount": 1}))
        part = client.tool_part("boss")
        assert part["state"] == state
        assert "approval" not in part
        assert part.get("errorText") == ("Eve may not." if user == "eve" else None)
