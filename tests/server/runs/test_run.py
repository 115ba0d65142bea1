"""A run: whatever the model does and whoever leaves, it ends once, legally, and is logged once."""

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
    MessageMetadata,
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
from usechat_server.results import Usage
from usechat_server.runs import RetryPolicy, Runs
from usechat_server.tools import ClientTool
from usechat_server.turn import Turn

from tests.harness.asgi_host import LONG, AsgiHost, chunks_of
from tests.harness.lifecycle import StartedRun, start_run
from tests.harness.scripted_model import ScriptedModel, ScriptEvent

OPENING: list[Chunk] = [TextStart(id="0"), TextDelta(id="0", delta="Hel")]
CLOSING: list[Chunk] = [TextDelta(id="0", delta="lo"), TextEnd(id="0")]
DONE = StepResult("stop")
SPOKEN: list[ScriptEvent] = [OPENING, CLOSING, Usage(input=3, output=2), DONE]


def busy(retry_after: float | None = None) -> ModelError:
    return ModelError("529 from api", "overloaded", retryable=True, retry_after=retry_after)


def forever() -> asyncio.Event:
    return asyncio.Event()


def turn(
    client_version: ClientVersion = DEFAULT_CLIENT_VERSION, continued: UIMessage | None = None
) -> Turn:
    question = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
    messages = [question] if continued is None else [question, continued]
    return Turn(
        user="ann", chat_id="c", client_version=client_version, messages=messages, message_id="m"
    )


class Scene:
    """A registry and a model that follows scripts."""

    def __init__(self, *scripts: Iterable[ScriptEvent]) -> None:
        self.model = ScriptedModel(*scripts)
        self.runs = Runs()

    async def start(self, of: Turn | None = None) -> StartedRun:
        retry = RetryPolicy(attempts=3, first_wait=0.001)
        where = ClientTool("where", "Where the page is.", {"type": "object"})
        return await start_run(self.runs, of or turn(), Agent(self.model, tools=[where]), retry)

    async def answer(self, of: Turn | None = None) -> list[Chunk]:
        return await AsgiHost((await self.start(of)).response()).read_chunks()


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[logging.LogRecord]]:
    """The log lines of runs, as they come."""
    records: list[logging.LogRecord] = []
    logger, handler = logging.getLogger("usechat.run"), logging.Handler()
    monkeypatch.setattr(handler, "emit", records.append)
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)
    logger.setLevel(before)


def only(lines: list[logging.LogRecord]) -> dict[str, Any]:
    """What the one line says, which must be JSON."""
    [line] = lines
    fields: dict[str, Any] = json.loads(json.dumps(line.__dict__["run"]))
    return fields


async def test_an_answer_and_the_line_about_it(lines: list[logging.LogRecord]) -> None:
    scene = Scene(SPOKEN)
    answer = await scene.answer()
    assert [type(chunk) for chunk in (answer[0], *answer[-2:])] == [Start, FinishStep, Finish]
    assert reduce(answer).parts == [StepStartPart(), TextPart(text="Hello", state="done")]

    line = only(lines)
    assert line["outcome"] == "finished"
    assert (line["user"], line["chat"], line["message"]) == ("ann", "c", "m")
    assert (line["model"], line["client_version"], line["attempts"]) == ("scripted", "5.0.92", 1)
    assert line["tokens"]["output"] == 2
    assert line["provider"] == {"request_id": "req_1"}
    hops = line["seconds"]
    assert hops["called"] <= hops["first_read"] <= hops["first_token"] <= hops["last_read"]
    assert hops["last_read"] <= hops["total"]


async def test_start_can_be_read_before_the_model_is_called() -> None:
    scene = Scene(SPOKEN)
    run = await scene.start()
    data = await run.log.reader(DEFAULT_CLIENT_VERSION).read()
    assert data == b'data: {"type":"start","messageId":"m"}\n\n'
    assert not scene.model.streams[0].called.is_set()
    run.stop()


async def test_a_turn_that_cannot_be_answered_is_refused_before_anything_begins() -> None:
    class Refuses(ScriptedModel):
        def stream(self, call: ModelCall) -> Any:
            raise ChatError("no images, please")

    runs = Runs()
    with pytest.raises(ChatError, match="no images"):
        await start_run(runs, turn(), Agent(Refuses([])))
    assert runs.active_runs == []


async def test_a_call_that_fails_before_it_said_anything_is_tried_again(
    lines: list[logging.LogRecord],
) -> None:
    scene = Scene([busy()], [[], busy()], SPOKEN)
    answer = await scene.answer()
    assert reduce(answer).parts[-1] == TextPart(text="Hello", state="done")
    assert not any(isinstance(chunk, Error) for chunk in answer)
    line = only(lines)
    assert (line["outcome"], line["attempts"]) == ("finished", 3)
    assert line["retried"] == ["529 from api"] * 2
    assert all(stream.closed.is_set() for stream in scene.model.streams)


