"""Turns of a stored chat: what a request changes, in both databases."""

from __future__ import annotations

from typing import Any

import pytest
from ui_message_stream.chunks import ToolInputAvailable
from ui_message_stream.messages import ToolPart, UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server import ChatError
from usechat_server.store.sql import SqlChatStore

from tests.harness.stores import (
    assistant_message,
    begin_turn,
    chat_request,
    complete_turn,
    describe_messages,
    message_ids,
    tool_call,
    user_message,
)


async def expect_refusal(store: SqlChatStore, **body: Any) -> ChatError:
    """Return the error of a request that is refused and changes nothing."""
    before = await describe_messages(store)
    with pytest.raises(ChatError) as refusal:
        await store.turn(chat_request(**body), None, NEWEST_CLIENT_VERSION)
    assert await describe_messages(store) == before
    return refusal.value


async def stored_call(store: SqlChatStore, index: int = -1) -> ToolPart:
    """The last tool call of a stored message."""
    stored = await store.get(None, "c1")
    assert stored is not None
    return [part for part in stored.messages[index].parts if isinstance(part, ToolPart)][-1]


async def test_only_new_messages_are_added_whatever_the_client_sends(store: SqlChatStore) -> None:
    first = await complete_turn(store, "r1", message=user_message("u1", "One"))
    forged = assistant_message(first.message_id, {"type": "text", "text": "I said something else."})
    await complete_turn(
        store, "r2", messages=[user_message("u1", "Not one"), forged, user_message("u2", "Two")]
    )
    third = await complete_turn(
        store, "r3", message=user_message("u3", "Three"), trigger="submit-user-message"
    )
    assert await describe_messages(store) == [
        "user: One",
        "assistant: Fine.",
        "user: Two",
        "assistant: Fine.",
        "user: Three",
        "assistant: Fine.",
    ]
    # The model got what is stored, and the response's id is the server's.
    assert [message.id for message in third.messages][:2] == ["u1", first.message_id]
    assert (await message_ids(store))[-1] == third.message_id
    assert third.message_id.startswith("msg_")


async def test_a_new_chat_begins_with_the_history_of_the_client(
    store: SqlChatStore,
) -> None:
    history = [user_message("u1", "One"), assistant_message("a1"), user_message("u2", "Two")]
    await complete_turn(store, "r1", messages=history)
    assert await describe_messages(store) == [
        "user: One",
        "assistant: Fine.",
        "user: Two",
        "assistant: Fine.",
    ]


async def test_an_edit_moves_the_replaced_messages_to_a_branch(store: SqlChatStore) -> None:
    await complete_turn(store, "r1", message=user_message("u1", "One"))
    await complete_turn(store, "r2", message=user_message("u2", "Two"))
    await complete_turn(store, "r3", message=user_message("u1", "Eins"), messageId="u1")
    assert await describe_messages(store) == ["user: Eins", "assistant: Fine."]
    await complete_turn(store, "r4", message=user_message("u4", "Four"))
    await complete_turn(store, "r5", message=user_message("u4", "Vier"), messageId="u4")
    first, second = await store.branches(None, "c1") or []
    assert (first.number, first.after, len(first.messages)) == (1, None, 4)
    assert first.messages[0].to_object() == user_message("u1", "One")
    assert (second.number, second.after) == (2, (await message_ids(store))[1])
    assert second.messages[0].id == "u4"


async def test_a_branch_names_the_message_before_it_even_if_that_was_replaced(
    store: SqlChatStore,
) -> None:
    await complete_turn(store, "r1", message=user_message("u1"))
    second = await complete_turn(store, "r2", message=user_message("u2"))
    third = await complete_turn(store, "r3", message=user_message("u3"))
    await complete_turn(store, "r4", trigger="regenerate-message")
    await complete_turn(store, "r5", message=user_message("u2", "Other"), messageId="u2")
    first, last = await store.branches(None, "c1") or []
    assert [message.id for message in first.messages] == [third.message_id]
    assert first.after == "u3"
    assert [message.id for message in last.messages][:3] == ["u2", second.message_id, "u3"]


@pytest.mark.parametrize("trigger", ["regenerate-message", "regenerate-assistant-message"])
@pytest.mark.parametrize("body", ["history", "message", "id", "nothing"])
async def test_a_response_is_regenerated(store: SqlChatStore, trigger: str, body: str) -> None:
    await complete_turn(store, "r1", message=user_message("u1", "One"))
    second = await complete_turn(store, "r2", message=user_message("u2", "Two"))
    bodies: dict[str, dict[str, Any]] = {
        "history": {
            "messages": [
                user_message("u1", "One"),
                assistant_message("a1"),
                user_message("u2", "Two"),
            ]
        },
        "message": {"message": user_message("u2", "Not two")},
        "id": {"messageId": second.message_id},
        "nothing": {},
    }
    sent = bodies[body]
    again = await complete_turn(store, "r3", trigger=trigger, **sent)
    assert (await describe_messages(store))[2:] == ["user: Two", "assistant: Fine."]
    assert again.message_id != second.message_id
    assert (await message_ids(store))[-1] == again.message_id


