"""What runs write: again and again, late, twice, or never again; and what that leaves behind."""

from __future__ import annotations

import asyncio
from time import time

import pytest
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server.coordination.ownership import LEASE, Orphan, Progress
from usechat_server.results import Step, Usage
from usechat_server.store.base import ChatBusy, ChatChanged
from usechat_server.store.sql import SqlChatStore
from usechat_server.turn import Turn

from tests.harness.stores import (
    assistant_message,
    begin_turn,
    chat_request,
    checkpoint,
    complete_turn,
    describe_messages,
    message_ids,
    open_store,
    tool_call,
    user_message,
)


def partial(turn: Turn, text: str, state: str = "streaming") -> UIMessage:
    """The turn's message, in the middle of a text."""
    part = {"type": "text", "text": text, "state": state}
    return UIMessage.from_object(assistant_message(turn.message_id, part))


async def test_a_running_response_is_readable_as_of_its_checkpoint(store: SqlChatStore) -> None:
    turn = await begin_turn(store, "r1", message=user_message("u1"))
    stored = await store.get(None, "c1")
    assert stored is not None
    assert (stored.chat.active_run_id, stored.active_message_id) == ("r1", turn.message_id)
    for text in ("He", "Hello"):
        assert await checkpoint(store, partial(turn, text), run_id="r1")
        assert (await describe_messages(store))[-1] == f"assistant: {text}"
    assert await store.finish(turn, partial(turn, "Hello!", "done"), "finished", (), run_id="r1")
    stored = await store.get(None, "c1")
    assert stored is not None
    assert (stored.chat.active_run_id, stored.active_message_id) == (None, None)
    assert (await describe_messages(store))[-1] == "assistant: Hello!"


async def test_a_turn_ends_once(store: SqlChatStore) -> None:
    turn = await begin_turn(store, "r1", message=user_message("u1"))
    whole = partial(turn, "Whole", "done")
    assert await store.finish(turn, whole, "aborted", (), run_id="r1")
    # Again, as after a lost reply: it reports success and changes nothing.
    assert await store.finish(turn, partial(turn, "Other"), "failed", (), run_id="r1")
    assert not await checkpoint(store, partial(turn, "Late"), run_id="r1")
    assert (await describe_messages(store))[-1] == "assistant: Whole"
    [stored] = await store.turns(None, "c1") or []
    assert stored.outcome == "aborted"


async def test_the_usage_of_each_model_call_is_stored(store: SqlChatStore) -> None:
    turn = await begin_turn(store, "r1", message=user_message("u1"))
    steps = [
        Step("big", Usage(input=10, output=20, cache_read=3, cache_write=4, thinking=5), "stop"),
        Step("small", Usage(input=2**40)),
    ]
    assert await store.finish(turn, partial(turn, "Hi"), "finished", steps, run_id="r1")
    [stored] = await store.turns(None, "c1") or []
    assert list(stored.steps) == steps
    assert stored.message_id == turn.message_id
    assert stored.ended_at is not None
    assert stored.started_at <= stored.ended_at


async def test_a_late_write_of_an_older_run_changes_nothing(store: SqlChatStore) -> None:
    old = await begin_turn(store, "r1", message=user_message("u1"))
    assert await checkpoint(store, partial(old, "Old"), run_id="r1")
    new = await begin_turn(store, "r2", trigger="regenerate-message")
    assert await checkpoint(store, partial(new, "New"), run_id="r2")
    await checkpoint(store, partial(old, "Late"), run_id="r1")
    # Its end is known all the same, and the other one goes on.
    assert await store.finish(old, partial(old, "Late"), "aborted", (), run_id="r1")
    assert await describe_messages(store) == ["user: Hello", "assistant: New"]
    stored = await store.get(None, "c1")
    assert stored is not None
    assert stored.chat.active_run_id == "r2"


async def test_a_late_write_to_a_continued_message_changes_nothing(store: SqlChatStore) -> None:
    old = await begin_turn(store, "r1", message=user_message("u1"))
    waiting = UIMessage.from_object(assistant_message(old.message_id, tool_call("t1")))
    assert await checkpoint(store, waiting, run_id="r1")
    done = assistant_message(old.message_id, tool_call("t1", "output-available", output=1))
    await begin_turn(store, "r2", message=done)
    await checkpoint(store, waiting, run_id="r1")
    assert (await describe_messages(store))[-1] == "assistant: output-available"


