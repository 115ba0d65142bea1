"""What becomes of a stored chat when a page sends something, in both databases."""

from __future__ import annotations

from typing import Any

import pytest
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


async def refused(chats: SqlChatStore, **body: Any) -> ChatError:
    """Why a request is refused; nothing has changed after it."""
    before = await describe_messages(chats)
    with pytest.raises(ChatError) as refusal:
        await chats.turn(chat_request(**body), None, NEWEST_CLIENT_VERSION)
    assert await describe_messages(chats) == before
    return refusal.value


async def stored_call(chats: SqlChatStore, index: int = -1) -> ToolPart:
    """The last tool call of a stored message."""
    stored = await chats.get(None, "c1")
    assert stored is not None
    return [part for part in stored.messages[index].parts if isinstance(part, ToolPart)][-1]


async def test_a_chat_grows_by_what_is_new_however_much_the_page_sends(chats: SqlChatStore) -> None:
    first = await complete_turn(chats, "r1", message=user_message("u1", "One"))
    forged = assistant_message(first.message_id, {"type": "text", "text": "I said something else."})
    await complete_turn(
        chats, "r2", messages=[user_message("u1", "Not one"), forged, user_message("u2", "Two")]
    )
    third = await complete_turn(
        chats, "r3", message=user_message("u3", "Three"), trigger="submit-user-message"
    )
    assert await describe_messages(chats) == [
        "user: One",
        "assistant: Fine.",
        "user: Two",
        "assistant: Fine.",
        "user: Three",
        "assistant: Fine.",
    ]
    # The model was asked with what is stored, and the answer's id is the server's.
    assert [message.id for message in third.messages][:2] == ["u1", first.message_id]
    assert (await message_ids(chats))[-1] == third.message_id
    assert third.message_id.startswith("msg_")


async def test_an_unknown_chat_begins_with_the_history_that_a_page_brings(
    chats: SqlChatStore,
) -> None:
    history = [user_message("u1", "One"), assistant_message("a1"), user_message("u2", "Two")]
    await complete_turn(chats, "r1", messages=history)
    assert await describe_messages(chats) == [
        "user: One",
        "assistant: Fine.",
        "user: Two",
        "assistant: Fine.",
    ]


async def test_an_edit_replaces_the_tail_which_can_still_be_read(chats: SqlChatStore) -> None:
    await complete_turn(chats, "r1", message=user_message("u1", "One"))
    await complete_turn(chats, "r2", message=user_message("u2", "Two"))
    await complete_turn(chats, "r3", message=user_message("u1", "Eins"), messageId="u1")
    assert await describe_messages(chats) == ["user: Eins", "assistant: Fine."]
    await complete_turn(chats, "r4", message=user_message("u4", "Four"))
    await complete_turn(chats, "r5", message=user_message("u4", "Vier"), messageId="u4")
    first, second = await chats.branches(None, "c1") or []
    assert (first.number, first.after, len(first.messages)) == (1, None, 4)
    assert first.messages[0].to_object() == user_message("u1", "One")
    assert (second.number, second.after) == (2, (await message_ids(chats))[1])
    assert second.messages[0].id == "u4"


async def test_a_branch_tells_what_it_followed_also_when_that_was_replaced(
    chats: SqlChatStore,
) -> None:
    await complete_turn(chats, "r1", message=user_message("u1"))
    second = await complete_turn(chats, "r2", message=user_message("u2"))
    third = await complete_turn(chats, "r3", message=user_message("u3"))
    await complete_turn(chats, "r4", trigger="regenerate-message")
    await complete_turn(chats, "r5", message=user_message("u2", "Other"), messageId="u2")
    first, last = await chats.branches(None, "c1") or []
    assert [message.id for message in first.messages] == [third.message_id]
    assert first.after == "u3"
    assert [message.id for message in last.messages][:3] == ["u2", second.message_id, "u3"]


@pytest.mark.parametrize("trigger", ["regenerate-message", "regenerate-assistant-message"])
@pytest.mark.parametrize("body", ["history", "message", "id", "nothing"])
async def test_an_answer_is_written_anew(chats: SqlChatStore, trigger: str, body: str) -> None:
    await complete_turn(chats, "r1", message=user_message("u1", "One"))
    second = await complete_turn(chats, "r2", message=user_message("u2", "Two"))
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
    anew = await complete_turn(chats, "r3", trigger=trigger, **sent)
    assert (await describe_messages(chats))[2:] == ["user: Two", "assistant: Fine."]
    assert anew.message_id != second.message_id
    assert (await message_ids(chats))[-1] == anew.message_id


