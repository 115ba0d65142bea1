"""A run ends once, legally, and is logged once, whatever the model and the clients do."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from ui_message_stream.chunks import (
    Abort,
    Chunk,
    Error,
    Finish,
    FinishStep,
    Start,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputStart,
)
from ui_message_stream.messages import StepStartPart, TextPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, NEWEST_CLIENT_VERSION, ClientVersion
from usechat_server.agent import Agent
from usechat_server.errors import ChatError, ModelError
from usechat_server.providers.base import ModelCall, StepResult
from usechat_server.providers.retry import RetryPolicy
from usechat_server.results import Usage
from usechat_server.runs import Runs
from usechat_server.tools import ClientTool
from usechat_server.turn import Turn

from tests.harness.asgi_host import LONG, AsgiHost, chunks_of
from tests.harness.lifecycle import StartedRun, start_run
from tests.harness.scripted_model import ScriptedModel, ScriptEvent

OPENING: list[Chunk] = [TextStart(id="0"), TextDelta(id="0", delta="Hel")]
CLOSING: list[Chunk] = [TextDelta(id="0", delta="lo"), TextEnd(id="0")]
DONE = StepResult("stop")
HELLO: list[ScriptEvent] = [OPENING, CLOSING, Usage(input=3, output=2), DONE]


def overloaded(retry_after: float | None = None) -> ModelError:
    return ModelError("529 from api", "overloaded", retryable=True, retry_after=retry_after)


def never() -> asyncio.Event:
    return asyncio.Event()


def turn(
    client_version: ClientVersion = DEFAULT_CLIENT_VERSION, continued: UIMessage | None = None
) -> Turn:
    question = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
    messages = [question] if continued is None else [question, continued]
    return Turn(
        user="ann", chat_id="c", client_version=client_version, messages=messages, message_id="m"
    )


class RunHarness:
    """A registry of runs, and a model that follows scripts."""

    def __init__(self, *scripts: Iterable[ScriptEvent]) -> None:
        self.model = ScriptedModel(*scripts)
        self.runs = Runs()

    async def start(self, turn_to_run: Turn | None = None) -> StartedRun:
        retry = RetryPolicy(attempts=3, first_wait=0.001)
        where = ClientTool("where", "Where the user is.", {"type": "object"})
        return await start_run(
            self.runs, turn_to_run or turn(), Agent(self.model, tools=[where]), retry
        )

    async def run(self, turn_to_run: Turn | None = None) -> list[Chunk]:
        return await AsgiHost((await self.start(turn_to_run)).response()).read_chunks()


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[logging.LogRecord]]:
    """The log records of runs."""
    records: list[logging.LogRecord] = []
    logger, handler = logging.getLogger("usechat.run"), logging.Handler()
    monkeypatch.setattr(handler, "emit", records.append)
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)
    logger.setLevel(before)


def only_record(records: list[logging.LogRecord]) -> dict[str, Any]:
    """Return the fields of the only record, which must be JSON."""
    [record] = records
    fields: dict[str, Any] = json.loads(json.dumps(record.__dict__["run"]))
    return fields


async def test_a_response_and_its_log_record(records: list[logging.LogRecord]) -> None:
    harness = RunHarness(HELLO)
    chunks = await harness.run()
    assert [type(chunk) for chunk in (chunks[0], *chunks[-2:])] == [Start, FinishStep, Finish]
    assert reduce(chunks).parts == [StepStartPart(), TextPart(text="Hello", state="done")]

    record = only_record(records)
    assert record["outcome"] == "finished"
    assert (record["user"], record["chat"], record["message"]) == ("ann", "c", "m")
    assert (record["model"], record["client_version"], record["attempts"]) == (
        "scripted",
        "5.0.92",
        1,
    )
    assert record["tokens"]["output"] == 2
    assert record["provider"] == {"request_id": "req_1"}
    hops = record["seconds"]
    assert hops["called"] <= hops["first_read"] <= hops["first_token"] <= hops["last_read"]
    assert hops["last_read"] <= hops["total"]


async def test_start_can_be_read_before_the_model_is_called() -> None:
    harness = RunHarness(HELLO)
    run = await harness.start()
    data = await run.log.reader(DEFAULT_CLIENT_VERSION).read()
    assert data == b'data: {"type":"start","messageId":"m"}\n\n'
    assert not harness.model.streams[0].called.is_set()
    run.stop()


async def test_a_turn_that_cannot_be_answered_is_rejected_before_the_run_starts() -> None:
    class Refuses(ScriptedModel):
        def stream(self, call: ModelCall) -> Any:
            raise ChatError("no images, please")

    runs = Runs()
    with pytest.raises(ChatError, match="no images"):
        await start_run(runs, turn(), Agent(Refuses([])))
    assert runs.active_runs == []


async def test_a_call_that_fails_before_its_first_output_is_retried(
    records: list[logging.LogRecord],
) -> None:
    harness = RunHarness([overloaded()], [[], overloaded()], HELLO)
    chunks = await harness.run()
    assert reduce(chunks).parts[-1] == TextPart(text="Hello", state="done")
    assert not any(isinstance(chunk, Error) for chunk in chunks)
    record = only_record(records)
    assert (record["outcome"], record["attempts"]) == ("finished", 3)
    assert record["retried"] == ["529 from api"] * 2
    assert all(stream.closed.is_set() for stream in harness.model.streams)


async def test_retries_are_limited(records: list[logging.LogRecord]) -> None:
    harness = RunHarness([overloaded()])
    chunks = await harness.run()
    assert [type(chunk) for chunk in chunks] == [Start, Error]
    assert len(harness.model.streams) == 3
    assert only_record(records)["outcome"] == "failed"


@pytest.mark.parametrize(
    "script",
    [
        # (Turns of the event loop, so that the reader gets it.)
        [OPENING, *[0.0] * 100, overloaded()],
        [ModelError("400 from api", "request")],
    ],
    ids=["after output", "permanent error"],
)
async def test_a_call_is_not_retried(script: list[ScriptEvent]) -> None:
    harness = RunHarness(script, HELLO)
    assert isinstance((await harness.run())[-1], Error)
    assert len(harness.model.streams) == 1


def test_the_delay_before_a_retry() -> None:
    retry = RetryPolicy(attempts=4, first_wait=1, longest_wait=3, within=60)
    assert all(0.5 <= (retry.delay(overloaded(), 1, 0) or 0) <= 1 for _ in range(50))
    assert all(1.5 <= (retry.delay(overloaded(), 3, 0) or 0) <= 3 for _ in range(50))
    assert len({retry.delay(overloaded(), 1, 0) for _ in range(50)}) > 1
    assert retry.delay(overloaded(retry_after=20), 1, 0) == 20
    assert retry.delay(overloaded(retry_after=20), 1, 41) is None
    assert retry.delay(overloaded(), 4, 0) is None
    assert retry.delay(ModelError("no", "auth"), 1, 0) is None


@pytest.mark.parametrize(
    "failure",
    [
        ModelError("EOF", "truncated"),
        RuntimeError("KeyError in translator"),
        asyncio.CancelledError("not the run"),
        None,
    ],
    ids=["cut", "bug", "a cancelled inner task", "ended without a result"],
)
async def test_a_response_that_was_cut_off_does_not_look_complete(
    failure: BaseException | None, records: list[logging.LogRecord]
) -> None:
    harness = RunHarness([OPENING] if failure is None else [OPENING, failure])
    host = AsgiHost((await harness.start()).response())
    chunks = await host.read_chunks()

    assert isinstance(chunks[-1], Error)
    assert TextEnd(id="0") in chunks
    assert host.body.endswith(b"data: [DONE]\n\n")
    record = only_record(records)
    assert record["outcome"] == "failed"
    assert record["provider"] == {"request_id": "req_1"}
    assert record["reference"] in chunks[-1].error_text
    assert record["reference"] in records[0].getMessage()
    if failure is not None:
        assert str(failure) not in chunks[-1].error_text
        assert record["error"] == str(failure)
    # Only unexpected errors have a traceback.
    bug = isinstance(failure, (RuntimeError, asyncio.CancelledError))
    assert bool(records[0].exc_info) == bug


async def test_the_log_has_the_providers_id_of_a_rejected_call(
    records: list[logging.LogRecord],
) -> None:
    harness = RunHarness([ModelError("400", "request", request_id="req_refused")])
    await harness.run()
    assert only_record(records)["provider"]["request_id"] == "req_refused"


async def test_a_long_chat_id_is_cut_in_the_log(records: list[logging.LogRecord]) -> None:
    await RunHarness(HELLO).run(replace(turn(), chat_id="c" * 1_000_000))
    assert len(json.dumps(only_record(records))) < 2_000


async def test_an_illegal_chunk_of_a_backend_is_named_in_the_log(
    records: list[logging.LogRecord],
) -> None:
    harness = RunHarness([[TextDelta(id="unknown-block", delta="x")], DONE])
    assert isinstance((await harness.run())[-1], Error)
    assert "unknown-block" in only_record(records)["error"]


async def test_a_value_without_a_json_form_ends_the_run(records: list[logging.LogRecord]) -> None:
    signed = TextDelta(id="0", delta="!", provider_metadata={"acme": {"x": object()}})
    call = ToolInputAvailable(tool_call_id="t", tool_name="where", input=object())
    for bad_chunk in (signed, call):
        records.clear()
        host = AsgiHost((await RunHarness([[*OPENING, bad_chunk], DONE]).start()).response())
        assert isinstance((await host.read_chunks())[-1], Error)
        assert TextEnd(id="0") in host.chunks
        assert only_record(records)["outcome"] == "failed"


@pytest.mark.parametrize("end", [Finish(), Error(error_text="e"), Abort()])
async def test_a_model_that_ends_the_stream_itself_does_not_keep_the_run(
    end: Chunk, records: list[logging.LogRecord]
) -> None:
    chunks = await RunHarness([[*OPENING, end, *OPENING], DONE]).run()
    assert chunks[-1] == end
    assert only_record(records)["outcome"] == "failed"


async def test_a_response_with_a_client_side_call_is_waiting(
    records: list[logging.LogRecord],
) -> None:
    call: list[Chunk] = [
        ToolInputStart(tool_call_id="t", tool_name="where"),
        ToolInputAvailable(tool_call_id="t", tool_name="where", input={}),
    ]
    chunks = await RunHarness([call, StepResult("tool-calls")]).run()
    assert chunks[-1] == Finish(finish_reason="tool-calls")
    assert only_record(records)["outcome"] == "waiting"


async def test_an_empty_response_still_has_a_new_step() -> None:
    # Else a client that continues automatically would send requests for ever.
    before = UIMessage(id="m", role="assistant", parts=[StepStartPart(), TextPart(text="a")])
    chunks = await RunHarness([DONE]).run(turn(continued=before))
    assert chunks[0] == Start(message_id="m")
    assert isinstance(chunks[-1], Finish)


async def test_a_disconnect_closes_the_provider_at_once(records: list[logging.LogRecord]) -> None:
    harness = RunHarness([OPENING, never()])
    run = await harness.start()
    host = AsgiHost(run.response(keep_alive=3600))
    responder = host.request()
    await host.wait_for_body(lambda body: b"text-delta" in body)
    host.disconnect()
    await asyncio.wait_for(responder, LONG)
    await asyncio.wait_for(harness.model.streams[0].closed.wait(), LONG)

    log_chunks = await read_log(run)
    assert TextEnd(id="0") in log_chunks
    assert isinstance(log_chunks[-1], Abort)
    assert only_record(records)["outcome"] == "aborted"
    assert harness.runs.active_runs == []


async def test_a_client_that_disconnects_before_the_start_causes_no_model_call() -> None:
    harness = RunHarness([OPENING, never()])
    run = await harness.start()
    host = AsgiHost(run.response(), raises_on_send=True)
    host.disconnect()
    await asyncio.wait_for(host.request(), LONG)
    assert run.log.has_ended
    assert harness.runs.active_runs == []


async def test_a_disconnect_cancels_a_pending_retry() -> None:
    harness = RunHarness([overloaded(retry_after=50)], HELLO)
    host = AsgiHost((await harness.start()).response(keep_alive=0.01))
    responder = host.request()
    await host.wait_for_body(lambda body: b"keep-alive" in body)
    host.disconnect()
    await asyncio.wait_for(responder, LONG)
    await asyncio.wait_for(harness.runs.drain(LONG), LONG)
    assert len(harness.model.streams) == 1


async def test_a_run_ends_once_even_if_it_is_stopped_repeatedly(
    records: list[logging.LogRecord],
) -> None:
    harness = RunHarness([OPENING, never()])
    run = await harness.start()
    await asyncio.wait_for(harness.model.streams[0].called.wait(), LONG)
    run.stop()
    for _ in range(3):
        await asyncio.sleep(0)  # the provider's connection is being closed now
    run.interrupt()
    run.stop()
    await asyncio.wait_for(harness.runs.aclose(), LONG)
    assert harness.model.streams[0].closed.is_set()
    assert [type(chunk) for chunk in await read_log(run)].count(Abort) == 1
    assert only_record(records)["outcome"] == "aborted"


async def test_a_run_that_is_stopped_before_its_first_output_ends_legally() -> None:
    run = await RunHarness(HELLO).start()
    run.stop()
    assert isinstance((await read_log(run))[-1], Abort)


@pytest.mark.parametrize(
    ("client_version", "last"),
    [(DEFAULT_CLIENT_VERSION, Error), (NEWEST_CLIENT_VERSION, Finish)],
)
async def test_a_drain_lets_runs_finish_and_then_ends_them_legally(
    client_version: ClientVersion, last: type[Chunk], records: list[logging.LogRecord]
) -> None:
    may_continue = asyncio.Event()
    harness = RunHarness([OPENING, may_continue, CLOSING, DONE], [OPENING, never()])
    finishing, stuck = (
        await harness.start(turn(client_version)),
        await harness.start(turn(client_version)),
    )
    hosts = [AsgiHost(run.response()) for run in (finishing, stuck)]
    responder = [host.request() for host in hosts]
    for host in hosts:
        await host.wait_for_body(lambda body: b"text-delta" in body)

    draining = asyncio.create_task(harness.runs.drain(1.0))
    await asyncio.sleep(0)
    with pytest.raises(ChatError) as rejection:
        await harness.start()
    assert rejection.value.status == 503
    may_continue.set()
    await asyncio.wait_for(draining, LONG)
    await asyncio.wait_for(asyncio.gather(*responder), LONG)

    assert hosts[0].chunks[-1] == Finish(finish_reason="stop")
    end = hosts[1].chunks[-1]
    assert isinstance(end, last)
    if isinstance(end, Finish):
        assert end.finish_reason == "interrupted"
    assert hosts[1].body.endswith(b"data: [DONE]\n\n")
    assert hosts[1].complete
    assert sorted(record.__dict__["run"]["outcome"] for record in records) == [
        "finished",
        "interrupted",
    ]
    assert harness.model.streams[1].closed.is_set()


async def test_a_drain_waits_until_the_readers_have_the_end() -> None:
    harness = RunHarness([OPENING, never()])
    host = AsgiHost((await harness.start()).response())
    responder = host.request()
    await host.wait_for_body(lambda body: b"text-delta" in body)
    host.reading.clear()
    draining = asyncio.create_task(harness.runs.drain(0))
    await asyncio.wait([draining], timeout=0.05)
    assert not draining.done()
    host.reading.set()
    await asyncio.wait_for(draining, LONG)
    assert isinstance(host.chunks[-1], Error)
    await responder


@pytest.mark.parametrize(
    ("client_version", "last"), [(DEFAULT_CLIENT_VERSION, Error), (NEWEST_CLIENT_VERSION, Finish)]
)
@pytest.mark.parametrize("closes", [False, True], ids=["cancelled", "event loop closed"])
def test_a_host_that_cancels_the_request_interrupts_the_run(
    closes: bool, client_version: ClientVersion, last: type[Chunk], records: list[logging.LogRecord]
) -> None:
    async def leave_running() -> AsgiHost:
        host = AsgiHost(
            (await RunHarness([OPENING, never()]).start(turn(client_version))).response()
        )
        responder = host.request()
        await host.wait_for_body(lambda body: b"text-delta" in body)
        if not closes:
            responder.cancel()
            await asyncio.wait([responder])
        return host

    for _ in range(20):  # an event loop cancels its tasks in any order
        records.clear()
        host = asyncio.run(leave_running())
        assert isinstance(host.chunks[-1], last)
        assert host.body.endswith(b"data: [DONE]\n\n")
        assert host.complete
        assert only_record(records)["outcome"] == "interrupted"


async def test_a_request_that_is_cancelled_during_a_write_interrupts_the_run(
    records: list[logging.LogRecord],
) -> None:
    may_continue = asyncio.Event()
    host = AsgiHost(
        (await RunHarness([OPENING, may_continue, CLOSING, never()]).start()).response()
    )
    responder = host.request()
    await host.wait_for_body(lambda body: b"text-delta" in body)
    host.reading.clear()
    may_continue.set()
    for _ in range(10):
        await asyncio.sleep(0)  # until the write waits
    responder.cancel()
    await asyncio.sleep(0)
    host.reading.set()
    await asyncio.wait([responder], timeout=LONG)
    assert reduce(host.chunks[:-1]).parts == [StepStartPart(), TextPart(text="Hello", state="done")]
    assert isinstance(host.chunks[-1], Error)
    assert only_record(records)["outcome"] == "interrupted"


async def test_readers_at_different_speeds_get_the_same_message() -> None:
    words: list[ScriptEvent] = [[TextDelta(id="0", delta=f"{number} ")] for number in range(500)]
    pauses = itertools.repeat(0.0)
    script = [OPENING, *itertools.chain(*zip(words, pauses, strict=False)), CLOSING, DONE]
    harness = RunHarness(script)
    run = await harness.start()
    fast, slow = run.log.reader(DEFAULT_CLIENT_VERSION), run.log.reader(DEFAULT_CLIENT_VERSION)

    async def read_all(wait: float | None) -> list[bytes]:
        reader = fast if wait is None else slow
        pieces = []
        while (piece := await reader.read()) is not None:
            pieces.append(piece)
            if wait is not None:
                await asyncio.sleep(wait)
        return pieces

    quick, lagging = await asyncio.gather(read_all(None), read_all(0.01))
    assert len(lagging) < len(quick) / 2
    assert reduce(chunks_of(b"".join(quick))) == reduce(chunks_of(b"".join(lagging)))


async def read_log(run: StartedRun) -> list[Chunk]:
    pieces = []
    reader = run.log.reader(NEWEST_CLIENT_VERSION)
    while (piece := await asyncio.wait_for(reader.read(), LONG)) is not None:
        pieces.append(piece)
    return chunks_of(b"".join(pieces))


PAUSED = replace(DONE, paused=True)
CONTINUED = UIMessage(
    id="m", role="assistant", parts=[StepStartPart(), TextPart(text="So", state="done")]
)


@pytest.mark.parametrize("continued", [None, CONTINUED])
async def test_a_paused_response_is_continued_by_another_call(continued: UIMessage | None) -> None:
    harness = RunHarness([OPENING, CLOSING, PAUSED], HELLO)
    turn_to_run = turn(continued=continued)
    chunks = await harness.run(turn_to_run)

    parts = [StepStartPart(), TextPart(text="Hello", state="done")]
    before = continued.parts if continued else []
    assert reduce(chunks, continued).parts == [*before, *parts, *parts]
    assert [chunk.type for chunk in chunks].count("finish") == 1
    first, second = harness.model.calls
    assert first.messages == turn_to_run.messages
    message_so_far = UIMessage(id="m", role="assistant", parts=[*before, *parts])
    assert second.messages == [turn_to_run.messages[0], message_so_far]
    assert all(stream.closed.is_set() for stream in harness.model.streams)


async def test_continuations_of_paused_responses_are_limited() -> None:
    harness = RunHarness([OPENING, CLOSING, PAUSED])
    chunks = await harness.run()
    assert chunks[-1].type == "finish"
    assert len(harness.model.calls) < 100