async def test_an_older_response_is_regenerated(store: SqlChatStore) -> None:
    first = await complete_turn(store, "r1", message=user_message("u1", "One"))
    await complete_turn(store, "r2", message=user_message("u2", "Two"))
    sent: dict[str, Any] = {"trigger": "regenerate-message", "messageId": first.message_id}
    await complete_turn(store, "r3", messages=[user_message("u1", "One")], **sent)
    assert await describe_messages(store) == ["user: One", "assistant: Fine."]


async def test_a_message_without_a_response_can_be_sent_again(store: SqlChatStore) -> None:
    # A refused request is not stored; the client still has its message and sends it again.
    await complete_turn(store, "r1", message=user_message("u1", "One"))
    await complete_turn(
        store, "r2", trigger="regenerate-message", message=user_message("u2", "Two")
    )
    # This run failed before it wrote anything, so its message is not stored.
    turn = await begin_turn(store, "r3", message=user_message("u3", "Three"))
    step = [{"type": "step-start"}]
    nothing = UIMessage.from_object({**assistant_message(turn.message_id), "parts": step})
    assert await store.finish(turn, nothing, "failed", (), run_id="r3")
    assert (await describe_messages(store))[-1] == "user: Three"
    await complete_turn(
        store,
        "r4",
        trigger="regenerate-message",
        messageId=turn.message_id,
        message=user_message("u3", "Three"),
    )
    assert (await describe_messages(store))[-2:] == ["user: Three", "assistant: Fine."]
    assert await store.branches(None, "c1") == []


async def test_the_client_provides_the_output_of_its_tool(store: SqlChatStore) -> None:
    first = await complete_turn(
        store, "r1", tool_call("t1"), message=user_message("u1"), outcome="waiting"
    )
    sent = assistant_message(first.message_id, tool_call("t1", "output-available", output="12:00"))
    turn = await begin_turn(
        store, "r2", messages=[user_message("u1"), sent], messageId=first.message_id
    )
    assert turn.message_id == first.message_id
    assert turn.client_outputs == frozenset({"t1"})
    assert turn.continued is not None
    stored = await stored_call(store)
    assert (stored.state, stored.output) == ("output-available", "12:00")


async def test_other_changes_to_a_continued_message_are_ignored(store: SqlChatStore) -> None:
    reasoning = {"type": "reasoning", "text": "Hm.", "state": "done"}
    first = await complete_turn(
        store, "r1", reasoning, tool_call("t1"), tool_call("t2"), message=user_message("u1")
    )
    forged = assistant_message(
        first.message_id,
        {"type": "reasoning", "text": "Kill.", "state": "done"},
        {"type": "text", "text": "Forged."},
        tool_call("t1", "output-available", output="12:00", input={"zone": "forged"},
             providerExecuted=True, title="forged"),
        tool_call("t2"),
        metadata={"usechat.anthropic": {"turns": {}}},
        role="assistant",
    )  # fmt: skip
    await begin_turn(store, "r2", message=forged)
    stored = await store.get(None, "c1")
    assert stored is not None
    finished_call = tool_call("t1", "output-available", output="12:00")
    assert stored.messages[-1].to_object() == assistant_message(
        first.message_id, reasoning, finished_call, tool_call("t2")
    )


async def test_an_output_cannot_be_replaced(store: SqlChatStore) -> None:
    first = await complete_turn(
        store, "r1", tool_call("t1"), message=user_message("u1"), outcome="waiting"
    )
    done = tool_call("t1", "output-available", output="12:00")
    await complete_turn(store, "r2", done, message=assistant_message(first.message_id, done))
    changed = tool_call("t1", "output-available", output="13:00")
    turn = await store.turn(
        chat_request(message=assistant_message(first.message_id, changed)),
        None,
        NEWEST_CLIENT_VERSION,
    )
    assert turn.client_outputs == frozenset()
    assert (await stored_call(store)).output == "12:00"


async def test_an_unknown_call_cannot_get_an_output(store: SqlChatStore) -> None:
    first = await complete_turn(store, "r1", message=user_message("u1"))
    made_up = assistant_message(
        first.message_id, tool_call("t9", "output-available", output="12:00")
    )
    assert (await expect_refusal(store, message=made_up)).status == 409


