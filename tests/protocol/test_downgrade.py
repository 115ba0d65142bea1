"""`downgrade_message`: a message as a client of any release can represent it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_message_stream.messages import ToolPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.replay import downgrade_message, replay_chunks
from ui_message_stream.versions import NEWEST_CLIENT_VERSION, OLDEST_CLIENT_VERSION, ClientVersion

from tests.protocol.strategies import FOREIGN, messages

CLIENT_VERSIONS = [
    ClientVersion.parse(text) for text in ("5.0.0", "5.0.92", "6.0.0", "6.0.230", "7.0.0")
]


def call(call_id: str, state: str, **fields: Any) -> dict[str, Any]:
    return {"type": "tool-clock", "toolCallId": call_id, "state": state, "input": {}, **fields}


def message(*parts: dict[str, Any]) -> UIMessage:
    with_step = [{"type": "step-start"}, *parts]
    return UIMessage.from_object({"id": "a1", "role": "assistant", "parts": with_step})


@given(messages())
def test_the_newest_version_gets_the_message_itself(stored: UIMessage) -> None:
    assert downgrade_message(stored, NEWEST_CLIENT_VERSION) is stored
    assert downgrade_message(FOREIGN, NEWEST_CLIENT_VERSION) is FOREIGN


@given(messages(interrupted=False), st.sampled_from(CLIENT_VERSIONS))
def test_it_replays_as_the_message_does(stored: UIMessage, client_version: ClientVersion) -> None:
    downgraded = downgrade_message(stored, client_version)
    replayed = [
        reduce(replay_chunks(each, client_version)).to_object() for each in (downgraded, stored)
    ]
    assert replayed[0] == replayed[1]
    # A client sends it back unchanged.
    again = UIMessage.from_object(downgraded.to_object())
    assert downgrade_message(again, client_version).to_object() == downgraded.to_object()


@given(messages(), st.sampled_from(CLIENT_VERSIONS))
def test_the_given_message_does_not_change(
    stored: UIMessage, client_version: ClientVersion
) -> None:
    before = stored.to_object()
    downgrade_message(stored, client_version)
    assert stored.to_object() == before


@pytest.mark.parametrize(
    ("client_version", "states"),
    [
        ("5.0.0", ["output-error", "input-available", "input-available", "output-available"]),
        (
            "6.0.0",
            ["output-denied", "approval-requested", "approval-responded", "output-available"],
        ),
        (
            "7.0.0",
            ["output-denied", "approval-requested", "approval-responded", "output-available"],
        ),
    ],
)
def test_approval_responses_are_kept_where_clients_know_them(
    client_version: str, states: list[str]
) -> None:
    approval = {"id": "p", "approved": True, "reason": "Why not?"}
    stored = message(
        call("1", "output-denied", approval={"id": "o", "approved": False}),
        call("2", "approval-requested", approval={"id": "q"}),
        call("3", "approval-responded", approval=approval),
        call("4", "output-available", output=1, approval={**approval, "id": "r"}),
    )
    calls = [
        part
        for part in downgrade_message(stored, ClientVersion.parse(client_version)).parts
        if isinstance(part, ToolPart)
    ]
    assert [part.state for part in calls] == states
    approvals = [part.approval and part.approval.to_object() for part in calls]
    if client_version == "5.0.0":
        assert approvals == [None] * 4
    else:
        assert approvals[2:] == [approval, {**approval, "id": "r"}]
    # `providerExecuted` is unchanged: a client waits for its own calls only.
    assert calls[3].provider_executed is None


def test_a_user_message_does_not_change() -> None:
    parts = [{"type": "file", "url": "", "mediaType": "a/b", "providerReference": {"x": "y"}}]
    user_message = UIMessage.from_object({"id": "u1", "role": "user", "parts": parts})
    assert downgrade_message(user_message, OLDEST_CLIENT_VERSION) is user_message


def test_unknown_keys_of_the_message_stay() -> None:
    stored = UIMessage.from_object({**message().to_object(), "createdAt": "today"})
    assert downgrade_message(stored, OLDEST_CLIENT_VERSION).to_object()["createdAt"] == "today"
