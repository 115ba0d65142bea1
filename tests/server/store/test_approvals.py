"""Approvals in a store: each decision is redeemed once, for the call that was requested."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from secrets import token_hex
from time import time
from typing import Any

import pytest
from ui_message_stream.chunks import ToolInputAvailable
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server import ChatError, Turn
from usechat_server.approvals.base import LIFETIME
from usechat_server.errors import StoreUnavailable
from usechat_server.store.approvals import StoredApprovals
from usechat_server.store.base import ChatChanged
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


async def request_approvals(store: SqlChatStore, *call_ids: str) -> list[str]:
    """Run a turn that ends with approval requests; return the ids of its message and of these."""
    turn = await begin_turn(store, "r1", "ann", message=user_message(f"u{call_ids[0]}"))
    requests = [
        await store.approvals.request(
            turn, ToolInputAvailable(tool_call_id=call_id, tool_name="clock", input=INPUT)
        )
        for call_id in call_ids
    ]
    approval_ids = [request.approval_id for request in requests]
    parts = [
        tool_call(call_id, "approval-requested", input=INPUT, approval={"id": approval_id})
        for call_id, approval_id in zip(call_ids, approval_ids, strict=True)
    ]
    message = UIMessage.from_object(assistant_message(turn.message_id, *parts))
    assert await store.finish(turn, message, "waiting", (), run_id="r1")
    return [turn.message_id, *approval_ids]


async def decided_turn(store: SqlChatStore, message_id: str, **approvals: Any) -> Turn:
    """Return the turn of a client that decides: call id → the decision."""
    parts = [
        tool_call(call_id, "approval-responded", approval=decision)
        for call_id, decision in approvals.items()
    ]
    request = chat_request(message=assistant_message(message_id, *parts))
    return await store.turn(request, "ann", NEWEST_CLIENT_VERSION)


async def redeem(store: SqlChatStore, turn: Turn) -> Mapping[str, Decision]:
    """Begin a turn, and return the decisions that it brought."""
    decisions = await store.approvals.redeem(turn)
    await store.begin(turn, run_id=token_hex(8))
    return decisions


async def test_a_decision_is_redeemed_once(store: SqlChatStore) -> None:
    message, one, two = await request_approvals(store, "t1", "t2")
    turn = await decided_turn(
        store,
        message,
        t1={"id": one, "approved": True},
        t2={"id": two, "approved": False, "reason": "No."},
    )
    assert await redeem(store, turn) == {
        "t1": Decision(approved=True),
        "t2": Decision(approved=False, reason="No."),
    }
    with pytest.raises(ChatError, match="already used") as refusal:
        await redeem(store, turn)
    assert refusal.value.status == 409


async def test_a_decision_is_not_used_up_by_a_turn_that_cannot_begin(store: SqlChatStore) -> None:
    message, one = await request_approvals(store, "t1")
    turn = await decided_turn(store, message, t1={"id": one, "approved": True})
    await store.approvals.redeem(turn)
    with pytest.raises(ChatChanged):
        await store.begin(turn, run_id="r1")  # which has begun before
    assert await redeem(store, turn) == {"t1": Decision(approved=True)}


async def test_a_request_waits_for_a_database_that_is_unavailable(
    store: SqlChatStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, failures = store.database.write, [StoreUnavailable("test")] * 2

    async def fail_twice(transaction: Any) -> Any:
        if failures:
            raise failures.pop()
        return await write(transaction)

    turn = await begin_turn(store, "r1", "ann", message=user_message("u1"))
    monkeypatch.setattr(store.database, "write", fail_twice)
    call = ToolInputAvailable(tool_call_id="t1", tool_name="clock", input=INPUT)
    assert (await store.approvals.request(turn, call)).approval_id
    assert not failures


async def test_one_of_many_processes_redeems_a_decision(store: SqlChatStore, url: str) -> None:
    message, one = await request_approvals(store, "t1")
    turn = await decided_turn(store, message, t1={"id": one, "approved": True})
    async with open_store(url) as other:
        stores = [store, other] * 4
        outcomes = await asyncio.gather(
            *(redeem(store, turn) for store in stores), return_exceptions=True
        )
    assert outcomes.count({"t1": Decision(approved=True)}) == 1
    assert sum(isinstance(outcome, ChatError) for outcome in outcomes) == len(stores) - 1


def with_call(turn: Turn, **fields: Any) -> Turn:
    """Return the turn with another call than the stored one."""
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
async def test_a_decision_is_valid_for_one_call(
    store: SqlChatStore, changed: dict[str, Any]
) -> None:
    message, one = await request_approvals(store, "t1")
    turn = await decided_turn(store, message, t1={"id": one, "approved": True})
    with pytest.raises(ChatError) as refusal:
        await redeem(store, with_call(turn, **changed))
    assert refusal.value.status == 403
    # It was not used up by that.
    assert await redeem(store, turn) == {"t1": Decision(approved=True)}


async def test_a_decision_is_valid_in_one_chat_of_one_user(store: SqlChatStore) -> None:
    message, one = await request_approvals(store, "t1")
    turn = await decided_turn(store, message, t1={"id": one, "approved": True})
    await complete_turn(store, "bob", message=user_message("u1"), user_id="bob")
    for other in (replace(turn, user="bob"), replace(turn, chat_id="c2"), replace(turn, user=None)):
        with pytest.raises(ChatError) as refusal:
            await redeem(store, other)
        assert refusal.value.status == 403


async def test_decisions_are_redeemed_all_or_none(store: SqlChatStore) -> None:
    message, one, two = await request_approvals(store, "t1", "t2")
    good = {"t1": {"id": one, "approved": True}}
    turn = await decided_turn(store, message, **good, t2={"id": two, "approved": True})
    with pytest.raises(ChatError):
        await redeem(store, with_call(turn, input={"zone": "CET"}))
    alone = await decided_turn(store, message, **good)
    assert await redeem(store, alone) == {"t1": Decision(approved=True)}


async def test_an_approval_request_expires(store: SqlChatStore) -> None:
    message, one = await request_approvals(store, "t1")
    turn = await decided_turn(store, message, t1={"id": one, "approved": True})
    late = StoredApprovals(store.database, clock=lambda: time() + LIFETIME + 1)
    with pytest.raises(ChatError, match="has expired") as refusal:
        await store.database.write(partial(late.consume, turn=turn))
    assert refusal.value.status == 409


async def test_an_unknown_approval_id_is_refused(store: SqlChatStore) -> None:
    message, _ = await request_approvals(store, "t1")
    with pytest.raises(ChatError) as refusal:
        await decided_turn(store, message, t1={"id": "approval_made_up", "approved": True})
    assert refusal.value.status == 403
