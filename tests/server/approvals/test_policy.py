"""`needs_approval`: what a tool says of a call, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from usechat_server import Agent, create_app
from usechat_server.approvals import Approve, Ask, Deny
from usechat_server.settings import Settings
from usechat_server.tools import tool
from usechat_server.turn import Turn

from tests.harness.approval_client import ChatClient, PlanModel, user_from_header
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
    raise RuntimeError("the database of limits is away: SECRET")


def vague(arguments: Arguments, turn: Turn) -> Any:
    return "yes"


@pytest.fixture(scope="module")
def pages() -> Iterator[tuple[Callable[..., ChatClient], list[int]]]:
    paid: list[int] = []

    def make(name: str, needs_approval: Any) -> Any:
        def pay(amount: int = 1) -> str:
            paid.append(amount)
            return f"paid {amount}"

        return tool(pay, name=name, needs_approval=needs_approval)

    asks = [make(f.__name__, f) for f in (limit, boss, broken, vague)]
    app = create_app(Agent(PlanModel(), tools=asks), user=user_from_header, settings=Settings())
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
def test_what_a_tool_says_of_a_call(
    pages: tuple[Callable[..., ChatClient], list[int]], case: tuple[str, str, int, str]
) -> None:
    name, user, amount, state = case
    open_page, paid = pages
    paid.clear()
    page = open_page(user=user, chat_id=f"{name} {user} {amount}")
    page.send((name, {"amount": amount}))
    call = page.tool_part(name)
    assert call["state"] == state
    assert paid == ([amount] if state == "output-available" else [])
    assert "SECRET" not in repr(page.messages)
    if name == "boss":
        reasons = {"boss": "The boss may.", "eve": "Eve may not."}
        assert call["approval"].get("reason") == reasons.get(user)
        assert call["approval"].get("isAutomatic", False) == (user != "ann")
        if user == "ann":
            assert call["approval"]["requestReason"] == "More than usual."
    if state != "approval-requested":
        assert page.messages[-1]["parts"][-1]["text"] == "Done.", "the model is told"


@pytest.mark.parametrize("client_version", ["6.0.0", "6.0.326"])
def test_before_ai_sdk_7_an_automatic_answer_shows_by_what_it_does(
    pages: tuple[Callable[..., ChatClient], list[int]], client_version: str
) -> None:
    open_page, _ = pages
    for user, state in (("boss", "output-available"), ("eve", "output-denied")):
        page = open_page(user=user, chat_id=f"{user} {client_version}")
        page.client_version = client_version
        page.send(("boss", {"amount": 1}))
        assert page.tool_part("boss")["state"] == state
        assert "approval" not in page.tool_part("boss")
