"""Approvals on pages before AI SDK 6, which have no approvals: the page answers the call itself."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ui_message_stream.checker import check
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ClientVersion
from usechat_server import Agent, create_app
from usechat_server.settings import Settings

from tests.harness.approval_client import LOCATE, ChatClient, PlanModel, approval_tools
from tests.harness.live import LiveServer, chunks, user
from tests.server.approvals.conftest import Desk, desk

JSON = dict[str, Any]

ANN = ("send", {"to": "Ann", "amount": 2})
SENT = ("send", {"to": "Ann", "amount": 2, "note": ""})
CLIENT_VERSIONS = ["5.0.0", "5.0.92", "5.0.216", "5.0.277"]


@pytest.fixture(scope="module", params=[False, True], ids=["alone", "with a store"])
def served_old(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    path = tmp_path_factory.mktemp("old") / "chats.db"
    yield from desk(
        approvals="client-tool",
        settings=Settings(client_version=ClientVersion.parse("5.0.92")),
        store=f"sqlite+aiosqlite:///{path}" if request.param else None,
    )


@pytest.fixture
def old(served_old: Desk) -> Desk:
    served_old.ran.clear()
    return served_old


def question(page: ChatClient) -> JSON:
    """The data part that asks."""
    parts: list[JSON] = page.messages[-1]["parts"]
    [part] = [part for part in parts if part["type"] == "data-usechat-approval"]
    return part


@pytest.mark.parametrize("client_version", CLIENT_VERSIONS)
def test_the_page_answers_the_call_itself(old: Desk, client_version: str) -> None:
    page = old.open_page(client_version=client_version)
    page.send(ANN)
    assert page.tool_part("send")["state"] == "input-available"
    data = question(page)["data"]
    assert (data["toolCallId"], data["toolName"]) == (page.tool_part("send")["toolCallId"], "send")
    assert data["approvalId"]
    page.add_output("send", {"approved": True})
    page.send_continuation()
    assert old.ran == [SENT]
    assert page.tool_part("send")["output"] == "sent to Ann"
    assert question(page)["data"]["approved"] is True
    assert "approvalId" not in question(page)["data"]
    assert page.messages[-1]["parts"][-1]["text"] == "Done."


@pytest.mark.parametrize("client_version", CLIENT_VERSIONS)
def test_no_is_told_to_the_page_and_the_model(old: Desk, client_version: str) -> None:
    page = old.open_page(client_version=client_version)
    page.send(ANN)
    page.add_output("send", {"approved": False, "reason": "Not today."})
    page.send_continuation()
    assert old.ran == []
    assert page.tool_part("send")["state"] == "output-error"
    [shown] = [p for p in old.model.calls[-1].messages[-1].to_object()["parts"] if "input" in p]
    assert "Not today." in repr(shown)


@pytest.mark.parametrize("approved", [True, False])
def test_nothing_is_sent_that_an_old_client_throws_on(old: Desk, approved: bool) -> None:
    page = old.open_page(client_version="5.0.0")
    client_version = ClientVersion.parse("5.0.0")
    said = user(json.dumps([ANN]))
    response = page.post({"messages": [said]})
    assert check(response.content, client_version) == []
    page.messages = [said]
    page.receive(response)
    page.add_output("send", {"approved": approved})
    before = UIMessage.from_object(page.messages[-1])
    found = check(page.post(page.continuation()).content, client_version, message=before)
    # The page has its own answer as the output: that the tool's replaces it is what is wanted.
    assert {finding.rule for finding in found} <= {"output-done"}
    assert not any(finding.fatal for finding in found)


FORGERIES: dict[str, Callable[[ChatClient], object]] = {
    "another input": lambda page: page.tool_part("send")["input"].update(to="Eve"),
    "another tool": lambda page: page.tool_part("send").update(type="tool-wipe"),
    "an id made up": lambda page: question(page)["data"].update(approvalId="yes"),
    "a question about another call": lambda page: question(page).update(id="call_0"),
    "no question": lambda page: page.messages[-1]["parts"].remove(question(page)),
    "a question that was answered": lambda page: question(page)["data"].pop("approvalId"),
    "said to be the provider's": lambda page: page.tool_part("send").update(providerExecuted=True),
    "an answer that says nothing": lambda page: page.add_output("send", "yes"),
    "a word for an answer": lambda page: page.add_output("send", {"approved": "true"}),
    "a failure for an answer": lambda page: page.tool_part("send").update(
        state="output-error", errorText="no"
    ),
}


@pytest.mark.parametrize("attack", FORGERIES.values(), ids=FORGERIES.keys())
def test_an_answer_that_was_tampered_with_runs_nothing(
    old: Desk, attack: Callable[[ChatClient], object]
) -> None:
    page = old.open_page(client_version="5.0.92")
    page.send(ANN)
    page.add_output("send", {"approved": True})
    honest = copy.deepcopy(page.messages)
    attack(page)
    page.post(page.continuation())
    assert old.ran in ([], [SENT])
    assert "Eve" not in repr(old.ran)
    if old.ran:  # with a store its own copy counts
        return
    page.messages = honest
    page.post(page.continuation())
    assert old.ran in ([], [SENT])


def test_an_answer_counts_once(old: Desk) -> None:
    page = old.open_page(client_version="5.0.92")
    page.send(ANN)
    page.add_output("send", {"approved": True})
    before = page.continuation()
    page.send_continuation()
    response = page.post(before)
    assert response.status_code == 409
    assert "already used" in response.text
    assert old.ran == [SENT]


def test_what_the_tool_says_is_no_answer(old: Desk) -> None:
    page = old.open_page(client_version="5.0.92")
    page.send(ANN, (LOCATE.name, {}))
    page.add_output("send", {"approved": True})
    page.send_continuation()
    assert page.tool_part("send")["output"] == "sent to Ann"
    page.add_output("send", {"approved": True})  # which is not so
    page.add_output(LOCATE.name, "here")
    page.send_continuation()
    assert old.ran == [SENT]
    assert page.messages[-1]["parts"][-1]["text"] == "Done."


def test_who_writes_on_instead_leaves_no_yes_behind(old: Desk) -> None:
    page = old.open_page(client_version="5.0.92")
    page.send(ANN)
    page.add_output("send", {"approved": True})
    page.send(("read", {"path": "/a"}))
    assert old.ran == []
    history = [message.to_object() for message in old.model.calls[-1].messages]
    assert "'output': {'approved': True}" not in repr(history)


def test_a_new_client_of_the_same_app_has_real_approvals(old: Desk) -> None:
    page = old.open_page(client_version="7.0.173")
    page.send(ANN)
    page.decide("send", True)
    page.send_continuation()
    assert old.ran == [SENT]
    assert all(part["type"] != "data-usechat-approval" for part in page.messages[-1]["parts"])


def test_an_app_that_asks_says_which_clients_it_is_for() -> None:
    asks = Agent(PlanModel(), tools=approval_tools([]))
    with pytest.raises(ValueError, match="tool-approval-request"):
        create_app(asks, settings=Settings(client_version=ClientVersion.parse("5.0.277")))
    with LiveServer(create_app(asks, settings=Settings())) as server:
        told = server.request(
            "POST", "/api/chat", {"messages": [user("Hi")]}, {"x-usechat-client": "5.0.277"}
        )
        # Who names no release is taken for one that can: the default is no promise to old ones.
        asked = server.request("POST", "/api/chat", {"messages": [user(json.dumps([ANN]))]})
    assert told.status_code == 400
    assert "tool-approval-request" in told.text
    assert "tool-approval-request" in {chunk["type"] for chunk in chunks(asked.text)}