async def test_it_is_not_tried_for_ever(lines: list[logging.LogRecord]) -> None:
    scene = Scene([busy()])
    answer = await scene.answer()
    assert [type(chunk) for chunk in answer] == [Start, MessageMetadata, Error]
    assert len(scene.model.streams) == 3
    assert only(lines)["outcome"] == "failed"


@pytest.mark.parametrize(
    "script",
    [
        # (Turns of the event loop, in which the reader gets it.)
        [OPENING, *[0.0] * 100, busy()],
        [ModelError("400 from api", "request")],
    ],
    ids=["something was shown", "it would fail again"],
)
async def test_it_is_not_tried_again(script: list[ScriptEvent]) -> None:
    scene = Scene(script, SPOKEN)
    assert isinstance((await scene.answer())[-1], Error)
    assert len(scene.model.streams) == 1


def test_how_long_a_retry_waits() -> None:
    retry = RetryPolicy(attempts=4, first_wait=1, longest_wait=3, within=60)
    assert all(0.5 <= (retry.delay(busy(), 1, 0) or 0) <= 1 for _ in range(50))
    assert all(1.5 <= (retry.delay(busy(), 3, 0) or 0) <= 3 for _ in range(50))
    assert len({retry.delay(busy(), 1, 0) for _ in range(50)}) > 1
    assert retry.delay(busy(retry_after=20), 1, 0) == 20
    assert retry.delay(busy(retry_after=20), 1, 41) is None
    assert retry.delay(busy(), 4, 0) is None
    assert retry.delay(ModelError("no", "auth"), 1, 0) is None


@pytest.mark.parametrize(
    "failure",
    [
        ModelError("EOF", "truncated"),
        RuntimeError("KeyError in translator"),
        asyncio.CancelledError("not the run"),
        None,
    ],
    ids=["cut", "bug", "a cancelled task of its own", "ended without a result"],
)
async def test_half_an_answer_never_looks_like_a_whole_one(
    failure: BaseException | None, lines: list[logging.LogRecord]
) -> None:
    scene = Scene([OPENING] if failure is None else [OPENING, failure])
    host = AsgiHost((await scene.start()).response())
    answer = await host.read_chunks()

    assert isinstance(answer[-1], Error)
    assert TextEnd(id="0") in answer
    assert host.body.endswith(b"data: [DONE]\n\n")
    line = only(lines)
    assert line["outcome"] == "failed"
    assert line["provider"] == {"request_id": "req_1"}
    assert line["reference"] in answer[-1].error_text
    assert line["reference"] in lines[0].getMessage()
    if failure is not None:
        assert str(failure) not in answer[-1].error_text
        assert line["error"] == str(failure)
    # A traceback is for what nobody expected.
    bug = isinstance(failure, (RuntimeError, asyncio.CancelledError))
    assert bool(lines[0].exc_info) == bug


async def test_a_refused_call_is_found_by_the_providers_id(
    lines: list[logging.LogRecord],
) -> None:
    scene = Scene([ModelError("400", "request", request_id="req_refused")])
    await scene.answer()
    assert only(lines)["provider"]["request_id"] == "req_refused"


async def test_no_client_fills_the_log_with_an_id(lines: list[logging.LogRecord]) -> None:
    await Scene(SPOKEN).answer(replace(turn(), chat_id="c" * 1_000_000))
    assert len(json.dumps(only(lines))) < 2_000


async def test_an_illegal_chunk_of_a_backend_is_named_in_the_log(
    lines: list[logging.LogRecord],
) -> None:
    scene = Scene([[TextDelta(id="nobody", delta="x")], DONE])
    assert isinstance((await scene.answer())[-1], Error)
    assert "nobody" in only(lines)["error"]


async def test_a_value_without_a_json_form_ends_the_run(lines: list[logging.LogRecord]) -> None:
    signed = TextDelta(id="0", delta="!", provider_metadata={"acme": {"x": object()}})
    call = ToolInputAvailable(tool_call_id="t", tool_name="where", input=object())
    for wrong in (signed, call):
        lines.clear()
        host = AsgiHost((await Scene([[*OPENING, wrong], DONE]).start()).response())
        assert isinstance((await host.read_chunks())[-1], Error)
        assert TextEnd(id="0") in host.chunks
        assert only(lines)["outcome"] == "failed"


