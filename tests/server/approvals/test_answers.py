"""Asking, approving, denying: what the page and the model see of it."""

from __future__ import annotations

from typing import Any

import pytest
from usechat_server.approvals.digest import sign

from tests.harness.approval_client import LOCATE, ChatClient
from tests.harness.live import chunks, user
from tests.server.approvals.conftest import SECRET, Desk

ANN = ("send", {"to": "Ann", "amount": 2.5})
SENT = ("send", {"to": "Ann", "amount": 2.5, "note": ""})


def told(desk: Desk) -> Any:
    """What the model was last shown: the tool parts of the message that it goes on with."""
    message = desk.model.calls[-1].messages[-1].to_object()
    return [part for part in message["parts"] if part["type"].startswith("tool-")]


@pytest.mark.parametrize("client_version", ["6.0.0", "6.0.230", "7.0.0", "7.0.173"])
def test_an_approved_call_runs_once_with_what_the_page_showed(
    either: Desk, client_version: str
) -> None:
    page = either.open_page(client_version=client_version)
    page.send(ANN)
    assert page.tool_part("send")["state"] == "approval-requested"
    assert either.ran == []
    page.decide("send", True)
    page.send_continuation()
    assert either.ran == [SENT]
    assert page.tool_part("send")["state"] == "output-available"
    assert page.tool_part("send")["output"] == "sent to Ann"
    assert page.messages[-1]["parts"][-1]["text"] == "Done."
    [shown] = told(either)
    assert shown["output"] == "sent to Ann"


def test_a_denied_call_is_told_to_the_page_and_the_model(either: Desk) -> None:
    page = either.open_page()
    page.send(ANN)
    page.decide("send", False, "Ask me again on Monday.")
    page.send_continuation()
    assert either.ran == []
    assert page.tool_part("send")["state"] == "output-denied"
    [shown] = told(either)
    assert shown["state"] == "output-denied"
    assert shown["approval"]["reason"] == "Ask me again on Monday."
    # The chat goes on.
    page.send(("read", {"path": "/a"}))
    assert page.tool_part("read")["output"] == "content of /a"


def test_each_of_several_calls_has_an_answer_of_its_own(either: Desk) -> None:
    page = either.open_page()
    page.send(ANN, ("wipe", {"path": "/a"}), ("read", {"path": "/b"}), (LOCATE.name, {}))
    assert page.tool_part("read")["state"] == "output-available", "it has nobody to wait for"
    page.decide("send", True)
    asked = len(either.model.calls)
    page.send_continuation()
    assert either.ran == [SENT]
    assert page.tool_part("wipe")["state"] == "approval-requested"
    assert len(either.model.calls) == asked, "the model waits for the other answers"
    page.decide("wipe", False)
    page.add_output(LOCATE.name, "here")
    page.send_continuation()
    assert either.ran == [SENT]
    assert page.tool_part("wipe")["state"] == "output-denied"
    assert [part["state"] for part in told(either)] == [
        "output-available",
        "output-denied",
        "output-available",
        "output-available",
    ]


def test_who_does_not_answer_can_write_on(either: Desk) -> None:
    page = either.open_page()
    page.send(ANN)
    page.send(("read", {"path": "/a"}))
    assert page.tool_part("read")["state"] == "output-available"
    assert either.ran == []


def test_the_same_call_is_asked_about_each_time(either: Desk) -> None:
    page = either.open_page()
    for _ in range(2):
        page.send(ANN)
        page.decide("send", True)
        page.send_continuation()
    assert either.ran == [SENT, SENT]


@pytest.mark.parametrize(
    ("client_version", "signed"), [("7.0.173", True), ("6.0.221", True), ("6.0.0", False)]
)
def test_the_signature_of_the_ai_sdk(asking: Desk, client_version: str, signed: bool) -> None:
    page = asking.open_page(client_version=client_version)
    message = user('[["send", {"to": "Ann"}]]')
    stream = chunks(page.post({"messages": [message]}).text)
    [request] = [chunk for chunk in stream if chunk["type"] == "tool-approval-request"]
    call_id, approval_id = request["toolCallId"], request["approvalId"]
    signature = sign(SECRET, approval_id, call_id, "send", {"to": "Ann"})
    assert request.get("signature") == (signature if signed else None)


def test_a_page_that_sends_an_open_question_back_gets_it_again(either: Desk) -> None:
    page: ChatClient = either.open_page()
    page.send(ANN)
    asked = len(either.model.calls)
    page.send_continuation()
    assert page.tool_part("send")["state"] == "approval-requested"
    assert len(either.model.calls) == asked
    page.decide("send", True)
    page.send_continuation()
    assert either.ran == [SENT]
