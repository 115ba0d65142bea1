"""An approval that is a record counts once, for the call that was asked about."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import time
from typing import Any

import pytest
from ui_message_stream.chunks import ToolInputAvailable
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server import ChatError, Turn
from usechat_server.approvals.base import LIFETIME
from usechat_server.store.approvals import StoredApprovals
from usechat_server.store.sql import SqlChatStore
from usechat_server.turn import Decision

from tests.harness.stores import (
    assistant_message,
    begin_turn,
    chat_request,
    complete_turn,
    open_store,
    tool_call,
    user_message,
)

INPUT = {"zone": "UTC", "big": 2**60 + 1, "one": 1.0}


async def question(chats: SqlChatStore, *call_ids: str) -> list[str]:
    """A turn that ended with questions about calls: the ids of its message and of the questions."""
    turn = await begin_turn(chats, "asks", "ann", message=user_message(f"u{call_ids[0]}"))
    issued = [
        await chats.approvals.request(
            turn, ToolInputAvailable(tool_call_id=one, tool_name="clock", input=INPUT)
        )
        for one in call_ids
    ]
    approval_ids = [one.approval_id for one in issued]
    parts = [
        tool_call(one, "approval-requested", input=INPUT, approval={"id": approval_id})
        for one, approval_id in zip(call_ids, approval_ids, strict=True)
    ]
    message = UIMessage.from_object(assistant_message(turn.message_id, *parts))
    assert await chats.finish(turn, message, "waiting", (), run_id="asks")
    return [turn.message_id, *approval_ids]


async def answered(chats: SqlChatStore, message_id: str, **approvals: Any) -> Turn:
    """The turn of a page that answers: call id → the answer."""
    parts = [
        tool_call(one, "approval-responded", approval=given) for one, given in approvals.items()
    ]
    request = chat_request(message=assistant_message(message_id, *parts))
    return await chats.turn(request, "ann", NEWEST_CLIENT_VERSION)


async def test_an_answer_counts_once(chats: SqlChatStore) -> None:
    message, one, two = await question(chats, "t1", "t2")
    turn = await answered(
        chats,
        message,
        t1={"id": one, "approved": True},
        t2={"id": two, "approved": False, "reason": "No."},
    )
    assert await chats.approvals.redeem(turn) == {
        "t1": Decision(approved=True),
        "t2": Decision(approved=False, reason="No."),
    }
    with pytest.raises(ChatError, match="already used") as refusal:
        await chats.approvals.redeem(turn)
    assert refusal.value.status == 409


async def test_of_many_processes_one_takes_an_answer(chats: SqlChatStore, url: str) -> None:
    message, one = await question(chats, "t1")
    turn = await answered(chats, message, t1={"id": one, "approved": True})
    async with open_store(url) as other:
        stores = [chats, other] * 4
        outcomes = await asyncio.gather(
            *(store.approvals.redeem(turn) for store in stores), return_exceptions=True
        )
    assert outcomes.count({"t1": Decision(approved=True)}) == 1
    assert sum(isinstance(outcome, ChatError) for outcome in outcomes) == len(stores) - 1


def with_call(turn: Turn, **fields: Any) -> Turn:
    """The turn, had its call been changed behind the store's back."""
    assert turn.continued is not None
    value = turn.continued.to_object()
    value["parts"][-1].update(fields)
    return replace(turn, messages=[*turn.messages[:-1], UIMessage.from_object(value)])


@pytest.mark.parametrize(
    "changed",
    [
        {"input": {**INPUT, "zone": "CET"}},
        {"input": {**INPUT, "big": 2**60}},
        {"type": "tool-erase"},
        {"toolCallId": "t2"},
        {"approval": {"id": "approval_made_up", "approved": True}},
    ],
)
async def test_it_is_the_answer_to_one_call(chats: SqlChatStore, changed: dict[str, Any]) -> None:
    message, one = await question(chats, "t1")
    turn = await answered(chats, message, t1={"id": one, "approved": True})
    with pytest.raises(ChatError) as refusal:
        await chats.approvals.redeem(with_call(turn, **changed))
    assert refusal.value.status == 403
    # It was not used up by that.
    assert await chats.approvals.redeem(turn) == {"t1": Decision(approved=True)}


async def test_it_is_an_answer_in_one_users_chat(chats: SqlChatStore) -> None:
    message, one = await question(chats, "t1")
    turn = await answered(chats, message, t1={"id": one, "approved": True})
    await complete_turn(chats, "bob", message=user_message("u1"), user_id="bob")
    for other in (replace(turn, user="bob"), replace(turn, chat_id="c2"), replace(turn, user=None)):
        with pytest.raises(ChatError) as refusal:
            await chats.approvals.redeem(other)
        assert refusal.value.status == 403


async def test_of_several_answers_all_count_or_none(chats: SqlChatStore) -> None:
    message, one, two = await question(chats, "t1", "t2")
    good = {"t1": {"id": one, "approved": True}}
    turn = await answered(chats, message, **good, t2={"id": two, "approved": True})
    with pytest.raises(ChatError):
        await chats.approvals.redeem(with_call(turn, input={"zone": "CET"}))
    alone = await answered(chats, message, **good)
    assert await chats.approvals.redeem(alone) == {"t1": Decision(approved=True)}


async def test_it_counts_for_some_time(chats: SqlChatStore) -> None:
    message, one = await question(chats, "t1")
    turn = await answered(chats, message, t1={"id": one, "approved": True})
    late = StoredApprovals(chats.database, clock=lambda: time() + LIFETIME + 1)
    with pytest.raises(ChatError, match="has expired") as refusal:
        await late.redeem(turn)
    assert refusal.value.status == 409


async def test_another_approval_id_is_refused_before(chats: SqlChatStore) -> None:
    message, _ = await question(chats, "t1")
    with pytest.raises(ChatError) as refusal:
        await answered(chats, message, t1={"id": "approval_made_up", "approved": True})
    assert refusal.value.status == 403