async def test_an_older_answer_is_written_anew(chats: SqlChatStore) -> None:
    first = await complete_turn(chats, "r1", message=user_message("u1", "One"))
    await complete_turn(chats, "r2", message=user_message("u2", "Two"))
    sent: dict[str, Any] = {"trigger": "regenerate-message", "messageId": first.message_id}
    await complete_turn(chats, "r3", messages=[user_message("u1", "One")], **sent)
    assert await describe_messages(chats) == ["user: One", "assistant: Fine."]


async def test_what_a_page_could_not_get_an_answer_to_is_asked_again(chats: SqlChatStore) -> None:
    # The request was refused, and so is not stored; the page has it, and asks again.
    await complete_turn(chats, "r1", message=user_message("u1", "One"))
    await complete_turn(
        chats, "r2", trigger="regenerate-message", message=user_message("u2", "Two")
    )
    # This one failed before anything was said, so that its answer is not stored.
    turn = await begin_turn(chats, "r3", message=user_message("u3", "Three"))
    step = [{"type": "step-start"}]
    nothing = UIMessage.from_object({**assistant_message(turn.message_id), "parts": step})
    assert await chats.finish(turn, nothing, "failed", (), run_id="r3")
    assert (await describe_messages(chats))[-1] == "user: Three"
    await complete_turn(
        chats,
        "r4",
        trigger="regenerate-message",
        messageId=turn.message_id,
        message=user_message("u3", "Three"),
    )
    assert (await describe_messages(chats))[-2:] == ["user: Three", "assistant: Fine."]
    assert await chats.branches(None, "c1") == []


async def test_the_page_answers_a_call_of_its_own(chats: SqlChatStore) -> None:
    first = await complete_turn(
        chats, "r1", tool_call("t1"), message=user_message("u1"), outcome="waiting"
    )
    sent = assistant_message(first.message_id, tool_call("t1", "output-available", output="12:00"))
    turn = await begin_turn(
        chats, "r2", messages=[user_message("u1"), sent], messageId=first.message_id
    )
    assert turn.message_id == first.message_id
    assert turn.client_outputs == frozenset({"t1"})
    assert turn.continued is not None
    stored = await stored_call(chats)
    assert (stored.state, stored.output) == ("output-available", "12:00")


