"""A message as a page of any release would have it."""

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
    told = [{"type": "step-start"}, *parts]
    return UIMessage.from_object({"id": "a1", "role": "assistant", "parts": told})


@given(messages())
def test_the_newest_page_has_the_message_itself(stored: UIMessage) -> None:
    assert downgrade_message(stored, NEWEST_CLIENT_VERSION) is stored
    assert downgrade_message(FOREIGN, NEWEST_CLIENT_VERSION) is FOREIGN


@given(messages(interrupted=False), st.sampled_from(CLIENT_VERSIONS))
def test_it_streams_as_the_message_does(stored: UIMessage, client_version: ClientVersion) -> None:
    there = downgrade_message(stored, client_version)
    streamed = [reduce(replay_chunks(one, client_version)).to_object() for one in (there, stored)]
    assert streamed[0] == streamed[1]
    # A page gives it back as it got it.
    again = UIMessage.from_object(there.to_object())
    assert downgrade_message(again, client_version).to_object() == there.to_object()


@given(messages(), st.sampled_from(CLIENT_VERSIONS))
def test_the_message_that_is_kept_does_not_change(
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
def test_answers_of_people_are_told_where_they_are_known(
    client_version: str, states: list[str]
) -> None:
    yes = {"id": "p", "approved": True, "reason": "Why not?"}
    stored = message(
        call("1", "output-denied", approval={"id": "o", "approved": False}),
        call("2", "approval-requested", approval={"id": "q"}),
        call("3", "approval-responded", approval=yes),
        call("4", "output-available", output=1, approval={**yes, "id": "r"}),
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
        assert approvals[2:] == [yes, {**yes, "id": "r"}]
    # Who executed it is told as it is, so that a page does not wait for what is not its own.
    assert calls[3].provider_executed is None


def test_what_a_person_said_is_never_changed() -> None:
    parts = [{"type": "file", "url": "", "mediaType": "a/b", "providerReference": {"x": "y"}}]
    said = UIMessage.from_object({"id": "u1", "role": "user", "parts": parts})
    assert downgrade_message(said, OLDEST_CLIENT_VERSION) is said


def test_keys_of_the_message_stay() -> None:
    stored = UIMessage.from_object({**message().to_object(), "createdAt": "today"})
    assert downgrade_message(stored, OLDEST_CLIENT_VERSION).to_object()["createdAt"] == "today"