@pytest.mark.parametrize("first", [0, 2**53 - 2], ids=["one process", "Redis"])
async def test_a_run_that_was_taken_over_writes_no_more(
    store: SqlChatStore, url: str, first: int
) -> None:
    turn = await store.turn(chat_request(message=user_message("u1")), None, NEWEST_CLIENT_VERSION)
    await store.begin(turn, run_id="r1", epoch=first)
    one, two, end, late = (partial(turn, text) for text in ("One", "Two", "End", "Late"))
    assert await checkpoint(store, one, run_id="r1", epoch=first)
    other = SqlChatStore(url, clock=lambda: time() + 2 * LEASE)
    assert await other.ownership.take_over(Orphan(None, "c1", "r1", first))
    assert await checkpoint(other, two, run_id="r1", epoch=first + 1)
    await other.aclose()
    assert not await checkpoint(store, late, run_id="r1", epoch=first)
    assert not await store.finish(turn, late, "failed", (), run_id="r1", epoch=first)
    assert await store.finish(turn, end, "finished", (), run_id="r1", epoch=first + 1)
    assert not await store.finish(turn, late, "failed", (), run_id="r1", epoch=first)
    assert (await describe_messages(store))[-1] == "assistant: End"


async def test_a_run_writes_nothing_into_a_deleted_chat(store: SqlChatStore) -> None:
    turn = await begin_turn(store, "r1", message=user_message("u1"))
    assert await store.delete(None, "c1")
    assert not await checkpoint(store, partial(turn, "Late"), run_id="r1")
    assert not await store.finish(turn, partial(turn, "Late"), "finished", (), run_id="r1")
    assert await store.get(None, "c1") is None
    await complete_turn(store, "r2", message=user_message("u1", "Anew"))
    assert await describe_messages(store) == ["user: Anew", "assistant: Fine."]


async def test_orphaned_turns_are_interrupted(store: SqlChatStore) -> None:
    cut = await begin_turn(store, "r1", chat_id="c1", message=user_message("u1"))
    half = tool_call("t2", "input-streaming", input={"zo": "n"}, rawInput='{"zo":"n')
    parts = [{"type": "text", "text": "Hel", "state": "streaming"}, half]
    assert await checkpoint(
        store, UIMessage.from_object(assistant_message(cut.message_id, *parts)), run_id="r1"
    )
    await begin_turn(store, "r2", "ann", "c2", message=user_message("u2"))
    await begin_turn(store, "r3", chat_id="c3", message=user_message("u3"))
    open_turns = {turn.run_id: turn for turn in await store.open_turns()}
    assert set(open_turns) == {"r1", "r2", "r3"}
    assert (open_turns["r2"].user, open_turns["r2"].chat_id) == ("ann", "c2")
    assert open_turns["r1"].message_id == cut.message_id

    await store.interrupt(["r1", "r2", "gone"])
    await store.interrupt(["r1"])
    assert [one.run_id for one in await store.open_turns()] == ["r3"]
    stored = await store.get(None, "c1")
    assert stored is not None
    assert stored.chat.active_run_id is None
    text, broken, *_ = stored.messages[-1].to_object()["parts"][1:]
    assert text == {"type": "text", "text": "Hel", "state": "done"}
    assert broken["state"] == "output-error"
    # The last step has no completed call, so no client continues automatically.
    assert stored.messages[-1].to_object()["parts"][-2:] == [
        {"type": "step-start"},
        {"type": "text", "text": "", "state": "done"},
    ]
    assert [turn.outcome for turn in await store.turns(None, "c1") or []] == ["interrupted"]
    assert await describe_messages(store, "ann", "c2") == ["user: Hello"]


async def test_a_call_that_waits_for_the_client_still_waits_after_a_crash(
    store: SqlChatStore,
) -> None:
    cut = await begin_turn(store, "r1", message=user_message("u1"))
    waiting = UIMessage.from_object(assistant_message(cut.message_id, tool_call("t1")))
    assert await checkpoint(store, waiting, run_id="r1")
    await store.interrupt(["r1"])
    done = assistant_message(cut.message_id, tool_call("t1", "output-available", output=1))
    turn = await begin_turn(store, "r2", message=done)
    assert turn.client_outputs == frozenset({"t1"})