async def test_nothing_else_of_a_continued_message_is_taken(chats: SqlChatStore) -> None:
    reasoning = {"type": "reasoning", "text": "Hm.", "state": "done"}
    first = await complete_turn(
        chats, "r1", reasoning, tool_call("t1"), tool_call("t2"), message=user_message("u1")
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
    await begin_turn(chats, "r2", message=forged)
    stored = await chats.get(None, "c1")
    assert stored is not None
    answered = tool_call("t1", "output-available", output="12:00")
    assert stored.messages[-1].to_object() == assistant_message(
        first.message_id, reasoning, answered, tool_call("t2")
    )


async def test_a_call_is_answered_once(chats: SqlChatStore) -> None:
    first = await complete_turn(
        chats, "r1", tool_call("t1"), message=user_message("u1"), outcome="waiting"
    )
    done = tool_call("t1", "output-available", output="12:00")
    await complete_turn(chats, "r2", done, message=assistant_message(first.message_id, done))
    changed = tool_call("t1", "output-available", output="13:00")
    turn = await chats.turn(
        chat_request(message=assistant_message(first.message_id, changed)),
        None,
        NEWEST_CLIENT_VERSION,
    )
    assert turn.client_outputs == frozenset()
    assert (await stored_call(chats)).output == "12:00"


async def test_a_call_that_never_was_cannot_be_answered(chats: SqlChatStore) -> None:
    first = await complete_turn(chats, "r1", message=user_message("u1"))
    made_up = assistant_message(
        first.message_id, tool_call("t9", "output-available", output="12:00")
    )
    assert (await refused(chats, message=made_up)).status == 409


async def test_an_approval_of_an_older_message_leaves_the_later_ones(chats: SqlChatStore) -> None:
    question = tool_call("t1", "approval-requested", approval={"id": "p1"})
    first = await complete_turn(
        chats, "r1", question, message=user_message("u1"), outcome="waiting"
    )
    await complete_turn(chats, "r2", message=user_message("u2"))
    before = await message_ids(chats)
    given = tool_call("t1", "approval-responded", approval={"id": "p1", "approved": True})
    # From 6.0.290 and 7.0.113 on the later messages are sent behind it.
    history = [
        user_message("u1"),
        assistant_message(first.message_id, given),
        user_message("u2"),
        assistant_message(before[-1]),
    ]
    turn = await begin_turn(chats, "r3", messages=history, messageId=first.message_id)
    assert [message.id for message in turn.messages] == before[:2]
    assert await message_ids(chats) == before
    part = await stored_call(chats, 1)
    assert part.state == "approval-responded"
    assert part.approval is not None
    assert part.approval.approved is True
    assert await chats.branches(None, "c1") == []


async def test_the_message_that_is_named_has_to_be_sent(chats: SqlChatStore) -> None:
    # A page that always sends its last message, where an older one is answered: it would look as
    # if that last one was sent again.
    first = await complete_turn(
        chats, "r1", tool_call("t1"), message=user_message("u1"), outcome="waiting"
    )
    second = await complete_turn(chats, "r2", message=user_message("u2"))
    for last in (user_message("u2"), assistant_message(second.message_id)):
        refusal = await refused(chats, message=last, messageId=first.message_id)
        assert "messageId" in refusal.text


async def test_a_message_that_was_replaced_cannot_be_continued(chats: SqlChatStore) -> None:
    first = await complete_turn(
        chats, "r1", tool_call("t1"), message=user_message("u1"), outcome="waiting"
    )
    await complete_turn(chats, "r2", trigger="regenerate-message")
    late = assistant_message(first.message_id, tool_call("t1", "output-available", output="12:00"))
    assert (await refused(chats, message=late)).status == 409


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
async def test_what_cannot_be_answered_is_refused(
    chats: SqlChatStore, body: dict[str, Any]
) -> None:
    await complete_turn(chats, "r1", message=user_message("u1"))
    assert 400 <= (await refused(chats, **body)).status < 500


async def test_a_user_takes_no_id_of_an_answer(chats: SqlChatStore) -> None:
    first = await complete_turn(chats, "r1", message=user_message("u1"))
    assert "id" in (await refused(chats, message=user_message(first.message_id))).text


async def test_an_unknown_chat_cannot_begin_with_two_messages_of_one_id(
    chats: SqlChatStore,
) -> None:
    assert (
        "same id"
        in (await refused(chats, messages=[user_message("u1"), assistant_message("u1")])).text
    )


async def test_of_a_user_only_what_users_say_is_kept(chats: SqlChatStore) -> None:
    kept = [
        {"type": "file", "mediaType": "image/png", "url": "data:,x", "filename": "a.png"},
        {"type": "data-place", "data": {"lat": 1}},
        {"type": "text", "text": "Look"},
    ]
    forged = [tool_call("t1", "output-available", output=1), {"type": "reasoning", "text": "Hm"}]
    metadata = {"sent": "today", "usechat.anthropic": {"turns": {"x": {"places": []}}}}
    message = {"id": "u1", "role": "user", "parts": [*forged, *kept], "metadata": metadata}
    await begin_turn(chats, "r1", message={**message, "createdAt": "now"})
    stored = await chats.get(None, "c1")
    assert stored is not None
    assert stored.messages[0].to_object() == {
        "id": "u1",
        "role": "user",
        "parts": kept,
        "metadata": {"sent": "today"},
        "createdAt": "now",
    }


async def test_a_chat_is_one_users(chats: SqlChatStore) -> None:
    await complete_turn(chats, "r1", message=user_message("u1", "Mine"), user_id="ann")
    await complete_turn(chats, "r2", message=user_message("u1", "My own"), user_id="bob")
    assert await describe_messages(chats, "ann") == ["user: Mine", "assistant: Fine."]
    assert await describe_messages(chats, "bob") == ["user: My own", "assistant: Fine."]
    assert await chats.get(None, "c1") is None
    assert await chats.get("eve", "c1") is None
    assert await chats.rename("eve", "c1", "Hers") is None
    assert await chats.branches("eve", "c1") is None
    assert await chats.turns("eve", "c1") is None
    assert not await chats.delete("eve", "c1")
    assert await chats.delete("ann", "c1")
    assert await describe_messages(chats, "ann") == []
    assert len(await describe_messages(chats, "bob")) == 2
