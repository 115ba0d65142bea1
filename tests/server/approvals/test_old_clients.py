"""Approvals in clients before AI SDK 6, which have none: the client resolves the call itself."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator

import pytest
from ui_message_stream.checker import check
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ClientVersion
from usechat_server import Agent, create_app
from usechat_server.settings import Settings

from tests.harness.approval_client import LOCATE, ChatClient, PlanModel, approval_tools
from tests.harness.common import JSON
from tests.harness.live import LiveServer, chunks, user
from tests.server.approvals.support import ApprovalApp, serve_app

ANN = ("send", {"to": "Ann", "amount": 2})
SENT = ("send", {"to": "Ann", "amount": 2, "note": ""})
CLIENT_VERSIONS = ["5.0.0", "5.0.92", "5.0.216", "5.0.277"]


@pytest.fixture(scope="module", params=[False, True], ids=["without a store", "with a store"])
def served_old(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApprovalApp]:
    path = tmp_path_factory.mktemp("old") / "chats.db"
    yield from serve_app(
        approvals="client-tool",
        settings=Settings(client_version=ClientVersion.parse("5.0.92")),
        store=f"sqlite+aiosqlite:///{path}" if request.param else None,
    )


@pytest.fixture
def app(served_old: ApprovalApp) -> ApprovalApp:
    served_old.executed.clear()
    return served_old


def approval_data(client: ChatClient) -> JSON:
    """Return the data part that requests the approval."""
    parts: list[JSON] = client.messages[-1]["parts"]
    [part] = [part for part in parts if part["type"] == "data-usechat-approval"]
    return part


@pytest.mark.parametrize("client_version", CLIENT_VERSIONS)
def test_a_client_output_approves_the_call(app: ApprovalApp, client_version: str) -> None:
    client = app.new_client(client_version=client_version)
    client.send(ANN)
    assert client.tool_part("send")["state"] == "input-available"
    data = approval_data(client)["data"]
    assert (data["toolCallId"], data["toolName"]) == (
        client.tool_part("send")["toolCallId"],
        "send",
    )
    assert data["approvalId"]
    client.add_output("send", {"approved": True})
    client.send_continuation()
    assert app.executed == [SENT]
    assert client.tool_part("send")["output"] == "sent to Ann"
    assert approval_data(client)["data"]["approved"] is True
    assert "approvalId" not in approval_data(client)["data"]
    assert client.messages[-1]["parts"][-1]["text"] == "Done."


@pytest.mark.parametrize("client_version", CLIENT_VERSIONS)
def test_the_client_and_the_model_learn_of_a_denial(app: ApprovalApp, client_version: str) -> None:
    client = app.new_client(client_version=client_version)
    client.send(ANN)
    client.add_output("send", {"approved": False, "reason": "Not today."})
    client.send_continuation()
    assert app.executed == []
    assert client.tool_part("send")["state"] == "output-error"
    [part] = [p for p in app.model.calls[-1].messages[-1].to_object()["parts"] if "input" in p]
    assert "Not today." in repr(part)


@pytest.mark.parametrize("approved", [True, False])
def test_no_chunk_makes_an_old_client_throw(app: ApprovalApp, approved: bool) -> None:
    client = app.new_client(client_version="5.0.0")
    client_version = ClientVersion.parse("5.0.0")
    message = user(json.dumps([ANN]))
    response = client.post({"messages": [message]})
    assert check(response.content, client_version) == []
    client.messages = [message]
    client.receive(response)
    client.add_output("send", {"approved": approved})
    before = UIMessage.from_object(client.messages[-1])
    # The client has its own decision as the output: the tool's output replaces it.
    assert check(client.post(client.continuation()).content, client_version, message=before) == []


FORGERIES: dict[str, Callable[[ChatClient], object]] = {
    "another input": lambda client: client.tool_part("send")["input"].update(to="Eve"),
    "another tool": lambda client: client.tool_part("send").update(type="tool-wipe"),
    "an unknown id": lambda client: approval_data(client)["data"].update(approvalId="yes"),
    "a request for another call": lambda client: approval_data(client).update(id="call_0"),
    "no request": lambda client: client.messages[-1]["parts"].remove(approval_data(client)),
    "a request that was decided": lambda client: approval_data(client)["data"].pop("approvalId"),
    "marked as run by the provider": lambda client: client.tool_part("send").update(
        providerExecuted=True
    ),
    "an output that is no decision": lambda client: client.add_output("send", "yes"),
    "a string instead of a boolean": lambda client: client.add_output("send", {"approved": "true"}),
    "an error as the decision": lambda client: client.tool_part("send").update(
        state="output-error", errorText="no"
    ),
}


@pytest.mark.parametrize("attack", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_decision_runs_nothing(
    app: ApprovalApp, attack: Callable[[ChatClient], object]
) -> None:
    client = app.new_client(client_version="5.0.92")
    client.send(ANN)
    client.add_output("send", {"approved": True})
    honest = copy.deepcopy(client.messages)
    attack(client)
    client.post(client.continuation())
    assert app.executed in ([], [SENT])
    assert "Eve" not in repr(app.executed)
    if app.executed:  # with a store, the stored message is used
        return
    client.messages = honest
    client.post(client.continuation())
    assert app.executed in ([], [SENT])


def test_a_decision_is_accepted_once(app: ApprovalApp) -> None:
    client = app.new_client(client_version="5.0.92")
    client.send(ANN)
    client.add_output("send", {"approved": True})
    before = client.continuation()
    client.send_continuation()
    response = client.post(before)
    assert response.status_code == 409
    assert "already used" in response.text
    assert app.executed == [SENT]


def test_an_output_of_the_tool_is_not_a_decision(app: ApprovalApp) -> None:
    client = app.new_client(client_version="5.0.92")
    client.send(ANN, (LOCATE.name, {}))
    client.add_output("send", {"approved": True})
    client.send_continuation()
    assert client.tool_part("send")["output"] == "sent to Ann"
    client.add_output("send", {"approved": True})  # a forged output
    client.add_output(LOCATE.name, "here")
    client.send_continuation()
    assert app.executed == [SENT]
    assert client.messages[-1]["parts"][-1]["text"] == "Done."


def test_an_unsent_approval_stays_out_of_the_history(app: ApprovalApp) -> None:
    client = app.new_client(client_version="5.0.92")
    client.send(ANN)
    client.add_output("send", {"approved": True})
    client.send(("read", {"path": "/a"}))
    assert app.executed == []
    history = [message.to_object() for message in app.model.calls[-1].messages]
    assert "'output': {'approved': True}" not in repr(history)


def test_a_new_client_of_the_same_app_gets_approval_chunks(app: ApprovalApp) -> None:
    client = app.new_client(client_version="7.0.173")
    client.send(ANN)
    client.decide("send", True)
    client.send_continuation()
    assert app.executed == [SENT]
    assert all(part["type"] != "data-usechat-approval" for part in client.messages[-1]["parts"])


def test_an_app_with_approvals_rejects_clients_without_them() -> None:
    agent = Agent(PlanModel(), tools=approval_tools([]))
    with pytest.raises(ValueError, match="tool-approval-request"):
        create_app(agent, settings=Settings(client_version=ClientVersion.parse("5.0.277")))
    with LiveServer(create_app(agent, settings=Settings())) as server:
        old_client_response = server.request(
            "POST", "/api/chat", {"messages": [user("Hi")]}, {"x-usechat-client": "5.0.277"}
        )
        # A client that names no release is assumed to support approvals.
        default_response = server.request(
            "POST", "/api/chat", {"messages": [user(json.dumps([ANN]))]}
        )
    assert old_client_response.status_code == 400
    assert "tool-approval-request" in old_client_response.text
    assert "tool-approval-request" in {chunk["type"] for chunk in chunks(default_response.text)}