@pytest.mark.parametrize("stored", [False, True])
async def test_a_turn_made_from_an_older_state_does_not_begin(
    store: SqlChatStore, stored: bool
) -> None:
    if stored:
        await complete_turn(store, "r1", message=user_message("u1"))
    stale = await store.turn(
        chat_request(message=user_message("u9", "Mine")), None, NEWEST_CLIENT_VERSION
    )
    await complete_turn(store, "r2", message=user_message("u2"))
    before = await describe_messages(store)
    with pytest.raises(ChatChanged):
        await store.begin(stale, run_id="r3")
    assert await describe_messages(store) == before
    assert await store.open_turns() == []


async def test_a_turn_does_not_begin_while_another_process_owns_the_chat(
    store: SqlChatStore, url: str
) -> None:
    running = await begin_turn(store, "r1", message=user_message("u1"))
    assert await checkpoint(store, partial(running, "Ha"), run_id="r1")
    request = chat_request(message=user_message("u2"))
    async with open_store(url) as other:
        with pytest.raises(ChatBusy):
            await other.turn(request, None, NEWEST_CLIENT_VERSION)
        assert await store.finish(running, partial(running, "Half"), "finished", (), run_id="r1")
        turn = await other.turn(request, None, NEWEST_CLIENT_VERSION)
        await other.begin(turn, run_id="r2")
    assert await describe_messages(store) == ["user: Hello", "assistant: Half", "user: Hello"]


async def test_one_of_many_processes_begins_a_turn(store: SqlChatStore, url: str) -> None:
    async with open_store(url) as other:
        stores = [store, other] * 4
        for message_id in ("u1", "u2"):
            request = chat_request(message=user_message(message_id))
            turns = [await store.turn(request, None, NEWEST_CLIENT_VERSION) for store in stores]
            runs = [f"{message_id}-{number}" for number in range(len(stores))]
            outcomes = await asyncio.gather(
                *(
                    store.begin(turn, run_id=run)
                    for store, turn, run in zip(stores, turns, runs, strict=True)
                ),
                return_exceptions=True,
            )
            refused = [one for one in outcomes if isinstance(one, ChatChanged)]
            assert len(refused) == len(stores) - 1, outcomes
            [winner] = [n for n, one in enumerate(outcomes) if not isinstance(one, ChatChanged)]
            assert [one.run_id for one in await store.open_turns()] == [runs[winner]]
            end = partial(turns[winner], "End", "done")
            assert await other.finish(turns[winner], end, "finished", (), run_id=runs[winner])
        assert await describe_messages(store) == ["user: Hello", "assistant: End"] * 2


async def test_many_chats_are_written_concurrently(store: SqlChatStore, url: str) -> None:
    async def talk(store: SqlChatStore, chat_id: str) -> None:
        for number in range(3):
            run = f"{chat_id}-{number}"
            turn = await begin_turn(store, run, None, chat_id, message=user_message(f"u{number}"))
            for text in ("H", "Hi"):
                assert await checkpoint(store, partial(turn, text), run_id=run)
            assert await store.finish(turn, partial(turn, "Hi!"), "finished", (), run_id=run)

    async with open_store(url) as other:
        await asyncio.gather(*(talk((store, other)[n % 2], f"c{n}") for n in range(12)))
    for n in range(12):
        assert (
            await describe_messages(store, None, f"c{n}") == ["user: Hello", "assistant: Hi!"] * 3
        )


async def test_concurrent_checkpoints_store_one_message(store: SqlChatStore, url: str) -> None:
    turn = await begin_turn(store, "r1", message=user_message("u1"))
    async with open_store(url) as other:
        await asyncio.gather(
            *(checkpoint((store, other)[n % 2], partial(turn, "Hi"), run_id="r1") for n in range(6))
        )
    assert await message_ids(store) == ["u1", turn.message_id]


async def test_an_interrupted_turn_leaves_no_call_of_the_servers_open(store: SqlChatStore) -> None:
    turn = await begin_turn(store, "r1", message=user_message("u1"))
    calls = [tool_call("began"), tool_call("of-the-client"), tool_call("p", providerExecuted=True)]
    message = UIMessage.from_object(assistant_message(turn.message_id, *calls))
    progress = Progress("r1", 0, message, "r1", "1-0")
    assert await store.ownership.begin_calls(progress, ["began"])
    await store.interrupt(["r1"])
    assert (await describe_messages(store))[-1] == (
        "assistant: output-error, input-available, output-error"
    )