@pytest.mark.parametrize("end", [Finish(), Error(error_text="e"), Abort()])
async def test_a_model_that_ends_the_stream_itself_does_not_keep_the_run(
    end: Chunk, lines: list[logging.LogRecord]
) -> None:
    answer = await Scene([[*OPENING, end, *OPENING], DONE]).answer()
    assert answer[-1] == end
    assert only(lines)["outcome"] == "failed"


async def test_an_answer_that_needs_the_page_waits_for_it(lines: list[logging.LogRecord]) -> None:
    call: list[Chunk] = [
        ToolInputStart(tool_call_id="t", tool_name="where"),
        ToolInputAvailable(tool_call_id="t", tool_name="where", input={}),
    ]
    answer = await Scene([call, StepResult("tool-calls")]).answer()
    assert answer[-1] == Finish(finish_reason="tool-calls")
    assert only(lines)["outcome"] == "waiting"


async def test_a_model_that_says_nothing_still_shows_a_new_step() -> None:
    # Else a page that continues automatically would ask again and again.
    before = UIMessage(id="m", role="assistant", parts=[StepStartPart(), TextPart(text="a")])
    answer = await Scene([DONE]).answer(turn(continued=before))
    assert answer[0] == Start(message_id="m")
    assert isinstance(answer[-1], Finish)


async def test_a_hang_up_closes_the_provider_at_once(lines: list[logging.LogRecord]) -> None:
    scene = Scene([OPENING, forever()])
    run = await scene.start()
    host = AsgiHost(run.response(keep_alive=3600))
    responder = host.request()
    await host.wait_for_body(lambda body: b"text-delta" in body)
    host.disconnect()
    await asyncio.wait_for(responder, LONG)
    await asyncio.wait_for(scene.model.streams[0].closed.wait(), LONG)

    whole = await replay(run)
    assert TextEnd(id="0") in whole
    assert isinstance(whole[-1], Abort)
    assert only(lines)["outcome"] == "aborted"
    assert scene.runs.active_runs == []


async def test_a_client_that_left_before_the_answer_began_starts_no_model() -> None:
    scene = Scene([OPENING, forever()])
    run = await scene.start()
    host = AsgiHost(run.response(), raises_on_send=True)
    host.disconnect()
    await asyncio.wait_for(host.request(), LONG)
    assert run.log.has_ended
    assert scene.runs.active_runs == []


async def test_nobody_waits_for_a_retry_that_nobody_reads() -> None:
    scene = Scene([busy(retry_after=50)], SPOKEN)
    host = AsgiHost((await scene.start()).response(keep_alive=0.01))
    responder = host.request()
    await host.wait_for_body(lambda body: b"keep-alive" in body)
    host.disconnect()
    await asyncio.wait_for(responder, LONG)
    await asyncio.wait_for(scene.runs.drain(LONG), LONG)
    assert len(scene.model.streams) == 1


async def test_a_run_ends_once_however_often_it_is_ended(lines: list[logging.LogRecord]) -> None:
    scene = Scene([OPENING, forever()])
    run = await scene.start()
    await asyncio.wait_for(scene.model.streams[0].called.wait(), LONG)
    run.stop()
    for _ in range(3):
        await asyncio.sleep(0)  # the provider's connection is being closed now
    run.interrupt()
    run.stop()
    await asyncio.wait_for(scene.runs.aclose(), LONG)
    assert scene.model.streams[0].closed.is_set()
    assert [type(chunk) for chunk in await replay(run)].count(Abort) == 1
    assert only(lines)["outcome"] == "aborted"


async def test_a_run_that_is_stopped_before_it_began_ends_legally() -> None:
    run = await Scene(SPOKEN).start()
    run.stop()
    assert isinstance((await replay(run))[-1], Abort)


@pytest.mark.parametrize(
    ("client_version", "last"),
    [(DEFAULT_CLIENT_VERSION, Error), (NEWEST_CLIENT_VERSION, Finish)],
)
async def test_a_drain_lets_runs_finish_and_then_ends_them_legally(
    client_version: ClientVersion, last: type[Chunk], lines: list[logging.LogRecord]
) -> None:
    go_on = asyncio.Event()
    scene = Scene([OPENING, go_on, CLOSING, DONE], [OPENING, forever()])
    finishing, stuck = (
        await scene.start(turn(client_version)),
        await scene.start(turn(client_version)),
    )
    hosts = [AsgiHost(run.response()) for run in (finishing, stuck)]
    responder = [host.request() for host in hosts]
    for host in hosts:
        await host.wait_for_body(lambda body: b"text-delta" in body)

    draining = asyncio.create_task(scene.runs.drain(1.0))
    await asyncio.sleep(0)
    with pytest.raises(ChatError) as refused:
        await scene.start()
    assert refused.value.status == 503
    go_on.set()
    await asyncio.wait_for(draining, LONG)
    await asyncio.wait_for(asyncio.gather(*responder), LONG)

    assert hosts[0].chunks[-1] == Finish(finish_reason="stop")
    end = hosts[1].chunks[-1]
    assert isinstance(end, last)
    if isinstance(end, Finish):
        assert end.finish_reason == "interrupted"
    assert hosts[1].body.endswith(b"data: [DONE]\n\n")
    assert hosts[1].complete
    assert sorted(line.__dict__["run"]["outcome"] for line in lines) == ["finished", "interrupted"]
    assert scene.model.streams[1].closed.is_set()