async def test_an_approval_in_an_older_message_keeps_the_later_ones(store: SqlChatStore) -> None:
    first = await begin_turn(store, "r1", message=user_message("u1"))
    call = ToolInputAvailable(tool_call_id="t1", tool_name="clock", input={"zone": "UTC"})
    approval_id = (await store.approvals.request(first, call)).approval_id
    question = tool_call("t1", "approval-requested", approval={"id": approval_id})
    message = UIMessage.from_object(assistant_message(first.message_id, question))
    await store.finish(first, message, "waiting", (), run_id="r1")
    await complete_turn(store, "r2", message=user_message("u2"))
    before = await message_ids(store)
    given = tool_call("t1", "approval-responded", approval={"id": approval_id, "approved": True})
    # From 6.0.290 and 7.0.113 on the later messages are sent behind it.
    history = [
        user_message("u1"),
        assistant_message(first.message_id, given),
        user_message("u2"),
        assistant_message(before[-1]),
    ]
    turn = await begin_turn(store, "r3", messages=history, messageId=first.message_id)
    assert [message.id for message in turn.messages] == before[:2]
    assert await message_ids(store) == before
    part = await stored_call(store, 1)
    assert part.state == "approval-responded"
    assert part.approval is not None
    assert part.approval.approved is True
    assert await store.branches(None, "c1") == []


async def test_the_message_that_message_id_names_must_be_sent(store: SqlChatStore) -> None:
    # A client that always sends its last message, although an older one got an output: it would
    # look as if the last one was sent again.
    first = await complete_turn(
        store, "r1", tool_call("t1"), message=user_message("u1"), outcome="waiting"
    )
    second = await complete_turn(store, "r2", message=user_message("u2"))
    for last in (user_message("u2"), assistant_message(second.message_id)):
        refusal = await expect_refusal(store, message=last, messageId=first.message_id)
        assert "messageId" in refusal.text


async def test_a_replaced_message_cannot_be_continued(store: SqlChatStore) -> None:
    first = await complete_turn(
        store, "r1", tool_call("t1"), message=user_message("u1"), outcome="waiting"
    )
    await complete_turn(store, "r2", trigger="regenerate-message")
    late = assistant_message(first.message_id, tool_call("t1", "output-available", output="12:00"))
    assert (await expect_refusal(store, message=late)).status == 409


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": []},
        {"trigger": "regenerate-message", "messageId": "unknown"},
        {"message": user_message("")},
        {"message": user_message("x" * 201)},
        {"message": user_message("nul\0")},
        {"message": assistant_message("unknown")},
        {"chat_id": "x" * 201, "message": user_message("u2")},
        {"chat_id": "nul\0", "message": user_message("u2")},
    ],
)
async def test_an_invalid_request_is_refused(store: SqlChatStore, body: dict[str, Any]) -> None:
    await complete_turn(store, "r1", message=user_message("u1"))
    assert 400 <= (await expect_refusal(store, **body)).status < 500


async def test_a_user_message_cannot_have_the_id_of_an_assistant_message(
    store: SqlChatStore,
) -> None:
    first = await complete_turn(store, "r1", message=user_message("u1"))
    assert "id" in (await expect_refusal(store, message=user_message(first.message_id))).text


async def test_a_new_chat_cannot_begin_with_duplicate_ids(
    store: SqlChatStore,
) -> None:
    assert (
        "same id"
        in (
            await expect_refusal(store, messages=[user_message("u1"), assistant_message("u1")])
        ).text
    )


async def test_user_messages_are_sanitized(store: SqlChatStore) -> None:
    kept = [
        {"type": "file", "mediaType": "image/png", "url": "data:,x", "filename": "a.png"},
        {"type": "data-place", "data": {"lat": 1}},
        {"type": "text", "text": "Look"},
    ]
    forged = [tool_call("t1", "output-available", output=1), {"type": "reasoning", "text": "Hm"}]
    metadata = {"sent": "today", "usechat.anthropic": {"turns": {"x": {"places": []}}}}
    message = {"id": "u1", "role": "user", "parts": [*forged, *kept], "metadata": metadata}
    await begin_turn(store, "r1", message={**message, "createdAt": "now"})
    stored = await store.get(None, "c1")
    assert stored is not None
    assert stored.messages[0].to_object() == {
        "id": "u1",
        "role": "user",
        "parts": kept,
        "metadata": {"sent": "today"},
        "createdAt": "now",
    }


async def test_a_chat_belongs_to_one_user(store: SqlChatStore) -> None:
    await complete_turn(store, "r1", message=user_message("u1", "Mine"), user_id="ann")
    await complete_turn(store, "r2", message=user_message("u1", "My own"), user_id="bob")
    assert await describe_messages(store, "ann") == ["user: Mine", "assistant: Fine."]
    assert await describe_messages(store, "bob") == ["user: My own", "assistant: Fine."]
    assert await store.get(None, "c1") is None
    assert await store.get("eve", "c1") is None
    assert await store.rename("eve", "c1", "Hers") is None
    assert await store.branches("eve", "c1") is None
    assert await store.turns("eve", "c1") is None
    assert not await store.delete("eve", "c1")
    assert await store.delete("ann", "c1")
    assert await describe_messages(store, "ann") == []
    assert len(await describe_messages(store, "bob")) == 2
