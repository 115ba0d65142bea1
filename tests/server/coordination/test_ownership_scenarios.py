"""Who owns a run, with a store: what a crash, a pause, an outage and an emptied Redis leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from ui_message_stream.chunks import Error, Finish
from usechat_server import StreamWriter, Turn
from usechat_server.compose import ChatHandler
from usechat_server.coordination.base import ChatKey

from tests.server.coordination.ownership_world import BEFORE, Process, World

#: Pieces of the model's first response: three of text, and the call.
FIRST = 4
WHOLE = ["one two three ", "four five "]


@asynccontextmanager
async def open_world(folder: Path, **options: Any) -> AsyncIterator[World]:
    world = World(f"sqlite:///{folder}/chats.db", **options)
    await world.open()
    try:
        yield world
    finally:
        await world.close()


async def texts(world: World, chat_id: str = "c") -> list[str]:
    message, _ = await world.stored(chat_id)
    parts = [] if message is None else message.to_object()["parts"]
    return [part["text"] for part in parts if part["type"] == "text" and part["text"]]


async def test_a_turn_costs_few_transactions(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        a, _ = world.processes
        await a.post("c")
        before_tool = world.transactions
        assert before_tool == 2  # what the chat holds is read, the turn begins
        await a.advance(FIRST)
        assert world.transactions == before_tool + 1
        await a.advance()  # the tool
        await a.checkpoints.tick()  # which its end wakes
        assert world.transactions == before_tool + 2
        await a.advance(2)
        assert world.transactions == before_tool + 3
        assert await texts(world) == WHOLE
        assert [type(end) for end, _ in a.shown_ends("c")] == [Finish]


async def test_checkpoints_of_all_runs_share_a_transaction(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        a, _ = world.processes
        for number in range(5):
            await a.post(f"c{number}")
        await a.advance(5)
        before = world.transactions
        world.time += 1
        await a.checkpoints.tick()
        assert world.transactions == before + 1
        assert [await texts(world, f"c{number}") for number in range(5)] == [["one "]] * 5


@pytest.mark.parametrize("has_redis", [True, False])
@pytest.mark.parametrize("pieces", [0, 2, FIRST, FIRST + 1, FIRST + 2])
async def test_a_killed_process_is_taken_over(tmp_path: Path, has_redis: bool, pieces: int) -> None:
    async with open_world(tmp_path) as world:
        a, b = world.processes
        await a.post("c")
        await world.tick(1)
        await a.advance(pieces)
        await a.checkpoints.tick()
        a.publish()
        if not has_redis:
            world.empty_redis()
        a.crash()
        await b.resume("c")
        await world.pass_time(12)
        await b.advance(FIRST + 3)
        [(end, message)] = b.shown_ends("c")
        stored, outcomes = await world.stored("c")
        assert message == stored
        assert world.charges["c u1"] == 1
        if pieces == FIRST:  # the tool may have been running
            assert (end, outcomes) == (Finish(finish_reason="interrupted"), ["interrupted"])
        else:
            assert (await texts(world), outcomes) == (WHOLE, ["finished"])


async def test_a_client_that_resumes_during_a_takeover_gets_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(tmp_path) as world:
        a, b = world.processes
        await a.post("c")
        await world.tick(1)
        a.crash()
        has_taken_over, may_go_on = asyncio.Event(), asyncio.Event()
        create_responder = b.runs._takeovers._create_responder

        async def wait(turn: Turn) -> Any:
            has_taken_over.set()
            await may_go_on.wait()
            return await create_responder(turn)

        monkeypatch.setattr(b.runs._takeovers, "_create_responder", wait)
        await world.pass_time(12)
        await has_taken_over.wait()
        await b.resume("c")
        assert await b.runs.is_orphaned(ChatKey(None, "c"))
        may_go_on.set()
        await world.settle()
        await b.advance(FIRST + 3)
        [(end, _)] = b.shown_ends("c")
        assert isinstance(end, Finish)


async def test_a_process_that_wakes_late_runs_no_tool_and_stores_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        a, b = world.processes
        await a.post("c")
        await a.advance(FIRST - 1)
        a.suspend()
        await world.pass_time(12)
        await b.advance(FIRST + 3)
        assert await texts(world) == WHOLE
        await a.advance()  # the call arrives
        a.wake()
        await world.settle()
        await a.advance(3)
        await world.tick(1)
        assert world.charges["c u1"] == 1
        [(end, _)] = a.shown_ends("c")
        assert isinstance(end, Error)
        assert await texts(world) == WHOLE


async def test_an_end_is_not_shown_while_the_store_is_away_and_the_lease_has_expired(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        a, _ = world.processes
        await a.post("c")
        await a.advance(FIRST + 2)
        a.is_cut_off = True
        world.time += 6
        await a.advance()
        for _ in range(20):
            await world.settle()
        [(end, _)] = a.shown_ends("c")
        assert isinstance(end, Error)
        assert "could not be saved" in end.error_text
        a.is_cut_off = False
        for _ in range(20):
            await world.settle()
        assert await texts(world) == WHOLE  # no other process took it over


async def test_a_chat_of_a_living_process_is_busy_and_one_of_a_dead_process_is_not(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        a, b = world.processes
        await a.post("c")
        await a.advance(2)
        await b.post("c", "u2")
        await world.tick(1)
        for _ in range(10):
            await world.settle()
        assert [error.status for error in b.refused] == [409]
        a.crash()
        await b.post("c", "u3")
        await world.tick(6)
        for _ in range(10):
            await world.settle()
        assert len(b.refused) == 1
        await b.advance(FIRST + 3)
        _, outcomes = await world.stored("c")
        assert outcomes == ["interrupted", "finished"]


async def test_a_run_that_is_left_for_long_is_only_ended(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        a, b = world.processes
        await a.post("c")
        await a.advance(2)
        await world.tick(1)
        a.crash()
        world.time += 100
        await world.pass_time(8)
        _, outcomes = await world.stored("c")
        assert outcomes == ["interrupted"]
        assert (await texts(world))[0] == "one two "
        assert b.agent.spec.model.calls == 0  # type: ignore[attr-defined]


def write_pieces(process: Process) -> ChatHandler:
    async def handler(turn: Turn, stream: StreamWriter) -> None:
        for text in BEFORE:
            await process.step()
            stream.text(text)

    return handler


@pytest.mark.parametrize("has_redis", [True, False])
@pytest.mark.parametrize("pieces", [0, 2])
async def test_a_handler_is_not_continued(tmp_path: Path, has_redis: bool, pieces: int) -> None:
    """What it has written stays, with an error after it, and the chat goes on."""
    async with open_world(tmp_path, handler=write_pieces) as world:
        a, b = world.processes
        await a.post("c")
        await a.advance(pieces)
        await world.tick(1)
        if has_redis:
            a.publish()
        a.crash()
        await b.resume("c")
        await world.pass_time(12)
        [(end, _)] = b.shown_ends("c")
        assert isinstance(end, Error)
        assert "".join(await texts(world)) == "".join(BEFORE[:pieces])
        await b.post("c", "u2")
        await b.advance(len(BEFORE))
        _, outcomes = await world.stored("c")
        assert (await texts(world), outcomes) == (["".join(BEFORE)], ["failed", "finished"])


async def test_the_run_of_a_chat_that_was_deleted_elsewhere_ends(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        a, _ = world.processes
        await a.post("c")
        await a.advance(2)
        assert await world.observer.delete(None, "c")
        await world.tick(1)
        [(end, _)] = a.shown_ends("c")
        assert isinstance(end, Error)
        assert not a.runs.active_runs
        assert await world.observer.get(None, "c") is None


@pytest.mark.parametrize("what", ["begin", "takeover"])
async def test_a_turn_whose_process_does_not_know_of_it_is_taken_over(
    tmp_path: Path, what: str
) -> None:
    """The reply to the commit was lost, while the process goes on with other runs."""
    async with open_world(tmp_path) as world:
        a, b = world.processes
        await b.post("other")
        await world.pass_time(6)
        if what == "begin":
            b.loses_replies = True
            await b.post("c")
        else:
            await a.post("c")
            a.crash()
            b.loses_replies = True
            await world.pass_time(7)
        b.loses_replies = False
        await world.pass_time(8)
        await b.advance(4 * FIRST)  # of both runs
        assert (await world.stored("c"))[1] == ["finished"]
        assert await texts(world) == WHOLE


@pytest.mark.parametrize("what", ["both run", "one runs", "one is closed"])
async def test_apps_of_one_process_may_share_a_store(tmp_path: Path, what: str) -> None:
    """None takes over what another one runs, also after the lease has expired."""
    async with open_world(tmp_path) as world:
        a, other = world.processes
        b = Process(world, store=a.store)
        world.processes.insert(1, b)
        await a.post("a")
        if what != "both run":
            await a.advance(FIRST + 3)
        await b.post("c")
        await world.pass_time(8)
        if what == "one is closed":
            await a.checkpoints.aclose()
            await other.checkpoints.tick()
        elif what == "one runs":
            for _ in range(7):  # while a transaction of the other app waits
                world.time += 1
                await a.checkpoints.tick()
        await world.settle()
        await b.checkpoints.tick()
        await a.advance(FIRST + 3)
        await b.advance(FIRST + 3)
        for chat_id in ("a", "c"):
            assert await texts(world, chat_id) == WHOLE
        assert [process.agent.spec.model.calls for process in world.processes] == [2, 2, 0]  # type: ignore[attr-defined]
        assert {epoch for _, epoch in world.owners} == {0}


async def test_a_process_that_lost_a_run_takes_the_next_question(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        a, b = world.processes
        await a.post("c")
        a.suspend()
        await world.pass_time(12)
        await b.advance(FIRST + 3)
        a.wake()
        await world.pass_time(2)
        await a.post("c", "u2")
        await a.advance(FIRST + 3)
        assert not a.refused
        assert (await world.stored("c"))[1] == ["finished", "finished"]