async def test_a_drain_waits_until_the_readers_have_the_end() -> None:
    scene = Scene([OPENING, forever()])
    host = AsgiHost((await scene.start()).response())
    responder = host.request()
    await host.wait_for_body(lambda body: b"text-delta" in body)
    host.reading.clear()
    draining = asyncio.create_task(scene.runs.drain(0))
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
    closes: bool, client_version: ClientVersion, last: type[Chunk], lines: list[logging.LogRecord]
) -> None:
    async def leave_running() -> AsgiHost:
        host = AsgiHost((await Scene([OPENING, forever()]).start(turn(client_version))).response())
        responder = host.request()
        await host.wait_for_body(lambda body: b"text-delta" in body)
        if not closes:
            responder.cancel()
            await asyncio.wait([responder])
        return host

    for _ in range(20):  # an event loop cancels its tasks in any order
        lines.clear()
        host = asyncio.run(leave_running())
        assert isinstance(host.chunks[-1], last)
        assert host.body.endswith(b"data: [DONE]\n\n")
        assert host.complete
        assert only(lines)["outcome"] == "interrupted"


async def test_a_run_is_interrupted_and_not_stopped_while_a_write_is_under_way(
    lines: list[logging.LogRecord],
) -> None:
    go_on = asyncio.Event()
    host = AsgiHost((await Scene([OPENING, go_on, CLOSING, forever()]).start()).response())
    responder = host.request()
    await host.wait_for_body(lambda body: b"text-delta" in body)
    host.reading.clear()
    go_on.set()
    for _ in range(10):
        await asyncio.sleep(0)  # until the write waits
    responder.cancel()
    await asyncio.sleep(0)
    host.reading.set()
    await asyncio.wait([responder], timeout=LONG)
    assert reduce(host.chunks[:-1]).parts == [StepStartPart(), TextPart(text="Hello", state="done")]
    assert isinstance(host.chunks[-1], Error)
    assert only(lines)["outcome"] == "interrupted"


async def test_readers_at_different_speeds_see_the_same_answer() -> None:
    words: list[ScriptEvent] = [[TextDelta(id="0", delta=f"{number} ")] for number in range(500)]
    pauses = itertools.repeat(0.0)
    script = [OPENING, *itertools.chain(*zip(words, pauses, strict=False)), CLOSING, DONE]
    scene = Scene(script)
    run = await scene.start()
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


async def replay(run: StartedRun) -> list[Chunk]:
    pieces = []
    reader = run.log.reader(NEWEST_CLIENT_VERSION)
    while (piece := await asyncio.wait_for(reader.read(), LONG)) is not None:
        pieces.append(piece)
    return chunks_of(b"".join(pieces))


PAUSED = replace(DONE, paused=True)
BEGUN = UIMessage(
    id="m", role="assistant", parts=[StepStartPart(), TextPart(text="So", state="done")]
)


@pytest.mark.parametrize("continued", [None, BEGUN])
async def test_when_the_provider_pauses_it_is_asked_to_go_on(continued: UIMessage | None) -> None:
    scene = Scene([OPENING, CLOSING, PAUSED], SPOKEN)
    of = turn(continued=continued)
    answer = await scene.answer(of)

    said = [StepStartPart(), TextPart(text="Hello", state="done")]
    before = continued.parts if continued else []
    assert reduce(answer, continued).parts == [*before, *said, *said]
    assert [chunk.type for chunk in answer].count("finish") == 1
    first, second = scene.model.calls
    assert first.messages == of.messages
    so_far = UIMessage(id="m", role="assistant", parts=[*before, *said])
    assert second.messages == [of.messages[0], so_far]
    assert all(stream.closed.is_set() for stream in scene.model.streams)


async def test_a_provider_that_does_nothing_but_pause_is_not_asked_for_ever() -> None:
    scene = Scene([OPENING, CLOSING, PAUSED])
    answer = await scene.answer()
    assert answer[-1].type == "finish"
    assert len(scene.model.calls) < 100
