"""Requests, approvals and denials, as the client and the model see them."""

from __future__ import annotations

from typing import Any

import pytest
from usechat_server.approvals.digest import sign

from tests.harness.approval_client import LOCATE, ChatClient
from tests.harness.live import chunks, user
from tests.server.approvals.support import SECRET, ApprovalApp

ANN = ("send", {"to": "Ann", "amount": 2.5})
SENT = ("send", {"to": "Ann", "amount": 2.5, "note": ""})


def tool_parts_in_last_call(app: ApprovalApp) -> Any:
    """Return the tool parts of the message that the last model call continues."""
    message = app.model.calls[-1].messages[-1].to_object()
    return [part for part in message["parts"] if part["type"].startswith("tool-")]


@pytest.mark.parametrize("client_version", ["6.0.0", "6.0.230", "7.0.0", "7.0.173"])
def test_an_approved_call_runs_once_with_the_input_that_the_client_showed(
    app: ApprovalApp, client_version: str
) -> None:
    client = app.new_client(client_version=client_version)
    client.send(ANN)
    assert client.tool_part("send")["state"] == "approval-requested"
    assert app.executed == []
    client.decide("send", True)
    client.send_continuation()
    assert app.executed == [SENT]
    assert client.tool_part("send")["state"] == "output-available"
    assert client.tool_part("send")["output"] == "sent to Ann"
    assert client.messages[-1]["parts"][-1]["text"] == "Done."
    [part] = tool_parts_in_last_call(app)
    assert part["output"] == "sent to Ann"


def test_the_client_and_the_model_learn_of_a_denial(app: ApprovalApp) -> None:
    client = app.new_client()
    client.send(ANN)
    client.decide("send", False, "Ask me again on Monday.")
    client.send_continuation()
    assert app.executed == []
    assert client.tool_part("send")["state"] == "output-denied"
    [part] = tool_parts_in_last_call(app)
    assert part["state"] == "output-denied"
    assert part["approval"]["reason"] == "Ask me again on Monday."
    # The chat can continue.
    client.send(("read", {"path": "/a"}))
    assert client.tool_part("read")["output"] == "content of /a"


def test_each_of_several_calls_has_its_own_decision(app: ApprovalApp) -> None:
    client = app.new_client()
    client.send(ANN, ("wipe", {"path": "/a"}), ("read", {"path": "/b"}), (LOCATE.name, {}))
    assert client.tool_part("read")["state"] == "output-available", "it needs no approval"
    client.decide("send", True)
    calls_before = len(app.model.calls)
    client.send_continuation()
    assert app.executed == [SENT]
    assert client.tool_part("wipe")["state"] == "approval-requested"
    assert len(app.model.calls) == calls_before, "the model waits for the other decisions"
    client.decide("wipe", False)
    client.add_output(LOCATE.name, "here")
    client.send_continuation()
    assert app.executed == [SENT]
    assert client.tool_part("wipe")["state"] == "output-denied"
    assert [part["state"] for part in tool_parts_in_last_call(app)] == [
        "output-available",
        "output-denied",
        "output-available",
        "output-available",
    ]


def test_a_user_can_send_a_message_instead_of_a_decision(app: ApprovalApp) -> None:
    client = app.new_client()
    client.send(ANN)
    client.send(("read", {"path": "/a"}))
    assert client.tool_part("read")["state"] == "output-available"
    assert app.executed == []


def test_the_same_call_needs_approval_each_time(app: ApprovalApp) -> None:
    client = app.new_client()
    for _ in range(2):
        client.send(ANN)
        client.decide("send", True)
        client.send_continuation()
    assert app.executed == [SENT, SENT]


@pytest.mark.parametrize(
    ("client_version", "signed"), [("7.0.173", True), ("6.0.221", True), ("6.0.0", False)]
)
def test_a_client_that_keeps_signatures_gets_the_ai_sdks(
    app_without_store: ApprovalApp, client_version: str, signed: bool
) -> None:
    client = app_without_store.new_client(client_version=client_version)
    message = user('[["send", {"to": "Ann"}]]')
    stream = chunks(client.post({"messages": [message]}).text)
    [request] = [chunk for chunk in stream if chunk["type"] == "tool-approval-request"]
    call_id, approval_id = request["toolCallId"], request["approvalId"]
    signature = sign(SECRET, approval_id, call_id, "send", {"to": "Ann"})
    assert request.get("signature") == (signature if signed else None)


def test_a_continuation_without_a_decision_keeps_the_request_pending(app: ApprovalApp) -> None:
    client: ChatClient = app.new_client()
    client.send(ANN)
    calls_before = len(app.model.calls)
    client.send_continuation()
    assert client.tool_part("send")["state"] == "approval-requested"
    assert len(app.model.calls) == calls_before
    client.decide("send", True)
    client.send_continuation()
    assert app.executed == [SENT]
