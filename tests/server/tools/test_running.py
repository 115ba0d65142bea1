"""How tools run: in threads and tasks, with limits, and until they are cancelled."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from usechat_server import ToolContext, ToolError, tool
from usechat_server.tools import ToolOutput, threads

from tests.harness.common import DEADLINE
from tests.harness.tool_runner import ToolRunner, tool_outputs

speaker = contextvars.ContextVar("speaker", default="none")


async def test_a_plain_function_runs_in_a_thread_with_the_context_of_the_caller() -> None:
    @tool
    def where(ctx: ToolContext) -> dict[str, Any]:
        data = {"done": 0.5}
        ctx.data("progress", data, id="p")
        data.clear()
        ctx.data("note", Path("passing"), transient=True)
        with pytest.raises(TypeError):
            ctx.data("note", object())
        here = threading.current_thread() is threading.main_thread()
        return {"main": here, "speaker": speaker.get(), "user": ctx.user, "chat": ctx.chat_id}

    speaker.set("Ann")
    runner = ToolRunner()
    output = await runner.run(where)
    assert output == {"main": False, "speaker": "Ann", "user": "ann", "chat": "chat-1"}
    # In the order in which they were written, and before the output.
    assert [chunk.to_object() for chunk in runner.data] == [
        {"type": "data-progress", "id": "p", "data": {"done": 0.5}},
        {"type": "data-note", "data": "passing", "transient": True},
    ]


async def test_an_async_function_runs_in_the_loop() -> None:
    @tool
    async def where() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert await tool_outputs(where) == [threading.current_thread().name]


async def test_the_values_of_an_async_generator_are_preliminary_outputs() -> None:
    @tool
    async def count(to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    runner = ToolRunner()
    await runner.run(count, to=2)
    assert runner.outputs == [ToolOutput(0, True), ToolOutput(1, True), ToolOutput(1)]
    assert await tool_outputs(count, to=0) == [None]


async def test_preliminary_outputs_are_not_held_back() -> None:
    proceed = asyncio.Event()

    @tool
    async def steps() -> AsyncIterator[str]:
        yield "begun"
        await proceed.wait()
        yield "done"

    async with aclosing(steps.run({}, ToolRunner().context())) as outputs:
        assert await anext(outputs) == ToolOutput("begun", True)
        proceed.set()
        assert [output.value async for output in outputs] == ["done", "done"]


async def test_instances_methods_and_lambdas_run() -> None:
    class Adder:
        def __init__(self, more: int) -> None:
            self.more = more

        def __call__(self, number: int) -> int:
            return number + self.more

        async def double(self, number: int) -> int:
            return 2 * number

    assert await tool_outputs(tool(Adder(2)), number=1) == [3]
    assert await tool_outputs(tool(Adder(2).double), number=1) == [2]
    # (Nothing tells that it is async.)
    hidden: Any = lambda: Adder(0).double(4)  # noqa: E731
    assert await tool_outputs(tool(hidden, name="hidden")) == [8]


async def test_errors_are_raised_unchanged() -> None:
    @tool
    async def late() -> AsyncIterator[str]:
        yield "so far"
        raise ToolError("The shop is closed.")

    @tool
    def broken() -> None:
        raise KeyError("secret")

    @tool
    async def slow() -> None:
        raise TimeoutError("of something else")

    runner = ToolRunner()
    with pytest.raises(ToolError, match=r"^The shop is closed\.$"):
        await runner.run(late)
    assert runner.outputs == [ToolOutput("so far", True)]
    with pytest.raises(KeyError, match="secret"):
        await runner.run(broken)
    with pytest.raises(TimeoutError, match="something else"):
        await runner.run(slow)


async def test_a_call_is_cancelled_when_its_time_is_up() -> None:
    stopped = asyncio.Event()

    @tool(timeout=0.05)
    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.set()
            raise

    @tool(timeout=0.05)
    async def drip() -> AsyncIterator[int]:
        while True:
            await asyncio.sleep(0.001)
            yield 1

    with pytest.raises(ToolError, match=r"^hang took longer than 0\.05 seconds\.$"):
        await tool_outputs(hang)
    assert stopped.is_set()
    with pytest.raises(ToolError, match="drip took longer"):
        await tool_outputs(drip)


async def test_a_tool_in_a_thread_sees_that_it_was_cancelled() -> None:
    noticed = threading.Event()

    @tool(timeout=0.05)
    def hang(ctx: ToolContext) -> None:
        deadline = threading.Event()
        while not ctx.cancelled and not deadline.wait(0.001):
            pass
        ctx.data("late", 1)
        noticed.set()

    runner = ToolRunner()
    with pytest.raises(ToolError, match="took longer"):
        await runner.run(hang)
    assert await asyncio.to_thread(noticed.wait, DEADLINE)
    await asyncio.sleep(0)
    # Data sent after that is dropped.
    assert runner.data == []


async def test_cancelling_stops_an_async_tool_and_leaves_a_thread_alone() -> None:
    begun, cleaned, noticed = threading.Event(), asyncio.Event(), threading.Event()

    @tool
    async def hang() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    @tool
    def block(ctx: ToolContext) -> None:
        begun.set()
        while not ctx.cancelled:
            pass
        noticed.set()

    for blocking in (hang, block):
        begun.clear()
        task = asyncio.create_task(tool_outputs(blocking))
        assert await asyncio.to_thread(begun.wait, DEADLINE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert cleaned.is_set()
    assert await asyncio.to_thread(noticed.wait, DEADLINE)


async def test_closing_ends_an_async_generator() -> None:
    closed = asyncio.Event()

    @tool
    async def count() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.set()

    async with aclosing(count.run({}, ToolRunner().context())) as outputs:
        await anext(outputs)
    assert closed.is_set()


async def test_errors_are_retried_except_tool_errors() -> None:
    attempts: list[str] = []

    @tool(retries=2)
    async def flaky(fails: int, ctx: ToolContext) -> str:
        attempts.append("flaky")
        assert not ctx.cancelled
        if len(attempts) <= fails:
            raise ConnectionError("again")
        return f"after {len(attempts)}"

    @tool(retries=2)
    async def certain() -> str:
        attempts.append("certain")
        raise ToolError("No.")

    assert await tool_outputs(flaky, fails=2) == ["after 3"]
    attempts.clear()
    with pytest.raises(ConnectionError):
        await tool_outputs(flaky, fails=9)
    assert len(attempts) == 3
    attempts.clear()
    with pytest.raises(ToolError, match="No"):
        await tool_outputs(certain)
    assert attempts == ["certain"]


async def test_an_attempt_that_times_out_is_retried() -> None:
    contexts: list[ToolContext] = []

    @tool(timeout=0.05, retries=1)
    async def second_time(ctx: ToolContext) -> str:
        contexts.append(ctx)
        if len(contexts) == 1:
            await asyncio.Event().wait()
        return "there"

    assert await tool_outputs(second_time) == ["there"]
    # The first one may still run in its thread: it is over, whatever becomes of the second.
    assert [context.cancelled for context in contexts] == [True, True]
    assert {context.idempotency_key for context in contexts} == {"key-1"}


async def test_concurrency_limits_running_calls() -> None:
    running: list[int] = []
    most = 0
    full, proceed = asyncio.Event(), asyncio.Event()

    @tool(concurrency=2)
    async def work(number: int) -> int:
        nonlocal most
        running.append(number)
        most = max(most, len(running))
        if len(running) == 2:
            full.set()
        await proceed.wait()
        running.remove(number)
        return number

    tasks = [asyncio.create_task(tool_outputs(work, number=number)) for number in range(5)]
    await asyncio.wait_for(full.wait(), DEADLINE)
    # One that waits and one that runs are cancelled: their places are free again.
    tasks[0].cancel()
    tasks[4].cancel()
    proceed.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [result for result in results if isinstance(result, list)] == [[1], [2], [3]]
    assert most == 2


class Blocking:
    """A tool that blocks its thread until `release` is set, whether it was cancelled or not."""

    def __init__(self, **options: Any) -> None:
        self.release = threading.Event()
        #: grows by one for each function that began
        self.begun = threading.Semaphore(0)
        self.running = self.most = self.total = 0
        self._lock = threading.Lock()
        self.tool = tool(self.block, **options)

    def block(self) -> None:
        """Block."""
        with self._lock:
            self.running += 1
            self.total += 1
            self.most = max(self.most, self.running)
        self.begun.release()
        assert self.release.wait(DEADLINE)
        with self._lock:
            self.running -= 1

    async def start_and_cancel(self, calls: int, *, begin: int) -> None:
        """Start calls, and cancel them when so many of them have begun."""
        tasks = [asyncio.create_task(tool_outputs(self.tool)) for _ in range(calls)]
        for _ in range(begin):
            assert await asyncio.to_thread(self.begun.acquire, timeout=DEADLINE)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)


@pytest.mark.parametrize("options", [{}, {"concurrency": 2}])
async def test_a_cancelled_call_keeps_its_thread_until_it_has_ended(
    options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    blocking = Blocking(**options)
    most_threads = 40 if options else 2
    with (
        mock.patch.object(threads, "_MAX_THREADS", most_threads),
        mock.patch.object(threads, "_STUCK_SECONDS", 0.0),
    ):
        await blocking.start_and_cancel(3, begin=2)
        for _ in range(3):
            await blocking.start_and_cancel(3, begin=0)
        assert (blocking.running, blocking.total) == (2, 2)
        waiting = asyncio.create_task(tool_outputs(blocking.tool))
        await asyncio.sleep(0)
        assert "tool block is stuck" in caplog.text
        assert f"2 of {most_threads} threads" in caplog.text
        blocking.release.set()
        assert await asyncio.wait_for(waiting, DEADLINE) == [None]
    assert (blocking.most, blocking.total) == (2, 3)


async def test_an_error_after_a_cancellation_is_not_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun, ended = threading.Event(), threading.Event()

    @tool
    def fail(ctx: ToolContext) -> None:
        begun.set()
        while not ctx.cancelled:
            pass
        ended.set()
        raise ValueError

    task = asyncio.create_task(tool_outputs(fail))
    assert await asyncio.to_thread(begun.wait, DEADLINE)
    task.cancel()
    await asyncio.wait([task])
    assert await asyncio.to_thread(ended.wait, DEADLINE)
    del task
    gc.collect()
    await asyncio.sleep(0)
    assert not caplog.records


def test_a_tool_serves_several_event_loops() -> None:
    @tool(concurrency=1)
    async def turn_around(number: int) -> int:
        await asyncio.sleep(0)
        return -number

    async def both() -> list[list[Any]]:
        calls = [tool_outputs(turn_around, number=number) for number in (1, 2)]
        return list(await asyncio.gather(*calls))

    assert asyncio.run(both()) == asyncio.run(both()) == [[-1], [-2]]
